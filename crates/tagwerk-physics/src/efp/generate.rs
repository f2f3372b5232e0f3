//! All multigraphs up to a number of edges, and their order.

use super::multigraph::{Multigraph, members};
use std::collections::{BTreeMap, BTreeSet};

/// Counts that describe the graph of an energy flow polynomial, under the names of the EnergyFlow package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EfpSpec {
    /// Vertices.
    pub n: usize,
    /// Edges of the underlying simple graph.
    pub e: usize,
    /// Edges, the degree of the polynomial in the angles.
    pub d: usize,
    /// Largest valency of a vertex.
    pub v: usize,
    /// Number among the graphs with this (n, d), in our order; unlike (n, d) it has no meaning elsewhere.
    pub k: usize,
    /// Exponent of the cost: variable elimination needs M^c operations for M particles.
    pub c: usize,
    /// Connected components.
    pub p: usize,
    /// Vertices of valency 1.
    pub h: usize,
}

/// One energy flow polynomial: its graph, counts and, for a product, its factors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EfpGraph {
    /// Pairs of vertices, multiple edges repeated; empty for the graph of one vertex.
    pub edges: Vec<(usize, usize)>,
    /// Its counts.
    pub spec: EfpSpec,
    /// Columns of the connected components; a connected graph names itself.
    pub factors: Vec<usize>,
}

/// The connected graphs of at most `max_degree` edges, in order: by vertices, edges of the simple graph, the
/// simple graph, edges, the graph itself.
pub(crate) fn connected_graphs(max_degree: usize) -> Vec<Multigraph> {
    let mut all: Vec<Multigraph> = Vec::new();
    let mut level = BTreeSet::from([Multigraph::edgeless(1)]);
    for degree in 0..=max_degree {
        all.extend(&level);
        if degree == max_degree {
            break;
        }
        // A connected graph has an edge whose removal (with the vertex it may leave bare) keeps it connected, so
        // every graph of the next level is reached.
        level = level
            .iter()
            .flat_map(|graph| {
                let len = graph.len();
                let grown = (0..len).map(move |u| graph.with_vertex().with_edges(u, len, 1));
                let thickened = (0..len).flat_map(move |u| (0..u).map(move |v| graph.with_edges(u, v, 1)));
                grown.chain(thickened).map(|graph| graph.canonical(0))
            })
            .collect();
    }
    all.sort_by_cached_key(|graph| {
        let simple = graph.simple().canonical(0);
        (graph.len(), simple.degree(), simple, graph.degree(), *graph)
    });
    all
}

/// The polynomials of at most `max_degree` edges for the connected graphs given, which come first; then the products,
/// by vertices, edges, number of factors, columns of the factors.
pub(crate) fn all_graphs(connected: &[Multigraph], max_degree: usize) -> Vec<EfpGraph> {
    let mut graphs: Vec<EfpGraph> = Vec::with_capacity(connected.len());
    for (column, graph) in connected.iter().enumerate() {
        let valencies: Vec<usize> = (0..graph.len()).map(|v| graph.valency(v)).collect();
        let spec = EfpSpec {
            n: graph.len(),
            e: graph.simple().degree(),
            d: graph.degree(),
            v: valencies.iter().copied().max().unwrap_or(0),
            k: 0,
            c: elimination_exponent(graph),
            p: 1,
            h: valencies.iter().filter(|&&valency| valency == 1).count(),
        };
        graphs.push(EfpGraph {
            edges: graph.edges(),
            spec,
            factors: vec![column],
        });
    }
    let mut products = Vec::new();
    // Multisets of columns, ascending. A graph without edges is no factor.
    let mut unfinished: Vec<(Vec<usize>, usize)> = vec![(Vec::new(), 0)];
    while let Some((factors, degree)) = unfinished.pop() {
        let first = factors.last().copied().unwrap_or(0);
        for (column, graph) in graphs.iter().enumerate().skip(first) {
            let total = degree + graph.spec.d;
            if graph.spec.d > 0 && total <= max_degree {
                let more: Vec<usize> = factors.iter().copied().chain([column]).collect();
                unfinished.push((more, total));
            }
        }
        if factors.len() > 1 {
            products.push(product(&graphs, factors));
        }
    }
    products.sort_by(|a, b| {
        let key = |graph: &EfpGraph| (graph.spec.n, graph.spec.d, graph.spec.p);
        key(a).cmp(&key(b)).then_with(|| a.factors.cmp(&b.factors))
    });
    graphs.extend(products);
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for EfpGraph { spec, .. } in &mut graphs {
        let count = counts.entry((spec.n, spec.d)).or_default();
        spec.k = *count;
        *count += 1;
    }
    graphs
}

fn product(graphs: &[EfpGraph], factors: Vec<usize>) -> EfpGraph {
    let mut spec = EfpSpec {
        n: 0,
        e: 0,
        d: 0,
        v: 0,
        k: 0,
        c: 0,
        p: factors.len(),
        h: 0,
    };
    let mut edges = Vec::new();
    for &column in &factors {
        let factor = &graphs[column];
        edges.extend(factor.edges.iter().map(|&(u, v)| (u + spec.n, v + spec.n)));
        spec.n += factor.spec.n;
        spec.e += factor.spec.e;
        spec.d += factor.spec.d;
        spec.h += factor.spec.h;
        spec.v = spec.v.max(factor.spec.v);
        spec.c = spec.c.max(factor.spec.c);
    }
    EfpGraph { edges, spec, factors }
}

/// 1 + the treewidth: vertices that meet in the largest step of an elimination. Taking the vertex of least degree
/// next is exact up to a treewidth of 2, and the graphs here that are not done by then have 3.
fn elimination_exponent(graph: &Multigraph) -> usize {
    let mut neighbors: Vec<u8> = (0..graph.len()).map(|v| graph.neighbors(v)).collect();
    let mut left: Vec<usize> = (0..graph.len()).collect();
    let mut exponent = 0;
    while let Some((place, &v)) = left.iter().enumerate().min_by_key(|&(_, &v)| neighbors[v].count_ones()) {
        let around = neighbors[v];
        exponent = exponent.max(1 + around.count_ones() as usize);
        for u in members(around) {
            neighbors[u] = (neighbors[u] | around) & !(1 << u) & !(1 << v);
        }
        left.swap_remove(place);
    }
    exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_graphs_as_there_are() {
        // Connected: OEIS A076864; all: A050535, both counted by Polya's theorem.
        let connected = connected_graphs(7);
        let by_degree = |degree| connected.iter().filter(|graph| graph.degree() == degree).count();
        assert_eq!(
            (0..=7).map(by_degree).collect::<Vec<_>>(),
            [1, 1, 2, 5, 12, 33, 103, 333]
        );
        let graphs = all_graphs(&connected, 7);
        let by_degree = |degree| graphs.iter().filter(|graph| graph.spec.d == degree).count();
        assert_eq!(
            (0..=7).map(by_degree).collect::<Vec<_>>(),
            [1, 1, 3, 8, 23, 66, 212, 686]
        );
        let by_exponent = |c| graphs.iter().filter(|graph| graph.spec.c == c).count();
        assert_eq!((1..=4).map(by_exponent).collect::<Vec<_>>(), [1, 584, 410, 5]);
    }

    #[test]
    fn the_order_of_a_smaller_degree_is_that_of_the_larger_one() {
        let small = connected_graphs(4);
        let large = connected_graphs(6);
        let kept: Vec<_> = large.into_iter().filter(|graph| graph.degree() <= 4).collect();
        assert_eq!(small, kept);
    }
}
