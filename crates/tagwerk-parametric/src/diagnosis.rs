//! What a table of AUCs does not tell of a parametric network.
//!
//! Does it read the class off the mass (features taken away)? What does it say when told a wrong mass? Does its score change
//! smoothly with the mass, or does it know the masses of its training by heart? Which features does it use, mass by mass?
//! Does a cut on it carve a peak into the background's spectrum? Is its score a likelihood ratio? What significance does a
//! cut on it give when the background is not known exactly? Some of these the original study asks (arXiv:2202.00424), the
//! others its users had to answer themselves.

mod calibration;
mod importance;
mod sculpting;
mod smoothness;
mod told;

pub use calibration::{Calibration, Discovery, MassDiagnosis, Reliability, ReliabilityBin};
pub use importance::FeatureImportance;
pub use sculpting::{SculptedCut, Sculpting};
pub use smoothness::Smoothness;
pub use told::{FeaturesRemoved, WrongMass};

use crate::error::ParametricError;
use crate::hypotheses::Hypotheses;
use crate::study::{Scorer, finished, test_events};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tagwerk_data::{Events, random};
use tagwerk_stats::{Roc, Truth, logistic};
use tagwerk_taggers::Context;

/// What to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiagnosisOptions {
    /// Feature whose background spectrum is looked at behind cuts. Default: the last one, m_WWbb of HEPMASS.
    pub column: Option<String>,
    /// Test events of each class, and of the signal of each point, at most. Default: 5000.
    pub events: usize,
    /// Points of the grid of masses. Default: 41.
    pub grid: usize,
    /// Background efficiencies of the cuts behind which spectra are taken. Default: 0.5, 0.1, 0.02.
    pub efficiencies: Vec<f64>,
    /// Signal events expected before the cut. Default: 100.
    pub signal: f64,
    /// Background events expected before the cut. Default: 10,000.
    pub background: f64,
    /// Error of the background, over the background. Default: 0.1.
    pub background_error: f64,
    /// Seed of subsets and permutations. Default: 0.
    pub seed: u64,
}

impl Default for DiagnosisOptions {
    fn default() -> Self {
        Self {
            column: None,
            events: 5000,
            grid: 41,
            efficiencies: vec![0.5, 0.1, 0.02],
            signal: 100.0,
            background: 10_000.0,
            background_error: 0.1,
            seed: 0,
        }
    }
}

impl DiagnosisOptions {
    fn check(&self) -> Result<(), ParametricError> {
        let require = |good: bool, key: &'static str, value: String, allowed: &'static str| match good {
            true => Ok(()),
            false => Err(ParametricError::Setting { key, value, allowed }),
        };
        require(self.events >= 20, "events", self.events.to_string(), "at least 20")?;
        let grid = (5..=1000).contains(&self.grid);
        require(grid, "grid", self.grid.to_string(), "from 5 to 1000")?;
        let between = self.efficiencies.iter().all(|e| *e > 0.0 && *e < 1.0);
        require(
            between,
            "efficiencies",
            format!("{:?}", self.efficiencies),
            "above 0 and below 1",
        )?;
        for (key, value) in [("signal", self.signal), ("background", self.background)] {
            require(
                value.is_finite() && value > 0.0,
                key,
                value.to_string(),
                "finite and above 0",
            )?;
        }
        let error = self.background_error;
        require(
            error.is_finite() && error >= 0.0,
            "background_error",
            error.to_string(),
            "finite and not below 0",
        )
    }
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// How good the score is without the features.
    pub features_removed: FeaturesRemoved,
    /// AUC of the signal of each point when the network is told another.
    pub wrong_mass: Vec<WrongMass>,
    /// The score against the mass it is told; absent for several parameters or a single mass.
    pub smoothness: Option<Smoothness>,
    /// What each feature is worth, the most valuable first.
    pub importance: Vec<FeatureImportance>,
    /// What cuts do to the background's spectrum.
    pub sculpting: Sculpting,
    /// Calibration, distributions and significance, mass by mass.
    pub masses: Vec<MassDiagnosis>,
    /// What was asked for.
    pub options: DiagnosisOptions,
}

