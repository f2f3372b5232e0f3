//! Deep ensembles: the same training from other seeds, on the data or on bootstrap samples of them.
//!
//! Lakshminarayanan, Pritzel, Blundell, arXiv:1612.01474. The yardstick that every sampler of weights has to pass: its
//! members lie in different optima, which no chain around one optimum reaches. It has no lambda; the spread of its
//! members is that of trainings, plus with `bootstrap` that of data sets.
//!
//! **Cost**: a training a member. Members are trained at once, one a thread.

use super::energy::positive;
use crate::SurrogateError;
use rand_core::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tagwerk_data::random::{below, stream};

/// Plan of an ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// Trainings. Default: 10, as many as the published posteriors have draws.
    pub members: usize,
    /// Whether each training sees as many rows as there are, drawn with replacement. Default: false.
    pub bootstrap: bool,
    /// Seed of the plan. Default: 0.
    pub seed: u64,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self {
            members: 10,
            bootstrap: false,
            seed: 0,
        }
    }
}

/// What a member is trained with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Number, from 0.
    pub index: usize,
    /// Seed of its initial weights and batches.
    pub seed: u64,
    /// Its rows; `None` for all. [`OnRows`](super::OnRows) shows a model these rows only.
    pub rows: Option<Vec<usize>>,
}

impl EnsembleConfig {
    /// # Errors
    /// No member.
    pub fn check(&self) -> Result<(), SurrogateError> {
        positive("members", self.members)
    }

    /// The member `index` on `rows` data: a function of (seed, index), whichever members are trained.
    pub fn member(&self, index: usize, rows: usize) -> Member {
        let mut rng = stream(self.seed, "ensemble member", index as u64);
        let seed = rng.next_u64();
        let draw = || (0..rows).map(|_| below(&mut rng, rows as u64) as usize).collect();
        Member {
            index,
            seed,
            rows: self.bootstrap.then(draw),
        }
    }
}

/// Trains all members at once and returns their weights, `[members, P]`, in order.
///
/// # Errors
/// The first error of a training; weights of different length.
pub fn train_ensemble(
    config: &EnsembleConfig,
    rows: usize,
    train: impl Fn(&Member) -> Result<Vec<f32>, SurrogateError> + Sync,
) -> Result<Vec<f32>, SurrogateError> {
    config.check()?;
    let members = (0..config.members)
        .into_par_iter()
        .with_max_len(1)
        .map(|index| train(&config.member(index, rows)))
        .collect::<Result<Vec<_>, _>>()?;
    let expected = members[0].len();
    match members.iter().find(|weights| weights.len() != expected) {
        Some(weights) => Err(SurrogateError::Length {
            what: "weights of a member",
            found: weights.len(),
            expected,
        }),
        None => Ok(members.concat()),
    }
}
