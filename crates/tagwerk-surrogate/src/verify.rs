//! Checks a packed surrogate: everything it says of itself is looked at again.
//!
//! Hashes; every item of the manifest; that documents say what the manifest says; golden outputs computed again within
//! tolerance; the domain's answers; coverage on the packed jets. Each failure is one sentence. A file that is no whole
//! archive is an error instead, because there is nothing to check.

use crate::archive::{self, Members};
use crate::datacard::{citation, datacard};
use crate::domain::Domain;
use crate::error::SurrogateError;
use crate::golden::{Answers, FEWEST_GOLDEN, Golden};
use crate::manifest::{Described, FORMAT, FORMAT_VERSION, Manifest, schema_text, violations};
use crate::pack::{FILES, MANIFEST, SUMS, WEIGHTS, jets_table, sums, thresholds};
use crate::recalibrated::mixture_pit;
use crate::rerun::Rerun;
use crate::score_model::ScoreModel;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tagwerk_data::sha256;
use tagwerk_stats::{SurrogateEvaluation, central_coverage, pit_histogram};

/// What was checked and what failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Checks in the order made.
    pub checks: Vec<Check>,
    /// One sentence a failure; empty when all is well.
    pub failures: Vec<String>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it passed; absent when an earlier failure kept it from being made.
    pub passed: Option<bool>,
    /// What was seen.
    pub detail: String,
}

impl Verification {
    /// Whether every check was made and passed.
    pub fn passed(&self) -> bool {
        self.failures.is_empty() && self.checks.iter().all(|check| check.passed == Some(true))
    }

    fn add(&mut self, name: &str, detail: String, failures: Vec<String>) -> bool {
        let passed = failures.is_empty();
        self.checks.push(Check {
            name: name.to_owned(),
            passed: Some(passed),
            detail,
        });
        self.failures.extend(failures);
        passed
    }

    fn skip(&mut self, name: &str, why: &str) {
        self.checks.push(Check {
            name: name.to_owned(),
            passed: None,
            detail: format!("not checked: {why}"),
        });
    }
}

/// Verifies a file. `M` is the kind of model that the file is expected to hold.
///
/// # Errors
/// A file that is missing, cut, damaged, too large or no archive of plain files. Everything else is a failure in the
/// result.
pub fn verify<M: Rerun>(path: &Path) -> Result<Verification, SurrogateError> {
    Ok(verify_members::<M>(&archive::read(path)?))
}

/// The model of a file, its manifest and its domain, for asking it. Hashes and manifest are checked, nothing is run;
/// [`verify`] does that.
///
/// # Errors
/// As [`verify`]; also a first failure of hashes or manifest, or weights that do not make a model.
pub fn open_packed<M: Rerun>(path: &Path) -> Result<(M, Manifest, Domain), SurrogateError> {
    let members = archive::read(path)?;
    let failed = |reason: String| SurrogateError::Artifact {
        path: path.to_owned(),
        reason,
    };
    let first = |failures: Vec<String>| failures.into_iter().next().map_or(Ok(()), |why| Err(failed(why)));
    first(hash_failures(&members))?;
    let (manifest, failures) = manifest_of(&members);
    first(failures)?;
    let manifest = manifest.ok_or_else(|| failed("has no manifest".to_owned()))?;
    let domain: Domain = parsed(&members, "domain.json").map_err(failed)?;
    let model = M::rebuild(&manifest, &weights(&members))?;
    first(shape_failures(&model, &manifest))?;
    Ok((model, manifest, domain))
}

