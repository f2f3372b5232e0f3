//! Learning rate over the training, as the published taggers set it: what a configuration states.

use crate::error::{Result, TrainError};
use crate::learning_rates::LearningRates;
use serde::{Deserialize, Serialize};

/// How the learning rate moves, as a configuration states it (table `schedule`, key `kind`).
///
/// All but [`OneCycle`] multiply the optimizer's `learning_rate`. [`Schedule::check`] makes it usable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// The optimizer's rate throughout.
    Constant(Constant),
    /// A factor at given epochs.
    Step(StepDecay),
    /// A factor after every epoch.
    Exponential(Exponential),
    /// Half after every so many epochs.
    Halving(Halving),
    /// Up, down and cool-down, linearly.
    OneCycle(OneCycle),
    /// Warm-up, then cosine waves.
    CosineRestarts(CosineRestarts),
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Constant(Constant {})
    }
}

/// The optimizer's rate throughout.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {}

/// Times `factor` after each epoch of `after`. The default is the landscape's ParticleNet, P-CNN and ResNeXt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StepDecay {
    /// Epochs done when the rate falls, rising. Default: [10, 20].
    pub after: Vec<u32>,
    /// Factor at each of them. Default: 0.1.
    pub factor: f64,
}

impl Default for StepDecay {
    fn default() -> Self {
        Self {
            after: vec![10, 20],
            factor: 0.1,
        }
    }
}

/// Times `factor` after every epoch. The default is TreeNiN's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exponential {
    /// Factor an epoch. Default: 0.9.
    pub factor: f64,
}

impl Default for Exponential {
    fn default() -> Self {
        Self { factor: 0.9 }
    }
}

/// Half after every `epochs` epochs. The default is the landscape's CNN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Halving {
    /// Epochs between halvings. Default: 10.
    pub epochs: u32,
}

impl Default for Halving {
    fn default() -> Self {
        Self { epochs: 10 }
    }
}

/// Linearly from `low` to `high`, back to `low`, then down to `end`, changed at every step. The rates are absolute: the
/// optimizer's `learning_rate` is not used. After the last epoch the rate stays at `end`.
///
/// The default is ParticleNet's (arXiv:1902.08570, journal version): 20 epochs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OneCycle {
    /// Rate at the start. Default: 3e-4.
    pub low: f64,
    /// Rate at the top. Default: 3e-3.
    pub high: f64,
    /// Rate at the end. Default: 5e-7.
    pub end: f64,
    /// Epochs up. Default: 8.
    pub rise_epochs: f64,
    /// Epochs back. Default: 8.
    pub fall_epochs: f64,
    /// Epochs of the cool-down. Default: 4.
    pub cool_epochs: f64,
}

impl Default for OneCycle {
    fn default() -> Self {
        Self {
            low: 3e-4,
            high: 3e-3,
            end: 5e-7,
            rise_epochs: 8.0,
            fall_epochs: 8.0,
            cool_epochs: 4.0,
        }
    }
}

/// Linear warm-up, then cosine waves from the full rate to `floor` times it, each `growth` times longer than the one
/// before (Loshchilov and Hutter, arXiv:1608.03983), changed at every step; from epoch `tail_after` on a factor an
/// epoch.
///
/// The default is LorentzNet's (arXiv:2201.08187): 5 epochs of warm-up, waves of 4, 8, 16 epochs, halved from epoch 31
/// on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CosineRestarts {
    /// Epochs of the warm-up; the first step has the rate of one step's progress, not 0. Default: 5.
    pub warm_up_epochs: f64,
    /// Epochs of the first wave. Default: 4.
    pub first_epochs: f64,
    /// Length of a wave over that of the wave before. Default: 2.
    pub growth: f64,
    /// Lowest factor of a wave. Default: 0.
    pub floor: f64,
    /// Epochs done when the waves end; 0 for never. Default: 31.
    pub tail_after: u32,
    /// Factor an epoch from then on, beginning with the rate at the start of the epoch before. Default: 0.5.
    pub tail_factor: f64,
}

impl Default for CosineRestarts {
    fn default() -> Self {
        Self {
            warm_up_epochs: 5.0,
            first_epochs: 4.0,
            growth: 2.0,
            floor: 0.0,
            tail_after: 31,
            tail_factor: 0.5,
        }
    }
}

