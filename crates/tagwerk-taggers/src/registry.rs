//! All taggers by name.

use crate::bdt::BdtConfig;
use crate::chebnet::ChebNetConfig;
use crate::cnn::CnnConfig;
use crate::cnn1d::Cnn1dConfig;
use crate::cnn2d::Cnn2dConfig;
use crate::efn::EfnConfig;
use crate::efp::{Efp, EfpConfig};
use crate::error::TaggerError;
use crate::fcn::FcnConfig;
use crate::gcn::GcnConfig;
use crate::general::General;
use crate::goat::GoatConfig;
use crate::graphnet::GraphNetConfig;
use crate::lbn::LbnConfig;
use crate::lda::LdaConfig;
use crate::lola::LolaConfig;
use crate::nsubjettiness::NsubjettinessConfig;
use crate::particlenet::{ParticleNetConfig, ParticleNetLiteConfig};
use crate::pcnn::PcnnConfig;
use crate::pfn::PfnConfig;
use crate::settings::config_of;
use crate::tagger::Tagger;
use crate::topodnn::TopoDnnConfig;
use crate::treenin::TreeNinConfig;
use serde::Serialize;
use tagwerk_nn::Device;
use tagwerk_stats::Published;

type Build = fn(&toml::Table) -> Result<Box<dyn Tagger>, TaggerError>;

/// Name and constructor of each tagger, in the order of listings.
const REGISTRY: &[(&str, Build)] = &[
    ("topodnn", |t| Ok(Box::new(config_of::<TopoDnnConfig>("topodnn", t)?))),
    ("cnn", |t| Ok(Box::new(config_of::<CnnConfig>("cnn", t)?))),
    ("nsub6", |t| {
        // The settings are laid over those of six bodies.
        let mut settings = toml::Table::new();
        settings.insert("bodies".into(), toml::Value::Integer(6));
        settings.extend(t.clone());
        Ok(Box::new(config_of::<NsubjettinessConfig>("nsub6", &settings)?))
    }),
    ("nsub8", |t| Ok(Box::new(config_of::<NsubjettinessConfig>("nsub8", t)?))),
    ("treenin", |t| Ok(Box::new(config_of::<TreeNinConfig>("treenin", t)?))),
    ("pcnn", |t| Ok(Box::new(config_of::<PcnnConfig>("pcnn", t)?))),
    ("lbn", |t| Ok(Box::new(config_of::<LbnConfig>("lbn", t)?))),
    ("lola", |t| Ok(Box::new(config_of::<LolaConfig>("lola", t)?))),
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
    ("lda", |t| Ok(Box::new(config_of::<LdaConfig>("lda", t)?))),
    ("efp", |t| Ok(Box::new(Efp::from(config_of::<EfpConfig>("efp", t)?)))),
    ("bdt", |t| Ok(Box::new(config_of::<BdtConfig>("bdt", t)?))),
    ("goat", |t| Ok(Box::new(config_of::<GoatConfig>("goat", t)?))),
];

type BuildGeneral = fn(&toml::Table) -> Result<Box<dyn General>, TaggerError>;

/// Name and constructor of each tagger that reads examples of any shape; in listings they come after the others.
const GENERAL: &[(&str, BuildGeneral)] = &[
    ("fcn", |t| Ok(Box::new(config_of::<FcnConfig>("fcn", t)?))),
    ("cnn1d", |t| Ok(Box::new(config_of::<Cnn1dConfig>("cnn1d", t)?))),
    ("cnn2d", |t| Ok(Box::new(config_of::<Cnn2dConfig>("cnn2d", t)?))),
    ("gcn", |t| Ok(Box::new(config_of::<GcnConfig>("gcn", t)?))),
    ("graphnet", |t| {
        Ok(Box::new(config_of::<GraphNetConfig>("graphnet", t)?))
    }),
    ("chebnet", |t| Ok(Box::new(config_of::<ChebNetConfig>("chebnet", t)?))),
];

/// The names of all taggers.
pub fn names() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name).chain(general_names())
}

/// The names of the taggers that read examples of any shape.
pub fn general_names() -> impl Iterator<Item = &'static str> {
    GENERAL.iter().map(|(name, _)| *name)
}

/// A tagger that reads examples of any shape, by name, with settings.
///
/// # Errors
/// As [`tagger`]; of known names only those of [`general_names`].
pub fn general(name: &str, settings: &toml::Table) -> Result<Box<dyn General>, TaggerError> {
    match GENERAL.iter().find(|(known, _)| *known == name) {
        Some((_, build)) => build(settings),
        None => Err(TaggerError::UnknownTagger {
            name: name.to_string(),
            known: general_names().collect::<Vec<_>>().join(", "),
        }),
    }
}

/// A tagger by name, with settings; the empty table is the published model.
///
/// # Errors
/// An unknown name, with the known ones; an unknown setting, by its key.
pub fn tagger(name: &str, settings: &toml::Table) -> Result<Box<dyn Tagger>, TaggerError> {
    if general_names().any(|known| known == name) {
        return Ok(general(name, settings)?);
    }
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
    /// Trained parameters of the published model as built here; for taggers whose size the training jets decide, the most
    /// there can be.
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
            ("nsub6", 56_302),
            ("nsub8", 57_502),
            ("treenin", 33_901),
            ("pcnn", 348_400),
            ("lbn", 705_302),
            ("lola", 127_052),
            ("efn", 82_358),
            ("pfn", 82_458),
            ("particlenet", 366_160),
            ("particlenet-lite", 26_416),
            // Two topics of all words that can be spelled; a trained one has the words that its training jets use.
            ("lda", 172_800),
            ("efp", 1000),
            // 500 trees of at most 63 nodes.
            ("bdt", 31_500),
            ("goat", 34_962),
            ("fcn", 903_425),
            ("cnn1d", 142_415),
            ("cnn2d", 30_611),
            ("gcn", 133_249),
            ("graphnet", 876_289),
            ("chebnet", 233_025),
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
