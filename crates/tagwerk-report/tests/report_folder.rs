//! The page, the figures and the folder.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // The test settings of clippy.toml do not reach the free functions of a test file.

mod fixture;

use std::path::Path;

use tagwerk_report::{Report, ReportInput, write_report};
use tagwerk_stats::{LandscapeOptions, LandscapeResult, TaggerInput, TrainingInput, Truth};

fn well_formed(name: &str, text: &str) {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    if let Err(error) = roxmltree::Document::parse_with_options(text, options) {
        panic!("{name}: {error}");
    }
}

/// No resource from outside: the only address is the name of the SVG format.
fn self_contained(name: &str, text: &str) {
    let rest = text.replace("http://www.w3.org/2000/svg", "");
    for forbidden in ["http://", "https://", "<script", "<link", "@import", "url("] {
        assert!(!rest.contains(forbidden), "{forbidden} in {name}");
    }
}

#[test]
fn page_and_figures_are_well_formed_and_self_contained() {
    let report = Report::new(&fixture::input()).unwrap();
    assert_eq!(report.figures.len(), 5);
    for figure in &report.figures {
        well_formed(&figure.name, &figure.svg);
        self_contained(&figure.name, &figure.svg);
        assert!(
            !figure.svg.contains("NaN") && !figure.svg.contains("inf"),
            "{}",
            figure.name
        );
        let mut reader = csv::Reader::from_reader(figure.csv.as_bytes());
        let rows = reader.records().map(Result::unwrap).count();
        assert!(rows > 0, "{} has numbers", figure.name);
    }
    well_formed("report.html", &report.html);
    self_contained("report.html", &report.html);
}

#[test]
fn the_page_has_its_sections_and_everything_is_escaped() {
    let html = Report::new(&fixture::input()).unwrap().html;
    for id in [
        "table",
        "roc",
        "advice",
        "rejection",
        "pareto",
        "scores",
        "training",
        "trainings",
        "provenance",
        "reproduce",
    ] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
        assert!(html.contains(&format!("href=\"#{id}\"")), "{id}");
    }
    assert!(html.contains("<h1>Landscape &amp; &lt;more&gt;</h1>"));
    assert!(html.contains("&lt;key&gt;") && html.contains("value &amp; &quot;more&quot;"));
    assert!(html.contains("&amp;&amp; echo &lt;done&gt;"));
    assert!(html.contains("scope=\"col\"") && html.contains("<caption>") && html.contains("prefers-color-scheme"));
    assert!(html.contains("<p class=\"summary\">"));
}

#[test]
fn the_folder_has_every_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("deep/report");
    let input = fixture::input();
    // Twice: a report may be written over an older one.
    write_report(&input, &target).unwrap();
    let page = write_report(&input, &target).unwrap();
    assert!(page.ends_with("report.html"));
    let list = |path: &Path| {
        let mut names: Vec<String> = std::fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        list(&target),
        [
            "figures",
            "landscape.json",
            "report.html",
            "table.csv",
            "table.md",
            "table.tex",
            "table.txt",
            "trainings.csv"
        ]
    );
    assert_eq!(list(&target.join("figures")).len(), 10);
    let json = std::fs::read_to_string(target.join("landscape.json")).unwrap();
    let back: LandscapeResult = serde_json::from_str(&json).unwrap();
    assert_eq!(back.taggers.len(), input.landscape.taggers.len());
    assert_eq!(
        back.taggers[0].rejection_single.trainings,
        input.landscape.taggers[0].rejection_single.trainings
    );

    // A report without trainings leaves no training figure of the older one.
    write_report(
        &ReportInput {
            histories: Vec::new(),
            ..input
        },
        &target,
    )
    .unwrap();
    assert!(!list(&target.join("figures")).iter().any(|n| n.starts_with("training")));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("occupied");
    std::fs::write(&file, "").unwrap();
    let error = write_report(&fixture::input(), &file).unwrap_err();
    assert!(error.to_string().contains("occupied"), "{error}");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let (a, b) = (
        Report::new(&fixture::input()).unwrap(),
        Report::new(&fixture::input()).unwrap(),
    );
    assert_eq!(a.files, b.files);
}

#[test]
fn empty_and_tiny_inputs_make_a_page() {
    let truth = Truth::new(&[1, 0]).unwrap();
    let options = LandscapeOptions {
        dataset: "two jets".to_owned(),
        counted: "jets",
        published_test_set: true,
        bootstrap: None,
    };
    let scores = [0.5_f32, 0.5];
    let tiny = TaggerInput {
        name: "coin".to_owned(),
        parameters: None,
        published: None,
        trainings: vec![TrainingInput {
            seed: 0,
            scores: &scores[..],
            epochs: 0,
            seconds: 0.0,
            threads: None,
            scoring: None,
        }],
    };
    for taggers in [Vec::new(), vec![tiny]] {
        let input = ReportInput {
            title: String::new(),
            landscape: LandscapeResult::evaluate(&truth, options.clone(), taggers).unwrap(),
            curves: Vec::new(),
            histories: Vec::new(),
            provenance: Vec::new(),
            commands: Vec::new(),
        };
        let report = Report::new(&input).unwrap();
        well_formed("report.html", &report.html);
        for (name, contents) in &report.files {
            assert!(!contents.contains("NaN"), "{}", name.display());
        }
    }
}
