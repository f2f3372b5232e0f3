//! Small multigraphs: multiplicities between at most eight vertices, components, and a canonical labeling.

/// Vertices a connected graph of [`super::MAX_DEGREE`] edges can have.
pub(crate) const MAX_VERTICES: usize = super::MAX_DEGREE + 1;

/// A set of vertices, one bit each.
pub(crate) type Vertices = u8;

/// A loopless multigraph; entry (u, v) is the number of edges between u and v.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Multigraph {
    len: u8,
    edges: [[u8; MAX_VERTICES]; MAX_VERTICES],
}

impl Multigraph {
    /// `len` vertices and no edge.
    pub fn edgeless(len: usize) -> Self {
        debug_assert!(len <= MAX_VERTICES);
        Self {
            len: len as u8,
            edges: [[0; MAX_VERTICES]; MAX_VERTICES],
        }
    }

    /// The graph with these edges between vertices below `len`.
    pub fn from_edges(len: usize, edges: &[(usize, usize)]) -> Self {
        edges
            .iter()
            .fold(Self::edgeless(len), |graph, &(u, v)| graph.with_edges(u, v, 1))
    }

    /// This graph and `count` more edges between `u` and `v`.
    pub fn with_edges(mut self, u: usize, v: usize, count: u8) -> Self {
        debug_assert!(u != v && u.max(v) < self.len());
        self.edges[u][v] += count;
        self.edges[v][u] += count;
        self
    }

    /// This graph and one more vertex, without edges.
    pub fn with_vertex(mut self) -> Self {
        self.len += 1;
        self
    }

    /// Number of vertices.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Number of edges between `u` and `v`.
    pub fn multiplicity(&self, u: usize, v: usize) -> u8 {
        self.edges[u][v]
    }

    /// Edges at `v`, multiple ones counted as often as they occur.
    pub fn valency(&self, v: usize) -> usize {
        self.edges[v].iter().map(|&count| usize::from(count)).sum()
    }

    /// All edges as pairs (u < v), multiple ones repeated.
    pub fn edges(&self) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        for u in 0..self.len() {
            for v in u + 1..self.len() {
                edges.extend(std::iter::repeat_n((u, v), usize::from(self.edges[u][v])));
            }
        }
        edges
    }

    /// Number of edges.
    pub fn degree(&self) -> usize {
        (0..self.len()).map(|v| self.valency(v)).sum::<usize>() / 2
    }

    /// The same graph with every multiple edge made single.
    pub fn simple(mut self) -> Self {
        for row in &mut self.edges {
            for count in row {
                *count = (*count).min(1);
            }
        }
        self
    }

    /// Neighbors of `v`.
    pub fn neighbors(&self, v: usize) -> Vertices {
        (0..self.len())
            .filter(|&u| self.edges[v][u] > 0)
            .fold(0, |set, u| set | (1 << u))
    }

    /// The connected components of what is left without `removed`, in the order of their first vertices.
    pub fn components_without(&self, removed: Vertices) -> Vec<Vertices> {
        let mut seen = removed;
        let mut components = Vec::new();
        for start in 0..self.len() {
            if seen & (1 << start) != 0 {
                continue;
            }
            let mut component: Vertices = 1 << start;
            loop {
                let reached = members(component).fold(component, |set, v| set | self.neighbors(v)) & !removed;
                if reached == component {
                    break;
                }
                component = reached;
            }
            seen |= component;
            components.push(component);
        }
        components
    }

    /// The subgraph of `terminals`, in their order, followed by `others`; edges among the terminals are left out.
    pub fn part(&self, terminals: &[usize], others: Vertices) -> Self {
        let order: Vec<usize> = terminals.iter().copied().chain(members(others)).collect();
        let mut part = Self::edgeless(order.len());
        for (i, &u) in order.iter().enumerate() {
            for (j, &v) in order.iter().enumerate().take(i) {
                if i >= terminals.len() {
                    part = part.with_edges(i, j, self.edges[u][v]);
                }
            }
        }
        part
    }

    /// The graph with vertices 0 and 1 exchanged.
    pub fn swapped(&self) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.swap(0, 1);
        self.relabeled(&order)
    }

    /// Vertex `order[i]` becomes vertex i.
    fn relabeled(&self, order: &[usize]) -> Self {
        let mut graph = Self::edgeless(self.len());
        for (i, &u) in order.iter().enumerate() {
            for (j, &v) in order.iter().enumerate() {
                graph.edges[i][j] = self.edges[u][v];
            }
        }
        graph
    }

    /// The representative of all graphs isomorphic to this one by a map that leaves vertices below `fixed` in place.
    ///
    /// Color refinement; where a color is left with several vertices, each in turn is made special and the search
    /// goes on; the greatest of the labelings found is the canonical one. Of vertices that may be exchanged with all
    /// else in place (the leaves of a star) one is enough.
    pub fn canonical(&self, fixed: usize) -> Self {
        let mut colors = [fixed as u8; MAX_VERTICES];
        for (v, color) in colors.iter_mut().enumerate().take(fixed) {
            *color = v as u8;
        }
        let mut best = None;
        self.search(colors, &mut best);
        // The search always ends in at least one labeling; without vertices there is nothing to label.
        best.unwrap_or(*self)
    }

    fn search(&self, mut colors: [u8; MAX_VERTICES], best: &mut Option<Self>) {
        self.refine(&mut colors);
        let class = |color: u8| (0..self.len()).filter(move |&v| colors[v] == color);
        let Some(color) = (0..self.len)
            .filter(|&color| class(color).count() > 1)
            .min_by_key(|&color| class(color).count())
        else {
            let mut order: Vec<usize> = (0..self.len()).collect();
            order.sort_by_key(|&v| colors[v]);
            let graph = self.relabeled(&order);
            if best.is_none_or(|best| graph > best) {
                *best = Some(graph);
            }
            return;
        };
        let mut tried: Vec<usize> = Vec::new();
        for v in class(color) {
            if tried.iter().any(|&u| self.are_twins(u, v)) {
                continue;
            }
            tried.push(v);
            // Colors are ranks times one; the others of the class move behind.
            let mut special = colors;
            for u in class(color).filter(|&u| u != v) {
                special[u] += 1;
            }
            self.search(special, best);
        }
    }

    /// Splits colors until vertices of one color have the same edges to each color; a color is the number of
    /// vertices of lesser color.
    fn refine(&self, colors: &mut [u8; MAX_VERTICES]) {
        loop {
            let keys: [(u8, u64); MAX_VERTICES] = std::array::from_fn(|v| {
                if v >= self.len() {
                    return (u8::MAX, 0);
                }
                let mut around: [u8; MAX_VERTICES] =
                    std::array::from_fn(|u| (colors[u] << 4 | self.edges[v][u]) * self.edges[v][u].min(1));
                around.sort_unstable();
                (colors[v], u64::from_be_bytes(around))
            });
            let ranks = std::array::from_fn(|v| keys.iter().filter(|&&key| key < keys[v]).count() as u8);
            if ranks == *colors {
                return;
            }
            *colors = ranks;
        }
    }

    /// Whether exchanging `u` and `v` alone leaves the graph as it is.
    fn are_twins(&self, u: usize, v: usize) -> bool {
        (0..self.len()).all(|w| w == u || w == v || self.edges[u][w] == self.edges[v][w])
    }
}

