//! The settings of ParticleNet that weights of other programs need. Their scores are compared with PyTorch where such
//! weights are imported; here is what training and other jets see of them.

use crate::support::gradient::{gradient, norm, part, slopes, smooth, weights};
use crate::support::learner;
use crate::support::sample::{batch, cut, jets};
use tagwerk_data::{Jets, Part};
use tagwerk_taggers::{Device, Tagger, registry};
use tagwerk_train::TrainingConfig;

const SMALL: &str = "dropout = 0.0\nhidden = 6\nblocks = [{k = 5, widths = [6, 6]}, {k = 9, widths = [8]}]\n";

fn tagger(settings: &str) -> Box<dyn Tagger> {
    let table = toml::from_str(&format!("{settings}{SMALL}")).unwrap();
    registry::tagger("particlenet", &table).unwrap()
}

/// Real jets with all their constituents, and one of three.
fn mixed() -> (Jets, Jets) {
    let long = jets(Part::Train, 8);
    let mut all = long.clone();
    let short = cut(&long, 0, 3);
    let vectors: Vec<[f32; 4]> = (0..3)
        .map(|i| [short.e[i], short.px[i], short.py[i], short.pz[i]])
        .collect();
    all.push(&vectors, 1, 1000);
    (long, all)
}

#[test]
fn zeros_for_missing_neighbors_change_short_jets_alone() {
    let (plain, zeros) = (tagger(""), tagger("zero_neighbors = true\n"));
    let (_, all) = mixed();
    assert!(
        (0..8).all(|b| all.range(b).len() > 10),
        "long jets have all their neighbors"
    );
    let score = |tagger: &dyn Tagger| learner(tagger, 1).score(&batch(tagger, &all)).unwrap();
    let (plain, zeros) = (score(plain.as_ref()), score(zeros.as_ref()));
    for b in 0..8 {
        assert!(
            (plain[b] - zeros[b]).abs() < 2e-5 * plain[b].abs().max(1.0),
            "{b}: {} {}",
            plain[b],
            zeros[b]
        );
    }
    assert!((plain[8] - zeros[8]).abs() > 1e-4, "{} {}", plain[8], zeros[8]);
}

