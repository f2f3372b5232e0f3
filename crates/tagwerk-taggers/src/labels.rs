//! Labels and weights of a batch, for learners that are no network.

use tagwerk_physics::View;
use tagwerk_stats::cross_entropy;
use tagwerk_train::Batch;

/// The class (1 for signal) and the weight of each jet of a batch.
pub(crate) fn class_weights(batch: &Batch) -> impl Iterator<Item = (usize, f64)> + '_ {
    batch.labels.iter().enumerate().map(|(b, &label)| {
        let weight = batch.weights.as_ref().map_or(1.0, |weights| f64::from(weights[b]));
        (usize::from(label > 0.5), weight)
    })
}

/// Whether all features and weights are numbers. What is not must not be collected: the loop reports it with its rows.
pub(crate) fn is_finite(batch: &Batch) -> bool {
    let features = match &batch.view {
        View::Jagged(view) => &view.rows,
        View::Dense(view) => &view.values,
        View::Tree(view) => &view.nodes.rows,
    };
    let weights = batch.weights.as_deref().unwrap_or_default();
    features.iter().chain(weights).all(|value| value.is_finite())
}

/// Weighted mean of -log p(label) of signal log-odds, in nats: log 2 where nothing is known yet.
pub(crate) fn mean_cross_entropy(log_odds: &[f32], batch: &Batch) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for (&score, (class, weight)) in log_odds.iter().zip(class_weights(batch)) {
        sum += weight * cross_entropy(f64::from(score), class == 1);
        total += weight;
    }
    sum / total.max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_physics::DenseView;

    #[test]
    fn the_cross_entropy_is_minus_the_mean_log_probability_of_the_label() {
        let batch = Batch {
            view: DenseView::new(vec![1], vec![0.0; 3]).unwrap().into(),
            labels: vec![1.0, 0.0, 1.0],
            weights: Some(vec![1.0, 2.0, 0.0]),
            parameters: None,
            rows: vec![0, 1, 2],
        };
        let p = |s: f64| 1.0 / (1.0 + (-s).exp());
        let expected = -(p(0.5).ln() + 2.0 * (1.0 - p(-1.5)).ln()) / 3.0;
        assert!((mean_cross_entropy(&[0.5, -1.5, -80.0], &batch) - expected).abs() < 1e-12);
        assert!((mean_cross_entropy(&[0.0; 3], &batch) - 2f64.ln()).abs() < 1e-12);
        assert!(is_finite(&batch));
    }
}
