//! Energy correlation functions: prongs without axes.
//!
//! Larkoski, Salam, Thaler, "Energy Correlation Functions for Jet Substructure", arXiv:1305.0007:
//!
//! ECF(N, beta) = sum_{i1 < .. < iN} (prod_a pT_ia) (prod_{b < c} R_ib,ic)^beta, with R in (rapidity, azimuth).
//!
//! The ratios: C1, C2, C3 there, D2 in Larkoski, Moult, Neill, arXiv:1409.6298, and the generalized correlators with M2
//! and N2 in Moult, Necib, Thaler, arXiv:1609.07483.
//!
//! **One kernel.** With w_ij = R_ij^beta let Q_m(u) = sum_{m < j < k} u_j u_k w_jk. Then ECF(2) = Q(pT),
//! ECF(3) = sum_i pT_i Q_i(pT w_i) and ECF(4) = sum_{i<j} pT_i pT_j w_ij Q_j(pT w_i w_j): all three are sums of the
//! same quadratic form, whose inner loop runs along a row. N points cost n^N / N! of its terms; four points of 200
//! constituents are 6e7 a jet, so they must be asked for.

use crate::nsubjettiness::{Power, check_beta};
use crate::{FourVector, PhysicsError, check_jets, constituents};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use tagwerk_data::Jets;

/// What makes a set of energy correlations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnergyCorrelationConfig {
    /// Power of the distances, above 0 and at most 8. Default: 1.
    pub beta: f64,
    /// Most points correlated, 2 to 4. Default: 3.
    pub points: usize,
    /// Whether the generalized three-point correlators are computed too. Default: yes.
    pub generalized: bool,
}

impl Default for EnergyCorrelationConfig {
    fn default() -> Self {
        Self {
            beta: 1.0,
            points: 3,
            generalized: true,
        }
    }
}

/// The energy correlations of one jet, normalized: e_N = ECF(N) / ECF(1)^N.
///
/// Ratios with a vanishing denominator are 0. What was not computed, by the configuration, is 0 too.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EnergyCorrelations {
    /// ECF(1), the scalar sum of transverse momenta, GeV.
    pub pt_sum: f64,
    /// e_2.
    pub e2: f64,
    /// e_3.
    pub e3: f64,
    /// e_4.
    pub e4: f64,
    /// _1 e_3: of the three distances only the smallest.
    pub e3_one_angle: f64,
    /// _2 e_3: the product of the two smallest of the three distances.
    pub e3_two_angles: f64,
}

impl EnergyCorrelations {
    /// ECF(N, beta) in GeV^N for N = 0 to 4; `None` beyond.
    pub fn ecf(&self, points: usize) -> Option<f64> {
        let normalized = *[1.0, 1.0, self.e2, self.e3, self.e4].get(points)?;
        // At most four.
        Some(normalized * self.pt_sum.powi(points as i32))
    }

    /// C1 = e2: one prong when small.
    pub fn c1(&self) -> f64 {
        self.e2
    }

    /// C2 = e3 / e2^2: two prongs when small.
    pub fn c2(&self) -> f64 {
        ratio(self.e3, self.e2 * self.e2)
    }

    /// C3 = e4 e2 / e3^2: three prongs when small.
    pub fn c3(&self) -> f64 {
        ratio(self.e4 * self.e2, self.e3 * self.e3)
    }

    /// D2 = e3 / e2^3: two prongs when small, by the scaling of soft and collinear radiation.
    pub fn d2(&self) -> f64 {
        ratio(self.e3, self.e2 * self.e2 * self.e2)
    }

    /// M2 = _1 e_3 / e_2.
    pub fn m2(&self) -> f64 {
        ratio(self.e3_one_angle, self.e2)
    }

    /// N2 = _2 e_3 / e_2^2.
    pub fn n2(&self) -> f64 {
        ratio(self.e3_two_angles, self.e2 * self.e2)
    }
}

/// Energy correlators with their working memory: one a thread, any number of jets.
///
/// ```
/// use tagwerk_physics::{EnergyCorrelationConfig, EnergyCorrelator, FourVector};
///
/// let mut correlator = EnergyCorrelator::new(EnergyCorrelationConfig::default())?;
/// let jet = [(60.0, 0.0), (40.0, 0.5)].map(|(pt, phi)| FourVector::from_pt_eta_phi_mass(pt, 0.0, phi, 0.0));
/// let correlations = correlator.compute(jet);
/// assert!((correlations.e2 - 0.6 * 0.4 * 0.5).abs() < 1e-12);
/// assert_eq!(correlations.d2(), 0.0);
/// # Ok::<(), tagwerk_physics::PhysicsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EnergyCorrelator {
    config: EnergyCorrelationConfig,
    power: Power,
    weights: Weights,
    y: Vec<f64>,
    phi: Vec<f64>,
    distance2: Vec<f64>,
    /// pT shares times the w of the points chosen so far; `[stride]` each.
    one: Vec<f64>,
    two: Vec<f64>,
}

