//! Against the definition, particle by particle, and what must hold for any jet.

use super::*;
use proptest::prelude::*;

/// The sum over all assignments of particles to vertices, as the formula says.
fn by_definition(graph: &EfpGraph, z: &[f64], theta: &[Vec<f64>]) -> f64 {
    let mut total = 0.0;
    let mut particles = vec![0; graph.spec.n];
    loop {
        let weights: f64 = particles.iter().map(|&i| z[i]).product();
        let angles: f64 = graph
            .edges
            .iter()
            .map(|&(k, l)| theta[particles[k]][particles[l]])
            .product();
        total += weights * angles;
        let Some(vertex) = particles.iter().position(|&i| i + 1 < z.len()) else {
            return total;
        };
        particles[..vertex].fill(0);
        particles[vertex] += 1;
    }
}

fn jets() -> impl Strategy<Value = Vec<FourVector>> {
    let particle = (1.0..100.0f64, -0.8..0.8f64, 2.4..4.0f64, 0.0..2.0f64)
        .prop_map(|(pt, y, phi, mass)| FourVector::from_pt_rapidity_phi_mass(pt, y, phi, mass));
    proptest::collection::vec(particle, 1..40)
}

fn computed(efps: &Efps, jet: &[FourVector]) -> Vec<f64> {
    efps.compute(jet.iter().copied(), &mut EfpScratch::default())
        .unwrap()
        .to_vec()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (column, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(
            error <= tolerance * expected.abs(),
            "column {column}: {found}, expected {expected}"
        );
    }
}

#[test]
fn three_particles_give_the_definition_for_all_thousand_graphs() {
    // Massive particles, so that the diagonal of the angles counts as well.
    let jet: Vec<_> = [(50.0, 0.1, 3.0, 5.0), (20.0, -0.2, -3.1, 1.0), (9.0, 0.3, 2.7, 2.0)]
        .map(|(pt, y, phi, mass)| FourVector::from_pt_rapidity_phi_mass(pt, y, phi, mass))
        .to_vec();
    for (measure, normed) in [
        (EfpMeasure::Hadr, true),
        (EfpMeasure::HadrDot, true),
        (EfpMeasure::Ee, false),
    ] {
        let config = EfpConfig {
            measure,
            normed,
            beta: 1.3,
            energy: EfpWeight::Power(0.8),
            ..EfpConfig::default()
        };
        let efps = Efps::new(config).unwrap();
        assert_eq!(efps.len(), 1000);
        let energy = |p: &FourVector| if measure == EfpMeasure::Ee { p.e } else { p.pt() };
        let total: f64 = if normed { jet.iter().map(energy).sum() } else { 1.0 };
        let z: Vec<f64> = jet.iter().map(|p| (energy(p) / total).powf(0.8)).collect();
        let angle = |p: &FourVector, q: &FourVector| match measure {
            EfpMeasure::Hadr => p.delta_r(q).powf(1.3),
            _ => {
                let dot = p.e * q.e - p.px * q.px - p.py * q.py - p.pz * q.pz;
                (2.0 * dot / (energy(p) * energy(q))).powf(0.65)
            }
        };
        let theta: Vec<Vec<f64>> = jet.iter().map(|p| jet.iter().map(|q| angle(p, q)).collect()).collect();
        let found = computed(&efps, &jet);
        for (column, graph) in efps.graphs().iter().enumerate() {
            // Longer products (up to fourteen vertices) would take 3^14 terms.
            if graph.spec.n <= 9 {
                assert_close(&found[column..=column], &[by_definition(graph, &z, &theta)], 1e-11);
            }
        }
    }
}

#[test]
fn a_graph_is_found_under_any_names() {
    let efps = Efps::new(EfpConfig::default()).unwrap();
    for (column, graph) in efps.graphs().iter().enumerate() {
        let renamed: Vec<_> = graph
            .edges
            .iter()
            .rev()
            .map(|&(u, v)| (907 - 3 * v, 907 - 3 * u))
            .collect();
        assert_eq!(efps.column(&renamed), Some(column));
    }
    assert_eq!(efps.column(&[(1, 1)]), None);
    assert_eq!(efps.column(&[(0, 1); 8]), None);
}

