//! Running statistics of batch normalization.

use super::Pass;
use crate::kernels::norm::Statistics;

/// Running mean and variance of the normalizations of one layer.
///
/// They follow PyTorch: `running = (1 - momentum) running + momentum batch`, with the unbiased variance of the batch.
#[derive(Debug, Clone)]
pub struct Running {
    name: String,
    momentum: f32,
    statistics: Vec<Statistics>,
    /// Of the last training batch, until its step is taken.
    pending: Vec<Statistics>,
}

impl Running {
    /// Mean 0 and variance 1 for normalizations of the given widths.
    pub fn new(name: &str, widths: &[usize], momentum: f32) -> Self {
        let statistics = widths
            .iter()
            .map(|&c| Statistics {
                mean: vec![0.0; c],
                variance: vec![1.0; c],
                count: 0,
            })
            .collect();
        Self {
            name: name.to_string(),
            momentum,
            statistics,
            pending: Vec::new(),
        }
    }

    /// Name, unique in its network.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One entry a normalization.
    pub fn statistics(&self) -> &[Statistics] {
        &self.statistics
    }

    /// The same, to be loaded into.
    pub fn statistics_mut(&mut self) -> &mut [Statistics] {
        &mut self.statistics
    }

    /// Notes the statistics of a batch of training. They count once its step is taken: [`Running::commit`].
    pub fn note<'a>(&mut self, pass: &Pass, batch: impl IntoIterator<Item = &'a Statistics>) {
        if pass.is_recorded() {
            self.pending = batch.into_iter().cloned().collect();
        }
    }

    /// Takes in the noted batch. A batch of nothing says nothing.
    pub fn commit(&mut self) {
        for (running, batch) in self.statistics.iter_mut().zip(self.pending.drain(..)) {
            if batch.count == 0 {
                continue;
            }
            let n = batch.count as f32;
            let unbias = n / (n - 1.0).max(1.0);
            for (r, b) in running.mean.iter_mut().zip(&batch.mean) {
                *r += self.momentum * (b - *r);
            }
            for (r, b) in running.variance.iter_mut().zip(&batch.variance) {
                *r += self.momentum * (b * unbias - *r);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_statistics_follow_pytorch() {
        // torch.nn.BatchNorm1d(1) after one batch [1, 3]: mean 0 + 0.1 * 2, var 1 + 0.1 * (2 - 1).
        let mut running = Running::new("bn", &[1], 0.1);
        let batch = [Statistics {
            mean: vec![2.0],
            variance: vec![1.0],
            count: 2,
        }];
        running.note(&Pass::Training { seed: 0, step: 0 }, &batch);
        assert_eq!(
            running.statistics()[0].mean[0],
            0.0,
            "a batch without its step changes nothing"
        );
        running.commit();
        assert!((running.statistics()[0].mean[0] - 0.2).abs() < 1e-7);
        assert!((running.statistics()[0].variance[0] - 1.1).abs() < 1e-7);
        running.note(&Pass::Trial { seed: 0, step: 1 }, &batch);
        running.commit();
        assert!((running.statistics()[0].mean[0] - 0.2).abs() < 1e-7, "a trial is noted");
    }
}
