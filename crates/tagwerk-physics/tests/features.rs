//! Observables by name: the numbers of the direct calls under stable names, for any jet, in any cut of the table.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod support;
#[path = "support/table.rs"]
mod table;

use support::reference_jets;
use table::table;
use tagwerk_data::Jets;
use tagwerk_physics::{
    EfpConfig, Efps, EnergyCorrelationConfig, FeatureColumn, FeatureKind, FeaturePlan, FeatureSet, FeatureTable,
    FeatureValues, FourVector, ImageConfig, ImageFrame, LdaWordConfig, LundConfig, MBodyConfig, NsubjettinessConfig,
    PhysicsError, SoftDrop, SubjetAxes, energy_correlations, image_view, jet_observables_with, lda_words, lund_planes,
    m_body_view, nsubjettiness, tau_ratios, topodnn_view,
};

const JETS: usize = 20;

/// One of each set.
const ALL: [&str; 9] = [
    "kinematics",
    "nsubjettiness:n=4,beta=0.5/1",
    "mbody",
    "ecf:points=4",
    "efp:d=4",
    "lund",
    "image",
    "topodnn",
    "lda",
];

fn names(set: &str) -> Vec<String> {
    let plan = FeaturePlan::parse([set]).unwrap();
    plan.columns().iter().map(|column| column.name.clone()).collect()
}

fn compute(set: &str, jets: &Jets) -> FeatureTable {
    FeaturePlan::parse([set]).unwrap().compute(jets).unwrap()
}

/// Column `column` of `[B, width]`.
fn column(rows: &[f64], width: usize, column: usize) -> Vec<f64> {
    rows.iter().skip(column).step_by(width).copied().collect()
}

#[test]
fn kinematics_are_the_jet_observables() {
    let jets = reference_jets(JETS);
    let soft_drop = SoftDrop {
        z_cut: 0.2,
        beta: 1.0,
        radius: 0.8,
    };
    let (found, expected) = (
        compute("kinematics:z_cut=0.2,beta=1", &jets),
        jet_observables_with(&jets, soft_drop).unwrap(),
    );
    let count = |b| jets.range(b).len() as f64;
    let multiplicity: Vec<f64> = (0..JETS).map(count).collect();
    for (name, expected) in [
        ("jet_pt", &expected.pt),
        ("jet_eta", &expected.eta),
        ("jet_phi", &expected.phi),
        ("jet_energy", &expected.energy),
        ("jet_mass", &expected.mass),
        ("jet_multiplicity", &multiplicity),
        ("jet_soft_drop_mass_zcut0.2_beta1", &expected.soft_drop_mass),
    ] {
        assert_eq!(found.numbers(name), Some(expected.as_slice()), "{name}");
    }
    assert_eq!(found.columns.len(), 7);
}

#[test]
fn subjettinesses_are_in_the_column_of_their_n_and_beta() {
    let jets = reference_jets(JETS);
    let config = NsubjettinessConfig {
        max_axes: 4,
        betas: vec![0.5, 1.0],
        axes: SubjetAxes::WinnerTakeAllKt,
        ..NsubjettinessConfig::default()
    };
    let found = compute("nsubjettiness:n=4,beta=0.5/1,axes=wta", &jets);
    let taus = nsubjettiness(&jets, &config).unwrap();
    for n in 1..=4 {
        for (i, beta) in ["0.5", "1"].iter().enumerate() {
            let name = format!("tau{n}_beta{beta}_wta");
            assert_eq!(
                found.numbers(&name).unwrap(),
                column(&taus, 8, 2 * (n - 1) + i),
                "{name}"
            );
        }
    }
    let ratios = tau_ratios(&jets, 1.0, &config).unwrap();
    assert_eq!(found.numbers("tau21_beta1_wta").unwrap(), ratios.tau21);
    assert_eq!(found.numbers("tau32_beta1_wta").unwrap(), ratios.tau32);
    assert_eq!(found.columns.len(), 12);
    // The basis is the network's view before rounding.
    let (found, view) = (
        compute("mbody:m=5", &jets),
        m_body_view(
            &jets,
            &MBodyConfig {
                bodies: 5,
                ..MBodyConfig::default()
            },
        ),
    );
    let view: Vec<f64> = view.unwrap().values.into_iter().map(f64::from).collect();
    for (i, FeatureColumn { name, .. }) in found.columns.iter().enumerate() {
        let rounded = found
            .numbers(name)
            .unwrap()
            .iter()
            .map(|&value| f64::from(value as f32));
        assert_eq!(rounded.collect::<Vec<f64>>(), column(&view, 13, i), "{name}");
    }
}

