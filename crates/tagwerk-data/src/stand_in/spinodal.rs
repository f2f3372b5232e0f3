//! Pion momenta with and without clumping, after the idea of arXiv:1906.06562.
//!
//! In a first-order transition the matter may break into clumps before it freezes out, and the pions of a clump share
//! its velocity. The toy: pions of an elliptic thermal source in the transverse plane; a part of them comes from
//! clumps, each a narrow source at a momentum drawn so that the spectrum of all events together is the same with and
//! without. More of the pions clump in a spinodal event (class 1); some do in any event, as resonances do. What
//! separates the classes is in the correlations of an event, not in its mean.

use super::Event;
use crate::random::{normal, poisson, stream, uniform};

/// Bins a side and the momentum that the histogram reaches, GeV.
const BINS: usize = 20;
const REACH: f64 = 1.0;

/// Width of a clump in momentum, GeV.
const CLUMP: f64 = 0.09;

pub(super) fn event(seed: u64, index: u64) -> Event {
    let rng = &mut stream(seed, "stand-in spinodal", index);
    let spinodal = uniform(rng) < 0.5;
    // What differs from collision to collision: multiplicity, temperature, shape and orientation of the source.
    let mean = 550.0 * (0.15 * normal(rng)).exp();
    let pions = poisson(rng, mean);
    let width = (0.32 + 0.02 * normal(rng)).max(2.0 * CLUMP);
    let ellipticity = (0.06 * normal(rng)).clamp(-0.3, 0.3);
    let plane = std::f64::consts::TAU * uniform(rng);
    let clumping = if spinodal {
        0.26 + 0.05 * normal(rng)
    } else {
        0.12 + 0.05 * normal(rng)
    };
    let clumping = clumping.clamp(0.0, 0.6);
    let (sin, cos) = plane.sin_cos();
    let (long, short) = (width * (1.0 + ellipticity), width * (1.0 - ellipticity));
    let mut histogram = vec![0.0f32; BINS * BINS];
    let mut fill = |along: f64, across: f64| {
        let bin = |p: f64| ((p / REACH + 1.0) / 2.0 * BINS as f64).floor();
        let (x, y) = (bin(along * cos - across * sin), bin(along * sin + across * cos));
        let inside = 0.0..BINS as f64;
        if inside.contains(&x) && inside.contains(&y) {
            histogram[x as usize * BINS + y as usize] += 1.0;
        }
    };
    let mut left = pions;
    // A clump's center and its pions have the variance of the source together.
    let (center_long, center_short) = (
        (long * long - CLUMP * CLUMP).sqrt(),
        (short * short - CLUMP * CLUMP).sqrt(),
    );
    let mut clumped = (clumping * pions as f64) as u64;
    while clumped > 0 {
        let members = (2 + poisson(rng, 16.0)).min(clumped);
        let (a, b) = (center_long * normal(rng), center_short * normal(rng));
        for _ in 0..members {
            fill(a + CLUMP * normal(rng), b + CLUMP * normal(rng));
        }
        clumped -= members;
        left -= members;
    }
    for _ in 0..left {
        fill(long * normal(rng), short * normal(rng));
    }
    Event {
        arrays: vec![histogram],
        target: f32::from(u8::from(spinodal)),
    }
}
