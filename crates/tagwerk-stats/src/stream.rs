//! Random numbers addressed by (seed, purpose, index).
//!
//! A replica's draws depend on its address only, never on which thread computed it or on what was drawn before.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// The generator of one address.
pub(crate) fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    // FNV-1a keeps the purposes apart; ChaCha itself mixes the 256-bit key.
    let purpose = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

/// Uniform integer in `0..n` without bias (Lemire, arXiv:1805.10941). `n` must not be 0.
#[inline]
pub(crate) fn below(rng: &mut impl Rng, n: u32) -> u32 {
    let mut product = u64::from(rng.next_u32()) * u64::from(n);
    if (product as u32) < n {
        let reject = n.wrapping_neg() % n;
        while (product as u32) < reject {
            product = u64::from(rng.next_u32()) * u64::from(n);
        }
    }
    (product >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_index_and_repeat() {
        let first = |seed, purpose, index| stream(seed, purpose, index).next_u64();
        let reference = first(1, "bootstrap", 0);
        assert_eq!(reference, first(1, "bootstrap", 0));
        for other in [first(2, "bootstrap", 0), first(1, "toys", 0), first(1, "bootstrap", 1)] {
            assert_ne!(reference, other);
        }
    }

    #[test]
    fn integers_below_n_are_uniform() {
        let mut rng = stream(3, "uniform", 0);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[below(&mut rng, 7) as usize] += 1;
        }
        // Each count is 10,000 +- 93; 5 sigma.
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 465), "{counts:?}");
    }
}
