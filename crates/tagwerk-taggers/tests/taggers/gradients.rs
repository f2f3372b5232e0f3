//! Gradients through whole networks against finite differences of the loss: backward passes written by hand, with
//! everything around them.

use crate::support::gradient::{self, Direction, gradient, slopes, smooth, weights};
use crate::support::sample::{batch, jets};
use tagwerk_data::Part;
use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::{InMemory, Learner, TrainingConfig};

fn learner(tagger: &dyn Tagger) -> Box<dyn Learner> {
    let training = TrainingConfig {
        seed: 4,
        ..smooth(tagger.training())
    };
    tagger.learner(&training, &Device::flex()).unwrap()
}

/// Compares the largest gradients of each weight on eight jets. A ReLU's kink within the difference may spoil one in
/// ten.
fn check(name: &str, settings: &str) {
    const EACH: usize = 4;
    // Where a kink lies within the longer one, the shorter must do.
    const STEPS: [f64; 2] = [2e-3, 2e-4];
    let tagger = registry::tagger(name, &toml::from_str(settings).unwrap()).unwrap();
    let jets = jets(Part::Train, 8);
    let batch = batch(tagger.as_ref(), &jets);
    let mut first = learner(tagger.as_ref());
    let examples = InMemory::of_jets(&jets, tagger.view(&jets).unwrap()).unwrap();
    first.prepare(&examples).unwrap();
    let start = weights(first.as_ref());
    let gradient = gradient(first.as_mut(), &batch);
    let mut probe = learner(tagger.as_ref());
    let (mut compared, mut good, mut report) = (0, 0, String::new());
    for (tensor, values) in &gradient {
        let mut places: Vec<usize> = (0..values.len()).filter(|&i| values[i].abs() > 1e-3).collect();
        places.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
        for &i in places.iter().take(EACH) {
            let mut one = vec![0.0; values.len()];
            one[i] = 1.0;
            let direction = Direction::from([(tensor.clone(), one)]);
            let differences = slopes(probe.as_mut(), &batch, &start, &direction, &STEPS);
            let near = |expected: &f64| (values[i] - expected).abs() < 1e-3 + 0.02 * expected.abs();
            compared += 1;
            if differences.iter().any(near) {
                good += 1;
            } else {
                report += &format!("{tensor}[{i}]: {}, by differences {differences:?}; ", values[i]);
            }
        }
    }
    assert!(compared >= 20, "{name}: only {compared} gradients to compare");
    assert!(
        good * 10 >= compared * 9,
        "{name}: {good} of {compared} agree; {report}"
    );
}

#[test]
fn gradients_of_treenin_are_those_of_finite_differences() {
    check("treenin", "hidden = 12");
}

#[test]
fn gradients_of_lola_are_those_of_finite_differences_with_a_learned_metric_too() {
    for metric in [false, true] {
        check(
            "lola",
            &format!("constituents = 20\ncombinations = 4\nhidden = [12]\nlearned_metric = {metric}"),
        );
    }
}

#[test]
fn gradients_of_lbn_are_those_of_finite_differences_for_every_feature() {
    check(
        "lbn",
        "constituents = 12\nparticles = 4\nhidden = [10]\npairs = ['cos', 'dr', 'ds', 'dy']\n\
         singles = ['e', 'px', 'py', 'pz', 'p', 'pt', 'eta', 'phi', 'm', 'beta', 'gamma']",
    );
}

/// Small networks without dropout. A ReLU of many edges has kinks within the longer differences; of a small gradient the
/// shortest sees rounding.
#[test]
fn gradients_of_part_and_lorentznet_are_those_of_finite_differences() {
    for (name, settings) in [
        (
            "part",
            "embed = [8, 12, 8]\npairs = [6, 5]\nheads = 2\nblocks = 2\nclass_blocks = 2\nexpansion = 2\ndropout = 0.0",
        ),
        ("lorentznet", "channels = 8\nblocks = 3\ndropout = 0.0\nstep = 0.1"),
    ] {
        let tagger = registry::tagger(name, &toml::from_str(settings).unwrap()).unwrap();
        let batch = batch(tagger.as_ref(), &jets(Part::Train, 12));
        let [mut stepped, mut probe] = [(); 2].map(|()| learner(tagger.as_ref()));
        gradient::check_each_tensor(
            name,
            stepped.as_mut(),
            probe.as_mut(),
            &batch,
            &[4e-3, 1e-3, 1e-4],
            0.02,
        );
    }
}
