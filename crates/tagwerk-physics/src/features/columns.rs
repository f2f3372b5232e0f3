//! What each set of features is called and computed by: names and values side by side, so that they cannot part.

use super::{FeatureColumn, FeatureKind, FeatureSet, FeatureValues, LundCounts, Part};
use crate::{
    DistancePlane, EfpConfig, EfpMeasure, EfpWeight, Efps, EnergyCorrelationConfig, EnergyCorrelations, ImageConfig,
    ImageFrame, ImageIntensity, LdaWordConfig, LundConfig, MAX_RADIUS, MBodyConfig, NsubjettinessConfig, OnePass,
    PhysicsError, SoftDrop, SubjetAxes, TOPODNN_CONSTITUENTS, energy_correlations, image_view, jet_observables_with,
    lda_words, lund_planes, m_body_basis, nsubjettiness, topodnn_view,
};
use tagwerk_data::Jets;

impl Part {
    pub(super) fn columns(&self) -> Vec<FeatureColumn> {
        match &self.set {
            FeatureSet::Kinematics(soft_drop) => kinematics_columns(soft_drop),
            FeatureSet::Nsubjettiness(config) => nsubjettiness_columns(config),
            FeatureSet::MBody(config) => m_body_columns(config),
            FeatureSet::EnergyCorrelations { betas, config } => correlation_columns(betas, config),
            FeatureSet::Efp(config) => self.efps.iter().flat_map(|efps| efp_columns(efps, config)).collect(),
            FeatureSet::Lund(counts) => lund_columns(counts),
            FeatureSet::Image(config) => vec![image_column(config)],
            FeatureSet::Topodnn => vec![FeatureColumn {
                kind: FeatureKind::Array(3 * TOPODNN_CONSTITUENTS),
                ..number(
                    "topodnn",
                    "",
                    "pT / 1679 GeV, eta, phi of the 30 leading constituents, turned",
                )
            }],
            FeatureSet::LdaWords(config) => vec![words_column(config)],
        }
    }

    pub(super) fn values(&self, jets: &Jets) -> Result<Vec<FeatureValues>, PhysicsError> {
        match &self.set {
            FeatureSet::Kinematics(soft_drop) => kinematics_values(jets, *soft_drop),
            FeatureSet::Nsubjettiness(config) => nsubjettiness_values(jets, config),
            FeatureSet::MBody(config) => Ok(columns_of(&m_body_basis(jets, config)?, config.width())),
            FeatureSet::EnergyCorrelations { betas, config } => correlation_values(jets, betas, config),
            FeatureSet::Efp(_) => match &self.efps {
                Some(efps) => Ok(columns_of(&efps.values(jets)?, efps.len())),
                None => Ok(Vec::new()),
            },
            FeatureSet::Lund(counts) => lund_values(jets, counts),
            FeatureSet::Image(config) => Ok(vec![FeatureValues::Array {
                width: config.pixels * config.pixels,
                values: image_view(jets, config)?.values,
            }]),
            FeatureSet::Topodnn => Ok(vec![FeatureValues::Array {
                width: 3 * TOPODNN_CONSTITUENTS,
                values: topodnn_view(jets)?.values,
            }]),
            FeatureSet::LdaWords(config) => {
                let words = lda_words(jets, &[], config)?;
                Ok(vec![FeatureValues::Words {
                    words: words.words,
                    offsets: words.offsets,
                }])
            }
        }
    }
}

fn number(name: impl Into<String>, unit: impl Into<String>, about: impl Into<String>) -> FeatureColumn {
    FeatureColumn {
        name: name.into(),
        kind: FeatureKind::Number,
        unit: unit.into(),
        about: about.into(),
    }
}

/// The columns of `[B, width]`, row-major.
fn columns_of(rows: &[f64], width: usize) -> Vec<FeatureValues> {
    (0..width)
        .map(|column| FeatureValues::Numbers(rows.iter().skip(column).step_by(width).copied().collect()))
        .collect()
}

/// `_name` with a number, where it is not the default.
fn unless(default: f64, name: &str, value: f64) -> String {
    if value == default {
        String::new()
    } else {
        format!("_{name}{value}")
    }
}

fn kinematics_columns(soft_drop: &SoftDrop) -> Vec<FeatureColumn> {
    let usual = SoftDrop::default();
    let suffix = unless(usual.z_cut, "zcut", soft_drop.z_cut)
        + &unless(usual.beta, "beta", soft_drop.beta)
        + &unless(usual.radius, "r", soft_drop.radius);
    vec![
        number("jet_pt", "GeV", "transverse momentum of the sum of the constituents"),
        number("jet_eta", "", "pseudorapidity of that sum"),
        number("jet_phi", "rad", "azimuth of that sum, in (-pi, pi]"),
        number("jet_energy", "GeV", "energy of that sum"),
        number("jet_mass", "GeV", "mass of that sum, with the sign of its square"),
        number("jet_multiplicity", "", "number of constituents"),
        number(format!("jet_soft_drop_mass{suffix}"), "GeV", "mass after soft drop"),
    ]
}

