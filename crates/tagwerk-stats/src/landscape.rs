//! The landscape: many taggers, many trainings each, one test sample, one table.

use serde::{Deserialize, Serialize};

use crate::advice::Advice;
use crate::bootstrap::{BootstrapOptions, PairedDifference, Replicas};
use crate::column::RejectionColumn;
use crate::combination::EnsembleRule;
use crate::delong::{AucComparison, delong_pair};
use crate::ensemble::ensembles;
use crate::error::{Result, StatsError};
use crate::evaluation::{Evaluation, evaluate_named, median_by_auc};
use crate::published::Published;
use crate::rejection::limit_of_none;
use crate::score::{Score, widen};
use crate::scoring_time::ScoringTime;
use crate::spread::{TrainingSpread, mean_and_deviation, training_spread};
use crate::truth::Truth;
use crate::working_point::WorkingPoints;

/// One training of a tagger, scored on the test sample.
#[derive(Debug, Clone, Copy)]
pub struct TrainingInput<'a, S> {
    /// Seed of the training.
    pub seed: u64,
    /// Scores, one a row of the test sample, higher meaning more signal-like.
    pub scores: &'a [S],
    /// Epochs trained (0 for taggers that are fitted in one go).
    pub epochs: usize,
    /// Wall-clock time of the training in seconds; 0 for weights from elsewhere.
    pub seconds: f64,
    /// Threads that it had, where known.
    pub threads: Option<usize>,
    /// How long scoring the test sample took, where measured.
    pub scoring: Option<ScoringTime>,
}

/// One tagger with its trainings.
#[derive(Debug, Clone)]
pub struct TaggerInput<'a, S> {
    /// Name, lower-case, unique in the table.
    pub name: String,
    /// Trainable parameters, if the tagger counts them.
    pub parameters: Option<u64>,
    /// What was published of it.
    pub published: Option<Published>,
    /// At least one training.
    pub trainings: Vec<TrainingInput<'a, S>>,
}

/// One training's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingResult {
    /// Seed of the training.
    pub seed: u64,
    /// Area under the ROC curve.
    pub auc: f64,
    /// DeLong error of the AUC.
    #[serde(default)]
    pub auc_error: Option<f64>,
    /// Accuracy at the cut 0.5.
    pub accuracy: f64,
    /// Binomial error of the accuracy.
    #[serde(default)]
    pub accuracy_error: Option<f64>,
    /// Rejection at signal efficiency 0.3; absent when no background passes.
    pub rejection_30: Option<f64>,
    /// Its test-sample error.
    #[serde(default)]
    pub rejection_30_error: Option<f64>,
    /// Rejection at signal efficiency 0.5; absent when no background passes.
    pub rejection_50: Option<f64>,
    /// Its test-sample error.
    #[serde(default)]
    pub rejection_50_error: Option<f64>,
    /// Epochs trained.
    pub epochs: usize,
    /// Wall-clock time in seconds.
    pub seconds: f64,
    /// Threads that it had, where known.
    #[serde(default)]
    pub threads: Option<usize>,
    /// How long scoring the test sample took, where measured.
    #[serde(default)]
    pub scoring: Option<ScoringTime>,
    /// What a reader should know, absent rejections included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Difference of a tagger to the best one, on the same jets, both represented by the training of median AUC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Name of the best tagger.
    pub best: String,
    /// AUC: this tagger (`a`) against the best (`b`), DeLong.
    pub auc: AucComparison,
    /// Rejection at signal efficiency 0.3, paired bootstrap; absent when no bootstrap was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_30: Option<PairedDifference>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaggerResult {
    /// Name.
    pub name: String,
    /// Trainable parameters, if counted.
    pub parameters: Option<u64>,
    /// Every training, in the order given.
    pub trainings: Vec<TrainingResult>,
    /// Index of the training of median AUC.
    pub median_training: usize,
    /// AUC of that training.
    pub auc: f64,
    /// Its DeLong error.
    #[serde(default)]
    pub auc_error: Option<f64>,
    /// Population standard deviation of the AUC over the kept trainings; absent when fewer than two are kept.
    #[serde(default)]
    pub auc_spread: Option<f64>,
    /// Accuracy of the training of median AUC.
    pub accuracy: f64,
    /// Its binomial error.
    #[serde(default)]
    pub accuracy_error: Option<f64>,
    /// Population standard deviation of the accuracy over the kept trainings.
    #[serde(default)]
    pub accuracy_spread: Option<f64>,
    /// Rejection at 0.3: median over the kept trainings.
    pub rejection_single: RejectionColumn,
    /// Rejection at 0.3 of the mean ensemble.
    pub rejection_mean: RejectionColumn,
    /// Rejection at 0.3 of the median ensemble.
    pub rejection_median: RejectionColumn,
    /// Rejection at 0.5: median over the kept trainings.
    pub rejection_50: RejectionColumn,
    /// How the ensembles were formed.
    pub ensemble_rule: EnsembleRule,
    /// Whether the outlier rule was applied to the trainings.
    pub outlier_cut: bool,
    /// Published numbers.
    #[serde(default)]
    pub published: Option<Published>,
    /// Difference to the best tagger of the table; absent for the best itself and in a table of one.
    #[serde(default)]
    pub comparison: Option<Comparison>,
    /// What a reader of this row must know beyond the numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Taggers of the table whose scores, of all their trainings, it reads: whoever wants it must train and run them too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<String>,
}

