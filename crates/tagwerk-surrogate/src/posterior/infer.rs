//! One configuration and one call for every method.
//!
//! All but one need a model's loss and gradient only. A deep ensemble needs trainings, which are the model's affair: it
//! gets them as a function in [`Surroundings`].

use super::adam_mcmc::AdamMcmcConfig;
use super::chain::{Chain, Sampler};
use super::chains::{ChainsConfig, Checkpoints, run_chains};
use super::descent::DescentConfig;
use super::draws::{Draws, DrawsRecord, Origin};
use super::energy::{Energy, Prior, Tempering, positive};
use super::ensemble::{EnsembleConfig, Member, train_ensemble};
use super::laplace::{Laplace, LaplaceConfig};
use super::mala::MalaConfig;
use super::sghmc::SghmcConfig;
use super::sgld::SgldConfig;
use super::swag::{Swag, SwagConfig};
use super::target::Target;
use super::variational::VariationalConfig;
use crate::SurrogateError;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};

/// A method with its settings; in a file, `kind = "adam-mcmc"` beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Method {
    /// AdamMCMC.
    AdamMcmc(AdamMcmcConfig),
    /// MALA, and HMC with `leapfrog` above 1.
    Mala(MalaConfig),
    /// SGLD and pSGLD.
    Sgld(SgldConfig),
    /// SGHMC.
    Sghmc(SghmcConfig),
    /// Bayes by backprop; each chain is a fit.
    Variational(VariationalConfig),
    /// SWAG on the snapshots of a descent; each chain is one.
    Swag(SwagMethod),
    /// Laplace at the starting weights, which must be trained ones. It has no chains.
    Laplace(LaplaceConfig),
    /// A deep ensemble. It has no chains and no lambda.
    Ensemble(EnsembleConfig),
}

impl Default for Method {
    fn default() -> Self {
        Self::AdamMcmc(AdamMcmcConfig::default())
    }
}

/// A descent, and what SWAG makes of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwagMethod {
    /// The descent whose stored weights are the snapshots.
    pub descent: DescentConfig,
    /// The Gaussian.
    pub gaussian: SwagConfig,
}

/// What a posterior over weights is made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PosteriorConfig {
    /// The method. Default: AdamMCMC as in the paper.
    pub method: Method,
    /// lambda and what it multiplies. Default: 1 on the sum, Bayes' rule.
    pub tempering: Tempering,
    /// The prior. Default: flat.
    pub prior: Prior,
    /// The schedule of chains, or of fits.
    pub chains: ChainsConfig,
    /// Draws from each fit of variational inference, SWAG and Laplace, which could give any number. Default: 10.
    pub draws: usize,
}

impl Default for PosteriorConfig {
    fn default() -> Self {
        Self {
            method: Method::default(),
            tempering: Tempering::default(),
            prior: Prior::default(),
            chains: ChainsConfig::default(),
            draws: 10,
        }
    }
}

/// What stands around a run.
pub struct Surroundings<'a> {
    /// What the weights belong to, for the record.
    pub model: &'a str,
    /// Where chains save themselves, and are resumed from.
    pub checkpoints: Option<&'a Checkpoints>,
    /// Asked between steps; false stops.
    pub goes_on: &'a (dyn Fn() -> bool + Sync),
    /// Trains a member of an ensemble; `None` when it was stopped. Only ensembles need it.
    pub train: Option<&'a TrainMember<'a>>,
}

/// A training of one member: its weights `[P]`, or `None` when it was stopped.
pub type TrainMember<'a> = dyn Fn(&Member) -> Result<Option<Vec<f32>>, SurrogateError> + Sync + 'a;

/// Draws from the posterior of `target`, from weights `[P]`; `None` if the run was stopped before its end.
///
/// # Errors
/// Settings outside their range, errors of the model and of the disk, chains that left the finite numbers.
pub fn infer(
    config: &PosteriorConfig,
    target: &dyn Target,
    start: &[f64],
    around: &Surroundings,
) -> Result<Option<Draws>, SurrogateError> {
    let energy = Energy::new(target, config.tempering, config.prior)?;
    match &config.method {
        Method::AdamMcmc(sampler) => walk(sampler, energy, config, start, around),
        Method::Mala(sampler) => walk(sampler, energy, config, start, around),
        Method::Sgld(sampler) => walk(sampler, energy, config, start, around),
        Method::Sghmc(sampler) => walk(sampler, energy, config, start, around),
        Method::Variational(fit) => approximate(fit, energy, config, start, around, |chain, seed| {
            Ok(chain.state().draws(seed, config.draws))
        }),
        Method::Swag(SwagMethod { descent, gaussian }) => {
            let weights = target.weights();
            approximate(descent, energy, config, start, around, |chain, seed| {
                Ok(Swag::fit(gaussian, chain.draws(), weights)?.draws(seed, config.draws))
            })
        }
        Method::Laplace(laplace) => {
            positive("draws", config.draws)?;
            let fit = Laplace::fit(laplace, &energy, start)?;
            let mut record = record(config, &energy, around, 1);
            record.schedule = None;
            if fit.raised() > 0 {
                record.notes.push(format!(
                    "{} of {} directions are left to the prior, or to the floor: the weights are no optimum there, or, without a \
                     prior, the data are indifferent",
                    fit.raised(),
                    fit.range().len()
                ));
            }
            Draws::new(record, fit.draws(config.chains.seed, config.draws)).map(Some)
        }
        Method::Ensemble(ensemble) => trained(ensemble, &energy, config, around),
    }
}

