//! What can go wrong with a surrogate.

/// An error of the surrogate crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SurrogateError {
    /// A setting is outside its range.
    #[error("{setting} is {value}, must be {wanted}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// The range.
        wanted: &'static str,
    },
}