#[test]
fn correlations_are_in_the_column_of_their_beta() {
    let jets = reference_jets(JETS);
    let found = compute("ecf:beta=0.5/2,points=4", &jets);
    for beta in [0.5, 2.0] {
        let config = EnergyCorrelationConfig {
            beta,
            points: 4,
            generalized: true,
        };
        for (b, own) in energy_correlations(&jets, config).unwrap().iter().enumerate() {
            for (name, expected) in [
                ("e2", own.e2),
                ("e3", own.e3),
                ("e4", own.e4),
                ("ecf2", own.ecf(2).unwrap()),
                ("ecf3", own.ecf(3).unwrap()),
                ("ecf4", own.ecf(4).unwrap()),
                ("c2", own.c2()),
                ("c3", own.c3()),
                ("d2", own.d2()),
                ("m2", own.m2()),
                ("n2", own.n2()),
            ] {
                let name = format!("{name}_beta{beta}");
                assert_eq!(found.numbers(&name).unwrap()[b], expected, "{name}, jet {b}");
            }
            assert_eq!(found.numbers("ecf1").unwrap()[b], own.ecf(1).unwrap());
        }
    }
    assert_eq!(found.columns.len(), 23);
}

#[test]
fn polynomials_keep_their_name_whatever_else_is_asked_for() {
    let jets = reference_jets(JETS);
    let config = EfpConfig {
        max_degree: 5,
        beta: 1.0,
        ..EfpConfig::default()
    };
    let efps = Efps::new(config).unwrap();
    let values = efps.values(&jets).unwrap();
    let (many, few) = (compute("efp:d=5,beta=1", &jets), compute("efp:d=3,beta=1", &jets));
    // 1, 1, 3, 8, 23 and 66 graphs of 0 to 5 edges (OEIS A050535).
    assert_eq!((many.columns.len(), few.columns.len()), (102, 13));
    for (i, found) in many.columns.iter().enumerate() {
        assert_eq!(
            many.numbers(&found.name).unwrap(),
            column(&values, efps.len(), i),
            "{}",
            found.name
        );
    }
    for found in &few.columns {
        let wide = many.columns.iter().find(|column| column.name == found.name).unwrap();
        assert_eq!(wide, found);
        for (a, b) in few
            .numbers(&found.name)
            .unwrap()
            .iter()
            .zip(many.numbers(&found.name).unwrap())
        {
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{}: {a}, {b}", found.name);
        }
    }
    // Two vertices and one edge: the angle of all pairs.
    let pair = efps.column(&[(0, 1)]).unwrap();
    assert_eq!(many.columns[pair].name, "efp_2_1_0_beta1");
    assert_eq!(many.columns[pair].about, "energy flow polynomial of the graph 0-1");
}

#[test]
fn arrays_and_words_are_the_views() {
    let jets = reference_jets(JETS);
    let resnext = ImageConfig {
        pixels: 16,
        frame: ImageFrame::JetAxis,
        ..ImageConfig::cnn()
    };
    let image = compute("image:pixels=16,frame=jet-axis", &jets);
    assert_eq!(image.columns[0].kind, FeatureKind::Array(256));
    let values = image_view(&jets, &resnext).unwrap().values;
    assert_eq!(
        image.column("image_16x16_jet_axis"),
        Some(&FeatureValues::Array { width: 256, values })
    );
    let values = topodnn_view(&jets).unwrap().values;
    let expected = FeatureValues::Array { width: 90, values };
    assert_eq!(compute("topodnn", &jets).column("topodnn"), Some(&expected));
    let config = LdaWordConfig {
        mass_floor: 0.0,
        ..LdaWordConfig::default()
    };
    let words = lda_words(&jets, &[], &config).unwrap();
    let expected = FeatureValues::Words {
        words: words.words,
        offsets: words.offsets,
    };
    assert_eq!(
        compute("lda:mass_floor=0", &jets).column("lda_words_floor0"),
        Some(&expected)
    );
}

#[test]
fn splittings_are_counted_above_their_cut() {
    let jets = reference_jets(JETS);
    for (text, suffix, depth) in [("lund:kt=0.5/3", "", 0), ("lund:kt=0.5/3,depth=all", "_all", u32::MAX)] {
        let (found, planes) = (compute(text, &jets), lund_planes(&jets, &LundConfig { depth }).unwrap());
        for b in 0..JETS {
            let above = |kt: f64| planes.jet(b).iter().filter(|point| point.ln_kt.exp() > kt).count() as f64;
            for (name, expected) in [
                ("lund_n", above(0.0)),
                ("lund_n_kt0.5", above(0.5)),
                ("lund_n_kt3", above(3.0)),
            ] {
                assert_eq!(
                    found.numbers(&format!("{name}{suffix}")).unwrap()[b],
                    expected,
                    "{name}, jet {b}"
                );
            }
        }
    }
}

