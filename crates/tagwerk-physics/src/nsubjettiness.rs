//! N-subjettiness: how far the momentum of a jet lies from N directions.
//!
//! Thaler, Van Tilburg, "Identifying Boosted Objects with N-subjettiness", arXiv:1011.2268, and "Maximizing Boosted Top
//! Identification by Minimizing N-subjettiness", arXiv:1108.2701:
//!
//! tau_N^(beta) = (1 / pT_jet) sum_i pT_i min(R_1i^beta, .., R_Ni^beta), with pT_jet of the summed four-vector and no
//! R0.
//!
//! The axes for every N come from one clustering: the state of N jets differs from that of N - 1 by one step taken
//! back, so each new N adds at most two directions to measure from. A jet of n constituents costs its clustering,
//! 2 N n distances, and one power a constituent, N and beta.

mod axes;
mod minimize;

use crate::constituents::check_jet;
use crate::{
    ClusterAlgorithm, Clusterer, FourVector, JetDefinition, MAX_RADIUS, PhysicsError, Recombination, check_jets,
    constituents,
};
use axes::{AxisWalk, Points};
use minimize::Minimizer;
pub use minimize::OnePass;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

/// Which N directions the distances are measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjetAxes {
    /// The N exclusive kT subjets with E-scheme recombination: the published choice of the M-body basis.
    #[default]
    ExclusiveKt,
    /// The N exclusive Cambridge/Aachen subjets with E-scheme recombination. Subjets are told apart by angle alone, so
    /// a soft constituent far out takes an axis for itself: these taus are not infrared safe.
    ExclusiveCambridgeAachen,
    /// The N exclusive kT subjets with winner-take-all recombination (arXiv:1401.2158): each axis is the direction of
    /// one constituent, and soft radiation does not move it.
    WinnerTakeAllKt,
}

/// The horizontal coordinate of distances; the vertical one is the azimuth.
///
/// For massless constituents both are the same; a subjet has a mass, and its rapidity is the smaller of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DistancePlane {
    /// Rapidity, as in the papers; differences do not change under boosts along the beam.
    #[default]
    Rapidity,
    /// Pseudorapidity.
    Pseudorapidity,
}

/// What makes a set of N-subjettinesses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NsubjettinessConfig {
    /// tau_N is computed for N = 1 up to this, which is 1 to 200. Default: 3.
    pub max_axes: usize,
    /// Powers of the distance, each above 0 and at most 8. Default: 1 alone.
    pub betas: Vec<f64>,
    /// The directions. Default: exclusive kT.
    pub axes: SubjetAxes,
    /// Radius of that clustering. Default: [`MAX_RADIUS`], at which everything is merged and nothing left to the beam;
    /// with 0.4 the exclusive subjets are those of that radius.
    pub radius: f64,
    /// The plane of the distances. Default: rapidity.
    pub plane: DistancePlane,
    /// Moves the axes, from where the clustering has put them, to a nearby minimum of tau, for each N and beta.
    /// Default: no.
    pub minimize: Option<OnePass>,
}

impl Default for NsubjettinessConfig {
    fn default() -> Self {
        Self {
            max_axes: 3,
            betas: vec![1.0],
            axes: SubjetAxes::ExclusiveKt,
            radius: MAX_RADIUS,
            plane: DistancePlane::Rapidity,
            minimize: None,
        }
    }
}

/// More axes than the reference data have constituents would be a typing error.
const MAX_AXES: usize = 200;

/// Largest angular power: the largest distance, some 1e5, to this power still has room in f64.
pub(crate) const MAX_BETA: f64 = 8.0;

/// N-subjettinesses with their working memory: one a thread, any number of jets.
///
/// ```
/// use tagwerk_physics::{FourVector, Nsubjettiness, NsubjettinessConfig};
///
/// let mut nsubjettiness = Nsubjettiness::new(NsubjettinessConfig::default())?;
/// let two_prongs = [(100.0, 0.0), (90.0, 0.6), (10.0, 0.02)]
///     .map(|(pt, phi)| FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0));
/// let tau = nsubjettiness.compute(two_prongs)?;
/// assert!(tau[1] / tau[0] < 0.01 && tau[2] == 0.0);
/// # Ok::<(), tagwerk_physics::PhysicsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Nsubjettiness {
    config: NsubjettinessConfig,
    powers: Vec<Power>,
    clusterer: Clusterer,
    points: Points,
    axes: AxisWalk,
    minimizer: Minimizer,
    /// Distance to the nearest axis, squared, then its power; `[n]` each.
    nearest2: Vec<f64>,
    powered: Vec<f64>,
    /// `[max_axes, betas]`.
    taus: Vec<f64>,
    /// Axes by rising N, and by beta where each has its own.
    found_axes: Vec<[f64; 2]>,
    /// Largest N of the last jet that has axes.
    axes_known: usize,
}

