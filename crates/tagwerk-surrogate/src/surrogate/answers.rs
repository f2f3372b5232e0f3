//! A surrogate as evaluation, recalibration and the packed file see it: a conditional distribution of the logit.

use super::Surrogate;
use crate::error::SurrogateError;
use crate::exact;
use crate::score_model::ScoreModel;
use crate::velocity::Conditioned;

impl Surrogate {
    /// Asks one set of weights about a block of jets.
    fn member<T>(
        &self,
        member: usize,
        conditions: &[f64],
        ask: impl FnOnce(&Conditioned<f32>, &[u32]) -> Result<T, SurrogateError>,
    ) -> Result<T, SurrogateError> {
        let Some(weights) = self.members.get(member) else {
            return Err(SurrogateError::Setting {
                setting: "member",
                value: member.to_string(),
                wanted: "below the number of sets of weights",
            });
        };
        if self.scores.len() != 1 {
            return Err(SurrogateError::Setting {
                setting: "number of scores",
                value: self.scores.len().to_string(),
                wanted: "1: distributions are those of one score",
            });
        }
        let jets = self.jets(conditions)?;
        let folded = self.net.fold(weights)?;
        let inputs: Vec<f32> = self.conditions.standardize(conditions);
        let of: Vec<u32> = (0..jets as u32).collect();
        ask(&folded.condition(&inputs)?, &of)
    }

    /// x of logits.
    fn to_x_of(&self, logits: &[f64]) -> Vec<f64> {
        logits.iter().map(|logit| logit / self.transform.scale).collect()
    }
}

impl ScoreModel for Surrogate {
    fn members(&self) -> usize {
        self.members.len()
    }

    fn columns(&self) -> usize {
        self.conditions.len()
    }

    fn point_estimate(&self) -> Option<usize> {
        (self.members.len() == 1).then_some(0)
    }

    fn cdf(&self, member: usize, conditions: &[f64], logits: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        let x = self.to_x_of(logits);
        let p = self.member(member, conditions, |flow, of| exact::cdf(flow, &self.solver, of, &x))?;
        out.copy_from_slice(&p);
        Ok(())
    }

    fn log_density(
        &self,
        member: usize,
        conditions: &[f64],
        logits: &[f64],
        out: &mut [f64],
    ) -> Result<(), SurrogateError> {
        let x = self.to_x_of(logits);
        let found = self.member(member, conditions, |flow, of| exact::encode(flow, &self.solver, of, &x))?;
        let jacobian = self.transform.scale.ln();
        (out.iter_mut().zip(&found.log_prob)).for_each(|(out, log)| *out = log - jacobian);
        Ok(())
    }

    fn sample(&self, member: usize, conditions: &[f64], noise: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        let x = self.member(member, conditions, |flow, of| {
            exact::sample(flow, &self.solver, &self.interpolation, of, noise)
        })?;
        (out.iter_mut().zip(&x)).for_each(|(out, x)| *out = x * self.transform.scale);
        Ok(())
    }

    fn efficiency(&self, member: usize, conditions: &[f64], cut: f64, out: &mut [f64]) -> Result<(), SurrogateError> {
        let x = vec![cut / self.transform.scale; out.len()];
        let p = self.member(member, conditions, |flow, of| {
            exact::efficiency(flow, &self.solver, of, &x)
        })?;
        out.copy_from_slice(&p);
        Ok(())
    }
}
