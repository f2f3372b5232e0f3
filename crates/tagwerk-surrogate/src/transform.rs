//! From a score to what the flow models: x = logit(s) / scale, in f64.
//!
//! A good classifier gives most jets scores next to 0 and 1; their logits are spread evenly enough. The original
//! (arXiv:2402.15558) takes ln(p / (1 - p + 1e-9)) / 20 of f32 scores, where a p of exactly 1 becomes a spike at one place and
//! small p are unbounded. Here a score closer to 0 or 1 than `epsilon` is put at `epsilon`, symmetrically, and counted: how
//! much was clamped is reported, not hidden. Whoever has the classifier's logits needs none of it.

use crate::error::SurrogateError;
use serde::{Deserialize, Serialize};
use tagwerk_stats::logistic;

/// What the score column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreKind {
    /// Numbers from 0 to 1.
    Probability,
    /// Log-odds, any number.
    Logit,
}

/// The transformation of scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transform {
    /// What the score column holds: `probability` or `logit`. Default: probability.
    pub kind: ScoreKind,
    /// x is the logit divided by this. Default: 20, as published.
    pub scale: f64,
    /// Scores closer to 0 or 1 than this are put at this distance; of logits, those beyond its logit. Default: 1e-9.
    pub epsilon: f64,
}

impl Default for Transform {
    fn default() -> Self {
        Self {
            kind: ScoreKind::Probability,
            scale: 20.0,
            epsilon: 1e-9,
        }
    }
}

/// What was put back to the limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clamped {
    /// Scores below the lower limit.
    pub low: u64,
    /// Scores above the upper limit.
    pub high: u64,
}

/// ln(p / (1 - p)).
fn logit(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

impl Transform {
    /// Checks the settings.
    ///
    /// # Errors
    /// A scale that is not above 0; an epsilon that is not between 0 and 0.5.
    pub fn check(&self) -> Result<(), SurrogateError> {
        if !(self.scale > 0.0 && self.scale.is_finite()) {
            return Err(SurrogateError::Setting {
                setting: "transform.scale",
                value: self.scale.to_string(),
                wanted: "above 0",
            });
        }
        if !(self.epsilon > 0.0 && self.epsilon < 0.5) {
            return Err(SurrogateError::Setting {
                setting: "transform.epsilon",
                value: self.epsilon.to_string(),
                wanted: "above 0 and below 0.5",
            });
        }
        Ok(())
    }

    /// The largest |x|.
    pub fn limit(&self) -> f64 {
        -logit(self.epsilon) / self.scale
    }

    /// x of a score, within the limits; `None` for a number that is no score.
    pub fn to_x(&self, score: f64) -> Option<f64> {
        let limit = self.limit();
        match self.kind {
            ScoreKind::Probability if (0.0..=1.0).contains(&score) => {
                let inside = score.clamp(self.epsilon, 1.0 - self.epsilon);
                Some((logit(inside) / self.scale).clamp(-limit, limit))
            }
            ScoreKind::Logit if !score.is_nan() => Some((score / self.scale).clamp(-limit, limit)),
            _ => None,
        }
    }

    /// Counts a score that [`to_x`](Self::to_x) puts back to the limits.
    pub fn count(&self, score: f64, clamped: &mut Clamped) {
        let (low, high) = match self.kind {
            ScoreKind::Probability => (score < self.epsilon, score > 1.0 - self.epsilon),
            ScoreKind::Logit => {
                let limit = self.limit() * self.scale;
                (score < -limit, score > limit)
            }
        };
        clamped.low += u64::from(low);
        clamped.high += u64::from(high);
    }

    /// What a number must be to be a score.
    pub fn allowed(&self) -> &'static str {
        match self.kind {
            ScoreKind::Probability => "a score from 0 to 1 (transform.kind = \"logit\" for log-odds)",
            ScoreKind::Logit => "a number",
        }
    }

    /// The score of x, in what the column held.
    pub fn to_score(&self, x: f64) -> f64 {
        match self.kind {
            ScoreKind::Probability => logistic(self.scale * x),
            ScoreKind::Logit => self.scale * x,
        }
    }

    /// ln |dx/ds| at x: what turns a log-density in x into one in the score.
    pub fn log_jacobian(&self, x: f64) -> f64 {
        match self.kind {
            // ds/dx = scale s (1 - s); ln s = -ln(1 + e^-l), ln(1 - s) = -ln(1 + e^l).
            ScoreKind::Probability => {
                let l = (self.scale * x).abs();
                -self.scale.ln() + 2.0 * (-l).exp().ln_1p() + l
            }
            ScoreKind::Logit => -self.scale.ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn saturated_scores_go_to_the_limits_symmetrically_and_are_counted() {
        let transform = Transform::default();
        let limit = transform.limit();
        // ln((1 - 1e-9) / 1e-9) / 20
        assert!((limit - 1.036_163_291_797_365).abs() < 1e-12, "{limit}");
        let mut clamped = Clamped::default();
        for (score, x) in [(1.0, limit), (0.0, -limit), (1e-12, -limit), (0.5, 0.0)] {
            assert!((transform.to_x(score).unwrap() - x).abs() < 1e-9, "{score}");
            transform.count(score, &mut clamped);
        }
        assert_eq!(clamped, Clamped { low: 2, high: 1 });
        for bad in [-0.1, 1.1, f64::NAN] {
            assert_eq!(transform.to_x(bad), None);
        }
    }

    #[test]
    fn logits_are_taken_as_they_are() {
        let transform = Transform {
            kind: ScoreKind::Logit,
            ..Transform::default()
        };
        assert_eq!(transform.to_x(-7.0), Some(-0.35));
        assert_eq!(transform.to_score(-0.35), -7.0);
        assert_eq!(transform.to_x(f64::INFINITY), Some(transform.limit()));
        assert!((transform.log_jacobian(0.3) + 20f64.ln()).abs() < 1e-15);
        assert_eq!(transform.to_x(f64::NAN), None);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (scale, epsilon) in [(0.0, 1e-9), (f64::NAN, 1e-9), (20.0, 0.0), (20.0, 0.5)] {
            let transform = Transform {
                scale,
                epsilon,
                ..Transform::default()
            };
            assert!(transform.check().is_err());
        }
    }

    proptest! {
        #[test]
        fn score_and_back_is_the_score_and_the_jacobian_is_its_slope(l in -15.0..6.0f64) {
            let transform = Transform::default();
            let s = logistic(l);
            let x = transform.to_x(s).unwrap();
            prop_assert!((transform.to_score(x) - s).abs() <= 1e-12 * s);
            let h = 1e-6;
            let numeric = (transform.to_score(x + h) - transform.to_score(x - h)) / (2.0 * h);
            prop_assert!((transform.log_jacobian(x) + numeric.ln()).abs() < 1e-6);
        }
    }
}
