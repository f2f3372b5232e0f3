//! From the scores of a study to words.

use super::Kind;
use crate::error::ParametricError;
use crate::evaluation::{Compared, PointScores};
use serde::{Deserialize, Serialize};
use tagwerk_stats::{delong, delong_pair};

/// A loss of AUC below which a network counts as good as another: what three seeds differ by on samples of this kind.
const NEGLIGIBLE: f64 = 0.002;

/// A loss up to which a network is said to interpolate with a loss.
const SMALL: f64 = 0.02;

/// What is found of a mass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As good as the network that saw the mass: the loss is below two errors or below 0.002, and 0.02 is more than two
    /// errors above it.
    Interpolates,
    /// A loss that is there, and surely at most 0.02.
    SmallLoss,
    /// A loss above 0.02, and above two errors.
    Fails,
    /// The error does not tell a loss of more than 0.02 from none, or there is no error.
    Undecided,
}

/// AUCs at one mass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MassStudy {
    /// The mass.
    pub mass: f64,
    /// Whether it is the lowest or the highest: without it the network extrapolates.
    pub end: bool,
    /// The network of all masses.
    pub all: Compared,
    /// The network of the two masses at the ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Compared>,
    /// The network of all other masses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Compared>,
    /// The network of this mass alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub individual: Option<Compared>,
    /// The network of the nearest other mass alone: what a set of networks has where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_individual: Option<Compared>,
    /// Which mass that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest_mass: Option<f64>,
    /// AUC lost by the network that did not see the mass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_left_out: Option<Compared>,
    /// AUC lost by the network of the ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_ends: Option<Compared>,
    /// What follows for the network that did not see the mass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The same for the network of the ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict_ends: Option<Verdict>,
}

/// Scores of all trainings: kind, seed, points.
pub(super) type Tables = [(Kind, u64, Vec<PointScores>)];

/// Everything about one mass.
pub(super) fn assess(mass: f32, masses: &[f32], seeds: usize, tables: &Tables) -> Result<MassStudy, ParametricError> {
    let of = |kind: Kind| -> Vec<&PointScores> {
        let trainings = tables.iter().filter(|(other, ..)| *other == kind);
        trainings
            .filter_map(|(.., points)| points.iter().find(|p| p.name == mass))
            .collect()
    };
    let all = of(Kind::All);
    if all.len() != seeds {
        return Err(ParametricError::Events {
            what: format!("mass {mass}"),
            reason: "the test events have no signal of it".to_owned(),
        });
    }
    let ends = of(Kind::Ends);
    let left_out = of(Kind::Without(mass));
    let nearest = masses
        .iter()
        .copied()
        .filter(|&other| other != mass)
        .min_by(|a, b| (a - mass).abs().total_cmp(&(b - mass).abs()));
    let nearest_scores = nearest.map_or_else(Vec::new, |other| of(Kind::Alone(other)));
    let loss_left_out = loss(&all, &left_out)?;
    let end = Some(&mass) == masses.first() || Some(&mass) == masses.last();
    // The network of the ends saw the ends.
    let loss_ends = if end { None } else { loss(&all, &ends)? };
    Ok(MassStudy {
        mass: f64::from(mass),
        end,
        all: auc(&all)?.ok_or_else(|| ParametricError::NoSignal { rows: 0 })?,
        ends: auc(&ends)?,
        left_out: auc(&left_out)?,
        individual: auc(&of(Kind::Alone(mass)))?,
        nearest_mass: (!nearest_scores.is_empty()).then_some(nearest.map(f64::from)).flatten(),
        nearest_individual: auc(&nearest_scores)?,
        verdict: loss_left_out.map(judged),
        verdict_ends: loss_ends.map(judged),
        loss_left_out,
        loss_ends,
    })
}

/// The mean AUC of trainings on the same test events.
fn auc(trainings: &[&PointScores]) -> Result<Option<Compared>, ParametricError> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for scores in trainings {
        let estimate = delong(&scores.log_odds, &scores.truth()?)?;
        values.push(estimate.auc);
        errors.extend(estimate.error);
    }
    Ok(Compared::over(&values, &errors))
}

/// How much lower the second trainings are, seed by seed.
fn loss(seen: &[&PointScores], unseen: &[&PointScores]) -> Result<Option<Compared>, ParametricError> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for (a, b) in seen.iter().zip(unseen) {
        if a.labels != b.labels {
            return Err(ParametricError::Length {
                what: "scores of two trainings on the same test events",
                expected: a.labels.len(),
                found: b.labels.len(),
            });
        }
        let pair = delong_pair(&a.log_odds, &b.log_odds, &a.truth()?)?;
        values.push(pair.difference);
        errors.extend(pair.error);
    }
    Ok(Compared::over(&values, &errors))
}

