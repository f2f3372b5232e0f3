//! Do the chains agree, and how much do they know? R-hat and effective sample sizes.
//!
//! Vehtari, Gelman, Simpson, Carpenter, Buerkner, "Rank-normalization, folding, and localization: an improved R-hat",
//! arXiv:1903.08008. Every chain is split in halves, so that a drift within a chain shows as a disagreement of halves.
//! Values are replaced by normal scores of their ranks, so that heavy tails do no harm. The folded R-hat, of distances
//! from the median, sees chains of different width. Rule of the authors: R-hat below 1.01, and a bulk and a tail ESS
//! above 100 for each chain.
//!
//! Ten stored draws of one chain, the published number, cannot tell: the functions then give `None` or a small ESS, and
//! the record says so. Of fewer than ten draws a chain nothing is known about their correlation, and a chain counts as one
//! effective draw.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tagwerk_stats::{normal_quantile, sample_quantile};

/// Diagnosis of one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// The larger of the rank-normalized split R-hat and its folded form. [`STANDING`] if chains stand still at
    /// different values.
    pub rhat: f64,
    /// Effective draws for the mean.
    pub ess_bulk: f64,
    /// Effective draws for the 5 % and 95 % quantiles, the smaller of both.
    pub ess_tail: f64,
}

/// The R-hat of chains that stand still at different values, in place of infinity, which JSON has no number for.
pub const STANDING: f64 = 1e9;

/// Chains need this many draws each for a diagnosis: two in each half.
const FEWEST: usize = 4;

/// Shorter halves of chains have no correlations to sum, and the formula would call any such draws independent: a chain
/// counts as one draw then.
const FEWEST_CORRELATED: usize = 5;

/// Diagnosis of a quantity from its values in each chain, `[chains][draws]`.
///
/// `None` for chains of different length or with fewer than 4 draws, for values that are not finite, and for a quantity
/// that has one value only.
pub fn diagnose(chains: &[&[f64]]) -> Option<Diagnosis> {
    let halves = split(chains)?;
    let median = median(&halves);
    let folded: Vec<Vec<f64>> = halves
        .iter()
        .map(|half| half.iter().map(|x| (x - median).abs()).collect())
        .collect();
    let scores = normal_scores(&halves);
    let all: Vec<f64> = sorted(chains.iter().flat_map(|chain| chain.iter().copied()));
    // Without any spread of the distances (two values, say) the folded form says nothing.
    let folded = plain_rhat(&normal_scores(&folded)).unwrap_or(0.0);
    let rhat = plain_rhat(&scores)?.max(folded);
    if halves[0].len() < FEWEST_CORRELATED {
        let ess = chains.len() as f64;
        return Some(Diagnosis {
            rhat,
            ess_bulk: ess,
            ess_tail: ess,
        });
    }
    Some(Diagnosis {
        rhat,
        ess_bulk: effective_size(&scores),
        ess_tail: f64::min(
            tail_size(chains, sample_quantile(&all, 0.05)),
            tail_size(chains, sample_quantile(&all, 0.95)),
        ),
    })
}

/// Normalized autocorrelation of a series at lags 0 to `lags`, about its mean, with the divisor n at every lag. Empty
/// for a series that is shorter or constant.
pub fn autocorrelation(series: &[f64], lags: usize) -> Vec<f64> {
    let centered = Centered::new(series);
    let variance = centered.covariance(0);
    if lags >= series.len() || variance.is_nan() || variance <= 0.0 {
        return Vec::new();
    }
    (0..=lags).map(|lag| centered.covariance(lag) / variance).collect()
}

/// Diagnoses of all weights in a few numbers: there are too many to look at each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightDiagnosis {
    /// Weights with a diagnosis. The others did not move.
    pub weights: usize,
    /// Largest R-hat.
    pub rhat_largest: f64,
    /// R-hat that 99 % of the weights stay below.
    pub rhat_99: f64,
    /// Median R-hat.
    pub rhat_median: f64,
    /// Smallest bulk ESS.
    pub ess_bulk_smallest: f64,
    /// Median bulk ESS.
    pub ess_bulk_median: f64,
    /// Smallest tail ESS.
    pub ess_tail_smallest: f64,
}

