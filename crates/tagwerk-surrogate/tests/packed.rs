//! A packed surrogate: whole, it passes; with any byte, member or item of the manifest changed or gone, it fails.
#![allow(clippy::unwrap_used)] // The test settings of clippy.toml do not reach the free functions of a test file.

use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::OnceLock;
use tagwerk_surrogate::manifest::Declaration;
use tagwerk_surrogate::synthetic::{SyntheticClassifier, SyntheticSurrogate, declaration};
use tagwerk_surrogate::{
    Domain, EvaluationOptions, PackOptions, Package, Recalibrated, Recalibration, Rerun, ScoreTable,
    SurrogateEvaluation, Verification, evaluate, open_packed, pack, sample, verify,
};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

type Members = BTreeMap<String, Vec<u8>>;

struct Parts {
    model: SyntheticSurrogate,
    domain: Domain,
    validation: ScoreTable,
    evaluation: SurrogateEvaluation,
}

fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let truth = SyntheticClassifier::default();
        let model = SyntheticSurrogate::posterior(truth.clone(), 3, 7);
        let training = truth.table(600, 0).unwrap();
        let domain = Domain::fit(&training, 1).unwrap();
        let validation = truth.table(300, 1).unwrap();
        let options = EvaluationOptions {
            drawn_rows: 100,
            draws: 20,
            shift_rows: 20,
            shift_draws: 4,
            single_draws: 100,
            ..EvaluationOptions::default()
        };
        let evaluation = evaluate(&model, &validation, Some(&training), Some(&domain), &[], &options).unwrap();
        Parts {
            model,
            domain,
            validation,
            evaluation,
        }
    })
}

fn packed<M: Rerun>(model: &M, declaration: &Declaration, path: &Path) -> Result<(), String> {
    let parts = parts();
    let package = Package {
        model,
        declaration,
        domain: &parts.domain,
        validation: &parts.validation,
        signal_share: 0.5,
        evaluation: &parts.evaluation,
        report: "<!DOCTYPE html><title>report</title>",
        license: "MIT OR Apache-2.0\n",
        options: PackOptions {
            golden_rows: 100,
            packed_rows: 200,
            ..PackOptions::default()
        },
    };
    pack(&package, path).map(|_| ()).map_err(|e| e.to_string())
}

/// Bytes of a whole file.
fn whole() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synthetic-top-1.0.0.surrogate.zip");
        packed(&parts().model, &declaration(), &path).unwrap();
        std::fs::read(path).unwrap()
    })
}

fn unzipped(bytes: &[u8]) -> Option<Members> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Members::new();
    for i in 0..zip.len() {
        let mut member = zip.by_index(i).ok()?;
        let mut content = Vec::new();
        member.read_to_end(&mut content).ok()?;
        members.insert(member.name().to_owned(), content);
    }
    Some(members)
}

fn members() -> &'static Members {
    static MEMBERS: OnceLock<Members> = OnceLock::new();
    MEMBERS.get_or_init(|| unzipped(whole()).unwrap())
}

fn zipped(members: &Members) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn checked_bytes(bytes: &[u8]) -> Result<Verification, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.surrogate.zip");
    std::fs::write(&path, bytes).unwrap();
    verify::<SyntheticSurrogate>(&path).map_err(|e| e.to_string())
}

fn checked(members: &Members) -> Verification {
    checked_bytes(&zipped(members)).unwrap()
}

fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect()
}

/// Makes sizes and hashes right again, as a careful forger would.
fn signed(members: Members, manifest: &mut Value) -> Members {
    if let Some(files) = manifest.get_mut("files").and_then(Value::as_array_mut) {
        for file in files {
            if let Some(content) = file["path"].as_str().and_then(|path| members.get(path)) {
                file["bytes"] = content.len().into();
                file["sha256"] = hash(content).into();
            }
        }
    }
    summed(members, manifest)
}

/// With this manifest, and sums that fit.
fn summed(mut members: Members, manifest: &Value) -> Members {
    members.insert("manifest.json".to_owned(), serde_json::to_vec(manifest).unwrap());
    let sums: String = members
        .iter()
        .filter(|(name, _)| *name != "SHA256SUMS")
        .map(|(name, content)| format!("{}  {name}\n", hash(content)))
        .collect();
    members.insert("SHA256SUMS".to_owned(), sums.into_bytes());
    members
}

fn manifest() -> Value {
    serde_json::from_slice(&members()["manifest.json"]).unwrap()
}

