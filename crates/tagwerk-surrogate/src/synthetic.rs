//! The built-in demonstration: a classifier whose distribution of scores is known, so that coverage, errors and
//! out-of-domain behavior of any surrogate can be checked exactly.
//!
//! Jets have the conditions of the main study (label, pT, eta, phi, E, number of particles) with a mass that makes
//! E >= pT cosh eta. The logit given the conditions is a mixture of two normal distributions: the class's own peak,
//! whose width grows with the number of particles and whose place moves with pT, and a tail of jets that look like the
//! other class, the more the more particles a background jet has. Distribution function, density, quantiles and draws
//! are exact. Nothing here is a model of a detector.

mod sharing;
mod stand_in;

pub use sharing::declaration;
pub use stand_in::{COLUMNS, write_stand_in};

use crate::error::SurrogateError;
use crate::score_model::ScoreModel;
use crate::score_table::ScoreTable;
use std::f64::consts::TAU;
use tagwerk_data::random::{normal, stream, uniform};
use tagwerk_stats::normal_cdf;

/// Names of the conditions, in order; units GeV and radians.
pub const CONDITIONS: [&str; 6] = [
    "label_top",
    "jet_pt",
    "jet_eta",
    "jet_phi",
    "jet_energy",
    "jet_nparticles",
];

/// The classifier. Its seed makes its jets; its distribution of scores has no parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SyntheticClassifier {
    /// Seed of the jets drawn by [`SyntheticClassifier::table`].
    pub seed: u64,
}

/// A normal mixture of two.
#[derive(Debug, Clone, Copy)]
struct Mixture {
    /// (share, mean, width) of the peak and of the tail.
    parts: [(f64, f64, f64); 2],
}

impl Mixture {
    /// The truth at one jet's conditions.
    fn of(conditions: &[f64]) -> Self {
        let (label, pt, n) = (conditions[0], conditions[1], conditions[5]);
        let signal = label > 0.5;
        let particles = (n / 40.0).clamp(0.1, 4.0);
        let boost = (pt - 600.0) / 200.0;
        let tail = if signal { 0.04 } else { 0.01 + 0.05 * (particles / 4.0) };
        let (place, width) = if signal {
            (5.0 + 0.5 * boost, 1.0 + 0.6 * particles)
        } else {
            (-6.0 + 1.2 * particles + 0.3 * boost, 0.7 + 0.9 * particles)
        };
        let (other, wide) = if signal {
            (-1.5, 2.0)
        } else {
            (2.0, 1.5 + 0.5 * particles)
        };
        Self {
            parts: [(1.0 - tail, place, width), (tail, other, wide)],
        }
    }

    /// Moved by `shift`, widths multiplied by `width`.
    fn distorted(mut self, shift: f64, width: f64) -> Self {
        for part in &mut self.parts {
            part.1 += shift;
            part.2 *= width;
        }
        self
    }

    fn cdf(&self, x: f64) -> f64 {
        self.parts.iter().map(|(w, m, s)| w * normal_cdf((x - m) / s)).sum()
    }

    /// Probability above x, with its digits where it is small.
    fn tail(&self, x: f64) -> f64 {
        self.parts.iter().map(|(w, m, s)| w * normal_cdf((m - x) / s)).sum()
    }

    fn density(&self, x: f64) -> f64 {
        let part = |(w, m, s): &(f64, f64, f64)| w * (-0.5 * ((x - m) / s).powi(2)).exp() / (s * TAU.sqrt());
        self.parts.iter().map(part).sum()
    }

    /// Log of the density, by the larger part, so that it is finite far out.
    fn log_density(&self, x: f64) -> f64 {
        let logs = self
            .parts
            .map(|(w, m, s)| w.ln() - 0.5 * ((x - m) / s).powi(2) - (s * TAU.sqrt()).ln());
        let top = logs[0].max(logs[1]);
        top + ((logs[0] - top).exp() + (logs[1] - top).exp()).ln()
    }

