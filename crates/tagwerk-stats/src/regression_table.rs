//! The landscape of a regression: many algorithms, many trainings each, one test sample, one table.

use crate::error::{Result, StatsError};
use crate::regression::{
    RegressionEvaluation, ResolutionDifference, evaluate_regression, mean_deviation, resolution_difference,
};
use crate::score::{Score, widen};
use serde::{Deserialize, Serialize};

/// One training, with its predictions of the test sample.
#[derive(Debug, Clone, Copy)]
pub struct RegressionTraining<'a, S> {
    /// Seed of the training.
    pub seed: u64,
    /// Predictions, one a row of the test sample.
    pub predictions: &'a [S],
    /// Epochs trained.
    pub epochs: usize,
    /// Wall-clock time of the training in seconds.
    pub seconds: f64,
}

/// One training's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionTrainingResult {
    /// Seed of the training.
    pub seed: u64,
    /// Its numbers with the errors of the test sample.
    #[serde(flatten)]
    pub evaluation: RegressionEvaluation,
    /// Epochs trained.
    pub epochs: usize,
    /// Wall-clock time in seconds.
    pub seconds: f64,
}

/// One number of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionColumn {
    /// That of the training of median resolution.
    pub value: f64,
    /// Population standard deviation over the trainings; absent for one.
    pub spread: Option<f64>,
    /// Error of the finite test sample.
    pub test_error: Option<f64>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionRow {
    /// Name.
    pub name: String,
    /// Trainable parameters, if counted.
    pub parameters: Option<u64>,
    /// Every training, in the order given.
    pub trainings: Vec<RegressionTrainingResult>,
    /// Index of the training of median resolution.
    pub median_training: usize,
    /// Mean squared error.
    pub mse: RegressionColumn,
    /// Mean of prediction - target.
    pub bias: RegressionColumn,
    /// Population standard deviation of prediction - target.
    pub resolution: RegressionColumn,
    /// The mean of all trainings' predictions; absent for one training.
    pub ensemble: Option<RegressionEvaluation>,
    /// Resolution minus that of the best row, both of their training of median resolution; absent for the best itself.
    pub comparison: Option<RegressionComparison>,
}

/// Difference of a row to the best one on the same events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionComparison {
    /// Name of the row of smallest resolution.
    pub best: String,
    /// Resolution of this row minus that of the best.
    #[serde(flatten)]
    pub resolution: ResolutionDifference,
}

/// The whole table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionTable {
    /// Name of the data set.
    pub dataset: String,
    /// What is predicted.
    pub target: String,
    /// Its unit; empty for none.
    pub unit: String,
    /// Events of the test sample.
    pub test_rows: usize,
    /// Mean of the target over them.
    pub target_mean: f64,
    /// Its population standard deviation: the resolution of who always says the mean.
    pub target_spread: f64,
    /// The rows, in the order added.
    pub taggers: Vec<RegressionRow>,
}

/// Collects rows one by one.
#[derive(Debug)]
pub struct RegressionLandscape {
    table: RegressionTable,
    targets: Vec<f64>,
    /// Predictions of each row's training of median resolution.
    representatives: Vec<Vec<f64>>,
}

impl RegressionLandscape {
    /// An empty table on these targets.
    ///
    /// # Errors
    /// No events, targets that are no numbers.
    pub fn new<T: Score>(dataset: &str, target: &str, unit: &str, targets: &[T]) -> Result<Self> {
        if targets.is_empty() {
            return Err(StatsError::NoEvents);
        }
        let targets = widen(targets, targets.len(), "the targets")?;
        let (target_mean, target_spread) = mean_deviation(&targets);
        Ok(Self {
            table: RegressionTable {
                dataset: dataset.to_owned(),
                target: target.to_owned(),
                unit: unit.to_owned(),
                test_rows: targets.len(),
                target_mean,
                target_spread,
                taggers: Vec::new(),
            },
            targets,
            representatives: Vec::new(),
        })
    }

