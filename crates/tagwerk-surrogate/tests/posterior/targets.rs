//! Models whose posterior is known.

use tagwerk_data::random::{normal, stream};
use tagwerk_surrogate::posterior::{LinearLayer, LinearLayers, LinearMap, Part, RowBlock, Target, TargetError};

/// One datum with loss (w - mean)^T A (w - mean) / 2: with lambda = 1 the posterior is N(mean, A^-1).
pub struct Gaussian {
    pub mean: Vec<f64>,
    /// A, `[P, P]`, symmetric.
    pub precision: Vec<f64>,
}

impl Gaussian {
    /// Zero mean, independent weights.
    pub fn diagonal(variances: &[f64]) -> Self {
        let p = variances.len();
        let mut precision = vec![0.0; p * p];
        (0..p).for_each(|i| precision[i * p + i] = 1.0 / variances[i]);
        Self {
            mean: vec![0.0; p],
            precision,
        }
    }

    /// Mean (1, -2), variances 1 and 0.25, correlation 0.6.
    pub fn correlated() -> Self {
        // The inverse of ((1, 0.3), (0.3, 0.25)).
        let determinant = 0.25 - 0.09;
        Self {
            mean: vec![1.0, -2.0],
            precision: vec![
                0.25 / determinant,
                -0.3 / determinant,
                -0.3 / determinant,
                1.0 / determinant,
            ],
        }
    }

    fn loss(&self, weights: &[f64]) -> f64 {
        let p = self.mean.len();
        let mut loss = 0.0;
        for i in 0..p {
            for j in 0..p {
                loss += (weights[i] - self.mean[i]) * self.precision[i * p + j] * (weights[j] - self.mean[j]);
            }
        }
        0.5 * loss
    }
}

impl Target for Gaussian {
    fn weights(&self) -> usize {
        self.mean.len()
    }

    fn rows(&self) -> usize {
        1
    }

    fn losses(&self, weights: &[f64], _: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        losses[0] = self.loss(weights);
        Ok(())
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        _: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        losses[0] = self.loss(weights);
        let p = self.mean.len();
        for (i, g) in gradient.iter_mut().enumerate() {
            *g = (0..p)
                .map(|j| self.precision[i * p + j] * (weights[j] - self.mean[j]))
                .sum();
        }
        Ok(())
    }
}

/// Logistic regression: loss ln(1 + exp(-y x.w)), y = +-1.
pub struct Logistic {
    /// `[N, P]`
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub weights: usize,
}

impl Logistic {
    pub fn new(x: Vec<f64>, y: Vec<f64>) -> Self {
        let weights = x.len() / y.len();
        Self { x, y, weights }
    }

    /// `rows` events with a constant and a normal feature, true weights (0.5, -1.5).
    pub fn simulated(rows: usize, seed: u64) -> Self {
        let mut rng = stream(seed, "logistic", 0);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let feature = normal(&mut rng);
            x.extend([1.0, feature]);
            let score = 0.5 - 1.5 * feature;
            let noise = tagwerk_data::random::uniform(&mut rng);
            y.push(if noise < 1.0 / (1.0 + (-score).exp()) {
                1.0
            } else {
                -1.0
            });
        }
        Self::new(x, y)
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.x[row * self.weights..(row + 1) * self.weights]
    }
}

impl Target for Logistic {
    fn weights(&self) -> usize {
        self.weights
    }

    fn rows(&self) -> usize {
        self.y.len()
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        for (position, loss) in losses.iter_mut().enumerate() {
            let row = part.row(position);
            let margin: f64 = self.row(row).iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() * self.y[row];
            *loss = (-margin).max(0.0) + (-margin.abs()).exp().ln_1p();
        }
        Ok(())
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        self.losses(weights, part, losses)?;
        gradient.fill(0.0);
        for position in 0..losses.len() {
            let row = part.row(position);
            let margin: f64 = self.row(row).iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() * self.y[row];
            let slope = -self.y[row] / (1.0 + margin.exp());
            gradient
                .iter_mut()
                .zip(self.row(row))
                .for_each(|(g, x)| *g += slope * x);
        }
        Ok(())
    }
}

/// Linear regression with unit noise: loss (y - x.w)^2 / 2. The posterior with a flat prior is N(fit, (X^T X)^-1).
pub struct Linear {
    pub x: Vec<f64>,
    pub y: Vec<f64>,
    pub weights: usize,
}

impl Linear {
    pub fn simulated(rows: usize, weights: usize, seed: u64) -> Self {
        let mut rng = stream(seed, "linear", 0);
        let x: Vec<f64> = (0..rows * weights).map(|_| normal(&mut rng)).collect();
        let y = x
            .chunks_exact(weights)
            .map(|x| x.iter().sum::<f64>() + normal(&mut rng))
            .collect();
        Self { x, y, weights }
    }
}

impl Target for Linear {
    fn weights(&self) -> usize {
        self.weights
    }

    fn rows(&self) -> usize {
        self.y.len()
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        for (position, loss) in losses.iter_mut().enumerate() {
            let row = part.row(position);
            let x = &self.x[row * self.weights..][..self.weights];
            let residual = self.y[row] - x.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
            *loss = 0.5 * residual * residual;
        }
        Ok(())
    }

    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        gradient.fill(0.0);
        for (position, loss) in losses.iter_mut().enumerate() {
            let row = part.row(position);
            let x = &self.x[row * self.weights..][..self.weights];
            let residual = self.y[row] - x.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>();
            *loss = 0.5 * residual * residual;
            gradient.iter_mut().zip(x).for_each(|(g, x)| *g -= residual * x);
        }
        Ok(())
    }
}