#[test]
fn a_standardization_is_part_of_the_view_and_of_its_key() {
    let settings = "[standardization.log_pt]\nshift = 1.7\nscale = 0.7\nhigh = 2.0\n";
    let table: toml::Table = toml::from_str(settings).unwrap();
    let scaled = registry::tagger("particlenet", &table).unwrap();
    let plain = registry::tagger("particlenet", &toml::Table::new()).unwrap();
    assert_ne!(scaled.view_key(), plain.view_key());
    let jets = jets(Part::Train, 20);
    let (scaled, plain) = (batch(scaled.as_ref(), &jets).view, batch(plain.as_ref(), &jets).view);
    let (tagwerk_physics::View::Jagged(scaled), tagwerk_physics::View::Jagged(plain)) = (scaled, plain) else {
        panic!("constituents are jagged");
    };
    let mut cut = 0;
    for (scaled, plain) in scaled.rows.chunks(7).zip(plain.rows.chunks(7)) {
        let expected = ((plain[0] - 1.7) * 0.7).clamp(-5.0, 2.0);
        assert!((scaled[0] - expected).abs() < 1e-6 && scaled[1..] == plain[1..]);
        cut += usize::from(expected == 2.0);
    }
    assert!(cut > 0);
    for (settings, word) in [
        ("[standardization.log_px]\nshift = 0.0\nscale = 1.0\n", "log_px"),
        (
            "[standardization.log_pt]\nshift = nan\nscale = 1.0\n",
            "standardization.log_pt",
        ),
        (
            "[standardization.log_pt]\nshift = 0.0\nscale = 1.0\nlow = 6.0\n",
            "standardization.log_pt",
        ),
    ] {
        let tagger = registry::tagger("particlenet", &toml::from_str(settings).unwrap()).unwrap();
        let error = tagger.check().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn settings_that_are_off_are_in_no_configuration() {
    let settings = registry::tagger("particlenet", &toml::Table::new())
        .unwrap()
        .settings()
        .unwrap();
    let keys: Vec<&str> = settings.keys().map(String::as_str).collect();
    assert_eq!(keys, ["blocks", "dropout", "hidden", "max_constituents"]);
}

/// The jets with columns of their constituents; impact parameters and errors have tails.
fn with_particles(jets: Jets, columns: &[&str]) -> Jets {
    columns.iter().enumerate().fold(jets, |jets, (c, name)| {
        let value = |r: usize| ((r * (c + 3)) % 7) as f32 * 0.4 - if name.ends_with("err") { 0.0 } else { 1.2 };
        let values = (0..jets.constituents()).map(value).collect();
        jets.with_column(name, values).unwrap()
    })
}

#[test]
fn features_widen_the_network_by_what_they_add() {
    // Two of the first normalization a feature; 2 x 64 of the first edge layer and 64 of the shortcut. Of the
    // Transformer four of two normalizations and 128 of the first embedding; that of JetClass has 2,143,486 parameters
    // with the 8 x 129 of eight more classes (arXiv:2202.03772 and its public code).
    for (tagger, features, parameters) in [
        ("particlenet", "kin", 366_160),
        ("particlenet", "kinpid", 366_160 + 6 * 194),
        ("particlenet", "full", 366_160 + 10 * 194),
        ("part", "kin", 2_141_134),
        ("part", "kinpid", 2_141_134 + 6 * 132),
        ("part", "full", 2_143_486 - 8 * 129),
    ] {
        let table = toml::from_str(&format!("features = '{features}'")).unwrap();
        let tagger = registry::tagger(tagger, &table).unwrap();
        tagger.check().unwrap();
        assert_eq!(learner(tagger.as_ref(), 1).parameter_count(), parameters, "{features}");
        let stored = tagger.settings().unwrap();
        assert_eq!(stored.contains_key("features"), features != "kin");
        let again = registry::tagger(tagger.name(), &stored).unwrap();
        assert_eq!(again.view_key(), tagger.view_key());
    }
    let table = toml::from_str("features = 'all'").unwrap();
    let error = registry::tagger("particlenet", &table).unwrap_err().to_string();
    assert!(error.contains("kinpid") && error.contains("all"), "{error}");
}

#[test]
fn scores_depend_on_every_feature_and_jets_without_them_are_refused() {
    let plain = jets(Part::Train, 6);
    for name in ["particlenet", "part"] {
        for features in ["kinpid", "full"] {
            let small = match name {
                "particlenet" => SMALL,
                _ => {
                    "embed = [16]
pairs = [8]
heads = 2
blocks = 1
class_blocks = 1
"
                }
            };
            let table = toml::from_str(&format!(
                "features = '{features}'
{small}"
            ))
            .unwrap();
            let tagger = registry::tagger(name, &table).unwrap();
            let columns = tagger.jet_columns();
            assert_eq!(columns.len(), if features == "full" { 10 } else { 6 });
            let error = tagger.view(&plain).unwrap_err().to_string();
            assert!(error.contains("`charge`") && error.contains(features), "{error}");
            let complete = with_particles(plain.clone(), columns);
            let score = |jets: &Jets| {
                learner(tagger.as_ref(), 1)
                    .score(&batch(tagger.as_ref(), jets))
                    .unwrap()
            };
            let before = score(&complete);
            assert!(before.iter().all(|score| score.is_finite()));
            for column in columns {
                let moved = complete.column(column).unwrap().iter().map(|v| 0.5 - v).collect();
                let after = score(&complete.clone().with_column(column, moved).unwrap());
                let change = before
                    .iter()
                    .zip(&after)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert!(change > 1e-6, "{name}, {features}: {column} changes nothing");
            }
        }
    }
}

#[test]
fn errors_of_impact_parameters_are_cut_unless_told_otherwise() {
    let columns = tagwerk_data::PARTICLE_COLUMNS;
    let jets = with_particles(jets(Part::Train, 6), &columns);
    let largest = |settings: &str| {
        let table = toml::from_str(&format!(
            "features = 'full'
{settings}"
        ))
        .unwrap();
        let tagger = registry::tagger("particlenet", &table).unwrap();
        tagger.check().unwrap();
        let tagwerk_physics::View::Jagged(view) = batch(tagger.as_ref(), &jets).view else {
            panic!("constituents are jagged");
        };
        let of = |c: usize| view.rows.chunks(17).map(|row| row[c]).fold(0.0, f32::max);
        [of(14), of(16)]
    };
    assert_eq!(largest(""), [1.0, 1.0]);
    let wide = "[standardization.d0_err]
shift = 0.0
scale = 1.0
low = 0.0
high = 9.0
";
    assert_eq!(largest(wide), [2.4, 1.0]);
    let table = toml::from_str(
        "features = 'kinpid'
[standardization.d0_err]
shift = 0.0
scale = 1.0
",
    )
    .unwrap();
    let error = registry::tagger("particlenet", &table)
        .unwrap()
        .check()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("standardization = d0_err") && error.contains("is_muon"),
        "{error}"
    );
}

#[test]
fn the_gradient_with_fusion_and_zeros_agrees_with_finite_differences() {
    let tagger = tagger("zero_neighbors = true\nfusion = 7\n");
    let (_, all) = mixed();
    let batch = batch(tagger.as_ref(), &all);
    let training = TrainingConfig {
        seed: 1,
        ..smooth(tagger.training())
    };
    let [mut stepped, mut probe] = [(); 2].map(|()| tagger.learner(&training, &Device::flex()).unwrap());
    let start = weights(stepped.as_ref());
    let gradient = gradient(stepped.as_mut(), &batch);
    for group in ["fusion.", "fusion_norm.", "block1.", "norm.", "hidden."] {
        let along = part(&gradient, |tensor| tensor.starts_with(group));
        let expected = norm(&along);
        assert!(expected > 1e-4, "{group} has no gradient");
        // Lengths that change the loss by about a hundredth and less. The later blocks choose their neighbors by
        // features: where a longer step crosses a choice, a shorter one must do.
        let lengths = [5e-3, 2e-4, 4e-5, 1e-5].map(|change| change / expected);
        let slopes = slopes(probe.as_mut(), &batch, &start, &along, &lengths);
        let near = |slope: &f64| (slope / expected - 1.0).abs() < 0.03;
        assert!(slopes.iter().any(near), "{group}: {slopes:?} for {expected}");
    }
}
