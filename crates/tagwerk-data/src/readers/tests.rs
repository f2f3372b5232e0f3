use super::*;
use crate::columns::{JetColumns, Labels};
use crate::fixtures::{jets, shared, write_jets};
use crate::jets::Jets;
use crate::source::Plan;
use crate::source::contract::check;
use crate::{DataError, JetDataset, JetOptions, Part, Split};
use bytes::Bytes;

/// All jets of a source, or its first error.
fn all_jets(source: &dyn Source) -> Result<Jets, DataError> {
    let columns = JetColumns::find(&source.schema(), source.file(), Labels::Usual)?;
    let mut jets = Jets::default();
    let mut row = 0;
    for batch in source.read(&Plan::default().columns(&columns.names()))? {
        let batch = batch?;
        let rows: Vec<u64> = (row..row + batch.num_rows() as u64).collect();
        row += batch.num_rows() as u64;
        jets.append(&columns.read(&batch, source.file(), &rows, crate::EmptyJets::Skip)?.jets);
    }
    Ok(jets)
}

#[test]
fn parquet_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    for (name, count) in [("none", 0), ("one", 1), ("many", 20_000)] {
        let path = dir.path().join(format!("{name}.parquet"));
        let wanted = jets(count, 12, 3);
        write_jets(&path, &wanted);
        let file = ParquetFile::open(&path).unwrap();
        check(&file);
        let mut got = all_jets(&file).unwrap();
        got.append(&Jets::default());
        assert_eq!(got, wanted);
        assert_eq!(file.blocks().len(), count.div_ceil(8192));
    }
    check(&ParquetFile::from_bytes("sample", Bytes::from_static(crate::catalogue::SAMPLE_PARQUET)).unwrap());
}

#[test]
fn parquet_of_other_writers_keeps_the_contract() {
    for file in ["formats/jetclass_mini.parquet", "real/JetClassII_example.parquet"] {
        if let Some(path) = shared(file) {
            let source = ParquetFile::open(&path).unwrap();
            if file.contains("mini") {
                check(&source);
                let options = JetOptions {
                    label: Some("label_Tbqq".into()),
                    ..JetOptions::default()
                };
                let jets = JetDataset::open(&path, &options)
                    .unwrap()
                    .load(Part::Test, None)
                    .unwrap();
                assert_eq!(jets.len(), 2_000);
                assert!(jets.labels.iter().map(|&l| u32::from(l)).sum::<u32>() > 100);
            } else {
                assert_eq!(source.row_count(), 100);
            }
        }
    }
}

#[test]
fn the_reference_layout_keeps_the_contract() {
    if let Some(path) = shared("formats/top-reference-layout/test.h5") {
        check(&PandasTable::open(&path).unwrap());
    }
}

#[test]
fn the_reference_layout_reads_as_pytables_reads_it() {
    // Made by tests/reference/data_top_reference.py.
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/reference/data_top_reference.json")).unwrap();
    for name in ["train", "val", "test"] {
        let Some(path) = shared(&format!("formats/top-reference-layout/{name}.h5")) else {
            return;
        };
        let expected = &expected[name];
        let whole = Split::Fractions {
            train: 1.0,
            validation: 0.0,
            test: 0.0,
        };
        let options = JetOptions {
            split: Some(whole),
            ..JetOptions::default()
        };
        let jets = JetDataset::open(&path, &options)
            .unwrap()
            .load(Part::Train, None)
            .unwrap();
        assert_eq!(jets.len() as u64, expected["rows"].as_u64().unwrap());
        assert_eq!(jets.constituents() as u64, expected["constituents"].as_u64().unwrap());
        assert_eq!(
            jets.labels.iter().map(|&l| u64::from(l)).sum::<u64>(),
            expected["signal"].as_u64().unwrap()
        );
        for (c, column) in [&jets.e, &jets.px, &jets.py, &jets.pz].into_iter().enumerate() {
            let sum: f64 = column.iter().map(|&v| f64::from(v)).sum();
            let want = expected["sums"][c].as_f64().unwrap();
            assert!((sum - want).abs() < 1e-3, "{sum} {want}");
        }
        for (row, jet) in expected["jets"].as_object().unwrap() {
            let b: usize = row.parse().unwrap();
            let range = jets.range(b);
            assert_eq!(u64::from(jets.labels[b]), jet["label"].as_u64().unwrap());
            assert_eq!(range.len() as u64, jet["constituents"].as_u64().unwrap());
            for (at, which) in [(range.start, "first"), (range.end - 1, "last")] {
                let got = [jets.e[at], jets.px[at], jets.py[at], jets.pz[at]];
                let want: Vec<f32> = jet[which]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|v| v.as_f64().unwrap() as f32)
                    .collect();
                assert_eq!(got.as_slice(), want);
            }
        }
    }
}

/// An `.npy` of f32 with this shape, made by hand so that the test does not trust the reader's own idea of it.
fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values);
    bytes
}

