//! Scores of other taggers as examples for a network that learns from them, cross-fitted.
//!
//! There are scores of the test jets only. So the jets are divided into F folds by (seed, jet), and there are F
//! networks: network n is tested on fold n, chosen on fold n + 1 and trained on the others. An example is a pair of a
//! jet and a network, and the network's number is the last value of the view. A network cannot be trained or chosen on
//! what it is tested on, because no such pair is ever handed out.

use crate::error::TaggerError;
use std::sync::Arc;
use tagwerk_data::{permutation, random};
use tagwerk_physics::DenseView;
use tagwerk_train::{Batch, Batches, Examples, Order, ScoreTable};

/// Log-odds of `K` score columns for `B` jets.
#[derive(Debug)]
pub(crate) struct ScoreMatrix {
    columns: usize,
    /// `[B, K]`.
    log_odds: Vec<f32>,
    labels: Vec<f32>,
    weights: Option<Vec<f32>>,
    rows: Vec<u64>,
}

impl ScoreMatrix {
    /// The columns beside each other, with the names by which errors call them.
    ///
    /// # Errors
    /// No column; columns of different jets; a value that is not finite.
    pub(crate) fn new(tables: &[(String, ScoreTable)]) -> Result<Self, TaggerError> {
        let fail = |name: &str, reason: String| {
            Err(TaggerError::Config {
                place: format!("scores of {name}"),
                reason,
            })
        };
        let Some((first_name, first)) = tables.first() else {
            return fail("no tagger", "at least one column of scores is needed".into());
        };
        for (name, table) in tables {
            if (&table.rows, &table.labels) != (&first.rows, &first.labels) {
                return fail(name, format!("other jets than those of {first_name}"));
            }
            if let Some(b) = table.log_odds.iter().position(|score| !score.is_finite()) {
                return fail(name, format!("log-odds {} of row {}", table.log_odds[b], table.rows[b]));
            }
        }
        let log_odds = (0..first.len())
            .flat_map(|b| tables.iter().map(move |(_, table)| table.log_odds[b]))
            .collect();
        Ok(Self {
            columns: tables.len(),
            log_odds,
            labels: first.labels.iter().map(|&label| f32::from(label)).collect(),
            weights: first.weighted.then(|| first.weights.clone()),
            rows: first.rows.clone(),
        })
    }

    /// Number of jets, `B`.
    fn len(&self) -> usize {
        self.rows.len()
    }
}

/// What a pair of jet and network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Train,
    Validation,
    Test,
}

/// Pairs of jet and network of one role.
#[derive(Debug, Clone)]
pub(crate) struct CrossFit {
    scores: Arc<ScoreMatrix>,
    /// Fold of each jet, `[B]`.
    fold: Arc<Vec<usize>>,
    folds: usize,
    role: Role,
}

impl CrossFit {
    /// Divides the jets into `folds`, at least three, of equal size up to one jet.
    pub(crate) fn new(scores: Arc<ScoreMatrix>, folds: usize, seed: u64) -> Self {
        let folds = folds.max(3);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        random::shuffle(&mut random::stream(seed, "folds", 0), &mut order);
        let mut fold = vec![0; order.len()];
        for (place, jet) in order.into_iter().enumerate() {
            fold[jet] = place % folds;
        }
        Self {
            scores,
            fold: Arc::new(fold),
            folds,
            role: Role::Train,
        }
    }

    /// The same jets and folds in another role.
    pub(crate) fn in_role(&self, role: Role) -> Self {
        Self { role, ..self.clone() }
    }

    /// Networks that see a jet in this role.
    fn networks_a_jet(&self) -> usize {
        match self.role {
            Role::Train => self.folds - 2,
            Role::Validation | Role::Test => 1,
        }
    }

    /// Jet and network of an example.
    fn pair(&self, example: usize) -> (usize, usize) {
        let (jet, turn) = (example / self.networks_a_jet(), example % self.networks_a_jet());
        let fold = self.fold[jet];
        let network = match self.role {
            Role::Test => fold,
            // Network n is chosen on fold n + 1.
            Role::Validation => (fold + self.folds - 1) % self.folds,
            // All others: those from fold + 1 to fold + F - 2.
            Role::Train => (fold + 1 + turn) % self.folds,
        };
        (jet, network)
    }

    fn batch(&self, examples: impl Iterator<Item = usize>) -> Batch {
        let scores = &*self.scores;
        let k = scores.columns;
        let mut values = Vec::new();
        let (mut labels, mut rows, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for example in examples {
            let (jet, network) = self.pair(example);
            values.extend_from_slice(&scores.log_odds[jet * k..(jet + 1) * k]);
            // Exact: there are a handful of networks.
            values.push(network as f32);
            labels.push(scores.labels[jet]);
            rows.push(scores.rows[jet]);
            weights.extend(scores.weights.as_ref().map(|weights| weights[jet]));
        }
        let view = DenseView {
            shape: vec![k + 1],
            values,
        };
        Batch {
            view: view.into(),
            labels,
            weights: scores.weights.is_some().then_some(weights),
            parameters: None,
            rows,
        }
    }
}

impl Examples for CrossFit {
    fn len(&self) -> usize {
        self.scores.len() * self.networks_a_jet()
    }