#[test]
fn names_of_columns_stay() {
    let all = FeaturePlan::parse(ALL).unwrap();
    let mut unique: Vec<&str> = all.columns().iter().map(|column| column.name.as_str()).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), all.columns().len());
    assert_eq!(
        names("kinematics"),
        [
            "jet_pt",
            "jet_eta",
            "jet_phi",
            "jet_energy",
            "jet_mass",
            "jet_multiplicity",
            "jet_soft_drop_mass"
        ]
    );
    assert_eq!(
        names("nsubjettiness"),
        ["tau1_beta1", "tau2_beta1", "tau3_beta1", "tau21_beta1", "tau32_beta1"]
    );
    assert_eq!(
        names("nsubjettiness:n=1,axes=ca,plane=pseudorapidity,radius=0.4,minimize=true"),
        ["tau1_beta1_ca_eta_r0.4_min"]
    );
    assert_eq!(
        names("mbody:m=3,axes=wta"),
        [
            "mbody3_tau1_beta0.5_wta",
            "mbody3_tau1_beta1_wta",
            "mbody3_tau1_beta2_wta",
            "mbody3_tau2_beta1_wta",
            "mbody3_tau2_beta2_wta",
            "mbody3_pt_tev",
            "mbody3_mass_tev"
        ]
    );
    assert_eq!(
        names("ecf"),
        [
            "ecf1",
            "ecf2_beta1",
            "e2_beta1",
            "ecf3_beta1",
            "e3_beta1",
            "c2_beta1",
            "d2_beta1",
            "m2_beta1",
            "n2_beta1"
        ]
    );
    assert_eq!(names("ecf:points=2,beta=0.5"), ["ecf1", "ecf2_beta0.5", "e2_beta0.5"]);
    assert_eq!(names("efp:d=1"), ["efp_1_0_0_beta0.5", "efp_2_1_0_beta0.5"]);
    assert_eq!(
        names("efp:d=0,beta=1,kappa=2,measure=ee,normed=false"),
        ["efp_1_0_0_beta1_ee_kappa2_raw"]
    );
    assert_eq!(
        names("efp:d=0,kappa=pf,measure=hadrdot"),
        ["efp_1_0_0_beta0.5_hadrdot_pf_raw"]
    );
    assert_eq!(names("lund"), ["lund_n", "lund_n_kt1", "lund_n_kt2", "lund_n_kt5"]);
    assert_eq!(names("lund:kt=1,depth=2"), ["lund_n_depth2", "lund_n_kt1_depth2"]);
    assert_eq!(
        names("image:pixels=8,half_width=1,intensity=pt"),
        ["image_8x8_width1_pt"]
    );
    assert_eq!(names(" lda : mass_floor = 30 , "), ["lda_words"]);
}

#[test]
fn every_set_is_listed_and_knows_its_name() {
    for (text, name) in ALL.iter().zip(FeatureSet::NAMES) {
        assert_eq!(text.parse::<FeatureSet>().unwrap().name(), name);
    }
}

