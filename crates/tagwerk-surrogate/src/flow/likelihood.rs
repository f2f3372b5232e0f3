//! The exact likelihood of the flow, and its gradient with respect to the weights.
//!
//! -ln p(x | c) = -ln N(z; 0, 1) - ln |dz/dx| with z and the Jacobian from one solve of t = 0 to 1. The gradient is that
//! of the solver's own arithmetic with fixed steps (discretize, then optimize): the chain of stages is gone through
//! backward, each stage's network is computed again from its x, and cotangents of v and dv/dx give those of weights and x.
//! It is the exact gradient of the number that the solver returns, which a Metropolis test needs, and takes the memory
//! of one number a stage.

use super::{Examples, groups, sum_in_order};
use crate::error::SurrogateError;
use crate::ode::{Fixed, Solver};
use crate::velocity::{Folded, Real, Tape, VelocityNet, gradient_tile, time_features};
use rayon::prelude::*;

/// ln sqrt(2 pi).
pub(crate) const LN_ROOT_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// Rows of one task of losses without gradient.
const PIECE: usize = 480;

/// The negative log-likelihood of one score in x, with fixed steps. The mean over rows, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactLikelihood {
    /// The steps.
    pub steps: Fixed,
}

impl ExactLikelihood {
    /// Mean of -ln p(x | c) over `rows` of the examples at the weights `theta` `[P]`.
    ///
    /// # Errors
    /// More than one score; no rows; rows that are not there; weights at which the flow leaves the numbers.
    pub fn loss<T: Real>(
        &self,
        net: &VelocityNet,
        theta: &[T],
        examples: Examples<'_, T>,
        rows: &[usize],
    ) -> Result<f64, SurrogateError> {
        let mut losses = vec![0.0; rows.len()];
        self.losses(net, theta, examples, rows, &mut losses)?;
        mean(&losses)
    }

    /// The same; the gradient of the mean is added to `gradient` `[P]`.
    ///
    /// # Errors
    /// As [`loss`](Self::loss).
    pub fn loss_and_gradient<T: Real>(
        &self,
        net: &VelocityNet,
        theta: &[T],
        examples: Examples<'_, T>,
        rows: &[usize],
        gradient: &mut [T],
    ) -> Result<f64, SurrogateError> {
        let mut losses = vec![0.0; rows.len()];
        let scale = 1.0 / rows.len().max(1) as f64;
        self.scaled_gradient(net, theta, examples, rows, &mut losses, gradient, scale)?;
        mean(&losses)
    }

    /// -ln p(x | c) of each of `rows`, `losses` `[rows]`. Where the flow leaves the numbers, so does the loss.
    ///
    /// # Errors
    /// More than one score; no rows; rows that are not there.
    pub fn losses<T: Real>(
        &self,
        net: &VelocityNet,
        theta: &[T],
        examples: Examples<'_, T>,
        rows: &[usize],
        losses: &mut [f64],
    ) -> Result<(), SurrogateError> {
        check(net, examples, rows, losses)?;
        Solver::Fixed(self.steps).check()?;
        let folded = net.fold(theta)?;
        let pieces = rows.par_chunks(PIECE).zip(losses.par_chunks_mut(PIECE));
        pieces.try_for_each(|(rows, losses)| {
            let (x, c) = gather(examples, rows);
            let x: Vec<f64> = x.iter().map(|x| x.wide()).collect();
            let jets: Vec<u32> = (0..rows.len() as u32).collect();
            let conditioned = folded.condition(&c)?;
            let end = self.steps.solve(&conditioned, (0.0, 1.0), &jets, &x, true);
            for ((loss, z), l) in losses.iter_mut().zip(&end.x).zip(&end.log_jacobian) {
                *loss = 0.5 * z * z + LN_ROOT_TWO_PI - l;
            }
            Ok(())
        })
    }

