//! Feature sets as text: `name`, or `name:setting=value,setting=a/b/c`.

use super::{FeatureSet, LundCounts};
use crate::{
    DistancePlane, EfpConfig, EfpMeasure, EfpWeight, EnergyCorrelationConfig, EnergyCorrelator, ImageConfig,
    ImageFrame, ImageIntensity, LdaWordConfig, MBodyConfig, Nsubjettiness, NsubjettinessConfig, OnePass, PhysicsError,
    SoftDrop, SoftDropGroomer, SubjetAxes,
};
use std::str::FromStr;

impl FeatureSet {
    /// The names of all sets.
    pub const NAMES: [&'static str; 9] = [
        "kinematics",
        "nsubjettiness",
        "mbody",
        "ecf",
        "efp",
        "lund",
        "image",
        "topodnn",
        "lda",
    ];

    /// The name of this set.
    pub fn name(&self) -> &'static str {
        let place = match self {
            Self::Kinematics(_) => 0,
            Self::Nsubjettiness(_) => 1,
            Self::MBody(_) => 2,
            Self::EnergyCorrelations { .. } => 3,
            Self::Efp(_) => 4,
            Self::Lund(_) => 5,
            Self::Image(_) => 6,
            Self::Topodnn => 7,
            Self::LdaWords(_) => 8,
        };
        Self::NAMES[place]
    }

    /// Checks all settings.
    ///
    /// # Errors
    /// [`PhysicsError::FeatureSetting`], which names the set, the setting as a user writes it, its value and its
    /// limits.
    pub fn check(&self) -> Result<(), PhysicsError> {
        let found = match self {
            Self::Kinematics(soft_drop) => SoftDropGroomer::new(*soft_drop).map(drop),
            Self::Nsubjettiness(config) => Nsubjettiness::new(config.clone()).map(drop),
            Self::MBody(config) => config.check(),
            Self::EnergyCorrelations { betas, .. } if betas.is_empty() => Err(PhysicsError::Setting {
                name: "number of betas",
                value: 0.0,
                limit: "1 or more",
            }),
            Self::EnergyCorrelations { betas, config } => betas
                .iter()
                .try_for_each(|&beta| EnergyCorrelator::new(EnergyCorrelationConfig { beta, ..*config }).map(drop)),
            Self::Efp(config) => config.check(),
            Self::Lund(LundCounts { kt, .. }) => kt.iter().try_for_each(|&value| {
                if value > 0.0 && value.is_finite() {
                    return Ok(());
                }
                Err(PhysicsError::Setting {
                    name: "kt",
                    value,
                    limit: "above 0 and finite",
                })
            }),
            Self::Image(config) => config.check(),
            Self::Topodnn => Ok(()),
            Self::LdaWords(config) => config.check(),
        };
        found.map_err(|error| match error {
            PhysicsError::Setting { name, value, limit } => PhysicsError::FeatureSetting {
                set: self.name(),
                // As it is called in the text.
                setting: match name {
                    "max_axes" => "n",
                    "bodies" => "m",
                    "max_degree" => "d",
                    other => other,
                }
                .to_owned(),
                found: format!("is {value}"),
                allowed: limit.to_owned(),
            },
            other => other,
        })
    }
}

impl FromStr for FeatureSet {
    type Err = PhysicsError;

    /// Reads a set; settings that are not given have their defaults.
    ///
    /// # Errors
    /// [`PhysicsError::UnknownFeatures`], or [`PhysicsError::FeatureSetting`] for a setting that the set does not have,
    /// that is given twice, or whose value is outside its limits.
    fn from_str(text: &str) -> Result<Self, PhysicsError> {
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let name = name.trim();
        let Some(&known) = Self::NAMES.iter().find(|&&known| known == name) else {
            return Err(PhysicsError::UnknownFeatures {
                name: name.to_owned(),
                known: Self::NAMES.join(", "),
            });
        };
        let mut settings = Settings::split(known, settings)?;
        let set = match known {
            "kinematics" => Self::Kinematics(soft_drop(&mut settings)?),
            "nsubjettiness" => Self::Nsubjettiness(nsubjettiness(&mut settings)?),
            "mbody" => Self::MBody(m_body(&mut settings)?),
            "ecf" => energy_correlations(&mut settings)?,
            "efp" => Self::Efp(efp(&mut settings)?),
            "lund" => Self::Lund(lund(&mut settings)?),
            "image" => Self::Image(image(&mut settings)?),
            "topodnn" => Self::Topodnn,
            // The last of the names.
            _ => Self::LdaWords(lda_words(&mut settings)?),
        };
        settings.finish()?;
        set.check()?;
        Ok(set)
    }
}

