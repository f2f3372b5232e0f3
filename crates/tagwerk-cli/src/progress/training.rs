//! One training as it goes.

use super::pace::Pace;
use super::{EVERY, Manner, line, style};
use crate::format::grouped;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::time::{Duration, Instant};
use tagwerk_train::{EpochMetrics, Observer, StepReport};

pub(super) const TEMPLATE: &str = "{prefix:<22} [{bar:28}] {msg}";

/// Steps of the bar: shares are shown in thousandths.
const RESOLUTION: u64 = 1000;

/// Epochs shorter than this do not each get a line.
const EPOCH_LINES: Duration = Duration::from_secs(1);

/// Who else wants to know the share done of a training.
pub(super) type Listener = Box<dyn Fn(f64) + Send>;

/// Listens to one training.
pub struct TrainingProgress {
    label: String,
    manner: Manner,
    bar: ProgressBar,
    pace: Pace,
    epochs: u64,
    last_line: Instant,
    last_epoch_line: Option<Instant>,
    listener: Option<Listener>,
    /// Whether every epoch is told; in a landscape the bar is enough.
    tells_epochs: bool,
}

impl TrainingProgress {
    /// For one training by itself.
    pub fn new(label: &str, manner: Manner) -> Self {
        let target = if manner == Manner::Bars {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self::with_bar(label, manner, ProgressBar::with_draw_target(Some(RESOLUTION), target))
    }

    /// With a bar among others.
    pub(super) fn with_bar(label: &str, manner: Manner, bar: ProgressBar) -> Self {
        bar.set_length(RESOLUTION);
        bar.set_style(style(TEMPLATE));
        bar.set_prefix(label.to_owned());
        Self {
            label: label.to_owned(),
            manner,
            bar,
            pace: Pace::start(),
            epochs: 0,
            last_line: Instant::now(),
            last_epoch_line: None,
            listener: None,
            tells_epochs: true,
        }
    }

    /// Tells the share done to `listener`, and no longer every epoch to the user.
    pub(super) fn among_others(mut self, listener: Listener) -> Self {
        self.listener = Some(listener);
        self.tells_epochs = false;
        self
    }

    fn at(&mut self, epoch: u64, done: u64, steps: u64) {
        let within = done as f64 / steps.max(1) as f64;
        let share = ((epoch - 1) as f64 + within) / self.epochs.max(1) as f64;
        self.pace.at(share.min(1.0));
        self.bar.set_position((self.pace.share() * RESOLUTION as f64) as u64);
        if let Some(listener) = &self.listener {
            listener(self.pace.share());
        }
    }

    fn tell(&mut self, news: String) {
        match self.manner {
            Manner::Silent => {}
            Manner::Bars => self.bar.set_message(news),
            Manner::Lines if self.last_line.elapsed() >= EVERY => {
                self.last_line = Instant::now();
                line(&format!("{}: {news}", self.label));
            }
            Manner::Lines => {}
        }
    }

    fn epoch_line(&mut self, text: &str, last: bool) {
        let soon = self.last_epoch_line.is_some_and(|told| told.elapsed() < EPOCH_LINES);
        match self.manner {
            Manner::Bars if self.tells_epochs => self.bar.println(text),
            Manner::Lines if self.tells_epochs && (last || !soon) => {
                (self.last_line, self.last_epoch_line) = (Instant::now(), Some(Instant::now()));
                line(text);
            }
            _ => {}
        }
    }
}

impl Observer for TrainingProgress {
    fn epoch_start(&mut self, epoch: u64, epochs: u64, done: u64, steps: u64) {
        self.epochs = epochs;
        self.at(epoch, done, steps);
    }

    fn step(&mut self, report: &StepReport) {
        self.at(report.epoch, report.done, report.steps);
        let news = format!(
            "epoch {}/{} {:.0} %, loss {:.4}, {}/s, {}",
            report.epoch,
            self.epochs,
            100.0 * report.done as f64 / report.steps.max(1) as f64,
            report.mean_loss,
            grouped(report.jets_per_second as u64),
            self.pace.left()
        );
        self.tell(news.trim_end_matches(", ").to_owned());
    }

    fn scoring(&mut self, what: &str, done: usize, jets: usize) {
        if self.epochs == 0 {
            // Nothing but scoring happens.
            self.pace.at(done as f64 / jets.max(1) as f64);
            self.bar.set_position((self.pace.share() * RESOLUTION as f64) as u64);
        }
        let news = format!(
            "scoring {what}: {} of {} jets",
            grouped(done as u64),
            grouped(jets as u64)
        );
        self.tell(news);
    }

    fn epoch_end(&mut self, metrics: &EpochMetrics, best: bool) {
        let judged = match (metrics.val_auc, metrics.val_resolution, metrics.val_nll) {
            (Some(auc), ..) => format!(", val_auc {auc:.5}"),
            (_, Some(resolution), _) => format!(", val_resolution {resolution:.5}"),
            (.., Some(nll)) => format!(", val_nll {nll:.5}"),
            (None, None, None) => String::new(),
        };
        let text = format!(
            "{}: epoch {}/{}: loss {:.5}, val_loss {:.5}{judged}, {}/s{}",
            self.label,
            metrics.epoch,
            self.epochs,
            metrics.train_loss,
            metrics.val_loss,
            grouped(metrics.jets_per_second as u64),
            if best { ", the best so far" } else { "" }
        );
        self.epoch_line(&text, metrics.epoch == self.epochs);
    }
}

impl Drop for TrainingProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
