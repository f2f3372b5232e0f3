//! The report of a surrogate: tables, figures, page and folder.
#![allow(clippy::unwrap_used)] // The test settings of clippy.toml do not reach the free functions of a test file.

use tagwerk_report::{Report, SurrogateReportInput, surrogate_text, write_surrogate_report};
use tagwerk_surrogate::synthetic::{SyntheticClassifier, SyntheticSurrogate};
use tagwerk_surrogate::{Domain, EvaluationOptions, evaluate};

const HOSTILE: &str = "a&b_<script>\"x\"";

fn input(members: usize, with_domain: bool) -> SurrogateReportInput {
    let truth = SyntheticClassifier { seed: 1 };
    let training = truth.table(1000, 0).unwrap();
    let domain = with_domain.then(|| Domain::fit(&training, 1).unwrap());
    let options = EvaluationOptions {
        drawn_rows: 200,
        draws: 20,
        shift_rows: 40,
        shift_draws: 4,
        single_draws: 200,
        ..EvaluationOptions::default()
    };
    let model = SyntheticSurrogate::posterior(truth.clone(), members, 1);
    let table = truth.table(800, 1).unwrap();
    let evaluation = evaluate(&model, &table, Some(&training), domain.as_ref(), &[], &options).unwrap();
    SurrogateReportInput {
        title: HOSTILE.to_owned(),
        classifier: HOSTILE.to_owned(),
        evaluation,
        provenance: vec![("<key>".to_owned(), "value".to_owned())],
        commands: vec!["tagwerk surrogate evaluate".to_owned()],
    }
}

#[test]
fn every_figure_is_well_formed_with_its_numbers_beside_it() {
    let report = Report::of_surrogate(&input(3, true)).unwrap();
    let names: Vec<&str> = report.figures.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "calibration",
            "pit",
            "coverage",
            "surrogate_roc",
            "spectra",
            "epistemic",
            "shifts",
            "single_jets"
        ]
    );
    for figure in &report.figures {
        roxmltree::Document::parse(&figure.svg).unwrap();
        let mut csv = csv::Reader::from_reader(figure.csv.as_bytes());
        let mut rows = 0;
        for row in csv.records() {
            let row = row.unwrap();
            assert_eq!(row.len(), 6);
            let [low, value, high] = [3, 4, 5].map(|i| row[i].parse::<f64>().unwrap());
            assert!(low <= value + 1e-12 && value <= high + 1e-12, "{} {row:?}", figure.name);
            rows += 1;
        }
        assert!(rows > 3, "{}", figure.name);
    }
}

#[test]
fn the_page_escapes_names_and_needs_nothing_from_outside() {
    let html = Report::of_surrogate(&input(2, true)).unwrap().html;
    assert!(!html.contains("<script") && html.contains("a&amp;b_&lt;script&gt;"));
    for outside in ["src=", "http:", "url(", "@import"] {
        assert!(
            !html.replace("http://www.w3.org/2000/svg", "").contains(outside),
            "{outside}"
        );
    }
    for anchor in [
        "coverage-table",
        "detection-table",
        "calibration",
        "shifts",
        "provenance",
    ] {
        assert!(html.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
}

#[test]
fn text_tells_levels_with_errors_and_why_a_spread_is_absent() {
    let text = surrogate_text(&input(3, true).evaluation);
    let line = |text: &str, start: &str| text.lines().find(|l| l.trim().starts_with(start)).unwrap().to_owned();
    assert_eq!(line(&text, "all jets").matches('±').count(), 4, "{text}");
    assert!(line(&text, "jet_pt +1000").contains('±'), "{text}");
    let alone = surrogate_text(&input(1, false).evaluation);
    assert!(
        alone.contains("a spread over members needs two") && !alone.contains("false alarms"),
        "{alone}"
    );
}

#[test]
fn the_folder_holds_the_numbers_from_which_the_report_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let input = input(2, true);
    let page = write_surrogate_report(&input, folder.path()).unwrap();
    assert!(std::fs::metadata(page).unwrap().len() > 10_000);
    let text = std::fs::read_to_string(folder.path().join("evaluation.json")).unwrap();
    let read: tagwerk_stats::SurrogateEvaluation = serde_json::from_str(&text).unwrap();
    assert_eq!(read, input.evaluation);
    // A later report without a domain leaves no old figure of shifts behind.
    assert!(folder.path().join("figures/shifts.svg").exists());
    write_surrogate_report(&self::input(2, false), folder.path()).unwrap();
    assert!(!folder.path().join("figures/shifts.svg").exists());
}
