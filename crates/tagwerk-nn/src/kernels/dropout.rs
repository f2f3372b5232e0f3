//! Dropout inside a kernel: which values are dropped is a function of a key and of their place.
//!
//! Srivastava et al., JMLR 15 (2014) 1929. Nothing is stored: the backward pass asks again. A transformer drops some
//! thousand values a row, too many to draw from a cipher one by one; the key comes from the addressed stream of the
//! training step, and place and key are mixed by a 32-bit hash, so that any tile on any thread gets the same answer.

/// One dropout of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    key: [u32; 2],
    /// Hashes below it are dropped.
    threshold: u32,
}

impl Drop {
    /// Drops each value with probability `rate`, in `[0, 1)`, to a resolution of 2^-32.
    pub fn new(rate: f64, key: [u32; 2]) -> Self {
        Self {
            key,
            threshold: (rate * 4_294_967_296.0) as u32,
        }
    }

    /// What a value that stays is multiplied with: 1 over the probability to stay.
    #[inline(always)]
    pub fn kept(self) -> f32 {
        (1.0 / (1.0 - f64::from(self.threshold) / 4_294_967_296.0)) as f32
    }

    /// 0 or `kept`, for the value at `place`.
    #[inline(always)]
    pub fn factor(self, place: u32, kept: f32) -> f32 {
        if mix(place, self.key) < self.threshold {
            0.0
        } else {
            kept
        }
    }

    /// Drops from `values`, the first of which is at `place`; what is no number stays visible.
    #[inline(always)]
    pub fn apply(self, values: &mut [f32], place: usize) {
        let kept = self.kept();
        for (i, v) in values.iter_mut().enumerate() {
            *v *= self.factor((place + i) as u32, kept);
        }
    }
}

/// The finalizer of MurmurHash3, twice, with a key before each: one alone would turn a key into a shift of its hashes.
#[inline(always)]
fn mix(place: u32, key: [u32; 2]) -> u32 {
    finalize(finalize(place ^ key[0]) ^ key[1])
}

#[inline(always)]
fn finalize(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dropped_share_is_the_rate_and_places_and_keys_are_independent() {
        const N: u32 = 1 << 20;
        let dropped = |key: [u32; 2], place: u32| Drop::new(0.1, key).factor(place, 1.0) == 0.0;
        let share = |f: &dyn Fn(u32) -> bool| (0..N).filter(|&i| f(i)).count() as f64 / f64::from(N);
        // Six standard deviations of a binomial share.
        let near = |found: f64, p: f64| (found - p).abs() < 6.0 * (p * (1.0 - p) / f64::from(N)).sqrt();
        for key in [[0, 0], [1, 0], [0, 1], [0x1234_5678, 0x9abc_def0]] {
            assert!(near(share(&|i| dropped(key, i)), 0.1), "{key:?}");
            // Neighbors, places a row apart, and the same place under keys that differ by one bit.
            for step in [1, 2, 128, 512] {
                let both = share(&|i| dropped(key, i) && dropped(key, i + step));
                assert!(near(both, 0.01), "{key:?} {step} {both}");
            }
            for other in [[key[0] ^ 1, key[1]], [key[0], key[1] ^ 1]] {
                let both = share(&|i| dropped(key, i) && dropped(other, i));
                assert!(near(both, 0.01), "{key:?} {other:?} {both}");
            }
        }
    }

    #[test]
    fn the_mean_is_kept_and_a_rate_of_zero_drops_nothing() {
        let drop = Drop::new(0.25, [3, 4]);
        assert!((drop.kept() - 4.0 / 3.0).abs() < 1e-6);
        assert!((0..1000).all(|i| Drop::new(0.0, [3, 4]).factor(i, 1.0) == 1.0));
    }
}
