use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use tagwerk_nn::layers::Block;
use tagwerk_nn::{Gradients, loss};
use tagwerk_train::{InMemory, Learner, TrainingConfig, Update};

/// Without dropout, noise and preprocessing.
fn bare(method: Method, place: Place) -> NetworkConfig {
    NetworkConfig {
        method,
        place,
        dropout: 0.0,
        standardize: false,
        start: Start::Glorot,
        ..NetworkConfig::default()
    }
}

fn built(config: &NetworkConfig, features: usize, parameters: usize) -> ParametricNetwork {
    config.init(features, parameters, 3, &Device::flex()).unwrap()
}

/// Gives the dense layers of one network to another that names them otherwise: layers with nothing between are one block.
fn with_layers_of(mut network: ParametricNetwork, other: &ParametricNetwork) -> ParametricNetwork {
    let dense = |block: &Block| block.name().starts_with("dense") || block.name() == "output";
    let mut values: Vec<f32> = Vec::new();
    for part in other.parts() {
        if let Part::Block(block) = part
            && dense(block)
        {
            values.extend(block.to_vec());
        }
    }
    let mut at = 0;
    for part in network.parts_mut() {
        if let PartMut::Block(block) = part
            && dense(block)
        {
            block.set(values[at..at + block.len()].to_vec());
            at += block.len();
        }
    }
    assert_eq!(at, values.len());
    network
}

#[test]
fn parameter_counts_are_those_of_the_published_checkpoints() {
    let count = |method, place| {
        let with_dropout = NetworkConfig {
            dropout: 0.25,
            ..bare(method, place)
        };
        let count = built(&bare(method, place), 27, 1).parameter_count();
        assert_eq!(
            built(&with_dropout, 27, 1).parameter_count(),
            count,
            "{method:?} {place:?}"
        );
        count
    };
    assert_eq!(count(Method::None, Place::All), 73_751);
    for (method, counts) in [
        (Method::Concat, [74_051, 74_052, 73_752]),
        (Method::Biasing, [73_805, 74_951, 73_851]),
        (Method::Scaling, [73_805, 74_951, 73_851]),
        (Method::Affine, [73_859, 76_151, 73_951]),
    ] {
        assert_eq!(
            [Place::Start, Place::All, Place::End].map(|place| count(method, place)),
            counts,
            "{method:?}"
        );
    }
}

/// Every value of the network under `block.entry`, scrambled so that none is at its start.
fn scrambled(network: &mut ParametricNetwork) -> HashMap<String, (Vec<usize>, Vec<f64>)> {
    let mut found = HashMap::new();
    for part in network.parts_mut() {
        let PartMut::Block(block) = part else { continue };
        let mut values = block.to_vec();
        for (i, v) in values.iter_mut().enumerate() {
            *v += 0.1 * ((i as f32 * 0.618_034 + block.name().len() as f32 * 0.37).fract() - 0.5);
        }
        for entry in block.entries().to_vec() {
            let own = values[entry.range.clone()].iter().map(|&v| f64::from(v)).collect();
            found.insert(format!("{}.{}", block.name(), entry.name), (entry.shape, own));
        }
        block.set(values);
    }
    found
}

/// The network by its formulas, in double precision.
fn by_hand(config: &NetworkConfig, weights: &HashMap<String, (Vec<usize>, Vec<f64>)>, x: &[f64], m: &[f64]) -> f64 {
    let dense = |name: String, x: &[f64]| -> Vec<f64> {
        let (shape, w) = &weights[&format!("{name}.weight")];
        let (_, b) = &weights[&format!("{name}.bias")];
        assert_eq!(shape[0], x.len(), "{name}");
        (0..shape[1])
            .map(|j| b[j] + (0..shape[0]).map(|i| x[i] * w[i * shape[1] + j]).sum::<f64>())
            .collect()
    };
    let condition = |name: &str, x: Vec<f64>| -> Vec<f64> {
        if config.method == Method::Concat {
            return [x, m.to_vec()].concat();
        }
        let map = |kind: &str, nothing: f64| -> Vec<f64> {
            match weights.get(&format!("{name}.{kind}.bias")) {
                None => vec![nothing; x.len()],
                Some(_) => dense(format!("{name}.{kind}"), m),
            }
        };
        let (scale, shift) = (map("scale", 1.0), map("shift", 0.0));
        x.iter().zip(scale).zip(shift).map(|((x, s), b)| x * s + b).collect()
    };
    let known = config.method != Method::None;
    let mut h = x.to_vec();
    if known && config.place == Place::Start {
        h = condition("condition_input", h);
    }
    let depth = config.hidden.len();
    for l in 0..=depth {
        // Layers without anything between are one chain, named after its first.
        let name = (0..=l)
            .rev()
            .map(|first| format!("dense{first}.{}", l - first))
            .chain(std::iter::once("output.0".to_owned()))
            .find(|name| weights.contains_key(&format!("{name}.weight")) && (l == depth || !name.starts_with("output")))
            .unwrap();
        h = dense(name, &h);
        if l == depth {
            break;
        }
        for v in &mut h {
            *v = match config.activation {
                Hidden::Relu => v.max(0.0),
                Hidden::Selu if *v > 0.0 => 1.050_700_987_355_480_5 * *v,
                Hidden::Selu => 1.050_700_987_355_480_5 * 1.673_263_242_354_377_2 * v.exp_m1(),
            };
        }
        if known && (config.place == Place::All || (config.place == Place::End && l + 1 == depth)) {
            h = condition(&format!("condition{l}"), h);
        }
    }
    h[0]
}

