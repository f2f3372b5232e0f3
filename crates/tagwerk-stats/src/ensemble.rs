//! Ensembles of trainings: the "mean" and "median" columns of the landscape table.
//!
//! For every subset of [`EnsembleRule`] the scores of its members are combined jet by jet (mean, median); the ensembles
//! are sorted by their rejection at signal efficiency 0.3 and the one at half the list is reported, with the population
//! standard deviation over all ensembles as error.
//!
//! What it costs: 84 subsets of 404,000 jets are 2 x 34 million combined scores. Medians come from a sorting network
//! over whole columns, which the compiler turns into vector instructions, and the rejection from a selection, not a
//! sort. Subsets run in parallel; each is computed by one thread in one order, so the result does not depend on their
//! number.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::column::RejectionColumn;
use crate::combination::EnsembleRule;
use crate::error::{Result, StatsError};
use crate::evaluation::evaluate_classes;
use crate::ranked::{Ranked, background_at_point};
use crate::score::{Score, widen};
use crate::spread::mean_and_deviation;
use crate::truth::Truth;
use crate::working_point::WorkingPoints;

/// Signal efficiency by which ensembles are sorted and reported.
pub const ENSEMBLE_POINT: f64 = 0.3;

/// Both ensemble columns of one tagger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ensembles {
    /// How the ensembles were formed.
    pub rule: EnsembleRule,
    /// Mean of the members' scores.
    pub mean: RejectionColumn,
    /// Median of the members' scores.
    pub median: RejectionColumn,
}

/// How the scores of an ensemble's members become one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combine {
    Mean,
    Median,
}

/// Forms and evaluates the ensembles of the trainings of one tagger; `trainings`: one column of scores each.
pub fn ensembles<S: Score>(trainings: &[&[S]], truth: &Truth) -> Result<Ensembles> {
    let rule = EnsembleRule::new(trainings.len());
    let mut columns = Vec::with_capacity(trainings.len());
    for (index, scores) in trainings.iter().enumerate() {
        let what = format!("training {index}");
        let column = widen(scores, truth.rows(), &what)?;
        if let Some(row) = column.iter().position(|s| !s.is_finite()) {
            return Err(StatsError::NotFinite {
                what: format!("the score in row {row} of {what}"),
                value: column[row],
            });
        }
        // Signal first, so that a combined column splits into the classes at one place.
        let (mut split, background) = truth.split(&column);
        split.extend(background);
        columns.push(split);
    }
    if rule.subsets == 0 {
        let absent = || RejectionColumn::absent("one training makes no ensemble");
        return Ok(Ensembles {
            rule,
            mean: absent(),
            median: absent(),
        });
    }
    let subsets = rule.subsets();
    Ok(Ensembles {
        rule,
        mean: column(&columns, &subsets, truth, Combine::Mean),
        median: column(&columns, &subsets, truth, Combine::Median),
    })
}

/// Evaluates all subsets and reports the one at half the sorted list. `subsets` is not empty.
fn column(columns: &[Vec<f64>], subsets: &[Vec<usize>], truth: &Truth, how: Combine) -> RejectionColumn {
    let n_signal = truth.n_signal();
    let rejections: Vec<f64> = subsets
        .par_iter()
        .map_init(
            || (Vec::new(), Vec::new()),
            |(combined, keys), subset| {
                combine(columns, subset, how, combined);
                let (signal, background) = combined.split_at(n_signal);
                let rate = if truth.is_weighted() {
                    let (_, at) = Ranked::new(signal, background, truth).summary(&[ENSEMBLE_POINT]);
                    at.first().map_or(f64::NAN, |at| at.background_efficiency)
                } else {
                    background_at_point(signal, background, ENSEMBLE_POINT, keys)
                };
                // 1/0 is infinity, which sorts above every determined rejection.
                1.0 / rate
            },
        )
        .collect();
    let mut order: Vec<usize> = (0..subsets.len()).collect();
    order.sort_by(|&a, &b| rejections[a].total_cmp(&rejections[b]));
    let reported = order[order.len() / 2];

    let mut combined = Vec::new();
    combine(columns, &subsets[reported], how, &mut combined);
    let (signal, background) = combined.split_at(n_signal);
    let evaluation = evaluate_classes(signal, background, truth, &WorkingPoints::default());
    let at_30 = evaluation.rejection_at(0.3).cloned();
    let undetermined = rejections.iter().filter(|r| !r.is_finite()).count();
    let (spread, reason) = if subsets.len() == 1 {
        (None, Some("one ensemble has no spread".to_owned()))
    } else if undetermined > 0 {
        (
            None,
            Some(format!(
                "{undetermined} of {} ensembles let no background jet pass",
                subsets.len()
            )),
        )
    } else {
        (Some(mean_and_deviation(&rejections).1), None)
    };
    RejectionColumn {
        value: at_30.as_ref().and_then(|r| r.value),
        spread,
        test_error: at_30.as_ref().and_then(|r| r.test_error),
        lower_limit: at_30.as_ref().and_then(|r| r.lower_limit),
        reason: at_30.and_then(|r| r.reason).or(reason),
        trainings: subsets[reported].clone(),
        auc: Some(evaluation.auc),
        auc_error: evaluation.auc_error,
        accuracy: Some(evaluation.accuracy),
        rejection_50: evaluation.rejection_at(0.5).and_then(|r| r.value),
    }
}

