//! Adam and AdamW over one block of parameters, in one pass.
//!
//! Kingma, Ba, "Adam", arXiv:1412.6980, algorithm 1; Loshchilov, Hutter, "Decoupled weight decay", arXiv:1711.05101;
//! Liu et al., "On the variance of the adaptive learning rate and beyond" (RAdam), arXiv:1908.03265, algorithm 2.

use super::{partition, simd};

/// The constants of one step.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay (AdamW): the parameter shrinks by `learning_rate * weight_decay`.
    pub weight_decay: f64,
    /// Whether the rate is rectified for the variance of the second moment (RAdam).
    pub rectified: bool,
    /// Number of this step, from 1: the bias of the moments depends on it.
    pub step: u64,
}

impl AdamStep {
    /// What a step is made of: `p = p shrink - rate m / (sqrt(v) root + epsilon)`.
    pub fn factors(&self) -> Factors {
        // A power beyond i32 is zero to double precision anyway.
        let n = self.step.min(i32::MAX as u64) as i32;
        let rate = self.learning_rate / (1.0 - self.beta1.powi(n));
        let unbias = 1.0 - self.beta2.powi(n);
        let (rate, root, epsilon) = if self.rectified {
            // The length of the simple moving average that has as much variance, at the end and now.
            let longest = 2.0 / (1.0 - self.beta2) - 1.0;
            let length = longest - 2.0 * f64::from(n) * self.beta2.powi(n) / unbias;
            if length > 5.0 {
                let now = (length - 4.0) * (length - 2.0) / length;
                let rectification = (now / ((longest - 4.0) * (longest - 2.0) / longest)).sqrt();
                (rate * rectification * unbias.sqrt(), 1.0, self.epsilon)
            } else {
                // Too little is known of the second moment: a step along the first alone.
                (rate, 0.0, 1.0)
            }
        } else {
            (rate, 1.0 / unbias.sqrt(), self.epsilon)
        };
        Factors {
            shrink: (1.0 - self.learning_rate * self.weight_decay) as f32,
            rate: rate as f32,
            root: root as f32,
            epsilon: epsilon as f32,
        }
    }
}

/// See [`AdamStep::factors`].
#[derive(Debug, Clone, Copy)]
pub struct Factors {
    /// Of the parameter.
    pub shrink: f32,
    /// Of the first moment.
    pub rate: f32,
    /// Of the second moment's root.
    pub root: f32,
    /// Added to it.
    pub epsilon: f32,
}

/// Updates parameters and moments in place; all slices have one length.
pub fn update(parameters: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], step: &AdamStep) {
    let Factors {
        shrink,
        rate,
        root,
        epsilon,
    } = step.factors();
    let (b1, b2) = (step.beta1 as f32, step.beta2 as f32);
    // 1 - beta is taken before rounding: 0.999 in f32 is off by 1e-8, of which the difference would keep 1e-5.
    let (a1, a2) = ((1.0 - step.beta1) as f32, (1.0 - step.beta2) as f32);
    let tasks: Vec<_> = parameters
        .chunks_mut(32_768)
        .zip(gradient.chunks(32_768))
        .zip(first.chunks_mut(32_768).zip(second.chunks_mut(32_768)))
        .collect();
    partition::run(tasks, |((p, g), (m, v))| {
        simd::dispatch(
            #[inline(always)]
            || {
                for (((p, &g), m), v) in p.iter_mut().zip(g).zip(m.iter_mut()).zip(v.iter_mut()) {
                    *m = b1 * *m + a1 * g;
                    *v = b2 * *v + a2 * (g * g);
                    *p = *p * shrink - rate * *m / (v.sqrt() * root + epsilon);
                }
            },
        );
    });
}

/// The sum of squares of a gradient: not finite if any of its values is not.
pub fn square_sum(gradient: &[f32]) -> f64 {
    simd::dispatch(
        #[inline(always)]
        || {
            let mut sum = 0.0f64;
            for piece in gradient.chunks(1024) {
                let mut lanes = [0.0f32; 32];
                let mut blocks = piece.chunks_exact(32);
                for block in &mut blocks {
                    for (lane, g) in lanes.iter_mut().zip(block) {
                        *lane += g * g;
                    }
                }
                sum += lanes
                    .iter()
                    .chain(&[blocks.remainder().iter().map(|g| g * g).sum()])
                    .map(|&v| f64::from(v))
                    .sum::<f64>();
            }
            sum
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_squares_sees_every_value() {
        let ones = vec![2.0f32; 2500];
        assert_eq!(square_sum(&ones), 10_000.0);
        for bad in [0, 1023, 2499] {
            let mut gradient = ones.clone();
            gradient[bad] = f32::NAN;
            assert!(square_sum(&gradient).is_nan(), "{bad}");
        }
    }

    #[test]
    fn the_first_step_moves_each_parameter_by_the_learning_rate() {
        // With bias-corrected moments the first step is lr * sign(g), whatever the size of g.
        let step = AdamStep {
            learning_rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            rectified: false,
            step: 1,
        };
        let (mut p, mut m, mut v) = ([1.0f32, 1.0], [0.0; 2], [0.0; 2]);
        update(&mut p, &[1e-3, -5.0], &mut m, &mut v, &step);
        assert!((p[0] - 0.9).abs() < 1e-5 && (p[1] - 1.1).abs() < 1e-5, "{p:?}");
    }
}
