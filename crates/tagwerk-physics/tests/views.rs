//! Views against an independent numpy computation (`tests/reference/physics_views.py`) on 50 real-sized jets.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Reference, reference_jets};
use tagwerk_physics::{
    DenseView, ImageConfig, JaggedView, PfnPreprocessing, image_view, jet_observables, particlenet_view, pfn_view,
    topodnn_view,
};

const JETS: usize = 50;
const LEADING: usize = 40;

/// f32 results of f64 computations: one or two units in the last place of numbers of order 1 to 10.
const TOLERANCE: f64 = 2e-6;

fn assert_jagged(view: &JaggedView, column: &str) {
    let expected = Reference::open("physics_views.parquet").lists(column);
    assert_eq!(view.len(), JETS);
    for (b, expected) in expected.iter().enumerate() {
        assert_same(view.jet(b), expected, &format!("{column}, jet {b}"));
    }
}

fn assert_same(found: &[f32], expected: &[f64], place: &str) {
    assert_eq!(found.len(), expected.len(), "{place}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs();
        assert!(
            error <= TOLERANCE * expected.abs().max(1.0),
            "{place}, value {i}: {found}, expected {expected}"
        );
    }
}

#[test]
fn particlenet_features_agree_with_numpy() {
    assert_jagged(
        &particlenet_view(&reference_jets(JETS), LEADING).unwrap(),
        "particlenet",
    );
}

#[test]
fn pfn_points_agree_with_numpy() {
    let jets = reference_jets(JETS);
    let plain = PfnPreprocessing {
        max_constituents: LEADING,
        center: true,
        rotate_reflect: false,
    };
    assert_jagged(&pfn_view(&jets, &plain).unwrap(), "pfn_plain");
    assert_jagged(
        &pfn_view(
            &jets,
            &PfnPreprocessing {
                rotate_reflect: true,
                ..plain
            },
        )
        .unwrap(),
        "pfn",
    );
}

#[test]
fn topodnn_numbers_agree_with_numpy() {
    let view = topodnn_view(&reference_jets(JETS)).unwrap();
    for (b, expected) in Reference::open("physics_views.parquet")
        .lists("topodnn")
        .iter()
        .enumerate()
    {
        assert_same(view.jet(b), expected, &format!("topodnn, jet {b}"));
    }
}

fn assert_image(view: &DenseView, column: &str) {
    for (b, pairs) in Reference::open("physics_views.parquet")
        .lists(column)
        .iter()
        .enumerate()
    {
        let mut expected = vec![0.0; view.jet_size()];
        for pair in pairs.chunks_exact(2) {
            expected[pair[0] as usize] = pair[1];
        }
        assert_same(view.jet(b), &expected, &format!("{column}, jet {b}"));
    }
}

#[test]
fn images_agree_with_numpy() {
    let jets = reference_jets(JETS);
    assert_image(&image_view(&jets, &ImageConfig::cnn()).unwrap(), "cnn");
    assert_image(&image_view(&jets, &ImageConfig::resnext()).unwrap(), "resnext");
}

#[test]
fn jet_kinematics_agree_with_numpy() {
    let observables = jet_observables(&reference_jets(JETS)).unwrap();
    let reference = Reference::open("physics_views.parquet");
    for (column, found) in [
        ("mass", observables.mass),
        ("pt", observables.pt),
        ("eta", observables.eta),
    ] {
        for (found, expected) in found.iter().zip(reference.column(column)) {
            assert!(
                (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                "{column}: {found}, {expected}"
            );
        }
    }
}
