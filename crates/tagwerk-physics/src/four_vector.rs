//! Four-vectors: the kinematics everything else stands on.
//!
//! Rapidity and pseudorapidity are written so that a forward particle loses no digits: neither `E - |pz|` nor
//! `|p| - |pz|` is ever formed. Directions along the beam, where both diverge, get the finite stand-in
//! [`MAX_RAPIDITY`], so that no infinity and no NaN leaves this file for finite input.

use crate::PhysicsError;
use std::f64::consts::{PI, TAU};

/// The value that rapidity and pseudorapidity are cut to; exactly forward momenta carry it, with the sign of `pz`.
pub const MAX_RAPIDITY: f64 = 1e5;

/// Energy and momentum of a particle or of a jet, in GeV.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FourVector {
    /// Energy.
    pub e: f64,
    /// Momentum along x.
    pub px: f64,
    /// Momentum along y.
    pub py: f64,
    /// Momentum along the beam.
    pub pz: f64,
}

impl FourVector {
    /// From energy and Cartesian momentum, in GeV.
    #[inline]
    pub fn new(e: f64, px: f64, py: f64, pz: f64) -> Self {
        Self { e, px, py, pz }
    }

    /// From transverse momentum, pseudorapidity, azimuth and mass.
    pub fn from_pt_eta_phi_mass(pt: f64, eta: f64, phi: f64, mass: f64) -> Self {
        let (sin, cos) = phi.sin_cos();
        let pz = pt * eta.sinh();
        let e = (pt * pt + pz * pz + mass * mass).sqrt();
        Self::new(e, pt * cos, pt * sin, pz)
    }

    /// From transverse momentum, rapidity, azimuth and mass.
    pub fn from_pt_rapidity_phi_mass(pt: f64, rapidity: f64, phi: f64, mass: f64) -> Self {
        let (sin, cos) = phi.sin_cos();
        let mt = pt.hypot(mass);
        Self::new(mt * rapidity.cosh(), pt * cos, pt * sin, mt * rapidity.sinh())
    }

    /// Squared transverse momentum, GeV^2.
    #[inline]
    pub fn pt2(&self) -> f64 {
        self.px * self.px + self.py * self.py
    }

    /// Transverse momentum, GeV.
    pub fn pt(&self) -> f64 {
        self.px.hypot(self.py)
    }

    /// Magnitude of the momentum, GeV.
    pub fn p(&self) -> f64 {
        self.pt().hypot(self.pz)
    }

    /// Azimuth in (-pi, pi]; 0 where there is no transverse momentum.
    #[inline]
    pub fn phi(&self) -> f64 {
        if self.px == 0.0 && self.py == 0.0 {
            return 0.0;
        }
        let phi = self.py.atan2(self.px);
        // atan2 answers -pi for a negative zero in y.
        if phi <= -PI { PI } else { phi }
    }

    /// Pseudorapidity, asinh(pz / pT); 0 for the null momentum.
    pub fn eta(&self) -> f64 {
        let pt = self.pt();
        if pt == 0.0 {
            return beam_direction(self.pz);
        }
        (self.pz / pt).asinh().clamp(-MAX_RAPIDITY, MAX_RAPIDITY)
    }

    /// Rapidity, ln((E + pz) / (E - pz)) / 2; 0 for the null vector.
    ///
    /// Computed as ln((E + |pz|)^2 / (pT^2 + m^2)) / 2 with the sign of `pz`, which is stable for forward
    /// particles. A squared mass below zero, the rounding of massless input, counts as zero.
    #[inline]
    pub fn rapidity(&self) -> f64 {
        let pt2 = self.pt2();
        let transverse_mass2 = pt2 + self.mass2().max(0.0);
        let forward = self.e + self.pz.abs();
        if transverse_mass2 <= 0.0 {
            return beam_direction(self.pz);
        }
        let magnitude = 0.5 * (forward * forward / transverse_mass2).ln();
        let magnitude = magnitude.clamp(-MAX_RAPIDITY, MAX_RAPIDITY);
        // At pz = 0 the magnitude is zero up to rounding, and that rounding gets FastJet's sign.
        if self.pz > 0.0 { magnitude } else { -magnitude }
    }

    /// Squared invariant mass, GeV^2; may be negative by rounding.
    #[inline]
    pub fn mass2(&self) -> f64 {
        (self.e + self.pz) * (self.e - self.pz) - self.pt2()
    }

