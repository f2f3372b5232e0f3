//! Which steps to take: the cheapest set of terms that contains all polynomials.
//!
//! A term that several polynomials use is paid for once, so the choices hang together. The search is local and
//! deterministic: each polynomial in turn is taken out and put back in the way that costs least given all others; then
//! each matrix product in turn is forbidden, and stays so if the total falls.

use super::terms::{MatrixTerm, Step, TermId, Terms};

/// Particles a jet that costs are weighed for.
const TYPICAL_PARTICLES: f64 = 50.0;

/// Multiply-adds of a step for `n` particles; symmetric products fill one triangle and mirror it.
pub(crate) fn multiply_adds(step: &Step, symmetric: bool, n: f64) -> f64 {
    match step {
        Step::Power(_) | Step::Hadamard(..) | Step::Apply { .. } => n * n,
        Step::ApplyHadamard { .. } => 2.0 * n * n,
        Step::Product { .. } if symmetric => n * n * (n + 1.0) / 2.0,
        Step::Product { .. } => n * n * n,
        // For each pair a quadratic form over pairs.
        Step::Bridge => (n * (n + 1.0) / 2.0).powi(2),
        Step::Times(..) | Step::Sum(..) => n,
    }
}

/// The chosen step of each term that is computed.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub chosen: Vec<Option<Step>>,
    /// Places that read the term, the caller's among them.
    uses: Vec<usize>,
    forbidden: Vec<bool>,
}

impl Plan {
    /// Chooses steps for all of `numbers`.
    pub fn search(terms: &Terms, numbers: &[TermId]) -> Self {
        let len = terms.all.len();
        let mut plan = Self {
            chosen: vec![None; len],
            uses: vec![0; len],
            forbidden: vec![false; len],
        };
        for &id in numbers {
            plan.put(terms, id);
        }
        plan.renew(terms, numbers);
        loop {
            let before = plan.cost(terms);
            for id in 0..len {
                if !matches!(plan.chosen[id], Some(Step::Product { .. })) {
                    continue;
                }
                let mut other = plan.clone();
                let users = other.users(numbers, id);
                for &user in &users {
                    other.release(user);
                }
                other.forbidden[id] = true;
                if users.iter().all(|&user| other.put(terms, user)) && other.cost(terms) < plan.cost(terms) {
                    plan = other;
                }
            }
            plan.renew(terms, numbers);
            if plan.cost(terms) >= before {
                plan.fuse(terms);
                return plan;
            }
        }
    }

    /// Joins each product by elements that is only applied, once, with its application: the matrix is never written.
    fn fuse(&mut self, terms: &Terms) {
        for id in 0..self.chosen.len() {
            let Some(Step::Apply { matrix, weight }) = self.chosen[id] else {
                continue;
            };
            let Some(Step::Hadamard(a, b)) = self.chosen[matrix.term] else {
                continue;
            };
            let turned = |operand: MatrixTerm| MatrixTerm {
                transposed: operand.transposed != matrix.transposed,
                ..operand
            };
            let (a, b) = (turned(a), turned(b));
            // Both must be read along rows, or both along columns.
            let symmetric = |operand: MatrixTerm| terms.all[operand.term].symmetric;
            if self.uses[matrix.term] == 1 && (symmetric(a) || symmetric(b) || a.transposed == b.transposed) {
                self.chosen[matrix.term] = None;
                self.chosen[id] = Some(Step::ApplyHadamard { a, b, weight });
            }
        }
    }

    /// Takes out each polynomial and puts it back, until nothing is won.
    fn renew(&mut self, terms: &Terms, numbers: &[TermId]) {
        loop {
            let before = self.cost(terms);
            for &id in numbers.iter().rev() {
                self.release(id);
                self.put(terms, id);
            }
            if self.cost(terms) >= before {
                return;
            }
        }
    }

    fn cost(&self, terms: &Terms) -> f64 {
        let costs = self.chosen.iter().zip(&terms.all);
        costs
            .filter_map(|(step, term)| step.map(|step| weight(&step, term.symmetric)))
            .sum()
    }

    /// The polynomials that read the term, through others too.
    fn users(&self, numbers: &[TermId], id: TermId) -> Vec<TermId> {
        let mut reads = vec![false; self.chosen.len()];
        reads[id] = true;
        // Inputs stand before what reads them.
        for (user, step) in self.chosen.iter().enumerate().skip(id + 1) {
            reads[user] = step.is_some_and(|step| step.inputs().any(|input| reads[input]));
        }
        numbers.iter().copied().filter(|&number| reads[number]).collect()
    }

    /// One use more of a term; computes it the cheapest way if it was not. False if there is no way.
    fn put(&mut self, terms: &Terms, id: TermId) -> bool {
        let mut best = vec![None; id + 1];
        if self.cheapest(terms, id, &mut best).is_infinite() {
            return false;
        }
        self.choose(id, &best);
        true
    }

    fn choose(&mut self, id: TermId, best: &[Option<(f64, Option<Step>)>]) {
        self.uses[id] += 1;
        if self.chosen[id].is_none()
            && let Some((_, Some(step))) = best[id]
        {
            self.chosen[id] = Some(step);
            for input in step.inputs() {
                self.choose(input, best);
            }
        }
    }

    /// Cost of having the term, given what is computed already, and the step to take. What two inputs share is
    /// counted twice, a bound that is corrected by the next round.
    fn cheapest(&self, terms: &Terms, id: TermId, best: &mut [Option<(f64, Option<Step>)>]) -> f64 {
        if self.chosen[id].is_some() {
            return 0.0;
        }
        if let Some((cost, _)) = best[id] {
            return cost;
        }
        let mut least = (f64::INFINITY, None);
        if !self.forbidden[id] {
            let term = &terms.all[id];
            for step in &term.steps {
                let mut cost = weight(step, term.symmetric);
                for input in step.inputs() {
                    if cost < least.0 {
                        cost += self.cheapest(terms, input, best);
                    }
                }
                if cost < least.0 {
                    least = (cost, Some(*step));
                }
            }
        }
        best[id] = Some(least);
        least.0
    }

    /// One use less; what nobody uses is not computed.
    fn release(&mut self, id: TermId) {
        self.uses[id] -= 1;
        if self.uses[id] == 0
            && let Some(step) = self.chosen[id].take()
        {
            for input in step.inputs() {
                self.release(input);
            }
        }
    }
}

/// Cost of a step in multiply-adds, with what starting any step costs.
fn weight(step: &Step, symmetric: bool) -> f64 {
    multiply_adds(step, symmetric, TYPICAL_PARTICLES) + TYPICAL_PARTICLES
}
