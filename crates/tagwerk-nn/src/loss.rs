//! Losses: cross entropy of a two-class network, in log space, and the squared error of a predicted number.

use burn::tensor::{Tensor, TensorData};

/// The log-odds of signal, `[B]`: the difference of two logits, or the one logit itself.
///
/// # Shapes
/// - `logits`: `[B, 2]` (background, signal) or `[B, 1]`
pub fn log_odds(logits: Tensor<2>) -> Tensor<1> {
    let [rows, c] = logits.dims();
    match c {
        1 => logits.reshape([rows]),
        _ => (logits.clone().slice([0..rows, 1..2]) - logits.slice([0..rows, 0..1])).reshape([rows]),
    }
}

/// Mean of `-log p(label)` over the batch: `softplus(-s)` for signal and `softplus(s)` for background, s the log-odds.
///
/// `softplus(z) = max(z, 0) + log(1 + exp(-|z|))` neither overflows nor loses a wrong answer's gradient, however sure
/// the network is.
///
/// # Shapes
/// - `logits`: `[B, 2]` or `[B, 1]`, `labels`: `[B]` of 0 and 1, `weights`: `[B]`; returns `[1]`
pub fn cross_entropy(logits: Tensor<2>, labels: &[f32], weights: Option<&[f32]>) -> Tensor<1> {
    let loss = softplus(wrongness(logits, labels));
    match weights {
        None => loss.mean(),
        Some(weights) => {
            let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            let weights = Tensor::from_data(TensorData::new(weights.to_vec(), [labels.len()]), &loss.device());
            (loss * weights).sum() / total.max(f64::from(f32::MIN_POSITIVE))
        }
    }
}

/// Focal loss (Lin et al., arXiv:1708.02002): cross entropy times `(1 - p(label))^gamma`, which turns away from what is
/// right already. With gamma 0 it is cross entropy.
///
/// Weights may be negative: the sum is divided by the number of jets, not by the sum of weights, which of a batch may be
/// near zero. Weights whose mean over all training jets is 1 leave the learning rate its meaning.
///
/// # Shapes
/// - as [`cross_entropy`]
pub fn focal(logits: Tensor<2>, labels: &[f32], weights: Option<&[f32]>, gamma: f64) -> Tensor<1> {
    let z = wrongness(logits, labels);
    let mut loss = softplus(z.clone());
    if gamma > 0.0 {
        // log(1 - p) = z - softplus(z) never overflows.
        loss = loss.clone() * ((z - loss) * gamma).exp();
    }
    match weights {
        None => loss.mean(),
        Some(weights) => {
            let weights = Tensor::from_data(TensorData::new(weights.to_vec(), [labels.len()]), &loss.device());
            (loss * weights).mean()
        }
    }
}

/// Mean of the squared difference of outputs and targets over the batch.
///
/// # Shapes
/// - `outputs`: `[B, 1]`, `targets`: `[B]`, `weights`: `[B]`; returns `[1]`
pub fn mean_squared_error(outputs: Tensor<2>, targets: &[f32], weights: Option<&[f32]>) -> Tensor<1> {
    let device = outputs.device();
    let rows = targets.len();
    let targets = Tensor::<1>::from_data(TensorData::new(targets.to_vec(), [rows]), &device);
    let difference = outputs.reshape([rows]) - targets;
    let squares = difference.clone() * difference;
    match weights {
        None => squares.mean(),
        Some(weights) => {
            let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            let weights = Tensor::from_data(TensorData::new(weights.to_vec(), [rows]), &device);
            (squares * weights).sum() / total.max(f64::from(f32::MIN_POSITIVE))
        }
    }
}

/// Log-odds against the label, `[B]`.
fn wrongness(logits: Tensor<2>, labels: &[f32]) -> Tensor<1> {
    let signs: Vec<f32> = labels.iter().map(|y| 1.0 - 2.0 * y).collect();
    let signs = Tensor::from_data(TensorData::new(signs, [labels.len()]), &logits.device());
    log_odds(logits) * signs
}

