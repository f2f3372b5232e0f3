//! LBN: particles and rest frames put together from the constituents, boosts, and a dense network on what comes out.
//!
//! Erdmann, Geiser, Rath, Rieger, "Lorentz Boost Networks: Autonomous Physics-Inspired Feature Engineering",
//! arXiv:1812.09722. With trained weights of which the magnitude counts, M particles P_m = sum_n |W|_nm x_n and as many
//! rest frames Q_m are made of the N leading constituents; P_m is boosted into the rest frame of Q_m ([`boost`]);
//! energies, momenta and angles of the boosted particles ([`features`]) enter dense layers with exponential units. A
//! jet of fewer constituents is filled up with null vectors.

mod features;

pub use features::{LbnPair, LbnSingle};

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, four_vectors};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use features::{EPSILON, components, length};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    Combinations, CombinationsConfig, DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass,
};
use tagwerk_nn::ops::{Activation, activate};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{View, four_vectors_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, TrainingConfig};

const NAME: &str = "lbn";

/// Unit of momenta, in GeV: the guards of the layer are meant in it.
const UNIT: f64 = 1.0;

/// What makes an LBN: 705,302 parameters by default.
///
/// The landscape prints 705k and is documented no further; hundreds of settings reach that number. This one keeps the
/// features of the paper's own application but for the mass, and was chosen here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LbnConfig {
    /// Leading constituents, N. Default: 60.
    pub constituents: usize,
    /// Particles, and rest frames, M. Default: 50.
    pub particles: usize,
    /// Features of each boosted particle. Default: `e`, `pt`, `eta`, `phi`.
    pub singles: Vec<LbnSingle>,
    /// Features of each pair of boosted particles. Default: `cos`.
    pub pairs: Vec<LbnPair>,
    /// Widths of the dense layers. Default: four of 300.
    pub hidden: Vec<usize>,
}

impl Default for LbnConfig {
    fn default() -> Self {
        Self {
            constituents: 60,
            particles: 50,
            singles: vec![LbnSingle::E, LbnSingle::Pt, LbnSingle::Eta, LbnSingle::Phi],
            pairs: vec![LbnPair::Cos],
            hidden: vec![300; 4],
        }
    }
}

impl LbnConfig {
    /// Number of features of a jet.
    fn features(&self) -> usize {
        let m = self.particles;
        self.singles.len() * m + self.pairs.len() * (m * m.saturating_sub(1) / 2)
    }

    fn widths(&self) -> Vec<usize> {
        [&[self.features()], &self.hidden[..], &[2]].concat()
    }

    /// Draws the parameters: combinations normal with deviation 1 / M, as the authors do; dense layers Glorot uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Lbn, TaggerError> {
        self.check()?;
        let combinations = |name: &str| CombinationsConfig {
            name: name.into(),
            inputs: self.constituents,
            outputs: self.particles,
            positive: true,
            init: Init::Normal(1.0 / self.particles as f32),
        };
        let widths = self.widths();
        let dense = |l: usize| DenseChainConfig {
            name: format!("dense{l}"),
            widths: widths[l..l + 2].to_vec(),
            activate_last: false,
            init: Init::GlorotUniform,
        };
        Ok(Lbn {
            constituents: self.constituents,
            particles: combinations("particles").init(seed, device)?,
            frames: combinations("frames").init(seed, device)?,
            singles: self.singles.clone(),
            pairs: self.pairs.clone(),
            layers: (0..widths.len() - 1)
                .map(|l| dense(l).init(seed, device))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct Lbn {
    constituents: usize,
    particles: Combinations,
    frames: Combinations,
    singles: Vec<LbnSingle>,
    pairs: Vec<LbnPair>,
    layers: Vec<DenseChain>,
}

/// Particles in the rest frames of others, component by component.
///
/// With beta = |p| / E, gamma and the direction n of a frame: `E' = gamma (E - beta n.p)`,
/// `p' = p + n ((gamma - 1) n.p - gamma beta E)`. The guards of the authors' code keep it finite for frames without a
/// mass: E is at least |p| + 1e-5, gamma = 1 / sqrt(1 - beta^2 + 1e-5) and at least 1, n = p / E / (beta + 1e-5). They
/// change gamma by a share of gamma^2 5e-6.
///
/// # Shapes
/// - E, px, py, pz of particles and of frames: `[B, M]` each; returns the same of the boosted particles
pub(crate) fn boost(particles: [Tensor<2>; 4], frames: [Tensor<2>; 4]) -> [Tensor<2>; 4] {
    let [e, px, py, pz] = particles;
    let [frame_e, qx, qy, qz] = frames;
    let q = length([&qx, &qy, &qz]);
    let least = q.clone() + EPSILON;
    let frame_e = least.clone() + (frame_e - least).clamp_min(0.0);
    let beta = q / frame_e.clone();
    let gamma = (beta.clone().powi_scalar(2).neg() + (1.0 + EPSILON)).sqrt().recip();
    let gamma = gamma.clamp_min(1.0);
    let inverse = (frame_e * (beta.clone() + EPSILON)).recip();
    let [nx, ny, nz] = [qx, qy, qz].map(|q| q * inverse.clone());
    let along = nx.clone() * px.clone() + ny.clone() * py.clone() + nz.clone() * pz.clone();
    let gamma_beta = gamma.clone() * beta;
    let shift = (gamma.clone() - 1.0) * along.clone() - gamma_beta.clone() * e.clone();
    [
        gamma * e - gamma_beta * along,
        px + nx * shift.clone(),
        py + ny * shift.clone(),
        pz + nz * shift,
    ]
}

impl Network for Lbn {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let k = four_vectors(NAME, view, self.constituents, device)?; // [4 B, 60]
        let particles = components(self.particles.forward(k.clone(), pass)); // [B, 50] each
        let frames = components(self.frames.forward(k, pass));
        let mut x = features::of(boost(particles, frames), &self.singles, &self.pairs); // [B, 1425]
        for (l, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, pass);
            if l + 1 < self.layers.len() {
                x = activate(x, Activation::Elu); // [B, 300]
            }
        }
        Ok(x) // [B, 2]
    }
}

impl Parts for Lbn {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.particles.parts();
        parts.extend(self.frames.parts());
        parts.extend(self.layers.iter().flat_map(Parts::parts));
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.particles.parts_mut();
        parts.extend(self.frames.parts_mut());
        parts.extend(self.layers.iter_mut().flat_map(Parts::parts_mut));
        parts
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.981),
    accuracy: Some(0.931),
    rejection_single: Some(PublishedValue::with_spread(836.0, 17.0)),
    rejection_mean: Some(PublishedValue::with_spread(859.0, 67.0)),
    rejection_median: Some(PublishedValue::with_spread(966.0, 20.0)),
    parameters: Some(705_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for LbnConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "four-vectors"
    }

