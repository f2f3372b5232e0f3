//! A diffusion model of the score, the alternative to the flow that the original authors tried first.
//!
//! Ho, Jain, Abbeel, arXiv:2006.11239, with the network of the released code of arXiv:2402.15558 (of its history; not in the
//! paper's results). Noise is added in `T` steps, x_t = sqrt(abar_t) x + sqrt(1 - abar_t) e, and a network learns e from
//! (x_t, t / T, c). Samples walk back step by step with noise of width sqrt(beta_t):
//!
//! ```text
//! h0 = block(x)          block = [Linear, BatchNorm, GELU] twice
//! h1 = block([embed_1(c), embed_1(t), h0])    embed = Linear, GELU, Linear
//! h2 = block([embed_2(c), embed_2(t), h1])
//! e  = Linear(GELU(Linear([x, block(h2)])))
//! ```
//!
//! Width 256 gives 1,066,497 parameters with sixteen conditions. A sample costs `T` = 400 evaluations of it, and it
//! has no density: the flow is what surrogates are made of. It is here to be compared with.

mod layers;

use crate::error::SurrogateError;
use crate::flow::Examples;
use crate::velocity::Entry;
use layers::{Normalized, Statistics, dense, dense_backward, gelu, normalize};
use serde::{Deserialize, Serialize};
use tagwerk_data::random;

/// What makes a diffusion model. The defaults are the released ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DdpmConfig {
    /// Units of every layer. Default: 256.
    pub width: usize,
    /// Steps from data to noise, `T`. Default: 400.
    pub steps: usize,
    /// Variance that the first step adds. Default: 1e-4.
    pub first_beta: f64,
    /// Variance that the last step adds; between them it grows linearly. Default: 0.02.
    pub last_beta: f64,
}

impl Default for DdpmConfig {
    fn default() -> Self {
        Self {
            width: 256,
            steps: 400,
            first_beta: 1e-4,
            last_beta: 0.02,
        }
    }
}

/// Weights and the running statistics of the normalizations.
#[derive(Debug, Clone, PartialEq)]
pub struct DdpmWeights {
    /// Weights, `[P]`.
    pub theta: Vec<f32>,
    /// Means and variances of each normalization.
    pub running: Vec<f32>,
}

/// A batch of noisy scores.
#[derive(Debug, Clone, PartialEq)]
pub struct NoisyBatch {
    /// x_t, `[N]`.
    pub x: Vec<f32>,
    /// t / T, `[N]`.
    pub times: Vec<f32>,
    /// Standardized conditions, `[N, C]`.
    pub c: Vec<f32>,
    /// The noise to be found, `[N]`.
    pub noise: Vec<f32>,
}

/// The shape of a diffusion model of one score.
#[derive(Debug, Clone, PartialEq)]
pub struct Ddpm {
    config: DdpmConfig,
    conditions: usize,
    entries: Vec<Entry>,
}

/// Where the parts of the network stand among the entries, in this order: weight and bias of each dense layer, and gain
/// and shift of its normalization.
const CONTEXT: [usize; 2] = [0, 4];
const TIME: [usize; 2] = [8, 12];
const BLOCKS: [usize; 4] = [16, 24, 32, 40];
const OUT: usize = 48;
/// Normalizations, two a block.
const NORMS: usize = 8;

