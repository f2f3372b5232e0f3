//! Examples that lie in memory, shared by any number of trainings.

use crate::error::{Result, TrainError};
use crate::examples::{Batches, Examples, Order};
use crate::gather;
use crate::learner::Batch;
use std::sync::Arc;
use tagwerk_data::{Arrays, Task, permutation};
use tagwerk_physics::View;

/// A view of jets with labels, in memory.
///
/// Cloning is free: clones share the jets, so that nine trainings of a tagger, one a core, hold one copy. A batch
/// copies each jet with one memory copy. The order of jets in a batch is the order of the permutation: jagged jets are
/// not sorted by length, because no padding is saved by it and it would bias the batches.
#[derive(Debug, Clone)]
pub struct InMemory {
    jets: Arc<Jets>,
    view_seconds: f64,
}

#[derive(Debug, Clone)]
struct Jets {
    task: Task,
    view: View,
    labels: Vec<f32>,
    weights: Option<Vec<f32>>,
    parameters: Option<Vec<f32>>,
    rows: Vec<u64>,
}

impl InMemory {
    /// Checks and takes a view of `B` jets, labels 1 or 0 `[B]` and the rows of the jets in their data set `[B]`.
    ///
    /// # Errors
    /// Lengths that differ, a label other than 0 and 1, a feature that is not finite, offsets that do not fit.
    pub fn new(view: View, labels: Vec<f32>, rows: Vec<u64>) -> Result<Self> {
        if let Some(jet) = labels.iter().position(|l| *l != 0.0 && *l != 1.0) {
            let row = rows.get(jet).copied().unwrap_or_default();
            return Err(TrainError::Examples {
                what: "labels".to_owned(),
                reason: format!(
                    "jet {jet} (data row {row}) has the label {}; allowed: 0 and 1",
                    labels[jet]
                ),
            });
        }
        Self::of_task(Task::Classification, view, labels, rows)
    }

    /// Checks and takes a view of `B` events, real targets `[B]` and the rows of the events in their data set `[B]`.
    ///
    /// # Errors
    /// Lengths that differ, a target or a feature that is not finite, offsets that do not fit.
    pub fn regression(view: View, targets: Vec<f32>, rows: Vec<u64>) -> Result<Self> {
        if let Some(event) = targets.iter().position(|target| !target.is_finite()) {
            let row = rows.get(event).copied().unwrap_or_default();
            return Err(TrainError::Examples {
                what: "targets".to_owned(),
                reason: format!(
                    "event {event} (data row {row}) has the target {}; allowed: finite",
                    targets[event]
                ),
            });
        }
        Self::of_task(Task::Regression, view, targets, rows)
    }

    /// Takes targets and rows from the events that `view` was computed from.
    ///
    /// # Errors
    /// As [`InMemory::new`] and [`InMemory::regression`].
    pub fn of_arrays(arrays: &Arrays, view: View, task: Task) -> Result<Self> {
        let (targets, rows) = (arrays.targets().to_vec(), arrays.rows().to_vec());
        match task {
            Task::Classification => Self::new(view, targets, rows),
            Task::Regression => Self::regression(view, targets, rows),
        }
    }

    fn of_task(task: Task, view: View, labels: Vec<f32>, rows: Vec<u64>) -> Result<Self> {
        if let Some(reason) = gather::fault(&view) {
            return Err(TrainError::Examples {
                what: "view".to_owned(),
                reason,
            });
        }
        let jets = gather::jets(&view);
        same_length("labels", labels.len(), jets)?;
        same_length("rows", rows.len(), jets)?;
        Ok(Self {
            jets: Arc::new(Jets {
                task,
                view,
                labels,
                weights: None,
                parameters: None,
                rows,
            }),
            view_seconds: 0.0,
        })
    }

    /// Says how many processor seconds computing the view took: see [`Examples::view_seconds`].
    pub fn with_view_seconds(mut self, seconds: f64) -> Self {
        self.view_seconds = seconds;
        self
    }

    /// Takes labels and rows from the jets that `view` was computed from.
    ///
    /// # Errors
    /// As [`InMemory::new`].
    pub fn of_jets(jets: &tagwerk_data::Jets, view: View) -> Result<Self> {
        Self::new(
            view,
            jets.labels.iter().map(|&l| f32::from(l)).collect(),
            jets.rows.clone(),
        )
    }

