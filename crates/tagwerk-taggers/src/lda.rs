//! Latent Dirichlet allocation: a jet as a bag of words, its splittings, and one topic a class.
//!
//! Dillon, Faroughy, Kamenik, "Uncovering latent jet substructure", arXiv:1904.04200; with Szewc, "Learning the latent
//! structure of collider events", arXiv:2005.12319. In the landscape (arXiv:1902.09914) it was trained with labels. The
//! words are those of [`tagwerk_physics::lda_words`]; the fit is online variational Bayes (Hoffman, Blei, Bach 2010).
//!
//! **How the labels enter.** A jet of class k has the prior Dirichlet(1 for topic k, `other_topic` for the other). With
//! `other_topic` = 0, the default, all words of a jet belong to the topic of its class: the expectation step has
//! nothing to find, and with `delay` = `decay` = 1 one pass makes each topic the exact posterior, `word_prior` + the
//! counts of its class. Above 0 a word may belong to the other topic. Words common to both classes then gather in one
//! topic, which makes the topics purer and the tagger worse (AUC 0.950 with 0.1, 0.921 with 0.3, 0.953 with 0, on
//! 24,000 jets).
//!
//! **The score** is the log-likelihood ratio of the two topics, sum over words of log(E beta_1w / E beta_0w), and the
//! log-ratio of the classes. The other choice, the share of a topic that inference finds in a jet, throws away how
//! many words agree: AUC 0.943 at best on the same jets.
//!
//! **Not for** the last percent: words of one jet count as independent, and where they stand in it is not seen.

mod inference;
mod learner;

use crate::error::TaggerError;
use crate::settings::{check_number, table_of};
use crate::tagger::Tagger;
use learner::LdaLearner;
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;
use tagwerk_nn::Device;
use tagwerk_physics::{JaggedView, LdaWordConfig, NsubjettinessConfig, View, lda_words, nsubjettiness};
use tagwerk_stats::{Published, PublishedValue};
use tagwerk_train::{Learner, TrainingConfig};

const NAME: &str = "lda";

/// Words beyond this have no exact place in a view of single precision.
const MOST_WORDS: u64 = 1 << 24;

/// What makes the tagger. Bins and priors of the publication are not known; the defaults are ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LdaConfig {
    /// Which splittings become words, and the bins: at most 2^24 words. With edges for three jet-level numbers, these
    /// are tau3/tau2, tau3/tau1 and tau2/tau1. Default: five numbers a splitting, 86,400 possible words.
    pub words: LdaWordConfig,
    /// Words of fewer training jets are left out. Default: 1, which keeps all.
    pub min_jets: u32,
    /// Prior of a word in a topic (eta), above 0, at most 100. Default: 0.5.
    pub word_prior: f64,
    /// Prior of the topic of the other class in a training jet (alpha), where that of its own is 1: 0 to 1. Default: 0,
    /// the label decides.
    pub other_topic: f64,
    /// How slowly the first steps count (tau_0), at least 1. Default: 1.
    pub delay: f64,
    /// How fast steps come to count less (kappa), 0.5 to 1. Default: 1, all jets count the same.
    pub decay: f64,
}

impl Default for LdaConfig {
    fn default() -> Self {
        Self {
            words: LdaWordConfig::default(),
            min_jets: 1,
            word_prior: 0.5,
            other_topic: 0.0,
            delay: 1.0,
            decay: 1.0,
        }
    }
}

impl LdaConfig {
    /// All words that the bins can spell; more than 64 bits count as the largest number.
    fn spellable(&self) -> u64 {
        let product = |words: u64, &bins: &usize| words.saturating_mul(bins as u64);
        self.words.bins().iter().fold(1, product)
    }
}

/// Numbers of the landscape, arXiv:1902.09914. Its 184k parameters are taken to be two topics of some 92,000 words.
pub const PUBLISHED: Published = Published {
    auc: Some(0.955),
    accuracy: Some(0.892),
    rejection_single: Some(PublishedValue::with_spread(151.0, 0.4)),
    rejection_mean: Some(PublishedValue::with_spread(151.5, 0.5)),
    rejection_median: Some(PublishedValue::with_spread(151.7, 0.4)),
    parameters: Some(184_000),
    source: std::borrow::Cow::Borrowed("arXiv:1902.09914"),
    ..Published::NONE
};

impl Tagger for LdaConfig {
    fn name(&self) -> &'static str {
        NAME
    }

    fn view_kind(&self) -> &'static str {
        "words"
    }

    fn view_key(&self) -> String {
        format!("{:?}", self.words)
    }

    /// Words as rows of one channel: a word is a whole number below 2^24, exact in single precision.
    fn view(&self, jets: &Jets) -> Result<View, TaggerError> {
        let ratios = match self.words.jet_level.len() {
            0 => Vec::new(),
            _ => tau_ratios(jets)?,
        };
        let words = lda_words(jets, &ratios, &self.words)?;
        let rows = words.words.iter().map(|&word| word as f32).collect();
        Ok(JaggedView::new(1, rows, words.offsets)?.into())
    }

    /// One pass: see `delay` and `decay`.
    fn training(&self) -> TrainingConfig {
        TrainingConfig {
            batch_size: 2000,
            epochs: 1,
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
        let levels = self.words.jet_level.len();
        let allowed = "none, or three: tau3/tau2, tau3/tau1, tau2/tau1";
        check_number(
            NAME,
            "words.jet_level of so many numbers",
            levels,
            levels == 0 || levels == 3,
            allowed,
        )?;
        self.words.check()?;
        let words = self.spellable();
        check_number(NAME, "possible words", words, words <= MOST_WORDS, "at most 2^24")?;
        let (prior, other) = (self.word_prior, self.other_topic);
        check_number(
            NAME,
            "word_prior",
            prior,
            prior > 0.0 && prior <= 100.0,
            "above 0 and at most 100",
        )?;
        check_number(NAME, "other_topic", other, (0.0..=1.0).contains(&other), "0 to 1")?;
        let (delay, decay) = (self.delay, self.decay);
        check_number(NAME, "delay", delay, delay >= 1.0 && delay.is_finite(), "at least 1")?;
        check_number(NAME, "decay", decay, (0.5..=1.0).contains(&decay), "0.5 to 1")
    }

    /// A handful of words, one number each.
    fn multiply_adds(&self, constituents: f64) -> f64 {
        0.1 * constituents
    }

    fn learner(&self, _training: &TrainingConfig, _device: &Device) -> Result<Box<dyn Learner>, TaggerError> {
        self.check()?;
        Ok(Box::new(LdaLearner::new(self)))
    }
}

/// tau3/tau2, tau3/tau1, tau2/tau1 of every jet, `[B, 3]`; 0 where there is nothing to divide by.
fn tau_ratios(jets: &Jets) -> Result<Vec<f64>, TaggerError> {
    let taus = nsubjettiness(jets, &NsubjettinessConfig::default())?;
    let ratio = |above: f64, below: f64| if below > 0.0 { above / below } else { 0.0 };
    let of_jet = |tau: &[f64]| [ratio(tau[2], tau[1]), ratio(tau[2], tau[0]), ratio(tau[1], tau[0])];
    Ok(taus.chunks_exact(3).flat_map(of_jet).collect())
}

#[cfg(test)]
mod tests;
