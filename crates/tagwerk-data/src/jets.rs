//! Jets as a jagged table: the constituents of all jets in one block, with offsets.
//!
//! This is the only form in which constituents travel inside Tagwerk. Zero padding is dropped where a file is
//! read; from there on a jet of 23 constituents costs 23 rows, not 200.

use crate::columns::{EmptyJets, JetColumns, Labels};
use crate::error::DataError;
use arrow_array::RecordBatch;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Jets with their constituents, struct of arrays.
///
/// Row `r` is one constituent; jet `b` owns rows `offsets[b] .. offsets[b + 1]`, by falling transverse momentum.
/// Energies and momenta are in GeV, f32 as on disk; physics is computed from them in f64.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jets {
    /// Energy, `[R]`.
    pub e: Vec<f32>,
    /// Momentum along x, `[R]`.
    pub px: Vec<f32>,
    /// Momentum along y, `[R]`.
    pub py: Vec<f32>,
    /// Momentum along the beam, `[R]`.
    pub pz: Vec<f32>,
    /// Row offsets, `[B + 1]`, starting with 0.
    pub offsets: Vec<usize>,
    /// 1 for signal, 0 for background, `[B]`.
    pub labels: Vec<u8>,
    /// Row of each jet in its data set, `[B]`: its identity in splits, shuffles and score files.
    pub rows: Vec<u64>,
    /// What is known of the constituents beyond their momenta: only what was asked for, usually nothing.
    pub columns: Vec<ConstituentColumn>,
}

/// A number a constituent, such as its charge or an impact parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ConstituentColumn {
    /// Name, as in files but without their prefix: `charge`, `d0val`.
    pub name: Arc<str>,
    /// Values, `[R]`, aligned with the momenta. NaN where the number is not known, which no view accepts.
    pub values: Vec<f32>,
}

impl Jets {
    /// No jets, with room for `jets` of them and `constituents` rows in all.
    pub fn with_capacity(jets: usize, constituents: usize) -> Self {
        let mut offsets = Vec::with_capacity(jets + 1);
        offsets.push(0);
        Self {
            e: Vec::with_capacity(constituents),
            px: Vec::with_capacity(constituents),
            py: Vec::with_capacity(constituents),
            pz: Vec::with_capacity(constituents),
            offsets,
            labels: Vec::with_capacity(jets),
            rows: Vec::with_capacity(jets),
            columns: Vec::new(),
        }
    }

    /// Jets from the columns of a file, whichever of the accepted spellings they have.
    ///
    /// `file` names the place in errors; the first row of `batch` is row `first_row` of the data set. An empty jet is
    /// an error here; [`JetColumns::read`] can skip it instead.
    ///
    /// # Errors
    /// Columns that are missing or of a wrong type, and values that are not finite, negative energies, labels other
    /// than 0 and 1, lists of unequal length, empty jets: each with row, column and value.
    pub fn from_record_batch(batch: &RecordBatch, file: &str, first_row: u64) -> Result<Self, DataError> {
        let columns = JetColumns::find(&batch.schema(), file, Labels::Usual)?;
        let rows: Vec<u64> = (first_row..first_row + batch.num_rows() as u64).collect();
        Ok(columns.read(batch, file, &rows, EmptyJets::Error)?.jets)
    }

    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of constituents of all jets, `R`.
    pub fn constituents(&self) -> usize {
        self.e.len()
    }

    /// The constituent rows of jet `b`.
    pub fn range(&self, b: usize) -> std::ops::Range<usize> {
        self.offsets[b]..self.offsets[b + 1]
    }

    /// Bytes of the values held: 16 a constituent, 4 more for each of [`Jets::columns`], 17 a jet.
    pub fn bytes(&self) -> usize {
        self.constituent_bytes() * self.e.len() + 8 * self.offsets.len() + 9 * self.labels.len()
    }

