//! What every tagger of the registry promises, whatever its network.

use crate::support::sample::{batch, cut, jets};
use crate::support::tensors::{self, Values};
use crate::support::{FITTED, learner, networks, tagger, taggers, update};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeMap;
use tagwerk_data::{Jets, Part};
use tagwerk_physics::{JaggedView, View};
use tagwerk_taggers::Tagger;
use tagwerk_train::{Batch, InMemory, Learner};

/// Taggers for which a jet is a set of rows; TopoDNN, P-CNN, FCN, CNN-1D and GraphNet, which has
/// slopes for each place, read it in order.
const SETS: [&str; 8] = [
    "efn",
    "pfn",
    "particlenet",
    "particlenet-lite",
    "part",
    "lorentznet",
    "chebnet",
    "gcn",
];

const WEIGHTS: &str = "weights.safetensors";

/// A learner prepared for the first jets of the sample.
fn prepared(tagger: &dyn Tagger, seed: u64) -> Box<dyn Learner> {
    let mut learner = learner(tagger, seed);
    let jets = jets(Part::Train, 60);
    let examples = InMemory::of_jets(&jets, tagger.view(&jets).unwrap()).unwrap();
    learner.prepare(&examples).unwrap();
    learner
}

/// A learner after an epoch of three steps on real jets: weights, moments and running statistics are no longer those of
/// the start.
fn trained(tagger: &dyn Tagger) -> Box<dyn Learner> {
    let mut learner = prepared(tagger, 1);
    for step in 0..3 {
        let batch = batch(tagger, &jets(Part::Train, 30).slice(10 * step..10 * (step + 1)));
        learner.step(&batch, update(step as u64)).unwrap();
    }
    learner.end_epoch().unwrap();
    learner
}

fn saved(learner: &dyn Learner) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    learner.save(folder.path()).unwrap();
    folder
}

/// Weights, statistics, moments: all that a learner saves, byte for byte.
fn files(learner: &dyn Learner) -> BTreeMap<String, Vec<u8>> {
    let folder = saved(learner);
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| {
        let path = file.unwrap().path();
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            std::fs::read(path).unwrap(),
        )
    });
    files.collect()
}

fn weights(learner: &dyn Learner) -> BTreeMap<String, Values> {
    tensors::read(&saved(learner).path().join(WEIGHTS))
}

fn bits(scores: &[f32]) -> Vec<u32> {
    scores.iter().map(|s| s.to_bits()).collect()
}

/// Another order of summation in f32, carried through a network.
const ROUNDING: f32 = 2e-5;

/// Largest difference of two scores of a jet, relative to the score where that is above 1.
fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let differences = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs() / b.abs().max(1.0));
    // `f32::max` would drop a difference that is no number.
    differences.fold(0.0, |most, d| if d <= most { most } else { d })
}

/// Jets of the given numbers of constituents, each channel drawn from the range it has in real jets.
///
/// Real constituents sit on the cells of a calorimeter, and between two neighbors that are equally far away ParticleNet
/// takes the one that comes first. Drawn ones are never equally far.
fn drawn_jets(width: usize, lengths: &[usize], draws: &[f32]) -> JaggedView {
    let mut offsets = vec![0];
    lengths
        .iter()
        .for_each(|n| offsets.push(offsets[offsets.len() - 1] + n));
    let rows = draws[..offsets[lengths.len()] * width].to_vec();
    JaggedView::new(width, rows, offsets).unwrap()
}

/// The same jets with the constituents of each in another order: sorted by a column of `keys: [R]`.
fn reordered(view: &JaggedView, keys: &[u32]) -> JaggedView {
    let mut rows = Vec::with_capacity(view.rows.len());
    for b in 0..view.len() {
        let mut order: Vec<usize> = view.range(b).collect();
        order.sort_by_key(|&i| keys[i]);
        for i in order {
            rows.extend_from_slice(&view.rows[i * view.width..(i + 1) * view.width]);
        }
    }
    JaggedView::new(view.width, rows, view.offsets.clone()).unwrap()
}

