//! Generated e+ e- events with their decay trees, and whether a later selection would keep them.
//!
//! The toy: an Upsilon(4S) that moves along the beam decays to two B mesons, these by tables of the main kinds of modes
//! down to particles that reach the detector, each in phase space and each from where its mother ended; or a pair of
//! quarks breaks up into two jets of hadrons. A few hundred rare states of falling frequency fill the long tail of
//! identities. The selection wants a charmed meson that can be rebuilt from charged particles within the detector, or a
//! fast lepton, not too many or too few tracks, and no jets; it keeps an event with a probability, so no algorithm can
//! be perfect. Masses and lifetimes are real, branching fractions only roughly so.

use super::Event;
use super::decay::{Momentum, decay, mass};
use crate::random::{exponential, normal, stream, uniform};
use rand_chacha::ChaCha8Rng;
use std::f64::consts::TAU as CIRCLE;

/// Particles kept, and numbers of each.
const ROWS: usize = 100;
const COLUMNS: usize = 9;
/// Speed of light, cm / ns.
const LIGHT: f64 = 29.979_245_8;
/// Momentum of the Upsilon(4S) along the beam, GeV.
const BOOST: f64 = 2.96;
/// Events tried for the class that was drawn.
const TRIES: usize = 64;

/// A kind of particle.
struct Kind {
    /// Identity of particle and antiparticle in the mapped range; equal for those that are their own.
    codes: [u16; 2],
    mass: f64,
    charge: i8,
    /// Lifetime times c, cm.
    flight: f64,
    /// (weight, daughters); none for particles that reach the detector.
    modes: &'static [(f64, &'static [i8])],
}

const fn kind(codes: [u16; 2], mass: f64, charge: i8, flight: f64, modes: &'static [(f64, &'static [i8])]) -> Kind {
    Kind {
        codes,
        mass,
        charge,
        flight,
        modes,
    }
}

// Places in KINDS; an antiparticle is -1 - place.
const GAMMA: i8 = 0;
const E: i8 = 1;
const MU: i8 = 2;
const NU: i8 = 3;
const PI: i8 = 4;
const PI0: i8 = 5;
const K: i8 = 6;
const KS: i8 = 7;
const KL: i8 = 8;
const P: i8 = 9;
const N: i8 = 10;
const ETA: i8 = 11;
const RHO0: i8 = 12;
const RHO: i8 = 13;
const OMEGA: i8 = 14;
const KST0: i8 = 15;
const KST: i8 = 16;
const PHI: i8 = 17;
const D0: i8 = 18;
const D: i8 = 19;
const DS: i8 = 20;
const DST0: i8 = 21;
const DST: i8 = 22;
const JPSI: i8 = 23;
const TAU: i8 = 24;
const LAMBDA: i8 = 25;
const B0: i8 = 26;
const B: i8 = 27;
const UPSILON: i8 = 28;
const A1: i8 = 29;
const JET: i8 = 30;
const PHOTON_STAR: i8 = 31;
/// Any of the rare states, drawn when it is made.
const RARE: i8 = 32;

/// The antiparticle.
const fn anti(kind: i8) -> i8 {
    -1 - kind
}

