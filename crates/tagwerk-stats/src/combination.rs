//! Which trainings go into which ensemble.

use serde::{Deserialize, Serialize};

/// How ensembles are formed from the trainings of one tagger.
///
/// The landscape used all C(9,6) = 84 subsets of six out of nine trainings. Generally: six members when there are more
/// than six trainings, otherwise two thirds of them, rounded up (4 of 6 and of 5, 3 of 4, 2 of 3, both of 2); one
/// training makes no ensemble. More than [`EnsembleRule::LIMIT`] subsets (12 trainings or more) are thinned to that
/// many, evenly spaced in lexicographic order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsembleRule {
    /// Trainings there are.
    pub trainings: usize,
    /// Trainings in each ensemble.
    pub members: usize,
    /// Ensembles evaluated; 0 with one training.
    pub subsets: usize,
}

impl EnsembleRule {
    /// Most subsets that are evaluated.
    pub const LIMIT: usize = 500;

    /// The rule for a number of trainings.
    pub fn new(trainings: usize) -> Self {
        let members = if trainings > 6 { 6 } else { (2 * trainings).div_ceil(3) };
        let possible = if trainings < 2 { 0 } else { choose(trainings, members) };
        Self {
            trainings,
            members,
            subsets: possible.min(Self::LIMIT as u128) as usize,
        }
    }

    /// The subsets, each ascending, in lexicographic order.
    pub(crate) fn subsets(&self) -> Vec<Vec<usize>> {
        let possible = choose(self.trainings, self.members);
        (0..self.subsets as u128)
            .map(|i| self.unrank(i * possible / self.subsets as u128))
            .collect()
    }

    /// The `rank`-th subset in lexicographic order.
    fn unrank(&self, mut rank: u128) -> Vec<usize> {
        let mut subset = Vec::with_capacity(self.members);
        let mut next = 0;
        while subset.len() < self.members {
            // Subsets whose next member is `next`.
            let with_next = choose(self.trainings - next - 1, self.members - subset.len() - 1);
            if rank < with_next {
                subset.push(next);
            } else {
                rank -= with_next;
            }
            next += 1;
        }
        subset
    }
}

impl std::fmt::Display for EnsembleRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.subsets == 0 {
            return write!(f, "no ensemble of one training");
        }
        let possible = choose(self.trainings, self.members);
        let plural = if self.subsets == 1 { "ensemble" } else { "ensembles" };
        write!(
            f,
            "{} {plural} of {} out of {} trainings",
            self.subsets, self.members, self.trainings
        )?;
        if possible > self.subsets as u128 {
            write!(f, " (of {possible} possible)")
        } else {
            Ok(())
        }
    }
}

/// Binomial coefficient, saturating.
fn choose(n: usize, k: usize) -> u128 {
    if k > n {
        return 0;
    }
    let k = k.min(n - k);
    (0..k).fold(1_u128, |c, i| c.saturating_mul((n - i) as u128) / (i as u128 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_trainings_make_the_published_84_ensembles_of_six() {
        let rule = EnsembleRule::new(9);
        assert_eq!((rule.members, rule.subsets), (6, 84));
        let subsets = rule.subsets();
        assert_eq!(subsets[0], [0, 1, 2, 3, 4, 5]);
        assert_eq!(subsets[83], [3, 4, 5, 6, 7, 8]);
        assert!(subsets.windows(2).all(|w| w[0] < w[1]), "each subset once");
    }

    #[test]
    fn few_trainings_have_a_rule_and_one_has_none() {
        let sizes: Vec<(usize, usize)> = (0..=8).map(EnsembleRule::new).map(|r| (r.members, r.subsets)).collect();
        assert_eq!(
            sizes,
            [(0, 0), (1, 0), (2, 1), (2, 3), (3, 4), (4, 5), (4, 15), (6, 7), (6, 28)]
        );
        assert_eq!(EnsembleRule::new(1).to_string(), "no ensemble of one training");
        assert_eq!(EnsembleRule::new(3).to_string(), "3 ensembles of 2 out of 3 trainings");
    }

    #[test]
    fn many_trainings_are_thinned_without_repetition() {
        let rule = EnsembleRule::new(20);
        let mut subsets = rule.subsets();
        assert_eq!(subsets.len(), EnsembleRule::LIMIT);
        subsets.dedup();
        assert_eq!(subsets.len(), EnsembleRule::LIMIT);
        assert!(rule.to_string().contains("of 38760 possible"));
    }
}
