//! Packs a surrogate into one file that outsiders can check and run.
//!
//! ```text
//! name-version.surrogate.zip
//!   manifest.json            the seventeen items; manifest.schema.json is their JSON schema
//!   datacard.md              the manifest in words
//!   weights/                 safetensors, and settings as JSON
//!   domain.json              ranges, ellipsoid, neighbors, thresholds
//!   validation/inputs.csv    golden inputs: conditions, z, cut
//!   validation/expected.csv  one line an input and member: logit, passing
//!   validation/domain.csv    the domain's answers to the inputs
//!   validation/jets.csv      jets with labels and the classifier's logits, on which coverage is computed again
//!   report.html report.json  the evaluation
//!   LICENSE CITATION.cff
//!   SHA256SUMS               of every other file
//! ```
//!
//! A ZIP archive, because Windows, macOS and Python open it without help. What is packed has been read back, rebuilt
//! and verified in memory before the final name exists.

use crate::archive::{self, Members};
use crate::csv;
use crate::datacard::{citation, datacard};
use crate::domain::Domain;
use crate::error::SurrogateError;
use crate::golden::{FEWEST_GOLDEN, Golden};
use crate::manifest::Declaration;
use crate::manifest::{
    DomainDescription, EmulatedClassifier, FORMAT, FORMAT_VERSION, FileRecord, GoldenTest, Input, LabelSemantics,
    Manifest, Portability, SchemaReference, StochasticRecipe, Threshold, TrainingData, Validation, WorkingPoint,
    schema_text,
};
use crate::recalibrated::mixture_pit;
use crate::rerun::Rerun;
use crate::score_table::ScoreTable;
use crate::verify::verify_members;
use std::collections::BTreeMap;
use std::path::Path;
use tagwerk_data::sha256;
use tagwerk_stats::{SurrogateEvaluation, central_coverage, pit_histogram};

/// What is packed.
#[derive(Debug)]
pub struct Package<'a, M> {
    /// The surrogate.
    pub model: &'a M,
    /// What people say of it.
    pub declaration: &'a Declaration,
    /// Its domain.
    pub domain: &'a Domain,
    /// Jets that neither it nor the classifier has learned from.
    pub validation: &'a ScoreTable,
    /// Shares of the classes among its training jets: share of signal.
    pub signal_share: f64,
    /// Its evaluation.
    pub evaluation: &'a SurrogateEvaluation,
    /// The evaluation as a page.
    pub report: &'a str,
    /// Text of the license.
    pub license: &'a str,
    /// Sizes, tolerances, seed.
    pub options: PackOptions,
}

/// Sizes, tolerances, seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PackOptions {
    /// Golden inputs, at least 100. Default: 128.
    pub golden_rows: usize,
    /// Jets packed with their scores. Default: 4,000, on which a coverage of 0.68 is good to 0.7 %.
    pub packed_rows: usize,
    /// Allowed difference of a logit, on another machine. Default: 0.001.
    pub logit_tolerance: f64,
    /// Allowed difference of a probability. Default: 0.0001.
    pub probability_tolerance: f64,
    /// Seed of the golden noise. Default: 1.
    pub seed: u64,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            golden_rows: 128,
            packed_rows: 4_000,
            logit_tolerance: 1e-3,
            probability_tolerance: 1e-4,
            seed: 1,
        }
    }
}

/// Names of the files that every archive has, and what they are; weights come beside.
pub(crate) const FILES: [(&str, &str); 11] = [
    ("CITATION.cff", "how to cite, machine-readable"),
    ("LICENSE", "license"),
    ("datacard.md", "the manifest in words"),
    (
        "domain.json",
        "training domain: ranges, ellipsoid, neighbors, thresholds",
    ),
    ("manifest.schema.json", "JSON schema of the manifest"),
    ("report.html", "evaluation as a page"),
    ("report.json", "evaluation, all numbers"),
    ("validation/domain.csv", "expected answers of the domain"),
    ("validation/expected.csv", "expected outputs of the golden inputs"),
    ("validation/inputs.csv", "golden inputs"),
    ("validation/jets.csv", "jets with labels and the classifier's logits"),
];

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SUMS: &str = "SHA256SUMS";
pub(crate) const WEIGHTS: &str = "weights/";