fn log_odds(network: &mut ParametricNetwork, rows: &[f32], width: usize, pass: &Pass) -> Vec<f32> {
    let view = View::Dense(DenseView {
        shape: vec![width],
        values: rows.to_vec(),
    });
    let device = pass.device(&Device::flex());
    let y = network.forward(&view, pass, &device).unwrap();
    y.into_data().convert::<f32>().try_into_vec().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_conditioning_at_every_place_is_its_formula(
        method in 0usize..5, place in 0usize..3, parameters in 1usize..3, selu: bool, dropout: bool, salt in 0u32..1000,
    ) {
        let method = [Method::None, Method::Concat, Method::Biasing, Method::Scaling, Method::Affine][method];
        let config = NetworkConfig {
            hidden: vec![7, 5, 4],
            activation: if selu { Hidden::Selu } else { Hidden::Relu },
            // Off while scoring, but it changes how layers are joined.
            dropout: if dropout { 0.3 } else { 0.0 },
            ..bare(method, [Place::Start, Place::All, Place::End][place])
        };
        let mut network = built(&config, 3, parameters);
        let weights = scrambled(&mut network);
        let width = 3 + parameters;
        let rows: Vec<f32> = (0..5 * width)
            .map(|i| {
                let v = ((i as u32 * 7 + salt) as f32 * 0.618_034).fract() - 0.5;
                if i % width < 3 { 2.0 * v } else { 1000.0 * (1.0 + v) }
            })
            .collect();
        let found = log_odds(&mut network, &rows, width, &Pass::Scoring);
        for (row, found) in rows.chunks_exact(width).zip(found) {
            let x: Vec<f64> = row[..3].iter().map(|&v| f64::from(v)).collect();
            let m: Vec<f64> = row[3..].iter().map(|&v| f64::from(v) / 1000.0).collect();
            let expected = by_hand(&config, &weights, &x, &m);
            prop_assert!((f64::from(found) - expected).abs() < 2e-5 * expected.abs().max(1.0), "{found} {expected}");
        }
    }
}

#[test]
fn with_an_identity_start_the_network_starts_as_one_that_does_not_know_the_mass() {
    let row: Vec<f32> = (0..28)
        .map(|i| if i == 27 { 750.0 } else { (i as f32 * 0.37).sin() })
        .collect();
    let layers = built(&bare(Method::None, Place::All), 27, 1);
    let score = |method, start| {
        let config = NetworkConfig {
            start,
            dropout: 0.25,
            ..bare(method, Place::All)
        };
        let network = with_layers_of(built(&config, 27, 1), &layers);
        log_odds(&mut { network }, &row, 28, &Pass::Scoring)[0]
    };
    let plain = score(Method::None, Start::Identity);
    for method in [Method::Affine, Method::Biasing] {
        let found = score(method, Start::Identity);
        assert!(
            (found - plain).abs() < 1e-5 * plain.abs().max(1.0),
            "{method:?}: {found} {plain}"
        );
    }
    // The original's start damps: scales near zero, four times over.
    let damped = score(Method::Scaling, Start::Glorot);
    assert!(damped.abs() < 0.05 * plain.abs(), "{damped} {plain}");
}

