//! What training makes small: cross entropy or focal loss, the squares of weights, and DisCo.

use super::{NetworkConfig, ParametricNetwork};
use std::collections::HashMap;
use std::sync::Arc;
use tagwerk_nn::layers::{Part, Parts, Pass};
use tagwerk_nn::ops::{self, Activation};
use tagwerk_nn::{Tensor, TensorData, loss};
use tagwerk_physics::View;
use tagwerk_train::Batch;

impl ParametricNetwork {
    /// Cross entropy or focal loss, and the squares of the dense weights.
    pub(super) fn objective(&self, logits: &Tensor<2>, batch: &Batch, pass: &Pass) -> Tensor<1> {
        let mut total = match self.outputs {
            1 => loss::focal(
                logits.clone(),
                &batch.labels,
                batch.weights.as_deref(),
                self.config.focal_gamma,
            ),
            _ => self.softmax_loss(logits, batch),
        };
        for part in self.parts() {
            if let Part::Block(block) = part
                && let Some(lambda) = self.decays.get(block.name())
            {
                total = total + ops::weighted_squares(block.tensor(pass), lambda);
            }
        }
        if let Some((feature, strength)) = self.decorrelation
            && let Some(correlation) = self.correlation(logits, batch, feature)
        {
            total = total + correlation * strength;
        }
        total
    }

    /// The log-odds of signal against everything else, `[B, 1]`, of logits `[B, 1 + K]`.
    pub(super) fn signal(&self, logits: Tensor<2>) -> Tensor<2> {
        if self.outputs == 1 {
            return logits;
        }
        let [rows, n] = logits.dims();
        let signal = logits.clone().slice([0..rows, 0..1]);
        signal - log_sum(logits.slice([0..rows, 1..n]))
    }

    /// Mean of `-log p(class)` of a softmax, `[1]`.
    fn softmax_loss(&self, logits: &Tensor<2>, batch: &Batch) -> Tensor<1> {
        let n = self.outputs;
        let mut chosen = vec![0.0f32; batch.len() * n];
        for (i, &row) in batch.rows.iter().enumerate() {
            // Rows beyond those that were told are of the first process.
            let process = self.classes.get(row as usize).map_or(1, |&class| class as usize);
            let class = if batch.labels[i] > 0.5 {
                0
            } else {
                process.clamp(1, n - 1)
            };
            chosen[i * n + class] = 1.0;
        }
        let device = logits.device();
        let chosen = Tensor::<2>::from_data(TensorData::new(chosen, [batch.len(), n]), &device);
        let loss = log_sum(logits.clone()) - (logits.clone() * chosen).sum_dim(1); // [B, 1]
        match &batch.weights {
            None => loss.mean(),
            Some(weights) => {
                let weights = Tensor::<2>::from_data(TensorData::new(weights.clone(), [batch.len(), 1]), &device);
                (loss * weights).mean()
            }
        }
    }

    /// The distance correlation of a batch, `[1]`: over its hypotheses, each with as much weight as it has background.
    fn correlation(&self, logits: &Tensor<2>, batch: &Batch, feature: usize) -> Option<Tensor<1>> {
        /// Fewer events than these say nothing of a correlation.
        const FEWEST: usize = 16;
        /// More are not looked at: the matrices of distances are squares.
        const MOST: usize = 2048;
        let View::Dense(view) = &batch.view else { return None };
        let (c, p) = (self.features, self.parameters);
        let row = |i: usize| &view.values[i * (c + p)..(i + 1) * (c + p)];
        let background: Vec<usize> = (0..batch.len()).filter(|&i| batch.labels[i] < 0.5).take(MOST).collect();
        let mut groups = std::collections::BTreeMap::<Vec<u32>, Vec<usize>>::new();
        for &i in &background {
            let point = row(i)[c..].iter().map(|v| v.to_bits()).collect();
            groups.entry(point).or_default().push(i);
        }
        // Hypotheses anywhere: nearly every event has its own, and they are taken together.
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        if groups.len() * FEWEST > background.len() {
            groups = vec![background];
        }
        groups.retain(|rows| rows.len() >= FEWEST);
        let total: usize = groups.iter().map(Vec::len).sum();
        let scores = ops::activate(self.signal(logits.clone()), Activation::Sigmoid);
        let scores = scores.reshape([batch.len()]);
        let mut sum: Option<Tensor<1>> = None;
        for rows in groups {
            let values: Vec<f32> = rows.iter().map(|&i| row(i)[feature]).collect();
            let share = rows.len() as f64 / total as f64;
            let own = loss::distance_correlation(loss::rows_of(scores.clone(), &rows), &values) * share;
            sum = Some(match sum {
                Some(sum) => sum + own,
                None => own,
            });
        }
        sum
    }
}

/// `log sum exp` of each row, which never overflows.
///
/// # Shapes
/// - `x`: `[B, K]`; returns `[B, 1]`
fn log_sum(x: Tensor<2>) -> Tensor<2> {
    let highest = x.clone().detach().max_dim(1);
    (x - highest.clone()).exp().sum_dim(1).log() + highest
}

/// Lambda of each parameter of the blocks whose squares the loss counts, by the block's name.
pub(super) fn decays(config: &NetworkConfig, parts: &[Part<'_>]) -> HashMap<String, Arc<Vec<f32>>> {
    let mut found = HashMap::new();
    for part in parts {
        let Part::Block(block) = part else { continue };
        let dense = block.name().starts_with("dense") || block.name() == "output";
        if !dense || (config.l2_kernel == 0.0 && config.l2_bias == 0.0) {
            continue;
        }
        let mut lambda = vec![0.0; block.len()];
        for entry in block.entries() {
            let kernel = entry.shape.len() == 2;
            let value = if kernel { config.l2_kernel } else { config.l2_bias };
            lambda[entry.range.clone()].fill(value as f32);
        }
        found.insert(block.name().to_owned(), Arc::new(lambda));
    }
    found
}