fn soft_drop(settings: &mut Settings<'_>) -> Result<SoftDrop, PhysicsError> {
    let mut soft_drop = SoftDrop::default();
    settings.number("z_cut", &mut soft_drop.z_cut)?;
    settings.number("beta", &mut soft_drop.beta)?;
    settings.number("radius", &mut soft_drop.radius)?;
    Ok(soft_drop)
}

fn nsubjettiness(settings: &mut Settings<'_>) -> Result<NsubjettinessConfig, PhysicsError> {
    let mut config = NsubjettinessConfig::default();
    settings.value("n", "a whole number", &mut config.max_axes)?;
    settings.numbers("beta", &mut config.betas)?;
    axes(
        settings,
        &mut config.axes,
        &mut config.plane,
        &mut config.radius,
        &mut config.minimize,
    )?;
    Ok(config)
}

fn m_body(settings: &mut Settings<'_>) -> Result<MBodyConfig, PhysicsError> {
    let mut config = MBodyConfig::default();
    settings.value("m", "a whole number", &mut config.bodies)?;
    axes(
        settings,
        &mut config.axes,
        &mut config.plane,
        &mut config.radius,
        &mut config.minimize,
    )?;
    Ok(config)
}

/// The settings that N-subjettinesses and the M-body basis share.
fn axes(
    settings: &mut Settings<'_>,
    axes: &mut SubjetAxes,
    plane: &mut DistancePlane,
    radius: &mut f64,
    minimize: &mut Option<OnePass>,
) -> Result<(), PhysicsError> {
    let kinds = [
        ("kt", SubjetAxes::ExclusiveKt),
        ("ca", SubjetAxes::ExclusiveCambridgeAachen),
        ("wta", SubjetAxes::WinnerTakeAllKt),
    ];
    settings.choice("axes", &kinds, axes)?;
    let planes = [
        ("rapidity", DistancePlane::Rapidity),
        ("pseudorapidity", DistancePlane::Pseudorapidity),
    ];
    settings.choice("plane", &planes, plane)?;
    settings.number("radius", radius)?;
    settings.choice(
        "minimize",
        &[("false", None), ("true", Some(OnePass::default()))],
        minimize,
    )
}

fn energy_correlations(settings: &mut Settings<'_>) -> Result<FeatureSet, PhysicsError> {
    let mut config = EnergyCorrelationConfig::default();
    let mut betas = vec![config.beta];
    settings.numbers("beta", &mut betas)?;
    settings.value("points", "a whole number", &mut config.points)?;
    settings.value("generalized", "true or false", &mut config.generalized)?;
    Ok(FeatureSet::EnergyCorrelations { betas, config })
}

fn efp(settings: &mut Settings<'_>) -> Result<EfpConfig, PhysicsError> {
    let mut config = EfpConfig::default();
    settings.value("d", "a whole number", &mut config.max_degree)?;
    settings.number("beta", &mut config.beta)?;
    if settings.is("kappa", "pf") {
        config.energy = EfpWeight::ParticleFlow;
        // Energies that stand at the angles cannot be shares.
        config.normed = false;
    } else {
        let mut kappa = 1.0;
        settings.number("kappa", &mut kappa)?;
        config.energy = EfpWeight::Power(kappa);
    }
    let measures = [
        ("hadr", EfpMeasure::Hadr),
        ("hadrdot", EfpMeasure::HadrDot),
        ("ee", EfpMeasure::Ee),
    ];
    settings.choice("measure", &measures, &mut config.measure)?;
    settings.value("normed", "true or false", &mut config.normed)?;
    Ok(config)
}

fn lund(settings: &mut Settings<'_>) -> Result<LundCounts, PhysicsError> {
    let mut counts = LundCounts::default();
    settings.numbers("kt", &mut counts.kt)?;
    if settings.is("depth", "all") {
        counts.depth = u32::MAX;
    } else {
        settings.value("depth", "a whole number or `all`", &mut counts.depth)?;
    }
    Ok(counts)
}

