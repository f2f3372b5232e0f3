//! Grown trees as plain lists: to score with, and as JSON.
//!
//! ```text
//! {"format": 1,
//!  "observables": ["mass", ..],               what the trees were grown on, in order
//!  "base": 0.01,                              log-odds before the first tree
//!  "trees": [{"observable": [0, 3, 0],        of each node; 0 in a leaf
//!             "value": [87.5, -0.1, 0.2],     threshold of a split; log-odds that a leaf adds
//!             "below": [1, 0, 0],             where jets below the threshold go; 0 in a leaf
//!             "above": [2, 0, 0]}, ..]}
//! ```
//!
//! A jet starts at node 0 of each tree and goes to `below` where its observable is smaller than the threshold. Children
//! come after their parents, which reading checks: every walk ends.

use crate::error::TaggerError;
use forust_ml::GradientBooster;
use serde::{Deserialize, Serialize};
use std::path::Path;

const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forest {
    format: u32,
    observables: Vec<String>,
    base: f64,
    trees: Vec<Tree>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree {
    observable: Vec<u32>,
    value: Vec<f64>,
    below: Vec<u32>,
    above: Vec<u32>,
}

impl Tree {
    fn value_of(&self, row: &[f32]) -> f64 {
        let mut node = 0;
        while self.below[node] != 0 {
            let is_below = f64::from(row[self.observable[node] as usize]) < self.value[node];
            node = (if is_below { self.below[node] } else { self.above[node] }) as usize;
        }
        self.value[node]
    }

    /// What would lead a walk astray.
    fn fault(&self, observables: usize) -> Option<String> {
        let nodes = self.value.len();
        if nodes == 0
            || [&self.observable, &self.below, &self.above]
                .iter()
                .any(|list| list.len() != nodes)
        {
            return Some("lists of different lengths, or no node".into());
        }
        (0..nodes).find_map(|i| {
            let (below, above) = (self.below[i] as usize, self.above[i] as usize);
            let is_leaf = below == 0 && above == 0;
            let is_split = below > i && above > i && below < nodes && above < nodes;
            if !(is_leaf || is_split) {
                return Some(format!("node {i} leads to nodes {below} and {above} of {nodes}"));
            }
            if self.observable[i] as usize >= observables {
                return Some(format!(
                    "node {i} asks for observable {} of {observables}",
                    self.observable[i]
                ));
            }
            (!self.value[i].is_finite()).then(|| format!("node {i} holds the value {}", self.value[i]))
        })
    }
}

impl Forest {
    /// The trees of a fitted booster.
    ///
    /// # Errors
    /// Trees that are none.
    pub(super) fn of(booster: &GradientBooster, observables: &[&str]) -> Result<Self, TaggerError> {
        let trees = booster.trees.iter().map(|grown| {
            let mut tree = Tree::default();
            for node in &grown.nodes {
                let (observable, value, below, above) = if node.is_leaf {
                    (0, f64::from(node.weight_value), 0, 0)
                } else {
                    (node.split_feature, node.split_value, node.left_child, node.right_child)
                };
                tree.value.push(value);
                // A tree of 2^32 nodes does not fit into memory.
                tree.observable.push(observable as u32);
                tree.below.push(below as u32);
                tree.above.push(above as u32);
            }
            tree
        });
        let forest = Self {
            format: FORMAT,
            observables: observables.iter().map(|&name| name.to_owned()).collect(),
            base: booster.base_score,
            trees: trees.collect(),
        };
        match forest.fault(observables) {
            Some(reason) => Err(TaggerError::Fit { tagger: "bdt", reason }),
            None => Ok(forest),
        }
    }

    /// Signal log-odds of a jet.
    pub(super) fn log_odds(&self, row: &[f32]) -> f32 {
        let sum = self.trees.iter().fold(self.base, |sum, tree| sum + tree.value_of(row));
        sum.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
    }

    /// Nodes of all trees.
    pub(super) fn nodes(&self) -> usize {
        self.trees.iter().map(|tree| tree.value.len()).sum()
    }

    fn fault(&self, observables: &[&str]) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("format {}; this version reads {FORMAT}", self.format));
        }
        if self.observables != observables {
            return Some(format!(
                "trees on {:?}; this tagger has {observables:?}",
                self.observables
            ));
        }
        if !self.base.is_finite() {
            return Some(format!("base holds the value {}", self.base));
        }
        let mut trees = self.trees.iter().enumerate();
        trees.find_map(|(t, tree)| Some(format!("tree {t}: {}", tree.fault(observables.len())?)))
    }

    /// Writes a forest, or that there is none yet.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn write(forest: Option<&Self>, path: &Path) -> Result<(), TaggerError> {
        let text = serde_json::to_string(&forest).map_err(|e| saved(path, e.to_string()))?;
        std::fs::write(path, text + "\n").map_err(|e| saved(path, format!("write: {e}")))
    }

    /// Reads what [`write`](Self::write) wrote, bit for bit.
    ///
    /// # Errors
    /// A file that is not there, no such JSON, or trees that are none.
    pub(super) fn read(path: &Path, observables: &[&str]) -> Result<Option<Self>, TaggerError> {
        let text = std::fs::read_to_string(path).map_err(|e| saved(path, format!("read: {e}")))?;
        let forest: Option<Self> =
            serde_json::from_str(&text).map_err(|e| saved(path, format!("no trees of this tagger: {e}")))?;
        match forest.as_ref().and_then(|forest| forest.fault(observables)) {
            Some(reason) => Err(saved(path, reason)),
            None => Ok(forest),
        }
    }
}

fn saved(path: &Path, reason: String) -> TaggerError {
    TaggerError::Saved {
        path: path.to_path_buf(),
        reason,
    }
}
