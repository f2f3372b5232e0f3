//! The one test that every reader passes. It is a test: `unwrap` and `expect` fail it, and nothing of it is in the
//! library.
#![cfg(test)]

use super::{Plan, Source, batch_bytes};
use crate::error::DataError;
use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use std::ops::Range;

fn collect(source: &dyn Source, plan: &Plan) -> RecordBatch {
    let batches: Vec<RecordBatch> = source.read(plan).unwrap().map(Result::unwrap).collect();
    let schema = match batches.first() {
        Some(batch) => batch.schema(),
        None => return RecordBatch::new_empty(source.schema()),
    };
    concat_batches(&schema, &batches).unwrap()
}

/// Holds a reader to what [`Source`] promises: row ranges agree with the whole read, projection and its order, the
/// byte budget, blocks that cover all rows, the size estimate, and errors for plans that do not fit.
pub(crate) fn check(source: &dyn Source) {
    let rows = source.row_count();
    let whole = collect(source, &Plan::default());
    assert_eq!(whole.num_rows() as u64, rows, "all rows once");
    assert_eq!(
        whole.schema().fields(),
        source.schema().fields(),
        "batches have the schema that was announced"
    );

    // Row ranges, among them empty, single, across blocks and the last row.
    let cut = |at: u64, of: u64| rows * at / of;
    let mut candidates: Vec<Vec<Range<u64>>> = vec![vec![], vec![0..0, rows..rows]];
    if rows > 0 {
        candidates.push(vec![rows - 1..rows]);
        candidates.push(vec![0..1, rows.div_ceil(2)..rows.div_ceil(2) + rows / 2]);
        candidates.push(vec![cut(1, 7)..cut(2, 5), cut(2, 5)..cut(1, 2), cut(5, 6)..rows]);
        candidates.push(
            (0..rows.min(50))
                .filter(|row| row % 3 != 1)
                .map(|row| row..row + 1)
                .collect(),
        );
    }
    for ranges in candidates {
        let part = collect(source, &Plan::default().ranges(ranges.clone()));
        let pieces: Vec<RecordBatch> = ranges
            .iter()
            .map(|r| whole.slice(r.start as usize, (r.end - r.start) as usize))
            .collect();
        let expected = concat_batches(&whole.schema(), &pieces).unwrap();
        assert!(
            part.columns() == expected.columns() && part.schema().fields() == expected.schema().fields(),
            "rows {ranges:?}"
        );
    }

    // Projection, in the order asked for.
    let names: Vec<String> = source
        .schema()
        .fields()
        .iter()
        .rev()
        .step_by(2)
        .map(|f| f.name().clone())
        .collect();
    let projected = collect(source, &Plan::default().columns(&names));
    if rows > 0 {
        assert_eq!(projected.num_columns(), names.len());
        for (i, name) in names.iter().enumerate() {
            assert_eq!(projected.schema().field(i).name(), name);
            assert!(
                projected.column(i) == whole.column_by_name(name).unwrap(),
                "column {name}"
            );
        }
    }

    // The budget binds every batch of more than one row, and costs no row.
    for budget in [1, 3_000, 40_000] {
        let few = rows.min(500);
        let plan = Plan::default().budget(budget).ranges(std::iter::once(0..few).collect());
        let mut seen = 0;
        for batch in source.read(&plan).unwrap() {
            let batch = batch.unwrap();
            assert!(batch.num_rows() > 0, "no empty batches");
            assert!(
                batch.num_rows() == 1 || batch_bytes(&batch) <= budget,
                "{} > {budget}",
                batch_bytes(&batch)
            );
            seen += batch.num_rows() as u64;
        }
        assert_eq!(seen, few);
    }

    // Blocks ascend and cover; the estimate is of the right size.
    let mut end = 0;
    for block in source.blocks() {
        assert_eq!(block.start, end);
        assert!(block.end > block.start);
        end = block.end;
    }
    assert_eq!(end, rows);
    let all: Vec<String> = source.schema().fields().iter().map(|f| f.name().clone()).collect();
    let estimate = source.decoded_bytes(&all, &(0..rows)) as f64;
    let actual = batch_bytes(&whole) as f64;
    assert!(
        // Buffers of a row or two are longer than what is in them.
        estimate + 8192.0 >= 0.95 * actual && estimate <= 2.0 * actual + 4096.0,
        "estimated {estimate}, is {actual}"
    );

    // What does not fit is refused before anything is read.
    let refused = |plan: &Plan| source.read(plan).err().expect("must be refused");
    assert!(matches!(
        refused(&Plan::default().columns(&["no such column"])),
        DataError::MissingColumn { .. }
    ));
    for ranges in [
        vec![0..rows + 1],
        vec![rows + 1..rows + 1],
        vec![Range { start: 1, end: 0 }],
    ] {
        assert!(matches!(
            refused(&Plan::default().ranges(ranges)),
            DataError::Rows { .. }
        ));
    }
    if rows >= 3 {
        assert!(matches!(
            refused(&Plan::default().ranges(vec![1..3, 0..1])),
            DataError::Rows { .. }
        ));
        assert!(matches!(
            refused(&Plan::default().ranges(vec![0..2, 1..3])),
            DataError::Rows { .. }
        ));
    }
    assert!(matches!(
        refused(&Plan::default().budget(0)),
        DataError::Argument { .. }
    ));
    assert!(
        refused(&Plan::default().columns(&["no such column"]))
            .to_string()
            .contains(source.file())
    );
}