pub(crate) fn verify_members<M: Rerun>(members: &Members) -> Verification {
    let mut out = Verification {
        checks: Vec::new(),
        failures: Vec::new(),
    };
    out.add("files", format!("{} members", members.len()), missing_files(members));
    out.add(
        "hashes",
        "SHA256SUMS against every member".to_owned(),
        hash_failures(members),
    );
    let (manifest, failures) = manifest_of(members);
    out.add(
        "manifest",
        "seventeen items, present and not empty".to_owned(),
        failures,
    );
    let Some(manifest) = manifest else {
        for name in ["documents", "model", "golden outputs", "domain", "coverage"] {
            out.skip(name, "the manifest cannot be read");
        }
        return out;
    };
    out.add(
        "documents",
        "data card, citation, report".to_owned(),
        document_failures(members, &manifest),
    );
    let domain: Option<Domain> = match parsed::<Domain>(members, "domain.json") {
        Ok(domain) => {
            let detail = format!("{} training jets", domain.rows);
            out.add("domain", detail, domain_failures(&domain, &manifest));
            Some(domain)
        }
        Err(why) => {
            out.add("domain", String::new(), vec![why]);
            None
        }
    };
    let model = match M::rebuild(&manifest, &weights(members)) {
        Ok(model) => {
            let detail = format!("{} members, {} inputs", model.members(), model.columns());
            out.add("model", detail, shape_failures(&model, &manifest))
                .then_some(model)
        }
        Err(error) => {
            let failure = format!("the model cannot be rebuilt from its files: {error}");
            out.add("model", String::new(), vec![failure]);
            None
        }
    };
    match (&model, &domain) {
        (Some(model), Some(domain)) => {
            let detail = format!("{} inputs", manifest.golden.rows);
            out.add(
                "golden outputs",
                detail,
                golden_failures(members, &manifest, model, domain),
            );
        }
        _ => out.skip("golden outputs", "there is no model or no domain to ask"),
    }
    match &model {
        Some(model) => {
            let detail = format!("{} packed jets", manifest.validation.packed_rows);
            out.add("coverage", detail, coverage_failures(members, &manifest, model));
        }
        None => out.skip("coverage", "there is no model to ask"),
    }
    out
}

fn missing_files(members: &Members) -> Vec<String> {
    let required = FILES.iter().map(|file| file.0).chain([MANIFEST, SUMS]);
    let mut out: Vec<String> = required
        .filter(|name| members.get(*name).is_none_or(|content| content.trim_ascii().is_empty()))
        .map(|name| format!("{name} is missing or empty"))
        .collect();
    let known: BTreeSet<&str> = FILES.iter().map(|file| file.0).chain([MANIFEST, SUMS]).collect();
    for name in members.keys() {
        let weights = name.starts_with(WEIGHTS) && (name.ends_with(".safetensors") || name.ends_with(".json"));
        if !weights && !known.contains(name.as_str()) {
            out.push(format!("{name} does not belong into a packed surrogate"));
        }
    }
    if !members.keys().any(|name| name.starts_with(WEIGHTS)) {
        out.push("there is no file of weights".to_owned());
    }
    out
}

fn hash_failures(members: &Members) -> Vec<String> {
    let Some(found) = members.get(SUMS) else {
        return vec![format!("{SUMS} is missing")];
    };
    let wanted = sums(members);
    if wanted.as_bytes() == found.as_slice() {
        return Vec::new();
    }
    // Which line differs.
    let text = String::from_utf8_lossy(found);
    let listed: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once("  ").map(|(sum, name)| (name, sum)))
        .collect();
    let mut out = Vec::new();
    for (name, content) in members.iter().filter(|(name, _)| *name != SUMS) {
        match listed.get(name.as_str()) {
            None => out.push(format!("{name} is not in {SUMS}")),
            Some(sum) if *sum != sha256(content) => out.push(format!("{name} differs from its hash in {SUMS}")),
            Some(_) => {}
        }
    }
    let strange = listed
        .keys()
        .filter(|name| **name == SUMS || !members.contains_key(**name));
    out.extend(strange.map(|name| format!("{SUMS} lists {name}, which is not there")));
    if out.is_empty() {
        out.push(format!("{SUMS} is not in the form in which it was written"));
    }
    out
}

