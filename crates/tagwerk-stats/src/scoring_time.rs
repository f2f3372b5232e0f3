//! How long scoring took.

use serde::{Deserialize, Serialize};

/// Time of scoring a sample with one training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoringTime {
    /// Jets scored.
    pub jets: usize,
    /// Wall-clock seconds of scoring them, from the view to the scores; with jets that are read from disk, from there.
    pub seconds: f64,
    /// Processor seconds of computing the view of all of them before: wall-clock seconds times threads, which is more
    /// than was used where threads waited. 0 where the view is computed within `seconds`.
    pub view_seconds: f64,
    /// Threads that scored.
    pub threads: usize,
}

impl ScoringTime {
    /// Wall-clock microseconds a jet on these threads, view included; `None` without jets or without a time.
    pub fn microseconds_a_jet(&self) -> Option<f64> {
        let total = self.seconds + self.view_seconds / self.threads.max(1) as f64;
        let each = 1e6 * total / self.jets as f64;
        (each.is_finite() && each > 0.0).then_some(each)
    }

    /// Jets a second, view included.
    pub fn jets_per_second(&self) -> Option<f64> {
        self.microseconds_a_jet().map(|each| 1e6 / each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_shared_by_the_threads() {
        let time = ScoringTime {
            jets: 2000,
            seconds: 0.25,
            view_seconds: 0.5,
            threads: 2,
        };
        assert_eq!(time.microseconds_a_jet(), Some(250.0));
        assert_eq!(time.jets_per_second(), Some(4000.0));
        assert_eq!(ScoringTime { jets: 0, ..time }.microseconds_a_jet(), None);
    }
}
