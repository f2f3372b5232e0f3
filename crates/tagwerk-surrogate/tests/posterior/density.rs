//! The density of the prolate proposal against dense matrices.

use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};
use proptest::prelude::*;
use tagwerk_data::random::stream;
use tagwerk_surrogate::posterior::{Defects, Overlaps, Prolate};

/// ln N(x; mean, s^2 1 + sD^2 u u^T), with determinant and inverse of the matrix itself.
fn dense(x: &[f64], mean: &[f64], step: &[f64], s: f64, along: f64) -> f64 {
    let p = x.len();
    let covariance = Mat::from_fn(p, p, |i, j| {
        let diagonal = if i == j { s * s } else { 0.0 };
        diagonal + along * along * step[i] * step[j]
    });
    let eigen = covariance.self_adjoint_eigen(Side::Lower).unwrap();
    let log_determinant: f64 = eigen.S().column_vector().iter().map(|value| value.ln()).sum();
    let inverse = covariance.partial_piv_lu().inverse();
    let mut square = 0.0;
    for i in 0..p {
        for j in 0..p {
            square += (x[i] - mean[i]) * inverse[(i, j)] * (x[j] - mean[j]);
        }
    }
    -0.5 * (log_determinant + square + p as f64 * std::f64::consts::TAU.ln())
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn vectors() -> impl Strategy<Value = [Vec<f64>; 4]> {
    (1usize..6).prop_flat_map(|p| {
        let vector = || prop::collection::vec(-1.0f64..1.0, p);
        [vector(), vector(), vector(), vector()]
    })
}

proptest! {
    /// The ratio of both moves, with its determinants, is that of two multivariate normal densities.
    #[test]
    fn the_ratio_is_that_of_dense_densities(
        [theta, tau, forward, reverse] in vectors(), s in 0.2f64..2.0, along in 0.0f64..5.0,
    ) {
        let prolate = Prolate { width: s, along };
        let ratio = prolate.log_ratio(&Overlaps::new(&theta, &tau, &forward, &reverse), &Defects::default());
        let backward = dense(&theta, &minus(&tau, &reverse), &reverse, s, along);
        let onward = dense(&tau, &minus(&theta, &forward), &forward, s, along);
        let expected = backward - onward;
        prop_assert!((ratio - expected).abs() < 1e-8 * (1.0 + expected.abs() + onward.abs()), "{ratio} {expected}");
    }

    /// With one step for both moves the ratio collapses to 2 d.u / (s^2 + sD^2 |u|^2).
    #[test]
    fn one_step_for_both_moves_has_the_short_form(
        [theta, tau, step, _] in vectors(), s in 0.2f64..2.0, along in 0.0f64..5.0,
    ) {
        let overlaps = Overlaps::new(&theta, &tau, &step, &step);
        let ratio = Prolate { width: s, along }.log_ratio(&overlaps, &Defects::default());
        let short = 2.0 * overlaps.du / (s * s + along * along * overlaps.uu);
        prop_assert!((ratio - short).abs() < 1e-10 * (1.0 + short.abs()), "{ratio} {short}");
    }

    /// Each defect is the formula of the released code: the determinant not halved, norms of the other step, s^4 sD^2.
    #[test]
    fn defects_are_the_released_formulas(
        [theta, tau, u, v] in vectors(), s in 0.2f64..2.0, along in 0.1f64..5.0,
        whole in any::<bool>(), swapped in any::<bool>(), inverted in any::<bool>(),
    ) {
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let log_normal = |residual: &[f64], direction: &[f64], norm: f64| {
            let halves = if whole { 1.0 } else { 0.5 };
            let axis = if inverted { s.powi(4) * along * along } else { s.powi(4) / along.powi(2) };
            let rank_one = dot(residual, direction).powi(2) / (axis + s * s * norm);
            -halves * (along * along * norm / (s * s)).ln_1p()
                - 0.5 * (dot(residual, residual) / (s * s) - rank_one)
        };
        let (uu, vv) = (dot(&u, &u), dot(&v, &v));
        let forward: Vec<f64> = minus(&tau, &minus(&theta, &u));
        let reverse: Vec<f64> = minus(&theta, &minus(&tau, &v));
        let (norm_u, norm_v) = if swapped { (vv, uu) } else { (uu, vv) };
        let expected = log_normal(&reverse, &v, norm_v) - log_normal(&forward, &u, norm_u);
        let defects = Defects {
            whole_determinant: whole, swapped_norms: swapped, inverted_axis: inverted, ..Defects::default()
        };
        let ratio = Prolate { width: s, along }.log_ratio(&Overlaps::new(&theta, &tau, &u, &v), &defects);
        prop_assert!((ratio - expected).abs() < 1e-8 * (1.0 + expected.abs()), "{ratio} {expected}");
    }
}

/// Without a width along the step nothing is divided by it.
#[test]
fn a_proposal_without_a_long_axis_is_isotropic() {
    let [theta, tau, u, v] = [[0.1, 0.2], [0.3, -0.1], [0.05, 0.0], [0.0, 0.02]];
    let overlaps = Overlaps::new(&theta, &tau, &u, &v);
    let isotropic = Prolate { width: 0.5, along: 0.0 };
    let ratio = isotropic.log_ratio(&overlaps, &Defects::default());
    let nearly = Prolate {
        width: 0.5,
        along: 1e-9,
    };
    assert!(ratio.is_finite());
    assert!((ratio - nearly.log_ratio(&overlaps, &Defects::default())).abs() < 1e-12);
}

/// The sampler draws what the density says: covariance s^2 1 + sD^2 u u^T; with the defect, s^2 1 + sD^2 diag(u^2).
#[test]
fn draws_have_the_covariance_of_the_density() {
    let (theta, step) = ([1.0, -1.0], [0.6, -0.8]);
    let prolate = Prolate { width: 0.5, along: 2.0 };
    for (per_component, off_diagonal) in [(false, 4.0 * 0.6 * -0.8), (true, 0.0)] {
        let defects = Defects {
            noise_per_component: per_component,
            ..Defects::default()
        };
        let mut rng = stream(4, "test", 0);
        let (mut tau, mut draws) = (Vec::new(), Vec::new());
        for _ in 0..100_000 {
            prolate.draw(&theta, &step, &defects, &mut rng, &mut tau);
            draws.extend(tau.iter().map(|&x| x as f32));
        }
        let (mean, covariance) = super::targets::moments(&draws, 2);
        // Five standard errors: sqrt((c_ii c_jj + c_ij^2) / n).
        for (found, expected, spread) in [
            (mean[0], 0.4, 1.3),
            (mean[1], -0.2, 1.7),
            (covariance[0], 0.25 + 4.0 * 0.36, 2.4),
            (covariance[1], off_diagonal, 2.9),
            (covariance[3], 0.25 + 4.0 * 0.64, 4.0),
        ] {
            let limit = 5.0 * spread / 100_000f64.sqrt();
            assert!(
                (found - expected).abs() < limit,
                "{per_component}: {found}, expected {expected}"
            );
        }
    }
}
