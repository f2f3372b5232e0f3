//! What can be computed on the way to a polynomial, and from what.
//!
//! A **term** is a graph of which none, one or two vertices are terminals: they stay open while all others are summed
//! over, each with its weight z. Without terminals it is a number (a polynomial), with one a vector over particles,
//! with two a matrix. Isomorphic terms are one term, so that what several polynomials need is computed once. Each term
//! lists all its **steps**: the ways to get it from smaller terms. Together they contain every order of variable
//! elimination; which to take is decided for all polynomials at once, in [`super::plan`].

use super::multigraph::{Multigraph, Vertices, members};
use std::collections::HashMap;

/// Place of a term in [`Terms`].
pub(crate) type TermId = usize;

/// A matrix term, perhaps with its terminals exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MatrixTerm {
    pub term: TermId,
    pub transposed: bool,
}

/// One way to compute a term; i, j are particles at terminals, l a particle summed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Matrix: theta_ij^k.
    Power(u8),
    /// Matrix: a_ij b_ij.
    Hadamard(MatrixTerm, MatrixTerm),
    /// Matrix: sum_l a_il z_l w_l b_lj.
    Product {
        left: MatrixTerm,
        weight: Option<TermId>,
        right: MatrixTerm,
    },
    /// Matrix: sum_lm theta_il theta_im z_l theta_lm z_m theta_lj theta_mj, the complete graph of four without (i, j).
    Bridge,
    /// Vector: sum_l a_il z_l w_l.
    Apply { matrix: MatrixTerm, weight: Option<TermId> },
    /// Vector: sum_l a_il b_il z_l w_l, the two steps [`Self::Hadamard`] and [`Self::Apply`] in one pass.
    ApplyHadamard {
        a: MatrixTerm,
        b: MatrixTerm,
        weight: Option<TermId>,
    },
    /// Vector: a_i b_i.
    Times(TermId, TermId),
    /// Number: sum_l z_l a_l b_l; without factors the sum of the weights.
    Sum(Option<TermId>, Option<TermId>),
}

impl Step {
    /// The terms it reads, each once.
    pub fn inputs(&self) -> impl Iterator<Item = TermId> {
        let mut inputs = match *self {
            Self::Power(_) | Self::Bridge => [None; 3],
            Self::Hadamard(a, b) => [Some(a.term), Some(b.term), None],
            Self::Product { left, weight, right } => [Some(left.term), weight, Some(right.term)],
            Self::Apply { matrix, weight } => [Some(matrix.term), weight, None],
            Self::ApplyHadamard { a, b, weight } => [Some(a.term), Some(b.term), weight],
            Self::Times(a, b) => [Some(a), Some(b), None],
            Self::Sum(a, b) => [a, b, None],
        };
        for i in 1..inputs.len() {
            if inputs[..i].contains(&inputs[i]) {
                inputs[i] = None;
            }
        }
        inputs.into_iter().flatten()
    }
}

/// A term with its steps.
#[derive(Debug)]
pub(crate) struct Term {
    /// Number of terminals: 0 for a number, 1 for a vector, 2 for a matrix.
    pub terminals: usize,
    /// Whether exchanging the two terminals changes nothing: a symmetric matrix.
    pub symmetric: bool,
    /// All ways to compute it; none where only an operation that we do not have would do.
    pub steps: Vec<Step>,
}

/// All terms found so far, each after the terms its steps read.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    pub all: Vec<Term>,
    known: HashMap<(usize, Multigraph), TermId>,
}

impl Terms {
    /// The term of a connected polynomial.
    pub fn number(&mut self, graph: &Multigraph) -> TermId {
        self.intern(graph.canonical(0), 0)
    }

    fn intern(&mut self, graph: Multigraph, terminals: usize) -> TermId {
        if let Some(&id) = self.known.get(&(terminals, graph)) {
            return id;
        }
        let mut steps = match terminals {
            0 => self.number_steps(&graph),
            1 => self.vector_steps(&graph),
            _ => self.matrix_steps(&graph),
        };
        for i in (1..steps.len()).rev() {
            if steps[..i].contains(&steps[i]) {
                steps.swap_remove(i);
            }
        }
        let symmetric = terminals == 2 && graph.swapped().canonical(2) == graph;
        self.all.push(Term {
            terminals,
            symmetric,
            steps,
        });
        self.known.insert((terminals, graph), self.all.len() - 1);
        self.all.len() - 1
    }

    /// The vector of vertex `root` with `branches` hanging on it; none where it is 1 throughout.
    fn vector(&mut self, graph: &Multigraph, root: usize, branches: Vertices) -> Option<TermId> {
        (branches != 0).then(|| self.intern(graph.part(&[root], branches).canonical(1), 1))
    }

    fn matrix(&mut self, graph: Multigraph) -> MatrixTerm {
        let (here, there) = (graph.canonical(2), graph.swapped().canonical(2));
        // Of the two orientations the greater is kept.
        MatrixTerm {
            term: self.intern(here.max(there), 2),
            transposed: here < there,
        }
    }

    /// A number is a vector at any vertex, summed; where the vertex cuts the graph, a product of two vectors.
    fn number_steps(&mut self, graph: &Multigraph) -> Vec<Step> {
        let mut steps = Vec::new();
        for root in 0..graph.len() {
            for (one, other) in halves(&graph.components_without(1 << root)) {
                let (a, b) = (self.vector(graph, root, one), self.vector(graph, root, other));
                steps.push(Step::Sum(a.max(b), a.min(b)));
            }
        }
        steps
    }

