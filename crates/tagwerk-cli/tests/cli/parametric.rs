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
    // Heavy resonances are easy to tell, also for a small network.
    assert!(masses[4]["auc_roc"].as_f64().unwrap() > 0.85, "{}", masses[4]);
    let mean: f64 = masses.iter().map(|m| m["auc_roc"].as_f64().unwrap()).sum::<f64>() / 5.0;
    assert!((trained["mean"]["auc_roc"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!((trained["study"]["leak"].as_f64().unwrap() - 0.5).abs() < 0.1);

    let evaluated = sandbox
        .tagwerk("parametric evaluate run --json - --figures drawn")
        .json();
    assert_eq!(
        (&evaluated["masses"], &evaluated["mean"]),
        (&trained["masses"], &trained["mean"])
    );
    assert_eq!(evaluated["parameters"], trained["parameters"]);
    assert!(sandbox.bytes("drawn/auc-roc.svg").starts_with(b"<svg"));

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
    sandbox.write("train.csv", &rows(0, 1200));
    sandbox.write("test.csv", &rows(5000, 600));
    let config = "[data]\ntrain = ['train.csv']\ntest = ['test.csv']\n[data.columns]\nfeatures = ['pt', 'mll']\n\
                  parameters = ['mX']\nweight = 'w'\n[network]\nhidden = [16]\n[training]\nepochs = 2\nbatch_size = 128\n";
    sandbox.write("own.toml", config);
    let trained = sandbox.tagwerk("parametric train own.toml -o run --json -").json();
    assert_eq!(trained["study"]["features"], serde_json::json!(["pt", "mll"]));
    assert_eq!(trained["masses"].as_array().unwrap().len(), 3);
    assert!(trained["study"]["warnings"][0].as_str().unwrap().contains("below 0"));
    // Other events, among them signal beyond the masses trained on.
    sandbox.write("more.csv", &rows(9000, 300).replace(",800,", ",1200,"));
    let more = sandbox
        .tagwerk("parametric evaluate run --files more.csv --json -")
        .json();
    let last = &more["masses"][2];
    assert_eq!((&last["mass"], &last["out_of_range"]), (&1200.0.into(), &true.into()));

    sandbox.write("train.csv", &rows(0, 1200).replacen("0.618", "none", 1));
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
        &format!("{SMALL}[assignment]\ndistribution = 'uniform'\n"),
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
    sandbox.write("study.toml", &format!("{SMALL}[interpolation]\nseeds = 2\n"));
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
    assert!(masses[0]["loss_ends"].is_null(), "the network of the ends saw the ends");
    let verdict = study["verdict"].as_str().unwrap();
    assert!(
        verdict.contains("A network of all other masses") && verdict.contains("750"),
        "{verdict}"
    );
    assert!(sandbox.bytes("study/report/interpolation.svg").starts_with(b"<svg"));
}