fn unlabeled(view: JaggedView) -> Batch {
    let labels = vec![0.0; view.len()];
    Batch {
        rows: (0..labels.len() as u64).collect(),
        view: View::Jagged(view),
        labels,
        weights: None,
        parameters: None,
    }
}

#[test]
fn order_of_constituents_does_not_change_the_score() {
    const ROWS: usize = 3 * 40;
    for name in SETS {
        let tagger = tagger(name);
        let learner = RefCell::new(trained(tagger.as_ref()));
        let score = |view| learner.borrow_mut().score(&unlabeled(view)).unwrap();
        let width = match tagger.view(&jets(Part::Train, 1)).unwrap() {
            View::Jagged(view) => view.width,
            View::Dense(_) | View::Tree(_) => panic!("{name} reads no set"),
        };
        let jets = (
            prop::collection::vec(0usize..=40, 3),
            prop::collection::vec(-1.0f32..1.0, ROWS * width),
            prop::collection::vec(any::<u32>(), ROWS),
        );
        let config = ProptestConfig {
            cases: 12,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(&jets, |(lengths, draws, keys)| {
            let view = drawn_jets(width, &lengths, &draws);
            let other = reordered(&view, &keys);
            let (expected, found) = (score(view), score(other));
            prop_assert!(
                distance(&found, &expected) < ROUNDING,
                "{name}: {found:?}, {expected:?}"
            );
            Ok(())
        });
        outcome.unwrap();
    }
}

#[test]
fn an_empty_jet_and_a_single_constituent_score_finite_and_disturb_no_other() {
    for tagger in taggers() {
        let name = tagger.name();
        let mut learner = trained(tagger.as_ref());
        let real = jets(Part::Test, 6);
        let expected = learner.score(&batch(tagger.as_ref(), &real)).unwrap();
        let mixed = Jets::concat(vec![
            cut(&real, 0, 0),
            real.slice(0..3),
            cut(&real, 1, 1),
            cut(&real, 2, 0),
            real.slice(3..6),
            cut(&real, 3, 0),
        ]);
        let found = learner.score(&batch(tagger.as_ref(), &mixed)).unwrap();
        assert!(found.iter().all(|s| s.is_finite()), "{name}: {found:?}");
        let others = [1, 2, 3, 6, 7, 8].map(|b| found[b]);
        assert!(
            distance(&others, &expected) < ROUNDING,
            "{name}: {others:?}, {expected:?}"
        );
    }
}

#[test]
fn a_step_on_jets_with_hardly_a_constituent_leaves_finite_weights() {
    for tagger in taggers() {
        let real = jets(Part::Train, 4);
        // With a full jet beside them, all with one constituent (no edge), and all empty (no row).
        let batches = [
            Jets::concat(vec![
                cut(&real, 0, 0),
                cut(&real, 1, 1),
                cut(&real, 2, 2),
                real.slice(3..4),
            ]),
            Jets::concat(vec![cut(&real, 0, 1), cut(&real, 1, 1)]),
            cut(&real, 0, 1),
            Jets::concat(vec![cut(&real, 0, 0), cut(&real, 1, 0)]),
        ];
        for (i, jets) in batches.iter().enumerate() {
            let place = format!("{}, batch {i}", tagger.name());
            let mut learner = trained(tagger.as_ref());
            let loss = learner.step(&batch(tagger.as_ref(), jets), update(3)).unwrap();
            assert!(loss.is_finite(), "{place}: loss {loss}");
            let scores = learner.score(&batch(tagger.as_ref(), &real)).unwrap();
            assert!(scores.iter().all(|s| s.is_finite()), "{place}: {scores:?}");
            if FITTED.contains(&tagger.name()) {
                continue;
            }
            for (name, Values { values, .. }) in weights(learner.as_ref()) {
                assert!(values.iter().all(|v| v.is_finite()), "{place}: {name}");
            }
        }
    }
}

#[test]
fn saved_and_loaded_scores_and_steps_are_the_same_bits() {
    for tagger in taggers() {
        let name = tagger.name();
        let batch = batch(tagger.as_ref(), &jets(Part::Test, 10));
        let mut kept = trained(tagger.as_ref());
        let folder = saved(kept.as_ref());
        // Of the same training, but elsewhere: fresh weights, no moments.
        let mut loaded = learner(tagger.as_ref(), 1);
        assert_ne!(
            bits(&kept.score(&batch).unwrap()),
            bits(&loaded.score(&batch).unwrap()),
            "{name}"
        );
        loaded.load(folder.path()).unwrap();
        let mut scoring = learner(tagger.as_ref(), 7);
        scoring.load_weights(folder.path()).unwrap();
        let expected = bits(&kept.score(&batch).unwrap());
        assert_eq!(bits(&loaded.score(&batch).unwrap()), expected, "{name}");
        assert_eq!(bits(&scoring.score(&batch).unwrap()), expected, "{name}");
        let losses = [&mut kept, &mut loaded].map(|l| l.step(&batch, update(3)).unwrap().to_bits());
        assert_eq!(losses[0], losses[1], "{name}");
        assert!(
            files(kept.as_ref()) == files(loaded.as_ref()),
            "{name}: saved files differ after a step"
        );
    }
}

#[test]
fn weights_of_another_tagger_are_refused_with_a_reason() {
    let all: Vec<_> = taggers().collect();
    for from in &all {
        let folder = saved(learner(from.as_ref(), 1).as_ref());
        for into in all.iter().filter(|into| into.name() != from.name()) {
            let place = format!("{} into {}", from.name(), into.name());
            let mut learner = learner(into.as_ref(), 2);
            let before = files(learner.as_ref());
            for error in [learner.load(folder.path()), learner.load_weights(folder.path())] {
                let error = error.expect_err(&place).to_string();
                // Trees have a file of their own, which no other tagger writes.
                let (file, reasons) = match (into.name(), from.name()) {
                    ("bdt", _) => ("trees.json", &["read"][..]),
                    (_, "bdt") => (WEIGHTS, &["No such file", "read"][..]),
                    _ => (
                        WEIGHTS,
                        &["is missing", "has shape", "has type", "not a part of this"][..],
                    ),
                };
                assert!(
                    error.contains(file) && reasons.iter().any(|reason| error.contains(reason)),
                    "{place}: {error}"
                );
            }
            assert!(files(learner.as_ref()) == before, "{place} changed the learner");
        }
    }
}

/// Loads a save of another training of which `file` is cut short, made up, without numbers, or gone.
fn refuses_damage_to(file: &str, taggers: impl Iterator<Item = Box<dyn Tagger>>) {
    for tagger in taggers {
        let mut learner = learner(tagger.as_ref(), 2);
        let before = files(learner.as_ref());
        // Within an epoch, when everything there is to save is there.
        let mut source = trained(tagger.as_ref());
        source
            .step(&batch(tagger.as_ref(), &jets(Part::Train, 10)), update(3))
            .unwrap();
        let folder = saved(source.as_ref());
        let path = folder.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
        let ends = [
            0,
            4,
            8,
            9,
            header - 1,
            header,
            header + 3,
            whole.len() / 2,
            whole.len() - 1,
        ];
        let mut damaged: Vec<_> = ends
            .iter()
            .map(|&end| (format!("cut at {end}"), Some(whole[..end].to_vec())))
            .collect();
        let mut with = |what: &str, place: std::ops::Range<usize>, bytes: &[u8]| {
            let mut file = whole.clone();
            file[place].copy_from_slice(bytes);
            damaged.push((what.into(), Some(file)));
        };
        with("endless header", 0..8, &[0xff; 8]);
        // No number in single precision, nor in double, and a whole number beyond any use.
        with("value NaN", header..header + 8, &[0xff; 8]);
        damaged.push(("missing".into(), None));
        for (what, bytes) in damaged {
            let place = format!("{}, {file}, {what}", tagger.name());
            match bytes {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let error = learner.load(folder.path()).expect_err(&place).to_string();
            assert!(error.contains(file), "{place}: {error}");
            assert!(files(learner.as_ref()) == before, "{place}: the learner has changed");
        }
    }
}

#[test]
fn a_damaged_weights_file_is_an_error_and_changes_nothing() {
    refuses_damage_to(WEIGHTS, taggers().filter(|tagger| tagger.name() != "bdt"));
}

#[test]
fn a_damaged_optimizer_file_is_an_error_and_changes_nothing() {
    refuses_damage_to("optimizer.safetensors", networks());
}

#[test]
fn damage_to_what_a_fit_has_collected_is_an_error_and_changes_nothing() {
    let collecting = ["efp", "bdt"].map(tagger).into_iter();
    refuses_damage_to("collected.safetensors", collecting);
}

/// What a fit needs of the steps before lies in its files: killed between two steps, it ends in the same bits.
#[test]
fn a_fit_saved_between_two_steps_ends_in_the_same_bits() {
    for tagger in FITTED.map(tagger) {
        let name = tagger.name();
        let jets = jets(Part::Train, 60);
        let step = |learner: &mut dyn Learner, n: usize| {
            let batch = batch(tagger.as_ref(), &jets.slice(20 * n..20 * (n + 1)));
            learner.step(&batch, update(n as u64)).unwrap();
        };
        let mut whole = prepared(tagger.as_ref(), 1);
        step(whole.as_mut(), 0);
        let folder = saved(whole.as_ref());
        let mut again = learner(tagger.as_ref(), 1);
        again.load(folder.path()).unwrap();
        for learner in [&mut whole, &mut again] {
            step(learner.as_mut(), 1);
            step(learner.as_mut(), 2);
            learner.end_epoch().unwrap();
        }
        let batch = batch(tagger.as_ref(), &jets);
        let scores = [&mut whole, &mut again].map(|learner| bits(&learner.score(&batch).unwrap()));
        assert_eq!(scores[0], scores[1], "{name}");
        assert!(
            scores[0].iter().any(|bits| *bits != scores[0][0]),
            "{name} scores all alike"
        );
        assert!(files(whole.as_ref()) == files(again.as_ref()), "{name}");
        // The loop may end an epoch twice, after a resume.
        again.end_epoch().unwrap();
        assert!(
            files(whole.as_ref()) == files(again.as_ref()),
            "{name}: another end of the same epoch"
        );
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for tagger in taggers() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut learner = prepared(tagger.as_ref(), 5);
                // Some 2,000 rows a batch, more than one thread's share of any kernel.
                let batch = batch(tagger.as_ref(), &jets(Part::Train, 48));
                let losses: Vec<u64> = (0..5)
                    .map(|step| learner.step(&batch, update(step)).unwrap().to_bits())
                    .collect();
                learner.end_epoch().unwrap();
                (losses, bits(&learner.score(&batch).unwrap()), files(learner.as_ref()))
            })
        };
        assert!(run(1) == run(3), "{} depends on the number of threads", tagger.name());
    }
}

