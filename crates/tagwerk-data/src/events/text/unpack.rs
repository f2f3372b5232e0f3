//! Text as a stream of blocks that end at a line's end, unpacked in a thread of its own: plain, gzipped, or in a zip archive.

use crate::error::DataError;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes of a block.
const BLOCK: usize = 1 << 20;

/// Blocks unpacked ahead.
pub(super) const AHEAD: usize = 8;

/// A file of text: alone, gzipped, or a member of a zip archive.
#[derive(Debug, Clone)]
pub(in super::super) struct Member {
    /// The file, and the member.
    pub(in super::super) name: String,
    path: PathBuf,
    inside: Option<usize>,
    /// Bytes on disk.
    pub(in super::super) bytes: u64,
    pub(super) tabs: bool,
}

/// The text files behind a path, or none if it is no text.
pub(in super::super) fn members(path: &Path) -> Result<Vec<Member>, DataError> {
    let name = path.display().to_string();
    let lower = name.to_ascii_lowercase();
    let text = lower.trim_end_matches(".gz");
    let bytes = path.metadata().map_err(DataError::io(path, "open"))?.len();
    if text.ends_with(".csv") || text.ends_with(".tsv") {
        return Ok(vec![Member {
            name,
            path: path.to_owned(),
            inside: None,
            bytes,
            tabs: text.ends_with(".tsv"),
        }]);
    }
    if !lower.ends_with(".zip") {
        return Ok(Vec::new());
    }
    let mut archive = archive(path)?;
    let mut found = Vec::new();
    for i in 0..archive.len() {
        let member = archive.by_index(i).map_err(|e| zip_error(path, &e))?;
        let inner = member.name().to_owned();
        // Archives made on a Mac carry a shadow of every file.
        if inner.ends_with(".csv") && !inner.starts_with("__MACOSX") {
            found.push(Member {
                name: format!("{name}/{inner}"),
                path: path.to_owned(),
                inside: Some(i),
                bytes: member.compressed_size(),
                tabs: false,
            });
        }
    }
    if found.is_empty() {
        return Err(DataError::Format {
            file: name,
            format: "zip",
            reason: "the archive has no .csv".to_owned(),
        });
    }
    Ok(found)
}

fn archive(path: &Path) -> Result<zip::ZipArchive<BufReader<File>>, DataError> {
    let file = File::open(path).map_err(DataError::io(path, "open"))?;
    zip::ZipArchive::new(BufReader::new(file)).map_err(|e| zip_error(path, &e))
}

fn zip_error(path: &Path, error: &zip::result::ZipError) -> DataError {
    DataError::Format {
        file: path.display().to_string(),
        format: "zip",
        reason: error.to_string(),
    }
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Reads a member to its end, block by block, to whoever listens.
fn unpack(member: &Member, count: &Arc<AtomicU64>, send: &SyncSender<Result<Vec<u8>, DataError>>) {
    let result = match member.inside {
        Some(i) => archive(&member.path).and_then(|mut archive| {
            let inner = archive.by_index(i).map_err(|e| zip_error(&member.path, &e))?;
            let mut seen = 0;
            let total = inner.size().max(1);
            let (bytes, count) = (member.bytes, count.clone());
            // The archive's own reader hides how much of the file it has read: the share of the text stands for it.
            blocks(inner, member, &mut |block| {
                seen += block.len() as u64;
                count.store((bytes as f64 * seen as f64 / total as f64) as u64, Ordering::Relaxed);
                send.send(Ok(block)).is_ok()
            })
        }),
        None => File::open(&member.path)
            .map_err(DataError::io(&member.path, "open"))
            .and_then(|file| {
                let counted = Counted {
                    inner: file,
                    count: count.clone(),
                };
                let mut buffered = BufReader::with_capacity(1 << 18, counted);
                let packed = std::io::BufRead::fill_buf(&mut buffered)
                    .map_err(DataError::io(&member.path, "read"))?
                    .starts_with(&[0x1f, 0x8b]);
                let listen = &mut |block| send.send(Ok(block)).is_ok();
                match packed {
                    true => blocks(MultiGzDecoder::new(buffered), member, listen),
                    false => blocks(buffered, member, listen),
                }
            }),
    };
    if let Err(error) = result {
        // Nobody listens any more: then nobody wants to know.
        let _ = send.send(Err(error));
    }
}

fn blocks(mut text: impl Read, member: &Member, listen: &mut impl FnMut(Vec<u8>) -> bool) -> Result<(), DataError> {
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let mut block = Vec::with_capacity(BLOCK + (1 << 12));
        block.append(&mut rest);
        let wanted = (BLOCK.saturating_sub(block.len())).max(1 << 16) as u64;
        let n = text
            .by_ref()
            .take(wanted)
            .read_to_end(&mut block)
            .map_err(|e| fault(member, e.to_string()))?;
        if n == 0 {
            if !block.is_empty() {
                listen(block);
            }
            return Ok(());
        }
        match block.iter().rposition(|&b| b == b'\n') {
            Some(end) => rest.extend_from_slice(&block[end + 1..]),
            None if block.len() > 64 * BLOCK => return Err(fault(member, "a line of more than 64 MiB".to_owned())),
            None => {
                rest = block;
                continue;
            }
        }
        block.truncate(block.len() - rest.len());
        if !listen(block) {
            return Ok(());
        }
    }
}

/// A fault of this file.
pub(super) fn fault(member: &Member, reason: String) -> DataError {
    DataError::Format {
        file: member.name.clone(),
        format: "CSV",
        reason,
    }
}

/// Blocks of one file, unpacked in a thread of their own.
pub(super) struct Blocks {
    pub(super) receive: Receiver<Result<Vec<u8>, DataError>>,
    pub(super) count: Arc<AtomicU64>,
}

impl Blocks {
    pub(super) fn open(member: Member) -> Self {
        let (send, receive) = sync_channel(AHEAD);
        let count = Arc::new(AtomicU64::new(0));
        let counting = count.clone();
        // Ends when the file does, or when nobody listens any more.
        std::thread::spawn(move || unpack(&member, &counting, &send));
        Self { receive, count }
    }
}

impl Iterator for Blocks {
    type Item = Result<Vec<u8>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receive.recv().ok()
    }
}
