//! The axes of N = 1, 2, .. subjets, read off one clustering from its end, and the distances to them.

use super::DistancePlane;
use crate::ClusterHistory;
use std::f64::consts::TAU;

/// The constituents as weighted points, struct of arrays, `[n]` each.
#[derive(Debug, Clone, Default)]
pub(super) struct Points {
    /// Transverse momentum, GeV.
    pub weight: Vec<f64>,
    /// Rapidity or pseudorapidity.
    pub x: Vec<f64>,
    pub phi: Vec<f64>,
}

impl Points {
    pub fn fill(&mut self, history: &ClusterHistory, plane: DistancePlane) {
        self.weight.clear();
        self.x.clear();
        self.phi.clear();
        for node in 0..history.particle_count() {
            let [x, phi] = direction(history, node, plane);
            self.weight.push(history.momentum(node).pt2().sqrt());
            self.x.push(x);
            self.phi.push(phi);
        }
    }

    /// Squared distances of all points to one direction.
    pub fn distances2(&self, axis: [f64; 2], row: &mut [f64]) {
        for ((distance2, x), phi) in row.iter_mut().zip(&self.x).zip(&self.phi) {
            let dx = x - axis[0];
            let turn = (phi - axis[1]).abs();
            let back = TAU - turn;
            let dphi = if turn < back { turn } else { back };
            *distance2 = dx * dx + dphi * dphi;
        }
    }
}

/// A walk through a clustering from its end, which holds the axes of N = 1, 2, .. one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct AxisWalk {
    /// The nodes that are the axes now, their directions, and the squared distances of all points to each: `[N]`,
    /// `[N]`, `[N, n]`.
    nodes: Vec<usize>,
    pub directions: Vec<[f64; 2]>,
    distance2: Vec<f64>,
}

impl AxisWalk {
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.directions.clear();
    }

    /// From N - 1 axes to `n`: takes back the `n`-th step from the end.
    pub fn undo_step(
        &mut self,
        n: usize,
        history: &ClusterHistory,
        points: &Points,
        plane: DistancePlane,
        to_winner: bool,
    ) {
        let count = history.particle_count();
        let step = history.steps()[count - n];
        self.nodes.push(step.first);
        self.directions.push([0.0; 2]);
        self.distance2.resize(self.distance2.len().max(n * count), 0.0);
        let mut changed = [n - 1, n - 1];
        if let (Some(second), Some(merged)) = (step.second, step.merged) {
            // What was merged at this step was taken apart at none before: it is among the axes.
            if let Some(slot) = self.nodes.iter().position(|&node| node == merged) {
                self.nodes[slot] = second;
                changed[0] = slot;
            }
        }
        let fresh = if changed[0] == changed[1] {
            &changed[1..]
        } else {
            &changed[..]
        };
        for &slot in fresh {
            let mut node = self.nodes[slot];
            while to_winner && let Some([harder, _]) = history.children_by_pt(node) {
                node = harder;
            }
            // A lone constituent lies on its axis exactly, not up to rounding, which small powers would blow up.
            let axis = direction(history, node, plane);
            self.directions[slot] = axis;
            points.distances2(axis, &mut self.distance2[slot * count..(slot + 1) * count]);
        }
    }

    /// Squared distance of each point to the nearest axis.
    pub fn nearest(&self, nearest2: &mut [f64]) {
        let count = nearest2.len();
        let mut rows = self.distance2.chunks_exact(count).take(self.nodes.len());
        if let Some(first) = rows.next() {
            nearest2.copy_from_slice(first);
        }
        for row in rows {
            for (nearest, &distance2) in nearest2.iter_mut().zip(row) {
                *nearest = if distance2 < *nearest { distance2 } else { *nearest };
            }
        }
    }
}

fn direction(history: &ClusterHistory, node: usize, plane: DistancePlane) -> [f64; 2] {
    let [y, phi] = history.direction(node);
    match plane {
        DistancePlane::Rapidity => [y, phi],
        DistancePlane::Pseudorapidity => [history.momentum(node).eta(), phi],
    }
}
