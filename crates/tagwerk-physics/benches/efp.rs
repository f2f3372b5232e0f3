//! Median times of energy flow polynomials, all thousand, on jets of 50 constituents or on jets of a file.
//!
//! The peer, EnergyFlow on the same jets, is `peers/efp.py` in the root of the repository; the sums printed beside the
//! times show that both do the same work. `cargo bench --bench efp -- JETS.bin` reads jets from a file that the peer
//! has written: for each jet its number of particles, then (E, px, py, pz) of each, all little-endian f64.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "support/measure.rs"]
mod measure;
#[path = "../tests/support/table.rs"]
mod table;

use measure::{drawn_jets, median};
use std::time::Instant;
use table::table;
use tagwerk_physics::{EfpConfig, EfpMeasure, EfpScratch, Efps, FourVector};

const JETS: usize = 200;
const CONSTITUENTS: usize = 50;
const REPEATS: usize = 7;

/// Jets of a file.
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

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let jets = file.map_or_else(|| drawn_jets(JETS, CONSTITUENTS), |path| read_jets(&path));
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
        let seconds = median(REPEATS, || {
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
        let seconds = median(REPEATS, || drop(efps.view(&table).unwrap()));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        println!(
            "{name}: view, {threads} threads {:8.1} us/jet",
            seconds / jets.len() as f64 * 1e6
        );
    }
}
