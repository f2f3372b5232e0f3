//! Which events make a batch: balanced between classes, masses and background processes.
//!
//! Anzalone, Diotalevi, Bonacorsi, arXiv:2202.00424. Events fall into cells; the cells of a class share its half of each
//! batch evenly. The original draws with replacement and drops what does not divide; here a cell is a pool that is
//! shuffled, used up and shuffled again, and the one event by which a batch cannot be even goes round. No event is
//! left out, and event t of a training is a function of (seed, t): a batch can be made without those before it.

use crate::error::ParametricError;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tagwerk_data::random;

/// What is made equal in each batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Nothing: every event once an epoch.
    #[default]
    None,
    /// Half signal, half background.
    Class,
    /// The same, and within the signal each point of the parameters.
    Signal,
    /// Half and half, and within the background each process.
    Background,
    /// Both.
    Full,
}

impl Balance {
    pub(crate) fn splits_signal(self) -> bool {
        matches!(self, Self::Signal | Self::Full)
    }

    fn splits_background(self) -> bool {
        matches!(self, Self::Background | Self::Full)
    }
}

/// How events are drawn from a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draws {
    /// Every event of the cell once, then again in another order.
    #[default]
    Exhaustive,
    /// Each draw from all events of the cell, as in the original.
    Replacement,
}

/// The order in which a training sees its events.
#[derive(Debug, Clone)]
pub struct Sampler {
    /// One or two halves of a batch, each of cells, each of events.
    halves: Vec<Vec<Vec<u32>>>,
    events: u64,
    draws: Draws,
    seed: u64,
}

impl Sampler {
    /// Sorts `B` events into cells. `labels: [B]`; `signal_cell: [B]` numbers the parameter point of each signal event,
    /// `background_cell: [B]` the process of each background event.
    ///
    /// # Errors
    /// Columns of unequal length, more than 2^32 events, a class without events when classes are balanced.
    pub fn new(
        balance: Balance,
        draws: Draws,
        labels: &[f32],
        signal_cell: &[u32],
        background_cell: &[u32],
        seed: u64,
    ) -> Result<Self, ParametricError> {
        for (what, found) in [
            ("signal cells", signal_cell.len()),
            ("background cells", background_cell.len()),
        ] {
            if found != labels.len() {
                return Err(ParametricError::Length {
                    what,
                    expected: labels.len(),
                    found,
                });
            }
        }
        let events = u32::try_from(labels.len()).map_err(|_| ParametricError::TooManyRows {
            rows: labels.len(),
            limit: u32::MAX as usize,
        })?;
        let halves = if balance == Balance::None {
            vec![vec![(0..events).collect()]]
        } else {
            let cells = |class: bool, split: bool, cell: &[u32]| {
                let mut cells = std::collections::BTreeMap::<u32, Vec<u32>>::new();
                for event in 0..events {
                    let i = event as usize;
                    if (labels[i] > 0.5) == class {
                        cells.entry(if split { cell[i] } else { 0 }).or_default().push(event);
                    }
                }
                cells.into_values().collect::<Vec<_>>()
            };
            vec![
                cells(true, balance.splits_signal(), signal_cell),
                cells(false, balance.splits_background(), background_cell),
            ]
        };
        if events == 0 || halves.iter().any(Vec::is_empty) {
            return Err(ParametricError::EmptyClass { rows: labels.len() });
        }
        Ok(Self {
            halves,
            events: u64::from(events),
            draws,
            seed,
        })
    }

    /// Events an epoch has: as many as there are.
    pub fn epoch(&self) -> u64 {
        self.events
    }

    /// The events of each cell, which are drawn as often as those of any other cell of its half; without balance, all.
    pub fn members(&self) -> impl Iterator<Item = &[u32]> + '_ {
        self.halves.iter().flatten().map(Vec::as_slice)
    }

    /// Cells of each half.
    pub fn cells(&self) -> impl Iterator<Item = usize> + '_ {
        self.halves.iter().map(Vec::len)
    }

    /// A walk over the draws of an epoch.
    pub fn walk(&self, epoch: u64) -> Walk<'_> {
        Walk {
            sampler: self,
            first: epoch * self.events,
            orders: self.halves.iter().map(|half| vec![None; half.len()]).collect(),
        }
    }
}

/// A pass over a pool, and the order of its events there.
type Pool = (u64, Vec<u32>);

/// Draws of one epoch; keeps the shuffled pools it is in the middle of.
#[derive(Debug)]
pub struct Walk<'a> {
    sampler: &'a Sampler,
    /// Number of the epoch's first draw in the training.
    first: u64,
    /// For each cell the pass and its order.
    orders: Vec<Vec<Option<Pool>>>,
}

