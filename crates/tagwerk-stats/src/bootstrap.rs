//! Bootstrap errors, and the paired bootstrap between taggers scored on the same jets.
//!
//! Each replica draws as many signal jets from the signal and as many background jets from the background as there are,
//! with replacement (the classes' sizes were fixed when the sample was made, so they do not fluctuate). All taggers are
//! evaluated on the same replica: what a jet sample does to all of them alike cancels in their difference, which at a
//! rejection of 1000 is most of the test-sample error.
//!
//! What it costs: the sample is sorted once a tagger; a replica is N random counts and one walk, O(N).
//! Replica r of seed s draws from the ChaCha stream (s, "bootstrap", r): the same bits on any number of threads.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Result, StatsError};
use crate::evaluation::working_point_key;
use crate::scan::Scan;
use crate::score::{Score, descending_key, widen};
use crate::spread::percentile;
use crate::stream::{below, stream};
use crate::truth::Truth;
use crate::working_point::WorkingPoints;

/// How many replicas, and from which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// Replicas; at least 10. 400 give an error good to 4 %.
    pub replicas: usize,
    /// Seed of the streams.
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self { replicas: 400, seed: 0 }
    }
}

/// A number and its bootstrap error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootstrapEstimate {
    /// The number on the sample itself; absent for a rejection that the sample does not determine.
    pub value: Option<f64>,
    /// Standard deviation over the replicas.
    pub error: Option<f64>,
    /// Central 95 % of the replicas.
    pub interval: Option<[f64; 2]>,
    /// Why something is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Bootstrap errors of one tagger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootstrapErrors {
    /// Replicas drawn.
    pub replicas: usize,
    /// Seed they were drawn from.
    pub seed: u64,
    /// Area under the ROC curve.
    pub auc: BootstrapEstimate,
    /// Rejection by working point.
    pub rejection: BTreeMap<String, BootstrapEstimate>,
}

/// One quantity of two taggers on the same jets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// First tagger.
    pub a: BootstrapEstimate,
    /// Second tagger.
    pub b: BootstrapEstimate,
    /// First minus second, with the correlation in its error.
    pub difference: BootstrapEstimate,
}

/// Paired bootstrap of two taggers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedBootstrap {
    /// Replicas drawn.
    pub replicas: usize,
    /// Seed they were drawn from.
    pub seed: u64,
    /// Area under the ROC curve.
    pub auc: PairedDifference,
    /// Rejection by working point.
    pub rejection: BTreeMap<String, PairedDifference>,
}

/// Bootstrap errors of one column of scores.
pub fn bootstrap<S: Score>(
    scores: &[S],
    truth: &Truth,
    points: &WorkingPoints,
    options: BootstrapOptions,
) -> Result<BootstrapErrors> {
    let replicas = Replicas::draw(&[widen(scores, truth.rows(), "the scores")?], truth, points, options)?;
    Ok(BootstrapErrors {
        replicas: options.replicas,
        seed: options.seed,
        auc: replicas.estimate(|r| r.auc(0)),
        rejection: keys(points)
            .map(|(i, key)| (key, replicas.estimate(|r| r.rejection(0, i))))
            .collect(),
    })
}

/// Paired bootstrap between two columns of scores on the same jets.
pub fn paired_bootstrap<A: Score, B: Score>(
    a: &[A],
    b: &[B],
    truth: &Truth,
    points: &WorkingPoints,
    options: BootstrapOptions,
) -> Result<PairedBootstrap> {
    let columns = [
        widen(a, truth.rows(), "the first scores")?,
        widen(b, truth.rows(), "the second scores")?,
    ];
    Ok(Replicas::draw(&columns, truth, points, options)?.pair(0, 1))
}

fn keys(points: &WorkingPoints) -> impl Iterator<Item = (usize, String)> {
    points.as_slice().iter().map(|&p| working_point_key(p)).enumerate()
}

/// Numbers of all taggers on the sample itself and on every replica.
pub(crate) struct Replicas {
    points: WorkingPoints,
    options: BootstrapOptions,
    sample: Numbers,
    draws: Vec<Numbers>,
}

/// One sample, all taggers: (AUC, background efficiency at each working point).
struct Numbers(Vec<(f64, Vec<f64>)>);

impl Numbers {
    fn auc(&self, tagger: usize) -> f64 {
        self.0[tagger].0
    }

    /// Infinite when no background passes.
    fn rejection(&self, tagger: usize, point: usize) -> f64 {
        1.0 / self.0[tagger].1[point]
    }
}

impl Replicas {
    /// Draws the replicas and evaluates every column of scores on each.
    pub(crate) fn draw(
        columns: &[Vec<f64>],
        truth: &Truth,
        points: &WorkingPoints,
        options: BootstrapOptions,
    ) -> Result<Self> {
        const LIMIT: usize = 10;
        if options.replicas < LIMIT {
            return Err(StatsError::Replicas {
                replicas: options.replicas,
                limit: LIMIT,
            });
        }
        let orders: Vec<Order> = columns.par_iter().map(|scores| Order::new(scores, truth)).collect();
        let evaluate = |counts: &[u8]| {
            Numbers(
                orders
                    .iter()
                    .map(|order| order.numbers(counts, points.as_slice()))
                    .collect(),
            )
        };
        let sample = evaluate(&vec![1; truth.rows()]);
        let draws = (0..options.replicas as u64)
            .into_par_iter()
            .map_init(
                || vec![0_u8; truth.rows()],
                |counts, replica| {
                    resample(truth, options.seed, replica, counts);
                    evaluate(counts)
                },
            )
            .collect();
        Ok(Self {
            points: points.clone(),
            options,
            sample,
            draws,
        })
    }

