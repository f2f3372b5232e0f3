//! Events with hypotheses as a training, a validation and a test see them.
//!
//! Each event is a vector of its features and the parameters of a hypothesis. Signal has its own; what background has is
//! decided here: drawn while training ([`TrainingExamples`]), and every point of the signal in turn while scoring
//! ([`ScoredExamples`]), because a search at one mass meets all of the background.

use crate::balance::{Balance, Draws, Sampler};
use crate::error::ParametricError;
use crate::hypotheses::{Assignment, Hypotheses, When};
use crate::leak::PointShares;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tagwerk_data::{Events, random};
use tagwerk_physics::{DenseView, View};
use tagwerk_train::{Batch, Batches, Examples, Order};

/// How batches are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// What is even in each batch. Default: none.
    pub balance: Balance,
    /// Whether a pool is used up before an event comes again. Default: exhaustive.
    pub draws: Draws,
}

/// A batch of `rows`, `features` and `parameters` side by side.
fn batch(
    events: &Events,
    chosen: &[u32],
    points: &[f32],
    weights: Option<Vec<f32>>,
    parameter: Option<Vec<f32>>,
) -> Batch {
    let (c, p) = (events.width(), points.len() / chosen.len().max(1));
    let mut values = Vec::with_capacity(chosen.len() * (c + p));
    for (at, &event) in chosen.iter().enumerate() {
        values.extend_from_slice(events.event(event as usize));
        values.extend_from_slice(&points[at * p..(at + 1) * p]);
    }
    Batch {
        view: View::Dense(DenseView {
            shape: vec![c + p],
            values,
        }),
        labels: chosen.iter().map(|&event| events.labels[event as usize]).collect(),
        weights,
        parameters: parameter,
        rows: chosen.iter().map(|&event| events.rows[event as usize]).collect(),
    }
}

/// Events to train on.
#[derive(Debug, Clone)]
pub struct TrainingExamples {
    events: Arc<Events>,
    /// The events that train, by number.
    chosen: Vec<u32>,
    hypotheses: Arc<Hypotheses>,
    assignment: Assignment,
    sampler: Sampler,
    seed: u64,
    /// Points of all events as they were assigned once, `[B, P]`.
    fixed: Vec<f32>,
    /// Weights with the mean 1 in each cell of the sampler, `[B]`: how much a cell counts is the balance's to say.
    weights: Option<Vec<f32>>,
}

impl TrainingExamples {
    /// Of the events `chosen`, signal at the points of `hypotheses`.
    ///
    /// # Errors
    /// Signal at another point than those, weights of a cell whose sum is not above 0, whatever [`Sampler::new`] refuses.
    pub fn new(
        events: Arc<Events>,
        chosen: Vec<u32>,
        hypotheses: Arc<Hypotheses>,
        assignment: Assignment,
        sampling: Sampling,
        seed: u64,
    ) -> Result<Self, ParametricError> {
        let p = hypotheses.width();
        let mut rng = random::stream(seed, "fixed hypotheses", 0);
        let mut fixed = vec![0.0; chosen.len() * p];
        let mut cells = vec![0u32; chosen.len()];
        let labels: Vec<f32> = chosen.iter().map(|&event| events.labels[event as usize]).collect();
        for (i, &event) in chosen.iter().enumerate() {
            let point = &mut fixed[i * p..(i + 1) * p];
            if labels[i] > 0.5 {
                point.copy_from_slice(events.point(event as usize));
                cells[i] = hypotheses.find(point).ok_or_else(|| ParametricError::Events {
                    what: format!("row {}", events.rows[event as usize]),
                    reason: format!("signal at {point:?}, which is none of the points to train on"),
                })? as u32;
            } else {
                hypotheses.draw(assignment.distribution, &mut rng, point);
            }
        }
        let processes: Vec<u32> = chosen.iter().map(|&event| events.processes[event as usize]).collect();
        let sampler = Sampler::new(sampling.balance, sampling.draws, &labels, &cells, &processes, seed)?;
        let weights = match &events.weights {
            None => None,
            Some(all) => {
                let mut own: Vec<f32> = chosen.iter().map(|&event| all[event as usize]).collect();
                for cell in sampler.members() {
                    let sum: f64 = cell.iter().map(|&place| f64::from(own[place as usize])).sum();
                    let mean = sum / cell.len().max(1) as f64;
                    if mean.is_nan() || mean <= 0.0 {
                        return Err(ParametricError::Events {
                            what: format!("weights of {}", name_of(cell, &chosen, &events, sampling.balance)),
                            reason: format!("their mean is {mean}; it must be above 0"),
                        });
                    }
                    for &place in cell {
                        let weight = &mut own[place as usize];
                        *weight = (f64::from(*weight) / mean) as f32;
                    }
                }
                Some(own)
            }
        };
        Ok(Self {
            events,
            chosen,
            hypotheses,
            assignment,
            sampler,
            seed,
            fixed,
            weights,
        })
    }

