//! LoLa: combinations of four-momenta, and a layer that knows the Minkowski metric.
//!
//! Butter, Kasieczka, Plehn, Russell, "Deep-learned Top Tagging with a Lorentz Layer", arXiv:1707.08966. The
//! combination layer (CoLa) adds to the N leading constituents k_i their sum and C trained linear combinations,
//! k~ = k (1 | identity | trained); the Lorentz layer (LoLa) makes seven numbers of each, see
//! [`tagwerk_nn::kernels::lorentz`]. A jet of fewer constituents is filled up with null vectors, as the original is.

use crate::error::TaggerError;
use crate::network::{Network, NetworkLearner, four_vectors};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{
    Combinations, CombinationsConfig, DenseChain, DenseChainConfig, Init, Lorentz, LorentzConfig, Part, PartMut, Parts,
    Pass,
};
use tagwerk_nn::ops::{LORENTZ_VALUES, LorentzSpec};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{View, four_vectors_view};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, TrainingConfig};

const NAME: &str = "lola";

/// Unit of momenta, in GeV: squares of hundreds of GeV would drown a dense layer.
const UNIT: f64 = 100.0;

/// Deviation of the starting weights of CoLa and LoLa.
const DEVIATION: f32 = 0.1;

/// What makes a LoLa tagger: 127,052 parameters by default.
///
/// The landscape prints 127k and is not documented further. With the layers of the paper this fixes the number of
/// vectors, constituents and combinations together, at 100; how they divide is open, and was chosen here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LolaConfig {
    /// Leading constituents, N. Default: 75.
    pub constituents: usize,
    /// Whether the sum of the constituents is a vector too. Default: true, as in eq. 4 of the paper.
    pub total: bool,
    /// Trained combinations, C. Default: 24.
    pub combinations: usize,
    /// Whether the diagonal of the metric is trained as well, from (1, -1, -1, -1) on. Default: false; the paper does
    /// so to show that it is learned, not to tag.
    pub learned_metric: bool,
    /// Widths of the dense layers. Default: [100, 50].
    pub hidden: Vec<usize>,
}

impl Default for LolaConfig {
    fn default() -> Self {
        Self {
            constituents: 75,
            total: true,
            combinations: 24,
            learned_metric: false,
            hidden: vec![100, 50],
        }
    }
}

impl LolaConfig {
    /// Vectors that the Lorentz layer sees, M.
    fn vectors(&self) -> usize {
        usize::from(self.total) + self.constituents + self.combinations
    }

    fn widths(&self) -> Vec<usize> {
        [&[LORENTZ_VALUES * self.vectors()], &self.hidden[..], &[2]].concat()
    }

    fn lorentz(&self) -> LorentzConfig {
        LorentzConfig {
            name: "lola".into(),
            vectors: self.vectors(),
            learned_metric: self.learned_metric,
            init: Init::TruncatedNormal(DEVIATION),
        }
    }

    /// Draws the parameters: combinations and distances normal with deviation 0.1, cut at two deviations, as a public
    /// code of the authors' group; dense layers Glorot uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Lola, TaggerError> {
        self.check()?;
        let combinations = CombinationsConfig {
            name: "cola".into(),
            inputs: self.constituents,
            outputs: self.combinations,
            positive: false,
            init: Init::TruncatedNormal(DEVIATION),
        };
        let dense = DenseChainConfig {
            name: "dense".into(),
            widths: self.widths(),
            activate_last: false,
            init: Init::GlorotUniform,
        };
        let combinations = match self.combinations {
            0 => None,
            _ => Some(combinations.init(seed, device)?),
        };
        Ok(Lola {
            constituents: self.constituents,
            total: self.total,
            combinations,
            lorentz: self.lorentz().init(seed, device)?,
            dense: dense.init(seed, device)?,
        })
    }
}

/// The network.
#[derive(Debug)]
pub struct Lola {
    constituents: usize,
    total: bool,
    combinations: Option<Combinations>,
    lorentz: Lorentz,
    dense: DenseChain,
}

