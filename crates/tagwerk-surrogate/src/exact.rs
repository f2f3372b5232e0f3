//! What one score makes exact: distribution, quantile, efficiency from one solve instead of a thousand samples.
//!
//! The flow of one number is strictly increasing, so that F(x | c) = Phi(encode(x, c)), P(x > x0 | c) = 1 - F,
//! Q(p | c) = decode(Phi^-1(p), c). A thousand samples of one jet are a thousand values of one increasing function of the
//! noise, x(z), whose slope a solve gives too (the Jacobian). [`sample`] therefore solves at as many z as the function
//! needs and interpolates between them: an interval is halved until its middle, solved, is where the cubic through the
//! ends said, twice in a row where the function rises by much, or no draw lies in it.

use crate::error::SurrogateError;
use crate::flow::likelihood::LN_ROOT_TWO_PI;
use crate::ode::{Solver, Velocity, solve};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tagwerk_stats::{normal_cdf, normal_quantile, normal_tail};

/// Where a row stands in the distribution of its jet.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// The noise that becomes x, `[N, D]`.
    pub z: Vec<f64>,
    /// ln p(x | c) in x, `[N]`.
    pub log_prob: Vec<f64>,
}

/// Noise and log-density of rows `x` `[N, D]` of the jets `jets` `[N]`.
///
/// # Errors
/// As [`solve`].
pub fn encode<V: Velocity>(velocity: &V, solver: &Solver, jets: &[u32], x: &[f64]) -> Result<Encoded, SurrogateError> {
    let d = velocity.scores();
    let end = solve(velocity, solver, (0.0, 1.0), jets, x, true)?;
    let rows = end.x.chunks_exact(d).zip(&end.log_jacobian);
    let log_prob = rows.map(|(z, l)| l - z.iter().map(|z| 0.5 * z * z + LN_ROOT_TWO_PI).sum::<f64>());
    let log_prob = log_prob.collect();
    Ok(Encoded { z: end.x, log_prob })
}

/// x of noise `z` `[N, D]`.
///
/// # Errors
/// As [`solve`].
pub fn decode<V: Velocity>(velocity: &V, solver: &Solver, jets: &[u32], z: &[f64]) -> Result<Vec<f64>, SurrogateError> {
    Ok(solve(velocity, solver, (1.0, 0.0), jets, z, false)?.x)
}

fn one_score<V: Velocity>(velocity: &V) -> Result<(), SurrogateError> {
    if velocity.scores() == 1 {
        return Ok(());
    }
    Err(SurrogateError::Setting {
        setting: "number of scores of an exact distribution",
        value: velocity.scores().to_string(),
        wanted: "1",
    })
}

/// F(x | c), `[N]`: at observed x this is the probability integral transform.
///
/// # Errors
/// More than one score; as [`solve`].
pub fn cdf<V: Velocity>(velocity: &V, solver: &Solver, jets: &[u32], x: &[f64]) -> Result<Vec<f64>, SurrogateError> {
    one_score(velocity)?;
    let end = solve(velocity, solver, (0.0, 1.0), jets, x, false)?;
    Ok(end.x.into_iter().map(normal_cdf).collect())
}

/// P(x > x0 | c), `[N]`.
///
/// # Errors
/// More than one score; as [`solve`].
pub fn efficiency<V: Velocity>(
    velocity: &V,
    solver: &Solver,
    jets: &[u32],
    x0: &[f64],
) -> Result<Vec<f64>, SurrogateError> {
    one_score(velocity)?;
    let end = solve(velocity, solver, (0.0, 1.0), jets, x0, false)?;
    Ok(end.x.into_iter().map(normal_tail).collect())
}

/// Q(p | c): x for each jet and probability, `[N, K]`.
///
/// # Errors
/// More than one score; a probability that is not between 0 and 1; as [`solve`].
pub fn quantiles<V: Velocity>(
    velocity: &V,
    solver: &Solver,
    jets: &[u32],
    p: &[f64],
) -> Result<Vec<f64>, SurrogateError> {
    one_score(velocity)?;
    if let Some(bad) = p.iter().find(|p| !(**p > 0.0 && **p < 1.0)) {
        return Err(SurrogateError::Setting {
            setting: "probability of a quantile",
            value: bad.to_string(),
            wanted: "above 0 and below 1",
        });
    }
    let noise: Vec<f64> = p.iter().map(|&p| normal_quantile(p)).collect();
    let rows: Vec<u32> = jets.iter().flat_map(|&jet| noise.iter().map(move |_| jet)).collect();
    let z: Vec<f64> = jets.iter().flat_map(|_| noise.iter().copied()).collect();
    decode(velocity, solver, &rows, &z)
}