impl Ddpm {
    /// A model with `conditions` conditions.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn new(config: DdpmConfig, conditions: usize) -> Result<Self, SurrogateError> {
        let wrong = |setting, value: String, wanted| Err(SurrogateError::Setting { setting, value, wanted });
        if !(1..=8192).contains(&config.width) || !(1..=8192).contains(&conditions) {
            let value = format!("{} with {conditions} conditions", config.width);
            return wrong("ddpm.width", value, "1 to 8192, with as many conditions at most");
        }
        if !(1..=100_000).contains(&config.steps) {
            return wrong("ddpm.steps", config.steps.to_string(), "1 to 100000");
        }
        if !(config.first_beta > 0.0 && config.first_beta <= config.last_beta && config.last_beta < 1.0) {
            let value = format!("{} to {}", config.first_beta, config.last_beta);
            return wrong("ddpm.first_beta and .last_beta", value, "above 0, rising, below 1");
        }
        let mut entries: Vec<Entry> = Vec::new();
        let width = config.width;
        let mut add = |name: String, shape: Vec<usize>, fan_in: usize| {
            let start = entries.last().map_or(0, |entry| entry.range.end);
            let range = start..start + shape.iter().product::<usize>();
            entries.push(Entry {
                name,
                shape,
                range,
                fan_in,
            });
        };
        let mut dense = |name: String, input: usize, output: usize, norm: bool| {
            add(format!("{name}.weight"), vec![output, input], input);
            add(format!("{name}.bias"), vec![output], input);
            if norm {
                add(format!("{name}.norm.weight"), vec![output], 0);
                add(format!("{name}.norm.bias"), vec![output], 0);
            }
        };
        for (kind, inputs) in [("context", conditions), ("time", 1)] {
            for embed in 0..2 {
                dense(format!("{kind}.{embed}.0"), inputs, width, false);
                dense(format!("{kind}.{embed}.1"), width, width, false);
            }
        }
        for (block, inputs) in [1, 3 * width, 3 * width, width].into_iter().enumerate() {
            dense(format!("blocks.{block}.0"), inputs, width, true);
            dense(format!("blocks.{block}.1"), width, width, true);
        }
        dense("out.0".to_owned(), width + 1, width, false);
        dense("out.1".to_owned(), width, 1, false);
        Ok(Self {
            config,
            conditions,
            entries,
        })
    }

    /// Number of parameters, `P`.
    pub fn parameter_count(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.range.end)
    }

    /// The parameters by name, in the order of the flat vector.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Initial weights: those of PyTorch's layers, gains 1, shifts 0, running statistics 0 and 1.
    pub fn init(&self, seed: u64) -> DdpmWeights {
        let mut theta = Vec::with_capacity(self.parameter_count());
        for entry in &self.entries {
            if entry.fan_in == 0 {
                let value = if entry.name.ends_with("weight") { 1.0 } else { 0.0 };
                theta.extend(entry.range.clone().map(|_| value));
                continue;
            }
            let mut rng = random::stream(seed, &format!("initial {}", entry.name), 0);
            let bound = 1.0 / (entry.fan_in as f64).sqrt();
            theta.extend(
                entry
                    .range
                    .clone()
                    .map(|_| (bound * (2.0 * random::uniform(&mut rng) - 1.0)) as f32),
            );
        }
        let width = self.config.width;
        let running = (0..NORMS).flat_map(|_| [vec![0.0; width], vec![1.0; width]].concat());
        DdpmWeights {
            theta,
            running: running.collect(),
        }
    }

    /// beta_t and abar_t for t = 1 .. T.
    fn schedule(&self) -> Vec<(f64, f64)> {
        let DdpmConfig {
            steps,
            first_beta,
            last_beta,
            ..
        } = self.config;
        let mut kept = 1.0;
        (0..steps)
            .map(|i| {
                let part = i as f64 / (steps.max(2) - 1) as f64;
                let beta = first_beta + (last_beta - first_beta) * part;
                kept *= 1.0 - beta;
                (beta, kept)
            })
            .collect()
    }

    /// Draws times and noise for `rows` of the examples, from the stream (seed, purpose, index).
    ///
    /// # Errors
    /// Several scores, other conditions, rows that are not there.
    pub fn draw(
        &self,
        examples: Examples<'_, f32>,
        rows: &[usize],
        address: (u64, &str, u64),
    ) -> Result<NoisyBatch, SurrogateError> {
        for (what, found, expected) in [
            ("scores a row", examples.scores, 1),
            ("conditions a row", examples.conditions, self.conditions),
            (
                "rows",
                examples.len(),
                examples.len().max(rows.iter().max().map_or(0, |row| row + 1)),
            ),
        ] {
            if found != expected {
                return Err(SurrogateError::Length { what, found, expected });
            }
        }
        let schedule = self.schedule();
        let mut rng = random::stream(address.0, address.1, address.2);
        let mut batch = NoisyBatch {
            x: Vec::new(),
            times: Vec::new(),
            c: Vec::new(),
            noise: Vec::new(),
        };
        for &row in rows {
            let t = random::below(&mut rng, schedule.len() as u64) as usize;
            let noise = random::normal(&mut rng);
            let kept = schedule[t].1;
            batch
                .x
                .push((kept.sqrt() * f64::from(examples.x[row]) + (1.0 - kept).sqrt() * noise) as f32);
            batch.times.push(((t + 1) as f64 / schedule.len() as f64) as f32);
            batch.noise.push(noise as f32);
            batch
                .c
                .extend_from_slice(&examples.c[row * self.conditions..(row + 1) * self.conditions]);
        }
        Ok(batch)
    }

    /// Mean of (e - noise)^2; its gradient is added to `gradient` `[P]`. Normalizations take the statistics of the batch and
    /// move the running ones, unless they are `frozen`.
    ///
    /// # Errors
    /// Lengths that do not fit; no rows.
    pub fn loss_and_gradient(
        &self,
        weights: &mut DdpmWeights,
        batch: &NoisyBatch,
        frozen: bool,
        gradient: &mut [f32],
    ) -> Result<f64, SurrogateError> {
        self.check(weights, batch)?;
        if gradient.len() != self.parameter_count() {
            return Err(SurrogateError::Length {
                what: "the gradient",
                found: gradient.len(),
                expected: self.parameter_count(),
            });
        }
        let statistics = if frozen { Statistics::Running } else { Statistics::Batch };
        let DdpmWeights { theta, running } = weights;
        let pass = self.forward(theta, running, batch, statistics);
        let n = batch.x.len() as f64;
        let off = |(e, noise): (&f32, &f32)| f64::from(e - noise);
        let loss = pass
            .e
            .iter()
            .zip(&batch.noise)
            .map(|pair| off(pair).powi(2))
            .sum::<f64>()
            / n;
        let of_e: Vec<f32> = pass
            .e
            .iter()
            .zip(&batch.noise)
            .map(|pair| (2.0 * off(pair) / n) as f32)
            .collect();
        self.backward(theta, batch, &pass, &of_e, gradient);
        Ok(loss)
    }

    /// The noise that the network sees in `batch`, with the running statistics.
    ///
    /// # Errors
    /// Lengths that do not fit; no rows.
    pub fn predict(&self, weights: &DdpmWeights, batch: &NoisyBatch) -> Result<Vec<f32>, SurrogateError> {
        self.check(weights, batch)?;
        let mut running = weights.running.clone();
        Ok(self.forward(&weights.theta, &mut running, batch, Statistics::Running).e)
    }

    /// Samples x for jets of standardized conditions `c` `[N, C]`: `[N, draws]`, by ancestral sampling. Draw j of jet i uses
    /// the noise of (seed, i, j).
    ///
    /// # Errors
    /// Lengths that do not fit.
    pub fn sample(
        &self,
        weights: &DdpmWeights,
        c: &[f32],
        draws: usize,
        seed: u64,
    ) -> Result<Vec<f64>, SurrogateError> {
        let jets = c.len() / self.conditions;
        let mut streams: Vec<_> = (0..jets as u64)
            .map(|jet| random::stream(seed, "ddpm sample", jet))
            .collect();
        let mut noise = || -> Vec<f64> {
            let mut all = Vec::with_capacity(jets * draws);
            for rng in &mut streams {
                all.extend((0..draws).map(|_| random::normal(rng)));
            }
            all
        };
        let mut x = noise();
        let mut batch = NoisyBatch {
            x: vec![0.0; x.len()],
            times: vec![0.0; x.len()],
            c: c.chunks_exact(self.conditions).flat_map(|c| c.repeat(draws)).collect(),
            noise: vec![0.0; x.len()],
        };
        let schedule = self.schedule();
        for (t, &(beta, kept)) in schedule.iter().enumerate().rev() {
            batch.x.iter_mut().zip(&x).for_each(|(to, &x)| *to = x as f32);
            batch.times.fill(((t + 1) as f64 / schedule.len() as f64) as f32);
            let e = self.predict(weights, &batch)?;
            // No noise at the last step.
            let fresh = if t > 0 { noise() } else { vec![0.0; x.len()] };
            for ((x, e), z) in x.iter_mut().zip(e).zip(fresh) {
                let mean = (*x - beta / (1.0 - kept).sqrt() * f64::from(e)) / (1.0 - beta).sqrt();
                *x = mean + beta.sqrt() * z;
            }
        }
        Ok(x)
    }

    fn check(&self, weights: &DdpmWeights, batch: &NoisyBatch) -> Result<(), SurrogateError> {
        let n = batch.x.len();
        for (what, found, expected) in [
            ("weights", weights.theta.len(), self.parameter_count()),
            (
                "running statistics",
                weights.running.len(),
                2 * NORMS * self.config.width,
            ),
            ("times", batch.times.len(), n),
            ("noise", batch.noise.len(), n),
            ("conditions", batch.c.len(), n * self.conditions),
            ("rows of a batch", n, n.max(1)),
        ] {
            if found != expected {
                return Err(SurrogateError::Length { what, found, expected });
            }
        }
        Ok(())
    }
}