impl EnergyCorrelator {
    /// Checks a configuration and makes room for it.
    ///
    /// # Errors
    /// [`PhysicsError::Setting`] for a power outside (0, 8] or a number of points outside 2 to 4.
    pub fn new(config: EnergyCorrelationConfig) -> Result<Self, PhysicsError> {
        check_beta(config.beta)?;
        if !(2..=4).contains(&config.points) {
            return Err(PhysicsError::Setting {
                name: "points",
                value: config.points as f64,
                limit: "2 to 4",
            });
        }
        Ok(Self {
            power: Power::of_distance(config.beta),
            config,
            weights: Weights::default(),
            y: Vec::new(),
            phi: Vec::new(),
            distance2: Vec::new(),
            one: Vec::new(),
            two: Vec::new(),
        })
    }

    /// The configuration this was made for.
    pub fn config(&self) -> EnergyCorrelationConfig {
        self.config
    }

    /// The correlations of one jet; all 0 for a jet without transverse momentum.
    ///
    /// Momenta must be finite ([`crate::check_jets`]); otherwise the results are not numbers.
    pub fn compute(&mut self, particles: impl IntoIterator<Item = FourVector>) -> EnergyCorrelations {
        let pt_sum = self.fill(particles);
        let mut correlations = EnergyCorrelations {
            pt_sum,
            ..EnergyCorrelations::default()
        };
        if pt_sum == 0.0 {
            return correlations;
        }
        self.fill_weights();
        self.correlate(&mut correlations);
        correlations
    }

    /// Fills in everything but the sum of momenta.
    fn correlate(&mut self, correlations: &mut EnergyCorrelations) {
        let count = self.y.len();
        correlations.e2 = self.weights.quadratic_form(&self.weights.share, 0);
        if self.config.points < 3 {
            return;
        }
        for i in 0..count {
            let share = self.weights.share[i];
            self.weights.scale(&self.weights.share, i, &mut self.one);
            correlations.e3 += share * self.weights.quadratic_form(&self.one, i + 1);
            if self.config.generalized {
                let (smallest, two_smallest) = self.weights.ordered_triples(i, &mut self.distance2, &mut self.two);
                correlations.e3_one_angle += share * smallest;
                correlations.e3_two_angles += share * two_smallest;
            }
            if self.config.points < 4 {
                continue;
            }
            for j in i + 1..count {
                self.weights.scale(&self.one, j, &mut self.two);
                correlations.e4 += share * self.one[j] * self.weights.quadratic_form(&self.two, j + 1);
            }
        }
    }

    /// Loads a jet and returns its summed transverse momentum. Particles without any are left out: they weigh nothing.
    fn fill(&mut self, particles: impl IntoIterator<Item = FourVector>) -> f64 {
        self.y.clear();
        self.phi.clear();
        self.weights.share.clear();
        let mut pt_sum = 0.0;
        for particle in particles {
            let pt = particle.pt2().sqrt();
            if pt == 0.0 {
                continue;
            }
            pt_sum += pt;
            self.y.push(particle.rapidity());
            self.phi.push(particle.phi());
            self.weights.share.push(pt);
        }
        self.weights.share.iter_mut().for_each(|share| *share /= pt_sum);
        pt_sum
    }

    /// R^beta of all pairs, and room for the sums.
    fn fill_weights(&mut self) {
        let count = self.y.len();
        let stride = count.next_multiple_of(LANES);
        self.weights.share.resize(stride, 0.0);
        self.one.resize(stride, 0.0);
        self.two.resize(stride, 0.0);
        self.distance2.resize(stride, 0.0);
        self.weights.stride = stride;
        self.weights.full.clear();
        self.weights.full.resize(stride * count, 0.0);
        self.weights.upper.clear();
        self.weights.upper.resize(stride * count, 0.0);
        for i in 0..count {
            for ((distance2, y), phi) in self.distance2.iter_mut().zip(&self.y).zip(&self.phi) {
                let dy = y - self.y[i];
                let turn = (phi - self.phi[i]).abs();
                let back = TAU - turn;
                let dphi = if turn < back { turn } else { back };
                *distance2 = dy * dy + dphi * dphi;
            }
            let row = &mut self.weights.full[i * stride..][..count];
            self.power.apply(&self.distance2, row);
            self.weights.upper[i * stride..][i + 1..count].copy_from_slice(&row[i + 1..]);
        }
    }
}