/// How many samples of one jet are made of few solves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Interpolation {
    /// Largest difference, in x, between a solved middle and the cubic through the ends of its interval at which the two
    /// agree (and as much in its slope). What is then used is the cubics of both halves, whose error is about a sixteenth of
    /// it where x(z) is smooth. Where the function rises by more than five tolerances they must agree twice in a row; where by
    /// less, the error is below that rise, of a logit 0.1 as shipped. 0 solves each sample by itself. Default: 1e-3, of a logit
    /// 0.02; 300,000 samples so made of a trained surrogate were within 0.0054 of a logit of solves to 1e-10. (Those solved one by
    /// one as usual were not: slopes, which interpolation asks for, make steps smaller where x(z) is steep.)
    pub tolerance: f64,
    /// Intervals of each jet at first. Default: 4.
    pub intervals: u32,
    /// Halvings of an interval at most; samples in what is too steep even then are solved by themselves. Default: 12.
    pub halvings: u32,
}

impl Default for Interpolation {
    fn default() -> Self {
        Self {
            tolerance: 1e-3,
            intervals: 4,
            halvings: 12,
        }
    }
}

impl Interpolation {
    /// Draws of a jet from which on they are interpolated.
    pub(crate) fn fewest(&self) -> usize {
        12 * self.intervals as usize + 1
    }
}

/// Rise of the half of an interval, in tolerances, up to which one agreement is enough: an increasing function, and the
/// cubics, which increase too, can differ by no more than the rise.
const LITTLE: f64 = 5.0;
/// Jets whose functions x(z) are refined together.
const JETS: usize = 64;

/// A point of x(z) with its slope.
#[derive(Debug, Clone, Copy)]
struct Node {
    z: f64,
    x: f64,
    slope: f64,
}

/// An interval of a jet's x(z).
#[derive(Debug, Clone, Copy)]
struct Piece {
    jet: usize,
    a: Node,
    b: Node,
    /// Whether the interval of which this is a half was foretold.
    agreed: bool,
}

/// The cubic through two nodes with their slopes, and its slope. It is kept increasing: where a slope is more than three
/// times the chord's, the cubic could turn back (Fritsch, Carlson, SIAM J. Numer. Anal. 17 (1980) 238).
fn cubic(a: &Node, b: &Node, z: f64) -> (f64, f64) {
    let h = b.z - a.z;
    if h <= 0.0 {
        return (a.x, a.slope);
    }
    let chord = (b.x - a.x) / h;
    let limit = 3.0 * chord;
    let (left, right) = (a.slope.min(limit), b.slope.min(limit));
    let t = (z - a.z) / h;
    let s = 1.0 - t;
    let x =
        a.x * s * s * (1.0 + 2.0 * t) + left * h * t * s * s + b.x * t * t * (3.0 - 2.0 * t) - right * h * t * t * s;
    let slope = 6.0 * chord * t * s + left * s * (s - 2.0 * t) + right * t * (t - 2.0 * s);
    (x, slope)
}

/// Whether the middle of an interval is where the cubic through its ends said, and goes on as it said. The place alone
/// would not do: of a jump in the very middle, both ends and the middle agree with a straight line. Of several steps in one
/// interval both may agree by accident, which is why what rises must agree twice.
fn foretold(a: &Node, b: &Node, middle: &Node, tolerance: f64) -> bool {
    let (x, slope) = cubic(a, b, middle.z);
    (x - middle.x).abs() <= tolerance && (slope - middle.slope).abs() * (b.z - a.z) <= 8.0 * tolerance
}

