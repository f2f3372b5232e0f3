//! Adam, AdamW, RAdam and Lookahead over all blocks of a network.

use crate::error::NnError;
use crate::kernels::adam::AdamStep;
use crate::layers::{PartMut, Parts};
use crate::ops;
use burn::tensor::{Gradients, Tensor, TensorData};

/// Constants of Adam; the defaults are those of the paper and of every framework.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Decay of the first moment. Default 0.9.
    pub beta1: f64,
    /// Decay of the second moment. Default 0.999.
    pub beta2: f64,
    /// Added to the root of the second moment. Default 1e-8.
    pub epsilon: f64,
    /// Weight decay. Default 0.
    pub weight_decay: f64,
    /// Whether it acts on biases, the gains of normalizations and other vectors too, or on matrices alone. Default
    /// true.
    pub decay_biases: bool,
    /// Whether the decay shrinks the parameter (AdamW) or is added to the gradient (Adam with an L2 penalty). Default
    /// true.
    pub decoupled: bool,
    /// Whether the rate is rectified in the first steps (RAdam, arXiv:1908.03265). Default false.
    pub rectified: bool,
    /// Slow weights that follow the fast ones, if any. Default none.
    pub lookahead: Option<Lookahead>,
    /// Gradients of a larger norm over all parameters are scaled down to it. Default none.
    pub clip: Option<f64>,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decay_biases: true,
            decoupled: true,
            rectified: false,
            lookahead: None,
            clip: None,
        }
    }
}

/// Slow weights: Zhang et al., "Lookahead Optimizer", arXiv:1907.08610. Every so many steps they move a share of the
/// way to the fast ones, which then begin from there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lookahead {
    /// Steps between moves, k.
    pub every: u64,
    /// Share of the way, alpha.
    pub share: f64,
}

/// Adam's moments, one pair a block.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    /// Steps taken.
    pub(crate) steps: u64,
    /// First and second moment of each block, in the order of the network's parts.
    pub(crate) moments: Vec<(Tensor<1>, Tensor<1>)>,
    /// Slow weights of each block; none before the first step, or without [`Lookahead`].
    pub(crate) slow: Vec<Tensor<1>>,
}

impl Adam {
    /// Moments of zero for the blocks of `network`.
    pub fn new(config: AdamConfig, network: &mut (impl Parts + ?Sized)) -> Self {
        let moments = blocks(network)
            .map(|block| {
                let zeros = Tensor::zeros_like(&block.leaf().clone().inner());
                (zeros.clone(), zeros)
            })
            .collect();
        Self {
            config,
            steps: 0,
            moments,
            slow: Vec::new(),
        }
    }

