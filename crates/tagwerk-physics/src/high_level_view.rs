//! Twenty classic observables of a jet as one vector: what boosted decision trees read.
//!
//! Mass, grooming, counting, prongs with axes (N-subjettiness) and without (energy correlations): the observables of
//! the top taggers that came before networks. Each is a function of this crate, with its definition and its test there.
//! Trees compare values with thresholds, so nothing is scaled and no logarithm taken.

use crate::fill::fill_dense;
use crate::{
    DenseView, EnergyCorrelationConfig, EnergyCorrelator, Nsubjettiness, NsubjettinessConfig, PhysicsError, SoftDrop,
    SoftDropGroomer, constituents, jet_axis,
};
use tagwerk_data::Jets;

/// The names of the values, in order. Masses and momenta are in GeV; ratios with a vanishing denominator are 0.
pub const HIGH_LEVEL_OBSERVABLES: [&str; 20] = [
    "mass",
    "soft_drop_mass",
    "soft_drop_z",
    "soft_drop_r",
    "pt",
    "multiplicity",
    "tau1_beta1",
    "tau21_beta0.5",
    "tau21_beta1",
    "tau21_beta2",
    "tau32_beta0.5",
    "tau32_beta1",
    "tau32_beta2",
    "tau43_beta1",
    "c2_beta1",
    "d2_beta1",
    "c2_beta2",
    "d2_beta2",
    "n2_beta1",
    "m2_beta1",
];

/// The angular powers of N-subjettiness, and the number of axes.
const BETAS: [f64; 3] = [0.5, 1.0, 2.0];
const AXES: usize = 4;

/// What a thread needs.
#[derive(Clone)]
struct Scratch {
    groomer: SoftDropGroomer,
    nsubjettiness: Nsubjettiness,
    linear: EnergyCorrelator,
    square: EnergyCorrelator,
}

impl Scratch {
    fn new() -> Result<Self, PhysicsError> {
        let correlator = |beta| {
            EnergyCorrelator::new(EnergyCorrelationConfig {
                beta,
                ..EnergyCorrelationConfig::default()
            })
        };
        Ok(Self {
            groomer: SoftDropGroomer::new(SoftDrop::default())?,
            nsubjettiness: Nsubjettiness::new(NsubjettinessConfig {
                max_axes: AXES,
                betas: BETAS.to_vec(),
                ..NsubjettinessConfig::default()
            })?,
            linear: correlator(1.0)?,
            square: correlator(2.0)?,
        })
    }

    fn observables(&mut self, jets: &Jets, b: usize) -> Result<[f64; 20], PhysicsError> {
        let particles = || constituents(jets, b);
        let jet = jet_axis(jets, b);
        let groomed = self.groomer.groom(particles())?;
        let (share, angle) = groomed.splitting.unwrap_or_default();
        let taus = self.nsubjettiness.compute(particles())?;
        let tau = |n: usize, beta: usize| taus[(n - 1) * BETAS.len() + beta];
        let ratio = |n: usize, beta: usize| {
            let below = tau(n - 1, beta);
            if below > 0.0 { tau(n, beta) / below } else { 0.0 }
        };
        let (linear, square) = (self.linear.compute(particles()), self.square.compute(particles()));
        Ok([
            jet.mass(),
            groomed.momentum.mass(),
            share,
            angle,
            jet.pt(),
            jets.range(b).len() as f64,
            tau(1, 1),
            ratio(2, 0),
            ratio(2, 1),
            ratio(2, 2),
            ratio(3, 0),
            ratio(3, 1),
            ratio(3, 2),
            ratio(4, 1),
            linear.c2(),
            linear.d2(),
            square.c2(),
            square.d2(),
            linear.n2(),
            linear.m2(),
        ])
    }
}