impl Nsubjettiness {
    /// Checks a configuration and makes room for it.
    ///
    /// # Errors
    /// [`PhysicsError::Setting`] for a value outside the limits stated at its field, or an empty list of powers.
    pub fn new(config: NsubjettinessConfig) -> Result<Self, PhysicsError> {
        if !(1..=MAX_AXES).contains(&config.max_axes) {
            return Err(PhysicsError::Setting {
                name: "max_axes",
                value: config.max_axes as f64,
                limit: "1 to 200",
            });
        }
        if config.betas.is_empty() {
            return Err(PhysicsError::Setting {
                name: "number of betas",
                value: 0.0,
                limit: "1 or more",
            });
        }
        for &beta in &config.betas {
            check_beta(beta)?;
        }
        if let Some(one_pass) = &config.minimize {
            one_pass.check()?;
        }
        let (algorithm, recombination) = match config.axes {
            SubjetAxes::ExclusiveKt => (ClusterAlgorithm::Kt, Recombination::EScheme),
            SubjetAxes::ExclusiveCambridgeAachen => (ClusterAlgorithm::CambridgeAachen, Recombination::EScheme),
            SubjetAxes::WinnerTakeAllKt => (ClusterAlgorithm::Kt, Recombination::WinnerTakeAll),
        };
        let clusterer = Clusterer::new(JetDefinition {
            algorithm,
            radius: config.radius,
            recombination,
        })?;
        Ok(Self {
            powers: config.betas.iter().map(|&beta| Power::of_distance(beta)).collect(),
            config,
            clusterer,
            points: Points::default(),
            axes: AxisWalk::default(),
            minimizer: Minimizer::default(),
            nearest2: Vec::new(),
            powered: Vec::new(),
            taus: Vec::new(),
            found_axes: Vec::new(),
            axes_known: 0,
        })
    }

    /// The configuration this was made for.
    pub fn config(&self) -> &NsubjettinessConfig {
        &self.config
    }

    /// All tau_N^(beta) of one jet; 0 where N is the number of constituents or more, and where the jet has no
    /// transverse momentum.
    ///
    /// # Shapes
    /// - returns: `[max_axes, betas]`, row-major: all powers of N = 1 first. It lives until the next call.
    ///
    /// # Errors
    /// As [`Clusterer::cluster`].
    pub fn compute(&mut self, particles: impl IntoIterator<Item = FourVector>) -> Result<&[f64], PhysicsError> {
        let beta_count = self.powers.len();
        self.axes_known = 0;
        self.taus.clear();
        self.taus.resize(self.config.max_axes * beta_count, 0.0);
        self.found_axes.clear();
        let history = self.clusterer.cluster(particles)?;
        let count = history.particle_count();
        let particles = &history.momenta()[..count];
        let total: FourVector = particles.iter().copied().sum();
        let pt = total.pt2().sqrt();
        if pt == 0.0 {
            return Ok(&self.taus);
        }
        self.points.fill(history, self.config.plane);
        self.axes.clear();
        self.nearest2.resize(count, 0.0);
        self.powered.resize(count, 0.0);
        let to_winner = self.config.axes == SubjetAxes::WinnerTakeAllKt;
        for (n, taus) in (1..count).zip(self.taus.chunks_exact_mut(beta_count)) {
            self.axes
                .undo_step(n, history, &self.points, self.config.plane, to_winner);
            self.axes_known = n;
            if let Some(one_pass) = &self.config.minimize {
                for (tau, &power) in taus.iter_mut().zip(&self.powers) {
                    let start = self.found_axes.len();
                    self.found_axes.extend_from_slice(&self.axes.directions);
                    let axes = &mut self.found_axes[start..];
                    *tau = self.minimizer.minimize(&self.points, axes, power, one_pass) / pt;
                }
                continue;
            }
            self.found_axes.extend_from_slice(&self.axes.directions);
            self.axes.nearest(&mut self.nearest2);
            for (tau, power) in taus.iter_mut().zip(&self.powers) {
                power.apply(&self.nearest2, &mut self.powered);
                *tau = dot(&self.points.weight, &self.powered) / pt;
            }
        }
        Ok(&self.taus)
    }

