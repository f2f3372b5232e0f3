//! PyTorch's files: a state dict as `torch.save` writes it since PyTorch 1.6.
//!
//! Such a file is a zip archive of uncompressed entries under one folder: `data.pkl`, a pickle of the dictionary in
//! which tensors stand as shapes with the names of their storages; `data/NAME`, the values of a storage; `byteorder`,
//! where the version writes it.

mod pickle;
mod tensor;

pub use tensor::{TorchTensor, TorchType, TorchValues};

use crate::error::{Result, ShareError, io};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;
use tensor::TensorPlace;
use zip::{CompressionMethod, ZipArchive};

/// Largest file that is read: a thousand times a ParticleNet.
const MOST_BYTES: u64 = 1 << 30;

/// Largest pickle in it: some ten thousand tensors.
const MOST_PICKLE_BYTES: u64 = 2 << 20;

/// The tensors of a file by name.
#[derive(Debug, Clone, PartialEq)]
pub struct StateDict {
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// The tensors, in the order of the file.
    pub tensors: Vec<(String, TorchTensor)>,
}

/// What is wrong with a file, without its name.
type Parsed<T> = std::result::Result<T, String>;

impl StateDict {
    /// Reads a file. A dictionary that holds the state dict under `state_dict`, `model_state_dict` or `model`, as
    /// training scripts write, is looked into.
    ///
    /// # Errors
    /// [`ShareError::Torch`] for whatever is no state dict of tensors of f32, f64, f16 or i64: other formats, whole
    /// models, damaged files, files above 1 GiB.
    pub fn read(path: &Path) -> Result<Self> {
        let fault = |reason: String| ShareError::Torch {
            path: path.to_owned(),
            reason,
        };
        let size = fs::metadata(path).map_err(io(path, "open"))?.len();
        if size > MOST_BYTES {
            return Err(fault(format!("{size} bytes; allowed: at most {MOST_BYTES}")));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(io(path, "open"))?;
        // A pipe has no size; what comes is bounded all the same.
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(io(path, "read"))?;
        Self::from_bytes(&bytes).map_err(fault)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// In words, as [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let mut archive = Archive::open(bytes)?;
        let pickle = archive.entry("data.pkl", MOST_PICKLE_BYTES)?;
        let places = pickle::tensors(&pickle).map_err(|reason| format!("data.pkl, {reason}"))?;
        let mut storages: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut tensors = Vec::with_capacity(places.len());
        // Tensors may share a storage. A value has two bytes or more, so twice as many as a file can hold apart.
        let mut room = bytes.len();
        for (name, place) in places {
            let TensorPlace { storage, .. } = &place;
            if !storages.contains_key(&storage.key) {
                let values = archive.entry(&format!("data/{}", storage.key), MOST_BYTES)?;
                storages.insert(storage.key.clone(), values);
            }
            let values = &storages[&storage.key];
            let tensor = place.read(values).map_err(|reason| format!("{name}: {reason}"))?;
            room = (room.checked_sub(tensor.len()))
                .ok_or_else(|| format!("{name}: with this tensor there are more values than the file has bytes"))?;
            tensors.push((name, tensor));
        }
        Ok(Self {
            sha256: tagwerk_data::sha256(bytes),
            bytes: bytes.len() as u64,
            tensors,
        })
    }
}

/// The zip archive.
struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The one folder, with its slash.
    folder: String,
    /// Bytes that entries may still have: entries of a hostile archive may share theirs.
    room: u64,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Parsed<Self> {
        if !bytes.starts_with(b"PK\x03\x04") {
            return Err(other_format(bytes));
        }
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("not a whole zip archive: {e}"))?;
        if zip
            .file_names()
            .any(|name| name.contains("/code/") || name.ends_with("/constants.pkl"))
        {
            return Err("a TorchScript archive; save the state dict of the model instead: \
                        torch.save(model.state_dict(), 'weights.pt')"
                .to_owned());
        }
        let folders: Vec<&str> = zip
            .file_names()
            .filter_map(|name| name.strip_suffix("data.pkl"))
            .collect();
        let folder = match folders[..] {
            [folder] => folder.to_owned(),
            [] => return Err("a zip archive without data.pkl: not a file of torch.save".to_owned()),
            _ => return Err("a zip archive with several data.pkl: not a file of torch.save".to_owned()),
        };
        let mut archive = Self {
            zip,
            folder,
            room: bytes.len() as u64,
        };
        if archive.has("byteorder") {
            let order = archive.entry("byteorder", 16)?;
            if order != b"little" {
                let order = String::from_utf8_lossy(&order).into_owned();
                return Err(format!("values in the byte order {order:?}; allowed: \"little\""));
            }
        }
        Ok(archive)
    }

    fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{}{name}", self.folder)).is_some()
    }

    /// The bytes of an entry, checked against its checksum.
    fn entry(&mut self, name: &str, most: u64) -> Parsed<Vec<u8>> {
        let full = format!("{}{name}", self.folder);
        let fault = |reason: String| format!("entry {name}: {reason}");
        let entry = self.zip.by_name(&full).map_err(|e| fault(e.to_string()))?;
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
            return Err(fault("compressed or encrypted; torch.save does neither".to_owned()));
        }
        let size = entry.size();
        if size > most {
            return Err(fault(format!("{size} bytes; allowed: at most {most}")));
        }
        self.room = self
            .room
            .checked_sub(size)
            .ok_or_else(|| fault("the entries are larger than the file".to_owned()))?;
        let mut bytes = Vec::new();
        entry
            .take(size + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| fault(e.to_string()))?;
        if bytes.len() as u64 != size {
            return Err(fault(format!("{} bytes, {size} are promised", bytes.len())));
        }
        Ok(bytes)
    }
}

/// What a file is that is no zip archive.
fn other_format(bytes: &[u8]) -> String {
    let again = "load it in PyTorch and save it with torch.save(state_dict, 'weights.pt')";
    let safetensors = bytes.get(8) == Some(&b'{') && bytes.get(..8).is_some_and(|b| b[4..] == [0; 4]);
    match bytes {
        [] => "empty".to_owned(),
        [0x80, ..] => format!("a pickle without an archive, as PyTorch wrote before version 1.6; {again}"),
        _ if safetensors => format!("a safetensors file; {again}"),
        _ => "not a file of torch.save: that is a zip archive".to_owned(),
    }
}

#[cfg(test)]
mod tests;
