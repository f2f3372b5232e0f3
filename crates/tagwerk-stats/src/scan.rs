//! One pass over an ROC curve: area, and background efficiency at working points.

/// State of a walk along the curve, from the highest threshold down. Every place that needs an area or a background
/// efficiency (full curve, ensemble, bootstrap replica) feeds this one accumulator, so that they agree to the last bit.
pub(crate) struct Scan<'p> {
    total_signal: f64,
    total_background: f64,
    points: &'p [f64],
    signal: f64,
    background: f64,
    squares: f64,
    twice_area: f64,
    at: Vec<At>,
}

/// Background at a working point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct At {
    /// Background efficiency, linearly interpolated in signal efficiency.
    pub(crate) background_efficiency: f64,
    /// Sum of squared weights of the passing background, interpolated alike.
    pub(crate) squares: f64,
}

impl<'p> Scan<'p> {
    /// `points`: ascending signal efficiencies.
    pub(crate) fn new(total_signal: f64, total_background: f64, points: &'p [f64]) -> Self {
        Self {
            total_signal,
            total_background,
            points,
            signal: 0.0,
            background: 0.0,
            squares: 0.0,
            twice_area: 0.0,
            at: Vec::with_capacity(points.len()),
        }
    }

    /// The next distinct threshold: cumulative signal, background and squared background weights at or above it.
    #[inline]
    pub(crate) fn step(&mut self, signal: f64, background: f64, squares: f64) {
        // Without weights all terms are integers below 2^53, so the area is exact.
        self.twice_area += (background - self.background) * (signal + self.signal);
        if signal > self.signal {
            while let Some(&point) = self.points.get(self.at.len()) {
                let next = signal / self.total_signal;
                if next <= point {
                    break;
                }
                let last = self.signal / self.total_signal;
                let (low, high) = (
                    self.background / self.total_background,
                    background / self.total_background,
                );
                self.at.push(At {
                    background_efficiency: interpolate(point, last, low, next, high),
                    squares: interpolate(point, last, self.squares, next, squares),
                });
            }
        }
        (self.signal, self.background, self.squares) = (signal, background, squares);
    }

    /// Area under the curve, trapezoids: the Mann-Whitney statistic with ties counted one half.
    pub(crate) fn auc(&self) -> f64 {
        self.twice_area / 2.0 / (self.total_signal * self.total_background)
    }

    /// Background at each working point; a point at the curve's end (efficiency 1) has everything.
    pub(crate) fn at(mut self) -> Vec<At> {
        let end = At {
            background_efficiency: self.background / self.total_background,
            squares: self.squares,
        };
        self.at.resize(self.points.len(), end);
        self.at
    }
}

/// Straight line through two points, in the operation order of numpy's `interp`.
#[inline]
pub(crate) fn interpolate(x: f64, x0: f64, y0: f64, x1: f64, y1: f64) -> f64 {
    (y1 - y0) / (x1 - x0) * (x - x0) + y0
}
