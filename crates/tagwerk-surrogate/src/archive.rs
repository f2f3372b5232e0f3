//! The one file of a surrogate: a ZIP archive, read with suspicion.
//!
//! Members are read whole into memory under limits that hold before anything is decompressed, so that no archive can
//! fill disk or memory; nothing is ever extracted to a path. Names are plain relative ones, each once. Archives are
//! written in one order with one date, so that equal contents make equal files.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tagwerk_data::AtomicFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::error::SurrogateError;

/// Extension of a packed surrogate.
pub const EXTENSION: &str = "surrogate.zip";

/// Largest archive that is read, in bytes.
pub const LARGEST_ARCHIVE: u64 = 256 << 20;

/// Most members.
pub const MOST_MEMBERS: usize = 1024;

/// Largest sum of the members' sizes, in bytes.
pub const LARGEST_CONTENT: u64 = 1 << 30;

/// Contents of an archive by name.
pub(crate) type Members = BTreeMap<String, Vec<u8>>;

/// Why a name is not allowed, if it is not.
pub(crate) fn bad_name(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if name.is_empty() || name.len() > 200 {
        Some("names have 1 to 200 characters")
    } else if !name.chars().all(plain) {
        Some("names are made of letters, digits and . _ - /")
    } else if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        Some("names are relative paths without empty parts or parts that begin with a dot")
    } else {
        None
    }
}

/// The archive's bytes.
pub(crate) fn to_bytes(members: &Members) -> Result<Vec<u8>, String> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        if let Some(why) = bad_name(name) {
            return Err(format!("the member {name:?} cannot be written: {why}"));
        }
        // Weights hardly shrink.
        let method = if name.ends_with(".safetensors") {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        writer
            .start_file(name.as_str(), options)
            .map_err(|e| format!("the member {name} cannot be written: {e}"))?;
        writer
            .write_all(content)
            .map_err(|e| format!("the member {name} cannot be written: {e}"))?;
    }
    let done = writer
        .finish()
        .map_err(|e| format!("the archive cannot be finished: {e}"))?;
    Ok(done.into_inner())
}

/// The members of an archive's bytes.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Members, String> {
    // The decoder is not ours; a panic on damaged input becomes an error.
    catch_unwind(AssertUnwindSafe(|| decoded(bytes)))
        .unwrap_or_else(|_| Err("the archive is damaged: its decoder gave up".to_owned()))
}

fn decoded(bytes: &[u8]) -> Result<Members, String> {
    let declared = end_record(bytes)?;
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("not a whole ZIP archive: {e}"))?;
    if zip.len() > MOST_MEMBERS {
        return Err(format!(
            "the archive has {} members, the limit is {MOST_MEMBERS}",
            zip.len()
        ));
    }
    if zip.len() != declared {
        return Err(format!(
            "the archive declares {declared} members and has {} names: a name occurs twice or its directory is damaged",
            zip.len()
        ));
    }
    let mut total = 0_u64;
    let mut members = Members::new();
    for index in 0..zip.len() {
        let member = zip
            .by_index(index)
            .map_err(|e| format!("member {index} of the archive cannot be read: {e}"))?;
        let name = member.name().to_owned();
        if let Some(why) = bad_name(&name) {
            return Err(format!("the archive has a member {name:?}: {why}"));
        }
        if member.is_dir() || member.is_symlink() || member.encrypted() {
            return Err(format!(
                "the member {name} is a folder, a link or encrypted: only plain files belong here"
            ));
        }
        if !matches!(
            member.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        ) {
            return Err(format!(
                "the member {name} is compressed by another method than Deflate"
            ));
        }
        let size = member.size();
        total = total.saturating_add(size);
        if total > LARGEST_CONTENT {
            return Err(format!(
                "the members up to {name} hold {total} bytes, the limit is {LARGEST_CONTENT}"
            ));
        }
        // Declared sizes may lie: at most one byte more than declared is read, and little is reserved on trust.
        let mut content = Vec::with_capacity(size.min(1 << 20) as usize);
        member
            .take(size + 1)
            .read_to_end(&mut content)
            .map_err(|e| format!("the member {name} is damaged: {e}"))?;
        if content.len() as u64 != size {
            return Err(format!(
                "the member {name} has {} bytes or more where {size} are declared",
                content.len()
            ));
        }
        members.insert(name, content);
    }
    Ok(members)
}

/// Number of members that the end record declares. It must be the last 22 bytes: our archives have no comment, and
/// nothing may follow.
fn end_record(bytes: &[u8]) -> Result<usize, String> {
    const LENGTH: usize = 22;
    let foreign = "not a packed surrogate: the file does not end as a ZIP archive without comment does (it may be cut \
                   or have bytes appended)";
    let end = bytes.len().checked_sub(LENGTH).map(|at| &bytes[at..]).ok_or(foreign)?;
    let half = |at: usize| usize::from(u16::from_le_bytes([end[at], end[at + 1]]));
    if !end.starts_with(b"PK\x05\x06") || half(20) != 0 || half(8) != half(10) {
        return Err(foreign.to_owned());
    }
    Ok(half(10))
}

