//! Adam and AdamW over all blocks of a network.

use crate::error::NnError;
use crate::kernels::adam::AdamStep;
use crate::layers::{PartMut, Parts};
use crate::ops;
use burn::tensor::{Gradients, Tensor};

/// Constants of Adam; the defaults are those of the paper and of every framework.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Decay of the first moment. Default 0.9.
    pub beta1: f64,
    /// Decay of the second moment. Default 0.999.
    pub beta2: f64,
    /// Added to the root of the second moment. Default 1e-8.
    pub epsilon: f64,
    /// Weight decay of every parameter, biases and the gains of normalizations included. Default 0.
    pub weight_decay: f64,
    /// Whether the decay shrinks the parameter (AdamW) or is added to the gradient (Adam with an L2 penalty). Default
    /// true.
    pub decoupled: bool,
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
            decoupled: true,
            clip: None,
        }
    }
}

/// Adam's moments, one pair a block.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    /// Steps taken.
    pub(crate) steps: u64,
    /// First and second moment of each block, in the order of the network's parts.
    pub(crate) moments: Vec<(Tensor<1>, Tensor<1>)>,
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
        }
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Takes over moments that were read from a file.
    pub fn restore(&mut self, moments: Moments) {
        (self.moments, self.steps) = (moments.moments, moments.steps);
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
            weight_decay: if self.config.decoupled {
                self.config.weight_decay
            } else {
                0.0
            },
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
            let values = block.take();
            if !self.config.decoupled && self.config.weight_decay > 0.0 {
                gradient = gradient + values.clone() * self.config.weight_decay;
            }
            let (m, v) = (first.extract(), second.extract());
            let (values, m, v) = ops::adam(values, gradient, m, v, step);
            block.replace(values);
            (*first, *second) = (m, v);
        }
        Ok(())
    }
}

/// Adam's state as read from a file and checked, not yet in use.
#[derive(Debug)]
pub struct Moments {
    pub(crate) steps: u64,
    pub(crate) moments: Vec<(Tensor<1>, Tensor<1>)>,
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
    use crate::layers::{DenseChainConfig, Init, Pass};
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
}
