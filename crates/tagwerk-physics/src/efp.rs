//! Energy flow polynomials: a linear basis of the infrared- and collinear-safe observables of a jet.
//!
//! Komiske, Metodiev, Thaler, "Energy flow polynomials: a complete linear basis for jet substructure",
//! arXiv:1712.07124. To each loopless multigraph G of N vertices belongs
//!
//! EFP_G = sum_{i_1 .. i_N} z_{i_1} .. z_{i_N} prod_{(k, l) in G} theta_{i_k i_l},
//!
//! with a weight z_i for each particle's energy and an angle theta_ij for each pair. A graph of several components is
//! the product of its components; of the 1000 graphs of at most seven edges 490 are connected.
//!
//! **How it is computed.** Literally, a graph of eight vertices costs M^8. Summing one vertex at a time (variable
//! elimination) brings all graphs here to M^2 or M^3, and four of them, around the complete graph of four, to M^4. On
//! the way appear vectors and matrices over particles, such as sum_j theta_ij z_j, that many graphs share.
//! [`Efps::new`] lists all of them for all graphs (`terms`), searches the cheapest set that serves them all (`plan`)
//! and makes one program of it (`program`), which then runs for each jet on the machine's vector instructions
//! (`kernels`). The price is the search, once for each [`Efps`]: keep it.
//!
//! **Order.** First the connected graphs, by vertices, edges of the simple graph, the simple graph, edges, and the
//! graph's canonical labeling; then the products, by vertices, edges, number of factors, factors. Columns keep their
//! order when `max_degree` changes. In the blocks of equal (n, e) and (n, d, p) this is the order of the EnergyFlow
//! package; within a block that package has the order of a hash table, so there is no rule to follow. [`Efps::column`]
//! finds the column of any graph, whoever made it.
//!
//! **Not for** whole events: a jet of n particles takes about n^4 / 4 + 12 n^3 multiply-adds and 130 n^2 bytes.

mod angles;
mod bridge;
mod generate;
mod kernels;
mod multigraph;
mod plan;
mod program;
mod schedule;
mod terms;

use crate::{DenseView, FourVector, PhysicsError, check_jets, constituents};
use angles::Particles;
use multigraph::Multigraph;
use program::{Program, Slots};
use rayon::prelude::*;
use std::collections::HashMap;
use tagwerk_data::Jets;

pub use generate::{EfpGraph, EfpSpec};

/// Most edges of a graph: the wheel of four spokes, with eight, is the first that needs another operation.
const MAX_DEGREE: usize = 7;

/// Jets a task: some milliseconds.
const BLOCK: usize = 16;

/// Limits of the exponents, far beyond any use: powers of ten to the hundred would not fit into f64.
const MAX_EXPONENT: f64 = 10.0;

/// Energies and angles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EfpMeasure {
    /// Transverse momenta; theta_ij = (dy^2 + dphi^2)^(beta / 2) with rapidities.
    #[default]
    Hadr,
    /// Transverse momenta; theta_ij = (2 p_i p_j / (pT_i pT_j))^(beta / 2). theta_ii is not zero for massive
    /// particles; for massless ones it is rounding, which a small beta raises (1e-16 to 1e-4 at beta = 0.5).
    HadrDot,
    /// Energies; theta_ij = (2 p_i p_j / (E_i E_j))^(beta / 2), for electron-positron collisions.
    Ee,
}

/// How the energy of a particle becomes its weight.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EfpWeight {
    /// z_i = E_i^kappa, or (E_i / sum E)^kappa if normed; only kappa = 1 is collinear safe.
    Power(f64),
    /// z_i to the valency of its vertex (kappa = 'pf' in EnergyFlow): each angle carries the energies of its two ends,
    /// theta_ij = (2 p_i p_j)^(beta / 2), and z_i = 1. Not for [`EfpMeasure::Hadr`], and not normed.
    ParticleFlow,
}

/// Which polynomials, of what. The defaults are those of the landscape's linear tagger, arXiv:1902.09914.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct EfpConfig {
    /// Most edges of a graph, 0 to 7. Default: 7, which makes 1000 polynomials.
    pub max_degree: usize,
    /// Energies and angles. Default: `Hadr`.
    pub measure: EfpMeasure,
    /// Exponent of the angle, above 0, at most 10. Default: 0.5.
    pub beta: f64,
    /// Weight of a particle; kappa from 0 to 10. Default: `Power(1.0)`.
    pub energy: EfpWeight,
    /// Whether energies are shares of the jet's: (E_i / sum E)^kappa. Default: true.
    pub normed: bool,
}

impl Default for EfpConfig {
    fn default() -> Self {
        Self {
            max_degree: MAX_DEGREE,
            measure: EfpMeasure::Hadr,
            beta: 0.5,
            energy: EfpWeight::Power(1.0),
            normed: true,
        }
    }
}