/// Columns handled together; rows are padded with zeros to a multiple.
const LANES: usize = 4;

/// The jet as a weighted graph: pT shares at the nodes, w_ij = R_ij^beta at the edges.
#[derive(Debug, Clone, Default)]
struct Weights {
    /// `[stride]`, zero past the last constituent.
    share: Vec<f64>,
    stride: usize,
    /// `[n, stride]`, symmetric.
    full: Vec<f64>,
    /// The same with zeros on and below the diagonal.
    upper: Vec<f64>,
}

impl Weights {
    /// u_k w_jk for all k.
    fn scale(&self, u: &[f64], j: usize, scaled: &mut [f64]) {
        let row = &self.full[j * self.stride..][..self.stride];
        for ((scaled, u), w) in scaled.iter_mut().zip(u).zip(row) {
            *scaled = u * w;
        }
    }

    /// sum_{first <= j < k} u_j u_k w_jk.
    fn quadratic_form(&self, u: &[f64], first: usize) -> f64 {
        let (stride, count) = (self.stride, self.upper.len() / self.stride);
        let mut total = [0.0; LANES];
        // Two rows share what is read of u; their zeros at and below the diagonal let both begin at a whole step.
        for j in (first..count).step_by(2) {
            if j + 1 == count {
                // The last row has nothing above the diagonal.
                break;
            }
            let begin = j / LANES * LANES;
            // Arrays rather than slices: the compiler keeps a whole one in a register.
            let (columns, _) = u[begin..stride].as_chunks::<LANES>();
            let (upper, _) = self.upper[j * stride..][begin..stride].as_chunks::<LANES>();
            let (next, _) = self.upper[(j + 1) * stride..][begin..stride].as_chunks::<LANES>();
            let (mut sums, mut next_sums) = ([0.0; LANES], [0.0; LANES]);
            for ((u, upper), next) in columns.iter().zip(upper).zip(next) {
                for lane in 0..LANES {
                    sums[lane] += u[lane] * upper[lane];
                    next_sums[lane] += u[lane] * next[lane];
                }
            }
            for lane in 0..LANES {
                total[lane] += u[j] * sums[lane] + u[j + 1] * next_sums[lane];
            }
        }
        (total[0] + total[1]) + (total[2] + total[3])
    }

    /// sum_{i < j < k} of z_j z_k min(w_ij, w_ik, w_jk), and of z_j z_k times the smallest product of two of them.
    fn ordered_triples(&self, i: usize, one: &mut [f64], two: &mut [f64]) -> (f64, f64) {
        let (stride, count) = (self.stride, self.upper.len() / self.stride);
        let own = &self.full[i * stride..][..count];
        one.fill(0.0);
        two.fill(0.0);
        for j in i + 1..count {
            let (share, ij) = (self.share[j], own[j]);
            let jk = &self.full[j * stride..][j + 1..count];
            let columns = own[j + 1..]
                .iter()
                .zip(jk)
                .zip(&mut one[j + 1..])
                .zip(&mut two[j + 1..]);
            for (((&ik, &jk), one), two) in columns {
                let low = if ik < jk { ik } else { jk };
                let high = if ik < jk { jk } else { ik };
                *one += share * if ij < low { ij } else { low };
                *two += share * low * if ij < high { ij } else { high };
            }
        }
        let sum = |column: &[f64]| column.iter().zip(&self.share).map(|(a, b)| a * b).sum();
        (sum(one), sum(two))
    }
}

/// The energy correlations of all jets, in parallel, in order.
///
/// # Errors
/// As [`EnergyCorrelator::new`]; whatever [`crate::check_jets`] finds.
pub fn energy_correlations(
    jets: &Jets,
    config: EnergyCorrelationConfig,
) -> Result<Vec<EnergyCorrelations>, PhysicsError> {
    check_jets(jets)?;
    let correlator = EnergyCorrelator::new(config)?;
    let correlations = (0..jets.len())
        .into_par_iter()
        .map_with(correlator, |correlator, b| correlator.compute(constituents(jets, b)));
    Ok(correlations.collect())
}

fn ratio(above: f64, below: f64) -> f64 {
    if below > 0.0 { above / below } else { 0.0 }
}
