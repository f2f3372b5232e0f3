//! The flow-matching loss through the layers of the network as they are written, each of which a [`LinearMap`] may
//! replace: what local reparameterization and flipout need.
//!
//! Nothing is folded here, and each layer is a call, so a step costs several times one of
//! [`matching_loss`](super::matching_loss). Only the matching loss is offered: a solver meets every layer many times for a
//! row, and noise of a row's own would have to stay the same there.

use super::target::{FlowLoss, FlowTarget};
use super::{Pairs, groups};
use crate::posterior::{LinearLayer, LinearLayers, LinearMap, Part, RowBlock, TargetError};
use crate::velocity::{VelocityNet, gradient_tile, time_features};
use rayon::prelude::*;
use std::ops::Range;

impl VelocityNet {
    /// Its linear layers, block by block.
    pub fn linear_layers(&self) -> Vec<LinearLayer> {
        let pairs = self.entries().chunks_exact(2);
        pairs
            .map(|pair| LinearLayer {
                weight: pair[0].range.clone(),
                bias: pair[1].range.clone(),
                inputs: pair[0].fan_in,
                outputs: pair[1].range.len(),
            })
            .collect()
    }
}

impl LinearLayers for FlowTarget<'_> {
    fn layers(&self) -> Vec<LinearLayer> {
        self.net.linear_layers()
    }

    fn loss_and_gradient_through(
        &self,
        map: &dyn LinearMap,
        part: Part,
        losses: &mut [f64],
        gradient: &mut [f64],
    ) -> Result<(), TargetError> {
        let FlowLoss::Matching { draws, .. } = self.loss else {
            return Err("noise of each row's own is for the matching loss".into());
        };
        let layers = self.net.linear_layers();
        let rows = losses.len();
        losses.fill(0.0);
        gradient.fill(0.0);
        let share = 1.0 / f64::from(draws);
        for draw in 0..draws {
            let pairs = self.pairs(part, draw)?;
            let groups = groups(rows, gradient_tile());
            let parts: Vec<(Vec<f64>, Vec<f64>)> = groups
                .into_par_iter()
                .with_max_len(1)
                .map(|range| {
                    let mut own = (Vec::with_capacity(range.len()), vec![0.0; map.parameters()]);
                    for start in range.clone().step_by(gradient_tile()) {
                        let tile = start..(start + gradient_tile()).min(range.end);
                        // Every draw has places of its own in the noise.
                        let first = draw as usize * rows + start;
                        own.0
                            .extend(walk(self.net, &layers, map, &pairs, tile, first, &mut own.1));
                    }
                    own
                })
                .collect();
            let all = parts.iter().flat_map(|(losses, _)| losses);
            losses.iter_mut().zip(all).for_each(|(sum, loss)| *sum += share * loss);
            for (_, own) in &parts {
                gradient.iter_mut().zip(own).for_each(|(sum, g)| *sum += share * g);
            }
        }
        Ok(())
    }
}

/// Losses of a tile of rows; the gradient of their sum is added. `first` is the place of the first row in the noise.
fn walk(
    net: &VelocityNet,
    layers: &[LinearLayer],
    map: &dyn LinearMap,
    pairs: &Pairs<f32>,
    tile: Range<usize>,
    first: usize,
    gradient: &mut [f64],
) -> Vec<f64> {
    let (scores, conditions, time) = (net.scores(), net.conditions(), net.time_features());
    let block = RowBlock {
        first,
        rows: tile.len(),
    };
    // What each layer was given, and what it made of that before the activation.
    let mut inputs: Vec<Vec<f32>> = Vec::with_capacity(layers.len());
    let mut outputs: Vec<Vec<f32>> = Vec::with_capacity(layers.len());
    let mut hidden = pairs.y[tile.start * scores..tile.end * scores].to_vec();
    for (index, layer) in layers.iter().enumerate() {
        let input = match index % 3 {
            // The first of a block sees time and conditions anew: [tau, h, c].
            0 => {
                let width = hidden.len() / block.rows;
                let mut input = Vec::with_capacity(block.rows * layer.inputs);
                for (row, h) in tile.clone().zip(hidden.chunks_exact(width)) {
                    let at = input.len();
                    input.resize(at + time, 0.0);
                    time_features(pairs.times[row], &mut input[at..]);
                    input.extend_from_slice(h);
                    input.extend_from_slice(&pairs.c[row * conditions..(row + 1) * conditions]);
                }
                input
            }
            _ => std::mem::take(&mut hidden),
        };
        let mut output = vec![0.0; block.rows * layer.outputs];
        map.forward(index, block, &input, &mut output);
        hidden = match index % 3 {
            2 => output.clone(),
            _ => output.iter().map(|&z| elu(z)).collect(),
        };
        inputs.push(input);
        outputs.push(output);
    }
    let targets = &pairs.u[tile.start * scores..tile.end * scores];
    let of_scores = 1.0 / scores as f64;
    let losses = (hidden.chunks_exact(scores).zip(targets.chunks_exact(scores)))
        .map(|(v, u)| of_scores * v.iter().zip(u).map(|(v, u)| f64::from(v - u).powi(2)).sum::<f64>())
        .collect();
    let mut by_output: Vec<f32> = (hidden.iter().zip(targets))
        .map(|(v, u)| 2.0 * of_scores as f32 * (v - u))
        .collect();
    for (index, layer) in layers.iter().enumerate().rev() {
        if index % 3 != 2 {
            (by_output.iter_mut().zip(&outputs[index])).for_each(|(g, &z)| *g *= elu_slope(z));
        }
        let mut by_input = vec![0.0; block.rows * layer.inputs];
        map.backward(index, block, &inputs[index], &by_output, &mut by_input, gradient);
        by_output = match index % 3 {
            // Of [tau, h, c] only h comes from the layers before.
            0 => {
                let of_hidden = |row: &[f32]| row[time..layer.inputs - conditions].to_vec();
                by_input.chunks_exact(layer.inputs).flat_map(of_hidden).collect()
            }
            _ => by_input,
        };
    }
    losses
}

