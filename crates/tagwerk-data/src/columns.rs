//! From the columns of a file to jets: the spellings that are understood, and what is checked on the way.
//!
//! | momenta | label |
//! |---|---|
//! | lists `constituent_pt`, `_eta`, `_phi` (massless), with `_e`/`_energy` or `_m`/`_mass` if the file has them | `label` |
//! | lists `constituent_e`, `_px`, `_py`, `_pz` (what Tagwerk writes) | `label` |
//! | the same with the prefix `part_` (`part_energy`, `part_px`, ...) or none | `label`, `is_signal`, ... |
//! | `values_block_0`: 200 x (E, px, py, pz) and four more, of the reference files | `values_block_1` |
//! | one dense array `[N, K, 4]` of (E, px, py, pz), zero-padded | `label`, `y`, ... |
//!
//! Files of many classes have a column a class; [`Labels`] chooses. What is known of constituents beyond momenta is
//! read where it is asked for ([`JetColumns::with_columns`]).
//!
//! Numbers are converted in f64 and stored as f32. A constituent with E = 0 and p = 0 (or pT = 0) is padding and is
//! dropped. Jets that are not ordered by falling transverse momentum are put in order.

mod fill;
mod functions;
mod labels;
mod particles;
mod values;

pub use labels::Labels;
pub(crate) use labels::class_columns;
pub use particles::PARTICLE_COLUMNS;

use crate::error::DataError;
use crate::jets::Jets;
use crate::source::{Source, missing};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use fill::Layout;
use labels::Label;
use particles::{Particle, ParticleLists};
use std::ops::Range;
use values::Lists;

/// What to do with a jet that has no constituent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyJets {
    /// An error that names the row. The default.
    #[default]
    Error,
    /// Leave it out, and count it.
    Skip,
}

/// Jets read from a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadJets {
    /// The jets.
    pub jets: Jets,
    /// Empty jets left out.
    pub skipped: u64,
}

/// Which columns of a file make a jet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JetColumns {
    momenta: Momenta,
    label: Label,
    /// What is read of constituents beyond momenta.
    particles: Vec<Particle>,
}

/// Columns of the constituents' momenta.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Momenta {
    /// Lists E, px, py, pz.
    Cartesian([String; 4]),
    /// Lists pt, eta, phi, and perhaps a fourth.
    Cylindrical([String; 3], Fourth),
    /// `constituents` times (E, px, py, pz) in one fixed-size list, which may be longer.
    Dense { column: String, constituents: usize },
}

/// The fourth number of a constituent beside pt, eta, phi.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fourth {
    Massless,
    Energy(String),
    Mass(String),
}

const PREFIXES: [&str; 3] = ["constituent_", "part_", ""];
const ENERGIES: [&str; 3] = ["e", "energy", "E"];
const MASSES: [&str; 2] = ["mass", "m"];

impl JetColumns {
    /// Finds the columns of jets among those of a file.
    ///
    /// # Errors
    /// [`DataError::MissingColumn`] with the names looked for and the names found; [`DataError::ManyClasses`] for a file
    /// of many classes of which two have to be chosen.
    pub fn find(schema: &Schema, file: &str, labels: Labels) -> Result<Self, DataError> {
        let momenta = find_momenta(schema).ok_or_else(|| {
            missing(
                file,
                "constituent_pt, _eta, _phi` or `constituent_e, _px, _py, _pz` or `values_block_0",
                schema,
            )
        })?;
        Ok(Self {
            momenta,
            label: Label::find(schema, file, labels)?,
            particles: Vec::new(),
        })
    }