/// The manifest, if it can be read, and everything wrong with it.
fn manifest_of(members: &Members) -> (Option<Manifest>, Vec<String>) {
    let value: Value = match parsed(members, MANIFEST) {
        Ok(value) => value,
        Err(why) => return (None, vec![why]),
    };
    // Another version may have other fields: that is said alone.
    for (key, wanted) in [
        ("format", Value::from(FORMAT)),
        ("format_version", Value::from(FORMAT_VERSION)),
    ] {
        if value.get(key).is_some_and(|found| *found != wanted) {
            return (
                None,
                vec![format!("{key} is {}, this program reads {wanted}", value[key])],
            );
        }
    }
    let mut failures: Vec<String> = violations(&value, &Manifest::schema())
        .into_iter()
        .map(|why| format!("manifest: {why}"))
        .collect();
    let manifest: Option<Manifest> = match serde_json::from_value(value) {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            if failures.is_empty() {
                failures.push(format!("manifest: {error}"));
            }
            None
        }
    };
    if let Some(manifest) = &manifest {
        failures.extend(inconsistencies(manifest, members));
    }
    (manifest, failures)
}

/// What a schema cannot say.
fn inconsistencies(m: &Manifest, members: &Members) -> Vec<String> {
    let mut out = Vec::new();
    let mut require = |holds: bool, why: String| {
        if !holds {
            out.push(format!("manifest: {why}"));
        }
    };
    let names: BTreeSet<&String> = m.inputs.iter().map(|input| &input.name).collect();
    require(names.len() == m.inputs.len(), "two inputs have one name".to_owned());
    for input in &m.inputs {
        let n = input.quantiles.len();
        require(n == 7, format!("input {} has {n} quantiles instead of 7", input.name));
        let ordered = input.min <= input.max && input.quantiles.windows(2).all(|w| w[0] <= w[1]);
        require(ordered, format!("the range of input {} does not ascend", input.name));
        require(
            input.std > 0.0,
            format!("input {} has a standard deviation of {}", input.name, input.std),
        );
    }
    let priors: f64 = m.labels.training_priors.values().sum();
    require(
        (priors - 1.0).abs() < 1e-6,
        format!("the training priors sum to {priors}"),
    );
    let labeled = m
        .labels
        .training_priors
        .keys()
        .all(|label| m.labels.allowed.contains_key(label));
    require(labeled, "a label of the training is not an allowed one".to_owned());
    require(m.noise.members > 0, "there are no members".to_owned());
    require(
        m.golden.rows >= FEWEST_GOLDEN as u64,
        format!("{} golden inputs, at least {FEWEST_GOLDEN} are needed", m.golden.rows),
    );
    let tolerances = [m.golden.logit_tolerance, m.golden.probability_tolerance];
    let strict = tolerances.iter().all(|&t| t > 0.0 && t <= 0.01);
    require(
        strict,
        format!("the golden tolerances are {tolerances:?}, they must lie in (0, 0.01]"),
    );
    let shares = m
        .validation
        .coverage
        .values()
        .chain(m.validation.packed_coverage.values());
    let sensible = shares
        .chain([&m.validation.pit_ks, &m.validation.packed_pit_ks])
        .all(|s| (0.0..=1.0).contains(s));
    require(sensible, "a coverage or KS distance lies outside [0, 1]".to_owned());
    let schema = members.get("manifest.schema.json").map(Vec::as_slice);
    require(
        schema == Some(schema_text().as_bytes()),
        "manifest.schema.json is not the schema of this format".to_owned(),
    );
    let listed: BTreeMap<&str, (u64, &str)> = m
        .files
        .iter()
        .map(|file| (file.path.as_str(), (file.bytes, file.sha256.as_str())))
        .collect();
    require(listed.len() == m.files.len(), "a file is listed twice".to_owned());
    for (name, content) in members.iter().filter(|(name, _)| *name != MANIFEST && *name != SUMS) {
        let same = listed.get(name.as_str()) == Some(&(content.len() as u64, sha256(content).as_str()));
        require(same, format!("{name} is not listed with its size and hash"));
    }
    for name in listed.keys() {
        require(members.contains_key(*name), format!("{name} is listed and not there"));
    }
    let points = [
        (&m.domain.file, "domain.json"),
        (&m.golden.inputs, "validation/inputs.csv"),
        (&m.golden.expected, "validation/expected.csv"),
        (&m.golden.expected_domain, "validation/domain.csv"),
        (&m.check.schema, "manifest.schema.json"),
    ];
    for (found, wanted) in points {
        require(found == wanted, format!("it points to {found} where {wanted} belongs"));
    }
    let bytes: u64 = members
        .iter()
        .filter(|(name, _)| name.starts_with(WEIGHTS))
        .map(|(_, c)| c.len() as u64)
        .sum();
    require(
        m.portability.weight_bytes == bytes,
        format!("the weights have {bytes} bytes, not {}", m.portability.weight_bytes),
    );
    out
}

