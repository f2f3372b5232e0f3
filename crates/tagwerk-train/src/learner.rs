//! The seam between the loop and a network: what a batch is and what a learner can do with it.

use crate::examples::Examples;
use std::path::Path;
use tagwerk_physics::View;

/// One mini-batch of `B` jets: a view with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// What the network sees of the jets.
    pub view: View,
    /// 1 for signal, 0 for background, `[B]`; of a regression the target.
    pub labels: Vec<f32>,
    /// Weight of each jet in the loss and in the metrics, `[B]`; 1 when absent.
    pub weights: Option<Vec<f32>>,
    /// Hypothesis parameter of each jet (a resonance mass, say), `[B]`, for parametrized networks; absent otherwise.
    pub parameters: Option<Vec<f32>>,
    /// Row of each jet in its data set, `[B]`.
    pub rows: Vec<u64>,
}

impl Batch {
    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// What the loop says about one optimizer step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Steps done before this one, over all epochs; addresses random streams such as dropout's.
    pub step: u64,
    /// Learning rate of this step.
    pub learning_rate: f64,
}

/// A network with its optimizer.
///
/// Everything that decides the next step lives in the learner's saved files, in [`Update`] and in the batch: a learner
/// that was saved, dropped, built again and loaded makes the same next step to the last bit. Hidden state (a generator
/// that runs on, a clock) breaks exact resume.
pub trait Learner: Send {
    /// Sees the training jets once, before the first step of a new training and never on a resume: where a learner
    /// takes centers and scales of its inputs from. They belong to what [`save`](Self::save) writes. Default: nothing.
    ///
    /// # Errors
    /// Examples that cannot be read or do not fit.
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), LearnerError> {
        let _ = train;
        Ok(())
    }

    /// One optimizer step; returns the mean loss of the batch before the step.
    ///
    /// # Errors
    /// When the batch does not fit the network.
    fn step(&mut self, batch: &Batch, update: Update) -> Result<f64, LearnerError>;

    /// Called when all steps of an epoch are done, before the validation jets are scored: learners that collect in
    /// [`step`](Self::step) and fit in one piece do it here. After a resume it may be called again with no step in
    /// between, and then changes nothing. Default: nothing.
    ///
    /// # Errors
    /// When what was collected cannot be fitted.
    fn end_epoch(&mut self) -> Result<(), LearnerError> {
        Ok(())
    }

    /// Signal log-odds of each jet, `[B]`; of a regression the prediction, in the target's unit. Changes nothing that
    /// later steps depend on.
    ///
    /// # Errors
    /// When the batch does not fit the network.
    fn score(&mut self, batch: &Batch) -> Result<Vec<f32>, LearnerError>;

    /// Number of trainable parameters. A learner whose size its training jets decide gives the most there can be until
    /// it is trained or loaded.
    fn parameter_count(&self) -> usize;

    /// Writes weights, optimizer state and whatever else the next step depends on into `dir`, an existing empty folder
    /// that no one else looks at. Names that begin with `state.json` are the loop's own.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn save(&self, dir: &Path) -> Result<(), LearnerError>;

    /// Reads back what [`save`](Self::save) wrote, bit for bit.
    ///
    /// # Errors
    /// When a file is missing or does not fit the network.
    fn load(&mut self, dir: &Path) -> Result<(), LearnerError>;

    /// Reads the weights alone, which is all that scoring needs.
    ///
    /// # Errors
    /// When the file is missing or does not fit the network.
    fn load_weights(&mut self, dir: &Path) -> Result<(), LearnerError>;
}

/// An error of a network, of whatever kind.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct LearnerError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl LearnerError {
    /// An error of these words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Wraps another error; its words become this error's.
    pub fn wrap(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            message: source.to_string(),
            source: Some(Box::new(source)),
        }
    }
}

impl From<std::io::Error> for LearnerError {
    fn from(source: std::io::Error) -> Self {
        Self::wrap(source)
    }
}