    /// What the hypothesis alone says of the class, as the network sees it: the AUC of the best classifier that knows
    /// nothing else, learned from the first epoch and tried on the second, for which background is given other points of
    /// the same distribution; 0.5 is nothing. Weights count if none is below 0.
    ///
    /// # Errors
    /// None in practice: both classes are there.
    pub fn leak(&self) -> Result<f64, ParametricError> {
        let p = self.hypotheses.width();
        let first = self.told(0, self.assignment.when);
        let second = self.told(1, When::Sampled);
        // Tried on what it was learned from, chance would look like knowledge where points are many.
        PointShares::of(&first.points, p, &first.labels, first.weights.as_deref())?.auc(
            &second.points,
            &second.labels,
            second.weights.as_deref(),
        )
    }

    /// Hypotheses of an epoch, background's drawn `when`.
    fn told(&self, epoch: u64, when: When) -> Told {
        const BATCH: usize = 8192;
        let (c, p) = (self.events.width(), self.hypotheses.width());
        let mut told = Told {
            points: Vec::with_capacity(self.len() * p),
            labels: Vec::with_capacity(self.len()),
            weights: (self.weights.is_some() && !self.events.has_negative_weights()).then(Vec::new),
        };
        let order = Order {
            seed: self.seed,
            epoch,
            shuffle: true,
        };
        for batch in self.drawn(order, BATCH, 0, when) {
            if let View::Dense(view) = &batch.view {
                told.points
                    .extend(view.values.chunks_exact(c + p).flat_map(|row| &row[c..]));
            }
            told.labels.extend_from_slice(&batch.labels);
            if let (Some(all), Some(own)) = (&mut told.weights, &batch.weights) {
                all.extend(own.iter().map(|&weight| f64::from(weight)));
            }
        }
        told
    }

    /// The batch of the events at `places` of the chosen ones.
    fn assemble(&self, places: &[u32], drawn: Option<(u64, u64)>) -> Batch {
        let p = self.hypotheses.width();
        let chosen: Vec<u32> = places.iter().map(|&place| self.chosen[place as usize]).collect();
        let mut points = Vec::with_capacity(places.len() * p);
        for &place in places {
            points.extend_from_slice(&self.fixed[place as usize * p..][..p]);
        }
        if let Some((epoch, number)) = drawn {
            let mut rng = random::stream(self.seed, &format!("hypotheses of epoch {epoch}"), number);
            for (point, &event) in points.chunks_exact_mut(p).zip(&chosen) {
                if self.events.labels[event as usize] < 0.5 {
                    self.hypotheses.draw(self.assignment.distribution, &mut rng, point);
                }
            }
        }
        let weights = self.weights.as_ref();
        let weights = weights.map(|all| places.iter().map(|&place| all[place as usize]).collect());
        batch(&self.events, &chosen, &points, weights, None)
    }
}

impl Examples for TrainingExamples {
    fn len(&self) -> usize {
        self.chosen.len()
    }

    /// In the stored order every event comes once, with the hypothesis it was assigned before the training.
    fn batches(&self, order: Order, batch_size: usize, skip_batches: u64) -> Batches<'_> {
        Box::new(
            self.drawn(order, batch_size, skip_batches, self.assignment.when)
                .map(Ok),
        )
    }
}

impl TrainingExamples {
    /// The batches of an order, the hypotheses of background drawn `when`.
    fn drawn(
        &self,
        order: Order,
        batch_size: usize,
        skip_batches: u64,
        when: When,
    ) -> impl Iterator<Item = Batch> + '_ {
        let size = batch_size.max(1) as u64;
        let total = self.len() as u64;
        let count = total.div_ceil(size);
        let mut walk = order.shuffle.then(|| self.sampler.walk(order.epoch));
        (skip_batches..count.max(skip_batches)).map(move |number| {
            let draws = number * size..((number + 1) * size).min(total);
            let mut places = Vec::with_capacity(batch_size);
            match &mut walk {
                Some(walk) => walk.events(draws, &mut places),
                None => places.extend(draws.map(|place| place as u32)),
            }
            let sampled = order.shuffle && when == When::Sampled;
            self.assemble(&places, sampled.then_some((order.epoch, number)))
        })
    }
}

