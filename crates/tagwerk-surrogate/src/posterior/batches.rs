//! Which rows a step sees: a function of (seed, chain, step), so that a chain resumes from a step's number alone.

use super::target::Part;
use rand_chacha::ChaCha8Rng;
use tagwerk_data::random::{shuffle, stream};

/// Minibatches of one chain: each epoch is a fresh order of all rows, cut into batches; the last one may be shorter.
#[derive(Debug, Clone)]
pub struct Batches {
    rows: usize,
    size: Option<usize>,
    seed: u64,
    purpose: String,
    /// Purpose of the orders.
    order_purpose: String,
    /// The epoch whose order is at hand.
    epoch: Option<u64>,
    order: Vec<usize>,
}

impl Batches {
    /// Batches of `size` among `rows`; all rows in every step for `None` or a size that is not below `rows`.
    pub fn new(rows: usize, size: Option<usize>, seed: u64, purpose: &str) -> Self {
        Self {
            rows,
            size: size.filter(|&size| size < rows),
            seed,
            purpose: purpose.to_string(),
            order_purpose: format!("{purpose}, order"),
            epoch: None,
            order: Vec::new(),
        }
    }

    /// Random numbers beside the orders, for one purpose.
    pub fn stream(&self, purpose: &str) -> ChaCha8Rng {
        stream(self.seed, &format!("{}, {purpose}", self.purpose), 0)
    }

    /// Steps in an epoch.
    pub fn per_epoch(&self) -> u64 {
        self.size.map_or(1, |size| self.rows.div_ceil(size) as u64)
    }

    /// The rows of a step. Its draw of the model's own noise is the step on a minibatch, and always 0 on all rows,
    /// whose loss is one function of the weights.
    pub fn part(&mut self, step: u64) -> Part<'_> {
        let Some(size) = self.size else {
            return Part::all();
        };
        let (epoch, batch) = (step / self.per_epoch(), (step % self.per_epoch()) as usize);
        if self.epoch != Some(epoch) {
            self.order.clear();
            self.order.extend(0..self.rows);
            shuffle(&mut stream(self.seed, &self.order_purpose, epoch), &mut self.order);
            self.epoch = Some(epoch);
        }
        let begin = batch * size;
        Part::of(&self.order[begin..self.rows.min(begin + size)]).with_draw(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lost or doubled row would bias the posterior without a sign.
    #[test]
    fn an_epoch_has_every_row_once() {
        let mut batches = Batches::new(10, Some(4), 1, "test");
        assert_eq!(batches.per_epoch(), 3);
        for epoch in 0..3 {
            let mut seen: Vec<usize> = (0..3)
                .flat_map(|b| batches.part(3 * epoch + b).rows().unwrap().to_vec())
                .collect();
            assert_ne!(seen, (0..10).collect::<Vec<_>>(), "in an order of its own");
            seen.sort_unstable();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_step_has_the_same_rows_whether_steps_before_it_were_asked_for_or_not() {
        let mut walked = Batches::new(10, Some(4), 1, "test");
        (0..7).for_each(|step| {
            walked.part(step);
        });
        assert_eq!(walked.part(7), Batches::new(10, Some(4), 1, "test").part(7));
        assert_ne!(walked.part(7), Batches::new(10, Some(4), 2, "test").part(7));
    }

    #[test]
    fn a_batch_of_all_rows_is_all_rows_in_their_order() {
        assert_eq!(Batches::new(10, Some(10), 1, "test").part(3), Part::all());
    }
}
