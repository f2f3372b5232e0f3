//! Layers whose noise is each row's own.
//!
//! The numbers of a row come from the stream of (seed of the step, layer, position of the row), so backward they are
//! drawn again instead of stored, and no thread waits for another.

use crate::posterior::linear_layers::{
    LinearLayer, LinearMap, RowBlock, add_bias, add_columns, add_outer, back_product, product,
};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use tagwerk_data::random::{normal, stream};
use tagwerk_stats::{logistic, softplus};

/// Local reparameterization: y ~ N(x mu^T + mu_b, x^2 (sigma^2)^T + sigma_b^2), independent in each row and output.
#[derive(Debug)]
pub struct LocalMap {
    layers: Vec<LinearLayer>,
    mu: Vec<f32>,
    variance: Vec<f32>,
    /// d(variance)/d(rho) = 2 sigma logistic(rho).
    slope: Vec<f64>,
    noise: ChaCha8Rng,
}

/// Flipout: y = x mu^T + mu_b + ((x r_in) (sigma eps)^T + sigma_b eps_b) r_out with random signs r of each row's own.
#[derive(Debug)]
pub struct FlipoutMap {
    layers: Vec<LinearLayer>,
    mu: Vec<f32>,
    /// sigma eps.
    shift: Vec<f32>,
    /// d(shift)/d(rho) = eps logistic(rho).
    slope: Vec<f64>,
    noise: ChaCha8Rng,
}

/// The stream of a row in a layer.
fn of_row(noise: &ChaCha8Rng, layer: usize, row: usize) -> ChaCha8Rng {
    let mut rng = noise.clone();
    rng.set_stream(((layer as u64) << 40) | row as u64);
    rng
}

fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

impl LocalMap {
    /// From mu and rho `[P]`, with the noise of `seed`.
    pub fn new(layers: Vec<LinearLayer>, mu: &[f64], rho: &[f64], seed: u64) -> Self {
        Self {
            layers,
            mu: to_f32(mu),
            variance: rho.iter().map(|&rho| softplus(rho).powi(2) as f32).collect(),
            slope: rho.iter().map(|&rho| 2.0 * softplus(rho) * logistic(rho)).collect(),
            noise: stream(seed, "local reparameterization", 0),
        }
    }

    /// Standard deviations of the outputs `[B, O]`.
    fn spread(&self, layer: &LinearLayer, x: &[f32]) -> Vec<f32> {
        let squares: Vec<f32> = x.iter().map(|x| x * x).collect();
        let mut spread = vec![0.0; x.len() / layer.inputs * layer.outputs];
        product(&squares, &self.variance[layer.weight.clone()], layer, &mut spread);
        add_bias(&self.variance[layer.bias.clone()], &mut spread);
        spread.iter_mut().for_each(|s| *s = s.max(0.0).sqrt());
        spread
    }
}

impl LinearMap for LocalMap {
    fn parameters(&self) -> usize {
        2 * self.mu.len()
    }

    fn forward(&self, index: usize, block: RowBlock, x: &[f32], y: &mut [f32]) {
        let layer = &self.layers[index];
        product(x, &self.mu[layer.weight.clone()], layer, y);
        add_bias(&self.mu[layer.bias.clone()], y);
        let spread = self.spread(layer, x);
        let rows = y
            .chunks_exact_mut(layer.outputs)
            .zip(spread.chunks_exact(layer.outputs));
        for (row, (y, spread)) in rows.enumerate() {
            let mut rng = of_row(&self.noise, index, block.first + row);
            y.iter_mut()
                .zip(spread)
                .for_each(|(y, s)| *y += s * normal(&mut rng) as f32);
        }
    }

