//! One classifier for all masses, from the command line.

use crate::sandbox::Sandbox;

/// A training of seconds on a part of the sample.
const SMALL: &str = "[data]\ntrain_events = 3000\ntest_events = 2000\n[network]\nhidden = [32, 16]\n\
                     [training]\nepochs = 3\nbatch_size = 256\n";

#[test]
fn train_and_evaluate_tell_the_same_numbers_mass_by_mass() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    let trained = sandbox
        .tagwerk("parametric train small.toml -o run --seed 3 --json -")
        .json();
    assert_eq!((&trained["run"], &trained["epochs"]), (&"run".into(), &3.into()));
    assert_eq!(trained["best"]["metric"], "val_auc_mean");
    // 27 x 32 + 32 + 32 x 16 + 16 + 16 + 1, and affine maps of 4 x 32 and 4 x 16.
    assert_eq!(trained["parameters"], 864 + 32 + 512 + 16 + 16 + 1 + 128 + 64);
    let masses = trained["masses"].as_array().unwrap();
    assert_eq!(
        masses.iter().map(|m| m["mass"].as_f64().unwrap()).collect::<Vec<_>>(),
        [500.0, 750.0, 1000.0, 1250.0, 1500.0]
    );
    for mass in masses {
        for key in ["auc_roc", "auc_pr", "significance_ratio", "best_cut"] {
            assert!((0.0..=1.0).contains(&mass[key].as_f64().unwrap()), "{key} of {mass}");
        }
        assert!(mass["auc_roc_error"].as_f64().unwrap() > 0.0);
    }
    // Heavy resonances are easy to tell, also for a small network after three epochs.
    assert!(masses[4]["auc_roc"].as_f64().unwrap() > 0.8, "{}", masses[4]);
    let mean: f64 = masses.iter().map(|m| m["auc_roc"].as_f64().unwrap()).sum::<f64>() / 5.0;
    assert!((trained["mean"]["auc_roc"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!((trained["study"]["leak"].as_f64().unwrap() - 0.5).abs() < 0.1);

    let evaluated = sandbox.tagwerk("parametric evaluate run --json - -o drawn").json();
    assert_eq!(
        (&evaluated["masses"], &evaluated["mean"]),
        (&trained["masses"], &trained["mean"])
    );
    assert_eq!(evaluated["parameters"], trained["parameters"]);
    // One page with the numbers in every form, here and in the run's own folder.
    for folder in ["drawn", "run/report"] {
        assert!(
            sandbox
                .bytes(&format!("{folder}/figures/auc-roc.svg"))
                .starts_with(b"<svg")
        );
        let page = sandbox.text(&format!("{folder}/report.html"));
        assert!(
            page.contains("<h2>Mass by mass</h2>") && page.contains("&quot;affine&quot;"),
            "{page}"
        );
        let csv = sandbox.text(&format!("{folder}/tables/masses.csv"));
        let row: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
        let told = [&masses[0]["auc_roc"], &masses[0]["auc_roc_error"]].map(|v| v.as_f64().unwrap());
        assert_eq!(row[..3], ["500".to_owned(), told[0].to_string(), told[1].to_string()]);
        assert!(sandbox.text(&format!("{folder}/table.tex")).contains("\\pm"));
    }

    // The same command goes on with the run, which is finished, and tells it again.
    let again = sandbox
        .tagwerk("parametric train small.toml -o run --seed 3 --json -")
        .json();
    assert_eq!(again["masses"], trained["masses"]);
    let other = sandbox
        .tagwerk("parametric train small.toml -o run --seed 4")
        .sentence();
    assert!(other.contains("give another folder with -o"), "{other}");
}

#[test]
fn seeds_of_one_configuration_are_one_result_and_nothing_else_is() {
    let sandbox = Sandbox::new();
    sandbox.write("small.toml", SMALL);
    sandbox.write("other.toml", SMALL.replace("[32, 16]", "[16]"));
    let train = |config: &str, run: &str, seed: u64| {
        sandbox
            .tagwerk(&format!("parametric train {config} -o {run} --seed {seed} --json -"))
            .json()
    };
    let single: Vec<_> = (1..4)
        .map(|seed| train("small.toml", &format!("run-{seed}"), seed))
        .collect();
    let all = sandbox
        .tagwerk("parametric evaluate run-1 run-2 run-3 -o together --json -")
        .json();
    assert_eq!(all["seeds"], serde_json::json!([1, 2, 3]));
    for i in 0..5 {
        let values: Vec<f64> = (single.iter())
            .map(|run| run["masses"][i]["auc_roc"].as_f64().unwrap())
            .collect();
        let mean = values.iter().sum::<f64>() / 3.0;
        let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
        let errors: f64 = (single.iter())
            .map(|run| run["masses"][i]["auc_roc_error"].as_f64().unwrap())
            .sum();
        let expected = (errors / 3.0).hypot(spread / 3.0f64.sqrt());
        let told = |value: &serde_json::Value, wanted: f64| (value.as_f64().unwrap() - wanted).abs() < 1e-12;
        assert!(told(&all["masses"][i]["auc_roc"], mean));
        assert!(told(&all["masses"][i]["auc_roc_error"], expected));
        assert!(told(&all["spread"][i]["auc_roc"], spread));
    }
    assert!(sandbox.text("together/report.html").contains("mean of 3 trainings"));

    let twice = sandbox.tagwerk("parametric evaluate run-1 run-2 run-1").sentence();
    assert!(twice.contains("its seed, 1, is that of another"), "{twice}");
    train("other.toml", "other", 4);
    let mixed = sandbox.tagwerk("parametric evaluate run-1 other").sentence();
    assert!(mixed.contains("in more than the seed"), "{mixed}");
}

#[test]
fn a_table_of_ones_own_is_read_by_name_and_its_faults_have_places() {
    let sandbox = Sandbox::new();
    let rows = |first: usize, count: usize| -> String {
        let mut text = "# type,pt,mll,mX,w\n".to_owned();
        for i in first..first + count {
            let (a, b) = ((i as f64 * 0.618_034).fract(), (i as f64 * 0.754_878).fract());
            let mass = [400.0, 600.0, 800.0][i / 2 % 3];
            let x = if i % 2 == 1 {
                mass / 1000.0 + 0.2 * (a - 0.5)
            } else {
                0.2 + b
            };
            text.push_str(&format!(
                "{},{a},{x},{mass},{}\n",
                i % 2,
                if i % 7 == 0 { -0.5 } else { 1.0 }
            ));
        }
        text
    };
    sandbox.write("train.csv", rows(0, 1200));
    sandbox.write("test.csv", rows(5000, 600));
    let config = "[data]\ntrain = ['train.csv']\ntest = ['test.csv']\n[data.columns]\nfeatures = ['pt', 'mll']\n\
                  parameters = ['mX']\nweight = 'w'\n[network]\nhidden = [16]\n[training]\nepochs = 2\nbatch_size = 128\n";
    sandbox.write("own.toml", config);
    let trained = sandbox.tagwerk("parametric train own.toml -o run --json -").json();
    assert_eq!(trained["study"]["features"], serde_json::json!(["pt", "mll"]));
    assert_eq!(trained["masses"].as_array().unwrap().len(), 3);
    assert!(trained["study"]["warnings"][0].as_str().unwrap().contains("below 0"));
    // Other events, among them signal beyond the masses trained on.
    sandbox.write("more.csv", rows(9000, 300).replace(",800,", ",1200,"));
    let more = sandbox
        .tagwerk("parametric evaluate run --files more.csv --json -")
        .json();
    let last = &more["masses"][2];
    assert_eq!((&last["mass"], &last["out_of_range"]), (&1200.0.into(), &true.into()));

    sandbox.write("train.csv", rows(0, 1200).replacen("0.618", "none", 1));
    let refused = sandbox.tagwerk("parametric train own.toml -o other").sentence();
    assert!(refused.contains("train.csv: row 1, column `pt`"), "{refused}");
    assert!(
        !sandbox.path("other").exists(),
        "nothing is begun on data that cannot be read"
    );
}

#[test]
fn uniform_masses_come_with_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "uniform.toml",
        format!("{SMALL}[assignment]\ndistribution = 'uniform'\n"),
    );
    let trained = sandbox
        .tagwerk("parametric train uniform.toml -o run --epochs 1 --json -")
        .json();
    assert_eq!(trained["study"]["leak"], 1.0);
    assert!(trained["study"]["warnings"][0].as_str().unwrap().contains("uniform"));
}