    /// Invariant mass, GeV, with the sign of the squared mass: -sqrt(-m^2) where rounding made it negative.
    pub fn mass(&self) -> f64 {
        let m2 = self.mass2();
        m2.abs().sqrt().copysign(m2)
    }

    /// Velocity in units of c, p / E.
    pub fn velocity(&self) -> [f64; 3] {
        [self.px / self.e, self.py / self.e, self.pz / self.e]
    }

    /// This vector seen from a frame in which everything has gained the velocity `beta` (units of c).
    ///
    /// # Errors
    /// [`PhysicsError::Boost`] unless |beta| < 1.
    pub fn boosted(&self, beta: [f64; 3]) -> Result<Self, PhysicsError> {
        let beta2 = dot(beta, beta);
        if beta2.is_nan() || beta2 >= 1.0 {
            return Err(PhysicsError::Boost { speed: beta2.sqrt() });
        }
        let gamma = 1.0 / (1.0 - beta2).sqrt();
        let along = dot(beta, [self.px, self.py, self.pz]);
        // (gamma - 1) / beta^2 without the 0 / 0 of a boost by nothing.
        let momentum_factor = gamma * gamma / (gamma + 1.0) * along + gamma * self.e;
        Ok(Self {
            e: gamma * (self.e + along),
            px: self.px + momentum_factor * beta[0],
            py: self.py + momentum_factor * beta[1],
            pz: self.pz + momentum_factor * beta[2],
        })
    }

    /// This vector in the rest frame of `frame`, without passing through a velocity (stable at large boosts).
    ///
    /// # Errors
    /// [`PhysicsError::Boost`] if `frame` has no positive mass and energy, hence no rest frame.
    pub fn in_rest_frame_of(&self, frame: &Self) -> Result<Self, PhysicsError> {
        let mass = frame.mass();
        // Written so that NaN is refused too.
        if !(mass > 0.0 && frame.e > 0.0) {
            return Err(PhysicsError::Boost {
                speed: frame.p() / frame.e,
            });
        }
        let e = (frame.e * self.e - dot([frame.px, frame.py, frame.pz], [self.px, self.py, self.pz])) / mass;
        let factor = (self.e + e) / (frame.e + mass);
        Ok(Self {
            e,
            px: self.px - factor * frame.px,
            py: self.py - factor * frame.py,
            pz: self.pz - factor * frame.pz,
        })
    }

    /// Azimuth of `self` minus azimuth of `other`, in (-pi, pi].
    pub fn delta_phi(&self, other: &Self) -> f64 {
        wrap_phi(self.phi() - other.phi())
    }

    /// Distance in the (rapidity, azimuth) plane, the one clustering uses.
    pub fn delta_r(&self, other: &Self) -> f64 {
        (self.rapidity() - other.rapidity()).hypot(self.delta_phi(other))
    }

    /// Distance in the (pseudorapidity, azimuth) plane, the one taggers' features use.
    pub fn delta_r_eta(&self, other: &Self) -> f64 {
        (self.eta() - other.eta()).hypot(self.delta_phi(other))
    }

    /// Whether all four components are finite.
    #[inline]
    pub fn is_finite(&self) -> bool {
        self.e.is_finite() && self.px.is_finite() && self.py.is_finite() && self.pz.is_finite()
    }
}

impl std::ops::Add for FourVector {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self {
            e: self.e + other.e,
            px: self.px + other.px,
            py: self.py + other.py,
            pz: self.pz + other.pz,
        }
    }
}

