//! Reads and writes safetensors files by their specification (length, JSON header, little-endian values), not by the
//! library that wrote ours.

use std::collections::BTreeMap;
use std::path::Path;

/// Shape and values of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// The tensors of a file by name.
pub fn read(path: &Path) -> BTreeMap<String, Values> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
    let entries = header.into_iter().filter(|(name, _)| name != "__metadata__");
    entries
        .map(|(name, entry)| {
            assert_eq!(entry["dtype"], "F32", "{name}");
            let numbers = |key: &str| -> Vec<usize> { serde_json::from_value(entry[key].clone()).unwrap() };
            let (shape, place) = (numbers("shape"), numbers("data_offsets"));
            let values: Vec<f32> = data[place[0]..place[1]]
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                .collect();
            assert_eq!(values.len(), shape.iter().product::<usize>(), "{name}");
            (name, Values { shape, values })
        })
        .collect()
}

/// Writes tensors as [`read`] reads them.
pub fn write(path: &Path, tensors: &BTreeMap<String, Values>) {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, Values { shape, values }) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        let entry = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name.clone(), entry);
    }
    let mut header = serde_json::to_vec(&header).unwrap();
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() as u64).to_le_bytes();
    std::fs::write(path, [&length[..], &header, &data].concat()).unwrap();
}