    /// Bytes of one constituent.
    #[inline]
    pub(crate) fn constituent_bytes(&self) -> usize {
        16 + 4 * self.columns.len()
    }

    /// The values of a column of the constituents, `[R]`, if there is one of this name.
    pub fn column(&self, name: &str) -> Option<&[f32]> {
        let column = self.columns.iter().find(|column| *column.name == *name)?;
        Some(&column.values)
    }

    /// The same jets with one more column of the constituents, or with other values in it.
    ///
    /// # Errors
    /// [`DataError::Argument`] unless there is one value a constituent.
    pub fn with_column(mut self, name: &str, values: Vec<f32>) -> Result<Self, DataError> {
        if values.len() != self.constituents() {
            return Err(DataError::Argument {
                name: "values of a column",
                value: format!("{} of `{name}` for {} constituents", values.len(), self.constituents()),
                allowed: "one a constituent",
            });
        }
        let at = self.column_at(name);
        self.columns[at].values = values;
        Ok(self)
    }

    /// Position of a column; one that is not there yet is made of what is not known.
    pub(crate) fn column_at(&mut self, name: &str) -> usize {
        if let Some(at) = self.columns.iter().position(|column| *column.name == *name) {
            return at;
        }
        self.columns.push(ConstituentColumn {
            name: name.into(),
            values: vec![f32::NAN; self.e.len()],
        });
        self.columns.len() - 1
    }

    /// Adds one jet of (E, px, py, pz) constituents; of other columns, nothing is known of it.
    pub fn push(&mut self, constituents: &[[f32; 4]], label: u8, row: u64) {
        self.start();
        for &[e, px, py, pz] in constituents {
            self.push_constituent(e, px, py, pz);
        }
        self.close(label, row);
    }

    /// Adds one constituent to the jet that [`Jets::close`] will end.
    #[inline]
    pub(crate) fn push_constituent(&mut self, e: f32, px: f32, py: f32, pz: f32) {
        self.e.push(e);
        self.px.push(px);
        self.py.push(py);
        self.pz.push(pz);
    }

    /// Ends a jet.
    #[inline]
    pub(crate) fn close(&mut self, label: u8, row: u64) {
        self.start();
        for column in &mut self.columns {
            column.values.resize(self.e.len(), f32::NAN);
        }
        self.offsets.push(self.e.len());
        self.labels.push(label);
        self.rows.push(row);
    }

    /// `Default` gives no offsets at all; the first jet needs the leading 0.
    #[inline]
    fn start(&mut self) {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
    }

    /// Adds rows of the columns of `other`, before their momenta are added. What one of the two tables does not have is
    /// not known there.
    fn append_columns(&mut self, other: &Jets, rows: Range<usize>) {
        let alike = self.columns.len() == other.columns.len()
            && self
                .columns
                .iter()
                .zip(&other.columns)
                .all(|(own, new)| own.name == new.name);
        if alike {
            for (own, new) in self.columns.iter_mut().zip(&other.columns) {
                own.values.extend_from_slice(&new.values[rows.clone()]);
            }
            return;
        }
        for new in &other.columns {
            let at = self.column_at(&new.name);
            self.columns[at].values.extend_from_slice(&new.values[rows.clone()]);
        }
        let filled = self.e.len() + rows.len();
        for own in &mut self.columns {
            own.values.resize(filled, f32::NAN);
        }
    }

    /// Adds all jets of `other` behind these.
    pub fn append(&mut self, other: &Jets) {
        self.start();
        let base = self.e.len();
        self.append_columns(other, 0..other.e.len());
        self.e.extend_from_slice(&other.e);
        self.px.extend_from_slice(&other.px);
        self.py.extend_from_slice(&other.py);
        self.pz.extend_from_slice(&other.pz);
        self.offsets
            .extend(other.offsets.iter().skip(1).map(|offset| offset + base));
        self.labels.extend_from_slice(&other.labels);
        self.rows.extend_from_slice(&other.rows);
    }