#[test]
fn generated_conditionings_start_as_nothing_and_have_the_parameters_of_their_formulas() {
    let row: Vec<f32> = (0..28)
        .map(|i| if i == 27 { 750.0 } else { (i as f32 * 0.37).sin() })
        .collect();
    let layers = built(&bare(Method::None, Place::All), 27, 1);
    let network = |method, place, fourier| {
        let config = NetworkConfig {
            fourier,
            generator: vec![8],
            rank: 3,
            ..bare(method, place)
        };
        with_layers_of(built(&config, 27, 1), &layers)
    };
    let plain = log_odds(&mut network(Method::None, Place::All, 0), &row, 28, &Pass::Scoring)[0];
    for place in [Place::Start, Place::All, Place::End] {
        for method in [Method::Film, Method::Hyper] {
            let found = log_odds(&mut network(method, place, 2), &row, 28, &Pass::Scoring)[0];
            assert!(
                (found - plain).abs() < 1e-5 * plain.abs().max(1.0),
                "{method:?} {place:?}: {found} {plain}"
            );
        }
    }
    let count = |method, place, fourier| network(method, place, fourier).parameter_count() - 73_751;
    // FiLM at the end: 1 x 8 + 8, then 8 x 100 + 100; with two frequencies the mass is five numbers.
    assert_eq!(count(Method::Film, Place::End, 0), 16 + 900);
    assert_eq!(count(Method::Film, Place::End, 2), 48 + 900);
    // Coefficients 16 + 8 x 3 + 3, down 100 x 3 + 3, up 3 x 50 + 50.
    assert_eq!(count(Method::Hyper, Place::End, 0), 16 + 27 + 303 + 200);
    // The embedding serves every method: four more inputs of the first layer.
    let concat = NetworkConfig {
        fourier: 2,
        ..bare(Method::Concat, Place::Start)
    };
    assert_eq!(built(&concat, 27, 1).parameter_count() - 73_751, 5 * 300);
}

/// The network with weights that depend on the mass, from its blocks, in double precision.
#[test]
fn weights_that_depend_on_the_mass_are_their_formula() {
    let config = NetworkConfig {
        hidden: vec![6, 5],
        generator: vec![4],
        rank: 2,
        ..bare(Method::Hyper, Place::All)
    };
    let mut network = built(&config, 3, 1);
    let weights = scrambled(&mut network);
    let dense = |name: &str, x: &[f64]| -> Vec<f64> {
        let ((shape, w), (_, b)) = (
            &weights[&format!("{name}.0.weight")],
            &weights[&format!("{name}.0.bias")],
        );
        assert_eq!(shape[0], x.len(), "{name}");
        let column = |j: usize| (0..shape[0]).map(|i| x[i] * w[i * shape[1] + j]).sum::<f64>();
        (0..shape[1]).map(|j| b[j] + column(j)).collect()
    };
    for mass in [500.0f32, 900.0, 1500.0] {
        let row = [0.3, -0.7, 1.1, mass];
        let mut x: Vec<f64> = row[..3].iter().map(|&v| f64::from(v)).collect();
        for l in 0..2 {
            let hidden = dense(&format!("hyper{l}.generator"), &[f64::from(mass) / 1000.0]);
            let hidden: Vec<f64> = hidden.into_iter().map(|v| v.max(0.0)).collect();
            let a = dense(&format!("hyper{l}.coefficients"), &hidden);
            let down = dense(&format!("hyper{l}.down"), &x);
            let product: Vec<f64> = down.iter().zip(&a).map(|(d, a)| d * a).collect();
            let added = dense(&format!("hyper{l}.up"), &product);
            x = dense(&format!("dense{l}"), &x)
                .iter()
                .zip(&added)
                .map(|(y, d)| (y + d).max(0.0))
                .collect();
        }
        let expected = dense("output", &x)[0];
        let found = f64::from(log_odds(&mut network, &row, 4, &Pass::Scoring)[0]);
        assert!(
            (found - expected).abs() < 1e-5 * expected.abs().max(1.0),
            "{mass}: {found} {expected}"
        );
    }
}

