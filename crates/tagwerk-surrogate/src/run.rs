//! A surrogate's run folder, from the training to what is handed on.
//!
//! ```text
//! config.toml, status.json, log.jsonl, metrics.jsonl, provenance.json, checkpoints/     see [`SurrogateTrainer`]
//! surrogate/                 the point estimate
//! domain.json                what the training jets looked like
//! measured.json              labels of the training jets, error of the solver
//! posteriors/NAME/           members drawn around it, or trained beside it
//!   config.toml              how, complete
//!   checkpoints/             chains, resumable; members/ the trainings of an ensemble
//!   trace.csv                loss and acceptance along the chains
//!   surrogate/               the surrogate with these members
//!   draws.safetensors        the members with the record of the method: lambda, acceptance, R-hat, ESS; written last
//! report/                    tables, figures and page of the last evaluation
//! ```
//!
//! **Which jets serve for what** is fixed by the configuration and never mixed: training jets set weights, members and
//! domain; validation jets choose the epoch and teach a recalibration; test jets are evaluated and packed.

mod members;
mod packing;
mod record;

pub use members::{MembersConfig, Posterior, PosteriorOutcome, usual_members};
pub use packing::{Surroundings as PackSurroundings, declaration_template, read_declaration, sample_declaration};

use crate::config::SurrogateConfig;
use crate::domain::Domain;
use crate::error::SurrogateError;
use crate::evaluation::{EvaluationOptions, evaluate};
use crate::recalibrated::Recalibration;
use crate::score_table::ScoreTable;
use crate::shared::SharedSurrogate;
use crate::surrogate::Surrogate;
use crate::table::{Table, sample};
use crate::train::{SurrogateTrainer, TrainingSummary};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use tagwerk_data::{AtomicFile, Part, file_digest, sha256};
use tagwerk_stats::SurrogateEvaluation;
use tagwerk_train::{Clock, Machine, Observer, Provenance, RunFolder};

const DOMAIN: &str = "domain.json";
const POSTERIORS: &str = "posteriors";
/// Seed of the choice of jets that make the domain.
const DOMAIN_SEED: u64 = 1;

/// The name that stands for the point estimate where a posterior may be named.
pub const POINT_ESTIMATE: &str = "none";

/// What stands around a run: time, a wish to stop, and who runs it.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// Time.
    pub clock: &'a dyn Clock,
    /// Set when the work shall stop soon.
    pub stop: &'a AtomicBool,
    /// Version of the program.
    pub version: &'a str,
    /// Commit that the program was built from, where it is known.
    pub git: Option<&'a str>,
    /// Threads that may be used.
    pub threads: usize,
}

/// A run whose training is finished.
#[derive(Debug)]
pub struct SurrogateRun {
    folder: RunFolder,
    config: SurrogateConfig,
    point: Surrogate,
    tables: OnceLock<[Table; 3]>,
}

/// Whether a folder holds a run of a surrogate.
pub fn is_surrogate_run(path: &Path) -> bool {
    RunFolder::open(path).is_ok_and(|run| run.config::<SurrogateConfig>().is_ok())
}

impl SurrogateRun {
    /// Trains in the folder `path`: a new run, or one that was begun with this configuration and is gone on with. Paths of
    /// data are kept as absolute ones.
    ///
    /// # Errors
    /// Settings out of range; data that are not there or make no sense, in any of the three parts; a folder with another
    /// configuration or in use; a training that fails.
    pub fn train(
        path: &Path,
        config: &SurrogateConfig,
        context: &RunContext<'_>,
        observer: &mut dyn Observer,
    ) -> Result<TrainingSummary, SurrogateError> {
        config.check()?;
        let config = SurrogateConfig {
            data: config.data.absolute()?,
            ..config.clone()
        };
        let begun = RunFolder::open_begun(path, &config)?;
        let tables = config.data.read_all()?;
        if config.data.scores.len() == 1 {
            // Hours later would be late for a label or a score that nothing can be judged by.
            for table in &tables {
                table.score_table(&config.transform)?;
            }
        }
        let [train, validation, _] = &tables;
        let folder = match begun {
            Some(folder) => folder,
            None => RunFolder::create(path, &config)?,
        };
        if folder.provenance()?.is_none() {
            folder.write_provenance(&provenance(&config, context)?)?;
        }
        let summary =
            SurrogateTrainer::new(&config, &folder, context.clock, context.stop, observer).run(train, validation)?;
        if summary.finished && config.data.scores.len() == 1 {
            // What answers later must not need the data.
            let run = Self::open(path)?;
            run.domain()?;
            run.measured()?;
        }
        Ok(summary)
    }