fn document_failures(members: &Members, manifest: &Manifest) -> Vec<String> {
    let mut out = Vec::new();
    for (name, wanted) in [
        ("datacard.md", datacard(manifest)),
        ("CITATION.cff", citation(manifest)),
    ] {
        if members.get(name).map(Vec::as_slice) != Some(wanted.as_bytes()) {
            out.push(format!("{name} says something else than the manifest"));
        }
    }
    match parsed::<SurrogateEvaluation>(members, "report.json") {
        Err(why) => out.push(why),
        Ok(report) => {
            let claims = &manifest.validation;
            let told = [
                ("coverage", claims.coverage == report.coverage),
                ("rows", claims.rows == report.rows as u64),
                ("pit_ks", claims.pit_ks == report.pit_ks),
                ("auc_classifier", claims.auc_classifier == report.auc.classifier),
                ("auc_surrogate", claims.auc_surrogate == report.auc.surrogate),
                ("js_distance", claims.js_distance == report.js_distance),
                ("crps", claims.crps == report.crps.value),
                ("nll", claims.nll == report.nll.nll.value),
            ];
            for (what, _) in told.iter().filter(|(_, same)| !same) {
                out.push(format!("{what} of the manifest's validation differs from report.json"));
            }
            if report.members as u64 != manifest.noise.members {
                out.push(format!(
                    "report.json is of {} members, the surrogate has {}",
                    report.members, manifest.noise.members
                ));
            }
        }
    }
    out
}

fn domain_failures(domain: &Domain, manifest: &Manifest) -> Vec<String> {
    let mut out = Vec::new();
    if manifest.domain.thresholds != thresholds(domain) {
        out.push("the thresholds of domain.json differ from those of the manifest".to_owned());
    }
    let ranges: Vec<(&str, f64, f64, &[f64])> = (manifest.inputs.iter())
        .map(|i| (i.name.as_str(), i.min, i.max, i.quantiles.as_slice()))
        .collect();
    let own: Vec<(&str, f64, f64, &[f64])> = (domain.conditions.iter())
        .map(|c| (c.name.as_str(), c.min, c.max, c.quantiles.as_slice()))
        .collect();
    if ranges != own {
        out.push("the ranges of domain.json differ from those of the manifest's inputs".to_owned());
    }
    let columns = domain.measured.len();
    let inside = domain.measured.iter().all(|&c| c < domain.conditions.len());
    if !inside || domain.mahalanobis.columns() != columns || domain.neighbors.columns() != columns {
        out.push("domain.json measures distances in conditions that it does not have".to_owned());
    }
    if domain.rows as u64 != manifest.training_data.rows {
        out.push(format!(
            "domain.json is of {} jets, the training of {}",
            domain.rows, manifest.training_data.rows
        ));
    }
    out
}

fn shape_failures<M: Rerun>(model: &M, manifest: &Manifest) -> Vec<String> {
    let mut out = Vec::new();
    if model.members() as u64 != manifest.noise.members {
        out.push(format!(
            "the files hold {} members, the manifest says {}",
            model.members(),
            manifest.noise.members
        ));
    }
    if model.columns() != manifest.inputs.len() {
        out.push(format!(
            "the model takes {} inputs, the manifest describes {}",
            model.columns(),
            manifest.inputs.len()
        ));
    }
    let declared: Vec<(f64, f64)> = manifest.inputs.iter().map(|input| (input.mean, input.std)).collect();
    if model.standardization() != declared {
        out.push("the model's standardization differs from that of the manifest's inputs".to_owned());
    }
    if model.description() != manifest.model || model.solver() != manifest.solver {
        out.push("the model describes itself otherwise than the manifest does".to_owned());
    }
    out
}

