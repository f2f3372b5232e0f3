//! The pseudojets still in play during a clustering, each with its nearest neighbor.
//!
//! Struct of arrays, kept dense: a removed slot is filled with the last one. Distances to one pseudojet are computed for
//! all others into a row first (a loop without branches, which the compiler turns into vector
//! instructions) and compared afterwards. All memory is reused; nothing is allocated after the first large jet.

use std::f64::consts::TAU;

/// Marks a pseudojet with no other within the radius: its partner is the beam.
pub(crate) const NO_NEIGHBOR: u64 = u64::MAX;

/// What the set knows about a pseudojet that enters it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub y: f64,
    /// In (-pi, pi].
    pub phi: f64,
    /// pT^2p.
    pub scale: f64,
    pub node: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct ActiveSet {
    radius2: f64,
    inverse_radius2: f64,
    y: Vec<f64>,
    phi: Vec<f64>,
    scale: Vec<f64>,
    node: Vec<u32>,
    /// Slot of the nearest other pseudojet within the radius; as wide as the distances, to be compared beside them.
    neighbor: Vec<u64>,
    /// Squared distance to it; the squared radius where there is none.
    separation2: Vec<f64>,
    /// Clustering distance to neighbor or beam, times the squared radius.
    distance: Vec<f64>,
    /// Squared distances of the newest pseudojet to all.
    row: Vec<f64>,
    /// The same for one that searches a new neighbor.
    search: Vec<f64>,
    /// Slots whose neighbor was just taken away: the first `orphan_count`.
    orphans: Vec<u32>,
    orphan_count: usize,
}

impl ActiveSet {
    pub fn new(radius2: f64) -> Self {
        Self {
            radius2,
            inverse_radius2: 1.0 / radius2,
            y: Vec::new(),
            phi: Vec::new(),
            scale: Vec::new(),
            node: Vec::new(),
            neighbor: Vec::new(),
            separation2: Vec::new(),
            distance: Vec::new(),
            row: Vec::new(),
            search: Vec::new(),
            orphans: Vec::new(),
            orphan_count: 0,
        }
    }

    pub fn inverse_radius2(&self) -> f64 {
        self.inverse_radius2
    }

    pub fn node(&self, slot: usize) -> usize {
        self.node[slot] as usize
    }

    pub fn neighbor(&self, slot: usize) -> u64 {
        self.neighbor[slot]
    }

    /// Rapidity and azimuth of a slot.
    pub fn direction(&self, slot: usize) -> (f64, f64) {
        (self.y[slot], self.phi[slot])
    }

    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Adds a pseudojet; its neighbor is found by [`find_all_neighbors`](Self::find_all_neighbors).
    pub fn push(&mut self, member: Member) {
        self.y.push(member.y);
        self.phi.push(member.phi);
        self.scale.push(member.scale);
        self.node.push(member.node);
        self.neighbor.push(NO_NEIGHBOR);
        self.separation2.push(self.radius2);
        self.distance.push(0.0);
    }

    /// Finds everyone's nearest neighbor.
    pub fn find_all_neighbors(&mut self) {
        let count = self.y.len();
        self.row.clear();
        self.row.resize(count, 0.0);
        self.search.clear();
        self.search.resize(count, 0.0);
        self.orphans.clear();
        self.orphans.resize(count, 0);
        for i in 1..count {
            let (y, phi) = (self.y[i], self.phi[i]);
            fill_row(y, phi, &self.y[..i], &self.phi[..i], &mut self.row[..i]);
            let others = self.row[..i].iter().zip(&mut self.separation2).zip(&mut self.neighbor);
            for ((&separation2, theirs), their_neighbor) in others {
                let closer = separation2 < *theirs;
                *theirs = if closer { separation2 } else { *theirs };
                *their_neighbor = if closer { i as u64 } else { *their_neighbor };
            }
            (self.neighbor[i], self.separation2[i]) = nearest_below(&self.row[..i], self.radius2);
        }
        for slot in 0..count {
            self.update_distance(slot);
        }
    }

