//! The pseudojets still in play during a clustering, each with its nearest neighbor.
//!
//! **One pass a step.** All that a clustering asks of the set is answered by one walk over it, [`ActiveSet::meet`]: a
//! pseudojet is compared with all others, those to which it is closer than their neighbor change over, its own nearest
//! is found, and with it the smallest clustering distance of the set. N particles that enter one by one, and the
//! pseudojet of each merge, make N^2 distances and no more, but for those below.
//!
//! **Neighbors are looked up late.** Who loses its neighbor keeps the distance to it. Nobody left can be nearer, so
//! that distance is too small rather than too large, and is put right only if it comes out as the smallest of all. Most
//! pseudojets are merged, or met by a nearer one, before.
//!
//! **Own scale only.** The distance kept is that with the pseudojet's own pT^2p, not the smaller one of the pair. The
//! smallest of all is the same, because the partner of smaller pT^2p keeps it too, and nothing needs to be known of the
//! neighbor.
//!
//! Slots are kept dense, a removed one is filled with the last, in blocks of whole vector registers; equal distances
//! are decided by the slot, so that the bits do not depend on the width of the registers.

mod smallest;

use pulp::Simd;
use smallest::Smallest;
use std::f64::consts::TAU;

/// Pseudojets a block: whole registers on every machine.
const LANES: usize = 8;

/// The neighbor of a pseudojet with no other within the radius. Nodes are counted in f64 here, to be handled beside
/// distances.
const BEAM: f64 = -1.0;

/// The slot of a node that is not in play.
const GONE: u32 = u32::MAX;

/// What the set knows about a pseudojet that enters it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub y: f64,
    /// In (-pi, pi].
    pub phi: f64,
    /// pT^2p.
    pub scale: f64,
}

/// The step of smallest distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Closest {
    pub node: usize,
    /// `None` for the beam.
    pub neighbor: Option<usize>,
    /// Times the squared radius.
    pub distance: f64,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Block {
    y: [f64; LANES],
    phi: [f64; LANES],
    scale: [f64; LANES],
    /// Squared distance to the nearest neighbor, when it was there; the squared radius where there is none.
    separation2: [f64; LANES],
    /// Node of that neighbor.
    neighbor: [f64; LANES],
}

/// An empty slot: at an infinite distance from all, and closer to none.
const EMPTY: Block = Block {
    y: [f64::INFINITY; LANES],
    phi: [0.0; LANES],
    scale: [1.0; LANES],
    separation2: [f64::INFINITY; LANES],
    neighbor: [BEAM; LANES],
};

