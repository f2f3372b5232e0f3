//! Air showers over 9 x 9 stations: the depth of the maximum shapes arrival times and traces.
//!
//! The toy keeps what a reconstruction uses. The depth of the maximum follows energy and mass, with an exponential tail
//! of the first interaction. Seen from the ground the maximum is a point source at some distance along the axis: the
//! closer it is, the more curved the front and the more spread out the particles in time. Electrons die out behind the
//! maximum, muons hardly; the lateral distribution falls with a power that depends on both. Stations count particles,
//! so signals and first arrivals fluctuate, and those with too little signal see nothing.

use super::Event;
use crate::arrays::NamedArray;
use crate::random::{exponential, normal, poisson, stream, uniform};

/// Stations a side, bins of a trace.
const SIDE: usize = 9;
const BINS: usize = 80;
/// Distance of the stations and their height above the sea, m.
const SPACING: f64 = 1500.0;
const HEIGHT: f64 = 1400.0;
/// Length of a bin, ns.
const BIN: f64 = 25.0;
/// Speed of light, m / ns.
const LIGHT: f64 = 0.299_792_458;
/// Depth of the atmosphere, g/cm^2, and its scale height, m.
const ATMOSPHERE: f64 = 1030.0;
const SCALE_HEIGHT: f64 = 8400.0;
/// Signal of a station that is read out, in units of a vertical muon.
const THRESHOLD: f64 = 3.0;
/// What a station or bin without a particle holds.
const PADDING: f32 = -1.0;

/// x, y, z of the stations, m, `[81, 3]`.
pub(super) fn stations() -> NamedArray {
    let place = |i: usize| (i as f64 - (SIDE / 2) as f64) * SPACING;
    let values = (0..SIDE * SIDE).flat_map(|s| [place(s / SIDE) as f32, place(s % SIDE) as f32, HEIGHT as f32]);
    NamedArray {
        name: "X_2".into(),
        shape: vec![SIDE * SIDE, 3],
        values: values.collect(),
    }
}

pub(super) fn event(seed: u64, index: u64) -> Event {
    let rng = &mut stream(seed, "stand-in airshower", index);
    // Logarithm of the energy in eV, logarithm of the mass number.
    let energy = 18.5 + 1.5 * uniform(rng);
    let mass = [1.0f64, 4.0, 14.0, 56.0][(4.0 * uniform(rng)) as usize % 4].ln();
    let tail = 50.0 * (-mass / 4.0).exp();
    let mean = 797.0 + 58.0 * (energy - 19.0) - 24.0 * mass;
    let depth = mean + tail * (exponential(rng) - 1.0) + 20.0 * normal(rng);

    // Isotropic arrival on a flat ground, to 60 degrees; the core in the middle cell.
    let cos = (1.0 - 0.75 * uniform(rng)).sqrt();
    let sin = (1.0 - cos * cos).sqrt();
    let azimuth = std::f64::consts::TAU * uniform(rng);
    let axis = [sin * azimuth.cos(), sin * azimuth.sin(), cos];
    let core = [uniform(rng), uniform(rng)].map(|u| (u - 0.5) * SPACING);

    let ground = ATMOSPHERE * (-HEIGHT / SCALE_HEIGHT).exp() / cos;
    let beyond = (ground - depth).max(30.0);
    let maximum = -SCALE_HEIGHT * (depth * cos / ATMOSPHERE).ln();
    let distance = ((maximum - HEIGHT) / cos).max(500.0);

    let muons = 0.35 * (0.1 * mass).exp() * (0.1 * normal(rng)).exp();
    let electrons = 0.9 * (-(beyond - 150.0) / 450.0).exp();
    let size = 40.0 * 10f64.powf(0.95 * (energy - 19.0));
    let steepness = 2.1 + 0.25 * (1.0 - beyond / 500.0).clamp(-0.6, 0.6);

    let place = stations().values;
    let mut traces = vec![PADDING; SIDE * SIDE * BINS];
    let mut arrivals = vec![f64::NAN; SIDE * SIDE];
    for (s, trace) in traces.chunks_exact_mut(BINS).enumerate() {
        let [x, y] = [f64::from(place[3 * s]) - core[0], f64::from(place[3 * s + 1]) - core[1]];
        let along = x * axis[0] + y * axis[1];
        let radius = (x * x + y * y - along * along).max(0.0).sqrt().max(100.0);
        let lateral = (radius / 1000.0).powf(-steepness) * ((radius + 700.0) / 1700.0).powf(-steepness);
        let (muon, electron) = (size * muons * lateral.powf(0.85), size * electrons * lateral);
        // Particles come later, and more spread out, the farther out and the closer the maximum.
        let spread = (12.0 + 70.0 * radius / 1000.0) * (6000.0 / distance).powf(0.6);
        let mut seen = vec![0.0f64; BINS];
        add(rng, &mut seen, muon, spread, 1.0);
        add(rng, &mut seen, electron, 2.5 * spread, 3.0);
        if seen.iter().sum::<f64>() < THRESHOLD {
            continue;
        }
        for (value, seen) in trace.iter_mut().zip(&seen) {
            if *seen > 0.0 {
                *value = *seen as f32;
            }
        }
        let front = (distance.hypot(radius) - distance) / LIGHT;
        let first = spread / (1.0 + muon + electron) * exponential(rng);
        arrivals[s] = -along / LIGHT + front + first + 10.0 * normal(rng);
    }
    // Times in microseconds after the first station.
    let earliest = arrivals
        .iter()
        .copied()
        .filter(|t| t.is_finite())
        .fold(f64::INFINITY, f64::min);
    let times = arrivals.iter().map(|t| {
        if t.is_finite() {
            ((t - earliest) / 1000.0) as f32
        } else {
            PADDING
        }
    });
    Event {
        arrays: vec![traces, times.collect()],
        target: depth as f32,
    }
}

/// Adds a signal to a trace: particles of 1 / `per_unit` each, whose times follow t exp(-t / tau).
fn add(rng: &mut impl rand_core::Rng, trace: &mut [f64], signal: f64, tau: f64, per_unit: f64) {
    // 1 - exp(-u) (1 + u) is the integral of u exp(-u).
    let below = |t: f64| 1.0 - (-t / tau).exp() * (1.0 + t / tau);
    for (bin, value) in trace.iter_mut().enumerate() {
        let share = below((bin + 1) as f64 * BIN) - below(bin as f64 * BIN);
        *value += poisson(rng, signal * share * per_unit) as f64 / per_unit;
    }
}
