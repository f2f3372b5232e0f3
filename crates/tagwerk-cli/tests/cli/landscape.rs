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
fn goat_reads_the_scores_of_the_others_and_the_table_says_what_it_was_trained_on() {
    let sandbox = Sandbox::new();
    let words = |taggers: &str| {
        format!(
            "landscape --taggers {taggers} --trainings 2 --jets 500 --validation-jets 300 --test-jets 600 --epochs 2 \
             --bootstrap 20 -o land --json told.json"
        )
    };
    let ran = sandbox.tagwerk(&words("topodnn,goat,lda,bdt")).good();
    assert!(
        ran.stdout.contains("goat was trained on the test jets"),
        "{}",
        ran.stdout
    );
    let told = sandbox.json_file("told.json");
    // In the order that was typed, though goat was trained last.
    let names: Vec<&str> = told["taggers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["topodnn", "goat", "lda", "bdt"]);
    let goat = &told["taggers"][1];
    // Six inputs: 6 x 100 + 100, twice 100 x 100 + 100, 100 x 20 + 20, 20 x 2 + 2.
    assert_eq!(goat["parameters"], 700 + 2 * 10_100 + 2_020 + 42);
    assert_eq!(goat["trainings"].as_array().unwrap().len(), 2);
    assert_ne!(goat["trainings"][0]["auc"], goat["trainings"][1]["auc"], "two seeds");
    assert!(goat["notes"][0].as_str().unwrap().contains("6 score columns"), "{goat}");
    assert!(told["taggers"][0].get("notes").is_none());
    let config = String::from_utf8(sandbox.bytes("land/goat-1/config.toml")).unwrap();
    assert!(
        config.contains("bdt-2 = \"sha256:") && !config.contains("goat-"),
        "{config}"
    );

    // Its scores are of the same jets as those of the others, and the table of the folder is the same table.
    let report = sandbox.tagwerk("report land -o report --bootstrap 20 --json -").json();
    let by_name = |table: &serde_json::Value, name: &str| {
        let taggers = table["taggers"].as_array().unwrap().clone();
        taggers.into_iter().find(|t| t["name"] == name).unwrap()
    };
    for name in names {
        for key in ["auc", "rejection_single", "rejection_mean", "parameters", "notes"] {
            assert_eq!(
                by_name(&report, name).get(key),
                by_name(&told, name).get(key),
                "{name}, {key}"
            );
        }
    }
    sandbox
        .tagwerk("evaluate land/goat-1/scores.parquet land/goat-2/scores.parquet")
        .good();

    // Another tagger in the landscape: goat reads its scores too, trained anew; the others stay as they are.
    let ran = sandbox.tagwerk(&words("topodnn,goat,lda,bdt,efn")).good();
    assert!(
        ran.stderr.contains("goat-1 was trained on other scores"),
        "{}",
        ran.stderr
    );
    let more = sandbox.json_file("told.json");
    assert_eq!(more["taggers"][1]["parameters"], 900 + 2 * 10_100 + 2_020 + 42);
    assert_eq!(more["taggers"][0]["trainings"], told["taggers"][0]["trainings"]);
    let again = sandbox.tagwerk(&words("topodnn,goat,lda,bdt,efn")).good();
    assert!(!again.stderr.contains("other scores"), "{}", again.stderr);
    assert_eq!(sandbox.json_file("told.json"), more);
}

#[test]
fn goat_without_a_landscape_is_refused_with_advice() {
    let sandbox = Sandbox::new();
    let sentence = sandbox.tagwerk("train --tagger goat -o run").sentence();
    assert!(
        sentence.contains("goat reads the scores") && sentence.contains("tagwerk landscape"),
        "{sentence}"
    );
    assert!(!sandbox.path("run").exists());
    let sentence = sandbox.tagwerk("landscape --taggers goat -o land").sentence();
    assert!(sentence.contains("name at least one"), "{sentence}");
    let list = sandbox.tagwerk("taggers --json -").json();
    let goat = list
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["name"] == "goat")
        .unwrap()
        .clone();
    assert_eq!((&goat["view"], &goat["parameters"]), (&"scores".into(), &34_962.into()));
    assert_eq!(goat["published"]["rejection_median"]["value"], 1549.0);
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
