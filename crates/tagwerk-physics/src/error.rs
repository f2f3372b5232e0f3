//! What can be wrong with the input of a physics function.

/// An input that a physics function refuses, with the value, the limit and the place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PhysicsError {
    /// A column is longer or shorter than the offsets or the number of jets demand.
    #[error("column `{column}` has {found} entries where {expected} are needed")]
    ColumnLength {
        /// Name of the column.
        column: &'static str,
        /// Entries that the offsets or the other columns call for.
        expected: usize,
        /// Entries found.
        found: usize,
    },
    /// Row offsets that do not start with 0, or that fall.
    #[error("jet {jet}: its rows run from {start} to {end}; offsets must start with 0 and never fall")]
    Offsets {
        /// Index of the jet.
        jet: usize,
        /// First row.
        start: usize,
        /// One past the last row.
        end: usize,
    },
    /// A momentum that is infinite or not a number.
    #[error("row {row}: `{column}` is {value}; momenta must be finite numbers")]
    NotFinite {
        /// Row of the constituent: within the jets, or within the list handed to a clustering.
        row: usize,
        /// Name of the column.
        column: &'static str,
        /// The value found.
        value: f64,
    },
    /// A setting outside its limits.
    #[error("`{name}` is {value}; it must be {limit}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// The value found.
        value: f64,
        /// What is allowed.
        limit: &'static str,
    },
    /// A set of features that does not exist.
    #[error(
        "no feature set `{name}`; there are: {known} (constituents and their pairs are many rows a jet, not features of it)"
    )]
    UnknownFeatures {
        /// The name found.
        name: String,
        /// All names.
        known: String,
    },
    /// A setting that a set of features does not have, or a value outside its limits.
    #[error("feature set `{set}`: `{setting}` {found}; allowed: {allowed}")]
    FeatureSetting {
        /// Name of the set.
        set: &'static str,
        /// Name of the setting.
        setting: String,
        /// What is wrong with it.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// Two sets of features with a column of the same name.
    #[error("feature sets `{first}` and `{second}` both make a column `{column}`; ask for it once")]
    FeatureTwice {
        /// Name of the column.
        column: String,
        /// The set that has it first.
        first: &'static str,
        /// The set that has it too.
        second: &'static str,
    },
    /// An index past the end.
    #[error("{what} {index} does not exist: there are {len}")]
    Index {
        /// What is indexed.
        what: &'static str,
        /// The index asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// More exclusive jets asked for than there are particles.
    #[error("{wanted} exclusive jets were asked for; the event has {available} particles")]
    ExclusiveJets {
        /// Number of jets asked for.
        wanted: usize,
        /// Number of particles clustered.
        available: usize,
    },
    /// Flags of inner nodes and leaves that are not a binary tree in level order.
    #[error("jet {jet}: the inner nodes call for {expected} nodes in the order of levels; there are {found}")]
    Tree {
        /// Index of the jet.
        jet: usize,
        /// Nodes that the inner nodes call for.
        expected: usize,
        /// Nodes found.
        found: usize,
    },
    /// A particle of a Belle event that cannot be.
    #[error("event {event}: a particle's {what} is {value}; allowed: {limit}")]
    Particle {
        /// Row of the event in its data set.
        event: u64,
        /// What is wrong.
        what: &'static str,
        /// The value found.
        value: f32,
        /// What is allowed.
        limit: &'static str,
    },
    /// Words made with other bins than those of a vocabulary.
    #[error("the words were binned otherwise than those of the vocabulary")]
    Binning,
    /// A boost at or above the speed of light, or into the rest frame of something that has none.
    #[error("no boost with velocity {speed} c; it must be below 1 c, the frame's mass above 0")]
    Boost {
        /// Speed in units of c.
        speed: f64,
    },
}
