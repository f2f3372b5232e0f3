//! GoaT: a network that reads the scores of all other taggers.
//!
//! Kasieczka, Plehn (eds.) et al., "The Machine Learning Landscape of Top Taggers", arXiv:1902.09914: the outputs of
//! the other taggers for a jet go into a dense network, 126 of them in the publication (14 taggers, nine trainings
//! each).
//!
//! **On what it is trained.** The taggers are scored on the test jets only, so GoaT must be trained on test jets. The
//! published split is not known. Ours is honest (`cross_fit.rs`): five networks, each tested on a fifth of the jets,
//! chosen on another fifth and trained on the rest. A jet's score comes from the one network that neither its weights
//! nor the epoch it stopped in owe anything to this jet's label. What the score does owe to the test sample is that
//! GoaT saw three fifths of it, which no other tagger of the table did; [`Tagger::note`] says so under the table.
//!
//! It has no view of jets: only a landscape can train it, after all others.

mod learner;

use crate::cross_fit::CrossFit;
use crate::error::TaggerError;
use crate::network::{Network, dense};
use crate::settings::{check_number, check_widths, table_of};
use crate::tagger::Tagger;
use learner::GoatLearner;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tagwerk_data::Jets;
use tagwerk_nn::layers::{DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass, Standardize};
use tagwerk_nn::{Device, Int, Tensor, TensorData};
use tagwerk_physics::View;
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{EarlyStopping, Examples, Learner, Metric, Order, TrainingConfig};

const NAME: &str = "goat";

/// Score columns of the publication: 14 taggers, nine trainings each.
const PUBLISHED_INPUTS: usize = 126;

/// What makes GoaT. The defaults are the published network (34,962 parameters with 126 inputs).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoatConfig {
    /// Widths of the hidden layers. Default: [100, 100, 100, 20].
    pub hidden: Vec<usize>,
    /// Folds, 3 to 20: each jet is scored by the one network that it was no part of. Default: 5.
    pub folds: usize,
    /// Score columns: the names of the trainings with the checksums of their score files. A landscape fills them in;
    /// none stands for the 126 of the publication. Default: none.
    pub inputs: BTreeMap<String, String>,
}

impl Default for GoatConfig {
    fn default() -> Self {
        Self {
            hidden: vec![100, 100, 100, 20],
            folds: 5,
            inputs: BTreeMap::new(),
        }
    }
}

impl GoatConfig {
    fn width(&self) -> usize {
        match self.inputs.len() {
            0 => PUBLISHED_INPUTS,
            inputs => inputs,
        }
    }

    /// The taggers that it reads: a training is called after its tagger and its seed.
    pub fn taggers(&self) -> BTreeSet<String> {
        let of = |training: &String| Some(training.rsplit_once('-')?.0.to_owned());
        self.inputs.keys().filter_map(of).collect()
    }

    fn widths(&self) -> Vec<usize> {
        [&[self.width()], &self.hidden[..], &[2]].concat()
    }

    /// Draws the parameters of all networks: Glorot uniform.
    ///
    /// # Errors
    /// Settings that [`Tagger::check`] refuses.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Goat, TaggerError> {
        let one = |n: usize| {
            let chain = DenseChainConfig {
                name: format!("fold{n}"),
                widths: self.widths(),
                activate_last: false,
                init: Init::GlorotUniform,
            };
            Ok(One {
                input: Standardize::new(&format!("fold{n}.input"), self.width()),
                chain: chain.init(seed, device)?,
            })
        };
        Ok(Goat {
            width: self.width(),
            networks: (0..self.folds).map(one).collect::<Result<_, TaggerError>>()?,
        })
    }

    /// A fresh learner whose networks are chosen on these examples.
    ///
    /// # Errors
    /// As [`Tagger::learner`].
    pub(crate) fn learner_on(
        &self,
        training: &TrainingConfig,
        device: &Device,
        validation: Option<CrossFit>,
    ) -> Result<Box<dyn Learner>, TaggerError> {
        self.check()?;
        let metrics = training
            .early_stopping
            .iter()
            .map(|rule| ("early_stopping.metric", rule.metric));
        for (key, metric) in metrics.chain([("best", training.best)]) {
            // Any other figure mixes the folds: the epoch of one network would depend on labels it is tested on.
            check_number(
                NAME,
                key,
                metric,
                metric == Metric::ValLoss,
                "val_loss, which splits by network",
            )?;
        }
        let [network, chosen] = [self.init(training.seed, device)?, self.init(training.seed, device)?];
        Ok(Box::new(GoatLearner::new(
            network, chosen, training, device, validation,
        )))
    }
}

/// The networks, one a fold.
#[derive(Debug)]
pub struct Goat {
    width: usize,
    networks: Vec<One>,
}

/// One network.
#[derive(Debug)]
struct One {
    input: Standardize,
    chain: DenseChain,
}

impl Goat {
    /// For each network the examples of a view that are its own.
    fn shares(&self, view: &View) -> Result<Vec<Vec<usize>>, TaggerError> {
        let view = dense(NAME, view, self.width + 1)?;
        let mut shares = vec![Vec::new(); self.networks.len()];
        for (i, values) in view.values.chunks_exact(self.width + 1).enumerate() {
            let number = values[self.width];
            let known = number >= 0.0 && number.fract() == 0.0;
            // Saturating, so that an absurd number is no network.
            match shares.get_mut(number as usize).filter(|_| known) {
                Some(share) => share.push(i),
                None => {
                    return Err(TaggerError::View {
                        tagger: NAME,
                        expected: "the number of a network behind the scores",
                        found: number.to_string(),
                    });
                }
            }
        }
        Ok(shares)
    }