/// `log(1 + e^z)`.
fn softplus(z: Tensor<1>) -> Tensor<1> {
    // (z + |z|) / 2 is max(z, 0) with the slope 1/2 at 0, where a ReLU's would be 0 and |z|'s is 0 too: a jet whose
    // log-odds are exactly 0 must still pull.
    let magnitude = z.clone().abs();
    (z + magnitude.clone()) * 0.5 + magnitude.neg().exp().log1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn loss(logits: Vec<f32>, c: usize, labels: &[f32]) -> f32 {
        let logits = Tensor::from_data(TensorData::new(logits, [labels.len(), c]), &Device::flex());
        crate::ops::floats(cross_entropy(logits, labels, None))[0]
    }

    #[test]
    fn it_is_minus_the_log_of_the_softmax() {
        let expected = -(2.0f64.exp() / (2.0f64.exp() + 0.5f64.exp())).ln();
        assert!((f64::from(loss(vec![0.5, 2.0], 2, &[1.0])) - expected).abs() < 1e-6);
        assert!((f64::from(loss(vec![1.5], 1, &[1.0])) - expected).abs() < 1e-6);
    }

    #[test]
    fn focal_loss_is_its_formula_and_cross_entropy_without_focus() {
        let focal = |weights: Option<&[f32]>, gamma| {
            let logits = Tensor::from_data(TensorData::new(vec![1.5f32, -0.5], [2, 1]), &Device::flex());
            f64::from(crate::ops::floats(super::focal(logits, &[1.0, 0.0], weights, gamma))[0])
        };
        // -log p and 1 - p of both answers, in double precision.
        let p: [f64; 2] = [1.0 / (1.0 + (-1.5f64).exp()), 1.0 - 1.0 / (1.0 + 0.5f64.exp())];
        let by_hand = |weights: [f64; 2], gamma: i32| -> f64 {
            (0..2)
                .map(|i| -weights[i] * (1.0 - p[i]).powi(gamma) * p[i].ln())
                .sum::<f64>()
                / 2.0
        };
        assert!((focal(None, 0.0) - by_hand([1.0, 1.0], 0)).abs() < 1e-6);
        assert!((focal(None, 2.0) - by_hand([1.0, 1.0], 2)).abs() < 1e-6);
        assert!(
            (focal(Some(&[3.0, -1.0]), 2.0) - by_hand([3.0, -1.0], 2)).abs() < 1e-6,
            "negative weights subtract"
        );
    }

    #[test]
    fn an_undecided_jet_still_pulls() {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_data(TensorData::new(vec![0.0f32, 0.0], [2, 1]), &device).require_grad();
        let gradients = cross_entropy(logits.clone(), &[1.0, 0.0], None).backward();
        let gradient = crate::ops::floats(logits.grad(&gradients).unwrap());
        // d/ds of the mean of softplus(-s) and softplus(s) at s = 0: -1/4 and 1/4.
        assert_eq!(gradient, [-0.25, 0.25]);
    }

    #[test]
    fn squared_errors_are_averaged_and_pull_towards_the_target() {
        let device = Device::flex().autodiff();
        let outputs = Tensor::<2>::from_data(TensorData::new(vec![1.0f32, 5.0], [2, 1]), &device).require_grad();
        let loss = mean_squared_error(outputs.clone(), &[2.0, 2.0], None);
        let gradients = loss.backward();
        // (1 + 9) / 2; d/dy of the mean is y - t.
        assert_eq!(crate::ops::floats(loss.inner()), [5.0]);
        assert_eq!(crate::ops::floats(outputs.grad(&gradients).unwrap()), [-1.0, 3.0]);
        let plain = Tensor::<2>::from_data(TensorData::new(vec![1.0f32, 5.0], [2, 1]), &Device::flex());
        let weighted = mean_squared_error(plain, &[2.0, 2.0], Some(&[3.0, 1.0]));
        assert_eq!(crate::ops::floats(weighted), [3.0]);
    }

    #[test]
    fn a_wrong_and_very_sure_answer_costs_its_log_odds_and_no_infinity() {
        assert!((loss(vec![300.0], 1, &[0.0]) - 300.0).abs() < 1e-3);
        assert_eq!(loss(vec![-300.0], 1, &[0.0]), 0.0);
    }
}
