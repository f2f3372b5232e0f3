//! Members of a run's surrogate: draws of a posterior over its weights, or an ensemble of trainings.

use super::{POINT_ESTIMATE, POSTERIORS, RunContext, SurrogateRun, write_whole};
use crate::config::SurrogateConfig;
use crate::csv;
use crate::error::SurrogateError;
use crate::flow::{Examples, FlowLoss, FlowTarget};
use crate::posterior::{
    AdamMcmcConfig, ChainsConfig, Checkpoints, Curvature, Draws, DrawsRecord, EnsembleConfig, LaplaceConfig,
    MalaConfig, Member, Method, PosteriorConfig, Prior, Reduction, SghmcConfig, SgldConfig, Start, Surroundings,
    SwagMethod, Tempering, Trace, VariationalConfig, infer,
};
use crate::surrogate::Surrogate;
use crate::table::Table;
use crate::train::SurrogateTrainer;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tagwerk_data::sha256;
use tagwerk_train::{EpochMetrics, Observer, RunFolder, RunLock};

/// The members with their record; its presence says that a posterior is finished.
pub(super) const DRAWS: &str = "draws.safetensors";
/// Steps of a chain between two looks at the wish to stop, at each of which it is saved.
const STEPS_BETWEEN: u64 = 10;
/// Steps of each chain that `trace.csv` has at most.
const TRACED: usize = 2_000;

/// How members are found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MembersConfig {
    /// Draws from each fit of variational inference, SWAG and Laplace, which could give any number. Default: 10.
    pub draws: usize,
    /// The method. Default: AdamMCMC as in the paper.
    pub method: Method,
    /// The loss of a row. Default: the exact negative log-likelihood, with 8 steps of rk4.
    pub loss: FlowLoss,
    /// lambda and what it multiplies. Default: 1 on the sum, Bayes' rule if the loss is a likelihood.
    pub tempering: Tempering,
    /// The prior of each weight. Default: flat.
    pub prior: Prior,
    /// The schedule of chains, or of fits. Default: as published.
    pub chains: ChainsConfig,
}

impl Default for MembersConfig {
    fn default() -> Self {
        let PosteriorConfig {
            method,
            tempering,
            prior,
            chains,
            draws,
        } = PosteriorConfig::default();
        Self {
            draws,
            method,
            loss: FlowLoss::default(),
            tempering,
            prior,
            chains,
        }
    }
}

/// Settings of each method that finish within minutes to an hour on two cores with some 10,000 jets, by the method's name:
/// adam-mcmc, variational, ensemble, swag, laplace, sghmc, sgld, mala. A posterior that is to be published deserves
/// settings of its own.
///
/// # Errors
/// Another name.
pub fn usual_members(method: &str) -> Result<MembersConfig, SurrogateError> {
    let matching = FlowLoss::Matching { draws: 1, seed: 0 };
    // The width of the weights at a training's start. At 1, directions that the data leave open make networks whose
    // velocities outside the domain keep a solver busy for minutes.
    let normal = Prior::Gaussian { sigma: 0.1 };
    let chains = |chains: usize, steps: u64, burn_in: u64, every: u64, batch: Option<usize>| ChainsConfig {
        chains,
        steps,
        burn_in,
        every,
        batch,
        ..ChainsConfig::default()
    };
    // The matching loss is no -log p. At lambda = 1 its posterior is hot: P weights raise the loss of N jets by
    // P / (2 lambda N) at the temperature's equilibrium, of 31,617 weights and 12,000 jets by more than the loss itself.
    let cold = Tempering {
        lambda: 300.0,
        reduction: Reduction::Sum,
    };
    let walk = |method: Method, chains: ChainsConfig| MembersConfig {
        method,
        loss: matching,
        tempering: cold,
        prior: normal,
        chains,
        ..MembersConfig::default()
    };
    Ok(match method {
        // lambda, proposal and loss of the paper; shorter, on smaller batches.
        "adam-mcmc" => MembersConfig {
            method: Method::AdamMcmc(AdamMcmcConfig::default()),
            tempering: Tempering::published_surrogate(),
            chains: chains(4, 1_200, 400, 200, Some(1_024)),
            ..MembersConfig::default()
        },
        "variational" => walk(
            Method::Variational(VariationalConfig {
                start: Start::Weights,
                // Narrow: from the published width, 0.05, Adam has not come back after 6,000 steps.
                rho_start: -6.0,
                ..VariationalConfig::default()
            }),
            chains(1, 6_000, 3_000, 3_000, Some(4_096)),
        ),
        // Its width is that of the descent; lambda acts through the prior alone.
        "swag" => MembersConfig {
            tempering: Tempering::default(),
            prior: Prior::Gaussian { sigma: 1.0 },
            ..walk(
                Method::Swag(SwagMethod::default()),
                chains(1, 2_000, 400, 40, Some(4_096)),
            )
        },
        // The likelihood's own curvature is negative in many directions where the matching loss has stopped.
        "laplace" => MembersConfig {
            method: Method::Laplace(LaplaceConfig {
                curvature: Curvature::EmpiricalFisher,
                ..LaplaceConfig::default()
            }),
            prior: normal,
            ..MembersConfig::default()
        },
        "sghmc" => walk(
            Method::Sghmc(SghmcConfig::default()),
            chains(4, 2_000, 1_000, 250, Some(4_096)),
        ),
        "sgld" => walk(
            Method::Sgld(SgldConfig::default()),
            chains(4, 2_000, 1_000, 250, Some(4_096)),
        ),
        // Its test is exact on all rows only.
        "mala" => walk(Method::Mala(MalaConfig::default()), chains(4, 400, 200, 50, None)),
        "ensemble" => MembersConfig {
            method: Method::Ensemble(EnsembleConfig::default()),
            ..MembersConfig::default()
        },
        other => {
            return Err(SurrogateError::Setting {
                setting: "method",
                value: other.to_owned(),
                wanted: "adam-mcmc, variational, ensemble, swag, laplace, sghmc, sgld or mala",
            });
        }
    })
}

