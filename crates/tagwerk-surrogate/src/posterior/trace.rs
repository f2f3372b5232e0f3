//! What the steps of a chain told, and what to learn from it before looking at weights.

use super::arrays::Arrays;
use super::chain::StepReport;
use crate::SurrogateError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One value a step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Mean loss of the weights that each step began with.
    pub loss: Vec<f64>,
    /// Probability of acceptance.
    pub acceptance: Vec<f64>,
    /// 1 where the weights moved, 0 where they stayed.
    pub accepted: Vec<f64>,
    /// Standard deviation of the logarithm of the acceptance ratio from testing on a part of the data.
    pub noise: Vec<f64>,
}

/// A trace in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceSummary {
    /// Steps looked at.
    pub steps: u64,
    /// Mean loss.
    pub loss: f64,
    /// Share of the steps in which the weights moved.
    pub acceptance: f64,
    /// Longest run of steps without a move. Above 100 the chain was stuck (the released scripts restart it there).
    pub longest_rejection: u64,
    /// Root mean square of the noise of the test's logarithm; absent if a step had a single row. 0: the test was exact.
    /// Above 1, read it before anything else: acceptance then is mostly luck of the minibatch, and the sampled
    /// distribution is wider than the posterior.
    pub noise: Option<f64>,
}

impl Trace {
    /// The trace of a saved chain.
    ///
    /// # Errors
    /// A file that is not there, or no chain.
    pub fn of_chain(path: &Path) -> Result<Self, SurrogateError> {
        let (mut arrays, _) = Arrays::read(path, "chain")?;
        let steps = arrays.take_one("step")?;
        Self::load(&mut arrays, steps)
    }

    pub(crate) fn push(&mut self, report: &StepReport) {
        self.loss.push(report.loss);
        self.acceptance.push(report.acceptance);
        self.accepted.push(f64::from(u8::from(report.accepted)));
        self.noise.push(report.noise);
    }

    /// Steps recorded.
    pub fn len(&self) -> usize {
        self.loss.len()
    }

    /// Whether no step is recorded.
    pub fn is_empty(&self) -> bool {
        self.loss.is_empty()
    }

    /// In a few numbers, without the first `skip` steps; `None` if none is left.
    pub fn summary(&self, skip: usize) -> Option<TraceSummary> {
        let loss = self.loss.get(skip..).filter(|rest| !rest.is_empty())?;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mut longest, mut run) = (0, 0);
        for &moved in &self.accepted[skip..] {
            run = if moved > 0.0 { 0 } else { run + 1 };
            longest = longest.max(run);
        }
        let squares: Vec<f64> = self.noise[skip..].iter().map(|noise| noise * noise).collect();
        Some(TraceSummary {
            steps: loss.len() as u64,
            loss: mean(loss),
            acceptance: mean(&self.accepted[skip..]),
            longest_rejection: longest,
            noise: Some(mean(&squares).sqrt()).filter(|noise| noise.is_finite()),
        })
    }

    pub(crate) fn save(&self, arrays: &mut Arrays) {
        for (name, values) in self.columns() {
            arrays.vector(name, values);
        }
    }

    pub(crate) fn load(arrays: &mut Arrays, steps: u64) -> Result<Self, SurrogateError> {
        let mut column = |name| arrays.take_vector(name, steps as usize);
        Ok(Self {
            loss: column("trace.loss")?,
            acceptance: column("trace.acceptance")?,
            accepted: column("trace.accepted")?,
            noise: column("trace.noise")?,
        })
    }

    fn columns(&self) -> [(&'static str, &Vec<f64>); 4] {
        [
            ("trace.loss", &self.loss),
            ("trace.acceptance", &self.acceptance),
            ("trace.accepted", &self.accepted),
            ("trace.noise", &self.noise),
        ]
    }
}
