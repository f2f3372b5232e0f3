//! The points of parameter space that the signal was made at.

use crate::error::ParametricError;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use tagwerk_data::random;

/// Which points a background event may be given, having none of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// The signal's points, each as likely as the others. The parameter says nothing about the class if the signal is
    /// flat over its points, and something if it is not.
    #[default]
    Identical,
    /// The signal's points, each as often as the signal has it: the parameter alone says nothing, unless batches are
    /// made flat in the signal's points (balance `signal` or `full`).
    Signal,
    /// Anywhere between the lowest and the highest value of each parameter. The signal sits on its points and the
    /// background nowhere near: a network that is not held back reads the class off the parameter.
    Uniform,
}

/// When a background event is given its point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Once, before the training.
    Fixed,
    /// Anew in each batch.
    #[default]
    Sampled,
}

/// How background events come by a hypothesis (arXiv:2202.00424, section 3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assignment {
    /// Which points. Default: identical.
    pub distribution: Distribution,
    /// When. Default: sampled.
    pub when: When,
}

/// The distinct points of the signal, ascending, with their number of events.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypotheses {
    /// Parameters a point, `P`.
    width: usize,
    /// `[M, P]`.
    points: Vec<f32>,
    /// Signal events of each point, `[M]`.
    counts: Vec<u64>,
    /// Sums of `counts` before each point, and the total at the end, `[M + 1]`.
    before: Vec<u64>,
    /// Lowest and highest value of each parameter, `[P]`.
    range: Vec<[f32; 2]>,
}

