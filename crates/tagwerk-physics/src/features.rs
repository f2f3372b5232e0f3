//! All observables of a jet that can be asked for by name, as columns of a table: what `DATA -> table` tools write.
//!
//! A [`FeatureSet`] is a group of observables with its settings, written `name:setting=value,setting=a/b/c`. A
//! [`FeaturePlan`] holds any number of sets and what they need prepared once; it then makes a [`FeatureTable`] of each
//! chunk of [`Jets`], in parallel over jets.
//!
//! | set | columns | settings (default) |
//! |---|---|---|
//! | `kinematics` | `jet_pt`, `jet_eta`, `jet_phi`, `jet_energy`, `jet_mass`, `jet_multiplicity`, `jet_soft_drop_mass` | `z_cut` (0.1), `beta` (0), `radius` (0.8) of soft drop |
//! | `nsubjettiness` | `tau1_beta1`, .., then `tau21_beta1`, `tau32_beta1` | `n` (3), `beta` (1), `axes` (kt; ca, wta), `plane` (rapidity; pseudorapidity), `radius` (1000), `minimize` (false) |
//! | `mbody` | `mbody8_tau1_beta0.5`, .., `mbody8_pt_tev`, `mbody8_mass_tev` | `m` (8), the others as for `nsubjettiness` |
//! | `ecf` | `ecf1`, and for each beta `ecf2_beta1`, `ecf3_beta1`, `e2_beta1`, `e3_beta1`, `c2_beta1`, `d2_beta1`, `m2_beta1`, `n2_beta1`; with four points `ecf4`, `e4`, `c3` | `beta` (1), `points` (3; 2, 4), `generalized` (true) |
//! | `efp` | `efp_1_0_0_beta0.5`, ..: vertices, edges, number among those | `d` (7), `beta` (0.5), `kappa` (1; pf), `measure` (hadr; hadrdot, ee), `normed` (true) |
//! | `lund` | `lund_n`, `lund_n_kt1`, ..: splittings of the primary plane with kt above a cut in GeV | `kt` (1/2/5), `depth` (0; all) |
//! | `image` | `image_40x40`: one array a jet | `pixels` (40), `half_width` (0.8), `frame` (principal-axes; jet-axis), `intensity` (unit-sum; pt, pt-fraction) |
//! | `topodnn` | `topodnn`: one array of 90 numbers a jet | |
//! | `lda` | `lda_words`: one list of words a jet | `mass_floor` (30) |
//!
//! **Names are stable.** A name holds N and beta always, and every other setting that is not the default
//! (`tau2_beta1_wta`), so that a column of that name is the same number in every file. The number of an energy flow
//! polynomial among those of its vertices and edges does not depend on `d`.
//!
//! **Left out:** pairs of constituents and constituents themselves. They are many rows a jet, not columns of it, and
//! are read by networks only, which compute them on their way ([`crate::pair_features_view`]).

mod columns;
mod settings;

use crate::{
    EfpConfig, Efps, EnergyCorrelationConfig, ImageConfig, LdaWordConfig, MBodyConfig, NsubjettinessConfig,
    PhysicsError, SoftDrop,
};
use std::collections::HashMap;
use tagwerk_data::Jets;

/// A group of observables with its settings. Parsed from text such as `nsubjettiness:n=8,beta=0.5/1`; the head of
/// `features.rs` lists all.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FeatureSet {
    /// Momentum, mass and number of constituents, with the mass after this soft drop.
    Kinematics(SoftDrop),
    /// tau_N and the ratios tau_2 / tau_1 and tau_3 / tau_2.
    Nsubjettiness(NsubjettinessConfig),
    /// The M-body basis.
    MBody(MBodyConfig),
    /// Energy correlation functions and their ratios, for each of `betas`; the `beta` of the configuration is not
    /// looked at.
    EnergyCorrelations {
        /// Powers of the distance.
        betas: Vec<f64>,
        /// The other settings.
        config: EnergyCorrelationConfig,
    },
    /// Energy flow polynomials.
    Efp(EfpConfig),
    /// Numbers of splittings in the Lund plane.
    Lund(LundCounts),
    /// One image.
    Image(ImageConfig),
    /// TopoDNN's ninety numbers.
    Topodnn,
    /// Words of a topic model.
    LdaWords(LdaWordConfig),
}

/// Which splittings of the Lund planes are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct LundCounts {
    /// Planes counted, as in [`crate::LundConfig::depth`]. Default: 0, the primary plane.
    pub depth: u32,
    /// A column for each of these: splittings of kt above this, GeV, each above 0. Default: 1, 2, 5.
    pub kt: Vec<f64>,
}

impl Default for LundCounts {
    fn default() -> Self {
        Self {
            depth: 0,
            kt: vec![1.0, 2.0, 5.0],
        }
    }
}

/// What a column holds for each jet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureKind {
    /// One number.
    Number,
    /// So many numbers in single precision, the same for all jets.
    Array(usize),
    /// A list of words.
    Words,
}

