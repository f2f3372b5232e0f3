//! Work of a known size: bytes to fetch, rows to convert.

use super::pace::Pace;
use super::{EVERY, Manner, line, style};
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::time::Instant;

pub(super) const TEMPLATE: &str = "{prefix:<22} [{bar:28}] {msg}";

/// Shows how far a piece of work is.
pub struct Work {
    label: String,
    manner: Manner,
    bar: ProgressBar,
    pace: Pace,
    begun: Option<(Instant, u64)>,
    last_line: Instant,
    /// Words for an amount: `format::bytes`, say.
    amount: fn(u64) -> String,
}

impl Work {
    /// Work called `label`, whose amounts read as `amount` says.
    pub fn new(label: &str, amount: fn(u64) -> String, manner: Manner) -> Self {
        let target = if manner == Manner::Bars {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(1), target).with_style(style(TEMPLATE));
        bar.set_prefix(label.to_owned());
        Self {
            label: label.to_owned(),
            manner,
            bar,
            pace: Pace::start(),
            begun: None,
            last_line: Instant::now(),
            amount,
        }
    }

    /// `done` of `total` is done; a `total` of 0 is not known.
    pub fn at(&mut self, done: u64, total: u64) {
        let (since, first) = *self.begun.get_or_insert_with(|| (Instant::now(), done));
        if total > 0 {
            self.pace.at(done as f64 / total as f64);
        }
        self.bar.set_length(total.max(done).max(1));
        self.bar.set_position(done);
        let seconds = since.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 {
            (done.saturating_sub(first) as f64 / seconds) as u64
        } else {
            0
        };
        let amount = self.amount;
        let whole = match total {
            0 => String::new(),
            total => format!(" of {}", amount(total)),
        };
        let news = format!("{}{whole}, {}/s, {}", amount(done), amount(rate), self.pace.left());
        let news = news.trim_end_matches(", ");
        match self.manner {
            Manner::Silent => {}
            Manner::Bars => self.bar.set_message(news.to_owned()),
            Manner::Lines if self.last_line.elapsed() >= EVERY => {
                self.last_line = Instant::now();
                line(&format!("{}: {news}", self.label));
            }
            Manner::Lines => {}
        }
    }

    /// Something to say beside the bar.
    pub fn say(&self, text: &str) {
        match self.manner {
            Manner::Silent => {}
            Manner::Bars => self.bar.println(text),
            Manner::Lines => line(text),
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
