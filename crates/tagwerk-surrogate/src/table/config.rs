//! Where the rows of a study come from, and into which parts they are divided.

use super::{Columns, Table};
use crate::error::SurrogateError;
use crate::roles::Roles;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tagwerk_data::{Part, Split};

/// The conditions of the main study.
const JETS6: [&str; 6] = [
    "label",
    "jet_pt",
    "jet_eta",
    "jet_phi",
    "jet_energy",
    "jet_multiplicity",
];

/// Where the rows of a study come from: one list of files that is split, or a list for each part; without any file the
/// sample inside the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableConfig {
    /// Files that are split. Default: none, the sample inside the program.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
    /// Files with the scores of these jets, one for each of `files`, joined by row id: what `tagwerk score` writes
    /// beside what `tagwerk features` writes. Default: none, the scores stand in `files`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scores_files: Vec<PathBuf>,
    /// Column of the row ids, where there are `scores_files`. Default: row.
    pub id: String,
    /// How they are split. Default: by hash of (seed 0, row), 60 % train, 20 % validation, 20 % test.
    pub split: Split,
    /// Files of the training part, where the parts have files of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<PathBuf>,
    /// Files of the validation part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validation: Vec<PathBuf>,
    /// Files of the test part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<PathBuf>,
    /// Most rows of each part, drawn by (seed, row). Default: absent, all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Columns that the surrogate may see, in order. Default: label, jet_pt, jet_eta, jet_phi, jet_energy,
    /// jet_multiplicity (jets6), as `tagwerk features` names them.
    pub conditions: Vec<String>,
    /// Column of the truth label. Default: label.
    pub label: String,
    /// Columns of the classifier's scores. Default: score.
    pub scores: Vec<String>,
    /// Which condition is which. Default: found by their usual names.
    pub roles: Roles,
}

impl Default for TableConfig {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        Self {
            files: Vec::new(),
            scores_files: Vec::new(),
            id: "row".to_owned(),
            split: Split::Hash {
                seed: 0,
                train: 0.6,
                validation: 0.2,
                test: 0.2,
            },
            train: Vec::new(),
            validation: Vec::new(),
            test: Vec::new(),
            rows: None,
            conditions: names(&JETS6),
            label: "label".to_owned(),
            scores: names(&["score"]),
            roles: Roles::default(),
        }
    }
}

impl TableConfig {
    /// Columns of the table.
    pub fn columns(&self) -> Columns {
        Columns {
            conditions: self.conditions.clone(),
            label: Some(self.label.clone()),
            scores: self.scores.clone(),
        }
    }

    /// Reads one part.
    ///
    /// # Errors
    /// Both kinds of files, or some parts without; as [`Table::read`].
    pub fn read(&self, part: Part) -> Result<Table, SurrogateError> {
        let own = |part: Part| match part {
            Part::Train => &self.train,
            Part::Validation => &self.validation,
            Part::Test => &self.test,
        };
        self.check_files()?;
        if Part::ALL.iter().all(|part| own(*part).is_empty()) {
            let [train, validation, test] = self.read_all()?;
            return Ok(match part {
                Part::Train => train,
                Part::Validation => validation,
                Part::Test => test,
            });
        }
        if own(part).is_empty() {
            let value = format!("empty, as is data.{}", part.name());
            return Err(wrong_files(value));
        }
        self.whole(Table::read(own(part), &self.columns())?, part)
    }

    /// Reads train, validation and test part.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_all(&self) -> Result<[Table; 3], SurrogateError> {
        self.check_files()?;
        let parts = if self.has_parts() {
            let read = |part: Part| self.read(part);
            return Ok([read(Part::Train)?, read(Part::Validation)?, read(Part::Test)?]);
        } else {
            let columns = self.columns();
            let all = match (self.files.is_empty(), self.scores_files.is_empty()) {
                (true, _) => Table::sample(&columns)?,
                (false, true) => Table::read(&self.files, &columns)?,
                (false, false) => Table::read_joined(&self.files, &self.scores_files, &self.id, &columns)?,
            };
            all.split(&self.split)?
        };
        let [train, validation, test] = parts;
        Ok([
            self.whole(train, Part::Train)?,
            self.whole(validation, Part::Validation)?,
            self.whole(test, Part::Test)?,
        ])
    }

    /// All files, in the order in which they are read.
    pub fn all_files(&self) -> Vec<&PathBuf> {
        let lists = [
            &self.files,
            &self.scores_files,
            &self.train,
            &self.validation,
            &self.test,
        ];
        lists.into_iter().flatten().collect()
    }

    /// The same with files by absolute paths, so that a run finds them from any folder.
    ///
    /// # Errors
    /// A path that the system does not take.
    pub fn absolute(&self) -> Result<Self, SurrogateError> {
        let mut out = self.clone();
        for list in [
            &mut out.files,
            &mut out.scores_files,
            &mut out.train,
            &mut out.validation,
            &mut out.test,
        ] {
            for file in list {
                *file = std::path::absolute(&*file).map_err(SurrogateError::io(file, "find"))?;
            }
        }
        Ok(out)
    }

    fn has_parts(&self) -> bool {
        [&self.train, &self.validation, &self.test]
            .iter()
            .any(|f| !f.is_empty())
    }

    fn check_files(&self) -> Result<(), SurrogateError> {
        match (self.has_parts(), self.files.is_empty(), self.scores_files.is_empty()) {
            (true, false, _) => Err(wrong_files("given beside files of single parts".to_owned())),
            (_, true, false) => Err(wrong_files("empty, but there are data.scores_files".to_owned())),
            _ => Ok(()),
        }
    }

    /// The chosen rows of a part, of which there must be some.
    fn whole(&self, table: Table, part: Part) -> Result<Table, SurrogateError> {
        if table.is_empty() {
            return Err(SurrogateError::Table {
                file: "data".to_owned(),
                reason: format!("the {} part has no rows", part.name()),
            });
        }
        let seed = match self.split {
            Split::Hash { seed, .. } => seed,
            _ => 0,
        };
        Ok(match self.rows {
            Some(count) => table.subset(count, seed),
            None => table,
        })
    }
}

fn wrong_files(value: String) -> SurrogateError {
    SurrogateError::Setting {
        setting: "data.files",
        value,
        wanted: "given, or data.train, data.validation and data.test instead, or none of them for the sample",
    }
}
