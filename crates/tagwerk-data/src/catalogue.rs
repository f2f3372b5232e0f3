//! The catalogue: data sets that Tagwerk knows by name, one file each.

mod airshower;
mod airshower_primary;
mod belle;
mod eos;
mod hepmass;
mod hepmass_imb;
mod higgs;
mod jet_images;
mod jetclass_scores;
mod magic;
mod sample;
mod spinodal;
mod top_tagging;

pub(crate) use sample::PARQUET as SAMPLE_PARQUET;

use crate::array_set::ArraySet;
use crate::error::DataError;
use crate::split::Part;
use crate::task::Task;

/// What is known about a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CatalogueEntry {
    /// Name on the command line.
    pub name: &'static str,
    /// Title.
    pub title: &'static str,
    /// What is to be learned.
    pub task: &'static str,
    /// What an event is.
    pub holds: Holds,
    /// How the data were made.
    pub recipe: &'static [(&'static str, &'static str)],
    /// Columns of the files.
    pub columns: &'static [ColumnEntry],
    /// How the parts are divided.
    pub split: &'static str,
    /// Files to fetch; none if the data are inside the program.
    pub files: &'static [FileEntry],
    /// Rows of the parts, in the order of [`Part::ALL`].
    pub rows: [u64; 3],
    /// Where the files lie: an address to which `/NAME` is added.
    pub base_url: Option<&'static str>,
    /// Licence, or that it is not known.
    pub license: &'static str,
    /// How to cite it.
    pub citation: &'static str,
    /// Persistent identifier.
    pub doi: Option<&'static str>,
    /// What to do with the files once they are there.
    pub convert: &'static str,
    /// What one must know before trusting a number.
    pub notes: &'static [&'static str],
}

/// What an event of a data set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Holds {
    /// A jet: a list of constituents.
    Jets,
    /// Arrays of fixed shape.
    Arrays(ArraysEntry),
    /// A row of features, and the parameters of a hypothesis: what `tagwerk parametric` trains on.
    Events,
    /// A row of observables, a label and the score that a classifier gave: what `tagwerk surrogate` trains on.
    Scores,
}

/// Events that are arrays of fixed shape: what a program must know of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ArraysEntry {
    /// Which data set.
    pub set: ArraySet,
    /// What is learned.
    pub learn: Task,
    /// Target: the class that is 1, or the quantity.
    pub target: &'static str,
    /// Unit of the target of a regression; empty for none.
    pub unit: &'static str,
    /// The arrays, in the order of the file.
    pub arrays: &'static [ArrayEntry],
    /// Name of the one file.
    pub file: &'static str,
    /// Its MD5, hexadecimal, if known.
    pub md5: Option<&'static str>,
    /// Where the file can be had, or what takes its place.
    pub obtain: &'static str,
    /// Whether `tagwerk data stand-in` generates events of this layout.
    pub stand_in: bool,
}

impl ArraysEntry {
    /// Where the file can be had, or what takes its place, with the name of the data set in its commands.
    pub fn how_to_obtain(&self) -> String {
        self.obtain.replace("NAME", self.set.name())
    }
}

/// One array of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ArrayEntry {
    /// Name without the part: `X_0`.
    pub name: &'static str,
    /// Shape of one event, or of the whole if it is not per event.
    pub shape: &'static [usize],
    /// Whether every event has one.
    pub per_event: bool,
}

/// What is said of the files of pd4ml (arXiv:2107.00656), none of which can be downloaded any more.
const PD4ML_GONE: &str = "the download links of pd4ml answer 404; use a copy of the file, or generate a stand-in of the same layout \
                          with `tagwerk data stand-in NAME -o FILE`";

/// What is said of all stand-ins.
const STAND_IN_NOTE: &str = "a stand-in has the layout, shapes, padding and ranges of the data set and classes that can be learned, from a \
                             toy model: numbers on it compare algorithms here and say nothing of the published data";

