//! A finished surrogate: what turns conditions into scores, in two files.
//!
//! ```text
//! surrogate.json          names, transformation, standardization and domain, network, solver, checksum of the weights
//! weights.safetensors     one or several sets of weights: the point estimate, or draws of a posterior
//! ```
//!
//! Several sets of weights answer with the same noise (common random numbers): sample j of jet i differs between members by
//! their weights alone, so that the spread over members is the ignorance about the weights, not the luck of the draw.

mod answers;
mod files;

pub(crate) use files::{MANIFEST, WEIGHTS};

use crate::conditions::Conditions;
use crate::error::SurrogateError;
use crate::exact::{self, Interpolation};
use crate::ode::Solver;
use crate::transform::Transform;
use crate::velocity::{Conditioned, Folded, VelocityConfig, VelocityNet};
use rayon::prelude::*;
use tagwerk_data::random;

/// Jets whose conditions are kept at a time.
const JETS: usize = 4096;
/// Stream of the noise of samples.
const NOISE: &str = "surrogate sample";

/// A surrogate of one classifier, or of several that were trained together.
#[derive(Debug, Clone, PartialEq)]
pub struct Surrogate {
    name: String,
    scores: Vec<String>,
    transform: Transform,
    conditions: Conditions,
    net: VelocityNet,
    members: Vec<Vec<f32>>,
    solver: Solver,
    interpolation: Interpolation,
}

/// Samples of scores: `[members, jets, draws, D]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Sets of weights.
    pub members: usize,
    /// Jets.
    pub jets: usize,
    /// Draws of each jet.
    pub draws: usize,
    /// Scores, `D`.
    pub scores: usize,
    /// The samples.
    pub values: Vec<f64>,
}

impl Samples {
    /// The draws of one jet by one member, `[draws, D]`.
    ///
    /// # Panics
    /// If there is no such member or jet.
    pub fn of(&self, member: usize, jet: usize) -> &[f64] {
        assert!(member < self.members && jet < self.jets);
        let size = self.draws * self.scores;
        &self.values[(member * self.jets + jet) * size..][..size]
    }
}

impl Surrogate {
    /// A surrogate of sets of weights `members`, `[P]` each. Conditions and transformation are those of its training.
    ///
    /// # Errors
    /// No weights, or weights of another network.
    pub fn new(
        name: String,
        scores: Vec<String>,
        transform: Transform,
        conditions: Conditions,
        model: VelocityConfig,
        members: Vec<Vec<f32>>,
    ) -> Result<Self, SurrogateError> {
        transform.check()?;
        let net = VelocityNet::new(model, scores.len(), conditions.len())?;
        let surrogate = Self {
            name,
            scores,
            transform,
            conditions,
            net,
            members: Vec::new(),
            solver: Solver::default(),
            interpolation: Interpolation::default(),
        };
        surrogate.with_members(members)
    }

    /// The same with other sets of weights: draws of a posterior in the place of a point estimate.
    ///
    /// # Errors
    /// No weights, weights of another network, or weights that are no numbers.
    pub fn with_members(mut self, members: Vec<Vec<f32>>) -> Result<Self, SurrogateError> {
        if members.is_empty() {
            return Err(SurrogateError::Setting {
                setting: "number of sets of weights",
                value: "0".to_owned(),
                wanted: "at least 1",
            });
        }
        for member in &members {
            self.net.check_length("weights", member.len())?;
            if let Some(value) = member.iter().find(|w| !w.is_finite()) {
                return Err(SurrogateError::Setting {
                    setting: "a weight",
                    value: value.to_string(),
                    wanted: "a finite number",
                });
            }
        }
        self.members = members;
        Ok(self)
    }

    /// The same with another way to compute answers.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn answered_by(mut self, solver: Solver, interpolation: Interpolation) -> Result<Self, SurrogateError> {
        solver.check()?;
        (self.solver, self.interpolation) = (solver, interpolation);
        Ok(self)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names of the scores, `D`.
    pub fn scores(&self) -> &[String] {
        &self.scores
    }

    /// The conditions with standardization and domain.
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// The transformation of scores.
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// The shape of the network.
    pub fn net(&self) -> &VelocityNet {
        &self.net
    }

    /// The sets of weights, `[P]` each.
    pub fn members(&self) -> &[Vec<f32>] {
        &self.members
    }

    /// How many samples are made of few solves.
    pub fn interpolation(&self) -> Interpolation {
        self.interpolation
    }

    /// How answers are computed.
    pub fn solver(&self) -> &Solver {
        &self.solver
    }

    /// Whether each jet of `c` `[N, C]` has a condition outside the range of training, `[N]`.
    ///
    /// # Errors
    /// A number of values that is no multiple of C.
    pub fn out_of_domain(&self, c: &[f64]) -> Result<Vec<bool>, SurrogateError> {
        self.jets(c)?;
        Ok(self.conditions.outside(c))
    }