    /// Goes on with a run by its own configuration.
    ///
    /// # Errors
    /// As [`train`](Self::train); a folder that is no run of a surrogate.
    pub fn resume(
        path: &Path,
        context: &RunContext<'_>,
        observer: &mut dyn Observer,
    ) -> Result<TrainingSummary, SurrogateError> {
        let config: SurrogateConfig = RunFolder::open(path)?.config()?;
        Self::train(path, &config, context, observer)
    }

    /// Opens a run whose training is finished.
    ///
    /// # Errors
    /// A folder that is no run, a training that is not finished, a damaged file.
    pub fn open(path: &Path) -> Result<Self, SurrogateError> {
        let folder = RunFolder::open(path)?;
        let config: SurrogateConfig = folder.config()?;
        let surrogate = path.join("surrogate");
        if !surrogate.join("surrogate.json").is_file() {
            return Err(SurrogateError::File {
                path: path.to_owned(),
                reason: "its training is not finished: go on with it first".to_owned(),
            });
        }
        Ok(Self {
            point: Surrogate::load(&surrogate)?,
            folder,
            config,
            tables: OnceLock::new(),
        })
    }

    /// The folder.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// The configuration.
    pub fn config(&self) -> &SurrogateConfig {
        &self.config
    }

    /// The point estimate.
    pub fn point(&self) -> &Surrogate {
        &self.point
    }

    /// Train, validation and test rows, read when they are asked for the first time.
    ///
    /// # Errors
    /// Data that are no longer there.
    pub fn tables(&self) -> Result<&[Table; 3], SurrogateError> {
        if let Some(tables) = self.tables.get() {
            return Ok(tables);
        }
        let tables = self.config.data.read_all()?;
        Ok(self.tables.get_or_init(|| tables))
    }

    /// The rows of one part.
    ///
    /// # Errors
    /// Data that are no longer there.
    pub fn table(&self, part: Part) -> Result<&Table, SurrogateError> {
        let [train, validation, test] = self.tables()?;
        Ok(match part {
            Part::Train => train,
            Part::Validation => validation,
            Part::Test => test,
        })
    }

    /// The rows of one part, to judge on.
    ///
    /// # Errors
    /// Data that are no longer there; several scores.
    pub fn score_table(&self, part: Part) -> Result<ScoreTable, SurrogateError> {
        self.table(part)?.score_table(&self.config.transform)
    }

    /// The domain of the training jets; learned and kept when it is asked for the first time.
    ///
    /// # Errors
    /// A damaged file; too few training jets; when the disk refuses.
    pub fn domain(&self) -> Result<Domain, SurrogateError> {
        self.kept(DOMAIN, || {
            Domain::fit_with(&self.score_table(Part::Train)?, &self.config.data.roles, DOMAIN_SEED)
        })
    }

