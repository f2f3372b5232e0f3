//! Which tagger to take: the best, what is nearly as good for less, and what is not worth its cost.
//!
//! Costs are seconds of a training, microseconds of scoring a jet, and parameters. A tagger of which a cost was not
//! measured (weights from elsewhere have no training time) is left out of that comparison. A tagger that reads the scores
//! of others costs what all of their trainings cost beside its own.

use serde::{Deserialize, Serialize};

use crate::landscape::{LandscapeResult, TaggerResult};
use crate::pareto::{ParetoPoint, SIGMAS, Standing, pareto_front};

/// What part of the highest rejection counts as nearly as good.
pub const NEARLY: f64 = 0.8;

/// What a tagger costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Wall-clock seconds of a training, the median over trainings.
    TrainingSeconds,
    /// Wall-clock microseconds of scoring a jet, view included, the median over trainings.
    InferenceMicroseconds,
    /// Trained parameters.
    Parameters,
}

impl Cost {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TrainingSeconds, Self::InferenceMicroseconds, Self::Parameters];
}

/// A tagger that is nearly as good as the best and costs less.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bargain {
    /// What it costs less of.
    pub cost: Cost,
    /// Name.
    pub name: String,
    /// Its rejection as a share of the highest.
    pub rejection_share: f64,
    /// Its cost as a share of the best tagger's.
    pub cost_share: f64,
}

/// Advice from a table of taggers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Advice {
    /// The tagger of the highest rejection at a signal efficiency of 0.3.
    pub highest_rejection: Option<String>,
    /// Taggers that the errors do not tell from it: worse by at most [`SIGMAS`] errors of the difference.
    pub not_distinguishable: Vec<String>,
    /// For each cost the cheapest tagger of at least [`NEARLY`] times the highest rejection, if one is cheaper.
    pub nearly_as_good: Vec<Bargain>,
    /// Taggers that are dominated whichever cost counts.
    pub not_worth_it: Vec<String>,
    /// The front against training time, by rising cost, and those off it.
    pub training_seconds: Vec<ParetoPoint>,
    /// The front against time of scoring a jet.
    pub inference_microseconds: Vec<ParetoPoint>,
    /// The front against parameters.
    pub parameters: Vec<ParetoPoint>,
}

impl Advice {
    /// From the taggers of a table. `test_error(i, j)` is the test-sample error of the difference of the background
    /// efficiencies of taggers number `i` and `j` on their common jets, where it is known.
    pub(crate) fn new(taggers: &[TaggerResult], test_error: impl Fn(usize, usize) -> Option<f64>) -> Self {
        let rated: Vec<Option<Rated>> = taggers.iter().map(Rated::new).collect();
        let whole = |i: usize, cost: Cost| cost_with_inputs(taggers, &taggers[i], cost);
        let difference = |i: usize, j: usize| match (rated[i], rated[j]) {
            (Some(a), Some(b)) => {
                let test = test_error(i, j)
                    .filter(|_| a.eps > 0.0 && b.eps > 0.0)
                    .unwrap_or_else(|| a.test.hypot(b.test));
                test.hypot(a.spread).hypot(b.spread)
            }
            _ => f64::INFINITY,
        };
        let front = |cost: Cost| {
            let known: Vec<usize> = (0..taggers.len())
                .filter(|&i| rated[i].is_some() && whole(i, cost).is_some())
                .collect();
            let points: Vec<_> = known
                .iter()
                .filter_map(|&i| {
                    let rated = rated[i]?;
                    Some((taggers[i].name.clone(), whole(i, cost)?, rated.eps, rated.error()))
                })
                .collect();
            pareto_front(&points, |a, b| difference(known[a], known[b]))
        };
        let best = (0..taggers.len())
            .filter_map(|i| Some((i, rated[i]?)))
            .reduce(|best, new| {
                let better =
                    new.1.eps < best.1.eps || (new.1.eps == best.1.eps && taggers[new.0].auc > taggers[best.0].auc);
                if better { new } else { best }
            });
        let [training_seconds, inference_microseconds, parameters] = Cost::ALL.map(front);
        let fronts = [&training_seconds, &inference_microseconds, &parameters];
        let mut advice = Self {
            not_worth_it: taggers
                .iter()
                .map(|tagger| &tagger.name)
                .filter(|name| {
                    let mut own = fronts
                        .iter()
                        .flat_map(|front| front.iter().filter(|p| p.name == **name))
                        .peekable();
                    own.peek().is_some() && own.all(|point| point.standing == Standing::Dominated)
                })
                .cloned()
                .collect(),
            ..Self::default()
        };
        if let Some((best, of_best)) = best {
            advice.highest_rejection = Some(taggers[best].name.clone());
            let worse_by = |i: usize| Some(rated[i]?.eps - of_best.eps);
            advice.not_distinguishable = (0..taggers.len())
                .filter(|&i| i != best && worse_by(i).is_some_and(|by| by <= SIGMAS * difference(i, best)))
                .map(|i| taggers[i].name.clone())
                .collect();
            // Two that no background passes are equally good as far as the sample tells.
            let share = |i: usize| {
                let eps = rated[i]?.eps;
                Some(if eps == of_best.eps { 1.0 } else { of_best.eps / eps })
            };
            for cost in Cost::ALL {
                let Some(of_best) = whole(best, cost) else {
                    continue;
                };
                let bargain = (0..taggers.len())
                    .filter_map(|i| Some((i, share(i)?, whole(i, cost)?)))
                    .filter(|&(i, share, of_other)| i != best && share >= NEARLY && of_other < of_best)
                    .min_by(|a, b| a.2.total_cmp(&b.2));
                advice
                    .nearly_as_good
                    .extend(bargain.map(|(i, rejection_share, of_other)| Bargain {
                        cost,
                        name: taggers[i].name.clone(),
                        rejection_share,
                        cost_share: of_other / of_best,
                    }));
            }
        }
        (
            advice.training_seconds,
            advice.inference_microseconds,
            advice.parameters,
        ) = (training_seconds, inference_microseconds, parameters);
        advice
    }

