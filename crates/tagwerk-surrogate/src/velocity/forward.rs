//! Values and derivatives of the velocity at many rows, for the solvers.

use super::folded::Folded;
use super::real::Real;
use super::{VelocityNet, tile, time_features};
use crate::error::SurrogateError;
use crate::ode::{Times, Velocity};

/// Rows that go through all layers together: two buffers of 96 x 64 numbers lie in the first two caches.
const TILE: usize = 96;

/// A network with weights, for jets whose conditions are known: the conditions' part of the first layers is computed
/// once a jet, however often the solver asks.
#[derive(Debug, Clone)]
pub struct Conditioned<'a, T> {
    net: &'a Folded<T>,
    jets: usize,
    /// `[B][jets, W]`.
    parts: Vec<T>,
}

impl<T: Real> Folded<T> {
    /// The velocity for jets of the conditions `c`: `[jets, C]`, standardized.
    ///
    /// # Errors
    /// A number of values that is no multiple of C.
    pub fn condition(&self, c: &[T]) -> Result<Conditioned<'_, T>, SurrogateError> {
        let layout = &self.layout;
        let jets = c.len() / layout.conditions;
        if c.len() != jets * layout.conditions {
            return Err(SurrogateError::Length {
                what: "conditions",
                found: c.len(),
                expected: (jets + 1) * layout.conditions,
            });
        }
        let width = layout.width;
        let mut parts = Vec::with_capacity(layout.blocks * jets * width);
        for m in 0..layout.blocks {
            let start = parts.len();
            let bias = self.part(layout.bias(m));
            for _ in 0..jets {
                parts.extend_from_slice(bias);
            }
            let inputs = &self.part(layout.inputs(m))[layout.time * width..];
            tile::product(&mut parts[start..], c, inputs, jets, layout.conditions, width);
        }
        Ok(Conditioned { net: self, jets, parts })
    }
}

impl VelocityNet {
    /// The velocity of each row: `times` `[N]`, `x` `[N, D]`, conditions `[N, C]` (standardized). For single looks; the
    /// solvers keep the [`Conditioned`] network.
    ///
    /// # Errors
    /// Lengths that do not fit.
    pub fn velocity<T: Real>(
        &self,
        theta: &[T],
        times: &[f64],
        x: &[f64],
        c: &[T],
    ) -> Result<Vec<f64>, SurrogateError> {
        let folded = self.fold(theta)?;
        let conditioned = folded.condition(c)?;
        for (what, found, expected) in [
            ("times", times.len(), conditioned.jets),
            ("x", x.len(), conditioned.jets * self.scores()),
        ] {
            if found != expected {
                return Err(SurrogateError::Length { what, found, expected });
            }
        }
        let jets: Vec<u32> = (0..conditioned.jets as u32).collect();
        let mut v = vec![0.0; x.len()];
        conditioned.evaluate(&mut NetScratch::default(), &jets, Times::Each(times), x, &mut v, None);
        Ok(v)
    }
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub struct NetScratch<T> {
    a: Vec<T>,
    b: Vec<T>,
    da: Vec<T>,
    db: Vec<T>,
    x: Vec<T>,
    v: Vec<T>,
    tau: Vec<T>,
    time: Vec<T>,
}

impl<T: Real> Velocity for Conditioned<'_, T> {
    type Scratch = NetScratch<T>;

    fn scores(&self) -> usize {
        self.net.layout.scores
    }

    fn evaluate(
        &self,
        scratch: &mut NetScratch<T>,
        jets: &[u32],
        times: Times,
        x: &[f64],
        v: &mut [f64],
        mut divergence: Option<&mut [f64]>,
    ) {
        let d = self.scores();
        for start in (0..jets.len()).step_by(TILE) {
            let end = (start + TILE).min(jets.len());
            let (jets, times) = (&jets[start..end], times.part(start..end));
            let (x, v) = (&x[start * d..end * d], &mut v[start * d..end * d]);
            match divergence.as_deref_mut() {
                None => self.tile(scratch, jets, times, x, v, None),
                Some(all) => {
                    let sum = &mut all[start..end];
                    sum.fill(0.0);
                    for direction in 0..d {
                        self.tile(scratch, jets, times, x, v, Some((direction, sum)));
                    }
                }
            }
        }
    }
}