impl EfpConfig {
    pub(crate) fn check(&self) -> Result<(), PhysicsError> {
        let refuse = |name, value, limit| Err(PhysicsError::Setting { name, value, limit });
        if self.max_degree > MAX_DEGREE {
            return refuse("max_degree", self.max_degree as f64, "at most 7");
        }
        if !(self.beta > 0.0 && self.beta <= MAX_EXPONENT) {
            return refuse("beta", self.beta, "above 0 and at most 10");
        }
        match self.energy {
            EfpWeight::Power(kappa) if !(0.0..=MAX_EXPONENT).contains(&kappa) => refuse("kappa", kappa, "from 0 to 10"),
            EfpWeight::ParticleFlow if self.measure == EfpMeasure::Hadr => refuse(
                "beta",
                self.beta,
                "used with HadrDot or Ee where energies are weighted by ParticleFlow",
            ),
            _ => Ok(()),
        }
    }
}

/// A set of energy flow polynomials, ready to be computed.
#[derive(Debug)]
pub struct Efps {
    config: EfpConfig,
    graphs: Vec<EfpGraph>,
    connected: usize,
    columns: HashMap<Multigraph, usize>,
    products: HashMap<Vec<usize>, usize>,
    program: Program,
}

/// Memory for one jet at a time, kept between calls of [`Efps::compute`]; starts empty.
#[derive(Debug, Clone, Default)]
pub struct EfpScratch {
    particles: Particles,
    slots: Slots,
    values: Vec<f64>,
}

/// What one jet costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EfpCost {
    /// Operations of the program.
    pub operations: usize,
    /// Matrix products among them, n^3 (or half of it) each.
    pub matrix_products: usize,
    /// Multiply-adds in all.
    pub multiply_adds: f64,
}

