//! Files that appear whole or not at all.

use crate::error::DataError;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file being written beside its final name; [`AtomicFile::commit`] renames it, dropping it removes it.
#[derive(Debug)]
pub struct AtomicFile {
    writer: BufWriter<tempfile::NamedTempFile>,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts a file that will be called `path`. Its directory must exist.
    ///
    /// # Errors
    /// When the directory is missing or not writable.
    pub fn create(path: &Path) -> Result<Self, DataError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".tmp");
        #[cfg(unix)]
        {
            // Temporary files are private by default; the result should have the permissions of any new file.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(directory).map_err(DataError::io(path, "create"))?;
        Ok(Self {
            writer: BufWriter::with_capacity(1 << 20, file),
            path: path.to_owned(),
        })
    }

    /// Flushes, syncs and renames.
    ///
    /// # Errors
    /// When the disk is full or the rename is refused; the final name is then untouched.
    pub fn commit(self) -> Result<(), DataError> {
        let Self { writer, path } = self;
        let file = writer
            .into_inner()
            .map_err(|e| DataError::io(&path, "write")(e.into_error()))?;
        file.as_file().sync_all().map_err(DataError::io(&path, "sync"))?;
        file.persist(&path)
            .map_err(|e| DataError::io(&path, "rename to the final name")(e.error))?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.writer.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_file_leaves_the_old_content_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("result");
        std::fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }
}