/// Reads an archive.
///
/// # Errors
/// A file that cannot be read, is larger than [`LARGEST_ARCHIVE`], is no archive, is cut or damaged, or has members
/// that do not belong there.
pub(crate) fn read(path: &Path) -> Result<Members, SurrogateError> {
    let failed = |reason: String| SurrogateError::Artifact {
        path: path.to_owned(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(|e| failed(format!("cannot be opened: {e}")))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_ARCHIVE + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| failed(format!("cannot be read: {e}")))?;
    if bytes.len() as u64 > LARGEST_ARCHIVE {
        return Err(failed(format!(
            "larger than {LARGEST_ARCHIVE} bytes, which is the limit"
        )));
    }
    from_bytes(&bytes).map_err(failed)
}

/// Writes an archive beside its name and renames it.
///
/// # Errors
/// Names that are not allowed, contents beyond the limits, a folder that cannot be written.
pub(crate) fn write(members: &Members, path: &Path) -> Result<(), SurrogateError> {
    let failed = |reason: String| SurrogateError::Artifact {
        path: path.to_owned(),
        reason,
    };
    let total: u64 = members.values().map(|content| content.len() as u64).sum();
    if total > LARGEST_CONTENT || members.len() > MOST_MEMBERS {
        return Err(failed(format!(
            "{} members of {total} bytes: the limits are {MOST_MEMBERS} and {LARGEST_CONTENT}",
            members.len()
        )));
    }
    let bytes = to_bytes(members).map_err(failed)?;
    if bytes.len() as u64 > LARGEST_ARCHIVE {
        return Err(failed(format!("{} bytes: the limit is {LARGEST_ARCHIVE}", bytes.len())));
    }
    let mut file = AtomicFile::create(path).map_err(|e| failed(e.to_string()))?;
    file.write_all(&bytes)
        .map_err(|e| failed(format!("cannot be written: {e}")))?;
    file.commit().map_err(|e| failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members() -> Members {
        [
            ("manifest.json", &b"{}"[..]),
            ("weights/member-0.safetensors", &[7; 100][..]),
            ("validation/inputs.csv", &b"a,b\n1,2\n"[..]),
        ]
        .map(|(name, content)| (name.to_owned(), content.to_vec()))
        .into()
    }

    /// An archive of names and methods that `to_bytes` refuses to write.
    fn foreign(name: &str, content: &[u8]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn equal_contents_make_equal_files() {
        let bytes = to_bytes(&members()).unwrap();
        assert_eq!(bytes, to_bytes(&members()).unwrap());
        assert_eq!(from_bytes(&bytes).unwrap(), members());
    }

    #[test]
    fn names_that_leave_the_archive_are_refused() {
        for name in [
            "../evil",
            "/etc/passwd",
            "a/../../b",
            "a//b",
            "a\\b",
            "C:evil",
            ".hidden",
            "a/./b",
            "new\nline",
        ] {
            let error = from_bytes(&foreign(name, b"x")).unwrap_err();
            assert!(error.contains("the archive has a member"), "{name}: {error}");
            assert!(to_bytes(&[(name.to_owned(), vec![])].into()).is_err());
        }
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_directory("weights/", SimpleFileOptions::default()).unwrap();
        assert!(from_bytes(&writer.finish().unwrap().into_inner()).is_err());
    }

    #[test]
    fn cut_grown_and_foreign_files_are_one_clear_error() {
        let bytes = to_bytes(&members()).unwrap();
        for length in 0..bytes.len() {
            assert!(from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        let mut grown = bytes.clone();
        grown.push(0);
        assert!(from_bytes(&grown).unwrap_err().contains("bytes appended"));
        assert!(from_bytes(b"PAR1 this is something else entirely").is_err());
        assert!(from_bytes(&[]).is_err());
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        // A member that declares 2 GiB: the size field of the directory entry is overwritten.
        let bytes = foreign("zeros", &vec![0; 1 << 16]);
        let at = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        let mut bomb = bytes.clone();
        bomb[at + 24..at + 28].copy_from_slice(&(2_u32 << 30).to_le_bytes());
        let error = from_bytes(&bomb).unwrap_err();
        assert!(error.contains("the limit is") || error.contains("declared"), "{error}");
        // One that declares less than it holds is not unpacked beyond what it declares.
        let mut liar = bytes;
        liar[at + 24..at + 28].copy_from_slice(&10_u32.to_le_bytes());
        assert!(from_bytes(&liar).is_err());
    }

    #[test]
    fn a_name_that_occurs_twice_is_refused() {
        let mut bytes = {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            for name in ["one", "two"] {
                writer.start_file(name, SimpleFileOptions::default()).unwrap();
                writer.write_all(name.as_bytes()).unwrap();
            }
            writer.finish().unwrap().into_inner()
        };
        while let Some(at) = bytes.windows(3).position(|w| w == b"two") {
            bytes[at..at + 3].copy_from_slice(b"one");
        }
        assert!(from_bytes(&bytes).is_err());
    }
}