fn npz(path: &Path, arrays: &[(&str, Vec<u8>)], method: zip::CompressionMethod) {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn numpy_arrays_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = jets(700, 5, 2);
    let mut dense = Vec::new();
    for b in 0..wanted.len() {
        let mut row = [0f32; 6 * 4];
        for (k, r) in wanted.range(b).enumerate() {
            row[4 * k..4 * k + 4].copy_from_slice(&[wanted.e[r], wanted.px[r], wanted.py[r], wanted.pz[r]]);
        }
        dense.extend(row.iter().flat_map(|v| v.to_le_bytes()));
    }
    let labels: Vec<u8> = wanted.labels.iter().flat_map(|&l| i64::from(l).to_le_bytes()).collect();
    let momenta = npy("<f4", "700, 6, 4", &dense);
    let path = dir.path().join("jets.npy");
    std::fs::write(&path, &momenta).unwrap();
    check(&NumpyArrays::open(&path).unwrap());
    let arrays = [("X", momenta), ("y", npy("<i8", "700,", &labels))];
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let path = dir.path().join("jets.npz");
        npz(&path, &arrays, method);
        let file = NumpyArrays::open(&path).unwrap();
        check(&file);
        assert!(!file.seekable());
        assert_eq!(all_jets(&file).unwrap(), wanted);
    }
    // Unequal lengths are told, and single arrays can be asked for.
    let path = dir.path().join("mixed.npz");
    npz(
        &path,
        &[("a", npy("<f8", "1,", &[0; 8])), ("b", npy("|u1", "2,", &[1, 2]))],
        zip::CompressionMethod::Stored,
    );
    assert!(NumpyArrays::open(&path).unwrap_err().to_string().contains("a: 1, b: 2"));
    assert_eq!(NumpyArrays::open_arrays(&path, Some(&["b"])).unwrap().row_count(), 2);
    assert!(
        NumpyArrays::open_arrays(&path, Some(&["c"]))
            .unwrap_err()
            .to_string()
            .contains("a, b")
    );
}

#[test]
fn published_scores_read_as_numpy_reads_them() {
    let Some(path) = shared("landscape-scores/labels.npy") else {
        return;
    };
    let source = NumpyArrays::open(&path).unwrap();
    assert_eq!(source.row_count(), 404_000);
    let sum: u64 = source
        .read(&Plan::default())
        .unwrap()
        .map(|batch| {
            use arrow_array::cast::AsArray;
            let batch = batch.unwrap();
            batch
                .column(0)
                .as_primitive::<arrow_array::types::UInt8Type>()
                .values()
                .iter()
                .map(|&v| u64::from(v))
                .sum::<u64>()
        })
        .sum();
    // The published test set has 202,086 top jets.
    assert_eq!(sum, 202_086);
}

#[test]
fn unknown_and_absent_files_are_named() {
    assert!(matches!(
        open(Path::new("jets.root")),
        Err(DataError::UnknownFormat { .. })
    ));
    let error = open(Path::new("/nowhere/jets.parquet")).err().unwrap().to_string();
    assert!(error.contains("/nowhere/jets.parquet: open"), "{error}");
}

/// Every damaged form must end in an error or in data, within the test's time, and never in a panic.
fn survive(extension: &str, good: &[u8], cuts: usize, flips: usize) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("damaged.{extension}"));
    let try_bytes = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let outcome = std::panic::catch_unwind(|| open(&path).and_then(|source| all_jets(source.as_ref())));
        usize::from(outcome.expect("no panic may leave the reader").is_err())
    };
    let mut errors: usize = (0..cuts).map(|i| try_bytes(&good[..good.len() * i / cuts])).sum();
    assert!(
        extension == "npz" || errors == cuts,
        "every cut file must be refused, {errors} of {cuts}"
    );
    let mut rng = crate::random::stream(11, "flip", 0);
    for i in 0..flips {
        let mut bytes = good.to_vec();
        // Half of the damage goes where the structure is: both ends of the file.
        let at = match i % 4 {
            0 => crate::random::below(&mut rng, 4096.min(good.len() as u64)),
            1 => good.len() as u64 - 1 - crate::random::below(&mut rng, 4096.min(good.len() as u64)),
            _ => crate::random::below(&mut rng, good.len() as u64),
        };
        bytes[at as usize] ^= 1 << crate::random::below(&mut rng, 8);
        errors += try_bytes(&bytes);
    }
    errors
}

#[test]
fn damaged_parquet_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("good.parquet");
    write_jets(&path, &jets(300, 8, 5));
    survive("parquet", &std::fs::read(&path).unwrap(), 60, 300);
}

#[test]
fn damaged_numpy_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("good.npz");
    let one = npy("<f4", "50, 2, 4", &[0x40; 1600]);
    npz(
        &path,
        &[("X", one.clone()), ("y", npy("|u1", "50,", &[1; 50]))],
        zip::CompressionMethod::Deflated,
    );
    survive("npz", &std::fs::read(&path).unwrap(), 60, 300);
    survive("npy", &one, 60, 300);
}

