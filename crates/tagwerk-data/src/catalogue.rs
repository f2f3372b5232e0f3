//! The catalogue: data sets that Tagwerk knows by name, one file each.

mod sample;
mod top_tagging;

pub(crate) use sample::PARQUET as SAMPLE_PARQUET;

use crate::error::DataError;
use crate::split::Part;

/// What is known about a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct CatalogueEntry {
    /// Name on the command line.
    pub name: &'static str,
    /// Title.
    pub title: &'static str,
    /// What is to be learned.
    pub task: &'static str,
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
    /// Size.
    pub bytes: u64,
    /// MD5, hexadecimal.
    pub md5: &'static str,
}

/// All data sets.
pub const CATALOGUE: [&CatalogueEntry; 2] = [&sample::ENTRY, &top_tagging::ENTRY];

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
                assert!(file.md5.len() == 32 && file.md5.bytes().all(|b| b.is_ascii_hexdigit()));
            }
            assert_eq!(entry.files.is_empty(), entry.base_url.is_none());
        }
        assert!(find("tops").unwrap_err().to_string().contains("top-tagging"));
    }
}
