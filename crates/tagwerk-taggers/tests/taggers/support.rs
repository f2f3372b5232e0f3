//! What the tests of taggers share.

pub mod sample;
pub mod tensors;

use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::{Learner, TrainingConfig, Update};

/// Every tagger of the registry that reads jets, the costly ones with fewer channels: the same code at a tenth of the
/// cost.
pub fn taggers() -> impl Iterator<Item = Box<dyn Tagger>> {
    registry::names()
        .map(tagger)
        .filter(|tagger| tagger.reads_scores().is_none())
}

/// Taggers that are no network: they collect in their steps and fit at the end of an epoch, or count.
pub const FITTED: [&str; 3] = ["lda", "efp", "bdt"];

/// Those of [`taggers`] that are networks trained by gradients.
pub fn networks() -> impl Iterator<Item = Box<dyn Tagger>> {
    taggers().filter(|tagger| !FITTED.contains(&tagger.name()))
}

/// One of [`taggers`].
pub fn tagger(name: &str) -> Box<dyn Tagger> {
    let settings = match name {
        "particlenet" => {
            "hidden = 64\nblocks = [{k = 16, widths = [16, 16, 16]}, {k = 16, widths = [32, 32, 32]}, {k = 16, widths = [64, 64, 64]}]"
        }
        "lbn" => "constituents = 40\nparticles = 16\nhidden = [60, 60]",
        "cnn" => "stages = [[16, 12], [12, 12]]\nhidden = [32, 32]",
        "resnext" => "stem = 16\ngroups = 8\nwidths = [16, 32, 32]\nblocks = [2, 1, 1]",
        "part" => "embed = [32, 64, 32]\npairs = [16, 16]\nheads = 4\nblocks = 2\nclass_blocks = 1",
        "lorentznet" => "channels = 24\nblocks = 3",
        "fcn" => "hidden = [64, 64, 64, 64]",
        "graphnet" => "dense = [32, 32]\ngraph = [32, 32]\nhead = [32, 32]",
        "chebnet" => "channels = [16, 24]\nhidden = 32",
        "gcn" => "dense = [32, 32]\ngraph = [32, 32]\nhead = [32]",
        "cnn1d" => "channels = [24, 32]\nhidden = 32",
        // Ten jets are fitted here.
        "efp" => "max_degree = 3",
        "bdt" => "trees = 20\nmin_leaf_weight = 0.1\nsubsample = 1.0",
        _ => "",
    };
    registry::tagger(name, &toml::from_str(settings).unwrap()).unwrap()
}

/// A fresh learner with the tagger's published training but for the seed.
pub fn learner(tagger: &dyn Tagger, seed: u64) -> Box<dyn Learner> {
    let training = TrainingConfig {
        seed,
        ..tagger.training()
    };
    tagger.learner(&training, &Device::flex()).unwrap()
}

/// Step number `step` at the usual learning rate.
pub fn update(step: u64) -> Update {
    Update {
        step,
        learning_rate: 1e-3,
    }
}
