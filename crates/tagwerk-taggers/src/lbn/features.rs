//! What the dense layers of an LBN read of boosted particles: the features of arXiv:1812.09722, table 1.
//!
//! Roots, quotients and inverse functions are guarded as in the authors' code, so that null vectors and massless ones
//! have finite features with finite slopes: under a root stands at least 1e-5, pz / |p| keeps 1e-5 from 1, an azimuth
//! is taken with a y of 1e-5 where it is zero.

use serde::{Deserialize, Serialize};
use std::f32::consts::TAU;
use tagwerk_nn::ops::pair_products;
use tagwerk_nn::{Int, Tensor, TensorData};

/// The guard of all features and of the boost.
pub(super) const EPSILON: f32 = 1e-5;

/// Below the root of a momentum that the authors leave unguarded: no slope at zero.
const TINY: f32 = 1e-12;

/// A feature of one boosted particle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LbnSingle {
    /// Energy.
    E,
    /// Momentum along x.
    Px,
    /// Momentum along y.
    Py,
    /// Momentum along z.
    Pz,
    /// Magnitude of the momentum.
    P,
    /// Transverse momentum.
    Pt,
    /// Pseudorapidity.
    Eta,
    /// Azimuth.
    Phi,
    /// Mass.
    M,
    /// Velocity p / E.
    Beta,
    /// E / m.
    Gamma,
}

/// A feature of a pair of boosted particles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LbnPair {
    /// Cosine of the angle between the momenta.
    Cos,
    /// Distance in pseudorapidity and azimuth.
    Dr,
    /// Minkowski distance, with the sign of its square.
    Ds,
    /// Difference of atanh(p / E).
    Dy,
}

/// The components of the vectors `[4 B, M]` of which each jet has four rows: `[B, M]` each.
pub(super) fn components(vectors: Tensor<2>) -> [Tensor<2>; 4] {
    let [rows, m] = vectors.dims();
    let jets = rows / 4;
    let vectors: Tensor<3> = vectors.reshape([jets, 4, m]);
    std::array::from_fn(|c| vectors.clone().slice([0..jets, c..c + 1, 0..m]).reshape([jets, m]))
}

/// The length of vectors, component by component.
pub(super) fn length(components: [&Tensor<2>; 3]) -> Tensor<2> {
    square(components).clamp_min(TINY).sqrt()
}

fn square([x, y, z]: [&Tensor<2>; 3]) -> Tensor<2> {
    x.clone().powi_scalar(2) + y.clone().powi_scalar(2) + z.clone().powi_scalar(2)
}

/// All features of boosted particles E, px, py, pz, `[B, M]` each: `[B, F]`, one feature after the other.
pub(super) fn of(boosted: [Tensor<2>; 4], singles: &[LbnSingle], pairs: &[LbnPair]) -> Tensor<2> {
    let particles = Particles(boosted);
    let singles = singles.iter().map(|&feature| particles.single(feature));
    let pairs = pairs.iter().map(|&feature| particles.pair(feature));
    Tensor::cat(singles.chain(pairs).collect(), 1)
}

struct Particles([Tensor<2>; 4]);

impl Particles {
    fn p2(&self) -> Tensor<2> {
        let [_, px, py, pz] = &self.0;
        square([px, py, pz]).clamp_min(EPSILON)
    }

    fn single(&self, feature: LbnSingle) -> Tensor<2> {
        let [e, px, py, pz] = &self.0;
        match feature {
            LbnSingle::E => e.clone(),
            LbnSingle::Px => px.clone(),
            LbnSingle::Py => py.clone(),
            LbnSingle::Pz => pz.clone(),
            LbnSingle::P => self.p2().sqrt(),
            LbnSingle::Pt => (self.p2() - pz.clone().powi_scalar(2)).clamp_min(EPSILON).sqrt(),
            LbnSingle::Eta => (pz.clone() / self.p2().sqrt())
                .clamp(EPSILON - 1.0, 1.0 - EPSILON)
                .atanh(),
            LbnSingle::Phi => {
                let zero = py.clone().equal_elem(0.0);
                py.clone().mask_fill(zero, EPSILON).atan2(px.clone())
            }
            LbnSingle::M => (e.clone().powi_scalar(2) - self.p2()).clamp_min(EPSILON).sqrt(),
            LbnSingle::Beta => self.p2().sqrt() / e.clone().clamp_min(EPSILON),
            LbnSingle::Gamma => e.clone() / self.single(LbnSingle::M).clamp_min(EPSILON),
        }
    }