    fn batches(&self, order: Order, batch_size: usize, skip_batches: u64) -> Batches<'_> {
        let size = batch_size.max(1);
        let order = order.shuffle.then(|| permutation(self.len(), order.seed, order.epoch));
        let skip = usize::try_from(skip_batches).unwrap_or(usize::MAX);
        let starts = (0..self.len()).step_by(size).skip(skip);
        Box::new(starts.map(move |from| {
            let places = from..(from + size).min(self.len());
            let examples = places.map(|place| order.as_ref().map_or(place, |order| order[place]));
            Ok(self.batch(examples))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use tagwerk_physics::View;

    const JETS: usize = 103;

    fn tables() -> Vec<(String, ScoreTable)> {
        let table = |sign: f32| ScoreTable {
            rows: (0..JETS as u64).map(|b| 7 * b).collect(),
            labels: (0..JETS).map(|b| (b % 2) as u8).collect(),
            weights: vec![1.0; JETS],
            log_odds: (0..JETS).map(|b| sign * b as f32).collect(),
            ..ScoreTable::default()
        };
        vec![("a-1".into(), table(1.0)), ("b-1".into(), table(-1.0))]
    }

    fn examples(role: Role, seed: u64) -> CrossFit {
        CrossFit::new(Arc::new(ScoreMatrix::new(&tables()).unwrap()), 5, seed).in_role(role)
    }

    /// Networks that saw each jet, by data row.
    fn seen(examples: &CrossFit, order: Order) -> BTreeMap<u64, Vec<usize>> {
        let mut seen: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for batch in examples.batches(order, 10, 0) {
            let batch = batch.unwrap();
            let View::Dense(view) = &batch.view else { panic!() };
            for (i, values) in view.values.chunks_exact(3).enumerate() {
                let b = (batch.rows[i] / 7) as f32;
                assert_eq!(values[..2], [b, -b], "the scores of the jet");
                assert_eq!(batch.labels[i], b % 2.0);
                seen.entry(batch.rows[i]).or_default().push(values[2] as usize);
            }
        }
        seen
    }

    #[test]
    fn no_network_is_trained_or_chosen_on_a_jet_it_is_tested_on() {
        let shuffled = Order {
            seed: 4,
            epoch: 2,
            shuffle: true,
        };
        let [train, validation, test] =
            [Role::Train, Role::Validation, Role::Test].map(|role| seen(&examples(role, 3), shuffled));
        assert_eq!(test.len(), JETS);
        let mut tested = [0; 5];
        for (row, networks) in &test {
            let mut all: Vec<usize> = [networks, &validation[row], &train[row]]
                .into_iter()
                .flatten()
                .copied()
                .collect();
            assert_eq!((networks.len(), validation[row].len(), train[row].len()), (1, 1, 3));
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4], "each network sees the jet in one role");
            tested[networks[0]] += 1;
        }
        assert!(tested.iter().all(|n| (20..=21).contains(n)), "{tested:?}");
        // A network is tested and chosen on one fold each.
        let folds = |seen: &BTreeMap<u64, Vec<usize>>, network| {
            let rows = seen.iter().filter(|(_, networks)| networks.contains(&network));
            rows.map(|(row, _)| *row).collect::<BTreeSet<u64>>()
        };
        assert_eq!(folds(&validation, 1), folds(&test, 2));
    }

    #[test]
    fn folds_depend_on_the_seed_and_skipping_is_the_tail() {
        assert_eq!(
            seen(&examples(Role::Test, 3), Order::STORED),
            seen(&examples(Role::Test, 3), Order::STORED)
        );
        assert_ne!(
            seen(&examples(Role::Test, 3), Order::STORED),
            seen(&examples(Role::Test, 4), Order::STORED)
        );
        let examples = examples(Role::Train, 3);
        let order = Order {
            seed: 1,
            epoch: 0,
            shuffle: true,
        };
        let all: Vec<Batch> = examples.batches(order, 50, 0).map(Result::unwrap).collect();
        assert_eq!(all.iter().map(Batch::len).sum::<usize>(), 3 * JETS);
        let tail: Vec<Batch> = examples.batches(order, 50, 4).map(Result::unwrap).collect();
        assert_eq!(tail, all[4..]);
        assert_eq!(examples.batches(order, 50, u64::MAX).count(), 0);
    }

    #[test]
    fn columns_of_other_jets_are_refused_by_name() {
        let mut tables = tables();
        tables[1].1.rows[5] = 1;
        let error = ScoreMatrix::new(&tables).unwrap_err().to_string();
        assert!(error.contains("b-1") && error.contains("a-1"), "{error}");
        assert!(ScoreMatrix::new(&[]).is_err());
        let mut tables = super::tests::tables();
        tables[0].1.log_odds[3] = f32::NAN;
        let error = ScoreMatrix::new(&tables).unwrap_err().to_string();
        assert!(error.contains("a-1") && error.contains("row 21"), "{error}");
    }
}
