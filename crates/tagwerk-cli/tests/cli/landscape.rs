//! The main job on a few jets.

use crate::sandbox::Sandbox;

const WORDS: &str = "landscape --taggers topodnn,pfn --trainings 2 --jets 500 --validation-jets 300 --test-jets 600 \
                     --epochs 2 --batch-size 64 --bootstrap 20";

#[test]
fn a_landscape_prints_published_rows_and_its_report_has_the_same_numbers() {
    let sandbox = Sandbox::new();
    let ran = sandbox.tagwerk(&format!("{WORDS} -o land --json told.json")).good();
    assert_eq!(
        ran.stdout
            .lines()
            .filter(|line| line.trim_start().starts_with("published"))
            .count(),
        2,
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("report: land/report/report.html"), "{}", ran.stdout);

    let told = sandbox.json_file("told.json");
    assert_eq!((&told["dataset"], &told["test_rows"]), (&"sample".into(), &600.into()));
    let taggers = told["taggers"].as_array().unwrap();
    assert_eq!(
        taggers.iter().map(|t| t["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["topodnn", "pfn"]
    );
    for tagger in taggers {
        for key in [
            "parameters",
            "auc",
            "accuracy",
            "rejection_single",
            "rejection_mean",
            "rejection_median",
        ] {
            assert!(!tagger[key].is_null(), "{key} of {tagger}");
        }
        for column in ["rejection_single", "rejection_mean", "rejection_median"] {
            for key in ["value", "spread", "test_error"] {
                assert!(tagger[column].get(key).is_some(), "{column}.{key} of {tagger}");
            }
        }
        let seeds: Vec<u64> = tagger["trainings"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|t| t["seed"].as_u64())
            .collect();
        assert_eq!(seeds, [1, 2]);
        for key in ["auc", "accuracy", "rejection_30", "rejection_50", "epochs", "seconds"] {
            assert!(tagger["trainings"][0].get(key).is_some(), "{key} of {tagger}");
        }
    }
    assert_eq!(sandbox.json_file("land/report/landscape.json"), told);
    advises(&ran.stdout, &told);
    let figure = String::from_utf8(sandbox.bytes("land/report/figures/pareto.csv")).unwrap();
    // Two taggers, each with a training time, a scoring time and a size.
    assert_eq!(figure.lines().count(), 7, "{figure}");
    let page = String::from_utf8(sandbox.bytes("land/report/report.html")).unwrap();
    assert!(
        page.contains("tagwerk landscape --taggers topodnn,pfn"),
        "the command is told"
    );

    // The table of the runs' folder is the table of the landscape.
    let report = sandbox.tagwerk("report land -o report --bootstrap 20 --json -").json();
    assert_eq!(report, told);
    assert!(sandbox.path("report/report.html").is_file());

    // One training of it, evaluated by itself.
    let single = sandbox.tagwerk("evaluate land/pfn-2/scores.parquet --json -").json();
    assert_eq!(single["auc"], told["taggers"][1]["trainings"][1]["auc"]);

    // Again: nothing is trained, and nothing changes, the times of the trainings included.
    sandbox.tagwerk(&format!("{WORDS} -o land --json again.json")).good();
    assert_eq!(sandbox.json_file("again.json"), told);
    // Options that make it another landscape are refused with advice.
    let sentence = sandbox
        .tagwerk(&format!("{} -o land", WORDS.replace("--jets 500", "--jets 499")))
        .sentence();
    assert!(
        sentence.contains("train_jets") && sentence.contains("--name"),
        "{sentence}"
    );
}

/// The text ends with advice, and the JSON has what it is made of: every tagger has all three costs, measured.
fn advises(text: &str, told: &serde_json::Value) {
    let advice = &told["advice"];
    let best = advice["highest_rejection"].as_str().unwrap();
    assert!(
        text.contains(&format!("For the highest rejection: {best} (R(0.3) ")),
        "{text}"
    );
    assert!(
        text.contains("Cheapest: ") && text.contains("scoring on 1 thread"),
        "{text}"
    );
    for cost in ["training_seconds", "inference_microseconds", "parameters"] {
        let points = advice[cost].as_array().unwrap();
        assert_eq!(points.len(), 2, "{cost} in {advice}");
        assert!(
            points.iter().all(|point| point["cost"].as_f64().unwrap() > 0.0),
            "{advice}"
        );
        // Nothing is cheaper than the first, so nothing can rule it out but one of the same cost.
        assert_eq!(points[0]["standing"], "front", "{advice}");
    }
    let scoring = &told["taggers"][1]["trainings"][0]["scoring"];
    assert_eq!((&scoring["jets"], &scoring["threads"]), (&600.into(), &1.into()));
    assert!(
        scoring["seconds"].as_f64().unwrap() > 0.0 && scoring["view_seconds"].as_f64().unwrap() > 0.0,
        "{scoring}"
    );
}

#[test]
fn a_configuration_file_decides_what_is_not_typed() {
    let sandbox = Sandbox::new();
    let text = "name = 'mine'\ntrainings = 3\nseed = 7\nbootstrap = 0\n[data]\ntrain_jets = 300\nvalidation_jets = 100\n\
                test_jets = 300\n[training]\nepochs = 9\n[[tagger]]\nname = 'topodnn'\n[tagger.training]\nepochs = 8\n";
    sandbox.write("mine.toml", text);
    sandbox
        .tagwerk("landscape mine.toml --trainings 1 --epochs 1 --json told.json --quiet")
        .good();
    let told = sandbox.json_file("told.json");
    let training = &told["taggers"][0]["trainings"][0];
    assert_eq!((&training["seed"], &training["epochs"]), (&7.into(), &1.into()));
    assert!(sandbox.path("runs/mine/report/report.html").is_file());
    assert!(sandbox.path("runs/mine/landscape.toml").is_file());
}

#[test]
fn runs_on_other_jets_share_no_table() {
    let sandbox = Sandbox::new();
    let small = "--jets 200 --validation-jets 100 --epochs 1";
    sandbox
        .tagwerk(&format!("train --tagger topodnn {small} --test-jets 200 -o a"))
        .good();
    sandbox
        .tagwerk(&format!("train --tagger topodnn {small} --test-jets 300 -o b"))
        .good();
    let sentence = sandbox.tagwerk("report a b -o report").sentence();
    assert!(sentence.contains("different test jets"), "{sentence}");
    let sentence = sandbox.tagwerk("report none -o report").sentence();
    assert!(sentence.contains("none"), "{sentence}");
}