/// The whole table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LandscapeResult {
    /// Name of the data set.
    pub dataset: String,
    /// What its rows are called: `jets`, or `events`. In JSON only where they are no jets.
    #[serde(default = "jets", skip_serializing_if = "are_jets")]
    pub counted: String,
    /// Rows of the test sample.
    pub test_rows: usize,
    /// Signal jets among them.
    pub n_signal: usize,
    /// Background jets among them.
    pub n_background: usize,
    /// Whether jets carried weights.
    #[serde(default)]
    pub weighted: bool,
    /// Whether this is the test set of the published numbers, so that the two can be compared directly.
    #[serde(default)]
    pub published_test_set: bool,
    /// Replicas of the paired bootstrap; 0 without one.
    #[serde(default)]
    pub bootstrap_replicas: usize,
    /// Seed of the bootstrap.
    #[serde(default)]
    pub bootstrap_seed: u64,
    /// The taggers, in the order added.
    pub taggers: Vec<TaggerResult>,
    /// Which of them to take.
    #[serde(default)]
    pub advice: Advice,
}

fn jets() -> String {
    "jets".to_owned()
}

fn are_jets(counted: &str) -> bool {
    counted == "jets"
}

/// Facts about the table that no score tells.
#[derive(Debug, Clone, PartialEq)]
pub struct LandscapeOptions {
    /// Name of the data set.
    pub dataset: String,
    /// What its rows are called: `jets`, or `events`.
    pub counted: &'static str,
    /// Whether the test sample is the one of the published numbers.
    pub published_test_set: bool,
    /// Paired bootstrap of the rejection differences; `None` leaves them out.
    pub bootstrap: Option<BootstrapOptions>,
}

/// Collects taggers one by one, so that only one training a tagger stays in memory.
#[derive(Debug)]
pub struct Landscape<'t> {
    truth: &'t Truth,
    options: LandscapeOptions,
    taggers: Vec<TaggerResult>,
    /// Scores of each tagger's training of median AUC.
    representatives: Vec<Vec<f64>>,
}

impl<'t> Landscape<'t> {
    /// An empty table on a test sample.
    pub fn new(truth: &'t Truth, options: LandscapeOptions) -> Self {
        Self {
            truth,
            options,
            taggers: Vec::new(),
            representatives: Vec::new(),
        }
    }

