//! Stopping when the validation figure no longer gets better.

use crate::bits;
use crate::config::EarlyStopping;
use serde::{Deserialize, Serialize};

/// How long the figure has not got better; part of every checkpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Patience {
    #[serde(with = "bits::option")]
    best: Option<f64>,
    waited: u32,
}

impl Patience {
    /// Takes the figure of one more epoch; `true` when the training should stop after it.
    ///
    /// An epoch counts as better when it beats the best so far by more than `min_delta`. The training stops after
    /// `patience` epochs in a row that do not. The first `from_epoch` epochs are not looked at.
    pub fn stop_after(&mut self, rule: &EarlyStopping, epochs_done: u64, figure: f64) -> bool {
        if epochs_done <= u64::from(rule.from_epoch) {
            return false;
        }
        match self.best {
            Some(best) if !rule.metric.better(figure, best, rule.min_delta) => self.waited += 1,
            _ => {
                self.best = Some(figure);
                self.waited = 0;
            }
        }
        self.waited >= rule.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;

    /// Epochs trained when `figures` come one after another.
    fn epochs(rule: &EarlyStopping, figures: &[f64]) -> usize {
        let mut patience = Patience::default();
        figures
            .iter()
            .zip(1..)
            .position(|(&f, epoch)| patience.stop_after(rule, epoch, f))
            .map_or(figures.len(), |i| i + 1)
    }

    fn rule(metric: Metric, patience: u32, min_delta: f64) -> EarlyStopping {
        EarlyStopping {
            metric,
            patience,
            min_delta,
            from_epoch: 0,
        }
    }

    #[test]
    fn patience_counts_epochs_in_a_row_without_a_better_loss() {
        let rule = rule(Metric::ValLoss, 3, 0.0);
        assert_eq!(epochs(&rule, &[5., 4., 4., 4., 4., 1.]), 5);
        assert_eq!(epochs(&rule, &[5., 4., 4.5, 4.5, 3.9, 4., 4., 4., 0.]), 8);
        assert_eq!(epochs(&rule, &[5., 4., 3., 2., 1.]), 5);
    }

    #[test]
    fn gains_below_min_delta_do_not_count_even_when_they_add_up() {
        let loss = rule(Metric::ValLoss, 2, 0.1);
        assert_eq!(epochs(&loss, &[1.0, 0.95, 0.91, 0.5]), 3);
        assert_eq!(epochs(&loss, &[1.0, 0.95, 0.89, 0.8, 0.795, 0.5]), 5);
        assert_eq!(epochs(&rule(Metric::ValAuc, 1, 0.0), &[0.5, 0.6, 0.6, 0.9]), 3);
    }

    #[test]
    fn figures_that_are_no_numbers_are_no_gain() {
        assert_eq!(
            epochs(&rule(Metric::ValAuc, 2, 0.0), &[0.5, f64::NAN, f64::NAN, 0.9]),
            3
        );
    }

    #[test]
    fn epochs_before_the_rule_begins_are_free() {
        let late = EarlyStopping {
            from_epoch: 4,
            ..rule(Metric::ValLoss, 1, 0.0)
        };
        assert_eq!(epochs(&late, &[1., 2., 3., 4., 5., 4., 4., 1.]), 7);
    }
}