#[test]
fn decorrelation_makes_the_background_score_independent_of_the_feature() {
    // Feature 0 is a reconstructed mass that also tells the class a little; feature 1 tells it without the mass.
    let n = 800;
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for i in 0..n {
        let u = |k: f32| (i as f32 * k).fract();
        let signal = i % 2 == 0;
        let x = u(0.618_034) + 0.5 * f32::from(signal) * u(0.324_717);
        values.extend([
            x,
            u(0.754_878) + 0.4 * f32::from(signal),
            if i % 4 < 2 { 500.0 } else { 1500.0 },
        ]);
        labels.push(f32::from(signal));
    }
    let view = View::Dense(DenseView {
        shape: vec![3],
        values: values.clone(),
    });
    let data = InMemory::new(view, labels.clone(), (0..n as u64).collect()).unwrap();
    let batch = data.batches(Order::STORED, n, 0).next().unwrap().unwrap();
    let config = NetworkConfig {
        hidden: vec![16],
        dropout: 0.0,
        ..NetworkConfig::default()
    };
    let correlation = |strength: Option<f64>| {
        let mut network = config.init(2, 1, 5, &Device::flex()).unwrap();
        if let Some(strength) = strength {
            network.decorrelate(0, strength);
        }
        let mut learner = tagwerk_taggers::NetworkLearner::new(network, &TrainingConfig::default(), &Device::flex());
        learner.prepare(&data).unwrap();
        for step in 0..200 {
            let learning_rate = 0.01;
            learner.step(&batch, Update { step, learning_rate }).unwrap();
        }
        let scores = learner.score(&batch).unwrap();
        let background: Vec<usize> = (0..n).filter(|&i| labels[i] < 0.5).collect();
        let probability: Vec<f32> = background.iter().map(|&i| 1.0 / (1.0 + (-scores[i]).exp())).collect();
        let feature: Vec<f32> = background.iter().map(|&i| values[3 * i]).collect();
        let probability = Tensor::<1>::from_data(TensorData::new(probability, [background.len()]), &Device::flex());
        let found = loss::distance_correlation(probability, &feature);
        found.into_data().convert::<f32>().try_into_vec::<f32>().unwrap()[0]
    };
    let (without, with) = (correlation(None), correlation(Some(10.0)));
    assert!(without > 0.1, "{without}");
    assert!(with < 0.3 * without, "{without} {with}");
}

#[test]
fn the_gradient_of_the_whole_loss_is_that_of_finite_differences() {
    for method in [Method::Affine, Method::Film, Method::Hyper] {
        gradient_check(method);
    }
}

fn gradient_check(method: Method) {
    let config = NetworkConfig {
        hidden: vec![6, 5],
        focal_gamma: 1.5,
        l2_kernel: 0.03,
        l2_bias: 0.01,
        activation: Hidden::Selu,
        generator: vec![],
        fourier: 1,
        rank: 2,
        ..bare(method, Place::All)
    };
    let mut network = built(&config, 3, 1);
    scrambled(&mut network);
    let values: Vec<f32> = (0..32)
        .map(|i| {
            if i % 4 == 3 {
                500.0 + i as f32 * 30.0
            } else {
                (i as f32).sin()
            }
        })
        .collect();
    let batch = Batch {
        view: View::Dense(DenseView { shape: vec![4], values }),
        labels: vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0],
        weights: Some(vec![1.0, 2.0, -0.5, 1.0, 1.5, 1.0, 1.0, 1.0]),
        parameters: None,
        rows: (0..8).collect(),
    };
    let pass = Pass::Training { seed: 1, step: 0 };
    let device = pass.device(&Device::flex());
    let loss = total(&mut network, &batch, &pass, &device);
    let gradients: Gradients = loss.backward();
    let names: Vec<String> = blocks(&network);
    for name in names {
        let (before, gradient) = {
            let block = block(&network, &name);
            let leaf = block.tensor(&pass);
            let gradient = leaf.grad(&gradients).unwrap();
            (
                block.to_vec(),
                gradient.into_data().convert::<f32>().try_into_vec::<f32>().unwrap(),
            )
        };
        for i in (0..before.len()).step_by(7) {
            let mut at = |shift: f32| {
                let mut moved = before.clone();
                moved[i] += shift;
                set(&mut network, &name, moved);
                value(total(&mut network, &batch, &pass, &device))
            };
            let difference = (at(2e-2) - at(-2e-2)) / 4e-2;
            assert!(
                (difference - f64::from(gradient[i])).abs() < 3e-3,
                "{method:?} {name} {i}: {difference} {}",
                gradient[i]
            );
        }
        set(&mut network, &name, before);
    }
}

/// The loss of a batch.
fn total(network: &mut ParametricNetwork, batch: &Batch, pass: &Pass, device: &Device) -> Tensor<1> {
    let logits = network.forward(&batch.view, pass, device).unwrap();
    network.loss(logits, batch, pass)
}

fn value(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_data().convert::<f32>().try_into_vec::<f32>().unwrap()[0])
}