    fn backward(&self, index: usize, block: RowBlock, x: &[f32], dy: &[f32], dx: &mut [f32], gradient: &mut [f64]) {
        let layer = &self.layers[index];
        // dL/d(variance of y) = dy zeta / (2 s)
        let mut by_variance = self.spread(layer, x);
        let rows = by_variance
            .chunks_exact_mut(layer.outputs)
            .zip(dy.chunks_exact(layer.outputs));
        for (row, (by_variance, dy)) in rows.enumerate() {
            let mut rng = of_row(&self.noise, index, block.first + row);
            for (v, dy) in by_variance.iter_mut().zip(dy) {
                let zeta = normal(&mut rng) as f32;
                *v = if *v > 0.0 { dy * zeta / (2.0 * *v) } else { 0.0 };
            }
        }
        let mut through_variance = vec![0.0; dx.len()];
        let variance = &self.variance[layer.weight.clone()];
        back_product(&by_variance, variance, layer, &mut through_variance);
        back_product(dy, &self.mu[layer.weight.clone()], layer, dx);
        for ((dx, x), v) in dx.iter_mut().zip(x).zip(&through_variance) {
            *dx += 2.0 * x * v;
        }
        let (for_mu, for_rho) = gradient.split_at_mut(self.mu.len());
        add_outer(dy, x, layer, |at, g| for_mu[layer.weight.start + at] += g);
        add_columns(dy, layer, |at, g| for_mu[layer.bias.start + at] += g);
        let squares: Vec<f32> = x.iter().map(|x| x * x).collect();
        let mut to_rho = |at: usize, g: f64| for_rho[at] += g * self.slope[at];
        add_outer(&by_variance, &squares, layer, |at, g| {
            to_rho(layer.weight.start + at, g)
        });
        add_columns(&by_variance, layer, |at, g| to_rho(layer.bias.start + at, g));
    }
}

impl FlipoutMap {
    /// From mu and rho `[P]`, with the noise of `seed`.
    pub fn new(layers: Vec<LinearLayer>, mu: &[f64], rho: &[f64], seed: u64) -> Self {
        let mut rng = stream(seed, "flipout weights", 0);
        let draws: Vec<f64> = mu.iter().map(|_| normal(&mut rng)).collect();
        let pairs = || draws.iter().zip(rho);
        Self {
            layers,
            mu: to_f32(mu),
            shift: pairs().map(|(eps, &rho)| (eps * softplus(rho)) as f32).collect(),
            slope: pairs().map(|(eps, &rho)| eps * logistic(rho)).collect(),
            noise: stream(seed, "flipout signs", 0),
        }
    }

    /// Signs of the inputs `[B, I]` and of the outputs `[B, O]`.
    fn signs(&self, index: usize, block: RowBlock) -> (Vec<f32>, Vec<f32>) {
        let layer = &self.layers[index];
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for row in 0..block.rows {
            let mut rng = of_row(&self.noise, index, block.first + row);
            let mut sign = || if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 };
            inputs.extend((0..layer.inputs).map(|_| sign()));
            outputs.extend((0..layer.outputs).map(|_| sign()));
        }
        (inputs, outputs)
    }
}

/// Entry by entry.
fn times(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

impl LinearMap for FlipoutMap {
    fn parameters(&self) -> usize {
        2 * self.mu.len()
    }

    fn forward(&self, index: usize, block: RowBlock, x: &[f32], y: &mut [f32]) {
        let layer = &self.layers[index];
        let (inputs, outputs) = self.signs(index, block);
        let mut flipped = vec![0.0; y.len()];
        product(
            &times(x, &inputs),
            &self.shift[layer.weight.clone()],
            layer,
            &mut flipped,
        );
        add_bias(&self.shift[layer.bias.clone()], &mut flipped);
        product(x, &self.mu[layer.weight.clone()], layer, y);
        add_bias(&self.mu[layer.bias.clone()], y);
        let shifts = flipped.iter().zip(&outputs);
        y.iter_mut().zip(shifts).for_each(|(y, (f, sign))| *y += f * sign);
    }

    fn backward(&self, index: usize, block: RowBlock, x: &[f32], dy: &[f32], dx: &mut [f32], gradient: &mut [f64]) {
        let layer = &self.layers[index];
        let (inputs, outputs) = self.signs(index, block);
        let flipped = times(dy, &outputs);
        let mut through_shift = vec![0.0; dx.len()];
        back_product(&flipped, &self.shift[layer.weight.clone()], layer, &mut through_shift);
        back_product(dy, &self.mu[layer.weight.clone()], layer, dx);
        let shifts = through_shift.iter().zip(&inputs);
        dx.iter_mut().zip(shifts).for_each(|(dx, (f, sign))| *dx += f * sign);
        let (for_mu, for_rho) = gradient.split_at_mut(self.mu.len());
        add_outer(dy, x, layer, |at, g| for_mu[layer.weight.start + at] += g);
        add_columns(dy, layer, |at, g| for_mu[layer.bias.start + at] += g);
        let mut to_rho = |at: usize, g: f64| for_rho[at] += g * self.slope[at];
        add_outer(&flipped, &times(x, &inputs), layer, |at, g| {
            to_rho(layer.weight.start + at, g)
        });
        add_columns(&flipped, layer, |at, g| to_rho(layer.bias.start + at, g));
    }
}
