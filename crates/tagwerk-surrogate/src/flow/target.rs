//! A flow on its data as a posterior's target: the exact negative log-likelihood of each row.

use super::{ExactLikelihood, Examples};
use crate::posterior::{Part, Target, TargetError};
use crate::velocity::VelocityNet;

/// The network, the data, and the solver whose own arithmetic is differentiated. Weights are rounded to f32, which the
/// network computes in.
pub struct FlowTarget<'a> {
    /// The network.
    pub net: &'a VelocityNet,
    /// The data.
    pub examples: Examples<'a, f32>,
    /// How the likelihood is computed.
    pub likelihood: ExactLikelihood,
}

impl FlowTarget<'_> {
    fn rows_of(&self, part: Part) -> Vec<usize> {
        part.rows().map_or_else(|| (0..self.examples.len()).collect(), <[usize]>::to_vec)
    }
}

fn narrow(weights: &[f64]) -> Vec<f32> {
    weights.iter().map(|&w| w as f32).collect()
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

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        let rows = self.rows_of(part);
        Ok(self.likelihood.losses(self.net, &narrow(weights), self.examples, &rows, losses)?)
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        let rows = self.rows_of(part);
        let mut sum = vec![0.0f32; self.net.parameter_count()];
        let theta = narrow(weights);
        self.likelihood
            .losses_and_gradient(self.net, &theta, self.examples, &rows, losses, &mut sum)?;
        (gradient.iter_mut().zip(&sum)).for_each(|(g, s)| *g = f64::from(*s));
        Ok(())
    }
}
