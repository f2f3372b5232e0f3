//! A trained network that answers: what is the score of these events at these hypotheses?

use super::config::StudyConfig;
use super::{Description, opened};
use crate::error::ParametricError;
use crate::network::ParametricNetwork;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tagwerk_physics::{DenseView, View};
use tagwerk_taggers::{Context, NetworkLearner};
use tagwerk_train::{Batch, CheckpointKind, Learner, RunFolder};

/// The best weights of a run.
#[derive(Debug)]
pub struct Scorer {
    /// What the run was trained for.
    pub description: Description,
    /// How.
    pub config: StudyConfig,
    pub(crate) folder: RunFolder,
    pub(crate) learner: NetworkLearner<ParametricNetwork>,
    stop: Arc<AtomicBool>,
}

impl Scorer {
    /// Opens a run that has weights.
    ///
    /// # Errors
    /// A folder without a parametric run, or without weights.
    pub fn open(run: &Path, context: &Context) -> Result<Self, ParametricError> {
        let (folder, description) = opened(run)?;
        let config: StudyConfig = folder.config()?;
        let (features, parameters) = (description.features.len(), description.parameters.len());
        let (processes, seed) = (description.processes.len(), config.training.seed);
        let network = config
            .network
            .init_with_processes(features, parameters, processes, seed, &context.device)?;
        let mut learner = NetworkLearner::new(network, &config.training, &context.device);
        let checkpoints = folder.checkpoints();
        checkpoints.verify(CheckpointKind::Best)?;
        learner
            .load_weights(&checkpoints.path(CheckpointKind::Best))
            .map_err(|error| ParametricError::NoRun {
                path: run.to_path_buf(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            description,
            config,
            folder,
            learner,
            stop: context.stop.clone(),
        })
    }

    /// Features an event, `C`.
    pub fn width(&self) -> usize {
        self.description.features.len()
    }

    /// Log-odds of events, each at its own hypothesis.
    ///
    /// # Shapes
    /// - `features`: `[B, C]`, `points`: `[B, P]`; returns `[B]`
    ///
    /// # Errors
    /// Lengths that do not fit; a stop; scores that are no numbers.
    pub fn log_odds(&mut self, features: &[f32], points: &[f32]) -> Result<Vec<f32>, ParametricError> {
        let (c, p) = (self.width(), self.description.parameters.len());
        let rows = features.len() / c.max(1);
        if points.len() != rows * p || features.len() != rows * c {
            return Err(ParametricError::Length {
                what: "parameters",
                expected: rows * p,
                found: points.len(),
            });
        }
        let size = self.config.training.score_batch_size.max(1);
        let mut scores = Vec::with_capacity(rows);
        for first in (0..rows).step_by(size) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(ParametricError::Stopped { done: 0, total: 1 });
            }
            let count = size.min(rows - first);
            let mut values = Vec::with_capacity(count * (c + p));
            for row in first..first + count {
                values.extend_from_slice(&features[row * c..(row + 1) * c]);
                values.extend_from_slice(&points[row * p..(row + 1) * p]);
            }
            let batch = Batch {
                view: View::Dense(DenseView {
                    shape: vec![c + p],
                    values,
                }),
                labels: vec![0.0; count],
                weights: None,
                parameters: None,
                rows: (first as u64..(first + count) as u64).collect(),
            };
            scores.extend(self.learner.score(&batch).map_err(|error| ParametricError::Events {
                what: "scores".to_owned(),
                reason: error.to_string(),
            })?);
        }
        match scores.iter().position(|s| !s.is_finite()) {
            Some(row) => Err(ParametricError::Events {
                what: format!("row {row}"),
                reason: format!("its score is {}", scores[row]),
            }),
            None => Ok(scores),
        }
    }

    /// Log-odds of events, all at one hypothesis.
    ///
    /// # Errors
    /// As [`log_odds`](Self::log_odds).
    pub fn log_odds_at(&mut self, features: &[f32], point: &[f32]) -> Result<Vec<f32>, ParametricError> {
        let rows = features.len() / self.width().max(1);
        self.log_odds(features, &point.repeat(rows))
    }
}
