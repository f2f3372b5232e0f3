//! The report of a regression: tables, figures, page and folder.
#![allow(clippy::unwrap_used)] // The test settings of clippy.toml do not reach the free functions of a test file.

use tagwerk_report::{
    EpochRecord, History, PredictionCurves, RegressionReportInput, Report, regression_csv, regression_latex,
    regression_markdown, regression_text, write_regression_report,
};
use tagwerk_stats::{RegressionLandscape, RegressionTraining};

const HOSTILE: &str = "a&b_<script>,\"x\"";
const EVENTS: usize = 1000;

fn uniform(event: usize, salt: u32) -> f64 {
    let mixed = (event as u32 ^ salt.wrapping_mul(0x9e37_79b9)).wrapping_mul(2_654_435_761);
    f64::from(mixed >> 8) / f64::from(1 << 24)
}

fn input() -> RegressionReportInput {
    let targets: Vec<f64> = (0..EVENTS).map(|i| 600.0 + 300.0 * uniform(i, 1)).collect();
    let run = |noise: f64, salt: u32| -> Vec<f64> {
        targets
            .iter()
            .enumerate()
            .map(|(i, t)| 0.8 * t + 150.0 + noise * (uniform(i, salt) - 0.5))
            .collect()
    };
    let good: Vec<Vec<f64>> = (2..5).map(|salt| run(60.0, salt)).collect();
    let poor = [run(200.0, 9)];
    let mut table = RegressionLandscape::new("airshower (stand-in)", "Xmax", "g/cm^2", &targets).unwrap();
    let mut curves = Vec::new();
    for (name, parameters, runs) in [("fcn", Some(2_403_841), &good[..]), (HOSTILE, None, &poor[..])] {
        let trainings: Vec<RegressionTraining<f64>> = runs
            .iter()
            .zip(1..)
            .map(|(predictions, seed)| RegressionTraining {
                seed,
                predictions,
                epochs: 2,
                seconds: 65.0,
            })
            .collect();
        let row = table.add(name, parameters, &trainings).unwrap();
        curves.push(PredictionCurves::new(name, &runs[row.median_training], &targets).unwrap());
    }
    let epoch = |epoch| EpochRecord {
        epoch,
        training_loss: Some(900.0 / epoch as f64),
        validation_loss: Some(1000.0 / epoch as f64),
        validation_auc: None,
        validation_resolution: Some(40.0 / epoch as f64),
    };
    RegressionReportInput {
        title: "Xmax & <more>".into(),
        table: table.finish().unwrap(),
        curves,
        histories: vec![History {
            tagger: "fcn".into(),
            seed: 1,
            epochs: vec![epoch(1), epoch(2)],
        }],
        provenance: vec![("<key>".into(), "value".into())],
        commands: vec!["tagwerk landscape".into()],
    }
}

#[test]
fn tables_name_the_data_set_its_unit_and_both_errors() {
    let table = input().table;
    let text = regression_text(&table);
    assert!(
        text.contains("Data set airshower (stand-in), 1,000 test events; target Xmax in g/cm^2"),
        "{text}"
    );
    // Two errors in each of four numbers; three trainings have a spread, one has none and no ensemble.
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert_eq!(line("fcn").matches('±').count(), 8, "{text}");
    assert!(line("fcn").trim_end().ends_with("2,403,841"));
    assert!(line("a&b").contains("± - ±"), "{text}");
    assert!(
        text.contains("sigma)") && text.contains("Resolution minus that of fcn"),
        "{text}"
    );
    let csv = regression_csv(&table);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), &rows[1][0]), (2, HOSTILE));
    let value: f64 = rows[0][3].parse().unwrap();
    assert_eq!(value, table.taggers[0].resolution.value, "unrounded");
    let markdown = regression_markdown(&table);
    assert!(
        markdown.contains("| **fcn** |") && !markdown.contains("<script>"),
        "{markdown}"
    );
    let latex = regression_latex(&table);
    assert!(
        latex.contains(r"a\&b\_\textless{}script\textgreater{}") && latex.contains(r"\toprule"),
        "{latex}"
    );
}

#[test]
fn page_and_figures_are_well_formed_and_have_numbers() {
    let report = Report::of_regression(&input()).unwrap();
    let names: Vec<&str> = report.figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, ["predictions", "residuals", "resolution", "training"]);
    let options = || roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    for figure in &report.figures {
        roxmltree::Document::parse_with_options(&figure.svg, options()).unwrap();
        assert!(
            !figure.svg.contains("NaN") && figure.csv.lines().count() > 2,
            "{}",
            figure.name
        );
        assert!(report.html.contains(&format!("<section id=\"{}\">", figure.name)));
    }
    roxmltree::Document::parse_with_options(&report.html, options()).unwrap();
    assert!(report.html.contains("predicts Xmax best: with a resolution of") && !report.html.contains("<script"));
    assert!(
        report.figures[3]
            .csv
            .starts_with("tagger,seed,epoch,training_loss,validation_loss,validation_resolution")
    );
    // Shares of a histogram are those of all events; ten bins hold all of them.
    let numbers = |csv: &str, column: usize, name: &str| -> Vec<f64> {
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows = reader.records().map(Result::unwrap).filter(|row| &row[0] == name);
        rows.map(|row| row[column].parse().unwrap()).collect()
    };
    let shares: f64 = numbers(&report.figures[1].csv, 3, "fcn").iter().sum();
    assert!((0.99..=1.000_001).contains(&shares), "{shares}");
    assert_eq!(numbers(&report.figures[2].csv, 4, "fcn"), [100.0; 10]);
    // The toy shrinks predictions to the mean: the bias falls with the target.
    let bias = numbers(&report.figures[2].csv, 7, "fcn");
    assert!(bias[0] > 20.0 && bias[9] < -20.0, "{bias:?}");
}

#[test]
fn the_folder_is_the_same_as_a_classification_s_and_leaves_nothing_of_an_older_one() {
    let folder = tempfile::tempdir().unwrap();
    let figures = folder.path().join("figures");
    std::fs::create_dir(&figures).unwrap();
    std::fs::write(figures.join("roc.svg"), "somebody's own").unwrap();
    let page = write_regression_report(&input(), folder.path()).unwrap();
    assert!(page.ends_with("report.html") && page.is_file());
    // Where no report was, a file of this name is none of ours.
    assert!(figures.join("roc.svg").exists() && figures.join("residuals.csv").is_file());
    write_regression_report(&input(), folder.path()).unwrap();
    assert!(!figures.join("roc.svg").exists() && figures.join("residuals.csv").is_file());
    let json = std::fs::read_to_string(folder.path().join("landscape.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(told["unit"], "g/cm^2");
    let bare = RegressionReportInput {
        curves: vec![],
        histories: vec![],
        ..input()
    };
    write_regression_report(&bare, folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(&figures).unwrap().count(), 0);
}