impl Hypotheses {
    /// The points of the signal among events of `width` parameters each, `parameters: [B, P]`, labels 1 or 0 `[B]`.
    ///
    /// # Errors
    /// No signal, no parameter, lengths that do not fit, a parameter of a signal event that is not finite.
    pub fn of_signal(parameters: &[f32], width: usize, labels: &[f32]) -> Result<Self, ParametricError> {
        if width == 0 || parameters.len() != labels.len() * width {
            return Err(ParametricError::Length {
                what: "parameters",
                expected: labels.len() * width.max(1),
                found: parameters.len(),
            });
        }
        let mut signal: Vec<&[f32]> = Vec::new();
        for (row, (point, &label)) in parameters.chunks_exact(width).zip(labels).enumerate() {
            if label > 0.5 {
                if let Some(&value) = point.iter().find(|value| !value.is_finite()) {
                    return Err(ParametricError::Parameter { row, value });
                }
                signal.push(point);
            }
        }
        if signal.is_empty() {
            return Err(ParametricError::NoSignal { rows: labels.len() });
        }
        signal.sort_unstable_by(|a, b| compare(a, b));
        let mut points = Vec::new();
        let mut counts: Vec<u64> = Vec::new();
        for (i, point) in signal.iter().enumerate() {
            if i > 0 && signal[i - 1] == *point {
                if let Some(last) = counts.last_mut() {
                    *last += 1;
                }
            } else {
                points.extend_from_slice(point);
                counts.push(1);
            }
        }
        let mut before = vec![0];
        for count in &counts {
            before.push(before[before.len() - 1] + count);
        }
        let range = (0..width)
            .map(|p| {
                let values = points.iter().skip(p).step_by(width);
                values.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &v| {
                    [low.min(v), high.max(v)]
                })
            })
            .collect();
        Ok(Self {
            width,
            points,
            counts,
            before,
            range,
        })
    }

    /// The same points with other numbers of events, `counts: [M]`.
    ///
    /// # Errors
    /// Counts of another number of points, or none above 0.
    pub(crate) fn with_counts(mut self, counts: &[u64]) -> Result<Self, ParametricError> {
        if counts.len() != self.len() {
            return Err(ParametricError::Length {
                what: "counts of the points",
                expected: self.len(),
                found: counts.len(),
            });
        }
        self.counts = counts.to_vec();
        self.before = vec![0];
        for count in counts {
            self.before
                .push(self.before[self.before.len() - 1].saturating_add(*count));
        }
        if self.before[self.len()] == 0 {
            return Err(ParametricError::NoSignal { rows: 0 });
        }
        Ok(self)
    }

    /// Number of distinct points, `M`.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Never: there is a point.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Parameters a point, `P`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Point `i`, `[P]`.
    ///
    /// # Panics
    /// If there is no point `i`, like an index into a slice.
    pub fn point(&self, i: usize) -> &[f32] {
        &self.points[i * self.width..(i + 1) * self.width]
    }

    /// Signal events of each point, `[M]`.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Lowest and highest value of each parameter, `[P]`.
    pub fn range(&self) -> &[[f32; 2]] {
        &self.range
    }

    /// The number of a point, if it is one of these to the last bit.
    pub fn find(&self, point: &[f32]) -> Option<usize> {
        if point.len() != self.width {
            return None;
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            match compare(self.point(middle), point) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    /// Whether a point lies outside the range of any parameter: no training event was there, whatever a score says.
    pub fn outside(&self, point: &[f32]) -> bool {
        let inside = |(&v, &[low, high]): (&f32, &[f32; 2])| (low..=high).contains(&v);
        point.len() != self.width || !point.iter().zip(&self.range).all(inside)
    }

    /// Draws a point for one background event into `out`, `[P]`.
    pub fn draw(&self, distribution: Distribution, rng: &mut impl Rng, out: &mut [f32]) {
        match distribution {
            Distribution::Identical => {
                let i = random::below(rng, self.len() as u64) as usize;
                out.copy_from_slice(self.point(i));
            }
            Distribution::Signal => {
                let event = random::below(rng, self.before[self.len()]);
                let i = self.before.partition_point(|&first| first <= event) - 1;
                out.copy_from_slice(self.point(i));
            }
            Distribution::Uniform => {
                for (value, &[low, high]) in out.iter_mut().zip(&self.range) {
                    *value = (f64::from(low) + (f64::from(high) - f64::from(low)) * random::uniform(rng)) as f32;
                }
            }
        }
    }
}

/// Point by point, parameter by parameter; only finite values are compared, and 0 equals -0.
fn compare(a: &[f32], b: &[f32]) -> std::cmp::Ordering {
    let mut pairs = a.iter().zip(b);
    pairs
        .find_map(|(x, y)| x.partial_cmp(y).filter(|o| o.is_ne()))
        .unwrap_or(std::cmp::Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masses() -> Hypotheses {
        let parameters = [500.0, 1500.0, 500.0, 750.0, 500.0, 3000.0];
        Hypotheses::of_signal(&parameters, 1, &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]).unwrap()
    }

    #[test]
    fn points_are_those_of_the_signal_alone_with_their_counts() {
        let masses = masses();
        assert_eq!(masses.points, [500.0, 750.0, 1500.0]);
        assert_eq!(masses.counts(), [3, 1, 1]);
        assert_eq!(masses.range(), [[500.0, 1500.0]]);
        assert_eq!((masses.find(&[750.0]), masses.find(&[751.0])), (Some(1), None));
        assert!(masses.outside(&[499.0]) && masses.outside(&[f32::NAN]) && !masses.outside(&[600.0]));
    }

    #[test]
    fn several_parameters_are_points_of_a_grid_that_need_not_be_regular() {
        let parameters = [1.0, 10.0, 1.0, 20.0, 2.0, 10.0, 1.0, 10.0];
        let found = Hypotheses::of_signal(&parameters, 2, &[1.0; 4]).unwrap();
        assert_eq!(found.points, [1.0, 10.0, 1.0, 20.0, 2.0, 10.0]);
        assert_eq!(found.counts(), [2, 1, 1]);
        assert_eq!(found.find(&[2.0, 20.0]), None, "a point that no signal was made at");
    }

    #[test]
    fn draws_follow_their_distribution() {
        let masses = masses();
        let mut rng = random::stream(3, "test", 0);
        let draws = 30_000;
        let mut draw = |distribution| -> Vec<f32> {
            (0..draws)
                .map(|_| {
                    let mut out = [0.0];
                    masses.draw(distribution, &mut rng, &mut out);
                    out[0]
                })
                .collect()
        };
        let share = |found: &[f32], mass: f32| found.iter().filter(|&&m| m == mass).count() as f64 / f64::from(draws);
        let identical = draw(Distribution::Identical);
        let signal = draw(Distribution::Signal);
        let uniform = draw(Distribution::Uniform);
        // Six standard deviations of a share of a third in 30,000: 0.016.
        for mass in [500.0, 750.0, 1500.0] {
            assert!((share(&identical, mass) - 1.0 / 3.0).abs() < 0.017);
        }
        assert!((share(&signal, 500.0) - 0.6).abs() < 0.017 && (share(&signal, 1500.0) - 0.2).abs() < 0.017);
        assert!(uniform.iter().all(|m| (500.0..=1500.0).contains(m)));
        let mean = uniform.iter().map(|&m| f64::from(m)).sum::<f64>() / f64::from(draws);
        // Six standard deviations: 6 * 1000 / sqrt(12 * 30,000) = 10.
        assert!((mean - 1000.0).abs() < 10.0, "{mean}");
    }

    #[test]
    fn counts_can_be_those_of_another_sample() {
        let other = masses().with_counts(&[0, 9, 1]).unwrap();
        assert_eq!((other.len(), other.counts()), (3, &[0u64, 9, 1][..]));
        let mut rng = random::stream(3, "test", 0);
        let mut found = [0; 3];
        for _ in 0..10_000 {
            let mut out = [0.0];
            other.draw(Distribution::Signal, &mut rng, &mut out);
            found[other.find(&out).unwrap()] += 1;
        }
        // Six standard deviations of a share of a tenth in 10,000: 180.
        assert!(found[0] == 0 && (found[2] - 1000i32).abs() < 180, "{found:?}");
        assert!(masses().with_counts(&[1, 2]).is_err() && masses().with_counts(&[0; 3]).is_err());
    }

    #[test]
    fn a_table_without_signal_or_with_bad_parameters_is_refused() {
        assert!(Hypotheses::of_signal(&[1.0], 1, &[0.0]).is_err());
        assert!(Hypotheses::of_signal(&[1.0, f32::NAN], 1, &[0.0, 1.0]).is_err());
        assert!(
            Hypotheses::of_signal(&[1.0, f32::NAN], 1, &[1.0, 0.0]).is_ok(),
            "background has none"
        );
        assert!(Hypotheses::of_signal(&[1.0], 2, &[1.0]).is_err() && Hypotheses::of_signal(&[], 0, &[]).is_err());
    }
}
