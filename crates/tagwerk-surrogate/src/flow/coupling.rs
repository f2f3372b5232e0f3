//! Which noise goes with which row of a batch.
//!
//! Optimal transport inside a minibatch straightens the paths (Tong et al., arXiv:2302.00482). Of one number it is
//! sorting: the smallest noise to the smallest x. But sorting all rows of a batch together would tell the noise what
//! the conditions are, and the model at one condition would then begin from noise that is not normal: p(x | c) would be
//! biased. So only rows of (nearly) equal conditions are sorted with one another.

use crate::error::SurrogateError;
use crate::velocity::Real;
use serde::{Deserialize, Serialize};

/// Which noise goes with which row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Coupling {
    /// Any with any.
    #[default]
    Independent,
    /// In order within groups of near conditions; of one score only.
    Optimal {
        /// Rows of a group, at most. Groups come from halving the batch along the condition that spreads most. Rows of
        /// equal conditions need no limit; else the fewer rows, the smaller the bias, and the smaller the gain.
        group: usize,
    },
}

impl Coupling {
    pub(super) fn check(self, scores: usize) -> Result<(), SurrogateError> {
        match self {
            Self::Optimal { group } if group < 2 => Err(SurrogateError::Setting {
                setting: "flow.coupling.group",
                value: group.to_string(),
                wanted: "at least 2",
            }),
            Self::Optimal { .. } if scores != 1 => Err(SurrogateError::Setting {
                setting: "flow.coupling.kind",
                value: format!("optimal with {scores} scores"),
                wanted: "independent, where there are several scores",
            }),
            _ => Ok(()),
        }
    }

    /// Rearranges the noise `z` of the rows `x`, whose conditions are `c` `[N, conditions]`.
    pub(super) fn couple<T: Real>(self, x: &[f64], z: &mut [f64], c: &[T], conditions: usize) {
        let Self::Optimal { group } = self else {
            return;
        };
        let mut rows: Vec<usize> = (0..x.len()).collect();
        let mut open: Vec<std::ops::Range<usize>> = std::iter::once(0..rows.len()).collect();
        while let Some(range) = open.pop() {
            let members = &mut rows[range.clone()];
            let widest = (0..conditions)
                .map(|k| (k, spread(members, |row| c[row * conditions + k].wide())))
                .max_by(|a, b| a.1.total_cmp(&b.1));
            match widest {
                // Equal conditions in all columns are one group of any size.
                Some((k, spread)) if spread > 0.0 && members.len() > group => {
                    let value = |row: usize| c[row * conditions + k].wide();
                    let half = members.len() / 2;
                    members.select_nth_unstable_by(half, |&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
                    let middle = value(members[half]);
                    // Equal values stay together where they can.
                    members.sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
                    let below = members.partition_point(|&row| value(row) < middle);
                    let upto = members.partition_point(|&row| value(row) <= middle);
                    let nearest = if half - below <= upto - half { below } else { upto };
                    let cut = if nearest == 0 || nearest == members.len() {
                        if below > 0 { below } else { upto }
                    } else {
                        nearest
                    };
                    let cut = range.start + cut;
                    open.push(range.start..cut);
                    open.push(cut..range.end);
                }
                _ => pair_up(members, x, z),
            }
        }
    }
}

fn spread(rows: &[usize], value: impl Fn(usize) -> f64) -> f64 {
    let ends = rows
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &row| {
            (low.min(value(row)), high.max(value(row)))
        });
    ends.1 - ends.0
}

/// Gives the rows their noise in the order of their x.
fn pair_up(rows: &mut [usize], x: &[f64], z: &mut [f64]) {
    rows.sort_unstable_by(|&a, &b| x[a].total_cmp(&x[b]).then(a.cmp(&b)));
    let mut noise: Vec<f64> = rows.iter().map(|&row| z[row]).collect();
    noise.sort_unstable_by(f64::total_cmp);
    rows.iter().zip(noise).for_each(|(&row, noise)| z[row] = noise);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_data::random;

    fn draws(n: usize, index: u64) -> Vec<f64> {
        let mut rng = random::stream(5, "coupling test", index);
        (0..n).map(|_| random::normal(&mut rng)).collect()
    }

    #[test]
    fn noise_is_sorted_within_equal_conditions_and_never_crosses_them() {
        let n = 600;
        let label: Vec<f64> = (0..n).map(|i| (i % 2) as f64).collect();
        // Class 1 has larger x: sorting across classes would give it larger noise.
        let x: Vec<f64> = draws(n, 0).iter().zip(&label).map(|(x, l)| x + 3.0 * l).collect();
        let before = draws(n, 1);
        let mut z = before.clone();
        Coupling::Optimal { group: 2 }.couple(&x, &mut z, &label, 1);
        for class in [0.0, 1.0] {
            let rows: Vec<usize> = (0..n).filter(|&i| label[i] == class).collect();
            let sum = |z: &[f64]| rows.iter().map(|&i| z[i]).sum::<f64>();
            assert!(
                (sum(&z) - sum(&before)).abs() < 1e-9,
                "the noise of a class stays in it"
            );
            let mut by_x = rows.clone();
            by_x.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
            assert!(by_x.windows(2).all(|w| z[w[0]] <= z[w[1]]), "sorted");
        }
    }

    #[test]
    fn groups_of_near_conditions_keep_the_noise_normal_at_every_condition() {
        let n = 20_000;
        let c: Vec<f64> = draws(2 * n, 2);
        // x follows the first condition.
        let x: Vec<f64> = draws(n, 3)
            .iter()
            .enumerate()
            .map(|(i, x)| 0.3 * x + c[2 * i])
            .collect();
        let mut z = draws(n, 4);
        Coupling::Optimal { group: 8 }.couple(&x, &mut z, &c, 2);
        let correlation = |z: &[f64], w: &dyn Fn(usize) -> f64| (0..n).map(|i| z[i] * w(i)).sum::<f64>() / n as f64;
        // Noise knows x, but of the condition no more than a group's width lets through.
        let to_x = correlation(&z, &|i| (x[i] - c[2 * i]) / 0.3);
        let to_c = correlation(&z, &|i| c[2 * i]);
        assert!(to_x > 0.4 && to_c.abs() < 0.05, "{to_x} {to_c}");
        let variance = correlation(&z, &|i| z[i]);
        assert!((variance - 1.0).abs() < 0.05);
    }

    #[test]
    fn several_scores_cannot_be_sorted() {
        let error = Coupling::Optimal { group: 8 }.check(2).unwrap_err().to_string();
        assert!(error.contains("2 scores"), "{error}");
        assert!(Coupling::Optimal { group: 1 }.check(1).is_err());
    }
}