/// The observables of every jet, in parallel; those of an empty jet are 0.
///
/// # Shapes
/// - returns: `[B, 20]`, as [`HIGH_LEVEL_OBSERVABLES`] names them
///
/// # Errors
/// Whatever [`crate::check_jets`] finds.
pub fn high_level_view(jets: &Jets) -> Result<DenseView, PhysicsError> {
    let prototype = Scratch::new()?;
    let shape = vec![HIGH_LEVEL_OBSERVABLES.len()];
    fill_dense(jets, shape, |b, values, scratch: &mut Option<Scratch>| {
        let scratch = scratch.get_or_insert_with(|| prototype.clone());
        // The jets are checked, and f32 momenta are far below what clustering refuses.
        let Ok(observables) = scratch.observables(jets, b) else {
            return;
        };
        let largest = f64::from(f32::MAX);
        for (slot, value) in values.iter_mut().zip(observables) {
            *slot = value.clamp(-largest, largest) as f32;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{energy_correlations, jet_observables, nsubjettiness, tau_ratios};
    use tagwerk_data::{JetDataset, Part};

    fn sample() -> Jets {
        JetDataset::sample().unwrap().load(Part::Test, Some(300)).unwrap()
    }

    fn column<'a>(view: &'a DenseView, name: &str) -> impl Iterator<Item = f32> + 'a {
        let place = HIGH_LEVEL_OBSERVABLES.iter().position(|known| *known == name).unwrap();
        view.values
            .iter()
            .skip(place)
            .step_by(HIGH_LEVEL_OBSERVABLES.len())
            .copied()
    }

    #[test]
    fn every_column_is_the_observable_of_its_name() {
        let jets = sample();
        let view = high_level_view(&jets).unwrap();
        let plain = jet_observables(&jets).unwrap();
        let correlations = |beta| {
            let config = EnergyCorrelationConfig {
                beta,
                ..EnergyCorrelationConfig::default()
            };
            energy_correlations(&jets, config).unwrap()
        };
        let (linear, square) = (correlations(1.0), correlations(2.0));
        let ratios = |beta| tau_ratios(&jets, beta, &NsubjettinessConfig::default()).unwrap();
        let config = NsubjettinessConfig {
            max_axes: 4,
            ..NsubjettinessConfig::default()
        };
        let taus = nsubjettiness(&jets, &config).unwrap();
        let mut groomer = SoftDropGroomer::new(SoftDrop::default()).unwrap();
        let splittings: Vec<(f64, f64)> = (0..jets.len())
            .map(|b| {
                groomer
                    .groom(constituents(&jets, b))
                    .unwrap()
                    .splitting
                    .unwrap_or_default()
            })
            .collect();
        let of = |value: fn(&crate::EnergyCorrelations) -> f64, from: &[crate::EnergyCorrelations]| {
            from.iter().map(value).collect::<Vec<f64>>()
        };
        let expected: [Vec<f64>; 20] = [
            plain.mass.clone(),
            plain.soft_drop_mass.clone(),
            splittings.iter().map(|s| s.0).collect(),
            splittings.iter().map(|s| s.1).collect(),
            plain.pt.clone(),
            plain.multiplicity.iter().map(|&n| f64::from(n)).collect(),
            taus.chunks_exact(4).map(|tau| tau[0]).collect(),
            ratios(0.5).tau21,
            ratios(1.0).tau21,
            ratios(2.0).tau21,
            ratios(0.5).tau32,
            ratios(1.0).tau32,
            ratios(2.0).tau32,
            taus.chunks_exact(4).map(|tau| tau[3] / tau[2]).collect(),
            of(crate::EnergyCorrelations::c2, &linear),
            of(crate::EnergyCorrelations::d2, &linear),
            of(crate::EnergyCorrelations::c2, &square),
            of(crate::EnergyCorrelations::d2, &square),
            of(crate::EnergyCorrelations::n2, &linear),
            of(crate::EnergyCorrelations::m2, &linear),
        ];
        for (name, expected) in HIGH_LEVEL_OBSERVABLES.iter().zip(expected) {
            assert!(expected.iter().any(|value| *value > 0.0), "{name}");
            for (b, (found, expected)) in column(&view, name).zip(expected).enumerate() {
                assert_eq!(found, expected as f32, "{name} of jet {b}");
            }
        }
    }

    #[test]
    fn jets_with_hardly_a_constituent_have_finite_observables() {
        let mut jets = Jets::default();
        jets.push(&[], 0, 0);
        jets.push(&[[50.0, 30.0, 40.0, 0.0]], 0, 1);
        jets.push(&[[50.0, 30.0, 40.0, 0.0], [5.0, 4.0, 3.0, 0.0]], 1, 2);
        let view = high_level_view(&jets).unwrap();
        assert!(view.values.iter().all(|value| value.is_finite()), "{view:?}");
        assert!(view.values[..20].iter().all(|&value| value == 0.0), "{view:?}");
        assert_eq!(column(&view, "multiplicity").collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn the_order_of_constituents_does_not_matter() {
        let jets = sample();
        let mut turned = Jets::default();
        for b in 0..jets.len() {
            let mut particles: Vec<[f32; 4]> = jets
                .range(b)
                .map(|i| [jets.e[i], jets.px[i], jets.py[i], jets.pz[i]])
                .collect();
            particles.reverse();
            turned.push(&particles, jets.labels[b], jets.rows[b]);
        }
        let (view, other) = (high_level_view(&jets).unwrap(), high_level_view(&turned).unwrap());
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-6 * a.abs().max(1e-2);
        let differing = view
            .values
            .iter()
            .zip(&other.values)
            .filter(|pair| !close(*pair))
            .count();
        // Sums in another order round otherwise, and a clustering that meets two equal distances may take the other.
        assert!(differing <= 20, "{differing} of {} values differ", view.values.len());
    }
}
