//! Jets with charge, identity and impact parameters, of many classes: from the file to a trained network.

use crate::sandbox::Sandbox;

const JETCLASS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/reference/data/weaver_particlenet/jetclass.parquet"
);

/// A tiny ParticleNet and a tiny Transformer on more than momenta, and a tagger that needs no more.
const LANDSCAPE: &str = r#"
name = "tiny"
trainings = 1
bootstrap = 0
[data.options]
signal = "label_Tbqq"
background = "label_QCD"
[training]
epochs = 1
batch_size = 8
[[tagger]]
name = "particlenet"
settings = { features = "full", hidden = 4, blocks = [{ k = 3, widths = [4] }] }
[[tagger]]
name = "part"
settings = { features = "kinpid", embed = [8], pairs = [4], heads = 2, blocks = 1, class_blocks = 1 }
[[tagger]]
name = "topodnn"
"#;

#[test]
fn an_inspection_lists_classes_and_what_is_known_of_constituents() {
    let sandbox = Sandbox::new();
    let told = sandbox.tagwerk(&format!("data inspect {JETCLASS}")).good().stdout;
    for words in [
        "jets: 48 (23 label_QCD, 1 label_Hbb",
        "23 label_Tbqq",
        "particles     charge, isChargedHadron",
        "dzval, dzerr",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!told.contains("problems"), "{told}");
    let json = sandbox.tagwerk(&format!("data inspect {JETCLASS} --json -")).json();
    assert_eq!(json["jets"]["particles"].as_array().unwrap().len(), 10);
    let top = &json["jets"]["classes"][8];
    assert_eq!((&top["column"], &top["jets"]), (&"label_Tbqq".into(), &23.into()));
}

#[test]
fn networks_train_on_all_features_of_two_classes() {
    let sandbox = Sandbox::new();
    sandbox.write("tiny.toml", LANDSCAPE);
    let told = sandbox
        .tagwerk(&format!("landscape tiny.toml --data {JETCLASS} --json -"))
        .json();
    // The last fifth of 48 rows, but for jets of other classes.
    assert!((8..=10).contains(&told["test_rows"].as_u64().unwrap()), "{told}");
    assert_eq!(told["taggers"].as_array().unwrap().len(), 3);
    let run = "runs/tiny/particlenet-1";
    let config = String::from_utf8(sandbox.bytes(&format!("{run}/config.toml"))).unwrap();
    assert!(
        config.contains("features = \"full\"") && config.contains("signal = \"label_Tbqq\""),
        "{config}"
    );
    // The run knows its classes, also of another file.
    sandbox
        .tagwerk(&format!("score {run} {JETCLASS} -o again.parquet"))
        .good();
    assert_eq!(
        sandbox.bytes("again.parquet"),
        sandbox.bytes(&format!("{run}/scores.parquet"))
    );
}

#[test]
fn a_file_without_the_columns_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::new();
    sandbox.write("full.toml", "tagger = 'particlenet'\n[settings]\nfeatures = 'full'\n");
    let sentence = sandbox.tagwerk("train full.toml -o run").sentence();
    assert!(
        sentence.contains("sample") && sentence.contains("constituent_charge"),
        "{sentence}"
    );
    assert!(!sandbox.path("run").exists());
    let classes = "--signal label_Tbqq --background label_QCD";
    sandbox
        .tagwerk(&format!(
            "train full.toml --data {JETCLASS} {classes} --epochs 1 --batch-size 16 -o run"
        ))
        .good();
}