/// Writes the archive and returns its manifest. The name should end in [`archive::EXTENSION`].
///
/// # Errors
/// A declaration with an empty or missing item, inputs whose names differ from the table's, too few jets, a model that
/// does not answer alike after it was rebuilt, a folder that cannot be written. The final name is then untouched.
pub fn pack<M: Rerun>(package: &Package<'_, M>, path: &Path) -> Result<Manifest, SurrogateError> {
    let failed = |reason: String| SurrogateError::Artifact {
        path: path.to_owned(),
        reason,
    };
    let (manifest, members) = members(package).map_err(|e| failed(format!("cannot be packed: {e}")))?;
    // What a reader will have.
    let bytes = archive::to_bytes(&members).map_err(failed)?;
    let read = archive::from_bytes(&bytes).map_err(failed)?;
    let verification = verify_members::<M>(&read);
    if let Some(first) = verification.failures.first() {
        return Err(failed(format!(
            "cannot be packed, {} checks fail: {}{}",
            verification.failures.len(),
            first,
            verification
                .failures
                .get(1)
                .map_or(String::new(), |second| format!("; {second}"))
        )));
    }
    archive::write(&members, path)?;
    Ok(manifest)
}

fn members<M: Rerun>(package: &Package<'_, M>) -> Result<(Manifest, Members), SurrogateError> {
    let (options, validation) = (&package.options, package.validation);
    for (what, found, expected) in [
        (
            "golden inputs",
            options.golden_rows.min(validation.rows()),
            FEWEST_GOLDEN,
        ),
        ("packed jets", options.packed_rows.min(validation.rows()), FEWEST_GOLDEN),
    ] {
        if found < expected {
            return Err(SurrogateError::Length { what, found, expected });
        }
    }
    let mut members = Members::new();
    let mut put = |name: &str, content: String| members.insert(name.to_owned(), content.into_bytes());
    let golden_cuts: Vec<f64> = package
        .declaration
        .classifier
        .working_points
        .iter()
        .map(|w| w.logit)
        .collect();
    let golden = Golden::choose(validation, options.golden_rows, &golden_cuts, options.seed);
    let (expected, expected_domain) = golden.answers(package.model, package.domain)?.to_csv();
    put("validation/inputs.csv", golden.to_csv());
    put("validation/expected.csv", expected);
    put("validation/domain.csv", expected_domain);
    let packed = validation.take(&(0..options.packed_rows.min(validation.rows())).collect::<Vec<_>>());
    put("validation/jets.csv", jets_csv(&packed));
    put("report.html", package.report.to_owned());
    put("report.json", json(package.evaluation)?);
    put("domain.json", json(package.domain)?);
    put("LICENSE", package.license.to_owned());
    put("manifest.schema.json", schema_text());
    for (name, content) in package.model.files()? {
        members.insert(format!("{WEIGHTS}{name}"), content);
    }
    let mut manifest = manifest(package, &golden, &packed, &members)?;
    members.insert("datacard.md".to_owned(), datacard(&manifest).into_bytes());
    members.insert("CITATION.cff".to_owned(), citation(&manifest).into_bytes());
    manifest.files = members.iter().map(|(path, content)| record(path, content)).collect();
    members.insert(MANIFEST.to_owned(), json(&manifest)?.into_bytes());
    members.insert(SUMS.to_owned(), sums(&members).into_bytes());
    Ok((manifest, members))
}

