//! Time, handed in: the loop asks no clock of its own, so that tests can turn the hands.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What the loop wants to know about time. No trained bit depends on it.
pub trait Clock: Send + Sync {
    /// Seconds since any fixed moment; never goes back.
    fn seconds(&self) -> f64;

    /// Seconds since 1970-01-01 UTC, for log lines.
    fn unix_seconds(&self) -> f64;
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Starts counting now.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn unix_seconds(&self) -> f64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |d| d.as_secs_f64())
    }
}
