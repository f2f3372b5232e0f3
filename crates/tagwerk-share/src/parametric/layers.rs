//! The layers of a Keras model by their numbers, and the network they make.

use super::ParametricImport;
use crate::tensorflow::Checkpoint;
use serde::Serialize;
use std::collections::BTreeMap;
use tagwerk_nn::layers::{PartMut, Parts};
use tagwerk_parametric::{Method, NetworkConfig, ParametricNetwork, Place, Start};

type Told<T> = std::result::Result<T, String>;

/// What a checkpoint is of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KerasNetwork {
    /// Features of an event.
    pub features: usize,
    /// How the mass enters.
    pub method: Method,
    /// Where.
    pub place: Place,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Parameters.
    pub parameters: usize,
}

/// A linear map, `[c_in, c_out]` and `[c_out]`.
#[derive(Debug, Clone, PartialEq)]
struct Map {
    ends: [usize; 2],
    kernel: Vec<f32>,
    bias: Vec<f32>,
}

/// A layer with weights.
#[derive(Debug, Clone, PartialEq)]
enum Layer {
    Dense(Map),
    /// Scale, shift, or one map that can be either.
    Condition {
        scale: Option<Map>,
        shift: Option<Map>,
        either: Option<Map>,
    },
}

/// The layers, in order.
#[derive(Debug)]
pub(super) struct Layers {
    layers: Vec<Layer>,
}

const LAYER: &str = "layer_with_weights-";
const VALUE: &str = "/.ATTRIBUTES/VARIABLE_VALUE";

impl Layers {
    /// `features` is the width before the first dense layer.
    pub(super) fn find(checkpoint: &Checkpoint, features: usize) -> Told<Self> {
        let mut found: BTreeMap<usize, BTreeMap<String, &String>> = BTreeMap::new();
        for key in checkpoint.tensors.keys() {
            // Moments of the optimizer stand under the same layers.
            let Some(rest) = key.strip_prefix(LAYER).filter(|rest| !rest.contains(".OPTIMIZER_SLOT")) else {
                continue;
            };
            let Some((number, inside)) = rest.strip_suffix(VALUE).and_then(|rest| rest.split_once('/')) else {
                continue;
            };
            let number = number.parse().map_err(|_| format!("a layer called `{number}`"))?;
            found.entry(number).or_default().insert(inside.to_owned(), key);
        }
        if found.is_empty() {
            return Err("it has no layer with weights".to_owned());
        }
        let mut layers: Vec<Layer> = Vec::new();
        let mut width = Some(features);
        for (number, inside) in found {
            let map = |prefix: &str| map(checkpoint, &inside, prefix, number);
            let prefixes: Vec<&str> = inside.keys().filter_map(|name| name.strip_suffix("kernel")).collect();
            let known = 2 * prefixes.len();
            if prefixes.is_empty() || inside.len() > known {
                let names: Vec<&str> = inside.keys().map(String::as_str).collect();
                return Err(format!(
                    "layer {number} holds {}; dense and conditioning layers are known (batch normalization is not imported)",
                    names.join(", ")
                ));
            }
            let layer = match prefixes[..] {
                [""] => {
                    let dense = map("")?;
                    // A map of the mass alone, in the middle of wide layers.
                    match dense.ends[0] == 1 && width.is_some_and(|w| w == dense.ends[1] && w > 1) {
                        true => Layer::Condition {
                            scale: None,
                            shift: None,
                            either: Some(dense),
                        },
                        false => Layer::Dense(dense),
                    }
                }
                _ => {
                    let of = |word: &str| prefixes.iter().find(|p| p.contains(word)).map(|p| map(p)).transpose();
                    let (scale, shift) = (of("scale")?, of("bias")?);
                    let either = match (&scale, &shift, &prefixes[..]) {
                        (None, None, [one]) => Some(map(one)?),
                        (None, None, _) => return Err(format!("layer {number} has maps of unknown names")),
                        _ => None,
                    };
                    Layer::Condition { scale, shift, either }
                }
            };
            if let Layer::Dense(dense) = &layer {
                width = Some(dense.ends[1]);
            }
            layers.push(layer);
        }
        Ok(Self { layers })
    }

