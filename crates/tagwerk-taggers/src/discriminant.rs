//! Fisher's linear discriminant from a stream of rows, in f64.
//!
//! Fisher 1936, with one covariance C for both classes and the fractions p_k of the classes as priors:
//!
//! log-odds(x) = log(p_1 / p_0) + (m_1 - m_0)^T C^-1 (x - (m_0 + m_1) / 2).
//!
//! **Two passes.** The first takes the means m_k of the classes and the spread of each channel about them
//! ([`ClassMoments`]). The second takes each row about the mean of its class, in units of the spread, into the
//! triangular factor of a QR decomposition ([`WithinClass`]): a block of rows below the factor of all rows before,
//! decomposed again. The covariance is never formed. Its condition number is the square of that of the rows, and
//! observables that nearly depend on each other, as energy flow polynomials do, have one of 1e8 and more: a sum of
//! products would lose the directions that are left of them.
//!
//! **Rank.** Directions in which the rows spread by no more than a tolerance are left out, by the singular values of
//! the factor. This is what scikit-learn's `LinearDiscriminantAnalysis(solver="svd")` does with all rows at once.

use crate::arrays::{ArrayReader, ArrayWriter};
use crate::error::TaggerError;
use faer::Mat;

/// Means of two classes and the spread of each channel about them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassMoments {
    /// Sum of the weights of each class.
    weight: [f64; 2],
    /// `[C]` each.
    mean: [Vec<f64>; 2],
    /// `[C]`: sum of squares about the means of the classes.
    squares: Vec<f64>,
}

impl ClassMoments {
    /// Of no row of `width` channels.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            weight: [0.0; 2],
            mean: [vec![0.0; width], vec![0.0; width]],
            squares: vec![0.0; width],
        }
    }

    /// Adds a row `[C]` of class 0 or 1, about the running mean (Welford 1962).
    pub(crate) fn add(&mut self, class: usize, weight: f64, row: &[f64]) {
        if weight <= 0.0 {
            return;
        }
        self.weight[class] += weight;
        let share = weight / self.weight[class];
        let channels = row.iter().zip(&mut self.mean[class]).zip(&mut self.squares);
        for ((x, mean), squares) in channels {
            let before = x - *mean;
            *mean += share * before;
            *squares += weight * before * (x - *mean);
        }
    }

    /// Whether both classes had a row.
    pub(crate) fn has_both_classes(&self) -> bool {
        self.weight.iter().all(|&weight| weight > 0.0)
    }

    /// The spread of each channel, 1 for a channel without any.
    fn scale(&self) -> Vec<f64> {
        let total: f64 = self.weight.iter().sum();
        let spread = |squares: &f64| (squares / total).sqrt();
        let usable = |scale: f64| if scale > 0.0 && scale.is_finite() { scale } else { 1.0 };
        self.squares.iter().map(|squares| usable(spread(squares))).collect()
    }

    pub(crate) fn save(&self, arrays: ArrayWriter) -> ArrayWriter {
        arrays
            .with("class_weights", &self.weight)
            .with("background_means", &self.mean[0])
            .with("signal_means", &self.mean[1])
            .with("squares", &self.squares)
    }

    pub(crate) fn load(arrays: &mut ArrayReader, width: usize) -> Result<Self, TaggerError> {
        let weight = arrays.take_exactly::<f64>("class_weights", 2)?;
        Ok(Self {
            weight: [weight[0], weight[1]],
            mean: [
                arrays.take_exactly("background_means", width)?,
                arrays.take_exactly("signal_means", width)?,
            ],
            squares: arrays.take_exactly("squares", width)?,
        })
    }
}

/// Rows about the means of their classes as the triangular factor R of X = Q R.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WithinClass {
    width: usize,
    /// Rows taken in.
    rows: u64,
    /// The upper triangle of R, row by row: `[K, C]` without what is below the diagonal, `K` at most `C`.
    factor: Vec<f64>,
    /// Rows that wait to be taken in, `[_, C]`.
    waiting: Vec<f64>,
}

