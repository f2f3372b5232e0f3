//! The evaluation of surrogates whose faults are known: the right one passes, each wrong one is found out by the number
//! that is made to find it.
#![allow(clippy::unwrap_used)] // The test settings of clippy.toml do not reach the free functions of a test file.

use tagwerk_stats::{SurrogateEvaluation, normal_cdf};
use tagwerk_surrogate::synthetic::{Distortion, SyntheticClassifier, SyntheticSurrogate};
use tagwerk_surrogate::{Domain, EvaluationOptions, ScoreModel, ScoreTable, cdf, evaluate};

const JETS: usize = 4000;

fn options() -> EvaluationOptions {
    EvaluationOptions {
        drawn_rows: 1000,
        draws: 99,
        shift_rows: 200,
        shift_draws: 10,
        single_draws: 1000,
        ..EvaluationOptions::default()
    }
}

fn truth() -> SyntheticClassifier {
    SyntheticClassifier { seed: 8 }
}

fn judged(model: &impl ScoreModel) -> SurrogateEvaluation {
    let table = truth().table(JETS, 1).unwrap();
    evaluate(model, &table, None, None, &[], &options()).unwrap()
}

fn with(distortion: Distortion) -> SurrogateEvaluation {
    judged(&SyntheticSurrogate::new(truth(), vec![distortion]))
}

/// Integrals over the logit of every jet's true distribution: (mean of F (1 - F), mean of -p ln p).
fn expected_scores(table: &ScoreTable) -> (f64, f64) {
    let model = truth().exact();
    let (mut crps, mut nll) = (0.0, 0.0);
    let grid: Vec<f64> = (0..600).map(|i| -30.0 + 60.0 * f64::from(i) / 600.0).collect();
    for row in 0..table.rows() {
        let block = table.row(row).repeat(grid.len());
        let f = cdf(&model, 0, &block, &grid).unwrap();
        let log = tagwerk_surrogate::log_density(&model, 0, &block, &grid).unwrap();
        crps += f.iter().map(|f| f * (1.0 - f)).sum::<f64>() * 0.1;
        nll -= log.iter().map(|l| l * l.exp()).sum::<f64>() * 0.1;
    }
    (crps / table.rows() as f64, nll / table.rows() as f64)
}

#[test]
fn the_true_model_has_the_coverage_scores_and_areas_that_it_must_have() {
    let result = judged(&truth().exact());
    for (level, share) in &result.coverage_detail {
        assert!(share.allows(level.parse().unwrap(), 3.5), "{level}: {share:?}");
    }
    for (variable, bins) in &result.coverage_in_bins {
        for bin in bins {
            for (level, share) in &bin.coverage {
                assert!(
                    share.allows(level.parse().unwrap(), 4.0),
                    "{variable} {level}: {share:?}"
                );
            }
        }
    }
    assert_eq!(result.coverage_in_bins["jet_pt"].len(), 5);
    for p in [
        result.pit.ks_p_value,
        result.pit.chi2_p_value,
        result.ranks.chi2_p_value,
        result.pit_by_class["0"].ks_p_value,
        result.pit_by_class["1"].ks_p_value,
    ] {
        assert!(p > 1e-3, "{p}");
    }
    let (crps, nll) = expected_scores(&truth().table(JETS, 1).unwrap());
    for (found, wanted) in [(result.crps_logit, crps), (result.nll.nll, nll)] {
        assert!(
            (found.value - wanted).abs() < 4.0 * found.error.unwrap(),
            "{found:?} {wanted}"
        );
    }
    // The surrogate draws from the same distribution as the classifier: areas agree within both errors.
    let detail = &result.auc_detail;
    let error = detail.classifier.error.unwrap().hypot(detail.test_error.unwrap());
    assert!(detail.difference.abs() < 4.0 * error, "{detail:?}");
    assert!(detail.deviation.is_none() && result.epistemic.range.is_none());
    for point in &result.efficiencies {
        for passing in [&point.signal, &point.background] {
            assert!(passing.classifier.allows(passing.surrogate, 4.0), "{passing:?}");
        }
    }
}

