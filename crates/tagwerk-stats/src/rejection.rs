//! Background rejection 1/eps_B at a signal efficiency, with the error of the test sample.

use serde::{Deserialize, Serialize};

use crate::scan::At;
use crate::truth::Truth;

/// Background rejection at one working point.
///
/// `value` is R = 1/eps_B. `test_error` is the standard deviation expected from the number of background jets in the
/// test sample, R sqrt(R/N_B) (Bernoulli in the limit of small eps_B; at R = 1000 and N_B = 201,914 it is 70). It is
/// common to all taggers scored on the same jets and does not shrink with more trainings.
///
/// A sample in which no background jet passes does not determine R. Then `value` and `test_error` are absent,
/// `lower_limit` is the 95 % limit that the sample does give, and `reason` says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// 1/eps_B, absent when no background jet passes.
    pub value: Option<f64>,
    /// R sqrt(R/N_B); with weights, R^2 sqrt(sum w^2 of the passing background) / sum w.
    pub test_error: Option<f64>,
    /// 95 % lower limit (Clopper-Pearson), given when `value` is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_limit: Option<f64>,
    /// Why `value` is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Rejection {
    /// From the background that passes at `point`.
    pub(crate) fn from_background(point: f64, at: At, total_background: f64, truth: &Truth) -> Self {
        let rate = at.background_efficiency;
        if rate > 0.0 {
            let value = 1.0 / rate;
            let test_error = if truth.is_weighted() {
                value * value * at.squares.sqrt() / total_background
            } else {
                value * (value / truth.n_background() as f64).sqrt()
            };
            return Self {
                value: Some(value),
                test_error: Some(test_error),
                lower_limit: None,
                reason: None,
            };
        }
        Self {
            value: None,
            test_error: None,
            lower_limit: Some(limit_of_none(truth.effective_background())),
            reason: Some(format!(
                "none of {} background jets passes at a signal efficiency of {point}",
                truth.n_background()
            )),
        }
    }
}

/// The 95 % Clopper-Pearson lower limit on the rejection when 0 of `n` background jets pass: 1 / (1 - 0.05^(1/n)),
/// about n/3.
pub fn limit_of_none(n: f64) -> f64 {
    // -expm1 keeps the digits that 1 - 0.05^(1/n) would lose.
    -1.0 / (0.05_f64.ln() / n).exp_m1()
}

/// Test-sample error of a rejection in an unweighted sample of `n_background` jets: R sqrt(R/N_B).
pub fn rejection_test_error(rejection: f64, n_background: f64) -> f64 {
    rejection * (rejection / n_background).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_passing_background_gives_a_limit_and_a_reason_not_infinity() {
        let truth = Truth::new(&[1, 0, 0, 0]).unwrap();
        let none = Rejection::from_background(
            0.3,
            At {
                background_efficiency: 0.0,
                squares: 0.0,
            },
            3.0,
            &truth,
        );
        assert_eq!((none.value, none.test_error), (None, None));
        // 1 - 0.05^(1/3) = 0.631597...
        assert!((none.lower_limit.unwrap() - 1.0 / 0.631_596_850_6).abs() < 1e-8);
        assert!(none.reason.unwrap().contains("none of 3 background jets"));
    }

    #[test]
    fn at_one_thousand_the_published_sample_gives_seventy() {
        assert!((rejection_test_error(1000.0, 201_914.0) - 70.37).abs() < 0.01);
    }

    #[test]
    fn equal_weights_give_the_unweighted_error() {
        let labels = [1, 0, 0, 0, 0];
        let at = |w: f64| At {
            background_efficiency: 0.25,
            squares: w * w,
        };
        let plain = Rejection::from_background(0.5, at(1.0), 4.0, &Truth::new(&labels).unwrap());
        let weighted = Rejection::from_background(0.5, at(7.0), 28.0, &Truth::weighted(&labels, &[7.0; 5]).unwrap());
        assert!((plain.test_error.unwrap() - weighted.test_error.unwrap()).abs() < 1e-12);
    }
}
