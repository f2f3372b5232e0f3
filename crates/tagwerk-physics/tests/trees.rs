//! Declustering trees, TreeNiN's features, Lund planes and words: against FastJet (`tests/reference/physics_trees.py`)
//! on 200 real-sized jets, and what physics says must hold for any jet.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[allow(dead_code)]
mod support;
#[path = "support/table.rs"]
mod table;

use proptest::prelude::*;
use support::{Reference, reference_jets};
use table::table;
use tagwerk_data::Jets;
use tagwerk_physics::{
    ClusterAlgorithm, Declusterer, FourVector, JetDefinition, LdaVocabulary, LdaWordConfig, LundConfig, LundPlanes,
    MAX_RADIUS, NO_NODE, RobustScaler, Splitting, TREENIN_DEFINITION, TreeLevels, TreeView, constituents,
    declustering_trees, jet_axis, lda_words, lund_planes, lund_view, splitting, treenin_view, wrap_phi,
};

const JETS: usize = 200;
const ALL_IN_ONE: JetDefinition = JetDefinition {
    algorithm: ClusterAlgorithm::CambridgeAachen,
    radius: MAX_RADIUS,
    recombination: tagwerk_physics::Recombination::EScheme,
};

/// Largest difference found, relative above `floor`; printed so that the margin can be seen (`--nocapture`).
struct Agreement {
    name: &'static str,
    tolerance: f64,
    worst: f64,
    worst_plain: f64,
    count: usize,
}

impl Agreement {
    fn new(name: &'static str, tolerance: f64) -> Self {
        Self {
            name,
            tolerance,
            worst: 0.0,
            worst_plain: 0.0,
            count: 0,
        }
    }

    /// `excuse`: rounding that no one can avoid here, taken off the difference.
    #[track_caller]
    fn check(&mut self, found: f64, expected: f64, floor: f64, excuse: f64) {
        let scale = expected.abs().max(floor);
        let error = ((found - expected).abs() - excuse).max(0.0) / scale;
        self.worst = self.worst.max(error);
        self.worst_plain = self.worst_plain.max((found - expected).abs() / scale);
        self.count += 1;
        assert!(
            error <= self.tolerance,
            "{} number {}: {found:e}, expected {expected:e}",
            self.name,
            self.count
        );
    }
}

impl Drop for Agreement {
    fn drop(&mut self) {
        println!(
            "{}: {} numbers, largest difference {:.1e}, {:.1e} beyond rounding of the input",
            self.name, self.count, self.worst_plain, self.worst
        );
    }
}

#[test]
fn trees_are_fastjets_for_all_algorithms() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_trees.parquet"));
    for (name, algorithm, radius) in [
        ("kt", ClusterAlgorithm::Kt, 0.8),
        ("ca", ClusterAlgorithm::CambridgeAachen, 0.8),
        ("antikt", ClusterAlgorithm::AntiKt, 0.3),
    ] {
        let inner = reference.lists(&format!("{name}_inner"));
        let particles = reference.lists(&format!("{name}_particle"));
        let trees = declustering_trees(&jets, JetDefinition::new(algorithm, radius)).unwrap();
        assert_eq!(trees.len(), JETS);
        for b in 0..JETS {
            let tree = trees.tree(b);
            let found: Vec<_> = tree
                .left
                .iter()
                .map(|&left| f64::from(u8::from(left != NO_NODE)))
                .collect();
            assert_eq!(found, inner[b], "{name}, jet {b}");
            let leaves = tree.particle.iter().filter(|&&particle| particle != NO_NODE);
            let found: Vec<_> = leaves.map(|&particle| f64::from(particle)).collect();
            assert_eq!(found, particles[b], "{name}, jet {b}");
        }
    }
}

