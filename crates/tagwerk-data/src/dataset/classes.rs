//! The rows of two classes, of files that have a column a class.

use crate::columns::JetColumns;
use crate::error::DataError;
use crate::source::{Plan, Source};
use crate::split::RowSet;

/// Rows of a file that are of one of the two chosen classes, ascending; `None` if none are chosen and all count.
pub(super) fn chosen_rows(source: &dyn Source, columns: &JetColumns) -> Result<Option<Vec<u64>>, DataError> {
    let Some(classes) = columns.class_columns() else {
        return Ok(None);
    };
    let mut chosen = Vec::new();
    let mut next = 0;
    for batch in source.read(&Plan::default().columns(classes))? {
        let batch = batch?;
        let rows: Vec<u64> = (next..next + batch.num_rows() as u64).collect();
        next += batch.num_rows() as u64;
        let labels = columns.read_labels(&batch, source.file(), &rows)?;
        let of_class = rows.into_iter().zip(labels).filter(|(_, label)| label.is_some());
        chosen.extend(of_class.map(|(row, _)| row));
    }
    Ok(Some(chosen))
}

/// Those of the rows that are among the chosen ones, which ascend.
pub(super) fn of_chosen(rows: &RowSet, chosen: &[u64]) -> RowSet {
    match rows {
        RowSet::Range(range) => {
            let first = chosen.partition_point(|&row| row < range.start);
            let behind = chosen.partition_point(|&row| row < range.end);
            match (behind - first) as u64 == rows.len() {
                true => rows.clone(),
                false => RowSet::List(chosen[first..behind].into()),
            }
        }
        RowSet::List(list) => {
            let is_chosen = |row: &&u64| chosen.binary_search(row).is_ok();
            RowSet::List(list.iter().filter(is_chosen).copied().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_rows_of_a_part_are_its_rows_in_order() {
        let chosen = [1, 2, 5, 6, 7, 9];
        let list = |rows: &[u64]| RowSet::List(rows.into());
        assert_eq!(of_chosen(&RowSet::Range(2..7), &chosen), list(&[2, 5, 6]));
        assert_eq!(of_chosen(&RowSet::Range(5..8), &chosen), RowSet::Range(5..8));
        assert_eq!(of_chosen(&list(&[0, 5, 8, 9]), &chosen), list(&[5, 9]));
        assert!(of_chosen(&RowSet::Range(3..5), &chosen).is_empty());
    }
}