    /// The columns to read, momenta first.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.momenta.names();
        names.extend(self.label.names());
        names.extend(self.particles.iter().map(|particle| particle.column.clone()));
        names
    }

    /// About how many bytes the [`Jets`] of these rows of a file take, at most as far as metadata tell.
    pub(crate) fn jet_bytes(&self, source: &dyn Source, rows: &Range<u64>) -> f64 {
        let momenta = self.momenta.names();
        let growth = match &self.momenta {
            // Three lists of four bytes a constituent become four.
            Momenta::Cylindrical(_, Fourth::Massless) => 4.0 / 3.0,
            _ => 1.0,
        };
        let plain = source.decoded_bytes(&[momenta.clone(), self.label.names()].concat(), rows) as f64;
        // As f32, whatever type they have in the file: as large as a column of the momenta.
        let particles = match &self.momenta {
            _ if self.particles.is_empty() => 0.0,
            Momenta::Dense { .. } => source.decoded_bytes(&momenta, rows) as f64 / 4.0,
            _ => source.decoded_bytes(&momenta[..1], rows) as f64,
        };
        // The columns' estimate holds no row numbers and wider offsets.
        growth * plain + particles * self.particles.len() as f64 + 17.0 * (rows.end - rows.start) as f64
    }

    /// Whether jets are zero-padded to a common length.
    pub(crate) fn padded(&self) -> bool {
        matches!(self.momenta, Momenta::Dense { .. })
    }

    /// The layout in words.
    pub fn describe(&self) -> String {
        let momenta = match &self.momenta {
            Momenta::Cartesian(names) => format!("lists {}", names.join(", ")),
            Momenta::Cylindrical(names, Fourth::Massless) => format!("lists {} (massless)", names.join(", ")),
            Momenta::Cylindrical(names, Fourth::Energy(fourth) | Fourth::Mass(fourth)) => {
                format!("lists {}, {fourth}", names.join(", "))
            }
            Momenta::Dense { column, constituents } => {
                format!("{column}: {constituents} x (E, px, py, pz), zero-padded")
            }
        };
        let others: Vec<&str> = self.particles.iter().map(|particle| particle.column.as_str()).collect();
        match others.is_empty() {
            true => momenta,
            false => format!("{momenta}, with {}", others.join(", ")),
        }
    }

    /// Makes jets of a batch. `rows` are the rows of the batch in the file; they go into [`Jets::rows`] and errors.
    ///
    /// # Errors
    /// As [`Jets::from_record_batch`]; an empty jet is an error or is left out, as `empty` says.
    pub fn read(&self, batch: &RecordBatch, file: &str, rows: &[u64], empty: EmptyJets) -> Result<ReadJets, DataError> {
        let mut jets = Jets::default();
        let skipped = self.read_into(batch, file, rows, empty, &mut jets)?;
        Ok(ReadJets { jets, skipped })
    }

    /// Adds the jets of a batch behind others, but for those of none of the chosen classes. Returns the number of empty
    /// jets left out. After an error, the jets
    /// before the broken one may have been added.
    ///
    /// # Errors
    /// As [`JetColumns::read`].
    pub fn read_into(
        &self,
        batch: &RecordBatch,
        file: &str,
        rows: &[u64],
        empty: EmptyJets,
        jets: &mut Jets,
    ) -> Result<u64, DataError> {
        let place = Place { file, rows };
        let labels = self.label.read(&place, batch)?;
        let names = self.momenta.names();
        let lists = equal_lists(&place, &names, batch)?;
        let layout = Layout::new(&self.momenta, &names, &lists);
        let particles = ParticleLists::new(&self.particles, &place, batch, jets)?;
        let mut skipped = 0;
        for (i, label) in labels.into_iter().enumerate() {
            let Some(label) = label else { continue };
            let first = jets.e.len();
            layout
                .push(jets, i)
                .map_err(|bad| place.value(i, &names[bad.column], bad.at, bad.value, bad.allowed))?;
            if jets.e.len() == first {
                if empty == EmptyJets::Error {
                    return Err(DataError::EmptyJet {
                        file: file.to_owned(),
                        row: rows[i],
                    });
                }
                skipped += 1;
                continue;
            }
            particles.push(&place, i, &layout, jets, first)?;
            order_by_falling_pt(jets, first);
            jets.close(label, rows[i]);
        }
        Ok(skipped)
    }

    /// The label of each row of a batch, `None` for jets of none of the chosen classes.
    pub(crate) fn read_labels(
        &self,
        batch: &RecordBatch,
        file: &str,
        rows: &[u64],
    ) -> Result<Vec<Option<u8>>, DataError> {
        self.label.read(&Place { file, rows }, batch)
    }

    /// Columns of two classes among many, if they are chosen.
    pub(crate) fn class_columns(&self) -> Option<&[String; 2]> {
        match &self.label {
            Label::Classes(names) => Some(names),
            _ => None,
        }
    }
}

impl Momenta {
    fn names(&self) -> Vec<String> {
        match self {
            Momenta::Cartesian(names) => names.to_vec(),
            Momenta::Cylindrical(names, fourth) => {
                let fourth = match fourth {
                    Fourth::Massless => None,
                    Fourth::Energy(name) | Fourth::Mass(name) => Some(name.clone()),
                };
                names.iter().cloned().chain(fourth).collect()
            }
            Momenta::Dense { column, .. } => vec![column.clone()],
        }
    }
}

