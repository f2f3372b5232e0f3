//! Numbers with errors, as physicists print them.

/// Decimals that an error deserves by the Particle Data Group's rule: of its three leading digits, 100 to 354 keep two,
/// 355 to 949 keep one, 950 to 999 are rounded up to 1000 and keep two. Never negative: whole numbers stay whole.
fn decimals_of_error(error: f64) -> usize {
    if !(error.is_finite() && error > 0.0) {
        return 0;
    }
    let mut exponent = error.log10().floor() as i32;
    let leading = (error / 10_f64.powi(exponent - 2)).round();
    let digits = if leading <= 354.0 {
        2
    } else if leading <= 949.0 {
        1
    } else {
        exponent += 1;
        2
    };
    (digits - 1 - exponent).clamp(0, 9) as usize
}

/// A value and its errors, all rounded to the same decimals: those that the largest error deserves, more where a
/// smaller one would vanish that is at least a hundredth of it, `fallback` without an error.
pub(crate) fn rounded(value: f64, errors: &[f64], fallback: usize) -> (String, Vec<String>) {
    let positive = || errors.iter().copied().filter(|e| *e > 0.0);
    let decimals = match positive().reduce(f64::max) {
        None => fallback,
        Some(largest) => {
            let first_digit = |e: f64| (-e.log10().floor()).clamp(0.0, 9.0) as usize;
            let seen = positive().filter(|e| *e >= 0.01 * largest);
            decimals_of_error(largest).max(seen.map(first_digit).max().unwrap_or(0))
        }
    };
    (
        format!("{value:.decimals$}"),
        errors.iter().map(|e| format!("{e:.decimals$}")).collect(),
    )
}

/// Decimals of a value that has no error at all: a rejection of a hundred or more is whole, a small one keeps a
/// decimal.
pub(crate) fn decimals_of_rejection(value: f64) -> usize {
    if value.abs() >= 100.0 { 0 } else { 1 }
}

/// A published number as printed: at least `decimals`, more when it has more.
pub(crate) fn as_printed(value: f64, decimals: usize) -> String {
    let shortest = value.to_string();
    let has = shortest.split_once('.').map_or(0, |(_, d)| d.len());
    if has >= decimals {
        shortest
    } else {
        format!("{value:.decimals$}")
    }
}

/// A count with comma separators: 82,458.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration in words of two units at most.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_decide_the_digits() {
        assert_eq!(
            rounded(1147.2386, &[47.369, 86.54], 0),
            ("1147".to_owned(), vec!["47".to_owned(), "87".to_owned()])
        );
        assert_eq!(
            rounded(151.234, &[0.4], 0),
            ("151.2".to_owned(), vec!["0.4".to_owned()])
        );
        assert_eq!(
            rounded(0.983_715, &[0.000_124], 3),
            ("0.98372".to_owned(), vec!["0.00012".to_owned()])
        );
        assert_eq!(
            rounded(0.983_715, &[0.000_96], 3),
            ("0.9837".to_owned(), vec!["0.0010".to_owned()])
        );
        // Trainings that agree to rounding say nothing that a reader could use.
        assert_eq!(
            rounded(0.979_183_075, &[7e-9, 0.000_928], 4),
            ("0.9792".to_owned(), vec!["0.0000".to_owned(), "0.0009".to_owned()])
        );
        assert_eq!(rounded(0.5, &[], 3).0, "0.500");
        assert_eq!(rounded(12.0, &[0.0], 1).0, "12.0");
    }

    #[test]
    fn published_numbers_are_not_reformatted() {
        assert_eq!(as_printed(0.98, 3), "0.980");
        assert_eq!(as_printed(151.5, 0), "151.5");
        assert_eq!(as_printed(914.0, 0), "914");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(grouped(1_457_314), "1,457,314");
        assert_eq!(grouped(999), "999");
        assert_eq!(duration(3723.0), "1 h 02 min");
    }
}
