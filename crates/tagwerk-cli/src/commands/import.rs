//! `tagwerk import WEIGHTS -o RUN`.

use crate::failure::Failure;
use crate::format;
use crate::session::Session;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagwerk_parametric::Method;
use tagwerk_share::{
    Checkpoint, ImportOptions, Inspection, KerasNetwork, ParametricImport, ParametricInspection, WeaverParticleNet,
    import, import_parametric, inspect, inspect_parametric,
};

const EXAMPLES: &str = "\
Read are state dicts of PyTorch (torch.save(model.state_dict(), ..)) of ParticleNet as weaver-core builds it, with 7 kinematic \
features, 13 with charge and identity, or 17 with impact parameters. The file is read without running anything in it. What it does not say is chosen by options and told: the number of \
neighbors, and which output is signal. The run scores like one that was trained here; it cannot be trained on.

Also read are checkpoints of TensorFlow 2 (NAME.index and NAME.data-00000-of-00001) of parametric networks (arXiv:2202.00424). Widths and conditioning follow from the tensors; --features, --masses, --mass-scale and --method say the rest. `tagwerk parametric score` and `tagwerk parametric evaluate --files` use the run.

Examples:
  tagwerk import --inspect weights.pt
  tagwerk import weights.pt -o runs/theirs --preprocess preprocess.json
  tagwerk import ParticleNet_full.pt -o runs/tops --signal label_Tbqq --background label_QCD
  tagwerk import weights-23-0.934.index -o runs/affine --masses 500,750,1000,1250,1500
  tagwerk score runs/tops jetclass.parquet -o scores.parquet
  tagwerk score runs/theirs jets.parquet --part all -o scores.parquet";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// File of weights (.pt, .pth), or a checkpoint of TensorFlow (.index)
    #[arg(value_name = "WEIGHTS")]
    weights: PathBuf,
    /// Run folder to make
    #[arg(
        short,
        long,
        value_name = "RUN",
        required_unless_present = "inspect",
        conflicts_with = "inspect"
    )]
    output: Option<PathBuf>,
    /// Only say what is in the file: tensors, shapes, and whether it can be imported
    #[arg(long)]
    inspect: bool,
    /// The tagger that the weights are of
    #[arg(long, value_name = "NAME", default_value = "particlenet")]
    tagger: String,
    /// weaver's preprocess.json of these weights [default: features and standardization as weaver publishes them]
    #[arg(long, value_name = "FILE")]
    preprocess: Option<PathBuf>,
    /// Class that is signal, by name or number [default: class 0 of two]
    #[arg(long, value_name = "CLASS")]
    signal: Option<String>,
    /// Class that is background, by name or number [default: class 1 of two]
    #[arg(long, value_name = "CLASS")]
    background: Option<String>,
    /// Neighbors of a constituent [default: 7 for the widths of ParticleNet-Lite, else 16]
    #[arg(long, value_name = "K")]
    neighbors: Option<usize>,
    /// Features of an event of a parametric network [default: 27]
    #[arg(long, value_name = "C")]
    features: Option<usize>,
    /// Masses that a parametric network was trained on [default: 500,750,1000,1250,1500]
    #[arg(long, value_name = "MASSES", value_delimiter = ',')]
    masses: Option<Vec<f32>>,
    /// What a parametric network divides the mass by [default: 1000]
    #[arg(long, value_name = "GEV")]
    mass_scale: Option<f64>,
    /// How the mass enters, where the tensors leave it open
    #[arg(long, value_name = "METHOD", value_parser = ["scaling", "biasing"])]
    method: Option<String>,
}

/// Imports or inspects.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    if Checkpoint::prefix(&typed.weights).is_some() {
        return checkpoint(typed, session);
    }
    let Some(folder) = typed.output.as_deref().filter(|_| !typed.inspect) else {
        let found = inspect(&typed.weights, typed.preprocess.as_deref())?;
        return session.output.result(&inspected(&found), &found);
    };
    let options = ImportOptions {
        tagger: Some(typed.tagger.clone()),
        preprocess: typed.preprocess.clone(),
        signal: typed.signal.clone(),
        background: typed.background.clone(),
        neighbors: typed.neighbors,
    };
    let told = import(&typed.weights, folder, &options, &session.context()?)?;
    let text = imported(&described(&told.network), &told.choices, &told.run, told.parameters);
    session.output.result(&text, &told)
}

