//! Files and folders that are there whole or not at all, whenever the process or the machine stops.

use crate::error::{Result, io};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes `bytes` under a name beside `path`, syncs, renames. A name left by a killed process is overwritten the next
/// time.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = beside(path, "partial");
    let mut file = File::create(&partial).map_err(io(&partial, "create"))?;
    file.write_all(bytes).map_err(io(&partial, "write"))?;
    file.sync_all().map_err(io(&partial, "sync"))?;
    fs::rename(&partial, path).map_err(io(path, "rename to the final name"))?;
    sync_folder(path)
}

/// `folder/.name.suffix`: hidden, in the same folder, hence on the same file system.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

/// Makes the names in the folder of `path` last, not only the bytes of the files.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Windows has no such call and needs none: there a rename is on disk when it returns.
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)
            .and_then(|f| f.sync_all())
            .map_err(io(folder, "sync"))?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Puts the complete, synced folder `new` in the place of `path`.
///
/// No system call of the standard library exchanges two folders, so there are two renames: the present folder steps
/// aside to `.name.old`, `new` takes its place, the old one is removed. A kill between the two leaves `.name.old` and
/// no `path`, which [`recover_folder`] puts right.
pub(crate) fn replace_folder(path: &Path, new: &Path) -> Result<()> {
    let old = beside(path, "old");
    remove_folder(&old)?;
    if path.exists() {
        fs::rename(path, &old).map_err(io(path, "move aside"))?;
    }
    fs::rename(new, path).map_err(io(path, "rename to the final name"))?;
    sync_folder(path)?;
    remove_folder(&old)
}

/// Puts right what a kill within [`replace_folder`] left, and removes an unfinished new folder.
pub(crate) fn recover_folder(path: &Path) -> Result<()> {
    let old = beside(path, "old");
    if old.exists() {
        if path.exists() {
            remove_folder(&old)?;
        } else {
            fs::rename(&old, path).map_err(io(path, "bring back"))?;
            sync_folder(path)?;
        }
    }
    remove_folder(&beside(path, "new"))
}

pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io(path, "remove")(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &Path, content: &str) {
        fs::create_dir(path).unwrap();
        fs::write(path.join("file"), content).unwrap();
    }

    fn content(path: &Path) -> String {
        fs::read_to_string(path.join("file")).unwrap()
    }

    #[test]
    fn every_stage_of_a_replacement_recovers_to_one_complete_folder() {
        // What is on disk after each system call of `replace_folder`: (old, present, new), and what must be there
        // afterwards.
        let stages = [
            (None, Some("1"), Some("2"), "1"),
            (Some("0"), Some("1"), Some("2"), "1"),
            (Some("1"), None, Some("2"), "1"),
            (Some("1"), Some("2"), None, "2"),
            (None, Some("2"), None, "2"),
        ];
        for (old, present, new, expected) in stages {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("last");
            for (place, what) in [
                (beside(&path, "old"), old),
                (path.clone(), present),
                (beside(&path, "new"), new),
            ] {
                if let Some(text) = what {
                    folder(&place, text);
                }
            }
            recover_folder(&path).unwrap();
            assert_eq!(content(&path), expected);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no litter");
        }
    }

    #[test]
    fn replacing_leaves_the_new_folder_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last");
        for text in ["1", "2", "3"] {
            let new = beside(&path, "new");
            folder(&new, text);
            replace_folder(&path, &new).unwrap();
            assert_eq!(content(&path), text);
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_written_file_replaces_the_old_one_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.json");
        write(&path, b"one").unwrap();
        write(&path, b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(&dir.path().join("none/status.json"), b"x").is_err());
    }
}
