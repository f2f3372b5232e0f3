//! Where a file says of which class a jet is.

use super::Place;
use super::values::{Lists, label_values};
use crate::error::DataError;
use crate::source::missing;
use arrow_array::RecordBatch;
use arrow_schema::Schema;

/// Which columns of a file say what a jet is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Labels<'a> {
    /// The one with a usual name: `label`, `is_signal_new`, `is_signal`, `labels`, `y`.
    #[default]
    Usual,
    /// The one of this name.
    Column(&'a str),
    /// Two of the columns of a file that has one a class, with 1 for the jets of it (`label_QCD`, `label_Tbqq`, .. of
    /// JetClass). Jets of neither class are left out.
    Classes {
        /// Column of the signal.
        signal: &'a str,
        /// Column of the background.
        background: &'a str,
    },
    /// None: all jets count as background.
    Ignored,
}

const USUAL: [&str; 5] = ["label", "is_signal_new", "is_signal", "labels", "y"];

/// How the column of a class begins, in files with many classes.
const CLASS: &str = "label_";

/// Where the label is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Column(String),
    /// Position inside a fixed-size list.
    Inside(String, usize),
    /// Columns of signal and background.
    Classes([String; 2]),
    Ignored,
}

impl Label {
    pub(super) fn find(schema: &Schema, file: &str, labels: Labels) -> Result<Self, DataError> {
        let named = |name: &str| match schema.index_of(name) {
            Ok(_) => Ok(name.to_owned()),
            Err(_) => Err(missing(file, name, schema)),
        };
        match labels {
            Labels::Ignored => Ok(Self::Ignored),
            Labels::Column(name) => named(name).map(Self::Column),
            Labels::Classes { signal, background } if signal == background => Err(DataError::Argument {
                name: "background",
                value: background.to_owned(),
                allowed: "another column than that of the signal",
            }),
            Labels::Classes { signal, background } => Ok(Self::Classes([named(signal)?, named(background)?])),
            Labels::Usual => Self::usual(schema, file),
        }
    }

    fn usual(schema: &Schema, file: &str) -> Result<Self, DataError> {
        let has = |name: &str| schema.index_of(name).is_ok();
        if let Some(name) = USUAL.iter().find(|name| has(name)) {
            return Ok(Self::Column((*name).to_owned()));
        }
        if has("values_block_1") {
            let order = schema
                .field_with_name("values_block_1")
                .ok()
                .and_then(|f| f.metadata().get("columns"));
            let position = usize::from(order.is_none_or(|order| order.starts_with("ttv")));
            return Ok(Self::Inside("values_block_1".into(), position));
        }
        match class_columns(schema) {
            classes if classes.len() < 2 => Err(missing(file, "label", schema)),
            classes => Err(DataError::ManyClasses {
                file: file.to_owned(),
                classes: classes.join(", "),
            }),
        }
    }

    /// The columns to read.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Column(name) | Self::Inside(name, _) => vec![name.clone()],
            Self::Classes(names) => names.to_vec(),
            Self::Ignored => Vec::new(),
        }
    }

    /// The label of each row of a batch; `None` for jets of neither class.
    pub(super) fn read(&self, place: &Place, batch: &RecordBatch) -> Result<Vec<Option<u8>>, DataError> {
        let column = |name: &str| {
            let found = batch.column_by_name(name);
            found.ok_or_else(|| missing(place.file, name, &batch.schema()))
        };
        let plain = |name: &str| label_values(place, name, column(name)?.as_ref(), 0, 1);
        let labels = match self {
            Self::Ignored => vec![0; batch.num_rows()],
            Self::Column(name) => plain(name)?,
            Self::Inside(name, position) => {
                let list = Lists::new(place, name, column(name)?.as_ref())?;
                label_values(place, name, list.items(), *position, list.fixed_width())?
            }
            Self::Classes([signal, background]) => {
                let both = plain(signal)?.into_iter().zip(plain(background)?).enumerate();
                let class = |(i, flags): (usize, (u8, u8))| match flags {
                    (1, 0) => Ok(Some(1)),
                    (0, 1) => Ok(Some(0)),
                    (0, 0) => Ok(None),
                    _ => Err(DataError::Value {
                        file: place.file.to_owned(),
                        row: place.rows.get(i).copied().unwrap_or(i as u64),
                        column: format!("{signal}` and `{background}"),
                        value: "both are 1".into(),
                        allowed: "1 in at most one of them",
                    }),
                };
                return both.map(class).collect();
            }
        };
        Ok(labels.into_iter().map(Some).collect())
    }
}

/// The columns of a file that are a class each.
pub(crate) fn class_columns(schema: &Schema) -> Vec<&str> {
    let scalar = schema.fields().iter().filter(|field| !field.data_type().is_nested());
    scalar
        .map(|field| field.name().as_str())
        .filter(|name| name.len() > CLASS.len() && name.starts_with(CLASS))
        .collect()
}