impl Efps {
    /// Generates the graphs and plans their computation: some tenths of a second for seven edges.
    ///
    /// # Errors
    /// [`PhysicsError::Setting`] for a setting outside its limits.
    pub fn new(config: EfpConfig) -> Result<Self, PhysicsError> {
        config.check()?;
        let connected = generate::connected_graphs(config.max_degree);
        let graphs = generate::all_graphs(&connected, config.max_degree);
        let products = graphs.iter().enumerate().skip(connected.len());
        Ok(Self {
            config,
            connected: connected.len(),
            columns: connected
                .iter()
                .enumerate()
                .map(|(column, &graph)| (graph, column))
                .collect(),
            products: products
                .map(|(column, graph)| (graph.factors.clone(), column))
                .collect(),
            program: Program::compile(&connected, config.max_degree),
            graphs,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &EfpConfig {
        &self.config
    }

    /// Number of polynomials, `F`.
    pub fn len(&self) -> usize {
        self.graphs.len()
    }

    /// Never: the graph of one vertex is always there.
    pub fn is_empty(&self) -> bool {
        self.graphs.is_empty()
    }

    /// The polynomials, one a column.
    pub fn graphs(&self) -> &[EfpGraph] {
        &self.graphs
    }

    /// The column of the graph with these edges, whatever the names of its vertices; none if it has too many edges, or
    /// an edge from a vertex to itself.
    pub fn column(&self, edges: &[(usize, usize)]) -> Option<usize> {
        if edges.len() > self.config.max_degree || edges.iter().any(|(u, v)| u == v) {
            return None;
        }
        // Vertices of each component and its edges, merged edge by edge.
        type Component = (Vec<usize>, Vec<(usize, usize)>);
        let mut components: Vec<Component> = Vec::new();
        for &(u, v) in edges {
            let touches = |(vertices, _): &Component| vertices.contains(&u) || vertices.contains(&v);
            let (touched, mut others): (Vec<_>, Vec<_>) = components.into_iter().partition(touches);
            let (mut vertices, mut inner) = (vec![u, v], vec![(u, v)]);
            for (more, edges) in touched {
                vertices.extend(more);
                inner.extend(edges);
            }
            vertices.sort_unstable();
            vertices.dedup();
            others.push((vertices, inner));
            components = others;
        }
        let mut factors = Vec::with_capacity(components.len());
        for (vertices, edges) in &components {
            let place = |v: &usize| vertices.binary_search(v).ok();
            let edges: Option<Vec<_>> = edges.iter().map(|(u, v)| Some((place(u)?, place(v)?))).collect();
            let graph = Multigraph::from_edges(vertices.len(), &edges?);
            factors.push(*self.columns.get(&graph.canonical(0))?);
        }
        factors.sort_unstable();
        match factors.as_slice() {
            [] => Some(0),
            &[column] => Some(column),
            _ => self.products.get(&factors).copied(),
        }
    }

    /// What a jet of `n` particles costs.
    pub fn cost(&self, n: usize) -> EfpCost {
        EfpCost {
            operations: self.program.operations(),
            matrix_products: self.program.matrix_products(),
            multiply_adds: self.program.multiply_adds(n),
        }
    }

    /// The polynomials of one jet, `[F]`, in GeV to the power their weights and angles have.
    ///
    /// Particles without transverse momentum (energy, for [`EfpMeasure::Ee`]) are left out. Without particles all
    /// polynomials are zero, that of the lone vertex, sum z, among them. What overflows is the largest f64.
    ///
    /// # Errors
    /// [`PhysicsError::NotFinite`] for a momentum that is infinite or not a number.
    pub fn compute<'a>(
        &self,
        particles: impl IntoIterator<Item = FourVector>,
        scratch: &'a mut EfpScratch,
    ) -> Result<&'a [f64], PhysicsError> {
        let mut bad = None;
        let particles = particles.into_iter().enumerate().map(|(row, particle)| {
            if !particle.is_finite() && bad.is_none() {
                bad = Some((row, particle));
            }
            particle
        });
        let n = scratch.particles.read(&self.config, particles);
        if let Some((row, p)) = bad {
            let components = [("e", p.e), ("px", p.px), ("py", p.py), ("pz", p.pz)];
            let found = components.into_iter().find(|(_, value)| !value.is_finite());
            let (column, value) = found.unwrap_or(("e", p.e));
            return Err(PhysicsError::NotFinite { row, column, value });
        }
        self.evaluate(n, scratch);
        Ok(&scratch.values)
    }

    /// The polynomials of many jets in f64, `[B, F]`, row-major; jets in parallel. For linear fits, which subtract
    /// large numbers, this is better than the [view](Self::view) in f32.
    ///
    /// # Errors
    /// Whatever [`crate::check_jets`] finds.
    pub fn values(&self, jets: &Jets) -> Result<Vec<f64>, PhysicsError> {
        self.rows(jets, |value| value)
    }

    /// The polynomials of many jets, `[B, F]`, rounded to f32.
    ///
    /// # Errors
    /// Whatever [`crate::check_jets`] finds.
    pub fn view(&self, jets: &Jets) -> Result<DenseView, PhysicsError> {
        let values = self.rows(jets, |value| value.min(f64::from(f32::MAX)) as f32)?;
        DenseView::new(vec![self.len()], values)
    }

    fn rows<T: Default + Copy + Send>(
        &self,
        jets: &Jets,
        round: impl Fn(f64) -> T + Sync,
    ) -> Result<Vec<T>, PhysicsError> {
        check_jets(jets)?;
        let mut values = vec![T::default(); jets.len() * self.len()];
        let blocks = values.par_chunks_mut(BLOCK * self.len()).enumerate();
        blocks.for_each_init(EfpScratch::default, |scratch, (block, rows)| {
            for (i, row) in rows.chunks_exact_mut(self.len()).enumerate() {
                for (slot, &value) in row.iter_mut().zip(self.of_jet(jets, block * BLOCK + i, scratch)) {
                    *slot = round(value);
                }
            }
        });
        Ok(values)
    }

    fn of_jet<'a>(&self, jets: &Jets, b: usize, scratch: &'a mut EfpScratch) -> &'a [f64] {
        let n = scratch.particles.read(&self.config, constituents(jets, b));
        self.evaluate(n, scratch);
        &scratch.values
    }

    fn evaluate(&self, n: usize, scratch: &mut EfpScratch) {
        let EfpScratch {
            particles,
            slots,
            values,
        } = scratch;
        values.clear();
        if n == 0 {
            values.resize(self.len(), 0.0);
            return;
        }
        self.program.prepare(n, slots);
        particles.weights(&self.config, &mut slots.z);
        if let Some(theta) = slots.matrices.first_mut() {
            particles.angles(&self.config, theta);
        }
        self.program.run(n, slots);
        values.extend(
            slots
                .numbers
                .iter()
                .zip(&self.graphs)
                .map(|(&value, graph)| match self.config.energy {
                    // Sums of shares cannot overflow; energies come in once, at the end.
                    EfpWeight::Power(kappa) if !self.config.normed && value > 0.0 => {
                        (value * particles.total.powf(kappa * graph.spec.n as f64)).min(f64::MAX)
                    }
                    _ => value,
                }),
        );
        for graph in &self.graphs[self.connected..] {
            let product: f64 = graph.factors.iter().map(|&column| values[column]).product();
            values.push(product.min(f64::MAX));
        }
    }
}

/// The energy flow polynomials of many jets, `[B, F]`: [`Efps::new`] and [`Efps::view`] in one.
///
/// # Errors
/// [`PhysicsError::Setting`] for a setting outside its limits; whatever [`crate::check_jets`] finds.
pub fn efp_view(jets: &Jets, config: &EfpConfig) -> Result<DenseView, PhysicsError> {
    Efps::new(*config)?.view(jets)
}

#[cfg(test)]
mod tests;