/// A step on ten jets of which `spoil` made one worthless: the loss says so, and nothing that is saved has changed.
fn ignores_a_step_with(spoil: fn(&mut Batch)) {
    for tagger in taggers() {
        let name = tagger.name();
        let mut learner = trained(tagger.as_ref());
        let before = files(learner.as_ref());
        let mut batch = batch(tagger.as_ref(), &jets(Part::Train, 10));
        spoil(&mut batch);
        let loss = learner.step(&batch, update(3)).unwrap();
        assert!(!loss.is_finite(), "{name}: loss {loss}");
        assert!(files(learner.as_ref()) == before, "{name}: the learner has changed");
    }
}

#[test]
fn a_loss_that_is_no_number_changes_nothing() {
    ignores_a_step_with(|batch| batch.weights = Some([&[f32::NAN], &[1.0; 9][..]].concat()));
}

#[test]
fn a_feature_that_is_no_number_changes_nothing() {
    ignores_a_step_with(|batch| match &mut batch.view {
        View::Jagged(view) => view.rows[5] = f32::NAN,
        View::Dense(view) => view.values[5] = f32::NAN,
        View::Tree(view) => view.nodes.rows[5] = f32::NAN,
    });
}

#[test]
fn what_check_passes_can_be_built_and_what_it_refuses_is_named() {
    use tagwerk_taggers::{Device, registry};
    for tagger in registry::names().map(tagger) {
        tagger.check().unwrap();
    }
    let huge = usize::MAX / 4;
    for (name, settings, key) in [
        ("topodnn", "hidden = [10, 0]".to_owned(), "hidden = [10, 0]"),
        ("topodnn", format!("hidden = [10, {huge}]"), "hidden = "),
        ("treenin", "hidden = 0".to_owned(), "hidden = 0"),
        ("lola", "constituents = 0".to_owned(), "constituents = 0"),
        ("lola", "hidden = [0]".to_owned(), "hidden = [0]"),
        ("lbn", "particles = 0".to_owned(), "particles = 0"),
        ("lbn", "singles = []\npairs = []".to_owned(), "number of features = 0"),
        ("pfn", "phi = []".to_owned(), "phi = []"),
        ("pfn", "f = [0]".to_owned(), "f = [0]"),
        (
            "pfn",
            "preprocessing = {max_constituents = 0}".to_owned(),
            "max_constituents",
        ),
        ("efn", "phi = [0]".to_owned(), "phi = [0]"),
        ("particlenet", "dropout = 1.0".to_owned(), "dropout = 1"),
        ("particlenet", "hidden = 0".to_owned(), "hidden = [0]"),
        ("particlenet", "blocks = []".to_owned(), "blocks"),
        (
            "particlenet-lite",
            "blocks = [{k = 0, widths = [8]}]".to_owned(),
            "blocks.k = 0",
        ),
        (
            "particlenet-lite",
            "blocks = [{k = 3, widths = []}]".to_owned(),
            "blocks.widths = []",
        ),
        (
            "particlenet-lite",
            "max_constituents = 0".to_owned(),
            "max_constituents = 0",
        ),
        ("nsub8", "bodies = 1".to_owned(), "bodies = 1"),
        ("nsub6", "dropout = [0.2, 1.0]".to_owned(), "dropout = 1"),
        (
            "nsub8",
            "hidden = [8]\ndropout = [0.1, 0.1]".to_owned(),
            "dropout rates = 2",
        ),
        ("cnn", "pixels = 0".to_owned(), "pixels = 0"),
        ("cnn", "pixels = 5".to_owned(), "pixels = 5"),
        ("cnn", "kernel = 0".to_owned(), "kernel = 0"),
        ("cnn", "stages = [[8, 0]]".to_owned(), "stages = [8, 0]"),
        ("cnn", format!("stages = [[{huge}]]"), "stages = "),
        ("resnext", "pixels = 2000".to_owned(), "pixels = 2000"),
        ("resnext", "groups = 5".to_owned(), "widths = 32"),
        ("resnext", "blocks = [3, 4, 6]".to_owned(), "in blocks = 3"),
        ("resnext", "widths = [0]\nblocks = [1]".to_owned(), "widths = [0]"),
        ("pcnn", "length = 0".to_owned(), "length = 0"),
        ("pcnn", "stem = 0".to_owned(), "stem = [0]"),
        ("pcnn", "stages = [8, 0]".to_owned(), "stages = [8, 0]"),
        ("pcnn", "dropout = 1.5".to_owned(), "dropout = 1.5"),
        ("part", "embed = []".to_owned(), "embed = []"),
        ("part", format!("embed = [{huge}]"), "embed = "),
        ("part", "pairs = []".to_owned(), "pairs = []"),
        ("part", "heads = 7".to_owned(), "heads = 7"),
        ("part", "heads = 0".to_owned(), "heads = 0"),
        ("part", "class_blocks = 0".to_owned(), "class_blocks = 0"),
        ("part", "blocks = 1001".to_owned(), "blocks = 1001"),
        ("part", "expansion = 0".to_owned(), "expansion = 0"),
        ("part", "dropout = 1.0".to_owned(), "dropout = 1"),
        ("part", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("lorentznet", "channels = 0".to_owned(), "channels = [0]"),
        ("lorentznet", format!("channels = {huge}"), "channels = "),
        ("lorentznet", "blocks = 0".to_owned(), "blocks = 0"),
        ("lorentznet", "step = 0.0".to_owned(), "step = 0"),
        ("lorentznet", "step = nan".to_owned(), "step = NaN"),
        ("lorentznet", "dropout = -0.1".to_owned(), "dropout = -0.1"),
        ("lorentznet", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("fcn", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("fcn", "hidden = [8, 0]".to_owned(), "hidden = [8, 0]"),
        ("graphnet", "dense = []".to_owned(), "dense = []"),
        ("graphnet", "last_dropout = 1.0".to_owned(), "last_dropout = 1"),
        (
            "graphnet",
            format!("dense = [1]\ngraph = [{}]", 1 << 28),
            "graph = [268435456]",
        ),
        ("graphnet", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("chebnet", "channels = [0]".to_owned(), "channels = [0]"),
        ("chebnet", format!("channels = [8, {huge}]"), "channels = "),
        ("gcn", "graph = []".to_owned(), "graph = []"),
        (
            "gcn",
            "embedding = {column = 7, kinds = 5, width = 3}".to_owned(),
            "embedding.column = 7",
        ),
        ("cnn1d", "max_constituents = 7".to_owned(), "max_constituents = 7"),
        ("cnn1d", "channels = [0]".to_owned(), "channels = [0]"),
        ("cnn1d", "dropout = 1.0".to_owned(), "dropout = 1"),
        ("cnn2d", "pixels = 3".to_owned(), "pixels = 3"),
        (
            "cnn2d",
            "stages = [{kernel = 0, channels = 3}]".to_owned(),
            "stages.kernel = 0",
        ),
        ("cnn2d", "hidden = [{width = 0}]".to_owned(), "hidden = [0]"),
        (
            "cnn2d",
            "hidden = [{width = 2, dropout = 1.0}]".to_owned(),
            "hidden.dropout = 1",
        ),
        ("efp", "max_degree = 8".to_owned(), "max_degree = 8"),
        ("efp", "beta = 0.0".to_owned(), "beta = 0"),
        ("efp", "tolerance = -1.0".to_owned(), "tolerance = -1"),
        ("lda", "words = {mass_floor = -1.0}".to_owned(), "mass_floor"),
        ("lda", "word_prior = 0.0".to_owned(), "word_prior = 0"),
        ("lda", "decay = 2.0".to_owned(), "decay = 2"),
        ("bdt", "trees = 0".to_owned(), "trees = 0"),
        ("bdt", "depth = 40".to_owned(), "depth = 40"),
        ("bdt", "subsample = 0.0".to_owned(), "subsample = 0"),
        ("goat", "hidden = []".to_owned(), "hidden = []"),
        ("goat", "folds = 2".to_owned(), "folds = 2"),
    ] {
        let tagger = registry::tagger(name, &toml::from_str(&settings).unwrap()).unwrap();
        let error = tagger.check().unwrap_err().to_string();
        assert!(error.contains(key), "{name}, {settings}: {error}");
        // The cheap check is no stricter than the network: these cannot be built, or have no view.
        let built = tagger.learner(&tagger.training(), &Device::flex()).is_ok();
        assert!(
            !built || tagger.view(&jets(Part::Train, 1)).is_err(),
            "{name}, {settings}"
        );
    }
}