#[test]
fn exact_and_drawn_calibration_agree_to_binomial_error() {
    let result = judged(&truth().exact());
    let n = result.drawn_rows as f64;
    for (i, &level) in result.calibration.levels.iter().enumerate() {
        // Both on jets of the same distribution; 99 draws blur a level by sqrt(a (1 - a) / 99) a jet, which averages.
        let error = (level * (1.0 - level) / n).sqrt() + 0.01;
        let apart = (result.calibration.central[i] - result.calibration_of_draws[i]).abs();
        assert!(apart < 4.0 * error, "{level}: {apart}");
    }
}

#[test]
fn a_narrow_surrogate_is_found_out_by_coverage_pit_ranks_and_scores_and_mended_by_recalibration() {
    let (right, narrow) = (
        judged(&truth().exact()),
        with(Distortion {
            width: 0.7,
            ..Distortion::default()
        }),
    );
    assert!(
        narrow.coverage["0.68"] < 0.6 && narrow.coverage["0.95"] < 0.91,
        "{:?}",
        narrow.coverage
    );
    assert!(narrow.pit.variance > 1.2 / 12.0 && narrow.pit.ks_p_value < 1e-6);
    assert!(narrow.ranks.chi2_p_value < 1e-6);
    // The same jets: proper scores must be worse.
    assert!(narrow.nll.nll.value > right.nll.nll.value + 0.02);
    assert!(narrow.crps_logit.value > right.crps_logit.value);
    let conformal = narrow.conformal.unwrap();
    // Of two halves of 2000 jets the distance is above 1.95 sqrt(2 / 2000) once in a thousand.
    let (before, after) = (conformal.ks_before, conformal.ks_after);
    assert!(after < 0.062 && after < before / 1.5, "{before} {after}");
    for (level, share) in &conformal.after {
        // 2000 jets set the maps and 2000 judge them: sqrt 2 of Wilson's error; 4 sigma.
        assert!(share.allows(level.parse().unwrap(), 5.6), "{level}: {share:?}");
    }
}

#[test]
fn a_wide_surrogate_is_a_hump() {
    let wide = with(Distortion {
        width: 1.4,
        ..Distortion::default()
    });
    assert!(
        wide.pit.variance < 0.85 / 12.0 && wide.coverage["0.5"] > 0.58,
        "{:?}",
        wide.coverage
    );
}

#[test]
fn a_shifted_surrogate_is_found_out_by_the_one_sided_curve() {
    let shifted = with(Distortion {
        shift: 0.8,
        ..Distortion::default()
    });
    // Predictions too high: observed values lie low in them, above the diagonal.
    assert!(shifted.calibration.largest_deviation > 0.1, "{:?}", shifted.calibration);
    assert!(shifted.pit.mean < 0.45);
    let middle = shifted.calibration.levels.len() / 2;
    assert!(shifted.calibration.central[middle] > shifted.calibration.levels[middle] + 0.1);
    // One distribution function at the truth's own quantile: a shift of 0.8 in units of a width of 1 to 3.
    assert!(shifted.pit.ks > normal_cdf(0.8 / 3.0) - 0.5 - 0.05);
}

