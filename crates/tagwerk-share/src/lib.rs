//! Classifiers from and for other programs.
//!
//! # What
//!
//! [`import`] makes a run folder of weights that PyTorch trained, so that `tagwerk score` scores with them as if they
//! had been trained here; [`inspect`] says what is in such a file. Read are state dicts of weaver-core's ParticleNet,
//! with the standardization of its features from weaver's preprocessing file. [`StateDict`] reads any state dict of
//! tensors.
//! [`import_parametric`] does the same for checkpoints of TensorFlow 2 of parametric networks (arXiv:2202.00424), and
//! [`Checkpoint`] reads any.
//!
//! # Why so
//!
//! **Nothing in a file is executed.** A PyTorch file is a pickle, which is a program: unpickling one from a stranger
//! runs what the stranger likes. Here it is read by an interpreter of the two dozen instructions that a dictionary of
//! tensors needs. It calls nothing; a name that is none of the eight known ones is an error. Work and memory are
//! bounded by the size of the file, and damaged files end in one sentence that names the place.
//!
//! **Same scores, not similar ones.** What weaver does and ParticleNet's paper does not say (zeros as neighbors in jets
//! of fewer than k + 1 constituents, standardized features, a fusion layer) are settings of
//! [`tagwerk_taggers::ParticleNetConfig`], switched on by the import.
//!
//! **What a file does not say is said aloud.** The number of neighbors and the order of the classes are in no state
//! dict. They are chosen by options or by what weaver publishes, and told with the result and in the run's
//! `provenance.json`.
//!
//! # What it costs
//!
//! The file is held in memory once, beside the tensors. Imported weights cannot be trained on: the optimizer's state is
//! not in the file, and a run folder promises that a resume is exact.

#![forbid(unsafe_code)]

mod error;
mod import;
mod parametric;
mod tagger_target;
mod tensorflow;
mod torch;
mod weaver;

pub use error::{Result, ShareError};
pub use import::{ImportOptions, Imported, Inspection, TensorFact, import, inspect};
pub use parametric::{
    ImportedParametric, KerasNetwork, ParametricImport, ParametricInspection, import_parametric, inspect_parametric,
};
pub use tagger_target::TaggerTarget;
pub use tensorflow::{Checkpoint, CheckpointTensor, TensorFlowType};
pub use torch::{StateDict, TorchTensor, TorchType, TorchValues};
pub use weaver::WeaverParticleNet;
