//! Dormand and Prince's pair of order 5(4) with error control a row.
//!
//! J. Appl. Comput. Math. 6 (1980) 19. Rows step side by side, each with its own time and step; those that have arrived
//! leave, and the others close up.

use super::{Solution, Times, Velocity};
use crate::error::SurrogateError;
use serde::{Deserialize, Serialize};

/// Steps that keep the estimated error of each row below its tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adaptive {
    /// Error of a step that is always allowed, in units of x. Default: 1e-6, as released.
    pub absolute: f64,
    /// Error of a step relative to x that is allowed beside it. Default: 1e-5, as released.
    pub relative: f64,
    /// Weight of the error of the log-Jacobian beside that of x. Default: 0.1. (Released: 0.01, with errors of 2e-3 in
    /// ln p of a Gaussian.)
    pub jacobian_weight: f64,
    /// Steps of a row, accepted or not, after which the solver gives up. Default: 10,000.
    pub max_steps: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self {
            absolute: 1e-6,
            relative: 1e-5,
            jacobian_weight: 0.1,
            max_steps: 10_000,
        }
    }
}

const C: [f64; 7] = [0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];
/// The last row is the step itself, so that its velocity is the first of the next step.
const A: [&[f64]; 7] = [
    &[],
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[
        9017.0 / 3168.0,
        -355.0 / 33.0,
        46732.0 / 5247.0,
        49.0 / 176.0,
        -5103.0 / 18656.0,
    ],
    &[
        35.0 / 384.0,
        0.0,
        500.0 / 1113.0,
        125.0 / 192.0,
        -2187.0 / 6784.0,
        11.0 / 84.0,
    ],
];
/// Order 5 minus order 4.
const E: [f64; 7] = [
    71.0 / 57600.0,
    0.0,
    -71.0 / 16695.0,
    71.0 / 1920.0,
    -17253.0 / 339200.0,
    22.0 / 525.0,
    -1.0 / 40.0,
];

/// The first step, as a share of the way. (Released: the whole way.)
const FIRST_STEP: f64 = 0.125;

/// The rows that are still on their way. One entry a row, or `D`.
struct Active {
    row: Vec<usize>,
    jet: Vec<u32>,
    x: Vec<f64>,
    log_jacobian: Vec<f64>,
    time: Vec<f64>,
    step: Vec<f64>,
    steps: Vec<u32>,
    /// Velocities of the seven stages, and divergences.
    k: [Vec<f64>; 7],
    g: [Vec<f64>; 7],
}