#[test]
fn a_whole_file_passes_every_check_and_answers_as_the_model_does() {
    let result = checked_bytes(whole()).unwrap();
    assert!(result.passed(), "{:?}", result.failures);
    assert_eq!(result.checks.len(), 8);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.surrogate.zip");
    std::fs::write(&path, whole()).unwrap();
    let (model, manifest, domain) = open_packed::<SyntheticSurrogate>(&path).unwrap();
    let jets = &parts().validation;
    let noise = vec![0.7; jets.rows()];
    for member in 0..3 {
        let ask = |model: &SyntheticSurrogate| sample(model, member, jets.conditions(), &noise).unwrap();
        assert_eq!(ask(&model), ask(&parts().model));
    }
    assert_eq!(manifest.identity.name, "synthetic-top");
    assert!(!domain.answer(jets.row(0)).unphysical);
    // A forger's signature over an unchanged file is no change.
    assert!(checked(&signed(members().clone(), &mut self::manifest())).passed());
}

#[test]
fn packing_twice_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.surrogate.zip");
    packed(&parts().model, &declaration(), &path).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), whole());
}

#[test]
fn a_recalibrated_surrogate_is_packed_with_its_map() {
    let parts = parts();
    let recalibration = Recalibration::fit_classes(&parts.model, &parts.validation, 0).unwrap();
    let model = Recalibrated {
        model: parts.model.clone(),
        recalibration,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.surrogate.zip");
    packed(&model, &declaration(), &path).unwrap();
    assert!(verify::<Recalibrated<SyntheticSurrogate>>(&path).unwrap().passed());
    // Read as a surrogate without a map it does not pass.
    assert!(!verify::<SyntheticSurrogate>(&path).unwrap().passed());
}

#[test]
fn every_member_is_needed() {
    for name in members().keys() {
        let mut less = members().clone();
        less.remove(name);
        let result = checked(&less);
        assert!(
            result.failures.iter().any(|f| f.contains(name.as_str())),
            "{name}: {:?}",
            result.failures
        );
        // Not even with a manifest and sums that do not mention it.
        if name != "manifest.json" && name != "SHA256SUMS" {
            let mut manifest = manifest();
            manifest["files"]
                .as_array_mut()
                .unwrap()
                .retain(|file| file["path"] != name.as_str());
            assert!(!checked(&signed(less, &mut manifest)).passed(), "{name}");
        }
    }
}

#[test]
fn a_member_more_is_refused() {
    let mut more = members().clone();
    more.insert("weights/model.pkl".to_owned(), vec![1]);
    assert!(!checked(&more).passed());
    let mut manifest = manifest();
    manifest["files"].as_array_mut().unwrap().push(serde_json::json!({
        "path": "weights/model.pkl", "bytes": 1, "sha256": "", "content": "a pickle"
    }));
    let failures = checked(&signed(more, &mut manifest)).failures;
    assert!(
        failures.iter().any(|f| f.contains("weights/model.pkl does not belong")),
        "{failures:?}"
    );
}

/// Paths of every field of a JSON value, as keys and indices.
fn fields(value: &Value, here: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => return,
    };
    for (key, child) in children {
        here.push(key);
        out.push(here.clone());
        fields(child, here, out);
        here.pop();
    }
}

fn parent<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path[..path.len() - 1].iter().fold(value, |value, key| match value {
        Value::Array(items) => &mut items[key.parse::<usize>().unwrap()],
        other => &mut other[key.as_str()],
    })
}

#[test]
fn every_item_of_the_manifest_is_needed_and_must_not_be_empty() {
    let mut all = Vec::new();
    fields(&manifest(), &mut Vec::new(), &mut all);
    assert!(all.len() > 200);
    for path in &all {
        let last = path.last().unwrap();
        // An element of a list may be missing, the list as a whole may not.
        let mut removed = manifest();
        let key_gone = match parent(&mut removed, path) {
            Value::Object(map) => map.remove(last).is_some(),
            _ => false,
        };
        if key_gone {
            let result = checked(&summed(members().clone(), &removed));
            assert!(!result.passed(), "{path:?} is gone and nobody noticed");
        }
        let mut emptied = manifest();
        let empty = match parent(&mut emptied, path) {
            Value::Object(map) => map.get_mut(last),
            Value::Array(items) => items.get_mut(last.parse::<usize>().unwrap()),
            _ => None,
        }
        .unwrap();
        *empty = match &*empty {
            Value::String(_) => " ".into(),
            Value::Array(_) => serde_json::json!([]),
            Value::Object(_) => serde_json::json!({}),
            _ => Value::Null,
        };
        let result = checked(&summed(members().clone(), &emptied));
        assert!(!result.passed(), "{path:?} is empty and nobody noticed");
    }
}