impl Schedule {
    /// Checks all numbers and joins them with the optimizer's rate `base`.
    ///
    /// # Errors
    /// A number outside its limits, by its key.
    pub fn check(self, base: f64) -> Result<LearningRates> {
        const RATE: &str = "a finite number above 0";
        let number = |key, value: f64, good: bool, allowed| {
            if good {
                Ok(())
            } else {
                Err(TrainError::Setting {
                    key,
                    value: value.to_string(),
                    allowed,
                })
            }
        };
        let positive = |key, value: f64| number(key, value, value.is_finite() && value > 0.0, RATE);
        let factor = |key, value: f64| number(key, value, value > 0.0 && value <= 1.0, "a factor in (0, 1]");
        positive("optimizer.learning_rate", base)?;
        match &self {
            Self::Constant(_) => {}
            Self::Step(s) => {
                factor("schedule.factor", s.factor)?;
                if s.after.windows(2).any(|w| w[0] >= w[1]) {
                    let value = format!("{:?}", s.after);
                    return Err(TrainError::Setting {
                        key: "schedule.after",
                        value,
                        allowed: "rising epochs",
                    });
                }
            }
            Self::Exponential(s) => factor("schedule.factor", s.factor)?,
            Self::Halving(s) => number("schedule.epochs", f64::from(s.epochs), s.epochs > 0, "at least 1")?,
            Self::OneCycle(s) => {
                positive("schedule.low", s.low)?;
                number(
                    "schedule.high",
                    s.high,
                    s.high.is_finite() && s.high >= s.low,
                    "finite and at least schedule.low",
                )?;
                number(
                    "schedule.end",
                    s.end,
                    s.end > 0.0 && s.end <= s.low,
                    "above 0 and at most schedule.low",
                )?;
                positive("schedule.rise_epochs", s.rise_epochs)?;
                positive("schedule.fall_epochs", s.fall_epochs)?;
                positive("schedule.cool_epochs", s.cool_epochs)?;
            }
            Self::CosineRestarts(s) => {
                let warm = s.warm_up_epochs;
                number(
                    "schedule.warm_up_epochs",
                    warm,
                    warm.is_finite() && warm >= 0.0,
                    "finite and not below 0",
                )?;
                positive("schedule.first_epochs", s.first_epochs)?;
                number(
                    "schedule.growth",
                    s.growth,
                    s.growth.is_finite() && s.growth >= 1.0,
                    "finite and at least 1",
                )?;
                number(
                    "schedule.floor",
                    s.floor,
                    (0.0..=1.0).contains(&s.floor),
                    "a factor in [0, 1]",
                )?;
                factor("schedule.tail_factor", s.tail_factor)?;
            }
        }
        Ok(LearningRates::new(self, base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_with_the_key_and_the_value() {
        let message = |s: Schedule| s.check(1e-3).unwrap_err().to_string();
        assert_eq!(
            message(Schedule::Exponential(Exponential { factor: 1.5 })),
            "schedule.factor = 1.5; allowed: a factor in (0, 1]"
        );
        assert_eq!(
            message(Schedule::Halving(Halving { epochs: 0 })),
            "schedule.epochs = 0; allowed: at least 1"
        );
        assert!(
            message(Schedule::Step(StepDecay {
                after: vec![20, 10],
                factor: 0.1
            }))
            .contains("[20, 10]")
        );
        assert!(
            message(Schedule::OneCycle(OneCycle {
                rise_epochs: f64::NAN,
                ..OneCycle::default()
            }))
            .contains("NaN")
        );
        assert!(Schedule::default().check(0.0).is_err());
    }

    #[test]
    fn a_schedule_is_one_table_of_toml_with_defaults() {
        let parse = |text: &str| toml::from_str::<Schedule>(text);
        assert_eq!(
            parse("kind = 'one-cycle'").unwrap(),
            Schedule::OneCycle(OneCycle::default())
        );
        let step = StepDecay {
            after: vec![3],
            factor: 0.1,
        };
        assert_eq!(parse("kind = 'step'\nafter = [3]").unwrap(), Schedule::Step(step));
        assert!(
            parse("kind = 'step'\nafterr = [3]")
                .unwrap_err()
                .to_string()
                .contains("afterr")
        );
        assert!(
            parse("kind = 'constant'\nfactor = 3")
                .unwrap_err()
                .to_string()
                .contains("factor")
        );
        assert!(parse("kind = 'linear'").unwrap_err().to_string().contains("linear"));
        let all = [
            Schedule::default(),
            Schedule::Halving(Halving::default()),
            Schedule::CosineRestarts(CosineRestarts::default()),
        ];
        for schedule in all {
            assert_eq!(parse(&toml::to_string(&schedule).unwrap()).unwrap(), schedule);
        }
    }
}
