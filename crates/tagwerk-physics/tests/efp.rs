//! Energy flow polynomials against EnergyFlow 1.4 (`tests/reference/physics_efp.py`) on real jets.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Reference, reference_jets};
use tagwerk_physics::{EfpConfig, EfpMeasure, EfpWeight, Efps};

/// Column of ours for each column of EnergyFlow's, found by graph isomorphism.
fn columns(efps: &Efps) -> Vec<usize> {
    let graphs = Reference::open("physics_efp_graphs.parquet").lists("edges");
    let columns: Vec<usize> = graphs
        .iter()
        .map(|edges| {
            let edges: Vec<_> = edges
                .chunks(2)
                .map(|pair| (pair[0] as usize, pair[1] as usize))
                .collect();
            efps.column(&edges).unwrap()
        })
        .collect();
    let mut seen = vec![false; efps.len()];
    columns.iter().for_each(|&column| seen[column] = true);
    assert!(columns.len() == 1000 && seen.iter().all(|&seen| seen), "one to one");
    columns
}

#[test]
fn graphs_and_their_counts_agree_with_energyflow() {
    let efps = Efps::new(EfpConfig::default()).unwrap();
    let specs = Reference::open("physics_efp_graphs.parquet").lists("spec");
    for (place, (spec, &column)) in specs.iter().zip(&columns(&efps)).enumerate() {
        let [n, e, d, v, _, c, p, h] = spec.iter().map(|&x| x as usize).collect::<Vec<_>>()[..] else {
            panic!("eight counts");
        };
        let ours = efps.graphs()[column].spec;
        assert_eq!((ours.n, ours.e, ours.d, ours.v), (n, e, d, v), "graph {place}");
        assert_eq!((ours.c, ours.p, ours.h), (c, p, h), "graph {place}");
        // Blocks stand in the same places; within a block EnergyFlow's order is arbitrary.
        let there = efps.graphs()[place].spec;
        assert_eq!((there.n, there.p), (n, p), "place {place}");
        assert_eq!(
            if p == 1 { there.e } else { there.d },
            if p == 1 { e } else { d },
            "place {place}"
        );
    }
}

/// Reached with scalar products and small beta: they lose digits to cancellation, 1e-16 in a theta^2 of 1e-6, on both
/// sides.
const TOLERANCE: f64 = 1e-9;

#[test]
fn values_agree_with_energyflow() {
    let table = Reference::open("physics_efp.parquet");
    let [measures, betas, kappas, normed] = ["measure", "beta", "kappa", "normed"].map(|name| table.column(name));
    let [one_jet, by_graph, by_jet] = ["jet", "by_graph", "by_jet"].map(|name| table.lists(name));
    assert_eq!(measures.len(), 16);
    for setting in 0..measures.len() {
        let config = EfpConfig {
            measure: [EfpMeasure::Hadr, EfpMeasure::HadrDot, EfpMeasure::Ee][measures[setting] as usize],
            beta: betas[setting],
            energy: match kappas[setting] {
                kappa if kappa < 0.0 => EfpWeight::ParticleFlow,
                kappa => EfpWeight::Power(kappa),
            },
            normed: normed[setting] != 0.0,
            ..EfpConfig::default()
        };
        let efps = Efps::new(config).unwrap();
        let columns = columns(&efps);
        let values = efps.values(&reference_jets(by_jet[setting].len())).unwrap();
        let jets: Vec<_> = values.chunks(1000).collect();
        for (place, &column) in columns.iter().enumerate() {
            let (found, expected) = (jets[0][column], one_jet[setting][place]);
            assert!(
                (found / expected - 1.0).abs() < TOLERANCE,
                "{config:?}, graph {place}: {found}, {expected}"
            );
            // A mean of logarithms: an error of any one jet shows, in relative terms.
            let found = jets.iter().map(|jet| jet[column].ln()).sum::<f64>() / jets.len() as f64;
            let error = (found - by_graph[setting][place]).abs();
            assert!(error < TOLERANCE, "{config:?}, graph {place}, all jets: {error:e}");
        }
        for (b, (jet, expected)) in jets.iter().zip(&by_jet[setting]).enumerate() {
            let found = jet.iter().map(|value| value.ln()).sum::<f64>() / 1000.0;
            assert!((found - expected).abs() < TOLERANCE, "{config:?}, jet {b}, all graphs");
        }
    }
}
