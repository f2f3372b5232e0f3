//! How a surrogate was made, in the words of the manifest.

use super::{Posterior, SurrogateRun};
use crate::config::StepSchedule;
use crate::error::SurrogateError;
use crate::exact::Interpolation;
use crate::flow::{Coupling, Path};
use crate::ode::{Fixed, Scheme, Solver};
use crate::posterior::{DrawsRecord, Reduction};
use crate::score_model;
use crate::shared::SurrogateRecord;
use serde::{Deserialize, Serialize};
use tagwerk_data::Part;
use tagwerk_data::random::{normal, stream};
use tagwerk_stats::sample_quantile;

/// Jets on which the error of the solver is measured.
const JETS: usize = 64;
/// Draws for each of them, at least and at most; as many as it takes for them to be interpolated.
const DRAWS: [usize; 2] = [64, 1_024];
/// Steps of the reference that it is measured against: far more than the arithmetic of f32 can tell apart.
const REFERENCE: u32 = 200;

/// What is measured once, at the end of the training, so that whatever answers later needs no data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measured {
    /// Labels of the training jets.
    labels: Vec<f64>,
    /// The solver's error, in words.
    solver_error: String,
}

impl SurrogateRun {
    /// Labels and error of the solver, kept in the folder.
    pub(super) fn measured(&self) -> Result<Measured, SurrogateError> {
        self.kept("measured.json", || {
            let mut labels = self.table(Part::Train)?.labels().to_vec();
            labels.sort_by(f64::total_cmp);
            labels.dedup();
            Ok(Measured {
                labels,
                solver_error: self.solver_error()?,
            })
        })
    }

    /// The record of the point estimate, or of a posterior.
    pub(super) fn record(&self, posterior: Option<&Posterior>) -> Result<SurrogateRecord, SurrogateError> {
        let config = &self.config;
        let optimizer = config.training.optimizer;
        let status = self.folder.status()?;
        let provenance = self.folder.provenance()?;
        let measured = self.measured()?;
        let kept = match status.as_ref().and_then(|status| status.best.as_ref()) {
            Some(best) => format!("; the weights of epoch {}, the best in {}", best.epoch, best.metric),
            None => String::new(),
        };
        let code = match &provenance {
            Some(provenance) => {
                let commit = provenance
                    .git
                    .as_ref()
                    .map_or_else(String::new, |id| format!(", commit {id}"));
                format!("tagwerk {}{commit}", provenance.version)
            }
            None => "tagwerk, version not recorded".to_owned(),
        };
        let (origin, convergence) = match posterior {
            None => (
                "none: one set of weights, the point estimate".to_owned(),
                "none: nothing was sampled by a chain".to_owned(),
            ),
            Some(posterior) => (origin(&posterior.record), convergence(&posterior.record)),
        };
        Ok(SurrogateRecord {
            label: config.data.label.clone(),
            labels: measured.labels,
            roles: config.data.roles.among(&config.data.conditions)?,
            path: match config.flow.path {
                Path::Straight { sigma_min } => format!("straight from data to noise, sigma_min {sigma_min:e}"),
                Path::Smeared { sigma } => format!("straight between data and noise, smeared by {sigma}"),
            },
            loss: match config.flow.coupling {
                Coupling::Independent => "conditional flow matching, mean squared difference of velocities".to_owned(),
                _ => {
                    "conditional flow matching with noise coupled to the data by transport within each batch".to_owned()
                }
            },
            optimizer: format!(
                "AdamW: learning rate {}, betas {:?}, eps {:e}, weight decay {}, batches of {} jets{}",
                optimizer.learning_rate,
                optimizer.betas,
                optimizer.eps,
                optimizer.weight_decay,
                config.training.batch_size,
                match config.training.ema {
                    Some(decay) => format!(", running mean of the weights with decay {decay}"),
                    None => String::new(),
                }
            ) + &kept,
            schedule: match config.training.schedule {
                StepSchedule::Constant => "constant".to_owned(),
                StepSchedule::Exponential { factor } => format!("times {factor} after every step"),
                StepSchedule::Cosine { end } => format!("half a cosine wave down to {end} of the rate"),
            },
            epochs: status.map_or(u64::from(config.training.epochs), |status| status.epochs_done),
            seed: config.training.seed,
            code,
            posterior: origin,
            convergence,
            solver_error: measured.solver_error,
        })
    }