    /// The same; the gradient of the **sum** is added to `gradient` `[P]`. These losses are summed up in another order
    /// than those of [`losses`](Self::losses), and differ from them by the rounding of the network's precision.
    ///
    /// # Errors
    /// As [`losses`](Self::losses).
    pub fn losses_and_gradient<T: Real>(
        &self,
        net: &VelocityNet,
        theta: &[T],
        examples: Examples<'_, T>,
        rows: &[usize],
        losses: &mut [f64],
        gradient: &mut [T],
    ) -> Result<(), SurrogateError> {
        self.scaled_gradient(net, theta, examples, rows, losses, gradient, 1.0)
    }

    #[allow(clippy::too_many_arguments)]
    fn scaled_gradient<T: Real>(
        &self,
        net: &VelocityNet,
        theta: &[T],
        examples: Examples<'_, T>,
        rows: &[usize],
        losses: &mut [f64],
        gradient: &mut [T],
        scale: f64,
    ) -> Result<(), SurrogateError> {
        check(net, examples, rows, losses)?;
        net.check_length("the gradient", gradient.len())?;
        Solver::Fixed(self.steps).check()?;
        let folded = net.fold(theta)?;
        let groups = groups(rows.len(), gradient_tile());
        let size = groups[0].len();
        let parts: Vec<Vec<T>> = rows
            .par_chunks(size)
            .zip(losses.par_chunks_mut(size))
            .with_max_len(1)
            .map(|(rows, losses)| {
                let mut sum = vec![T::ZERO; folded.len()];
                let mut tile = Unrolled::default();
                let tiles = rows.chunks(gradient_tile()).zip(losses.chunks_mut(gradient_tile()));
                for (rows, losses) in tiles {
                    tile.add(self.steps, net, &folded, gather(examples, rows), losses, &mut sum);
                }
                sum
            })
            .collect();
        let mut sum = sum_in_order(&parts);
        sum.iter_mut().for_each(|g| *g = T::of(g.wide() * scale));
        net.unfold_gradient(theta, &sum, gradient);
        Ok(())
    }
}

/// The mean of losses that are numbers.
fn mean(losses: &[f64]) -> Result<f64, SurrogateError> {
    match losses.iter().position(|loss| !loss.is_finite()) {
        Some(row) => Err(SurrogateError::Solver {
            row,
            time: 1.0,
            reason: format!("-ln p is {}", losses[row]),
        }),
        None => Ok(losses.iter().sum::<f64>() / losses.len() as f64),
    }
}

fn check<T: Real>(
    net: &VelocityNet,
    examples: Examples<'_, T>,
    rows: &[usize],
    losses: &[f64],
) -> Result<(), SurrogateError> {
    if net.scores() != 1 || examples.scores != 1 {
        return Err(SurrogateError::Setting {
            setting: "number of scores of an exact likelihood with gradient",
            value: net.scores().max(examples.scores).to_string(),
            wanted: "1",
        });
    }
    let largest = rows.iter().max().map_or(0, |row| row + 1);
    for (what, found, expected) in [
        ("conditions a row", examples.conditions, net.conditions()),
        ("rows of a batch", rows.len(), rows.len().max(1)),
        ("losses", losses.len(), rows.len()),
        ("rows of the examples", examples.len(), examples.len().max(largest)),
    ] {
        if found != expected {
            return Err(SurrogateError::Length { what, found, expected });
        }
    }
    Ok(())
}

/// x `[N]` and conditions `[N, C]` of some rows.
fn gather<T: Real>(examples: Examples<'_, T>, rows: &[usize]) -> (Vec<T>, Vec<T>) {
    let width = examples.conditions;
    let c = rows.iter().flat_map(|&row| &examples.c[row * width..(row + 1) * width]);
    (rows.iter().map(|&row| examples.x[row]).collect(), c.copied().collect())
}

/// The solver unrolled for one tile of rows.
#[derive(Debug, Default)]
struct Unrolled<T> {
    tape: Tape<T>,
    /// Time features and conditions, `[rows, F + C]`.
    features: Vec<T>,
    /// x of each stage of each step, `[steps][stages][rows]`.
    stages: Vec<Vec<f64>>,
    /// Velocities of a step's stages, and on the way back the cotangents of their x.
    k: Vec<Vec<f64>>,
    narrow: Vec<T>,
}

