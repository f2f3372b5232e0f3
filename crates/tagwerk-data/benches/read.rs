//! Seconds from a file to jets in memory: the counterpart of `peers/read_data.py`.
//!
//!     cargo bench -p tagwerk-data --bench read -- FILE.parquet FILE.h5 ..
//!
//! Without files it reads the sample inside the program. A line shows file, jets, constituents, best and median seconds
//! of nine readings, processor seconds of one reading, the sum of the energies (to compare with the peer) and the peak
//! memory of the process when the first reading was done. The allocator is that of the `tagwerk` program.
#![allow(clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::time::Instant;
use tagwerk_data::{DataError, JetDataset, JetOptions, Part, Split};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const READINGS: usize = 9;

fn main() -> Result<(), DataError> {
    let files: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    println!(
        "{:<24} {:>7} {:>12} {:>8} {:>8} {:>8} {:>13} {:>8}",
        "file", "jets", "constituents", "best s", "median s", "cpu s", "energy", "peak MiB"
    );
    let everything = Split::Fractions {
        train: 1.0,
        validation: 0.0,
        test: 0.0,
    };
    let options = JetOptions {
        split: Some(everything),
        ..JetOptions::default()
    };
    if files.is_empty() {
        time("sample", || JetDataset::sample_with(&options))?;
    }
    for file in &files {
        let name = Path::new(file)
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        time(&name, || JetDataset::open(Path::new(file), &options))?;
    }
    Ok(())
}

fn time(name: &str, open: impl Fn() -> Result<JetDataset, DataError>) -> Result<(), DataError> {
    let mut seconds = Vec::new();
    let (mut jets, mut constituents, mut energy) = (0, 0, 0.0);
    let mut peak = 0;
    let before = cpu_seconds();
    for _ in 0..READINGS {
        let start = Instant::now();
        let read = open()?.load(Part::Train, None)?;
        seconds.push(start.elapsed().as_secs_f64());
        peak = if peak == 0 { peak_mib() } else { peak };
        (jets, constituents) = (read.len(), read.constituents());
        energy = read.e.iter().map(|&e| f64::from(e)).sum();
    }
    let cpu = (cpu_seconds() - before) / READINGS as f64;
    seconds.sort_by(f64::total_cmp);
    let (best, median) = (seconds[0], seconds[READINGS / 2]);
    println!("{name:<24} {jets:>7} {constituents:>12} {best:>8.4} {median:>8.4} {cpu:>8.4} {energy:>13.0} {peak:>8}");
    Ok(())
}

/// Processor time of the process, user and system (Linux, whose tick is 10 ms; 0 elsewhere).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or("");
    let ticks: f64 = behind_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// Peak resident memory of the process (Linux; 0 elsewhere).
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1))
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}