impl Walk<'_> {
    /// The events of the draws `draws` of the epoch, appended to `out`.
    pub fn events(&mut self, draws: Range<u64>, out: &mut Vec<u32>) {
        for draw in draws {
            // Halves alternate draw by draw, and so do the cells of a half.
            let t = self.first + draw;
            let halves = self.sampler.halves.len() as u64;
            let half = (t % halves) as usize;
            let within = t / halves;
            let cells = self.sampler.halves[half].len() as u64;
            let cell = (within % cells) as usize;
            out.push(self.draw(half, cell, within / cells));
        }
    }

    /// Draw number `number` of a cell.
    fn draw(&mut self, half: usize, cell: usize, number: u64) -> u32 {
        let sampler = self.sampler;
        let events = &sampler.halves[half][cell];
        // Which of the training's streams belongs to a pass of a cell.
        let purpose = || format!("draws of cell {half}.{cell}");
        let size = events.len() as u64;
        match sampler.draws {
            Draws::Replacement => {
                let mut rng = random::stream(sampler.seed, &purpose(), number);
                events[random::below(&mut rng, size) as usize]
            }
            Draws::Exhaustive => {
                let (pass, place) = (number / size, (number % size) as usize);
                let order = &mut self.orders[half][cell];
                if !matches!(order, Some((shuffled, _)) if *shuffled == pass) {
                    let mut fresh = events.clone();
                    random::shuffle(&mut random::stream(sampler.seed, &purpose(), pass), &mut fresh);
                    *order = Some((pass, fresh));
                }
                match order {
                    Some((_, order)) => order[place],
                    // Just filled.
                    None => events[place],
                }
            }
        }
    }
}

/// Steps an epoch of the original code has: what its published step counters count. Ours has `ceil(events / batch)`.
pub fn original_steps(events: u64, batch: u64, balance: Balance, masses: u64, processes: u64, padded: bool) -> u64 {
    let half = batch / 2;
    let signal = if balance.splits_signal() {
        half / masses * masses
    } else {
        half
    };
    let background = if balance.splits_background() {
        half / processes * processes
    } else {
        half
    };
    match balance {
        // The slip that rounds to nearest: as many rows are appended as remain, not as are missing.
        Balance::None if padded => (events + events % batch) / batch,
        Balance::None => events / batch,
        _ => events / (signal + background),
    }
}