impl<T: Real> Unrolled<T> {
    /// -ln p of each row of a tile; adds the gradient of their sum with respect to the folded network to `sum`.
    fn add(
        &mut self,
        steps: Fixed,
        net: &VelocityNet,
        folded: &Folded<T>,
        rows: (Vec<T>, Vec<T>),
        losses: &mut [f64],
        sum: &mut [T],
    ) {
        let (x, c) = rows;
        let tableau = steps.scheme.tableau();
        let (n, count, time) = (x.len(), tableau.c.len(), net.time_features());
        let width = time + net.conditions();
        self.features.resize(n * width, T::ZERO);
        for (to, from) in self
            .features
            .chunks_exact_mut(width)
            .zip(c.chunks_exact(net.conditions()))
        {
            to[time..].copy_from_slice(from);
        }
        self.k.resize(count, Vec::new());
        self.stages.resize(count * steps.steps as usize, Vec::new());
        let h = 1.0 / f64::from(steps.steps);
        let mut x: Vec<f64> = x.iter().map(|x| x.wide()).collect();
        let mut log_jacobian = vec![0.0; n];
        for step in 0..steps.steps as usize {
            for stage in 0..count {
                let mut at = x.clone();
                for (&a, k) in tableau.a[stage].iter().zip(&self.k) {
                    at.iter_mut().zip(k).for_each(|(at, k)| *at += h * a * k);
                }
                self.look(folded, &at, h * (step as f64 + tableau.c[stage]), time, width);
                for (l, g) in log_jacobian.iter_mut().zip(&self.tape.dv) {
                    *l += h * tableau.b[stage] * g.wide();
                }
                self.k[stage] = self.tape.v.iter().map(|v| v.wide()).collect();
                self.stages[step * count + stage] = at;
            }
            for (&b, k) in tableau.b.iter().zip(&self.k) {
                x.iter_mut().zip(k).for_each(|(x, k)| *x += h * b * k);
            }
        }
        for ((loss, z), l) in losses.iter_mut().zip(&x).zip(&log_jacobian) {
            *loss = 0.5 * z * z + LN_ROOT_TWO_PI - l;
        }
        // Backward. The cotangent of z in z^2 / 2 is z; that of the log-Jacobian is -1.
        let mut of_x = x;
        let mut of_stage = vec![T::ZERO; n];
        for step in (0..steps.steps as usize).rev() {
            for stage in (0..count).rev() {
                let at = std::mem::take(&mut self.stages[step * count + stage]);
                self.look(folded, &at, h * (step as f64 + tableau.c[stage]), time, width);
                // The velocity of this stage moved the end of the step and the x of the stages after it.
                let of_v: Vec<T> = (0..n)
                    .map(|row| {
                        let later = (stage + 1..count).map(|j| tableau.a[j][stage] * self.k[j][row]);
                        T::of(h * (tableau.b[stage] * of_x[row] + later.sum::<f64>()))
                    })
                    .collect();
                let of_dv = vec![T::of(-h * tableau.b[stage]); n];
                let cotangents = (&of_v[..], &of_dv[..]);
                let Self {
                    tape, features, narrow, ..
                } = self;
                tape.backward(folded, features, narrow, cotangents, sum, Some(&mut of_stage));
                self.k[stage] = of_stage.iter().map(|v| v.wide()).collect();
            }
            for k in &self.k {
                of_x.iter_mut().zip(k).for_each(|(x, k)| *x += k);
            }
        }
    }

    /// Computes v and dv/dx at `x`, with memory.
    fn look(&mut self, folded: &Folded<T>, x: &[f64], t: f64, time: usize, width: usize) {
        self.narrow.clear();
        self.narrow.extend(x.iter().map(|&x| T::of(x)));
        let mut rows = self.features.chunks_exact_mut(width);
        if let Some(first) = rows.next() {
            time_features(t, &mut first[..time]);
            let tau = &first[..time];
            rows.for_each(|row| row[..time].copy_from_slice(tau));
        }
        self.tape.forward(folded, &self.features, &self.narrow, true);
    }
}
