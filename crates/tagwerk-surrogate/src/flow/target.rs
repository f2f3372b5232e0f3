//! A flow on its data as a posterior's target: a loss of each row for a flat vector of weights.
//!
//! Two losses. The exact negative log-likelihood makes a posterior what Bayes' rule calls one (with lambda = 1 on the
//! sum), and costs a solve a row. The flow-matching loss costs one evaluation of the network; it is no likelihood, so
//! that exp(-lambda L) is a Gibbs posterior whose temperature is a choice, as in the original's variational network.
//! Weights are rounded to f32, which the network computes in.

use super::{Coupling, ExactLikelihood, Examples, FlowConfig, Pairs, matching_losses};
use crate::error::SurrogateError;
use crate::ode::{Fixed, Scheme, Solver};
use crate::posterior::{LinearLayers, Part, Target, TargetError};
use crate::velocity::VelocityNet;
use serde::{Deserialize, Serialize};

/// Stream of times and noise of the matching loss.
const NOISE: &str = "surrogate posterior";

/// What the loss of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FlowLoss {
    /// -ln p(x | c), with the gradient of the solver's own steps.
    Likelihood {
        /// The scheme. Default: rk4.
        #[serde(default = "rk4")]
        scheme: Scheme,
        /// Steps. Default: 8.
        #[serde(default = "eight")]
        steps: u32,
    },
    /// The squared difference of the velocity and its target, averaged over `draws` times and noises, which are the
    /// row's own and the same in every call, so that a step is compared like with like.
    Matching {
        /// Times and noises a row and draw. Default: 1.
        #[serde(default = "one")]
        draws: u32,
        /// Seed of times and noise. Default: 0.
        #[serde(default)]
        seed: u64,
    },
}

fn rk4() -> Scheme {
    Scheme::Rk4
}

fn eight() -> u32 {
    8
}

fn one() -> u32 {
    1
}

impl Default for FlowLoss {
    fn default() -> Self {
        Self::Likelihood {
            scheme: rk4(),
            steps: eight(),
        }
    }
}

impl FlowLoss {
    /// # Errors
    /// No steps, or no draws.
    pub fn check(&self) -> Result<(), SurrogateError> {
        match *self {
            Self::Likelihood { scheme, steps } => Solver::Fixed(Fixed { scheme, steps }).check(),
            Self::Matching { draws: 0, .. } => Err(SurrogateError::Setting {
                setting: "loss.draws",
                value: "0".to_owned(),
                wanted: "at least 1",
            }),
            Self::Matching { .. } => Ok(()),
        }
    }
}

/// The network, the data, and the loss.
pub struct FlowTarget<'a> {
    /// The network.
    pub net: &'a VelocityNet,
    /// The data.
    pub examples: Examples<'a, f32>,
    /// How paths are drawn for the matching loss.
    pub flow: FlowConfig,
    /// The loss.
    pub loss: FlowLoss,
}

impl FlowTarget<'_> {
    fn rows_of(&self, part: Part) -> Vec<usize> {
        part.rows()
            .map_or_else(|| (0..self.examples.len()).collect(), <[usize]>::to_vec)
    }

    /// Points on paths of the rows of a part for one of the draws of the matching loss.
    pub(super) fn pairs(&self, part: Part, draw: u32) -> Result<Pairs<f32>, SurrogateError> {
        let FlowLoss::Matching { draws, seed } = self.loss else {
            return Err(SurrogateError::Setting {
                setting: "loss",
                value: "likelihood".to_owned(),
                wanted: "matching",
            });
        };
        // Couplings of rows of a batch would make a row's loss depend on the other rows.
        let flow = FlowConfig {
            coupling: Coupling::Independent,
            ..self.flow
        };
        let index = part.draw().wrapping_mul(u64::from(draws)).wrapping_add(u64::from(draw));
        flow.draw_by_row(self.examples, &self.rows_of(part), (seed, NOISE, index))
    }

    /// Losses, and the gradient of their sum added where one is given.
    fn compute(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: Option<&mut [f32]>,
    ) -> Result<(), TargetError> {
        let theta: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
        match self.loss {
            FlowLoss::Likelihood { scheme, steps } => {
                let rows = self.rows_of(part);
                let likelihood = ExactLikelihood {
                    steps: Fixed { scheme, steps },
                };
                match gradient {
                    Some(sum) => likelihood.losses_and_gradient(self.net, &theta, self.examples, &rows, losses, sum)?,
                    None => likelihood.losses(self.net, &theta, self.examples, &rows, losses)?,
                }
            }
            FlowLoss::Matching { draws, .. } => {
                losses.fill(0.0);
                let mut sum = gradient;
                let mut own = vec![0.0; losses.len()];
                let share = 1.0 / f64::from(draws);
                let mut added = vec![0.0f32; sum.as_ref().map_or(0, |sum| sum.len())];
                for draw in 0..draws {
                    let pairs = self.pairs(part, draw)?;
                    let wanted = sum.is_some().then_some(&mut added[..]);
                    matching_losses(self.net, &theta, &pairs, &mut own, wanted)?;
                    losses.iter_mut().zip(&own).for_each(|(loss, own)| *loss += share * own);
                }
                if let Some(sum) = &mut sum {
                    let share = share as f32;
                    sum.iter_mut().zip(&added).for_each(|(sum, g)| *sum += share * g);
                }
            }
        }
        Ok(())
    }
}

