//! Files of torch.save, whole and damaged.

use super::*;
use proptest::prelude::*;
use std::io::Write;
use zip::write::SimpleFileOptions;

const FIXTURES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/reference/data/weaver_particlenet"
);

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(FIXTURES).join(name)).unwrap()
}

/// An archive as torch.save makes it, of these entries.
fn archive(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// `{'w': tensor of one f32 in storage 0}`.
const ONE: &[u8] = b"\x80\x02}q\x00X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage\
ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00K\x01\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtRs.";

#[test]
fn every_type_and_layout_of_the_fixture_is_read() {
    // Written by tests/reference/weaver_particlenet.py: i * 0.5 - 1 as f32, f64, f16 and i64, transposed, as a slice, a
    // single number, without values; all under `state_dict` of a larger dictionary.
    let state = StateDict::from_bytes(&fixture("types.pt")).unwrap();
    let found: Vec<(&str, String, &[usize])> = state
        .tensors
        .iter()
        .map(|(name, t)| (name.as_str(), t.dtype.to_string(), &t.shape[..]))
        .collect();
    let expected: [(&str, &str, &[usize]); 8] = [
        ("f32", "f32", &[2, 3]),
        ("f64", "f64", &[2, 3]),
        ("f16", "f16", &[2, 3]),
        ("i64", "i64", &[3]),
        ("transposed", "f32", &[3, 2]),
        ("slice", "f32", &[2]),
        ("single", "i64", &[]),
        ("empty", "f32", &[0, 4]),
    ];
    assert_eq!(
        found,
        expected.map(|(name, dtype, shape)| (name, dtype.to_owned(), shape))
    );
    let values = |name: &str| &state.tensors.iter().find(|(n, _)| n == name).unwrap().1.values;
    let ramp = TorchValues::Floats(vec![-1.0, -0.5, 0.0, 0.5, 1.0, 1.5]);
    for name in ["f32", "f64", "f16"] {
        assert_eq!(*values(name), ramp, "{name}");
    }
    assert_eq!(*values("i64"), TorchValues::Integers(vec![-1, 0, 1 << 40]));
    assert_eq!(
        *values("transposed"),
        TorchValues::Floats(vec![-1.0, 0.5, -0.5, 1.0, 0.0, 1.5])
    );
    assert_eq!(*values("slice"), TorchValues::Floats(vec![-0.5, 1.0]));
    assert_eq!(*values("single"), TorchValues::Integers(vec![7]));
    assert_eq!(state.sha256.len(), 64);
}

#[test]
fn the_smallest_state_dict_is_read_from_any_folder() {
    for folder in ["archive/", "", "a/b/"] {
        let (pickle, data) = (format!("{folder}data.pkl"), format!("{folder}data/0"));
        let bytes = archive(
            &[(&pickle, ONE), (&data, &2.5f32.to_le_bytes())],
            CompressionMethod::Stored,
        );
        let state = StateDict::from_bytes(&bytes).unwrap();
        assert_eq!(state.tensors[0].1.values, TorchValues::Floats(vec![2.5]));
    }
}

#[test]
fn many_tensors_over_one_storage_do_not_fill_the_memory() {
    // 300 tensors, each all 4,000 values of storage 0: 1,200,000 values from 20 kB.
    let function = b"ctorch._utils\n_rebuild_tensor_v2\nq\x00";
    let storage =
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuM\xa0\x0ftQq\x01";
    let mut pickle = b"\x80\x02}".to_vec();
    for i in 0..300 {
        // What the first tensor names is looked up for the others.
        let (function, storage) = if i == 0 {
            (&function[..], &storage[..])
        } else {
            (&b"h\x00"[..], &b"h\x01"[..])
        };
        pickle.extend(format!("X\x03\0\0\0{i:03}").bytes());
        pickle.extend([function, b"(", storage, b"K\x00M\xa0\x0f\x85K\x01\x85\x89)tRs"].concat());
    }
    pickle.push(b'.');
    let bytes = archive(
        &[("a/data.pkl", &pickle), ("a/data/0", &[0; 16_000])],
        CompressionMethod::Stored,
    );
    let error = StateDict::from_bytes(&bytes).unwrap_err();
    assert!(error.contains("more values than the file has bytes"), "{error}");
}

#[test]
fn files_of_other_kinds_are_told_apart() {
    let number = 1f32.to_le_bytes();
    let stored = |entries: &[(&str, &[u8])]| archive(entries, CompressionMethod::Stored);
    let safetensors = b"\x10\0\0\0\0\0\0\0{\"a\":{}}        ".to_vec();
    for (bytes, words) in [
        (vec![], "empty"),
        (b"hello world".to_vec(), "not a file of torch.save"),
        (safetensors, "safetensors"),
        (b"\x80\x02\x8a\nl".to_vec(), "before version 1.6"),
        (stored(&[("a/data.txt", b"")]), "without data.pkl"),
        (stored(&[("a/data.pkl", ONE), ("b/data.pkl", ONE)]), "several data.pkl"),
        (stored(&[("a/data.pkl", ONE), ("a/constants.pkl", b"")]), "TorchScript"),
        (stored(&[("a/data.pkl", ONE), ("a/byteorder", b"big")]), "byte order"),
        (stored(&[("a/data.pkl", ONE)]), "data/0"),
        (
            stored(&[("a/data.pkl", ONE), ("a/data/0", &number[..3])]),
            "3 bytes, 1 values",
        ),
        (
            archive(
                &[("a/data.pkl", ONE), ("a/data/0", &number)],
                CompressionMethod::Deflated,
            ),
            "compressed",
        ),
    ] {
        let error = StateDict::from_bytes(&bytes).unwrap_err();
        assert!(error.contains(words), "{words} in {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_flipped_bit_of_a_weight_is_found_by_its_checksum() {
    let mut bytes = archive(
        &[("a/data.pkl", ONE), ("a/data/0", &2.5f32.to_le_bytes())],
        CompressionMethod::Stored,
    );
    let at = bytes.windows(4).position(|w| w == 2.5f32.to_le_bytes()).unwrap();
    bytes[at] ^= 1;
    let error = StateDict::from_bytes(&bytes).unwrap_err();
    assert!(
        error.contains("data/0") && error.to_lowercase().contains("checksum"),
        "{error}"
    );
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = fixture("types.pt");
    for length in 0..bytes.len() {
        assert!(
            StateDict::from_bytes(&bytes[..length]).is_err(),
            "{length} of {}",
            bytes.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is read, is read whole: a file with flipped bytes is an error or has tensors that fill their shapes.
    #[test]
    fn flipped_bytes_give_an_error_or_whole_tensors(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = fixture("types.pt");
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(state) = StateDict::from_bytes(&bytes) {
            for (name, tensor) in state.tensors {
                prop_assert_eq!(tensor.len(), tensor.shape.iter().product::<usize>(), "{}", name);
            }
        }
    }

    /// The checksums of the archive out of the way: damaged pickles themselves.
    #[test]
    fn flipped_bytes_of_a_pickle_end(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut pickle = ONE.to_vec();
        for (at, value) in flips {
            let at = at.index(pickle.len());
            pickle[at] = value;
        }
        if let Ok(tensors) = pickle::tensors(&pickle) {
            for (_, place) in tensors {
                let _ = place.read(&[0; 64]);
            }
        }
    }

    /// Any bytes are read to an end, and so are programs of nothing but known instructions.
    #[test]
    fn random_programs_end(program in prop::collection::vec(prop::sample::select(&b"\x80\x02.(NJKMGXc)]}\x85\x86\x87taesuqrhjQRb\x00\x01\x8a\n"[..]), 0..300)) {
        let _ = pickle::tensors(&program);
    }
}
