//! Which taggers are worth their cost: the Pareto front of background efficiency against a cost.
//!
//! A tagger is on the front unless another costs no more and lets no more background pass, one of the two less. Both
//! numbers of a tagger are measured, and the second has an error of tens of per cent on small samples, so the front
//! alone would rule out by chance. Every tagger off the front is therefore one of two: **dominated**, if one that costs
//! no more is better by more than [`SIGMAS`] errors of their difference, or **undecided**, if none is.
//!
//! Background efficiencies are compared, not rejections R = 1 / eps: their errors are symmetric, their differences are
//! defined where no background passes (eps = 0), and 25 against 480 with an error of 340 is a clear difference in eps.
//!
//! Costs have no error here. They are medians over trainings on one machine; a difference of a few per cent says
//! little.

use serde::{Deserialize, Serialize};

/// By how many errors of the difference a tagger must be worse to be called dominated.
pub const SIGMAS: f64 = 2.0;

/// Where a tagger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No other costs no more and is as good or better.
    Front,
    /// Another is, but not beyond errors.
    Undecided,
    /// Another costs no more and is better beyond errors.
    Dominated,
}

/// A tagger in the plane of cost and background efficiency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParetoPoint {
    /// Name.
    pub name: String,
    /// Cost, in the unit of its criterion.
    pub cost: f64,
    /// Background efficiency at a signal efficiency of 0.3; 0 where no background passes.
    pub background_efficiency: f64,
    /// Its error: spread over trainings and test sample together.
    pub error: f64,
    /// Where it stands.
    pub standing: Standing,
}

/// Sorts points `(name, cost, background efficiency, error)` by cost and tells where each stands.
/// `error_of_difference(i, j)` is that of points number `i` and `j` as given, for taggers on common jets smaller than
/// their errors suggest.
///
/// Points whose cost or efficiency is no finite number are left out.
pub fn pareto_front(
    points: &[(String, f64, f64, f64)],
    error_of_difference: impl Fn(usize, usize) -> f64,
) -> Vec<ParetoPoint> {
    let mut order: Vec<usize> = (0..points.len())
        .filter(|&i| points[i].1.is_finite() && points[i].2.is_finite())
        .collect();
    order.sort_by(|&a, &b| {
        let key = |i: usize| (points[i].1, points[i].2);
        key(a).0.total_cmp(&key(b).0).then(key(a).1.total_cmp(&key(b).1))
    });
    let standing = |i: usize| {
        let (_, cost, eps, _) = &points[i];
        let mut standing = Standing::Front;
        for &j in order.iter().filter(|&&j| j != i && points[j].1 <= *cost) {
            let (_, other_cost, other, _) = &points[j];
            if other < eps && eps - other > SIGMAS * error_of_difference(i, j) {
                return Standing::Dominated;
            }
            if other < eps || (other == eps && other_cost < cost) {
                standing = Standing::Undecided;
            }
        }
        standing
    };
    order
        .iter()
        .map(|&i| {
            let (name, cost, background_efficiency, error) = points[i].clone();
            ParetoPoint {
                name,
                cost,
                background_efficiency,
                error,
                standing: standing(i),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn front(points: &[(&str, f64, f64)], error: f64) -> Vec<(String, Standing)> {
        let points: Vec<_> = points
            .iter()
            .map(|&(name, cost, eps)| (name.to_owned(), cost, eps, error))
            .collect();
        pareto_front(&points, |_, _| error)
            .into_iter()
            .map(|point| (point.name, point.standing))
            .collect()
    }

    #[test]
    fn the_corners_are_on_the_front_and_errors_keep_others_from_being_ruled_out() {
        use Standing::{Dominated, Front, Undecided};
        // Slow and best; fast and worst; slower than the fast one and hardly worse than the best; slow and clearly
        // worse.
        let points = [
            ("best", 100.0, 0.001),
            ("fast", 1.0, 0.05),
            ("close", 100.0, 0.0012),
            ("poor", 50.0, 0.08),
        ];
        assert_eq!(
            front(&points, 1e-4),
            [
                ("fast", Front),
                ("poor", Dominated),
                ("best", Front),
                ("close", Undecided)
            ]
            .map(|(name, standing)| (name.to_owned(), standing))
        );
        // 0.0002 is exactly 2 of these, so it takes a little less.
        assert_eq!(front(&points, 0.9e-4)[3].1, Dominated);
    }

    #[test]
    fn ties_stay_together_and_one_tagger_is_the_front() {
        use Standing::{Front, Undecided};
        assert_eq!(front(&[("one", 3.0, 0.1)], 0.0), [("one".to_owned(), Front)]);
        let standings = |points: &[(&str, f64, f64)]| -> Vec<Standing> {
            front(points, 0.01).into_iter().map(|(_, standing)| standing).collect()
        };
        assert_eq!(standings(&[("a", 1.0, 0.1), ("b", 1.0, 0.1)]), [Front, Front]);
        assert_eq!(standings(&[("a", 1.0, 0.1), ("b", 2.0, 0.1)]), [Front, Undecided]);
        assert_eq!(standings(&[("a", 1.0, 0.0), ("b", 2.0, 0.0)]), [Front, Undecided]);
        assert!(front(&[("a", f64::NAN, 0.1), ("b", f64::INFINITY, 0.1)], 0.0).is_empty());
    }

    proptest! {
        /// Against the definition, pair by pair; and what follows from it.
        #[test]
        fn a_front_is_what_nothing_beats(
            points in prop::collection::vec((0u8..6, 0u8..6), 1..12),
            error in 0.0..3.0f64,
        ) {
            let named: Vec<_> = points
                .iter()
                .enumerate()
                .map(|(i, &(cost, eps))| (i.to_string(), f64::from(cost), f64::from(eps), error))
                .collect();
            let found = pareto_front(&named, |_, _| error);
            prop_assert_eq!(found.len(), points.len());
            prop_assert!(found.windows(2).all(|pair| pair[0].cost <= pair[1].cost));
            for point in &found {
                let beats = |o: &ParetoPoint, by: f64| o.cost <= point.cost && o.background_efficiency + by < point.background_efficiency;
                let as_good = |o: &ParetoPoint| o.cost < point.cost && o.background_efficiency <= point.background_efficiency;
                let expected = if found.iter().any(|o| beats(o, SIGMAS * error)) {
                    Standing::Dominated
                } else if found.iter().any(|o| beats(o, 0.0) || as_good(o)) {
                    Standing::Undecided
                } else {
                    Standing::Front
                };
                prop_assert_eq!(point.standing, expected, "{:?} of {:?}", point, found);
            }
            prop_assert!(found.iter().any(|point| point.standing == Standing::Front));
        }
    }
}