fn judged(loss: Compared) -> Verdict {
    let two_errors = loss.error.map_or(f64::INFINITY, |error| 2.0 * error);
    if loss.value > SMALL && loss.value > two_errors {
        Verdict::Fails
    } else if loss.value + two_errors > SMALL {
        Verdict::Undecided
    } else if loss.value <= two_errors.max(NEGLIGIBLE) {
        Verdict::Interpolates
    } else {
        Verdict::SmallLoss
    }
}

/// The verdict of a study of so many `seeds` in a few sentences.
pub(super) fn in_words(studies: &[MassStudy], seeds: usize) -> String {
    let list = |verdict: Verdict, of: &dyn Fn(&MassStudy) -> Option<(Verdict, Compared)>| {
        let found = studies
            .iter()
            .filter_map(|s| Some((s.mass, of(s)?)))
            .filter(|(_, (v, _))| *v == verdict);
        let texts = found.map(|(mass, (_, loss))| {
            let error = loss.error.map_or_else(String::new, |e| format!(" ± {e:.4}"));
            format!("{mass} (loses {:.4}{error})", loss.value)
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    let mut sentences = Vec::new();
    let mut tell = |who: &str, doing: &str, of: &dyn Fn(&MassStudy) -> Option<(Verdict, Compared)>| {
        for (verdict, words) in [
            (Verdict::Interpolates, "as good as the network that saw the mass at"),
            (Verdict::SmallLoss, "with a small loss at"),
            (Verdict::Fails, "not at"),
        ] {
            let masses = list(verdict, of);
            if !masses.is_empty() {
                sentences.push(format!("{who} {doing} {words} {masses}."));
            }
        }
        let masses = list(Verdict::Undecided, of);
        if !masses.is_empty() {
            sentences.push(format!(
                "{who}: whether it {doing} cannot be told at {masses}; more test events or seeds are needed."
            ));
        }
    };
    let left = |end: bool| move |s: &MassStudy| s.verdict.zip(s.loss_left_out).filter(|_| s.end == end);
    tell("A network of all other masses", "interpolates", &left(false));
    tell("A network of all other masses", "extrapolates", &left(true));
    tell("A network of the two ends", "interpolates", &|s: &MassStudy| {
        s.verdict_ends.zip(s.loss_ends)
    });
    if seeds == 1 {
        sentences.push("One seed: what another would give is in none of the errors.".to_owned());
    }
    sentences.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: f64, error: f64) -> Compared {
        Compared {
            value,
            error: Some(error),
            spread: None,
        }
    }

    #[test]
    fn a_loss_within_its_error_or_below_the_negligible_is_none() {
        assert_eq!(judged(of(0.005, 0.004)), Verdict::Interpolates);
        assert_eq!(judged(of(0.0015, 0.0001)), Verdict::Interpolates);
        assert_eq!(judged(of(-0.1, 0.01)), Verdict::Interpolates);
        assert_eq!(judged(of(0.012, 0.002)), Verdict::SmallLoss);
        assert_eq!(judged(of(0.2, 0.01)), Verdict::Fails);
    }

    #[test]
    fn ignorance_is_no_success() {
        assert_eq!(judged(of(0.2, 0.3)), Verdict::Undecided);
        assert_eq!(judged(of(0.0, 0.011)), Verdict::Undecided);
        assert_eq!(judged(of(0.015, 0.004)), Verdict::Undecided, "0.023 is not excluded");
        assert_eq!(judged(of(0.03, 0.02)), Verdict::Undecided);
        let none = Compared {
            error: None,
            ..of(0.0, 0.0)
        };
        assert_eq!(judged(none), Verdict::Undecided, "without an error nothing is known");
    }

    #[test]
    fn words_name_masses_losses_and_extrapolation() {
        let study = |mass, end, loss: Compared| MassStudy {
            mass,
            end,
            all: of(0.9, 0.01),
            ends: None,
            left_out: Some(of(0.9 - loss.value, 0.01)),
            individual: None,
            nearest_individual: None,
            nearest_mass: None,
            loss_left_out: Some(loss),
            loss_ends: None,
            verdict: Some(judged(loss)),
            verdict_ends: None,
        };
        let studies = [
            study(500.0, true, of(0.3, 0.01)),
            study(750.0, false, of(0.0001, 0.001)),
            study(1000.0, false, of(0.01, 0.1)),
        ];
        let words = in_words(&studies, 1);
        assert!(
            words.contains("whether it interpolates cannot be told at 1000 (loses 0.0100 ± 0.1000); more test events")
        );
        assert!(words.contains("One seed") && !in_words(&studies, 2).contains("One seed"));
        assert!(
            words.contains("interpolates as good as the network that saw the mass at 750 (loses 0.0001 ± 0.0010).")
        );
        assert!(
            words.contains("extrapolates not at 500 (loses 0.3000 ± 0.0100)."),
            "{words}"
        );
    }
}
