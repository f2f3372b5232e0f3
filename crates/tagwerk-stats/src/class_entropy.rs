//! Entropy of class probabilities over the members of an ensemble or posterior, split into what the classes leave open
//! and what the members disagree about.
//!
//! H(mean p) = mean H(p) + mutual information of class and member (Depeweg et al., arXiv:1710.07283). The first term is
//! the ambiguity of the jet; the second is what more training data would remove.

use crate::checks;
use crate::error::{Result, StatsError};
use serde::{Deserialize, Serialize};

/// Entropies of one jet, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassEntropy {
    /// Entropy of the mean probabilities.
    pub total: f64,
    /// Mean entropy of the members' probabilities.
    pub expected: f64,
    /// Their difference: the mutual information of class and member, at least 0.
    pub mutual_information: f64,
}

/// From the probabilities `[members, classes]` of one jet; each member's sum to 1 within 1e-4 (f32 networks).
///
/// # Errors
/// No members, probabilities outside [0, 1] or that do not sum to 1.
pub fn class_entropy(probabilities: &[f64], classes: usize) -> Result<ClassEntropy> {
    checks::shares("a class probability", probabilities)?;
    if classes == 0 || probabilities.is_empty() || !probabilities.len().is_multiple_of(classes) {
        return Err(StatsError::Length {
            what: "the block of class probabilities".to_owned(),
            expected: classes,
            found: probabilities.len(),
        });
    }
    let members = (probabilities.len() / classes) as f64;
    let mut mean = vec![0.0; classes];
    let mut expected = 0.0;
    for (member, p) in probabilities.chunks_exact(classes).enumerate() {
        let sum: f64 = p.iter().sum();
        if (sum - 1.0).abs() > 1e-4 {
            return Err(StatsError::Range {
                what: "the sum of a member's class probabilities".to_owned(),
                row: member,
                value: sum,
                wanted: "1 +- 1e-4",
            });
        }
        expected += entropy(p) / members;
        mean.iter_mut().zip(p).for_each(|(mean, p)| *mean += p / members);
    }
    let total = entropy(&mean);
    Ok(ClassEntropy {
        total,
        expected,
        mutual_information: (total - expected).max(0.0),
    })
}

fn entropy(p: &[f64]) -> f64 {
    -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn entropies_are_those_of_scipy() {
        let json: Value = serde_json::from_str(include_str!("../tests/reference/calibration.json")).unwrap();
        for case in json["class_entropy"].as_array().unwrap() {
            let p: Vec<f64> = serde_json::from_value(case["probabilities"].clone()).unwrap();
            let ours = serde_json::to_value(class_entropy(&p, case["classes"].as_u64().unwrap() as usize).unwrap());
            let ours = ours.unwrap();
            for key in ["total", "expected", "mutual_information"] {
                let (a, b) = (ours[key].as_f64().unwrap(), case[key].as_f64().unwrap());
                assert!((a - b).abs() < 1e-12, "{key}: {a} instead of {b}");
            }
        }
    }

    #[test]
    fn agreeing_members_share_no_information_and_certain_opposites_all() {
        let agree = class_entropy(&[0.3, 0.7, 0.3, 0.7], 2).unwrap();
        assert!(agree.mutual_information < 1e-15 && agree.total > 0.6);
        let oppose = class_entropy(&[1.0, 0.0, 0.0, 1.0], 2).unwrap();
        assert_eq!((oppose.expected, oppose.mutual_information), (0.0, 2.0_f64.ln()));
        assert!(class_entropy(&[0.5, 0.6], 2).is_err() && class_entropy(&[], 2).is_err());
    }
}
