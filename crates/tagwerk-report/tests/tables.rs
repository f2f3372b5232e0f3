//! The four renderings of the landscape table.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // The test settings of clippy.toml do not reach the free functions of a test file.

mod fixture;

use tagwerk_report::{table_csv, table_latex, table_markdown, table_text, trainings_csv};
use tagwerk_stats::LandscapeResult;

fn landscape() -> LandscapeResult {
    fixture::input().landscape
}

/// The expected table stands in `golden/table.txt`; run with `TAGWERK_BLESS=1` to write it anew after a wanted change.
#[test]
fn the_terminal_table_is_the_golden_one() {
    let text = table_text(&landscape());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/table.txt");
    if std::env::var_os("TAGWERK_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}

#[test]
fn the_published_line_stands_under_the_measured_one() {
    let text = table_text(&landscape());
    let lines: Vec<&str> = text.lines().collect();
    let resnext = lines.iter().position(|l| l.starts_with("resnext")).unwrap();
    assert!(lines[resnext + 1].starts_with("  published") && lines[resnext + 1].contains("1122 ± 47"));
    assert!(lines[resnext].contains("1,457,314") && lines[resnext + 1].contains("1,460,000"));
    // A record without numbers has no line, a tagger without a determined rejection has a limit.
    assert_eq!(text.matches("\n  published").count(), 2);
    assert!(text.contains("> 668"));
    assert!(text.contains("not directly comparable"));
    assert!(!text.contains('\u{1b}'), "no escape sequence reaches the terminal");
}

#[test]
fn columns_are_aligned() {
    let text = table_text(&landscape());
    let table: Vec<&str> = text.lines().take_while(|l| !l.is_empty()).collect();
    let width = table.iter().map(|l| l.chars().count()).max().unwrap();
    for line in table
        .iter()
        .filter(|l| l.ends_with("1,457,314") || l.ends_with("1,460,000") || l.ends_with("1,000"))
    {
        assert_eq!(line.chars().count(), width, "{line}");
    }
}

#[test]
fn the_csv_reads_back_unrounded() {
    let landscape = landscape();
    let csv = table_csv(&landscape);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|h| h == name).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), landscape.taggers.len());
    for (record, tagger) in records.iter().zip(&landscape.taggers) {
        assert_eq!(&record[column("tagger")], tagger.name);
        assert_eq!(record[column("auc")].parse(), Ok(tagger.auc));
        let number = |name: &str| record[column(name)].parse::<f64>().ok();
        assert_eq!(number("rejection_single"), tagger.rejection_single.value);
        assert_eq!(
            number("rejection_single_lower_limit"),
            tagger.rejection_single.lower_limit
        );
        assert_eq!(number("rejection_median_spread"), tagger.rejection_median.spread);
        let published = tagger
            .published
            .as_ref()
            .and_then(|p| p.rejection_mean)
            .and_then(|p| p.spread);
        assert_eq!(number("published_rejection_mean_spread"), published);
        assert_eq!(
            number("auc_difference"),
            tagger.comparison.as_ref().map(|c| c.auc.difference)
        );
    }
    let csv = trainings_csv(&landscape);
    let rows = csv::Reader::from_reader(csv.as_bytes())
        .records()
        .map(Result::unwrap)
        .count();
    assert_eq!(rows, 13);
}

#[test]
fn markdown_rows_have_all_cells_and_no_markup_from_names() {
    let markdown = table_markdown(&landscape());
    let rows: Vec<&str> = markdown.lines().filter(|l| l.starts_with('|')).collect();
    assert_eq!(rows.len(), 2 + 6);
    for row in &rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 9, "{row}");
    }
    assert!(!markdown.contains("<script>"));
}

#[test]
fn latex_is_booktabs_with_escaped_names() {
    let latex = table_latex(&landscape());
    for part in [
        "\\toprule",
        "\\midrule",
        "\\bottomrule",
        r"a\&b\_\textless{}script\textgreater{}",
        "$1122 \\pm 47$",
        "$> 668$",
    ] {
        assert!(latex.contains(part), "{part} in {latex}");
    }
    let rows: Vec<&str> = latex
        .lines()
        .filter(|l| l.ends_with(r"\\") && !l.contains("multicolumn"))
        .collect();
    for row in rows {
        assert_eq!(row.replace(r"\&", "").matches('&').count(), 7, "{row}");
    }
    assert_eq!(
        latex.matches('{').count(),
        latex.matches('}').count(),
        "braces are balanced"
    );
    assert!(latex.matches('$').count().is_multiple_of(2));
}
