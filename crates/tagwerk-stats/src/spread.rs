//! The landscape's rule for the spread over trainings.
//!
//! From the analysis notebook of arXiv:1902.09914: take the values between the 16.67 % and 83.33 % percentiles, let m
//! and s be their mean and population standard deviation, keep every training within m +- 3 s, quote the median of the
//! kept and their population standard deviation. It removes failed trainings (an inverted output, a stuck minimum), and
//! with a Gaussian spread also a good run now and then: the central two thirds are narrower than the whole.

/// Below this number of trainings nothing is cut: the central two thirds of 4 values are 2 values, whose spread says
/// nothing.
pub const MINIMUM_FOR_CUT: usize = 5;

/// What the rule makes of the trainings of one tagger.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSpread {
    /// Indices of the trainings kept, ascending.
    pub kept: Vec<usize>,
    /// Whether the outlier cut was applied ([`MINIMUM_FOR_CUT`] trainings or more).
    pub cut: bool,
    /// Median of the kept values.
    pub median: Option<f64>,
    /// Population standard deviation of the kept values; absent when fewer than two are kept.
    pub spread: Option<f64>,
    /// Why `median` or `spread` is absent.
    pub reason: Option<String>,
}

/// Applies the rule. An infinite value (a rejection that the sample does not determine) counts as larger than any other
/// and is cut as an outlier where the rule allows it; where it does not, there is no median.
pub fn training_spread(values: &[f64]) -> TrainingSpread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let all: Vec<usize> = (0..values.len()).collect();
    let cut = values.len() >= MINIMUM_FOR_CUT;
    let kept = if cut {
        let (low, high) = (percentile(&sorted, 16.67), percentile(&sorted, 83.33));
        let core: Vec<f64> = values.iter().copied().filter(|v| low <= *v && *v <= high).collect();
        let (mean, deviation) = mean_and_deviation(&core);
        let kept: Vec<usize> = all
            .iter()
            .copied()
            .filter(|&i| mean - 3.0 * deviation <= values[i] && values[i] <= mean + 3.0 * deviation)
            .collect();
        // An infinite or empty core leaves nothing: keep all, and let the median say why it is absent.
        if kept.is_empty() { all } else { kept }
    } else {
        all
    };
    let mut chosen: Vec<f64> = kept.iter().map(|&i| values[i]).collect();
    chosen.sort_by(f64::total_cmp);
    let infinite = chosen.iter().filter(|v| !v.is_finite()).count();
    if infinite > 0 || chosen.is_empty() {
        let reason = if chosen.is_empty() {
            "no training".to_owned()
        } else {
            format!("{infinite} of {} trainings let no background jet pass", values.len())
        };
        return TrainingSpread {
            kept,
            cut,
            median: None,
            spread: None,
            reason: Some(reason),
        };
    }
    let median = median_of_sorted(&chosen);
    let spread = (chosen.len() > 1).then(|| mean_and_deviation(&chosen).1);
    let reason = spread.is_none().then(|| {
        if values.len() == 1 {
            "one training has no spread".to_owned()
        } else {
            "one training kept has no spread".to_owned()
        }
    });
    TrainingSpread {
        kept,
        cut,
        median: Some(median),
        spread,
        reason,
    }
}

/// Percentile of ascending values with numpy's linear rule; NaN when empty.
pub(crate) fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = percent / 100.0 * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let t = position - below as f64;
    if t == 0.0 {
        sorted[below]
    } else {
        sorted[below] + (sorted[above] - sorted[below]) * t
    }
}

/// Mean and population standard deviation (ddof 0); NaN when empty.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// Median of ascending values: the middle, or the mean of the two in the middle.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n == 0 {
        f64::NAN
    } else if n % 2 == 1 {
        sorted[n / 2]
    } else {
        (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rejections of the nine published trainings, kept count, median, spread (notebook of arXiv:1902.09914).
    const PUBLISHED: [(&str, [f64; 9], usize, f64, f64); 4] = [
        (
            "TreeNiN",
            [
                1024.944, 1097.359, 984.946, 1153.794, 1040.794, 1024.944, 1035.456, 1014.643, 1009.570,
            ],
            6,
            1024.944,
            10.833,
        ),
        (
            "ParticleNet",
            [
                1311.130, 1311.130, 1302.671, 1238.736, 1364.284, 1057.141, 1216.349, 1238.736, 1294.321,
            ],
            8,
            1298.496,
            46.156,
        ),
        (
            "LBN",
            [
                893.425, 1.0139, 817.466, 855.568, 855.568, 905.444, 830.922, 841.308, 810.900,
            ],
            6,
            836.115,
            17.274,
        ),
        (
            "NSub6",
            [
                753.410, 718.555, 801.246, 810.900, 791.820, 791.820, 20.538, 791.820, 770.664,
            ],
            7,
            791.820,
            17.880,
        ),
    ];

    #[test]
    fn the_published_run_lists_give_the_published_medians_and_spreads() {
        for (name, runs, kept, median, spread) in PUBLISHED {
            let result = training_spread(&runs);
            assert_eq!(result.kept.len(), kept, "{name}");
            assert!(
                (result.median.unwrap() - median).abs() < 0.0006,
                "{name}: {:?}",
                result.median
            );
            assert!(
                (result.spread.unwrap() - spread).abs() < 0.0006,
                "{name}: {:?}",
                result.spread
            );
        }
    }

    #[test]
    fn few_trainings_are_all_kept() {
        let result = training_spread(&[100.0, 200.0, 1000.0]);
        assert_eq!(
            (result.kept, result.cut, result.median),
            (vec![0, 1, 2], false, Some(200.0))
        );
    }

    #[test]
    fn one_training_has_a_value_and_a_reason_for_no_spread() {
        let result = training_spread(&[384.0]);
        assert_eq!((result.median, result.spread), (Some(384.0), None));
        assert_eq!(result.reason.as_deref(), Some("one training has no spread"));
        assert_eq!(training_spread(&[]).median, None);
    }

    #[test]
    fn one_infinite_training_of_nine_is_an_outlier_three_of_four_are_not() {
        let mut runs = PUBLISHED[0].1;
        runs[3] = f64::INFINITY;
        let result = training_spread(&runs);
        assert!(result.median.unwrap().is_finite() && !result.kept.contains(&3));
        let result = training_spread(&[100.0, f64::INFINITY, f64::INFINITY, f64::INFINITY]);
        assert_eq!(result.median, None);
        assert!(result.reason.unwrap().starts_with("3 of 4"));
        assert_eq!(training_spread(&[f64::INFINITY; 9]).median, None);
    }

    #[test]
    fn percentiles_are_numpys() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(percentile(&values, 50.0), 3.0);
        assert!((percentile(&values, 16.67) - 1.5001).abs() < 1e-12);
    }
}
