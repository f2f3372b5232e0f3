//! `tagwerk features [DATA] [SET..] -o FILE`.

use crate::arguments::{WhichJets, usual_folder};
use crate::failure::Failure;
use crate::feature_file;
use crate::format::grouped;
use crate::output::replaceable;
use crate::progress::{Manner, Work};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use tagwerk_data::{Dataset, Packing, ParquetSink, StreamOptions};
use tagwerk_physics::FeaturePlan;
use tagwerk_taggers::DataConfig;

const EXAMPLES: &str = "\
A set is a name with settings, `name:setting=value,setting=a/b/c`:
  kinematics     pT, eta, phi, mass, multiplicity, soft-drop mass       z_cut, beta, radius
  nsubjettiness  tau_N and the ratios tau_21, tau_32                    n, beta, axes (kt, ca, wta), plane, minimize
  mbody          the M-body basis                                      m, and those of nsubjettiness
  ecf            energy correlation functions, C2, D2, M2, N2           beta, points, generalized
  efp            energy flow polynomials                               d, beta, kappa, measure (hadr, hadrdot, ee)
  lund           splittings of the Lund plane above cuts in kt         kt, depth
  image          one image a jet                                       pixels, half_width, frame, intensity
  topodnn        the ninety numbers of TopoDNN
  lda            the words of latent Dirichlet allocation              mass_floor

The result is Parquet with a row a jet: row (in the data set), label, and a column an observable, whose unit and meaning \
stand in the column's metadata. It is computed in double precision, and appears when it is complete.

Examples:
  tagwerk features jets.parquet -o features.parquet
  tagwerk features jets.parquet nsubjettiness:n=8,beta=0.5/1/2 efp:d=5 --part all -o features.parquet
  tagwerk features top-tagging --path data/top-tagging image:pixels=40 --part train -o images.parquet";

/// Sets that are computed when none is named.
const USUAL: [&str; 3] = ["kinematics", "nsubjettiness", "ecf"];

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// `sample`, a name of `tagwerk data list`, or the path of jets
    #[arg(value_name = "DATA")]
    data: String,
    /// Sets of observables [default: kinematics nsubjettiness ecf]
    #[arg(value_name = "SET")]
    sets: Vec<String>,
    /// Folder with the files of a data set named by DATA [default: data/NAME, if it is there]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// File to write (.parquet)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Which jets
    #[arg(long, value_name = "PART", default_value = "all")]
    part: WhichJets,
    /// Jets at most, drawn from all over the part [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    jets: Option<u64>,
    /// Memory for jets that are read ahead, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    memory: u64,
}

#[derive(Serialize)]
struct Told {
    data: String,
    part: &'static str,
    jets: u64,
    columns: Vec<ToldColumn>,
    file: String,
}

#[derive(Serialize)]
struct ToldColumn {
    name: String,
    unit: String,
    about: String,
}

/// Computes.
pub fn run(typed: &Typed, session: &Session) -> Result<(), Failure> {
    replaceable(&typed.output)?;
    let sets: Vec<&str> = match typed.sets.as_slice() {
        [] => USUAL.to_vec(),
        sets => sets.iter().map(String::as_str).collect(),
    };
    let plan = FeaturePlan::parse(sets)?;
    let mut data = DataConfig {
        source: typed.data.clone(),
        path: typed.path.clone().or_else(|| usual_folder(&typed.data)),
        ..DataConfig::default()
    };
    let (part, name) = typed.part.of(&mut data);
    let dataset = match data.open()? {
        Dataset::Jets(dataset) => dataset,
        Dataset::Arrays(dataset) => {
            return Err(Failure::new(format!(
                "{} holds arrays, not jets; observables are those of jets",
                dataset.name()
            )));
        }
    };
    let total = dataset.rows(part).min(typed.jets.unwrap_or(u64::MAX));
    let stream = dataset.stream(
        part,
        StreamOptions {
            shuffle: false,
            budget_bytes: typed.memory << 20,
            limit: typed.jets,
            ..StreamOptions::default()
        },
    )?;
    let stop = session.stoppable()?;
    let schema = feature_file::schema(plan.columns());
    let mut sink = ParquetSink::create(&typed.output, schema.clone(), Packing::default())?;
    let mut work = Work::new(
        "features",
        |n| format!("{} jets", grouped(n)),
        Manner::suited(session.quiet),
    );
    let mut done = 0;
    for chunk in stream {
        let chunk = chunk?;
        // A piece at a time, so that a stop is heard and progress seen within a second of the costliest sets.
        for first in (0..chunk.len()).step_by(PIECE) {
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::new("stopped; nothing was written"));
            }
            let piece: Vec<usize> = (first..chunk.len().min(first + PIECE)).collect();
            let jets = chunk.select(&piece);
            sink.write(&feature_file::batch(&schema, &jets, plan.compute(&jets)?)?)?;
            done += jets.len() as u64;
            work.at(done, total);
        }
    }
    drop(work);
    let jets = sink.finish()?;
    let told = Told {
        data: data.source,
        part: name,
        jets,
        columns: plan
            .columns()
            .iter()
            .map(|column| ToldColumn {
                name: column.name.clone(),
                unit: column.unit.clone(),
                about: column.about.clone(),
            })
            .collect(),
        file: typed.output.display().to_string(),
    };
    let text = format!(
        "{} jets ({} of {}), {} columns: {}",
        grouped(told.jets),
        told.part,
        told.data,
        told.columns.len(),
        told.file
    );
    session.output.result(&text, &told)
}

/// Jets between two looks at the stop flag.
const PIECE: usize = 2048;