#[test]
fn a_posterior_is_unsure_outside_its_domain_and_distances_notice_the_way() {
    let (model, truth) = (SyntheticSurrogate::posterior(truth(), 8, 3), truth());
    let training = truth.table(6000, 0).unwrap();
    let domain = Domain::fit(&training, 2).unwrap();
    let table = truth.table(JETS, 1).unwrap();
    let mut crowded = table.conditions().to_vec();
    crowded.iter_mut().skip(5).step_by(6).for_each(|n| *n += 150.0);
    let crowded = ScoreTable::new(
        table.names().to_vec(),
        crowded,
        table.labels().to_vec(),
        table.logits().to_vec(),
    )
    .unwrap();
    let result = evaluate(
        &model,
        &table,
        Some(&training),
        Some(&domain),
        &[("crowded".to_owned(), crowded)],
        &options(),
    )
    .unwrap();
    let ood = result.ood.as_ref().unwrap();
    let ratio = |column: &str, amount: f64| {
        let shift = ood.shifts.iter().find(|s| s.column == column).unwrap();
        shift
            .points
            .iter()
            .find(|p| p.amount == amount)
            .unwrap()
            .spread_ratio
            .unwrap()
    };
    assert!(ratio("jet_pt", 500.0) > 3.0 && ratio("jet_nparticles", 100.0) > 3.0);
    assert!(ratio("jet_pt", 0.0) < 3.0 && ratio("jet_pt", 1000.0) > ratio("jet_pt", 0.0));
    for (kind, scores) in &ood.detection {
        for name in ["mahalanobis", "neighbors"] {
            assert!(scores[name].auc.auc > 0.95, "{kind} {name}: {:?}", scores[name].auc);
        }
    }
    assert!(ood.detection["crowded"]["epistemic"].auc.auc > 0.9);
    let energy = ood.shifts.iter().find(|s| s.column == "jet_energy").unwrap();
    let pt = ood.shifts.iter().find(|s| s.column == "jet_pt").unwrap();
    // More pT at the same energy is impossible, more energy at the same pT is not.
    assert_eq!(
        (energy.points[10].unphysical, energy.points[0].flagged < 0.05),
        (Some(0.0), true)
    );
    assert!(pt.points[10].unphysical.unwrap() > 0.9 && pt.points[10].flagged == 1.0);
    // Members differ, so there is a band, and the mixture lies in it.
    let curve = &result.calibration;
    for i in 0..curve.levels.len() {
        assert!(curve.low[i] <= curve.central[i] + 0.02 && curve.central[i] <= curve.high[i] + 0.02);
    }
    assert!(curve.low.iter().zip(&curve.high).any(|(l, h)| h > l));
    let range = result.epistemic.range.unwrap();
    assert!(range.median > 0.0 && result.epistemic.deviation.unwrap().mean < range.mean);
    assert_eq!(result.single_jets.len(), 2);
    for jet in &result.single_jets {
        assert!((jet.mean.iter().sum::<f64>() - 1.0).abs() < 1e-9 && jet.neighbor_rows == 1000);
        assert!((jet.neighbors.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_json_has_the_documented_keys_and_comes_back() {
    let result = judged(&SyntheticSurrogate::posterior(truth(), 3, 1));
    let json = serde_json::to_value(&result).unwrap();
    for level in ["0.5", "0.68", "0.9", "0.95"] {
        assert!(json["coverage"][level].is_f64(), "{level}");
    }
    assert!(json["pit_ks"].is_f64() && json["js_distance"].is_f64());
    assert!(json["auc"]["classifier"].is_f64() && json["auc"]["surrogate"].is_f64());
    assert!(json["epistemic"]["range"]["median"].is_f64());
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<SurrogateEvaluation>(&text).unwrap(), result);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let model = SyntheticSurrogate::posterior(truth(), 3, 1);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| judged(&model))).unwrap()
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn tables_and_options_that_do_not_fit_are_refused() {
    let (model, table) = (truth().exact(), truth().table(100, 1).unwrap());
    let refused = |options: EvaluationOptions| {
        evaluate(&model, &table, None, None, &[], &options)
            .unwrap_err()
            .to_string()
    };
    assert!(
        refused(EvaluationOptions {
            levels: vec![1.0],
            ..options()
        })
        .contains("levels is 1")
    );
    assert!(refused(EvaluationOptions { draws: 1, ..options() }).contains("draws is 1"));
    assert!(
        refused(EvaluationOptions {
            single_jets: vec![100],
            ..options()
        })
        .contains("single_jets is 100")
    );
    let few = truth().table(10, 1).unwrap();
    assert!(evaluate(&model, &few, None, None, &[], &options()).is_err());
    let signal: Vec<usize> = (0..100).filter(|&row| table.labels()[row] == 1).collect();
    let error = evaluate(&model, &table.take(&signal), None, None, &[], &options()).unwrap_err();
    assert!(error.to_string().contains("background"), "{error}");
    let narrow = ScoreTable::new(vec!["x".to_owned()], vec![0.0; 50], vec![0; 50], vec![0.0; 50]).unwrap();
    assert!(evaluate(&model, &narrow, None, None, &[], &options()).is_err());
    assert!(toml::from_str::<EvaluationOptions>("drws = 3").is_err());
}