    /// The slot of the smallest clustering distance, and that distance times the squared radius.
    pub fn closest(&self) -> Option<(usize, f64)> {
        argmin(&self.distance)
    }

    /// Takes a pseudojet out.
    pub fn remove(&mut self, slot: usize) {
        let last = self.y.len() - 1;
        self.move_slot(last, slot);
        self.truncate(last);
        self.relabel(slot as u64, slot as u64, last as u64);
        self.adopt_orphans();
    }

    /// Replaces two pseudojets by one.
    pub fn merge(&mut self, a: usize, b: usize, member: Member) {
        // The lower slot takes the new one, the higher is filled from the end: the new one never moves.
        let (keep, gone) = if a < b { (a, b) } else { (b, a) };
        let last = self.y.len() - 1;
        self.move_slot(last, gone);
        self.truncate(last);
        self.y[keep] = member.y;
        self.phi[keep] = member.phi;
        self.scale[keep] = member.scale;
        self.node[keep] = member.node;

        fill_row(member.y, member.phi, &self.y, &self.phi, &mut self.row[..last]);
        self.row[keep] = f64::INFINITY;
        self.relabel(keep as u64, gone as u64, last as u64);
        // Whoever is closer to the new one than to its neighbor changes over: selections, not branches, because no
        // processor can guess them. The new one itself, at an infinite distance in the row, does not.
        let theirs = self
            .separation2
            .iter_mut()
            .zip(&mut self.neighbor)
            .zip(&mut self.distance);
        for (((separation2, neighbor), distance), (&new, &scale)) in theirs.zip(self.row.iter().zip(&self.scale)) {
            let closer = new < *separation2;
            let lower_scale = if scale < member.scale { scale } else { member.scale };
            *separation2 = if closer { new } else { *separation2 };
            *neighbor = if closer { keep as u64 } else { *neighbor };
            *distance = if closer { lower_scale * new } else { *distance };
        }
        self.adopt_orphans();
        (self.neighbor[keep], self.separation2[keep]) = nearest_below(&self.row[..last], self.radius2);
        self.update_distance(keep);
    }

    /// After removals: lists as orphans those whose neighbor was `a` or `b`, and renames the neighbor `moved`, which now
    /// lives in slot `b`.
    fn relabel(&mut self, a: u64, b: u64, moved: u64) {
        let mut count = 0;
        for (k, neighbor) in (0u32..).zip(&mut self.neighbor) {
            let orphan = *neighbor == a || *neighbor == b;
            self.orphans[count] = k;
            count += usize::from(orphan);
            *neighbor = if *neighbor == moved { b } else { *neighbor };
        }
        self.orphan_count = count;
    }

    /// Finds new neighbors for those that lost theirs.
    fn adopt_orphans(&mut self) {
        for i in 0..self.orphan_count {
            self.find_neighbor(self.orphans[i] as usize);
        }
    }

    /// Searches the neighbor of one pseudojet among all.
    fn find_neighbor(&mut self, slot: usize) {
        let count = self.y.len();
        fill_row(
            self.y[slot],
            self.phi[slot],
            &self.y,
            &self.phi,
            &mut self.search[..count],
        );
        self.search[slot] = f64::INFINITY;
        (self.neighbor[slot], self.separation2[slot]) = nearest_below(&self.search[..count], self.radius2);
        self.update_distance(slot);
    }

    fn update_distance(&mut self, slot: usize) {
        let own = self.scale[slot];
        let scale = match self.neighbor[slot] {
            NO_NEIGHBOR => own,
            neighbor => own.min(self.scale[neighbor as usize]),
        };
        self.distance[slot] = scale * self.separation2[slot];
    }

    fn move_slot(&mut self, from: usize, to: usize) {
        self.y[to] = self.y[from];
        self.phi[to] = self.phi[from];
        self.scale[to] = self.scale[from];
        self.node[to] = self.node[from];
        self.neighbor[to] = self.neighbor[from];
        self.separation2[to] = self.separation2[from];
        self.distance[to] = self.distance[from];
    }

