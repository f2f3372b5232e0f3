//! Where a training stands, kept without loss of a bit.

use crate::bits;
use crate::early_stopping::Patience;
use crate::metric::Metric;
use serde::{Deserialize, Serialize};

/// Why a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All epochs are done.
    AllEpochs,
    /// The validation figure no longer got better.
    EarlyStopping,
}

/// The best epoch so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// The figure by which it is the best.
    pub metric: Metric,
    /// Its value; infinite (`null` in JSON) for a background rejection that has no bound.
    #[serde(deserialize_with = "null_is_infinite")]
    pub value: f64,
    /// Epoch, from 1.
    pub epoch: u64,
}

fn null_is_infinite<'de, D: serde::Deserializer<'de>>(d: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(d)?.unwrap_or(f64::INFINITY))
}

/// The best epoch as a checkpoint keeps it: without loss of a bit.
mod exact_best {
    use super::{BestEpoch, Metric, bits};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Exact {
        metric: Metric,
        #[serde(with = "bits")]
        value: f64,
        epoch: u64,
    }

    pub(super) fn serialize<S: Serializer>(best: &Option<BestEpoch>, s: S) -> Result<S::Ok, S::Error> {
        best.as_ref()
            .map(|b| Exact {
                metric: b.metric,
                value: b.value,
                epoch: b.epoch,
            })
            .serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<BestEpoch>, D::Error> {
        let best = Option::<Exact>::deserialize(d)?;
        Ok(best.map(|b| BestEpoch {
            metric: b.metric,
            value: b.value,
            epoch: b.epoch,
        }))
    }
}

/// Where a training stands. With the learner's files it decides every later bit; the orders of the jets follow from the
/// seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done, whole ones.
    pub epochs_done: u64,
    /// Batches of the epoch under way that are done.
    pub batches_done: u64,
    /// Steps done, over all epochs.
    pub step: u64,
    /// Sum of loss times jets over the epoch under way, for its mean.
    #[serde(with = "bits")]
    pub(crate) loss_sum: f64,
    /// Jets of the epoch under way that are done.
    pub(crate) epoch_jets: u64,
    /// Learning rate of the last step.
    #[serde(with = "bits")]
    pub(crate) learning_rate: f64,
    /// The best epoch, absent before the first is done.
    #[serde(with = "exact_best")]
    pub best: Option<BestEpoch>,
    /// State of early stopping.
    pub(crate) patience: Patience,
    /// Set when the training is over.
    pub ending: Option<Ending>,
    /// Seconds of work so far, validation included.
    pub seconds: f64,
    /// Seconds of training in the epoch under way.
    pub(crate) epoch_seconds: f64,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self {
            epochs_done: 0,
            batches_done: 0,
            step: 0,
            loss_sum: 0.0,
            epoch_jets: 0,
            learning_rate: 0.0,
            best: None,
            patience: Patience::default(),
            ending: None,
            seconds: 0.0,
            epoch_seconds: 0.0,
        }
    }

    /// Whether nothing is left to train when `epochs` are wanted.
    pub(crate) fn is_over(&self, epochs: u64) -> bool {
        match self.ending {
            None => false,
            Some(Ending::EarlyStopping) => true,
            Some(Ending::AllEpochs) => self.epochs_done >= epochs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_comes_back_from_json_bit_for_bit() {
        let mut progress = Progress::start();
        // Values whose decimal form is easily read back one bit off, and one JSON has no word for.
        progress.loss_sum = f64::from_bits(0x3fd5_5555_5555_5553);
        progress.learning_rate = 2.225_073_858_507_201e-308;
        progress.best = Some(BestEpoch {
            metric: Metric::ValRejection(30),
            value: f64::INFINITY,
            epoch: 3,
        });
        let rule = crate::config::EarlyStopping::default();
        progress.patience.stop_after(&rule, 1, 0.1 + 0.2);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
    }
}
