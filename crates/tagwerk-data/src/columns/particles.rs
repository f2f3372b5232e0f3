//! What files know of constituents beyond momenta: charge, identity, impact parameters.
//!
//! The names are those of JetClass (Qu, Li, Qian, arXiv:2202.03772), whose files have them with the prefix `part_`.

use super::fill::Layout;
use super::values::Lists;
use super::{JetColumns, PREFIXES, Place};
use crate::error::DataError;
use crate::jets::Jets;
use crate::source::missing;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use std::ops::Range;

/// Columns of constituents that files of jets may have beside momenta, by their names without prefix: charge in units
/// of e, flags of the identity (0 or 1), transverse and longitudinal impact parameter and their errors in mm.
pub const PARTICLE_COLUMNS: [&str; 10] = [
    "charge",
    "isChargedHadron",
    "isNeutralHadron",
    "isPhoton",
    "isElectron",
    "isMuon",
    "d0val",
    "d0err",
    "dzval",
    "dzerr",
];

/// A column of constituents that is read into [`Jets::columns`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Particle {
    /// Name in [`Jets::columns`].
    pub(super) name: String,
    /// Name in the file.
    pub(super) column: String,
}

impl JetColumns {
    /// The same, reading these columns of the constituents too, by their names without prefix, such as those of
    /// [`PARTICLE_COLUMNS`]: lists of any number type, of the momenta's lengths. They go into [`Jets::columns`].
    ///
    /// # Errors
    /// [`DataError::MissingColumn`] with the names looked for.
    pub fn with_columns(mut self, schema: &Schema, file: &str, names: &[&str]) -> Result<Self, DataError> {
        for &name in names {
            if self.particles.iter().any(|particle| particle.name == name) {
                continue;
            }
            let spellings = PREFIXES.map(|prefix| format!("{prefix}{name}"));
            let Some(column) = spellings.iter().find(|name| schema.index_of(name).is_ok()) else {
                return Err(missing(file, &spellings.join("`, `"), schema));
            };
            self.particles.push(Particle {
                name: name.to_owned(),
                column: column.clone(),
            });
        }
        Ok(self)
    }

    /// Names, without prefix, of the [`PARTICLE_COLUMNS`] that a file has.
    pub fn particle_columns(schema: &Schema) -> Vec<&'static str> {
        let list = |name: &str| {
            let field = schema.field_with_name(name).ok();
            field.is_some_and(|field| {
                matches!(
                    field.data_type(),
                    DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _)
                )
            })
        };
        let there = |name: &&str| PREFIXES.iter().any(|prefix| list(&format!("{prefix}{name}")));
        PARTICLE_COLUMNS.into_iter().filter(there).collect()
    }
}

/// The lists of a batch, and where they go.
pub(super) struct ParticleLists<'a> {
    lists: Vec<(&'a Particle, Lists<'a>, usize)>,
}

impl<'a> ParticleLists<'a> {
    /// Finds them, and makes room in the table.
    pub(super) fn new(
        particles: &'a [Particle],
        place: &Place,
        batch: &'a RecordBatch,
        jets: &mut Jets,
    ) -> Result<Self, DataError> {
        let find = |particle: &'a Particle| {
            let column = batch.column_by_name(&particle.column);
            let column = column.ok_or_else(|| missing(place.file, &particle.column, &batch.schema()))?;
            let lists = Lists::of_numbers(place, &particle.column, column.as_ref())?;
            Ok((particle, lists, jets.column_at(&particle.name)))
        };
        let lists = particles.iter().map(find).collect::<Result<_, DataError>>()?;
        Ok(Self { lists })
    }

    /// Adds the values of row `i`, whose momenta stand behind row `first` of the table already: of its `constituents`
    /// those that are no padding.
    pub(super) fn push(
        &self,
        place: &Place,
        i: usize,
        momenta: &Layout,
        jets: &mut Jets,
        first: usize,
    ) -> Result<(), DataError> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let constituents = momenta.constituents(i);
        let kept = jets.e.len() - first;
        // Padding is rare in lists, so that it is looked for only where something was dropped.
        let real: Option<Vec<usize>> =
            (kept != constituents).then(|| (0..constituents).filter(|&k| !momenta.is_padding(i, k)).collect());
        for (particle, list, at) in &self.lists {
            let range = list.range(i);
            if range.len() != constituents {
                return Err(DataError::Lengths {
                    file: place.file.to_owned(),
                    row: place.rows[i],
                    column: particle.column.clone(),
                    length: range.len(),
                    other: momenta.name().to_owned(),
                    other_length: constituents,
                });
            }
            let values = &mut jets.columns[*at].values;
            values.resize(first, f32::NAN);
            match (&real, list.f32s(i)) {
                (None, Some(plain)) => values.extend_from_slice(plain),
                (None, None) => values.extend(range.clone().map(|k| list.get(k) as f32)),
                (Some(real), _) => values.extend(real.iter().map(|&k| list.get(range.start + k) as f32)),
            }
            if values[first..].iter().any(|value| !value.is_finite()) {
                return Err(not_finite(place, particle, list, i, range));
            }
        }
        Ok(())
    }
}

/// The first value that f32 cannot hold as a number.
#[cold]
fn not_finite(place: &Place, particle: &Particle, list: &Lists, i: usize, range: Range<usize>) -> DataError {
    let start = range.start;
    let bad = |&k: &usize| !(list.get(k) as f32).is_finite();
    let k = range.into_iter().find(bad).unwrap_or(start);
    place.value(
        i,
        &particle.column,
        k - start,
        list.get(k),
        "a finite number, representable in f32",
    )
}
