//! A recurrent layer with memory over a sequence.

// Burn slices one dimension with an array of one range.
#![allow(clippy::single_range_in_vec_init)]

use super::block::{Block, Entry, Init, check_size};
use super::{Part, PartMut, Parts, Pass};
use crate::error::NnError;
use crate::ops::{self, Activation};
use burn::tensor::{Device, Tensor};

/// What makes a layer of LSTM cells.
#[derive(Debug, Clone)]
pub struct LstmConfig {
    /// Name of its parameters, unique in the network.
    pub name: String,
    /// Features of a step, `F`.
    pub features: usize,
    /// Cells, `H`.
    pub units: usize,
    /// How the weights of features and of the cells' own outputs start. Biases start at zero, those of the forget gates
    /// at one, so that a cell begins by remembering.
    pub init: Init,
}

/// The gates in the order of their parameters.
const GATES: [&str; 4] = ["input", "forget", "candidate", "output"];

impl LstmConfig {
    /// Draws the parameters.
    ///
    /// # Errors
    /// [`NnError::Config`] for no feature, no cell, or more parameters than memory could hold.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Lstm, NnError> {
        let (f, h) = (self.features, self.units);
        if f == 0 || h == 0 {
            return Err(NnError::Config {
                what: format!("features and cells of layer '{}'", self.name),
                value: format!("{f} and {h}"),
                limit: "above zero",
            });
        }
        check_size(&self.name, &[(f, h), (f, h), (f, h), (f, h)])?;
        check_size(&self.name, &[(h, h), (h, h), (h, h), (h, h)])?;
        let mut entries = Vec::new();
        let mut end = 0;
        let mut add = |name: String, shape: Vec<usize>, init| {
            let start = end;
            end += shape.iter().product::<usize>();
            let range = start..end;
            entries.push(Entry {
                name,
                range,
                shape,
                init,
            });
        };
        add("weight".into(), vec![f, 4 * h], self.init);
        add("recurrent".into(), vec![h, 4 * h], self.init);
        for gate in GATES {
            let start = if gate == "forget" { 1.0 } else { 0.0 };
            add(format!("bias.{gate}"), vec![h], Init::Constant(start));
        }
        Ok(Lstm {
            features: f,
            units: h,
            block: Block::new(&self.name, entries, seed, device),
        })
    }
}

/// A layer of long short-term memory: Hochreiter, Schmidhuber, Neural Computation 9 (1997) 1735, with the forget gate
/// of Gers, Schmidhuber, Cummins, Neural Computation 12 (2000) 2451.
///
/// `i, f, o = sigmoid(x W + h U + b)`, `g = tanh(..)`, `c = f c + i g`, `h = o tanh(c)`, beginning with zeros. Written
/// in single operations: a pass over `T` steps keeps some `14 H` numbers a row and step for the gradient.
#[derive(Debug)]
pub struct Lstm {
    features: usize,
    units: usize,
    block: Block,
}

impl Lstm {
    /// The output of every step, in the order of `steps`; `backwards` walks from the last step to the first.
    ///
    /// # Shapes
    /// - `steps`: `T` tensors `[R, F]`; returns `T` tensors `[R, H]`
    pub fn forward(&self, steps: &[Tensor<2>], backwards: bool, pass: &Pass) -> Vec<Tensor<2>> {
        let (f, h) = (self.features, self.units);
        let parameters = self.block.tensor(pass);
        let part = |start: usize, rows: usize| -> Tensor<2> {
            let end = start + rows * 4 * h;
            parameters.clone().slice([start..end]).reshape([rows, 4 * h])
        };
        let weight = part(0, f);
        let recurrent = part(f * 4 * h, h);
        let bias = part((f + h) * 4 * h, 1);
        let mut state: Option<[Tensor<2>; 2]> = None;
        let mut outputs = Vec::with_capacity(steps.len());
        let mut step = |x: &Tensor<2>| {
            let mut gates = x.clone().matmul(weight.clone()) + bias.clone(); // [R, 4 H]
            if let Some([_, output]) = &state {
                gates = gates + output.clone().matmul(recurrent.clone());
            }
            let [rows, _] = gates.dims();
            let gate = |n: usize, function| ops::activate(gates.clone().slice([0..rows, n * h..(n + 1) * h]), function);
            let mut memory = gate(0, Activation::Sigmoid) * gate(2, Activation::Tanh);
            if let Some([before, _]) = &state {
                memory = memory + gate(1, Activation::Sigmoid) * before.clone();
            }
            let output = gate(3, Activation::Sigmoid) * ops::activate(memory.clone(), Activation::Tanh);
            state = Some([memory, output.clone()]);
            outputs.push(output);
        };
        if backwards {
            steps.iter().rev().for_each(&mut step);
            outputs.reverse();
        } else {
            steps.iter().for_each(&mut step);
        }
        outputs
    }
}

impl Parts for Lstm {
    fn parts(&self) -> Vec<Part<'_>> {
        vec![Part::Block(&self.block)]
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        vec![PartMut::Block(&mut self.block)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    /// One cell, weights 0.5, -1, 2, 0.25 of the gates in order, recurrent weights of 0.1, forget bias 1; the numbers
    /// are the equations worked out step by step.
    #[test]
    fn a_cell_remembers_forgets_and_is_read_in_either_direction() {
        let config = LstmConfig {
            name: "cell".into(),
            features: 1,
            units: 1,
            init: Init::Constant(0.1),
        };
        let mut lstm = config.init(1, &Device::flex()).unwrap();
        lstm.block
            .set(vec![0.5, -1.0, 2.0, 0.25, 0.1, 0.1, 0.1, 0.1, 0.0, 1.0, 0.0, 0.0]);
        let steps = [1.0f32, -0.5].map(|x| Tensor::<2>::from_data(TensorData::new(vec![x], [1, 1]), &Device::flex()));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let run = |inputs: [f64; 2]| {
            let (mut memory, mut output) = (0.0, 0.0);
            inputs.map(|x| {
                let before: f64 = 0.1 * output;
                memory = sigmoid(-x + before + 1.0) * memory + sigmoid(0.5 * x + before) * (2.0 * x + before).tanh();
                output = sigmoid(0.25 * x + before) * memory.tanh();
                output
            })
        };
        let [first, second] = run([-0.5, 1.0]);
        for (backwards, expected) in [(false, run([1.0, -0.5])), (true, [second, first])] {
            let found = lstm.forward(&steps, backwards, &Pass::Scoring);
            for (found, expected) in found.into_iter().zip(expected) {
                let found = f64::from(ops::floats(found)[0]);
                assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
            }
        }
    }
}
