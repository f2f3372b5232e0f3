//! What two constituents are to each other: inputs of Particle Transformer, PELICAN and LorentzNet.
//!
//! Qu, Li, Qian, "Particle Transformer for Jet Tagging", arXiv:2202.03772: ln kT, ln z, ln dR and ln m^2 of every pair.
//! Bogatskiy et al., "PELICAN", arXiv:2211.00454, and Gong et al., "LorentzNet", arXiv:2201.08187: the Minkowski
//! products p_i p_j.
//!
//! A jet of n constituents has n^2 pairs: 50 make 40 kB of features, 128 make 262 kB. Compute them for a batch,
//! not for a data set.

use crate::{FourVector, JaggedView, PhysicsError, check_jets, constituents, wrap_phi};
use rayon::prelude::*;
use tagwerk_data::Jets;

/// The names of the pair features, in order.
pub const PAIR_FEATURES: [&str; 4] = ["ln_kt", "ln_z", "ln_delta_r", "ln_m2"];

/// Nothing smaller enters a logarithm.
const EPSILON: f64 = 1e-8;

/// ln kT, ln z, ln dR, ln m^2 of all pairs of the leading constituents, each number at least 1e-8 before its logarithm.
///
/// dR is the distance in (rapidity, azimuth), kT = min(pT_i, pT_j) dR in GeV, z = min(pT_i, pT_j) / (pT_i + pT_j), and
/// m^2 in GeV^2 the squared mass of p_i + p_j. A constituent is paired with itself too: dR is 0 there and z is 1/2.
///
/// # Shapes
/// - returns: `[sum_b n_b^2, 4]` with n_b = min(constituents of jet b, `max_constituents`): row i n_b + j of a jet
///   is the pair (i, j). The features are symmetric in i and j.
///
/// # Errors
/// [`PhysicsError::Setting`] if `max_constituents` is 0; whatever [`crate::check_jets`] finds.
pub fn pair_features_view(jets: &Jets, max_constituents: usize) -> Result<JaggedView, PhysicsError> {
    fill_pairs(
        jets,
        max_constituents,
        0,
        PAIR_FEATURES.len(),
        |b, n, rows, particles| {
            particles.clear();
            particles.extend(constituents(jets, b).take(max_constituents).map(Particle::new));
            for (i, first) in particles.iter().enumerate() {
                for (j, second) in particles[..=i].iter().enumerate() {
                    let features = first.pair_features(second).map(|value| value as f32);
                    for row in [i * n + j, j * n + i] {
                        rows[4 * row..4 * row + 4].copy_from_slice(&features);
                    }
                }
            }
        },
    )
}

/// The features of [`pair_features_view`] of each unordered pair, from jagged rows that hold (E, px, py, pz) in GeV
/// from column `first` on.
///
/// Half the pairs, and no jets: a network computes them for a batch when it needs them.
///
/// # Shapes
/// - `rows`: `B` jets of n_b rows
/// - returns: `[sum_b n_b (n_b + 1) / 2, 4]`: of a jet the pairs (i, j <= i), (i, j) at i (i + 1) / 2 + j
///
/// # Panics
/// If a row has fewer than `first + 4` columns, like an index into a slice.
pub fn unordered_pair_features(rows: &JaggedView, first: usize) -> Vec<f32> {
    const F: usize = PAIR_FEATURES.len();
    let sizes: Vec<usize> = (0..rows.len()).map(|b| rows.range(b).len()).collect();
    let mut values = vec![0.0; sizes.iter().map(|n| F * n * (n + 1) / 2).sum()];
    let mut rest = values.as_mut_slice();
    let mut own = Vec::with_capacity(sizes.len());
    for n in sizes {
        let (values, after) = rest.split_at_mut(F * n * (n + 1) / 2);
        own.push(values);
        rest = after;
    }
    own.into_par_iter()
        .enumerate()
        .for_each_init(Vec::new, |particles: &mut Vec<Particle>, (b, values)| {
            particles.clear();
            particles.extend(rows.jet(b).chunks_exact(rows.width).map(|row| {
                let [e, px, py, pz] = [0, 1, 2, 3].map(|k| f64::from(row[first + k]));
                Particle::new(FourVector { e, px, py, pz })
            }));
            let pairs = particles.iter().enumerate().flat_map(|(i, a)| {
                let others = particles[..=i].iter();
                others.map(move |b| a.pair_features(b))
            });
            for (slot, features) in values.chunks_exact_mut(F).zip(pairs) {
                slot.copy_from_slice(&features.map(|value| value as f32));
            }
        });
    values
}