    /// Gives each jet a weight, `[B]`, finite and not below 0.
    ///
    /// # Errors
    /// A length that differs, a weight out of range.
    pub fn with_weights(mut self, weights: Vec<f32>) -> Result<Self> {
        same_length("weights", weights.len(), self.len())?;
        if self.jets.task == Task::Regression {
            return Err(TrainError::Examples {
                what: "weights".to_owned(),
                reason: "events of a regression have none".to_owned(),
            });
        }
        if let Some(jet) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
            let reason = format!(
                "jet {jet} has the weight {}; allowed: finite and not below 0",
                weights[jet]
            );
            return Err(TrainError::Examples {
                what: "weights".to_owned(),
                reason,
            });
        }
        Arc::make_mut(&mut self.jets).weights = Some(weights);
        Ok(self)
    }

    /// Gives each jet a hypothesis parameter, `[B]`, finite.
    ///
    /// # Errors
    /// A length that differs, a parameter that is not finite.
    pub fn with_parameters(mut self, parameters: Vec<f32>) -> Result<Self> {
        same_length("parameters", parameters.len(), self.len())?;
        if let Some(jet) = parameters.iter().position(|p| !p.is_finite()) {
            let reason = format!("jet {jet} has the parameter {}; allowed: finite", parameters[jet]);
            return Err(TrainError::Examples {
                what: "parameters".to_owned(),
                reason,
            });
        }
        Arc::make_mut(&mut self.jets).parameters = Some(parameters);
        Ok(self)
    }

    /// The whole view.
    pub fn view(&self) -> &View {
        &self.jets.view
    }

    /// All labels, `[B]`.
    pub fn labels(&self) -> &[f32] {
        &self.jets.labels
    }

    /// All data rows, `[B]`.
    pub fn rows(&self) -> &[u64] {
        &self.jets.rows
    }
}

fn same_length(what: &str, found: usize, jets: usize) -> Result<()> {
    if found == jets {
        return Ok(());
    }
    Err(TrainError::Examples {
        what: what.to_owned(),
        reason: format!("{found} for a view of {jets} jets"),
    })
}

impl Examples for InMemory {
    fn len(&self) -> usize {
        self.jets.labels.len()
    }

    fn view_seconds(&self) -> f64 {
        self.view_seconds
    }

    fn task(&self) -> Task {
        self.jets.task
    }

    fn batches(&self, order: Order, batch_size: usize, skip_batches: u64) -> Batches<'_> {
        let batch_size = batch_size.max(1);
        let next = usize::try_from(skip_batches)
            .unwrap_or(usize::MAX)
            .saturating_mul(batch_size);
        let order = order.shuffle.then(|| permutation(self.len(), order.seed, order.epoch));
        Box::new(Walk {
            order,
            jets: Arc::clone(&self.jets),
            next,
            batch_size,
        })
    }
}

struct Walk {
    jets: Arc<Jets>,
    order: Option<Vec<usize>>,
    next: usize,
    batch_size: usize,
}

