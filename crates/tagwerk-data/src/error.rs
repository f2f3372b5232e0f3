//! What can be wrong with data, said so that a person can repair it.

use std::ops::Range;
use std::path::PathBuf;

/// An error of this crate: the place (file, row, column), the value found there and what is allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused.
    #[error("{path}: {doing}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// The bytes are not what the format demands.
    #[error("{file}: not readable as {format}: {reason}")]
    Format {
        /// File as given by the user.
        file: String,
        /// Format that was tried.
        format: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// The file ends before its own header says it does.
    #[error("{file}: truncated: {found} bytes on disk, its header promises {expected}; download or copy it again")]
    Truncated {
        /// File as given by the user.
        file: String,
        /// Bytes the header promises.
        expected: u64,
        /// Bytes on disk.
        found: u64,
    },
    /// No reader knows the file.
    #[error("{file}: unknown kind of file; known: {known}")]
    UnknownFormat {
        /// File as given by the user.
        file: String,
        /// Extensions and layouts that are known.
        known: &'static str,
    },
    /// A column is absent.
    #[error("{file}: no column `{column}`; the file has {found}")]
    MissingColumn {
        /// File as given by the user.
        file: String,
        /// The column or columns looked for.
        column: String,
        /// The columns of the file.
        found: String,
    },
    /// A file of many classes, of which none was chosen.
    #[error("{file}: no column `label`; choose two of its classes as `signal` and `background`: {classes}")]
    ManyClasses {
        /// File as given by the user.
        file: String,
        /// The columns that are a class each.
        classes: String,
    },
    /// A column has another type than needed.
    #[error("{file}: column `{column}` is {found}; allowed: {allowed}")]
    WrongType {
        /// File as given by the user.
        file: String,
        /// Its column.
        column: String,
        /// Its type.
        found: String,
        /// Types that can be read.
        allowed: &'static str,
    },
    /// A value is out of its range.
    #[error("{file}: row {row}, column `{column}`: {value}; allowed: {allowed}")]
    Value {
        /// File as given by the user.
        file: String,
        /// Row in that file, from 0.
        row: u64,
        /// Column, with the position inside a list where there is one.
        column: String,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two lists of one row differ in length.
    #[error(
        "{file}: row {row}: `{column}` holds {length} values but `{other}` holds {other_length}; they must be equal"
    )]
    Lengths {
        /// File as given by the user.
        file: String,
        /// Row in that file, from 0.
        row: u64,
        /// One column.
        column: String,
        /// Its list length.
        length: usize,
        /// Another column.
        other: String,
        /// Its list length.
        other_length: usize,
    },
    /// A jet without a single constituent.
    #[error("{file}: row {row}: the jet has no constituent; at least 1 is needed (or choose to skip empty jets)")]
    EmptyJet {
        /// File as given by the user.
        file: String,
        /// Row in that file, from 0.
        row: u64,
    },
    /// A row range that the file does not have, or ranges that are not ascending.
    #[error("{file}: rows {}..{} cannot be read: {rows} rows, and ranges must ascend without overlap", range.start, range.end)]
    Rows {
        /// File as given by the user.
        file: String,
        /// The offending range.
        range: Range<u64>,
        /// Rows of the file.
        rows: u64,
    },
    /// Events that are arrays and do not fit together.
    #[error("{name}: {reason}")]
    Arrays {
        /// The file, or the data set.
        name: String,
        /// What is wrong, with the value and what is allowed.
        reason: String,
    },
    /// A data set that cannot be downloaded.
    #[error("{name} cannot be downloaded: {reason}")]
    NotDownloadable {
        /// Name in the catalogue.
        name: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// A split that cannot be made.
    #[error("split: {reason}")]
    Split {
        /// What is wrong, with the value.
        reason: String,
    },
    /// An argument outside its range.
    #[error("{name} = {value}; allowed: {allowed}")]
    Argument {
        /// Name of the argument.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A data set the catalogue does not hold.
    #[error("no data set `{name}` in the catalogue; it has {known}")]
    UnknownDataset {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file that a data set does not have.
    #[error("{dataset} has no file `{name}`; its files are {known}")]
    UnknownFile {
        /// The data set.
        dataset: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The network failed, after all attempts.
    #[error("{url}: {reason} (after {attempts} attempts; run again to go on from {received} bytes)")]
    Network {
        /// Address.
        url: String,
        /// Last error.
        reason: String,
        /// Attempts without progress.
        attempts: u32,
        /// Bytes kept for the next run.
        received: u64,
    },
    /// The server refused.
    #[error("{url}: HTTP status {status}")]
    Status {
        /// Address.
        url: String,
        /// HTTP status code.
        status: u16,
    },
    /// A downloaded file is not the file it should be.
    #[error("{file}: {what} is {found}, the catalogue says {expected}; the download was thrown away")]
    Checksum {
        /// The file.
        file: String,
        /// "md5" or "size".
        what: &'static str,
        /// Expected value.
        expected: String,
        /// Found value.
        found: String,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A reading thread died; its message follows.
    #[error("reading ahead stopped: {reason}")]
    Stopped {
        /// The panic's message.
        reason: String,
    },
}

impl DataError {
    /// Wraps an operating system error with its place.
    pub(crate) fn io(path: impl Into<PathBuf>, doing: &'static str) -> impl FnOnce(std::io::Error) -> DataError {
        let path = path.into();
        move |source| DataError::Io { path, doing, source }
    }
}

/// The message inside a caught panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}