    /// The points of one cost.
    pub fn points(&self, cost: Cost) -> &[ParetoPoint] {
        match cost {
            Cost::TrainingSeconds => &self.training_seconds,
            Cost::InferenceMicroseconds => &self.inference_microseconds,
            Cost::Parameters => &self.parameters,
        }
    }
}

/// Background efficiency at a signal efficiency of 0.3, with its errors.
#[derive(Debug, Clone, Copy)]
struct Rated {
    eps: f64,
    spread: f64,
    test: f64,
}

impl Rated {
    /// `None` for a tagger whose rejection has neither value nor limit.
    fn new(tagger: &TaggerResult) -> Option<Self> {
        let single = &tagger.rejection_single;
        match (single.value, single.lower_limit) {
            (Some(value), _) if value > 0.0 => {
                let of_efficiency = |error: Option<f64>| error.unwrap_or(0.0) / (value * value);
                Some(Self {
                    eps: 1.0 / value,
                    spread: of_efficiency(single.spread),
                    test: of_efficiency(single.test_error),
                })
            }
            // No background passes: half of the 95 % limit, about one standard deviation.
            (None, Some(limit)) if limit > 0.0 => Some(Self {
                eps: 0.0,
                spread: 0.0,
                test: 0.5 / limit,
            }),
            _ => None,
        }
    }

    fn error(self) -> f64 {
        self.spread.hypot(self.test)
    }
}

impl LandscapeResult {
    /// A cost of a tagger of this table, where it was measured: its own, the median over its trainings, and that of every
    /// training whose scores it reads.
    pub fn cost(&self, tagger: &TaggerResult, cost: Cost) -> Option<f64> {
        cost_with_inputs(&self.taggers, tagger, cost)
    }
}

fn cost_with_inputs(taggers: &[TaggerResult], tagger: &TaggerResult, cost: Cost) -> Option<f64> {
    tagger.reads.iter().try_fold(tagger.own_cost(cost)?, |sum, name| {
        let input = taggers.iter().find(|input| input.name == *name)?;
        Some(sum + input.own_cost(cost)? * input.trainings.len() as f64)
    })
}

impl TaggerResult {
    /// The median over trainings of a cost that differs between them.
    fn own_cost(&self, cost: Cost) -> Option<f64> {
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let n = values.len();
            (n > 0).then(|| 0.5 * (values[(n - 1) / 2] + values[n / 2]))
        };
        match cost {
            // A training of no time was none: the weights are from elsewhere.
            Cost::TrainingSeconds => median(self.trainings.iter().map(|t| t.seconds).filter(|s| *s > 0.0).collect()),
            Cost::InferenceMicroseconds => median(
                self.trainings
                    .iter()
                    .filter_map(|t| t.scoring?.microseconds_a_jet())
                    .collect(),
            ),
            Cost::Parameters => self.parameters.map(|n| n as f64),
        }
    }
}