    /// Whether a saved state has slow weights.
    pub(crate) fn looks_ahead(&self, steps: u64) -> bool {
        self.config.lookahead.is_some() && steps > 0
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes over moments that were read from a file.
    pub fn restore(&mut self, moments: Moments) {
        (self.moments, self.slow, self.steps) = (moments.moments, moments.slow, moments.steps);
    }

    /// One step along `gradients`; the noted statistics of normalizations now count.
    ///
    /// # Errors
    /// [`NnError::Gradient`] if a gradient is not finite; then nothing has changed.
    pub fn step(
        &mut self,
        network: &mut (impl Parts + ?Sized),
        mut gradients: Gradients,
        learning_rate: f64,
    ) -> Result<(), NnError> {
        // Taken out, not copied: the kernel then works in their memory.
        let gradients: Vec<Option<Tensor<1>>> = blocks(network)
            .map(|block| block.leaf().grad_remove(&mut gradients))
            .collect();
        let present: Vec<Tensor<1>> = gradients.iter().flatten().cloned().collect();
        let sums = ops::square_sums(&present);
        // The copies share their memory, which the update wants for itself.
        drop(present);
        let with_gradient = blocks(network)
            .zip(&gradients)
            .filter(|(_, gradient)| gradient.is_some());
        if let Some(((block, _), _)) = with_gradient.zip(&sums).find(|(_, sum)| !sum.is_finite()) {
            return Err(NnError::Gradient {
                block: block.name().to_string(),
            });
        }
        if self.config.lookahead.is_some() && self.slow.is_empty() {
            self.slow = blocks(network).map(|block| block.leaf().clone().inner()).collect();
        }
        let squares: f64 = sums.iter().sum();
        self.steps += 1;
        for part in network.parts_mut() {
            if let PartMut::Running(running) = part {
                running.commit();
            }
        }
        let step = AdamStep {
            learning_rate,
            beta1: self.config.beta1,
            beta2: self.config.beta2,
            epsilon: self.config.epsilon,
            weight_decay: if self.config.decoupled && self.config.decay_biases {
                self.config.weight_decay
            } else {
                0.0
            },
            rectified: self.config.rectified,
            step: self.steps,
        };
        let norm = squares.sqrt().max(f64::MIN_POSITIVE);
        let scale = self.config.clip.map_or(1.0, |limit| (limit / norm).min(1.0));
        for ((block, (first, second)), gradient) in blocks(network).zip(&mut self.moments).zip(gradients) {
            // A block the loss does not depend on has no gradient and stays.
            let Some(mut gradient) = gradient else { continue };
            if scale < 1.0 {
                gradient = gradient * scale;
            }
            let decays = self.config.weight_decay > 0.0;
            let matrices = (decays && !self.config.decay_biases).then(|| matrices(block, &gradient));
            let mut values = block.take();
            match matrices {
                Some(ones) if self.config.decoupled => {
                    let decay = learning_rate * self.config.weight_decay;
                    values = values.clone() - values * ones * decay;
                }
                Some(ones) => gradient = gradient + values.clone() * ones * self.config.weight_decay,
                None if decays && !self.config.decoupled => {
                    gradient = gradient + values.clone() * self.config.weight_decay;
                }
                None => {}
            }
            let (m, v) = (first.extract(), second.extract());
            let (values, m, v) = ops::adam(values, gradient, m, v, step);
            block.replace(values);
            (*first, *second) = (m, v);
        }
        self.look_ahead(network);
        Ok(())
    }

    /// Moves the slow weights and begins from there, if it is time.
    fn look_ahead(&mut self, network: &mut (impl Parts + ?Sized)) {
        let Some(Lookahead { every, share }) = self.config.lookahead else {
            return;
        };
        if !self.steps.is_multiple_of(every.max(1)) {
            return;
        }
        for (block, slow) in blocks(network).zip(&mut self.slow) {
            let fast = block.take();
            let moved = slow.clone() + (fast - slow.clone()) * share;
            *slow = moved.clone();
            block.replace(moved);
        }
    }
}

/// 1 for each value of a block that belongs to a matrix, 0 for the others, where `like` is.
fn matrices(block: &crate::layers::Block, like: &Tensor<1>) -> Tensor<1> {
    let mut ones = vec![0.0f32; block.len()];
    for entry in block.entries().iter().filter(|entry| entry.shape.len() > 1) {
        ones[entry.range.clone()].fill(1.0);
    }
    let n = ones.len();
    Tensor::from_data(TensorData::new(ones, [n]), &like.device())
}

/// Adam's state as read from a file and checked, not yet in use.
#[derive(Debug)]
pub struct Moments {
    pub(crate) steps: u64,
    pub(crate) moments: Vec<(Tensor<1>, Tensor<1>)>,
    pub(crate) slow: Vec<Tensor<1>>,
}

/// The blocks of a network, in order.
pub(crate) fn blocks<'a>(
    network: &'a mut (impl Parts + ?Sized),
) -> impl Iterator<Item = &'a mut crate::layers::Block> + 'a {
    network.parts_mut().into_iter().filter_map(|part| match part {
        PartMut::Block(block) => Some(block),
        PartMut::Running(_) | PartMut::Standardize(_) | PartMut::Codebook(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Block, DenseChainConfig, Entry, Init, Part, Pass};
    use burn::tensor::Device;

    #[test]
    fn a_gradient_that_is_not_finite_is_refused_with_its_block_and_changes_nothing() {
        let device = Device::flex();
        let config = DenseChainConfig {
            name: "phi".into(),
            widths: vec![3, 4, 2],
            activate_last: false,
            init: Init::HeUniform,
        };
        let mut network = config.init(7, &device).unwrap();
        let mut adam = Adam::new(AdamConfig::default(), &mut network);
        let values = |network: &mut crate::layers::DenseChain| blocks(network).next().map(|b| b.to_vec());
        let before = values(&mut network);
        let pass = Pass::Training { seed: 1, step: 0 };
        let gradients = |network: &crate::layers::DenseChain, factor: f32| {
            let x = Tensor::<2>::ones([5, 3], &pass.device(&device));
            (network.forward(x, &pass) * factor).sum().backward()
        };
        let bad = gradients(&network, f32::INFINITY);
        let error = adam.step(&mut network, bad, 0.1).unwrap_err();
        assert!(error.to_string().contains("'phi'"), "{error}");
        assert_eq!((values(&mut network), adam.steps()), (before.clone(), 0));
        let good = gradients(&network, 1.0);
        adam.step(&mut network, good, 0.1).unwrap();
        assert_ne!(values(&mut network), before);
    }

    fn block(shape: Vec<usize>) -> Block {
        let entry = |name: &str, range, shape| Entry {
            name: name.into(),
            range,
            shape,
            init: Init::Constant(1.0),
        };
        let n: usize = shape.iter().product();
        let entries = vec![entry("weight", 0..n, shape), entry("bias", n..n + 2, vec![2])];
        Block::new("block", entries, 0, &Device::flex())
    }

    struct One(Block);

    impl Parts for One {
        fn parts(&self) -> Vec<Part<'_>> {
            vec![Part::Block(&self.0)]
        }

        fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
            vec![PartMut::Block(&mut self.0)]
        }
    }

    /// Steps along gradients sin(i + 2 t + 1) from ones.
    fn stepped(config: AdamConfig, shape: Vec<usize>, steps: usize) -> Vec<f32> {
        let mut network = One(block(shape));
        let mut adam = Adam::new(config, &mut network);
        for t in 0..steps {
            let n = network.0.len();
            let gradient: Vec<f32> = (0..n).map(|i| ((i + 2 * t + 1) as f64).sin() as f32).collect();
            let pass = Pass::Training { seed: 0, step: 0 };
            let gradient = Tensor::<1>::from_data(TensorData::new(gradient, [n]), &pass.device(&Device::flex()));
            let gradients = (network.0.tensor(&pass) * gradient).sum().backward();
            adam.step(&mut network, gradients, 0.01).unwrap();
        }
        network.0.to_vec()
    }

    /// `tests/reference/nn_ranger.py` made the numbers, with PyTorch's RAdam.
    #[test]
    fn rectified_steps_and_slow_weights_are_those_of_pytorch() {
        let config = AdamConfig {
            beta1: 0.95,
            epsilon: 1e-5,
            weight_decay: 0.1,
            rectified: true,
            lookahead: Some(Lookahead { every: 6, share: 0.5 }),
            ..AdamConfig::default()
        };
        for (steps, expected) in [
            (1, [0.9905853, 0.989907, 0.9975888, 1.006568]),
            (5, [0.9782875, 0.983298, 0.9990765, 1.0111162]),
            (6, [0.988657, 0.9911681, 0.9990484, 1.0050517]),
            (7, [0.987641, 0.9901273, 0.9980171, 1.0040676]),
            (20, [0.9805731, 0.9831169, 0.9911332, 0.9972504]),
        ] {
            let found = stepped(config, vec![2], steps);
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (f64::from(*found) - expected).abs() < 3e-6,
                    "{steps}: {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn decay_of_matrices_alone_leaves_vectors_as_without_decay() {
        for decoupled in [false, true] {
            let run = |weight_decay, decay_biases| {
                let config = AdamConfig {
                    weight_decay,
                    decay_biases,
                    decoupled,
                    ..AdamConfig::default()
                };
                stepped(config, vec![2, 3], 3)
            };
            let (none, all, matrices) = (run(0.0, true), run(0.5, true), run(0.5, false));
            // 1 - rate decay, as one product and as a difference.
            let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(
                near(&matrices[..6], &all[..6]) && matrices[6..] == none[6..],
                "{decoupled}"
            );
            assert_ne!(all[6..], none[6..]);
        }
    }
}
