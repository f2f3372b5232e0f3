//! Conditional flow matching: how the velocity is learned.
//!
//! Lipman et al., arXiv:2210.02747; Tong et al., arXiv:2302.00482; as the classifier surrogates use it, arXiv:2402.15558.
//! Time runs from t = 0, the data x, to t = 1, the noise z ~ N(0, 1):
//!
//! ```text
//! y_t = (1 - t) x + a(t) z,   a(t) = sigma_min + (1 - sigma_min) t,   u = (1 - sigma_min) z - x
//! L   = mean over rows (and scores) of (v(t, y_t, c) - u)^2,          t ~ U(0, 1)
//! ```
//!
//! Three things are chosen: the path ([`Path`]), which noise goes with which row ([`Coupling`]), and what is minimized,
//! this loss ([`matching`]) or the exact likelihood ([`likelihood`]).

pub mod coupling;
mod layered;
pub mod likelihood;
pub mod matching;
mod target;

pub use coupling::Coupling;
pub use likelihood::ExactLikelihood;
pub use matching::{Pairs, matching_loss, matching_losses};
pub use target::{FlowLoss, FlowTarget};

use crate::error::SurrogateError;
use crate::velocity::Real;
use rand_core::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tagwerk_data::random;

/// Partial sums that a gradient is added up from, whatever the number of threads.
pub(crate) const GROUPS: usize = 16;

/// Rows whose random numbers one task draws.
const PIECE: usize = 1024;

/// The way from data to noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Path {
    /// Straight lines that end at noise of width 1 and begin at data smeared by `sigma_min` (Lipman et al.).
    Straight {
        /// Width that is left at the data. Published: 1e-4.
        sigma_min: f64,
    },
    /// Straight lines from data to noise, smeared by `sigma` all along (I-CFM of Tong et al.).
    Smeared {
        /// Width of the smearing; 0 gives straight lines.
        sigma: f64,
    },
}

impl Default for Path {
    fn default() -> Self {
        Self::Straight { sigma_min: 1e-4 }
    }
}

/// How flow matching is done. The defaults are the published ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// The way from data to noise. Default: straight with sigma_min = 1e-4.
    pub path: Path,
    /// Which noise goes with which row. Default: independent.
    pub coupling: Coupling,
}

impl FlowConfig {
    /// Checks the settings for `scores` scores.
    ///
    /// # Errors
    /// A width out of range; a coupling that needs one score.
    pub fn check(&self, scores: usize) -> Result<(), SurrogateError> {
        let (setting, sigma) = match self.path {
            Path::Straight { sigma_min } => ("flow.path.sigma_min", sigma_min),
            Path::Smeared { sigma } => ("flow.path.sigma", sigma),
        };
        if !(0.0..1.0).contains(&sigma) {
            return Err(SurrogateError::Setting {
                setting,
                value: sigma.to_string(),
                wanted: "0 to below 1",
            });
        }
        self.coupling.check(scores)
    }

    /// Draws times and noise for `rows` of the examples, from the stream (seed, purpose, index): the same numbers for the
    /// same address and order, on any number of threads.
    ///
    /// # Errors
    /// A row that is not there.
    pub fn draw<T: Real>(
        &self,
        examples: Examples<'_, T>,
        rows: &[usize],
        address: (u64, &str, u64),
    ) -> Result<Pairs<T>, SurrogateError> {
        self.draw_at(examples, rows, address, |position, _| position)
    }

    /// The same with the numbers of a row decided by the row and not by its position: what a sampler needs that
    /// asks for one row in several batches.
    ///
    /// # Errors
    /// A row that is not there.
    pub fn draw_by_row<T: Real>(
        &self,
        examples: Examples<'_, T>,
        rows: &[usize],
        address: (u64, &str, u64),
    ) -> Result<Pairs<T>, SurrogateError> {
        self.draw_at(examples, rows, address, |_, row| row)
    }

