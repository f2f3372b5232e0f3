//! Convolutions, poolings and normalizations of pictures of which only some pixels are computed.

use super::host::{At, Operation, Saved, binary, unary};
use crate::kernels::conv::{self, ConvSpec, Grids};
use crate::kernels::norm::Statistics;
use crate::kernels::pool;
use crate::kernels::site_norm;
use crate::kernels::sites::{Sites, Window};
use crate::kernels::workspace::Workspace;
use burn::tensor::Tensor;
use std::sync::{Arc, OnceLock};

/// A convolution, its rows and its buffers.
#[derive(Debug)]
struct Convolution {
    spec: Arc<ConvSpec>,
    from: Arc<Sites>,
    to: Arc<Sites>,
    workspace: Workspace,
}

impl Convolution {
    fn grids(&self) -> Grids<'_> {
        Grids {
            from: &self.from,
            to: &self.to,
        }
    }
}

impl Operation<2> for Convolution {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let y = conv::forward(&self.spec, parameters, x, self.grids(), &self.workspace);
        (y, [self.to.row_count(), self.spec.c_out], Arc::new(()))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, parameters] = at.inputs;
        let (gradient, d_x) = conv::backward(
            &self.spec,
            parameters,
            x,
            at.output,
            at.d_output,
            self.grids(),
            at.wanted[0],
            &self.workspace,
        );
        [d_x, Some(gradient)]
    }
}

/// See [`crate::ops::convolution`].
pub(in crate::ops) fn convolution(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<ConvSpec>,
    from: &Arc<Sites>,
    to: &Arc<Sites>,
    workspace: &Workspace,
) -> Tensor<2> {
    let operation = Convolution {
        spec: spec.clone(),
        from: from.clone(),
        to: to.clone(),
        workspace: workspace.clone(),
    };
    binary(x, parameters, Arc::new(operation))
}

/// A pooling of pictures of `channels` channels.
#[derive(Debug)]
struct MaxPool {
    window: Window,
    from: Arc<Sites>,
    to: Arc<Sites>,
    channels: usize,
    workspace: Workspace,
}

impl Operation<1> for MaxPool {
    fn forward(&self, [x]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        let (y, winners) = pool::forward(&self.window, x, self.channels, &self.from, &self.to);
        (y, [self.to.row_count(), self.channels], Arc::new(winners))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        let winners = at.saved.downcast_ref::<Vec<u32>>();
        [winners.map(|w| pool::backward(w, at.d_output, self.channels, &self.from, &self.to, &self.workspace))]
    }
}

/// See [`crate::ops::max_pool`].
pub(in crate::ops) fn max_pool(
    x: Tensor<2>,
    window: Window,
    from: &Arc<Sites>,
    to: &Arc<Sites>,
    workspace: &Workspace,
) -> Tensor<2> {
    let [_, channels] = x.dims();
    let operation = MaxPool {
        window,
        from: from.clone(),
        to: to.clone(),
        channels,
        workspace: workspace.clone(),
    };
    unary(x, Arc::new(operation))
}

/// A normalization.
#[derive(Debug)]
struct SiteNorm {
    /// Given, or found in the forward pass, where the values lie at hand.
    statistics: Arc<OnceLock<Statistics>>,
    of_batch: bool,
    sites: Arc<Sites>,
    relu: bool,
}

impl SiteNorm {
    fn statistics(&self, x: &[f32], c: usize) -> &Statistics {
        self.statistics
            .get_or_init(|| site_norm::statistics(x, c, self.sites.shared()))
    }
}

impl Operation<2> for SiteNorm {
    fn forward(&self, [x, parameters]: [&[f32]; 2]) -> (Vec<f32>, [usize; 2], Saved) {
        let c = parameters.len() / 2;
        let (gamma, beta) = parameters.split_at(c);
        let map = self.statistics(x, c).affine(gamma, beta);
        let y = site_norm::forward(x, &map, self.relu);
        (y, [self.sites.row_count(), c], Arc::new(()))
    }

    fn backward(&self, at: At<2>) -> [Option<Vec<f32>>; 2] {
        let [x, parameters] = at.inputs;
        let c = parameters.len() / 2;
        let (gamma, beta) = parameters.split_at(c);
        let call = site_norm::Backward {
            statistics: self.statistics(x, c),
            of_batch: self.of_batch,
            gamma,
            beta,
            shared: self.sites.shared(),
            relu: self.relu,
        };
        let (gradient, d_x) = site_norm::backward(call, x, at.d_output);
        [Some(d_x), Some(gradient)]
    }
}

/// See [`crate::ops::site_norm_training`].
pub(in crate::ops) fn site_norm_training(
    x: Tensor<2>,
    parameters: Tensor<1>,
    sites: &Arc<Sites>,
    relu: bool,
) -> (Tensor<2>, Statistics) {
    let statistics = Arc::new(OnceLock::new());
    let operation = SiteNorm {
        statistics: statistics.clone(),
        of_batch: true,
        sites: sites.clone(),
        relu,
    };
    let y = binary(x, parameters, Arc::new(operation));
    // The forward pass has run.
    (y, statistics.get().cloned().unwrap_or_default())
}

/// See [`crate::ops::site_norm_scoring`].
pub(in crate::ops) fn site_norm_scoring(
    x: Tensor<2>,
    parameters: Tensor<1>,
    statistics: &Statistics,
    sites: &Arc<Sites>,
    relu: bool,
) -> Tensor<2> {
    let operation = SiteNorm {
        statistics: Arc::new(OnceLock::from(statistics.clone())),
        of_batch: false,
        sites: sites.clone(),
        relu,
    };
    binary(x, parameters, Arc::new(operation))
}
