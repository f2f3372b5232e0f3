//! The demonstration can be packed and run again like any surrogate.

use super::{CONDITIONS, Distortion, SyntheticClassifier, SyntheticSurrogate};
use crate::error::SurrogateError;
use crate::manifest::{
    Approval, Declaration, EmulatedClassifier, Identity, InputDeclaration, InputLevel, LabelSemantics, Limits,
    Manifest, ModelDescription, Output, SolverDescription, TrainingData, WorkingPoint,
};
use crate::rerun::Rerun;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;

const FILE: &str = "distortions.safetensors";
const TENSOR: &str = "distortions";

impl Rerun for SyntheticSurrogate {
    fn files(&self) -> Result<BTreeMap<String, Vec<u8>>, SurrogateError> {
        let numbers = self.members.iter().flat_map(|d| [d.shift, d.width, d.outside]);
        let bytes: Vec<u8> = numbers.flat_map(f64::to_le_bytes).collect();
        let written = TensorView::new(Dtype::F64, vec![self.members.len(), 3], &bytes)
            .and_then(|view| safetensors::serialize([(TENSOR, view)], None));
        let content = written.map_err(|e| failed(&e.to_string()))?;
        Ok([(FILE.to_owned(), content)].into())
    }

    fn standardization(&self) -> Vec<(f64, f64)> {
        vec![(0.0, 1.0); CONDITIONS.len()]
    }

    fn description(&self) -> ModelDescription {
        ModelDescription {
            architecture: "mixture of two normal distributions of the logit, by formula".to_owned(),
            parameters: 3,
            path: "none: the density is a formula".to_owned(),
            loss: "none: nothing was trained".to_owned(),
            optimizer: "none: nothing was trained".to_owned(),
            schedule: "none: nothing was trained".to_owned(),
            epochs: 0,
            seed: self.truth.seed,
            code: concat!("tagwerk ", env!("CARGO_PKG_VERSION")).to_owned(),
            posterior: "drawn by hand around the truth: a shift, a width and a growth outside the domain a member"
                .to_owned(),
            convergence: "none: nothing was sampled by a chain".to_owned(),
        }
    }

    fn solver(&self) -> SolverDescription {
        SolverDescription {
            scheme: "Newton's method in a bracket, for quantiles".to_owned(),
            steps: "until the bracket is shorter than 1e-13 of the logit".to_owned(),
            tolerance: "1e-13".to_owned(),
            error: "relative error of a probability below 1e-6, over noise from -8 to 8, within and outside the domain"
                .to_owned(),
        }
    }

    fn rebuild(_manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Result<Self, SurrogateError> {
        if files.len() != 1 {
            return Err(failed("it is the only file of weights"));
        }
        let content = files.get(FILE).ok_or_else(|| failed("it is missing"))?;
        let tensors = SafeTensors::deserialize(content).map_err(|e| failed(&e.to_string()))?;
        let tensor = tensors.tensor(TENSOR).map_err(|e| failed(&e.to_string()))?;
        if tensor.dtype() != Dtype::F64 || tensor.shape().len() != 2 || tensor.shape()[1] != 3 {
            return Err(failed("it must hold [members, 3] numbers of double precision"));
        }
        // Whole groups of eight bytes, as the shape says.
        let numbers: Vec<f64> = tensor
            .data()
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b))
            .collect();
        let member = |n: &[f64; 3]| Distortion {
            shift: n[0],
            width: n[1],
            outside: n[2],
        };
        let members: Vec<Distortion> = numbers.as_chunks::<3>().0.iter().map(member).collect();
        let sound = |d: &Distortion| d.width > 0.0 && [d.shift, d.width, d.outside].iter().all(|v| v.is_finite());
        if members.is_empty() || !members.iter().all(sound) {
            return Err(failed("it has no member, or one without a positive finite width"));
        }
        Ok(Self::new(SyntheticClassifier::default(), members))
    }
}

fn failed(reason: &str) -> SurrogateError {
    SurrogateError::Artifact {
        path: FILE.into(),
        reason: reason.to_owned(),
    }
}