    /// Adds jet `b` of `other` behind these.
    pub fn append_jet(&mut self, other: &Jets, b: usize) {
        let range = other.range(b);
        self.append_columns(other, range.clone());
        self.e.extend_from_slice(&other.e[range.clone()]);
        self.px.extend_from_slice(&other.px[range.clone()]);
        self.py.extend_from_slice(&other.py[range.clone()]);
        self.pz.extend_from_slice(&other.pz[range]);
        self.close(other.labels[b], other.rows[b]);
    }

    /// The jets at the positions `jets`, in that order; a position may occur more than once.
    pub fn select(&self, jets: &[usize]) -> Jets {
        let constituents = jets.iter().map(|&b| self.range(b).len()).sum();
        let mut out = Jets::with_capacity(jets.len(), constituents);
        for &b in jets {
            out.append_jet(self, b);
        }
        out
    }

    /// The jets at positions `jets.start .. jets.end`.
    pub fn slice(&self, jets: std::ops::Range<usize>) -> Jets {
        if jets.is_empty() {
            return Jets::with_capacity(0, 0);
        }
        let rows = self.offsets[jets.start]..self.offsets[jets.end];
        Jets {
            e: self.e[rows.clone()].to_vec(),
            px: self.px[rows.clone()].to_vec(),
            py: self.py[rows.clone()].to_vec(),
            pz: self.pz[rows.clone()].to_vec(),
            offsets: self.offsets[jets.start..=jets.end]
                .iter()
                .map(|offset| offset - rows.start)
                .collect(),
            labels: self.labels[jets.clone()].to_vec(),
            rows: self.rows[jets].to_vec(),
            columns: self
                .columns
                .iter()
                .map(|column| ConstituentColumn {
                    name: column.name.clone(),
                    values: column.values[rows.clone()].to_vec(),
                })
                .collect(),
        }
    }

    /// All pieces, one behind the other, copied on all cores into memory allocated once.
    pub fn concat(pieces: Vec<Jets>) -> Jets {
        let mut pieces = pieces;
        if pieces.len() < 2 {
            return pieces.pop().unwrap_or_else(|| Jets::with_capacity(0, 0));
        }
        let mut names: Vec<Arc<str>> = Vec::new();
        for column in pieces.iter().flat_map(|piece| &piece.columns) {
            if !names.contains(&column.name) {
                names.push(column.name.clone());
            }
        }
        // A column of the pieces is freed once it is copied, so a part of one is held twice, not all.
        let columns = names
            .into_iter()
            .map(|name| {
                let taken = pieces.iter_mut().map(|piece| {
                    let at = piece.column_at(&name);
                    std::mem::take(&mut piece.columns[at].values)
                });
                let values = joined(taken.collect());
                ConstituentColumn { name, values }
            })
            .collect();
        let mut column = |of: fn(&mut Jets) -> &mut Vec<f32>| {
            joined(pieces.iter_mut().map(|piece| std::mem::take(of(piece))).collect())
        };
        let (e, px) = (column(|piece| &mut piece.e), column(|piece| &mut piece.px));
        let (py, pz) = (column(|piece| &mut piece.py), column(|piece| &mut piece.pz));
        let jets = pieces.iter().map(Jets::len).sum();
        let mut out = Jets {
            e,
            px,
            py,
            pz,
            columns,
            ..Jets::with_capacity(jets, 0)
        };
        let mut base = 0;
        for piece in &pieces {
            out.offsets
                .extend(piece.offsets.iter().skip(1).map(|offset| offset + base));
            out.labels.extend_from_slice(&piece.labels);
            out.rows.extend_from_slice(&piece.rows);
            base += piece.offsets.last().copied().unwrap_or(0);
        }
        out
    }
}