/// x of the noise `z` `[N, S]`, `S` draws for each jet of `jets` `[N]`.
///
/// # Errors
/// More than one score with interpolation; lengths that do not fit; as [`solve`].
pub fn sample<V: Velocity>(
    velocity: &V,
    solver: &Solver,
    interpolation: &Interpolation,
    jets: &[u32],
    z: &[f64],
) -> Result<Vec<f64>, SurrogateError> {
    let draws = z.len() / jets.len().max(1) / velocity.scores();
    if z.len() != jets.len() * draws * velocity.scores() {
        return Err(SurrogateError::Length {
            what: "noise",
            found: z.len(),
            expected: jets.len() * draws * velocity.scores(),
        });
    }
    if !(interpolation.tolerance >= 0.0 && interpolation.tolerance < 1.0) || interpolation.intervals == 0 {
        return Err(SurrogateError::Setting {
            setting: "interpolation.tolerance and .intervals",
            value: format!("{} and {}", interpolation.tolerance, interpolation.intervals),
            wanted: "0 to below 1, and at least 1",
        });
    }
    // A solve with slope costs two; with few draws nothing is won.
    let few = draws < interpolation.fewest();
    if velocity.scores() > 1 || interpolation.tolerance == 0.0 || few {
        let rows: Vec<u32> = jets.iter().flat_map(|&jet| std::iter::repeat_n(jet, draws)).collect();
        return decode(velocity, solver, &rows, z);
    }
    let pieces: Vec<Vec<f64>> = jets
        .par_chunks(JETS)
        .zip(z.par_chunks(JETS * draws))
        .map(|(jets, z)| interpolated(velocity, solver, interpolation, jets, z, draws))
        .collect::<Result<_, _>>()?;
    Ok(pieces.concat())
}

fn interpolated<V: Velocity>(
    velocity: &V,
    solver: &Solver,
    interpolation: &Interpolation,
    jets: &[u32],
    z: &[f64],
    draws: usize,
) -> Result<Vec<f64>, SurrogateError> {
    let look = |of: &[(usize, f64)]| -> Result<Vec<Node>, SurrogateError> {
        let rows: Vec<u32> = of.iter().map(|&(jet, _)| jets[jet]).collect();
        let noise: Vec<f64> = of.iter().map(|&(_, z)| z).collect();
        let end = solve(velocity, solver, (1.0, 0.0), &rows, &noise, true)?;
        let nodes = end.x.iter().zip(&end.log_jacobian).zip(&noise);
        Ok(nodes.map(|((&x, &l), &z)| Node { z, x, slope: l.exp() }).collect())
    };
    // Nodes between the smallest and the largest draw of each jet: a jet's samples do not depend on other jets.
    let count = interpolation.intervals as usize;
    let mut first = Vec::with_capacity(jets.len() * (count + 1));
    for (jet, z) in z.chunks_exact(draws).enumerate() {
        let ends = z
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |e, &z| (e.0.min(z), e.1.max(z)));
        first.extend((0..=count).map(|i| (jet, ends.0 + (ends.1 - ends.0) * i as f64 / count as f64)));
    }
    let mut nodes: Vec<Vec<Node>> = look(&first)?.chunks_exact(count + 1).map(<[Node]>::to_vec).collect();
    // Draws in order: an interval in which none lies need not be known.
    let sorted: Vec<Vec<f64>> = z.chunks_exact(draws).map(in_order).collect();
    let wanted = |piece: &Piece| {
        let z: &Vec<f64> = &sorted[piece.jet];
        let first = z.partition_point(|z| *z <= piece.a.z);
        first < z.len() && z[first] < piece.b.z
    };
    // Intervals whose middle has to be looked at.
    let piece = |jet, a, b, agreed| Piece { jet, a, b, agreed };
    let mut open: Vec<Piece> = nodes
        .iter()
        .enumerate()
        .flat_map(|(jet, nodes)| nodes.windows(2).map(move |pair| piece(jet, pair[0], pair[1], false)))
        .filter(wanted)
        .collect();
    for _ in 0..=interpolation.halvings {
        if open.is_empty() {
            break;
        }
        let middles: Vec<(usize, f64)> = open.iter().map(|p| (p.jet, 0.5 * (p.a.z + p.b.z))).collect();
        let found = look(&middles)?;
        let mut next = Vec::new();
        for (Piece { jet, a, b, agreed }, middle) in open.into_iter().zip(found) {
            nodes[jet].push(middle);
            let agrees = foretold(&a, &b, &middle, interpolation.tolerance);
            let rise = (middle.x - a.x).max(b.x - middle.x);
            if !(agrees && (agreed || rise <= LITTLE * interpolation.tolerance)) {
                let halves = [piece(jet, a, middle, agrees), piece(jet, middle, b, agrees)];
                next.extend(halves.into_iter().filter(wanted));
            }
        }
        open = next;
    }
    let mut x = Vec::with_capacity(z.len());
    let (mut steep, mut noise, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for Piece { jet, a, b, .. } in &open {
        let own = z[jet * draws..(jet + 1) * draws].iter().enumerate();
        for (draw, &z) in own.filter(|&(_, &z)| z > a.z && z < b.z) {
            steep.push(jets[*jet]);
            noise.push(z);
            places.push(jet * draws + draw);
        }
    }
    let solved = decode(velocity, solver, &steep, &noise)?;
    for (nodes, z) in nodes.iter_mut().zip(z.chunks_exact(draws)) {
        nodes.sort_unstable_by(|a, b| a.z.total_cmp(&b.z));
        x.extend(z.iter().map(|&z| {
            let at = nodes.partition_point(|node| node.z <= z).clamp(1, nodes.len() - 1);
            cubic(&nodes[at - 1], &nodes[at], z).0
        }));
    }
    for (place, solved) in places.into_iter().zip(solved) {
        x[place] = solved;
    }
    Ok(x)
}