#[test]
fn a_missing_item_is_told_by_name_and_meaning() {
    let mut manifest = manifest();
    manifest["limits"].as_object_mut().unwrap().remove("band_leaves_out");
    let failures = checked(&signed(members().clone(), &mut manifest)).failures;
    assert!(
        failures
            .iter()
            .any(|f| f.starts_with("manifest: limits.band_leaves_out is missing (What it does not cover")),
        "{failures:?}"
    );
}

#[test]
fn other_weights_under_the_same_claims_are_drift() {
    let mut forged = members().clone();
    let other = SyntheticSurrogate::posterior(SyntheticClassifier::default(), 3, 8);
    forged.insert(
        "weights/distortions.safetensors".to_owned(),
        other.files().unwrap()["distortions.safetensors"].clone(),
    );
    let failures = checked(&signed(forged, &mut manifest())).failures;
    assert!(
        failures
            .iter()
            .any(|f| f.contains("golden answers differ") && f.contains("logit")),
        "{failures:?}"
    );
}

#[test]
fn a_better_claim_than_the_packed_jets_support_is_found_out() {
    let mut manifest = manifest();
    let claim = manifest["validation"]["packed_coverage"]["0.68"].as_f64().unwrap();
    manifest["validation"]["packed_coverage"]["0.68"] = (claim + 0.05).into();
    let failures = checked(&signed(members().clone(), &mut manifest)).failures;
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(
        failures[0].starts_with("the coverage at 0.68 of the packed jets is"),
        "{failures:?}"
    );
}

#[test]
fn a_foreign_or_missing_file_is_one_clear_error() {
    let error = checked_bytes(b"not a zip").unwrap_err();
    assert!(error.contains("x.surrogate.zip: not a packed surrogate"), "{error}");
    assert!(verify::<SyntheticSurrogate>(Path::new("/no/such/file")).is_err());
    // A ZIP archive of something else is an archive: everything that is missing is listed.
    let other: Members = [("readme.txt".to_owned(), b"hello".to_vec())].into();
    let result = checked(&other);
    assert!(!result.passed() && result.failures.iter().any(|f| f == "manifest.json is missing or empty"));
    let mut newer = manifest();
    newer["format_version"] = 2.into();
    let failures = checked(&signed(members().clone(), &mut newer)).failures;
    assert_eq!(failures, ["format_version is 2, this program reads 1"]);
}

#[test]
fn what_cannot_be_packed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.surrogate.zip");
    let refused = |declaration: &Declaration, why: &str| {
        let error = packed(&parts().model, declaration, &path).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    };
    let mut incomplete = declaration();
    incomplete.approval.privacy = "TODO".to_owned();
    refused(&incomplete, "approval.privacy says \"TODO\"");
    let mut incomplete = declaration();
    incomplete.limits.known_failures.clear();
    refused(&incomplete, "limits.known_failures has no entry");
    let mut swapped = declaration();
    swapped.inputs.swap(1, 2);
    refused(&swapped, "jet_eta where the jets have jet_pt");
    // The declaration can be written as TOML.
    let text = toml::to_string(&declaration()).unwrap();
    assert_eq!(toml::from_str::<Declaration>(&text).unwrap(), declaration());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_changed_byte_of_any_member_fails(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let mut changed = members().clone();
        let name = changed.keys().nth(which.index(changed.len())).unwrap().clone();
        let content = changed.get_mut(&name).unwrap();
        let at = at.index(content.len());
        content[at] ^= 1 << bit;
        let result = checked(&changed);
        prop_assert!(!result.passed(), "{} byte {} bit {}", name, at, bit);
    }

    #[test]
    fn any_changed_byte_of_the_file_is_an_error_or_a_failure_or_no_change_of_content(
        at in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut bytes = whole().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if checked_bytes(&bytes).is_ok_and(|result| result.passed()) {
            // Dates and the like may differ; what is read must not.
            let read = unzipped(&bytes);
            prop_assert_eq!(read.as_ref(), Some(members()));
        }
    }

    #[test]
    fn a_cut_file_is_an_error(length in any::<prop::sample::Index>()) {
        let bytes = &whole()[..length.index(whole().len())];
        prop_assert!(checked_bytes(bytes).is_err());
    }
}