/// The same for a checkpoint of TensorFlow.
fn checkpoint(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let usual = ParametricImport::default();
    let options = ParametricImport {
        features: typed.features.unwrap_or(usual.features),
        masses: typed.masses.clone().unwrap_or(usual.masses),
        parameter_scale: typed.mass_scale.unwrap_or(usual.parameter_scale),
        method: typed.method.as_deref().map(|method| match method {
            "scaling" => Method::Scaling,
            _ => Method::Biasing,
        }),
    };
    let Some(folder) = typed.output.as_deref().filter(|_| !typed.inspect) else {
        let found = inspect_parametric(&typed.weights, &options)?;
        return session.output.result(&tensors(&found), &found);
    };
    let told = import_parametric(&typed.weights, folder, &options, &session.context()?)?;
    let text = imported(&parametric(&told.network), &told.choices, &told.run, told.parameters);
    session.output.result(&text, &told)
}

/// What was read, what was chosen for what it leaves open, and where it is now.
fn imported(network: &str, choices: &BTreeMap<String, String>, run: &Path, parameters: usize) -> String {
    let choices: String = choices
        .iter()
        .map(|(key, value)| format!("  {key:<17} {value}\n"))
        .collect();
    format!(
        "{network}\n{choices}run: {} ({} parameters)\n",
        run.display(),
        format::grouped(parameters as u64)
    )
}

/// A parametric network in one line.
fn parametric(network: &KerasNetwork) -> String {
    format!(
        "parametric network: {} features, {} at {}, hidden {:?}, {} parameters",
        network.features,
        format!("{:?}", network.method).to_lowercase(),
        format!("{:?}", network.place).to_lowercase(),
        network.hidden,
        format::grouped(network.parameters as u64)
    )
}

fn tensors(found: &ParametricInspection) -> String {
    let mut rows = vec![["tensor", "type", "shape"].map(str::to_owned).to_vec()];
    rows.extend(found.tensors.iter().map(|t| {
        vec![
            t.name.clone(),
            format!("{:?}", t.dtype).to_lowercase(),
            format!("{:?}", t.shape),
        ]
    }));
    let mut text = format!("{}\n", format::columns(&rows, &[false, false, false]));
    if let Some(network) = &found.network {
        text.push_str(&format!("{}\n", parametric(network)));
    }
    if let Some(reason) = &found.reason {
        text.push_str(&format!("cannot be imported: {reason}\n"));
    }
    text.push_str(&format!("SHA-256 {}, {}\n", found.sha256, format::bytes(found.bytes)));
    text
}

/// The network in one line.
fn described(network: &WeaverParticleNet) -> String {
    let blocks: Vec<String> = network.blocks.iter().map(|widths| format!("{widths:?}")).collect();
    let variant = network
        .variant
        .map_or_else(String::new, |variant| format!(" ({variant})"));
    let fusion = network.fusion.map_or_else(String::new, |c| format!(", fusion {c}"));
    format!(
        "ParticleNet of weaver-core: {} features{variant}, EdgeConv {}{fusion}, dense {}, {} classes, {} parameters",
        network.features,
        blocks.join(" "),
        network.hidden,
        network.classes,
        format::grouped(network.parameters as u64)
    )
}

fn inspected(found: &Inspection) -> String {
    let mut rows = vec![["tensor", "type", "shape"].map(str::to_owned).to_vec()];
    rows.extend(
        found
            .tensors
            .iter()
            .map(|t| vec![t.name.clone(), t.dtype.to_string(), format!("{:?}", t.shape)]),
    );
    let mut text = format!("{}\n", format::columns(&rows, &[false, false, false]));
    if let Some(network) = &found.network {
        text.push_str(&format!("{}\n", described(network)));
    }
    if !found.features.is_empty() {
        text.push_str(&format!("features: {}\n", found.features.join(", ")));
    }
    if let Some(classes) = &found.classes {
        text.push_str(&format!("classes: {}\n", classes.join(", ")));
    }
    if let Some(reason) = &found.reason {
        text.push_str(&format!("cannot be imported: {reason}\n"));
    }
    text.push_str(&format!("SHA-256 {}, {}\n", found.sha256, format::bytes(found.bytes)));
    text
}
