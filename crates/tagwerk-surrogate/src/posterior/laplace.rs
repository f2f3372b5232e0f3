//! The Laplace approximation on some of the weights: a Gaussian with the curvature of the energy at the trained
//! weights.
//!
//! MacKay, Neural Computation 4 (1992) 448; on the last layer: Daxberger et al., "Laplace redux", arXiv:2106.14806. The
//! other weights stay where they are, so the spread is a lower bound of the full approximation's.
//!
//! H = lambda_per_datum sum_i d^2 l_i / d theta^2 + 1 / sigma_prior^2. Two ways to the first term: central differences
//! of gradients (`hessian`), exact up to the step, or the sum of outer products of the gradients of single data
//! (`empirical-fisher`), which is never negative and agrees with it if the loss is -log p and the model true.
//!
//! **Cost**: `hessian` 2 S gradients of all data for S weights; `empirical-fisher` N gradients of one row, and S^2 N
//! multiplications. Memory S^2; drawing costs S^2 a draw.

use super::energy::{Energy, above, positive, setting_error};
use super::target::Part;
use crate::SurrogateError;
use faer::linalg::matmul::triangular::BlockStructure;
use faer::{Accum, Mat, Par, Side};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tagwerk_data::random::{normal, stream};

/// Which weights are random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Subset {
    /// All.
    All,
    /// The last tensors of the flat vector; 2 are weight and bias of the last layer.
    LastTensors {
        /// How many.
        count: usize,
    },
    /// From `begin` to before `end`.
    Range {
        /// First index.
        begin: usize,
        /// Index after the last.
        end: usize,
    },
}

/// Where the curvature comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Curvature {
    /// Central differences of the gradient.
    Hessian {
        /// Step of the differences, times max(1, |theta|). A model that computes in f32 wants about 1e-2, one in f64
        /// 1e-5.
        step: f64,
    },
    /// Outer products of the gradients of single data.
    EmpiricalFisher,
}

/// Laplace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaplaceConfig {
    /// Which weights are random. Default: the last two tensors, the last layer.
    pub subset: Subset,
    /// Where the curvature comes from. Default: differences with step 1e-2.
    pub curvature: Curvature,
    /// Smallest curvature in any direction, relative to the largest; smaller and negative ones are raised to it, or to that
    /// of the prior if it is larger, and counted. Default: 1e-8.
    pub floor: f64,
}

impl Default for LaplaceConfig {
    fn default() -> Self {
        Self {
            subset: Subset::LastTensors { count: 2 },
            curvature: Curvature::Hessian { step: 1e-2 },
            floor: 1e-8,
        }
    }
}

/// More weights than this need more than 3 GB for H and its decomposition.
const MOST_WEIGHTS: usize = 10_000;

/// Rows whose gradients are taken at once.
const BLOCK: usize = 256;

/// A fitted approximation.
#[derive(Debug, Clone)]
pub struct Laplace {
    center: Vec<f64>,
    range: Range<usize>,
    /// Eigenvectors of H times 1 / sqrt(eigenvalue), `[S, S]`.
    root: Mat<f64>,
    raised: usize,
}

impl Laplace {
    /// At trained weights `[P]`.
    ///
    /// # Errors
    /// Settings outside their range, an empty or too large subset, errors of the model, a curvature that is not finite
    /// or nowhere positive.
    pub fn fit(config: &LaplaceConfig, energy: &Energy, center: &[f64]) -> Result<Self, SurrogateError> {
        energy.check_weights(center)?;
        above("floor", config.floor)?;
        let range = config.subset.range(energy)?;
        let curvature = match config.curvature {
            Curvature::Hessian { step } => differences(energy, center, &range, step)?,
            Curvature::EmpiricalFisher => fisher(energy, center, &range)?,
        };
        let failed = || SurrogateError::NotFinite {
            what: "the curvature",
            place: "at the trained weights, or it is positive in no direction".into(),
        };
        let spectrum = curvature.self_adjoint_eigen(Side::Lower).map_err(|_| failed())?;
        let values: Vec<f64> = spectrum.S().column_vector().iter().copied().collect();
        let largest = values.iter().copied().fold(f64::NAN, f64::max);
        if !(largest > 0.0 && largest.is_finite()) {
            return Err(failed());
        }
        // No direction is known less than the prior knows it.
        let smallest = energy.prior().precision().max(config.floor * largest);
        // Flat directions have the prior's curvature, up to rounding.
        let raised = values.iter().filter(|&&value| value < smallest * (1.0 - 1e-6)).count();
        let vectors = spectrum.U();
        let root = Mat::from_fn(range.len(), range.len(), |i, j| {
            vectors[(i, j)] / values[j].max(smallest).sqrt()
        });
        Ok(Self {
            center: center.to_vec(),
            range,
            root,
            raised,
        })
    }

