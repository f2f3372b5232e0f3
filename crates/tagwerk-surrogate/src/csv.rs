//! Tables of numbers as text: a line of names, then lines of numbers. Numbers are written with as many digits as make
//! them come back to the last bit.

use std::fmt::Write;

/// Largest number of lines read.
const MOST_LINES: usize = 10_000_000;

/// Rows of `[rows, names.len()]`.
pub(crate) fn write(names: &[&str], values: &[f64]) -> String {
    let mut out = names.join(",");
    out.push('\n');
    for row in values.chunks_exact(names.len().max(1)) {
        for (i, value) in row.iter().enumerate() {
            let separator = if i == 0 { "" } else { "," };
            // Writing to a string cannot fail. `{:?}` is the shortest text that reads back as the same number.
            let _ = write!(out, "{separator}{value:?}");
        }
        out.push('\n');
    }
    out
}

/// Names and values `[rows, names]`; every value is finite.
pub(crate) fn read(text: &[u8]) -> Result<(Vec<String>, Vec<f64>), String> {
    let text = std::str::from_utf8(text).map_err(|_| "is no text".to_owned())?;
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().unwrap_or_default().split(',').map(str::to_owned).collect();
    if names.iter().any(String::is_empty) {
        return Err("has a column without a name".to_owned());
    }
    let mut values = Vec::new();
    for (number, line) in lines.enumerate() {
        if number >= MOST_LINES {
            return Err(format!("has more than {MOST_LINES} lines"));
        }
        let before = values.len();
        for field in line.split(',') {
            match field.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => {
                    return Err(format!(
                        "has {field:?} in line {}, which is no finite number",
                        number + 2
                    ));
                }
            }
        }
        if values.len() - before != names.len() {
            return Err(format!(
                "has {} fields in line {} where {} are named",
                values.len() - before,
                number + 2,
                names.len()
            ));
        }
    }
    Ok((names, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_tables_name_the_line() {
        assert_eq!(
            read(b"a,b\n1,2\n3\n").unwrap_err(),
            "has 1 fields in line 3 where 2 are named"
        );
        assert_eq!(
            read(b"a\nx\n").unwrap_err(),
            "has \"x\" in line 2, which is no finite number"
        );
        assert!(read(b"a\ninf\n").is_err() && read(b"").is_err() && read(&[0xff, 0xfe]).is_err());
    }

    proptest! {
        #[test]
        fn numbers_come_back_to_the_last_bit(values in proptest::collection::vec(
            any::<f64>().prop_filter("finite", |v| v.is_finite()), 0..30,
        )) {
            let values = &values[..values.len() / 2 * 2];
            let (names, read) = read(write(&["a", "b"], values).as_bytes()).unwrap();
            prop_assert_eq!(names, ["a", "b"]);
            prop_assert_eq!(read, values);
        }
    }
}