fn golden_failures<M: ScoreModel>(members: &Members, manifest: &Manifest, model: &M, domain: &Domain) -> Vec<String> {
    let file = |name: &'static str| (name, members.get(name).map(Vec::as_slice).unwrap_or_default());
    let inputs = match Golden::from_csv(file("validation/inputs.csv").1) {
        Ok(inputs) => inputs,
        Err(why) => return vec![format!("validation/inputs.csv {why}")],
    };
    let expected = match Answers::from_csv(file("validation/expected.csv"), file("validation/domain.csv")) {
        Ok(expected) => expected,
        Err(why) => return vec![why],
    };
    if inputs.rows() as u64 != manifest.golden.rows {
        return vec![format!(
            "validation/inputs.csv has {} inputs, the manifest says {}",
            inputs.rows(),
            manifest.golden.rows
        )];
    }
    if !inputs.names.iter().eq(manifest.inputs.iter().map(|input| &input.name)) {
        return vec!["validation/inputs.csv has other columns than the manifest's inputs".to_owned()];
    }
    match inputs.answers(model, domain) {
        Err(error) => vec![format!("the golden inputs cannot be answered: {error}")],
        Ok(answers) => answers.drift(
            &expected,
            manifest.golden.logit_tolerance,
            manifest.golden.probability_tolerance,
        ),
    }
}

/// Coverage of the packed jets against the claim. A jet whose PIT moved across the edge of an interval by rounding may
/// count otherwise: two jets are allowed.
fn coverage_failures<M: ScoreModel>(members: &Members, manifest: &Manifest, model: &M) -> Vec<String> {
    let claims = &manifest.validation;
    let table = match members.get("validation/jets.csv").map(|text| jets_table(text)) {
        Some(Ok(table)) => table,
        Some(Err(why)) => return vec![format!("validation/jets.csv {why}")],
        None => return vec!["validation/jets.csv is missing".to_owned()],
    };
    if table.rows() as u64 != claims.packed_rows {
        return vec![format!(
            "validation/jets.csv has {} jets, the manifest says {}",
            table.rows(),
            claims.packed_rows
        )];
    }
    if !table.names().iter().eq(manifest.inputs.iter().map(|input| &input.name)) {
        return vec!["validation/jets.csv has other columns than the manifest's inputs".to_owned()];
    }
    if !claims.packed_coverage.keys().eq(claims.coverage.keys()) {
        return vec![format!(
            "the manifest claims coverage of the packed jets at {:?}, of the evaluation at {:?}: these must be the same levels",
            claims.packed_coverage.keys().collect::<Vec<_>>(),
            claims.coverage.keys().collect::<Vec<_>>()
        )];
    }
    let recomputed = || -> Result<Vec<String>, SurrogateError> {
        let pit = mixture_pit(model, &table)?;
        let allowed = 2.0 / table.rows() as f64 + manifest.golden.probability_tolerance;
        let mut out = Vec::new();
        let mut compare = |what: String, found: f64, claimed: f64| {
            let difference = (found - claimed).abs();
            if difference.is_nan() || difference > allowed {
                out.push(format!(
                    "{what} of the packed jets is {found:.5}, the manifest claims {claimed:.5}"
                ));
            }
        };
        for (level, &claimed) in &claims.packed_coverage {
            let number: f64 = level.parse().unwrap_or(f64::NAN);
            compare(
                format!("the coverage at {level}"),
                central_coverage(&pit, &[number])?[0].value,
                claimed,
            );
        }
        compare(
            "the KS distance".to_owned(),
            pit_histogram(&pit, 20)?.ks,
            claims.packed_pit_ks,
        );
        Ok(out)
    };
    recomputed().unwrap_or_else(|error| vec![format!("coverage cannot be computed again: {error}")])
}

/// Files of the model, by name under `weights/`.
fn weights(members: &Members) -> BTreeMap<String, Vec<u8>> {
    let own = |(name, content): (&String, &Vec<u8>)| Some((name.strip_prefix(WEIGHTS)?.to_owned(), content.clone()));
    members.iter().filter_map(own).collect()
}

fn parsed<T: serde::de::DeserializeOwned>(members: &Members, name: &str) -> Result<T, String> {
    let content = members.get(name).ok_or_else(|| format!("{name} is missing"))?;
    serde_json::from_slice(content).map_err(|e| format!("{name} cannot be read: {e}"))
}