#[test]
fn an_interpolation_study_leaves_out_each_mass_and_says_what_follows() {
    let sandbox = Sandbox::new();
    sandbox.write("study.toml", format!("{SMALL}[interpolation]\nseeds = 2\n"));
    let study = sandbox
        .tagwerk("parametric interpolate study.toml --epochs 1 -o study --json -")
        .json();
    // All, ends, five left out, five alone; two seeds.
    assert_eq!(study["trainings"], 24);
    let masses = study["masses"].as_array().unwrap();
    assert_eq!(masses.len(), 5);
    for mass in masses {
        assert!(mass["left_out"]["value"].is_f64() && mass["loss_left_out"]["error"].as_f64().unwrap() > 0.0);
        assert!(mass["individual"]["value"].is_f64() && mass["verdict"].is_string());
    }
    assert_eq!(masses[1]["nearest_mass"], 500.0);
    let set = sandbox
        .tagwerk("parametric evaluate study/alone-500-0 study/alone-1500-0 --json -")
        .json();
    assert_eq!(
        (&set["served"][1]["mass"], &set["served"][1]["by"]),
        (&750.0.into(), &500.0.into())
    );
    assert!(masses[0]["loss_ends"].is_null(), "the network of the ends saw the ends");
    let verdict = study["verdict"].as_str().unwrap();
    assert!(
        verdict.contains("A network of all other masses") && verdict.contains("750"),
        "{verdict}"
    );
    let page = sandbox.text("study/report/report.html");
    for words in [
        verdict.lines().next().unwrap(),
        "<figure",
        "cannot be told",
        "this one left out",
        "parametric interpolate",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(
        sandbox
            .bytes("study/report/figures/interpolation.svg")
            .starts_with(b"<svg")
    );
    assert_eq!(sandbox.text("study/report/tables/losses.csv").lines().count(), 6);
}

#[test]
fn a_run_is_looked_into_and_scores_events_at_any_mass() {
    let sandbox = Sandbox::new();
    let config = SMALL.replace(
        "[training]",
        "[decorrelation]\nfeature = 'f26'\nstrength = 1.0\n[training]",
    );
    sandbox.write("small.toml", &config);
    sandbox.tagwerk("parametric train small.toml -o run").good();
    let found = sandbox
        .tagwerk("parametric diagnose run --events 200 --signal 50 --background 2000 --figures drawn --json -")
        .json();
    assert_eq!(found["wrong_mass"].as_array().unwrap().len(), 5);
    assert_eq!(found["importance"].as_array().unwrap().len(), 27);
    assert_eq!(found["sculpting"]["column"], "f26");
    assert_eq!(found["options"]["background"], 2000.0);
    assert!(found["masses"][0]["reliability"]["brier"].as_f64().unwrap() < 0.4);
    for name in [
        "wrong-mass",
        "score-against-mass",
        "bend",
        "spectrum-500",
        "reliability-1500",
        "scores-750",
    ] {
        assert!(
            sandbox.bytes(&format!("drawn/{name}.svg")).starts_with(b"<svg"),
            "{name}"
        );
    }
    let words = sandbox.tagwerk("parametric diagnose run --events 200").good().stdout;
    assert!(
        words.contains("mass reliance") && words.contains("background spectrum of f26"),
        "{words}"
    );

    let names: Vec<String> = (0..27).map(|i| format!("f{i}")).collect();
    let row = vec!["0.5"; 27].join(",");
    sandbox.write("data.csv", format!("{}\n{row}\n{row}\n", names.join(",")));
    let scored = sandbox
        .tagwerk("parametric score run data.csv --masses 400:600:100 -o scored.parquet --json -")
        .json();
    assert_eq!(scored["events"], 2);
    let flags: Vec<_> = scored["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["out_of_range"].clone())
        .collect();
    assert_eq!(flags, [true, false, false]);
    assert_eq!(scored["points"][2]["column"], "score_600");
    let refused = sandbox.tagwerk("parametric score run data.csv --masses 600:500:10 -o a.parquet");
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("upwards"), "{refused:?}");

    // The run goes on by its folder.
    let longer = sandbox.tagwerk("resume run --epochs 4 --json -").json();
    assert_eq!(
        (&longer["epochs"], longer["masses"].as_array().unwrap().len()),
        (&4.into(), 5)
    );
}

#[test]
fn events_are_converted_and_drawn_by_a_recipe() {
    let sandbox = Sandbox::new();
    let mut text = "# label,f0,f1,mass\n".to_owned();
    for i in 0..4000 {
        let mass = [499.999_97, 750.0, 1000.0, 1250.0, 1500.0][i / 2 % 5];
        text.push_str(&format!("{}.0,{},{},{mass}\n", i % 2, i as f64 / 7.0, i % 3));
    }
    sandbox.write("all.csv", &text);
    let whole = sandbox.tagwerk("data convert all.csv all.parquet --json -").json();
    assert_eq!(
        (&whole["events"], &whole["signal"][0]["mass"]),
        (&4000.into(), &500.0.into())
    );
    let drawn = sandbox
        .tagwerk("data convert --recipe hepmass-imb all.parquet imb.parquet --json -")
        .json();
    let kept: Vec<u64> = drawn["signal"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["events"].as_u64().unwrap())
        .collect();
    assert_eq!(kept, [200, 80, 20, 4, 1]);
    assert_eq!(drawn["background"], 2000);
    let refused = sandbox
        .tagwerk("data convert --recipe imb all.parquet b.parquet")
        .sentence();
    assert!(refused.contains("hepmass-imb"), "{refused}");
    let listed = sandbox.tagwerk("data info hepmass").good().stdout;
    assert!(
        listed.contains("all_train.csv.gz") && listed.contains("10.24432/C5PP5W"),
        "{listed}"
    );
}
