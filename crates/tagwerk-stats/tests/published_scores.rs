//! The original outputs of two taggers on the published test set (404,000 jets) give the published numbers.
//!
//! Expected values: analysis notebook of arXiv:1902.09914 (public TopTagComparison repository), rows of the median-AUC
//! run, and a recomputation with numpy. The files are optional development data; the tests say so and pass when they
//! are absent.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // The test settings of clippy.toml do not reach the free functions of a test file.

use std::path::PathBuf;

use tagwerk_stats::{BootstrapOptions, Roc, Truth, WorkingPoints, bootstrap, delong_pair, ensembles, evaluate};

fn file(name: &str) -> Option<Vec<u8>> {
    let shared = std::env::var_os("TAGWERK_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = shared.join("landscape-scores").join(name);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        eprintln!("skipped: {} is not there", path.display());
    }
    bytes
}

/// Payload of an NPY file of version 1, checked to have the given element type.
fn npy(name: &str, descr: &str) -> Option<Vec<u8>> {
    let bytes = file(name)?;
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..start]).into_owned();
    assert!(header.contains(&format!("'{descr}'")), "{header}");
    Some(bytes[start..].to_vec())
}

fn labels() -> Option<Truth> {
    Some(Truth::new(&npy("labels.npy", "|u1")?).unwrap())
}

fn scores(name: &str) -> Option<Vec<f32>> {
    let bytes = npy(name, "<f4")?;
    Some(
        bytes
            .chunks_exact(4)
            .map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]))
            .collect(),
    )
}

fn check(name: &str, expected: [&str; 5]) {
    let (Some(truth), Some(scores)) = (labels(), scores(name)) else {
        return;
    };
    assert_eq!((truth.n_signal(), truth.n_background()), (202_086, 201_914));
    let result = evaluate(&scores, &truth, &WorkingPoints::default()).unwrap();
    let (at_30, at_50) = (&result.rejection["0.3"], &result.rejection["0.5"]);
    let printed = [
        format!("{:.6}", result.auc),
        format!("{:.6}", result.accuracy),
        format!("{:.2}", at_30.value.unwrap()),
        format!("{:.1}", at_30.test_error.unwrap()),
        format!("{:.2}", at_50.value.unwrap()),
    ];
    assert_eq!(printed, expected, "{name}");
}

#[test]
fn resnext_gives_every_published_digit() {
    check(
        "ResNeXt50_v2.npy",
        ["0.983715", "0.935790", "1147.24", "86.5", "302.27"],
    );
}

#[test]
fn topodnn_gives_every_published_digit() {
    check("topodnn_v2.npy", ["0.971413", "0.915720", "289.69", "11.0", "95.51"]);
}

#[test]
fn full_double_precision_agrees_with_numpy() {
    let (Some(truth), Some(scores)) = (labels(), scores("ResNeXt50_v2.npy")) else {
        return;
    };
    let roc = Roc::new(&scores, &truth).unwrap();
    assert!((roc.auc() - 0.983_715_171_957_587_8).abs() < 1e-13);
    for (point, expected) in [
        (0.3, 1_147.238_636_363_636_3),
        (0.4, 544.242_587_601_078_2),
        (0.5, 302.266_467_065_868_26),
    ] {
        let value = roc.rejection_at(point).unwrap().value.unwrap();
        assert!((value - expected).abs() < 1e-9, "{point}: {value}");
    }
    let thin = roc.thin(500);
    assert!(thin.signal_efficiency.len() <= 500, "{}", thin.signal_efficiency.len());
    for point in [0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95] {
        let ratio = thin.background_efficiency_at(point) / roc.background_efficiency_at(point);
        assert!((ratio - 1.0).abs() < 0.04, "{point}: {ratio}");
    }
}

/// The paired errors of two real taggers, and the cost of the large jobs (printed with --nocapture, never asserted).
#[test]
fn common_jets_cancel_in_the_difference_of_real_taggers() {
    let (Some(truth), Some(a), Some(b)) = (labels(), scores("ResNeXt50_v2.npy"), scores("topodnn_v2.npy")) else {
        return;
    };
    let clock = std::time::Instant::now();
    let pair = delong_pair(&a, &b, &truth).unwrap();
    eprintln!("DeLong pair of 404,000 jets: {:?}, {pair:?}", clock.elapsed());
    let independent = pair.a.error.unwrap().hypot(pair.b.error.unwrap());
    assert!(pair.error.unwrap() < 0.8 * independent);

    let clock = std::time::Instant::now();
    let errors = bootstrap(
        &a,
        &truth,
        &WorkingPoints::default(),
        BootstrapOptions { replicas: 40, seed: 1 },
    )
    .unwrap();
    eprintln!(
        "40 bootstrap replicas of 404,000 jets: {:?}, {errors:?}",
        clock.elapsed()
    );
    let ratio = errors.auc.error.unwrap() / pair.a.error.unwrap();
    assert!((ratio - 1.0).abs() < 0.5, "{ratio}");

    // Nine stand-ins for trainings: mixtures of the two outputs.
    let runs: Vec<Vec<f32>> = (0..9_u8)
        .map(|i| {
            a.iter()
                .zip(&b)
                .map(|(x, y)| x + (y - x) * f32::from(i) / 40.0)
                .collect()
        })
        .collect();
    let columns: Vec<&[f32]> = runs.iter().map(Vec::as_slice).collect();
    let clock = std::time::Instant::now();
    let result = ensembles(&columns, &truth).unwrap();
    eprintln!("2 x 84 ensembles of 404,000 jets: {:?}, {result:?}", clock.elapsed());
    assert_eq!(result.rule.subsets, 84);
    assert!(result.mean.value.unwrap() > 289.0);
}