    /// The logit of normal noise z: where the distribution function is Phi(z). Newton's method inside a bracket.
    fn quantile(&self, z: f64) -> f64 {
        // z is clamped where its tail probability leaves double precision's range.
        let z = z.clamp(-37.0, 37.0);
        let ends = self.parts.map(|(_, m, s)| m + s * z);
        // Between the parts' own quantiles lies the mixture's.
        let (mut low, mut high) = (ends[0].min(ends[1]) - 1e-9, ends[0].max(ends[1]) + 1e-9);
        let (lower, p) = (z < 0.0, normal_cdf(-z.abs()));
        let excess = |x: f64| if lower { self.cdf(x) - p } else { p - self.tail(x) };
        let mut x = if z.abs() < 2.0 { ends[0] } else { (low + high) / 2.0 };
        for _ in 0..200 {
            let f = excess(x);
            if f == 0.0 || high - low < 1e-13 * (1.0 + x.abs()) {
                break;
            }
            if f > 0.0 {
                high = x
            } else {
                low = x
            }
            let newton = x - f / self.density(x);
            let next = if newton > low && newton < high {
                newton
            } else {
                (low + high) / 2.0
            };
            if (next - x).abs() < 1e-14 * (1.0 + x.abs()) {
                return next;
            }
            x = next;
        }
        x
    }
}

impl SyntheticClassifier {
    /// The surrogate that is right: one member, no distortion.
    pub fn exact(&self) -> SyntheticSurrogate {
        SyntheticSurrogate::new(self.clone(), Vec::new())
    }

    /// Jets of both classes in turn, with scores; `index` names the table (training, test, ...).
    ///
    /// # Errors
    /// None for any number of jets; the type is that of every table.
    pub fn table(&self, rows: usize, index: u64) -> Result<ScoreTable, SurrogateError> {
        let (mut conditions, mut labels, mut logits) = (Vec::with_capacity(6 * rows), vec![], vec![]);
        let mut rng = stream(self.seed, "synthetic jets", index);
        for row in 0..rows {
            let label = (row % 2) as u8;
            // pT falls steeply between 500 and 1000 GeV.
            let pt = 500.0 - 150.0 * (1.0 - uniform(&mut rng) * (1.0 - (-500.0_f64 / 150.0).exp())).ln();
            let eta = loop {
                let eta = 0.9 * normal(&mut rng);
                if eta.abs() < 2.0 {
                    break eta;
                }
            };
            let phi = std::f64::consts::PI * (1.0 - 2.0 * uniform(&mut rng));
            let mass = if label == 1 {
                173.0 + 12.0 * normal(&mut rng)
            } else {
                20.0 + 80.0 * uniform(&mut rng)
            };
            let energy = (pt * eta.cosh()).hypot(mass);
            let n = (if label == 1 { 50.0 } else { 36.0 } + 12.0 * normal(&mut rng))
                .round()
                .clamp(5.0, 110.0);
            let jet = [f64::from(label), pt, eta, phi, energy, n];
            logits.push(Mixture::of(&jet).quantile(normal(&mut rng)));
            conditions.extend(jet);
            labels.push(label);
        }
        ScoreTable::new(CONDITIONS.map(str::to_owned).to_vec(), conditions, labels, logits)
    }
}

/// How a member differs from the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distortion {
    /// Added to the logit.
    pub shift: f64,
    /// Factor of all widths.
    pub width: f64,
    /// Added to the logit once for each unit outside the domain: 100 GeV above 1000 GeV in pT, 20 above 100 particles.
    pub outside: f64,
}

impl Default for Distortion {
    fn default() -> Self {
        Self {
            shift: 0.0,
            width: 1.0,
            outside: 0.0,
        }
    }
}

/// A surrogate of the synthetic classifier that is wrong in a known way, each member in its own.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticSurrogate {
    truth: SyntheticClassifier,
    members: Vec<Distortion>,
}

impl SyntheticSurrogate {
    /// One member a distortion; without any, the truth itself.
    pub fn new(truth: SyntheticClassifier, mut members: Vec<Distortion>) -> Self {
        if members.is_empty() {
            members.push(Distortion::default());
        }
        Self { truth, members }
    }

    /// A posterior that is nearly right and honest: `members` members around the truth, which part outside the domain.
    pub fn posterior(truth: SyntheticClassifier, members: usize, seed: u64) -> Self {
        let mut rng = stream(seed, "synthetic posterior", 0);
        let member = |_| Distortion {
            shift: 0.05 * normal(&mut rng),
            width: 1.0 + 0.02 * normal(&mut rng),
            outside: 1.5 * normal(&mut rng),
        };
        Self::new(truth, (0..members).map(member).collect())
    }