    fn view_key(&self) -> String {
        format!("four-vectors of {} in {UNIT} GeV", self.constituents)
    }

    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        Ok(View::Jagged(four_vectors_view(jets, self.constituents, UNIT)?))
    }

    /// Batch 256, Adam at 1e-3, 30 epochs, the one of best validation loss. The landscape's own is not documented
    /// beyond Adam and cross entropy.
    fn training(&self) -> TrainingConfig {
        TrainingConfig::default()
    }

    fn published(&self) -> Published {
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let (n, m) = (self.constituents, self.particles);
        check_number(NAME, "constituents", n, (1..=10_000).contains(&n), "1 to 10000")?;
        check_number(NAME, "particles", m, (1..=10_000).contains(&m), "1 to 10000")?;
        let features = self.features();
        let why = "singles, or pairs of two particles or more";
        check_number(NAME, "number of features", features, features > 0, why)?;
        check_widths(NAME, "hidden", features, &self.hidden, 0)
    }

    fn multiply_adds(&self, _constituents: f64) -> f64 {
        let m = self.particles;
        let pairs = 4 * self.pairs.len() * (m * m.saturating_sub(1) / 2);
        let dense: usize = self.widths().windows(2).map(|w| w[0] * w[1]).sum();
        (8 * self.constituents * m + 16 * m + pairs + dense) as f64
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        Ok(Box::new(NetworkLearner::new(
            self.init(training.seed, device)?,
            training,
            device,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tagwerk_nn::TensorData;
    use tagwerk_physics::FourVector;

    fn tensors(v: &FourVector) -> [Tensor<2>; 4] {
        [v.e, v.px, v.py, v.pz].map(|c| Tensor::from_data(TensorData::new(vec![c as f32], [1, 1]), &Device::flex()))
    }

    fn number(x: Tensor<2>) -> f64 {
        f64::from(x.into_data().convert::<f32>().try_into_vec::<f32>().unwrap()[0])
    }

    /// `particle` in the rest frame of `frame`, as the network sees it.
    fn boosted(particle: &FourVector, frame: &FourVector) -> FourVector {
        let [e, px, py, pz] = boost(tensors(particle), tensors(frame)).map(number);
        FourVector::new(e, px, py, pz)
    }

    fn vectors() -> impl Strategy<Value = FourVector> {
        (0.0..2.0f64, -1.0..1.0f64, -3.1..3.1f64, 0.5..3.0f64)
            .prop_map(|(pt, eta, phi, mass)| FourVector::from_pt_eta_phi_mass(pt, eta, phi, mass))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_particle_in_its_own_rest_frame_does_not_move_and_has_the_energy_of_its_mass(v in vectors()) {
            let (rest, gamma) = (boosted(&v, &v), v.e / v.mass());
            let limit = 2e-5 * gamma * gamma * v.e;
            prop_assert!(rest.p() < limit, "|p| = {} of {v:?}", rest.p());
            prop_assert!((rest.e - v.mass()).abs() < limit, "{rest:?} of {v:?}");
        }

        #[test]
        fn a_boost_is_the_exact_one_but_for_its_guards(v in vectors(), frame in vectors()) {
            let (found, exact) = (boosted(&v, &frame), v.in_rest_frame_of(&frame).unwrap());
            // gamma is wrong by gamma^3 5e-6, n by 1e-5 / beta of a shift that beta multiplies; rounding of f32.
            let gamma = frame.e / frame.mass();
            let limit = 3e-5 * gamma.powi(3) * v.e;
            let off = [found.e - exact.e, found.px - exact.px, found.py - exact.py, found.pz - exact.pz];
            prop_assert!(off.iter().all(|d| d.abs() < limit), "{found:?}, {exact:?}");
            let mass2 = (found.mass2() - v.mass2()).abs();
            prop_assert!(mass2 < 4.0 * limit * (found.e + v.e), "squared mass {} became {}", v.mass2(), found.mass2());
        }
    }

    #[test]
    fn frames_at_rest_without_mass_or_without_anything_leave_finite_numbers() {
        let v = FourVector::new(3.0, 1.0, -1.0, 2.0);
        let same = boosted(&v, &FourVector::new(5.0, 0.0, 0.0, 0.0));
        assert!((same.px - 1.0).abs() < 1e-5 && (same.e - 3.0).abs() < 1e-5, "{same:?}");
        for frame in [
            FourVector::default(),
            FourVector::new(700.0, 0.0, 700.0, 0.0),
            FourVector::new(1.0, 0.0, 0.0, 300.0),
            FourVector::new(-1.0, 1.0, 0.0, 0.0),
        ] {
            assert!(boosted(&v, &frame).is_finite(), "{frame:?}");
        }
    }
}