#[test]
fn damaged_hdf5_never_panics() {
    let Some(path) = shared("formats/top-reference-layout/test.h5") else {
        return;
    };
    let good = std::fs::read(&path).unwrap();
    let errors = survive("h5", &good, 25, 60);
    assert!(errors >= 25);
    // The header's own promise is what a cut file is held against.
    let dir = tempfile::tempdir().unwrap();
    let cut = dir.path().join("cut.h5");
    std::fs::write(&cut, &good[..good.len() - 1000]).unwrap();
    assert!(
        matches!(PandasTable::open(&cut), Err(DataError::Truncated { found, .. }) if found as usize == good.len() - 1000)
    );
}

#[test]
fn other_hdf5_files_say_what_they_hold() {
    let Some(path) = shared("formats/pandas_fixed_df.h5") else {
        return;
    };
    let message = PandasTable::open(&path).unwrap_err().to_string();
    assert!(
        message.contains("/table/table") && message.contains("block0_values"),
        "{message}"
    );
}

/// The shared frame was written by pandas; the numbers are h5py's:
/// `f["df/block0_values"][:, i].astype("f8").sum()` for columns 0, 3, 7, and the first and last row.
#[test]
fn a_pandas_frame_keeps_the_contract_and_has_the_numbers_of_another_reader() {
    let Some(path) = shared("formats/pandas_fixed_df.h5") else {
        return;
    };
    assert_eq!(PandasFrame::key(&path).unwrap().as_deref(), Some("df"));
    let source = open(&path).unwrap();
    check(source.as_ref());
    assert_eq!((source.format(), source.row_count()), ("HDF5 (pandas frame)", 3000));
    let schema = source.schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(
        (names.len(), names[0], names[17]),
        (18, "jet_p_top_ParT_full", "aux_truth_match")
    );
    let plan = Plan::default().columns(&["jet_p_top_ParT_full", "jet_pt", "jet_nparticles"]);
    let mut columns = [const { Vec::new() }; 3];
    for batch in source.read(&plan).unwrap() {
        let batch = batch.unwrap();
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            use arrow_array::cast::AsArray;
            column.extend(
                array
                    .as_primitive::<arrow_array::types::Float32Type>()
                    .values()
                    .iter()
                    .map(|&v| f64::from(v)),
            );
        }
    }
    let sums = [1516.1120384465903, -4.197001680207904, -48.22651834395947];
    for (column, sum) in columns.iter().zip(sums) {
        assert!((column.iter().sum::<f64>() - sum).abs() < 1e-9);
    }
    assert_eq!(
        (columns[0][0], columns[1][2999]),
        (0.30961254239082336, 0.7262890338897705)
    );
}

#[test]
fn a_damaged_pandas_frame_is_an_error_that_names_the_file() {
    let Some(path) = shared("formats/pandas_fixed_df.h5") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let good = std::fs::read(&path).unwrap();
    let cut = dir.path().join("cut.h5");
    std::fs::write(&cut, &good[..good.len() - 1000]).unwrap();
    assert!(open(&cut).err().unwrap().to_string().contains("cut.h5"));
    let hurt = dir.path().join("hurt.h5");
    for at in (600..good.len().min(20_000)).step_by(397) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&hurt, bytes).unwrap();
        // Whatever it is taken for: an error or other numbers, never a panic.
        if let Ok(source) = open(&hurt) {
            source
                .read(&Plan::default())
                .map(|batches| batches.take(1000).for_each(drop))
                .ok();
        }
    }
}

/// Both formats of pandas, from tests/reference/data_pandas_frames.py, which has the formulas of the columns.
#[test]
fn frames_of_both_formats_keep_the_contract_and_have_the_columns_of_the_script() {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type};
    for format in ["fixed", "table"] {
        let name = format!("../../tests/reference/data/frame_{format}.h5");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let source = open(&path).unwrap();
        check(source.as_ref());
        let names = ["n", "score", "label", "pt", "eta"];
        let batches: Vec<_> = source
            .read(&Plan::default().columns(&names))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut row = 0;
        for batch in &batches {
            for at in 0..batch.num_rows() {
                let wide = |column: usize| batch.column(column).as_primitive::<Float64Type>().value(at);
                let narrow = |column: usize| batch.column(column).as_primitive::<Float32Type>().value(at);
                let i = f64::from(row);
                assert_eq!(
                    (wide(0), wide(2), wide(3)),
                    (20.0 + i, f64::from(row % 2), 500.25 + i),
                    "{format}"
                );
                assert_eq!(
                    (narrow(1), narrow(4)),
                    (row as f32 / 64.0, -(row as f32) / 16.0),
                    "{format}"
                );
                row += 1;
            }
        }
        assert_eq!(row, 50);
        let listed: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
        if format == "fixed" {
            assert_eq!(listed, ["score", "label", "pt", "eta", "n"]);
        }
    }
}
