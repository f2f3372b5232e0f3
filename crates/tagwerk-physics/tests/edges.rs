//! Jets and settings at the edges of their definitions: finite answers, errors that name the value, same bits.
#![allow(clippy::unwrap_used)]

#[path = "support/table.rs"]
mod table;

use table::table;
use tagwerk_physics::{
    ClusterAlgorithm, Clusterer, FourVector, ImageConfig, ImageFrame, ImageIntensity, JetDefinition, PfnPreprocessing,
    PhysicsError, Recombination, image_view, jet_observables, particlenet_view, pfn_view, topodnn_view,
};

/// Jets at the edges of the definition: none, one, at rest, along the beam, twice the same, back to back.
fn edge_cases() -> Vec<Vec<FourVector>> {
    let hard = FourVector::from_pt_eta_phi_mass(500.0, -1.0, 2.0, 0.0);
    let beam = FourVector::new(7000.0, 0.0, 0.0, 7000.0);
    let back = FourVector::new(hard.e, -hard.px, -hard.py, -hard.pz);
    vec![
        vec![],
        vec![hard],
        vec![FourVector::default()],
        vec![FourVector::default(), FourVector::default()],
        vec![beam],
        vec![beam, FourVector::new(7000.0, 0.0, 0.0, -7000.0)],
        vec![hard, hard],
        vec![hard, back],
        vec![hard, FourVector::default()],
        vec![
            FourVector::new(3e38, 3e38, 0.0, 0.0),
            FourVector::new(1e-40, 1e-40, 0.0, 0.0),
        ],
        vec![
            FourVector::new(1.0, 1e-30, 0.0, 1.0),
            FourVector::new(1.0, 1e-30, 0.0, -1.0),
        ],
        vec![
            FourVector::new(-1.0, 0.5, 0.0, 0.0),
            FourVector::new(0.0, 0.5, 0.0, 0.0),
        ],
    ]
}

#[test]
fn jets_at_the_edges_give_finite_views() {
    let jets = table(&edge_cases());
    let plain = PfnPreprocessing {
        center: false,
        rotate_reflect: false,
        ..PfnPreprocessing::default()
    };
    let jagged = [
        particlenet_view(&jets, 100).unwrap(),
        particlenet_view(&jets, 1).unwrap(),
        pfn_view(&jets, &PfnPreprocessing::default()).unwrap(),
        pfn_view(&jets, &plain).unwrap(),
    ];
    for view in &jagged {
        assert_eq!(view.len(), jets.len());
        assert!(view.rows.iter().all(|x| x.is_finite()), "{view:?}");
    }
    let raw = ImageConfig {
        intensity: ImageIntensity::Pt,
        frame: ImageFrame::JetAxis,
        ..ImageConfig::cnn()
    };
    for view in [
        topodnn_view(&jets).unwrap(),
        image_view(&jets, &ImageConfig::cnn()).unwrap(),
        image_view(&jets, &ImageConfig::resnext()).unwrap(),
        image_view(&jets, &raw).unwrap(),
    ] {
        assert_eq!(view.len(), jets.len());
        assert!(view.values.iter().all(|x| x.is_finite()));
    }
    let observables = jet_observables(&jets).unwrap();
    assert_eq!(observables.multiplicity[..3], [0, 1, 1]);
    for column in [
        observables.mass,
        observables.pt,
        observables.eta,
        observables.soft_drop_mass,
    ] {
        assert!(column.iter().all(|x| x.is_finite()), "{column:?}");
    }
}

#[test]
fn jets_at_the_edges_cluster_to_the_end() {
    for algorithm in [
        ClusterAlgorithm::AntiKt,
        ClusterAlgorithm::CambridgeAachen,
        ClusterAlgorithm::Kt,
    ] {
        for recombination in [Recombination::EScheme, Recombination::WinnerTakeAll] {
            let mut clusterer = Clusterer::new(JetDefinition {
                algorithm,
                radius: 0.8,
                recombination,
            })
            .unwrap();
            for jet in edge_cases() {
                let history = clusterer.cluster(jet.iter().copied()).unwrap();
                assert_eq!(history.steps().len(), jet.len());
                assert!(history.steps().iter().all(|step| step.distance.is_finite()), "{jet:?}");
            }
        }
    }
}

#[test]
fn bad_settings_and_bad_momenta_are_errors_that_name_the_value() {
    let jets = table(&edge_cases());
    let message = |result: Result<(), PhysicsError>| result.unwrap_err().to_string();
    assert!(message(particlenet_view(&jets, 0).map(drop)).contains("`max_constituents` is 0"));
    let turned = PfnPreprocessing {
        center: false,
        ..PfnPreprocessing::default()
    };
    assert!(message(pfn_view(&jets, &turned).map(drop)).contains("`center`"));
    for config in [
        ImageConfig {
            pixels: 0,
            ..ImageConfig::cnn()
        },
        ImageConfig {
            pixels: usize::MAX,
            ..ImageConfig::cnn()
        },
        ImageConfig {
            half_width: f64::NAN,
            ..ImageConfig::cnn()
        },
    ] {
        assert!(image_view(&jets, &config).is_err(), "{config:?}");
    }
    for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let definition = JetDefinition::new(ClusterAlgorithm::Kt, radius);
        assert!(Clusterer::new(definition).is_err(), "{radius}");
    }
    let mut clusterer = Clusterer::new(JetDefinition::new(ClusterAlgorithm::Kt, 0.8)).unwrap();
    let bad = FourVector::new(1.0, f64::NAN, 0.0, 0.0);
    let result = clusterer.cluster([FourVector::new(1.0, 1.0, 0.0, 0.0), bad]);
    assert!(matches!(
        result,
        Err(PhysicsError::NotFinite {
            row: 1,
            column: "px",
            ..
        })
    ));
    // The clusterer is whole after an error.
    assert_eq!(clusterer.history().steps().len(), 0);
    assert_eq!(
        clusterer
            .cluster([FourVector::new(1.0, 1.0, 0.0, 0.0)])
            .unwrap()
            .steps()
            .len(),
        1
    );
    assert!(clusterer.cluster_jet(&jets, 1000).is_err());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let many: Vec<_> = (0..700)
        .map(|b| {
            (0..b % 40)
                .map(|i| {
                    let x = f64::from(b * 40 + i) * 0.618_034;
                    FourVector::from_pt_eta_phi_mass(1.0 + 50.0 * x.fract(), x.sin() * 0.5, (3.0 * x).cos() * 0.5, 0.0)
                })
                .collect()
        })
        .collect();
    let jets = table(&many);
    let run = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| {
                (
                    particlenet_view(&jets, 100).unwrap(),
                    pfn_view(&jets, &PfnPreprocessing::default()).unwrap(),
                    topodnn_view(&jets).unwrap(),
                    image_view(&jets, &ImageConfig::cnn()).unwrap(),
                    jet_observables(&jets).unwrap(),
                )
            })
    };
    assert_eq!(run(1), run(3));
}