const KINDS: [Kind; 33] = [
    kind([321, 321], 0.0, 0, 0.0, &[]),
    kind([15, 19], 0.000_511, -1, 0.0, &[]),
    kind([96, 114], 0.105_66, -1, 0.0, &[]),
    kind([323, 171], 0.0, 0, 0.0, &[]),
    kind([506, 423], 0.139_57, 1, 0.0, &[]),
    kind(
        [236, 236],
        0.134_98,
        0,
        0.0,
        &[(0.988, &[GAMMA, GAMMA]), (0.012, &[GAMMA, E, anti(E)])],
    ),
    kind([143, 134], 0.493_68, 1, 0.0, &[]),
    kind(
        [394, 394],
        0.497_61,
        0,
        2.684,
        &[(0.69, &[PI, anti(PI)]), (0.31, &[PI0, PI0])],
    ),
    kind([372, 372], 0.497_61, 0, 0.0, &[]),
    kind([46, 44], 0.938_27, 1, 0.0, &[]),
    kind([190, 141], 0.939_57, 0, 0.0, &[]),
    kind(
        [375, 375],
        0.547_86,
        0,
        0.0,
        &[
            (0.39, &[GAMMA, GAMMA]),
            (0.33, &[PI0, PI0, PI0]),
            (0.23, &[PI, anti(PI), PI0]),
            (0.05, &[PI, anti(PI), GAMMA]),
        ],
    ),
    kind([8, 8], 0.7753, 0, 0.0, &[(1.0, &[PI, anti(PI)])]),
    kind([337, 220], 0.7751, 1, 0.0, &[(1.0, &[PI, PI0])]),
    kind(
        [415, 415],
        0.782_66,
        0,
        0.0,
        &[(0.91, &[PI, anti(PI), PI0]), (0.09, &[PI0, GAMMA])],
    ),
    kind(
        [248, 249],
        0.895_6,
        0,
        0.0,
        &[(0.67, &[K, anti(PI)]), (0.17, &[KS, PI0]), (0.16, &[KL, PI0])],
    ),
    kind(
        [11, 34],
        0.8917,
        1,
        0.0,
        &[(0.33, &[KS, PI]), (0.34, &[KL, PI]), (0.33, &[K, PI0])],
    ),
    kind(
        [434, 434],
        1.0195,
        0,
        0.0,
        &[(0.5, &[K, anti(K)]), (0.34, &[KS, KL]), (0.16, &[PI, anti(PI), PI0])],
    ),
    kind(
        [263, 4],
        1.8648,
        0,
        0.0123,
        &[
            (0.08, &[anti(K), PI]),
            (0.22, &[anti(K), PI, PI0]),
            (0.14, &[anti(K), PI, PI, anti(PI)]),
            (0.06, &[KS, PI, anti(PI)]),
            (0.07, &[anti(K), anti(E), NU]),
            (0.07, &[anti(KST), anti(MU), NU]),
            (0.10, &[anti(K), RHO]),
            (0.10, &[anti(KST0), OMEGA]),
            (0.16, &[RARE, PI0]),
        ],
    ),
    kind(
        [126, 378],
        1.8697,
        1,
        0.0312,
        &[
            (0.18, &[anti(K), PI, PI]),
            (0.12, &[anti(K), PI, PI, PI0]),
            (0.05, &[KS, PI]),
            (0.14, &[KS, PI, PI0]),
            (0.12, &[anti(KST0), anti(E), NU]),
            (0.12, &[KL, anti(MU), NU]),
            (0.12, &[anti(KST0), RHO]),
            (0.15, &[RARE, PI]),
        ],
    ),
    kind(
        [418, 183],
        1.9683,
        1,
        0.0151,
        &[
            (0.18, &[PHI, PI]),
            (0.2, &[anti(KST0), K]),
            (0.2, &[ETA, RHO]),
            (0.1, &[ETA, PI]),
            (0.1, &[PHI, anti(MU), NU]),
            (0.06, &[anti(TAU), NU]),
            (0.16, &[RARE, PI]),
        ],
    ),
    kind([182, 10], 2.0069, 0, 0.0, &[(0.65, &[D0, PI0]), (0.35, &[D0, GAMMA])]),
    kind([245, 85], 2.0103, 1, 0.0, &[(0.68, &[D0, PI]), (0.32, &[D, PI0])]),
    kind(
        [45, 45],
        3.0969,
        0,
        0.0,
        &[
            (0.2, &[E, anti(E)]),
            (0.2, &[MU, anti(MU)]),
            (0.3, &[PI, anti(PI), PI0, RHO0]),
            (0.3, &[RARE, PI, anti(PI)]),
        ],
    ),
    kind(
        [210, 178],
        1.7769,
        -1,
        0.0087,
        &[
            (0.18, &[E, anti(NU), NU]),
            (0.17, &[MU, anti(NU), NU]),
            (0.11, &[anti(PI), NU]),
            (0.26, &[anti(RHO), NU]),
            (0.28, &[anti(A1), NU]),
        ],
    ),
    kind(
        [139, 275],
        1.1157,
        0,
        7.89,
        &[(0.64, &[P, anti(PI)]), (0.36, &[N, PI0])],
    ),
    kind(
        [322, 419],
        5.2797,
        0,
        0.0455,
        &[
            (0.05, &[anti(D), PI]),
            (0.08, &[anti(DST), PI]),
            (0.10, &[anti(DST), RHO]),
            (0.09, &[anti(D), RHO, PI0]),
            (0.08, &[anti(DST), A1]),
            (0.08, &[anti(D), DS, PI0]),
            (0.07, &[anti(DST), DS]),
            (0.09, &[anti(DST), anti(E), NU]),
            (0.09, &[anti(DST), anti(MU), NU]),
            (0.05, &[anti(D), anti(TAU), NU]),
            (0.03, &[JPSI, KST0]),
            (0.06, &[anti(LAMBDA), P, anti(D0), anti(PI)]),
            (0.13, &[anti(DST0), RARE, PI0]),
        ],
    ),
    kind(
        [121, 437],
        5.2793,
        1,
        0.0491,
        &[
            (0.06, &[anti(D0), PI]),
            (0.08, &[anti(DST0), PI]),
            (0.12, &[anti(DST0), RHO]),
            (0.10, &[anti(D0), RHO]),
            (0.09, &[anti(D0), A1]),
            (0.09, &[anti(D0), DS]),
            (0.09, &[anti(DST0), anti(E), NU]),
            (0.09, &[anti(DST0), anti(MU), NU]),
            (0.04, &[anti(D0), anti(TAU), NU]),
            (0.03, &[JPSI, K]),
            (0.05, &[anti(D), PI, PI]),
            (0.16, &[anti(D0), RARE, PI]),
        ],
    ),
    kind(
        [42, 42],
        10.5794,
        0,
        0.0,
        &[(0.51, &[B, anti(B)]), (0.49, &[B0, anti(B0)])],
    ),
    kind([118, 424], 1.23, 1, 0.0, &[(0.5, &[RHO0, PI]), (0.5, &[RHO, PI0])]),
    kind([480, 483], 2.5, 0, 0.0, &[]),
    kind([79, 79], 10.5794, 0, 0.0, &[]),
    kind([0, 0], 0.0, 0, 0.0, &[]),
];

