//! Numbers as people read them: grouped counts, values rounded by their errors, times.

use tagwerk_stats::{Evaluation, RegressionEvaluation, Rejection};
use tagwerk_taggers::Evaluated;

/// A count with comma separators: 82,458.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 epoch`, `12 epochs`.
pub fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// Size in bytes with a decimal prefix: 1.04 GB.
pub fn bytes(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, "B");
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    if unit == "B" {
        format!("{count} B")
    } else {
        format!("{value:.3} {unit}")
    }
}

/// Seconds as 0.8 s, 42 s, 3:05 or 2:10:00.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "?".to_owned();
    }
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

/// A value with its error, both with two digits of the error: 0.98372 ± 0.00018. Without an error, six decimals.
pub fn with_error(value: f64, error: Option<f64>) -> String {
    match error.filter(|e| e.is_finite() && *e > 0.0) {
        None => format!("{value:.6}"),
        Some(error) => {
            let decimals = (1.0 - error.log10().floor()).clamp(0.0, 9.0) as usize;
            format!("{value:.decimals$} ± {error:.decimals$}")
        }
    }
}

/// A rejection with its error, or its limit and why it has no value.
pub fn rejection(rejection: &Rejection) -> String {
    match (rejection.value, rejection.lower_limit) {
        (Some(value), _) => with_error(value, rejection.test_error),
        (None, limit) => {
            let limit = limit.map_or_else(|| "unknown".to_owned(), |l| format!("> {l:.1} (95 %)"));
            let reason = rejection.reason.as_deref().unwrap_or("no value");
            format!("{limit}: {reason}")
        }
    }
}

/// An evaluation of either task, one figure a line, each with the error of the test sample.
pub fn evaluated(evaluated: &Evaluated) -> String {
    match evaluated {
        Evaluated::Classes(classes) => evaluation(classes),
        Evaluated::Values(values) => regression(values),
    }
}

/// How well a number is predicted, one figure a line, each with the error of the test sample.
pub fn regression(evaluation: &RegressionEvaluation) -> String {
    let line = |name: &str, value, error| format!("  {name:<12} {}", with_error(value, error));
    let e = evaluation;
    [
        format!("  events       {}", grouped(e.events as u64)),
        line("resolution", e.resolution, e.resolution_error),
        line("bias", e.bias, e.bias_error),
        line("MSE", e.mse, e.mse_error),
        format!(
            "  of the mean  {:.6}: the resolution of who always says the mean",
            e.target_spread
        ),
    ]
    .join("\n")
}

/// An evaluation, one figure a line, each with the error of the test sample.
pub fn evaluation(evaluation: &Evaluation) -> String {
    let mut lines = vec![
        format!(
            "  jets      {} signal, {} background{}",
            grouped(evaluation.n_signal as u64),
            grouped(evaluation.n_background as u64),
            if evaluation.weighted { ", weighted" } else { "" }
        ),
        format!("  AUC       {}", with_error(evaluation.auc, evaluation.auc_error)),
        format!(
            "  accuracy  {}",
            with_error(evaluation.accuracy, Some(evaluation.accuracy_error))
        ),
    ];
    for (point, value) in &evaluation.rejection {
        lines.push(format!("  {:<9} {}", format!("R({point})"), rejection(value)));
    }
    lines.extend(evaluation.notes.iter().map(|note| format!("  note: {note}")));
    lines.join("\n")
}

/// Rows of cells as aligned columns: the first to the left, numbers to the right as `right` says.
pub fn columns(rows: &[Vec<String>], right: &[bool]) -> String {
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..right.len())
        .map(|c| {
            rows.iter()
                .filter_map(|row| row.get(c))
                .map(|t| width(t))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let fill = " ".repeat(widths[c] - width(cell));
            let gap = if c == 0 { "" } else { "  " };
            line.push_str(gap);
            line.push_str(&if right[c] { fill + cell } else { cell.clone() + &fill });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_decides_the_digits() {
        assert_eq!(with_error(0.983_715_2, Some(0.000_178)), "0.98372 ± 0.00018");
        assert_eq!(with_error(1147.24, Some(86.5)), "1147 ± 86");
        assert_eq!(with_error(0.5, None), "0.500000");
    }

    #[test]
    fn counts_sizes_and_times_are_readable() {
        assert_eq!(
            (
                grouped(82_458).as_str(),
                grouped(999).as_str(),
                grouped(1_000_000).as_str()
            ),
            ("82,458", "999", "1,000,000")
        );
        assert_eq!(
            (bytes(999).as_str(), bytes(1_038_496_555).as_str()),
            ("999 B", "1.038 GB")
        );
        assert_eq!((duration(0.84).as_str(), duration(42.2).as_str()), ("0.8 s", "42 s"));
        assert_eq!(
            (duration(185.0).as_str(), duration(7_800.0).as_str()),
            ("3:05", "2:10:00")
        );
    }
}