    /// Evaluates a tagger and adds its row.
    pub fn add<S: Score>(&mut self, tagger: TaggerInput<'_, S>) -> Result<&TaggerResult> {
        if self.taggers.iter().any(|t| t.name == tagger.name) {
            return Err(StatsError::DuplicateTagger { name: tagger.name });
        }
        if tagger.trainings.is_empty() {
            return Err(StatsError::NoTrainings {
                what: format!("the tagger {:?}", tagger.name),
            });
        }
        let points = WorkingPoints::default();
        let mut trainings = Vec::with_capacity(tagger.trainings.len());
        for input in &tagger.trainings {
            let what = format!("tagger {:?}, seed {}", tagger.name, input.seed);
            if !input.seconds.is_finite() {
                return Err(StatsError::NotFinite {
                    what: format!("the training time of {what}"),
                    value: input.seconds,
                });
            }
            let evaluation = evaluate_named(input.scores, self.truth, &points, &what)?;
            trainings.push(TrainingResult::new(input, evaluation));
        }
        let columns: Vec<&[S]> = tagger.trainings.iter().map(|t| t.scores).collect();
        let ensembles = ensembles(&columns, self.truth)?;

        let median_training = median_by_auc(&trainings.iter().map(|t| t.auc).collect::<Vec<_>>());
        let spread_30 = training_spread(&rejections(&trainings, |t| t.rejection_30));
        let spread_50 = training_spread(&rejections(&trainings, |t| t.rejection_50));
        let deviation = |value: fn(&TrainingResult) -> f64| {
            let kept: Vec<f64> = spread_30.kept.iter().map(|&i| value(&trainings[i])).collect();
            (kept.len() > 1).then(|| mean_and_deviation(&kept).1)
        };
        let result = TaggerResult {
            auc: trainings[median_training].auc,
            auc_error: trainings[median_training].auc_error,
            auc_spread: deviation(|t| t.auc),
            accuracy: trainings[median_training].accuracy,
            accuracy_error: trainings[median_training].accuracy_error,
            accuracy_spread: deviation(|t| t.accuracy),
            rejection_single: self.single(&spread_30, &trainings, |t| (t.rejection_30, t.rejection_30_error)),
            rejection_mean: ensembles.mean,
            rejection_median: ensembles.median,
            rejection_50: self.single(&spread_50, &trainings, |t| (t.rejection_50, t.rejection_50_error)),
            ensemble_rule: ensembles.rule,
            outlier_cut: spread_30.cut,
            median_training,
            name: tagger.name,
            parameters: tagger.parameters,
            trainings,
            published: tagger.published,
            comparison: None,
            notes: Vec::new(),
            reads: Vec::new(),
        };
        let scores = tagger.trainings[median_training].scores;
        self.representatives
            .push(widen(scores, self.truth.rows(), &result.name)?);
        self.taggers.push(result);
        Ok(&self.taggers[self.taggers.len() - 1])
    }

    /// Adds a sentence to what a reader of a tagger's row must know; a tagger that is not in the table has no row.
    pub fn note(&mut self, tagger: &str, sentence: impl Into<String>) {
        if let Some(row) = self.taggers.iter_mut().find(|row| row.name == tagger) {
            row.notes.push(sentence.into());
        }
    }

    /// Says that a tagger reads the scores of others; a tagger that is not in the table reads nothing.
    pub fn reads(&mut self, tagger: &str, others: impl IntoIterator<Item = String>) {
        if let Some(row) = self.taggers.iter_mut().find(|row| row.name == tagger) {
            row.reads.extend(others);
        }
    }

    /// The single-training column: median of the kept, their spread, and the test-sample error of that median.
    fn single(
        &self,
        spread: &TrainingSpread,
        trainings: &[TrainingResult],
        rejection: fn(&TrainingResult) -> (Option<f64>, Option<f64>),
    ) -> RejectionColumn {
        // The error goes as R^(3/2); a training of finite rejection tells the factor, which is 1/sqrt(N_B) without
        // weights.
        let factor = spread.kept.iter().find_map(|&i| {
            let (value, error) = rejection(&trainings[i]);
            Some(error? / value?.powf(1.5))
        });
        let test_error = match (spread.median, factor) {
            (Some(median), _) if !self.truth.is_weighted() => Some(crate::rejection::rejection_test_error(
                median,
                self.truth.n_background() as f64,
            )),
            (Some(median), Some(factor)) => Some(factor * median.powf(1.5)),
            _ => None,
        };
        let lower_limit = spread.median.is_none().then(|| {
            let limit = limit_of_none(self.truth.effective_background());
            // A run with a number below the limit bounds the median from below, too.
            spread
                .kept
                .iter()
                .filter_map(|&i| rejection(&trainings[i]).0)
                .fold(limit, f64::min)
        });
        RejectionColumn {
            value: spread.median,
            spread: spread.spread,
            test_error,
            lower_limit,
            reason: spread.reason.clone(),
            trainings: spread.kept.clone(),
            ..RejectionColumn::default()
        }
    }