#[test]
fn node_features_and_their_scaler_are_numpys() {
    let (jets, reference) = (reference_jets(30), Reference::open("physics_trees.parquet"));
    let view = treenin_view(&jets, TREENIN_DEFINITION).unwrap();
    let expected = reference.lists("kt_features");
    let mut agreement = Agreement::new("node features (f32)", 3e-7);
    for (b, expected) in expected.iter().take(30).enumerate() {
        assert_eq!(view.nodes.jet(b).len(), expected.len());
        for (&found, &expected) in view.nodes.jet(b).iter().zip(expected) {
            agreement.check(f64::from(found), expected, 1e-3, 0.0);
        }
    }
    // The reference's own numbers, so that only the percentiles are compared.
    let mut nodes = view.nodes.clone();
    nodes.rows = expected.concat().iter().map(|&value| value as f32).collect();
    let scaler = RobustScaler::fit(&nodes).unwrap();
    let mut agreement = Agreement::new("scaler", 1e-15);
    let found = scaler.center().iter().chain(scaler.scale());
    for (&found, &expected) in found.zip(&reference.lists("scaler")[0]) {
        agreement.check(found, expected, 0.0, 0.0);
    }
    scaler.apply(&mut nodes).unwrap();
    let below = |limit: f32| nodes.rows.iter().skip(3).step_by(7).filter(|&&x| x <= limit).count() as f64;
    assert!((below(0.0) / nodes.row_count() as f64 - 0.5).abs() < 1e-3);
}

#[test]
fn lund_planes_are_fastjets() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_lund.parquet"));
    let planes = lund_planes(&jets, &LundConfig { depth: 1 }).unwrap();
    assert_eq!((planes.len(), planes.degenerate), (JETS, 0));
    let [ln_inverse_delta, ln_kt, ln_z, psi, mass] =
        ["ln_inverse_delta", "ln_kt", "ln_z", "psi", "mass"].map(|name| reference.lists(name));
    let (secondary, origins) = (reference.lists("secondary_ln_kt"), reference.lists("secondary_origin"));
    let mut agreement = [
        "ln 1/Delta",
        "ln kt",
        "ln z",
        "ln kappa",
        "psi",
        "squared mass",
        "secondary ln kt",
    ]
    .map(|name| Agreement::new(name, 1e-8));
    for b in 0..JETS {
        let energy = jet_axis(&jets, b).e;
        let primary: Vec<_> = planes.jet(b).iter().filter(|point| point.depth == 0).collect();
        assert_eq!(primary.len(), ln_kt[b].len(), "jet {b}");
        for (i, point) in primary.iter().enumerate() {
            // Directions are rounded at some 1e-15 rad, whoever computes them.
            let angle = 4e-15 * point.ln_inverse_delta.exp();
            agreement[0].check(point.ln_inverse_delta, ln_inverse_delta[b][i], 1.0, angle);
            agreement[1].check(point.ln_kt, ln_kt[b][i], 1.0, angle);
            agreement[2].check(point.ln_z, ln_z[b][i], 1.0, 0.0);
            agreement[3].check(point.ln_kappa, ln_z[b][i] - ln_inverse_delta[b][i], 1.0, angle);
            agreement[4].check(wrap_phi(point.psi - psi[b][i]), 0.0, 1.0, angle);
            // A squared mass is a difference of squares of the energy.
            let square = |mass: f64| mass * mass.abs();
            agreement[5].check(square(point.mass), square(mass[b][i]), 1e-3, 1e-14 * energy * energy);
        }
        let rest: Vec<_> = planes.jet(b).iter().filter(|point| point.depth == 1).collect();
        assert_eq!(rest.len(), secondary[b].len(), "jet {b}");
        for (i, point) in rest.iter().enumerate() {
            let angle = 4e-15 * point.ln_inverse_delta.exp();
            assert_eq!(f64::from(point.origin), origins[b][i], "jet {b}");
            agreement[6].check(point.ln_kt, secondary[b][i], 1.0, angle);
        }
    }
    // The whole tree is taken by a walk of any depth.
    let all = lund_planes(&jets, &LundConfig { depth: u32::MAX }).unwrap();
    assert!((0..JETS).all(|b| all.jet(b).len() == jets.range(b).len() - 1));
}