    /// All quantities of two taggers and their differences.
    pub(crate) fn pair(&self, a: usize, b: usize) -> PairedBootstrap {
        let pair = |x: &dyn Fn(&Numbers, usize) -> f64| PairedDifference {
            a: self.estimate(|r| x(r, a)),
            b: self.estimate(|r| x(r, b)),
            difference: self.estimate(|r| x(r, a) - x(r, b)),
        };
        PairedBootstrap {
            replicas: self.options.replicas,
            seed: self.options.seed,
            auc: pair(&|r, t| r.auc(t)),
            rejection: keys(&self.points)
                .map(|(i, key)| (key, pair(&|r, t| r.rejection(t, i))))
                .collect(),
        }
    }

    /// Standard deviation over the replicas of the difference of two taggers' background efficiencies at a working
    /// point. It is defined where no background passes, too.
    pub(crate) fn efficiency_difference_error(&self, a: usize, b: usize, point: usize) -> Option<f64> {
        let difference = |r: &Numbers| r.0[a].1[point] - r.0[b].1[point];
        self.estimate(difference).error
    }

    fn estimate(&self, quantity: impl Fn(&Numbers) -> f64) -> BootstrapEstimate {
        let value = Some(quantity(&self.sample)).filter(|v| v.is_finite());
        let mut values: Vec<f64> = self.draws.iter().map(&quantity).collect();
        values.sort_by(f64::total_cmp);
        let undetermined = values.iter().filter(|v| !v.is_finite()).count();
        if undetermined > 0 {
            let reason = format!(
                "in {undetermined} of {} replicas no background jet passes",
                values.len()
            );
            return BootstrapEstimate {
                value,
                error: None,
                interval: None,
                reason: Some(reason),
            };
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let interval = [percentile(&values, 2.5), percentile(&values, 97.5)];
        let reason = value.is_none().then(|| "no background jet passes".to_owned());
        BootstrapEstimate {
            value,
            error: Some(variance.sqrt()),
            interval: Some(interval),
            reason,
        }
    }
}

/// How often each row is drawn. A byte is enough: 256 draws of one row out of n have a probability below 1/256!.
fn resample(truth: &Truth, seed: u64, replica: u64, counts: &mut [u8]) {
    counts.fill(0);
    let mut rng = stream(seed, "bootstrap", replica);
    for rows in [truth.signal_rows(), truth.background_rows()] {
        let n = rows.len() as u32;
        for _ in 0..n {
            let row = rows[below(&mut rng, n) as usize] as usize;
            counts[row] = counts[row].saturating_add(1);
        }
    }
}

/// One tagger's rows by descending score.
struct Order {
    /// Row, signal flag and end-of-tie flag packed, so that a walk streams through one array.
    rows: Vec<Place>,
    /// Weights in the order of `rows`.
    weights: Option<Vec<f64>>,
}

#[derive(Clone, Copy)]
struct Place {
    row: u32,
    signal: bool,
    ends_tie: bool,
}

impl Order {
    fn new(scores: &[f64], truth: &Truth) -> Self {
        let mut keyed: Vec<(u64, u32, bool)> = Vec::with_capacity(scores.len());
        for (rows, signal) in [(truth.signal_rows(), true), (truth.background_rows(), false)] {
            keyed.extend(
                rows.iter()
                    .map(|&row| (descending_key(scores[row as usize]), row, signal)),
            );
        }
        keyed.sort_unstable();
        let rows = (0..keyed.len())
            .map(|i| Place {
                row: keyed[i].1,
                signal: keyed[i].2,
                ends_tie: keyed.get(i + 1).is_none_or(|next| next.0 != keyed[i].0),
            })
            .collect();
        let weights = truth.class_weights().map(|w| {
            let mut by_row = vec![0.0; truth.rows()];
            for (&row, &weight) in truth.signal_rows().iter().zip(&w.signal) {
                by_row[row as usize] = weight;
            }
            for (&row, &weight) in truth.background_rows().iter().zip(&w.background) {
                by_row[row as usize] = weight;
            }
            keyed.iter().map(|k| by_row[k.1 as usize]).collect()
        });
        Self { rows, weights }
    }

    /// AUC and background efficiencies when row r counts `counts[r]` times.
    fn numbers(&self, counts: &[u8], points: &[f64]) -> (f64, Vec<f64>) {
        let mut total = [0.0_f64; 2];
        self.walk(counts, |signal, background, _| total = [signal, background]);
        let mut scan = Scan::new(total[0], total[1], points);
        self.walk(counts, |signal, background, ends_tie| {
            if ends_tie {
                scan.step(signal, background, 0.0);
            }
        });
        (
            scan.auc(),
            scan.at().into_iter().map(|at| at.background_efficiency).collect(),
        )
    }