    /// Draws with `place`, of position and row, in the stream.
    fn draw_at<T: Real>(
        &self,
        examples: Examples<'_, T>,
        rows: &[usize],
        address: (u64, &str, u64),
        place: impl Fn(usize, usize) -> usize + Sync,
    ) -> Result<Pairs<T>, SurrogateError> {
        let Examples {
            x,
            c,
            scores,
            conditions,
        } = examples;
        if let Some(&row) = rows.iter().find(|&&row| row >= examples.len()) {
            return Err(SurrogateError::Length {
                what: "rows of the examples",
                found: examples.len(),
                expected: row + 1,
            });
        }
        let smeared = matches!(self.path, Path::Smeared { sigma } if sigma > 0.0);
        let stream = random::stream(address.0, address.1, address.2);
        // Each row has its own place in the stream: a time is one draw of two words, a normal number two.
        let words = 2 + 4 * (scores as u128) * if smeared { 2 } else { 1 };
        let piece = |(index, rows): (usize, &[usize])| {
            let mut rng = stream.clone();
            let (mut times, mut z, mut smear) = (Vec::new(), Vec::new(), Vec::new());
            let mut next = usize::MAX;
            for (position, &row) in (index * PIECE..).zip(rows) {
                let at = place(position, row);
                if at != next {
                    rng.set_word_pos(at as u128 * words);
                }
                next = at + 1;
                times.push(random::uniform(&mut rng));
                normals(&mut rng, scores, &mut z);
                if smeared {
                    normals(&mut rng, scores, &mut smear);
                }
            }
            (times, z, smear)
        };
        let drawn: Vec<_> = rows.par_chunks(PIECE).enumerate().map(piece).collect();
        let mut times = Vec::with_capacity(rows.len());
        let mut z = Vec::with_capacity(rows.len() * scores);
        let mut smear = Vec::new();
        for (more_times, more_z, more_smear) in drawn {
            times.extend(more_times);
            z.extend(more_z);
            smear.extend(more_smear);
        }
        let conditions_of: Vec<T> = rows
            .iter()
            .flat_map(|&row| c[row * conditions..(row + 1) * conditions].iter().copied())
            .collect();
        let data: Vec<f64> = rows
            .iter()
            .flat_map(|&row| x[row * scores..(row + 1) * scores].iter().map(|x| x.wide()))
            .collect();
        self.coupling.couple(&data, &mut z, &conditions_of, conditions);
        let mut y = Vec::with_capacity(z.len());
        let mut u = Vec::with_capacity(z.len());
        for (i, (&x, &z)) in data.iter().zip(&z).enumerate() {
            let t = times[i / scores];
            let (at, towards) = match self.path {
                Path::Straight { sigma_min } => {
                    let a = sigma_min + (1.0 - sigma_min) * t;
                    ((1.0 - t) * x + a * z, (1.0 - sigma_min) * z - x)
                }
                Path::Smeared { sigma } => {
                    let smear = smear.get(i).map_or(0.0, |e| sigma * e);
                    ((1.0 - t) * x + t * z + smear, z - x)
                }
            };
            y.push(T::of(at));
            u.push(T::of(towards));
        }
        Ok(Pairs {
            times,
            y,
            u,
            c: conditions_of,
        })
    }
}

/// Appends `n` normal numbers.
fn normals(rng: &mut impl Rng, n: usize, out: &mut Vec<f64>) {
    out.extend((0..n).map(|_| random::normal(rng)));
}

/// Transformed scores and standardized conditions of all rows.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a, T> {
    /// Transformed scores, `[N, D]`.
    pub x: &'a [T],
    /// Standardized conditions, `[N, C]`.
    pub c: &'a [T],
    /// `D`.
    pub scores: usize,
    /// `C`.
    pub conditions: usize,
}

impl<'a, T: Real> Examples<'a, T> {
    /// Examples of `scores` scores and `conditions` conditions a row.
    ///
    /// # Errors
    /// Lengths that do not fit.
    pub fn new(x: &'a [T], c: &'a [T], scores: usize, conditions: usize) -> Result<Self, SurrogateError> {
        let rows = x.len() / scores.max(1);
        if scores == 0 || conditions == 0 || x.len() != rows * scores || c.len() != rows * conditions {
            return Err(SurrogateError::Length {
                what: "conditions of the examples",
                found: c.len(),
                expected: rows * conditions,
            });
        }
        Ok(Self {
            x,
            c,
            scores,
            conditions,
        })
    }

    /// Number of rows, `N`.
    pub fn len(&self) -> usize {
        self.x.len() / self.scores
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.x.is_empty()
    }
}

/// Adds partial sums in their order, in f64. Threads share stretches of the sum and read each part along itself: number by
/// number across all parts, in one thread, it was a twentieth of a training.
pub(crate) fn sum_in_order<T: Real>(parts: &[Vec<T>]) -> Vec<T> {
    let mut sum = vec![T::ZERO; parts.first().map_or(0, Vec::len)];
    sum.par_chunks_mut(STRETCH).enumerate().for_each(|(index, to)| {
        let at = index * STRETCH;
        let mut wide = [0.0f64; STRETCH];
        for part in parts {
            for (wide, more) in wide.iter_mut().zip(&part[at..at + to.len()]) {
                *wide += more.wide();
            }
        }
        to.iter_mut().zip(wide).for_each(|(to, wide)| *to = T::of(wide));
    });
    sum
}

/// Numbers of a sum that a thread adds at a time.
const STRETCH: usize = 1024;

