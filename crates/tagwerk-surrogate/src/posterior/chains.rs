//! Several chains at once, one a thread.

use super::chain::{Chain, Sampler};
use super::energy::{Energy, at_least, positive, setting_error};
use crate::SurrogateError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How many chains, how long, and what is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainsConfig {
    /// Independent chains. Default: 4, so that R-hat can be computed (the published surrogate has one).
    pub chains: usize,
    /// Steps of each chain, burn-in included. Default: 30,900 (996 epochs of 31 batches, as published).
    pub steps: u64,
    /// Steps at the beginning that are not stored, and in which samplers adapt. Default: 0, as published, where the
    /// chain starts at the trained network.
    pub burn_in: u64,
    /// The weights of every such step after burn-in are stored. Default: 3,090, which makes 10 draws, as
    /// published.
    pub every: u64,
    /// Rows a step, all if absent. Default: 131,072, as published.
    pub batch: Option<usize>,
    /// Standard deviation of a normal shift of each chain's starting weights. Default: 0. R-hat can only see what
    /// chains disagree on if they start further apart than the posterior is wide.
    pub start_spread: f64,
    /// Seed of all chains. Default: 0.
    pub seed: u64,
}

impl Default for ChainsConfig {
    fn default() -> Self {
        Self {
            chains: 4,
            steps: 30_900,
            burn_in: 0,
            every: 3_090,
            batch: Some(131_072),
            start_spread: 0.0,
            seed: 0,
        }
    }
}

impl ChainsConfig {
    /// # Errors
    /// A setting outside its range; a schedule that stores nothing.
    pub fn check(&self) -> Result<(), SurrogateError> {
        positive("chains", self.chains)?;
        positive("every", self.every as usize)?;
        positive("batch", self.batch.unwrap_or(1))?;
        at_least("start_spread", self.start_spread, 0.0, "finite and at least 0")?;
        if self.draws_of_a_chain() == 0 {
            return Err(setting_error(
                "steps",
                self.steps,
                "at least burn_in + every: no weights would be stored",
            ));
        }
        Ok(())
    }

    /// Weights that each chain stores.
    pub fn draws_of_a_chain(&self) -> u64 {
        self.steps.saturating_sub(self.burn_in) / self.every.max(1)
    }

    /// Whether the weights after so many steps are stored.
    pub(crate) fn stores(&self, steps_made: u64) -> bool {
        steps_made > self.burn_in && (steps_made - self.burn_in).is_multiple_of(self.every)
    }
}

/// Where chains save themselves while they run.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// An existing folder. Chain `c` is `chain-c.safetensors`.
    pub folder: PathBuf,
    /// Steps between two savings; a chain is saved at its end, too.
    pub every: u64,
}

impl Checkpoints {
    /// The file of a chain.
    pub fn file(&self, chain: usize) -> PathBuf {
        self.folder.join(format!("chain-{chain}.safetensors"))
    }
}

/// Runs all chains to their end, in parallel on the current thread pool, and resumes those that `checkpoints` has files
/// of.
///
/// `starts` are weights `[P]`: one for all chains, or one for each. `goes_on` is asked between steps (every `every`
/// steps of `checkpoints`, 100 without): false stops the chains where they are, saved. The result does not depend on
/// the number of threads. Each chain has one thread, and whatever the model uses itself.
///
/// # Errors
/// Settings outside their range, another number of starts, errors of the model, of the disk, and files of other chains.
pub fn run_chains<'a, S: Sampler>(
    sampler: &'a S,
    energy: Energy<'a>,
    config: &'a ChainsConfig,
    starts: &[Vec<f64>],
    checkpoints: Option<&Checkpoints>,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Chain<'a, S>>, SurrogateError> {
    config.check()?;
    if starts.len() != 1 && starts.len() != config.chains {
        return Err(SurrogateError::Length {
            what: "starting weights of chains",
            found: starts.len(),
            expected: config.chains,
        });
    }
    let interval = checkpoints.map_or(100, |c| c.every).max(1);
    let one = |index: usize| {
        let file = checkpoints.map(|c| c.file(index));
        let mut chain = match file.as_deref().filter(|file| file.exists()) {
            Some(file) => Chain::resume(sampler, energy, config, index, file)?,
            None => Chain::start(sampler, energy, config, index, &starts[index % starts.len()])?,
        };
        let save = |chain: &Chain<'a, S>, file: Option<&Path>| file.map_or(Ok(()), |file| chain.save(file));
        while !chain.is_finished() && goes_on() {
            chain.advance(chain.steps() + interval)?;
            save(&chain, file.as_deref())?;
        }
        Ok(chain)
    };
    (0..config.chains).into_par_iter().with_max_len(1).map(one).collect()
}
