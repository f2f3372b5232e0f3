//! N-subjettiness and the M-body basis against FastJet's axes with numpy, and against fastjet-contrib
//! (`tests/reference/physics_nsubjettiness.py`), on 200 real-sized jets; then what must hold for any jet.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support;
#[path = "support/table.rs"]
mod table;

use proptest::prelude::*;
use support::{Reference, reference_jets};
use table::table;
use tagwerk_physics::{
    DistancePlane, FourVector, MAX_RADIUS, MBodyConfig, Nsubjettiness, NsubjettinessConfig, OnePass, PhysicsError,
    SubjetAxes, constituents, jet_axis, m_body_view, nsubjettiness, tau_ratios, wrap_phi,
};

const JETS: usize = 200;
const TOLERANCE: f64 = 1e-8;

fn config(max_axes: usize, betas: &[f64], axes: SubjetAxes) -> NsubjettinessConfig {
    NsubjettinessConfig {
        max_axes,
        betas: betas.to_vec(),
        axes,
        ..NsubjettinessConfig::default()
    }
}

#[test]
fn taus_are_those_of_fastjets_axes() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_nsubjettiness.parquet"));
    let default = config(7, &[0.5, 1.0, 2.0], SubjetAxes::ExclusiveKt);
    for (column, config) in [
        ("kt", default.clone()),
        ("ca", config(7, &[0.5, 1.0, 2.0], SubjetAxes::ExclusiveCambridgeAachen)),
        ("wta_kt", config(7, &[0.5, 1.0, 2.0], SubjetAxes::WinnerTakeAllKt)),
        (
            "kt_r0.4",
            NsubjettinessConfig {
                radius: 0.4,
                ..default.clone()
            },
        ),
        (
            "kt_eta",
            NsubjettinessConfig {
                plane: DistancePlane::Pseudorapidity,
                ..default
            },
        ),
    ] {
        let found = nsubjettiness(&jets, &config).unwrap();
        let expected = reference.lists(column).concat();
        assert_eq!(found.len(), expected.len());
        let mut worst: f64 = 0.0;
        for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected).abs();
            worst = worst.max(error / expected.abs().max(1e-12));
            assert!(
                error <= TOLERANCE * expected.abs(),
                "{column}, jet {}, value {}: {found:e}, expected {expected:e}",
                i / 21,
                i % 21
            );
        }
        println!("{column}: largest relative error {worst:.1e} of {} values", found.len());
    }
}

/// The jets with E = |p|, as fastjet-contrib takes them.
fn massless(jets: &tagwerk_data::Jets, b: usize) -> Vec<FourVector> {
    constituents(jets, b).map(|v| FourVector { e: v.p(), ..v }).collect()
}

/// The `[4, 2]` numbers of fastjet-contrib beside ours, for all jets.
fn beside_contrib(column: &str, axes: SubjetAxes, minimize: Option<OnePass>) -> Vec<(f64, f64)> {
    let jets = reference_jets(JETS);
    let expected = Reference::open("physics_nsubjettiness.parquet").lists(column);
    let mut own = Nsubjettiness::new(NsubjettinessConfig {
        minimize,
        ..config(4, &[1.0, 2.0], axes)
    })
    .unwrap();
    let mut pairs = Vec::new();
    for (b, expected) in expected.iter().enumerate() {
        let found = own.compute(massless(&jets, b)).unwrap();
        pairs.extend(found.iter().copied().zip(expected.iter().copied()));
    }
    pairs
}

#[test]
fn taus_are_fastjet_contribs() {
    for (column, axes) in [
        ("contrib_kt", SubjetAxes::ExclusiveKt),
        ("contrib_ca", SubjetAxes::ExclusiveCambridgeAachen),
        ("contrib_wta_kt", SubjetAxes::WinnerTakeAllKt),
    ] {
        let mut worst: f64 = 0.0;
        for (i, (found, expected)) in beside_contrib(column, axes, None).into_iter().enumerate() {
            let error = (found - expected).abs() / expected;
            worst = worst.max(error);
            assert!(
                error <= TOLERANCE,
                "{column}, value {i}: {found:e}, expected {expected:e}"
            );
        }
        println!("{column}: largest relative error {worst:.1e}");
    }
}