impl WithinClass {
    /// Of no row of `width` channels.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            rows: 0,
            factor: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a row `[C]` of class 0 or 1; `scale` is that of the moments.
    fn add(&mut self, class: usize, weight: f64, row: &[f64], moments: &ClassMoments, scale: &[f64]) {
        if weight <= 0.0 {
            return;
        }
        self.rows += 1;
        let root = weight.sqrt();
        let channels = row.iter().zip(&moments.mean[class]).zip(scale);
        self.waiting
            .extend(channels.map(|((x, mean), scale)| root * ((x - mean) / scale)));
        // With twice as many rows as the factor has, a decomposition costs a third more than one of all rows at once.
        if self.waiting.len() >= 2 * self.width * self.width.max(32) {
            self.take_in();
        }
    }

    /// Adds rows `[B, C]` with their classes and weights.
    pub(crate) fn extend<'a>(&mut self, moments: &ClassMoments, rows: impl Iterator<Item = (usize, f64, &'a [f64])>) {
        let scale = moments.scale();
        rows.for_each(|(class, weight, row)| self.add(class, weight, row, moments, &scale));
    }

    /// Rows of the factor, `K`: it has K (2C - K + 1) / 2 values.
    fn factor_rows(&self) -> usize {
        let (mut left, mut rows) = (self.factor.len(), 0);
        while left > 0 && rows < self.width {
            left = left.saturating_sub(self.width - rows);
            rows += 1;
        }
        rows
    }

    /// The factor with what waits below it.
    fn stacked(&self) -> Mat<f64> {
        let (width, above) = (self.width, self.factor_rows());
        let below = self.waiting.len() / width.max(1);
        let mut stacked = Mat::zeros(above + below, width);
        let mut values = self.factor.iter();
        for i in 0..above {
            for (j, value) in (i..width).zip(&mut values) {
                stacked[(i, j)] = *value;
            }
        }
        for (i, row) in self.waiting.chunks_exact(width).enumerate() {
            for (j, value) in row.iter().enumerate() {
                stacked[(above + i, j)] = *value;
            }
        }
        stacked
    }

    /// Decomposes what waits together with the factor.
    fn take_in(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let decomposed = self.stacked().qr();
        let triangle = decomposed.thin_R();
        self.factor.clear();
        for i in 0..triangle.nrows() {
            self.factor.extend((i..self.width).map(|j| triangle[(i, j)]));
        }
        self.waiting.clear();
    }

    /// The discriminant.
    ///
    /// # Errors
    /// Fewer than three rows, a class without any, or numbers that no decomposition converges on.
    pub(crate) fn fit(
        mut self,
        tagger: &'static str,
        moments: &ClassMoments,
        tolerance: f64,
    ) -> Result<Discriminant, TaggerError> {
        let fail = |reason: String| TaggerError::Fit { tagger, reason };
        if self.rows < 3 || !moments.has_both_classes() {
            return Err(fail(format!(
                "{} jets, weights {:?} of background and signal; at least three jets and both classes are needed",
                self.rows, moments.weight
            )));
        }
        self.take_in();
        let values = self.stacked();
        let decomposed = values.thin_svd().map_err(|e| fail(format!("singular values: {e:?}")))?;
        let (total, rows) = (moments.weight[0] + moments.weight[1], self.rows as f64);
        // Weights enter as shares: n rows of weight 2 are n rows, not 2n.
        let unbiased = (rows / (total * (rows - 2.0))).sqrt();
        let scale = moments.scale();
        let [background, signal] = &moments.mean;
        let difference: Vec<f64> = (signal.iter().zip(background).zip(&scale))
            .map(|((signal, background), scale)| (signal - background) / scale)
            .collect();
        let mut weights = vec![0.0; self.width];
        let directions = decomposed.V();
        for (k, &singular) in decomposed.S().column_vector().iter().enumerate() {
            let spread = unbiased * singular;
            if spread <= tolerance {
                continue;
            }
            let along: f64 = (0..self.width).map(|c| directions[(c, k)] * difference[c]).sum();
            let strength = along / (spread * spread);
            for (c, weight) in weights.iter_mut().enumerate() {
                *weight += strength * directions[(c, k)];
            }
        }
        if let Some(bad) = weights.iter().find(|weight| !weight.is_finite()) {
            return Err(fail(format!("a weight came out as {bad}")));
        }
        Ok(Discriminant {
            center: (signal.iter().zip(background))
                .map(|(signal, background)| 0.5 * (signal + background))
                .collect(),
            scale,
            weights,
            prior: (moments.weight[1] / moments.weight[0]).ln(),
        })
    }

    pub(crate) fn save(&self, arrays: ArrayWriter) -> ArrayWriter {
        arrays
            .with("rows", &[self.rows])
            .with("factor", &self.factor)
            .with("waiting", &self.waiting)
    }

    pub(crate) fn load(arrays: &mut ArrayReader, width: usize) -> Result<Self, TaggerError> {
        let rows = arrays.take_exactly::<u64>("rows", 1)?[0];
        let factor: Vec<f64> = arrays.take("factor")?;
        let waiting: Vec<f64> = arrays.take("waiting")?;
        let found = Self {
            width,
            rows,
            factor,
            waiting,
        };
        let k = found.factor_rows();
        let fits =
            found.factor.len() == k * (2 * width + 1 - k) / 2 && found.waiting.len().is_multiple_of(width.max(1));
        // More rows than 2^48 do not fit on earth.
        if !fits || rows >= 1 << 48 || (rows == 0) != (found.factor.is_empty() && found.waiting.is_empty()) {
            return Err(arrays.fault(format!(
                "factor and waiting hold {} and {} values after {rows} rows of {width} channels, which no fit leaves",
                found.factor.len(),
                found.waiting.len()
            )));
        }
        Ok(found)
    }
}

