//! The manifest of a packed surrogate: seventeen items without which nobody outside can use it.
//!
//! The items follow the wish list for reusable machine-learned models in LHC analyses (arXiv:2312.14575) and what users
//! of published models stumble over. Each is a section with typed fields; all fields are required and none may be
//! empty. What does not apply is said in words ("none: the score is not calibrated to data"), so that silence never has
//! to be interpreted. People write [`Declaration`]; the packer measures the rest.
//!
//! Structs, their documentation and the JSON schema come from one table (the macro `section`), so they cannot differ.

mod schema;

pub use schema::{Described, violations};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Name of the format, in every manifest.
pub const FORMAT: &str = "tagwerk-surrogate";

/// Version of the format; raised when a reader of the old one would err.
pub const FORMAT_VERSION: u64 = 1;

/// A struct whose documentation is also its JSON schema.
macro_rules! section {
    ($(#[doc = $title:expr])+ $name:ident { $($(#[doc = $doc:expr])+ $field:ident: $type:ty,)+ }) => {
        $(#[doc = $title])+
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Described for $name {
            fn schema() -> Value {
                schema::object(
                    concat!($($title),+),
                    &[$((stringify!($field), concat!($($doc),+), <$type as Described>::schema()),)+],
                )
            }
        }
    };
}

section! {
    /// Item 1: which surrogate this is.
    Identity {
        /// Short name, lower case with hyphens.
        name: String,
        /// Semantic version of the surrogate.
        version: String,
        /// DOI of the deposit, or in words why there is none yet.
        doi: String,
        /// Day of packing, YYYY-MM-DD.
        date: String,
        /// Authors, as they are to be cited.
        authors: Vec<String>,
        /// Whom to ask: an address that outlives a contract.
        contact: String,
        /// SPDX expression of the license.
        license: String,
        /// How to cite it.
        citation: String,
        /// The surrogate that replaces this one, or "none".
        superseded_by: String,
    }
}

section! {
    /// Item 2: the classifier that is emulated.
    EmulatedClassifier {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// The training campaign: sample, date, configuration.
        training_campaign: String,
        /// Cuts on the score that analyses use.
        working_points: Vec<WorkingPoint>,
        /// What the score means: which classes, the formula with its normalization.
        score: String,
        /// Calibrated to simulation or to data; whether scale factors apply.
        calibration: String,
    }
}

section! {
    /// A cut on the score.
    WorkingPoint {
        /// Its name.
        name: String,
        /// A jet passes when the logit of its score lies above.
        logit: f64,
        /// Signal efficiency of the classifier on the validation jets.
        signal_efficiency: f64,
        /// Background efficiency of the classifier on the validation jets.
        background_efficiency: f64,
    }
}

section! {
    /// Item 3: what kind of object the inputs describe.
    InputLevel {
        /// Parton, particle or reconstruction level.
        level: String,
        /// Algorithm, radius and constituents of the jets.
        object: String,
        /// Pile-up: what is in the sample and what was done about it.
        pileup: String,
        /// Whether leptons, photons and invisible particles are clustered.
        inclusion: String,
        /// How a jet is matched to its truth: radius or ghosts.
        matching: String,
        /// Cuts on the object before the surrogate may be asked.
        selection: String,
    }
}

section! {
    /// Item 4: one input, in the order in which they are given.
    Input {
        /// Name of the column.
        name: String,
        /// Unit, or "1".
        unit: String,
        /// Type of the number.
        dtype: String,
        /// Sign and range convention: phi in (-pi, pi], pseudorapidity not rapidity.
        convention: String,
        /// Whether it takes whole numbers only.
        discrete: bool,
        /// Whether it must be given.
        required: bool,
        /// What to give when it is unknown, or that nothing will do.
        missing: String,
        /// Mean of the training jets.
        mean: f64,
        /// Standard deviation of the training jets: the input enters as (value - mean) / std.
        std: f64,
        /// Smallest value of the training jets.
        min: f64,
        /// Largest value of the training jets.
        max: f64,
        /// Quantiles 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999 of the training jets.
        quantiles: Vec<f64>,
    }
}

section! {
    /// Item 5: what the label means.
    LabelSemantics {
        /// Each allowed value and the class it stands for.
        allowed: BTreeMap<String, String>,
        /// Definition of the truth label.
        definition: String,
        /// What to do for a process that is none of the classes.
        other_processes: String,
        /// Share of each class in the training jets.
        training_priors: BTreeMap<String, f64>,
        /// That outputs are conditional on the class, or which prior they contain.
        prior: String,
    }
}

section! {
    /// Item 6: what comes out.
    Output {
        /// Name of the number.
        name: String,
        /// Unit.
        unit: String,
        /// From the model's number to the score: logarithm, scale, epsilon.
        transform: String,
        /// Range of the score.
        range: String,
        /// What happens to scores of 0 and 1.
        saturation: String,
        /// What one sample stands for, and which correlations between jets are left out.
        sample: String,
    }
}

section! {
    /// Item 7: where randomness enters.
    StochasticRecipe {
        /// Distribution of the noise.
        distribution: String,
        /// Noise numbers a sample.
        dimension: u64,
        /// How noise is made from a seed, so that another program can.
        seeding: String,
        /// Number of members.
        members: u64,
        /// How members were drawn.
        member_origin: String,
        /// That the members answer equal noise.
        common_noise: String,
        /// How to turn the spread of samples and of members into a systematic uncertainty.
        combination: String,
    }
}

section! {
    /// Item 8: what it has learned from.
    TrainingData {
        /// Names of the samples.
        samples: Vec<String>,
        /// Generator, version, tune.
        generator: String,
        /// Parton shower, version, tune.
        shower: String,
        /// Detector simulation, version, card.
        detector: String,
        /// Jets.
        rows: u64,
        /// Sizes of the parts and how they were cut.
        splits: String,
        /// Cuts.
        cuts: String,
        /// Weights of jets, or "none".
        weights: String,
        /// Overlap with the jets that the classifier was trained on.
        overlap: String,
    }
}

section! {
    /// Item 9: the model and how it was trained.
    ModelDescription {
        /// Kind of network with its widths.
        architecture: String,
        /// Trainable numbers of one member.
        parameters: u64,
        /// Probability path and its smallest width, or how else the density is defined.
        path: String,
        /// Loss.
        loss: String,
        /// Optimizer and its settings.
        optimizer: String,
        /// Schedule of the learning rate.
        schedule: String,
        /// Passes over the training jets.
        epochs: u64,
        /// Seed of the training.
        seed: u64,
        /// Version of the program, and commit where there is one.
        code: String,
        /// Posterior method with every setting, the factor of the loss and its reduction among them.
        posterior: String,
        /// Acceptance, R-hat and effective sample size, or why there are none.
        convergence: String,
    }
}

section! {
    /// Item 10: how the equation is solved.
    SolverDescription {
        /// Scheme.
        scheme: String,
        /// Steps, or their rule.
        steps: String,
        /// Tolerance, or "fixed steps".
        tolerance: String,
        /// Measured error against a reference, with the sample it was measured on.
        error: String,
    }
}

section! {
    /// Item 11: where it may be asked.
    DomainDescription {
        /// File with ranges, ellipsoid, neighbors.
        file: String,
        /// Scores of distance and what they are measured in.
        scores: Vec<String>,
        /// Thresholds by ascending quantile.
        thresholds: Vec<Threshold>,
        /// Physical consistency that is checked.
        consistency: String,
        /// What happens outside: refuse, flag or clamp.
        behavior: String,
    }
}

section! {
    /// A threshold of the domain.
    Threshold {
        /// Share of training jets left unflagged.
        quantile: f64,
        /// Mahalanobis distance.
        mahalanobis: f64,
        /// Distance to the k-th neighbor.
        neighbors: f64,
    }
}

section! {
    /// Item 12: how well it does.
    Validation {
        /// Jets of the evaluation.
        rows: u64,
        /// Central coverage of the evaluation, by level.
        coverage: BTreeMap<String, f64>,
        /// Kolmogorov-Smirnov distance of the evaluation's PIT.
        pit_ks: f64,
        /// Area under the classifier's ROC curve.
        auc_classifier: f64,
        /// Area under the surrogate's ROC curve.
        auc_surrogate: f64,
        /// Jensen-Shannon distance of the accuracy spectra.
        js_distance: f64,
        /// Mean CRPS of the score.
        crps: f64,
        /// Mean negative log-likelihood of the logit.
        nll: f64,
        /// Jets packed with their scores, on which the claims below can be computed again.
        packed_rows: u64,
        /// Central coverage of the packed jets, by level.
        packed_coverage: BTreeMap<String, f64>,
        /// Kolmogorov-Smirnov distance of the packed jets' PIT.
        packed_pit_ks: f64,
        /// Files of the full report.
        reports: Vec<String>,
        /// Closure of an analysis with and without the surrogate, or why there is none.
        closure: String,
    }
}

section! {
    /// Item 13: inputs with expected outputs.
    GoldenTest {
        /// File of the inputs: conditions, noise z, cut on the logit.
        inputs: String,
        /// File of the expected outputs, one line an input and member.
        expected: String,
        /// File of the expected answers of the domain.
        expected_domain: String,
        /// Inputs.
        rows: u64,
        /// Allowed difference of a logit.
        logit_tolerance: f64,
        /// Allowed difference of a probability.
        probability_tolerance: f64,
        /// The one command that runs it.
        command: String,
    }
}

section! {
    /// Item 14: where it runs.
    Portability {
        /// Formats of the weights, and ONNX opset and IR version where there is a graph.
        formats: Vec<String>,
        /// Programs and platforms on which it was run.
        tested: Vec<String>,
        /// Precision of weights and arithmetic.
        precision: String,
        /// Measured time of an answer, with the machine's kind.
        latency: String,
        /// Bytes of all weights.
        weight_bytes: u64,
        /// That there are no custom operations and no pickle.
        dependencies: String,
    }
}

section! {
    /// Item 15: what it cannot do, in plain words.
    Limits {
        /// Known failures.
        known_failures: Vec<String>,
        /// What the band of the members covers.
        band_covers: String,
        /// What it does not cover (mis-modeled simulation, new topologies).
        band_leaves_out: String,
        /// Uses it is not meant for.
        not_for: Vec<String>,
    }
}

section! {
    /// Item 16: that it may be shared.
    Approval {
        /// That no restricted data can be reconstructed, and why.
        privacy: String,
        /// Test of memorization that was made, or why none is needed.
        memorization_test: String,
        /// Reference of the collaboration's approval, or why none is needed.
        approval: String,
    }
}

section! {
    /// Item 17: how this manifest is checked.
    SchemaReference {
        /// File of the JSON schema.
        schema: String,
        /// Command that checks everything.
        validator: String,
    }
}

section! {
    /// One file of the archive.
    FileRecord {
        /// Path in the archive.
        path: String,
        /// Size.
        bytes: u64,
        /// SHA-256, hexadecimal.
        sha256: String,
        /// What it is.
        content: String,
    }
}

section! {
    /// Manifest of a packed surrogate.
    Manifest {
        /// "tagwerk-surrogate".
        format: String,
        /// Version of the format.
        format_version: u64,
        /// Item 1.
        identity: Identity,
        /// Item 2.
        classifier: EmulatedClassifier,
        /// Item 3.
        input_level: InputLevel,
        /// Item 4, in the order of the model.
        inputs: Vec<Input>,
        /// Item 5.
        labels: LabelSemantics,
        /// Item 6.
        output: Output,
        /// Item 7.
        noise: StochasticRecipe,
        /// Item 8.
        training_data: TrainingData,
        /// Item 9.
        model: ModelDescription,
        /// Item 10.
        solver: SolverDescription,
        /// Item 11.
        domain: DomainDescription,
        /// Item 12.
        validation: Validation,
        /// Item 13.
        golden: GoldenTest,
        /// Item 14.
        portability: Portability,
        /// Item 15.
        limits: Limits,
        /// Item 16.
        approval: Approval,
        /// Item 17.
        check: SchemaReference,
        /// Every file of the archive but this one and SHA256SUMS.
        files: Vec<FileRecord>,
    }
}

section! {
    /// What only people know of one input.
    InputDeclaration {
        /// Name of the column.
        name: String,
        /// Unit, or "1".
        unit: String,
        /// Sign and range convention.
        convention: String,
        /// Whether it takes whole numbers only.
        discrete: bool,
        /// What to give when it is unknown, or that nothing will do.
        missing: String,
    }
}

section! {
    /// What only people know: the part of the manifest that is written by hand (as TOML, say). The packer measures the
    /// rest.
    Declaration {
        /// Item 1.
        identity: Identity,
        /// Item 2; the efficiencies of working points are measured again.
        classifier: EmulatedClassifier,
        /// Item 3.
        input_level: InputLevel,
        /// Item 4, in the order of the model.
        inputs: Vec<InputDeclaration>,
        /// Item 5; the priors are measured again.
        labels: LabelSemantics,
        /// Item 6.
        output: Output,
        /// Item 7: how members were drawn.
        member_origin: String,
        /// Item 7: how to use both spreads.
        combination: String,
        /// Item 8; rows are measured again.
        training_data: TrainingData,
        /// Item 11: what happens outside.
        behavior_outside: String,
        /// Item 12.
        closure: String,
        /// Item 14: programs and platforms on which it was run.
        tested: Vec<String>,
        /// Item 14: measured time of an answer.
        latency: String,
        /// Item 15.
        limits: Limits,
        /// Item 16.
        approval: Approval,
    }
}

/// Text of the JSON schema, as it stands in every archive.
pub fn schema_text() -> String {
    let mut schema = Manifest::schema();
    if let Value::Object(map) = &mut schema {
        map.insert(
            "$schema".to_owned(),
            Value::from("https://json-schema.org/draft/2020-12/schema"),
        );
        map.insert("title".to_owned(), Value::from(format!("{FORMAT} {FORMAT_VERSION}")));
    }
    // A map of strings and numbers always has a text.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
