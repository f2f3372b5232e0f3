//! From features of pairs to a bias a head.

use super::host::{At, Operation, Saved, unary};
use crate::kernels::norm::Statistics;
use crate::kernels::pair_embedding::{self, PairSpec, Places};
use crate::kernels::workspace::Workspace;
use burn::tensor::Tensor;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
struct PairEmbedding {
    spec: Arc<PairSpec>,
    features: Arc<Vec<f32>>,
    places: Arc<Places>,
    /// Statistics to use (scoring); in training the batch's own are used and left in `measured`.
    given: Option<Vec<Statistics>>,
    measured: Arc<Mutex<Vec<Statistics>>>,
    workspace: Workspace,
}

impl Operation<1> for PairEmbedding {
    fn forward(&self, [parameters]: [&[f32]; 1]) -> (Vec<f32>, [usize; 2], Saved) {
        let (out, saved) = pair_embedding::forward(
            &self.spec,
            parameters,
            &self.features,
            &self.places,
            self.given.as_deref(),
            &self.workspace,
        );
        *self.measured.lock().unwrap_or_else(PoisonError::into_inner) = saved.statistics().to_vec();
        let values = out.len();
        (out, [1, values], Arc::new(saved))
    }

    fn backward(&self, at: At<1>) -> [Option<Vec<f32>>; 1] {
        let saved = at.saved.downcast_ref::<pair_embedding::Saved>();
        [saved.filter(|_| self.given.is_none()).map(|saved| {
            pair_embedding::backward(
                &self.spec,
                at.inputs[0],
                &self.features,
                &self.places,
                saved,
                at.d_output,
                &self.workspace,
            )
        })]
    }
}

/// See [`crate::ops::pair_embedding_training`].
pub(in crate::ops) fn pair_embedding(
    parameters: Tensor<1>,
    features: &Arc<Vec<f32>>,
    spec: &Arc<PairSpec>,
    places: &Arc<Places>,
    given: Option<&[Statistics]>,
    workspace: &Workspace,
) -> (Tensor<2>, Vec<Statistics>) {
    let measured: Arc<Mutex<Vec<Statistics>>> = Arc::default();
    let operation = PairEmbedding {
        spec: spec.clone(),
        features: features.clone(),
        places: places.clone(),
        given: given.map(<[_]>::to_vec),
        measured: measured.clone(),
        workspace: workspace.clone(),
    };
    let out = unary(parameters, Arc::new(operation));
    let statistics = std::mem::take(&mut *measured.lock().unwrap_or_else(PoisonError::into_inner));
    (out, statistics)
}
