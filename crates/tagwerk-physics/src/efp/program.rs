//! All connected polynomials as one list of operations on numbered slots, and its execution for one jet.

use super::bridge::bridge;
use super::kernels::{self, Matrix, Packed, stride};
use super::multigraph::Multigraph;
use super::plan::{Plan, multiply_adds};
use super::schedule::Scheduler;
use super::terms::{Step, TermId, Terms};
use pulp::{Arch, Simd, WithSimd};

/// A matrix in a slot. The first slots hold theta, theta^2, .. by elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    pub slot: usize,
    pub transposed: bool,
    pub symmetric: bool,
}

/// A [`Step`] on slots.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    Hadamard {
        a: Operand,
        b: Operand,
        to: usize,
    },
    Product {
        left: Operand,
        weight: Option<usize>,
        right: Operand,
        symmetric: bool,
        to: usize,
    },
    Bridge {
        to: usize,
    },
    Apply {
        matrix: Operand,
        weight: Option<usize>,
        to: usize,
    },
    ApplyHadamard {
        a: Operand,
        b: Operand,
        weight: Option<usize>,
        to: usize,
    },
    Times {
        a: usize,
        b: usize,
        to: usize,
    },
    Sum {
        a: Option<usize>,
        b: Option<usize>,
        number: usize,
    },
}

/// The operations for all connected polynomials.
#[derive(Debug)]
pub(crate) struct Program {
    pub operations: Vec<Operation>,
    /// Steps with whether their result is symmetric, for counting.
    pub steps: Vec<(Step, bool)>,
    /// Slots for powers of theta, for other matrices, for vectors; numbers that come out.
    pub powers: usize,
    pub matrices: usize,
    pub vectors: usize,
    pub numbers: usize,
}

/// Memory of a program that runs, reused from jet to jet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots {
    /// Weight of each particle, padded with zeros.
    pub z: Vec<f64>,
    /// `[n, stride]` each; the caller writes theta into the first.
    pub matrices: Vec<Vec<f64>>,
    vectors: Vec<Vec<f64>>,
    packed: Packed,
    /// The polynomials, in the order of the graphs.
    pub numbers: Vec<f64>,
}

impl Program {
    /// Plans and lists the computation of `graphs`, of at most `max_degree` edges.
    pub fn compile(graphs: &[Multigraph], max_degree: usize) -> Self {
        let mut terms = Terms::default();
        let numbers: Vec<TermId> = graphs.iter().map(|graph| terms.number(graph)).collect();
        let plan = Plan::search(&terms, &numbers);
        Scheduler::new(&terms, &plan, &numbers, max_degree).run()
    }

    /// Multiply-adds for a jet of `n` particles.
    pub fn multiply_adds(&self, n: usize) -> f64 {
        let steps = self.steps.iter();
        steps
            .map(|&(step, symmetric)| multiply_adds(&step, symmetric, n as f64))
            .sum()
    }

    /// Number of matrix products.
    pub fn matrix_products(&self) -> usize {
        let products = self
            .steps
            .iter()
            .filter(|(step, _)| matches!(step, Step::Product { .. }));
        products.count()
    }

    /// Number of operations.
    pub fn operations(&self) -> usize {
        self.operations.len()
    }

    /// Makes room for `n` particles. The first matrix is the caller's to fill, all of it.
    pub fn prepare(&self, n: usize, slots: &mut Slots) {
        let stride = stride(n);
        slots.z.clear();
        slots.z.resize(stride, 0.0);
        slots.matrices.resize_with(self.powers + self.matrices, Vec::new);
        slots.vectors.resize_with(self.vectors, Vec::new);
        for matrix in &mut slots.matrices {
            matrix.resize(n * stride, 0.0);
        }
        for vector in &mut slots.vectors {
            vector.resize(stride, 0.0);
        }
        slots.numbers.clear();
        slots.numbers.resize(self.numbers, 0.0);
    }

    /// Computes `slots.numbers` from weights and angles of `n` particles.
    pub fn run(&self, n: usize, slots: &mut Slots) {
        self.run_on(Arch::new(), n, slots);
    }