#[test]
fn one_pass_axes_reach_fastjet_contribs_minima_or_lower_ones() {
    for (column, axes) in [
        ("contrib_one_pass_kt", SubjetAxes::ExclusiveKt),
        ("contrib_one_pass_wta_kt", SubjetAxes::WinnerTakeAllKt),
    ] {
        let pairs = beside_contrib(column, axes, Some(OnePass::default()));
        // Both stop near a minimum; where two are in reach they may take different ones.
        let higher = pairs
            .iter()
            .filter(|(found, expected)| *found > expected * 1.001)
            .count();
        let lower = pairs
            .iter()
            .filter(|(found, expected)| *found < expected * 0.999)
            .count();
        let mean = |pick: fn(&(f64, f64)) -> f64| pairs.iter().map(pick).sum::<f64>() / pairs.len() as f64;
        let (ours, theirs) = (mean(|p| p.0), mean(|p| p.1));
        println!(
            "{column}: {higher} higher, {lower} lower of {}; means {ours:.6e} {theirs:.6e}",
            pairs.len()
        );
        assert!(
            higher * 50 <= pairs.len(),
            "{column}: {higher} of {} are higher",
            pairs.len()
        );
        assert!(ours <= theirs * 1.0005, "{column}: mean {ours:e}, contrib {theirs:e}");
    }
}

#[test]
fn the_m_body_view_holds_the_basis_in_the_published_order() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_nsubjettiness.parquet"));
    let config = MBodyConfig::default();
    let view = m_body_view(&jets, &config).unwrap();
    assert_eq!((view.shape.as_slice(), view.len()), ([22].as_slice(), JETS));
    let names = config.names();
    assert_eq!(names.len(), config.width());
    assert_eq!(names[18..], ["tau7_beta1", "tau7_beta2", "pt_tev", "mass_tev"]);
    for (b, taus) in reference.lists("kt").iter().enumerate() {
        let axis = jet_axis(&jets, b);
        let mut expected = taus.clone();
        expected.remove(18);
        expected.extend([axis.pt() / 1000.0, axis.mass() / 1000.0]);
        for (i, (&found, expected)) in view.jet(b).iter().zip(expected).enumerate() {
            let error = (f64::from(found) - expected).abs();
            assert!(
                error <= 1e-7 * expected.abs(),
                "jet {b}, {}: {found}, {expected}",
                names[i]
            );
        }
    }
    assert_eq!(MBodyConfig { bodies: 6, ..config }.width(), 16);
}

#[test]
fn tau_ratios_divide_what_nsubjettiness_computes() {
    let jets = reference_jets(20);
    let config = config(9, &[2.0], SubjetAxes::WinnerTakeAllKt);
    let ratios = tau_ratios(&jets, 1.0, &config).unwrap();
    let three = NsubjettinessConfig {
        max_axes: 3,
        betas: vec![1.0],
        ..config
    };
    for (b, tau) in nsubjettiness(&jets, &three).unwrap().chunks_exact(3).enumerate() {
        assert_eq!((ratios.tau21[b], ratios.tau32[b]), (tau[1] / tau[0], tau[2] / tau[1]));
    }
    let lone = table(&[vec![], vec![FourVector::from_pt_eta_phi_mass(5.0, 0.1, 0.2, 0.0)]]);
    let ratios = tau_ratios(&lone, 1.0, &NsubjettinessConfig::default()).unwrap();
    assert_eq!((ratios.tau21, ratios.tau32), (vec![0.0; 2], vec![0.0; 2]));
}

