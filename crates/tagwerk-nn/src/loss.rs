//! Losses: cross entropy of a two-class network, in log space, and the squared error of a predicted number.

use burn::tensor::{Int, Tensor, TensorData};

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

/// Squared distance correlation of `scores` and `others` (Szekely, Rizzo, Bakirov, arXiv:0803.4101): 0 if and only if they are
/// independent, 1 for a linear relation. Added to a loss it takes a dependence out of the score (DisCo, arXiv:2001.05310).
///
/// Distances |s_i - s_j| and |o_i - o_j| are centered by row and column; the mean of their products is divided by the root of
/// those of their squares. `N` values take two matrices `[N, N]`. Fewer than two values, or values that are all the same,
/// have none: 0.
///
/// # Shapes
/// - `scores`: `[N]`, `others`: `[N]`, not differentiated; returns `[1]`
pub fn distance_correlation(scores: Tensor<1>, others: &[f32]) -> Tensor<1> {
    let n = others.len();
    let (b, variance) = centered_distances(others);
    if n < 2 || variance <= 0.0 {
        return scores.sum() * 0.0;
    }
    let device = scores.device();
    let b = Tensor::<2>::from_data(TensorData::new(b, [n, n]), &device);
    let a = (scores.clone().reshape([n, 1]) - scores.reshape([1, n])).abs(); // [N, N]
    // Rows and columns of b sum to 0, so centering a would change nothing in its product with b.
    let covariance = (a.clone() * b).mean();
    let rows = a.clone().mean_dim(1);
    let mean = a.clone().mean();
    let own = (a.clone() * a).mean() - (rows.clone() * rows).mean() * 2.0 + mean.clone() * mean;
    // A network that gives all events the same score has no distances.
    const LEAST: f64 = 1e-12;
    covariance / (own * variance + LEAST).sqrt()
}

/// Distances of values, centered, `[N, N]`, and the mean of their squares.
fn centered_distances(values: &[f32]) -> (Vec<f32>, f64) {
    let n = values.len();
    let distance = |i: usize, j: usize| (f64::from(values[i]) - f64::from(values[j])).abs();
    let rows: Vec<f64> = (0..n)
        .map(|i| (0..n).map(|j| distance(i, j)).sum::<f64>() / n as f64)
        .collect();
    let mean = rows.iter().sum::<f64>() / n.max(1) as f64;
    let mut squares = 0.0;
    let mut centered = Vec::with_capacity(n * n);
    for i in 0..n {
        for j in 0..n {
            let value = distance(i, j) - rows[i] - rows[j] + mean;
            squares += value * value;
            centered.push(value as f32);
        }
    }
    (centered, squares / (n * n).max(1) as f64)
}

/// The values of some rows.
///
/// # Shapes
/// - `values`: `[R]`; returns `[rows]`
pub fn rows_of(values: Tensor<1>, rows: &[usize]) -> Tensor<1> {
    let index: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    let index = Tensor::<1, Int>::from_data(TensorData::new(index, [rows.len()]), &values.device());
    values.select(0, index)
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
    fn distance_correlation_is_its_definition_and_pulls_towards_independence() {
        let (x, y) = ([0.1f32, 0.9, 0.4, 0.7, 0.2, 0.55], [3.0f32, -1.0, 2.0, 0.0, 5.0, 1.0]);
        // The definition, written out in double precision.
        let centered = |v: &[f32]| -> Vec<f64> {
            let n = v.len();
            let d = |i: usize, j: usize| (f64::from(v[i]) - f64::from(v[j])).abs();
            let mut out = Vec::new();
            for i in 0..n {
                for j in 0..n {
                    let row = (0..n).map(|k| d(i, k)).sum::<f64>() / n as f64;
                    let column = (0..n).map(|k| d(k, j)).sum::<f64>() / n as f64;
                    let all = (0..n * n).map(|k| d(k / n, k % n)).sum::<f64>() / (n * n) as f64;
                    out.push(d(i, j) - row - column + all);
                }
            }
            out
        };
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let by_hand = |x: &[f32], y: &[f32]| {
            let (a, b) = (centered(x), centered(y));
            product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
        };
        let of = |x: &[f32]| {
            let x = Tensor::<1>::from_data(TensorData::new(x.to_vec(), [x.len()]), &Device::flex());
            f64::from(crate::ops::floats(distance_correlation(x, &y))[0])
        };
        assert!(
            (of(&x) - by_hand(&x, &y)).abs() < 1e-5,
            "{} {}",
            of(&x),
            by_hand(&x, &y)
        );
        let line: Vec<f32> = y.iter().map(|v| 0.3 - 0.1 * v).collect();
        assert!((of(&line) - 1.0).abs() < 1e-5, "a linear relation");
        assert_eq!(of(&[0.5; 6]), 0.0, "one score for all");
        // The gradient is that of differences.
        let device = Device::flex().autodiff();
        let leaf = Tensor::<1>::from_data(TensorData::new(x.to_vec(), [6]), &device).require_grad();
        let gradients = distance_correlation(leaf.clone(), &y).backward();
        let gradient = crate::ops::floats(leaf.grad(&gradients).unwrap());
        for i in 0..6 {
            let at = |shift: f32| {
                let mut moved = x;
                moved[i] += shift;
                by_hand(&moved, &y)
            };
            let difference = (at(1e-3) - at(-1e-3)) / 2e-3;
            assert!(
                (difference - f64::from(gradient[i])).abs() < 2e-3,
                "{i}: {difference} {}",
                gradient[i]
            );
        }
        let picked = rows_of(
            Tensor::from_data(TensorData::new(x.to_vec(), [6]), &Device::flex()),
            &[4, 1],
        );
        assert_eq!(crate::ops::floats(picked), [0.2, 0.9]);
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
