//! What every tagger is: a name, a view of the jet, published numbers, and a learner.

use crate::error::TaggerError;
use crate::goat::GoatConfig;
use std::fmt::Debug;
use tagwerk_data::Jets;
use tagwerk_nn::Device;
use tagwerk_physics::View;
use tagwerk_stats::Published;
use tagwerk_train::{Learner, TrainingConfig};

/// A configured tagger. Each file of this crate that is named after a tagger implements it once.
pub trait Tagger: Debug + Send + Sync {
    /// Lower-case name.
    fn name(&self) -> &'static str;

    /// Kind of the view, for the listing: `constituents`, `vector`, `image`, ...
    fn view_kind(&self) -> &'static str;

    /// What decides the view: taggers of equal keys share one computation of it.
    fn view_key(&self) -> String;

    /// Computes the view, in parallel over jets.
    ///
    /// # Errors
    /// Jets that no physics can be done on.
    fn view(&self, jets: &Jets) -> Result<View, TaggerError>;

    /// The published training: what [`crate::RunConfig`] starts from.
    fn training(&self) -> TrainingConfig;

    /// The numbers of the literature.
    fn published(&self) -> Published;

    /// Settings with all defaults filled in, as they go into a run's `config.toml`.
    ///
    /// # Errors
    /// None in practice: settings are plain numbers.
    fn settings(&self) -> Result<toml::Table, TaggerError>;

    /// Checks the settings without building a network: what passes can be built.
    ///
    /// # Errors
    /// The first setting outside its limits, by its key, with the limit.
    fn check(&self) -> Result<(), TaggerError>;

    /// Multiply-adds of scoring one jet of `constituents` constituents: the arithmetic floor, and the cost by which
    /// trainings are ordered.
    fn multiply_adds(&self, constituents: f64) -> f64;

    /// What a reader of its row in a table must know beyond the numbers. Default: nothing.
    fn note(&self) -> Option<String> {
        None
    }

    /// The tagger itself, if it reads the scores of the others instead of jets: only a landscape can train it. Default:
    /// no.
    fn reads_scores(&self) -> Option<&GoatConfig> {
        None
    }

    /// A fresh network with its optimizer, initialized from the training's seed.
    ///
    /// # Errors
    /// Settings that [`check`](Self::check) refuses.
    fn learner(&self, training: &TrainingConfig, device: &Device) -> Result<Box<dyn Learner>, TaggerError>;
}
