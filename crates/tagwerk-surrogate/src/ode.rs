//! From noise to data and back: dx/dt = v(t, x, c), solved for each row by itself.
//!
//! Time runs from 0, the data, to 1, the noise. [`solve`] carries rows from one to the other, on request with the
//! logarithm of the Jacobian, d(ln |dx(t)/dx(from)|)/dt = div v. The equations are solved for every row on its own: what
//! a row gets does not depend on the rows beside it, to the last bit. [`Adaptive`] steps are each row's own, too. (The
//! original takes the worst error of the whole batch for one common step: its answers depend on the batch, and the
//! hardest sample sets everyone's cost.)
//!
//! [`Fixed`] steps have the same times for all rows, which makes time a bias, and can be unrolled: the solver of exported
//! graphs and of likelihoods that are differentiated.

mod adaptive;
mod fixed;

pub use adaptive::Adaptive;
pub use fixed::{Fixed, Scheme};

use crate::error::SurrogateError;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Rows that one task solves: several tiles of the network.
const CHUNK: usize = 480;

/// The times of some rows.
#[derive(Debug, Clone, Copy)]
pub enum Times<'a> {
    /// One for all.
    Shared(f64),
    /// One a row.
    Each(&'a [f64]),
}

impl Times<'_> {
    /// The times of the rows in `range`.
    pub fn part(&self, range: Range<usize>) -> Times<'_> {
        match self {
            Self::Shared(t) => Times::Shared(*t),
            Self::Each(times) => Times::Each(&times[range]),
        }
    }

    /// The time of one row.
    pub fn of(&self, row: usize) -> f64 {
        match self {
            Self::Shared(t) => *t,
            Self::Each(times) => times[row],
        }
    }
}

/// A velocity field v(t, x, jet) of `D` components.
pub trait Velocity: Sync {
    /// Buffers of one thread.
    type Scratch: Default + Send;

    /// Components of x, `D`.
    fn scores(&self) -> usize;

    /// The velocity `v` `[R, D]` of `R` rows: their jets, times, and `x` `[R, D]`; and its divergence `[R]` where wanted.
    /// A row's result must not depend on the other rows.
    fn evaluate(
        &self,
        scratch: &mut Self::Scratch,
        jets: &[u32],
        times: Times,
        x: &[f64],
        v: &mut [f64],
        divergence: Option<&mut [f64]>,
    );
}

/// How to solve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Solver {
    /// Dormand-Prince 5(4), each row with steps of its own.
    Adaptive(Adaptive),
    /// Equal steps, the same for all rows.
    Fixed(Fixed),
}

impl Default for Solver {
    fn default() -> Self {
        Self::Adaptive(Adaptive::default())
    }
}

impl Solver {
    /// Checks the settings.
    ///
    /// # Errors
    /// A tolerance or a number of steps outside its range.
    pub fn check(&self) -> Result<(), SurrogateError> {
        match self {
            Self::Adaptive(adaptive) => adaptive.check(),
            Self::Fixed(fixed) => fixed.check(),
        }
    }
}

/// Where rows arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The rows, `[N, D]`.
    pub x: Vec<f64>,
    /// ln |det dx(to)/dx(from)|, `[N]`; empty if not wanted.
    pub log_jacobian: Vec<f64>,
    /// How often the velocity of a row was computed.
    pub evaluations: u64,
}

/// Carries rows `x` `[N, D]` of the jets `jets` `[N]` from time `from` to time `to`.
///
/// # Errors
/// Lengths that do not fit; settings out of range; a row that the solver cannot bring to its end, by number.
pub fn solve<V: Velocity>(
    velocity: &V,
    solver: &Solver,
    span: (f64, f64),
    jets: &[u32],
    x: &[f64],
    with_jacobian: bool,
) -> Result<Solution, SurrogateError> {
    solver.check()?;
    let d = velocity.scores();
    if x.len() != jets.len() * d {
        return Err(SurrogateError::Length {
            what: "x",
            found: x.len(),
            expected: jets.len() * d,
        });
    }
    let chunk = |(index, (jets, x)): (usize, (&[u32], &[f64]))| {
        let solved = match solver {
            Solver::Adaptive(adaptive) => adaptive.solve(velocity, span, jets, x, with_jacobian),
            Solver::Fixed(fixed) => arrived(fixed.solve(velocity, span, jets, x, with_jacobian), d, span.1),
        };
        solved.map_err(|error| error.moved(index * CHUNK))
    };
    let chunks = jets.par_chunks(CHUNK).zip(x.par_chunks(CHUNK * d)).enumerate();
    let parts: Vec<Solution> = chunks.map(chunk).collect::<Result<_, _>>()?;
    let mut all = Solution {
        x: Vec::with_capacity(x.len()),
        log_jacobian: Vec::with_capacity(if with_jacobian { jets.len() } else { 0 }),
        evaluations: 0,
    };
    for part in parts {
        all.x.extend(part.x);
        all.log_jacobian.extend(part.log_jacobian);
        all.evaluations += part.evaluations;
    }
    Ok(all)
}

/// A solution of equal steps, which may have left the numbers on the way.
fn arrived(solution: Solution, d: usize, time: f64) -> Result<Solution, SurrogateError> {
    match solution.x.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(SurrogateError::Solver {
            row: at / d,
            time,
            reason: format!("it arrived at {}", solution.x[at]),
        }),
        None => Ok(solution),
    }
}

