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
//! Numbers are converted in f64 and stored as f32. A constituent with E = 0 and p = 0 (or pT = 0) is padding and is
//! dropped. Jets that are not ordered by falling transverse momentum are put in order.

mod fill;
mod functions;
mod values;

use crate::error::DataError;
use crate::jets::Jets;
use crate::source::missing;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use values::{Lists, label_values};

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

/// Where the label is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Label {
    Column(String),
    /// Position inside a fixed-size list.
    Inside(String, usize),
}

const PREFIXES: [&str; 3] = ["constituent_", "part_", ""];
const ENERGIES: [&str; 3] = ["e", "energy", "E"];
const MASSES: [&str; 2] = ["mass", "m"];
const LABELS: [&str; 5] = ["label", "is_signal_new", "is_signal", "labels", "y"];

impl JetColumns {
    /// Finds the columns of jets among those of a file. `label` names the label column where its name is not one of
    /// the usual ones.
    ///
    /// # Errors
    /// [`DataError::MissingColumn`] with the names looked for and the names found.
    pub fn find(schema: &Schema, file: &str, label: Option<&str>) -> Result<Self, DataError> {
        let has = |name: &str| schema.index_of(name).is_ok();
        let momenta = find_momenta(schema).ok_or_else(|| {
            missing(
                file,
                "constituent_pt, _eta, _phi` or `constituent_e, _px, _py, _pz` or `values_block_0",
                schema,
            )
        })?;
        let label = match label {
            Some(name) if has(name) => Label::Column(name.to_owned()),
            Some(name) => return Err(missing(file, name, schema)),
            None => match LABELS.iter().find(|name| has(name)) {
                Some(name) => Label::Column((*name).to_owned()),
                None if has("values_block_1") => {
                    let order = schema
                        .field_with_name("values_block_1")
                        .ok()
                        .and_then(|f| f.metadata().get("columns"));
                    let position = usize::from(order.is_none_or(|order| order.starts_with("ttv")));
                    Label::Inside("values_block_1".into(), position)
                }
                None => return Err(missing(file, "label", schema)),
            },
        };
        Ok(Self { momenta, label })
    }

    /// The columns to read, momenta first.
    pub fn names(&self) -> Vec<String> {
        let mut names = match &self.momenta {
            Momenta::Cartesian(names) => names.to_vec(),
            Momenta::Cylindrical(names, fourth) => {
                let fourth = match fourth {
                    Fourth::Massless => None,
                    Fourth::Energy(name) | Fourth::Mass(name) => Some(name.clone()),
                };
                names.iter().cloned().chain(fourth).collect()
            }
            Momenta::Dense { column, .. } => vec![column.clone()],
        };
        match &self.label {
            Label::Column(name) | Label::Inside(name, _) => names.push(name.clone()),
        }
        names
    }

    /// Bytes of [`Jets`] for each byte of the decoded columns, at most.
    pub(crate) fn growth(&self) -> f64 {
        match &self.momenta {
            // Three lists of four bytes a constituent become four.
            Momenta::Cylindrical(_, Fourth::Massless) => 4.0 / 3.0,
            _ => 1.0,
        }
    }

    /// Whether jets are zero-padded to a common length.
    pub(crate) fn padded(&self) -> bool {
        matches!(self.momenta, Momenta::Dense { .. })
    }

    /// The layout in words.
    pub fn describe(&self) -> String {
        match &self.momenta {
            Momenta::Cartesian(names) => format!("lists {}", names.join(", ")),
            Momenta::Cylindrical(names, Fourth::Massless) => format!("lists {} (massless)", names.join(", ")),
            Momenta::Cylindrical(names, Fourth::Energy(fourth) | Fourth::Mass(fourth)) => {
                format!("lists {}, {fourth}", names.join(", "))
            }
            Momenta::Dense { column, constituents } => {
                format!("{column}: {constituents} x (E, px, py, pz), zero-padded")
            }
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

    /// Adds the jets of a batch behind others. Returns the number of empty jets left out. After an error, the jets
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
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| missing(file, name, &batch.schema()))
        };
        let labels = match &self.label {
            Label::Column(name) => label_values(&place, name, column(name)?.as_ref(), 0, 1)?,
            Label::Inside(name, position) => {
                let list = Lists::new(&place, name, column(name)?.as_ref())?;
                label_values(&place, name, list.items(), *position, list.fixed_width())?
            }
        };
        let names = self.names();
        let names = &names[..names.len() - 1];
        let lists = equal_lists(&place, names, batch)?;
        let mut skipped = 0;
        for (i, &label) in labels.iter().enumerate() {
            let first = jets.e.len();
            match &self.momenta {
                Momenta::Cartesian(_) => fill::cartesian(jets, &lists, i),
                Momenta::Cylindrical(_, fourth) => fill::cylindrical(jets, &lists, i, fourth),
                Momenta::Dense { constituents, .. } => fill::dense(jets, &lists[0], i, *constituents),
            }
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
            order_by_falling_pt(jets, first);
            jets.close(label, rows[i]);
        }
        Ok(skipped)
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
    for column in [&mut jets.e, &mut jets.px, &mut jets.py, &mut jets.pz] {
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