    fn truncate(&mut self, count: usize) {
        self.y.truncate(count);
        self.phi.truncate(count);
        self.scale.truncate(count);
        self.node.truncate(count);
        self.neighbor.truncate(count);
        self.separation2.truncate(count);
        self.distance.truncate(count);
    }
}

/// The slot of the smallest entry below `limit`, and that entry; else no neighbor and the limit.
#[inline]
fn nearest_below(row: &[f64], limit: f64) -> (u64, f64) {
    match argmin(row) {
        Some((slot, separation2)) if separation2 < limit => (slot as u64, separation2),
        _ => (NO_NEIGHBOR, limit),
    }
}

/// Squared (rapidity, azimuth) distances of one direction to many; azimuths in (-pi, pi].
#[inline]
fn fill_row(y: f64, phi: f64, ys: &[f64], phis: &[f64], row: &mut [f64]) {
    for ((distance2, other_y), other_phi) in row.iter_mut().zip(ys).zip(phis) {
        let dy = y - other_y;
        let turn = (phi - other_phi).abs();
        let back = TAU - turn;
        let dphi = if turn < back { turn } else { back };
        *distance2 = dy * dy + dphi * dphi;
    }
}

/// Place and value of the smallest entry, the first of equal ones; `None` for no entries. No entry may be NaN.
#[inline]
fn argmin(values: &[f64]) -> Option<(usize, f64)> {
    // Four independent minima let the comparison run in vector registers; the place is looked up after.
    const LANES: usize = 4;
    let mut minima = [f64::INFINITY; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (minimum, &value) in minima.iter_mut().zip(chunk) {
            *minimum = if value < *minimum { value } else { *minimum };
        }
    }
    let mut smallest = f64::INFINITY;
    for &value in minima.iter().chain(chunks.remainder()) {
        smallest = if value < smallest { value } else { smallest };
    }
    values
        .iter()
        .position(|&value| value == smallest)
        .map(|place| (place, smallest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argmin_names_the_first_smallest_at_every_length() {
        assert_eq!(argmin(&[]), None);
        for length in 1..20 {
            for place in 0..length {
                let mut values = vec![3.0_f64; length];
                values[place] = 1.0;
                values[length - 1] = values[length - 1].min(1.0);
                assert_eq!(argmin(&values), Some((place, 1.0)));
            }
        }
        assert_eq!(argmin(&[f64::INFINITY]), Some((0, f64::INFINITY)));
    }

    #[test]
    fn cached_neighbors_are_those_of_an_exhaustive_search() {
        // A fixed scatter on both sides of the seam at phi = pi.
        let mut set = ActiveSet::new(0.36);
        for i in 0..40u32 {
            let angle = f64::from(i) * 2.399_963;
            let member = Member {
                y: f64::from(i % 7) * 0.21 - 0.6,
                phi: crate::wrap_phi(angle),
                scale: 1.0 + f64::from(i * i % 11),
                node: i,
            };
            set.push(member);
        }
        set.find_all_neighbors();
        for round in 0..30u32 {
            let (slot, _) = set.closest().unwrap();
            match set.neighbor(slot) {
                NO_NEIGHBOR => set.remove(slot),
                other => {
                    let (y, phi) = set.direction(slot);
                    set.merge(
                        slot,
                        other as usize,
                        Member {
                            y: y + 0.05,
                            phi,
                            scale: 2.0,
                            node: 40 + round,
                        },
                    );
                }
            }
            for k in 0..set.y.len() {
                let cached = (set.neighbor[k], set.separation2[k], set.distance[k]);
                set.find_neighbor(k);
                assert_eq!(
                    cached,
                    (set.neighbor[k], set.separation2[k], set.distance[k]),
                    "round {round}, slot {k}"
                );
            }
        }
    }
}
