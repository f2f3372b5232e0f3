//! Pion spectra in transverse momentum and azimuth under two equations of state, after the idea of arXiv:1612.04262.
//!
//! A first-order transition (EOSQ) has a soft mixed phase: less radial and less elliptic flow is built up than in a
//! cross-over (EOSL). The toy: Boltzmann spectra with an effective temperature that rises with the radial flow,
//! elliptic and triangular flow that grow with the transverse momentum and level off, each with its own plane, and a
//! multiplicity that varies over events as centrality and energy do. The classes differ in the means of temperature and
//! flow by about their own spread, and in where the flow levels off; counts are Poisson numbers.

use super::Event;
use crate::random::{normal, poisson, stream, uniform};

/// Bins in transverse momentum and in azimuth, and the momentum that the spectrum reaches, GeV.
const BINS: usize = 24;
const REACH: f64 = 2.0;
const PION: f64 = 0.1396;

pub(super) fn event(seed: u64, index: u64) -> Event {
    let rng = &mut stream(seed, "stand-in eos", index);
    let first_order = uniform(rng) < 0.5;
    let pions = 1500.0 * (0.4 * normal(rng)).exp();
    // Larger systems flow more, whatever the equation of state.
    let size = 0.4 * normal(rng);
    let (temperature, elliptic, level) = if first_order {
        (0.245, 0.065, 0.9)
    } else {
        (0.260, 0.085, 1.3)
    };
    let temperature: f64 = temperature + 0.010 * size + 0.010 * normal(rng);
    let elliptic: f64 = elliptic - 0.02 * size + 0.02 * normal(rng);
    let triangular = 0.03 + 0.01 * normal(rng);
    let planes = [uniform(rng), uniform(rng)].map(|u| std::f64::consts::TAU * u);
    let (d_pt, d_phi) = (REACH / BINS as f64, std::f64::consts::TAU / BINS as f64);
    let shape = |i: usize| {
        let pt = (i as f64 + 0.5) * d_pt;
        (pt, pt * (-(pt.hypot(PION) - PION) / temperature.max(0.1)).exp())
    };
    let norm: f64 = (0..BINS).map(|i| shape(i).1).sum::<f64>() * BINS as f64;
    let mut spectrum = Vec::with_capacity(BINS * BINS);
    for i in 0..BINS {
        let (pt, weight) = shape(i);
        let rise = (pt / level).tanh();
        for j in 0..BINS {
            let phi = (j as f64 + 0.5) * d_phi;
            let flow = 1.0
                + 2.0 * elliptic * rise * (2.0 * (phi - planes[0])).cos()
                + 2.0 * triangular * rise * (3.0 * (phi - planes[1])).cos();
            let count = poisson(rng, pions * weight / norm * flow.max(0.0)) as f64;
            // d2N / (pT dpT dphi), GeV^-2.
            spectrum.push((count / (pt * d_pt * d_phi)) as f32);
        }
    }
    Event {
        arrays: vec![spectrum],
        target: f32::from(u8::from(first_order)),
    }
}