/// Diagnosis of every weight from the stored draws of each chain, `[chains]` of `[D, P]`. `None` if no weight has one.
pub fn diagnose_weights(chains: &[&[f32]], weights: usize) -> Option<WeightDiagnosis> {
    if weights == 0 {
        return None;
    }
    let all: Vec<Option<Diagnosis>> = (0..weights)
        .into_par_iter()
        .map(|weight| {
            let series: Vec<Vec<f64>> = chains
                .iter()
                .map(|draws| {
                    draws
                        .chunks_exact(weights)
                        .map(|draw| f64::from(draw[weight]))
                        .collect()
                })
                .collect();
            diagnose(&series.iter().map(Vec::as_slice).collect::<Vec<_>>())
        })
        .collect();
    let column = |value: fn(&Diagnosis) -> f64| sorted(all.iter().flatten().map(value));
    let (rhat, bulk, tail) = (column(|d| d.rhat), column(|d| d.ess_bulk), column(|d| d.ess_tail));
    Some(WeightDiagnosis {
        weights: rhat.len(),
        rhat_largest: *rhat.last()?,
        rhat_99: sample_quantile(&rhat, 0.99),
        rhat_median: sample_quantile(&rhat, 0.5),
        ess_bulk_smallest: *bulk.first()?,
        ess_bulk_median: sample_quantile(&bulk, 0.5),
        ess_tail_smallest: *tail.first()?,
    })
}

/// Both halves of each chain; the middle draw of an odd number is left out.
fn split(chains: &[&[f64]]) -> Option<Vec<Vec<f64>>> {
    let draws = chains.first()?.len();
    let usable = |chain: &&[f64]| chain.len() == draws && chain.iter().all(|x| x.is_finite());
    let first = chains[0].first()?;
    let constant = chains.iter().all(|chain| chain.iter().all(|x| x == first));
    if draws < FEWEST || constant || !chains.iter().all(usable) {
        return None;
    }
    let half = draws / 2;
    Some(
        chains
            .iter()
            .flat_map(|chain| [chain[..half].to_vec(), chain[draws - half..].to_vec()])
            .collect(),
    )
}

/// Values in order; the caller has refused NaN.
fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(chains: &[Vec<f64>]) -> f64 {
    sample_quantile(&sorted(chains.iter().flatten().copied()), 0.5)
}

/// Phi^-1((rank - 3/8) / (n + 1/4)) of each value among all, ties having the mean of their ranks.
fn normal_scores(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut order: Vec<(f64, usize)> = chains.iter().flatten().copied().zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let count = order.len();
    let mut scores = vec![0.0; count];
    let mut begin = 0;
    while begin < count {
        let ties = order[begin..]
            .iter()
            .take_while(|entry| entry.0 == order[begin].0)
            .count();
        let rank = begin as f64 + 0.5 * (ties as f64 + 1.0);
        let score = normal_quantile((rank - 0.375) / (count as f64 + 0.25));
        order[begin..begin + ties]
            .iter()
            .for_each(|entry| scores[entry.1] = score);
        begin += ties;
    }
    let length = chains[0].len();
    scores.chunks_exact(length).map(<[f64]>::to_vec).collect()
}

/// sqrt((B / W + n - 1) / n); `None` if nothing varies.
fn plain_rhat(chains: &[Vec<f64>]) -> Option<f64> {
    let n = chains[0].len() as f64;
    let moments: Vec<(f64, f64)> = chains.iter().map(|chain| mean_and_variance(chain)).collect();
    let within = moments.iter().map(|m| m.1).sum::<f64>() / moments.len() as f64;
    let means: Vec<f64> = moments.iter().map(|m| m.0).collect();
    let between = n * mean_and_variance(&means).1;
    (within > 0.0 || between > 0.0).then(|| ((between / within + n - 1.0) / n).sqrt().min(STANDING))
}