/// Rare states and the first of their identities.
const RARE_STATES: u64 = 190;
const FIRST_RARE: u64 = 540 - RARE_STATES;

/// What jets break up into, with weights.
const HADRONS: [(f64, i8); 12] = [
    (0.22, PI),
    (0.22, anti(PI)),
    (0.2, PI0),
    (0.07, K),
    (0.07, anti(K)),
    (0.05, KS),
    (0.05, KL),
    (0.05, RHO0),
    (0.03, OMEGA),
    (0.02, ETA),
    (0.01, P),
    (0.01, anti(P)),
];

/// One generated particle.
struct Particle {
    kind: i8,
    /// Identity in the mapped range.
    code: f32,
    momentum: Momentum,
    /// ns, cm.
    time: f64,
    place: [f64; 3],
    mother: Option<usize>,
}

pub(super) fn event(seed: u64, index: u64) -> Event {
    let rng = &mut stream(seed, "stand-in belle", index);
    let wanted = uniform(rng) < 0.5;
    let mut particles = Vec::new();
    // Both classes are equally frequent; nearly always a few tries are enough.
    for _ in 0..TRIES {
        particles = generate(rng);
        if (uniform(rng) < kept(&particles)) == wanted {
            break;
        }
    }
    let mut rows = vec![0.0f32; ROWS * COLUMNS];
    let mut mothers = vec![-1.0f32; ROWS];
    for ((particle, row), mother) in particles.iter().zip(rows.chunks_exact_mut(COLUMNS)).zip(&mut mothers) {
        let [e, px, py, pz] = particle.momentum;
        let [x, y, z] = particle.place;
        let numbers = [particle.time, e, x, y, z, px, py, pz, f64::from(particle.code)];
        for (value, number) in row.iter_mut().zip(numbers) {
            *value = number as f32;
        }
        if let Some(index) = particle.mother {
            *mother = index as f32;
        }
    }
    Event {
        arrays: vec![rows, mothers],
        target: f32::from(u8::from(wanted)),
    }
}

/// The particles of one collision, mothers before daughters.
fn generate(rng: &mut ChaCha8Rng) -> Vec<Particle> {
    let jets = uniform(rng) < 0.25;
    let root = if jets { PHOTON_STAR } else { UPSILON };
    let m = properties(root).mass;
    let mut particles = vec![Particle {
        kind: root,
        code: f32::from(properties(root).codes[0]),
        momentum: [m.hypot(BOOST), 0.0, 0.0, BOOST],
        time: 0.0,
        place: [1e-3 * normal(rng), 1e-4 * normal(rng), 0.03 * normal(rng)],
        mother: None,
    }];
    let mut next = 0;
    while next < particles.len() {
        let (kinds, masses) = daughters(rng, &particles[next]);
        if let Some(momenta) =
            decay(rng, particles[next].momentum, &masses).filter(|m| particles.len() + m.len() <= ROWS)
        {
            let mother = &particles[next];
            // Length over momentum, and so the same for time over energy.
            let flight = properties(mother.kind).flight * exponential(rng) / mass(mother.momentum).max(1e-6);
            let time = mother.time + flight * mother.momentum[0] / LIGHT;
            let place = [0, 1, 2].map(|i| mother.place[i] + flight * mother.momentum[i + 1]);
            for ((kind, code), momentum) in kinds.into_iter().zip(momenta) {
                particles.push(Particle {
                    kind,
                    code: f32::from(code),
                    momentum,
                    time,
                    place,
                    mother: Some(next),
                });
            }
        }
        next += 1;
    }
    particles
}

