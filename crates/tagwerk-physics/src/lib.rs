//! Physics on columns, in f64: what is computed from the constituents of a jet before any network sees it.
//!
//! A tagger names the **view** of a jet it reads, and the view is computed here once, for all jets, in parallel:
//!
//! | view | function | read by |
//! |---|---|---|
//! | seven kinematic features a constituent | [`particlenet_view`] | ParticleNet, P-CNN, graph networks, transformers |
//! | (z, y, phi) a constituent | [`pfn_view`] | EFN, PFN |
//! | ninety numbers | [`topodnn_view`] | TopoDNN |
//! | pictures | [`image_view`] | CNN, ResNeXt |
//!
//! Below them stand [`FourVector`] and a sequential [`Clusterer`] (anti-kT, Cambridge/Aachen, kT) that keeps its full
//! history, from which subjets, declustering trees and [soft drop](SoftDropGroomer) follow.
//!
//! **Why f64.** A boosted jet's mass is a small difference of large numbers: at 600 GeV the squared mass of a light
//! quark jet is 1e-4 of the squared energy, and a massless particle's is pure rounding. Constituents arrive as f32
//! and are widened before the first operation; results for networks are rounded to f32 once, at the end.
//!
//! **Why our own clustering.** Jets here have tens of constituents, not thousands of particles, and there are millions of
//! them. One [`Clusterer`] a thread reuses its memory, so a jet of 60 costs its arithmetic and no allocation. The
//! price: O(N^2), with no tiling; whole events of 10^4 particles are not what it is for.
//!
//! **What it promises.** Finite input gives finite output, for empty jets and particles along the beam too. The same
//! input gives the same bits whatever the number of threads: a jet is computed by one thread, from itself alone.
//! Constituents are taken in the order stored, falling transverse momentum; "leading" means first.

#![forbid(unsafe_code)]

mod active_set;
mod cluster;
mod cluster_history;
mod constituents;
mod energy_flow_view;
mod error;
mod fill;
mod four_vector;
mod image;
mod kinematic_features;
mod observables;
mod plane;
mod soft_drop;
mod topodnn_view;
mod view;

pub use cluster::{ClusterAlgorithm, Clusterer, JetDefinition, MAX_RADIUS, Recombination};
pub use cluster_history::{ClusterHistory, ClusterStep};
pub use constituents::{check_jets, constituents, jet_axis};
pub use energy_flow_view::{PfnPreprocessing, pfn_view};
pub use error::PhysicsError;
pub use four_vector::{FourVector, MAX_RAPIDITY, wrap_phi};
pub use image::{ImageConfig, ImageFrame, ImageIntensity, image_view};
pub use kinematic_features::{
    KINEMATIC_FEATURES, PART_STANDARDIZATION, Standardization, particlenet_view, standardize,
};
pub use observables::{JetObservables, jet_observables, jet_observables_with};
pub use soft_drop::{GroomedJet, SoftDrop, SoftDropGroomer};
pub use topodnn_view::{TOPODNN_CONSTITUENTS, TOPODNN_PT_SCALE, topodnn_view};
pub use view::{DenseView, JaggedView, View};