/// Cuts `0..n` into at most [`GROUPS`] ranges of whole tiles.
pub(crate) fn groups(n: usize, tile: usize) -> Vec<std::ops::Range<usize>> {
    let step = n.div_ceil(GROUPS).next_multiple_of(tile).max(1);
    (0..n).step_by(step).map(|start| start..(start + step).min(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_path_begins_at_smeared_data_and_ends_at_noise() {
        let (x, c) = ([0.7f64; 4000], [0.0f64; 4000]);
        let examples = Examples::new(&x, &c, 1, 1).unwrap();
        let rows: Vec<usize> = (0..4000).collect();
        let pairs = FlowConfig::default().draw(examples, &rows, (1, "test", 0)).unwrap();
        for i in 0..4000 {
            let (t, y, u) = (pairs.times[i], pairs.y[i], pairs.u[i]);
            // From y and u follow x and z: u = (1 - s) z - x, y = (1 - t) x + (s + (1 - s) t) z = x + t u + s z.
            let z = (u + 0.7) / (1.0 - 1e-4);
            assert!((y - (0.7 + t * u + 1e-4 * z)).abs() < 1e-12);
        }
        let mean = pairs.u.iter().sum::<f64>() / 4000.0 + 0.7;
        // Five standard errors of the mean of 4,000 normal numbers.
        assert!(mean.abs() < 5.0 / 4000f64.sqrt(), "{mean}");
        let again = FlowConfig::default().draw(examples, &rows, (1, "test", 0)).unwrap();
        assert_eq!(again.y, pairs.y);
    }

    #[test]
    fn noise_by_row_does_not_depend_on_the_batch() {
        let (x, c) = ([0.7f64; 4000], [0.0f64; 4000]);
        let examples = Examples::new(&x, &c, 1, 1).unwrap();
        let draw = |rows: &[usize]| {
            FlowConfig::default()
                .draw_by_row(examples, rows, (1, "test", 7))
                .unwrap()
        };
        let all = draw(&(0..4000).collect::<Vec<_>>());
        let some = draw(&[3000, 17, 18, 3000]);
        assert_eq!(some.u, [all.u[3000], all.u[17], all.u[18], all.u[3000]]);
        assert_eq!(some.times[1], all.times[17]);
        let by_position = FlowConfig::default()
            .draw(examples, &[3000, 17], (1, "test", 7))
            .unwrap();
        assert_eq!(by_position.u, all.u[..2]);
    }

    #[test]
    fn the_least_loss_of_a_gaussian_is_half_pi_times_its_width() {
        use crate::ode::gaussian::Gaussian;
        use crate::ode::{Times, Velocity};
        let (n, width, mean) = (200_000, 0.3, 0.1);
        let mut rng = random::stream(2, "least loss", 0);
        let x: Vec<f64> = (0..n).map(|_| mean + width * random::normal(&mut rng)).collect();
        let c = vec![0.0; n];
        let rows: Vec<usize> = (0..n).collect();
        let examples = Examples::new(&x, &c, 1, 1).unwrap();
        let pairs = FlowConfig::default().draw(examples, &rows, (1, "test", 0)).unwrap();
        let jets = vec![(mean, width)];
        let best = Gaussian { jets, sigma_min: 1e-4 };
        let mut v = vec![0.0; n];
        best.evaluate(&mut (), &vec![0; n], Times::Each(&pairs.times), &pairs.y, &mut v, None);
        let squares: Vec<f64> = v.iter().zip(&pairs.u).map(|(v, u)| (v - u).powi(2)).collect();
        let loss = squares.iter().sum::<f64>() / n as f64;
        let variance = squares.iter().map(|s| (s - loss).powi(2)).sum::<f64>() / n as f64;
        let error = (variance / n as f64).sqrt();
        let least = std::f64::consts::FRAC_PI_2 * width;
        assert!((loss - least).abs() < 5.0 * error + 1e-3, "{loss} {least} {error}");
    }

    #[test]
    fn smearing_widens_the_path_and_leaves_the_target_alone() {
        let (x, c) = ([0.0f64; 4000], [0.0f64; 4000]);
        let examples = Examples::new(&x, &c, 1, 1).unwrap();
        let rows: Vec<usize> = (0..4000).collect();
        let config = FlowConfig {
            path: Path::Smeared { sigma: 0.5 },
            ..FlowConfig::default()
        };
        let pairs = config.draw(examples, &rows, (1, "test", 0)).unwrap();
        let off = (0..4000).map(|i| pairs.y[i] - pairs.times[i] * pairs.u[i]);
        let variance = off.map(|d| d * d).sum::<f64>() / 4000.0;
        // The variance 0.25 with five standard errors, 0.25 sqrt(2 / 4000).
        assert!((variance - 0.25).abs() < 0.028, "{variance}");
    }

    #[test]
    fn groups_cover_all_rows_in_whole_tiles() {
        for n in [1, 127, 128, 129, 5000, 131_072] {
            let groups = groups(n, 128);
            assert!(groups.len() <= GROUPS && groups.iter().all(|g| g.start % 128 == 0));
            assert_eq!(groups.iter().map(|g| g.len()).sum::<usize>(), n);
        }
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let bad = FlowConfig {
            path: Path::Straight { sigma_min: 1.0 },
            ..FlowConfig::default()
        };
        assert!(bad.check(1).unwrap_err().to_string().contains("sigma_min is 1"));
    }
}
