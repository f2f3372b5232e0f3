//! A surrogate as it is handed on: the network with its members, a recalibration where there is one, and the record of
//! how it was made. This is what answers, is packed, and comes back out of a packed file.
//!
//! ```text
//! surrogate.json, weights.safetensors   see [`Surrogate`]
//! record.json                           [`SurrogateRecord`]
//! recalibration.json                    the monotone map of the PIT, of a recalibrated one
//! ```

use crate::error::SurrogateError;
use crate::manifest::{Manifest, ModelDescription, SolverDescription};
use crate::ode::{Fixed, Solver};
use crate::recalibrated::{Recalibrated, Recalibration};
use crate::rerun::{RECALIBRATION, Rerun};
use crate::roles::Roles;
use crate::score_model::ScoreModel;
use crate::surrogate::{MANIFEST, Surrogate, WEIGHTS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const RECORD: &str = "record.json";

/// What a surrogate does not know of itself: how it was made, in the words of the manifest's items 9 and 10, and what
/// its columns are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SurrogateRecord {
    /// Column of the truth label.
    pub label: String,
    /// Its values among the training jets: nothing is known of others.
    pub labels: Vec<f64>,
    /// Which condition is which.
    pub roles: Roles,
    /// Probability path.
    pub path: String,
    /// Loss.
    pub loss: String,
    /// Optimizer and its settings.
    pub optimizer: String,
    /// Schedule of the learning rate.
    pub schedule: String,
    /// Passes over the training jets.
    pub epochs: u64,
    /// Seed of the training.
    pub seed: u64,
    /// Version of the program, and commit where there is one.
    pub code: String,
    /// Where the members come from.
    pub posterior: String,
    /// Acceptance, R-hat and effective sample size, or why there are none.
    pub convergence: String,
    /// Measured error of the solver.
    pub solver_error: String,
}

/// With or without a recalibration.
#[derive(Debug, Clone)]
enum Model {
    Plain(Surrogate),
    Recalibrated(Recalibrated<Surrogate>),
}

/// A surrogate with its record.
#[derive(Debug, Clone)]
pub struct SharedSurrogate {
    model: Model,
    record: SurrogateRecord,
}

impl SharedSurrogate {
    /// A surrogate and its record.
    pub fn new(surrogate: Surrogate, record: SurrogateRecord) -> Self {
        Self {
            model: Model::Plain(surrogate),
            record,
        }
    }

    /// The same behind another recalibration, or without one.
    pub fn recalibrated(self, recalibration: Option<Recalibration>) -> Self {
        let surrogate = match self.model {
            Model::Plain(surrogate) => surrogate,
            Model::Recalibrated(Recalibrated { model, .. }) => model,
        };
        let model = match recalibration {
            None => Model::Plain(surrogate),
            Some(recalibration) => Model::Recalibrated(Recalibrated {
                model: surrogate,
                recalibration,
            }),
        };
        Self { model, ..self }
    }

    /// The network with its members, without recalibration.
    pub fn surrogate(&self) -> &Surrogate {
        match &self.model {
            Model::Plain(surrogate) => surrogate,
            Model::Recalibrated(recalibrated) => &recalibrated.model,
        }
    }

    /// The recalibration, where there is one.
    pub fn recalibration(&self) -> Option<&Recalibration> {
        match &self.model {
            Model::Plain(_) => None,
            Model::Recalibrated(recalibrated) => Some(&recalibrated.recalibration),
        }
    }

    /// The record.
    pub fn record(&self) -> &SurrogateRecord {
        &self.record
    }

    fn asked(&self) -> &dyn ScoreModel {
        match &self.model {
            Model::Plain(surrogate) => surrogate,
            Model::Recalibrated(recalibrated) => recalibrated,
        }
    }
}

impl ScoreModel for SharedSurrogate {
    fn members(&self) -> usize {
        self.asked().members()
    }

    fn columns(&self) -> usize {
        self.asked().columns()
    }

    fn point_estimate(&self) -> Option<usize> {
        self.asked().point_estimate()
    }

    fn cdf(&self, member: usize, conditions: &[f64], logits: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        self.asked().cdf(member, conditions, logits, out)
    }

    fn log_density(
        &self,
        member: usize,
        conditions: &[f64],
        logits: &[f64],
        out: &mut [f64],
    ) -> Result<(), SurrogateError> {
        self.asked().log_density(member, conditions, logits, out)
    }

    fn sample(&self, member: usize, conditions: &[f64], noise: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        self.asked().sample(member, conditions, noise, out)
    }