/// An ensemble of trainings.
fn trained(
    ensemble: &EnsembleConfig,
    energy: &Energy,
    config: &PosteriorConfig,
    around: &Surroundings,
) -> Result<Option<Draws>, SurrogateError> {
    let Some(train) = around.train else {
        return Err(SurrogateError::Setting {
            setting: "method.kind",
            value: "ensemble".to_owned(),
            wanted: "another one: this model cannot be trained from here",
        });
    };
    let stopped = AtomicBool::new(false);
    let members = train_ensemble(ensemble, energy.target().rows(), |member| {
        Ok(train(member)?.unwrap_or_else(|| {
            stopped.store(true, Ordering::Relaxed);
            Vec::new()
        }))
    });
    // Members that were not trained have other lengths than those that were.
    if stopped.load(Ordering::Relaxed) {
        return Ok(None);
    }
    let one_each = PosteriorConfig {
        draws: 1,
        ..config.clone()
    };
    let mut record = record(&one_each, energy, around, ensemble.members);
    record.schedule = None;
    record.notes = vec!["an ensemble of trainings: lambda and prior play no part in it".to_owned()];
    Draws::new(record, members?).map(Some)
}

fn finished<'a, S: Sampler>(
    sampler: &'a S,
    energy: Energy<'a>,
    config: &'a PosteriorConfig,
    start: &[f64],
    around: &Surroundings,
) -> Result<Option<Vec<Chain<'a, S>>>, SurrogateError> {
    let starts = [start.to_vec()];
    let chains = run_chains(
        sampler,
        energy,
        &config.chains,
        &starts,
        around.checkpoints,
        around.goes_on,
    )?;
    Ok(chains.iter().all(Chain::is_finished).then_some(chains))
}

/// The stored weights of chains are the draws.
fn walk<S: Sampler>(
    sampler: &S,
    energy: Energy,
    config: &PosteriorConfig,
    start: &[f64],
    around: &Surroundings,
) -> Result<Option<Draws>, SurrogateError> {
    match finished(sampler, energy, config, start, around)? {
        Some(chains) => Draws::from_chains(around.model, &chains).map(Some),
        None => Ok(None),
    }
}

/// Each chain is a fit, from which `draws` are drawn.
fn approximate<S: Sampler>(
    sampler: &S,
    energy: Energy,
    config: &PosteriorConfig,
    start: &[f64],
    around: &Surroundings,
    drawn: impl Fn(&Chain<'_, S>, u64) -> Result<Vec<f32>, SurrogateError>,
) -> Result<Option<Draws>, SurrogateError> {
    positive("draws", config.draws)?;
    let Some(chains) = finished(sampler, energy, config, start, around)? else {
        return Ok(None);
    };
    let mut record = record(config, &energy, around, chains.len());
    let skip = config.chains.burn_in as usize;
    record.chains = chains.iter().filter_map(|chain| chain.trace().summary(skip)).collect();
    let values = chains
        .iter()
        // A stream of its own for each fit.
        .map(|chain| drawn(chain, config.chains.seed.wrapping_add(chain.index() as u64)))
        .collect::<Result<Vec<_>, _>>()?;
    Draws::new(record, values.concat()).map(Some)
}

/// The record of `draws` draws of each of `fits` fits.
fn record(config: &PosteriorConfig, energy: &Energy, around: &Surroundings, fits: usize) -> DrawsRecord {
    let origins = (0..fits).flat_map(|fit| {
        (0..config.draws).map(move |draw| Origin {
            chain: fit,
            step: draw as u64,
        })
    });
    let mut settings = serde_json::json!(config.method);
    let name = settings
        .as_object_mut()
        .and_then(|settings| settings.remove("kind"))
        .and_then(|kind| kind.as_str().map(str::to_string))
        .unwrap_or_default();
    let mut record = DrawsRecord::new(around.model, &name, settings, energy, origins.collect());
    record.schedule = Some(config.chains.clone());
    record
}