/// The members of a set, ascending.
pub(crate) fn members(set: Vertices) -> impl Iterator<Item = usize> {
    (0..MAX_VERTICES).filter(move |&v| set & (1 << v) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graphs() -> impl Strategy<Value = Multigraph> {
        proptest::collection::vec((0usize..7, 0usize..7), 0..8).prop_map(|pairs| {
            let edges: Vec<_> = pairs.into_iter().filter(|(u, v)| u != v).collect();
            Multigraph::from_edges(7, &edges)
        })
    }

    proptest! {
        #[test]
        fn the_canonical_form_forgets_the_labels(
            graph in graphs(),
            order in Just((2..7).collect::<Vec<usize>>()).prop_shuffle(),
            fixed in 0usize..3,
        ) {
            let order: Vec<usize> = [0, 1].into_iter().chain(order).collect();
            let canonical = graph.canonical(fixed);
            prop_assert_eq!(graph.relabeled(&order).canonical(fixed), canonical);
            prop_assert_eq!(canonical.canonical(fixed), canonical);
            prop_assert_eq!(canonical.degree(), graph.degree());
        }
    }

    #[test]
    fn graphs_that_refinement_cannot_tell_apart_are_told_apart() {
        // Every vertex has two neighbors in both: a hexagon, and two triangles.
        let hexagon = Multigraph::from_edges(6, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]);
        let triangles = Multigraph::from_edges(6, &[(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]);
        assert_ne!(hexagon.canonical(0), triangles.canonical(0));
        let other = Multigraph::from_edges(6, &[(0, 3), (3, 1), (1, 4), (4, 2), (2, 5), (5, 0)]);
        assert_eq!(hexagon.canonical(0), other.canonical(0));
    }

    #[test]
    fn terminals_stay_where_they_are() {
        let path = Multigraph::from_edges(3, &[(0, 2), (0, 2), (2, 1)]);
        assert_ne!(path.canonical(2), path.swapped().canonical(2));
        assert_eq!(path.canonical(1), path.canonical(2));
        assert_eq!(path.canonical(0), path.swapped().canonical(0));
        assert_eq!(path.components_without(1 << 2), [1, 2]);
        assert_eq!(path.part(&[0, 1], 1 << 2), path);
    }
}