/// The analytic flow of a Gaussian, for tests: the velocity that is optimal for `x ~ N(mean, width^2)` of the jet.
#[cfg(test)]
pub(crate) mod gaussian {
    use super::{Times, Velocity};

    /// Means and widths of the jets.
    pub(crate) struct Gaussian {
        pub(crate) jets: Vec<(f64, f64)>,
        pub(crate) sigma_min: f64,
    }

    impl Gaussian {
        /// Deviation of the flow's density at t = 0: that of x + sigma_min z.
        pub(crate) fn width(&self, jet: usize) -> f64 {
            self.jets[jet].1.hypot(self.sigma_min)
        }
    }

    impl Velocity for Gaussian {
        type Scratch = ();

        fn scores(&self) -> usize {
            1
        }

        fn evaluate(&self, _: &mut (), jets: &[u32], times: Times, x: &[f64], v: &mut [f64], div: Option<&mut [f64]>) {
            let slope = |row: usize, t: f64| {
                let (_, s) = self.jets[jets[row] as usize];
                let a = self.sigma_min + (1.0 - self.sigma_min) * t;
                ((1.0 - self.sigma_min) * a - (1.0 - t) * s * s) / ((1.0 - t).powi(2) * s * s + a * a)
            };
            for row in 0..jets.len() {
                let (t, (mean, _)) = (times.of(row), self.jets[jets[row] as usize]);
                v[row] = -mean + slope(row, t) * (x[row] - (1.0 - t) * mean);
            }
            if let Some(div) = div {
                (0..jets.len()).for_each(|row| div[row] = slope(row, times.of(row)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::gaussian::Gaussian;
    use super::*;

    fn jets() -> Gaussian {
        Gaussian {
            jets: vec![(0.3, 0.2), (-0.7, 0.05), (0.0, 1.0), (1.4, 0.138)],
            sigma_min: 1e-4,
        }
    }

    fn rows(flow: &Gaussian, n: usize) -> (Vec<u32>, Vec<f64>) {
        let of: Vec<u32> = (0..n).map(|i| (i % flow.jets.len()) as u32).collect();
        let x = of.iter().enumerate().map(|(i, &jet)| {
            let jet = jet as usize;
            flow.jets[jet].0 + flow.width(jet) * (i as f64 / n as f64 * 8.0 - 4.0)
        });
        let x = x.collect();
        (of, x)
    }

    fn tight() -> Solver {
        Solver::Adaptive(Adaptive {
            absolute: 1e-11,
            relative: 1e-11,
            ..Adaptive::default()
        })
    }

    /// Largest differences to the analytic encoding, log-Jacobian and decoding.
    fn deviations(solver: &Solver) -> [f64; 3] {
        let flow = jets();
        let (of, x) = rows(&flow, 1003);
        let there = solve(&flow, solver, (0.0, 1.0), &of, &x, true).unwrap();
        let back = solve(&flow, solver, (1.0, 0.0), &of, &there.x, false).unwrap();
        let mut worst = [0f64; 3];
        for row in 0..x.len() {
            let jet = of[row] as usize;
            let width = flow.width(jet);
            let z = (x[row] - flow.jets[jet].0) / width;
            worst[0] = worst[0].max((there.x[row] - z).abs());
            worst[1] = worst[1].max((there.log_jacobian[row] + width.ln()).abs());
            worst[2] = worst[2].max((back.x[row] - x[row]).abs());
        }
        worst
    }

    #[test]
    fn gaussians_are_encoded_and_decoded_as_the_formula_says() {
        let worst = deviations(&tight());
        assert!(worst.iter().all(|&w| w < 1e-8), "{worst:?}");
        let worst = deviations(&Solver::default());
        assert!(worst.iter().all(|&w| w < 1e-3), "{worst:?}");
    }

    #[test]
    fn fixed_steps_converge_with_the_order_of_their_scheme() {
        for (scheme, order) in [(Scheme::Heun, 2), (Scheme::Rk4, 4)] {
            let error = |steps| deviations(&Solver::Fixed(Fixed { scheme, steps }))[0];
            let (coarse, fine) = (error(200), error(400));
            let measured = (coarse / fine).log2();
            assert!((measured - f64::from(order)).abs() < 0.5, "{scheme:?}: {coarse} {fine}");
        }
    }

    #[test]
    fn a_row_gets_the_same_bits_in_any_company() {
        let flow = jets();
        let (of, x) = rows(&flow, 1003);
        let all = solve(&flow, &Solver::default(), (0.0, 1.0), &of, &x, true).unwrap();
        for row in [0, 481, 1002] {
            let alone = solve(
                &flow,
                &Solver::default(),
                (0.0, 1.0),
                &of[row..=row],
                &x[row..=row],
                true,
            )
            .unwrap();
            assert_eq!(alone.x[0].to_bits(), all.x[row].to_bits());
            assert_eq!(alone.log_jacobian[0].to_bits(), all.log_jacobian[row].to_bits());
        }
    }

    #[test]
    fn what_cannot_be_solved_is_an_error_that_names_the_row() {
        let flow = jets();
        let (of, mut x) = rows(&flow, 1003);
        x[700] = f64::NAN;
        let error = solve(&flow, &Solver::default(), (0.0, 1.0), &of, &x, false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("row 700"), "{error}");
        assert!(solve(&flow, &Solver::default(), (0.0, 1.0), &of, &x[1..], false).is_err());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let solver = Solver::Adaptive(Adaptive {
                relative: bad,
                ..Adaptive::default()
            });
            assert!(solver.check().unwrap_err().to_string().contains("relative"));
        }
    }
}
