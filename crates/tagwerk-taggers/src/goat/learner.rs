//! The networks of all folds as one learner, each kept from its own best epoch.

use super::Goat;
use crate::arrays::{ArrayReader, ArrayWriter};
use crate::cross_fit::CrossFit;
use crate::error::TaggerError;
use crate::labels::class_weights;
use crate::network::{Network, NetworkLearner};
use std::path::Path;
use tagwerk_nn::layers::{PartMut, Parts, Pass};
use tagwerk_nn::{Device, loss, weights};
use tagwerk_stats::cross_entropy;
use tagwerk_train::{Batch, Examples, Learner, LearnerError, Order, TrainingConfig, Update};

/// Trains all networks, and scores with the best so far of each.
///
/// **Why each by itself.** The loop keeps the best epoch by the mean loss of all validation examples, and these are
/// all jets: what it chose would depend on labels that a network is tested on. So at the end of each epoch every
/// network is judged by its own validation fold, and scores are those of the best so far. Their mean loss only falls:
/// the last epoch in which any network got better is the loop's best, and holds the best of all.
pub(super) struct GoatLearner {
    /// Under training.
    current: NetworkLearner<Goat>,
    /// The best so far: what scores.
    chosen: Goat,
    device: Device,
    validation: Option<CrossFit>,
    /// Epochs without a better loss after which a network is left alone.
    patience: Option<u64>,
    standing: Standing,
}

/// Where the choice stands.
#[derive(Debug, Clone, PartialEq)]
struct Standing {
    /// Steps done, and those at the last judgment.
    steps: u64,
    judged: u64,
    /// Of each network: the best loss so far, and epochs since.
    best: Vec<f64>,
    waited: Vec<u64>,
}

/// Before the first epoch: no loss is as large, and files hold finite numbers only.
const UNJUDGED: f64 = f64::MAX;

const CHOSEN: &str = "chosen.safetensors";
const STANDING: &str = "standing.safetensors";

impl GoatLearner {
    /// `network` and `chosen` start from the same draws.
    pub(super) fn new(
        network: Goat,
        chosen: Goat,
        training: &TrainingConfig,
        device: &Device,
        validation: Option<CrossFit>,
    ) -> Self {
        let networks = chosen.networks.len();
        Self {
            current: NetworkLearner::new(network, training, device),
            chosen,
            device: device.clone(),
            validation,
            patience: training.early_stopping.as_ref().map(|rule| u64::from(rule.patience)),
            standing: Standing {
                steps: 0,
                judged: 0,
                best: vec![UNJUDGED; networks],
                waited: vec![0; networks],
            },
        }
    }

    /// Mean validation loss of each network under training.
    fn losses(&mut self) -> Result<Vec<f64>, LearnerError> {
        const BATCH: usize = 4096;
        let Some(validation) = &self.validation else {
            return Err(LearnerError::wrap(TaggerError::NeedsLandscape { tagger: super::NAME }));
        };
        let networks = self.chosen.networks.len();
        let (mut sums, mut totals) = (vec![0.0; networks], vec![0.0; networks]);
        for batch in validation.batches(Order::STORED, BATCH, 0) {
            let batch = batch.map_err(LearnerError::wrap)?;
            let scores = self.current.score(&batch)?;
            let shares = self.chosen.shares(&batch.view).map_err(LearnerError::wrap)?;
            let classes: Vec<(usize, f64)> = class_weights(&batch).collect();
            for (n, share) in shares.iter().enumerate() {
                for &i in share {
                    let (class, weight) = classes[i];
                    sums[n] += weight * cross_entropy(f64::from(scores[i]), class == 1);
                    totals[n] += weight;
                }
            }
        }
        let mean = |(sum, total): (&f64, &f64)| sum / f64::max(*total, f64::MIN_POSITIVE);
        Ok(sums.iter().zip(&totals).map(mean).collect())
    }

