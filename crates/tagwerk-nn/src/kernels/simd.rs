//! Run-time choice of the vector instructions, once a kernel call.

/// Runs `f` compiled for the widest vector instructions of this machine (AVX-512, AVX2, or the baseline).
///
/// `f` and what it calls must be marked `#[inline(always)]` to be compiled along; anything else is merely called.
#[inline]
pub fn dispatch<R>(f: impl FnOnce() -> R) -> R {
    struct Op<F>(F);
    impl<R, F: FnOnce() -> R> pulp::WithSimd for Op<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Op(f))
}

/// `max(v, 0)`, but NaN for NaN: `f32::max` would turn a network that has diverged into one that looks healthy.
#[inline(always)]
pub fn relu(v: f32) -> f32 {
    if v < 0.0 { 0.0 } else { v }
}

/// Runs `$body` over `0..$channels` in blocks of 32, 4 and 1 channels: in it `$at` is the first channel and the constant
/// `$width` their number, so that sums over rows stay in registers.
macro_rules! channel_blocks {
    ($channels:expr, |$at:ident, $width:ident| $body:expr) => {{
        let channels: usize = $channels;
        let mut $at = 0;
        while $at + 32 <= channels {
            const $width: usize = 32;
            $body;
            $at += $width;
        }
        while $at + 4 <= channels {
            const $width: usize = 4;
            $body;
            $at += $width;
        }
        while $at < channels {
            const $width: usize = 1;
            $body;
            $at += $width;
        }
    }};
}
pub(super) use channel_blocks;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relu_keeps_what_is_no_number() {
        assert!(relu(f32::NAN).is_nan());
        assert_eq!((relu(-1.0), relu(2.0)), (0.0, 2.0));
    }
}
