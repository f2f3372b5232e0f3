//! One-pass minimization: moves N axes downhill to a minimum of tau_N near where a clustering has put them.
//!
//! Thaler, Van Tilburg, arXiv:1108.2701: as in k-means, every constituent is given to its nearest axis, then every axis
//! moves to the mean of its constituents, weighted with pT R^(beta - 2). For beta = 2 this is the centroid of Lloyd's
//! algorithm, for beta = 1 Weiszfeld's step to the geometric median. Three additions make it safe: a step that raises
//! tau is halved until it does not; an axis that sits on a constituent, where that weight diverges, leaves it
//! only if the others pull hard enough (Vardi, Zhang, PNAS 97, 1423); and for beta <= 1, where the minima are cusps on
//! constituents that the iteration only creeps up to, the last step tries the nearest constituent itself.

use super::axes::Points;
use super::{Power, dot};
use crate::{PhysicsError, wrap_phi};
use serde::{Deserialize, Serialize};

/// When a minimization stops. The defaults end where tau is stable in its sixth digit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnePass {
    /// Most updates of the axes. Default: 1000.
    pub max_updates: usize,
    /// The relative fall of tau below which an update is the last, at least 0 and below 1. Default: 1e-7.
    pub tolerance: f64,
}

impl Default for OnePass {
    fn default() -> Self {
        Self {
            max_updates: 1000,
            tolerance: 1e-7,
        }
    }
}

impl OnePass {
    pub(super) fn check(&self) -> Result<(), PhysicsError> {
        if !(self.tolerance >= 0.0 && self.tolerance < 1.0) {
            return Err(PhysicsError::Setting {
                name: "tolerance",
                value: self.tolerance,
                limit: "at least 0 and below 1",
            });
        }
        Ok(())
    }
}

/// An axis this close to a constituent, squared, sits on it.
const SAME_PLACE2: f64 = 1e-24;

/// A step is halved at most this often.
const MAX_HALVINGS: usize = 12;

/// Working memory of the minimization.
#[derive(Debug, Clone, Default)]
pub(super) struct Minimizer {
    /// Squared distance to the nearest axis, that axis, and the power of the distance: `[n]` each.
    nearest2: Vec<f64>,
    nearest: Vec<u32>,
    powered: Vec<f64>,
    row: Vec<f64>,
    /// `[N]` each.
    pulls: Vec<Pull>,
    trial: Vec<[f64; 2]>,
}

/// What the constituents of one axis do to it.
#[derive(Debug, Clone, Copy, Default)]
struct Pull {
    /// Sum of pT R^(beta - 2) times the way to the constituent.
    x: f64,
    phi: f64,
    /// Sum of pT R^(beta - 2).
    weight: f64,
    /// Transverse momentum that sits on the axis.
    on_axis: f64,
}

impl Minimizer {
    /// Moves `axes` to a minimum and returns sum_i pT_i min_n R_in^beta there, which is never above that at the start.
    pub fn minimize(&mut self, points: &Points, axes: &mut [[f64; 2]], power: Power, one_pass: &OnePass) -> f64 {
        let mut tau = self.evaluate(points, axes, power);
        let mut scale = 1.0;
        for _ in 0..one_pass.max_updates {
            self.gather_pulls(points, axes);
            let before = tau;
            for _ in 0..MAX_HALVINGS {
                self.trial.clear();
                for (axis, pull) in axes.iter().zip(&self.pulls) {
                    let [dx, dphi] = pull.step(power.beta());
                    self.trial
                        .push([axis[0] + scale * dx, wrap_phi(axis[1] + scale * dphi)]);
                }
                if self.accept_if_lower(points, axes, power, &mut tau) {
                    break;
                }
                scale *= 0.5;
            }
            // Also where no step was accepted. Neither distances nor momenta are NaN.
            if before - tau <= one_pass.tolerance * before {
                break;
            }
            scale = (2.0 * scale).min(1.0);
        }
        if power.beta() <= 1.0 {
            for n in 0..axes.len() {
                self.try_nearest_constituent(n, points, axes, power, &mut tau);
            }
        }
        tau
    }

