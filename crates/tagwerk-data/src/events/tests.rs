use super::*;
use crate::fixtures::shared;
use crate::readers::CsvTable;
use std::path::{Path, PathBuf};

const MEMORY: u64 = 1 << 30;

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn read(path: &Path, columns: &EventColumns) -> Result<Events, DataError> {
    Events::read(&[&CsvTable::open(path)?], columns, None, 0, MEMORY)
}

#[test]
fn the_quirks_of_hepmass_files_are_put_right() {
    let dir = tempfile::tempdir().unwrap();
    // The header begins with a comment sign, and the smallest mass is off by a rounding.
    let path = file(
        dir.path(),
        "all.csv",
        "# label,f0,f10,f2,mass\n1.0,0.5,-1,7,499.99997\n0.0,1.5,2e0,8,1500.0\n",
    );
    let events = read(&path, &EventColumns::default()).unwrap();
    assert_eq!(events.feature_names, ["f0", "f2", "f10"], "by number, not by letters");
    assert_eq!(events.features, [0.5, 7.0, -1.0, 1.5, 8.0, 2.0]);
    assert_eq!(events.parameters, [500.0, 1500.0]);
    assert_eq!(events.labels, [1.0, 0.0]);
    assert_eq!((events.rows.clone(), events.weights.clone()), (vec![0, 1], None));
    // As they are, if so wanted.
    let exact = EventColumns {
        parameter_digits: 0,
        ..EventColumns::default()
    };
    assert_eq!(read(&path, &exact).unwrap().parameters[0], 499.999_97);
}

#[test]
fn files_of_one_class_each_with_weights_and_names_are_joined() {
    let dir = tempfile::tempdir().unwrap();
    let signal = file(dir.path(), "s.csv", "type,f0,mass\n1,1,500\n1,2,750\n");
    let background = file(
        dir.path(),
        "b.csv",
        "type,f0,mass,name,weight\n0,3,500,top,-0.5\n0,4,750,dy,2\n",
    );
    let sources = [CsvTable::open(&signal).unwrap(), CsvTable::open(&background).unwrap()];
    let sources: Vec<&dyn Source> = sources.iter().map(|s| s as &dyn Source).collect();
    let events = Events::read(&sources, &EventColumns::default(), None, 0, MEMORY).unwrap();
    assert_eq!(events.features, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(events.weights, Some(vec![1.0, 1.0, -0.5, 2.0]));
    assert!(events.has_negative_weights());
    assert_eq!(
        (events.process_names, events.processes),
        (vec!["".into(), "top".into(), "dy".into()], vec![0, 0, 1, 2])
    );
    assert_eq!(events.rows, [0, 1, 2, 3]);
}

#[test]
fn a_bad_value_is_named_with_file_row_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let message = |text: &str, columns: &EventColumns| {
        let path = file(dir.path(), "bad.csv", text);
        read(&path, columns).unwrap_err().to_string()
    };
    let usual = EventColumns::default();
    let nan = message("label,f0,mass\n1,1,500\n0,nan,500\n", &usual);
    assert!(nan.contains("bad.csv: row 1, column `f0`: NaN"), "{nan}");
    let label = message("label,f0,mass\n2,1,500\n", &usual);
    assert!(
        label.contains("row 0, column `label`: 2") && label.contains("0 (background)"),
        "{label}"
    );
    assert!(message("label,f0\n1,1e300\n", &usual).contains("row 0, column `f0`"));
    assert!(message("f0,mass\n1,1\n", &usual).contains("no column `label`"));
    assert!(message("label,x0\n1,1\n", &usual).contains("no column `f0`"));
    let named = EventColumns {
        features: Some(vec!["f0".into(), "mW".into()]),
        ..EventColumns::default()
    };
    assert!(message("label,f0\n1,1\n", &named).contains("no column `mW`"));
    assert!(message("label,f0\n1,top\n", &usual).contains("is Utf8; allowed: numbers"));
}

#[test]
fn background_needs_no_mass_and_signal_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(
        dir.path(),
        "a.csv",
        "label,f0,mass\n1,1,500\n0,2,nan\n0,3,inf\n0,4,750\n",
    );
    let events = read(&path, &EventColumns::default()).unwrap();
    assert_eq!((events.parameters[0], events.parameters[3]), (500.0, 750.0));
    assert!(
        events.parameters[1..3].iter().all(|mass| mass.is_nan()),
        "{:?}",
        events.parameters
    );
    let path = file(dir.path(), "b.csv", "label,f0,mass\n0,2,500\n1,1,nan\n");
    let message = read(&path, &EventColumns::default()).unwrap_err().to_string();
    assert!(message.contains("b.csv: row 1, column `mass`: NaN"), "{message}");
}