fn blocks(network: &ParametricNetwork) -> Vec<String> {
    let names = network.parts().into_iter().filter_map(|part| match part {
        Part::Block(block) => Some(block.name().to_owned()),
        _ => None,
    });
    names.collect()
}

fn block<'a>(network: &'a ParametricNetwork, name: &str) -> &'a Block {
    let found = network.parts().into_iter().find_map(|part| match part {
        Part::Block(block) if block.name() == name => Some(block),
        _ => None,
    });
    found.unwrap()
}

fn set(network: &mut ParametricNetwork, name: &str, values: Vec<f32>) {
    for part in network.parts_mut() {
        if let PartMut::Block(block) = part
            && block.name() == name
        {
            block.set(values.clone());
        }
    }
}

/// Events of two features far from zero; the second tells the class once the mass is known.
fn examples(n: usize) -> InMemory {
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for i in 0..n {
        let (a, u) = ((i as f32 * 0.618_034).fract(), (i as f32 * 0.754_878).fract());
        let mass = if i % 4 < 2 { 500.0 } else { 1500.0 };
        let signal = i % 2 == 0;
        // High is signal at 1500 and background at 500.
        let high = signal == (mass > 1000.0);
        values.extend([5000.0 + a, 100.0 * (u + f32::from(high)), mass]);
        labels.push(f32::from(signal));
    }
    let view = View::Dense(DenseView { shape: vec![3], values });
    InMemory::new(view, labels, (0..n as u64).collect()).unwrap()
}

#[test]
fn training_learns_what_only_the_mass_reveals_and_a_saved_network_goes_on_with_the_same_bits() {
    let config = NetworkConfig {
        hidden: vec![16, 8],
        batch_norm: true,
        dropout: 0.1,
        parameter_noise: 0.01,
        clip: Some(3.0),
        ..NetworkConfig::default()
    };
    let data = examples(400);
    let batch = data.batches(Order::STORED, 400, 0).next().unwrap().unwrap();
    let training = TrainingConfig::default();
    let fresh = |seed| {
        let network = config.init(2, 1, seed, &Device::flex()).unwrap();
        tagwerk_taggers::NetworkLearner::new(network, &training, &Device::flex())
    };
    let mut learner = fresh(3);
    learner.prepare(&data).unwrap();
    let update = |step| Update {
        step,
        learning_rate: 0.01,
    };
    let first = learner.step(&batch, update(0)).unwrap();
    let mut last = first;
    for step in 1..150 {
        last = learner.step(&batch, update(step)).unwrap();
    }
    assert!(last < 0.6 * first, "{first} {last}");
    let dir = tempfile::tempdir().unwrap();
    learner.save(dir.path()).unwrap();
    let mut again = fresh(9);
    again.load(dir.path()).unwrap();
    assert_eq!(again.score(&batch).unwrap(), learner.score(&batch).unwrap());
    assert_eq!(
        again.step(&batch, update(150)).unwrap(),
        learner.step(&batch, update(150)).unwrap()
    );
    assert_eq!(again.score(&batch).unwrap(), learner.score(&batch).unwrap());
}

