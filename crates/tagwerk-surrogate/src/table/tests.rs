//! Tables: from files, split, with the place of what is wrong.

use super::*;
use crate::transform::ScoreKind;
use arrow_array::Array;
use std::fs;
use std::path::Path;
use tagwerk_data::Part;

fn columns() -> Columns {
    Columns {
        conditions: vec!["label".to_owned(), "pt".to_owned()],
        label: Some("label".to_owned()),
        scores: vec!["score".to_owned()],
    }
}

fn csv(dir: &Path, name: &str, lines: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, lines).unwrap();
    path
}

#[test]
fn text_is_read_by_column_names_and_the_label_may_be_a_condition() {
    let dir = tempfile::tempdir().unwrap();
    let one = csv(
        dir.path(),
        "a.csv",
        "score,pt,label,more\n0.25,500,1,x\n0.5,600.5,0,y\n",
    );
    let two = csv(dir.path(), "b.csv", "label;pt;score\n1;700;1\n");
    let table = Table::read(&[one, two], &columns()).unwrap();
    assert_eq!(table.conditions(), [1.0, 500.0, 0.0, 600.5, 1.0, 700.0]);
    assert_eq!(
        (table.labels(), table.scores()),
        (&[1.0, 0.0, 1.0][..], &[0.25, 0.5, 1.0][..])
    );
    assert_eq!(table.rows(), [0, 1, 2]);
    let (x, clamped) = table.targets::<f64>(&Transform::default()).unwrap();
    assert_eq!((x[1], clamped), (0.0, Clamped { low: 0, high: 1 }));
}

#[test]
fn what_is_wrong_is_told_with_file_row_column_and_value() {
    let dir = tempfile::tempdir().unwrap();
    let good = csv(dir.path(), "good.csv", "label,pt,score\n1,500,0.5\n0,500,0.5\n");
    for (lines, words) in [
        (
            "label,pt,score\n1,500,0.5\n1,abc,0.5\n",
            &["bad.csv", "row 1", "`pt`", "`abc`"][..],
        ),
        (
            "label,pt,score\n1,500,0.5\n1,inf,0.5\n",
            &["bad.csv", "row 1", "`pt`", "inf"],
        ),
        (
            "label,pt,score\n0.5,500,0.5\n",
            &["bad.csv", "row 0", "`label`", "0.5", "whole number"],
        ),
        ("label,pt,score\n1,500,NaN\n", &["bad.csv", "row 0", "`score`", "NaN"]),
        ("label,pt\n1,500\n", &["bad.csv", "no column `score`", "label, pt"]),
        ("label,pt,score\n1,500\n", &["bad.csv", "row 0 has 2 fields"]),
        ("label,pt,score\n\n1,500,0.5\n", &["bad.csv", "row 0 is empty"]),
        ("", &["bad.csv", "empty"]),
    ] {
        let bad = csv(dir.path(), "bad.csv", lines);
        let error = Table::read(&[good.clone(), bad], &columns()).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let path = csv(dir.path(), "scores.csv", "label,pt,score\n1,500,0.5\n0,500,1.5\n");
    let table = Table::read(&[path], &columns()).unwrap();
    let error = table.targets::<f64>(&Transform::default()).unwrap_err().to_string();
    assert!(
        error.contains("row 1") && error.contains("1.5") && error.contains("0 to 1"),
        "{error}"
    );
    let logits = Transform {
        kind: ScoreKind::Logit,
        ..Transform::default()
    };
    assert_eq!(table.targets::<f64>(&logits).unwrap().0[1], 0.075);
    assert!(Table::read(&[dir.path().join("none.csv")], &columns()).is_err());
}

#[test]
fn parquet_columns_of_any_numeric_type_are_read() {
    use arrow_array::{BooleanArray, Float32Array, Int64Array, RecordBatch};
    use std::sync::Arc;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table.parquet");
    let batch = RecordBatch::try_from_iter([
        (
            "label",
            Arc::new(BooleanArray::from(vec![true, false])) as Arc<dyn Array>,
        ),
        ("pt", Arc::new(Int64Array::from(vec![500, 600]))),
        ("score", Arc::new(Float32Array::from(vec![0.25, 0.75]))),
    ])
    .unwrap();
    let file = fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let table = Table::read(&[path], &columns()).unwrap();
    assert_eq!(table.conditions(), [1.0, 500.0, 0.0, 600.0]);
    assert_eq!(table.scores(), [0.25, 0.75]);
}

#[test]
fn the_parts_of_a_split_are_disjoint_cover_all_and_do_not_move_when_rows_are_added() {
    let of = |n: usize| {
        let c: Vec<f64> = (0..n).flat_map(|i| [(i % 2) as f64, i as f64]).collect();
        let labels = (0..n).map(|i| (i % 2) as f64).collect();
        Table::new(columns(), c, labels, vec![0.5; n]).unwrap()
    };
    let split = TableConfig::default().split;
    let parts = of(1000).split(&split).unwrap();
    let mut all: Vec<u64> = parts.iter().flat_map(|part| part.rows().to_vec()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..1000).collect::<Vec<_>>());
    let more = of(1500).split(&split).unwrap();
    assert!(more[0].rows().starts_with(parts[0].rows()));
    // A row's values go where the row goes.
    assert!(
        parts[2]
            .rows()
            .iter()
            .zip(parts[2].conditions().chunks(2))
            .all(|(&row, c)| c[1] == row as f64)
    );
    assert_eq!(of(1000).subset(10, 3).len(), 10);
    assert_ne!(of(1000).fingerprint(), of(1001).fingerprint());
}

#[test]
fn a_study_names_files_to_split_or_files_of_parts_not_both() {
    let dir = tempfile::tempdir().unwrap();
    let path = csv(dir.path(), "a.csv", "label,pt,score\n1,500,0.5\n0,400,0.5\n");
    let base = TableConfig {
        conditions: vec!["pt".to_owned()],
        ..TableConfig::default()
    };
    // Without any file it is the sample, which has no such column, or which this program does not have.
    let error = base.read(Part::Train).unwrap_err().to_string();
    assert!(error.contains("`pt`") || error.contains("data.files"), "{error}");
    let parts = TableConfig {
        train: vec![path.clone()],
        test: vec![path.clone()],
        ..base.clone()
    };
    assert_eq!(parts.read(Part::Test).unwrap().len(), 2);
    assert!(
        parts
            .read(Part::Validation)
            .unwrap_err()
            .to_string()
            .contains("data.validation")
    );
    let both = TableConfig {
        files: vec![path],
        ..parts
    };
    assert!(both.read(Part::Train).is_err());
}

/// Protects the shipped configurations: the sample inside the program has the columns that they name, and scores, labels
/// and row counts that make sense. (Skipped by a program without the sample.)
#[test]
fn the_sample_inside_has_the_columns_of_the_shipped_configurations() {
    let text = include_str!("../../../../configs/surrogate-top11.toml");
    let config = crate::SurrogateConfig::from_toml(text, Path::new("surrogate-top11.toml")).unwrap();
    match config.data.read_all() {
        Ok([train, validation, test]) => {
            for table in [&train, &validation, &test] {
                assert!(table.len() > 1_000);
                let judged = table.score_table(&config.transform).unwrap();
                assert!([0, 1].iter().all(|label| judged.labels().contains(label)));
            }
        }
        Err(error) => {
            assert!(super::sample().is_none(), "{error}");
            assert!(error.to_string().contains("built without the sample"), "{error}");
        }
    }
}
