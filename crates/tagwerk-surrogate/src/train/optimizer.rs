//! Adam with decoupled weight decay on one flat vector.

use crate::config::Optimizer;

/// Moments of the gradient, `[P]` each.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Running mean of the gradient.
    pub first: Vec<f32>,
    /// Running mean of its square.
    pub second: Vec<f32>,
}

impl Adam {
    /// No moments yet, for `parameters` weights.
    pub fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
        }
    }

    /// One step, number `step` from 0, as PyTorch's AdamW does it.
    pub fn step(&mut self, config: &Optimizer, rate: f64, step: u64, theta: &mut [f32], gradient: &[f32]) {
        let [b1, b2] = config.betas;
        let count = (step + 1) as f64;
        let scale = (rate / (1.0 - b1.powf(count))) as f32;
        let root = (1.0 - b2.powf(count)).sqrt() as f32;
        let keep = (1.0 - rate * config.weight_decay) as f32;
        let (b1, b2, eps) = (b1 as f32, b2 as f32, config.eps as f32);
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((w, &g), (m, v)) in theta.iter_mut().zip(gradient).zip(moments) {
            *m = b1 * *m + (1.0 - b1) * g;
            *v = b2 * *v + (1.0 - b2) * g * g;
            *w = *w * keep - scale * *m / (v.sqrt() / root + eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_steps_are_those_of_pytorch() {
        // torch.optim.AdamW([1.0, -2.0], lr=0.1, betas=(0.9, 0.999), weight_decay=0.01), gradients (1, 2), (-0.5, 0.1),
        // (0.25, -3), in double precision; see tests/reference/surrogate_cfm.py.
        let mut theta = [1.0f32, -2.0];
        let mut adam = Adam::new(2);
        let config = Optimizer {
            learning_rate: 0.1,
            ..Optimizer::default()
        };
        for (step, gradient) in [[1.0, 2.0], [-0.5, 0.1], [0.25, -3.0]].iter().enumerate() {
            adam.step(&config, 0.1, step as u64, &mut theta, gradient);
            for (w, e) in theta.iter().zip(ADAMW[step]) {
                assert!((f64::from(*w) - e).abs() < 5e-6, "step {step}: {w} {e}");
            }
        }
    }

    const ADAMW: [[f64; 2]; 3] = [
        [0.899000001, -2.0979999995],
        [0.8714672973699032, -2.1665420370644384],
        [0.8365529157664767, -2.1415216709159295],
    ];
}
