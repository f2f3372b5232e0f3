//! `tagwerk surrogate pack RUN -o FILE`.

use super::evaluate::report_input;
use super::{WhichWeights, shown};
use crate::failure::Failure;
use crate::format;
use crate::output::{replaceable, write_whole};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tagwerk_report::Report;
use tagwerk_surrogate::manifest::{Declaration, Manifest};
use tagwerk_surrogate::{
    PackOptions, PackSurroundings, SurrogateRun, declaration_template, read_declaration, sample_declaration,
};

const EXAMPLES: &str = "\
The file is a ZIP archive with weights, domain, golden test, evaluation, data card and manifest; docs/surrogate-file.md says what is in it. \
Everything that can be measured is measured. What only people know (who, which classifier, which jets, under which license, what it is \
not for) comes from a declaration in TOML; --template writes one to fill in. An item that is missing or empty is refused by its name. A \
run on the sample inside the program needs none.

Examples:
  tagwerk surrogate pack runs/s --template declaration.toml
  tagwerk surrogate pack runs/s --declaration declaration.toml -o top-1.0.0.surrogate.zip
  tagwerk verify top-1.0.0.surrogate.zip";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// Run folder of `tagwerk surrogate train`
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// File to write (.surrogate.zip)
    #[arg(short, long, value_name = "FILE", required_unless_present = "template")]
    output: Option<PathBuf>,
    /// What only people know (TOML)
    #[arg(long, value_name = "FILE")]
    declaration: Option<PathBuf>,
    /// Write a declaration to be filled in, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "declaration"])]
    template: Option<PathBuf>,
    /// Text of the license [default: one line that names it]
    #[arg(long, value_name = "FILE")]
    license: Option<PathBuf>,
    #[command(flatten)]
    weights: WhichWeights,
}

/// JSON of a packing.
#[derive(Serialize)]
struct Told<'a> {
    run: String,
    file: String,
    bytes: u64,
    members: u64,
    posterior: Option<&'a str>,
    recalibrated: bool,
    name: &'a str,
    version: &'a str,
    coverage: &'a std::collections::BTreeMap<String, f64>,
}

/// JSON of a template.
#[derive(Serialize)]
struct ToldTemplate {
    template: String,
}

/// Packs.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    let run = SurrogateRun::open(&typed.run)?;
    let output = match (&typed.template, &typed.output) {
        (Some(template), _) => return write_template(template, &run, session),
        (None, Some(output)) => output,
        (None, None) => return Err(Failure::Usage("give a file to write with -o".to_owned())),
    };
    replaceable(output)?;
    // Before the work, so that an item that is missing is told at once.
    let declaration = declaration(typed.declaration.as_deref(), &run)?;
    let license = match &typed.license {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|e| Failure::new(format!("{}: read: {e}", path.display())))?
        }
        None => format!(
            "{}\nThe texts of licenses are found by this expression under https://spdx.org/licenses/\n",
            declaration.identity.license
        ),
    };
    let (shared, posterior) = typed.weights.of(&run)?;
    session.output.note("evaluating on the test jets");
    let evaluation = run.evaluate(&shared, &[], &run.config().evaluation)?;
    let command = format!(
        "tagwerk surrogate evaluate {}{}",
        shown(&typed.run),
        typed.weights.words()
    );
    let recalibrated = shared.recalibration().is_some();
    let input = report_input(&run, posterior.as_ref(), recalibrated, evaluation, &command)?;
    let report = Report::of_surrogate(&input)?;
    let around = PackSurroundings {
        declaration: &declaration,
        evaluation: &input.evaluation,
        report: &report.html,
        license: &license,
        options: PackOptions::default(),
    };
    session.output.note("packing and checking");
    let manifest = run.pack(&shared, &around, output)?;
    tell(
        typed,
        output,
        &manifest,
        posterior.as_ref().map(|p| p.name.as_str()),
        recalibrated,
        session,
    )
}

fn tell(
    typed: &Typed,
    output: &Path,
    manifest: &Manifest,
    posterior: Option<&str>,
    recalibrated: bool,
    session: &Session,
) -> Result<(), Failure> {
    let bytes = std::fs::metadata(output).map_or(0, |metadata| metadata.len());
    let told = Told {
        run: shown(&typed.run),
        file: shown(output),
        bytes,
        members: manifest.noise.members,
        posterior,
        recalibrated,
        name: &manifest.identity.name,
        version: &manifest.identity.version,
        coverage: &manifest.validation.coverage,
    };
    let text = format!(
        "{} {}: {}, {}, all checks passed\nfile: {}\n",
        told.name,
        told.version,
        format::counted(told.members, "member"),
        format::bytes(bytes),
        told.file
    );
    session.output.result(&text, &told)
}

/// The declaration of the user, or that of the sample.
fn declaration(path: Option<&Path>, run: &SurrogateRun) -> Result<Declaration, Failure> {
    let Some(path) = path else {
        return sample_declaration(run.config())?.ok_or_else(|| {
            Failure::new(
                "a surrogate of your own data needs a declaration: `tagwerk surrogate pack RUN --template \
                 declaration.toml` writes one to fill in, --declaration takes it",
            )
        });
    };
    let place = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| Failure::new(format!("{place}: read: {e}")))?;
    Ok(read_declaration(&text, path)?)
}

fn write_template(path: &Path, run: &SurrogateRun, session: &Session) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::new(format!(
            "{} is there already; give another name",
            path.display()
        )));
    }
    replaceable(path)?;
    let text = declaration_template(&run.config().data.conditions);
    write_whole(path, text.as_bytes())?;
    let told = ToldTemplate { template: shown(path) };
    session
        .output
        .result(&format!("declaration to fill in: {}\n", told.template), &told)
}
