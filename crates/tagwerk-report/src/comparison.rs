//! Which differences between taggers mean something, in words.

use tagwerk_stats::LandscapeResult;

use crate::number::{decimals_of_rejection, rounded};

/// Distance of each tagger to the best in AUC and rejection, with the error of the difference on the common jets: a
/// heading, then one line a tagger. Empty when there is nothing to compare.
pub fn comparison_lines(landscape: &LandscapeResult) -> Vec<String> {
    let mut lines = Vec::new();
    for tagger in &landscape.taggers {
        let Some(comparison) = &tagger.comparison else { continue };
        if lines.is_empty() {
            lines.push(format!(
                "Difference to {} on the same {} (trainings of median AUC; test-sample error, the spread over trainings comes on top):",
                comparison.best, landscape.counted
            ));
        }
        let mut line = format!(
            "{}: AUC {}",
            tagger.name,
            signed(comparison.auc.difference, comparison.auc.error, 4)
        );
        match comparison.auc.z {
            None => {}
            Some(z) if z.abs() < 2.0 => line.push_str(&format!(" ({:.1} sigma: not distinguishable)", z.abs())),
            Some(z) => line.push_str(&format!(" ({:.1} sigma)", z.abs())),
        }
        match comparison.rejection_30.as_ref().map(|r| &r.difference) {
            None => {}
            Some(d) => match (d.value, d.error) {
                (Some(value), Some(error)) => {
                    line.push_str(&format!(
                        ", R(0.3) {}",
                        signed(value, Some(error), decimals_of_rejection(value))
                    ));
                }
                (Some(value), None) => {
                    let text = signed(value, None, decimals_of_rejection(value));
                    line.push_str(&format!(
                        ", R(0.3) {text} with an error that the sample does not determine"
                    ));
                }
                (None, _) => line.push_str(", R(0.3) undetermined"),
            },
        }
        lines.push(line);
    }
    lines
}

fn signed(value: f64, error: Option<f64>, fallback: usize) -> String {
    let (text, errors) = rounded(value, error.as_slice(), fallback);
    let sign = if value > 0.0 { "+" } else { "" };
    match errors.first() {
        Some(error) => format!("{sign}{text} ± {error}"),
        None => format!("{sign}{text}"),
    }
}

/// One sentence on the whole table.
pub fn summary(landscape: &LandscapeResult) -> String {
    let Some(best) = landscape.best() else {
        return format!("No tagger was evaluated on {}.", landscape.dataset);
    };
    let column = &best.rejection_single;
    let rejection = match (column.value, column.lower_limit) {
        (Some(value), _) => {
            let given: Vec<f64> = column.spread.into_iter().chain(column.test_error).collect();
            let (text, errors) = rounded(value, &given, decimals_of_rejection(value));
            let mut named = errors.iter();
            let spread = column
                .spread
                .and_then(|_| named.next())
                .map(|e| format!(" ± {e} (trainings)"));
            let test = column
                .test_error
                .and_then(|_| named.next())
                .map(|e| format!(" ± {e} (test sample)"));
            format!("{text}{}{}", spread.unwrap_or_default(), test.unwrap_or_default())
        }
        (None, Some(limit)) => format!("more than {limit:.0} (95 %; the test sample determines no value)"),
        (None, None) => "unknown size".to_owned(),
    };
    let among = match landscape.taggers.len() {
        1 => format!("On {}, {} reaches", landscape.dataset, best.name),
        n => format!(
            "Of {n} taggers on {}, {} rejects most background:",
            landscape.dataset, best.name
        ),
    };
    format!(
        "{among} a rejection of {rejection} at a signal efficiency of 0.3, with an AUC of {:.4}.",
        best.auc
    )
}