    #[inline]
    fn walk(&self, counts: &[u8], mut visit: impl FnMut(f64, f64, bool)) {
        let (mut signal, mut background) = (0.0, 0.0);
        for (i, place) in self.rows.iter().enumerate() {
            let weight = f64::from(counts[place.row as usize]) * self.weights.as_ref().map_or(1.0, |w| w[i]);
            if place.signal {
                signal += weight;
            } else {
                background += weight;
            }
            visit(signal, background, place.ends_tie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delong::{delong, delong_pair};
    use crate::evaluation::evaluate;

    /// Two correlated taggers of 6,000 jets.
    fn sample() -> (Vec<f64>, Vec<f64>, Truth) {
        let mut rng = stream(11, "test", 0);
        let mut uniform = || f64::from(below(&mut rng, 1 << 24)) / f64::from(1 << 24);
        let labels: Vec<u8> = (0..6000).map(|i| u8::from(i % 2 == 0)).collect();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for &label in &labels {
            let common = 0.4 * f64::from(label) + uniform() + uniform();
            a.push(common + 0.3 * uniform());
            b.push(common + 0.9 * uniform());
        }
        (a, b, Truth::new(&labels).unwrap())
    }

    #[test]
    fn bootstrap_error_of_the_auc_is_delongs() {
        let (a, b, truth) = sample();
        let options = BootstrapOptions { replicas: 400, seed: 5 };
        let paired = paired_bootstrap(&a, &b, &truth, &WorkingPoints::default(), options).unwrap();
        let exact = delong_pair(&a, &b, &truth).unwrap();
        assert!((paired.auc.difference.value.unwrap() - exact.difference).abs() < 1e-12);
        let ratio = |x: Option<f64>, y: Option<f64>| x.unwrap() / y.unwrap();
        // 400 replicas: 3.5 % on each error; 4 sigma.
        assert!((ratio(paired.auc.a.error, exact.a.error) - 1.0).abs() < 0.15);
        assert!((ratio(paired.auc.difference.error, exact.error) - 1.0).abs() < 0.15);
        let independent = paired.auc.a.error.unwrap().hypot(paired.auc.b.error.unwrap());
        assert!(
            paired.auc.difference.error.unwrap() < 0.7 * independent,
            "the common jets cancel"
        );
    }

    #[test]
    fn the_sample_itself_is_evaluated_as_everywhere() {
        let (a, _, truth) = sample();
        let errors = bootstrap(&a, &truth, &WorkingPoints::default(), BootstrapOptions::default()).unwrap();
        let evaluation = evaluate(&a, &truth, &WorkingPoints::default()).unwrap();
        assert_eq!(errors.auc.value, Some(evaluation.auc));
        assert_eq!(errors.rejection["0.3"].value, evaluation.rejection["0.3"].value);
        assert_eq!(delong(&a, &truth).unwrap().auc, evaluation.auc);
        // Signal fluctuations add to the published background-only error, so the bootstrap is not below it by much.
        let ratio = errors.rejection["0.3"].error.unwrap() / evaluation.rejection["0.3"].test_error.unwrap();
        assert!((0.8..2.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn replicas_do_not_depend_on_threads_but_on_the_seed() {
        let (a, b, truth) = sample();
        let with = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let options = BootstrapOptions { replicas: 12, seed };
            pool.install(|| paired_bootstrap(&a, &b, &truth, &WorkingPoints::default(), options).unwrap())
        };
        assert_eq!(with(1, 1), with(3, 1));
        assert_ne!(with(1, 1).auc, with(1, 2).auc);
    }

    #[test]
    fn replicas_without_background_give_a_reason_not_a_nan() {
        let truth = Truth::new(&[1, 1, 0, 0]).unwrap();
        let options = BootstrapOptions { replicas: 20, seed: 0 };
        let errors = bootstrap(&[0.9, 0.8, 0.2, 0.1], &truth, &WorkingPoints::default(), options).unwrap();
        let rejection = &errors.rejection["0.3"];
        assert_eq!((rejection.value, rejection.error), (None, None));
        assert!(rejection.reason.as_ref().unwrap().contains("20 of 20"));
        assert!(
            bootstrap(
                &[0.9, 0.8, 0.2, 0.1],
                &truth,
                &WorkingPoints::default(),
                BootstrapOptions { replicas: 1, seed: 0 }
            )
            .is_err()
        );
    }

    #[test]
    fn unit_weights_change_nothing() {
        let (a, _, truth) = sample();
        let labels: Vec<u8> = (0..6000).map(|i| u8::from(i % 2 == 0)).collect();
        let weighted = Truth::weighted(&labels, &vec![1.0; 6000]).unwrap();
        let options = BootstrapOptions { replicas: 10, seed: 3 };
        let run = |truth: &Truth| bootstrap(&a, truth, &WorkingPoints::default(), options).unwrap();
        assert_eq!(run(&truth), run(&weighted));
    }
}