fn manifest<M: Rerun>(
    package: &Package<'_, M>,
    golden: &Golden,
    packed: &ScoreTable,
    members: &Members,
) -> Result<Manifest, SurrogateError> {
    let (declared, evaluation, model) = (package.declaration, package.evaluation, package.model);
    let levels: Vec<(String, f64)> = (evaluation.coverage.keys())
        .filter_map(|key| Some((key.clone(), key.parse().ok()?)))
        .collect();
    let pit = mixture_pit(model, packed)?;
    let shares = central_coverage(&pit, &levels.iter().map(|l| l.1).collect::<Vec<_>>())?;
    let packed_coverage = levels.iter().map(|l| l.0.clone()).zip(shares.iter().map(|s| s.value));
    let weight_bytes = members
        .iter()
        .filter(|(name, _)| name.starts_with(WEIGHTS))
        .map(|(_, c)| c.len() as u64);
    Ok(Manifest {
        format: FORMAT.to_owned(),
        format_version: FORMAT_VERSION,
        identity: declared.identity.clone(),
        classifier: EmulatedClassifier {
            working_points: working_points(&declared.classifier.working_points, package.validation),
            ..declared.classifier.clone()
        },
        input_level: declared.input_level.clone(),
        inputs: inputs(package)?,
        labels: LabelSemantics {
            training_priors: [
                ("0".to_owned(), 1.0 - package.signal_share),
                ("1".to_owned(), package.signal_share),
            ]
            .into(),
            ..declared.labels.clone()
        },
        output: declared.output.clone(),
        noise: StochasticRecipe {
            distribution: "standard normal".to_owned(),
            dimension: 1,
            seeding: "noise is an input: whoever asks draws it and keeps the seed; golden inputs have it in column z"
                .to_owned(),
            members: model.members() as u64,
            member_origin: declared.member_origin.clone(),
            common_noise: "all members answer the same noise, so that their difference is the weights alone".to_owned(),
            combination: declared.combination.clone(),
        },
        training_data: TrainingData {
            rows: package.domain.rows as u64,
            ..declared.training_data.clone()
        },
        model: model.description(),
        solver: model.solver(),
        domain: DomainDescription {
            file: "domain.json".to_owned(),
            scores: vec![
                "mahalanobis: distance from the mean of the training jets, in standard deviations, with correlations"
                    .to_owned(),
                format!(
                    "neighbors: distance to the nearest training jet number {}, in standardized conditions",
                    crate::domain::NEIGHBOR
                ),
            ],
            thresholds: thresholds(package.domain),
            consistency: if package.domain.knows_kinematics() {
                "E >= pT cosh eta to one in a thousand".to_owned()
            } else {
                "none: the inputs have no pT, pseudorapidity and energy to check against each other".to_owned()
            },
            behavior: declared.behavior_outside.clone(),
        },
        validation: Validation {
            rows: evaluation.rows as u64,
            coverage: evaluation.coverage.clone(),
            pit_ks: evaluation.pit_ks,
            auc_classifier: evaluation.auc.classifier,
            auc_surrogate: evaluation.auc.surrogate,
            js_distance: evaluation.js_distance,
            crps: evaluation.crps.value,
            nll: evaluation.nll.nll.value,
            packed_rows: packed.rows() as u64,
            packed_coverage: packed_coverage.collect(),
            packed_pit_ks: pit_histogram(&pit, 20)?.ks,
            reports: vec!["report.html".to_owned(), "report.json".to_owned()],
            closure: declared.closure.clone(),
        },
        golden: GoldenTest {
            inputs: "validation/inputs.csv".to_owned(),
            expected: "validation/expected.csv".to_owned(),
            expected_domain: "validation/domain.csv".to_owned(),
            rows: golden.rows() as u64,
            logit_tolerance: package.options.logit_tolerance,
            probability_tolerance: package.options.probability_tolerance,
            command: "tagwerk verify FILE".to_owned(),
        },
        portability: Portability {
            formats: vec!["safetensors; there is no ONNX graph yet".to_owned()],
            tested: declared.tested.clone(),
            precision: "weights as stored in weights/; golden outputs in double precision, tolerance above".to_owned(),
            latency: declared.latency.clone(),
            weight_bytes: weight_bytes.sum(),
            dependencies: "no custom operations, no pickle, nothing from a network".to_owned(),
        },
        limits: declared.limits.clone(),
        approval: declared.approval.clone(),
        check: SchemaReference {
            schema: "manifest.schema.json".to_owned(),
            validator: "tagwerk verify FILE".to_owned(),
        },
        files: Vec::new(),
    })
}