fn in_order(z: &[f64]) -> Vec<f64> {
    let mut z = z.to_vec();
    z.sort_unstable_by(f64::total_cmp);
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ode::gaussian::Gaussian;
    use crate::ode::{Adaptive, Times};
    use tagwerk_data::random;

    fn flow() -> (Gaussian, Solver) {
        let solver = Solver::Adaptive(Adaptive {
            absolute: 1e-11,
            relative: 1e-11,
            ..Adaptive::default()
        });
        let jets = vec![(0.3, 0.2), (-0.7, 0.05)];
        (Gaussian { jets, sigma_min: 1e-4 }, solver)
    }

    #[test]
    fn a_gaussian_has_the_density_distribution_and_quantiles_of_the_formula() {
        let (flow, solver) = flow();
        for jet in 0..2u32 {
            let (mean, width) = (flow.jets[jet as usize].0, flow.width(jet as usize));
            let sigmas = [-4.0, -1.0, 0.0, 0.5, 3.0];
            let x: Vec<f64> = sigmas.iter().map(|k| mean + k * width).collect();
            let jets = [jet; 5];
            let encoded = encode(&flow, &solver, &jets, &x).unwrap();
            let below = cdf(&flow, &solver, &jets, &x).unwrap();
            let above = efficiency(&flow, &solver, &jets, &x).unwrap();
            for i in 0..5 {
                let k: f64 = sigmas[i];
                let log_prob = -0.5 * k * k - width.ln() - LN_ROOT_TWO_PI;
                assert!((encoded.log_prob[i] - log_prob).abs() < 1e-7);
                assert!((below[i] - normal_cdf(k)).abs() < 1e-9 && (above[i] / normal_tail(k) - 1.0).abs() < 1e-6);
            }
            let p = [0.05, 0.5, 0.84];
            let q = quantiles(&flow, &solver, &[jet], &p).unwrap();
            for (q, p) in q.iter().zip(p) {
                assert!((q - mean - width * normal_quantile(p)).abs() < 1e-8);
            }
        }
    }

    /// The flow that carries z to x(z) in a straight line, v = -(x(z) - z) with z found from (t, x): `bend` is x(z) - z and
    /// its slope.
    struct Straight {
        bend: fn(f64, u32) -> (f64, f64),
    }

    /// A steep jump, as two-peaked scores have it.
    const JUMP: Straight = Straight {
        bend: |z, jet| {
            let at = 6.0 * (z - 0.3 * f64::from(jet));
            (2.0 * at.tanh(), 12.0 / at.cosh().powi(2))
        },
    };

    impl Straight {
        fn map(&self, z: f64, jet: u32) -> f64 {
            z + (self.bend)(z, jet).0
        }
    }

    impl Velocity for Straight {
        type Scratch = ();

        fn scores(&self) -> usize {
            1
        }

        fn evaluate(&self, _: &mut (), jets: &[u32], times: Times, x: &[f64], v: &mut [f64], div: Option<&mut [f64]>) {
            // y = z + (1 - t) f(z) increases in z: bisection.
            let noise = |row: usize| {
                let (t, mut low, mut high) = (times.of(row), x[row] - 3.0, x[row] + 3.0);
                for _ in 0..60 {
                    let z = 0.5 * (low + high);
                    let y = z + (1.0 - t) * (self.bend)(z, jets[row]).0;
                    if y < x[row] { low = z } else { high = z }
                }
                0.5 * (low + high)
            };
            for row in 0..x.len() {
                v[row] = -(self.bend)(noise(row), jets[row]).0;
            }
            if let Some(div) = div {
                for row in 0..x.len() {
                    let (z, t) = (noise(row), times.of(row));
                    let slope = (self.bend)(z, jets[row]).1;
                    div[row] = -slope / (1.0 + (1.0 - t) * slope);
                }
            }
        }
    }

    #[test]
    fn interpolated_samples_are_the_solved_ones_within_the_tolerance_and_increase() {
        let draws = 400;
        let jets: Vec<u32> = (0..70).map(|i| i % 3).collect();
        let mut rng = random::stream(1, "interpolation", 0);
        let z: Vec<f64> = (0..jets.len() * draws).map(|_| random::normal(&mut rng)).collect();
        let solver = flow().1;
        let x = sample(&JUMP, &solver, &Interpolation::default(), &jets, &z).unwrap();
        let mut worst = 0f64;
        for (i, (&x, &z)) in x.iter().zip(&z).enumerate() {
            worst = worst.max((x - JUMP.map(z, jets[i / draws])).abs());
        }
        assert!(worst < 5e-4, "{worst}");
        // What is too steep for the halvings allowed is solved.
        let coarse = Interpolation {
            halvings: 1,
            ..Interpolation::default()
        };
        let again = sample(&JUMP, &solver, &coarse, &jets, &z).unwrap();
        for (i, (&x, &z)) in again.iter().zip(&z).enumerate() {
            let truth = JUMP.map(z, jets[i / draws]);
            assert!((x - truth).abs() < 5e-4, "{x} for {truth}");
        }
        for (z, x) in z.chunks_exact(draws).zip(x.chunks_exact(draws)) {
            let mut order: Vec<usize> = (0..draws).collect();
            order.sort_by(|&a, &b| z[a].total_cmp(&z[b]));
            assert!(order.windows(2).all(|w| x[w[0]] <= x[w[1]]));
        }
        // The slope of the cubic is its derivative.
        let (a, b) = (
            Node {
                z: 0.0,
                x: 0.0,
                slope: 0.5,
            },
            Node {
                z: 2.0,
                x: 1.0,
                slope: 1.2,
            },
        );
        for z in [0.1, 0.9, 1.8] {
            let numeric = (cubic(&a, &b, z + 1e-6).0 - cubic(&a, &b, z - 1e-6).0) / 2e-6;
            assert!((cubic(&a, &b, z).1 - numeric).abs() < 1e-8);
        }
        // A jet's samples do not depend on the jets beside it.
        let alone = sample(
            &JUMP,
            &solver,
            &Interpolation::default(),
            &jets[5..6],
            &z[5 * draws..6 * draws],
        )
        .unwrap();
        assert_eq!(alone, x[5 * draws..6 * draws]);
    }

    /// Steps that lie in the same way between all nodes and all middles, which agree with a straight line in place and slope.
    #[test]
    fn steps_that_the_first_middles_do_not_see_are_found() {
        let stairs = Straight {
            bend: |z, _| {
                let (at, slope) = ((8.0 * std::f64::consts::PI * z).sin_cos(), 8.0 * std::f64::consts::PI);
                (0.03 * (1.0 - at.1), 0.03 * slope * at.0)
            },
        };
        let z: Vec<f64> = (0..=400).map(|i| f64::from(i) / 200.0 - 1.0).collect();
        let x = sample(&stairs, &flow().1, &Interpolation::default(), &[0], &z).unwrap();
        for (x, &z) in x.iter().zip(&z) {
            assert!((x - stairs.map(z, 0)).abs() < 5e-4, "{x} for {}", stairs.map(z, 0));
        }
    }

    #[test]
    fn few_draws_are_solved_one_by_one() {
        let (flow, solver) = flow();
        let z = [0.1, -0.5, 2.0, 0.0];
        let x = sample(&flow, &solver, &Interpolation::default(), &[0, 1], &z).unwrap();
        for (i, z) in z.iter().enumerate() {
            let jet = i / 2;
            assert!((x[i] - flow.jets[jet].0 - z * flow.width(jet)).abs() < 1e-9);
        }
        assert!(sample(&flow, &solver, &Interpolation::default(), &[0, 1], &z[1..]).is_err());
        assert!(quantiles(&flow, &solver, &[0], &[1.0]).is_err());
    }
}
