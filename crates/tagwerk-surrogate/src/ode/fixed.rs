//! Explicit Runge-Kutta schemes with equal steps.

use super::{Solution, Times, Velocity};
use crate::error::SurrogateError;
use serde::{Deserialize, Serialize};

/// Which scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Heun's, of order 2 with two evaluations a step.
    Heun,
    /// The classical one of order 4 with four evaluations a step.
    Rk4,
}

/// Equal steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fixed {
    /// The scheme: `heun` or `rk4`. Default: rk4.
    pub scheme: Scheme,
    /// Steps from one end to the other. Default: 20.
    pub steps: u32,
}

impl Default for Fixed {
    fn default() -> Self {
        Self {
            scheme: Scheme::Rk4,
            steps: 20,
        }
    }
}

/// The coefficients of an explicit scheme: stage `i` is at time `c[i]` and adds `a[i][j]` of the velocities before it;
/// the step adds `b[i]` of all.
#[derive(Debug)]
pub(crate) struct Tableau {
    pub(crate) c: &'static [f64],
    pub(crate) a: &'static [&'static [f64]],
    pub(crate) b: &'static [f64],
}

const HEUN: Tableau = Tableau {
    c: &[0.0, 1.0],
    a: &[&[], &[1.0]],
    b: &[0.5, 0.5],
};

const RK4: Tableau = Tableau {
    c: &[0.0, 0.5, 0.5, 1.0],
    a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
};

impl Scheme {
    /// Its coefficients.
    pub(crate) fn tableau(self) -> &'static Tableau {
        match self {
            Self::Heun => &HEUN,
            Self::Rk4 => &RK4,
        }
    }
}

impl Fixed {
    pub(super) fn check(&self) -> Result<(), SurrogateError> {
        if (1..=100_000).contains(&self.steps) {
            return Ok(());
        }
        Err(SurrogateError::Setting {
            setting: "solver.steps",
            value: self.steps.to_string(),
            wanted: "1 to 100000",
        })
    }

    /// Solves without a look at where it arrives.
    pub(crate) fn solve<V: Velocity>(
        &self,
        velocity: &V,
        span: (f64, f64),
        jets: &[u32],
        x: &[f64],
        with_jacobian: bool,
    ) -> Solution {
        let tableau = self.scheme.tableau();
        let stages = tableau.c.len();
        let mut scratch = V::Scratch::default();
        let mut x = x.to_vec();
        let mut log_jacobian = vec![0.0; if with_jacobian { jets.len() } else { 0 }];
        let mut k = vec![vec![0.0; x.len()]; stages];
        let mut at = x.clone();
        let mut divergence = log_jacobian.clone();
        let h = (span.1 - span.0) / f64::from(self.steps);
        for step in 0..self.steps {
            let start = span.0 + h * f64::from(step);
            for stage in 0..stages {
                at.copy_from_slice(&x);
                for (&a, k) in tableau.a[stage].iter().zip(&k).filter(|(a, _)| **a != 0.0) {
                    at.iter_mut().zip(k).for_each(|(at, k)| *at += h * a * k);
                }
                let times = Times::Shared(start + h * tableau.c[stage]);
                let wanted = with_jacobian.then_some(&mut divergence[..]);
                velocity.evaluate(&mut scratch, jets, times, &at, &mut k[stage], wanted);
                for (l, g) in log_jacobian.iter_mut().zip(&divergence) {
                    *l += h * tableau.b[stage] * g;
                }
            }
            for (&b, k) in tableau.b.iter().zip(&k) {
                x.iter_mut().zip(k).for_each(|(x, k)| *x += h * b * k);
            }
        }
        Solution {
            x,
            log_jacobian,
            evaluations: (jets.len() * stages) as u64 * u64::from(self.steps),
        }
    }
}