/// The splittings that become words, by levels, as numbers.
fn splittings(declusterer: &mut Declusterer, particles: Vec<FourVector>, floor: f64) -> Vec<Splitting> {
    let tree = declusterer.decluster(particles).unwrap();
    let mut open = vec![false; tree.len()];
    let mut found = Vec::new();
    for node in 0..tree.len() {
        let reached = node == 0 || open[tree.parent[node] as usize];
        let splitting = splitting(&tree, node);
        let heavy = floor == 0.0 || splitting.is_some_and(|splitting| splitting.parent_mass > floor);
        open[node] = reached && heavy && tree.children(node).is_some();
        found.extend(splitting.filter(|_| open[node]));
    }
    found
}

#[test]
fn words_are_spelled_from_fastjets_splittings() {
    let (jets, reference) = (reference_jets(JETS), Reference::open("physics_trees.parquet"));
    let mut declusterer = Declusterer::new(ALL_IN_ONE).unwrap();
    for (column, mass_floor, count) in [("words", 30.0, JETS), ("words_all", 0.0, 30)] {
        let config = LdaWordConfig {
            mass_floor,
            ..LdaWordConfig::default()
        };
        let words = lda_words(&jets, &[], &config).unwrap();
        let mut agreement = ["m0", "m1/m0", "m2/m1", "dR", "cos helicity"].map(|name| Agreement::new(name, 1e-8));
        for (b, expected) in reference.lists(column).iter().take(count).enumerate() {
            let found = splittings(&mut declusterer, constituents(&jets, b).collect(), mass_floor);
            assert_eq!(found.len() * 5, expected.len(), "{column}, jet {b}");
            assert_eq!(words.jet(b).len(), found.len(), "{column}, jet {b}");
            for ((splitting, expected), &word) in found.iter().zip(expected.chunks_exact(5)).zip(words.jet(b)) {
                let numbers = [
                    splitting.parent_mass,
                    splitting.mass_drop,
                    splitting.mass_ratio,
                    splitting.opening_angle,
                    splitting.cos_helicity.unwrap_or(-2.0),
                ];
                // A boost into the rest frame of a light branch multiplies rounding by (E / m1)^2.
                let light = jet_axis(&jets, b).e / (splitting.mass_drop * splitting.parent_mass).max(1e-3);
                let excuse = [0.0, 0.0, 0.0, 4e-15, 1e-14 * light * light];
                for i in 0..5 {
                    agreement[i].check(numbers[i], expected[i], 1.0, excuse[i]);
                }
                let edges = [
                    &config.parent_mass,
                    &config.mass_drop,
                    &config.mass_ratio,
                    &config.opening_angle,
                    &config.cos_helicity,
                ];
                let digits = config.decode(word);
                for i in 0..5 {
                    let below = edges[i].iter().filter(|&&edge| edge <= expected[i]).count();
                    let none = usize::from(i == 4 && expected[4] >= -1.0);
                    // Next to an edge rounding may choose the bin.
                    let close = edges[i].iter().any(|edge| (edge - expected[i]).abs() < 1e-7);
                    assert!(close || digits[i] == below + none, "{column}, jet {b}, number {i}");
                }
            }
        }
    }
}