/// Jets a block of the sorting network: six members fill 24 KiB, so a block stays in the first cache.
const BLOCK: usize = 512;

/// Combines the scores of a subset jet by jet into `out`.
fn combine(columns: &[Vec<f64>], subset: &[usize], how: Combine, out: &mut Vec<f64>) {
    out.clear();
    let jets = columns.first().map_or(0, Vec::len);
    let members = subset.len();
    match how {
        Combine::Mean => {
            out.resize(jets, 0.0);
            for &member in subset {
                for (sum, score) in out.iter_mut().zip(&columns[member]) {
                    *sum += score;
                }
            }
            for sum in out.iter_mut() {
                *sum /= members as f64;
            }
        }
        Combine::Median => {
            let mut lanes = vec![[0.0_f64; BLOCK]; members];
            for start in (0..jets).step_by(BLOCK) {
                let size = BLOCK.min(jets - start);
                for (lane, &member) in lanes.iter_mut().zip(subset) {
                    lane[..size].copy_from_slice(&columns[member][start..start + size]);
                }
                sort_lanes(&mut lanes);
                let (high, low) = (&lanes[members / 2], &lanes[(members - 1) / 2]);
                // Halving the sum of equal values is exact, so an odd count needs no branch.
                out.extend(high[..size].iter().zip(&low[..size]).map(|(h, l)| (l + h) / 2.0));
            }
        }
    }
}

/// Sorts the lanes against each other, jet by jet: odd-even transposition, whose comparisons do not depend on the data.
fn sort_lanes(lanes: &mut [[f64; BLOCK]]) {
    for phase in 0..lanes.len() {
        for pair in lanes[phase % 2..].chunks_exact_mut(2) {
            let [low, high] = pair else { continue };
            for (a, b) in low.iter_mut().zip(high.iter_mut()) {
                let (x, y) = (*a, *b);
                *a = if x < y { x } else { y };
                *b = if x < y { y } else { x };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` trainings of 2,000 jets with correlated noise.
    fn trainings(n: u32) -> (Vec<Vec<f64>>, Vec<u8>) {
        let labels: Vec<u8> = (0..2000_u32).map(|i| u8::from(i % 2 == 0)).collect();
        let uniform = |i: u32, salt: u32| {
            f64::from((i ^ salt.wrapping_mul(0x9e37_79b9)).wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24)
        };
        let scores = (0..n)
            .map(|t| {
                (0..2000)
                    .map(|i| 0.4 * uniform(i, 1) + 0.2 * uniform(i, t + 2) + 0.4 * f64::from(labels[i as usize]))
                    .collect()
            })
            .collect();
        (scores, labels)
    }

    #[test]
    fn medians_of_the_network_are_the_sorted_middle() {
        let (scores, _) = trainings(7);
        for members in 1..=7_usize {
            let subset: Vec<usize> = (0..members).collect();
            let mut out = Vec::new();
            combine(&scores, &subset, Combine::Median, &mut out);
            for (jet, median) in out.iter().enumerate() {
                let mut values: Vec<f64> = subset.iter().map(|&t| scores[t][jet]).collect();
                values.sort_by(f64::total_cmp);
                assert_eq!(*median, crate::spread::median_of_sorted(&values));
            }
        }
    }

    #[test]
    fn selection_gives_the_bits_of_the_full_walk() {
        let (mut scores, labels) = trainings(1);
        for coarse in [1e9, 40.0] {
            for s in &mut scores[0] {
                *s = (*s * coarse).round() / coarse;
            }
            let truth = Truth::new(&labels).unwrap();
            let (signal, background) = truth.split(&scores[0]);
            let ranked = Ranked::new(&signal, &background, &truth);
            for point in [1e-4, 0.05, 0.3, 0.5, 0.777, 0.9995, 1.0] {
                let walked = ranked.summary(&[point]).1[0].background_efficiency;
                let selected = background_at_point(&signal, &background, point, &mut Vec::new());
                assert_eq!(walked.to_bits(), selected.to_bits(), "{coarse} {point}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let (scores, labels) = trainings(7);
        let truth = Truth::new(&labels).unwrap();
        let columns: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ensembles(&columns, &truth).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn unit_weights_give_the_unweighted_ensembles() {
        let (scores, labels) = trainings(4);
        let columns: Vec<&[f64]> = scores.iter().map(Vec::as_slice).collect();
        let plain = ensembles(&columns, &Truth::new(&labels).unwrap()).unwrap();
        let weighted = ensembles(&columns, &Truth::weighted(&labels, &vec![1.0; labels.len()]).unwrap()).unwrap();
        assert_eq!(plain.median.value, weighted.median.value);
        assert_eq!(plain.mean.trainings, weighted.mean.trainings);
    }

    #[test]
    fn one_training_has_no_ensemble_and_says_so() {
        let (scores, labels) = trainings(1);
        let result = ensembles(&[&scores[0][..]], &Truth::new(&labels).unwrap()).unwrap();
        assert_eq!(result.mean.value, None);
        assert_eq!(result.mean.reason.as_deref(), Some("one training makes no ensemble"));
    }

    #[test]
    fn an_infinite_score_is_refused_where_means_are_formed() {
        let truth = Truth::new(&[1, 0]).unwrap();
        let error = ensembles(&[&[1.0, f64::INFINITY][..], &[0.5, 0.5][..]], &truth).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the score in row 1 of training 0 is inf: it must be finite"
        );
    }
}
