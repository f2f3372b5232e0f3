//! The Lorentz layer, and products of pairs.

use super::{agree, assert_near, matrix, vector, with_gradients};
use tagwerk_nn::Tensor;
use tagwerk_nn::kernels::workspace::Workspace;
use tagwerk_nn::ops::{self, LorentzSpec, plain};

/// Fewer vectors than a register holds, as many, and more; batches of one tile and of several; with null vectors, as
/// padding is.
#[test]
fn a_lorentz_layer_agrees_with_plain_ops() {
    for (jets, vectors, learned_metric) in [
        (1, 1, false),
        (3, 5, true),
        (17, 16, true),
        (40, 37, false),
        (40, 37, true),
    ] {
        let spec = LorentzSpec {
            vectors,
            learned_metric,
        };
        let padding = matrix(1, vectors, 3).greater_elem(0.6).repeat_dim(0, 4 * jets);
        let x = matrix(4 * jets, vectors, 5).mask_fill(padding, 0.0);
        let p = vector(spec.parameter_count(), 6);
        let workspace = Workspace::default();
        agree(
            &x,
            &p,
            |x, p| ops::lorentz(x, p, spec, &workspace),
            |x, p| plain::lorentz(x, p, spec),
            2e-5,
        );
    }
}

#[test]
fn products_of_pairs_agree_with_plain_ops() {
    for (jets, components, vectors) in [(1, 3, 2), (70, 3, 21), (5, 2, 1)] {
        let x = [matrix(jets, components * vectors, 1)];
        let fused = with_gradients(&x, |[x]: [Tensor<2>; 1]| ops::pair_products(x, components) * 1.0);
        if vectors == 1 {
            assert!(fused.0.is_empty());
            continue;
        }
        let plain = with_gradients(&x, |[x]| plain::pair_products(x, components));
        assert_near(&fused, &plain, "products of pairs");
    }
}