fn kinematics_values(jets: &Jets, soft_drop: SoftDrop) -> Result<Vec<FeatureValues>, PhysicsError> {
    let found = jet_observables_with(jets, soft_drop)?;
    let multiplicity = found.multiplicity.iter().map(|&count| f64::from(count)).collect();
    let columns = [
        found.pt,
        found.eta,
        found.phi,
        found.energy,
        found.mass,
        multiplicity,
        found.soft_drop_mass,
    ];
    Ok(columns.into_iter().map(FeatureValues::Numbers).collect())
}

fn axes_suffix(axes: SubjetAxes, plane: DistancePlane, radius: f64, minimize: Option<OnePass>) -> String {
    let axes = match axes {
        SubjetAxes::ExclusiveKt => "",
        SubjetAxes::ExclusiveCambridgeAachen => "_ca",
        SubjetAxes::WinnerTakeAllKt => "_wta",
    };
    let plane = match plane {
        DistancePlane::Rapidity => "",
        DistancePlane::Pseudorapidity => "_eta",
    };
    let minimize = if minimize.is_some() { "_min" } else { "" };
    format!("{axes}{plane}{}{minimize}", unless(MAX_RADIUS, "r", radius))
}

/// The ratios made of N-subjettinesses: their two N.
const RATIOS: [(usize, usize); 2] = [(2, 1), (3, 2)];

fn nsubjettiness_columns(config: &NsubjettinessConfig) -> Vec<FeatureColumn> {
    let suffix = axes_suffix(config.axes, config.plane, config.radius, config.minimize);
    let mut columns = Vec::new();
    for n in 1..=config.max_axes {
        for beta in &config.betas {
            let name = format!("tau{n}_beta{beta}{suffix}");
            columns.push(number(name, "", format!("N-subjettiness, N = {n}, beta = {beta}")));
        }
    }
    for (above, below) in RATIOS.into_iter().filter(|(above, _)| *above <= config.max_axes) {
        for beta in &config.betas {
            let name = format!("tau{above}{below}_beta{beta}{suffix}");
            let about = format!("tau{above} / tau{below} at beta = {beta}; 0 where tau{below} is 0");
            columns.push(number(name, "", about));
        }
    }
    columns
}

fn nsubjettiness_values(jets: &Jets, config: &NsubjettinessConfig) -> Result<Vec<FeatureValues>, PhysicsError> {
    let (taus, betas) = (nsubjettiness(jets, config)?, config.betas.len());
    let width = config.max_axes * betas;
    let mut columns = columns_of(&taus, width);
    for (above, below) in RATIOS.into_iter().filter(|(above, _)| *above <= config.max_axes) {
        for beta in 0..betas {
            let ratio = |tau: &[f64]| {
                let (above, below) = (tau[(above - 1) * betas + beta], tau[(below - 1) * betas + beta]);
                if below > 0.0 { above / below } else { 0.0 }
            };
            columns.push(FeatureValues::Numbers(taus.chunks_exact(width).map(ratio).collect()));
        }
    }
    Ok(columns)
}

fn m_body_columns(config: &MBodyConfig) -> Vec<FeatureColumn> {
    let suffix = axes_suffix(config.axes, config.plane, config.radius, config.minimize);
    let (bodies, about) = (config.bodies, format!("of the {}-body basis", config.bodies));
    let column = |name: String| {
        if name.ends_with("_tev") {
            number(format!("mbody{bodies}_{name}"), "TeV", &about)
        } else {
            number(format!("mbody{bodies}_{name}{suffix}"), "", &about)
        }
    };
    config.names().into_iter().map(column).collect()
}