impl Iterator for Walk {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let jets = &*self.jets;
        let from = self.next;
        if from >= jets.labels.len() {
            return None;
        }
        let to = from.saturating_add(self.batch_size).min(jets.labels.len());
        self.next = to;
        let batch = match &self.order {
            None => Batch {
                view: gather::collect(std::iter::once((&jets.view, from..to)))?,
                labels: jets.labels[from..to].to_vec(),
                weights: jets.weights.as_ref().map(|w| w[from..to].to_vec()),
                parameters: jets.parameters.as_ref().map(|p| p[from..to].to_vec()),
                rows: jets.rows[from..to].to_vec(),
            },
            Some(order) => {
                let chosen = order[from..to].iter().copied();
                let pick = |column: &Vec<f32>| chosen.clone().map(|j| column[j]).collect::<Vec<f32>>();
                Batch {
                    view: gather::collect(chosen.clone().map(|j| (&jets.view, j..j + 1)))?,
                    labels: pick(&jets.labels),
                    weights: jets.weights.as_ref().map(pick),
                    parameters: jets.parameters.as_ref().map(pick),
                    rows: chosen.clone().map(|j| jets.rows[j]).collect(),
                }
            }
        };
        Some(Ok(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagwerk_physics::{DenseView, JaggedView};

    /// Jet `b` has `b % 4` rows, each holding `b`; odd jets are signal; data rows count from 100.
    fn jagged(jets: usize) -> InMemory {
        let mut view = JaggedView {
            width: 1,
            rows: vec![],
            offsets: vec![0],
        };
        for b in 0..jets {
            view.rows.extend(std::iter::repeat_n(b as f32, b % 4));
            view.offsets.push(view.rows.len());
        }
        let labels = (0..jets).map(|b| (b % 2) as f32).collect();
        InMemory::new(View::Jagged(view), labels, (100..100 + jets as u64).collect()).unwrap()
    }

    fn all(examples: &InMemory, order: Order, skip: u64) -> Vec<Batch> {
        examples.batches(order, 8, skip).map(|b| b.unwrap()).collect()
    }

    const SHUFFLED: Order = Order {
        seed: 3,
        epoch: 5,
        shuffle: true,
    };

    #[test]
    fn an_epoch_holds_every_jet_once_with_its_own_rows() {
        let examples = jagged(61);
        let batches = all(&examples, SHUFFLED, 0);
        assert_eq!(
            batches.iter().map(Batch::len).collect::<Vec<_>>(),
            [8, 8, 8, 8, 8, 8, 8, 5]
        );
        let mut seen: Vec<u64> = batches.iter().flat_map(|b| b.rows.clone()).collect();
        for batch in &batches {
            let View::Jagged(view) = &batch.view else { panic!() };
            for (i, &row) in batch.rows.iter().enumerate() {
                let b = row as usize - 100;
                assert_eq!(view.rows[view.offsets[i]..view.offsets[i + 1]], vec![b as f32; b % 4]);
                assert_eq!(batch.labels[i], (b % 2) as f32);
            }
        }
        assert_ne!(seen, examples.rows());
        seen.sort_unstable();
        assert_eq!(seen, examples.rows());
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_alone() {
        let examples = jagged(61);
        assert_eq!(all(&examples, SHUFFLED, 0), all(&examples.clone(), SHUFFLED, 0));
        assert_ne!(
            all(&examples, SHUFFLED, 0),
            all(&examples, Order { epoch: 6, ..SHUFFLED }, 0)
        );
        assert_ne!(
            all(&examples, SHUFFLED, 0),
            all(&examples, Order { seed: 4, ..SHUFFLED }, 0)
        );
    }

    #[test]
    fn skipping_batches_is_the_tail_of_the_epoch() {
        let examples = jagged(61);
        for order in [SHUFFLED, Order::STORED] {
            for skip in [0, 1, 5, 7, 8, 100, u64::MAX] {
                let tail = all(&examples, order, 0)
                    .into_iter()
                    .skip(usize::try_from(skip).unwrap())
                    .collect::<Vec<_>>();
                assert_eq!(all(&examples, order, skip), tail);
            }
        }
    }

    #[test]
    fn weights_and_parameters_follow_their_jets() {
        let numbers: Vec<f32> = (0..61).map(|b| b as f32).collect();
        let examples = jagged(61)
            .with_weights(numbers.clone())
            .unwrap()
            .with_parameters(numbers)
            .unwrap();
        for batch in all(&examples, SHUFFLED, 0) {
            let expected: Vec<f32> = batch.rows.iter().map(|&r| (r - 100) as f32).collect();
            assert_eq!(batch.weights.unwrap(), expected);
            assert_eq!(batch.parameters.unwrap(), expected);
        }
    }

    #[test]
    fn columns_that_do_not_fit_are_refused_with_the_value() {
        let view = || {
            View::Dense(DenseView {
                shape: vec![2],
                values: vec![0.0; 6],
            })
        };
        let message = |r: Result<InMemory>| r.unwrap_err().to_string();
        assert_eq!(
            message(InMemory::new(view(), vec![0.0; 2], vec![0; 3])),
            "labels: 2 for a view of 3 jets"
        );
        assert_eq!(
            message(InMemory::new(view(), vec![0.0; 3], vec![0; 4])),
            "rows: 4 for a view of 3 jets"
        );
        let bad = InMemory::new(view(), vec![0.0, 2.0, 1.0], vec![7, 8, 9]);
        assert_eq!(
            message(bad),
            "labels: jet 1 (data row 8) has the label 2; allowed: 0 and 1"
        );
        let numbers = |targets: Vec<f32>| InMemory::regression(view(), targets, vec![7, 8, 9]);
        assert_eq!(
            message(numbers(vec![0.5, f32::NAN, 1.0])),
            "targets: event 1 (data row 8) has the target NaN; allowed: finite"
        );
        let numbers = numbers(vec![0.5, -700.0, 1.0]).unwrap();
        assert_eq!(numbers.task(), Task::Regression);
        assert!(numbers.with_weights(vec![1.0; 3]).is_err());
        let good = || InMemory::new(view(), vec![0.0; 3], vec![0; 3]).unwrap();
        assert!(good().with_weights(vec![1.0, -1.0, 0.0]).is_err());
        assert!(good().with_parameters(vec![1.0, f32::NAN, 0.0]).is_err());
    }
}