impl Target for FlowTarget<'_> {
    fn weights(&self) -> usize {
        self.net.parameter_count()
    }

    fn rows(&self) -> usize {
        self.examples.len()
    }

    fn tensors(&self) -> Vec<usize> {
        self.net.entries().iter().map(|entry| entry.range.len()).collect()
    }

    fn linear_layers(&self) -> Option<&dyn LinearLayers> {
        // A solver applies each layer many times to a row.
        matches!(self.loss, FlowLoss::Matching { .. }).then_some(self)
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        self.compute(weights, part, losses, None)
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        let mut sum = vec![0.0f32; self.net.parameter_count()];
        self.compute(weights, part, losses, Some(&mut sum))?;
        (gradient.iter_mut().zip(&sum)).for_each(|(g, s)| *g = f64::from(*s));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::velocity::VelocityConfig;
    use tagwerk_data::random::{normal, stream};

    /// Protects the samplers: the gradient that they get is that of the losses that they get, on a part as on all.
    #[test]
    fn the_gradient_is_that_of_the_sum_of_losses() {
        let net = VelocityNet::new(
            VelocityConfig {
                width: 8,
                blocks: 2,
                ..VelocityConfig::default()
            },
            1,
            2,
        )
        .unwrap();
        let mut rng = stream(5, "target test", 0);
        let mut draw =
            |n: usize, scale: f64| -> Vec<f32> { (0..n).map(|_| (scale * normal(&mut rng)) as f32).collect() };
        let (x, c) = (draw(40, 0.3), draw(80, 1.0));
        let examples = Examples::new(&x, &c, 1, 2).unwrap();
        let theta: Vec<f64> = net.init(3).into_iter().map(f64::from).collect();
        let direction: Vec<f64> = draw(theta.len(), 1.0).into_iter().map(f64::from).collect();
        for loss in [FlowLoss::default(), FlowLoss::Matching { draws: 3, seed: 1 }] {
            let target = FlowTarget {
                net: &net,
                examples,
                flow: FlowConfig::default(),
                loss,
            };
            let some = [3, 17, 17, 30];
            for part in [Part::all(), Part::of(&some)] {
                let rows = part.len(40);
                let (mut losses, mut gradient) = (vec![0.0; rows], vec![0.0; theta.len()]);
                target
                    .loss_and_gradient(&theta, part, &mut losses, &mut gradient)
                    .unwrap();
                let at = |step: f64| {
                    let moved: Vec<f64> = theta.iter().zip(&direction).map(|(t, d)| t + step * d).collect();
                    let mut losses = vec![0.0; rows];
                    target.losses(&moved, part, &mut losses).unwrap();
                    losses.iter().sum::<f64>()
                };
                let slope = (at(2e-3) - at(-2e-3)) / 4e-3;
                let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
                // Differences of f32 losses over 4e-3, and the third derivative.
                assert!(
                    (slope - expected).abs() < 2e-2 * (1.0 + expected.abs()),
                    "{loss:?}: {slope} {expected}"
                );
                assert!((at(0.0) - losses.iter().sum::<f64>()).abs() < 1e-3 * losses.len() as f64);
                // The row that stands twice has one loss.
                if rows == 4 {
                    assert_eq!(losses[1], losses[2]);
                }
            }
        }
    }
}
