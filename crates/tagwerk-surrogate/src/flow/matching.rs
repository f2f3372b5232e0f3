//! The flow-matching loss and its gradient.

use super::{groups, sum_in_order};
use crate::error::SurrogateError;
use crate::velocity::{Folded, Real, Tape, VelocityNet, gradient_tile, time_features};
use rayon::prelude::*;
use std::ops::Range;

/// Points on paths and where they lead: what the velocity is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs<T> {
    /// t, `[N]`.
    pub times: Vec<f64>,
    /// y_t, `[N, D]`.
    pub y: Vec<T>,
    /// u, `[N, D]`.
    pub u: Vec<T>,
    /// Standardized conditions, `[N, C]`.
    pub c: Vec<T>,
}

/// Mean of (v - u)^2 over rows and scores, at the weights `theta` `[P]`; its gradient is added to `gradient` `[P]` where
/// one is given.
///
/// # Errors
/// Lengths that do not fit; no rows.
pub fn matching_loss<T: Real>(
    net: &VelocityNet,
    theta: &[T],
    pairs: &Pairs<T>,
    gradient: Option<&mut [T]>,
) -> Result<f64, SurrogateError> {
    let mut losses = vec![0.0; pairs.times.len()];
    let scale = 1.0 / losses.len().max(1) as f64;
    compute(net, theta, pairs, &mut losses, gradient, scale)?;
    Ok(losses.iter().sum::<f64>() * scale)
}

/// Mean of (v - u)^2 over the scores of each row, `losses` `[N]`; the gradient of the **sum** over rows is added to
/// `gradient` `[P]` where one is given.
///
/// # Errors
/// Lengths that do not fit; no rows.
pub fn matching_losses<T: Real>(
    net: &VelocityNet,
    theta: &[T],
    pairs: &Pairs<T>,
    losses: &mut [f64],
    gradient: Option<&mut [T]>,
) -> Result<(), SurrogateError> {
    compute(net, theta, pairs, losses, gradient, 1.0)
}

fn compute<T: Real>(
    net: &VelocityNet,
    theta: &[T],
    pairs: &Pairs<T>,
    losses: &mut [f64],
    gradient: Option<&mut [T]>,
    scale: f64,
) -> Result<(), SurrogateError> {
    let n = pairs.times.len();
    for (what, found, expected) in [
        ("y", pairs.y.len(), n * net.scores()),
        ("u", pairs.u.len(), n * net.scores()),
        ("conditions", pairs.c.len(), n * net.conditions()),
        ("rows of a batch", n, n.max(1)),
        ("losses", losses.len(), n),
    ] {
        if found != expected {
            return Err(SurrogateError::Length { what, found, expected });
        }
    }
    let folded = net.fold(theta)?;
    let wanted = gradient.is_some();
    let groups = groups(n, gradient_tile());
    let pieces = losses.par_chunks_mut(groups[0].len());
    let parts: Vec<Vec<T>> = groups
        .into_par_iter()
        .zip(pieces)
        .with_max_len(1)
        .map(|(rows, losses)| group(net, &folded, pairs, rows, losses, wanted))
        .collect();
    if let Some(gradient) = gradient {
        net.check_length("the gradient", gradient.len())?;
        // Of a mean over scores.
        let scale = scale / net.scores() as f64;
        let mut sum = sum_in_order(&parts);
        sum.iter_mut().for_each(|g| *g = T::of(g.wide() * scale));
        net.unfold_gradient(theta, &sum, gradient);
    }
    Ok(())
}

/// Mean squares of a range of rows; returns the gradient of the sum of squares with respect to the folded network.
fn group<T: Real>(
    net: &VelocityNet,
    folded: &Folded<T>,
    pairs: &Pairs<T>,
    rows: Range<usize>,
    losses: &mut [f64],
    wanted: bool,
) -> Vec<T> {
    let (scores, conditions, time) = (net.scores(), net.conditions(), net.time_features());
    let width = time + conditions;
    let mut gradient = vec![T::ZERO; if wanted { folded.len() } else { 0 }];
    let mut tape = Tape::default();
    let mut features = Vec::new();
    let mut residual = Vec::new();
    for start in rows.clone().step_by(gradient_tile()) {
        let end = (start + gradient_tile()).min(rows.end);
        features.resize((end - start) * width, T::ZERO);
        for (row, to) in (start..end).zip(features.chunks_exact_mut(width)) {
            time_features(pairs.times[row], &mut to[..time]);
            to[time..].copy_from_slice(&pairs.c[row * conditions..(row + 1) * conditions]);
        }
        let y = &pairs.y[start * scores..end * scores];
        tape.forward(folded, &features, y, false);
        residual.clear();
        let targets = pairs.u[start * scores..end * scores].chunks_exact(scores);
        let losses = &mut losses[start - rows.start..end - rows.start];
        for ((v, u), loss) in tape.v.chunks_exact(scores).zip(targets).zip(losses) {
            *loss = 0.0;
            for (&v, &u) in v.iter().zip(u) {
                let difference = v - u;
                *loss += difference.wide() * difference.wide() / scores as f64;
                residual.push(difference + difference);
            }
        }
        if wanted {
            tape.backward(folded, &features, y, (&residual, &[]), &mut gradient, None);
        }
    }
    gradient
}