#[test]
fn few_constituents_have_no_tau_and_no_axes_left() {
    let particle = |pt, phi| FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0);
    let jet = vec![particle(50.0, 0.0), particle(30.0, 0.3), particle(20.0, -0.4)];
    for minimize in [None, Some(OnePass::default())] {
        let mut own = Nsubjettiness::new(NsubjettinessConfig {
            minimize,
            ..config(5, &[0.5, 2.0], SubjetAxes::ExclusiveKt)
        })
        .unwrap();
        let tau = own.compute(jet.clone()).unwrap().to_vec();
        assert!(tau[..4].iter().all(|&tau| tau > 0.0), "N = 1 and 2: {tau:?}");
        assert_eq!(tau[4..], [0.0; 6], "N from 3 on");
        assert_eq!((own.axes(1, 1).len(), own.axes(2, 0).len()), (1, 2));
        assert!(own.axes(3, 0).is_empty() && own.axes(0, 0).is_empty() && own.axes(1, 2).is_empty());
        // Equal directions, no transverse momentum, cancelling momenta: finite, and zero where nothing is measured.
        for odd in [
            vec![particle(1.0, 0.5); 4],
            vec![FourVector::new(3.0, 0.0, 0.0, 3.0); 3],
            vec![particle(1.0, 0.0), particle(1.0, std::f64::consts::PI)],
            vec![FourVector::default(); 3],
            vec![],
        ] {
            assert!(
                own.compute(odd.clone())
                    .unwrap()
                    .iter()
                    .all(|tau| tau.is_finite() && *tau >= 0.0),
                "{odd:?}"
            );
        }
    }
    let view = m_body_view(&table(&[vec![], jet]), &MBodyConfig::default()).unwrap();
    assert_eq!(view.jet(0), [0.0; 22]);
    assert!(view.values.iter().all(|value| value.is_finite()));
}

