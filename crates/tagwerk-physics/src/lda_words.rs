//! A jet as a bag of words: what topic models (latent Dirichlet allocation) read.
//!
//! Dillon, Faroughy, Kamenik, "Uncovering latent jet substructure", arXiv:1904.04200; Dillon, Faroughy, Kamenik, Szewc,
//! "Learning the latent structure of collider events", arXiv:2005.12319. The jet is reclustered with
//! Cambridge/Aachen and taken apart along **both** branches; a branch is not taken apart further once its mass is at or
//! below [`LdaWordConfig::mass_floor`]. Each splitting 0 -> 1, 2 with m1 >= m2 (at equal masses 1 is the one of
//! higher transverse momentum) gives five numbers:
//!
//! | number | definition |
//! |---|---|
//! | parent mass | m0, GeV |
//! | mass drop | m1 / m0 |
//! | mass ratio | m2 / m1; 0 where both daughters are massless |
//! | opening angle | Delta R of 1 and 2 in (rapidity, azimuth) |
//! | helicity angle | cos of the angle, in the rest frame of daughter 1, between the parent and 1's softer branch |
//!
//! Daughter 1's softer branch is, of the two that it splits into, the one of lower transverse momentum.
//! The helicity angle is that of the Johns Hopkins top tagger (arXiv:0806.0848), with 0 as the top and 1 as the W. It
//! does not exist where daughter 1 is massless or a single constituent, and such words say so. All five numbers are
//! unchanged by boosts along the beam and rotations about it. The bins in which the five fall, and those of any
//! jet-level numbers that the caller appends (tau3/tau2 and the like), are one **word**.
//!
//! **Massless** is what single precision cannot tell from massless: m^2 <= 5e-7 E^2. Massless parents give no word
//! (their ratios are rounding), are counted as degenerate, and are walked through; a massless daughter has mass 0.

use crate::declustering::DeclusteringTree;
use crate::jet_blocks::gather_trees;
use crate::{ClusterAlgorithm, JetDefinition, MAX_RADIUS, NO_NODE, PhysicsError};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

mod splitting;

use splitting::mass;
pub use splitting::{Splitting, splitting};

/// Which splittings become words, and the bins.
///
/// Edges rise strictly; n edges make n + 1 bins, the first and last open, and a value on an edge belongs to the bin
/// above it. The published bins are not known to us: the defaults are our choice, fine about the W and top mass, with
/// 18 x 10 x 10 x 8 x 6 = 86,400 possible words (the published model is quoted with 184k parameters, two topics of some
/// 92k words).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LdaWordConfig {
    /// Branches of this mass (GeV) or less are not taken apart; 0 goes to the constituents. Default: 30, as in
    /// arXiv:1904.04200.
    pub mass_floor: f64,
    /// Edges in the parent mass, GeV. Default: 10 to 100 in steps of 10, 120 to 200 in steps of 20, 250, 300.
    pub parent_mass: Vec<f64>,
    /// Edges in m1 / m0. Default: 0.1 to 0.9 in steps of 0.1.
    pub mass_drop: Vec<f64>,
    /// Edges in m2 / m1. Default: 0.1 to 0.9 in steps of 0.1.
    pub mass_ratio: Vec<f64>,
    /// Edges in the opening angle. Default: 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8.
    pub opening_angle: Vec<f64>,
    /// Edges in the cosine of the helicity angle; a further bin holds the splittings without one.
    /// Default: 0.2, 0.4, 0.6, 0.8, as the softer branch is nearly always seen ahead (cosine above 0).
    pub cos_helicity: Vec<f64>,
    /// Edges of each jet-level number appended to every word of a jet. Default: none; see
    /// [`with_tau_ratios`](Self::with_tau_ratios).
    pub jet_level: Vec<Vec<f64>>,
}