    /// Compares every tagger with the best (largest single rejection, an undetermined one being larger than any other;
    /// then largest AUC) and closes the table.
    pub fn finish(mut self) -> Result<LandscapeResult> {
        let rank = TaggerResult::rank;
        let best = (0..self.taggers.len()).reduce(|best, i| {
            let (new, old) = (rank(&self.taggers[i]), rank(&self.taggers[best]));
            if new.0.total_cmp(&old.0).then(new.1.total_cmp(&old.1)).is_gt() {
                i
            } else {
                best
            }
        });
        let points = WorkingPoints::new(&[0.3])?;
        let replicas = match self.options.bootstrap.filter(|_| self.taggers.len() > 1) {
            Some(options) => Some(Replicas::draw(&self.representatives, self.truth, &points, options)?),
            None => None,
        };
        if let Some(best) = best.filter(|_| self.taggers.len() > 1) {
            let name = self.taggers[best].name.clone();
            for i in (0..self.taggers.len()).filter(|&i| i != best) {
                self.taggers[i].comparison = Some(Comparison {
                    best: name.clone(),
                    auc: delong_pair(&self.representatives[i], &self.representatives[best], self.truth)?,
                    rejection_30: replicas.as_ref().and_then(|r| r.pair(i, best).rejection.remove("0.3")),
                });
            }
        }
        let advice = Advice::new(&self.taggers, |i, j| {
            replicas.as_ref().and_then(|r| r.efficiency_difference_error(i, j, 0))
        });
        Ok(LandscapeResult {
            advice,
            dataset: self.options.dataset,
            counted: self.options.counted.to_owned(),
            test_rows: self.truth.rows(),
            n_signal: self.truth.n_signal(),
            n_background: self.truth.n_background(),
            weighted: self.truth.is_weighted(),
            published_test_set: self.options.published_test_set,
            bootstrap_replicas: self.options.bootstrap.map_or(0, |o| o.replicas),
            bootstrap_seed: self.options.bootstrap.map_or(0, |o| o.seed),
            taggers: self.taggers,
        })
    }
}

impl TaggerResult {
    /// What taggers are ranked by: single rejection at 0.3 (infinite when no background passes), then AUC.
    fn rank(&self) -> (f64, f64) {
        let single = &self.rejection_single;
        let undetermined = if single.lower_limit.is_some() {
            f64::INFINITY
        } else {
            f64::NEG_INFINITY
        };
        (single.value.unwrap_or(undetermined), self.auc)
    }
}

impl LandscapeResult {
    /// The best tagger: largest single rejection, then largest AUC; the first of equals.
    pub fn best(&self) -> Option<&TaggerResult> {
        self.taggers.iter().reduce(|best, t| {
            let (new, old) = (t.rank(), best.rank());
            if new.0.total_cmp(&old.0).then(new.1.total_cmp(&old.1)).is_gt() {
                t
            } else {
                best
            }
        })
    }

    /// Evaluates all taggers at once; see [`Landscape`] for one after the other.
    pub fn evaluate<S: Score>(
        truth: &Truth,
        options: LandscapeOptions,
        taggers: Vec<TaggerInput<'_, S>>,
    ) -> Result<Self> {
        let mut landscape = Landscape::new(truth, options);
        for tagger in taggers {
            landscape.add(tagger)?;
        }
        landscape.finish()
    }

    /// The tagger of a name.
    pub fn tagger(&self, name: &str) -> Option<&TaggerResult> {
        self.taggers.iter().find(|t| t.name == name)
    }
}

impl TrainingResult {
    fn new<S>(input: &TrainingInput<'_, S>, evaluation: Evaluation) -> Self {
        let mut notes = evaluation.notes.clone();
        let mut rejection = |point: f64| {
            let rejection = evaluation.rejection_at(point);
            notes.extend(rejection.and_then(|r| r.reason.clone()));
            rejection.map_or((None, None), |r| (r.value, r.test_error))
        };
        let (rejection_30, rejection_30_error) = rejection(0.3);
        let (rejection_50, rejection_50_error) = rejection(0.5);
        Self {
            seed: input.seed,
            auc: evaluation.auc,
            auc_error: evaluation.auc_error,
            accuracy: evaluation.accuracy,
            accuracy_error: Some(evaluation.accuracy_error),
            rejection_30,
            rejection_30_error,
            rejection_50,
            rejection_50_error,
            epochs: input.epochs,
            seconds: input.seconds,
            threads: input.threads,
            scoring: input.scoring,
            notes,
        }
    }
}

/// Rejections of all trainings, infinite where the sample does not determine one.
fn rejections(trainings: &[TrainingResult], value: fn(&TrainingResult) -> Option<f64>) -> Vec<f64> {
    trainings.iter().map(|t| value(t).unwrap_or(f64::INFINITY)).collect()
}
