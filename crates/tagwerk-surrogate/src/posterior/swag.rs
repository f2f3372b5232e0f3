//! SWAG: a Gaussian from the snapshots of SGD.
//!
//! Maddox, Garipov, Izmailov, Vetrov, Wilson, "A simple baseline for Bayesian uncertainty in deep learning",
//! arXiv:1902.02476. The mean of all snapshots; half the covariance diagonal, from all snapshots, half of low rank,
//! from the last K:
//!
//! theta = mean + sqrt(1/2) sqrt(diag) z1 + sqrt(1/2) D z2 / sqrt(K - 1).
//!
//! The columns of D are distances of the last K snapshots from their own mean; the authors take them from the running
//! mean at the time, which counts the way of the mean as spread.
//!
//! How wide SGD walks around its optimum is set by its step size and batch; it is the posterior's width for one choice
//! only (Mandt, Hoffman, Blei, arXiv:1704.04289). lambda and prior act through the prior's gradient alone.
//!
//! **Cost**: that of the descent, and K + 2 vectors `[P]`.

use super::energy::{positive, share};
use crate::SurrogateError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tagwerk_data::random::{normal, stream};

/// SWAG's Gaussian.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwagConfig {
    /// Rank K of the low-rank part. Default: 20.
    pub rank: usize,
    /// Share of the covariance that is diagonal, in [0, 1]. Default: 0.5. With 0 and K snapshots it is their
    /// covariance.
    pub diagonal: f64,
}

impl Default for SwagConfig {
    fn default() -> Self {
        Self {
            rank: 20,
            diagonal: 0.5,
        }
    }
}

/// A fitted SWAG.
#[derive(Debug, Clone)]
pub struct Swag {
    diagonal: f64,
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// `[K, P]`, divided by sqrt(K - 1).
    columns: Vec<Vec<f64>>,
}

impl Swag {
    /// From snapshots `[D, P]` in the order in which they were taken, D at least 2.
    ///
    /// # Errors
    /// Settings outside their range; fewer than two snapshots.
    pub fn fit(config: &SwagConfig, snapshots: &[f32], weights: usize) -> Result<Self, SurrogateError> {
        positive("rank", config.rank.saturating_sub(1))?;
        if config.diagonal != 1.0 {
            share("diagonal", config.diagonal)?;
        }
        let count = snapshots.len() / weights.max(1);
        if count < 2 || !snapshots.len().is_multiple_of(weights) {
            return Err(SurrogateError::Length {
                what: "snapshots of SWAG",
                found: snapshots.len(),
                expected: 2 * weights,
            });
        }
        let of = |range: std::ops::Range<usize>| {
            let rows = &snapshots[range.start * weights..range.end * weights];
            let mut mean = vec![0.0; weights];
            for row in rows.chunks_exact(weights) {
                mean.iter_mut().zip(row).for_each(|(m, w)| *m += f64::from(*w));
            }
            mean.iter_mut().for_each(|m| *m /= range.len() as f64);
            mean
        };
        let mean = of(0..count);
        let mut deviation = vec![0.0; weights];
        for row in snapshots.chunks_exact(weights) {
            let spreads = deviation.iter_mut().zip(row).zip(&mean);
            spreads.for_each(|((s, w), m)| *s += (f64::from(*w) - m).powi(2));
        }
        deviation
            .iter_mut()
            .for_each(|s| *s = (*s / (count as f64 - 1.0)).sqrt());
        let rank = config.rank.min(count);
        let last = of(count - rank..count);
        let root = (rank as f64 - 1.0).sqrt();
        let columns = snapshots[(count - rank) * weights..]
            .chunks_exact(weights)
            .map(|row| row.iter().zip(&last).map(|(w, m)| (f64::from(*w) - m) / root).collect())
            .collect();
        Ok(Self {
            diagonal: config.diagonal,
            mean,
            deviation,
            columns,
        })
    }

    /// The mean of all snapshots, `[P]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance of two weights.
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        let low_rank: f64 = self.columns.iter().map(|column| column[i] * column[j]).sum();
        let diagonal = if i == j { self.deviation[i].powi(2) } else { 0.0 };
        self.diagonal * diagonal + (1.0 - self.diagonal) * low_rank
    }

    /// `draws` draws `[D, P]`; draw `d` is a function of (seed, d).
    pub fn draws(&self, seed: u64, draws: usize) -> Vec<f32> {
        let one = |index: usize| {
            let mut rng = stream(seed, "swag draw", index as u64);
            let mut weights = self.mean.clone();
            let alone = self.diagonal.sqrt();
            for (w, s) in weights.iter_mut().zip(&self.deviation) {
                *w += alone * s * normal(&mut rng);
            }
            let together = (1.0 - self.diagonal).sqrt();
            for column in &self.columns {
                let z = together * normal(&mut rng);
                weights.iter_mut().zip(column).for_each(|(w, c)| *w += z * c);
            }
            weights.into_iter().map(|w| w as f32).collect::<Vec<f32>>()
        };
        (0..draws).into_par_iter().map(one).collect::<Vec<_>>().concat()
    }
}