    /// Evaluates the trainings of one algorithm and adds its row.
    ///
    /// # Errors
    /// A name that is there already, no training, predictions that do not fit the targets.
    pub fn add<S: Score>(
        &mut self,
        name: &str,
        parameters: Option<u64>,
        trainings: &[RegressionTraining<'_, S>],
    ) -> Result<&RegressionRow> {
        if self.table.taggers.iter().any(|row| row.name == name) {
            return Err(StatsError::DuplicateTagger { name: name.to_owned() });
        }
        if trainings.is_empty() {
            return Err(StatsError::NoTrainings { what: name.to_owned() });
        }
        let results = trainings
            .iter()
            .map(|training| {
                Ok(RegressionTrainingResult {
                    seed: training.seed,
                    evaluation: evaluate_regression(training.predictions, &self.targets)?,
                    epochs: training.epochs,
                    seconds: training.seconds,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut order: Vec<usize> = (0..results.len()).collect();
        let resolution = |i: &usize| results[*i].evaluation.resolution;
        order.sort_by(|a, b| resolution(a).total_cmp(&resolution(b)).then(a.cmp(b)));
        let median = order[order.len() / 2];
        let column = |value: fn(&RegressionEvaluation) -> f64, error: fn(&RegressionEvaluation) -> Option<f64>| {
            let all: Vec<f64> = results.iter().map(|r| value(&r.evaluation)).collect();
            RegressionColumn {
                value: all[median],
                spread: (all.len() > 1).then(|| mean_deviation(&all).1),
                test_error: error(&results[median].evaluation),
            }
        };
        let row = RegressionRow {
            name: name.to_owned(),
            parameters,
            median_training: median,
            mse: column(|e| e.mse, |e| e.mse_error),
            bias: column(|e| e.bias, |e| e.bias_error),
            resolution: column(|e| e.resolution, |e| e.resolution_error),
            ensemble: match trainings.len() {
                1 => None,
                n => {
                    let sum = |row: usize| trainings.iter().map(|t| t.predictions[row].widen()).sum::<f64>();
                    let mean: Vec<f64> = (0..self.targets.len()).map(|row| sum(row) / n as f64).collect();
                    Some(evaluate_regression(&mean, &self.targets)?)
                }
            },
            comparison: None,
            trainings: results,
        };
        let own = widen(trainings[median].predictions, self.targets.len(), name)?;
        self.representatives.push(own);
        self.table.taggers.push(row);
        Ok(&self.table.taggers[self.table.taggers.len() - 1])
    }

    /// Compares every row with the best and gives the table.
    ///
    /// # Errors
    /// A table without rows.
    pub fn finish(mut self) -> Result<RegressionTable> {
        let rows = &self.table.taggers;
        let value = |i: &usize| rows[*i].resolution.value;
        let best = (0..rows.len()).min_by(|a, b| value(a).total_cmp(&value(b)));
        let best = best.ok_or(StatsError::NoEvents)?;
        let name = rows[best].name.clone();
        for i in (0..self.representatives.len()).filter(|&i| i != best) {
            let resolution =
                resolution_difference(&self.representatives[i], &self.representatives[best], &self.targets)?;
            self.table.taggers[i].comparison = Some(RegressionComparison {
                best: name.clone(),
                resolution,
            });
        }
        Ok(self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(seed: u64, predictions: &[f64]) -> RegressionTraining<'_, f64> {
        RegressionTraining {
            seed,
            predictions,
            epochs: 3,
            seconds: 1.0,
        }
    }

    #[test]
    fn a_row_is_its_training_of_median_resolution_and_is_compared_with_the_best() {
        let targets = [1.0, 2.0, 3.0, 4.0];
        let mut table = RegressionLandscape::new("toy", "x", "m", &targets).unwrap();
        // Resolutions 0.5, 2, 1 in this order: the median is the third.
        let wide = [2.0, 1.0, 4.0, 3.0];
        let runs = [[1.5, 1.5, 3.5, 3.5], [3.0, 0.0, 5.0, 2.0], wide];
        let trainings: Vec<_> = runs.iter().zip(1..).map(|(run, seed)| training(seed, run)).collect();
        let row = table.add("a", Some(7), &trainings).unwrap();
        assert_eq!(
            (row.median_training, row.resolution.value, row.mse.value),
            (2, 1.0, 1.0)
        );
        // Population deviation of 0.5, 2, 1 is sqrt(7/18).
        assert!((row.resolution.spread.unwrap() - (7.0f64 / 18.0).sqrt()).abs() < 1e-12);
        // The mean prediction has residuals +-7/6.
        assert!((row.ensemble.as_ref().unwrap().resolution - 7.0 / 6.0).abs() < 1e-12);
        table.add("b", None, &[training(1, &[1.0, 2.0, 3.0, 4.5])]).unwrap();
        assert!(table.add("b", None, &[training(1, &targets)]).is_err());
        assert!(table.add::<f64>("c", None, &[]).is_err());
        let table = table.finish().unwrap();
        assert_eq!(
            (table.test_rows, table.target_mean, table.taggers[1].resolution.spread),
            (4, 2.5, None)
        );
        let comparison = table.taggers[0].comparison.as_ref().unwrap();
        assert_eq!(comparison.best, "b");
        assert!((comparison.resolution.difference - (1.0 - 0.046_875f64.sqrt())).abs() < 1e-12);
        assert!(table.taggers[1].comparison.is_none() && table.taggers[1].ensemble.is_none());
        let json = serde_json::to_value(&table).unwrap();
        assert_eq!(json["taggers"][0]["trainings"][1]["resolution"], 2.0);
        assert_eq!(serde_json::from_value::<RegressionTable>(json).unwrap(), table);
    }
}