    /// What is kept in a file of the folder, or is made now and kept; read from the file in any case, so that it is the
    /// same the first time and later.
    fn kept<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, SurrogateError>,
    ) -> Result<T, SurrogateError> {
        let path = self.folder.path().join(name);
        let fault = |e: serde_json::Error| SurrogateError::File {
            path: path.clone(),
            reason: format!("{e}; delete it to have it made anew"),
        };
        if !path.is_file() {
            write_whole(&path, &serde_json::to_vec(&make()?).map_err(fault)?)?;
        }
        let content = std::fs::read(&path).map_err(SurrogateError::io(&path, "read"))?;
        serde_json::from_slice(&content).map_err(fault)
    }

    /// Names of the finished posteriors, in order.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn posteriors(&self) -> Result<Vec<String>, SurrogateError> {
        let folder = self.folder.path().join(POSTERIORS);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(SurrogateError::io(&folder, "read"))? {
            let entry = entry.map_err(SurrogateError::io(&folder, "read"))?;
            if entry.path().join(members::DRAWS).is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// A finished posterior; `None` is the point estimate. Without a name it is the only posterior that there is, or the
    /// point estimate where there is none.
    ///
    /// # Errors
    /// A posterior that is not there or not finished; several, of which none is named; a damaged file.
    pub fn posterior(&self, name: Option<&str>) -> Result<Option<Posterior>, SurrogateError> {
        let there = self.posteriors()?;
        let wrong = |value: String| SurrogateError::Table {
            file: self.folder.path().display().to_string(),
            reason: format!(
                "{value}; there are: {}, and `{POINT_ESTIMATE}` for the point estimate",
                if there.is_empty() {
                    "no posteriors".to_owned()
                } else {
                    there.join(", ")
                }
            ),
        };
        match (name, &there[..]) {
            (Some(POINT_ESTIMATE), _) | (None, []) => Ok(None),
            (Some(name), _) if there.iter().any(|n| n == name) => self.read_posterior(name).map(Some),
            (Some(name), _) => Err(wrong(format!("there is no finished posterior `{name}`"))),
            (None, [one]) => self.read_posterior(one).map(Some),
            (None, _) => Err(wrong("it has several posteriors, say which one".to_owned())),
        }
    }

    /// The surrogate with the members of `posterior`, and with its record; behind a recalibration that the validation jets
    /// teach, where that is wanted: a map for each class, where the label is a condition.
    ///
    /// # Errors
    /// Data that are no longer there; too few validation jets.
    pub fn shared(&self, posterior: Option<&Posterior>, recalibrate: bool) -> Result<SharedSurrogate, SurrogateError> {
        let surrogate = posterior.map_or(&self.point, |posterior| &posterior.surrogate).clone();
        let shared = SharedSurrogate::new(surrogate, self.record(posterior)?);
        if !recalibrate {
            return Ok(shared);
        }
        let table = self.score_table(Part::Validation)?;
        let recalibration = match table.column_number(&self.config.data.label) {
            Some(column) => Recalibration::fit_classes(&shared, &table, column)?,
            None => Recalibration::fit(&shared, &table)?,
        };
        Ok(shared.recalibrated(Some(recalibration)))
    }

    /// Evaluates a surrogate of this run on the test jets. `held_out` are kinds of jets that it has not learned from.
    ///
    /// # Errors
    /// Data that are no longer there or too few; options out of range.
    pub fn evaluate(
        &self,
        shared: &SharedSurrogate,
        held_out: &[(String, ScoreTable)],
        options: &EvaluationOptions,
    ) -> Result<SurrogateEvaluation, SurrogateError> {
        let options = EvaluationOptions {
            roles: self.config.data.roles.clone(),
            ..options.clone()
        };
        let (test, train) = (self.score_table(Part::Test)?, self.score_table(Part::Train)?);
        evaluate(shared, &test, Some(&train), Some(&self.domain()?), held_out, &options)
    }

    /// Jets of another kind, to be told from those of the training: conditions only count. `label` is what a condition of
    /// the label shall be, where the file has no such column.
    ///
    /// # Errors
    /// A file or a condition that is missing.
    pub fn other_jets(&self, file: &Path, label: Option<f64>) -> Result<ScoreTable, SurrogateError> {
        let data = &self.config.data;
        let given = label.map(|value| (data.label.as_str(), value));
        let jets = Table::jets(&[file.to_owned()], &data.conditions, given)?;
        let rows = jets.len();
        ScoreTable::new(
            data.conditions.clone(),
            jets.conditions().to_vec(),
            vec![0; rows],
            vec![0.0; rows],
        )
    }

    /// Where the report of an evaluation goes by default.
    pub fn report_path(&self) -> PathBuf {
        self.folder.report_path()
    }
}

/// Version, machine and checksums of the data.
fn provenance(config: &SurrogateConfig, context: &RunContext<'_>) -> Result<Provenance, SurrogateError> {
    let mut data = BTreeMap::new();
    for file in config.data.all_files() {
        let (_, digest) = file_digest(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Two folders may have files of one name.
        let again = (2..).map(|n| format!("{name} ({n})"));
        let free = std::iter::once(name.clone())
            .chain(again)
            .find(|name| !data.contains_key(name));
        data.insert(free.unwrap_or(name), format!("sha256:{digest}"));
    }
    if data.is_empty()
        && let Some(content) = sample()
    {
        data.insert("sample".to_owned(), format!("sha256:{}", sha256(content)));
    }
    Ok(Provenance {
        version: context.version.to_owned(),
        git: context.git.map(str::to_owned),
        data,
        machine: Machine::this(),
        device: "cpu".to_owned(),
        threads: context.threads,
        imported: None,
    })
}

/// Writes a file, whole or not at all.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), SurrogateError> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(content).map_err(SurrogateError::io(path, "write"))?;
    Ok(file.commit()?)
}
