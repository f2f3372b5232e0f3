//! Data flows one way: a crate knows only what stands left of it.

#![allow(clippy::unwrap_used)]

use std::process::Command;

/// The crates in the order of the flow.
const FLOW: [&str; 12] = [
    "tagwerk-data",
    "tagwerk-physics",
    "tagwerk-stats",
    "tagwerk-nn",
    "tagwerk-train",
    "tagwerk-taggers",
    "tagwerk-parametric",
    "tagwerk-surrogate",
    "tagwerk-report",
    "tagwerk-share",
    "tagwerk-cli",
    "tagwerk-py",
];

/// Arrows that point back, tests' and build scripts' dependencies included, as `from -> to`.
fn arrows_back(metadata: &serde_json::Value) -> Vec<String> {
    let place = |name: &str| FLOW.iter().position(|known| *known == name);
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let from = package["name"].as_str().unwrap();
        let Some(here) = place(from) else {
            wrong.push(format!("{from} has no place in the flow"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            if place(to).is_some_and(|there| there >= here) {
                wrong.push(format!("{from} -> {to}"));
            }
        }
    }
    wrong
}

#[test]
fn no_crate_depends_on_one_to_its_right() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let run = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert!(metadata["packages"].as_array().unwrap().len() >= 8);
    assert_eq!(arrows_back(&metadata), Vec::<String>::new());
}

#[test]
fn an_arrow_that_points_back_is_seen() {
    let metadata = serde_json::json!({"packages": [
        {"name": "tagwerk-stats", "dependencies": [{"name": "tagwerk-data"}, {"name": "serde"}]},
        {"name": "tagwerk-data", "dependencies": [{"name": "tagwerk-stats"}]},
        {"name": "tagwerk-new", "dependencies": []},
    ]});
    assert_eq!(
        arrows_back(&metadata),
        ["tagwerk-data -> tagwerk-stats", "tagwerk-new has no place in the flow"]
    );
}