    fn efficiency(&self, member: usize, conditions: &[f64], cut: f64, out: &mut [f64]) -> Result<(), SurrogateError> {
        self.asked().efficiency(member, conditions, cut, out)
    }
}

impl Rerun for SharedSurrogate {
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>, SurrogateError> {
        let named = |(name, content): (&str, Vec<u8>)| (name.to_owned(), content);
        let mut files: BTreeMap<String, Vec<u8>> = self.surrogate().files()?.map(named).into();
        files.insert(RECORD.to_owned(), json(RECORD, &self.record)?);
        if let Some(recalibration) = self.recalibration() {
            files.insert(RECALIBRATION.to_owned(), json(RECALIBRATION, recalibration)?);
        }
        Ok(files)
    }

    fn standardization(&self) -> Vec<(f64, f64)> {
        let conditions = self.surrogate().conditions();
        conditions.columns().iter().map(|c| (c.mean, c.deviation)).collect()
    }

    fn description(&self) -> ModelDescription {
        let (net, record) = (self.surrogate().net(), &self.record);
        let shape = net.config();
        let recalibrated = match self.recalibration() {
            Some(_) => "; distributions recalibrated by a monotone map of the PIT, learned on validation jets",
            None => "",
        };
        ModelDescription {
            architecture: format!(
                "conditional continuous normalizing flow of the scaled logit: {} networks in a row, each with three \
                 layers of {} units and ELU, time by {} frequencies (arXiv:2402.15558)",
                shape.blocks, shape.width, shape.frequencies
            ),
            parameters: net.parameter_count() as u64,
            path: record.path.clone(),
            loss: record.loss.clone(),
            optimizer: record.optimizer.clone(),
            schedule: record.schedule.clone(),
            epochs: record.epochs,
            seed: record.seed,
            code: record.code.clone(),
            posterior: format!("{}{recalibrated}", record.posterior),
            convergence: record.convergence.clone(),
        }
    }

    fn solver(&self) -> SolverDescription {
        let (scheme, steps, tolerance) = match self.surrogate().solver() {
            Solver::Adaptive(adaptive) => (
                "Dormand-Prince 5(4), error control for each jet".to_owned(),
                format!("as many as the tolerance asks for, at most {}", adaptive.max_steps),
                format!("{:e} in x, and {:e} of x", adaptive.absolute, adaptive.relative),
            ),
            Solver::Fixed(Fixed { scheme, steps }) => (
                format!("{scheme:?}, equal steps"),
                steps.to_string(),
                "fixed steps".to_owned(),
            ),
        };
        SolverDescription {
            scheme,
            steps,
            tolerance,
            error: self.record.solver_error.clone(),
        }
    }

    fn rebuild(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, SurrogateError> {
        let place = Path::new("weights");
        let content = |name: &str| {
            files
                .get(name)
                .map(Vec::as_slice)
                .ok_or_else(|| failed(name, "it is missing"))
        };
        let known = [MANIFEST, WEIGHTS, RECORD, RECALIBRATION];
        if let Some(name) = files.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(failed(name, "it does not belong to a surrogate"));
        }
        let surrogate = Surrogate::of_files(place, content(MANIFEST)?, content(WEIGHTS)?)?;
        let names = surrogate.conditions().names();
        if !names.iter().eq(manifest.inputs.iter().map(|input| &input.name)) {
            return Err(failed(
                MANIFEST,
                "its conditions are other ones than the manifest's inputs",
            ));
        }
        let record: SurrogateRecord = parsed(RECORD, content(RECORD)?)?;
        let recalibration = match files.get(RECALIBRATION) {
            Some(content) => Some(parsed(RECALIBRATION, content)?),
            None => None,
        };
        Ok(Self::new(surrogate, record).recalibrated(recalibration))
    }
}

fn json<T: Serialize>(name: &str, value: &T) -> Result<Vec<u8>, SurrogateError> {
    serde_json::to_vec_pretty(value).map_err(|e| failed(name, &e.to_string()))
}

fn parsed<T: serde::de::DeserializeOwned>(name: &str, content: &[u8]) -> Result<T, SurrogateError> {
    serde_json::from_slice(content).map_err(|e| failed(name, &format!("it cannot be read: {e}")))
}

fn failed(name: &str, reason: &str) -> SurrogateError {
    SurrogateError::Artifact {
        path: Path::new("weights").join(name),
        reason: reason.to_owned(),
    }
}