    /// The weights that are random.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Directions whose curvature was raised to the prior's or to the floor: those in which the data curve the wrong way (the
    /// weights are no optimum), and without a prior flat ones.
    pub fn raised(&self) -> usize {
        self.raised
    }

    /// The covariance of two random weights, counted from the beginning of [`range`](Self::range).
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        (0..self.range.len())
            .map(|k| self.root[(i, k)] * self.root[(j, k)])
            .sum()
    }

    /// `draws` draws `[D, P]`; draw `d` is a function of (seed, d).
    pub fn draws(&self, seed: u64, draws: usize) -> Vec<f32> {
        let one = |index: usize| {
            let mut rng = stream(seed, "laplace draw", index as u64);
            let noise: Vec<f64> = self.range.clone().map(|_| normal(&mut rng)).collect();
            let mut weights = self.center.clone();
            for (i, w) in weights[self.range.clone()].iter_mut().enumerate() {
                *w += noise
                    .iter()
                    .enumerate()
                    .map(|(k, z)| self.root[(i, k)] * z)
                    .sum::<f64>();
            }
            weights.into_iter().map(|w| w as f32).collect::<Vec<f32>>()
        };
        (0..draws).into_par_iter().map(one).collect::<Vec<_>>().concat()
    }
}

impl Subset {
    fn range(&self, energy: &Energy) -> Result<Range<usize>, SurrogateError> {
        let weights = energy.target().weights();
        let range = match *self {
            Self::All => 0..weights,
            Self::LastTensors { count } => {
                positive("subset.count", count)?;
                let tensors = energy.target().tensors();
                let last: usize = tensors.iter().rev().take(count).sum();
                weights.saturating_sub(last)..weights
            }
            Self::Range { begin, end } => begin..end,
        };
        if range.is_empty() || range.end > weights {
            let value = format!("{}..{}", range.start, range.end);
            return Err(setting_error(
                "subset",
                value,
                "a range that is not empty and within the weights",
            ));
        }
        if range.len() > MOST_WEIGHTS {
            let value = format!("{} weights", range.len());
            return Err(setting_error("subset", value, "at most 10000 weights"));
        }
        Ok(range)
    }
}

/// H by central differences of gradients, made symmetric.
fn differences(energy: &Energy, center: &[f64], range: &Range<usize>, step: f64) -> Result<Mat<f64>, SurrogateError> {
    above("curvature.step", step)?;
    let column = |index: usize| {
        let h = step * center[index].abs().max(1.0);
        let gradient_at = |shift: f64| {
            let mut weights = center.to_vec();
            weights[index] += shift;
            let (mut losses, mut gradient) = (Vec::new(), Vec::new());
            energy.losses_and_gradient(&weights, Part::all(), &mut losses, &mut gradient)?;
            Ok::<_, SurrogateError>(gradient)
        };
        let (up, down) = (gradient_at(h)?, gradient_at(-h)?);
        let scale = energy.on_mean_loss() / (2.0 * h);
        let pairs = up[range.clone()].iter().zip(&down[range.clone()]);
        Ok(pairs.map(|(up, down)| scale * (up - down)).collect::<Vec<f64>>())
    };
    let columns = range
        .clone()
        .into_par_iter()
        .map(column)
        .collect::<Result<Vec<_>, SurrogateError>>()?;
    Ok(Mat::from_fn(range.len(), range.len(), |i, j| {
        0.5 * (columns[j][i] + columns[i][j])
    }))
}

/// H by outer products of the gradients of single rows, and the prior.
fn fisher(energy: &Energy, center: &[f64], range: &Range<usize>) -> Result<Mat<f64>, SurrogateError> {
    let (rows, width) = (energy.target().rows(), range.len());
    let mut matrix = Mat::<f64>::zeros(width, width);
    for begin in (0..rows).step_by(BLOCK) {
        let block = begin..rows.min(begin + BLOCK);
        let gradients = block
            .into_par_iter()
            .map(|row| {
                let mut gradient = vec![0.0; center.len()];
                energy
                    .target()
                    .loss_and_gradient(center, Part::of(&[row]), &mut [0.0], &mut gradient)
                    .map_err(|source| SurrogateError::Target {
                        what: "losses and gradient",
                        source,
                    })?;
                Ok(gradient[range.clone()].to_vec())
            })
            .collect::<Result<Vec<_>, SurrogateError>>()?;
        let block = Mat::from_fn(gradients.len(), width, |i, j| gradients[i][j]);
        // One thread, so that the sums have one order.
        faer::linalg::matmul::triangular::matmul(
            matrix.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            block.transpose(),
            BlockStructure::Rectangular,
            block.as_ref(),
            BlockStructure::Rectangular,
            energy.per_datum(),
            Par::Seq,
        );
    }
    for i in 0..width {
        matrix[(i, i)] += energy.prior().precision();
    }
    Ok(matrix)
}