    /// Draws scores for jets of conditions `c` `[N, C]`, in physical units. Draw j of jet i uses the noise of (seed, i, j)
    /// in every member, and is the same number whatever other jets and however many draws are asked for: jet `i` is
    /// the jet's number here plus `first`.
    ///
    /// # Errors
    /// Conditions that are no numbers; a jet that the solver cannot bring to its end.
    pub fn sample(&self, c: &[f64], draws: usize, seed: u64, first: u64) -> Result<Samples, SurrogateError> {
        let jets = self.jets(c)?;
        let d = self.scores.len();
        let values = self.by_member(c, draws * d, |net, solver, range, of| {
            let noise = |jet: usize| {
                let mut rng = random::stream(seed, NOISE, first + jet as u64);
                (0..draws * d).map(|_| random::normal(&mut rng)).collect::<Vec<f64>>()
            };
            let z: Vec<f64> = range.into_par_iter().flat_map_iter(noise).collect();
            exact::sample(net, solver, &self.interpolation, of, &z)
        })?;
        Ok(Samples {
            members: self.members.len(),
            jets,
            draws,
            scores: d,
            values: values.into_iter().map(|x| self.transform.to_score(x)).collect(),
        })
    }

    /// Quantiles of the score at probabilities `p`: `[members, N, p.len()]`. Of one score.
    ///
    /// # Errors
    /// As [`sample`](Self::sample); a probability that is not between 0 and 1.
    pub fn quantiles(&self, c: &[f64], p: &[f64]) -> Result<Vec<f64>, SurrogateError> {
        let x = self.by_member(c, p.len(), |net, solver, _, of| exact::quantiles(net, solver, of, p))?;
        Ok(x.into_iter().map(|x| self.transform.to_score(x)).collect())
    }

    /// P(score > cut | c): `[members, N]`. Of one score.
    ///
    /// # Errors
    /// As [`sample`](Self::sample); a cut that is no score.
    pub fn efficiency(&self, c: &[f64], cut: f64) -> Result<Vec<f64>, SurrogateError> {
        let x = self.to_x(cut)?;
        self.by_member(c, 1, |net, solver, _, of| {
            exact::efficiency(net, solver, of, &vec![x; of.len()])
        })
    }

    /// P(score < s | c) of each jet at its own score `s` `[N]`, the probability integral transform: `[members, N]`. Of one
    /// score.
    ///
    /// # Errors
    /// As [`sample`](Self::sample); a value that is no score.
    pub fn cdf(&self, c: &[f64], s: &[f64]) -> Result<Vec<f64>, SurrogateError> {
        let x = self.all_to_x(c, s)?;
        self.by_member(c, 1, |net, solver, range, of| exact::cdf(net, solver, of, &x[range]))
    }

    /// ln p(s | c) of each jet at its own scores `s` `[N, D]`, a density in score space: `[members, N]`.
    ///
    /// # Errors
    /// As [`sample`](Self::sample); a value that is no score.
    pub fn log_prob(&self, c: &[f64], s: &[f64]) -> Result<Vec<f64>, SurrogateError> {
        let d = self.scores.len();
        let x = self.all_to_x(c, s)?;
        let mut log_prob = self.by_member(c, 1, |net, solver, range, of| {
            Ok(exact::encode(net, solver, of, &x[range.start * d..range.end * d])?.log_prob)
        })?;
        for member in log_prob.chunks_exact_mut((x.len() / d).max(1)) {
            for (l, x) in member.iter_mut().zip(x.chunks_exact(d)) {
                *l += x.iter().map(|&x| self.transform.log_jacobian(x)).sum::<f64>();
            }
        }
        Ok(log_prob)
    }

    /// Computes `size` numbers a jet for each member, some thousands of jets at a time.
    fn by_member(
        &self,
        c: &[f64],
        size: usize,
        ask: impl Fn(&Conditioned<f32>, &Solver, std::ops::Range<usize>, &[u32]) -> Result<Vec<f64>, SurrogateError>,
    ) -> Result<Vec<f64>, SurrogateError> {
        let jets = self.jets(c)?;
        let inputs: Vec<f32> = self.conditions.standardize(c);
        let width = self.conditions.len();
        let mut values = Vec::with_capacity(self.members.len() * jets * size);
        for member in &self.members {
            let folded: Folded<f32> = self.net.fold(member)?;
            for start in (0..jets).step_by(JETS) {
                let range = start..(start + JETS).min(jets);
                let conditioned = folded.condition(&inputs[start * width..range.end * width])?;
                let of: Vec<u32> = (0..range.len() as u32).collect();
                values.extend(ask(&conditioned, &self.solver, range, &of)?);
            }
        }
        Ok(values)
    }

    /// Number of jets of `c`, all finite.
    fn jets(&self, c: &[f64]) -> Result<usize, SurrogateError> {
        let width = self.conditions.len();
        let jets = c.len() / width;
        if c.len() != jets * width {
            return Err(SurrogateError::Length {
                what: "conditions",
                found: c.len(),
                expected: (jets + 1) * width,
            });
        }
        if let Some(at) = c.iter().position(|v| !v.is_finite()) {
            return Err(SurrogateError::Value {
                file: "jets".to_owned(),
                row: (at / width) as u64,
                column: self.conditions.columns()[at % width].name.clone(),
                value: c[at].to_string(),
                allowed: "a finite number",
            });
        }
        Ok(jets)
    }

    fn to_x(&self, score: f64) -> Result<f64, SurrogateError> {
        self.transform.to_x(score).ok_or_else(|| SurrogateError::Setting {
            setting: "score",
            value: score.to_string(),
            wanted: self.transform.allowed(),
        })
    }

    fn all_to_x(&self, c: &[f64], s: &[f64]) -> Result<Vec<f64>, SurrogateError> {
        let expected = self.jets(c)? * self.scores.len();
        if s.len() != expected {
            return Err(SurrogateError::Length {
                what: "scores",
                found: s.len(),
                expected,
            });
        }
        s.iter().map(|&s| self.to_x(s)).collect()
    }
}

#[cfg(test)]
mod tests;
