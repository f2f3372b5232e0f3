//! From a plan to a program: the order of the steps, and the slots of their results.

use super::plan::Plan;
use super::program::{Operand, Operation, Program};
use super::terms::{MatrixTerm, Step, TermId, Terms};

/// Puts steps in order and gives slots to their results; a slot is free again after the last use.
///
/// Of the steps that could come next, those are taken that need least memory for what they leave: sums, vectors, and
/// only then matrices, so that few matrices are alive at a time and those stay in the cache.
pub(crate) struct Scheduler<'a> {
    terms: &'a Terms,
    plan: &'a Plan,
    powers: usize,
    /// Inputs not yet computed.
    missing: Vec<usize>,
    /// Readers not yet served.
    uses: Vec<usize>,
    slot: Vec<usize>,
    /// Free slots and number of slots, of matrices and vectors.
    free: [Vec<usize>; 2],
    len: [usize; 2],
    program: Program,
    number: Vec<usize>,
}

impl<'a> Scheduler<'a> {
    pub fn new(terms: &'a Terms, plan: &'a Plan, numbers: &[TermId], powers: usize) -> Self {
        let count = terms.all.len();
        let mut scheduler = Self {
            terms,
            plan,
            powers,
            missing: vec![0; count],
            uses: vec![0; count],
            slot: vec![0; count],
            free: [Vec::new(), Vec::new()],
            len: [0, 0],
            program: Program {
                operations: Vec::new(),
                steps: Vec::new(),
                powers,
                matrices: 0,
                vectors: 0,
                numbers: numbers.len(),
            },
            number: vec![0; count],
        };
        for (place, &id) in numbers.iter().enumerate() {
            scheduler.number[id] = place;
        }
        for (id, step) in plan.chosen.iter().enumerate() {
            for input in step.iter().flat_map(Step::inputs) {
                scheduler.missing[id] += 1;
                scheduler.uses[input] += 1;
            }
        }
        scheduler
    }

    pub fn run(mut self) -> Program {
        let chosen: Vec<TermId> = (0..self.plan.chosen.len())
            .filter(|&id| self.plan.chosen[id].is_some())
            .collect();
        let mut ready: Vec<TermId> = chosen.iter().copied().filter(|&id| self.missing[id] == 0).collect();
        while let Some(place) = (0..ready.len()).min_by_key(|&place| (self.urgency(ready[place]), ready[place])) {
            let id = ready.swap_remove(place);
            let Some(step) = self.plan.chosen[id] else { continue };
            self.emit(id, step);
            for &reader in &chosen {
                if self.plan.chosen[reader].is_some_and(|step| step.inputs().any(|input| input == id)) {
                    self.missing[reader] -= 1;
                    if self.missing[reader] == 0 {
                        ready.push(reader);
                    }
                }
            }
        }
        [self.program.matrices, self.program.vectors] = self.len;
        self.program
    }

    /// Small comes first.
    fn urgency(&self, id: TermId) -> isize {
        let frees = |step: &Step| {
            let last = step
                .inputs()
                .filter(|&input| self.terms.all[input].terminals == 2 && self.uses[input] == 1);
            last.count() as isize
        };
        match &self.plan.chosen[id] {
            Some(Step::Power(_)) => 0,
            Some(Step::Sum(..)) => 1,
            Some(Step::Times(..)) => 2,
            Some(Step::Apply { .. } | Step::ApplyHadamard { .. }) => 3,
            Some(step @ Step::Hadamard(..)) => 6 - frees(step),
            Some(step @ Step::Product { .. }) => 9 - frees(step),
            Some(Step::Bridge) | None => 10,
        }
    }

    fn emit(&mut self, id: TermId, step: Step) {
        let symmetric = self.terms.all[id].symmetric;
        self.program.steps.push((step, symmetric));
        let operation = match step {
            Step::Power(power) => {
                self.slot[id] = usize::from(power) - 1;
                return;
            }
            Step::Sum(a, b) => Operation::Sum {
                a: a.map(|a| self.slot[a]),
                b: b.map(|b| self.slot[b]),
                number: self.number[id],
            },
            Step::Hadamard(a, b) => Operation::Hadamard {
                a: self.operand(a),
                b: self.operand(b),
                to: self.take(0, id),
            },
            Step::Product { left, weight, right } => Operation::Product {
                left: self.operand(left),
                weight: weight.map(|w| self.slot[w]),
                right: self.operand(right),
                symmetric,
                to: self.take(0, id),
            },
            Step::Bridge => Operation::Bridge { to: self.take(0, id) },
            Step::Apply { matrix, weight } => Operation::Apply {
                matrix: self.operand(matrix),
                weight: weight.map(|w| self.slot[w]),
                to: self.take(1, id),
            },
            Step::ApplyHadamard { a, b, weight } => Operation::ApplyHadamard {
                a: self.operand(a),
                b: self.operand(b),
                weight: weight.map(|w| self.slot[w]),
                to: self.take(1, id),
            },
            Step::Times(a, b) => Operation::Times {
                a: self.slot[a],
                b: self.slot[b],
                to: self.take(1, id),
            },
        };
        self.program.operations.push(operation);
        for input in step.inputs() {
            self.uses[input] -= 1;
            let kind = usize::from(self.terms.all[input].terminals == 1);
            // The powers stay for the whole run.
            if self.uses[input] == 0 && !matches!(self.plan.chosen[input], Some(Step::Power(_))) {
                self.free[kind].push(self.slot[input]);
            }
        }
    }

    /// A slot for a matrix (kind 0) or vector (kind 1).
    fn take(&mut self, kind: usize, id: TermId) -> usize {
        let first = if kind == 0 { self.powers } else { 0 };
        self.slot[id] = self.free[kind].pop().unwrap_or_else(|| {
            self.len[kind] += 1;
            first + self.len[kind] - 1
        });
        self.slot[id]
    }

    fn operand(&self, matrix: MatrixTerm) -> Operand {
        let symmetric = self.terms.all[matrix.term].symmetric;
        Operand {
            slot: self.slot[matrix.term],
            transposed: matrix.transposed && !symmetric,
            symmetric,
        }
    }
}