    /// Gives each point to its nearest axis and returns sum_i pT_i R_i^beta.
    fn evaluate(&mut self, points: &Points, axes: &[[f64; 2]], power: Power) -> f64 {
        let count = points.weight.len();
        self.row.resize(count, 0.0);
        self.powered.resize(count, 0.0);
        self.nearest.clear();
        self.nearest.resize(count, 0);
        self.nearest2.clear();
        self.nearest2.resize(count, f64::INFINITY);
        for (n, &axis) in (0u32..).zip(axes) {
            points.distances2(axis, &mut self.row);
            for ((&new, nearest2), nearest) in self.row.iter().zip(&mut self.nearest2).zip(&mut self.nearest) {
                let closer = new < *nearest2;
                *nearest2 = if closer { new } else { *nearest2 };
                *nearest = if closer { n } else { *nearest };
            }
        }
        power.apply(&self.nearest2, &mut self.powered);
        dot(&points.weight, &self.powered)
    }

    /// Sums the pulls on all axes, for the assignment of the last evaluation of exactly these axes.
    fn gather_pulls(&mut self, points: &Points, axes: &[[f64; 2]]) {
        self.pulls.clear();
        self.pulls.resize(axes.len(), Pull::default());
        for i in 0..points.weight.len() {
            let n = self.nearest[i] as usize;
            let (axis, pull, distance2) = (axes[n], &mut self.pulls[n], self.nearest2[i]);
            if distance2 <= SAME_PLACE2 {
                pull.on_axis += points.weight[i];
                continue;
            }
            let weight = points.weight[i] * self.powered[i] / distance2;
            pull.x += weight * (points.x[i] - axis[0]);
            pull.phi += weight * wrap_phi(points.phi[i] - axis[1]);
            pull.weight += weight;
        }
    }

    /// Takes the trial axes if they lower tau. If not, the assignment is no longer that of `axes`.
    fn accept_if_lower(&mut self, points: &Points, axes: &mut [[f64; 2]], power: Power, tau: &mut f64) -> bool {
        let trial = std::mem::take(&mut self.trial);
        let lower = self.evaluate(points, &trial, power);
        let accepted = lower < *tau;
        if accepted {
            *tau = lower;
            axes.copy_from_slice(&trial);
        }
        self.trial = trial;
        accepted
    }

    /// Puts axis `n` on the constituent nearest to it if that lowers tau.
    fn try_nearest_constituent(
        &mut self,
        n: usize,
        points: &Points,
        axes: &mut [[f64; 2]],
        power: Power,
        tau: &mut f64,
    ) {
        points.distances2(axes[n], &mut self.row);
        let closest = (0..self.row.len()).min_by(|&a, &b| self.row[a].total_cmp(&self.row[b]));
        if let Some(closest) = closest {
            self.trial.clear();
            self.trial.extend_from_slice(axes);
            self.trial[n] = [points.x[closest], points.phi[closest]];
            self.accept_if_lower(points, axes, power, tau);
        }
    }
}

impl Pull {
    /// The way to where tau is lower.
    fn step(&self, beta: f64) -> [f64; 2] {
        // An axis without constituents of weight, or with all of them on it, stays.
        if self.weight <= 0.0 {
            return [0.0; 2];
        }
        let mut factor = 1.0 / self.weight;
        if self.on_axis > 0.0 {
            // The constituent on the axis holds it with its momentum at beta = 1, without limit below, not at all
            // above.
            if beta < 1.0 {
                return [0.0; 2];
            }
            if beta == 1.0 {
                let pull = self.x.hypot(self.phi);
                if pull <= self.on_axis {
                    return [0.0; 2];
                }
                factor *= 1.0 - self.on_axis / pull;
            }
        }
        // Above beta = 2 the mean overshoots: along the way to a constituent, tau bends beta - 1 times as strongly.
        factor /= (beta - 1.0).max(1.0);
        [factor * self.x, factor * self.phi]
    }
}