impl Default for LdaWordConfig {
    fn default() -> Self {
        let tenths: Vec<f64> = (1..10).map(|i| f64::from(i) / 10.0).collect();
        let masses = (1..=10).map(|i| 10.0 * f64::from(i));
        let masses = masses
            .chain((6..=10).map(|i| 20.0 * f64::from(i)))
            .chain([250.0, 300.0]);
        Self {
            mass_floor: 30.0,
            parent_mass: masses.collect(),
            mass_drop: tenths.clone(),
            mass_ratio: tenths,
            opening_angle: vec![0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8],
            cos_helicity: vec![0.2, 0.4, 0.6, 0.8],
            jet_level: Vec::new(),
        }
    }
}

impl LdaWordConfig {
    /// With three jet-level numbers between 0 and 1, for tau3/tau2, tau3/tau1, tau2/tau1 in five bins each (our
    /// choice).
    pub fn with_tau_ratios(self) -> Self {
        Self {
            jet_level: vec![vec![0.2, 0.4, 0.6, 0.8]; 3],
            ..self
        }
    }

    /// Number of bins of each number of a word, in the order of the fields; the helicity angle has one more, its first,
    /// for "none".
    pub fn bins(&self) -> Vec<usize> {
        let five = [
            self.parent_mass.len() + 1,
            self.mass_drop.len() + 1,
            self.mass_ratio.len() + 1,
            self.opening_angle.len() + 1,
            self.cos_helicity.len() + 2,
        ];
        five.into_iter()
            .chain(self.jet_level.iter().map(|edges| edges.len() + 1))
            .collect()
    }

    /// The bins of a word, in the order of [`bins`](Self::bins).
    pub fn decode(&self, mut word: u64) -> Vec<usize> {
        let mut digits: Vec<usize> = Vec::new();
        for bins in self.bins().into_iter().rev() {
            digits.push((word % bins as u64) as usize);
            word /= bins as u64;
        }
        digits.reverse();
        digits
    }

    /// Checks floor and edges.
    ///
    /// # Errors
    /// [`PhysicsError::Setting`] for a floor below 0, edges that are not finite or do not rise, or more possible words
    /// than 64 bits count.
    pub fn check(&self) -> Result<(), PhysicsError> {
        let refuse = |name, value, limit| Err(PhysicsError::Setting { name, value, limit });
        if !(self.mass_floor >= 0.0 && self.mass_floor.is_finite()) {
            return refuse("mass_floor", self.mass_floor, "0 or more, and finite");
        }
        let jet_level = self.jet_level.iter().map(|edges| ("jet_level", edges));
        let five = [
            ("parent_mass", &self.parent_mass),
            ("mass_drop", &self.mass_drop),
            ("mass_ratio", &self.mass_ratio),
            ("opening_angle", &self.opening_angle),
            ("cos_helicity", &self.cos_helicity),
        ];
        for (name, edges) in five.into_iter().chain(jet_level) {
            if let Some(&value) = edges.iter().find(|edge| !edge.is_finite()) {
                return refuse(name, value, "edges that are finite");
            }
            if let Some(pair) = edges.windows(2).find(|pair| pair[1] <= pair[0]) {
                return refuse(name, pair[1], "edges that rise strictly");
            }
        }
        let words = self
            .bins()
            .iter()
            .try_fold(1u64, |words, &bins| words.checked_mul(bins as u64));
        if words.is_none() {
            return refuse(
                "jet_level",
                self.jet_level.len() as f64,
                "fewer numbers, or numbers of fewer bins",
            );
        }
        Ok(())
    }

    /// The word of a splitting, before the jet-level numbers.
    fn splitting_word(&self, splitting: &Splitting) -> u64 {
        let helicity = splitting.cos_helicity.map_or(0, |cos| 1 + bin(&self.cos_helicity, cos));
        let digits = [
            (
                bin(&self.parent_mass, splitting.parent_mass),
                self.parent_mass.len() + 1,
            ),
            (bin(&self.mass_drop, splitting.mass_drop), self.mass_drop.len() + 1),
            (bin(&self.mass_ratio, splitting.mass_ratio), self.mass_ratio.len() + 1),
            (
                bin(&self.opening_angle, splitting.opening_angle),
                self.opening_angle.len() + 1,
            ),
            (helicity, self.cos_helicity.len() + 2),
        ];
        digits
            .iter()
            .fold(0, |word, &(digit, bins)| word * bins as u64 + digit as u64)
    }
}