impl MembersConfig {
    /// Parses a configuration; `place` is what errors call it.
    ///
    /// # Errors
    /// A text that is no TOML, an unknown key, a setting outside its range.
    pub fn from_toml(text: &str, place: &Path) -> Result<Self, SurrogateError> {
        let config: Self = toml::from_str(text).map_err(|e| SurrogateError::File {
            path: place.to_owned(),
            reason: e.to_string().trim_end().to_owned(),
        })?;
        config.loss.check()?;
        config.chains.check()?;
        Ok(config)
    }

    /// Name of the method, as in a file.
    pub fn method_name(&self) -> &'static str {
        match self.method {
            Method::AdamMcmc(_) => "adam-mcmc",
            Method::Mala(_) => "mala",
            Method::Sgld(_) => "sgld",
            Method::Sghmc(_) => "sghmc",
            Method::Variational(_) => "variational",
            Method::Swag(_) => "swag",
            Method::Laplace(_) => "laplace",
            Method::Ensemble(_) => "ensemble",
        }
    }

    /// The same with so many members in all, rounded up to as many from each chain: chains store that often, fits draw
    /// that often, an ensemble trains that often.
    ///
    /// # Errors
    /// More than the chains have steps after burn-in.
    pub fn with_members(mut self, members: usize) -> Result<Self, SurrogateError> {
        let each = members.div_ceil(self.chains.chains.max(1)).max(1);
        match &mut self.method {
            Method::Ensemble(ensemble) => ensemble.members = members,
            Method::Laplace(_) => self.draws = members,
            Method::Variational(_) | Method::Swag(_) => self.draws = each,
            _ => {
                let chains = &mut self.chains;
                chains.every = chains.steps.saturating_sub(chains.burn_in) / each as u64;
                if chains.every == 0 {
                    return Err(SurrogateError::Setting {
                        setting: "number of members",
                        value: members.to_string(),
                        wanted: "at most the steps of all chains after burn-in: give a file with more steps",
                    });
                }
                // What is left over would store once more.
                chains.steps = chains.burn_in + chains.every * each as u64;
            }
        }
        Ok(self)
    }

    /// The same with so many chains, each as before.
    pub fn with_chains(mut self, chains: usize) -> Self {
        self.chains.chains = chains;
        self
    }

    /// The same with another seed.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.chains.seed = seed;
        if let Method::Ensemble(ensemble) = &mut self.method {
            ensemble.seed = seed;
        }
        self
    }

    fn inference(&self) -> PosteriorConfig {
        PosteriorConfig {
            method: self.method.clone(),
            tempering: self.tempering,
            prior: self.prior,
            chains: self.chains.clone(),
            draws: self.draws,
        }
    }
}