/// Minkowski products p_i p_j = E_i E_j - p_i . p_j of all pairs, GeV^2, of some spurions and the leading constituents.
///
/// Spurions are fixed vectors put in front of every jet, such as the beam, that break the symmetry where the detector
/// does; PELICAN's are (1, 0, 0, 0) and (0, 0, 0, 1), LorentzNet's (sqrt 2, 0, 0, 1) and (sqrt 2, 0, 0, -1) as (E, px,
/// py, pz). The diagonal holds squared masses. Squared distances are (p_i - p_j)^2 = p_i p_i + p_j p_j - 2 p_i p_j.
///
/// # Shapes
/// - returns: `[sum_b n_b^2, 1]` with n_b = spurions + min(constituents of jet b, `max_constituents`): row i n_b + j
///   of a jet is the pair (i, j)
///
/// # Errors
/// [`PhysicsError::Setting`] if `max_constituents` is 0; [`PhysicsError::NotFinite`] for a spurion that is not finite
/// or above 1e100; whatever [`crate::check_jets`] finds.
pub fn minkowski_products_view(
    jets: &Jets,
    max_constituents: usize,
    spurions: &[FourVector],
) -> Result<JaggedView, PhysicsError> {
    for (row, spurion) in spurions.iter().enumerate() {
        for (column, value) in [
            ("e", spurion.e),
            ("px", spurion.px),
            ("py", spurion.py),
            ("pz", spurion.pz),
        ] {
            // Larger ones have squares that are not finite.
            if value.is_nan() || value.abs() >= 1e100 {
                return Err(PhysicsError::NotFinite { row, column, value });
            }
        }
    }
    fill_pairs(jets, max_constituents, spurions.len(), 1, |b, n, rows, vectors| {
        vectors.clear();
        vectors.extend_from_slice(spurions);
        vectors.extend(constituents(jets, b).take(max_constituents));
        for (i, a) in vectors.iter().enumerate() {
            for (j, b) in vectors[..=i].iter().enumerate() {
                let product = a.e * b.e - a.px * b.px - a.py * b.py - a.pz * b.pz;
                // The product of two absurd momenta is absurd, but not infinite.
                let product = product.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
                rows[i * n + j] = product;
                rows[j * n + i] = product;
            }
        }
    })
}

/// Fills n_b^2 rows of `width` a jet, each jet by one thread; `fill(b, n_b, rows, scratch)`.
fn fill_pairs<T: Send>(
    jets: &Jets,
    max_constituents: usize,
    extra: usize,
    width: usize,
    fill: impl Fn(usize, usize, &mut [f32], &mut Vec<T>) + Sync,
) -> Result<JaggedView, PhysicsError> {
    if max_constituents == 0 {
        return Err(PhysicsError::Setting {
            name: "max_constituents",
            value: 0.0,
            limit: "1 or more",
        });
    }
    check_jets(jets)?;
    let size = |b| extra + jets.range(b).len().min(max_constituents);
    let mut offsets = Vec::with_capacity(jets.len() + 1);
    let mut row_count = 0;
    offsets.push(0);
    for b in 0..jets.len() {
        row_count += size(b) * size(b);
        offsets.push(row_count);
    }
    let mut rows = vec![0.0; row_count * width];
    let mut rest = rows.as_mut_slice();
    let mut own = Vec::with_capacity(jets.len());
    for pair in offsets.windows(2) {
        let (rows, after) = rest.split_at_mut((pair[1] - pair[0]) * width);
        own.push(rows);
        rest = after;
    }
    own.into_par_iter()
        .enumerate()
        .for_each_init(Vec::new, |scratch, (b, rows)| fill(b, size(b), rows, scratch));
    Ok(JaggedView { width, rows, offsets })
}

/// A constituent with what its pairs need of it.
struct Particle {
    vector: FourVector,
    pt: f64,
    ln_pt: f64,
    y: f64,
    phi: f64,
}

impl Particle {
    fn new(vector: FourVector) -> Self {
        let pt = vector.pt();
        Self {
            pt,
            ln_pt: pt.ln(),
            y: vector.rapidity(),
            phi: vector.phi(),
            vector,
        }
    }

    /// The four features, in f64.
    fn pair_features(&self, other: &Self) -> [f64; 4] {
        let floor = EPSILON.ln();
        let (dy, dphi) = (self.y - other.y, wrap_phi(self.phi - other.phi));
        let ln_delta_r = 0.5 * (dy * dy + dphi * dphi).ln();
        let ln_softer = self.ln_pt.min(other.ln_pt);
        // Below the smallest pT sum worth the name, the ratio is that to the floor.
        let ln_z = ln_softer - (self.pt + other.pt).max(EPSILON).ln();
        let m2 = (self.vector + other.vector).mass2().max(EPSILON);
        // Sums of logarithms instead of logarithms of products; ln 0 is -infinity, which the floor catches.
        [
            (ln_softer + ln_delta_r).max(floor),
            ln_z.max(floor),
            ln_delta_r.max(floor),
            m2.ln(),
        ]
    }
}
