//! One file a tagger, a registry, and the landscape.
//!
//! # What
//!
//! A [`Tagger`] is a configuration that knows its view of a jet, its published training and numbers, and how to build a
//! [`tagwerk_train::Learner`]. The [`registry`] finds it by name. [`train`], [`resume`] and [`score`] work on one run
//! folder; [`landscape`](fn@landscape) trains many taggers many times and makes one table.
//!
//! # Why so
//!
//! A tagger is a network (`pfn.rs`) or not (`efp.rs`, `lda.rs`, `bdt.rs`): those collect in each step and fit at the
//! end of an epoch, or move a little in each. One, `goat.rs`, reads no jets but the scores of all others, in a second
//! round of the landscape.
//!
//! Whoever has read `pfn.rs` has read them all: paper, configuration with the published defaults, network, forward with
//! shapes, published numbers. Adding a tagger is one file and one line in the registry; `CONTRIBUTING.md` walks through
//! it.
//!
//! # What it costs
//!
//! Events that are no jets but arrays are read by the taggers of any shape ([`General`]): what is fitted on the
//! training events and applied to each batch stands around their networks, not in them.
//!
//! Views are computed once a landscape and shared by all taggers that read them. One budget of memory holds the jets of
//! all of them; what does not fit is streamed, views included, once an epoch and training.

mod arrays;
mod bdt;
mod chebnet;
mod cnn;
mod cnn1d;
mod cnn2d;
mod context;
mod cross_fit;
mod data_config;
mod discriminant;
mod efn;
mod efp;
mod encoder;
mod error;
mod fcn;
mod gcn;
mod general;
mod goat;
mod graph;
mod graphnet;
mod labels;
mod landscape;
mod lbn;
mod lda;
mod lola;
mod lorentznet;
mod lstm_resnet;
mod memory;
mod network;
mod nsubjettiness;
mod on_arrays;
mod part;
mod particlenet;
mod pcnn;
mod pfn;
pub mod registry;
mod resnext;
mod run;
mod settings;
mod tagger;
mod topodnn;
mod treenin;

pub use bdt::BdtConfig;
pub use chebnet::{ChebNet, ChebNetConfig};
pub use cnn::{Cnn, CnnConfig};
pub use cnn1d::{Cnn1d, Cnn1dConfig};
pub use cnn2d::{Cnn2d, Cnn2dConfig, HiddenConfig, Pooling, StageConfig};
pub use context::Context;
pub use data_config::{DataConfig, SAMPLE};
pub use efn::EfnConfig;
pub use efp::{Efp, EfpConfig};
pub use error::{FailedTraining, FailedTrainings, TaggerError};
pub use fcn::{Fcn, FcnConfig};
pub use gcn::{EmbeddingConfig, Gcn, GcnConfig};
pub use general::{General, Input};
pub use goat::{Goat, GoatConfig};
pub use graph::Graph;
pub use graphnet::{GraphNet, GraphNetConfig};
pub use landscape::{
    Finished, LandscapeConfig, LandscapeObserver, LandscapeOutcome, LandscapeRun, LandscapeTable, TaggerChoice,
    landscape,
};
pub use lbn::{Lbn, LbnConfig, LbnPair, LbnSingle};
pub use lda::LdaConfig;
pub use lola::{Lola, LolaConfig};
pub use lorentznet::{LorentzNet, LorentzNetConfig};
pub use lstm_resnet::{LstmResNet, LstmResNetConfig};
pub use network::{Network, NetworkLearner, Objective, vectors};
pub use nsubjettiness::{Nsubjettiness, NsubjettinessConfig};
pub use part::{PartConfig, ParticleTransformer};
pub use particlenet::{BlockConfig, ParticleNet, ParticleNetConfig, ParticleNetLiteConfig};
pub use pcnn::{Pcnn, PcnnConfig};
pub use pfn::PfnConfig;
pub use resnext::{ResNext, ResNextConfig};
pub use run::{Evaluated, RunConfig, RunResult, learner, parameter_count, resume, score, train, training_over};
pub use tagger::Tagger;
pub use tagwerk_nn::{Device, device::parse as parse_device};
pub use topodnn::TopoDnnConfig;
pub use treenin::{TreeNin, TreeNinConfig};