/// What there is to say of the demonstration; an example of a complete declaration.
pub fn declaration() -> Declaration {
    let text = str::to_owned;
    let input = |name: &str, unit: &str, convention: &str, discrete: bool| InputDeclaration {
        name: text(name),
        unit: text(unit),
        convention: text(convention),
        discrete,
        missing: text("nothing will do: it must be given"),
    };
    let working_point = |name: &str, logit: f64| WorkingPoint {
        name: text(name),
        logit,
        // Measured by the packer.
        signal_efficiency: 0.0,
        background_efficiency: 0.0,
    };
    Declaration {
        identity: Identity {
            name: text("synthetic-top"),
            version: text("1.0.0"),
            doi: text("not deposited: every copy of the program can make it"),
            date: text("2026-01-01"),
            authors: vec![text("The Tagwerk developers")],
            contact: text("the issue tracker of the project"),
            license: text("MIT OR Apache-2.0"),
            citation: text("Tagwerk, the built-in demonstration of surrogates"),
            superseded_by: text("none"),
        },
        classifier: EmulatedClassifier {
            name: text("synthetic classifier"),
            version: text("1"),
            training_campaign: text("none: it is a formula"),
            working_points: vec![working_point("loose", 0.0), working_point("tight", 4.0)],
            score: text("logistic function of a drawn logit, high for label 1"),
            calibration: text("Not calibrated to data, no scale factors"),
        },
        input_level: InputLevel {
            level: text("none, drawn jets"),
            object: text("jets of pT 500 to 1000 GeV with the mass of their class"),
            pileup: text("none"),
            inclusion: text("nothing is clustered"),
            matching: text("the label is drawn with the jet"),
            selection: text("pT from 500 to 1000 GeV, |eta| below 2"),
        },
        inputs: vec![
            input("label_top", "1", "1 for signal, 0 for background", true),
            input("jet_pt", "GeV", "transverse momentum, above 0", false),
            input("jet_eta", "1", "pseudorapidity, not rapidity", false),
            input("jet_phi", "rad", "azimuth in (-pi, pi]", false),
            input("jet_energy", "GeV", "at least pT cosh eta", false),
            input("jet_nparticles", "1", "number of particles, at least 1", true),
        ],
        labels: LabelSemantics {
            allowed: [(text("0"), text("background")), (text("1"), text("signal"))].into(),
            definition: text("Drawn with the jet"),
            other_processes: text("there is no valid label for them: do not ask"),
            training_priors: [(text("0"), 0.5), (text("1"), 0.5)].into(),
            prior: text("Outputs are conditional on the label; no prior is contained"),
        },
        output: Output {
            name: text("score"),
            unit: text("1"),
            transform: text("logit = ln(s / (1 - s)), natural logarithm, no scale, no epsilon"),
            range: text("(0, 1)"),
            saturation: text("none, logits are kept"),
            sample: text("the score of one jet, independent of the others of its event"),
        },
        member_origin: text("drawn by hand around the truth"),
        combination: text(
            "Average samples over noise for the expectation; repeat with each member and take the spread of the \
             results as the uncertainty of the surrogate.",
        ),
        training_data: TrainingData {
            samples: vec![text("synthetic jets")],
            generator: text("the formula of tagwerk-surrogate"),
            shower: text("none"),
            detector: text("none"),
            // Measured by the packer.
            rows: 0,
            splits: text("tables by index: 0 training, 1 validation"),
            cuts: text("none"),
            weights: text("none"),
            overlap: text("none: the classifier was not trained"),
        },
        behavior_outside: text("answers and flags; flagged answers are not to be used"),
        closure: text("none: the synthetic classifier stands in no analysis"),
        tested: vec![text("the test suite of tagwerk-surrogate")],
        latency: text("not measured: it is a formula"),
        limits: Limits {
            known_failures: vec![text("it is no model of any detector")],
            band_covers: text("the hand-made differences of the members"),
            band_leaves_out: text("everything that a real posterior would have to cover"),
            not_for: vec![text("physics")],
        },
        approval: Approval {
            privacy: text("there is no data in it but drawn jets"),
            memorization_test: text("none is needed: nothing was learned"),
            approval: text("none is needed: there is no collaboration"),
        },
    }
}