/// Hypotheses, classes and weights of an epoch.
struct Told {
    points: Vec<f32>,
    labels: Vec<f32>,
    weights: Option<Vec<f64>>,
}

/// What a cell of the sampler is called.
fn name_of(cell: &[u32], chosen: &[u32], events: &Events, balance: Balance) -> String {
    let first = cell.first().map(|&place| chosen[place as usize] as usize);
    match first {
        Some(event) if balance != Balance::None => match (events.labels[event] > 0.5, balance) {
            (true, Balance::Signal | Balance::Full) => format!("the signal at {:?}", events.point(event)),
            (true, _) => "the signal".to_owned(),
            (false, Balance::Background | Balance::Full) => {
                let process = events.processes[event] as usize;
                format!("the background process `{}`", events.process_names[process])
            }
            (false, _) => "the background".to_owned(),
        },
        _ => "the training events".to_owned(),
    }
}

/// Events to score: signal at its own hypothesis, background at several.
#[derive(Debug, Clone)]
pub struct ScoredExamples {
    events: Arc<Events>,
    signal: Vec<u32>,
    background: Vec<u32>,
    hypotheses: Arc<Hypotheses>,
    copies: usize,
    weighted: bool,
}

impl ScoredExamples {
    /// Of the events `chosen`; each background event at `copies` of the points of `hypotheses` (at most all), with
    /// the weight `1 / copies` each time. Points take turns from event to event, so that each has as many.
    ///
    /// Weights of events count if none is below 0: a curve of signed counts is none.
    pub fn new(events: Arc<Events>, chosen: &[u32], hypotheses: Arc<Hypotheses>, copies: usize) -> Self {
        let (signal, background) = chosen.iter().partition(|&&event| events.labels[event as usize] > 0.5);
        let weighted = events.weights.is_some() && !events.has_negative_weights();
        Self {
            copies: copies.clamp(1, hypotheses.len()),
            events,
            signal,
            background,
            hypotheses,
            weighted,
        }
    }

    /// The points, `M`.
    pub fn hypotheses(&self) -> &Hypotheses {
        &self.hypotheses
    }

    /// What a score file says of a point: its value, or its number where a point has several.
    fn name_of(&self, point: &[f32], number: usize) -> f32 {
        match point {
            [value] => *value,
            _ => number as f32,
        }
    }
}

impl Examples for ScoredExamples {
    fn len(&self) -> usize {
        self.signal.len() + self.background.len() * self.copies
    }

    /// Always in the stored order: signal first.
    fn batches(&self, _: Order, batch_size: usize, skip_batches: u64) -> Batches<'_> {
        let size = batch_size.max(1);
        let count = self.len().div_ceil(size) as u64;
        Box::new((skip_batches..count.max(skip_batches)).map(move |number| {
            let places = number as usize * size..((number as usize + 1) * size).min(self.len());
            let (mut chosen, mut points) = (Vec::with_capacity(size), Vec::new());
            let (mut weights, mut names) = (Vec::with_capacity(size), Vec::with_capacity(size));
            for place in places {
                let (event, share) = match self.signal.get(place) {
                    Some(&event) => {
                        let point = self.events.point(event as usize);
                        points.extend_from_slice(point);
                        let number = self.hypotheses.find(point).unwrap_or(usize::MAX);
                        names.push(self.name_of(point, number));
                        (event, 1.0)
                    }
                    None => {
                        let place = place - self.signal.len();
                        let (at, copy) = (place / self.copies, place % self.copies);
                        let number = (at + copy) % self.hypotheses.len();
                        let point = self.hypotheses.point(number);
                        points.extend_from_slice(point);
                        names.push(self.name_of(point, number));
                        (self.background[at], 1.0 / self.copies as f32)
                    }
                };
                let own = self.events.weights.as_ref().filter(|_| self.weighted);
                weights.push(share * own.map_or(1.0, |all| all[event as usize]));
                chosen.push(event);
            }
            Ok(batch(&self.events, &chosen, &points, Some(weights), Some(names)))
        }))
    }
}

#[cfg(test)]
mod tests;