fn image(settings: &mut Settings<'_>) -> Result<ImageConfig, PhysicsError> {
    let mut config = ImageConfig::cnn();
    settings.value("pixels", "a whole number", &mut config.pixels)?;
    settings.number("half_width", &mut config.half_width)?;
    let frames = [
        ("principal-axes", ImageFrame::PrincipalAxes),
        ("jet-axis", ImageFrame::JetAxis),
    ];
    settings.choice("frame", &frames, &mut config.frame)?;
    let intensities = [
        ("unit-sum", ImageIntensity::UnitSum),
        ("pt", ImageIntensity::Pt),
        ("pt-fraction", ImageIntensity::PtFraction),
    ];
    settings.choice("intensity", &intensities, &mut config.intensity)?;
    Ok(config)
}

fn lda_words(settings: &mut Settings<'_>) -> Result<LdaWordConfig, PhysicsError> {
    let mut config = LdaWordConfig::default();
    settings.number("mass_floor", &mut config.mass_floor)?;
    Ok(config)
}

/// What stands after the colon.
struct Settings<'a> {
    set: &'static str,
    /// Name and value of those not asked for yet.
    given: Vec<(&'a str, &'a str)>,
    /// Names asked for: all that the set has.
    known: Vec<&'static str>,
}

impl<'a> Settings<'a> {
    fn split(set: &'static str, text: &'a str) -> Result<Self, PhysicsError> {
        let mut settings = Self {
            set,
            given: Vec::new(),
            known: Vec::new(),
        };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim(), value.trim());
            if value.is_empty() {
                return Err(settings.refuse(name, "has no value", &format!("{name}=VALUE")));
            }
            if settings.given.iter().any(|&(other, _)| other == name) {
                return Err(settings.refuse(
                    name,
                    "is given twice",
                    "once; several values as a/b/c where a set takes them",
                ));
            }
            settings.given.push((name, value));
        }
        Ok(settings)
    }

    fn refuse(&self, setting: &str, found: &str, allowed: &str) -> PhysicsError {
        PhysicsError::FeatureSetting {
            set: self.set,
            setting: setting.to_owned(),
            found: found.to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<&'a str> {
        self.known.push(name);
        let place = self.given.iter().position(|&(given, _)| given == name)?;
        Some(self.given.swap_remove(place).1)
    }

    /// Whether a setting has a value that is a word; if so, it is done with.
    fn is(&mut self, name: &'static str, word: &str) -> bool {
        let Some(place) = self.given.iter().position(|&given| given == (name, word)) else {
            return false;
        };
        self.known.push(name);
        self.given.swap_remove(place);
        true
    }

    fn value<T: FromStr>(&mut self, name: &'static str, allowed: &str, into: &mut T) -> Result<(), PhysicsError> {
        let Some(text) = self.take(name) else { return Ok(()) };
        *into = text
            .parse()
            .map_err(|_| self.refuse(name, &format!("is `{text}`"), allowed))?;
        Ok(())
    }

    fn number(&mut self, name: &'static str, into: &mut f64) -> Result<(), PhysicsError> {
        self.value(name, "a number", into)
    }

    /// Numbers that differ, as `a/b/c`.
    fn numbers(&mut self, name: &'static str, into: &mut Vec<f64>) -> Result<(), PhysicsError> {
        let Some(text) = self.take(name) else { return Ok(()) };
        let found = format!("is `{text}`");
        let mut numbers: Vec<f64> = Vec::new();
        for part in text.split('/') {
            match part.trim().parse() {
                Ok(number) if !numbers.contains(&number) => numbers.push(number),
                _ => return Err(self.refuse(name, &found, "a number, or several that differ: a/b/c")),
            }
        }
        *into = numbers;
        Ok(())
    }

    fn choice<T: Clone>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
        into: &mut T,
    ) -> Result<(), PhysicsError> {
        let Some(text) = self.take(name) else { return Ok(()) };
        let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text) else {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            return Err(self.refuse(name, &format!("is `{text}`"), &words.join(", ")));
        };
        *into = choice.clone();
        Ok(())
    }

    /// Refuses what was not asked for.
    fn finish(&self) -> Result<(), PhysicsError> {
        let Some((name, _)) = self.given.first() else {
            return Ok(());
        };
        let known = match self.known.as_slice() {
            [] => "none".to_owned(),
            known => known.join(", "),
        };
        Err(self.refuse(name, "is no setting", &known))
    }
}
