//! Downloads: the only code in Tagwerk that touches the network.
//!
//! A file arrives as `NAME.part` beside its final name. A cut connection is taken up where it broke (HTTP range), in
//! this run or the next. Size and MD5 are checked before the final name is given; a wrong file is thrown away. A server
//! that cannot continue a download is read from the start.

use crate::catalogue::{CatalogueEntry, FileEntry, Holds};
use crate::digest::hexadecimal;
use crate::error::DataError;
use md5::{Digest, Md5};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How to download.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Address of the files, in place of the catalogue's (a mirror); `/NAME` is added.
    pub base_url: Option<String>,
    /// Attempts without any progress before giving up, at least 1. Default: 5.
    pub attempts: u32,
    /// Wait before the second attempt; doubles with each, up to a minute. Default: 1 s.
    pub backoff: Duration,
    /// Longest silence of the server. Default: 60 s.
    pub patience: Duration,
    /// Set it to stop; what has arrived is kept.
    pub cancel: Arc<AtomicBool>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            base_url: None,
            attempts: 5,
            backoff: Duration::from_secs(1),
            patience: Duration::from_secs(60),
            cancel: Arc::default(),
        }
    }
}

/// What the observer of a download is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// Bytes of a file that are there, of its size.
    Progress {
        /// File.
        file: &'a str,
        /// Bytes on disk.
        received: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// The file was there already, whole and right.
    Present {
        /// File.
        file: &'a str,
    },
    /// An attempt failed; another follows.
    Retry {
        /// File.
        file: &'a str,
        /// What went wrong.
        reason: String,
        /// Wait before it.
        wait: Duration,
    },
    /// Size and checksum are right, and the file has its name.
    Done {
        /// File.
        file: &'a str,
    },
}

/// Downloads the files of a data set into `directory`, which is made if need be. Returns their paths.
///
/// Files that are there already are checked, not downloaded again.
///
/// # Errors
/// A data set that no server has any more; a server that refuses or stays silent, a wrong checksum, a full disk,
/// [`DataError::Cancelled`].
pub fn fetch(
    entry: &CatalogueEntry,
    directory: &Path,
    options: &FetchOptions,
    observer: &mut dyn FnMut(FetchEvent),
) -> Result<Vec<PathBuf>, DataError> {
    if let Holds::Arrays(arrays) = &entry.holds {
        return Err(DataError::NotDownloadable {
            name: entry.name,
            reason: arrays.how_to_obtain(),
        });
    }
    let base = options.base_url.as_deref().or(entry.base_url);
    let Some(base) = base.filter(|_| !entry.files.is_empty()) else {
        return Ok(Vec::new());
    };
    std::fs::create_dir_all(directory).map_err(DataError::io(directory, "create"))?;
    entry
        .files
        .iter()
        .map(|file| {
            let path = directory.join(file.name);
            let url = format!("{}/{}", base.trim_end_matches('/'), file.name);
            fetch_file(file, &url, &path, options, observer)?;
            Ok(path)
        })
        .collect()
}

/// Downloads one file.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_file(
    file: &FileEntry,
    url: &str,
    path: &Path,
    options: &FetchOptions,
    observer: &mut dyn FnMut(FetchEvent),
) -> Result<(), DataError> {
    if path.metadata().is_ok_and(|meta| meta.len() == file.bytes) && file_md5(path, options)?.0 == file.md5 {
        observer(FetchEvent::Present { file: file.name });
        return Ok(());
    }
    let mut part = Part::open(path, file, options)?;
    let agent = ureq::Agent::new_with_config(
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(options.patience))
            .timeout_recv_response(Some(options.patience))
            .timeout_per_read(Some(options.patience))
            .build(),
    );
    let mut failures = 0;
    let mut farthest = part.received;
    while part.received < file.bytes {
        match attempt(&agent, url, file, &mut part, options, observer) {
            Ok(()) => {}
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Again(reason)) => {
                // Progress forgives earlier failures; going over old ground does not count as progress.
                if part.received > farthest {
                    failures = 0;
                }
                farthest = farthest.max(part.received);
                failures += 1;
                if failures >= options.attempts.max(1) {
                    return Err(DataError::Network {
                        url: url.to_owned(),
                        reason,
                        attempts: failures,
                        received: part.received,
                    });
                }
                let wait = options
                    .backoff
                    .saturating_mul(1 << (failures - 1).min(16))
                    .min(Duration::from_secs(60));
                observer(FetchEvent::Retry {
                    file: file.name,
                    reason,
                    wait,
                });
                pause(wait, options)?;
            }
        }
    }
    part.finish(path, file)?;
    observer(FetchEvent::Done { file: file.name });
    Ok(())
}

/// Why an attempt ended early.
enum Failure {
    /// Worth another try.
    Again(String),
    /// Not.
    Final(DataError),
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Failure::Final(error)
    }
}