/// A fitted discriminant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Discriminant {
    /// `[C]`: midpoint of the means of the classes.
    center: Vec<f64>,
    /// `[C]`: spread within a class.
    scale: Vec<f64>,
    /// `[C]`, in units of 1 / scale.
    weights: Vec<f64>,
    /// log(p_1 / p_0).
    prior: f64,
}

impl Discriminant {
    /// Signal log-odds of a row `[C]`.
    pub(crate) fn log_odds(&self, row: &[f64]) -> f64 {
        // Centered and scaled first: the weights of nearly dependent channels are large and cancel.
        let channels = row.iter().zip(&self.center).zip(&self.scale).zip(&self.weights);
        let sum: f64 = channels
            .map(|(((x, center), scale), weight)| weight * ((x - center) / scale))
            .sum();
        self.prior + sum
    }

    pub(crate) fn save(&self, arrays: ArrayWriter) -> ArrayWriter {
        arrays
            .with("center", &self.center)
            .with("scale", &self.scale)
            .with("weights", &self.weights)
            .with("prior", &[self.prior])
    }

    pub(crate) fn load(arrays: &mut ArrayReader, width: usize) -> Result<Self, TaggerError> {
        let fitted = Self {
            center: arrays.take_exactly("center", width)?,
            scale: arrays.take_exactly("scale", width)?,
            weights: arrays.take_exactly("weights", width)?,
            prior: arrays.take_exactly::<f64>("prior", 1)?[0],
        };
        match fitted.scale.iter().find(|&&scale| scale <= 0.0) {
            Some(bad) => Err(arrays.fault(format!("scale holds the value {bad}; allowed: above 0"))),
            None => Ok(fitted),
        }
    }
}

#[cfg(test)]
mod tests;