#[test]
fn a_column_in_two_roles_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "a.csv", "label,f0,f1,mass,weight,name\n1,1,2,500,1,x\n");
    let list = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    let usual = EventColumns::default;
    for (columns, words) in [
        (
            EventColumns {
                features: list(&["f0", "mass"]),
                ..usual()
            },
            "`mass` of a.csv as feature and as parameter",
        ),
        (
            EventColumns {
                features: list(&["f0", "label"]),
                ..usual()
            },
            "`label` of a.csv as label and as feature",
        ),
        (
            EventColumns {
                features: list(&["weight"]),
                ..usual()
            },
            "`weight` of a.csv as feature and as weight",
        ),
        (
            EventColumns {
                features: list(&["f0", "f0"]),
                ..usual()
            },
            "`f0` of a.csv as feature and as feature",
        ),
        (
            EventColumns {
                parameters: list(&["f1"]),
                ..usual()
            },
            "`f1` of a.csv as feature and as parameter",
        ),
        (
            EventColumns {
                process: Some("label".into()),
                ..usual()
            },
            "`label` of a.csv as label and as process",
        ),
    ] {
        let message = read(&path, &columns).unwrap_err().to_string();
        let (column, roles) = words.split_once(" of ").unwrap();
        assert!(message.contains(column) && message.contains(roles), "{message}");
    }
    // The mass may be a feature where it is no parameter.
    let mass = EventColumns {
        features: list(&["f0", "mass"]),
        parameters: list(&[]),
        ..usual()
    };
    assert_eq!(read(&path, &mass).unwrap().features, [1.0, 500.0]);
}

#[test]
fn a_table_that_does_not_fit_is_refused_before_it_is_read() {
    let [train, _] = hepmass_sample().unwrap();
    let read = |limit| Events::read(&[&train], &EventColumns::default(), limit, 0, 1 << 20);
    let message = read(None).unwrap_err().to_string();
    assert!(
        message.contains("memory_mb = 1; 10000 events of 27 features take 2 MiB"),
        "{message}"
    );
    assert_eq!(read(Some(5000)).unwrap().len(), 5000);
}

#[test]
fn the_sample_is_balanced_over_classes_and_masses() {
    for (file, count) in hepmass_sample().unwrap().iter().zip([10_000, 4_000]) {
        let events = Events::read(&[file], &EventColumns::default(), None, 0, MEMORY).unwrap();
        assert_eq!((events.len(), events.width()), (count, 27));
        for mass in [500.0, 750.0, 1000.0, 1250.0, 1500.0] {
            let signal = (0..count)
                .filter(|&i| events.labels[i] > 0.5 && events.point(i) == [mass])
                .count();
            assert_eq!(signal, count / 10);
        }
    }
}

#[test]
fn a_gzipped_table_of_ninety_thousand_events_reads_as_pandas_reads_it() {
    let Some(path) = shared("hepmass-like/train.csv.gz") else {
        return;
    };
    let events = read(&path, &EventColumns::default()).unwrap();
    assert_eq!((events.len(), events.width()), (90_000, 27));
    // pandas.read_csv(..): sums of label, mass, f0 and f26 in double precision.
    let sum = |values: &mut dyn Iterator<Item = f32>| values.map(f64::from).sum::<f64>();
    assert_eq!(sum(&mut events.labels.iter().copied()), PANDAS[0]);
    assert_eq!(sum(&mut events.parameters.iter().copied()), PANDAS[1]);
    let f = |c: usize| sum(&mut (0..events.len()).map(|i| events.event(i)[c]));
    assert!(
        (f(0) / PANDAS[2] - 1.0).abs() < 1e-7 && (f(26) / PANDAS[3] - 1.0).abs() < 1e-7,
        "{} {}",
        f(0),
        f(26)
    );
    // A subset is drawn from all over the file and lies inside a larger one.
    let limited = |limit| {
        Events::read(
            &[&CsvTable::open(&path).unwrap()],
            &EventColumns::default(),
            Some(limit),
            3,
            MEMORY,
        )
        .unwrap()
    };
    let (small, large) = (limited(500), limited(2_000));
    assert_eq!((small.len(), large.len()), (500, 2_000));
    assert!(small.rows.iter().all(|row| large.rows.binary_search(row).is_ok()));
    assert!(small.rows[0] < 5_000 && small.rows[499] > 85_000);
    let row = small.rows[77] as usize;
    assert_eq!(small.event(77), events.event(row));
}

/// Sums of label, mass, f0 and f26.
const PANDAS: [f64; 4] = [44_690.0, 90_107_750.0, 7_281_317.630_7, 57_995_056.365];
