//! A network of the taggers as a posterior over weights sees it.
//!
//! Bieringer, Kasieczka, Steffen, Trabs, arXiv:2312.14027, sample the weights of a ParticleNet with AdamMCMC. The
//! samplers of [`tagwerk_surrogate::posterior`] know a model as losses and a gradient for a flat vector of weights;
//! [`TaggerTarget`] is that of any [`Network`].

use std::sync::{Mutex, PoisonError};
use tagwerk_nn::layers::{Part as NetworkPart, PartMut, Pass};
use tagwerk_nn::{Device, Gradients, Tensor, loss};
use tagwerk_physics::View;
use tagwerk_stats::cross_entropy;
use tagwerk_surrogate::posterior::{Part, Target, TargetError};
use tagwerk_taggers::Network;

/// Jets whose statistics a normalization shares, when no other number is given.
const GROUP: usize = 500;

/// Cross entropy of a network for each jet.
///
/// A batch normalization makes the loss of a jet depend on the jets beside it. Here a part is cut into groups of equal
/// size in its order, and the jets of a group share their statistics, as in a training step: the loss is a function of
/// the weights and the part, and of nothing else. Dropout is that of the part's draw. Weights are rounded to f32, which
/// the network computes in.
#[derive(Debug)]
pub struct TaggerTarget<N> {
    network: Mutex<N>,
    view: View,
    labels: Vec<f32>,
    tensors: Vec<usize>,
    group: usize,
    seed: u64,
    device: Device,
}

impl<N: Network> TaggerTarget<N> {
    /// `view` and `labels` of `B` jets that the weights are to explain.
    ///
    /// # Errors
    /// Views and labels of different numbers of jets; none; a label other than 0 and 1.
    pub fn new(network: N, view: View, labels: Vec<f32>, seed: u64, device: &Device) -> Result<Self, TargetError> {
        if view.len() != labels.len() || labels.is_empty() {
            return Err(format!("{} labels of {} jets", labels.len(), view.len()).into());
        }
        if let Some(jet) = labels.iter().position(|label| *label != 0.0 && *label != 1.0) {
            return Err(format!("jet {jet} has the label {}; allowed: 0 and 1", labels[jet]).into());
        }
        let mut tensors = Vec::new();
        for part in network.parts() {
            if let NetworkPart::Block(block) = part {
                tensors.extend(block.entries().iter().map(|entry| entry.range.len()));
            }
        }
        Ok(Self {
            network: Mutex::new(network),
            view,
            labels,
            tensors,
            group: GROUP,
            seed,
            device: device.clone(),
        })
    }

    /// The same with groups of another size; the last group of a part may be smaller.
    pub fn with_groups(self, jets: usize) -> Self {
        Self {
            group: jets.max(1),
            ..self
        }
    }

    /// The weights that the network has now, `[P]`.
    pub fn start(&self) -> Vec<f64> {
        let network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let mut weights = Vec::new();
        for part in network.parts() {
            if let NetworkPart::Block(block) = part {
                weights.extend(block.to_vec().into_iter().map(f64::from));
            }
        }
        weights
    }

    /// Log-odds of signal for the jets of a part, with normalizations that use the jets of a group.
    ///
    /// # Errors
    /// As the network.
    pub fn log_odds(&self, weights: &[f64], part: Part) -> Result<Vec<f64>, TargetError> {
        let mut all = Vec::with_capacity(part.len(self.labels.len()));
        self.run(weights, part, false, |group| all.extend(group.odds))?;
        Ok(all)
    }

    /// Runs the groups of a part in turn, backward too where gradients are `wanted`.
    fn run(&self, weights: &[f64], part: Part, wanted: bool, mut listen: impl FnMut(Group)) -> Result<(), TargetError> {
        // A sampler that panicked in another thread left whole weights, which are replaced here.
        let mut network = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        set(&mut *network, weights);
        let (seed, step) = (self.seed, part.draw());
        let pass = match wanted {
            true => Pass::Training { seed, step },
            false => Pass::Trial { seed, step },
        };
        let device = pass.device(&self.device);
        let total = part.len(self.labels.len());
        for first in (0..total).step_by(self.group) {
            let rows: Vec<usize> = (first..total.min(first + self.group)).map(|at| part.row(at)).collect();
            let labels: Vec<f32> = rows.iter().map(|&row| self.labels[row]).collect();
            let logits = network.forward(&self.view.select(&rows)?, &pass, &device)?;
            let odds = host(loss::log_odds(logits.clone().detach()))?;
            let gradient = match wanted {
                false => Vec::new(),
                true => {
                    let sum = loss::cross_entropy(logits, &labels, None) * rows.len() as f64;
                    of_blocks(&*network, &sum.backward(), &pass)?
                }
            };
            listen(Group {
                first,
                odds: odds.into_iter().map(f64::from).collect(),
                labels,
                gradient,
            });
        }
        Ok(())
    }
}

/// What a group of jets gave.
struct Group {
    /// Place of its first jet in the part.
    first: usize,
    odds: Vec<f64>,
    labels: Vec<f32>,
    /// Of the sum of its losses, `[P]`; empty if it was not wanted.
    gradient: Vec<f32>,
}

impl Group {
    fn write(&self, losses: &mut [f64]) {
        let own = losses[self.first..].iter_mut();
        for ((out, &odds), &label) in own.zip(&self.odds).zip(&self.labels) {
            *out = cross_entropy(odds, label > 0.5);
        }
    }
}

fn host(values: Tensor<1>) -> Result<Vec<f32>, TargetError> {
    let data = values.into_data().convert::<f32>();
    data.try_into_vec()
        .map_err(|e| format!("reading a tensor: {e:?}").into())
}

fn set(network: &mut dyn Network, weights: &[f64]) {
    let mut at = 0;
    for part in network.parts_mut() {
        if let PartMut::Block(block) = part {
            let own = &weights[at..at + block.len()];
            at += own.len();
            block.set(own.iter().map(|&w| w as f32).collect());
        }
    }
}

/// The gradients of all blocks, `[P]`, zeros where the loss does not depend on one.
fn of_blocks(network: &dyn Network, gradients: &Gradients, pass: &Pass) -> Result<Vec<f32>, TargetError> {
    let mut found = Vec::new();
    for part in network.parts() {
        if let NetworkPart::Block(block) = part {
            match block.tensor(pass).grad(gradients) {
                Some(gradient) => found.extend(host(gradient)?),
                None => found.resize(found.len() + block.len(), 0.0),
            }
        }
    }
    Ok(found)
}

impl<N: Network> Target for TaggerTarget<N> {
    fn weights(&self) -> usize {
        self.tensors.iter().sum()
    }

    fn rows(&self) -> usize {
        self.labels.len()
    }

    fn tensors(&self) -> Vec<usize> {
        self.tensors.clone()
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        self.run(weights, part, false, |group| group.write(losses))
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        gradient.fill(0.0);
        self.run(weights, part, true, |group| {
            group.write(losses);
            for (sum, own) in gradient.iter_mut().zip(&group.gradient) {
                *sum += f64::from(*own);
            }
        })
    }
}