/// A finished posterior of a run.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// Its name.
    pub name: String,
    /// The surrogate with its members.
    pub surrogate: Surrogate,
    /// How they came about.
    pub record: DrawsRecord,
}

/// What finding members came to.
#[derive(Debug, Clone)]
pub struct PosteriorOutcome {
    /// Folder of the posterior.
    pub folder: PathBuf,
    /// The posterior; absent when it was stopped and can be gone on with.
    pub posterior: Option<Posterior>,
    /// Seconds that it took this time.
    pub seconds: f64,
}

/// Steps done and steps in all, told now and then from any thread.
pub type Told<'a> = dyn Fn(u64, u64) + Sync + 'a;

impl SurrogateRun {
    /// Finds members around the point estimate, on the training jets, and keeps them under `name`. What was stopped is
    /// gone on with, what is finished is told again.
    ///
    /// # Errors
    /// A name that cannot be a folder's; a posterior of that name with other settings; settings out of range; a run in use;
    /// chains that leave the numbers.
    pub fn infer(
        &self,
        name: &str,
        config: &MembersConfig,
        context: &RunContext<'_>,
        told: &Told<'_>,
    ) -> Result<PosteriorOutcome, SurrogateError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) || name == POINT_ESTIMATE {
            return Err(SurrogateError::Setting {
                setting: "name of the posterior",
                value: format!("`{name}`"),
                wanted: "made of letters, digits and - _ . and not `none`",
            });
        }
        let likelihood = matches!(config.loss, FlowLoss::Likelihood { .. });
        if self.point.scores().len() != 1 && likelihood && !matches!(config.method, Method::Ensemble(_)) {
            return Err(SurrogateError::Setting {
                setting: "loss.kind",
                value: "likelihood".to_owned(),
                wanted: "matching, of several scores",
            });
        }
        config.loss.check()?;
        let _lock = RunLock::take(self.folder.path())?;
        let begun = context.clock.seconds();
        let place = self.folder.path().join(POSTERIORS).join(name);
        let was_there = place.exists();
        let folder = RunFolder::open_or_create(place, config)?;
        if !folder.path().join(DRAWS).is_file() {
            let draws = self.draws(&folder, config, context, told);
            if let (Err(SurrogateError::Setting { .. }), false) = (&draws, was_there) {
                // Settings that are refused leave the name free. What cannot be removed is told by the next attempt.
                let _ = std::fs::remove_dir_all(folder.path());
            }
            let Some(draws) = draws? else {
                return Ok(PosteriorOutcome {
                    folder: folder.path().to_owned(),
                    posterior: None,
                    seconds: context.clock.seconds() - begun,
                });
            };
            let members = draws.iter().map(<[f32]>::to_vec).collect();
            self.point
                .clone()
                .with_members(members)?
                .save(&folder.path().join("surrogate"))?;
            write_trace(&folder, config)?;
            draws.write(&folder.path().join(DRAWS))?;
        }
        Ok(PosteriorOutcome {
            folder: folder.path().to_owned(),
            posterior: Some(self.read_posterior(name)?),
            seconds: context.clock.seconds() - begun,
        })
    }

    pub(super) fn read_posterior(&self, name: &str) -> Result<Posterior, SurrogateError> {
        let folder = self.folder.path().join(POSTERIORS).join(name);
        let record = Draws::read(&folder.join(DRAWS))?.record().clone();
        if record.model != self.weights_checksum()? {
            return Err(SurrogateError::File {
                path: folder,
                reason: "it was drawn around other weights than those of the run: draw it anew under another name"
                    .to_owned(),
            });
        }
        Ok(Posterior {
            name: name.to_owned(),
            surrogate: Surrogate::load(&folder.join("surrogate"))?,
            record,
        })
    }

    fn weights_checksum(&self) -> Result<String, SurrogateError> {
        let path = self.folder.path().join("surrogate").join(crate::surrogate::WEIGHTS);
        Ok(sha256(
            &std::fs::read(&path).map_err(SurrogateError::io(&path, "read"))?,
        ))
    }

    /// The draws; `None` when they were stopped.
    fn draws(
        &self,
        folder: &RunFolder,
        config: &MembersConfig,
        context: &RunContext<'_>,
        told: &Told<'_>,
    ) -> Result<Option<Draws>, SurrogateError> {
        let [train, validation, _] = self.tables()?;
        let (x, _) = train.targets::<f32>(&self.config.transform)?;
        let c = train.inputs::<f32>(self.point.conditions());
        let net = self.point.net();
        let target = FlowTarget {
            net,
            examples: Examples::new(&x, &c, net.scores(), net.conditions())?,
            flow: self.config.flow,
            loss: config.loss,
        };
        let start: Vec<f64> = self.point.members()[0].iter().map(|&w| f64::from(w)).collect();
        let going = || !context.stop.load(Ordering::Relaxed);
        let looks = AtomicU64::new(0);
        let steps = config.chains.steps * config.chains.chains as u64;
        let goes_on = || {
            let look = looks.fetch_add(1, Ordering::Relaxed);
            told((look * STEPS_BETWEEN).min(steps), steps);
            going()
        };
        let epochs = AtomicU64::new(0);
        let all = match &config.method {
            Method::Ensemble(ensemble) => ensemble.members as u64 * u64::from(self.config.training.epochs),
            _ => 0,
        };
        let tick = || told(epochs.fetch_add(1, Ordering::Relaxed) + 1, all);
        let train = |member: &Member| self.train_member(folder, member, (train, validation), context, &tick);
        let checkpoints = Checkpoints {
            folder: folder.path().join("checkpoints"),
            every: STEPS_BETWEEN,
        };
        let around = Surroundings {
            model: &self.weights_checksum()?,
            checkpoints: Some(&checkpoints),
            goes_on: &goes_on,
            train: Some(&train),
        };
        infer(&config.inference(), &target, &start, &around)
    }

    /// One training of an ensemble, in a run folder of its own; its weights, or `None` when it was stopped.
    fn train_member(
        &self,
        folder: &RunFolder,
        member: &Member,
        (train, validation): (&Table, &Table),
        context: &RunContext<'_>,
        tick: &(dyn Fn() + Sync),
    ) -> Result<Option<Vec<f32>>, SurrogateError> {
        let mut config: SurrogateConfig = self.config.clone();
        // A seed that TOML has a number for.
        config.training.seed = member.seed >> 1;
        let path = folder.path().join("members").join(member.index.to_string());
        let run = RunFolder::open_or_create(path, &config)?;
        let drawn = member.rows.as_ref().map(|rows| train.select(rows));
        let mut observer = Epochs(tick);
        let summary = SurrogateTrainer::new(&config, &run, context.clock, context.stop, &mut observer)
            .standardized_by(self.point.conditions())
            .run(drawn.as_ref().unwrap_or(train), validation)?;
        if !summary.finished {
            return Ok(None);
        }
        let trained = Surrogate::load(&run.path().join("surrogate"))?;
        Ok(Some(trained.members()[0].clone()))
    }
}

