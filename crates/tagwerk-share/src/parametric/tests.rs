use super::*;
use crate::tensorflow::writer::{Tensor, float, write};
use tagwerk_parametric::{Place, Scorer};

/// A number in [-0.5, 0.5) of a name and a place.
fn drawn(name: &str, i: usize) -> f32 {
    let seed = name
        .bytes()
        .fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
    (seed.wrapping_add(i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5
}

/// A model as Keras saves it, and its weights by layer and map.
#[derive(Default)]
struct Model {
    tensors: Vec<Tensor>,
    layers: usize,
    weights: Vec<(Vec<f64>, Vec<f64>, [usize; 2])>,
}

impl Model {
    fn map(&mut self, inside: &str, ends: [usize; 2]) {
        let name = |what: &str| format!("layer_with_weights-{}/{inside}{what}", self.layers);
        let size = (2.0 / ends[0] as f32).sqrt();
        let kernel: Vec<f32> = (0..ends[0] * ends[1])
            .map(|i| 2.0 * size * drawn(&name("kernel"), i))
            .collect();
        let bias: Vec<f32> = (0..ends[1]).map(|i| 0.3 * drawn(&name("bias"), i)).collect();
        let value = "/.ATTRIBUTES/VARIABLE_VALUE";
        for (what, shape, values) in [("kernel", &ends[..], &kernel), ("bias", &ends[1..], &bias)] {
            self.tensors
                .push(float(&format!("{}{value}", name(what)), shape, values));
            // Moments of Adam stand beside.
            let slot = format!("{}/.OPTIMIZER_SLOT/optimizer/m{value}", name(what));
            self.tensors.push(float(&slot, shape, &vec![0.0; values.len()]));
        }
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
        self.weights.push((wide(&kernel), wide(&bias), ends));
    }

    fn dense(&mut self, ends: [usize; 2]) {
        self.map("", ends);
        self.layers += 1;
    }

    fn condition(&mut self, maps: &[&str], width: usize) {
        for map in maps {
            self.map(map, [1, width]);
        }
        self.layers += 1;
    }

    /// With the graph of objects and the step, which are no weights.
    fn written(mut self, prefix: &Path) -> Vec<(Vec<f64>, Vec<f64>, [usize; 2])> {
        self.tensors
            .push(("_CHECKPOINTABLE_OBJECT_GRAPH".to_owned(), 7, Vec::new(), vec![1, 2, 3]));
        let step = 5127i64.to_le_bytes().to_vec();
        self.tensors.push((
            "optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE".to_owned(),
            9,
            Vec::new(),
            step,
        ));
        write(prefix, &self.tensors);
        self.weights
    }
}

fn apply(x: &[f64], (kernel, bias, [c_in, c_out]): &(Vec<f64>, Vec<f64>, [usize; 2])) -> Vec<f64> {
    assert_eq!(x.len(), *c_in);
    (0..*c_out)
        .map(|j| bias[j] + (0..*c_in).map(|i| x[i] * kernel[i * c_out + j]).sum::<f64>())
        .collect()
}

const HIDDEN: [usize; 4] = [300, 150, 100, 50];

fn imported(dir: &Path, prefix: &Path, options: &ParametricImport) -> (ImportedParametric, Scorer) {
    let context = Context::cpu(1);
    let run = dir.join("run");
    let told = import_parametric(prefix, &run, options, &context).unwrap();
    (told, Scorer::open(&run, &context).unwrap())
}

/// Events for which the original's forward passes are known: all features 0, and ((i mod 5) - 2) / 2.
fn events() -> [Vec<f32>; 2] {
    [vec![0.0; 27], (0..27).map(|i| ((i % 5) as f32 - 2.0) / 2.0).collect()]
}

#[test]
fn an_affine_network_scores_as_its_formula_in_double_precision() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("weights-23-0.934");
    let mut model = Model::default();
    let mut width = 27;
    for hidden in HIDDEN {
        model.dense([width, hidden]);
        model.condition(&["dense_scale/", "dense_bias/"], hidden);
        width = hidden;
    }
    model.dense([50, 1]);
    let weights = model.written(&prefix);
    let (told, mut scorer) = imported(dir.path(), &prefix, &ParametricImport::default());
    // The published count.
    assert_eq!(told.parameters, 76_151);
    assert_eq!((told.network.method, told.network.place), (Method::Affine, Place::All));
    assert_eq!(told.network.hidden, HIDDEN);
    for event in events() {
        for mass in [500.0f32, 750.0, 1000.0, 1250.0, 1500.0] {
            let m = [f64::from(mass) / 1000.0];
            let mut x: Vec<f64> = event.iter().map(|&v| f64::from(v)).collect();
            for layer in weights[..12].chunks(3) {
                let h = apply(&x, &layer[0]);
                let (scale, shift) = (apply(&m, &layer[1]), apply(&m, &layer[2]));
                x = (0..h.len()).map(|i| h[i].max(0.0) * scale[i] + shift[i]).collect();
            }
            let expected = apply(&x, &weights[12])[0];
            let found = f64::from(scorer.log_odds_at(&event, &[mass]).unwrap()[0]);
            assert!(
                (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                "{mass}: {found} {expected}"
            );
        }
    }
    // Nobody says where it was trained beyond the usual masses.
    assert!(scorer.description.out_of_range(&[400.0]) && !scorer.description.out_of_range(&[600.0]));
}

#[test]
fn the_mass_as_an_input_is_recognized_by_the_width_wherever_it_enters() {
    for (place, widths, count) in [
        (Place::Start, [28, 300, 150, 100, 50], 74_051),
        (Place::All, [27, 301, 151, 101, 51], 74_052),
        (Place::End, [27, 300, 150, 100, 51], 73_752),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("w");
        let mut model = Model::default();
        for (c_in, c_out) in widths.into_iter().zip([300, 150, 100, 50, 1]) {
            model.dense([c_in, c_out]);
        }
        let weights = model.written(&prefix);
        let (told, mut scorer) = imported(dir.path(), &prefix, &ParametricImport::default());
        assert_eq!(
            (told.network.method, told.network.place, told.parameters),
            (Method::Concat, place, count)
        );
        for event in events() {
            let mut x: Vec<f64> = event.iter().map(|&v| f64::from(v)).collect();
            for (l, layer) in weights.iter().enumerate() {
                if x.len() + 1 == layer.2[0] {
                    x.push(0.75);
                }
                x = apply(&x, layer);
                if l < 4 {
                    x.iter_mut().for_each(|v| *v = v.max(0.0));
                }
            }
            let found = f64::from(scorer.log_odds_at(&event, &[750.0]).unwrap()[0]);
            assert!(
                (found - x[0]).abs() < 1e-4 * x[0].abs().max(1.0),
                "{place:?} {found} {}",
                x[0]
            );
        }
    }
}

#[test]
fn what_shapes_leave_open_is_asked_for_and_other_networks_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let context = Context::cpu(1);
    let attempt = |name: &str, build: &dyn Fn(&mut Model), options: &ParametricImport| {
        let prefix = dir.path().join(name);
        let mut model = Model::default();
        build(&mut model);
        model.written(&prefix);
        import_parametric(&prefix, &dir.path().join(format!("run-{name}")), options, &context)
    };
    let biasing = |model: &mut Model| {
        model.dense([27, 8]);
        model.condition(&["dense/"], 8);
        model.dense([8, 1]);
    };
    let usual = ParametricImport::default();
    let error = attempt("open", &biasing, &usual).unwrap_err().to_string();
    assert!(error.contains("--method"), "{error}");
    assert!(!dir.path().join("run-open").exists());
    let chosen = ParametricImport {
        method: Some(Method::Biasing),
        ..usual.clone()
    };
    let told = attempt("chosen", &biasing, &chosen).unwrap();
    // One hidden layer: behind each and behind the last are the same.
    assert_eq!((told.network.method, told.network.place), (Method::Biasing, Place::End));
    // A map of the mass before the first dense layer conditions the inputs.
    let first = |model: &mut Model| {
        model.dense([1, 27]);
        model.dense([27, 8]);
        model.dense([8, 1]);
    };
    let told = attempt("first", &first, &chosen).unwrap();
    assert_eq!(
        (told.network.method, told.network.place, &told.network.hidden[..]),
        (Method::Biasing, Place::Start, &[8][..])
    );
    let two = |model: &mut Model| {
        model.dense([27, 8]);
        model.dense([8, 2]);
    };
    assert!(
        attempt("two", &two, &usual)
            .unwrap_err()
            .to_string()
            .contains("2 outputs")
    );
    let wide = |model: &mut Model| {
        model.dense([40, 8]);
        model.dense([8, 1]);
    };
    let error = attempt("wide", &wide, &usual).unwrap_err().to_string();
    assert!(error.contains("[40, 8]") && error.contains("--features"), "{error}");
    let forty = ParametricImport {
        features: 40,
        ..usual.clone()
    };
    assert_eq!(attempt("forty", &wide, &forty).unwrap().network.method, Method::None);
    let norm = |model: &mut Model| {
        model.dense([27, 8]);
        model.dense([8, 1]);
        let name = "layer_with_weights-1/gamma/.ATTRIBUTES/VARIABLE_VALUE";
        model.tensors.push(float(name, &[8], &[1.0; 8]));
    };
    assert!(
        attempt("norm", &norm, &usual)
            .unwrap_err()
            .to_string()
            .contains("gamma")
    );
    let found = inspect_parametric(&dir.path().join("norm"), &usual).unwrap();
    assert!(found.network.is_none() && found.reason.unwrap().contains("gamma"));
    assert!(
        found
            .tensors
            .iter()
            .any(|t| t.name.contains("layer_with_weights-1/kernel"))
    );
}
