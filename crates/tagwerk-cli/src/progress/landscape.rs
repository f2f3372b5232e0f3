//! Many trainings as they go: one bar for all, one for each that is under way.

use super::pace::Pace;
use super::{EVERY, Manner, TrainingProgress, line, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use tagwerk_taggers::LandscapeObserver;
use tagwerk_train::Observer;

pub(super) const TEMPLATE: &str = "{prefix:<22} [{bar:28}] {msg}";

/// Steps of the bar.
const RESOLUTION: u64 = 1000;

/// Listens to a landscape. A training counts by its tagger's cost, so that the time left holds although a graph network
/// takes a hundred times as long as a small dense one.
pub struct LandscapeProgress {
    manner: Manner,
    bars: MultiProgress,
    all: ProgressBar,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Cost of one training of each tagger, in any unit.
    costs: BTreeMap<String, f64>,
    /// Cost of all trainings.
    total_cost: f64,
    /// Trainings in all, and those done.
    total: usize,
    done: usize,
    /// Share done of each training that was begun.
    shares: BTreeMap<(String, u64), f64>,
    pace: Pace,
    last_line: Instant,
}

impl LandscapeProgress {
    /// For `trainings` trainings of each of these taggers, given with their costs.
    pub fn new(taggers: &[(String, f64)], trainings: usize, manner: Manner) -> Self {
        let target = if manner == Manner::Bars {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        let all = bars.add(
            ProgressBar::new(RESOLUTION)
                .with_style(style(TEMPLATE))
                .with_prefix("all trainings"),
        );
        let state = State {
            costs: taggers.iter().cloned().collect(),
            total_cost: taggers.iter().map(|(_, cost)| cost).sum::<f64>() * trainings as f64,
            total: taggers.len() * trainings,
            done: 0,
            shares: BTreeMap::new(),
            pace: Pace::start(),
            last_line: Instant::now(),
        };
        Self {
            manner,
            bars,
            all,
            state: Arc::new(Mutex::new(state)),
        }
    }
}

/// A panic elsewhere must not silence the rest.
fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl State {
    /// Notes the share of one training and updates the bar of all.
    fn note(&mut self, training: &(String, u64), share: f64, all: &ProgressBar, manner: Manner) {
        let cost = |tagger: &str| self.costs.get(tagger).copied().unwrap_or(0.0);
        let total = self.total_cost.max(f64::MIN_POSITIVE);
        if self.shares.insert(training.clone(), share).is_none() {
            // What is first heard of a training was done in an earlier sitting.
            self.pace.credit(cost(&training.0) * share / total);
        }
        let spent: f64 = self
            .shares
            .iter()
            .map(|((tagger, _), share)| cost(tagger) * share)
            .sum();
        self.pace.at((spent / total).min(1.0));
        all.set_position((self.pace.share() * RESOLUTION as f64) as u64);
        let news = self.news();
        all.set_message(news.clone());
        if manner == Manner::Lines && self.last_line.elapsed() >= EVERY {
            self.last_line = Instant::now();
            line(&format!("landscape: {news}"));
        }
    }

    fn news(&self) -> String {
        let left = self.pace.left();
        let gap = if left.is_empty() { "" } else { ", " };
        format!(
            "{} of {} done, {:.0} %{gap}{left}",
            self.done,
            self.total,
            100.0 * self.pace.share()
        )
    }
}

impl LandscapeObserver for LandscapeProgress {
    fn training_started(&self, tagger: &str, seed: u64) -> Box<dyn Observer> {
        let bar = self.bars.insert_before(&self.all, ProgressBar::new(RESOLUTION));
        let (state, all, manner) = (Arc::clone(&self.state), self.all.clone(), self.manner);
        let training = (tagger.to_owned(), seed);
        // The many lines of single trainings would bury the one that matters where there is no bar to watch.
        let own = if manner == Manner::Bars {
            Manner::Bars
        } else {
            Manner::Silent
        };
        let progress = TrainingProgress::with_bar(&format!("{tagger}, seed {seed}"), own, bar);
        Box::new(progress.among_others(Box::new(move |share| {
            locked(&state).note(&training, share, &all, manner)
        })))
    }

    fn training_done(&self, tagger: &str, seed: u64) {
        let mut state = locked(&self.state);
        state.done += 1;
        state.note(&(tagger.to_owned(), seed), 1.0, &self.all, self.manner);
        let text = format!("{tagger}, seed {seed}: done ({})", state.news());
        match self.manner {
            Manner::Silent => {}
            Manner::Bars => {
                let _ = self.bars.println(text);
            }
            Manner::Lines => {
                state.last_line = Instant::now();
                line(&text);
            }
        }
    }

    fn message(&self, text: &str) {
        match self.manner {
            Manner::Silent => {}
            Manner::Bars => self.all.set_message(text.to_owned()),
            Manner::Lines => line(text),
        }
    }
}

impl Drop for LandscapeProgress {
    fn drop(&mut self) {
        self.all.finish_and_clear();
    }
}
