//! Sets of events that are drawn from others.

use super::PointCount;
use crate::error::DataError;
use crate::random;
use std::collections::BTreeMap;

/// A rule by which events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// HEPMASS-IMB (arXiv:2202.00424) from HEPMASS: all background, and of the signal the less the heavier it is.
    HepmassImb,
}

/// Share of HEPMASS's signal that HEPMASS-IMB has, by mass in GeV. The paper does not print them: they follow from the
/// step counters of its published checkpoints.
const HEPMASS_IMB: [(f32, f64); 5] = [
    (500.0, 0.5),
    (750.0, 0.2),
    (1000.0, 0.05),
    (1250.0, 0.01),
    (1500.0, 0.003),
];

impl Recipe {
    /// All recipes.
    pub const ALL: [Self; 1] = [Self::HepmassImb];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::HepmassImb => "hepmass-imb",
        }
    }

    /// The recipe of a name.
    ///
    /// # Errors
    /// An unknown name, with those that there are.
    pub fn find(name: &str) -> Result<Self, DataError> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|recipe| recipe.name() == name)
            .ok_or_else(|| DataError::UnknownDataset {
                name: name.to_owned(),
                known: known(),
            })
    }

    /// Share of the signal at a mass that is kept.
    fn share(self, mass: f32) -> Option<f64> {
        match self {
            Self::HepmassImb => HEPMASS_IMB.iter().find(|(m, _)| *m == mass).map(|(_, share)| *share),
        }
    }
}

/// Which rows are kept.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    bits: Vec<u64>,
}

impl Chosen {
    pub(super) fn keeps(&self, row: u64) -> bool {
        self.bits
            .get((row / 64) as usize)
            .is_some_and(|bits| bits >> (row % 64) & 1 == 1)
    }
}

/// Collects rows, then chooses.
#[derive(Debug)]
pub(super) struct Choosing {
    recipe: Recipe,
    rows: u64,
    /// Rows of the signal by the bits of its mass, which is above 0.
    signal: BTreeMap<u32, Vec<u32>>,
}

impl Choosing {
    pub(super) fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            rows: 0,
            signal: BTreeMap::new(),
        }
    }

    /// The next row.
    pub(super) fn see(&mut self, label: u8, mass: f32) -> Result<(), DataError> {
        let row = u32::try_from(self.rows).map_err(|_| DataError::Argument {
            name: "rows",
            value: self.rows.to_string(),
            allowed: "below 2^32",
        })?;
        if label == 1 {
            if self.recipe.share(mass).is_none() {
                return Err(DataError::Argument {
                    name: "mass of the signal",
                    value: mass.to_string(),
                    allowed: "500, 750, 1000, 1250 and 1500, which the recipe is for",
                });
            }
            self.signal.entry(mass.to_bits()).or_default().push(row);
        }
        self.rows += 1;
        Ok(())
    }

    /// Of the n signal rows of a mass the recipe's share, rounded down, drawn by (seed, mass).
    pub(super) fn choose(self, seed: u64) -> Chosen {
        let mut bits = vec![u64::MAX; self.rows.div_ceil(64) as usize];
        for (mass, mut rows) in self.signal {
            let share = self.recipe.share(f32::from_bits(mass)).unwrap_or(1.0);
            let kept = (rows.len() as f64 * share).floor() as usize;
            random::shuffle(
                &mut random::stream(seed, self.recipe.name(), u64::from(mass)),
                &mut rows,
            );
            for row in &rows[kept..] {
                bits[(row / 64) as usize] &= !(1 << (row % 64));
            }
        }
        Chosen { bits }
    }
}

/// Counts of signal by mass and of background.
#[derive(Debug, Default)]
pub(super) struct Counts {
    signal: BTreeMap<u32, u64>,
    pub(super) background: u64,
}

impl Counts {
    pub(super) fn see(&mut self, label: u8, mass: Option<f32>) {
        match label {
            1 => *self.signal.entry(mass.unwrap_or(f32::NAN).to_bits()).or_default() += 1,
            _ => self.background += 1,
        }
    }

    pub(super) fn points(&self) -> Vec<PointCount> {
        let points = self.signal.iter().map(|(&mass, &events)| PointCount {
            mass: Some(f64::from(f32::from_bits(mass))).filter(|m| m.is_finite()),
            events,
        });
        let mut points: Vec<PointCount> = points.collect();
        points.sort_by(|a, b| a.mass.unwrap_or(0.0).total_cmp(&b.mass.unwrap_or(0.0)));
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_imbalanced_set_has_the_known_numbers_of_events() {
        // Signal of HEPMASS `all_train` a mass, and what the step counters of the published checkpoints leave possible.
        let mut choosing = Choosing::new(Recipe::HepmassImb);
        let counts = [699_365, 700_156, 701_440, 700_418, 699_500];
        for ((mass, _), count) in HEPMASS_IMB.iter().zip(counts) {
            for _ in 0..count {
                choosing.see(1, *mass).unwrap();
            }
        }
        for _ in 0..1000 {
            choosing.see(0, 750.0).unwrap();
        }
        let signal: u64 = counts.iter().sum();
        let chosen = choosing.choose(5);
        let mut first = 0;
        let kept = counts.map(|count| {
            let kept = (first..first + count).filter(|&row| chosen.keeps(row)).count();
            first += count;
            kept
        });
        assert_eq!(kept, [349_682, 140_031, 35_072, 7_004, 2_098]);
        assert!((signal..signal + 1000).all(|row| chosen.keeps(row)), "all background");
        assert!(!chosen.keeps(1 << 40));
    }

    #[test]
    fn signal_of_other_masses_is_refused_by_its_mass() {
        let mut choosing = Choosing::new(Recipe::HepmassImb);
        assert!(choosing.see(0, 600.0).is_ok(), "background keeps whatever the file has");
        let error = choosing.see(1, 600.0).unwrap_err().to_string();
        assert!(error.contains("600"), "{error}");
        assert!(Recipe::find("imb").unwrap_err().to_string().contains("hepmass-imb"));
    }
}
