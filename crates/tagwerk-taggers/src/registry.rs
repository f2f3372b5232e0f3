//! All taggers by name.

use crate::cnn::CnnConfig;
use crate::efn::EfnConfig;
use crate::error::TaggerError;
use crate::nsubjettiness::NsubjettinessConfig;
use crate::particlenet::{ParticleNetConfig, ParticleNetLiteConfig};
use crate::pcnn::PcnnConfig;
use crate::pfn::PfnConfig;
use crate::resnext::ResNextConfig;
use crate::settings::config_of;
use crate::tagger::Tagger;
use crate::topodnn::TopoDnnConfig;
use serde::Serialize;
use tagwerk_nn::Device;
use tagwerk_stats::Published;

type Build = fn(&toml::Table) -> Result<Box<dyn Tagger>, TaggerError>;

/// Name and constructor of each tagger, in the order of listings.
const REGISTRY: &[(&str, Build)] = &[
    ("topodnn", |t| Ok(Box::new(config_of::<TopoDnnConfig>("topodnn", t)?))),
    ("cnn", |t| Ok(Box::new(config_of::<CnnConfig>("cnn", t)?))),
    ("resnext", |t| Ok(Box::new(config_of::<ResNextConfig>("resnext", t)?))),
    ("nsub6", |t| {
        // The settings are laid over those of six bodies.
        let mut settings = toml::Table::new();
        settings.insert("bodies".into(), toml::Value::Integer(6));
        settings.extend(t.clone());
        Ok(Box::new(config_of::<NsubjettinessConfig>("nsub6", &settings)?))
    }),
    ("nsub8", |t| Ok(Box::new(config_of::<NsubjettinessConfig>("nsub8", t)?))),
    ("pcnn", |t| Ok(Box::new(config_of::<PcnnConfig>("pcnn", t)?))),
    ("efn", |t| Ok(Box::new(config_of::<EfnConfig>("efn", t)?))),
    ("pfn", |t| Ok(Box::new(config_of::<PfnConfig>("pfn", t)?))),
    ("particlenet", |t| {
        Ok(Box::new(config_of::<ParticleNetConfig>("particlenet", t)?))
    }),
    ("particlenet-lite", |t| {
        Ok(Box::new(ParticleNetConfig::from(config_of::<ParticleNetLiteConfig>(
            "particlenet-lite",
            t,
        )?)))
    }),
];

/// The names of all taggers.
pub fn names() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name)
}

/// A tagger by name, with settings; the empty table is the published model.
///
/// # Errors
/// An unknown name, with the known ones; an unknown setting, by its key.
pub fn tagger(name: &str, settings: &toml::Table) -> Result<Box<dyn Tagger>, TaggerError> {
    let known = || names().collect::<Vec<_>>().join(", ");
    let (_, build) = REGISTRY
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| TaggerError::UnknownTagger {
            name: name.to_string(),
            known: known(),
        })?;
    build(settings)
}

/// One line of the listing: the contract of `tagwerk taggers --json`.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// Name.
    pub name: String,
    /// Kind of view.
    pub view: String,
    /// Trained parameters of the published model as built here.
    pub parameters: usize,
    /// The numbers of the literature.
    pub published: Published,
}

/// All taggers with their parameters counted on a fresh network.
///
/// # Errors
/// None unless a default is broken.
pub fn list() -> Result<Vec<Listing>, TaggerError> {
    names()
        .map(|name| {
            let tagger = tagger(name, &toml::Table::new())?;
            let learner = tagger.learner(&tagger.training(), &Device::flex())?;
            Ok(Listing {
                name: name.to_string(),
                view: tagger.view_kind().to_string(),
                parameters: learner.parameter_count(),
                published: tagger.published(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_counts_are_the_published_architectures() {
        let expected = [
            ("topodnn", 59_323),
            ("cnn", 609_666),
            ("resnext", 1_457_314),
            ("nsub6", 56_302),
            ("nsub8", 57_502),
            ("pcnn", 348_400),
            ("efn", 82_358),
            ("pfn", 82_458),
            ("particlenet", 366_160),
            ("particlenet-lite", 26_416),
        ];
        let found: Vec<(String, usize)> = list().unwrap().into_iter().map(|l| (l.name, l.parameters)).collect();
        assert_eq!(found, expected.map(|(name, n)| (name.to_string(), n)));
    }

    #[test]
    fn an_unknown_name_or_setting_is_named_in_the_error() {
        let error = tagger("pnf", &toml::Table::new()).unwrap_err().to_string();
        assert!(error.contains("pnf") && error.contains("particlenet-lite"), "{error}");
        let table: toml::Table = toml::from_str("phy = [1, 2]").unwrap();
        let error = tagger("pfn", &table).unwrap_err().to_string();
        assert!(error.contains("phy"), "{error}");
    }
}
