//! Four-momenta of decays in phase space, for the toy of Belle events.

use crate::random::uniform;
use rand_core::Rng;

/// (E, px, py, pz), GeV.
pub(super) type Momentum = [f64; 4];

/// Mass of a four-momentum.
pub(super) fn mass([e, px, py, pz]: Momentum) -> f64 {
    (e * e - px * px - py * py - pz * pz).max(0.0).sqrt()
}

/// Momenta of the daughters of `mother`: a chain of two-body decays, with the masses between drawn evenly. `None` if
/// the daughters are too heavy.
pub(super) fn decay(rng: &mut impl Rng, mother: Momentum, masses: &[f64]) -> Option<Vec<Momentum>> {
    let total = mass(mother);
    let free = total - masses.iter().sum::<f64>();
    if masses.len() < 2 || free <= 0.0 {
        return None;
    }
    // Invariant masses of the daughters from the k-th on.
    let mut cuts: Vec<f64> = (0..masses.len() - 2).map(|_| uniform(rng)).collect();
    cuts.sort_by(|a, b| b.total_cmp(a));
    let mut rest: f64 = masses.iter().sum();
    let mut system = mother;
    let mut daughters = Vec::with_capacity(masses.len());
    for (k, &own) in masses[..masses.len() - 1].iter().enumerate() {
        rest -= own;
        let others = match cuts.get(k) {
            Some(cut) => rest + free * cut,
            None => masses[masses.len() - 1],
        };
        let (first, second) = two_body(rng, system, own, others);
        daughters.push(first);
        system = second;
    }
    daughters.push(system);
    Some(daughters)
}

/// Two daughters of the given masses, isotropic in the mother's rest frame.
fn two_body(rng: &mut impl Rng, mother: Momentum, a: f64, b: f64) -> (Momentum, Momentum) {
    let m = mass(mother).max(1e-6);
    let squared = (m * m - (a + b).powi(2)) * (m * m - (a - b).powi(2));
    let p = squared.max(0.0).sqrt() / (2.0 * m);
    let cos = 2.0 * uniform(rng) - 1.0;
    let sin = (1.0 - cos * cos).sqrt();
    let phi = std::f64::consts::TAU * uniform(rng);
    let [x, y, z] = [p * sin * phi.cos(), p * sin * phi.sin(), p * cos];
    (
        boost([p.hypot(a), x, y, z], mother, m),
        boost([p.hypot(b), -x, -y, -z], mother, m),
    )
}

/// Takes a momentum from the rest frame of `frame`, of mass `m`, to where `frame` moves.
fn boost(v: Momentum, frame: Momentum, m: f64) -> Momentum {
    let along = v[1] * frame[1] + v[2] * frame[2] + v[3] * frame[3];
    let energy = (v[0] * frame[0] + along) / m;
    let factor = (v[0] + energy) / (m + frame[0]);
    [
        energy,
        v[1] + factor * frame[1],
        v[2] + factor * frame[2],
        v[3] + factor * frame[3],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn four_momentum_is_conserved_and_daughters_have_their_masses() {
        let rng = &mut stream(1, "test", 0);
        let masses = [0.1396, 0.4937, 0.0, 1.8648];
        for _ in 0..200 {
            let mother = [11.0, 0.3 * uniform(rng), -0.5, 3.0];
            let daughters = decay(rng, mother, &masses).unwrap();
            for axis in 0..4 {
                let sum: f64 = daughters.iter().map(|d| d[axis]).sum();
                assert!((sum - mother[axis]).abs() < 1e-9, "{sum}");
            }
            for (daughter, expected) in daughters.iter().zip(masses) {
                assert!((mass(*daughter) - expected).abs() < 1e-6);
            }
        }
        assert!(decay(rng, [1.0, 0.0, 0.0, 0.0], &[0.6, 0.6]).is_none());
    }
}