/// The bin of a value: how many edges are not above it.
fn bin(edges: &[f64], value: f64) -> usize {
    edges.partition_point(|&edge| edge <= value)
}

/// The words of many jets, jagged: jet `b` owns `words[offsets[b] .. offsets[b + 1]]`, by levels of its tree.
#[derive(Debug, Clone, PartialEq)]
pub struct LdaWords {
    /// What made them.
    pub config: LdaWordConfig,
    /// `[W]`: bins as one number, decoded by [`LdaWordConfig::decode`].
    pub words: Vec<u64>,
    /// `[B + 1]`, starting with 0.
    pub offsets: Vec<usize>,
    /// Splittings without a word because their parent is massless, of all jets.
    pub degenerate: u64,
}

impl LdaWords {
    /// Number of jets, `B`.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no jet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The words of jet `b`.
    ///
    /// # Panics
    /// If there is no jet `b`, like an index into a slice.
    pub fn jet(&self, b: usize) -> &[u64] {
        &self.words[self.offsets[b]..self.offsets[b + 1]]
    }
}

/// The words of all jets, in parallel over jets.
///
/// # Shapes
/// - `jet_level`: `[B, J]`, row-major, the `J` numbers that [`LdaWordConfig::jet_level`] has edges for; empty for none
///
/// # Errors
/// As [`LdaWordConfig::check`]; [`PhysicsError::ColumnLength`] or [`PhysicsError::NotFinite`] for the jet-level
/// numbers; whatever [`crate::check_jets`] finds.
pub fn lda_words(jets: &Jets, jet_level: &[f64], config: &LdaWordConfig) -> Result<LdaWords, PhysicsError> {
    config.check()?;
    let width = config.jet_level.len();
    if jet_level.len() != jets.len() * width {
        return Err(PhysicsError::ColumnLength {
            column: "jet_level",
            expected: jets.len() * width,
            found: jet_level.len(),
        });
    }
    if let Some(place) = jet_level.iter().position(|value| !value.is_finite()) {
        return Err(PhysicsError::NotFinite {
            row: place / width,
            column: "jet_level",
            value: jet_level[place],
        });
    }
    // The largest radius, so that reclustering ends in one jet.
    let definition = JetDefinition::new(ClusterAlgorithm::CambridgeAachen, MAX_RADIUS);
    let gathered = gather_trees(jets, definition, |b, tree, words, open| {
        spell(&tree, &jet_level[b * width..(b + 1) * width], config, words, open)
    })?;
    Ok(LdaWords {
        config: config.clone(),
        words: gathered.items,
        offsets: gathered.offsets,
        degenerate: gathered.left_out,
    })
}