/// Counts epochs.
struct Epochs<'a>(&'a (dyn Fn() + Sync));

impl Observer for Epochs<'_> {
    fn epoch_end(&mut self, _: &EpochMetrics, _: bool) {
        (self.0)();
    }
}

/// The traces of chains as a table, thinned evenly.
fn write_trace(folder: &RunFolder, config: &MembersConfig) -> Result<(), SurrogateError> {
    if matches!(config.method, Method::Ensemble(_) | Method::Laplace(_)) {
        return Ok(());
    }
    let checkpoints = Checkpoints {
        folder: folder.path().join("checkpoints"),
        every: STEPS_BETWEEN,
    };
    let mut values = Vec::new();
    for chain in 0..config.chains.chains {
        let trace = Trace::of_chain(&checkpoints.file(chain))?;
        let stride = trace.len().div_ceil(TRACED).max(1);
        for step in (0..trace.len()).step_by(stride) {
            values.extend([
                chain as f64,
                step as f64,
                trace.loss[step],
                trace.acceptance[step],
                trace.accepted[step],
                trace.noise[step],
            ]);
        }
    }
    let names = ["chain", "step", "loss", "acceptance", "accepted", "noise"];
    write_whole(&folder.path().join("trace.csv"), csv::write(&names, &values).as_bytes())
}