const LANE: Block = Block {
    y: [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    ..EMPTY
};

/// Pseudojets in play. They are known by their number as nodes, in the order in which they came.
#[derive(Debug, Clone)]
pub(crate) struct ActiveSet {
    radius2: f64,
    /// The first `count` slots are taken, the others of the last block are empty.
    blocks: Vec<Block>,
    count: usize,
    /// Node of each slot.
    node: Vec<u32>,
    /// Slot of each node.
    slot: Vec<u32>,
    /// Slot of smallest distance, and that distance, after the last change but an insertion.
    least: (usize, f64),
}

impl ActiveSet {
    pub fn new(radius2: f64) -> Self {
        Self {
            radius2,
            blocks: Vec::new(),
            count: 0,
            node: Vec::new(),
            slot: Vec::new(),
            least: (0, f64::INFINITY),
        }
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.node.clear();
        self.slot.clear();
        self.count = 0;
    }

    /// Fills an empty set.
    #[inline(always)]
    pub fn fill<S: Simd>(&mut self, simd: S, members: impl Iterator<Item = Member>) {
        self.clear();
        for member in members {
            let slot = self.new_slot();
            let (nearest, _) = self.meet(simd, f64::from(self.node[slot]), &member);
            self.place(slot, &member, nearest.reduce(simd));
        }
        self.least = self.smallest(simd);
    }

    /// The step of smallest distance; `None` if nothing is left.
    #[inline(always)]
    pub fn closest<S: Simd>(&mut self, simd: S) -> Option<Closest> {
        if self.count == 0 {
            return None;
        }
        loop {
            let (slot, distance) = self.least;
            let (block, lane) = (&mut self.blocks[slot / LANES], slot % LANES);
            let (node, neighbor) = (self.node[slot] as usize, block.neighbor[lane]);
            let alone = neighbor == BEAM;
            if alone || self.slot[neighbor as usize] != GONE {
                return Some(Closest {
                    node,
                    neighbor: (!alone).then_some(neighbor as usize),
                    distance,
                });
            }
            // Its neighbor is gone: it steps out, and in again.
            let member = Member {
                y: block.y[lane],
                phi: block.phi[lane],
                scale: block.scale[lane],
            };
            vacate(block, lane);
            self.enter(simd, slot, &member);
        }
    }

    /// Takes a pseudojet out.
    #[inline(always)]
    pub fn remove<S: Simd>(&mut self, simd: S, node: usize) {
        self.release(node);
        self.least = self.smallest(simd);
    }

    /// Replaces two pseudojets by one.
    #[inline(always)]
    pub fn merge<S: Simd>(&mut self, simd: S, nodes: [usize; 2], member: Member) {
        for node in nodes {
            self.release(node);
        }
        let slot = self.new_slot();
        self.enter(simd, slot, &member);
    }

    /// An empty slot for the next node.
    #[inline(always)]
    fn new_slot(&mut self) -> usize {
        let slot = self.count;
        if slot == self.blocks.len() * LANES {
            self.blocks.push(EMPTY);
            self.node.resize(slot + LANES, 0);
        }
        self.count += 1;
        // A history counts its nodes in u32.
        self.node[slot] = self.slot.len() as u32;
        self.slot.push(slot as u32);
        slot
    }

    /// Puts a pseudojet into an empty slot, and finds the smallest distance of all.
    #[inline(always)]
    fn enter<S: Simd>(&mut self, simd: S, slot: usize, member: &Member) {
        let (nearest, others) = self.meet(simd, f64::from(self.node[slot]), member);
        let others = others.reduce(simd);
        let distance = self.place(slot, member, nearest.reduce(simd));
        let closer = distance < others.1 || (distance == others.1 && slot < others.0);
        self.least = if closer { (slot, distance) } else { others };
    }

    /// Writes a pseudojet into an empty slot, with slot and squared distance of the one nearest to it; returns its
    /// clustering distance.
    #[inline(always)]
    fn place(&mut self, slot: usize, member: &Member, (nearest, separation2): (usize, f64)) -> f64 {
        let alone = separation2 >= self.radius2;
        let (block, lane) = (&mut self.blocks[slot / LANES], slot % LANES);
        block.y[lane] = member.y;
        block.phi[lane] = member.phi;
        block.scale[lane] = member.scale;
        block.separation2[lane] = separation2;
        block.neighbor[lane] = if alone { BEAM } else { f64::from(self.node[nearest]) };
        member.scale * separation2
    }

    /// Makes a node known to all in the set. Returns the squared distance to the one nearest to it, the
    /// squared radius where none is nearer, and the smallest clustering distance, its own not counted.
    #[inline(always)]
    fn meet<S: Simd>(&mut self, simd: S, node: f64, member: &Member) -> (Smallest<S>, Smallest<S>) {
        let (y, phi, tau) = (
            simd.splat_f64s(member.y),
            simd.splat_f64s(member.phi),
            simd.splat_f64s(TAU),
        );
        let node = simd.splat_f64s(node);
        let (lanes, _) = S::as_simd_f64s(&LANE.y);
        let mut nearest = Smallest::below(simd, self.radius2);
        let mut least = Smallest::below(simd, f64::INFINITY);
        for (first, block) in (0..).step_by(LANES).zip(&mut self.blocks) {
            let first = simd.splat_f64s(f64::from(first));
            let ((ys, _), (phis, _)) = (S::as_simd_f64s(&block.y), S::as_simd_f64s(&block.phi));
            let (scales, _) = S::as_simd_f64s(&block.scale);
            let (separations2, _) = S::as_mut_simd_f64s(&mut block.separation2);
            let (neighbors, _) = S::as_mut_simd_f64s(&mut block.neighbor);
            for i in 0..LANES / S::F64_LANES {
                let dy = simd.sub_f64s(y, ys[i]);
                let turn = simd.abs_f64s(simd.sub_f64s(phi, phis[i]));
                let dphi = simd.min_f64s(turn, simd.sub_f64s(tau, turn));
                // Not fused: the same bits on every machine.
                let new = simd.add_f64s(simd.mul_f64s(dy, dy), simd.mul_f64s(dphi, dphi));
                let closer = simd.less_than_f64s(new, separations2[i]);
                separations2[i] = simd.select_f64s(closer, new, separations2[i]);
                neighbors[i] = simd.select_f64s(closer, node, neighbors[i]);
                let slots = simd.add_f64s(first, lanes[i]);
                nearest.take(simd, new, slots);
                least.take(simd, simd.mul_f64s(scales[i], separations2[i]), slots);
            }
        }
        (nearest, least)
    }

    /// Slot and value of the smallest clustering distance.
    #[inline(always)]
    fn smallest<S: Simd>(&self, simd: S) -> (usize, f64) {
        let (lanes, _) = S::as_simd_f64s(&LANE.y);
        let mut least = Smallest::below(simd, f64::INFINITY);
        for (first, block) in (0..).step_by(LANES).zip(&self.blocks) {
            let first = simd.splat_f64s(f64::from(first));
            let (scales, _) = S::as_simd_f64s(&block.scale);
            let (separations2, _) = S::as_simd_f64s(&block.separation2);
            for i in 0..LANES / S::F64_LANES {
                let slots = simd.add_f64s(first, lanes[i]);
                least.take(simd, simd.mul_f64s(scales[i], separations2[i]), slots);
            }
        }
        least.reduce(simd)
    }

    /// Empties the slot of a node and fills it with the last.
    #[inline(always)]
    fn release(&mut self, node: usize) {
        let slot = std::mem::replace(&mut self.slot[node], GONE) as usize;
        self.count -= 1;
        let last = self.count;
        if slot != last {
            let (from, lane) = (self.blocks[last / LANES], last % LANES);
            let (to, into) = (&mut self.blocks[slot / LANES], slot % LANES);
            to.y[into] = from.y[lane];
            to.phi[into] = from.phi[lane];
            to.scale[into] = from.scale[lane];
            to.separation2[into] = from.separation2[lane];
            to.neighbor[into] = from.neighbor[lane];
            let moved = self.node[last];
            self.node[slot] = moved;
            self.slot[moved as usize] = slot as u32;
        }
        if last.is_multiple_of(LANES) {
            self.blocks.truncate(last / LANES);
        } else {
            vacate(&mut self.blocks[last / LANES], last % LANES);
        }
    }
}

fn vacate(block: &mut Block, lane: usize) {
    block.y[lane] = f64::INFINITY;
    block.separation2[lane] = f64::INFINITY;
    block.scale[lane] = 1.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    /// A fixed scatter on both sides of the seam at phi = pi.
    fn scatter(count: usize) -> Vec<Member> {
        (0..count)
            .map(|node| Member {
                y: (node % 7) as f64 * 0.21 - 0.6,
                phi: crate::wrap_phi(node as f64 * 2.399_963),
                scale: 1.0 + (node * node % 11) as f64,
            })
            .collect()
    }

    /// Steps by the definition: all pairs, every time.
    fn exhaustive(members: &[(usize, Member)], radius2: f64) -> f64 {
        let mut smallest = f64::INFINITY;
        for (i, (_, a)) in members.iter().enumerate() {
            smallest = smallest.min(a.scale * radius2);
            for (_, b) in &members[..i] {
                let turn = (a.phi - b.phi).abs();
                let (dy, dphi) = (a.y - b.y, turn.min(TAU - turn));
                let separation2 = dy * dy + dphi * dphi;
                if separation2 < radius2 {
                    smallest = smallest.min(a.scale.min(b.scale) * separation2);
                }
            }
        }
        smallest
    }

    /// Clusters the scatter, checking each step, and returns all of them.
    struct Run(usize);

    impl WithSimd for Run {
        type Output = Vec<Closest>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<Closest> {
            let mut set = ActiveSet::new(0.36);
            set.fill(simd, scatter(self.0).into_iter());
            let mut members: Vec<(usize, Member)> = scatter(self.0).into_iter().enumerate().collect();
            let mut next = members.len();
            let mut steps = Vec::new();
            while let Some(step) = set.closest(simd) {
                assert_eq!(step.distance, exhaustive(&members, 0.36), "{} left", members.len());
                let place = set.slot[step.node] as usize;
                let block = &set.blocks[place / LANES];
                let (y, phi) = (block.y[place % LANES], block.phi[place % LANES]);
                members.retain(|&(node, _)| node != step.node && Some(node) != step.neighbor);
                match step.neighbor {
                    None => set.remove(simd, step.node),
                    Some(neighbor) => {
                        let member = Member {
                            y: y + 0.05,
                            phi,
                            scale: 2.0,
                        };
                        set.merge(simd, [step.node, neighbor], member);
                        members.push((next, member));
                        next += 1;
                    }
                }
                assert_eq!(set.count, members.len());
                steps.push(step);
            }
            assert!(members.is_empty() && set.blocks.is_empty());
            steps
        }
    }

    #[test]
    fn every_step_is_the_smallest_of_an_exhaustive_search_at_every_size() {
        for count in (0..20).chain([31, 32, 33, 40, 100]) {
            assert_eq!(Arch::new().dispatch(Run(count)).len(), count);
        }
    }

    #[test]
    fn steps_do_not_depend_on_the_width_of_registers() {
        let widest = Arch::new().dispatch(Run(60));
        assert_eq!(Arch::Scalar.dispatch(Run(60)), widest);
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = pulp::x86::V3::try_new() {
            assert_eq!(Arch::V3(v3).dispatch(Run(60)), widest);
        }
    }
}