    fn pair(&self, feature: LbnPair) -> Tensor<2> {
        match feature {
            LbnPair::Cos => {
                let p = self.p2().sqrt();
                let [_, px, py, pz] = &self.0;
                let directions = [px, py, pz].map(|component| component.clone() / p.clone());
                pair_products(Tensor::cat(directions.to_vec(), 1), 3)
            }
            LbnPair::Dr => {
                let eta = self.difference(&self.single(LbnSingle::Eta));
                let phi = self.difference(&self.single(LbnSingle::Phi)).abs();
                // The way around, where it is shorter.
                let phi = phi.clone() - (phi * 2.0 - TAU).clamp_min(0.0);
                (eta.powi_scalar(2) + phi.powi_scalar(2)).clamp_min(EPSILON).sqrt()
            }
            LbnPair::Ds => {
                let [e, px, py, pz] = &self.0;
                let [e, px, py, pz] = [e, px, py, pz].map(|component| self.difference(component));
                let square = e.powi_scalar(2) - square([&px, &py, &pz]);
                square.clone().abs().clamp_min(EPSILON).sqrt() * square.sign().detach()
            }
            LbnPair::Dy => {
                let beta = self.single(LbnSingle::Beta).clamp(EPSILON, 1.0 - EPSILON);
                self.difference(&beta.atanh())
            }
        }
    }

    /// The first of each pair minus the second, `[B, M (M - 1) / 2]`.
    fn difference(&self, x: &Tensor<2>) -> Tensor<2> {
        let [_, m] = x.dims();
        let (first, second): (Vec<i32>, Vec<i32>) = (0..m as i32)
            .flat_map(|i| (i + 1..m as i32).map(move |j| (i, j)))
            .unzip();
        let device = x.device();
        let take = |places: Vec<i32>| {
            let n = places.len();
            let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n]), &device);
            x.clone().select(1, places)
        };
        take(first) - take(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_nn::Device;
    use tagwerk_physics::FourVector;

    const SINGLES: [LbnSingle; 11] = [
        LbnSingle::E,
        LbnSingle::Px,
        LbnSingle::Py,
        LbnSingle::Pz,
        LbnSingle::P,
        LbnSingle::Pt,
        LbnSingle::Eta,
        LbnSingle::Phi,
        LbnSingle::M,
        LbnSingle::Beta,
        LbnSingle::Gamma,
    ];
    const PAIRS: [LbnPair; 4] = [LbnPair::Cos, LbnPair::Dr, LbnPair::Ds, LbnPair::Dy];

    fn features(vectors: &[FourVector]) -> Vec<f32> {
        let device = Device::flex();
        let m = vectors.len();
        let component = |f: fn(&FourVector) -> f64| {
            let values = vectors.iter().map(|v| f(v) as f32).collect();
            Tensor::from_data(TensorData::new(values, [1, m]), &device)
        };
        let boosted = [
            component(|v| v.e),
            component(|v| v.px),
            component(|v| v.py),
            component(|v| v.pz),
        ];
        let features = of(boosted, &SINGLES, &PAIRS);
        features.into_data().convert::<f32>().try_into_vec().unwrap()
    }

    #[test]
    fn features_are_those_of_four_vectors_in_double_precision() {
        let a = FourVector::from_pt_eta_phi_mass(3.0, 0.7, 3.0, 2.0);
        let b = FourVector::from_pt_eta_phi_mass(1.0, -1.1, -2.9, 0.5);
        let found = features(&[a, b]);
        let single = |v: &FourVector| {
            [
                v.e,
                v.px,
                v.py,
                v.pz,
                v.p(),
                v.pt(),
                v.eta(),
                v.phi(),
                v.mass(),
                v.p() / v.e,
                v.e / v.mass(),
            ]
        };
        let (of_a, of_b) = (single(&a), single(&b));
        for (i, feature) in SINGLES.iter().enumerate() {
            for (found, expected) in [(found[2 * i], of_a[i]), (found[2 * i + 1], of_b[i])] {
                assert!(
                    (f64::from(found) - expected).abs() < 2e-5 * expected.abs().max(1.0),
                    "{feature:?}: {found}"
                );
            }
        }
        let cos = (a.px * b.px + a.py * b.py + a.pz * b.pz) / (a.p() * b.p());
        let difference = FourVector::new(a.e - b.e, a.px - b.px, a.py - b.py, a.pz - b.pz);
        let rapidity = |v: &FourVector| (v.p() / v.e).atanh();
        let expected = [cos, a.delta_r_eta(&b), difference.mass(), rapidity(&a) - rapidity(&b)];
        for ((feature, found), expected) in PAIRS.iter().zip(&found[22..]).zip(expected) {
            assert!(
                (f64::from(*found) - expected).abs() < 2e-5 * expected.abs().max(1.0),
                "{feature:?}: {found}, {expected}"
            );
        }
    }

    #[test]
    fn features_of_null_massless_and_equal_vectors_are_finite() {
        let light = FourVector::new(5.0, 0.0, 0.0, 5.0);
        let found = features(&[
            FourVector::default(),
            light,
            light,
            FourVector::new(1.0, -3.0, 0.0, 0.0),
        ]);
        assert_eq!(found.len(), 11 * 4 + 4 * 6);
        assert!(found.iter().all(|v| v.is_finite()), "{found:?}");
    }
}
