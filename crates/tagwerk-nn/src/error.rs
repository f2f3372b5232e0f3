//! What can go wrong in a network.

use std::path::PathBuf;

/// An error of this crate, with the value, the limit and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// Row offsets that are no offsets.
    #[error("row offsets must start with 0 and not fall; offset {at} is {value}")]
    Offsets {
        /// Index of the offending offset.
        at: usize,
        /// Its value.
        value: usize,
    },
    /// A tensor of the wrong width.
    #[error("{what} has {found} channels; {expected} are needed")]
    Width {
        /// What was given.
        what: &'static str,
        /// Its channels.
        found: usize,
        /// The channels needed.
        expected: usize,
    },
    /// A device name that is not understood or not built in.
    #[error("device '{name}': {reason}")]
    Device {
        /// What was asked for.
        name: String,
        /// Why it cannot be had.
        reason: String,
    },
    /// A weights file that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A weights file that does not fit the network.
    #[error("{path}: {reason}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A configuration value outside its range.
    #[error("{what} is {value}; it must be {limit}")]
    Config {
        /// The setting, with the layer it belongs to.
        what: String,
        /// Its value.
        value: String,
        /// The range.
        limit: &'static str,
    },
    /// A gradient that is infinite or no number, before it touched a parameter.
    #[error("the gradient of '{block}' is no finite number; a smaller learning rate or a clipped gradient may help")]
    Gradient {
        /// The block of parameters.
        block: String,
    },
    /// Trees that do not fit the rows or the jets.
    #[error("trees of {nodes} nodes, up to jet {last}, for {rows} rows of {jets} jets")]
    Forest {
        /// Nodes of all trees.
        nodes: usize,
        /// Rows of features.
        rows: usize,
        /// Jets of the batch.
        jets: usize,
        /// The last jet that a tree belongs to.
        last: u32,
    },
    /// A tensor that could not be read back from its device.
    #[error("reading a tensor back from its device: {0}")]
    Read(String),
}