    /// The scores of some examples, without the number of the network, `[_, K]`.
    fn scores(&self, view: &View, share: &[usize]) -> Result<Vec<f32>, TaggerError> {
        let (view, width) = (dense(NAME, view, self.width + 1)?, self.width);
        let of = |&i: &usize| &view.values[i * (width + 1)..i * (width + 1) + width];
        Ok(share.iter().flat_map(of).copied().collect())
    }
}

impl Network for Goat {
    /// Center and spread of each score, for each network from the examples that are its own.
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        const BATCH: usize = 4096;
        let width = self.width;
        let mut moments = vec![(0.0, vec![0.0; width], vec![0.0; width]); self.networks.len()];
        for batch in train.batches(Order::STORED, BATCH, 0) {
            let batch = batch?;
            for (share, (count, mean, squares)) in self.shares(&batch.view)?.iter().zip(&mut moments) {
                for row in self.scores(&batch.view, share)?.chunks_exact(width) {
                    *count += 1.0;
                    for ((x, mean), squares) in row.iter().zip(mean.iter_mut()).zip(squares.iter_mut()) {
                        let before = f64::from(*x) - *mean;
                        *mean += before / *count;
                        *squares += before * (f64::from(*x) - *mean);
                    }
                }
            }
        }
        for (network, (count, mean, squares)) in self.networks.iter_mut().zip(&moments) {
            let spread = |squares: &f64| (squares / f64::max(*count, 1.0)).sqrt() as f32;
            let usable = |scale: f32| if scale > 0.0 && scale.is_finite() { scale } else { 1.0 };
            let center = mean.iter().map(|&mean| mean as f32).collect();
            network
                .input
                .fit(center, squares.iter().map(|squares| usable(spread(squares))).collect())?;
        }
        Ok(())
    }

    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let (mut parts, mut order) = (Vec::new(), Vec::new());
        let shares = self.shares(view)?;
        for (network, share) in self.networks.iter().zip(&shares).filter(|(_, share)| !share.is_empty()) {
            let mut scores = self.scores(view, share)?;
            network.input.apply(&mut scores);
            let x = Tensor::from_data(TensorData::new(scores, [share.len(), self.width]), device); // [_, K]
            parts.push(network.chain.forward(x, pass)); // [_, 2]
            order.extend_from_slice(share);
        }
        let total = order.len();
        if parts.is_empty() {
            return Ok(Tensor::zeros([0, 2], device));
        }
        let mut place = vec![0i32; total];
        order.iter().enumerate().for_each(|(now, &i)| place[i] = now as i32);
        let place = Tensor::<1, Int>::from_data(TensorData::new(place, [total]), device);
        Ok(Tensor::cat(parts, 0).select(0, place)) // [B, 2]
    }
}

impl Parts for Goat {
    fn parts(&self) -> Vec<Part<'_>> {
        let networks = self.networks.iter();
        networks
            .flat_map(|one| one.input.parts().into_iter().chain(one.chain.parts()))
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let networks = self.networks.iter_mut();
        networks
            .flat_map(|one| one.input.parts_mut().into_iter().chain(one.chain.parts_mut()))
            .collect()
    }
}

/// Numbers of the landscape, arXiv:1902.09914.
pub const PUBLISHED: Published = Published {
    auc: Some(0.985),
    accuracy: Some(0.939),
    rejection_single: Some(PublishedValue::with_spread(1368.0, 140.0)),
    rejection_median: Some(PublishedValue::with_spread(1549.0, 208.0)),
    parameters: Some(35_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for GoatConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "scores"
    }

    fn view_key(&self) -> String {
        "scores".into()
    }

    fn view(&self, _jets: &Jets) -> Result<View, TaggerError> {
        Err(TaggerError::NeedsLandscape { tagger: NAME })
    }

    /// Adam at 1e-3 as published; 256 examples a network and step, at most 50 epochs, each network kept from its own
    /// best epoch and left alone after eight without a better one.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 256 * self.folds,
            score_batch_size: 4096,
            epochs: 50,
            early_stopping: Some(EarlyStopping {
                patience: 8,
                ..EarlyStopping::default()
            }),
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
        check_widths(NAME, "hidden", self.width(), &self.hidden, 1)?;
        check_number(NAME, "folds", self.folds, (3..=20).contains(&self.folds), "3 to 20")
    }

    fn multiply_adds(&self, _constituents: f64) -> f64 {
        self.widths().windows(2).map(|w| (w[0] * w[1]) as f64).sum()
    }

    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        self.learner_on(training, device, None)
    }

    fn reads_scores(&self) -> Option<&GoatConfig> {
        Some(self)
    }

    fn note(&self) -> Option<String> {
        let (columns, folds) = (self.inputs.len(), self.folds);
        Some(format!(
            "{NAME} was trained on the test jets: it reads {columns} score columns of the other taggers, which exist for \
             these only. Of {folds} networks each scored one of {folds} folds of the jets, was chosen on another and \
             trained on the rest; no jet was scored by a network that saw its label."
        ))
    }
}

#[cfg(test)]
mod tests;