/// One request, from where the last one stopped.
fn attempt(
    agent: &ureq::Agent,
    url: &str,
    file: &FileEntry,
    part: &mut Part,
    options: &FetchOptions,
    observer: &mut dyn FnMut(FetchEvent),
) -> Result<(), Failure> {
    let mut request = agent.get(url).header("Accept-Encoding", "identity");
    if part.received > 0 {
        request = request.header("Range", format!("bytes={}-", part.received));
    }
    let mut response = request.call().map_err(|error| Failure::Again(error.to_string()))?;
    match response.status().as_u16() {
        200 if part.received > 0 => part.restart()?,
        200 => {}
        206 => {
            let range = response
                .headers()
                .get("content-range")
                .and_then(|value| value.to_str().ok())
                .unwrap_or("");
            if !range.starts_with(&format!("bytes {}-", part.received)) {
                part.restart()?;
                return Err(Failure::Again(format!(
                    "the server sent the range `{range}`, not what was asked for"
                )));
            }
        }
        // The part on disk is longer than the server's file, or the server changed its mind.
        416 => {
            part.restart()?;
            return Err(Failure::Again("the server refused the range".into()));
        }
        status @ (408 | 429 | 500..) => return Err(Failure::Again(format!("HTTP status {status}"))),
        status => {
            return Err(Failure::Final(DataError::Status {
                url: url.to_owned(),
                status,
            }));
        }
    }
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; 1 << 16];
    loop {
        if options.cancel.load(Ordering::Relaxed) {
            return Err(Failure::Final(DataError::Cancelled));
        }
        let n = body
            .read(&mut buffer)
            .map_err(|error| Failure::Again(error.to_string()))?;
        if n == 0 {
            break;
        }
        part.write(&buffer[..n])?;
        if part.received > file.bytes {
            part.discard()?;
            return Err(Failure::Final(wrong(
                file,
                "size",
                file.bytes.to_string(),
                format!("more than {}", file.bytes),
            )));
        }
        observer(FetchEvent::Progress {
            file: file.name,
            received: part.received,
            total: file.bytes,
        });
    }
    if part.received < file.bytes {
        return Err(Failure::Again(format!(
            "the connection ended after {} of {} bytes",
            part.received, file.bytes
        )));
    }
    Ok(())
}

/// A download in progress.
struct Part {
    path: PathBuf,
    handle: File,
    hasher: Md5,
    received: u64,
}

impl Part {
    fn open(path: &Path, file: &FileEntry, options: &FetchOptions) -> Result<Self, DataError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let (hasher, received) = if path.exists() {
            let (_, hasher, received) = file_md5(&path, options)?;
            (hasher, received)
        } else {
            (Md5::new(), 0)
        };
        let mut handle = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(DataError::io(&path, "open"))?;
        handle.seek(SeekFrom::End(0)).map_err(DataError::io(&path, "seek"))?;
        let mut part = Self {
            path,
            handle,
            hasher,
            received,
        };
        if part.received > file.bytes {
            part.restart()?;
        }
        Ok(part)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.handle
            .write_all(bytes)
            .map_err(DataError::io(&self.path, "write"))?;
        self.hasher.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<(), DataError> {
        self.handle.set_len(0).map_err(DataError::io(&self.path, "truncate"))?;
        self.handle.rewind().map_err(DataError::io(&self.path, "seek"))?;
        self.hasher = Md5::new();
        self.received = 0;
        Ok(())
    }

    fn discard(&mut self) -> Result<(), DataError> {
        std::fs::remove_file(&self.path).map_err(DataError::io(&self.path, "remove"))
    }

    fn finish(mut self, path: &Path, file: &FileEntry) -> Result<(), DataError> {
        let found = hexadecimal(&std::mem::take(&mut self.hasher).finalize());
        if found != file.md5 {
            self.discard()?;
            return Err(wrong(file, "md5", file.md5.to_owned(), found));
        }
        self.handle.sync_all().map_err(DataError::io(&self.path, "sync"))?;
        std::fs::rename(&self.path, path).map_err(DataError::io(path, "rename to the final name"))
    }
}

/// MD5, the hasher that made it, and the length of a file.
fn file_md5(path: &Path, options: &FetchOptions) -> Result<(String, Md5, u64), DataError> {
    let mut handle = File::open(path).map_err(DataError::io(path, "open"))?;
    let mut hasher = Md5::new();
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        if options.cancel.load(Ordering::Relaxed) {
            return Err(DataError::Cancelled);
        }
        let n = handle.read(&mut buffer).map_err(DataError::io(path, "read"))?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        length += n as u64;
    }
    Ok((hexadecimal(&hasher.clone().finalize()), hasher, length))
}

/// Sleeps, but wakes for a cancel.
fn pause(wait: Duration, options: &FetchOptions) -> Result<(), DataError> {
    const STEP: Duration = Duration::from_millis(50);
    let mut left = wait;
    loop {
        if options.cancel.load(Ordering::Relaxed) {
            return Err(DataError::Cancelled);
        }
        if left.is_zero() {
            return Ok(());
        }
        let step = left.min(STEP);
        std::thread::sleep(step);
        left -= step;
    }
}

fn wrong(file: &FileEntry, what: &'static str, expected: String, found: String) -> DataError {
    DataError::Checksum {
        file: file.name.to_owned(),
        what,
        expected,
        found,
    }
}

#[cfg(test)]
mod tests;