fn find_momenta(schema: &Schema) -> Option<Momenta> {
    let named = |prefix: &str, names: &[&str]| {
        names
            .iter()
            .map(|name| format!("{prefix}{name}"))
            .find(|name| schema.index_of(name).is_ok())
    };
    for prefix in PREFIXES {
        let energy = named(prefix, &ENERGIES);
        let momentum: Vec<String> = ["px", "py", "pz"]
            .iter()
            .filter_map(|name| named(prefix, &[name]))
            .collect();
        if let (Some(e), [x, y, z]) = (&energy, momentum.as_slice()) {
            return Some(Momenta::Cartesian([e.clone(), x.clone(), y.clone(), z.clone()]));
        }
        let angles: Vec<String> = ["pt", "eta", "phi"]
            .iter()
            .filter_map(|name| named(prefix, &[name]))
            .collect();
        if let [pt, eta, phi] = angles.as_slice() {
            let fourth = match (energy, named(prefix, &MASSES)) {
                (Some(energy), _) => Fourth::Energy(energy),
                (None, Some(mass)) => Fourth::Mass(mass),
                (None, None) => Fourth::Massless,
            };
            return Some(Momenta::Cylindrical([pt.clone(), eta.clone(), phi.clone()], fourth));
        }
    }
    schema.fields().iter().find_map(|field| {
        let DataType::FixedSizeList(_, width) = field.data_type() else {
            return None;
        };
        // A dense array says its shape; the reference block is known by its name: 200 constituents and the top quark.
        let dense = field
            .metadata()
            .get("shape")
            .is_some_and(|shape| shape.split(',').count() == 2 && shape.ends_with(",4"));
        let width = if dense {
            *width as usize
        } else {
            (*width as usize).saturating_sub(4)
        };
        let known = dense || (field.name() == "values_block_0" && width > 0 && width.is_multiple_of(4));
        known.then(|| Momenta::Dense {
            column: field.name().clone(),
            constituents: width / 4,
        })
    })
}

/// File and rows of a batch, for errors.
pub(crate) struct Place<'a> {
    file: &'a str,
    rows: &'a [u64],
}

impl Place<'_> {
    fn value(&self, i: usize, column: &str, k: usize, value: f64, allowed: &'static str) -> DataError {
        DataError::Value {
            file: self.file.to_owned(),
            row: self.rows[i],
            column: format!("{column}[{k}]"),
            value: value.to_string(),
            allowed,
        }
    }
}

/// Stable order by falling transverse momentum of the constituents behind `first`. Files are nearly always in order
/// already; differences below a part in 10^5 are rounding and are left alone.
fn order_by_falling_pt(jets: &mut Jets, first: usize) {
    let pt2 = |jets: &Jets, r: usize| jets.px[r] * jets.px[r] + jets.py[r] * jets.py[r];
    let mut last = f32::INFINITY;
    let mut ordered = true;
    for r in first..jets.e.len() {
        let this = pt2(jets, r);
        ordered &= this <= last * (1.0 + 1e-5);
        last = this;
    }
    if ordered {
        return;
    }
    let mut order: Vec<usize> = (first..jets.e.len()).collect();
    order.sort_by(|&a, &b| pt2(jets, b).total_cmp(&pt2(jets, a)));
    let particles = jets.columns.iter_mut().map(|column| &mut column.values);
    for column in [&mut jets.e, &mut jets.px, &mut jets.py, &mut jets.pz]
        .into_iter()
        .chain(particles)
    {
        let sorted: Vec<f32> = order.iter().map(|&r| column[r]).collect();
        column[first..].copy_from_slice(&sorted);
    }
}

/// List columns that agree in length, row by row.
fn equal_lists<'a>(place: &Place, names: &[String], batch: &'a RecordBatch) -> Result<Vec<Lists<'a>>, DataError> {
    let lists = names
        .iter()
        .map(|name| {
            let column = batch
                .column_by_name(name)
                .ok_or_else(|| missing(place.file, name, &batch.schema()))?;
            Lists::new(place, name, column.as_ref())
        })
        .collect::<Result<Vec<_>, _>>()?;
    for (list, name) in lists.iter().zip(names).skip(1) {
        if let Some(i) = (0..batch.num_rows()).find(|&i| list.range(i).len() != lists[0].range(i).len()) {
            return Err(DataError::Lengths {
                file: place.file.to_owned(),
                row: place.rows[i],
                column: name.clone(),
                length: list.range(i).len(),
                other: names[0].clone(),
                other_length: lists[0].range(i).len(),
            });
        }
    }
    Ok(lists)
}

#[cfg(test)]
mod tests;
