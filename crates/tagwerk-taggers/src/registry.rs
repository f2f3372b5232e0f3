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
use crate::general::{General, Input};
use crate::goat::GoatConfig;
use crate::graphnet::GraphNetConfig;
use crate::lbn::LbnConfig;
use crate::lda::LdaConfig;
use crate::lola::LolaConfig;
use crate::lorentznet::LorentzNetConfig;
use crate::lstm_resnet::LstmResNetConfig;
use crate::nsubjettiness::NsubjettinessConfig;
use crate::part::PartConfig;
use crate::particlenet::{ParticleNetConfig, ParticleNetLiteConfig};
use crate::pcnn::PcnnConfig;
use crate::pfn::PfnConfig;
use crate::resnext::ResNextConfig;
use crate::settings::config_of;
use crate::tagger::Tagger;
use crate::topodnn::TopoDnnConfig;
use crate::treenin::TreeNinConfig;
use serde::Serialize;
use tagwerk_nn::Device;
use tagwerk_nn::layers::Parts;
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
    ("part", |t| Ok(Box::new(config_of::<PartConfig>("part", t)?))),
    ("lorentznet", |t| {
        Ok(Box::new(config_of::<LorentzNetConfig>("lorentznet", t)?))
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

/// Name and constructor of each tagger of any shape that reads no jets; it comes after all others.
const ON_ARRAYS: &[(&str, BuildGeneral)] = &[("lstm-resnet", |t| {
    Ok(Box::new(config_of::<LstmResNetConfig>("lstm-resnet", t)?))
})];

/// The names of all taggers that read jets.
pub fn names() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name).chain(general_names())
}

/// The names of the taggers that read examples of any shape.
pub fn general_names() -> impl Iterator<Item = &'static str> {
    GENERAL.iter().map(|(name, _)| *name)
}

/// The names of the taggers that read events that are arrays: those of any shape, and those that read nothing else.
pub fn array_names() -> impl Iterator<Item = &'static str> {
    general_names().chain(ON_ARRAYS.iter().map(|(name, _)| *name))
}

/// A tagger that reads examples of any shape, by name, with settings.
///
/// # Errors
/// As [`tagger`]; of known names only those of [`array_names`].
pub fn general(name: &str, settings: &toml::Table) -> Result<Box<dyn General>, TaggerError> {
    match GENERAL.iter().chain(ON_ARRAYS).find(|(known, _)| *known == name) {
        Some((_, build)) => build(settings),
        None => Err(TaggerError::UnknownTagger {
            name: name.to_string(),
            known: array_names().collect::<Vec<_>>().join(", "),
        }),
    }
}

/// A tagger by name, with settings; the empty table is the published model.
///
/// # Errors
/// An unknown name, with the known ones; an unknown setting, by its key.
pub fn tagger(name: &str, settings: &toml::Table) -> Result<Box<dyn Tagger>, TaggerError> {
    if array_names().any(|known| known == name) {
        return Ok(general(name, settings)?);
    }
    let on_arrays = ON_ARRAYS.iter().map(|(name, _)| *name);
    let known = || names().chain(on_arrays.clone()).collect::<Vec<_>>().join(", ");
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
    /// Trained parameters of the published model as built here; for taggers whose size the training jets decide, the
    /// most there can be.
    pub parameters: usize,
    /// The numbers of the literature.
    pub published: Published,
}

/// All taggers with their parameters counted on a fresh network: on jets, or on the data set that they were made for.
///
/// # Errors
/// None unless a default is broken.
pub fn list() -> Result<Vec<Listing>, TaggerError> {
    /// Stations of Airshower.
    const STATIONS: [usize; 3] = [81, 9, 9];
    let device = Device::flex();
    let listing = |tagger: &dyn Tagger, parameters: usize| Listing {
        name: tagger.name().to_string(),
        view: tagger.view_kind().to_string(),
        parameters,
        published: tagger.published(),
    };
    let of_jets = names().map(|name| {
        let tagger = tagger(name, &toml::Table::new())?;
        let learner = tagger.learner(&tagger.training(), &device)?;
        let mut told = listing(tagger.as_ref(), learner.parameter_count());
        told.name = name.to_string();
        Ok(told)
    });
    let of_arrays = ON_ARRAYS.iter().map(|(_, build)| {
        let tagger = build(&toml::Table::new())?;
        let network = tagger.network(&Input::new(&STATIONS), 0, &device)?;
        Ok(listing(&*tagger, network.parameter_count()))
    });
    of_jets.chain(of_arrays).collect()
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
            ("treenin", 33_901),
            ("pcnn", 348_400),
            ("lbn", 705_302),
            ("lola", 127_052),
            ("efn", 82_358),
            ("pfn", 82_458),
            ("particlenet", 366_160),
            ("particlenet-lite", 26_416),
            ("part", 2_141_134),
            ("lorentznet", 224_072),
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
            ("lstm-resnet", 1_869_881),
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