#[test]
fn poor_jets_give_finite_numbers() {
    let efps = Efps::new(EfpConfig {
        beta: 2.0,
        ..EfpConfig::default()
    })
    .unwrap();
    assert!(computed(&efps, &[]).iter().all(|&value| value == 0.0));
    let one = FourVector::from_pt_eta_phi_mass(30.0, 0.5, 1.0, 0.0);
    let lone = computed(&efps, &[one]);
    assert_eq!(lone[0], 1.0);
    assert!(lone[1..].iter().all(|&value| value == 0.0));
    // A particle along the beam has no weight, and parallel ones no angle.
    let beam = FourVector::new(5.0, 0.0, 0.0, 5.0);
    assert_eq!(computed(&efps, &[one, beam, one]), lone);
    let huge = [
        FourVector::new(3e38, 3e38, 0.0, 0.0),
        FourVector::new(3e38, 1e-30, 1e-30, 3e38),
        one,
    ];
    for measure in [EfpMeasure::Hadr, EfpMeasure::HadrDot, EfpMeasure::Ee] {
        let config = EfpConfig {
            measure,
            normed: false,
            beta: 10.0,
            ..EfpConfig::default()
        };
        let values = computed(&Efps::new(config).unwrap(), &huge);
        assert!(values.iter().all(|value| value.is_finite()), "{measure:?}");
    }
    let broken = [one, FourVector::new(1.0, f64::NAN, 0.0, 0.0)];
    let error = efps.compute(broken, &mut EfpScratch::default()).unwrap_err();
    assert!(matches!(
        error,
        PhysicsError::NotFinite {
            row: 1,
            column: "px",
            ..
        }
    ));
}

#[test]
fn settings_outside_their_limits_are_refused() {
    let good = EfpConfig {
        max_degree: 2,
        ..EfpConfig::default()
    };
    assert_eq!(Efps::new(good).unwrap().len(), 5);
    for bad in [
        EfpConfig { max_degree: 8, ..good },
        EfpConfig { beta: 0.0, ..good },
        EfpConfig { beta: f64::NAN, ..good },
        EfpConfig {
            energy: EfpWeight::Power(-1.0),
            ..good
        },
        EfpConfig {
            energy: EfpWeight::ParticleFlow,
            ..good
        },
    ] {
        assert!(matches!(Efps::new(bad), Err(PhysicsError::Setting { .. })), "{bad:?}");
    }
}

#[test]
fn a_program_reuses_what_its_polynomials_share() {
    let efps = Efps::new(EfpConfig::default()).unwrap();
    let cost = efps.cost(50);
    // One by one the connected graphs would need a few hundred matrix products.
    assert!(cost.matrix_products <= 20, "{cost:?}");
    assert!(cost.multiply_adds < 4e6, "{cost:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_boosts_and_rotations_about_the_beam_change_nothing(
        jet in jets(),
        turn in -3.0..3.0f64,
        velocity in -0.9..0.9f64,
        seed in 0usize..1000,
    ) {
        let (sin, cos) = turn.sin_cos();
        let mut moved: Vec<FourVector> = jet
            .iter()
            .map(|p| FourVector { px: p.px * cos - p.py * sin, py: p.px * sin + p.py * cos, ..*p })
            .map(|p| p.boosted([0.0, 0.0, velocity]).unwrap())
            .collect();
        let len = moved.len();
        for i in 0..len {
            moved.swap(i, (seed + 7 * i) % len);
        }
        for measure in [EfpMeasure::Hadr, EfpMeasure::HadrDot] {
            let efps = Efps::new(EfpConfig { max_degree: 4, measure, beta: 1.0, ..EfpConfig::default() }).unwrap();
            let expected = computed(&efps, &jet);
            for (found, expected) in computed(&efps, &moved).iter().zip(&expected) {
                prop_assert!((found - expected).abs() <= 1e-7 * expected.abs() + 1e-12, "{found}, {expected}");
            }
        }
    }

    #[test]
    fn soft_and_collinear_particles_change_nothing(jet in jets(), share in 0.05..0.95f64, at in 0usize..40) {
        let efps = Efps::new(EfpConfig { max_degree: 5, beta: 1.0, ..EfpConfig::default() }).unwrap();
        let expected = computed(&efps, &jet);
        let mut split = jet.clone();
        let parent = split[at % jet.len()];
        let part = |share: f64| FourVector::new(parent.e * share, parent.px * share, parent.py * share, parent.pz * share);
        split[at % jet.len()] = part(share);
        split.push(part(1.0 - share));
        split.push(FourVector::from_pt_rapidity_phi_mass(1e-20, 0.7, -2.0, 0.0));
        for (found, expected) in computed(&efps, &split).iter().zip(&expected) {
            prop_assert!((found - expected).abs() <= 1e-9 * expected.abs() + 1e-12, "{found}, {expected}");
        }
    }

    #[test]
    fn a_larger_jet_between_leaves_no_trace_in_the_memory(one in jets(), other in jets()) {
        let efps = Efps::new(EfpConfig { max_degree: 6, measure: EfpMeasure::HadrDot, ..EfpConfig::default() }).unwrap();
        let mut scratch = EfpScratch::default();
        let fresh = efps.compute(one.iter().copied(), &mut scratch).unwrap().to_vec();
        efps.compute(other.iter().copied(), &mut scratch).unwrap();
        prop_assert_eq!(efps.compute(one.iter().copied(), &mut scratch).unwrap(), fresh.as_slice());
    }
}