    /// The network, and the configuration that makes it here.
    pub(super) fn network(&self, options: &ParametricImport) -> Told<(KerasNetwork, NetworkConfig)> {
        let features = options.features;
        let dense: Vec<&Map> = self.dense().collect();
        let Some((output, hidden)) = dense.split_last().filter(|(_, hidden)| !hidden.is_empty()) else {
            return Err(format!(
                "{} dense layers; a hidden one and the output are needed",
                dense.len()
            ));
        };
        if output.ends[1] != 1 {
            return Err(format!("{} outputs; networks of one are imported", output.ends[1]));
        }
        let widths: Vec<usize> = hidden.iter().map(|map| map.ends[1]).collect();
        // Inputs of each dense layer beyond what the layer before gives.
        let before = std::iter::once(features).chain(widths.iter().copied());
        let more: Vec<Option<usize>> = dense
            .iter()
            .zip(before)
            .map(|(map, w)| map.ends[0].checked_sub(w))
            .collect();
        let shown: Vec<String> = dense.iter().map(|map| format!("{:?}", map.ends)).collect();
        let strange = || {
            format!(
                "dense layers {} do not fit each other behind {features} features and one mass (--features says how many there are)",
                shown.join(" ")
            )
        };
        let more: Vec<usize> = more.into_iter().collect::<Option<_>>().ok_or_else(strange)?;
        let conditions: Vec<usize> = (0..self.layers.len())
            .filter(|&i| matches!(self.layers[i], Layer::Condition { .. }))
            .map(|i| self.layers[..i].iter().filter(|l| matches!(l, Layer::Dense(_))).count())
            .collect();
        let last = widths.len();
        let place_of = |places: &[usize]| match places {
            [0] => Some(Place::Start),
            [one] if *one == last => Some(Place::End),
            all if all.iter().copied().eq(1..=last) => Some(Place::All),
            _ => None,
        };
        let (method, place) = if conditions.is_empty() {
            let places: Vec<usize> = (0..more.len()).filter(|&i| more[i] > 0).collect();
            match more.iter().all(|&n| n <= 1) {
                true if places.is_empty() => (Method::None, Place::All),
                true => (Method::Concat, place_of(&places).ok_or_else(strange)?),
                false => return Err(strange()),
            }
        } else {
            if more.iter().any(|&n| n > 0) {
                return Err(strange());
            }
            let place =
                place_of(&conditions).ok_or_else(|| format!("conditioning behind the layers {conditions:?}"))?;
            (self.method(options.method)?, place)
        };
        let config = NetworkConfig {
            method,
            place,
            hidden: widths.clone(),
            start: Start::Glorot,
            // Not stored, and off while scoring; keeps layers apart, each with a name of its own.
            dropout: 0.25,
            standardize: false,
            ..NetworkConfig::default()
        };
        let network = KerasNetwork {
            features,
            method,
            place,
            hidden: widths,
            parameters: self.maps(method).iter().map(|m| m.kernel.len() + m.bias.len()).sum(),
        };
        Ok((network, config))
    }

    fn dense(&self) -> impl Iterator<Item = &Map> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Dense(map) => Some(map),
            Layer::Condition { .. } => None,
        })
    }

    /// What the conditionings do, which all have to do alike.
    fn method(&self, chosen: Option<Method>) -> Told<Method> {
        let mut found = None;
        for layer in &self.layers {
            let Layer::Condition { scale, shift, .. } = layer else {
                continue;
            };
            let method = match (scale, shift, chosen) {
                (Some(_), Some(_), _) => Method::Affine,
                (Some(_), None, _) => Method::Scaling,
                (None, Some(_), _) => Method::Biasing,
                (None, None, Some(chosen @ (Method::Scaling | Method::Biasing))) => chosen,
                (None, None, _) => {
                    return Err("its conditionings can be scaling or biasing: --method says which".to_owned());
                }
            };
            if *found.get_or_insert(method) != method {
                return Err("its conditionings are of different kinds".to_owned());
            }
        }
        found.ok_or_else(|| "no conditioning".to_owned())
    }

    /// All maps in the order of the network's blocks: where a layer conditions, scale before shift.
    fn maps(&self, method: Method) -> Vec<&Map> {
        let mut maps = Vec::new();
        for layer in &self.layers {
            match layer {
                Layer::Dense(map) => maps.push(map),
                Layer::Condition { scale, shift, either } => {
                    debug_assert!(method != Method::None);
                    maps.extend(scale.iter().chain(shift).chain(either));
                }
            }
        }
        maps
    }

    /// Puts the weights into a network of [`Self::network`]'s configuration.
    pub(super) fn fill(&self, network: &mut ParametricNetwork) -> Told<()> {
        let mut maps = self.maps(Method::Affine).into_iter();
        for part in network.parts_mut() {
            let PartMut::Block(block) = part else { continue };
            let mut values = block.to_vec();
            for pair in block.entries().chunks(2) {
                let [kernel, bias] = pair else {
                    return Err(format!("block {} has no bias", block.name()));
                };
                let map = maps.next().ok_or("fewer layers than the network has")?;
                if kernel.shape[..] != map.ends || bias.shape[..] != [map.ends[1]] {
                    return Err(format!("{}: {:?} where {:?} is", block.name(), map.ends, kernel.shape));
                }
                values[kernel.range.clone()].copy_from_slice(&map.kernel);
                values[bias.range.clone()].copy_from_slice(&map.bias);
            }
            block.set(values);
        }
        match maps.next() {
            None => Ok(()),
            Some(_) => Err("more layers than the network has".to_owned()),
        }
    }
}

/// The map `prefix` of a layer.
fn map(checkpoint: &Checkpoint, inside: &BTreeMap<String, &String>, prefix: &str, number: usize) -> Told<Map> {
    let tensor = |what: &str| {
        let name = format!("{prefix}{what}");
        let lacking = || format!("layer {number} has no `{name}`");
        let key = inside.get(&name).ok_or_else(lacking)?;
        let tensor = &checkpoint.tensors[*key];
        let values = tensor
            .values
            .as_ref()
            .ok_or_else(|| format!("`{key}` is not of a type that is read"))?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err(format!("`{key}` has values that are no numbers"));
        }
        Ok((
            tensor.shape.clone(),
            values.iter().map(|&v| v as f32).collect::<Vec<f32>>(),
        ))
    };
    let (shape, kernel) = tensor("kernel")?;
    let (bias_shape, bias) = tensor("bias")?;
    let [c_in, c_out] = shape[..] else {
        return Err(format!("the kernel of layer {number} has the shape {shape:?}"));
    };
    match bias_shape[..] == [c_out] {
        true => Ok(Map {
            ends: [c_in, c_out],
            kernel,
            bias,
        }),
        false => Err(format!("layer {number}: {shape:?} with a bias of {bias_shape:?}")),
    }
}