/// Events of a class that train when a share of it, rounded up, validates.
pub fn training_share(events: u64, validation: f64) -> u64 {
    events - (events as f64 * validation).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// HEPMASS-IMB: signal events a mass and background events, three quarters of each for training.
    fn imb(masses: &[u64]) -> u64 {
        let signal: u64 = masses
            .iter()
            .map(|mass| match mass {
                500 => 349_682,
                750 => 140_031,
                1000 => 35_072,
                1250 => 7_004,
                _ => 2_098,
            })
            .sum();
        training_share(signal, 0.25) + training_share(3_499_121, 0.25)
    }

    #[test]
    fn the_originals_step_counters_are_reproduced() {
        let all = imb(&[500, 750, 1000, 1250, 1500]);
        let steps = |events, batch, balance, padded| original_steps(events, batch, balance, 5, 1, padded);
        // HEPMASS, all masses.
        assert_eq!(steps(5_250_000, 1024, Balance::None, true), 5127);
        assert_eq!(steps(all, 1024, Balance::None, true), 2954);
        assert_eq!(steps(all, 1024, Balance::None, false), 2953);
        assert_eq!(steps(all, 1024, Balance::Class, false), 2953);
        assert_eq!(steps(all, 1024, Balance::Full, false), 2959);
        // Trained on 500 and 1500 GeV, then without regularization at batch 128.
        assert_eq!(steps(imb(&[500, 1500]), 1024, Balance::None, true), 2820);
        assert_eq!(steps(imb(&[500, 1500]), 128, Balance::None, true), 22_564);
        // Networks of single masses.
        let single = [500, 750, 1000, 1250, 1500].map(|mass| steps(imb(&[mass]), 1024, Balance::None, true));
        assert_eq!(single, [2819, 2665, 2589, 2568, 2564]);
        // The effective batch of full balance: 102 of each of five masses + 512.
        assert_eq!(original_steps(1022 * 7, 1024, Balance::Full, 5, 1, false), 7);
    }

    /// `n` events of which every third is signal, of `masses` points and `processes` processes.
    fn events(n: usize, masses: u32, processes: u32) -> (Vec<f32>, Vec<u32>, Vec<u32>) {
        let labels: Vec<f32> = (0..n).map(|i| f32::from(i % 3 == 0)).collect();
        // Masses and processes of very different frequency.
        let cell = |i: usize, cells: u32| ((i * i / 7) as u32 % (cells * cells)).min(cells - 1);
        let of = |cells| (0..n).map(|i| cell(i, cells)).collect();
        (labels, of(masses), of(processes))
    }

    proptest! {
        #[test]
        fn halves_and_cells_of_any_stretch_are_even_to_one_event(
            n in 40usize..400, masses in 1u32..5, processes in 1u32..4,
            start in 0u64..300, length in 1u64..120, epoch in 0u64..3, replacement: bool,
        ) {
            let (labels, mass, process) = events(n, masses, processes);
            let draws = if replacement { Draws::Replacement } else { Draws::Exhaustive };
            let sampler = Sampler::new(Balance::Full, draws, &labels, &mass, &process, 7).unwrap();
            let mut found = Vec::new();
            sampler.walk(epoch).events(start..start + length, &mut found);
            let mut counts = std::collections::BTreeMap::<(bool, u32), u64>::new();
            for half in [true, false] {
                let cell = if half { &mass } else { &process };
                for i in (0..n).filter(|&i| (labels[i] > 0.5) == half) {
                    counts.insert((half, cell[i]), 0);
                }
            }
            for &event in &found {
                let i = event as usize;
                let signal = labels[i] > 0.5;
                *counts.get_mut(&(signal, if signal { mass[i] } else { process[i] })).unwrap() += 1;
            }
            for half in [true, false] {
                let of_half: Vec<u64> = counts.iter().filter(|((h, _), _)| *h == half).map(|(_, &c)| c).collect();
                let sum: u64 = of_half.iter().sum();
                prop_assert!(sum.abs_diff(length - sum) <= 1);
                let (low, high) = (of_half.iter().min().unwrap(), of_half.iter().max().unwrap());
                prop_assert!(high - low <= 1, "{counts:?}");
            }
        }

        #[test]
        fn any_stretch_of_an_epoch_is_the_same_however_it_is_reached(
            n in 10usize..200, cut in 0u64..100, length in 1u64..100, epoch in 0u64..4,
        ) {
            let (labels, mass, process) = events(n, 3, 2);
            for balance in [Balance::None, Balance::Class, Balance::Signal, Balance::Background, Balance::Full] {
                let sampler = Sampler::new(balance, Draws::Exhaustive, &labels, &mass, &process, 7).unwrap();
                let (mut whole, mut parts) = (Vec::new(), Vec::new());
                sampler.walk(epoch).events(0..cut + length, &mut whole);
                sampler.walk(epoch).events(cut..cut + length, &mut parts);
                prop_assert_eq!(&whole[cut as usize..], &parts[..]);
            }
        }
    }

    #[test]
    fn without_balance_an_epoch_is_every_event_once_and_another_order_each_time() {
        let (labels, mass, process) = events(100, 3, 2);
        let sampler = Sampler::new(Balance::None, Draws::Exhaustive, &labels, &mass, &process, 7).unwrap();
        let epoch = |epoch| {
            let mut found = Vec::new();
            sampler.walk(epoch).events(0..sampler.epoch(), &mut found);
            found
        };
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        for mut order in [first, second] {
            order.sort_unstable();
            assert_eq!(order, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_event_of_a_pool_comes_twice_before_all_have_come_once() {
        let (labels, mass, process) = events(90, 1, 1);
        let sampler = Sampler::new(Balance::Class, Draws::Exhaustive, &labels, &mass, &process, 1).unwrap();
        // 30 signal events: 60 draws, half of them signal.
        let mut found = Vec::new();
        sampler.walk(0).events(0..60, &mut found);
        let mut signal: Vec<u32> = found.into_iter().filter(|&e| labels[e as usize] > 0.5).collect();
        signal.sort_unstable();
        signal.dedup();
        assert_eq!(signal.len(), 30);
    }

    #[test]
    fn what_cannot_be_balanced_is_refused() {
        let none: [u32; 2] = [0, 0];
        let new = |balance, labels: &[f32]| Sampler::new(balance, Draws::Exhaustive, labels, &none, &none, 1);
        assert!(new(Balance::Class, &[1.0, 1.0]).is_err());
        assert!(new(Balance::None, &[1.0, 1.0]).is_ok());
        assert!(new(Balance::None, &[1.0]).is_err(), "a column of another length");
    }
}