#[test]
fn lecuns_start_has_the_variance_of_each_layers_own_width() {
    // One chain of all layers; widths differ by a factor of 16.
    let config = NetworkConfig {
        method: Method::None,
        hidden: vec![400, 100, 25],
        init: WeightInit::LecunNormal,
        dropout: 0.0,
        ..NetworkConfig::default()
    };
    let network = config.init(27, 1, 5, &Device::flex()).unwrap();
    let mut layers = 0;
    for name in blocks(&network) {
        let block = block(&network, &name);
        let values = block.to_vec();
        for entry in block.entries().iter().filter(|entry| entry.shape.len() == 2) {
            let (n, fan_in) = (entry.range.len() as f64, entry.shape[0] as f64);
            let squares: f64 = values[entry.range.clone()].iter().map(|&w| f64::from(w).powi(2)).sum();
            // The variance of n normal numbers has the relative error sqrt(2 / n); five of them.
            let found = squares / n * fan_in;
            assert!(
                (found - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
                "{name} {}: {found}",
                entry.name
            );
            layers += 1;
        }
    }
    assert_eq!(layers, 4);
}

#[test]
fn the_loss_counts_the_squares_of_dense_weights_and_nothing_else() {
    let device = Device::flex();
    let values = (0..32 * 3).map(|i| match i % 3 {
        2 => 500.0,
        _ => (i as f32 * 0.618_034).fract(),
    });
    let view = View::Dense(DenseView {
        shape: vec![3],
        values: values.collect(),
    });
    let labels = (0..32).map(|i| (i % 2) as f32).collect();
    let data = InMemory::new(view, labels, (0..32).collect()).unwrap();
    let batch = data.batches(Order::STORED, 32, 0).next().unwrap().unwrap();
    let pass = Pass::Training { seed: 1, step: 0 };
    for method in [
        Method::None,
        Method::Concat,
        Method::Biasing,
        Method::Scaling,
        Method::Affine,
        Method::Film,
        Method::Hyper,
    ] {
        for place in [Place::Start, Place::All, Place::End] {
            let loss = |l2_kernel: f64, l2_bias: f64| {
                let config = NetworkConfig {
                    method,
                    place,
                    hidden: vec![6, 5],
                    init: WeightInit::GlorotUniform,
                    dropout: 0.0,
                    standardize: false,
                    l2_kernel,
                    l2_bias,
                    ..NetworkConfig::default()
                };
                let mut network = config.init(2, 1, 3, &device).unwrap();
                let (mut kernels, mut biases) = (0.0, 0.0);
                for name in blocks(&network) {
                    // Biases start at 0, whose square nobody would miss.
                    let mut values = block(&network, &name).to_vec();
                    let dense = name.starts_with("dense") || name == "output";
                    for entry in block(&network, &name).entries() {
                        let own = &mut values[entry.range.clone()];
                        if entry.shape.len() == 1 {
                            own.iter_mut().for_each(|w| *w += 0.25);
                        }
                        let sum: f64 = own.iter().map(|&w| f64::from(w).powi(2)).sum();
                        match (dense, entry.shape.len()) {
                            (true, 2) => kernels += sum,
                            (true, _) => biases += sum,
                            _ => {}
                        }
                    }
                    set(&mut network, &name, values);
                }
                let found = value(total(&mut network, &batch, &pass, &device));
                (found, l2_kernel * kernels + l2_bias * biases)
            };
            let (without, _) = loss(0.0, 0.0);
            let (with, expected) = loss(0.03, 0.02);
            assert!(expected > 0.05);
            // Both losses are sums in single precision.
            assert!(
                (with - without - expected).abs() < 1e-5 * (1.0 + with),
                "{method:?} {place:?}: {} {expected}",
                with - without
            );
        }
    }
}

#[test]
fn a_scale_for_other_units_comes_with_a_warning() {
    let config = NetworkConfig::default();
    let names = ["mass".to_owned(), "width".to_owned()];
    let told = |range: &[[f32; 2]]| config.strange_scale(range, &names);
    assert!(told(&[[500.0, 1500.0]]).is_empty() && told(&[[0.0, 0.0]]).is_empty());
    // TeV, and MeV.
    assert!(told(&[[0.5, 1.5]])[0].contains("the largest mass of signal is 1.5"));
    assert!(told(&[[5e5, 1.5e6]])[0].contains("near 1500000"));
    // Of two parameters the one that is meant.
    let two = told(&[[500.0, 1500.0], [0.0, 3.0]]);
    assert!(two.len() == 1 && two[0].contains("width"), "{two:?}");
    assert!(
        NetworkConfig::without_parameter()
            .strange_scale(&[[0.5, 1.5]], &names)
            .is_empty()
    );
}

#[test]
fn settings_outside_their_limits_are_refused_by_key() {
    let message = |change: fn(&mut NetworkConfig)| {
        let mut config = NetworkConfig::default();
        change(&mut config);
        config.check(27, 1).unwrap_err().to_string()
    };
    assert!(message(|c| c.hidden = vec![]).contains("network.hidden = []"));
    assert!(message(|c| c.hidden = vec![3, 0]).contains("from 1 to 16384"));
    assert!(message(|c| c.dropout = 1.0).contains("network.dropout = 1; allowed: in [0, 1)"));
    assert!(message(|c| c.l2_kernel = -1.0).contains("network.l2_kernel"));
    assert!(message(|c| c.parameter_scale = vec![1.0, 2.0]).contains("network.parameter_scale"));
    assert!(message(|c| c.rank = 0).contains("network.rank = 0"));
    assert!(message(|c| c.fourier = 17).contains("network.fourier"));
    assert!(message(|c| c.generator = vec![0]).contains("network.generator"));
    assert!(message(|c| c.clip = Some(0.0)).contains("network.clip = 0"));
    assert!(
        NetworkConfig::default()
            .check(27, 0)
            .unwrap_err()
            .to_string()
            .contains("network.method = affine")
    );
}
