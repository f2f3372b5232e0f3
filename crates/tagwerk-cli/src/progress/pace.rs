//! How long something will still take, from the share that is done.

use crate::format::duration;
use std::time::Instant;

/// A clock over a share in [0, 1] that may begin above 0, as that of a resumed training does.
#[derive(Debug, Clone)]
pub struct Pace {
    begun: Instant,
    first: Option<f64>,
    share: f64,
}

impl Pace {
    /// Starts now.
    pub fn start() -> Self {
        Self {
            begun: Instant::now(),
            first: None,
            share: 0.0,
        }
    }

    /// The share that is done now.
    pub fn at(&mut self, share: f64) {
        if self.first.is_none() {
            self.begun = Instant::now();
            self.first = Some(share);
        }
        self.share = share;
    }

    /// A share that was done before this work began counts as done, but not as work of the time since.
    pub fn credit(&mut self, share: f64) {
        self.first = Some(self.first.unwrap_or(0.0) + share);
    }

    /// The share that is done.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Time left in words; nothing before there is something to go by.
    pub fn left(&self) -> String {
        match left(
            self.begun.elapsed().as_secs_f64(),
            self.first.unwrap_or(0.0),
            self.share,
        ) {
            Some(seconds) => format!("{} left", duration(seconds)),
            None => String::new(),
        }
    }
}

/// Seconds left when `elapsed` brought the share from `first` to `share`.
fn left(elapsed: f64, first: f64, share: f64) -> Option<f64> {
    let gained = share - first;
    // Less than a millionth is rounding: finished trainings that were added up.
    (gained > 1e-6 && elapsed > 0.5).then(|| elapsed * (1.0 - share).max(0.0) / gained)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_training_is_not_credited_with_what_was_there() {
        assert_eq!(left(10.0, 0.5, 0.75), Some(10.0));
        assert_eq!(left(10.0, 0.0, 0.25), Some(30.0));
        assert_eq!(left(10.0, 0.5, 0.5), None);
        assert_eq!(left(10.0, 0.1 + 0.2, 0.3 + 1e-12), None);
    }
}