/// A column of energy correlations: name, the power of GeV it has, how it is read off.
type Correlation = (&'static str, usize, fn(&EnergyCorrelations) -> f64);

/// The columns for one power of the distance.
fn correlations(config: &EnergyCorrelationConfig) -> Vec<Correlation> {
    let mut columns: Vec<Correlation> = vec![("ecf2", 2, |of| of.e2 * of.pt_sum.powi(2)), ("e2", 0, |of| of.e2)];
    if config.points >= 3 {
        columns.extend::<[Correlation; 4]>([
            ("ecf3", 3, |of| of.e3 * of.pt_sum.powi(3)),
            ("e3", 0, |of| of.e3),
            ("c2", 0, EnergyCorrelations::c2),
            ("d2", 0, EnergyCorrelations::d2),
        ]);
    }
    if config.points >= 3 && config.generalized {
        columns.extend::<[Correlation; 2]>([("m2", 0, EnergyCorrelations::m2), ("n2", 0, EnergyCorrelations::n2)]);
    }
    if config.points >= 4 {
        columns.extend::<[Correlation; 3]>([
            ("ecf4", 4, |of| of.e4 * of.pt_sum.powi(4)),
            ("e4", 0, |of| of.e4),
            ("c3", 0, EnergyCorrelations::c3),
        ]);
    }
    columns
}

fn correlation_columns(betas: &[f64], config: &EnergyCorrelationConfig) -> Vec<FeatureColumn> {
    let mut columns = vec![number("ecf1", "GeV", "scalar sum of transverse momenta")];
    for beta in betas {
        for (name, power, _) in correlations(config) {
            let unit = if power == 0 {
                String::new()
            } else {
                format!("GeV^{power}")
            };
            let about = format!("energy correlation {name}, beta = {beta}");
            columns.push(number(format!("{name}_beta{beta}"), unit, about));
        }
    }
    columns
}

fn correlation_values(
    jets: &Jets,
    betas: &[f64],
    config: &EnergyCorrelationConfig,
) -> Result<Vec<FeatureValues>, PhysicsError> {
    let mut columns = Vec::new();
    for &beta in betas {
        let found = energy_correlations(jets, EnergyCorrelationConfig { beta, ..*config })?;
        let column = |of: fn(&EnergyCorrelations) -> f64| {
            // Momenta far beyond any collider's overflow in the fourth power.
            FeatureValues::Numbers(found.iter().map(|own| of(own).min(f64::MAX)).collect())
        };
        if columns.is_empty() {
            columns.push(column(|of| of.pt_sum));
        }
        columns.extend(correlations(config).into_iter().map(|(_, _, of)| column(of)));
    }
    Ok(columns)
}

fn efp_columns(efps: &Efps, config: &EfpConfig) -> Vec<FeatureColumn> {
    let mut suffix = format!("_beta{}", config.beta);
    suffix += match config.measure {
        EfpMeasure::Hadr => "",
        EfpMeasure::HadrDot => "_hadrdot",
        EfpMeasure::Ee => "_ee",
    };
    suffix += &match config.energy {
        EfpWeight::Power(kappa) => unless(1.0, "kappa", kappa),
        EfpWeight::ParticleFlow => "_pf".to_owned(),
    };
    suffix += if config.normed { "" } else { "_raw" };
    let column = |graph: &crate::EfpGraph| {
        let spec = graph.spec;
        let edges: Vec<String> = graph.edges.iter().map(|(u, v)| format!("{u}-{v}")).collect();
        let unit = match config.energy {
            EfpWeight::Power(kappa) if config.normed || kappa == 0.0 => String::new(),
            EfpWeight::Power(kappa) => format!("GeV^{}", kappa * spec.n as f64),
            EfpWeight::ParticleFlow => format!("GeV^{}", config.beta * spec.d as f64),
        };
        let about = format!("energy flow polynomial of the graph {}", edges.join(" "));
        number(
            format!("efp_{}_{}_{}{suffix}", spec.n, spec.d, spec.k),
            unit,
            about.trim_end(),
        )
    };
    efps.graphs().iter().map(column).collect()
}

fn lund_columns(counts: &LundCounts) -> Vec<FeatureColumn> {
    let (suffix, planes) = match counts.depth {
        0 => (String::new(), "the primary plane".to_owned()),
        u32::MAX => ("_all".to_owned(), "all planes".to_owned()),
        depth => (format!("_depth{depth}"), format!("planes of depth 0 to {depth}")),
    };
    let mut columns = vec![number(format!("lund_n{suffix}"), "", format!("splittings in {planes}"))];
    for kt in &counts.kt {
        let about = format!("splittings of kt above {kt} GeV in {planes}");
        columns.push(number(format!("lund_n_kt{kt}{suffix}"), "", about));
    }
    columns
}

fn lund_values(jets: &Jets, counts: &LundCounts) -> Result<Vec<FeatureValues>, PhysicsError> {
    let planes = lund_planes(jets, &LundConfig { depth: counts.depth })?;
    let count = |ln_cut: f64| {
        let of_jet = |b| planes.jet(b).iter().filter(|point| point.ln_kt > ln_cut).count() as f64;
        FeatureValues::Numbers((0..planes.len()).map(of_jet).collect())
    };
    let cuts = counts.kt.iter().map(|kt| kt.ln());
    Ok(std::iter::once(f64::NEG_INFINITY).chain(cuts).map(count).collect())
}

fn image_column(config: &ImageConfig) -> FeatureColumn {
    let side = config.pixels;
    let width = unless(ImageConfig::cnn().half_width, "width", config.half_width);
    let (frame, about) = match config.frame {
        ImageFrame::PrincipalAxes => ("", "centered, turned upright, mirrored"),
        ImageFrame::JetAxis => ("_jet_axis", "centered on the jet axis"),
    };
    let (intensity, unit) = match config.intensity {
        ImageIntensity::UnitSum => ("", ""),
        ImageIntensity::Pt => ("_pt", "GeV"),
        ImageIntensity::PtFraction => ("_pt_fraction", ""),
    };
    FeatureColumn {
        kind: FeatureKind::Array(side * side),
        ..number(
            format!("image_{side}x{side}{width}{frame}{intensity}"),
            unit,
            format!("transverse momentum in (eta, phi), {about}; rows along phi"),
        )
    }
}

fn words_column(config: &LdaWordConfig) -> FeatureColumn {
    let usual = LdaWordConfig::default();
    FeatureColumn {
        kind: FeatureKind::Words,
        ..number(
            format!("lda_words{}", unless(usual.mass_floor, "floor", config.mass_floor)),
            "",
            "splittings of the Cambridge/Aachen tree as words",
        )
    }
}
