//! The learning rate of each step.
//!
//! Every schedule is a function of the progress `t`, the number of epochs done as a real number: step `s` of a training
//! with `n` steps an epoch has `t = s / n`. Schedules per epoch see only the whole part of `t`.

use crate::schedule::{CosineRestarts, OneCycle, Schedule};

/// A checked schedule with its base rate.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningRates {
    schedule: Schedule,
    base: f64,
}

impl LearningRates {
    pub(crate) fn new(schedule: Schedule, base: f64) -> Self {
        Self { schedule, base }
    }

    /// The rate of global step `step` (from 0) in a training of `steps_per_epoch` steps an epoch.
    pub fn at(&self, step: u64, steps_per_epoch: u64) -> f64 {
        let steps_per_epoch = steps_per_epoch.max(1);
        let epoch = step / steps_per_epoch;
        let t = epoch as f64 + (step % steps_per_epoch) as f64 / steps_per_epoch as f64;
        match &self.schedule {
            Schedule::Constant(_) => self.base,
            Schedule::Step(s) => {
                let falls = s.after.iter().filter(|&&after| epoch >= u64::from(after)).count();
                self.base * s.factor.powi(falls as i32)
            }
            Schedule::Exponential(s) => self.base * s.factor.powf(epoch as f64),
            Schedule::Halving(s) => self.base * 0.5_f64.powf((epoch / u64::from(s.epochs)) as f64),
            Schedule::OneCycle(s) => one_cycle(s, t),
            Schedule::CosineRestarts(s) => self.base * cosine_restarts(s, t, 1.0 / steps_per_epoch as f64),
        }
    }
}

fn one_cycle(s: &OneCycle, t: f64) -> f64 {
    let line = |from: f64, to: f64, share: f64| from + (to - from) * share;
    let top = s.rise_epochs;
    let bottom = top + s.fall_epochs;
    if t < top {
        line(s.low, s.high, t / s.rise_epochs)
    } else if t < bottom {
        line(s.high, s.low, (t - top) / s.fall_epochs)
    } else {
        line(s.low, s.end, ((t - bottom) / s.cool_epochs).min(1.0))
    }
}

fn cosine_restarts(s: &CosineRestarts, t: f64, one_step: f64) -> f64 {
    let tail = f64::from(s.tail_after);
    if s.tail_after > 0 && t >= tail {
        let epochs = (t.floor() - tail) + 1.0;
        return waves(s, tail - 1.0, one_step) * s.tail_factor.powf(epochs);
    }
    waves(s, t, one_step)
}