/// Looks into a finished run, on its test events.
///
/// # Errors
/// A folder without a finished parametric run; options outside their limits; test events that are gone.
pub fn diagnose(run: &Path, options: &DiagnosisOptions, context: &Context) -> Result<Diagnosis, ParametricError> {
    options.check()?;
    let (folder, description) = finished(run)?;
    let mut scorer = Scorer::open(run, context)?;
    let events = test_events(&scorer.config.data)?;
    if events.feature_names != description.features {
        return Err(ParametricError::Events {
            what: "test events".to_owned(),
            reason: "their columns are not those of the run any more".to_owned(),
        });
    }
    let sample = Sample::new(&events, options)?;
    let trained = description.trained()?;
    let column = match &options.column {
        Some(name) => description.features.iter().position(|feature| feature == name),
        None => description.features.len().checked_sub(1),
    };
    let column = column.ok_or_else(|| ParametricError::Setting {
        key: "column",
        value: options.column.clone().unwrap_or_default(),
        allowed: "a feature of the run",
    })?;
    let (test, validation) = (folder.scores("test")?, folder.scores("validation")?);
    Ok(Diagnosis {
        features_removed: told::features_removed(&mut scorer, &sample, &trained, options.seed)?,
        wrong_mass: told::wrong_mass(&mut scorer, &sample)?,
        smoothness: smoothness::smoothness(&mut scorer, &sample, &trained, options.grid)?,
        importance: importance::importance(&mut scorer, &sample, options.seed)?,
        sculpting: sculpting::sculpting(&mut scorer, &sample, column, options)?,
        masses: calibration::by_mass(
            &calibration::named(&test, &crate::study::Description::hypotheses(&description.test_points)?),
            &calibration::named(&validation, &trained),
            options,
        )?,
        options: options.clone(),
    })
}

/// Some of the test events.
pub(crate) struct Sample {
    /// Points of the signal, `[M]`.
    pub(crate) points: Vec<Vec<f32>>,
    /// Features of the signal of each point, `[M]` of `[B, C]`.
    pub(crate) signal: Vec<Vec<f32>>,
    /// Features of background, `[B, C]`.
    pub(crate) background: Vec<f32>,
    /// `C`.
    pub(crate) width: usize,
}

impl Sample {
    fn new(events: &Events, options: &DiagnosisOptions) -> Result<Self, ParametricError> {
        let width = events.width();
        let hypotheses = Hypotheses::of_signal(&events.parameters, events.parameter_names.len(), &events.labels)?;
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); hypotheses.len() + 1];
        for i in 0..events.len() {
            let at = match events.labels[i] > 0.5 {
                true => hypotheses.find(events.point(i)).unwrap_or(hypotheses.len()),
                false => hypotheses.len(),
            };
            rows[at].push(i);
        }
        let mut chosen = rows.into_iter().enumerate().map(|(at, mut rows)| {
            random::shuffle(
                &mut random::stream(options.seed, "events to look at", at as u64),
                &mut rows,
            );
            rows.truncate(options.events);
            rows.sort_unstable();
            rows.iter()
                .flat_map(|&row| events.event(row).to_vec())
                .collect::<Vec<f32>>()
        });
        let signal: Vec<Vec<f32>> = chosen.by_ref().take(hypotheses.len()).collect();
        let background = chosen.next().unwrap_or_default();
        if background.is_empty() {
            return Err(ParametricError::EmptyClass { rows: events.len() });
        }
        Ok(Self {
            points: (0..hypotheses.len()).map(|i| hypotheses.point(i).to_vec()).collect(),
            signal,
            background,
            width,
        })
    }
}

/// Area under the ROC curve of signal against background scores.
pub(crate) fn auc(signal: &[f32], background: &[f32]) -> Result<f64, ParametricError> {
    let scores = [signal, background].concat();
    let labels: Vec<u8> = (0..scores.len()).map(|i| u8::from(i < signal.len())).collect();
    Ok(Roc::new(&scores, &Truth::new(&labels)?)?.auc())
}

/// Probability of log-odds.
pub(crate) fn probability(log_odds: f32) -> f64 {
    logistic(f64::from(log_odds))
}
