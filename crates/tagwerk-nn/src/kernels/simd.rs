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
