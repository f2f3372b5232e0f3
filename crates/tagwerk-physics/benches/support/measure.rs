//! What the benchmarks share: jets that need no file, and the median of repeated passes.

use std::f64::consts::TAU;
use std::time::Instant;
use tagwerk_physics::FourVector;

/// Jets of `constituents` particles each, the same as the peers draw (`peers/fastjet_peer.py`): a Weyl sequence.
///
/// pT falls exponentially from 120 GeV, directions scatter to 0.8 about (eta, phi) = (0.5, 1).
#[allow(dead_code)]
pub fn drawn_jets(jets: usize, constituents: usize) -> Vec<Vec<FourVector>> {
    let mut counter = 0u64;
    let mut uniform = move || {
        counter += 1;
        (counter as f64 * 0.618_033_988_749_894_9).fract()
    };
    let mut particle = |i: usize| {
        let pt = 120.0 * (-(i as f64) / 12.0).exp() * (0.5 + uniform());
        let (radius, angle) = (0.8 * uniform() * uniform(), TAU * uniform());
        let (eta, phi) = (0.5 + radius * angle.cos(), 1.0 + radius * angle.sin());
        FourVector::from_pt_eta_phi_mass(pt, eta, phi, 0.0)
    };
    (0..jets)
        .map(|_| (0..constituents).map(&mut particle).collect())
        .collect()
}

/// Median seconds of a pass.
pub fn median(repeats: usize, mut pass: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[repeats / 2]
}
