//! Surrogates from the table to the file that an outsider checks and asks.

use crate::sandbox::Sandbox;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tagwerk_surrogate::synthetic::write_stand_in;

const CONFIG: &str = "name = 'small'
[data]
files = ['jets.parquet']
[model]
width = 16
[training]
epochs = 6
batch_size = 256
nll_rows = 200
[training.optimizer]
learning_rate = 5e-3
[evaluation]
drawn_rows = 100
draws = 20
shift_rows = 40
shift_draws = 4
single_draws = 100
single_neighbors = 50
";

/// A folder with a table of 3,000 jets and a configuration.
fn prepared(config: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    write_stand_in(&sandbox.path("jets.parquet"), 3_000, 3, &[]).unwrap();
    sandbox.write("small.toml", config);
    sandbox
}

fn trained() -> Sandbox {
    let sandbox = prepared(CONFIG);
    sandbox.tagwerk("surrogate train small.toml -o s --quiet").good();
    sandbox
}

/// The declaration of the demonstration, for our columns.
fn declared(sandbox: &Sandbox) {
    let mut declaration = tagwerk_surrogate::synthetic::declaration();
    let names = [
        "label",
        "jet_pt",
        "jet_eta",
        "jet_phi",
        "jet_energy",
        "jet_multiplicity",
    ];
    for (input, name) in declaration.inputs.iter_mut().zip(names) {
        name.clone_into(&mut input.name);
    }
    sandbox.write("declaration.toml", toml::to_string(&declaration).unwrap());
}

#[test]
fn a_stranger_goes_from_a_table_to_a_checked_file_and_asks_it() {
    let sandbox = prepared(CONFIG);
    let told = sandbox.tagwerk("surrogate train small.toml -o s --json -").json();
    assert_eq!(
        (&told["run"], &told["outcome"], &told["epochs"]),
        (&"s".into(), &"finished".into(), &6.into())
    );
    assert_eq!(told["best"]["metric"], "val_nll");
    assert!(told["seconds"].as_f64().unwrap() > 0.0 && told["best"]["value"].is_f64());
    let status = sandbox.json_file("s/status.json");
    assert_eq!(status["state"], "finished");

    let told = sandbox
        .tagwerk("surrogate posterior s --method ensemble --draws 3 --json -")
        .json();
    assert_eq!((&told["posterior"], &told["members"]), (&"ensemble".into(), &3.into()));

    let ran = sandbox.tagwerk("surrogate evaluate s --json told.json").good();
    assert!(
        ran.stdout.contains("Coverage") && ran.stdout.contains("report: "),
        "{}",
        ran.stdout
    );
    let told = sandbox.json_file("told.json");
    for level in ["0.5", "0.68", "0.9", "0.95"] {
        assert!(
            (0.0..=1.0).contains(&told["coverage"][level].as_f64().unwrap()),
            "{level}"
        );
    }
    for key in ["classifier", "surrogate"] {
        assert!((0.5..=1.0).contains(&told["auc"][key].as_f64().unwrap()), "{key}");
    }
    assert!(told["pit_ks"].is_f64() && told["js_distance"].is_f64() && told["members"] == 3);
    assert!(told["epistemic"]["range"]["median"].as_f64().unwrap() > 0.0);
    assert!(told["ood"]["shifts"].as_array().unwrap().len() == 3 && told["posterior"] == "ensemble");
    let page = String::from_utf8(sandbox.bytes("s/report/report.html")).unwrap();
    assert!(page.contains("Surrogate small") && page.contains("<svg"));

    // Not without a declaration, and not with one that lacks an item.
    let sentence = sandbox
        .tagwerk("surrogate pack s -o p.surrogate.zip --quiet")
        .sentence();
    assert!(
        sentence.contains("--declaration") && sentence.contains("--template"),
        "{sentence}"
    );
    sandbox.tagwerk("surrogate pack s --template todo.toml").good();
    let sentence = sandbox
        .tagwerk("surrogate pack s -o p.surrogate.zip --declaration todo.toml")
        .sentence();
    assert!(sentence.contains("identity.contact says"), "{sentence}");
    assert!(!sandbox.path("p.surrogate.zip").exists());
    declared(&sandbox);
    let told = sandbox
        .tagwerk("surrogate pack s -o p.surrogate.zip --declaration declaration.toml --recalibrate --json -")
        .json();
    assert_eq!((&told["members"], &told["recalibrated"]), (&3.into(), &true.into()));

    let told = sandbox.tagwerk("verify p.surrogate.zip --json -").json();
    assert_eq!(
        (&told["passed"], told["checks"].as_array().unwrap().len()),
        (&true.into(), 8)
    );

    // The file alone, in another folder, answers as the run does.
    let asked = "--samples 4 --quantiles 0.5 --cuts 0.9 --seed 7 --quiet";
    sandbox
        .tagwerk(&format!(
            "surrogate sample s jets.parquet --recalibrate -o one.parquet {asked}"
        ))
        .good();
    let elsewhere = Sandbox::new();
    elsewhere.write("p.surrogate.zip", sandbox.bytes("p.surrogate.zip"));
    elsewhere.write("jets.parquet", sandbox.bytes("jets.parquet"));
    let told = elsewhere
        .tagwerk(&format!(
            "surrogate sample p.surrogate.zip jets.parquet -o two.parquet --json - {asked}"
        ))
        .json();
    assert_eq!(sandbox.bytes("one.parquet"), elsewhere.bytes("two.parquet"));
    assert_eq!((&told["jets"], &told["members"]), (&3_000.into(), &3.into()));
    let columns: Vec<&str> = told["columns"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c.as_str())
        .collect();
    assert!(
        ["row", "flagged", "samples", "q0.5", "q0.5_spread", "pass0.9"]
            .iter()
            .all(|c| columns.contains(c))
    );

    // A text of jets without label, asked as tops.
    elsewhere.write(
        "jets.csv",
        "jet_pt,jet_eta,jet_phi,jet_energy,jet_multiplicity\n600,0.5,1,700,45\n600,0.5,1,300,45\n",
    );
    let words = "surrogate sample p.surrogate.zip jets.csv -o three.parquet --quiet";
    assert!(elsewhere.tagwerk(words).sentence().contains("label"));
    let told = elsewhere.tagwerk(&format!("{words} --label 1 --json -")).json();
    // Less energy than momentum: no jet is like this.
    assert_eq!((&told["jets"], &told["flagged"]), (&2.into(), &1.into()));
}