    /// Takes over the weights of one network from those under training; its center and scale with the first.
    fn choose(&mut self, network: usize) -> Result<(), LearnerError> {
        let from = &self.current.network().networks[network];
        let input = from.input.values().map(<[f32]>::to_vec);
        let blocks: Vec<Vec<f32>> = (from.chain.parts().iter())
            .filter_map(|part| match part {
                tagwerk_nn::layers::Part::Block(block) => Some(block.to_vec()),
                _ => None,
            })
            .collect();
        let to = &mut self.chosen.networks[network];
        let [center, scale] = input;
        to.input.fit(center, scale).map_err(LearnerError::wrap)?;
        for (part, values) in to.chain.parts_mut().into_iter().zip(blocks) {
            if let PartMut::Block(block) = part {
                block.set(values);
            }
        }
        Ok(())
    }

    fn read_standing(&self, dir: &Path) -> Result<Standing, TaggerError> {
        let networks = self.chosen.networks.len();
        let mut arrays = ArrayReader::open(&dir.join(STANDING))?;
        let steps = arrays.take_exactly::<u64>("steps", 2)?;
        let standing = Standing {
            steps: steps[0],
            judged: steps[1],
            best: arrays.take_exactly("best", networks)?,
            waited: arrays.take_exactly("waited", networks)?,
        };
        arrays.finish()?;
        Ok(standing)
    }
}

impl Learner for GoatLearner {
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), LearnerError> {
        self.current.prepare(train)?;
        // Scored before the first epoch ends: the same weights, the same inputs.
        (0..self.chosen.networks.len()).try_for_each(|network| self.choose(network))
    }

    fn step(&mut self, batch: &Batch, update: Update) -> Result<f64, LearnerError> {
        self.standing.steps += 1;
        self.current.step(batch, update)
    }

    fn end_epoch(&mut self) -> Result<(), LearnerError> {
        if self.standing.steps == self.standing.judged {
            return Ok(());
        }
        let losses = self.losses()?;
        self.standing.judged = self.standing.steps;
        for (network, loss) in losses.into_iter().enumerate() {
            if self
                .patience
                .is_some_and(|patience| self.standing.waited[network] >= patience)
            {
                continue;
            }
            if loss < self.standing.best[network] {
                self.choose(network)?;
                self.standing.best[network] = loss;
                self.standing.waited[network] = 0;
            } else {
                self.standing.waited[network] += 1;
            }
        }
        Ok(())
    }

    fn score(&mut self, batch: &Batch) -> Result<Vec<f32>, LearnerError> {
        let device = Pass::Scoring.device(&self.device);
        let logits = self
            .chosen
            .forward(&batch.view, &Pass::Scoring, &device)
            .map_err(LearnerError::wrap)?;
        loss::log_odds(logits)
            .into_data()
            .convert::<f32>()
            .try_into_vec()
            .map_err(|e| LearnerError::new(format!("reading the scores: {e:?}")))
    }

    /// Of one network: each jet is scored by one.
    fn parameter_count(&self) -> usize {
        self.chosen.parameter_count() / self.chosen.networks.len().max(1)
    }

    fn save(&self, dir: &Path) -> Result<(), LearnerError> {
        self.current.save(dir)?;
        weights::save(&self.chosen, &dir.join(CHOSEN)).map_err(LearnerError::wrap)?;
        let Standing {
            steps,
            judged,
            best,
            waited,
        } = &self.standing;
        let standing = ArrayWriter::default()
            .with("steps", &[*steps, *judged])
            .with("best", best)
            .with("waited", waited);
        standing.write(&dir.join(STANDING)).map_err(LearnerError::wrap)
    }

    fn load(&mut self, dir: &Path) -> Result<(), LearnerError> {
        let standing = self.read_standing(dir).map_err(LearnerError::wrap)?;
        let chosen = weights::check(&self.chosen, &dir.join(CHOSEN)).map_err(LearnerError::wrap)?;
        self.current.load(dir)?;
        weights::apply(&mut self.chosen, chosen);
        self.standing = standing;
        Ok(())
    }

    fn load_weights(&mut self, dir: &Path) -> Result<(), LearnerError> {
        weights::load(&mut self.chosen, &dir.join(CHOSEN)).map_err(LearnerError::wrap)
    }
}
