//! Conditionings whose maps are networks of the hypothesis.
//!
//! FiLM (Perez et al., arXiv:1709.07871): scale and shift of each channel come from a small network of the hypothesis. A
//! hypernetwork (Ha, Dai, Le, arXiv:1609.09106) makes the weights themselves depend on it, here by a sum of `rank` fixed
//! outer products with coefficients that a small network gives: W(m) = W + sum_r a_r(m) u_r v_r. Both start as nothing.

use crate::error::ParametricError;
use tagwerk_nn::layers::{DenseChain, DenseChainConfig, Init, Part, PartMut, Parts, Pass};
use tagwerk_nn::{Device, Tensor};

/// What both are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generator<'a> {
    /// Inputs of the network of the hypothesis, `P`.
    pub(super) inputs: usize,
    /// Its hidden widths.
    pub(super) hidden: &'a [usize],
    /// Seed of its weights.
    pub(super) seed: u64,
    /// Where they are.
    pub(super) device: &'a Device,
}

impl Generator<'_> {
    fn chain(&self, name: String, widths: Vec<usize>, last: bool, init: Init) -> Result<DenseChain, ParametricError> {
        let config = DenseChainConfig {
            name,
            widths,
            activate_last: last,
            init,
        };
        Ok(config.init(self.seed, self.device)?)
    }

    /// The hidden layers, and the width in which they end.
    fn hidden(&self, name: &str) -> Result<(Option<DenseChain>, usize), ParametricError> {
        let Some(&width) = self.hidden.last() else {
            return Ok((None, self.inputs));
        };
        let widths = std::iter::once(self.inputs)
            .chain(self.hidden.iter().copied())
            .collect();
        let chain = self.chain(format!("{name}.generator"), widths, true, Init::HeUniform)?;
        Ok((Some(chain), width))
    }
}

/// `x (1 + s(m)) + b(m)`.
#[derive(Debug)]
pub(super) struct Film {
    hidden: Option<DenseChain>,
    maps: DenseChain,
}

impl Film {
    pub(super) fn new(name: &str, channels: usize, of: Generator<'_>) -> Result<Self, ParametricError> {
        let (hidden, width) = of.hidden(name)?;
        let maps = of.chain(
            format!("{name}.maps"),
            vec![width, 2 * channels],
            false,
            Init::Constant(0.0),
        )?;
        Ok(Self { hidden, maps })
    }

    /// # Shapes
    /// - `x`: `[B, C]`, `m`: `[B, P]`; returns `[B, C]`
    pub(super) fn forward(&self, x: Tensor<2>, m: &Tensor<2>, pass: &Pass) -> Tensor<2> {
        let [rows, c] = x.dims();
        let hidden = match &self.hidden {
            Some(chain) => chain.forward(m.clone(), pass),
            None => m.clone(),
        };
        let maps = self.maps.forward(hidden, pass); // [B, 2 C]
        let scale = maps.clone().slice([0..rows, 0..c]);
        let shift = maps.slice([0..rows, c..2 * c]);
        x.clone() + x * scale + shift
    }
}

impl Parts for Film {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts: Vec<_> = self.hidden.iter().flat_map(Parts::parts).collect();
        parts.extend(self.maps.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts: Vec<_> = self.hidden.iter_mut().flat_map(Parts::parts_mut).collect();
        parts.extend(self.maps.parts_mut());
        parts
    }
}

/// What the hypothesis adds to a dense layer: `((x U) a(m)) V`.
#[derive(Debug)]
pub(super) struct Hyper {
    hidden: Option<DenseChain>,
    coefficients: DenseChain,
    down: DenseChain,
    up: DenseChain,
}

impl Hyper {
    pub(super) fn new(
        name: &str,
        [c_in, c_out]: [usize; 2],
        rank: usize,
        of: Generator<'_>,
    ) -> Result<Self, ParametricError> {
        let (hidden, width) = of.hidden(name)?;
        let chain = |part: &str, widths: Vec<usize>, init| of.chain(format!("{name}.{part}"), widths, false, init);
        Ok(Self {
            hidden,
            coefficients: chain("coefficients", vec![width, rank], Init::GlorotUniform)?,
            down: chain("down", vec![c_in, rank], Init::GlorotUniform)?,
            up: chain("up", vec![rank, c_out], Init::Constant(0.0))?,
        })
    }

    /// # Shapes
    /// - `x`: `[B, C_in]`, `m`: `[B, P]`; returns `[B, C_out]`
    pub(super) fn forward(&self, x: Tensor<2>, m: &Tensor<2>, pass: &Pass) -> Tensor<2> {
        let hidden = match &self.hidden {
            Some(chain) => chain.forward(m.clone(), pass),
            None => m.clone(),
        };
        let coefficients = self.coefficients.forward(hidden, pass); // [B, rank]
        self.up.forward(self.down.forward(x, pass) * coefficients, pass)
    }

    fn chains(&self) -> impl Iterator<Item = &DenseChain> {
        self.hidden.iter().chain([&self.coefficients, &self.down, &self.up])
    }
}

impl Parts for Hyper {
    fn parts(&self) -> Vec<Part<'_>> {
        self.chains().flat_map(Parts::parts).collect()
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let chains = self
            .hidden
            .iter_mut()
            .chain([&mut self.coefficients, &mut self.down, &mut self.up]);
        chains.flat_map(Parts::parts_mut).collect()
    }
}

/// The scaled hypotheses and, of each value t, sin and cos of `2^k pi t` for k below `frequencies`.
///
/// # Shapes
/// - `m`: `[B, P]`; returns `[B, P (1 + 2 F)]`
pub(super) fn fourier(m: &[f32], parameters: usize, frequencies: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(m.len() * (1 + 2 * frequencies));
    for point in m.chunks_exact(parameters.max(1)) {
        out.extend_from_slice(point);
        for &t in point {
            for k in 0..frequencies {
                let (sin, cos) = (f64::from(t) * std::f64::consts::PI * f64::from(1u32 << k)).sin_cos();
                out.extend([sin as f32, cos as f32]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_stand_behind_the_values_they_are_of() {
        let found = fourier(&[0.5, 1.0, 0.25, 0.0], 2, 2);
        let root = std::f32::consts::FRAC_1_SQRT_2;
        // Points (0.5, 1) and (0.25, 0): each value, then sin and cos of pi t and 2 pi t.
        let expected = [
            [0.5, 1.0, 1.0, 0.0, 0.0, -1.0, 0.0, -1.0, 0.0, 1.0],
            [0.25, 0.0, root, root, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
        ];
        for (found, expected) in found.iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(fourier(&[0.5, 1.0], 1, 0), [0.5, 1.0]);
    }
}