    /// The distortions, one a member.
    pub fn distortions(&self) -> &[Distortion] {
        &self.members
    }

    fn mixture(&self, member: usize, conditions: &[f64]) -> Mixture {
        let d = self.members[member];
        let (pt, n) = (conditions[1], conditions[5]);
        let outside = ((pt - 1000.0) / 100.0).max(0.0) + ((n - 100.0) / 20.0).max(0.0);
        Mixture::of(conditions).distorted(d.shift + d.outside * outside, d.width)
    }
}

impl ScoreModel for SyntheticSurrogate {
    fn members(&self) -> usize {
        self.members.len()
    }

    fn columns(&self) -> usize {
        CONDITIONS.len()
    }

    fn cdf(&self, member: usize, conditions: &[f64], logits: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        for (i, row) in conditions.chunks_exact(CONDITIONS.len()).enumerate() {
            out[i] = self.mixture(member, row).cdf(logits[i]);
        }
        Ok(())
    }

    fn log_density(
        &self,
        member: usize,
        conditions: &[f64],
        logits: &[f64],
        out: &mut [f64],
    ) -> Result<(), SurrogateError> {
        for (i, row) in conditions.chunks_exact(CONDITIONS.len()).enumerate() {
            out[i] = self.mixture(member, row).log_density(logits[i]);
        }
        Ok(())
    }

    fn sample(&self, member: usize, conditions: &[f64], noise: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
        let each = noise.len() * CONDITIONS.len() / conditions.len().max(1);
        for (i, row) in conditions.chunks_exact(CONDITIONS.len()).enumerate() {
            let mixture = self.mixture(member, row);
            for j in i * each..(i + 1) * each {
                out[j] = mixture.quantile(noise[j]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recalibrated::mixture_pit;
    use proptest::prelude::*;
    use tagwerk_stats::pit_histogram;

    #[test]
    fn jets_are_possible_jets_and_scores_tell_the_classes_apart() {
        let table = SyntheticClassifier::default().table(4000, 0).unwrap();
        for row in 0..table.rows() {
            let [_, pt, eta, phi, energy, n] = *table.row(row) else {
                panic!()
            };
            assert!((500.0..=1000.0).contains(&pt) && eta.abs() < 2.0 && phi.abs() <= std::f64::consts::PI);
            assert!(energy >= pt * eta.cosh() && n >= 5.0 && n.fract() == 0.0);
        }
        let truth = tagwerk_stats::Truth::new(table.labels()).unwrap();
        let auc = tagwerk_stats::Roc::new(table.logits(), &truth).unwrap().auc();
        assert!((0.95..0.999).contains(&auc), "{auc}");
        assert_ne!(table, SyntheticClassifier::default().table(4000, 1).unwrap());
        assert_ne!(table, SyntheticClassifier { seed: 1 }.table(4000, 0).unwrap());
    }

    #[test]
    fn its_own_scores_are_uniform_in_its_distribution() {
        let classifier = SyntheticClassifier { seed: 4 };
        let table = classifier.table(20_000, 0).unwrap();
        let pit = pit_histogram(&mixture_pit(&classifier.exact(), &table).unwrap(), 20).unwrap();
        assert!(
            pit.ks < 0.0137 && pit.ks_p_value > 1e-3 && pit.chi2_p_value > 1e-3,
            "{pit:?}"
        );
    }

    proptest! {
        #[test]
        fn quantile_density_and_distribution_are_one_function(
            z in -8.0..8.0_f64, label in 0..2_u8, pt in 400.0..2000.0_f64, n in 1.0..300.0_f64,
        ) {
            let jet = [f64::from(label), pt, 0.3, 0.0, 2.0 * pt, n];
            let mixture = Mixture::of(&jet);
            let x = mixture.quantile(z);
            let have = if z < 0.0 { mixture.cdf(x) } else { mixture.tail(x) };
            let want = normal_cdf(-z.abs());
            prop_assert!((have / want - 1.0).abs() < 1e-6, "{} {}", have, want);
            let slope = (mixture.cdf(x + 1e-5) - mixture.cdf(x - 1e-5)) / 2e-5;
            prop_assert!((slope - mixture.density(x)).abs() < 1e-6);
            prop_assert!((mixture.log_density(x) - mixture.density(x).ln()).abs() < 1e-9);
        }
    }
}
