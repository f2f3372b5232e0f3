//! Median times of energy flow polynomials, all thousand, on jets of 50 constituents or on jets of a file.
//!
//! The peer, EnergyFlow on the same jets, is `peers/efp.py` in the root of the repository; the sums printed beside the
//! times show that both do the same work. `cargo bench --bench efp -- JETS.bin` reads jets from a file that the peer has
//! written: for each jet its number of particles, then (E, px, py, pz) of each, all little-endian f64.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::time::Instant;
use tagwerk_data::Jets;
use tagwerk_physics::{EfpConfig, EfpMeasure, EfpScratch, Efps, FourVector};

const JETS: usize = 200;
const CONSTITUENTS: usize = 50;
const REPEATS: usize = 7;

/// The same jets as the peer's: a Weyl sequence, so that no file needs to be shared.
fn drawn_jets() -> Vec<Vec<FourVector>> {
    let mut counter = 0u64;
    let mut uniform = move || {
        counter += 1;
        (counter as f64 * 0.618_033_988_749_894_9).fract()
    };
    (0..JETS)
        .map(|_| {
            (0..CONSTITUENTS)
                .map(|i| {
                    let pt = 120.0 * (-(i as f64) / 12.0).exp() * (0.5 + uniform());
                    let (radius, angle) = (0.8 * uniform() * uniform(), std::f64::consts::TAU * uniform());
                    let (eta, phi) = (0.5 + radius * angle.cos(), 1.0 + radius * angle.sin());
                    FourVector::from_pt_eta_phi_mass(pt, eta, phi, 0.0)
                })
                .collect()
        })
        .collect()
}

fn read_jets(path: &str) -> Vec<Vec<FourVector>> {
    let bytes = std::fs::read(path).unwrap();
    let mut numbers = bytes.as_chunks::<8>().0.iter().map(|&word| f64::from_le_bytes(word));
    let mut jets = Vec::new();
    while let Some(count) = numbers.next() {
        let mut next = || numbers.next().unwrap();
        jets.push(
            (0..count as usize)
                .map(|_| FourVector::new(next(), next(), next(), next()))
                .collect(),
        );
    }
    jets
}

fn table(jets: &[Vec<FourVector>]) -> Jets {
    let mut table = Jets {
        offsets: vec![0],
        ..Jets::default()
    };
    for (b, v) in jets.iter().enumerate() {
        table.e.extend(v.iter().map(|v| v.e as f32));
        table.px.extend(v.iter().map(|v| v.px as f32));
        table.py.extend(v.iter().map(|v| v.py as f32));
        table.pz.extend(v.iter().map(|v| v.pz as f32));
        table.offsets.push(table.e.len());
        table.labels.push(0);
        table.rows.push(b as u64);
    }
    table
}

/// Median seconds of a pass.
fn median(mut pass: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[REPEATS / 2]
}

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let jets = file.map_or_else(drawn_jets, |path| read_jets(&path));
    let table = table(&jets);
    let particles = jets.iter().map(Vec::len).sum::<usize>() as f64 / jets.len() as f64;
    println!("{} jets of {particles:.1} constituents", jets.len());
    for (name, measure) in [("hadr", EfpMeasure::Hadr), ("hadrdot", EfpMeasure::HadrDot)] {
        let config = EfpConfig {
            measure,
            ..EfpConfig::default()
        };
        let start = Instant::now();
        let efps = Efps::new(config).unwrap();
        let set_up = start.elapsed().as_secs_f64();
        let cost = efps.cost(CONSTITUENTS);
        let multiply_adds: f64 = jets.iter().map(|jet| efps.cost(jet.len()).multiply_adds).sum();
        println!(
            "{name}: set-up {set_up:.3} s, {} operations, {} matrix products, {:.2e} multiply-adds at {CONSTITUENTS}",
            cost.operations, cost.matrix_products, cost.multiply_adds
        );
        let mut scratch = EfpScratch::default();
        let mut checksum = 0.0;
        let seconds = median(|| {
            checksum = 0.0;
            for jet in &jets {
                checksum += efps
                    .compute(jet.iter().copied(), &mut scratch)
                    .unwrap()
                    .iter()
                    .sum::<f64>();
            }
        });
        println!(
            "{name}: one thread {:8.1} us/jet, {:.1} Gmultiply-adds/s   sum {checksum:.12e}",
            seconds / jets.len() as f64 * 1e6,
            multiply_adds / seconds / 1e9
        );
        let seconds = median(|| drop(efps.view(&table).unwrap()));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        println!(
            "{name}: view, {threads} threads {:8.1} us/jet",
            seconds / jets.len() as f64 * 1e6
        );
    }
}