#[test]
fn what_is_wrong_is_named_with_what_there_is() {
    for (text, words) in [
        (
            "subjettiness",
            "no feature set `subjettiness`; there are: kinematics, nsubjettiness, mbody, ecf",
        ),
        ("", "no feature set ``"),
        ("pairs", "pairs are many rows a jet"),
        (
            "nsubjettiness:m=3",
            "`nsubjettiness`: `m` is no setting; allowed: n, beta, axes, plane, radius, minimize",
        ),
        ("topodnn:n=3", "`topodnn`: `n` is no setting; allowed: none"),
        ("nsubjettiness:n", "`n` has no value; allowed: n=VALUE"),
        ("nsubjettiness:n=3,n=4", "`n` is given twice"),
        ("nsubjettiness:n=3.5", "`n` is `3.5`; allowed: a whole number"),
        ("nsubjettiness:n=0", "`nsubjettiness`: `n` is 0; allowed: 1 to 200"),
        ("nsubjettiness:beta=1/x", "`beta` is `1/x`; allowed: a number"),
        ("nsubjettiness:beta=1/1", "several that differ"),
        ("nsubjettiness:beta=NaN", "`beta` is NaN; allowed: above 0"),
        ("nsubjettiness:axes=antikt", "`axes` is `antikt`; allowed: kt, ca, wta"),
        ("mbody:m=1", "`mbody`: `m` is 1; allowed: 2 to 201"),
        ("ecf:points=5", "`points` is 5; allowed: 2 to 4"),
        ("efp:d=8", "`efp`: `d` is 8; allowed: at most 7"),
        ("efp:kappa=pf", "`efp`: `beta` is 0.5; allowed: used with HadrDot or Ee"),
        ("lund:kt=-1", "`lund`: `kt` is -1; allowed: above 0"),
        ("lund:depth=-1", "`depth` is `-1`; allowed: a whole number or `all`"),
        ("image:pixels=0", "`image`: `pixels` is 0"),
        ("kinematics:z_cut=0.7", "`kinematics`: `z_cut` is 0.7"),
        ("lda:mass_floor=inf", "`lda`: `mass_floor` is inf"),
    ] {
        let error = text.parse::<FeatureSet>().unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    let twice = FeaturePlan::parse(["nsubjettiness", "kinematics", "nsubjettiness:n=1"]).unwrap_err();
    assert!(twice.to_string().contains("both make a column `tau1_beta1`"), "{twice}");
    let no_beta = FeatureSet::EnergyCorrelations {
        betas: vec![],
        config: EnergyCorrelationConfig::default(),
    };
    assert!(FeaturePlan::new(vec![no_beta]).is_err());
    let mut broken = reference_jets(2);
    broken.px[1] = f32::NAN;
    let error = FeaturePlan::parse(ALL).unwrap().compute(&broken).unwrap_err();
    assert!(
        matches!(
            error,
            PhysicsError::NotFinite {
                row: 1,
                column: "px",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn any_jet_has_finite_numbers_in_every_column() {
    let lone = FourVector::from_pt_eta_phi_mass(50.0, 0.3, 1.0, 0.0);
    let beam = FourVector::new(9.0, 0.0, 0.0, 9.0);
    let huge = FourVector::from_pt_eta_phi_mass(1e30, 0.3, 1.0, 0.0);
    let back = FourVector::from_pt_eta_phi_mass(1e30, -0.3, 1.0 - std::f64::consts::PI, 0.0);
    let jets = table(&[
        vec![],
        vec![lone],
        vec![lone, lone],
        vec![beam],
        vec![FourVector::default(); 3],
        vec![huge, back, lone, lone],
    ]);
    let plan = FeaturePlan::parse(ALL).unwrap();
    let found = plan.compute(&jets).unwrap();
    assert_eq!((found.jets, found.columns.as_slice()), (6, plan.columns()));
    assert_eq!(found.columns.len(), found.values.len());
    for (column, values) in found.columns.iter().zip(&found.values) {
        match (column.kind, values) {
            (FeatureKind::Number, FeatureValues::Numbers(values)) => {
                assert_eq!(values.len(), 6);
                assert!(
                    values.iter().all(|value| value.is_finite()),
                    "{}: {values:?}",
                    column.name
                );
            }
            (FeatureKind::Array(wanted), FeatureValues::Array { width, values }) => {
                assert_eq!((*width, values.len()), (wanted, 6 * wanted));
                assert!(values.iter().all(|value| value.is_finite()), "{}", column.name);
            }
            (FeatureKind::Words, FeatureValues::Words { words, offsets }) => {
                assert_eq!((offsets.len(), offsets[0], offsets[6]), (7, 0, words.len()));
            }
            (kind, _) => panic!("{} is no {kind:?}", column.name),
        }
    }
    let of = |name: &str, b: usize| found.numbers(name).unwrap()[b];
    assert_eq!(
        (of("jet_multiplicity", 0), of("jet_pt", 0), of("tau1_beta1", 0)),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(
        (of("jet_multiplicity", 1), of("tau1_beta1", 1), of("lund_n", 1)),
        (1.0, 0.0, 0.0)
    );
    assert!((of("jet_pt", 1) - 50.0).abs() < 1e-4 && (of("ecf1", 1) - 50.0).abs() < 1e-4);
    assert_eq!((of("efp_1_0_0_beta0.5", 1), of("efp_2_1_0_beta0.5", 1)), (1.0, 0.0));
    // No jets at all.
    let none = plan.compute(&Jets::default()).unwrap();
    assert_eq!((none.jets, none.numbers("jet_pt").unwrap().len()), (0, 0));
}

#[test]
fn a_jet_has_the_same_bits_in_any_chunk() {
    let (whole, half) = (reference_jets(JETS), reference_jets(JETS / 2));
    let plan = FeaturePlan::parse(ALL).unwrap();
    let (whole, half) = (plan.compute(&whole).unwrap(), plan.compute(&half).unwrap());
    for (name, (whole, half)) in plan.columns().iter().zip(whole.values.iter().zip(&half.values)) {
        let same = match (whole, half) {
            (FeatureValues::Numbers(a), FeatureValues::Numbers(b)) => a.starts_with(b),
            (FeatureValues::Array { values: a, .. }, FeatureValues::Array { values: b, .. }) => a.starts_with(b),
            (FeatureValues::Words { words: a, .. }, FeatureValues::Words { words: b, .. }) => a.starts_with(b),
            _ => false,
        };
        assert!(same, "{name:?}");
    }
}