fn elu(z: f32) -> f32 {
    if z > 0.0 { z } else { z.exp_m1() }
}

fn elu_slope(z: f32) -> f32 {
    if z > 0.0 { 1.0 } else { z.exp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Examples, FlowConfig};
    use crate::posterior::{FlipoutMap, LocalMap, PlainMap, Target};
    use crate::velocity::VelocityConfig;
    use tagwerk_data::random::{normal, stream};

    fn numbers(n: usize, scale: f64, name: &str) -> Vec<f32> {
        let mut rng = stream(5, name, 0);
        (0..n).map(|_| (scale * normal(&mut rng)) as f32).collect()
    }

    /// Two scores, so that the shares of scores count, and more rows than a tile.
    fn with_target(rows: usize, test: impl Fn(&FlowTarget<'_>, Vec<f64>)) {
        let config = VelocityConfig {
            width: 8,
            blocks: 2,
            ..VelocityConfig::default()
        };
        let net = VelocityNet::new(config, 2, 3).unwrap();
        let (x, c) = (numbers(2 * rows, 0.3, "x"), numbers(3 * rows, 1.0, "c"));
        let target = FlowTarget {
            net: &net,
            examples: Examples::new(&x, &c, 2, 3).unwrap(),
            flow: FlowConfig::default(),
            loss: FlowLoss::Matching { draws: 2, seed: 1 },
        };
        test(&target, net.init(3).into_iter().map(f64::from).collect());
    }

    #[test]
    fn through_its_own_layers_the_loss_is_that_of_the_folded_network() {
        with_target(300, |target, theta| {
            let map = PlainMap::new(target.layers(), &theta);
            for part in [Part::all(), Part::of(&[7, 3, 3]).with_draw(2)] {
                let rows = part.len(300);
                let (mut folded, mut by_folded) = (vec![0.0; rows], vec![0.0; theta.len()]);
                target
                    .loss_and_gradient(&theta, part, &mut folded, &mut by_folded)
                    .unwrap();
                let (mut through, mut by_layers) = (vec![1.0; rows], vec![1.0; theta.len()]);
                target
                    .loss_and_gradient_through(&map, part, &mut through, &mut by_layers)
                    .unwrap();
                for (a, b) in folded.iter().zip(&through) {
                    assert!((a - b).abs() < 1e-5 * (1.0 + a), "{a} {b}");
                }
                let largest = by_folded.iter().fold(0.0f64, |m, g| m.max(g.abs()));
                for (i, (a, b)) in by_folded.iter().zip(&by_layers).enumerate() {
                    assert!((a - b).abs() < 1e-5 * largest, "{i}: {a} {b} of {largest}");
                }
            }
        });
    }

    #[test]
    fn gradients_by_mean_and_width_are_those_of_the_noisy_loss() {
        with_target(20, |target, mu| {
            let rho = vec![-2.5; mu.len()];
            let parameters: Vec<f64> = mu.iter().chain(&rho).copied().collect();
            let direction: Vec<f64> = numbers(parameters.len(), 1.0, "direction")
                .iter()
                .map(|&d| d.into())
                .collect();
            let of = |parameters: &[f64], local: bool| {
                let (mu, rho) = parameters.split_at(mu.len());
                let (mut losses, mut gradient) = (vec![0.0; 20], vec![0.0; parameters.len()]);
                let map: Box<dyn LinearMap> = match local {
                    true => Box::new(LocalMap::new(target.layers(), mu, rho, 9)),
                    false => Box::new(FlipoutMap::new(target.layers(), mu, rho, 9)),
                };
                target
                    .loss_and_gradient_through(&*map, Part::all(), &mut losses, &mut gradient)
                    .unwrap();
                (losses.iter().sum::<f64>(), gradient)
            };
            for local in [true, false] {
                let at = |h: f64| {
                    let moved: Vec<f64> = parameters.iter().zip(&direction).map(|(p, d)| p + h * d).collect();
                    of(&moved, local).0
                };
                let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
                let gradient = of(&parameters, local).1;
                let expected: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
                assert!(
                    (slope - expected).abs() < 2e-2 * (1.0 + expected.abs()),
                    "local {local}: {slope} {expected}"
                );
            }
        });
    }

    #[test]
    fn a_likelihood_has_no_layers_to_show() {
        with_target(5, |target, _| {
            assert!(target.linear_layers().is_some());
            let exact = FlowTarget {
                loss: FlowLoss::default(),
                ..*target
            };
            assert!(exact.linear_layers().is_none());
        });
    }
}