#[test]
fn settings_outside_their_limits_are_named() {
    let refused = |config: NsubjettinessConfig| match Nsubjettiness::new(config) {
        Err(PhysicsError::Setting { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    let good = NsubjettinessConfig::default();
    for max_axes in [0, 201, usize::MAX] {
        assert_eq!(
            refused(NsubjettinessConfig {
                max_axes,
                ..good.clone()
            }),
            "max_axes"
        );
    }
    for beta in [0.0, -1.0, 8.5, f64::NAN, f64::INFINITY] {
        assert_eq!(
            refused(NsubjettinessConfig {
                betas: vec![1.0, beta],
                ..good.clone()
            }),
            "beta"
        );
    }
    assert_eq!(
        refused(NsubjettinessConfig {
            betas: vec![],
            ..good.clone()
        }),
        "number of betas"
    );
    assert_eq!(
        refused(NsubjettinessConfig {
            radius: 0.0,
            ..good.clone()
        }),
        "radius"
    );
    let minimize = Some(OnePass {
        tolerance: f64::NAN,
        ..OnePass::default()
    });
    assert_eq!(refused(NsubjettinessConfig { minimize, ..good }), "tolerance");
    for bodies in [0, 1, 202, usize::MAX] {
        let config = MBodyConfig {
            bodies,
            radius: MAX_RADIUS,
            ..MBodyConfig::default()
        };
        assert!(m_body_view(&table(&[]), &config).is_err(), "{bodies}");
    }
}

/// Massless constituents about (eta, phi) = (0.3, 3.0), so that jets straddle the seam at pi.
fn jet() -> impl Strategy<Value = Vec<FourVector>> {
    let particle = (0.1..200.0f64, -0.5..1.1f64, 2.2..3.8f64)
        .prop_map(|(pt, eta, phi)| FourVector::from_pt_eta_phi_mass(pt, eta, wrap_phi(phi), 0.0));
    proptest::collection::vec(particle, 5..40)
}

fn axes() -> impl Strategy<Value = SubjetAxes> {
    prop_oneof![
        Just(SubjetAxes::ExclusiveKt),
        Just(SubjetAxes::ExclusiveCambridgeAachen),
        Just(SubjetAxes::WinnerTakeAllKt)
    ]
}

fn close(found: &[f64], expected: &[f64], tolerance: f64) -> bool {
    let largest = expected.iter().fold(1e-12, |a: f64, &b| a.max(b));
    found
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() <= tolerance * largest)
}

proptest! {
    #[test]
    fn neither_order_nor_azimuth_nor_a_boost_along_the_beam_matters(
        jet in jet(), axes in axes(), turn in -3.0..3.0f64, boost in -1.0..1.0f64, seed in 0usize..1000,
    ) {
        let mut own = Nsubjettiness::new(config(4, &[1.0, 1.7, 2.0], axes)).unwrap();
        let expected = own.compute(jet.clone()).unwrap().to_vec();
        let (sin, cos) = turn.sin_cos();
        let mut moved: Vec<_> = jet
            .iter()
            .map(|v| FourVector { px: v.px * cos - v.py * sin, py: v.px * sin + v.py * cos, ..*v })
            .map(|v| v.boosted([0.0, 0.0, boost.tanh()]).unwrap())
            .collect();
        let middle = seed % moved.len();
        moved.rotate_left(middle);
        moved.reverse();
        prop_assert!(close(own.compute(moved).unwrap(), &expected, 1e-9));
    }

    #[test]
    fn soft_and_collinear_emissions_change_nothing(jet in jet(), axes in axes(), share in 0.1..0.9f64) {
        let mut own = Nsubjettiness::new(config(3, &[1.0, 2.0], axes)).unwrap();
        let expected = own.compute(jet.clone()).unwrap().to_vec();
        let part = |v: &FourVector, f: f64| FourVector::new(f * v.e, f * v.px, f * v.py, f * v.pz);
        let mut split = jet.clone();
        split[0] = part(&jet[0], share);
        split.push(part(&jet[0], 1.0 - share));
        prop_assert!(close(own.compute(split).unwrap(), &expected, 1e-9), "collinear");
        // By angle alone, a soft constituent can be a subjet of its own.
        prop_assume!(axes != SubjetAxes::ExclusiveCambridgeAachen);
        let mut soft = jet;
        soft.push(FourVector::from_pt_eta_phi_mass(1e-12, 0.9, 2.5, 0.0));
        prop_assert!(close(own.compute(soft).unwrap(), &expected, 1e-9), "soft");
    }

    #[test]
    fn minimized_axes_are_never_worse_and_lie_where_they_say(
        jet in jet(), axes in axes(), beta in prop_oneof![Just(0.5), Just(1.0), Just(2.0), 0.3..4.0f64],
    ) {
        let start = config(4, &[beta], axes);
        let before = Nsubjettiness::new(start.clone()).unwrap().compute(jet.clone()).unwrap().to_vec();
        let mut own = Nsubjettiness::new(NsubjettinessConfig { minimize: Some(OnePass::default()), ..start }).unwrap();
        let after = own.compute(jet.clone()).unwrap().to_vec();
        let pt = jet.iter().copied().sum::<FourVector>().pt();
        for n in 1..=4 {
            prop_assert!(after[n - 1] <= before[n - 1] * (1.0 + 1e-12), "N = {n}: {before:?} {after:?}");
            let from_axes = jet.iter().map(|v| {
                let distance = |axis: &[f64; 2]| (v.rapidity() - axis[0]).hypot(wrap_phi(v.phi() - axis[1]));
                v.pt() * own.axes(n, 0).iter().map(distance).fold(f64::INFINITY, f64::min).powf(beta)
            });
            let from_axes = from_axes.sum::<f64>() / pt;
            // A constituent on its axis is 1e-16 away in this sum, and small powers of that are not small.
            prop_assert!((from_axes - after[n - 1]).abs() <= 1e-9 + 1e-15f64.powf(beta) * 40.0, "N = {n}");
        }
    }

    #[test]
    fn the_axis_of_least_squares_is_the_weighted_mean(jet in jet()) {
        let minimize = Some(OnePass { tolerance: 0.0, ..OnePass::default() });
        let mut own = Nsubjettiness::new(NsubjettinessConfig {
            minimize, ..config(1, &[2.0], SubjetAxes::WinnerTakeAllKt)
        }).unwrap();
        own.compute(jet.clone()).unwrap();
        let [y, phi] = own.axes(1, 0)[0];
        let pt: f64 = jet.iter().map(FourVector::pt).sum();
        let mean_y = jet.iter().map(|v| v.pt() * v.rapidity()).sum::<f64>() / pt;
        let mean_phi = jet.iter().map(|v| v.pt() * wrap_phi(v.phi() - 3.0)).sum::<f64>() / pt;
        prop_assert!((y - mean_y).abs() < 1e-6 && wrap_phi(phi - 3.0 - mean_phi).abs() < 1e-6);
    }
}