    /// The difference of drawn logits between the surrogate's solver and one with many steps, in words.
    fn solver_error(&self) -> Result<String, SurrogateError> {
        if self.point.scores().len() != 1 {
            return Ok("not measured: of several scores".to_owned());
        }
        let table = self.score_table(Part::Validation)?;
        let table = table.take(&(0..table.rows().min(JETS)).collect::<Vec<_>>());
        let mut rng = stream(1, "solver error", 0);
        let draws = self.point.interpolation().fewest().clamp(DRAWS[0], DRAWS[1]);
        let noise: Vec<f64> = (0..table.rows() * draws).map(|_| normal(&mut rng)).collect();
        let reference = Solver::Fixed(Fixed {
            scheme: Scheme::Rk4,
            steps: REFERENCE,
        });
        let one_by_one = Interpolation {
            tolerance: 0.0,
            ..self.point.interpolation()
        };
        let exact = self.point.clone().answered_by(reference, one_by_one)?;
        let own = score_model::sample(&self.point, 0, table.conditions(), &noise)?;
        let other = score_model::sample(&exact, 0, table.conditions(), &noise)?;
        let mut differences: Vec<f64> = own.iter().zip(&other).map(|(a, b)| (a - b).abs()).collect();
        differences.sort_by(f64::total_cmp);
        Ok(format!(
            "{} drawn logits, {draws} for a validation jet, differ from those of {REFERENCE} steps of rk4 by {:.1e} at most and by \
             {:.1e} at the 99.9 % quantile",
            differences.len(),
            differences[differences.len() - 1],
            sample_quantile(&differences, 0.999)
        ))
    }
}

/// Where members come from, in one sentence.
fn origin(record: &DrawsRecord) -> String {
    let mut out = format!("{} draws by {}", record.draws, record.method);
    if record.method != "ensemble" {
        let reduction = match record.reduction {
            Reduction::Mean => "mean",
            Reduction::Sum => "sum",
        };
        out.push_str(&format!(
            ", lambda {} on the {reduction} of {} losses ({:.3e} for each jet; 1 is Bayes' rule of a likelihood), prior {}",
            record.lambda,
            record.rows,
            record.lambda_per_datum,
            serde_json::json!(record.prior)
        ));
    }
    if let Some(schedule) = &record.schedule {
        out.push_str(&format!(
            ", {} chains or fits of {} steps on {} jets each, {} of burn-in",
            schedule.chains,
            schedule.steps,
            schedule.batch.unwrap_or(record.rows).min(record.rows),
            schedule.burn_in
        ));
    }
    out.push_str(&format!("; settings {}", record.settings));
    for note in &record.notes {
        out.push_str(&format!("; {note}"));
    }
    out
}

/// Acceptance, R-hat and effective sizes.
fn convergence(record: &DrawsRecord) -> String {
    let mut parts = Vec::new();
    if !record.chains.is_empty() {
        if !record.is_tested() {
            parts.push("no Metropolis test: every step is taken".to_owned());
        }
        let acceptance: Vec<String> = record.chains.iter().map(|c| format!("{:.3}", c.acceptance)).collect();
        if record.is_tested() {
            parts.push(format!("acceptance of each chain {}", acceptance.join(", ")));
            let noise = record.chains.iter().filter_map(|c| c.noise).fold(0.0, f64::max);
            parts.push(format!("noise of the test's logarithm at most {noise:.3}"));
        }
    }
    if let Some(loss) = record.loss {
        parts.push(format!("loss: R-hat {:.3}, ESS {:.0}", loss.rhat, loss.ess_bulk));
    }
    if let Some(weight) = record.weight {
        parts.push(format!(
            "weights: R-hat at most {:.3} (median {:.3}), ESS at least {:.1}",
            weight.rhat_largest, weight.rhat_median, weight.ess_bulk_smallest
        ));
    }
    if parts.is_empty() {
        return "none: there are no chains".to_owned();
    }
    parts.join("; ")
}
