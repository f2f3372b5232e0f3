//! Which data set of arrays it is: what decides how its values are to be understood.

use crate::catalogue::{ArraysEntry, CATALOGUE, CatalogueEntry, Holds};
use serde::{Deserialize, Serialize};

/// A data set whose events are arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArraySet {
    /// Pion momenta of heavy-ion collisions, with or without spinodal clumping (pd4ml).
    Spinodal,
    /// Pion spectra under two equations of state (pd4ml, EOSL).
    Eos,
    /// Signal traces of an array of air-shower stations, to find the depth of the maximum (pd4ml).
    Airshower,
    /// The same traces, to tell iron from proton.
    AirshowerPrimary,
    /// Generated events of Belle II with their decay trees (pd4ml).
    Belle,
    /// Hillas parameters of the MAGIC telescope.
    Magic,
    /// Kinematics of Higgs bosons and top quarks.
    Higgs,
    /// Calorimeter images of jets.
    JetImages,
    /// Someone's own arrays or table.
    Other,
}

impl ArraySet {
    /// All that have a name in the catalogue.
    pub const KNOWN: [Self; 8] = [
        Self::Spinodal,
        Self::Eos,
        Self::Airshower,
        Self::AirshowerPrimary,
        Self::Belle,
        Self::Magic,
        Self::Higgs,
        Self::JetImages,
    ];

    /// Name in the catalogue; `arrays` for someone's own.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spinodal => "spinodal",
            Self::Eos => "eos",
            Self::Airshower => "airshower",
            Self::AirshowerPrimary => "airshower-primary",
            Self::Belle => "belle",
            Self::Magic => "magic",
            Self::Higgs => "higgs",
            Self::JetImages => "jet-images",
            Self::Other => "arrays",
        }
    }

    /// The data set of a name of the catalogue.
    pub fn find(name: &str) -> Option<Self> {
        Self::KNOWN.into_iter().find(|set| set.name() == name)
    }

    /// What the catalogue says of it; nothing of someone's own.
    pub fn entry(self) -> Option<&'static CatalogueEntry> {
        CATALOGUE.into_iter().find(|entry| entry.name == self.name())
    }

    /// Shapes, task and file of a known data set.
    pub fn arrays(self) -> Option<&'static ArraysEntry> {
        match &self.entry()?.holds {
            Holds::Arrays(entry) => Some(entry),
            Holds::Jets | Holds::Events | Holds::Scores => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_set_has_its_entry() {
        for set in ArraySet::KNOWN {
            assert_eq!(set.arrays().unwrap().set, set, "{}", set.name());
            assert_eq!(ArraySet::find(set.name()), Some(set));
        }
        assert!(ArraySet::Other.arrays().is_none() && ArraySet::find("sample").is_none());
    }
}