/// What a forward pass leaves behind.
struct Pass {
    /// Of each embedding: what its second layer reads, and the slopes of its GELU.
    embeds: Vec<(Vec<f32>, Vec<f32>)>,
    /// Of each block: what its two layers read.
    inputs: Vec<[Vec<f32>; 2]>,
    norms: Vec<[Normalized; 2]>,
    slopes: Vec<[Vec<f32>; 2]>,
    /// What the last two layers read, and the slopes between them.
    out: [Vec<f32>; 2],
    out_slopes: Vec<f32>,
    e: Vec<f32>,
}

/// Rows of several matrices side by side.
fn beside(parts: &[(&[f32], usize)]) -> Vec<f32> {
    let rows = parts[0].0.len() / parts[0].1;
    let row = |row: usize| {
        parts
            .iter()
            .flat_map(move |(values, n)| values[row * n..(row + 1) * n].iter().copied())
    };
    (0..rows).flat_map(row).collect()
}

/// Columns `at .. at + n` of rows of `width` values.
fn columns(values: &[f32], width: usize, at: usize, n: usize) -> Vec<f32> {
    values
        .chunks_exact(width)
        .flat_map(|row| row[at..at + n].iter().copied())
        .collect()
}

impl Ddpm {
    fn part<'t>(&self, theta: &'t [f32], entry: usize) -> &'t [f32] {
        &theta[self.entries[entry].range.clone()]
    }

    fn forward(&self, theta: &[f32], running: &mut [f32], batch: &NoisyBatch, statistics: Statistics) -> Pass {
        let width = self.config.width;
        let dense = |x: &[f32], at: usize| dense(x, self.part(theta, at), self.part(theta, at + 1));
        let mut embeds = Vec::new();
        let mut embedded = Vec::new();
        for (from, at) in CONTEXT
            .iter()
            .map(|&at| (&batch.c, at))
            .chain(TIME.iter().map(|&at| (&batch.times, at)))
        {
            let mut hidden = dense(from, at);
            let slopes = gelu(&mut hidden);
            embedded.push(dense(&hidden, at + 2));
            embeds.push((hidden, slopes));
        }
        let (mut inputs, mut norms, mut slopes) = (Vec::new(), Vec::new(), Vec::new());
        let mut h = batch.x.clone();
        for (block, &at) in BLOCKS.iter().enumerate() {
            let first = match block {
                1 | 2 => beside(&[
                    (&embedded[block - 1], width),
                    (&embedded[block + 1], width),
                    (&h, width),
                ]),
                _ => std::mem::take(&mut h),
            };
            let mut layer = |x: &[f32], layer: usize| {
                let at = at + 4 * layer;
                let z = dense(x, at);
                let kept = &mut running[(2 * block + layer) * 2 * width..][..2 * width];
                let (mut y, norm) = normalize(&z, self.part(theta, at + 2), self.part(theta, at + 3), kept, statistics);
                let slopes = gelu(&mut y);
                (y, norm, slopes)
            };
            let (second, norm_0, slopes_0) = layer(&first, 0);
            let (y, norm_1, slopes_1) = layer(&second, 1);
            inputs.push([first, second]);
            norms.push([norm_0, norm_1]);
            slopes.push([slopes_0, slopes_1]);
            h = y;
        }
        let first = beside(&[(&batch.x, 1), (&h, width)]);
        let mut second = dense(&first, OUT);
        let out_slopes = gelu(&mut second);
        let e = dense(&second, OUT + 2);
        Pass {
            embeds,
            inputs,
            norms,
            slopes,
            out: [first, second],
            out_slopes,
            e,
        }
    }

    fn backward(&self, theta: &[f32], batch: &NoisyBatch, pass: &Pass, of_e: &[f32], gradient: &mut [f32]) {
        let width = self.config.width;
        let dense = |x: &[f32], at: usize, of_y: &[f32], gradient: &mut [f32]| {
            let (weight, bias) = (self.entries[at].range.clone(), self.entries[at + 1].range.clone());
            let (weights, biases) = gradient[weight.start..bias.end].split_at_mut(weight.len());
            dense_backward(x, &theta[weight], of_y, weights, biases)
        };
        let times = |of: &mut [f32], slopes: &[f32]| of.iter_mut().zip(slopes).for_each(|(d, s)| *d *= s);
        let mut of = dense(&pass.out[1], OUT + 2, of_e, gradient);
        times(&mut of, &pass.out_slopes);
        let of_first = dense(&pass.out[0], OUT, &of, gradient);
        let mut of_h = columns(&of_first, width + 1, 1, width);
        let mut of_embedded: Vec<Vec<f32>> = vec![Vec::new(); 4];
        for (block, &at) in BLOCKS.iter().enumerate().rev() {
            for layer in [1, 0] {
                let at = at + 4 * layer;
                times(&mut of_h, &pass.slopes[block][layer]);
                let (gain, shift) = (self.entries[at + 2].range.clone(), self.entries[at + 3].range.clone());
                let (gains, shifts) = gradient[gain.start..shift.end].split_at_mut(gain.len());
                of_h = pass.norms[block][layer].backward(&theta[gain], &of_h, gains, shifts);
                of_h = dense(&pass.inputs[block][layer], at, &of_h, gradient);
            }
            if block == 1 || block == 2 {
                of_embedded[block - 1] = columns(&of_h, 3 * width, 0, width);
                of_embedded[block + 1] = columns(&of_h, 3 * width, width, width);
                of_h = columns(&of_h, 3 * width, 2 * width, width);
            }
        }
        let places = CONTEXT
            .iter()
            .map(|&at| (&batch.c, at))
            .chain(TIME.iter().map(|&at| (&batch.times, at)));
        for (((from, at), (hidden, slopes)), of_y) in places.zip(&pass.embeds).zip(&of_embedded) {
            let mut of = dense(hidden, at + 2, of_y, gradient);
            times(&mut of, slopes);
            dense(from, at, &of, gradient);
        }
    }
}

#[cfg(test)]
mod tests;