/// A small network 2 -> 8 -> 1 with tanh and squared loss, in f32, that shows its linear layers.
pub struct Mlp {
    x: Vec<f32>,
    y: Vec<f32>,
}

const HIDDEN: usize = 8;

impl Mlp {
    pub fn simulated(rows: usize, seed: u64) -> Self {
        let mut rng = stream(seed, "mlp", 0);
        let x: Vec<f32> = (0..2 * rows).map(|_| normal(&mut rng) as f32).collect();
        let y = x
            .chunks_exact(2)
            .map(|x| (x[0] * x[1]).sin() + 0.1 * normal(&mut rng) as f32)
            .collect();
        Self { x, y }
    }
}

impl Target for Mlp {
    fn weights(&self) -> usize {
        4 * HIDDEN + 1
    }

    fn rows(&self) -> usize {
        self.y.len()
    }

    fn tensors(&self) -> Vec<usize> {
        vec![2 * HIDDEN, HIDDEN, HIDDEN, 1]
    }

    fn linear_layers(&self) -> Option<&dyn LinearLayers> {
        Some(self)
    }

    fn losses(&self, weights: &[f64], part: Part, losses: &mut [f64]) -> Result<(), TargetError> {
        self.loss_and_gradient(weights, part, losses, &mut vec![0.0; weights.len()])
    }

    /// Written out row by row in f64, as a second way to the same numbers.
    fn loss_and_gradient(
        &self,
        weights: &[f64],
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        gradient.fill(0.0);
        let (w1, rest) = weights.split_at(2 * HIDDEN);
        let (b1, rest) = rest.split_at(HIDDEN);
        let (w2, b2) = rest.split_at(HIDDEN);
        for (position, loss) in losses.iter_mut().enumerate() {
            let row = part.row(position);
            let x = [f64::from(self.x[2 * row]), f64::from(self.x[2 * row + 1])];
            let hidden: Vec<f64> = (0..HIDDEN)
                .map(|h| (w1[2 * h] * x[0] + w1[2 * h + 1] * x[1] + b1[h]).tanh())
                .collect();
            let output = b2[0] + hidden.iter().zip(w2).map(|(h, w)| h * w).sum::<f64>();
            let residual = output - f64::from(self.y[row]);
            *loss = 0.5 * residual * residual;
            for h in 0..HIDDEN {
                let before = residual * w2[h] * (1.0 - hidden[h] * hidden[h]);
                gradient[2 * h] += before * x[0];
                gradient[2 * h + 1] += before * x[1];
                gradient[2 * HIDDEN + h] += before;
                gradient[3 * HIDDEN + h] += residual * hidden[h];
            }
            gradient[4 * HIDDEN] += residual;
        }
        Ok(())
    }
}

impl LinearLayers for Mlp {
    fn layers(&self) -> Vec<LinearLayer> {
        vec![
            LinearLayer {
                weight: 0..2 * HIDDEN,
                bias: 2 * HIDDEN..3 * HIDDEN,
                inputs: 2,
                outputs: HIDDEN,
            },
            LinearLayer {
                weight: 3 * HIDDEN..4 * HIDDEN,
                bias: 4 * HIDDEN..4 * HIDDEN + 1,
                inputs: HIDDEN,
                outputs: 1,
            },
        ]
    }

    fn loss_and_gradient_through(
        &self,
        map: &dyn LinearMap,
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        gradient.fill(0.0);
        // In blocks, so that the position of a block's first row is put to the test.
        for (number, losses) in losses.chunks_mut(16).enumerate() {
            let block = RowBlock {
                first: 16 * number,
                rows: losses.len(),
            };
            let rows: Vec<usize> = (0..block.rows).map(|r| part.row(block.first + r)).collect();
            let x: Vec<f32> = rows.iter().flat_map(|&r| [self.x[2 * r], self.x[2 * r + 1]]).collect();
            let mut before = vec![0.0; block.rows * HIDDEN];
            map.forward(0, block, &x, &mut before);
            let hidden: Vec<f32> = before.iter().map(|b| b.tanh()).collect();
            let mut output = vec![0.0; block.rows];
            map.forward(1, block, &hidden, &mut output);
            let residual: Vec<f32> = output.iter().zip(&rows).map(|(o, &r)| o - self.y[r]).collect();
            for (loss, r) in losses.iter_mut().zip(&residual) {
                *loss = 0.5 * f64::from(*r).powi(2);
            }
            let mut by_hidden = vec![0.0; hidden.len()];
            map.backward(1, block, &hidden, &residual, &mut by_hidden, gradient);
            let pairs = by_hidden.iter().zip(&hidden);
            let by_before: Vec<f32> = pairs.map(|(d, h)| d * (1.0 - h * h)).collect();
            map.backward(0, block, &x, &by_before, &mut vec![0.0; x.len()], gradient);
        }
        Ok(())
    }
}

/// Mean and covariance `[P, P]` of draws `[D, P]`.
pub fn moments(draws: &[f32], weights: usize) -> (Vec<f64>, Vec<f64>) {
    let count = (draws.len() / weights) as f64;
    let mut mean = vec![0.0; weights];
    for draw in draws.chunks_exact(weights) {
        mean.iter_mut().zip(draw).for_each(|(m, w)| *m += f64::from(*w) / count);
    }
    let mut covariance = vec![0.0; weights * weights];
    for draw in draws.chunks_exact(weights) {
        for i in 0..weights {
            for j in 0..weights {
                covariance[i * weights + j] += (f64::from(draw[i]) - mean[i]) * (f64::from(draw[j]) - mean[j]) / count;
            }
        }
    }
    (mean, covariance)
}
