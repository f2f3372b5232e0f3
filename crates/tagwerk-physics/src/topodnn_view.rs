//! The view of TopoDNN: thirty constituents as ninety numbers, scaled, translated, rotated, flipped.
//!
//! Pearkes, Fedorko, Lister, Gay, "Jet Constituents for Deep Neural Network Based Top Quark Tagging",
//! arXiv:1704.02124.

use crate::fill::fill_dense;
use crate::{DenseView, FourVector, PhysicsError, constituents};
use tagwerk_data::Jets;

/// Constituents that TopoDNN reads.
pub const TOPODNN_CONSTITUENTS: usize = 30;

/// The transverse momentum, in GeV, by which TopoDNN divides; the published network's constant.
pub const TOPODNN_PT_SCALE: f64 = 1_679.159_323_1;

/// (pT, eta, phi) of the 30 leading constituents after TopoDNN's preprocessing.
///
/// 1. pT is divided by [`TOPODNN_PT_SCALE`].
/// 2. eta and phi of the leading constituent are subtracted from every entry.
/// 3. With p = pT (cos phi, sin phi, sinh eta) the jet is turned about the x axis, which is where the leading
///    constituent now lies, until the second one lies in the half-plane of negative y: with theta =
///    atan2(py, pz) + pi / 2 of the second constituent, py' = py cos theta - pz sin theta and
///    pz' = pz cos theta + py sin theta; pT, eta and phi are computed again.
/// 4. If sum pT * eta < 0, every eta changes sign.
///
/// An absent entry has no momentum: step 2 would give it the coordinates (0, -eta_0, -phi_0), but step 3 recomputes
/// them from a null momentum, whose eta and phi are 0. It therefore ends as three zeros, and is never computed. A
/// lone constituent has no second one, atan2(0, 0) = 0, and lies on the axis of rotation: it ends at eta = phi = 0.
///
/// # Shapes
/// - returns: `[B, 90]`, ordered pt_0, eta_0, phi_0, pt_1, ..
///
/// # Errors
/// Whatever [`crate::check_jets`] finds.
pub fn topodnn_view(jets: &Jets) -> Result<DenseView, PhysicsError> {
    fill_dense(
        jets,
        vec![3 * TOPODNN_CONSTITUENTS],
        |b, values, particles: &mut Vec<FourVector>| {
            particles.clear();
            particles.extend(constituents(jets, b).take(TOPODNN_CONSTITUENTS));
            let Some(leading) = particles.first() else { return };
            let (eta_0, phi_0) = (transverse_eta(leading), leading.phi());
            for particle in particles.iter_mut() {
                // Massless from here on: only the direction and the transverse momentum count.
                *particle = FourVector::from_pt_eta_phi_mass(
                    particle.pt() / TOPODNN_PT_SCALE,
                    transverse_eta(particle) - eta_0,
                    particle.phi() - phi_0,
                    0.0,
                );
            }
            let theta = particles.get(1).map_or(0.0, |second| second.py.atan2(second.pz)) + std::f64::consts::FRAC_PI_2;
            let (sin, cos) = theta.sin_cos();
            let mut balance = 0.0;
            for particle in particles.iter_mut() {
                (particle.py, particle.pz) = (
                    particle.py * cos - particle.pz * sin,
                    particle.pz * cos + particle.py * sin,
                );
                balance += particle.pt() * particle.eta();
            }
            let sign = if balance < 0.0 { -1.0 } else { 1.0 };
            for (entry, particle) in values.chunks_exact_mut(3).zip(particles.iter()) {
                let entry_values = [particle.pt(), sign * particle.eta(), particle.phi()];
                for (slot, value) in entry.iter_mut().zip(entry_values) {
                    // Turning an absurdly forward particle makes an absurd transverse momentum, but no infinite one.
                    *slot = value.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
                }
            }
        },
    )
}

/// Pseudorapidity, with 0 for a particle along the beam: without transverse momentum it counts as absent.
fn transverse_eta(particle: &FourVector) -> f64 {
    if particle.pt2() > 0.0 { particle.eta() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_jet(particles: &[(f64, f64, f64)]) -> Jets {
        let vectors: Vec<_> = particles
            .iter()
            .map(|&(pt, eta, phi)| FourVector::from_pt_eta_phi_mass(pt, eta, phi, 0.0))
            .collect();
        Jets {
            e: vectors.iter().map(|v| v.e as f32).collect(),
            px: vectors.iter().map(|v| v.px as f32).collect(),
            py: vectors.iter().map(|v| v.py as f32).collect(),
            pz: vectors.iter().map(|v| v.pz as f32).collect(),
            offsets: vec![0, vectors.len()],
            labels: vec![0],
            rows: vec![0],
        }
    }

    #[test]
    fn the_second_constituent_ends_on_the_negative_y_axis() {
        let jets = one_jet(&[(300.0, 0.5, 3.1), (150.0, 0.9, -3.0), (20.0, 0.2, 2.9)]);
        let view = topodnn_view(&jets).unwrap();
        let v = &view.values;
        assert!((f64::from(v[0]) - 300.0 / TOPODNN_PT_SCALE).abs() < 1e-6);
        assert!(
            v[1].abs() < 1e-6 && v[2].abs() < 1e-6,
            "leading constituent on the x axis"
        );
        assert!(v[4].abs() < 1e-6, "no pz left: eta_1 = {}", v[4]);
        assert!(v[5] < -0.1, "py is negative: phi_1 = {}", v[5]);
        let balance: f32 = v.chunks(3).map(|c| c[0] * c[1]).sum();
        assert!(balance >= 0.0);
        assert!(v[9..].iter().all(|&x| x == 0.0), "absent entries are zeros");
    }

    #[test]
    fn empty_and_lone_constituents_give_plain_numbers() {
        let empty = topodnn_view(&one_jet(&[])).unwrap();
        assert_eq!(empty.values, vec![0.0; 90]);
        let lone = topodnn_view(&one_jet(&[(500.0, -1.0, 2.0)])).unwrap();
        assert!((f64::from(lone.values[0]) - 500.0 / TOPODNN_PT_SCALE).abs() < 1e-6);
        assert!(lone.values[1..].iter().all(|&x| x.abs() < 1e-6));
    }
}
