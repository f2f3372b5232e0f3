//! The smallest of many values and its place, with vector instructions.

use pulp::Simd;

/// The smallest of many values, a register at a time.
pub(super) struct Smallest<S: Simd> {
    value: S::f64s,
    slot: S::f64s,
}

impl<S: Simd> Smallest<S> {
    /// Nothing yet; only values below `limit` are taken.
    #[inline(always)]
    pub fn below(simd: S, limit: f64) -> Self {
        Self {
            value: simd.splat_f64s(limit),
            slot: simd.splat_f64s(0.0),
        }
    }

    #[inline(always)]
    pub fn take(&mut self, simd: S, values: S::f64s, slots: S::f64s) {
        let smaller = simd.less_than_f64s(values, self.value);
        self.value = simd.select_f64s(smaller, values, self.value);
        self.slot = simd.select_f64s(smaller, slots, self.slot);
    }

    /// Slot and value; the first slot of equal values.
    #[inline(always)]
    pub fn reduce(&self, simd: S) -> (usize, f64) {
        let value = simd.reduce_min_f64s(self.value);
        let equal = simd.equal_f64s(self.value, simd.splat_f64s(value));
        let slot = simd.reduce_min_f64s(simd.select_f64s(equal, self.slot, simd.splat_f64s(f64::MAX)));
        (slot as usize, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::active_set::{LANE, LANES};
    use pulp::{Arch, WithSimd};

    #[test]
    fn of_equal_distances_the_first_slot_is_taken() {
        struct Equal(Vec<f64>);
        impl WithSimd for Equal {
            type Output = (usize, f64);
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) -> (usize, f64) {
                let mut smallest = Smallest::below(simd, 9.0);
                let lanes = S::as_simd_f64s(&LANE.y).0;
                for (first, values) in (0..).step_by(LANES).zip(self.0.as_chunks::<LANES>().0) {
                    for (values, lanes) in S::as_simd_f64s(values).0.iter().zip(lanes) {
                        smallest.take(simd, *values, simd.add_f64s(*lanes, simd.splat_f64s(f64::from(first))));
                    }
                }
                smallest.reduce(simd)
            }
        }
        for places in [vec![3], vec![5, 3], vec![17, 2, 9], vec![15, 8], vec![23]] {
            let mut values = vec![4.0; 24];
            places.iter().for_each(|&place| values[place] = 1.0);
            let expected = (*places.iter().min().unwrap(), 1.0);
            assert_eq!(Arch::new().dispatch(Equal(values.clone())), expected);
            assert_eq!(Arch::Scalar.dispatch(Equal(values)), expected);
        }
    }
}
