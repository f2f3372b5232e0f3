//! Settings of taggers: from and to TOML, and checks that name the key, the value and the limit.

use crate::error::TaggerError;

/// Weights that the layers of a chain may have together: the limit of tagwerk-nn.
const MOST_WEIGHTS: usize = tagwerk_nn::layers::MAX_PARAMETERS;

/// The settings of a configuration struct as a TOML table.
pub(crate) fn table_of(tagger: &str, config: &impl serde::Serialize) -> Result<toml::Table, TaggerError> {
    toml::Table::try_from(config).map_err(|e| refused(tagger, e.to_string()))
}

/// A configuration struct from a TOML table; an unknown key is an error that names it.
pub(crate) fn config_of<C: serde::de::DeserializeOwned>(tagger: &str, table: &toml::Table) -> Result<C, TaggerError> {
    table
        .clone()
        .try_into()
        .map_err(|e: toml::de::Error| refused(tagger, e.to_string().trim_end().to_string()))
}

/// Checks the widths of a chain of layers on an `input` of so many channels.
///
/// # Errors
/// A list shorter than `least`, a width of zero, layers of more than 2^30 weights together.
pub(crate) fn check_widths(
    tagger: &str,
    key: &str,
    input: usize,
    widths: &[usize],
    least: usize,
) -> Result<(), TaggerError> {
    let refuse = |allowed: &str| {
        let value = widths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        Err(refused(tagger, format!("{key} = [{value}]; allowed: {allowed}")))
    };
    if widths.len() < least {
        return refuse("at least one width");
    }
    if widths.contains(&0) {
        return refuse("widths above 0");
    }
    let inputs = std::iter::once(&input).chain(widths);
    let weights = inputs.zip(widths).try_fold(0usize, |sum, (&a, &b)| {
        sum.checked_add(a.checked_mul(b)?).filter(|&sum| sum <= MOST_WEIGHTS)
    });
    if weights.is_none() {
        return refuse("layers of at most 2^30 weights together");
    }
    Ok(())
}

/// Checks one number.
///
/// # Errors
/// `good` is false.
pub(crate) fn check_number(
    tagger: &str,
    key: &str,
    value: impl std::fmt::Display,
    good: bool,
    allowed: &str,
) -> Result<(), TaggerError> {
    if good {
        return Ok(());
    }
    Err(refused(tagger, format!("{key} = {value}; allowed: {allowed}")))
}

fn refused(tagger: &str, reason: String) -> TaggerError {
    TaggerError::Settings {
        tagger: tagger.to_string(),
        reason,
    }
}