impl<T: Real> Conditioned<'_, T> {
    /// One tile; `tangent` is a direction and where the derivative of that component along it is added.
    fn tile(
        &self,
        s: &mut NetScratch<T>,
        jets: &[u32],
        times: Times,
        x: &[f64],
        v: &mut [f64],
        tangent: Option<(usize, &mut [f64])>,
    ) {
        let layout = &self.net.layout;
        let (rows, width, scores) = (jets.len(), layout.width, layout.scores);
        let size = rows * width;
        for buffer in [&mut s.a, &mut s.b] {
            buffer.resize(size, T::ZERO);
        }
        self.time_parts(s, times);
        s.x.clear();
        s.x.extend(x.iter().map(|&x| T::of(x)));
        let direction = tangent.as_ref().map(|(direction, _)| *direction);
        if direction.is_some() {
            for buffer in [&mut s.da, &mut s.db] {
                buffer.resize(size, T::ZERO);
            }
        }
        for m in 0..layout.blocks {
            // First layer of the block into a, from x or from b.
            self.first_inputs(s, m, jets, times);
            if m == 0 {
                let x_in = self.net.part(layout.x_in());
                tile::product(&mut s.a, &s.x, x_in, rows, scores, width);
                if let Some(d) = direction {
                    for row in s.da.chunks_exact_mut(width) {
                        row.copy_from_slice(&x_in[d * width..(d + 1) * width]);
                    }
                }
            } else {
                let merged = self.net.part(layout.merged(m - 1));
                tile::product(&mut s.a, &s.b, merged, rows, width, width);
                if direction.is_some() {
                    s.da.fill(T::ZERO);
                    tile::product(&mut s.da, &s.db, merged, rows, width, width);
                }
            }
            activate(&mut s.a, direction.map(|_| &mut s.da[..]));
            // Second layer into b.
            let (second, bias) = (self.net.part(layout.second(m)), self.net.part(layout.second_bias(m)));
            for row in s.b.chunks_exact_mut(width) {
                row.copy_from_slice(bias);
            }
            tile::product(&mut s.b, &s.a, second, rows, width, width);
            if direction.is_some() {
                s.db.fill(T::ZERO);
                tile::product(&mut s.db, &s.da, second, rows, width, width);
            }
            activate(&mut s.b, direction.map(|_| &mut s.db[..]));
        }
        let (out, bias) = (self.net.part(layout.out()), self.net.part(layout.out_bias()));
        s.v.clear();
        for _ in 0..rows {
            s.v.extend_from_slice(bias);
        }
        for d in 0..scores {
            tile::row_dots(&mut s.v[d..], scores, &s.b, &out[d * width..(d + 1) * width]);
        }
        v.iter_mut().zip(&s.v).for_each(|(v, n)| *v = n.wide());
        if let Some((d, sum)) = tangent {
            s.v.clear();
            s.v.resize(rows, T::ZERO);
            tile::row_dots(&mut s.v, 1, &s.db, &out[d * width..(d + 1) * width]);
            sum.iter_mut().zip(&s.v).for_each(|(sum, n)| *sum += n.wide());
        }
    }

    /// Time's part of the first layers where all rows have one time, `[B, W]`; else the features of each row, `[rows, F]`.
    fn time_parts(&self, s: &mut NetScratch<T>, times: Times) {
        let layout = &self.net.layout;
        match times {
            Times::Shared(t) => {
                s.tau.resize(layout.time, T::ZERO);
                time_features(t, &mut s.tau);
                s.time.clear();
                s.time.resize(layout.blocks * layout.width, T::ZERO);
                for (m, part) in s.time.chunks_exact_mut(layout.width).enumerate() {
                    tile::product(
                        part,
                        &s.tau,
                        self.net.part(layout.inputs(m)),
                        1,
                        layout.time,
                        layout.width,
                    );
                }
            }
            Times::Each(times) => {
                s.tau.resize(times.len() * layout.time, T::ZERO);
                for (&t, tau) in times.iter().zip(s.tau.chunks_exact_mut(layout.time)) {
                    time_features(t, tau);
                }
            }
        }
    }

    /// What conditions and time give to the first layer of block `m`, into `a`.
    fn first_inputs(&self, s: &mut NetScratch<T>, m: usize, jets: &[u32], times: Times) {
        let layout = &self.net.layout;
        let width = layout.width;
        let parts = &self.parts[m * self.jets * width..];
        let part = |jet: u32| &parts[jet as usize * width..][..width];
        match times {
            Times::Shared(_) => {
                let time = &s.time[m * width..(m + 1) * width];
                for (row, &jet) in s.a.chunks_exact_mut(width).zip(jets) {
                    for ((a, &p), &t) in row.iter_mut().zip(part(jet)).zip(time) {
                        *a = p + t;
                    }
                }
            }
            Times::Each(_) => {
                for (row, &jet) in s.a.chunks_exact_mut(width).zip(jets) {
                    row.copy_from_slice(part(jet));
                }
                let inputs = self.net.part(layout.inputs(m));
                tile::product(&mut s.a, &s.tau, inputs, jets.len(), layout.time, width);
            }
        }
    }
}

fn activate<T: Real>(a: &mut [T], tangents: Option<&mut [T]>) {
    match tangents {
        None => tile::elu(a),
        Some(da) => tile::elu_with_tangents(a, da),
    }
}