/// Declared inputs with the model's standardization and the domain's ranges.
fn inputs<M: Rerun>(package: &Package<'_, M>) -> Result<Vec<Input>, SurrogateError> {
    let (declared, ranges) = (&package.declaration.inputs, &package.domain.conditions);
    let standard = package.model.standardization();
    for (what, found) in [
        ("declared inputs", declared.len()),
        ("conditions of the domain", ranges.len()),
        ("standardized inputs", standard.len()),
        ("conditions of the validation jets", package.validation.columns()),
    ] {
        if found != package.model.columns() {
            return Err(SurrogateError::Length {
                what,
                found,
                expected: package.model.columns(),
            });
        }
    }
    let input = |i: usize| {
        let (declared, range) = (&declared[i], &ranges[i]);
        for name in [&range.name, &package.validation.names()[i]] {
            if *name != declared.name {
                return Err(SurrogateError::Setting {
                    setting: "the name of a declared input",
                    value: format!("{} where the jets have {name}", declared.name),
                    wanted: "that of the model's condition at its place",
                });
            }
        }
        Ok(Input {
            name: declared.name.clone(),
            unit: declared.unit.clone(),
            dtype: "number, computed in double precision".to_owned(),
            convention: declared.convention.clone(),
            discrete: declared.discrete,
            required: true,
            missing: declared.missing.clone(),
            mean: standard[i].0,
            std: standard[i].1,
            min: range.min,
            max: range.max,
            quantiles: range.quantiles.clone(),
        })
    };
    (0..declared.len()).map(input).collect()
}

/// Declared cuts with the classifier's efficiencies on the validation jets.
fn working_points(declared: &[WorkingPoint], validation: &ScoreTable) -> Vec<WorkingPoint> {
    let passing = |label: u8, cut: f64| {
        let of = || {
            validation
                .logits()
                .iter()
                .zip(validation.labels())
                .filter(|(_, l)| **l == label)
        };
        of().filter(|(x, _)| **x > cut).count() as f64 / of().count().max(1) as f64
    };
    (declared.iter())
        .map(|w| WorkingPoint {
            signal_efficiency: passing(1, w.logit),
            background_efficiency: passing(0, w.logit),
            ..w.clone()
        })
        .collect()
}

/// The domain's thresholds as the manifest has them.
pub(crate) fn thresholds(domain: &Domain) -> Vec<Threshold> {
    let told = |t: &crate::domain::DomainThreshold| Threshold {
        quantile: t.quantile,
        mahalanobis: t.mahalanobis,
        neighbors: t.neighbors,
    };
    domain.thresholds.iter().map(told).collect()
}

/// Columns of the packed jets: conditions, then label and logit. Prefixes keep them apart from conditions of that name.
fn jets_csv(table: &ScoreTable) -> String {
    let mut names: Vec<&str> = table.names().iter().map(String::as_str).collect();
    names.extend(["true_label", "classifier_logit"]);
    let row = |row: usize| {
        let ends = [f64::from(table.labels()[row]), table.logits()[row]];
        [table.row(row), &ends].concat()
    };
    csv::write(&names, &(0..table.rows()).flat_map(row).collect::<Vec<f64>>())
}

/// Reads [`jets_csv`].
pub(crate) fn jets_table(text: &[u8]) -> Result<ScoreTable, String> {
    let (mut names, values) = csv::read(text)?;
    if names.len() < 3 || names.split_off(names.len() - 2) != ["true_label", "classifier_logit"] {
        return Err("does not end with the columns true_label and classifier_logit".to_owned());
    }
    let columns = names.len();
    let (mut conditions, mut labels, mut logits) = (Vec::new(), Vec::new(), Vec::new());
    for row in values.chunks_exact(columns + 2) {
        conditions.extend(&row[..columns]);
        labels.push(if row[columns] == 0.0 {
            0
        } else if row[columns] == 1.0 {
            1
        } else {
            return Err(format!("has the label {}", row[columns]));
        });
        logits.push(row[columns + 1]);
    }
    ScoreTable::new(names, conditions, labels, logits).map_err(|e| e.to_string())
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, SurrogateError> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|e| SurrogateError::Artifact {
            path: "JSON".into(),
            reason: e.to_string(),
        })
}

fn record(path: &str, content: &[u8]) -> FileRecord {
    let known: BTreeMap<&str, &str> = FILES.into();
    FileRecord {
        path: path.to_owned(),
        bytes: content.len() as u64,
        sha256: sha256(content),
        content: known
            .get(path)
            .copied()
            .unwrap_or("weights or settings of the model")
            .to_owned(),
    }
}

/// SHA256SUMS of all members but itself, in the form of `sha256sum`.
pub(crate) fn sums(members: &Members) -> String {
    members
        .iter()
        .filter(|(name, _)| *name != SUMS)
        .map(|(name, content)| format!("{}  {name}\n", sha256(content)))
        .collect()
}