impl std::ops::AddAssign for FourVector {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for FourVector {
    fn sum<I: Iterator<Item = Self>>(vectors: I) -> Self {
        vectors.fold(Self::default(), |total, vector| total + vector)
    }
}

/// Brings an angle into (-pi, pi].
#[inline]
pub fn wrap_phi(angle: f64) -> f64 {
    if angle > -PI && angle <= PI {
        return angle;
    }
    let wrapped = angle - TAU * (angle / TAU).round();
    if wrapped <= -PI {
        wrapped + TAU
    } else if wrapped > PI {
        wrapped - TAU
    } else {
        wrapped
    }
}

/// The stand-in for an infinite rapidity: none for the null vector, else the cut with the sign of `pz`.
fn beam_direction(pz: f64) -> f64 {
    if pz == 0.0 { 0.0 } else { MAX_RAPIDITY.copysign(pz) }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rapidity_of_a_forward_particle_keeps_its_digits() {
        // E - pz is 0 in f64 for this proton-like vector: the textbook formula answers infinity.
        let particle = FourVector::from_pt_rapidity_phi_mass(0.5, 20.0, 0.3, 0.938);
        assert_eq!(particle.e, particle.pz);
        let massless = FourVector::from_pt_eta_phi_mass(0.5, 20.0, 0.3, 0.0);
        assert!((massless.rapidity() - 20.0).abs() < 1e-9);
        assert!((massless.eta() - 20.0).abs() < 1e-9);
        assert!((particle.eta() - (particle.pz / 0.5).asinh()).abs() < 1e-12);
    }

    #[test]
    fn rapidity_agrees_with_the_definition_in_the_center() {
        let v = FourVector::from_pt_rapidity_phi_mass(30.0, -0.7, 2.0, 12.0);
        assert!((v.rapidity() + 0.7).abs() < 1e-14);
        assert!((v.rapidity() - 0.5 * ((v.e + v.pz) / (v.e - v.pz)).ln()).abs() < 1e-14);
        assert!((v.mass() - 12.0).abs() < 1e-12);
    }

    #[test]
    fn phi_lies_in_the_half_open_interval() {
        assert_eq!(FourVector::new(1.0, -1.0, -0.0, 0.0).phi(), PI);
        assert_eq!(FourVector::new(1.0, -0.0, -0.0, 1.0).phi(), 0.0);
        assert_eq!(wrap_phi(-PI), PI);
        assert_eq!(wrap_phi(3.0 * PI), PI);
        assert!((wrap_phi(-3.5) - (TAU - 3.5)).abs() < 1e-15);
        let a = FourVector::from_pt_eta_phi_mass(1.0, 0.0, 3.1, 0.0);
        let b = FourVector::from_pt_eta_phi_mass(1.0, 0.0, -3.1, 0.0);
        assert!((b.delta_phi(&a) - (TAU - 6.2)).abs() < 1e-14);
    }

    #[test]
    fn vectors_without_a_direction_stay_finite() {
        for v in [
            FourVector::default(),
            FourVector::new(5.0, 0.0, 0.0, -5.0),
            FourVector::new(0.0, 3.0, 0.0, 0.0),
            FourVector::new(-1.0, 3.0, 0.0, 1.0),
            FourVector::new(1.0, 1e-200, 0.0, 1.0),
        ] {
            for value in [v.eta(), v.rapidity(), v.phi(), v.mass(), v.pt()] {
                assert!(value.is_finite(), "{v:?}");
            }
        }
        assert_eq!(FourVector::new(5.0, 0.0, 0.0, -5.0).eta(), -MAX_RAPIDITY);
        assert_eq!(FourVector::default().rapidity(), 0.0);
    }

    #[test]
    fn mass_keeps_the_sign_of_its_square() {
        assert_eq!(FourVector::new(3.0, 5.0, 0.0, 0.0).mass(), -4.0);
        assert_eq!(FourVector::new(5.0, 3.0, 0.0, 0.0).mass(), 4.0);
    }

    #[test]
    fn a_boost_into_the_own_rest_frame_leaves_the_mass_only() {
        let v = FourVector::from_pt_eta_phi_mass(600.0, 1.3, -2.0, 173.0);
        let rest = v.in_rest_frame_of(&v).unwrap();
        assert!((rest.e - 173.0).abs() < 1e-9 && rest.p() < 1e-9);
        let beta = v.velocity();
        let same = v.boosted([-beta[0], -beta[1], -beta[2]]).unwrap();
        assert!((same.e - 173.0).abs() < 1e-9 && same.p() < 1e-9);
    }

    #[test]
    fn boosts_at_the_speed_of_light_are_refused() {
        let v = FourVector::new(1.0, 0.0, 0.0, 1.0);
        assert_eq!(v.boosted([0.0, 0.0, 1.0]), Err(PhysicsError::Boost { speed: 1.0 }));
        assert!(v.boosted([f64::NAN, 0.0, 0.0]).is_err());
        assert!(v.in_rest_frame_of(&v).is_err());
    }
}
