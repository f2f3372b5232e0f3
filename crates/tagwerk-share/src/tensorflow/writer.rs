//! Writes checkpoints for the tests, from the description of the format.

use super::table::{crc32c, masked};
use std::path::Path;

/// A tensor to write: key, number of its type, shape, bytes.
pub(crate) type Tensor = (String, u64, Vec<usize>, Vec<u8>);

/// A tensor of f32.
pub(crate) fn float(name: &str, shape: &[usize], values: &[f32]) -> Tensor {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name.to_owned(), 1, shape.to_vec(), bytes)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of a protocol buffer: a number, or bytes.
fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A block; keys are whole at every 16th entry, as TensorFlow writes them.
fn block(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut restarts) = (Vec::new(), Vec::new());
    for (i, (key, value)) in entries.iter().enumerate() {
        let mut shared = 0;
        if i % 16 == 0 {
            restarts.push(out.len() as u32);
        } else {
            let before = &entries[i - 1].0;
            shared = key.iter().zip(before).take_while(|(a, b)| a == b).count();
        }
        varint(&mut out, shared as u64);
        varint(&mut out, (key.len() - shared) as u64);
        varint(&mut out, value.len() as u64);
        out.extend_from_slice(&key[shared..]);
        out.extend_from_slice(value);
    }
    if restarts.is_empty() {
        restarts.push(0);
    }
    restarts.iter().for_each(|r| out.extend(r.to_le_bytes()));
    out.extend((restarts.len() as u32).to_le_bytes());
    out
}

/// Appends a block with its trailer, and returns its place.
fn append(file: &mut Vec<u8>, block: Vec<u8>) -> Vec<u8> {
    let mut place = Vec::new();
    varint(&mut place, file.len() as u64);
    varint(&mut place, block.len() as u64);
    let mut whole = block;
    whole.push(0);
    let sum = masked(crc32c(&whole));
    file.extend(whole);
    file.extend(sum.to_le_bytes());
    place
}

/// Writes both files.
pub(crate) fn write(prefix: &Path, tensors: &[Tensor]) {
    let mut header = Vec::new();
    number(&mut header, 1, 1);
    bytes(&mut header, 3, &[8, 1]);
    let mut entries = vec![(Vec::new(), header)];
    let mut data = Vec::new();
    let mut sorted = tensors.to_vec();
    sorted.sort();
    for (name, dtype, shape, content) in sorted {
        let (mut entry, mut dimensions) = (Vec::new(), Vec::new());
        number(&mut entry, 1, dtype);
        for size in shape {
            let mut dimension = Vec::new();
            number(&mut dimension, 1, size as u64);
            bytes(&mut dimensions, 2, &dimension);
        }
        bytes(&mut entry, 2, &dimensions);
        if !data.is_empty() {
            number(&mut entry, 4, data.len() as u64);
        }
        number(&mut entry, 5, content.len() as u64);
        varint(&mut entry, 6 << 3 | 5);
        entry.extend(masked(crc32c(&content)).to_le_bytes());
        data.extend(content);
        entries.push((name.into_bytes(), entry));
    }
    let mut file = Vec::new();
    let mut index = Vec::new();
    for chunk in entries.chunks(50) {
        let place = append(&mut file, block(chunk));
        index.push((chunk[chunk.len() - 1].0.clone(), place));
    }
    let metadata = append(&mut file, block(&[]));
    let index = append(&mut file, block(&index));
    let mut footer = [metadata, index].concat();
    footer.resize(40, 0);
    footer.extend(0xdb47_7524_8b80_fb57u64.to_le_bytes());
    file.extend(footer);
    std::fs::write(format!("{}.index", prefix.display()), file).unwrap();
    std::fs::write(format!("{}.data-00000-of-00001", prefix.display()), data).unwrap();
}
