//! Which condition is the transverse momentum, which the multiplicity: what bins, shifts and the test of possible jets
//! are about.

use crate::error::SurrogateError;
use serde::{Deserialize, Serialize};

/// Names that a column of each role usually has, the first that a table has counts: those of `tagwerk features`, of
/// JetClass, and short ones.
const USUAL: [&[&str]; 4] = [
    &["jet_pt", "pt"],
    &["jet_eta", "eta"],
    &["jet_energy", "energy"],
    &["jet_multiplicity", "jet_nparticles", "n"],
];

/// Column names of the conditions that mean something to the program. What is not given is found by its usual name
/// (`jet_pt` or `pt`, `jet_eta` or `eta`, `jet_energy` or `energy`, `jet_multiplicity`, `jet_nparticles` or `n`), or is
/// not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    /// Transverse momentum, GeV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pt: Option<String>,
    /// Pseudorapidity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<String>,
    /// Energy, GeV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<String>,
    /// Number of particles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplicity: Option<String>,
}

impl Roles {
    /// The roles among columns `names`: those given here, and the usual ones.
    ///
    /// # Errors
    /// A column that is named here and is no condition.
    pub fn among(&self, names: &[String]) -> Result<Self, SurrogateError> {
        let given = [
            ("pt", &self.pt),
            ("eta", &self.eta),
            ("energy", &self.energy),
            ("multiplicity", &self.multiplicity),
        ];
        let mut found = [const { None }; 4];
        for (((role, name), usual), found) in given.into_iter().zip(USUAL).zip(&mut found) {
            *found = match name {
                Some(name) if names.contains(name) => Some(name.clone()),
                Some(name) => return Err(no_condition(&format!("the role `{role}` is given to"), name, names)),
                None => usual
                    .iter()
                    .find(|u| names.iter().any(|n| n == *u))
                    .map(|u| (*u).to_owned()),
            };
        }
        let [pt, eta, energy, multiplicity] = found;
        Ok(Self {
            pt,
            eta,
            energy,
            multiplicity,
        })
    }

    /// The usual roles among columns `names`.
    pub fn usual(names: &[String]) -> Self {
        // Nothing is given, so nothing given can be missing.
        Self::default().among(names).unwrap_or_default()
    }
}

/// The error of a column that something is about and that is no condition.
pub(crate) fn no_condition(what: &str, name: &str, names: &[String]) -> SurrogateError {
    SurrogateError::Table {
        file: "conditions".to_owned(),
        reason: format!("{what} column `{name}`, which is none of {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&n| n.to_owned()).collect()
    }

    #[test]
    fn usual_names_are_found_and_given_ones_must_be_there() {
        let roles = Roles::usual(&names(&["label", "jet_pt", "pt", "jet_nparticles"]));
        assert_eq!(roles.pt.as_deref(), Some("jet_pt"));
        assert_eq!(roles.multiplicity.as_deref(), Some("jet_nparticles"));
        assert_eq!((roles.eta, roles.energy), (None, None));
        let given = Roles {
            multiplicity: Some("tracks".to_owned()),
            ..Roles::default()
        };
        let found = given.among(&names(&["tracks", "n"])).unwrap();
        assert_eq!(found.multiplicity.as_deref(), Some("tracks"));
        let error = given.among(&names(&["pt", "n"])).unwrap_err().to_string();
        assert!(
            error.contains("`multiplicity`") && error.contains("`tracks`") && error.contains("pt, n"),
            "{error}"
        );
    }
}