/// How the published split is completed.
const PD4ML_SPLIT: &str = "as published, 70 % train and 30 % test; validation is the last 20 % of the training events, which is what \
                           Keras takes";

/// A column, or a block of columns, of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ColumnEntry {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub kind: &'static str,
    /// Unit; empty for none.
    pub unit: &'static str,
    /// Meaning.
    pub meaning: &'static str,
}

/// A file to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct FileEntry {
    /// Name, here and on the server.
    pub name: &'static str,
    /// Part it holds.
    pub part: Part,
    /// Rows.
    pub rows: u64,
    /// Size, if it was published.
    pub bytes: Option<u64>,
    /// MD5, hexadecimal, if it was published.
    pub md5: Option<&'static str>,
}

impl FileEntry {
    /// A file whose size and checksum are not published.
    const fn unchecked(name: &'static str, part: Part, rows: u64) -> Self {
        Self {
            name,
            part,
            rows,
            bytes: None,
            md5: None,
        }
    }
}

/// All data sets.
pub const CATALOGUE: [&CatalogueEntry; 13] = [
    &sample::ENTRY,
    &top_tagging::ENTRY,
    &spinodal::ENTRY,
    &eos::ENTRY,
    &airshower::ENTRY,
    &airshower_primary::ENTRY,
    &belle::ENTRY,
    &magic::ENTRY,
    &higgs::ENTRY,
    &jet_images::ENTRY,
    &hepmass::ENTRY,
    &hepmass_imb::ENTRY,
    &jetclass_scores::ENTRY,
];

/// The data set of a name.
///
/// # Errors
/// [`DataError::UnknownDataset`] with the names that exist.
pub fn find(name: &str) -> Result<&'static CatalogueEntry, DataError> {
    CATALOGUE
        .into_iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| DataError::UnknownDataset {
            name: name.to_owned(),
            known: CATALOGUE.map(|entry| entry.name).join(", "),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_pd4ml_are_as_published() {
        // Events for training and testing of arXiv:2107.00656's files; a fifth of the former validates.
        for (name, train, test) in [
            ("spinodal", 20_300, 8_700),
            ("eos", 126_850, 54_176),
            ("airshower", 70_000, 30_000),
            ("belle", 280_000, 120_000),
        ] {
            let rows = find(name).unwrap().rows;
            assert_eq!((rows[0] + rows[1], rows[2]), (train, test), "{name}");
            assert_eq!(rows[0], 4 * train / 5, "{name}");
        }
    }

    #[test]
    fn entries_are_consistent() {
        for entry in CATALOGUE {
            assert_eq!(find(entry.name).unwrap(), entry);
            for part in Part::ALL {
                let rows: u64 = entry
                    .files
                    .iter()
                    .filter(|file| file.part == part)
                    .map(|file| file.rows)
                    .sum();
                assert!(
                    entry.files.is_empty() || rows == entry.rows[part as usize],
                    "{}",
                    entry.name
                );
            }
            for file in entry.files {
                assert!(
                    file.md5
                        .is_none_or(|md5| md5.len() == 32 && md5.bytes().all(|b| b.is_ascii_hexdigit()))
                );
            }
            assert_eq!(entry.files.is_empty(), entry.base_url.is_none());
            if let Holds::Arrays(arrays) = &entry.holds {
                assert_eq!(arrays.set.name(), entry.name);
                assert!(entry.files.is_empty() && !arrays.file.is_empty());
                assert_eq!(
                    entry.columns.len(),
                    arrays.arrays.len() + 1,
                    "{}: a line an array, and the target",
                    entry.name
                );
                assert_eq!(arrays.learn == Task::Regression, !arrays.unit.is_empty());
                assert!(arrays.md5.is_none_or(|md5| md5.len() == 32));
                assert_eq!(arrays.stand_in, arrays.obtain.contains("stand-in"));
            }
        }
        assert!(find("tops").unwrap_err().to_string().contains("top-tagging"));
    }
}