#[test]
fn damaged_files_and_drift_are_found() {
    let sandbox = trained();
    declared(&sandbox);
    sandbox
        .tagwerk("surrogate pack s -o p.surrogate.zip --declaration declaration.toml --quiet")
        .good();
    let whole = sandbox.bytes("p.surrogate.zip");
    sandbox.write("cut.surrogate.zip", &whole[..whole.len() / 2]);
    for words in [
        "verify cut.surrogate.zip",
        "surrogate sample cut.surrogate.zip jets.parquet -o o.parquet",
    ] {
        let sentence = sandbox.tagwerk(words).sentence();
        assert!(
            sentence.contains("cut.surrogate.zip") && sentence.contains("cut or"),
            "{sentence}"
        );
    }
    assert!(!sandbox.path("o.parquet").exists());
    // A byte of the weights, which are stored as they are.
    let mut changed = whole.clone();
    let at = whole.windows(12).position(|w| w == b"members.0.bl").unwrap() + 3_000;
    changed[at] ^= 1;
    sandbox.write("changed.surrogate.zip", &changed);
    let ran = sandbox.tagwerk("verify changed.surrogate.zip");
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        sandbox
            .tagwerk("verify jets.parquet")
            .sentence()
            .contains("not a packed surrogate")
    );
    assert!(sandbox.tagwerk("verify nowhere.zip").sentence().contains("nowhere.zip"));
    assert_eq!(sandbox.tagwerk("verify").code, 2);
}

#[test]
fn wrong_inputs_are_one_sentence_that_names_the_place() {
    let sandbox = prepared(CONFIG);
    let refused = |name: &str, text: &str| {
        sandbox.write(name, text);
        let sentence = sandbox
            .tagwerk(&format!("surrogate train {name} -o w --quiet"))
            .sentence();
        assert!(!sandbox.path("w").exists(), "{sentence}");
        sentence
    };
    let sentence = refused(
        "c.toml",
        "[data]\nfiles = ['jets.parquet']\nconditions = ['label', 'jet_width']\n",
    );
    assert!(
        sentence.contains("jet_width") && sentence.contains("jets.parquet"),
        "{sentence}"
    );
    sandbox.write("bad.csv", "label,jet_pt,score\n0,500,0.1\n1,600,1.5\n");
    let table = "[data]\nfiles = ['bad.csv']\nconditions = ['label', 'jet_pt']\n";
    let split = "[data.split]\nby = 'fractions'\ntrain = 1.0\nvalidation = 0.0\ntest = 0.0\n";
    assert!(refused("s.toml", &format!("{table}{split}")).contains("no rows"));
    let rows: String = (0..40).map(|i| format!("{},{},0.5\n", i % 2, 500 + i)).collect();
    sandbox.write("bad.csv", format!("label,jet_pt,score\n{rows}1,600,1.5\n"));
    let sentence = refused("s.toml", table);
    assert!(
        sentence.contains("bad.csv") && sentence.contains("row 40") && sentence.contains("1.5"),
        "{sentence}"
    );
    sandbox.write("bad.csv", format!("label,jet_pt,score\n{rows}3,600,0.5\n"));
    let sentence = refused("s.toml", table);
    assert!(
        sentence.contains("row 40") && sentence.contains("`label`"),
        "{sentence}"
    );
    let sentence = refused("k.toml", "[training]\nepoch = 3\n");
    assert!(sentence.contains("k.toml") && sentence.contains("epoch"), "{sentence}");
    assert!(
        sandbox
            .tagwerk("surrogate evaluate nowhere")
            .sentence()
            .contains("nowhere")
    );
    assert_eq!(sandbox.tagwerk("surrogate sample s jets.parquet").code, 2);
    assert_eq!(sandbox.tagwerk("surrogate posterior s --method nuts").code, 2);
    // A program without CUDA says so with 1, one with it that surrogates have no use for it with 2.
    assert_ne!(
        sandbox.tagwerk("surrogate train small.toml -o w --device cuda:0").code,
        0
    );
}

