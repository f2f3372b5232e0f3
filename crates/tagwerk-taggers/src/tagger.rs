//! What every tagger is: a name, a view of the jet, published numbers, and a learner.

use crate::error::TaggerError;
use crate::general::General;
use crate::goat::GoatConfig;
use crate::on_arrays;
use std::fmt::Debug;
use tagwerk_data::{Arrays, Jets, Task};
use tagwerk_nn::Device;
use tagwerk_physics::{ArrayInput, View, arrays_view};
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

    /// The tagger as one of examples of any shape, if it is one: then it reads events that are arrays too. Default: it
    /// is not.
    fn general(&self) -> Option<&dyn General> {
        None
    }

    /// Computes the view of events that are arrays, in parallel over events; all taggers that read them share it.
    ///
    /// # Errors
    /// A tagger that needs jets; events that make no sense.
    fn view_of_arrays(&self, arrays: &Arrays) -> Result<View, TaggerError> {
        match self.general() {
            Some(_) => Ok(arrays_view(arrays)?),
            None => {
                let shapes = arrays.arrays().iter().map(|array| format!("{:?}", array.shape));
                Err(needs_jets(
                    self.name(),
                    arrays.set().name(),
                    shapes.collect::<Vec<_>>().join(", "),
                ))
            }
        }
    }

    /// As [`learner`](Self::learner), for events that are arrays.
    ///
    /// # Errors
    /// A tagger that needs jets; events of a shape that it does not read (a table has no neighbors); settings that
    /// [`check`](Self::check) refuses.
    fn learner_of_arrays(
        &self,
        events: &ArrayInput,
        task: Task,
        training: &TrainingConfig,
        device: &Device,
    ) -> Result<Box<dyn Learner>, TaggerError> {
        match self.general() {
            Some(general) => on_arrays::learner(general, events, task, training, device),
            None => Err(needs_jets(
                self.name(),
                events.set.name(),
                format!("{:?}", events.shape),
            )),
        }
    }

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

fn needs_jets(tagger: &'static str, data: &'static str, shapes: String) -> TaggerError {
    TaggerError::NeedsJets {
        tagger,
        data,
        shapes,
        general: crate::registry::general_names().collect::<Vec<_>>().join(", "),
    }
}