#[test]
fn scalers_and_vocabularies_survive_a_file() {
    let jets = reference_jets(50);
    let scaler = RobustScaler::fit(&treenin_view(&jets, TREENIN_DEFINITION).unwrap().nodes).unwrap();
    let text = serde_json::to_string(&scaler).unwrap();
    assert_eq!(serde_json::from_str::<RobustScaler>(&text).unwrap(), scaler);
    assert!(serde_json::from_str::<RobustScaler>(r#"{"center": [1.0], "scale": [0.0]}"#).is_err());

    let words = lda_words(&jets, &[], &LdaWordConfig::default()).unwrap();
    let vocabulary = LdaVocabulary::fit(&words, 1);
    let text = serde_json::to_string(&vocabulary).unwrap();
    assert_eq!(serde_json::from_str::<LdaVocabulary>(&text).unwrap(), vocabulary);
    let turned = text.replacen("\"words\":[", "\"words\":[18446744073709551615,", 1);
    assert!(
        serde_json::from_str::<LdaVocabulary>(&turned).is_err(),
        "words out of order"
    );
    // Every training word is known, and documents hold them all.
    let documents = vocabulary.documents(&words).unwrap();
    assert!(documents.unknown.iter().all(|&unknown| unknown == 0));
    assert_eq!(documents.counts.iter().sum::<u32>() as usize, words.words.len());
}

/// Jets at the edges of the definition.
fn edge_cases() -> Jets {
    let hard = FourVector::from_pt_eta_phi_mass(500.0, -1.0, 2.0, 0.0);
    let beam = FourVector::new(7000.0, 0.0, 0.0, 7000.0);
    let back = FourVector::new(hard.e, -hard.px, -hard.py, -hard.pz);
    let rest = FourVector::new(100.0, 0.0, 0.0, 0.0);
    table(&[
        vec![],
        vec![hard],
        vec![FourVector::default()],
        vec![FourVector::default(), FourVector::default()],
        vec![beam, FourVector::new(7000.0, 0.0, 0.0, -7000.0), hard],
        vec![hard, hard],
        vec![hard, back],
        vec![hard, back, rest],
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
            FourVector::new(0.0, 5.0, 0.0, 3.0),
        ],
    ])
}

#[test]
fn jets_at_the_edges_give_finite_trees_planes_and_words() {
    let jets = edge_cases();
    for radius in [0.4, MAX_RADIUS] {
        let view = treenin_view(&jets, JetDefinition::new(ClusterAlgorithm::Kt, radius)).unwrap();
        assert_eq!(view.len(), jets.len());
        assert!(view.nodes.rows.iter().all(|x| x.is_finite()));
        assert_eq!(TreeView::new(view.nodes.clone(), view.inner.clone()), Ok(view));
    }
    let plane = lund_view(&jets, &LundConfig { depth: u32::MAX }).unwrap();
    assert_eq!(plane.len(), jets.len());
    assert!(plane.rows.iter().all(|x| x.is_finite()));
    for mass_floor in [0.0, 30.0] {
        let config = LdaWordConfig {
            mass_floor,
            ..LdaWordConfig::default()
        };
        let words = lda_words(&jets, &[], &config).unwrap();
        assert_eq!(words.len(), jets.len());
    }
    assert!(declustering_trees(&jets, JetDefinition::new(ClusterAlgorithm::Kt, 0.0)).is_err());
    let none = Jets::default();
    assert!(treenin_view(&none, TREENIN_DEFINITION).unwrap().is_empty());
    assert!(lund_planes(&none, &LundConfig::default()).unwrap().is_empty());
    assert!(lda_words(&none, &[], &LdaWordConfig::default()).unwrap().is_empty());
}

#[test]
fn the_number_of_threads_changes_no_bit_of_a_tree() {
    // More jets than one block holds.
    let few = reference_jets(JETS);
    let many: Vec<Vec<_>> = (0..700)
        .map(|b| constituents(&few, b % JETS).skip(b / JETS).collect())
        .collect();
    let jets = table(&many);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            (
                declustering_trees(&jets, TREENIN_DEFINITION).unwrap(),
                treenin_view(&jets, TREENIN_DEFINITION).unwrap(),
                lund_planes(&jets, &LundConfig { depth: 2 }).unwrap(),
                lda_words(&jets, &[], &LdaWordConfig::default()).unwrap(),
            )
        })
    };
    let (one, three) = (run(1), run(3));
    assert_eq!(one, three);
    // Blocks are joined at the right places.
    let (trees, view, planes, _) = one;
    assert_eq!(trees.offsets, view.nodes.offsets);
    let alone = table(&many[600..601]);
    assert_eq!(
        treenin_view(&alone, TREENIN_DEFINITION).unwrap(),
        view.slice(600..601).unwrap()
    );
    assert_eq!(
        lund_planes(&alone, &LundConfig { depth: 2 }).unwrap().jet(0),
        planes.jet(600)
    );
}

