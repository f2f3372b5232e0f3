//! Jensen-Shannon distance of two histograms: sqrt of the mean divergence from their middle, natural logarithm, as in
//! scipy's `jensenshannon`. 0 for equal shapes, sqrt(ln 2) = 0.8326 for shapes without overlap.

use crate::checks;
use crate::error::{Result, StatsError};
use serde::{Deserialize, Serialize};

/// Distance of several members' histograms from one reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JsDistance {
    /// Mean over members.
    pub value: f64,
    /// Largest deviation of a member from the mean; absent for one member.
    pub spread: Option<f64>,
    /// Each member's distance.
    pub members: Vec<f64>,
}

/// Distance of two histograms over the same bins; counts or shares, normalized here.
///
/// # Errors
/// Unequal numbers of bins, counts below 0 or not finite, an empty histogram.
pub fn jensen_shannon(a: &[f64], b: &[f64]) -> Result<f64> {
    checks::rows("the second histogram", a.len(), b.len())?;
    for counts in [a, b] {
        checks::range("a histogram's count", counts, "[0, infinity)", |c| {
            c.is_finite() && c >= 0.0
        })?;
    }
    let (total_a, total_b) = (a.iter().sum::<f64>(), b.iter().sum::<f64>());
    if !(total_a > 0.0 && total_b > 0.0) {
        return Err(StatsError::NoEvents);
    }
    let term = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).ln() } else { 0.0 };
    let divergence: f64 = (a.iter().zip(b))
        .map(|(a, b)| {
            let (p, q) = (a / total_a, b / total_b);
            let middle = (p + q) / 2.0;
            term(p, middle) + term(q, middle)
        })
        .sum();
    // Rounding may leave -1e-17 for equal shapes.
    Ok((divergence / 2.0).max(0.0).sqrt())
}

/// Distance of each member's histogram from the reference.
///
/// # Errors
/// As [`jensen_shannon`]; no member.
pub fn js_over_members(members: &[Vec<f64>], reference: &[f64]) -> Result<JsDistance> {
    let distances: Vec<f64> = (members.iter())
        .map(|member| jensen_shannon(reference, member))
        .collect::<Result<_>>()?;
    checks::at_least("members", 1, distances.len())?;
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let spread = distances.iter().fold(0.0_f64, |s, d| s.max((d - mean).abs()));
    Ok(JsDistance {
        value: mean,
        spread: (distances.len() > 1).then_some(spread),
        members: distances,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn distances_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../tests/reference/calibration.json")).unwrap();
        for case in json["jensen_shannon"].as_array().unwrap() {
            let column = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
            let ours = jensen_shannon(&column("a"), &column("b")).unwrap();
            assert!((ours - case["distance"].as_f64().unwrap()).abs() < 1e-12, "{case}");
        }
    }

    #[test]
    fn equal_shapes_are_at_0_and_disjoint_ones_at_the_largest() {
        assert_eq!(jensen_shannon(&[1.0, 2.0], &[10.0, 20.0]).unwrap(), 0.0);
        let apart = jensen_shannon(&[1.0, 0.0], &[0.0, 5.0]).unwrap();
        assert!((apart - 2.0_f64.ln().sqrt()).abs() < 1e-15);
        let members = js_over_members(&[vec![1.0, 0.0], vec![1.0, 1.0]], &[1.0, 1.0]).unwrap();
        assert_eq!(members.spread, Some(members.value));
        assert!(jensen_shannon(&[0.0], &[1.0]).is_err() && jensen_shannon(&[1.0], &[-1.0]).is_err());
        assert!(js_over_members(&[], &[1.0]).is_err());
    }
}