/// Observables of one file and scores of another, joined by row: what `features` and `score` write.
#[test]
fn features_and_scores_of_two_commands_make_a_surrogate() {
    let sandbox = Sandbox::new();
    let small = "--jets 400 --validation-jets 200 --test-jets 300 --epochs 1 --batch-size 64";
    sandbox
        .tagwerk(&format!("train --tagger topodnn {small} -o tagger --quiet"))
        .good();
    sandbox
        .tagwerk("score tagger sample -o scores.parquet --part test --quiet")
        .good();
    sandbox
        .tagwerk("features sample kinematics --part test -o features.parquet --quiet")
        .good();
    let data = "[data]\nfiles = ['features.parquet']\nscores_files = ['scores.parquet']\n";
    let training = "[model]\nwidth = 8\n[training]\nepochs = 1\nbatch_size = 256\nnll_rows = 50\n";
    sandbox.write("joined.toml", format!("{data}{training}"));
    let told = sandbox.tagwerk("surrogate train joined.toml -o s --json -").json();
    // 60 % of the 2,000 test jets of the sample, by hash.
    assert!((1_100..1_300).contains(&told["rows"].as_u64().unwrap()), "{told}");
    sandbox
        .tagwerk("features sample kinematics --part train -o features.parquet --quiet")
        .good();
    let sentence = sandbox.tagwerk("surrogate train joined.toml -o t --quiet").sentence();
    assert!(
        sentence.contains("`row`") && sentence.contains("same jets"),
        "{sentence}"
    );
}

#[test]
fn a_killed_training_goes_on_to_the_bits_of_one_left_alone() {
    let config = CONFIG.replace("epochs = 6", "epochs = 60") + "[training.checkpoint]\nevery_steps = 3\n";
    let sandbox = prepared(&config);
    let mut kills = 0;
    for moment in [3u64, 40, 90] {
        let steps = |sandbox: &Sandbox| {
            let text = std::fs::read(sandbox.path("s/status.json")).unwrap_or_default();
            let status: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
            status.and_then(|status| status["step"].as_u64()).unwrap_or(0)
        };
        let before = steps(&sandbox);
        let mut child = sandbox
            .command("surrogate train small.toml -o s --threads 1 --quiet")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while steps(&sandbox) <= before && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "no step in two minutes");
            std::thread::sleep(Duration::from_millis(2));
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills > 0, "the training was too fast to be killed");
    sandbox.tagwerk("resume s --threads 1 --quiet").good();
    let alone = prepared(&config);
    alone
        .tagwerk("surrogate train small.toml -o s --threads 1 --quiet")
        .good();
    let weights = "s/surrogate/weights.safetensors";
    assert_eq!(sandbox.bytes(weights), alone.bytes(weights));
    assert_eq!(sandbox.tagwerk("resume s --epochs 70").code, 2);
}

/// The shipped configuration works on what is inside the program, where that is inside.
#[test]
fn the_shipped_configuration_needs_no_file() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let sandbox = Sandbox::new();
    let words = format!("surrogate train {root}configs/surrogate-top.toml -o s --epochs 2 --json -");
    if !std::path::Path::new(root)
        .join("samples/surrogate_top.parquet")
        .is_file()
    {
        assert!(sandbox.tagwerk(&words).sentence().contains("without the sample"));
        return;
    }
    let told = sandbox.tagwerk(&words).json();
    assert_eq!((&told["epochs"], &told["parameters"]), (&2.into(), &31_617.into()));
    sandbox.tagwerk("surrogate pack s -o s.surrogate.zip --quiet").good();
    sandbox.tagwerk("verify s.surrogate.zip --quiet").good();
}