/// Mean, and variance with the divisor n - 1.
fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (mean, squares / (n - 1.0))
}

/// ESS of the indicator of values at or below a limit, on split chains.
fn tail_size(chains: &[&[f64]], limit: f64) -> f64 {
    let below = |x: &f64| f64::from(u8::from(*x <= limit));
    let indicators: Vec<Vec<f64>> = chains.iter().map(|chain| chain.iter().map(below).collect()).collect();
    let slices: Vec<&[f64]> = indicators.iter().map(Vec::as_slice).collect();
    // A constant indicator (few draws, or chains that stand still) tells as much as it has values.
    let total: usize = chains.iter().map(|chain| chain.len()).sum();
    split(&slices).map_or(total as f64, |halves| effective_size(&halves))
}

/// A series about its mean.
struct Centered(Vec<f64>);

impl Centered {
    fn new(series: &[f64]) -> Self {
        let mean = series.iter().sum::<f64>() / series.len() as f64;
        Self(series.iter().map(|x| x - mean).collect())
    }

    /// Autocovariance with the divisor n.
    fn covariance(&self, lag: usize) -> f64 {
        let pairs = self.0.iter().zip(&self.0[lag..]);
        pairs.map(|(a, b)| a * b).sum::<f64>() / self.0.len() as f64
    }
}

/// Effective sample size of chains of equal length: section 3.2 of the paper, with Geyer's initial monotone sequence.
///
/// Lags are summed as they are needed: the sum ends after a few autocorrelation times, long before a Fourier transform
/// of the whole chain would pay.
fn effective_size(chains: &[Vec<f64>]) -> f64 {
    let (m, n) = (chains.len() as f64, chains[0].len());
    let total = m * n as f64;
    let centered: Vec<Centered> = chains.iter().map(|chain| Centered::new(chain)).collect();
    let covariance = |lag: usize| centered.iter().map(|chain| chain.covariance(lag)).sum::<f64>() / m;
    let within = covariance(0) * n as f64 / (n as f64 - 1.0);
    let means: Vec<f64> = chains.iter().map(|chain| mean_and_variance(chain).0).collect();
    let between = if chains.len() > 1 {
        mean_and_variance(&means).1
    } else {
        0.0
    };
    let variance = within * (n as f64 - 1.0) / n as f64 + between;
    if variance <= 0.0 {
        return total;
    }
    let correlation = |lag: usize| 1.0 - (within - covariance(lag)) / variance;

    // Sums of neighboring correlations (even lag, odd lag) are positive and fall for any reversible chain: the sequence
    // ends at the first that is not, and no sum may exceed the one before.
    let mut pairs = vec![(1.0, correlation(1))];
    // What counts once instead of twice: the even lag of the pair at which the sequence ends.
    let mut last = 1.0;
    let mut kept = 0;
    let mut lag = 1;
    while lag + 3 < n && pairs.last().is_some_and(|&(even, odd)| even + odd > 0.0) {
        let (even, odd) = (correlation(lag + 1), correlation(lag + 2));
        kept = pairs.len();
        if even + odd < 0.0 {
            last = even.max(0.0);
            break;
        }
        last = even;
        pairs.push((even, odd));
        lag += 2;
    }
    for k in 1..kept {
        let before = pairs[k - 1].0 + pairs[k - 1].1;
        if pairs[k].0 + pairs[k].1 > before {
            pairs[k] = (0.5 * before, 0.5 * before);
        }
    }
    let sum: f64 = pairs[..kept].iter().map(|(even, odd)| even + odd).sum();
    let tau = -1.0 + 2.0 * sum + last;
    // Negative correlations help only so far.
    total / tau.max(1.0 / total.log10())
}
