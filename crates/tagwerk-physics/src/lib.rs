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
//! | four-momenta | [`four_vectors_view`] | LoLa, LBN |
//! | 3M - 4 values of N-subjettiness, pT, mass | [`m_body_view`] | dense networks |
//! | 1000 energy flow polynomials | [`efp_view`] | linear discriminants |
//! | twenty classic observables | [`high_level_view`] | boosted trees |
//! | declustering trees | [`treenin_view`] | recursive networks |
//! | declusterings in the Lund plane | [`lund_view`] | sequences and graphs |
//! | pairs of constituents | [`pair_features_view`] | transformers |
//!
//! Events that are no jets but arrays (histograms, stations, particle lists, tables) have one function,
//! [`arrays_view`].
//!
//! For people, and for methods that read tables, [`FeaturePlan`] makes named columns of all observables of a jet.
//!
//! Below them stand [`FourVector`] and a sequential [`Clusterer`] (anti-kT, Cambridge/Aachen, kT) that keeps its full
//! history, from which subjets, declustering trees and [soft drop](SoftDropGroomer) follow.
//!
//! **Why f64.** A boosted jet's mass is a small difference of large numbers: at 600 GeV the squared mass of a light
//! quark jet is 1e-4 of the squared energy, and a massless particle's is pure rounding. Constituents arrive as f32
//! and are widened before the first operation; results for networks are rounded to f32 once, at the end.
//!
//! **Why our own clustering.** Jets here have tens of constituents, not thousands of particles, and there are millions
//! of them. One [`Clusterer`] a thread reuses its memory, so a jet of 60 costs its arithmetic and no allocation. The
//! price: O(N^2), with no tiling; whole events of 10^4 particles are not what it is for.
//!
//! **What it promises.** Finite input gives finite output, for empty jets and particles along the beam too. The same
//! input gives the same bits whatever the number of threads: a jet is computed by one thread, from itself alone.
//! Constituents are taken in the order stored, falling transverse momentum; "leading" means first.

#![forbid(unsafe_code)]

mod active_set;
mod arrays_view;
mod cluster;
mod cluster_history;
mod constituents;
mod declustering;
mod efp;
mod energy_correlation;
mod energy_flow_view;
mod error;
mod features;
mod fill;
mod four_vector;
mod four_vectors_view;
mod high_level_view;
mod image;
mod jet_blocks;
mod kinematic_features;
mod lda_vocabulary;
mod lda_words;
mod lund_plane;
mod m_body_basis;
mod nsubjettiness;
mod observables;
mod pair_features;
mod part_view;
mod plane;
mod robust_scaler;
mod soft_drop;
mod topodnn_view;
mod tree_features;
mod tree_view;
mod view;

pub use arrays_view::{ArrayInput, BELLE_CLASSES, BELLE_PARTICLES, Connection, Encoding, arrays_view};
pub use cluster::{ClusterAlgorithm, Clusterer, JetDefinition, MAX_RADIUS, Recombination};
pub use cluster_history::{ClusterHistory, ClusterStep};
pub use constituents::{check_jets, constituents, jet_axis};
pub use declustering::{Declusterer, DeclusteringTree, DeclusteringTrees, NO_NODE, declustering_trees};
pub use efp::{EfpConfig, EfpCost, EfpGraph, EfpMeasure, EfpScratch, EfpSpec, EfpWeight, Efps, efp_view};
pub use energy_correlation::{EnergyCorrelationConfig, EnergyCorrelations, EnergyCorrelator, energy_correlations};
pub use energy_flow_view::{PfnPreprocessing, pfn_view};
pub use error::PhysicsError;
pub use features::{FeatureColumn, FeatureKind, FeaturePlan, FeatureSet, FeatureTable, FeatureValues, LundCounts};
pub use four_vector::{FourVector, MAX_RAPIDITY, wrap_phi};
pub use four_vectors_view::four_vectors_view;
pub use high_level_view::{HIGH_LEVEL_OBSERVABLES, high_level_view};
pub use image::{ImageConfig, ImageFrame, ImageIntensity, image_view};
pub use kinematic_features::{
    KINEMATIC_FEATURES, PART_STANDARDIZATION, Standardization, particlenet_view, standardize,
};
pub use lda_vocabulary::{LdaDocuments, LdaVocabulary};
pub use lda_words::{LdaWordConfig, LdaWords, Splitting, lda_words, splitting};
pub use lund_plane::{LUND_COORDINATES, LundConfig, LundDeclustering, LundPlanes, lund_planes, lund_view};
pub use m_body_basis::{MBodyConfig, TauRatios, m_body_basis, m_body_view, tau_ratios};
pub use nsubjettiness::{DistancePlane, Nsubjettiness, NsubjettinessConfig, OnePass, SubjetAxes, nsubjettiness};
pub use observables::{JetObservables, jet_observables, jet_observables_with};
pub use pair_features::{PAIR_FEATURES, minkowski_products_view, pair_features_view, unordered_pair_features};
pub use part_view::{PART_COLUMNS, part_view};
pub use robust_scaler::{RobustScaler, Take};
pub use soft_drop::{GroomedJet, SoftDrop, SoftDropGroomer};
pub use topodnn_view::{TOPODNN_CONSTITUENTS, TOPODNN_PT_SCALE, topodnn_view};
pub use tree_features::{TREE_FEATURES, TREENIN_DEFINITION, node_features, treenin_view};
pub use tree_view::{TreeLevel, TreeLevels, TreeView};
pub use view::{DenseView, JaggedView, View};