/// Massless constituents about (eta, phi) = (0.3, 3.0), so that jets straddle the seam at pi.
fn jet(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<FourVector>> {
    let particle = (0.1..200.0f64, -0.5..1.1f64, 2.2..3.8f64)
        .prop_map(|(pt, eta, phi)| FourVector::from_pt_eta_phi_mass(pt, eta, wrap_phi(phi), 0.0));
    proptest::collection::vec(particle, count)
}

fn definition() -> impl Strategy<Value = JetDefinition> {
    let algorithm = prop_oneof![
        Just(ClusterAlgorithm::AntiKt),
        Just(ClusterAlgorithm::CambridgeAachen),
        Just(ClusterAlgorithm::Kt)
    ];
    (algorithm, 0.2..1.5f64).prop_map(|(algorithm, radius)| JetDefinition::new(algorithm, radius))
}

fn moved(jet: &[FourVector], angle: f64, rapidity: f64) -> Vec<FourVector> {
    let (sin, cos) = angle.sin_cos();
    jet.iter()
        .map(|v| FourVector::new(v.e, v.px * cos - v.py * sin, v.px * sin + v.py * cos, v.pz))
        .map(|v| v.boosted([0.0, 0.0, rapidity.tanh()]).unwrap())
        .collect()
}

fn planes(jet: &[FourVector]) -> LundPlanes {
    lund_planes(&table(&[jet.to_vec()]), &LundConfig { depth: 1 }).unwrap()
}

proptest! {
    #[test]
    fn momentum_is_conserved_at_each_node_and_arrays_agree(jet in jet(1..60), definition in definition()) {
        let mut declusterer = Declusterer::new(definition).unwrap();
        let tree = declusterer.decluster(jet.iter().copied()).unwrap();
        prop_assert_eq!(tree.len(), 2 * tree.leaf_count() - 1);
        let mut inner = 0;
        for node in 0..tree.len() {
            prop_assert_eq!(tree.particle[node] == NO_NODE, tree.children(node).is_some());
            let Some([left, right]) = tree.children(node) else {
                prop_assert_eq!(tree.momenta[node], jet[tree.particle[node] as usize]);
                continue;
            };
            prop_assert_eq!([left, right], [2 * inner + 1, 2 * inner + 2]);
            inner += 1;
            prop_assert_eq!(tree.momenta[left] + tree.momenta[right], tree.momenta[node]);
            prop_assert!(tree.momenta[left].pt2() >= tree.momenta[right].pt2());
            for child in [left, right] {
                prop_assert_eq!(tree.parent[child] as usize, node);
                prop_assert_eq!(tree.level[child], tree.level[node] + 1);
            }
        }
        prop_assert!(tree.level.is_sorted());
    }

    #[test]
    fn the_order_of_the_constituents_does_not_matter(
        jet in jet(1..50), definition in definition(), turn in 0..50usize, reverse in any::<bool>(),
    ) {
        let mut shuffled = jet.clone();
        shuffled.rotate_left(turn % jet.len());
        if reverse {
            shuffled.reverse();
        }
        let mut declusterer = Declusterer::new(definition).unwrap();
        let plain = declusterer.decluster(jet.iter().copied()).unwrap();
        let (momenta, left) = (plain.momenta.to_vec(), plain.left.to_vec());
        let other = declusterer.decluster(shuffled.iter().copied()).unwrap();
        prop_assert_eq!(other.left, left);
        prop_assert_eq!(other.momenta, momenta);
        let both = table(&[jet, shuffled]);
        let words = lda_words(&both, &[], &LdaWordConfig { mass_floor: 0.0, ..LdaWordConfig::default() }).unwrap();
        prop_assert_eq!(words.jet(0), words.jet(1));
        let planes = lund_planes(&both, &LundConfig { depth: 1 }).unwrap();
        prop_assert_eq!(planes.jet(0), planes.jet(1));
    }

    #[test]
    fn lund_planes_do_not_see_a_rotation_about_the_beam_or_a_boost_along_it(
        jet in jet(2..40), angle in -6.0..6.0f64, rapidity in -2.0..2.0f64,
    ) {
        let (plain, other) = (planes(&jet), planes(&moved(&jet, angle, rapidity)));
        prop_assert_eq!(plain.declusterings.len(), other.declusterings.len());
        for (a, b) in plain.declusterings.iter().zip(&other.declusterings) {
            // Components are single-precision numbers: directions are rounded at some 1e-6 after a boost.
            let rounding = 1e-5 * (1.0 + a.ln_inverse_delta.exp());
            prop_assert!((a.ln_inverse_delta - b.ln_inverse_delta).abs() < rounding, "{a:?} {b:?}");
            prop_assert!((a.ln_kt - b.ln_kt).abs() < rounding && (a.ln_z - b.ln_z).abs() < 1e-4, "{a:?} {b:?}");
            prop_assert!(wrap_phi(a.psi - b.psi).abs() < rounding, "{a:?} {b:?}");
        }
    }

    #[test]
    fn the_numbers_of_a_word_do_not_see_a_boost_along_the_beam(
        jet in jet(2..40), angle in -6.0..6.0f64, rapidity in -2.0..2.0f64,
    ) {
        let mut declusterer = Declusterer::new(ALL_IN_ONE).unwrap();
        let plain = splittings(&mut declusterer, jet.clone(), 5.0);
        let other = splittings(&mut declusterer, moved(&jet, angle, rapidity), 5.0);
        prop_assume!(plain.iter().all(|s| (s.parent_mass - 5.0).abs() > 1e-6));
        prop_assert_eq!(plain.len(), other.len());
        for (a, b) in plain.iter().zip(&other) {
            prop_assert!((a.parent_mass / b.parent_mass - 1.0).abs() < 1e-6);
            prop_assert!((a.opening_angle - b.opening_angle).abs() < 1e-7);
            // Masses near the massless limit may fall to either side of it.
            let light = a.mass_drop * a.parent_mass < 1.0 || a.mass_ratio * a.mass_drop * a.parent_mass < 1.0;
            prop_assert!(light || (a.mass_drop - b.mass_drop).abs() < 1e-6);
            prop_assert!(light || (a.mass_ratio - b.mass_ratio).abs() < 1e-6);
            if let (Some(x), Some(y), false) = (a.cos_helicity, b.cos_helicity, light) {
                prop_assert!((x - y).abs() < 1e-5, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn levels_of_a_batch_lead_from_the_leaves_to_the_jets(jets in proptest::collection::vec(jet(0..30), 0..8)) {
        let jets = table(&jets);
        let view = treenin_view(&jets, JetDefinition::new(ClusterAlgorithm::Kt, MAX_RADIUS)).unwrap();
        let levels = TreeLevels::of(&view);
        let mut rows = levels.rows.clone();
        rows.sort_unstable();
        prop_assert!(rows.iter().enumerate().all(|(i, &row)| i == row as usize) && rows.len() == view.inner.len());
        // Energies of the leaves, summed upwards level by level, are those of the nodes.
        let energy = |row: u32| view.nodes.rows[row as usize * 7 + 3];
        let mut below: Vec<f32> = Vec::new();
        for j in (0..levels.len()).rev() {
            let level = levels.level(j);
            prop_assert!(level.rows.iter().enumerate().all(|(i, &row)| view.inner[row as usize] == (i < level.inner)));
            prop_assert!(level.rows[..level.inner].is_sorted() && level.rows[level.inner..].is_sorted());
            let sums = level.left.iter().zip(level.right).map(|(&l, &r)| below[l as usize] + below[r as usize]);
            let own: Vec<f32> = sums.chain(level.rows[level.inner..].iter().map(|&row| energy(row))).collect();
            for (&sum, &row) in own.iter().zip(level.rows) {
                prop_assert!((sum / energy(row) - 1.0).abs() < 1e-5);
            }
            below = own;
        }
        let full = (0..jets.len()).filter(|&b| !jets.range(b).is_empty()).count();
        prop_assert_eq!(below.len(), full);
        for (&jet, &sum) in levels.jets.iter().zip(&below) {
            prop_assert!((f64::from(sum) / jet_axis(&jets, jet as usize).e - 1.0).abs() < 1e-5);
        }
    }
}