/// Adds the words of a jet and returns how many splittings have none. `open`: for each node whether it is taken apart.
fn spell(
    tree: &DeclusteringTree<'_>,
    jet_level: &[f64],
    config: &LdaWordConfig,
    words: &mut Vec<u64>,
    open: &mut Vec<bool>,
) -> u64 {
    let mut degenerate = 0;
    open.clear();
    for node in 0..tree.len() {
        // Parents stand before their children. Floor 0 opens massless parents too: their branches may have mass.
        let reached = tree.parent[node] == NO_NODE || open[tree.parent[node] as usize];
        let heavy = config.mass_floor == 0.0 || mass(&tree.momenta[node]) > config.mass_floor;
        open.push(reached && heavy && tree.left[node] != NO_NODE);
        if !open[node] {
            continue;
        }
        let Some(splitting) = splitting(tree, node) else {
            degenerate += 1;
            continue;
        };
        let numbers = jet_level.iter().zip(&config.jet_level);
        words.push(
            numbers.fold(config.splitting_word(&splitting), |word, (&value, edges)| {
                word * (edges.len() as u64 + 1) + bin(edges, value) as u64
            }),
        );
    }
    degenerate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FourVector;

    fn particle(pt: f64, eta: f64, phi: f64) -> FourVector {
        FourVector::from_pt_eta_phi_mass(pt, eta, phi, 0.0)
    }

    fn table(particles: &[FourVector]) -> Jets {
        let column = |of: fn(&FourVector) -> f64| particles.iter().map(|v| of(v) as f32).collect();
        Jets {
            e: column(|v| v.e),
            px: column(|v| v.px),
            py: column(|v| v.py),
            pz: column(|v| v.pz),
            offsets: vec![0, particles.len()],
            labels: vec![0],
            rows: vec![0],
        }
    }

    /// A top-like jet: two prongs of a W-like pair and a third.
    fn three_prongs() -> Vec<FourVector> {
        vec![
            particle(250.0, 0.0, 0.0),
            particle(120.0, 0.1, 0.4),
            particle(200.0, -0.3, -0.4),
        ]
    }

    #[test]
    fn branches_below_the_floor_stay_whole() {
        let pair = (three_prongs()[0] + three_prongs()[1]).mass();
        for (mass_floor, count) in [(0.0, 2), (pair - 1.0, 2), (pair + 1.0, 1), (1e4, 0)] {
            let config = LdaWordConfig {
                mass_floor,
                ..LdaWordConfig::default()
            };
            let words = lda_words(&table(&three_prongs()), &[], &config).unwrap();
            assert_eq!(words.jet(0).len(), count, "floor {mass_floor}");
        }
    }

    #[test]
    fn words_are_decoded_to_their_bins_and_jet_level_numbers_are_appended() {
        let config = LdaWordConfig::default().with_tau_ratios();
        assert_eq!(config.bins(), [18, 10, 10, 8, 6, 5, 5, 5]);
        let words = lda_words(&table(&three_prongs()), &[0.5, 0.2, 7.0], &config).unwrap();
        let all: FourVector = three_prongs().into_iter().sum();
        let digits = config.decode(words.jet(0)[0]);
        let edges_below = config.parent_mass.iter().filter(|&&edge| edge <= all.mass()).count();
        assert_eq!(digits[0], edges_below);
        // 0.2 lies on an edge and belongs above it.
        assert_eq!(digits[5..], [2, 1, 4]);
        assert!(digits[4] > 0);
        assert_eq!(
            config.decode(words.jet(0)[1])[4],
            0,
            "a pair of constituents has no helicity angle"
        );
    }

    #[test]
    fn massless_parents_are_counted_not_spelled() {
        let config = LdaWordConfig {
            mass_floor: 0.0,
            ..LdaWordConfig::default()
        };
        let twice = table(&[particle(5.0, 0.3, 1.0), particle(3.0, 0.3, 1.0)]);
        let words = lda_words(&twice, &[], &config).unwrap();
        assert_eq!((words.words.len(), words.degenerate), (0, 1));
        assert_eq!(lda_words(&table(&[]), &[], &config).unwrap().offsets, [0, 0]);
    }

    #[test]
    fn bad_bins_and_numbers_are_refused() {
        let good = LdaWordConfig::default();
        let jets = table(&three_prongs());
        for config in [
            LdaWordConfig {
                mass_floor: -1.0,
                ..good.clone()
            },
            LdaWordConfig {
                mass_drop: vec![0.5, 0.5],
                ..good.clone()
            },
            LdaWordConfig {
                opening_angle: vec![f64::NAN],
                ..good.clone()
            },
            LdaWordConfig {
                jet_level: vec![vec![0.5]; 64],
                ..good.clone()
            },
        ] {
            assert!(config.check().is_err(), "{config:?}");
        }
        assert!(lda_words(&jets, &[0.5], &good).is_err());
        assert!(lda_words(&jets, &[0.5, f64::NAN, 0.1], &good.with_tau_ratios()).is_err());
    }
}
