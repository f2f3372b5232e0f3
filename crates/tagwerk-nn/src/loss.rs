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
    let device = logits.device();
    let rows = labels.len();
    let signs: Vec<f32> = labels.iter().map(|y| 1.0 - 2.0 * y).collect();
    let z = log_odds(logits) * Tensor::from_data(TensorData::new(signs, [rows]), &device);
    // (z + |z|) / 2 is max(z, 0) with the slope 1/2 at 0, where a ReLU's would be 0 and |z|'s is 0 too: a jet whose
    // log-odds are exactly 0 must still pull.
    let magnitude = z.clone().abs();
    let loss = (z + magnitude.clone()) * 0.5 + magnitude.neg().exp().log1p();
    match weights {
        None => loss.mean(),
        Some(weights) => {
            let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            let weights = Tensor::from_data(TensorData::new(weights.to_vec(), [rows]), &device);
            (loss * weights).sum() / total.max(f64::from(f32::MIN_POSITIVE))
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
