//! What a training reads and does not change: transformed rows, the network's shape, validation with its noise.

use crate::conditions::Conditions;
use crate::config::SurrogateConfig;
use crate::error::SurrogateError;
use crate::evaluation::EvaluationOptions;
use crate::flow::{Coupling, ExactLikelihood, Examples, FlowConfig, Pairs};
use crate::table::Table;
use crate::transform::Clamped;
use crate::velocity::VelocityNet;
use tagwerk_data::permutation;

/// Stream of times and noise of the validation rows.
const VALIDATION_NOISE: &str = "surrogate validation";

/// What does not change in a training.
pub(super) struct Prepared {
    pub(super) net: VelocityNet,
    pub(super) conditions: Conditions,
    pub(super) x: Vec<f32>,
    pub(super) c: Vec<f32>,
    pub(super) validation: Validation,
    pub(super) clamped: Clamped,
    pub(super) steps_per_epoch: u64,
    pub(super) identity: String,
    /// Row in the data of each training row.
    pub(super) rows: Vec<u64>,
    epochs: u64,
}

/// The validation rows with their times and noise.
pub(super) struct Validation {
    pub(super) pairs: Pairs<f32>,
    pub(super) x: Vec<f32>,
    pub(super) c: Vec<f32>,
    /// Rows whose likelihood is computed.
    pub(super) rows: Vec<usize>,
}

impl Prepared {
    /// Everything that a training needs and does not change.
    pub(super) fn new(
        config: &SurrogateConfig,
        train: &Table,
        validation: &Table,
        standardized: Option<&Conditions>,
    ) -> Result<Self, SurrogateError> {
        config.check()?;
        let names = &config.data.conditions;
        for (what, table) in [("training", train), ("validation", validation)] {
            if table.is_empty()
                || table.columns().scores.len() != config.data.scores.len()
                || table.columns().conditions != *names
            {
                return Err(SurrogateError::Table {
                    file: format!("{what} table"),
                    reason: format!(
                        "{} rows with conditions {:?} and scores {:?}; needed are rows with {names:?} and {:?}",
                        table.len(),
                        table.columns().conditions,
                        table.columns().scores,
                        config.data.scores
                    ),
                });
            }
        }
        let conditions = match standardized {
            Some(conditions) => conditions.clone(),
            None => Conditions::fit(names, train.conditions())?,
        };
        if conditions.names() != *names {
            return Err(SurrogateError::Length {
                what: "conditions to standardize by",
                found: conditions.len(),
                expected: names.len(),
            });
        }
        let net = config.net(&conditions)?;
        let (x, clamped) = train.targets::<f32>(&config.transform)?;
        let (val_x, _) = validation.targets::<f32>(&config.transform)?;
        let c = train.inputs::<f32>(&conditions);
        let val_c = validation.inputs::<f32>(&conditions);
        let examples = Examples::new(&val_x, &val_c, net.scores(), net.conditions())?;
        let all: Vec<usize> = (0..validation.len()).collect();
        // Independent noise, whatever the coupling of the training: the figures of different couplings can be compared.
        let fair = FlowConfig {
            coupling: Coupling::Independent,
            ..config.flow
        };
        let pairs = fair.draw(examples, &all, (config.training.seed, VALIDATION_NOISE, 0))?;
        let judged = if net.scores() == 1 { config.training.nll_rows } else { 0 };
        let mut chosen = permutation(validation.len(), config.training.seed, u64::MAX);
        chosen.truncate(judged);
        let steps_per_epoch = (train.len() as u64).div_ceil(config.training.batch_size as u64);
        Ok(Self {
            identity: identity(config, train, validation)?,
            net,
            conditions,
            x,
            c,
            validation: Validation {
                pairs,
                x: val_x,
                c: val_c,
                rows: chosen,
            },
            clamped,
            rows: train.rows().to_vec(),
            steps_per_epoch,
            epochs: u64::from(config.training.epochs),
        })
    }

    pub(super) fn examples(&self) -> Result<Examples<'_, f32>, SurrogateError> {
        Examples::new(&self.x, &self.c, self.net.scores(), self.net.conditions())
    }

    pub(super) fn total_steps(&self) -> u64 {
        self.steps_per_epoch * self.epochs
    }
}

impl Validation {
    /// Mean negative log-likelihood of the chosen rows; `None` of several scores, or where the flow leaves the numbers,
    /// which untrained weights may do.
    pub(super) fn nll(
        &self,
        steps: crate::ode::Fixed,
        net: &VelocityNet,
        weights: &[f32],
    ) -> Result<Option<f64>, SurrogateError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let examples = Examples::new(&self.x, &self.c, net.scores(), net.conditions())?;
        match (ExactLikelihood { steps }).loss(net, weights, examples, &self.rows) {
            Ok(loss) => Ok(Some(loss)),
            Err(SurrogateError::Solver { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a training must share with the checkpoint that it goes on from: all settings that decide bits, and the data.
fn identity(config: &SurrogateConfig, train: &Table, validation: &Table) -> Result<String, SurrogateError> {
    let mut decisive = config.clone();
    // How often something is written decides no bit.
    decisive.training.checkpoint = tagwerk_train::CheckpointConfig::default();
    decisive.name = String::new();
    decisive.evaluation = EvaluationOptions::default();
    let text = serde_json::to_string(&decisive).map_err(|e| SurrogateError::Table {
        file: "configuration".to_owned(),
        reason: e.to_string(),
    })?;
    Ok(format!(
        "{text} train {} validation {}",
        train.fingerprint(),
        validation.fingerprint()
    ))
}
