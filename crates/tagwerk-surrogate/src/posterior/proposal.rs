//! The prolate proposal of AdamMCMC: a normal distribution around an optimizer's step, longer along the step.
//!
//! Bieringer, Kasieczka, Steffen, Trabs, "AdamMCMC: combining Metropolis adjusted Langevin with momentum-based
//! optimization", arXiv:2312.14027. From theta with step u:
//!
//! tau ~ N(theta - u, s^2 1 + sD^2 u u^T), tau = theta - u + s eps - sD xi u,
//!
//! with eps ~ N(0, 1) for each weight and one number xi ~ N(0, 1).
//!
//! With r = tau - (theta - u) the matrix determinant lemma and the formula of Sherman and Morrison give
//!
//! ln q = -P ln s - 1/2 ln(1 + sD^2 |u|^2 / s^2) - 1/2 ( |r|^2 / s^2 - (r.u)^2 / (s^4 / sD^2 + s^2 |u|^2) ) + const.
//!
//! Both moves have the same s, so P ln s cancels and is never computed. What is left of |r|^2 cancels partly, too: with
//! d = tau - theta, the forward move from theta with u and the reverse move from tau with v,
//!
//! r_forward^2 - r_reverse^2 = 2 d.(u + v) + u^2 - v^2, r_forward.u = d.u + u^2, r_reverse.v = v^2 - d.v,
//!
//! so that four scalar products ([`Overlaps`]) hold all there is to know, and |d|^2, the largest number, is in none.
//! For v = u the ratio is 2 d.u / (s^2 + sD^2 |u|^2).

use tagwerk_data::random::normal;

/// Widths of the proposal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prolate {
    /// s, above 0: the width in every direction, per weight.
    pub width: f64,
    /// sD, at least 0: the width along the step, in lengths of the step.
    pub along: f64,
}

/// Errors of the released codes that change the proposal or its density. All off is right.
///
/// They are here so that published chains can be repeated and the size of each effect measured; nothing else should
/// switch them on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Defects {
    /// The directional noise is drawn for each component: the covariance is s^2 1 + sD^2 diag(u^2), the density still
    /// says s^2 1 + sD^2 u u^T. (Both released codes.)
    pub noise_per_component: bool,
    /// The logarithm of the determinant is not halved. Cancels where both moves have one step. (Both codes.)
    pub whole_determinant: bool,
    /// Each density has the squared norm of the other move's step. (Surrogate code.)
    pub swapped_norms: bool,
    /// s^4 sD^2 instead of s^4 / sD^2 in the rank-one term. (Surrogate code before May 2024.)
    pub inverted_axis: bool,
    /// The step and the loss of the current weights come from the minibatch in which they were proposed, and are kept
    /// through rejections. Only with the reverse step computed anew. (Surrogate code.)
    pub stale_batch: bool,
}

impl Defects {
    /// All errors of the surrogate's code as it is now: every one but the inverted axis.
    pub fn surrogate_code() -> Self {
        Self {
            noise_per_component: true,
            whole_determinant: true,
            swapped_norms: true,
            inverted_axis: false,
            stale_batch: true,
        }
    }

    /// Either this or the other.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            noise_per_component: self.noise_per_component || other.noise_per_component,
            whole_determinant: self.whole_determinant || other.whole_determinant,
            swapped_norms: self.swapped_norms || other.swapped_norms,
            inverted_axis: self.inverted_axis || other.inverted_axis,
            stale_batch: self.stale_batch || other.stale_batch,
        }
    }
}

/// Scalar products of a forward step u (from theta), a reverse step v (from tau), and d = tau - theta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlaps {
    /// d.u
    pub du: f64,
    /// d.v
    pub dv: f64,
    /// |u|^2
    pub uu: f64,
    /// |v|^2
    pub vv: f64,
}

/// Products are added in lanes, so that the compiler can use vectors; the order is fixed.
const LANES: usize = 8;

impl Overlaps {
    /// All slices are `[P]`.
    pub fn new(theta: &[f64], tau: &[f64], forward: &[f64], reverse: &[f64]) -> Self {
        let mut lanes = [[0.0; LANES]; 4];
        for (index, (((theta, tau), u), v)) in theta.iter().zip(tau).zip(forward).zip(reverse).enumerate() {
            let (d, lane) = (tau - theta, index % LANES);
            lanes[0][lane] += d * u;
            lanes[1][lane] += d * v;
            lanes[2][lane] += u * u;
            lanes[3][lane] += v * v;
        }
        let [du, dv, uu, vv] = lanes.map(|lane| lane.iter().sum());
        Self { du, dv, uu, vv }
    }
}

impl Prolate {
    /// Draws tau from theta with its step, into `tau`.
    pub fn draw(
        &self,
        theta: &[f64],
        step: &[f64],
        defects: &Defects,
        rng: &mut impl rand_core::Rng,
        tau: &mut Vec<f64>,
    ) {
        tau.resize(theta.len(), 0.0);
        let shared = if self.along > 0.0 { normal(rng) } else { 0.0 };
        for ((tau, theta), u) in tau.iter_mut().zip(theta).zip(step) {
            let xi = if defects.noise_per_component && self.along > 0.0 {
                normal(rng)
            } else {
                shared
            };
            *tau = theta - u + self.width * normal(rng) - self.along * xi * u;
        }
    }

    /// ln q(theta | tau) - ln q(tau | theta), the reverse move against the forward one.
    pub fn log_ratio(&self, overlaps: &Overlaps, defects: &Defects) -> f64 {
        let Overlaps { du, dv, uu, vv } = *overlaps;
        // (r.direction)^2 enters with the norm of that direction, unless the defect swaps the norms.
        let (norm_forward, norm_reverse) = if defects.swapped_norms { (vv, uu) } else { (uu, vv) };
        let squares = (2.0 * (du + dv) + uu - vv) / (self.width * self.width);
        let forward = self.rank_one(du + uu, norm_forward, defects);
        let reverse = self.rank_one(vv - dv, norm_reverse, defects);
        0.5 * squares + reverse - forward
    }

    /// What the long axis adds to ln q: -1/2 ln(1 + sD^2 |u|^2 / s^2) + 1/2 (r.u)^2 / (s^4 / sD^2 + s^2 |u|^2).
    fn rank_one(&self, along_step: f64, norm: f64, defects: &Defects) -> f64 {
        if self.along == 0.0 {
            return 0.0;
        }
        let (s2, sd2) = (self.width * self.width, self.along * self.along);
        let ratio = sd2 / s2;
        let axis = if defects.inverted_axis {
            s2 * s2 * sd2 + s2 * norm
        } else {
            s2 * s2 / sd2 + s2 * norm
        };
        let determinant = (ratio * norm).ln_1p();
        let halves = if defects.whole_determinant { 1.0 } else { 0.5 };
        0.5 * along_step * along_step / axis - halves * determinant
    }
}