    /// As [`compute`](Self::compute), for jet `b` of a table.
    ///
    /// # Errors
    /// As [`Clusterer::cluster_jet`].
    pub fn compute_jet(&mut self, jets: &Jets, b: usize) -> Result<&[f64], PhysicsError> {
        check_jet(jets, b)?;
        self.compute(constituents(jets, b))
    }

    /// The axes behind tau_N of the last jet for the power of index `beta`: (rapidity or pseudorapidity, azimuth) in no
    /// particular order.
    ///
    /// None where that tau is 0 by definition (N at least the number of constituents), or was not asked for.
    pub fn axes(&self, n: usize, beta: usize) -> &[[f64; 2]] {
        if n == 0 || n > self.axes_known.min(self.config.max_axes) || beta >= self.powers.len() {
            return &[];
        }
        let before = n * (n - 1) / 2;
        let start = match self.config.minimize {
            Some(_) => before * self.powers.len() + beta * n,
            None => before,
        };
        &self.found_axes[start..start + n]
    }
}

/// All tau_N^(beta) of all jets, in parallel.
///
/// # Shapes
/// - returns: `[B, max_axes, betas]`, row-major
///
/// # Errors
/// As [`Nsubjettiness::new`]; whatever [`crate::check_jets`] finds.
pub fn nsubjettiness(jets: &Jets, config: &NsubjettinessConfig) -> Result<Vec<f64>, PhysicsError> {
    check_jets(jets)?;
    let prototype = Nsubjettiness::new(config.clone())?;
    let size = config.max_axes * config.betas.len();
    let mut values = vec![0.0; jets.len() * size];
    values.par_chunks_exact_mut(size).enumerate().try_for_each_init(
        || prototype.clone(),
        |nsubjettiness, (b, own)| {
            own.copy_from_slice(nsubjettiness.compute(constituents(jets, b))?);
            Ok(())
        },
    )?;
    Ok(values)
}

/// Refuses a power of the distance that is 0, negative, or out of range.
pub(crate) fn check_beta(beta: f64) -> Result<(), PhysicsError> {
    if !(beta > 0.0 && beta <= MAX_BETA) {
        return Err(PhysicsError::Setting {
            name: "beta",
            value: beta,
            limit: "above 0 and at most 8",
        });
    }
    Ok(())
}

/// A power of a distance, applied to its square: the usual ones need no `powf`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Power {
    /// beta = 0.5.
    Root,
    /// beta = 1.
    Linear,
    /// beta = 2.
    Square,
    /// Any other, with half of beta.
    General(f64),
}

impl Power {
    pub fn of_distance(beta: f64) -> Self {
        match beta {
            0.5 => Self::Root,
            1.0 => Self::Linear,
            2.0 => Self::Square,
            _ => Self::General(0.5 * beta),
        }
    }

    /// The beta this stands for.
    pub fn beta(self) -> f64 {
        match self {
            Self::Root => 0.5,
            Self::Linear => 1.0,
            Self::Square => 2.0,
            Self::General(half) => 2.0 * half,
        }
    }

    /// R^beta for each R^2.
    pub fn apply(self, distance2: &[f64], powered: &mut [f64]) {
        // The match stands outside the loops, so that each is a run of vector instructions.
        let pairs = powered.iter_mut().zip(distance2);
        match self {
            Self::Root => pairs.for_each(|(power, d2)| *power = d2.sqrt().sqrt()),
            Self::Linear => pairs.for_each(|(power, d2)| *power = d2.sqrt()),
            Self::Square => pairs.for_each(|(power, d2)| *power = *d2),
            Self::General(half) => pairs.for_each(|(power, d2)| *power = d2.powf(half)),
        }
    }
}

/// Sum of products, in four independent sums that fit vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (mut a, mut b) = (a.chunks_exact(4), b.chunks_exact(4));
    for (a, b) in (&mut a).zip(&mut b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}
