//! One process trains in a run folder at a time.

use crate::error::{Result, TrainError, io};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

/// Holds a run folder until dropped.
///
/// The lock belongs to the open file `.lock`, in the kernel, not to the file's presence: when a process ends in
/// whatever way, kill -9 and power cut included, the kernel lets go and the next one takes the folder. There is no
/// stale lock to clean up, and the file itself stays. Its content, the process number, serves the message to whoever
/// comes second.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the folder.
    ///
    /// # Errors
    /// [`TrainError::Locked`] when another process, or another training of this process, holds it.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io(&path, "open"))?;
        let mut attempt = file.try_lock();
        // Whoever asks whether a run is in use holds its lock for an instant; that must not turn a training away.
        for _ in 0..5 {
            if !matches!(attempt, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            attempt = file.try_lock();
        }
        match attempt {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is only makes the message better.
                let _ = file.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() {
                    "unknown".to_owned()
                } else {
                    holder.trim().to_owned()
                };
                return Err(TrainError::Locked {
                    path: folder.to_owned(),
                    holder,
                });
            }
            // Some network file systems know no locks. Refusing to train there would help nobody.
            Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
                tracing::warn!(path = %path.display(), "this file system has no locks: see to it yourself that one process trains here");
            }
            Err(TryLockError::Error(e)) => return Err(io(&path, "lock")(e)),
        }
        let number = std::process::id().to_string();
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(number.as_bytes()))
            .map_err(io(&path, "write"))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_training_is_told_who_holds_the_folder_and_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let lock = RunLock::take(dir.path()).unwrap();
        let error = RunLock::take(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("in use by process {}", std::process::id())),
            "{error}"
        );
        drop(lock);
        RunLock::take(dir.path()).unwrap();
    }

    #[test]
    fn a_lock_file_left_by_a_dead_process_does_not_lock() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".lock"), "4242").unwrap();
        RunLock::take(dir.path()).unwrap();
    }
}