impl Adaptive {
    pub(super) fn check(&self) -> Result<(), SurrogateError> {
        for (setting, value) in [("solver.absolute", self.absolute), ("solver.relative", self.relative)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(SurrogateError::Setting {
                    setting,
                    value: value.to_string(),
                    wanted: "above 0 and below 1",
                });
            }
        }
        if !(self.jacobian_weight > 0.0 && self.jacobian_weight <= 1.0) {
            return Err(SurrogateError::Setting {
                setting: "solver.jacobian_weight",
                value: self.jacobian_weight.to_string(),
                wanted: "above 0, at most 1",
            });
        }
        if self.max_steps == 0 {
            return Err(SurrogateError::Setting {
                setting: "solver.max_steps",
                value: "0".to_owned(),
                wanted: "at least 1",
            });
        }
        Ok(())
    }

    pub(super) fn solve<V: Velocity>(
        &self,
        velocity: &V,
        span: (f64, f64),
        jets: &[u32],
        x: &[f64],
        with_jacobian: bool,
    ) -> Result<Solution, SurrogateError> {
        let (rows, d) = (jets.len(), velocity.scores());
        let mut scratch = V::Scratch::default();
        let mut solution = Solution {
            x: vec![0.0; rows * d],
            log_jacobian: vec![0.0; if with_jacobian { rows } else { 0 }],
            evaluations: rows as u64,
        };
        let zeros = || std::array::from_fn(|_| vec![0.0; rows]);
        let mut active = Active {
            row: (0..rows).collect(),
            jet: jets.to_vec(),
            x: x.to_vec(),
            log_jacobian: vec![0.0; rows],
            time: vec![span.0; rows],
            step: vec![FIRST_STEP * (span.1 - span.0); rows],
            steps: vec![0; rows],
            k: std::array::from_fn(|_| vec![0.0; rows * d]),
            g: zeros(),
        };
        let wanted = with_jacobian.then_some(&mut active.g[0][..]);
        velocity.evaluate(&mut scratch, jets, Times::Shared(span.0), x, &mut active.k[0], wanted);
        let mut at = x.to_vec();
        let mut times = vec![0.0; rows];
        while !active.row.is_empty() {
            let n = active.row.len();
            at.truncate(n * d);
            times.truncate(n);
            for stage in 1..7 {
                let (before, rest) = active.k.split_at_mut(stage);
                for (row, time) in times.iter_mut().enumerate() {
                    let h = active.step[row];
                    *time = active.time[row] + C[stage] * h;
                    for i in row * d..(row + 1) * d {
                        let sum: f64 = A[stage].iter().zip(&*before).map(|(a, k)| a * k[i]).sum();
                        at[i] = active.x[i] + h * sum;
                    }
                }
                let wanted = with_jacobian.then_some(&mut active.g[stage][..]);
                velocity.evaluate(
                    &mut scratch,
                    &active.jet,
                    Times::Each(&times),
                    &at,
                    &mut rest[0],
                    wanted,
                );
            }
            solution.evaluations += 6 * n as u64;
            self.judge(&mut active, &at, d, span, with_jacobian)?;
            active.leave(&mut solution, d, span.1);
        }
        Ok(solution)
    }

    /// Accepts or rejects each row's step, whose end is `at`, and chooses the next.
    fn judge(
        &self,
        active: &mut Active,
        at: &[f64],
        d: usize,
        span: (f64, f64),
        with_jacobian: bool,
    ) -> Result<(), SurrogateError> {
        let share =
            |error: f64, old: f64, new: f64| error.abs() / (self.absolute + self.relative * old.abs().max(new.abs()));
        for row in 0..active.row.len() {
            let h = active.step[row];
            // `f64::max` would pass over a NaN.
            let worse = |a: f64, b: f64| if b > a || b.is_nan() { b } else { a };
            let mut ratio = 0.0;
            for i in row * d..(row + 1) * d {
                let error: f64 = E.iter().zip(&active.k).map(|(e, k)| e * k[i]).sum();
                ratio = worse(ratio, share(h * error, active.x[i], at[i]));
            }
            let mut log_jacobian = active.log_jacobian[row];
            if with_jacobian {
                let error: f64 = E.iter().zip(&active.g).map(|(e, g)| e * g[row]).sum();
                let gain: f64 = A[6].iter().zip(&active.g).map(|(a, g)| a * g[row]).sum();
                let old = log_jacobian;
                log_jacobian += h * gain;
                let weight = self.jacobian_weight;
                ratio = worse(ratio, share(h * error * weight, old * weight, log_jacobian * weight));
            }
            active.steps[row] += 1;
            let factor = if ratio.is_nan() {
                0.1
            } else {
                (0.9 * ratio.powf(-0.2)).clamp(0.1, 10.0)
            };
            if ratio < 1.0 {
                let values = row * d..(row + 1) * d;
                active.x[values.clone()].copy_from_slice(&at[values.clone()]);
                let [first, .., last] = &mut active.k;
                first[values.clone()].copy_from_slice(&last[values]);
                active.g[0][row] = active.g[6][row];
                active.log_jacobian[row] = log_jacobian;
                active.time[row] += h;
            }
            let left = span.1 - active.time[row];
            let next = h * factor;
            // A step that would leave a sliver goes to the end, whose time is then set and not summed.
            active.step[row] = if next.abs() >= left.abs() * (1.0 - 1e-9) {
                left
            } else {
                next
            };
            let tiny = (span.1 - span.0).abs() * 1e-12;
            if ratio < 1.0 && left.abs() <= tiny {
                active.time[row] = span.1;
                continue;
            }
            if active.steps[row] >= self.max_steps || active.step[row].abs() <= tiny {
                return Err(SurrogateError::Solver {
                    row: active.row[row],
                    time: active.time[row],
                    reason: format!(
                        "{} steps, the last of {h:e}, with an error of {ratio} times the tolerance, at x = {:?}",
                        active.steps[row],
                        &active.x[row * d..(row + 1) * d]
                    ),
                });
            }
        }
        Ok(())
    }
}

impl Active {
    /// Takes the rows that have arrived out and closes the gaps.
    fn leave(&mut self, solution: &mut Solution, d: usize, end: f64) {
        let mut kept = 0;
        for row in 0..self.row.len() {
            if self.time[row] == end {
                let to = self.row[row];
                solution.x[to * d..(to + 1) * d].copy_from_slice(&self.x[row * d..(row + 1) * d]);
                if let Some(l) = solution.log_jacobian.get_mut(to) {
                    *l = self.log_jacobian[row];
                }
                continue;
            }
            if kept < row {
                self.row[kept] = self.row[row];
                self.jet[kept] = self.jet[row];
                self.time[kept] = self.time[row];
                self.step[kept] = self.step[row];
                self.steps[kept] = self.steps[row];
                self.log_jacobian[kept] = self.log_jacobian[row];
                self.x.copy_within(row * d..(row + 1) * d, kept * d);
                self.k[0].copy_within(row * d..(row + 1) * d, kept * d);
                self.g[0][kept] = self.g[0][row];
            }
            kept += 1;
        }
        self.row.truncate(kept);
        self.jet.truncate(kept);
        for values in [&mut self.time, &mut self.step, &mut self.log_jacobian] {
            values.truncate(kept);
        }
        self.steps.truncate(kept);
        self.x.truncate(kept * d);
        self.k.iter_mut().for_each(|k| k.truncate(kept * d));
        self.g.iter_mut().for_each(|g| g.truncate(kept));
    }
}
