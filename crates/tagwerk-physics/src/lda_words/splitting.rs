//! The five numbers of a splitting.

use crate::{DeclusteringTree, FourVector};

/// Squared mass over squared energy that rounding of four single-precision components (1.2e-7 each) can fake.
const MASSLESS: f64 = 5e-7;

/// The five numbers of a splitting, as defined in the head of `lda_words.rs`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Splitting {
    /// m0, GeV.
    pub parent_mass: f64,
    /// m1 / m0 of the heavier daughter; may pass 1 by rounding.
    pub mass_drop: f64,
    /// m2 / m1, 0 where both are massless.
    pub mass_ratio: f64,
    /// Delta R of the daughters.
    pub opening_angle: f64,
    /// Cosine of the helicity angle; `None` where daughter 1 is massless or does not split.
    pub cos_helicity: Option<f64>,
}

/// The five numbers of the splitting of `node`; `None` for a leaf and for a massless parent.
///
/// # Panics
/// If there is no such node, like an index into a slice.
pub fn splitting(tree: &DeclusteringTree<'_>, node: usize) -> Option<Splitting> {
    let children = tree.children(node)?;
    let parent = &tree.momenta[node];
    let parent_mass = mass(parent);
    if parent_mass == 0.0 {
        return None;
    }
    let [(mut heavier, mut m1), (mut lighter, mut m2)] = children.map(|child| (child, mass(&tree.momenta[child])));
    if m2 > m1 {
        (heavier, lighter, m1, m2) = (lighter, heavier, m2, m1);
    }
    let heavier_momentum = &tree.momenta[heavier];
    let cos_helicity = match tree.children(heavier) {
        Some([_, softer]) if m1 > 0.0 => cos_between(heavier_momentum, parent, &tree.momenta[softer]),
        _ => None,
    };
    Some(Splitting {
        parent_mass,
        mass_drop: m1 / parent_mass,
        mass_ratio: if m1 > 0.0 { m2 / m1 } else { 0.0 },
        opening_angle: heavier_momentum.delta_r(&tree.momenta[lighter]),
        cos_helicity,
    })
}

/// Mass, with 0 for what single precision cannot tell from it.
pub(super) fn mass(v: &FourVector) -> f64 {
    let m2 = v.mass2();
    if m2 > MASSLESS * v.e * v.e { m2.sqrt() } else { 0.0 }
}

/// Cosine of the angle between two vectors in the rest frame of `frame`; `None` where one of them rests there.
fn cos_between(frame: &FourVector, a: &FourVector, b: &FourVector) -> Option<f64> {
    let (a, b) = (a.in_rest_frame_of(frame).ok()?, b.in_rest_frame_of(frame).ok()?);
    let lengths = a.p() * b.p();
    let cos = (a.px * b.px + a.py * b.py + a.pz * b.pz) / lengths;
    cos.is_finite().then(|| cos.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterAlgorithm, Declusterer, JetDefinition, MAX_RADIUS};

    #[test]
    fn a_splitting_has_the_numbers_of_its_definition() {
        let prongs = [(250.0, 0.0, 0.0), (120.0, 0.1, 0.4), (200.0, -0.3, -0.4)]
            .map(|(pt, eta, phi)| FourVector::from_pt_eta_phi_mass(pt, eta, phi, 0.0));
        let definition = JetDefinition::new(ClusterAlgorithm::CambridgeAachen, MAX_RADIUS);
        let mut declusterer = Declusterer::new(definition).unwrap();
        let tree = declusterer.decluster(prongs).unwrap();
        let [a, b, c] = [0, 1, 2].map(|i| prongs[i]);
        let found = splitting(&tree, 0).unwrap();
        let (pair, all) = (a + b, a + b + c);
        assert!((found.parent_mass - all.mass()).abs() < 1e-9);
        assert!((found.mass_drop - pair.mass() / all.mass()).abs() < 1e-12);
        assert_eq!(found.mass_ratio, 0.0);
        assert!((found.opening_angle - pair.delta_r(&c)).abs() < 1e-12);
        // By invariants: in the rest frame of the pair, E_0 = p0.p1/m1, E_b = pb.p1/m1 and p0.pb = E_0 E_b - |p0||pb|
        // cos.
        let dot = |a: FourVector, b: FourVector| a.e * b.e - a.px * b.px - a.py * b.py - a.pz * b.pz;
        let (e0, eb) = (dot(all, pair) / pair.mass(), dot(b, pair) / pair.mass());
        let cos = (e0 * eb - dot(all, b)) / ((e0 * e0 - all.mass2()).sqrt() * eb);
        assert!((found.cos_helicity.unwrap() - cos).abs() < 1e-9, "{found:?}, {cos}");
        // The pair is two massless constituents.
        let inner = (1..tree.len()).find(|&node| tree.children(node).is_some()).unwrap();
        let found = splitting(&tree, inner).unwrap();
        assert_eq!(
            (found.mass_drop, found.mass_ratio, found.cos_helicity),
            (0.0, 0.0, None)
        );
    }
}