/// A column of a [`FeatureTable`], without its values.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureColumn {
    /// Its stable name.
    pub name: String,
    /// What it holds.
    pub kind: FeatureKind,
    /// Its unit: GeV, TeV, rad, GeV^N, GeV^kappa-like powers written out; empty for a pure number.
    pub unit: String,
    /// What it is, in words.
    pub about: String,
}

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum FeatureValues {
    /// `[B]`.
    Numbers(Vec<f64>),
    /// `[B, width]`, row-major.
    Array {
        /// Numbers a jet.
        width: usize,
        /// All of them.
        values: Vec<f32>,
    },
    /// Jet `b` owns `words[offsets[b] .. offsets[b + 1]]`; `offsets` is `[B + 1]`.
    Words {
        /// All words.
        words: Vec<u64>,
        /// Starting with 0.
        offsets: Vec<usize>,
    },
}

/// Observables of a chunk of jets: as many values as columns, in the same order, each with a row a jet.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    /// Number of jets, `B`.
    pub jets: usize,
    /// Names and kinds.
    pub columns: Vec<FeatureColumn>,
    /// Values.
    pub values: Vec<FeatureValues>,
}

impl FeatureTable {
    /// The values of a column.
    pub fn column(&self, name: &str) -> Option<&FeatureValues> {
        let place = self.columns.iter().position(|column| column.name == name)?;
        self.values.get(place)
    }

    /// The values of a column of numbers, `[B]`.
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        match self.column(name)? {
            FeatureValues::Numbers(values) => Some(values),
            _ => None,
        }
    }
}

/// Feature sets made ready: graphs are planned and columns named once, for any number of chunks of jets.
///
/// ```
/// use tagwerk_data::Jets;
/// use tagwerk_physics::FeaturePlan;
///
/// let plan = FeaturePlan::parse(["kinematics", "nsubjettiness:n=2,beta=0.5/1"])?;
/// let names: Vec<&str> = plan.columns().iter().map(|column| column.name.as_str()).collect();
/// assert_eq!(names[7..9], ["tau1_beta0.5", "tau1_beta1"]);
/// assert_eq!(names[9..], ["tau2_beta0.5", "tau2_beta1", "tau21_beta0.5", "tau21_beta1"]);
/// let mut jets = Jets::default();
/// jets.push(&[[100.0, 60.0, 80.0, 0.0], [50.0, 40.0, 30.0, 0.0]], 1, 0);
/// let table = plan.compute(&jets)?;
/// assert!((table.numbers("jet_pt").unwrap()[0] - 110f64.hypot(100.0)).abs() < 1e-4);
/// # Ok::<(), tagwerk_physics::PhysicsError>(())
/// ```
#[derive(Debug)]
pub struct FeaturePlan {
    parts: Vec<Part>,
    columns: Vec<FeatureColumn>,
}

/// A set and what it needs prepared.
#[derive(Debug)]
struct Part {
    set: FeatureSet,
    efps: Option<Efps>,
}

impl FeaturePlan {
    /// Reads and prepares sets.
    ///
    /// # Errors
    /// As [`FeatureSet::from_str`](std::str::FromStr::from_str) and [`new`](Self::new).
    pub fn parse<'a>(sets: impl IntoIterator<Item = &'a str>) -> Result<Self, PhysicsError> {
        Self::new(sets.into_iter().map(str::parse).collect::<Result<_, _>>()?)
    }

    /// Prepares sets.
    ///
    /// # Errors
    /// [`PhysicsError::FeatureSetting`] for a setting outside its limits, [`PhysicsError::FeatureTwice`] if two columns
    /// would have one name.
    pub fn new(sets: Vec<FeatureSet>) -> Result<Self, PhysicsError> {
        let mut parts = Vec::with_capacity(sets.len());
        let mut columns: Vec<FeatureColumn> = Vec::new();
        let mut owners: HashMap<String, &'static str> = HashMap::new();
        for set in sets {
            set.check()?;
            let efps = match &set {
                FeatureSet::Efp(config) => Some(Efps::new(*config)?),
                _ => None,
            };
            let part = Part { set, efps };
            for column in part.columns() {
                let name = part.set.name();
                if let Some(first) = owners.insert(column.name.clone(), name) {
                    return Err(PhysicsError::FeatureTwice {
                        column: column.name,
                        first,
                        second: name,
                    });
                }
                columns.push(column);
            }
            parts.push(part);
        }
        Ok(Self { parts, columns })
    }

    /// The columns of every table, in order.
    pub fn columns(&self) -> &[FeatureColumn] {
        &self.columns
    }

    /// All observables of these jets.
    ///
    /// Every value is finite: what a jet has too few constituents for is 0, and what overflows is the largest number.
    ///
    /// # Errors
    /// Whatever [`crate::check_jets`] finds.
    pub fn compute(&self, jets: &Jets) -> Result<FeatureTable, PhysicsError> {
        let mut values = Vec::with_capacity(self.columns.len());
        for part in &self.parts {
            values.extend(part.values(jets)?);
        }
        Ok(FeatureTable {
            jets: jets.len(),
            columns: self.columns.clone(),
            values,
        })
    }
}