/// The daughters of one decay with their identities, and their masses; none for what does not decay.
fn daughters(rng: &mut ChaCha8Rng, mother: &Particle) -> (Vec<(i8, u16)>, Vec<f64>) {
    let conjugate = mother.kind < 0;
    let own = if conjugate { anti(mother.kind) } else { mother.kind };
    let drawn: Vec<i8> = match own {
        PHOTON_STAR => vec![JET, anti(JET)],
        JET => {
            let count = 3 + (4.0 * uniform(rng)) as usize;
            (0..count).map(|_| pick(rng, &HADRONS)).collect()
        }
        RARE => {
            const MODES: [&[i8]; 4] = [&[PI, anti(PI)], &[K, anti(PI)], &[PI, anti(PI), PI0], &[PI0, PI0]];
            MODES[(4.0 * uniform(rng)) as usize % 4].to_vec()
        }
        _ => match &KINDS[own as usize].modes {
            [] => Vec::new(),
            modes => {
                let places: Vec<(f64, usize)> = modes.iter().enumerate().map(|(i, mode)| (mode.0, i)).collect();
                modes[pick(rng, &places)].1.to_vec()
            }
        },
    };
    let mut masses = Vec::with_capacity(drawn.len());
    let kinds = drawn.into_iter().map(|kind| {
        if kind == RARE {
            // The k-th state is drawn as 1 / k.
            let k = ((RARE_STATES as f64).powf(uniform(rng)) as u64).clamp(1, RARE_STATES);
            masses.push(0.75 + 0.45 * (k as f64 * 0.618).fract());
            return (RARE, (FIRST_RARE + k) as u16);
        }
        let kind = if conjugate { conjugated(kind) } else { kind };
        masses.push(match kind {
            JET => 1.8 + 1.2 * uniform(rng),
            _ if kind == anti(JET) => 1.8 + 1.2 * uniform(rng),
            _ => properties(kind).mass,
        });
        (kind, properties(kind).codes[usize::from(kind < 0)])
    });
    let kinds: Vec<(i8, u16)> = kinds.collect();
    (kinds, masses)
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, choices: &[(f64, T)]) -> T {
    let mut left = uniform(rng) * choices.iter().map(|choice| choice.0).sum::<f64>();
    for choice in choices {
        left -= choice.0;
        if left < 0.0 {
            return choice.1;
        }
    }
    choices[choices.len() - 1].1
}

/// Particle and antiparticle share their properties.
fn properties(kind: i8) -> &'static Kind {
    &KINDS[(if kind < 0 { anti(kind) } else { kind }) as usize]
}

/// The antiparticle, unless the particle is its own.
fn conjugated(kind: i8) -> i8 {
    let [own, other] = properties(kind).codes;
    if own == other { kind } else { anti(kind) }
}

/// Probability that the selection keeps an event.
fn kept(particles: &[Particle]) -> f64 {
    let tracks = |p: &&Particle| properties(p.kind).charge != 0 && properties(p.kind).modes.is_empty() && seen(p);
    let all = particles.iter().filter(tracks).count() as f64;
    let rebuilt = particles.iter().enumerate().any(|(i, particle)| {
        let charmed = matches!(
            if particle.kind < 0 {
                anti(particle.kind)
            } else {
                particle.kind
            },
            D0 | D | DS | JPSI
        );
        let mut daughters = particles.iter().filter(|p| p.mother == Some(i)).peekable();
        charmed && daughters.peek().is_some() && daughters.all(|p| tracks(&p))
    });
    let lepton = particles.iter().filter(tracks).any(|p| {
        let [_, px, py, pz] = p.momentum;
        matches!(p.kind, E | MU | -2 | -3) && (px * px + py * py + pz * pz).sqrt() > 1.0
    });
    let jets = particles.iter().any(|p| p.kind == JET);
    let sign = |yes: bool| if yes { 1.0 } else { -1.0 };
    let score = 1.5 * sign(rebuilt) + 0.5 * sign(lepton) - 1.0 * sign(jets) - 0.08 * (all - 10.0).powi(2).min(25.0);
    1.0 / (1.0 + (-1.6 * score).exp())
}

/// Whether a charged particle is within the detector: 17 to 150 degrees, 0.1 GeV across the beam.
fn seen(particle: &Particle) -> bool {
    let [_, px, py, pz] = particle.momentum;
    let across = px.hypot(py);
    let angle = across.atan2(pz) / CIRCLE * 360.0;
    across > 0.1 && (17.0..150.0).contains(&angle)
}