/// All pieces of a column, copied on all cores.
fn joined(pieces: Vec<Vec<f32>>) -> Vec<f32> {
    let mut out = vec![0f32; pieces.iter().map(Vec::len).sum()];
    let mut targets = Vec::with_capacity(pieces.len());
    let mut rest = out.as_mut_slice();
    for values in &pieces {
        let (target, behind) = rest.split_at_mut(values.len());
        targets.push((target, values));
        rest = behind;
    }
    targets
        .into_par_iter()
        .for_each(|(target, values)| target.copy_from_slice(values));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Jets {
        let mut jets = Jets::default();
        jets.push(&[[2.0, 1.0, 0.5, 0.25]], 0, 10);
        jets.push(&[[3.0, 1.0, 1.5, 0.0], [1.0, 0.5, 0.0, 0.1]], 1, 11);
        jets.push(&[[9.0, 8.0, 0.0, 0.0]], 1, 12);
        jets
    }

    #[test]
    fn a_default_table_grows_like_any_other() {
        let jets = three();
        assert_eq!(jets.offsets, [0, 1, 3, 4]);
        assert_eq!((jets.len(), jets.constituents()), (3, 4));
        let mut empty = Jets::default();
        empty.append(&jets);
        assert_eq!(empty, jets);
    }

    #[test]
    fn selecting_slicing_and_concatenating_agree() {
        let jets = three();
        assert_eq!(jets.select(&[1, 2]), jets.slice(1..3));
        assert_eq!(Jets::concat(vec![jets.slice(0..1), jets.slice(1..3)]), jets);
        assert_eq!(jets.select(&[2, 0]).rows, [12, 10]);
        assert_eq!(jets.select(&[2, 2]).offsets, [0, 1, 2]);
        assert_eq!(jets.slice(1..1).offsets, [0]);
    }

    #[test]
    fn columns_stay_with_their_constituents() {
        let jets = three().with_column("charge", vec![1.0, -1.0, 0.0, 2.0]).unwrap();
        let charge = |jets: &Jets| jets.column("charge").unwrap().to_vec();
        assert_eq!(charge(&jets.select(&[2, 1])), [2.0, -1.0, 0.0]);
        assert_eq!(charge(&jets.slice(1..3)), [-1.0, 0.0, 2.0]);
        assert_eq!(Jets::concat(vec![jets.slice(0..1), jets.slice(1..3)]), jets);
        let mut grown = Jets::default();
        grown.append(&jets);
        assert_eq!((&grown, grown.bytes()), (&jets, 20 * 4 + 8 * 4 + 9 * 3));
        assert!(jets.column("d0val").is_none());
        assert!(three().with_column("charge", vec![1.0; 3]).is_err());
    }

    #[test]
    fn what_one_table_lacks_is_not_known_and_moves_nothing() {
        let with = three().with_column("charge", vec![1.0, -1.0, 0.0, 2.0]).unwrap();
        let known = |jets: &Jets| {
            jets.column("charge")
                .unwrap()
                .iter()
                .map(|v| v.is_nan())
                .collect::<Vec<_>>()
        };
        let (yes, no) = ([false; 4], [true; 4]);
        for (first, second, expected) in [(&with, &three(), [yes, no]), (&three(), &with, [no, yes])] {
            let mut all = first.clone();
            all.append(second);
            assert_eq!(known(&all), expected.concat());
            assert_eq!(
                known(&Jets::concat(vec![first.clone(), second.clone()])),
                expected.concat()
            );
            let mut single = Jets::default();
            (0..3).for_each(|b| single.append_jet(first, b));
            (0..3).for_each(|b| single.append_jet(second, b));
            assert_eq!(known(&single), expected.concat());
            assert_eq!(single.offsets, all.offsets);
        }
        let mut pushed = with.clone();
        pushed.push(&[[1.0, 1.0, 0.0, 0.0]], 0, 13);
        assert_eq!(known(&pushed), [false, false, false, false, true]);
    }
}