    fn run_on(&self, arch: Arch, n: usize, slots: &mut Slots) {
        struct Run<'a>(&'a Program, usize, &'a mut Slots);
        impl WithSimd for Run<'_> {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                self.0.run_with(simd, self.1, self.2);
            }
        }
        arch.dispatch(Run(self, n, slots));
    }

    #[inline(always)]
    fn run_with<S: Simd>(&self, simd: S, n: usize, slots: &mut Slots) {
        for power in 1..self.powers {
            let (lower, higher) = slots.matrices.split_at_mut(power);
            kernels::times(&lower[0], &lower[power - 1], &mut higher[0]);
        }
        let Slots {
            z,
            matrices,
            vectors,
            packed,
            numbers,
        } = slots;
        for operation in &self.operations {
            match *operation {
                Operation::Hadamard { a, b, to } => {
                    // Results are taken out of their slot while the operands are borrowed.
                    let mut out = std::mem::take(&mut matrices[to]);
                    kernels::hadamard(n, a.of(matrices), b.of(matrices), packed, &mut out);
                    matrices[to] = out;
                }
                Operation::Product {
                    left,
                    weight,
                    right,
                    symmetric,
                    to,
                } => {
                    let mut out = std::mem::take(&mut matrices[to]);
                    weigh(z, weight.map(|w| &vectors[w]), &mut packed.weights);
                    kernels::product(
                        simd,
                        n,
                        left.of(matrices),
                        right.of(matrices),
                        symmetric,
                        packed,
                        &mut out,
                    );
                    matrices[to] = out;
                }
                Operation::Bridge { to } => {
                    let mut out = std::mem::take(&mut matrices[to]);
                    bridge(simd, n, &matrices[0], z, packed, &mut out);
                    matrices[to] = out;
                }
                Operation::Apply { matrix, weight, to } => {
                    let mut out = std::mem::take(&mut vectors[to]);
                    weigh(z, weight.map(|w| &vectors[w]), &mut packed.weights);
                    kernels::apply(simd, n, matrix.of(matrices), &packed.weights, &mut out);
                    vectors[to] = out;
                }
                Operation::ApplyHadamard { a, b, weight, to } => {
                    let mut out = std::mem::take(&mut vectors[to]);
                    weigh(z, weight.map(|w| &vectors[w]), &mut packed.weights);
                    kernels::apply_hadamard(simd, n, a.of(matrices), b.of(matrices), &packed.weights, &mut out);
                    vectors[to] = out;
                }
                Operation::Times { a, b, to } => {
                    let mut out = std::mem::take(&mut vectors[to]);
                    kernels::times(&vectors[a], &vectors[b], &mut out);
                    vectors[to] = out;
                }
                Operation::Sum { a, b, number } => {
                    numbers[number] = match (a, b) {
                        (Some(a), Some(b)) => kernels::triple_sum(simd, z, &vectors[a], &vectors[b]),
                        (Some(a), None) | (None, Some(a)) => kernels::double_sum(simd, z, &vectors[a]),
                        (None, None) => z.iter().sum(),
                    };
                }
            }
        }
    }
}

impl Operand {
    fn of<'a>(&self, matrices: &'a [Vec<f64>]) -> Matrix<'a> {
        Matrix {
            values: &matrices[self.slot],
            transposed: self.transposed,
            symmetric: self.symmetric,
        }
    }
}

/// The weights of particles, times a vector if there is one.
#[inline(always)]
fn weigh(z: &[f64], vector: Option<&Vec<f64>>, out: &mut Vec<f64>) {
    out.clear();
    match vector {
        Some(vector) => out.extend(z.iter().zip(vector).map(|(z, v)| z * v)),
        None => out.extend_from_slice(z),
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::connected_graphs;
    use super::*;

    /// Any weights and angles; particles have angles with themselves, as massive ones do.
    fn fill(program: &Program, n: usize, slots: &mut Slots) {
        program.prepare(n, slots);
        let stride = stride(n);
        let draw = |i: usize, j: usize| (((i + 1) * (j + 1)) as f64 * 0.618_033_988_749_894_9).fract();
        for i in 0..n {
            slots.z[i] = draw(i, 40) / n as f64;
            slots.matrices[0][i * stride..][..stride].fill(0.0);
            for j in 0..n {
                slots.matrices[0][i * stride + j] = draw(i, j);
            }
        }
    }

    #[test]
    fn all_instruction_sets_compute_the_same() {
        let program = Program::compile(&connected_graphs(7), 7);
        let mut slots = Slots::default();
        // Around the sizes of registers and blocks.
        for n in [1, 2, 7, 8, 9, 15, 16, 17, 30, 53] {
            fill(&program, n, &mut slots);
            program.run_on(Arch::Scalar, n, &mut slots);
            let expected = slots.numbers.clone();
            let mut others = vec![Arch::new()];
            #[cfg(target_arch = "x86_64")]
            others.extend(pulp::x86::V3::try_new().map(Arch::V3));
            for arch in others {
                fill(&program, n, &mut slots);
                program.run_on(arch, n, &mut slots);
                for (found, expected) in slots.numbers.iter().zip(&expected) {
                    assert!((found - expected).abs() <= 1e-13 * expected, "{arch:?}, {n} particles");
                }
            }
        }
    }

    #[test]
    fn dense_graphs_agree_with_their_sums() {
        let graphs = [
            Multigraph::from_edges(3, &[(0, 1), (0, 1), (0, 2), (1, 2), (1, 2), (1, 2)]),
            Multigraph::from_edges(4, &[(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (2, 3)]),
            Multigraph::from_edges(4, &[(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (0, 2)]),
        ];
        let program = Program::compile(&graphs, 7);
        let mut slots = Slots::default();
        let n = 19;
        fill(&program, n, &mut slots);
        program.run(n, &mut slots);
        for (graph, found) in graphs.iter().zip(&slots.numbers) {
            let particles = |code: usize| (0..graph.len()).map(move |v| code / n.pow(v as u32) % n);
            let expected: f64 = (0..n.pow(graph.len() as u32))
                .map(|code| {
                    let at: Vec<usize> = particles(code).collect();
                    let weights: f64 = at.iter().map(|&i| slots.z[i]).product();
                    let edges = graph.edges();
                    let angles = edges.iter().map(|&(u, v)| slots.matrices[0][at[u] * stride(n) + at[v]]);
                    weights * angles.product::<f64>()
                })
                .sum();
            assert!(
                (found - expected).abs() < 1e-12 * expected,
                "{found}, expected {expected}"
            );
        }
    }
}