impl Lola {
    /// Combination and Lorentz layer.
    ///
    /// # Shapes
    /// - `k`: `[4 B, N]`, the components of a jet in four rows; returns `[B, 7 M]`, value by value
    fn lorentz_values(&self, k: Tensor<2>, pass: &Pass) -> Tensor<2> {
        let mut vectors = Vec::new();
        if self.total {
            vectors.push(k.clone().sum_dim(1));
        }
        vectors.push(k.clone());
        vectors.extend(self.combinations.as_ref().map(|layer| layer.forward(k, pass)));
        self.lorentz.forward(Tensor::cat(vectors, 1), pass)
    }
}

impl Network for Lola {
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let k = four_vectors(NAME, view, self.constituents, device)?; // [4 B, 75]
        let values = self.lorentz_values(k, pass); // [B, 700]
        Ok(self.dense.forward(values, pass)) // [B, 2]
    }
}

impl Parts for Lola {
    fn parts(&self) -> Vec<Part<'_>> {
        let combinations = self.combinations.iter().flat_map(Parts::parts);
        combinations
            .chain(self.lorentz.parts())
            .chain(self.dense.parts())
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let combinations = self.combinations.iter_mut().flat_map(Parts::parts_mut);
        combinations
            .chain(self.lorentz.parts_mut())
            .chain(self.dense.parts_mut())
            .collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.980),
    accuracy: Some(0.929),
    rejection_single: Some(PublishedValue::with_spread(722.0, 17.0)),
    rejection_mean: Some(PublishedValue::with_spread(768.0, 11.0)),
    rejection_median: Some(PublishedValue::with_spread(765.0, 11.0)),
    parameters: Some(127_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for LolaConfig {
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

    /// Batch 128, Adam at 1e-3, 50 epochs, the one of best validation loss. The landscape's own is not documented
    /// beyond Adam and cross entropy.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 128,
            epochs: 50,
            ..TrainingConfig::default()
        }
    }

    fn published(&self) -> Published {
        PUBLISHED
    }

    fn settings(&self) -> Result<toml::Table, TaggerError> {
        table_of(NAME, self)
    }

    fn check(&self) -> Result<(), TaggerError> {
        let (n, c) = (self.constituents, self.combinations);
        check_number(NAME, "constituents", n, (1..=10_000).contains(&n), "1 to 10000")?;
        check_number(NAME, "combinations", c, c <= 10_000, "at most 10000")?;
        check_widths(NAME, "hidden", self.widths()[0], &self.hidden, 0)
    }

    fn multiply_adds(&self, _constituents: f64) -> f64 {
        let lorentz = LorentzSpec {
            vectors: self.vectors(),
            learned_metric: self.learned_metric,
        };
        let dense: usize = self.widths().windows(2).map(|w| w[0] * w[1]).sum();
        (4 * self.constituents * self.combinations + lorentz.multiply_adds() + dense) as f64
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
    use tagwerk_physics::{FourVector, JaggedView};

    /// What the layers make of one jet: `[7, M]`.
    fn values(lola: &Lola, jet: &[FourVector]) -> Vec<f32> {
        let rows = jet
            .iter()
            .flat_map(|v| [v.e, v.px, v.py, v.pz].map(|c| c as f32))
            .collect();
        let view = View::Jagged(JaggedView::new(4, rows, vec![0, jet.len()]).unwrap());
        let device = Device::flex();
        let k = four_vectors(NAME, &view, lola.constituents, &device).unwrap();
        let values = lola.lorentz_values(k, &Pass::Scoring);
        values.into_data().convert::<f32>().try_into_vec().unwrap()
    }

    fn massive(energy_scale: f64) -> impl Strategy<Value = FourVector> {
        let momentum = proptest::array::uniform3(-1.0..1.0f64);
        (momentum, 0.0..1.0f64).prop_map(move |([x, y, z], mass)| {
            let e = (x * x + y * y + z * z + mass * mass).sqrt();
            FourVector::new(e * energy_scale, x * energy_scale, y * energy_scale, z * energy_scale)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        /// Squared masses and all four combinations of distances are invariant under Lorentz transformations; energy
        /// and transverse momentum are not.
        #[test]
        fn masses_and_distances_are_lorentz_invariant(
            jet in proptest::collection::vec(massive(2.0), 1..12),
            beta in proptest::array::uniform3(-0.5..0.5f64),
            axis in 0..3usize,
            angle in 0.3..6.0f64,
            seed in 0..1000u64,
        ) {
            let config = LolaConfig { constituents: 10, combinations: 5, ..LolaConfig::default() };
            let (lola, m) = (config.init(seed, &Device::flex()).unwrap(), config.vectors());
            let (sin, cos) = angle.sin_cos();
            let turned = |v: &FourVector| {
                let mut p = [v.px, v.py, v.pz];
                let (a, b) = ((axis + 1) % 3, (axis + 2) % 3);
                (p[a], p[b]) = (cos * p[a] - sin * p[b], sin * p[a] + cos * p[b]);
                FourVector::new(v.e, p[0], p[1], p[2]).boosted(beta).unwrap()
            };
            let moved: Vec<FourVector> = jet.iter().map(turned).collect();
            let (before, after) = (values(&lola, &jet), values(&lola, &moved));
            // Rounding of the inputs alone changes a squared distance by 2^-23 times squared energies, of which a
            // sum adds M with weights of up to 0.2.
            let energy: f64 = jet.iter().chain(&moved).map(|v| v.e).sum();
            let limit = (energy * energy * 4e-7 * (1.0 + 0.2 * m as f64)) as f32;
            for value in [0, 3, 4, 5, 6] {
                for j in 0..m {
                    let (a, b) = (before[value * m + j], after[value * m + j]);
                    prop_assert!((a - b).abs() < limit, "value {value} of vector {j}: {a} became {b}");
                }
            }
            let moved_much = jet[0].e > 0.5 && beta.iter().map(|b| b * b).sum::<f64>() > 0.1;
            let change = |value: usize| (before[value * m] - after[value * m]).abs().max((before[value * m + 1] - after[value * m + 1]).abs());
            prop_assert!(!moved_much || change(1).max(change(2)) > 1e-3, "nothing has moved");
        }
    }

    /// The formulas on two vectors by hand: k_0 = (5, 3, 0, 4), massless, and k_1 = (3, 0, 2, 1) of squared mass 4.
    #[test]
    fn values_are_those_of_the_formulas() {
        let config = LolaConfig {
            constituents: 2,
            combinations: 0,
            ..LolaConfig::default()
        };
        let lola = config.init(1, &Device::flex()).unwrap();
        let weights = match lola.lorentz.parts().remove(0) {
            Part::Block(block) => block.to_vec(),
            _ => panic!("weights"),
        };
        let found = values(
            &lola,
            &[FourVector::new(5.0, 3.0, 0.0, 4.0), FourVector::new(3.0, 0.0, 2.0, 1.0)],
        );
        // The sum first: (8, 3, 2, 5), of squared mass 64 - 38 = 26.
        let mass2 = [26.0, 0.0, 4.0];
        let pt = [13.0f32.sqrt(), 3.0, 2.0];
        let energy = [8.0, 5.0, 3.0];
        // Differences (3, 0, 2, 1), (5, 3, 0, 4) and (2, 3, -2, 3).
        let distance = [[0.0, 4.0, 0.0], [4.0, 0.0, -18.0], [0.0, -18.0, 0.0]];
        for j in 0..3 {
            let weighted = |copy: usize, m: usize| weights[copy * 9 + j * 3 + m] * distance[j][m];
            let sum = |copy| (0..3).map(|m| weighted(copy, m)).sum::<f32>();
            let least = |copy| (0..3).map(|m| weighted(copy, m)).fold(f32::INFINITY, f32::min);
            let of_energy: f32 = (0..3).map(|m| weights[j * 3 + m] * energy[m]).sum();
            let expected = [mass2[j], pt[j], of_energy, sum(1), sum(2), least(3), least(4)];
            for (value, expected) in expected.into_iter().enumerate() {
                let found = found[value * 3 + j];
                assert!(
                    (found - expected).abs() < 1e-5,
                    "value {value} of vector {j}: {found}, {expected}"
                );
            }
        }
    }
}