    /// A vector at a cutting vertex is a product; any other is a matrix to some second vertex, applied to what hangs
    /// there.
    fn vector_steps(&mut self, graph: &Multigraph) -> Vec<Step> {
        let mut steps = Vec::new();
        let components = graph.components_without(1);
        if components.len() > 1 {
            for (one, other) in halves(&components) {
                if let (Some(a), Some(b)) = (self.vector(graph, 0, one), self.vector(graph, 0, other)) {
                    steps.push(Step::Times(a.max(b), a.min(b)));
                }
            }
            return steps;
        }
        for second in 1..graph.len() {
            let (mut core, mut hanging): (Vertices, Vertices) = (0, 0);
            for component in graph.components_without(1 << second) {
                if component & 1 != 0 {
                    core |= component & !1;
                } else {
                    hanging |= component;
                }
            }
            let direct = graph.multiplicity(0, second);
            let matrix = self.matrix(graph.part(&[0, second], core).with_edges(0, 1, direct));
            let weight = self.vector(graph, second, hanging);
            steps.push(Step::Apply { matrix, weight });
        }
        steps
    }

    /// A matrix whose terminals are joined in several independent ways is a product by elements; one with a vertex
    /// that separates its terminals is a matrix product over that vertex.
    fn matrix_steps(&mut self, graph: &Multigraph) -> Vec<Step> {
        let mut steps = Vec::new();
        let direct = graph.multiplicity(0, 1);
        let mut ways = graph.components_without(0b11);
        if direct > 0 && ways.is_empty() {
            return vec![Step::Power(direct)];
        }
        if direct > 0 {
            // The direct edges are one of the ways; no vertex stands for them.
            ways.push(0);
        }
        if ways.len() > 1 {
            // All but the last way carry a bit of the number; the last is always in the second half.
            for chosen in 1..1usize << (ways.len() - 1) {
                let set = |first: bool| {
                    let half = ways.iter().enumerate().filter(|(i, _)| (chosen >> i & 1 != 0) == first);
                    half.fold((0, 0), |(all, edges), (_, &way)| {
                        (all | way, edges + if way == 0 { direct } else { 0 })
                    })
                };
                let [a, b] =
                    [set(true), set(false)].map(|(way, edges)| graph.part(&[0, 1], way).with_edges(0, 1, edges));
                let (a, b) = (self.matrix(a), self.matrix(b));
                steps.push(if a.term >= b.term {
                    Step::Hadamard(a, b)
                } else {
                    Step::Hadamard(b, a)
                });
            }
            return steps;
        }
        let bridge = Multigraph::from_edges(4, &[(0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]);
        if *graph == bridge {
            steps.push(Step::Bridge);
        }
        for middle in members(ways.first().copied().unwrap_or(0)) {
            let (mut left, mut right, mut hanging): (Vertices, Vertices, Vertices) = (0, 0, 0);
            let mut separates = true;
            for component in graph.components_without(0b11 | 1 << middle) {
                let around = members(component).fold(0, |set, v| set | graph.neighbors(v));
                match around & 0b11 {
                    0b00 => hanging |= component,
                    0b01 => left |= component,
                    0b10 => right |= component,
                    _ => separates = false,
                }
            }
            if separates {
                let part = |terminals: [usize; 2], inner| {
                    let direct = graph.multiplicity(terminals[0], terminals[1]);
                    graph.part(&terminals, inner).with_edges(0, 1, direct)
                };
                steps.push(Step::Product {
                    left: self.matrix(part([0, middle], left)),
                    weight: self.vector(graph, middle, hanging),
                    right: self.matrix(part([middle, 1], right)),
                });
            }
        }
        steps
    }
}

/// All ways to deal components into two halves, the order of the halves aside; one of them may be empty only
/// where there are fewer than two components.
fn halves(components: &[Vertices]) -> Vec<(Vertices, Vertices)> {
    if components.len() < 2 {
        return vec![(components.first().copied().unwrap_or(0), 0)];
    }
    let all: Vertices = components.iter().fold(0, |all, component| all | component);
    (1..1usize << (components.len() - 1))
        .map(|chosen| {
            let picked = components.iter().enumerate().filter(|(i, _)| chosen >> i & 1 != 0);
            let half = picked.fold(0, |half, (_, component)| half | component);
            (half, all & !half)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::MAX_DEGREE;
    use super::super::generate::connected_graphs;
    use super::*;

    #[test]
    fn every_polynomial_can_be_computed() {
        // An operation that is missing (a denser graph than the bridge) would leave a term without steps; some may
        // have none, but then another way must lead around them.
        let mut terms = Terms::default();
        let numbers: Vec<_> = connected_graphs(MAX_DEGREE).iter().map(|g| terms.number(g)).collect();
        let mut possible = vec![false; terms.all.len()];
        for (id, term) in terms.all.iter().enumerate() {
            possible[id] = term.steps.iter().any(|step| step.inputs().all(|input| possible[input]));
        }
        assert!(numbers.iter().all(|&id| possible[id]));
        assert_eq!(numbers.len(), 490);
    }

    #[test]
    fn a_triangle_has_one_way_up_to_symmetry() {
        let mut terms = Terms::default();
        let id = terms.number(&Multigraph::from_edges(3, &[(0, 1), (1, 2), (2, 0)]));
        assert_eq!(terms.all[id].steps.len(), 1);
        // theta, theta theta, (theta theta) theta, its row sums, their sum.
        assert_eq!(terms.all.len(), 5);
        assert!(terms.all.iter().all(|term| term.symmetric == (term.terminals == 2)));
    }
}
