use super::*;
use crate::stand_in::{StandInOptions, stand_in};
use std::io::Write;
use std::path::PathBuf;

fn sandbox() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}

/// An archive of arrays given with type, shape and raw values.
fn archive(path: &Path, members: &[(&str, &str, &str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    for (name, descr, header, bytes) in members {
        zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default())
            .unwrap();
        let text = format!("{{'descr': '{descr}', {header}, }}\n");
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&(text.len() as u16).to_le_bytes()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

const C: &str = "'fortran_order': False, 'shape'";

fn f4(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

fn open(set: ArraySet, path: &Path) -> Result<ArrayDataset, DataError> {
    ArrayDataset::open(set, path, &JetOptions::default())
}

#[test]
fn types_of_numbers_and_axes_do_not_matter() {
    let (_dir, dir) = sandbox();
    let path = dir.join("mine.npz");
    let doubles: Vec<u8> = (0..10).flat_map(|i| (f64::from(i) / 4.0).to_le_bytes()).collect();
    let shorts: Vec<u8> = (0..5i16).flat_map(|i| (-i).to_le_bytes()).collect();
    archive(
        &path,
        &[
            ("X_0", "<f8", &format!("{C}: (5, 2, 1)"), doubles),
            ("X_1", "<i2", &format!("{C}: (5,)"), shorts),
            ("X_2", "<f4", &format!("{C}: (3, 2)"), f4([9.0; 6])),
            ("y", "|u1", &format!("{C}: (5, 1)"), vec![0, 1, 1, 0, 1]),
        ],
    );
    assert_eq!(ArrayDataset::recognize(&path).unwrap(), Some(ArraySet::Other));
    let options = JetOptions {
        split: Some(Split::Fractions {
            train: 0.4,
            validation: 0.2,
            test: 0.4,
        }),
        ..JetOptions::default()
    };
    let data = ArrayDataset::open(ArraySet::Other, &path, &options).unwrap();
    assert_eq!((data.name(), data.task()), ("mine", Task::Classification));
    let test = data.load(Part::Test, None).unwrap();
    assert_eq!(
        (test.rows(), test.targets()),
        ([3, 4].as_slice(), [0.0, 1.0].as_slice())
    );
    assert_eq!(test.arrays()[0].values, [1.5, 1.75, 2.0, 2.25]);
    assert_eq!(
        (&test.arrays()[1].shape[..], &test.arrays()[1].values[..]),
        ([1].as_slice(), [-3.0, -4.0].as_slice())
    );
    assert_eq!(
        (test.fixed()[0].name.as_str(), &test.fixed()[0].shape[..]),
        ("X_2", [3, 2].as_slice())
    );
}

#[test]
fn real_targets_make_a_regression() {
    let (_dir, dir) = sandbox();
    let path = dir.join("mine.npz");
    let shape = format!("{C}: (4,)");
    archive(
        &path,
        &[
            ("X", "<f4", &shape, f4([1.0; 4])),
            ("y", "<f4", &shape, f4([0.0, 1.0, 0.5, 0.0])),
        ],
    );
    assert_eq!(open(ArraySet::Other, &path).unwrap().task(), Task::Regression);
}

#[test]
fn jets_in_the_layout_of_pd4ml_keep_their_parts() {
    use crate::JetDataset;
    let (_dir, dir) = sandbox();
    let path = dir.join("top.npz");
    // Jet i has one constituent of energy 10 + i; the second slot is padding.
    let jets =
        |rows: std::ops::Range<usize>| f4(rows.flat_map(|i| [10.0 + i as f32, 0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    let labels = |rows: std::ops::Range<usize>| f4(rows.map(|i| (i % 2) as f32));
    let write = |flags: Option<[f32; 10]>| {
        let shape = |n: usize| format!("{C}: ({n}, 2, 4)");
        let (ten, four) = (format!("{C}: (10,)"), format!("{C}: (4,)"));
        let (long, short) = (shape(10), shape(4));
        let mut members: Vec<(&str, &str, &str, Vec<u8>)> = vec![
            ("X_train_0", "<f4", &long, jets(0..10)),
            ("y_train", "<f4", &ten, labels(0..10)),
            ("X_test_0", "<f4", &short, jets(10..14)),
            ("y_test", "<f4", &four, labels(10..14)),
        ];
        members.extend(flags.map(|flags| ("X_train_1", "<f4", ten.as_str(), f4(flags))));
        archive(&path, &members);
        JetDataset::open(&path, &JetOptions::default())
    };
    assert_eq!(
        write(None).map(|data| Part::ALL.map(|part| data.rows(part))).unwrap(),
        [8, 2, 4]
    );
    assert_eq!(
        ArrayDataset::recognize(&path).unwrap(),
        None,
        "a list of four-momenta is a jet"
    );
    let data = write(Some([0., 2., 0., 0., 2., 0., 0., 0., 0., 2.])).unwrap();
    let validation = data.load(Part::Validation, None).unwrap();
    assert_eq!((validation.rows, validation.labels), (vec![1, 4, 9], vec![1, 0, 1]));
    let test = data.load(Part::Test, None).unwrap();
    assert_eq!(
        (test.rows, test.e),
        (vec![10, 11, 12, 13], vec![20.0, 21.0, 22.0, 23.0])
    );
    let error = write(Some([0., 2., 1., 0., 2., 0., 0., 0., 0., 2.]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("row 2, column `X_train_1`: 1; allowed: 0 (train) or 2 (validation)"),
        "{error}"
    );
}

/// Name, type, header and raw values of the arrays of an archive.
type Members = Vec<(String, &'static str, String, Vec<u8>)>;

#[test]
fn an_archive_that_does_not_fit_is_told_what_is_wrong() {
    let (_dir, dir) = sandbox();
    let path = dir.join("x.npz");
    let histogram = |n: usize, side: usize| format!("{C}: ({n}, {side}, {side})");
    let good = |n: usize, part: &str| -> Members {
        vec![
            (format!("X_{part}_0"), "<f4", histogram(n, 20), f4(vec![0.5; n * 400])),
            (
                format!("y_{part}"),
                "<f4",
                format!("{C}: ({n},)"),
                f4((0..n).map(|i| (i % 2) as f32)),
            ),
        ]
    };
    let write = |change: &dyn Fn(&mut Members)| {
        let mut members = [good(10, "train"), good(5, "test")].concat();
        change(&mut members);
        let members: Vec<(&str, &str, &str, Vec<u8>)> = members
            .iter()
            .map(|(a, b, c, d)| (a.as_str(), *b, c.as_str(), d.clone()))
            .collect();
        archive(&path, &members);
        open(ArraySet::Spinodal, &path).and_then(|data| data.load(Part::Train, None))
    };
    assert_eq!(write(&|_| ()).unwrap().len(), 8);
    let message = |change: &dyn Fn(&mut Members)| write(change).unwrap_err().to_string();
    for (change, expected) in [
        (
            (&|m: &mut Members| {
                (m[0].2, m[0].3) = (histogram(10, 21), f4(vec![0.5; 4410]));
                (m[2].2, m[2].3) = (histogram(5, 21), f4(vec![0.5; 2205]));
            }) as &dyn Fn(&mut Members),
            "[[21, 21]]; those of spinodal have [[20, 20]]",
        ),
        (
            &|m| drop(m.remove(3)),
            "no targets `y_test`; the file has X_test_0, X_train_0, y_train",
        ),
        (&|m| drop(m.remove(0)), "no arrays `X_train_0`"),
        (
            &|m| m[1].3[..4].copy_from_slice(&f4([2.0])),
            "row 0, column `label`: 2; allowed: 0 and 1",
        ),
        (
            &|m| m[0].3[40..44].copy_from_slice(&f4([f32::NAN])),
            "X_0, row 0, value 10: NaN; allowed: finite",
        ),
        (
            &|m| m[0].2 = "'fortran_order': True, 'shape': (10, 20, 20)".into(),
            "Fortran order; save the array with order='C'",
        ),
        (
            &|m| m[1].2 = format!("{C}: (5, 2)"),
            "`y_train` has [2] values an event; allowed: one",
        ),
        (&|m| m[0].1 = "|O", "values of type |O"),
        (
            &|m| (m[0].2, m[0].3) = (histogram(9, 20), f4(vec![0.5; 3600])),
            "`X_train_0` has 9 events, `y_train` has 10",
        ),
    ] {
        let message = message(change);
        assert!(
            message.contains(expected) && message.contains("x.npz"),
            "{message}\nshould contain\n{expected}"
        );
    }
}

#[test]
fn damaged_archives_are_errors_and_no_panics() {
    let (_dir, dir) = sandbox();
    let path = dir.join("toy.npz");
    stand_in(
        ArraySet::Spinodal,
        &path,
        StandInOptions { events: 40, seed: 1 },
        &mut |_, _| true,
    )
    .unwrap();
    let good = std::fs::read(&path).unwrap();
    for cut in [0, 3, 30, good.len() / 2, good.len() - 30] {
        std::fs::write(&path, &good[..cut]).unwrap();
        assert!(open(ArraySet::Spinodal, &path).is_err(), "{cut}");
    }
    // A changed byte is found by the archive's checksums, or lies in times and flags that nobody reads.
    let everything = |path: &Path| -> Result<Vec<Arrays>, DataError> {
        let data = open(ArraySet::Spinodal, path)?;
        Part::ALL.iter().map(|&part| data.load(part, None)).collect()
    };
    std::fs::write(&path, &good).unwrap();
    let whole = everything(&path).unwrap();
    let mut found = 0;
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        std::fs::write(&path, &bad).unwrap();
        match everything(&path) {
            Ok(events) => assert!(events == whole, "byte {at} changed values and was not found"),
            Err(_) => found += 1,
        }
    }
    assert!(found > 50, "{found} of 60");
}

#[test]
fn a_limit_draws_from_all_rows_and_a_smaller_one_lies_inside() {
    let (_dir, dir) = sandbox();
    let path = dir.join("toy.npz");
    stand_in(
        ArraySet::Eos,
        &path,
        StandInOptions { events: 200, seed: 1 },
        &mut |_, _| true,
    )
    .unwrap();
    let data = open(ArraySet::Eos, &path).unwrap();
    let all = data.load(Part::Train, None).unwrap();
    let (few, more) = (
        data.load(Part::Train, Some(10)).unwrap(),
        data.load(Part::Train, Some(30)).unwrap(),
    );
    assert!(few.rows().iter().all(|row| more.rows().contains(row)) && few.rows().last() > Some(&20));
    for (i, &row) in few.rows().iter().enumerate() {
        assert_eq!(few.arrays()[0].event(i), all.arrays()[0].event(row as usize));
        assert_eq!(few.targets()[i], all.targets()[row as usize]);
    }
    // Every row of the file, for scoring: rows count through the parts.
    let options = JetOptions {
        split: Some(Split::Fractions {
            train: 0.0,
            validation: 0.0,
            test: 1.0,
        }),
        ..JetOptions::default()
    };
    let whole = ArrayDataset::open(ArraySet::Eos, &path, &options)
        .unwrap()
        .load(Part::Test, None)
        .unwrap();
    assert_eq!(whole.rows(), (0..200).collect::<Vec<u64>>());
    assert_eq!(
        whole.arrays()[0].event(150),
        data.load(Part::Test, None).unwrap().arrays()[0].event(10)
    );
}

#[test]
fn tables_are_read_with_any_separator_and_packed() {
    let (_dir, dir) = sandbox();
    let plain = "a,label,b\n1,0,2.5\n-3e2, 1 ,\"4\"\n5,1,6\r\n7,0,8\n\n";
    for (name, text) in [
        ("t.csv", plain.to_owned()),
        ("t.tsv", plain.replace(',', "\t")),
        ("t.txt", plain.replace(',', " ")),
        ("t.data", plain.replace(',', ";")),
    ] {
        let path = dir.join(name);
        std::fs::write(&path, &text).unwrap();
        let packed = dir.join(format!("{name}.gz"));
        let mut gz =
            flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
        gz.write_all(text.as_bytes()).unwrap();
        gz.finish().unwrap();
        for path in [path, packed] {
            let options = JetOptions {
                split: Some(Split::Fractions {
                    train: 1.0,
                    validation: 0.0,
                    test: 0.0,
                }),
                ..JetOptions::default()
            };
            let data = ArrayDataset::open(ArraySet::Other, &path, &options).unwrap();
            let events = data.load(Part::Train, None).unwrap();
            assert_eq!(events.targets(), [0.0, 1.0, 1.0, 0.0]);
            assert_eq!(events.arrays()[0].values, [1.0, 2.5, -300.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
            assert_eq!(events.arrays()[0].shape, [2]);
        }
    }
}

#[test]
fn a_table_that_is_damaged_is_told_by_line() {
    let (_dir, dir) = sandbox();
    let path = dir.join("t.csv");
    for (text, expected) in [
        ("", "no events"),
        ("label,a\n", "no events"),
        ("a,b\n1,2\n", "names no column `label`, `y`, `class`, `target`"),
        ("1,2\n3,4\n", "names no column"),
        ("label,a\n1,2\n1,x\n", "line 3: field 2: `x`; allowed: a finite number"),
        ("label,a\n1,2\n1,inf\n", "line 3: field 2: `inf`"),
        ("label,a\n1,2\n1\n", "line 3: 1 fields; the first line has 2"),
        ("label,a\n1,2\n1,2,3\n", "line 3: 3 fields"),
        ("label,a\n1,2\n\n0,2\n", "line 3: field 1: ``"),
        ("label\n1\n", "allowed: a label and at least one number"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = open(ArraySet::Other, &path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("t.csv"), "{text:?}: {error}");
    }
    std::fs::write(&path, [b'l', b'a', b'b', b'e', b'l', b',', b'a', b'\n', 0xff, b'\n']).unwrap();
    assert!(
        open(ArraySet::Other, &path)
            .unwrap_err()
            .to_string()
            .contains("not text")
    );
    let options = JetOptions {
        label: Some("b".into()),
        ..JetOptions::default()
    };
    std::fs::write(&path, "a,b\n1,2\n3,4\n").unwrap();
    assert_eq!(
        ArrayDataset::open(ArraySet::Other, &path, &options).unwrap().task(),
        Task::Regression
    );
    // MAGIC and HIGGS have a fixed number of fields, and letters.
    let magic = dir.join("magic.data");
    std::fs::write(&magic, "1,2,3,4,5,6,7,8,9,10,g\n1,2,3,4,5,6,7,8,9,10,x\n").unwrap();
    let error = open(ArraySet::Magic, &magic).unwrap_err().to_string();
    assert!(error.contains("line 2: class `x`; allowed: g and h"), "{error}");
    let error = open(ArraySet::Higgs, &magic).unwrap_err().to_string();
    assert!(error.contains("11 fields a line; higgs has 29"), "{error}");
}

#[test]
fn long_tables_are_read_whole_in_order() {
    // Several blocks and several chunks of lines, numbers that differ in every line.
    let (_dir, dir) = sandbox();
    let path = dir.join("long.csv");
    let rows = 300_000;
    let mut text = String::from("y,a,b,c,d\n");
    for i in 0..rows {
        text.push_str(&format!("{},{i},{}.25,{:>30},0.000000000000\n", i % 2, i / 3, 1.5));
    }
    assert!(text.len() > 16 << 20, "{}", text.len());
    std::fs::write(&path, text).unwrap();
    let options = JetOptions {
        split: Some(Split::Fractions {
            train: 1.0,
            validation: 0.0,
            test: 0.0,
        }),
        ..JetOptions::default()
    };
    let events = ArrayDataset::open(ArraySet::Other, &path, &options)
        .unwrap()
        .load(Part::Train, None)
        .unwrap();
    assert_eq!(events.len(), rows);
    for i in [0, 1, 4095, 4096, 123_456, 299_999] {
        assert_eq!(events.arrays()[0].event(i), [i as f32, (i / 3) as f32 + 0.25, 1.5, 0.0]);
        assert_eq!(events.targets()[i], (i % 2) as f32);
    }
}

/// A file of the development data, if it is there.
fn real(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("TAGWERK_SHARED_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join("real").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

fn everything(set: ArraySet, path: &Path) -> Arrays {
    let options = JetOptions {
        split: Some(Split::Fractions {
            train: 1.0,
            validation: 0.0,
            test: 0.0,
        }),
        ..JetOptions::default()
    };
    ArrayDataset::open(set, path, &options)
        .unwrap()
        .load(Part::Train, None)
        .unwrap()
}

#[test]
fn the_magic_telescope_is_read_as_pandas_reads_it() {
    let Some(path) = real("magic04.data") else { return };
    let events = everything(ArraySet::Magic, &path);
    // pandas: len, number of g, sum of each column in double precision (tests/reference/data_arrays.py).
    assert_eq!((events.len(), events.targets().iter().sum::<f32>()), (19_020, 12_332.0));
    let sums = column_sums(&events);
    let expected = MAGIC_SUMS;
    for (found, expected) in sums.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
    }
    // The parts are those of the catalogue, both classes in each.
    let data = open(ArraySet::Magic, &path).unwrap();
    assert_eq!(
        Part::ALL.map(|part| data.rows(part)),
        ArraySet::Magic.entry().unwrap().rows
    );
    for part in Part::ALL {
        let share = data.load(part, None).unwrap().targets().iter().sum::<f32>() / data.rows(part) as f32;
        assert!((share - 0.648).abs() < 0.04, "{share}");
    }
}

#[test]
fn pieces_of_higgs_are_read_as_pandas_reads_them() {
    let Some(path) = real("higgs_7000.tsv") else { return };
    let events = everything(ArraySet::Higgs, &path);
    assert_eq!(
        (events.len(), events.targets().iter().sum::<f32>()),
        (HIGGS_ROWS.0, HIGGS_ROWS.1)
    );
    for (found, expected) in column_sums(&events).iter().zip(HIGGS_SUMS) {
        assert!((found - expected).abs() < 1e-2, "{found} {expected}");
    }
}

#[test]
fn jet_images_are_read_as_h5py_reads_them() {
    let Some(path) = real("jet_images_fnallpc.h5") else {
        return;
    };
    let events = everything(ArraySet::JetImages, &path);
    assert_eq!(
        (events.len(), events.targets().iter().sum::<f32>()),
        (1722 + 3305, 1722.0)
    );
    // h5py: mean of TT and of QCD.
    let mean = |range: std::ops::Range<usize>| {
        let values = &events.arrays()[0].values[range.start * 900..range.end * 900];
        values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
    };
    assert!((mean(0..1722) - IMAGE_MEANS[0]).abs() < 1e-6 && (mean(1722..5027) - IMAGE_MEANS[1]).abs() < 1e-6);
    let data = open(ArraySet::JetImages, &path).unwrap();
    assert_eq!(
        Part::ALL.map(|part| data.rows(part)),
        ArraySet::JetImages.entry().unwrap().rows
    );
    // A subset of rows is the same images.
    let test = data.load(Part::Test, Some(50)).unwrap();
    for (i, &row) in test.rows().iter().enumerate() {
        assert_eq!(test.arrays()[0].event(i), events.arrays()[0].event(row as usize));
    }
    let truncated = tempfile::tempdir().unwrap();
    let short = truncated.path().join("short.h5");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&short, &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        open(ArraySet::JetImages, &short)
            .unwrap_err()
            .to_string()
            .contains("truncated")
    );
}

fn column_sums(events: &Arrays) -> Vec<f64> {
    let array = &events.arrays()[0];
    let width = array.event_size();
    (0..width)
        .map(|c| array.values.iter().skip(c).step_by(width).map(|&v| f64::from(v)).sum())
        .collect()
}

/// tests/reference/data_arrays.py printed these.
const MAGIC_SUMS: [f64; 10] = [
    1012817.9277,
    421881.9775,
    53731.8226,
    7233.8209,
    4082.7787,
    -82389.7929,
    200576.2624,
    4749.7877,
    525821.341,
    3686418.8634,
];
const HIGGS_ROWS: (usize, f32) = (7000, 3716.0);
const HIGGS_SUMS: [f64; 28] = [
    7024.424, -132.803, 43.432, 6889.9, -128.396, 6984.636, -24.158, 5.83, 7087.593, 6885.334, -168.553, -2.473,
    6818.545, 6990.457, 42.813, 31.452, 7059.234, 6893.584, -11.863, -79.198, 6981.051, 7193.211, 7136.202, 7354.19,
    7089.541, 6815.079, 7224.626, 6705.638,
];
const IMAGE_MEANS: [f64; 2] = [0.331_786_163_818_463_2, 0.371_458_033_546_184_84];