fn waves(s: &CosineRestarts, t: f64, one_step: f64) -> f64 {
    if t < s.warm_up_epochs {
        return ((t + one_step) / s.warm_up_epochs).min(1.0);
    }
    let since = t - s.warm_up_epochs;
    // Position in the wave and its length. Closed forms, because a walk over the waves would not end for growth 1 and
    // large t.
    let (at, length) = if s.growth == 1.0 {
        (since % s.first_epochs, s.first_epochs)
    } else {
        // Waves before number n fill first * (growth^n - 1) / (growth - 1) epochs.
        let start = |n: f64| s.first_epochs * (s.growth.powf(n) - 1.0) / (s.growth - 1.0);
        let mut n = (since / s.first_epochs * (s.growth - 1.0) + 1.0).ln() / s.growth.ln();
        n = n.floor().max(0.0);
        // The logarithm rounds: step to the wave that holds `since`.
        if start(n + 1.0) <= since {
            n += 1.0;
        } else if start(n) > since {
            n -= 1.0;
        }
        (since - start(n), s.first_epochs * s.growth.powf(n))
    };
    s.floor + (1.0 - s.floor) * 0.5 * (1.0 + (std::f64::consts::PI * at / length).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Exponential, Halving, StepDecay};

    fn rates(schedule: Schedule, base: f64) -> LearningRates {
        schedule.check(base).unwrap()
    }

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-12 * expected.abs().max(1e-9),
            "{found} instead of {expected}"
        );
    }

    #[test]
    fn the_landscape_step_falls_after_epochs_ten_and_twenty() {
        let r = rates(Schedule::Step(StepDecay::default()), 1e-3);
        close(r.at(0, 7), 1e-3);
        close(r.at(69, 7), 1e-3); // last step of epoch 10
        close(r.at(70, 7), 1e-4); // first step of epoch 11
        close(r.at(139, 7), 1e-4);
        close(r.at(140, 7), 1e-5);
        close(r.at(7_000, 7), 1e-5);
    }

    #[test]
    fn treenin_falls_by_a_tenth_an_epoch() {
        let r = rates(Schedule::Exponential(Exponential::default()), 2e-3);
        close(r.at(0, 10), 2e-3);
        close(r.at(9, 10), 2e-3);
        close(r.at(10, 10), 1.8e-3);
        close(r.at(29, 10), 1.62e-3);
    }

    #[test]
    fn the_cnn_halves_every_ten_epochs() {
        let r = rates(Schedule::Halving(Halving::default()), 5e-5);
        for (step, expected) in [(0, 5e-5), (9, 5e-5), (10, 2.5e-5), (20, 1.25e-5), (49, 3.125e-6)] {
            close(r.at(step, 1), expected);
        }
    }

    #[test]
    fn particlenets_cycle_has_its_published_corners() {
        // 100 steps an epoch; between the corners by hand: epoch 4 is half way up, epoch 18 half way through the
        // cool-down.
        let r = rates(Schedule::OneCycle(OneCycle::default()), 1.0);
        let corners = [
            (0, 3e-4),
            (400, 1.65e-3),
            (800, 3e-3),
            (1200, 1.65e-3),
            (1600, 3e-4),
            (1800, 1.5025e-4),
            (2000, 5e-7),
            (9000, 5e-7),
        ];
        for (step, expected) in corners {
            close(r.at(step, 100), expected);
        }
        close(r.at(1, 100), 3e-4 + 2.7e-3 / 800.0); // moves at every step
    }

    #[test]
    fn lorentznets_waves_warm_up_restart_and_fade() {
        let r = rates(Schedule::CosineRestarts(CosineRestarts::default()), 1e-3);
        close(r.at(0, 10), 1e-3 / 50.0);
        close(r.at(24, 10), 5e-4);
        close(r.at(49, 10), 1e-3);
        close(r.at(50, 10), 1e-3); // top of the wave of epochs 5..9
        close(r.at(70, 10), 5e-4); // its middle
        close(r.at(90, 10), 1e-3); // restart: epochs 9..17
        close(r.at(130, 10), 5e-4);
        close(r.at(170, 10), 1e-3); // restart: epochs 17..33
        close(r.at(250, 10), 5e-4);
        let before = 0.5e-3 * (1.0 + (std::f64::consts::PI * 13.0 / 16.0).cos()); // epoch 30 starts 13 epochs into it
        close(r.at(300, 10), before);
        close(r.at(310, 10), before / 2.0);
        close(r.at(319, 10), before / 2.0);
        close(r.at(349, 10), before / 16.0);
    }

    #[test]
    fn equal_waves_go_on_for_ever_and_end_at_the_floor() {
        let waves = CosineRestarts {
            warm_up_epochs: 0.0,
            first_epochs: 2.0,
            growth: 1.0,
            floor: 0.1,
            tail_after: 0,
            tail_factor: 1.0,
        };
        let r = rates(Schedule::CosineRestarts(waves), 1.0);
        for wave in [0, 1, 1_000_000] {
            close(r.at(wave * 20, 10), 1.0);
            close(r.at(wave * 20 + 10, 10), 0.55);
        }
        assert!(r.at(19, 10) > 0.1 && r.at(19, 10) < 0.11);
    }
}
