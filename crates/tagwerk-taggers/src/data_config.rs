//! Which jets: the table `data` of a configuration.

use crate::error::TaggerError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tagwerk_data::{ArrayDataset, CATALOGUE, DataError, Dataset, Holds, JetDataset, JetOptions, Part, find_dataset};

/// Name of the data set that is built in.
pub const SAMPLE: &str = "sample";

/// Which jets, or other events, to train, validate and test on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// `sample`, a name of the catalogue such as `top-tagging`, or the path of a file or folder. Default: sample.
    pub source: String,
    /// Folder of the files of a catalogue data set; of one whose events are arrays also its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Training jets at most, picked by (seed of the options, row). Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_jets: Option<u64>,
    /// Validation jets at most. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_jets: Option<u64>,
    /// Test jets at most. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_jets: Option<u64>,
    /// MiB for jets and their views: all parts, all views and all trainings that run at once together. Views that do
    /// not fit are read from disk in each epoch. Networks and batches come on top. Default: 8192.
    pub memory_mb: u64,
    /// How files are read.
    pub options: JetOptions,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: SAMPLE.into(),
            path: None,
            train_jets: None,
            validation_jets: None,
            test_jets: None,
            memory_mb: 8192,
            options: JetOptions::default(),
        }
    }
}

impl DataConfig {
    /// Opens the data set. Reads headers only.
    ///
    /// # Errors
    /// A source that is neither a known name nor a path that exists; whatever the files have wrong.
    pub fn open(&self) -> Result<Dataset, TaggerError> {
        let known = || CATALOGUE.map(|entry| entry.name).join(", ");
        let fail = |reason: String| TaggerError::Data {
            name: self.source.clone(),
            reason,
        };
        if self.source == SAMPLE {
            return match &self.path {
                None => Ok(JetDataset::sample_with(&self.options)?.into()),
                Some(_) => Err(fail("the sample is built in and takes no path".into())),
            };
        }
        if let Ok(entry) = find_dataset(&self.source) {
            return match (&entry.holds, self.path.as_deref()) {
                (Holds::Arrays(arrays), Some(path)) => Ok(ArrayDataset::open(arrays.set, path, &self.options)?.into()),
                (Holds::Jets, Some(path)) => Ok(JetDataset::open(path, &self.options)?.into()),
                (Holds::Arrays(arrays), None) => {
                    let obtain = arrays.how_to_obtain();
                    Err(fail(format!("give its file with --path; {obtain}")))
                }
                (Holds::Events, _) => Err(fail(
                    "its events have a parameter and are for 'tagwerk parametric': name the files in [data] train and test".to_owned(),
                )),
                (Holds::Scores, _) => Err(fail(
                    "its jets have scores and no constituents and are for 'tagwerk surrogate': name the files in [data]".to_owned(),
                )),
                (Holds::Jets, None) => Err(fail(format!(
                    "give the folder of its files with --path; 'tagwerk data fetch {}' downloads them",
                    self.source
                ))),
            };
        }
        if self.path.is_some() {
            return Err(fail(format!(
                "only a data set of the catalogue ({}) takes a path",
                known()
            )));
        }
        let path = Path::new(&self.source);
        if !path.exists() {
            return Err(fail(format!(
                "neither a file or folder that exists nor one of: {}",
                known()
            )));
        }
        match ArrayDataset::recognize(path)? {
            Some(set) => Ok(ArrayDataset::open(set, path, &self.options)?.into()),
            None => Ok(JetDataset::open(path, &self.options)?.into()),
        }
    }

    /// The same with the label column or the classes of a run, where these jets have many classes and nothing chooses
    /// among them.
    pub fn with_labels_of(mut self, run: &JetOptions) -> Self {
        let own = &self.options;
        let chosen = own.label.is_some() || own.signal.is_some() || own.background.is_some();
        if !chosen && matches!(self.open(), Err(TaggerError::DataSet(DataError::ManyClasses { .. }))) {
            self.options.label.clone_from(&run.label);
            self.options.signal.clone_from(&run.signal);
            self.options.background.clone_from(&run.background);
        }
        self
    }

    /// Whether the events can be arrays, as far as names tell: a file that is there may be one of either kind.
    pub(crate) fn may_be_arrays(&self) -> bool {
        match find_dataset(&self.source) {
            Ok(entry) => matches!(entry.holds, Holds::Arrays(_)),
            Err(_) => Path::new(&self.source).is_file(),
        }
    }

    /// The same with paths that hold from any working directory, as it goes into a run folder. Names stay, and so does
    /// what is not there: whoever opens it says so in the user's words.
    ///
    /// # Errors
    /// No working directory, or one whose name is no text.
    pub fn resolved(&self) -> Result<Self, TaggerError> {
        let mut resolved = self.clone();
        let named = self.source == SAMPLE || find_dataset(&self.source).is_ok();
        if !named && Path::new(&self.source).exists() {
            let path = self.absolute(Path::new(&self.source))?;
            resolved.source = path.into_os_string().into_string().map_err(|path| TaggerError::Data {
                name: self.source.clone(),
                reason: format!("its full path {} is no UTF-8 text, which TOML needs", path.display()),
            })?;
        }
        if let Some(path) = self.path.as_ref().filter(|path| path.exists()) {
            resolved.path = Some(self.absolute(path)?);
        }
        Ok(resolved)
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf, TaggerError> {
        std::path::absolute(path).map_err(|e| TaggerError::Data {
            name: self.source.clone(),
            reason: format!("the full path of {}: {e}", path.display()),
        })
    }

    /// The name results carry: the catalogue's, or that of the file. Generated stand-ins say that they are.
    pub fn name(&self, dataset: &Dataset) -> String {
        match (find_dataset(&self.source), dataset) {
            (Ok(entry), Dataset::Jets(_)) => entry.name.to_string(),
            _ => dataset.name().to_string(),
        }
    }

    /// Whether the test part is the published test set, whole.
    pub fn is_published_test_set(&self, dataset: &Dataset) -> bool {
        const PUBLISHED_TEST_ROWS: u64 = 404_000;
        self.source == "top-tagging" && self.test_jets.is_none() && dataset.rows(Part::Test) == PUBLISHED_TEST_ROWS
    }

    /// Jets taken of a part at most.
    pub fn limit(&self, part: Part) -> Option<u64> {
        match part {
            Part::Train => self.train_jets,
            Part::Validation => self.validation_jets,
            Part::Test => self.test_jets,
        }
    }
}
