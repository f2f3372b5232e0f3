//! The differentiable operations: each is one fused kernel on the CPU and plain Burn operations elsewhere.
//!
//! `fused` registers the kernels with Burn as a backend extension of `Flex`, with hand-written backward passes;
//! [`plain`] writes the same mathematics in ordinary tensor operations, which Burn differentiates itself and every
//! backend can run. The functions here choose by device. One test (`tests/agreement.rs`) holds both together, values
//! and gradients, on random jagged batches.

mod fused;
pub mod plain;

use crate::device::is_fused;
use crate::kernels::chain::ChainSpec;
use crate::kernels::edge::{BlockStatistics, EdgeSpec};
use crate::kernels::knn::{self, Neighbors};
use crate::kernels::norm::Statistics;
use crate::kernels::workspace::Workspace;
use crate::segments::Segments;
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

pub use crate::kernels::activation::Activation;
pub use crate::kernels::adam::AdamStep;
pub use crate::kernels::attention::AttentionSpec;
pub use crate::kernels::condition::ConditionSpec;
pub use crate::kernels::conv::ConvSpec;
pub use crate::kernels::dropout::Drop;
pub use crate::kernels::lorentz::{LORENTZ_VALUES, LORENTZ_WEIGHTS, LorentzSpec};
pub use crate::kernels::lorentz_edge::LorentzEdgeSpec;
pub use crate::kernels::pair_embedding::{PairSpec, Places};
pub use crate::kernels::row_chain::{Map, Residual, RowSpec};
pub use crate::kernels::segment::Reduction;
pub use crate::kernels::sites::{Sites, Window};
pub use crate::kernels::sparse::SparseMatrix;
pub use crate::kernels::tree::{Forest, TREE_LAYERS, TreeSpec};
pub use fused::chain::ChainCall;
pub use fused::edge::EdgeCall;
pub use fused::host::{At, Binary, Operation, Saved, Ternary, Unary};
pub use fused::norm::NormCall;
pub use fused::segment::SegmentCall;

/// A chain of dense layers over rows, with no `drops` or a dropout behind each layer that ends in a ReLU.
///
/// # Shapes
/// - `x`: `[R, C_0]`, `parameters`: packed `[P]`, `drops`: none or one a layer
/// - returns `[R, C_L]`
pub fn chain(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<ChainSpec>,
    drops: Vec<Drop>,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        let call = ChainCall {
            spec: spec.clone(),
            pooling: None,
            drops,
            workspace: workspace.clone(),
        };
        fused::chain::chain(x, parameters, call)
    } else {
        plain::chain(x, parameters, spec, &drops)
    }
}

/// A chain of dense layers over rows and the (weighted) sum over each jet's rows.
///
/// # Shapes
/// - `x`: `[R, C_0]`, `parameters`: packed `[P]`, `weights`: `[R]`, not differentiated
/// - returns `[B, C_L]`
pub fn chain_sum(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<ChainSpec>,
    segments: &Segments,
    weights: Option<Arc<Vec<f32>>>,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        let call = ChainCall {
            spec: spec.clone(),
            pooling: Some((segments.clone(), weights)),
            drops: Vec::new(),
            workspace: workspace.clone(),
        };
        fused::chain::chain(x, parameters, call)
    } else {
        plain::chain_sum(x, parameters, spec, segments, weights.as_deref().map(Vec::as_slice))
    }
}

/// Sum, mean or maximum over each jet's rows; an empty jet gives zeros.
///
/// # Shapes
/// - `x`: `[R, C]`; returns `[B, C]`
pub fn segment_reduce(x: Tensor<2>, segments: &Segments, reduction: Reduction) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::segment::segment_reduce(x, segments.clone(), reduction)
    } else {
        plain::segment_reduce(x, segments, reduction)
    }
}

/// Batch normalization over real rows with the batch's statistics (training); returns them too.
///
/// # Shapes
/// - `x`: `[R, C]`, `parameters`: gamma then beta, `[2 C]`; returns `[R, C]`
pub fn batch_norm_training(x: Tensor<2>, parameters: Tensor<1>) -> (Tensor<2>, Statistics) {
    if is_fused(&x.device()) {
        fused::norm::batch_norm(x, parameters)
    } else {
        plain::batch_norm_training(x, parameters)
    }
}

/// Batch normalization with given statistics (scoring).
///
/// # Shapes
/// - `x`: `[R, C]`, `parameters`: gamma then beta, `[2 C]`; returns `[R, C]`
pub fn batch_norm_scoring(x: Tensor<2>, parameters: Tensor<1>, statistics: &Statistics) -> Tensor<2> {
    plain::batch_norm_scoring(x, parameters, statistics)
}

/// The `k` nearest neighbors of each row within its jet, in all `C` channels.
///
/// Neighbors are a discrete choice: no gradient flows through it. The distances are read back to the host, where each
/// jet is a small dense problem.
pub fn k_nearest(points: &Tensor<2>, segments: &Segments, k: usize) -> Arc<Neighbors> {
    let [_, c] = points.dims();
    let values = floats(points.clone().detach());
    Arc::new(knn::k_nearest(&values, c, segments.offsets(), k))
}

/// EdgeConv with the batch's statistics (training); returns them too.
///
/// # Shapes
/// - `x`: `[R, C_in]`, `parameters`: packed `[P]`; returns `[R, C_out]`
pub fn edge_conv_training(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<EdgeSpec>,
    segments: &Segments,
    graph: &Arc<Neighbors>,
    workspace: &Workspace,
) -> (Tensor<2>, BlockStatistics) {
    if is_fused(&x.device()) {
        fused::edge::edge_conv_training(x, parameters, spec, segments, graph, workspace)
    } else {
        plain::edge_conv_training(x, parameters, spec, graph)
    }
}

/// EdgeConv with given statistics (scoring).
///
/// # Shapes
/// - `x`: `[R, C_in]`, `parameters`: packed `[P]`; returns `[R, C_out]`
pub fn edge_conv_scoring(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<EdgeSpec>,
    segments: &Segments,
    graph: &Arc<Neighbors>,
    statistics: &Arc<BlockStatistics>,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::edge::edge_conv_scoring(x, parameters, spec, segments, graph, statistics, workspace)
    } else {
        plain::edge_conv_scoring(x, parameters, spec, graph, statistics)
    }
}

/// A convolution of pictures of which only the pixels named by `from` and `to` are computed: see [`Sites`].
///
/// # Shapes
/// - `x`: `[R + P, C_in]`, `parameters`: packed, `[N]`; returns `[R' + P', C_out]`
///
/// # Panics
/// If the sites are of other sizes than the convolution, or an input that differs from the empty picture reaches an
/// output that is not own.
pub fn convolution(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<ConvSpec>,
    from: &Arc<Sites>,
    to: &Arc<Sites>,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::picture::convolution(x, parameters, spec, from, to, workspace)
    } else {
        plain::convolution(x, parameters, spec, from, to)
    }
}

/// The largest value of each window of pictures of which only some pixels are computed.
///
/// # Shapes
/// - `x`: `[R + P, C]`; returns `[R' + P', C]`
///
/// # Panics
/// If the sites are of other sizes than the window.
pub fn max_pool(x: Tensor<2>, window: Window, from: &Arc<Sites>, to: &Arc<Sites>, workspace: &Workspace) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::picture::max_pool(x, window, from, to, workspace)
    } else {
        plain::max_pool(x, window, from, to)
    }
}

/// Pictures all of whose pixels are their own, from rows `[B H W, C]` to `[B H W + H W, C]`.
fn dense_sites(x: Tensor<2>, size: [usize; 2]) -> (Tensor<2>, Arc<Sites>) {
    let ([rows, c], pixels) = (x.dims(), size[0] * size[1]);
    // Callers have made the rows of whole pictures of this size, and memory ends long before 2^32 of them.
    let sites = Sites::new(size, &vec![true; rows]).unwrap_or_else(|| panic!("{rows} rows, pictures of {size:?}"));
    let empty = Tensor::zeros([pixels, c], &x.device());
    (Tensor::cat(vec![x, empty], 0), Arc::new(sites))
}

/// What a window makes of [`dense_sites`].
fn dense_window(from: &Sites, window: &Window) -> Arc<Sites> {
    let own = vec![true; from.len() * window.output_pixels()];
    let sites = Sites::new(window.output(), &own);
    Arc::new(sites.unwrap_or_else(|| panic!("{window:?} on pictures of {:?}", from.size())))
}

/// A convolution of pictures all of whose pixels are computed.
///
/// # Shapes
/// - `x`: `[B H W, C_in]`, `parameters`: packed, `[N]`; returns `[B H' W', C_out]`
///
/// # Panics
/// If the rows are not whole pictures of the convolution's size.
pub fn dense_convolution(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: &Arc<ConvSpec>,
    workspace: &Workspace,
) -> Tensor<2> {
    let (x, from) = dense_sites(x, spec.window.input);
    let to = dense_window(&from, &spec.window);
    convolution(x, parameters, spec, &from, &to, workspace).slice([0..to.own(), 0..spec.c_out])
}

/// The largest value of each window of pictures all of whose pixels are computed.
///
/// # Shapes
/// - `x`: `[B H W, C]`; returns `[B H' W', C]`
///
/// # Panics
/// If the rows are not whole pictures of the window's size.
pub fn dense_max_pool(x: Tensor<2>, window: Window, workspace: &Workspace) -> Tensor<2> {
    let [_, c] = x.dims();
    let (x, from) = dense_sites(x, window.input);
    let to = dense_window(&from, &window);
    max_pool(x, window, &from, &to, workspace).slice([0..to.own(), 0..c])
}

/// Batch normalization over all pixels of all pictures with the batch's statistics (training), then a ReLU if `relu`;
/// returns the statistics too.
///
/// # Shapes
/// - `x`: `[R + P, C]`, `parameters`: gamma then beta, `[2 C]`; returns `[R + P, C]`
pub fn site_norm_training(
    x: Tensor<2>,
    parameters: Tensor<1>,
    sites: &Arc<Sites>,
    relu: bool,
) -> (Tensor<2>, Statistics) {
    if is_fused(&x.device()) {
        fused::picture::site_norm_training(x, parameters, sites, relu)
    } else {
        plain::site_norm_training(x, parameters, sites, relu)
    }
}

/// Batch normalization of pictures with given statistics (scoring), then a ReLU if `relu`.
///
/// # Shapes
/// - `x`: `[R + P, C]`, `parameters`: gamma then beta, `[2 C]`; returns `[R + P, C]`
pub fn site_norm_scoring(
    x: Tensor<2>,
    parameters: Tensor<1>,
    statistics: &Statistics,
    sites: &Arc<Sites>,
    relu: bool,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::picture::site_norm_scoring(x, parameters, statistics, sites, relu)
    } else {
        plain::site_norm_scoring(x, parameters, statistics, relu)
    }
}

/// `A x` for a sparse matrix that is not learned: rows taken by index, sums over neighbors, Laplacians.
///
/// # Shapes
/// - `matrix`: `[E, R]`, `x`: `[R, C]`; returns `[E, C]`
pub fn sparse_product(matrix: &Arc<SparseMatrix>, x: Tensor<2>) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::rows::sparse_product(matrix, x)
    } else {
        plain::sparse_product(matrix, x)
    }
}

/// Layer normalization of each row.
///
/// # Shapes
/// - `x`: `[R, C]`, `parameters`: gamma then beta, `[2 C]`; returns `[R, C]`
pub fn layer_norm(x: Tensor<2>, parameters: Tensor<1>, workspace: &Workspace) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::rows::layer_norm(x, parameters, workspace)
    } else {
        plain::layer_norm(x, parameters)
    }
}

/// A function of each value alone.
///
/// # Shapes
/// - `x`: `[R, C]`; returns `[R, C]`
pub fn activate(x: Tensor<2>, f: Activation) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::rows::activate(x, f)
    } else {
        plain::activate(x, f)
    }
}

/// Multi-head attention of each row to the rows of its own jet.
///
/// # Shapes
/// - `qkv`: queries, keys and values side by side, `[R, 3 H D]`; `bias`: of each head and pair, `[1, sum_b H n_b^2]`, a
///   jet's values as `[H, n, n]`, queries before keys
/// - returns `[R, H D]`
pub fn self_attention(
    qkv: Tensor<2>,
    bias: Option<Tensor<2>>,
    spec: AttentionSpec,
    jets: &Segments,
    drop: Option<Drop>,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&qkv.device()) {
        fused::attention::self_attention(qkv, bias, spec, jets, drop, workspace)
    } else {
        plain::self_attention(qkv, bias, spec, jets, drop)
    }
}

/// `x` above zero and `a x` below, with the slopes of the row's place.
///
/// # Shapes
/// - `x`: `[R, C]`, `slopes`: `[P C]`, `places`: `[R]`, below `P`; returns `[R, C]`
pub fn prelu(x: Tensor<2>, slopes: Tensor<1>, places: &Arc<Vec<u32>>, workspace: &Workspace) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::rows::prelu(x, slopes, places, workspace)
    } else {
        plain::prelu(x, slopes, places)
    }
}

/// Rows scaled and shifted by linear functions of the numbers that come with them, and dropout:
/// `y = dropout(x (m W_s + c_s) + (m W_b + c_b))`; see [`crate::kernels::condition`].
///
/// # Shapes
/// - `x`: `[R, C]`, `parameters`: packed `[P']`, `inputs`: m, `[R, P]`, not differentiated
/// - returns `[R, C]`
pub fn condition(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: ConditionSpec,
    inputs: &Arc<Vec<f32>>,
    drop: Option<Drop>,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::rows::condition(x, parameters, spec, inputs, drop, workspace)
    } else {
        plain::condition(x, parameters, spec, inputs, drop)
    }
}

/// `sum_i w_i x_i^2`, `[1]`: the penalty of weight decay in the loss.
///
/// # Shapes
/// - `x`: `[P]`, `weights`: w, `[P]`
pub fn weighted_squares(x: Tensor<1>, weights: &Arc<Vec<f32>>) -> Tensor<1> {
    if is_fused(&x.device()) {
        fused::rows::weighted_squares(x, weights)
    } else {
        plain::weighted_squares(x, weights)
    }
}

/// Multi-head attention of each jet's queries to its own keys; a query without keys gives zeros.
///
/// # Shapes
/// - `q`: `[R_q, H D]`; `kv`: keys and values side by side, `[R_k, 2 H D]`
/// - returns `[R_q, H D]`
pub fn cross_attention(
    q: Tensor<2>,
    kv: Tensor<2>,
    spec: AttentionSpec,
    queries: &Segments,
    keys: &Segments,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&q.device()) {
        fused::attention::cross_attention(q, kv, spec, queries, keys, workspace)
    } else {
        plain::cross_attention(q, kv, spec, queries, keys)
    }
}

/// A chain of dense layers with maps between them and a residual at its end.
///
/// `keys`: one a dropout, none to drop nothing. `keep` saves what a backward pass needs: without it there is none.
///
/// # Shapes
/// - `x`: `[R, C_0]`, `other`: `[R, C_L]` if the residual is another tensor, `parameters`: packed `[P]`
/// - returns `[R, C_L]`
pub fn row_chain(
    x: Tensor<2>,
    other: Option<Tensor<2>>,
    parameters: Tensor<1>,
    spec: &Arc<RowSpec>,
    keys: Vec<[u32; 2]>,
    keep: bool,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::row_chain::row_chain(x, other, parameters, spec, keys, keep, workspace)
    } else {
        plain::row_chain(x, other, parameters, spec, &keys)
    }
}

/// The bias of each head and pair from the features of pairs, with the batch's statistics (training); returns them too,
/// one a normalization.
///
/// # Shapes
/// - `parameters`: packed `[P]`; `features`: of unordered pairs, `[sum_b n_b (n_b + 1) / 2, F]`, not differentiated
/// - returns `[1, sum_b H n_b^2]`, as [`self_attention`] reads it
pub fn pair_embedding_training(
    parameters: Tensor<1>,
    features: &Arc<Vec<f32>>,
    spec: &Arc<PairSpec>,
    places: &Arc<Places>,
    workspace: &Workspace,
) -> (Tensor<2>, Vec<Statistics>) {
    if is_fused(&parameters.device()) {
        fused::pair_embedding::pair_embedding(parameters, features, spec, places, None, workspace)
    } else {
        plain::pair_embedding(parameters, features, spec, places, None)
    }
}

/// The same with given statistics (scoring).
pub fn pair_embedding_scoring(
    parameters: Tensor<1>,
    features: &Arc<Vec<f32>>,
    spec: &Arc<PairSpec>,
    places: &Arc<Places>,
    statistics: &[Statistics],
    workspace: &Workspace,
) -> Tensor<2> {
    let (bias, _) = if is_fused(&parameters.device()) {
        fused::pair_embedding::pair_embedding(parameters, features, spec, places, Some(statistics), workspace)
    } else {
        plain::pair_embedding(parameters, features, spec, places, Some(statistics))
    };
    bias
}

/// The edges of a Lorentz group equivariant block with the batch's statistics (training); returns them too.
///
/// # Shapes
/// - `h`: `[N, C_in]`, `x`: four-vectors `[N, 4]`, `parameters`: packed `[P]`
/// - returns `[N, C]`, sums of messages, and beside them the moved four-vectors if they move, `[N, C + 4]`
pub fn lorentz_edge_training(
    inputs: [Tensor<2>; 2],
    parameters: Tensor<1>,
    spec: &Arc<LorentzEdgeSpec>,
    jets: &Segments,
    workspace: &Workspace,
) -> (Tensor<2>, Statistics) {
    if is_fused(&parameters.device()) {
        fused::lorentz_edge::lorentz_edge(inputs, parameters, spec, jets, None, workspace)
    } else {
        plain::lorentz_edge(inputs, parameters, spec, jets, None)
    }
}

/// The same with given statistics (scoring).
pub fn lorentz_edge_scoring(
    inputs: [Tensor<2>; 2],
    parameters: Tensor<1>,
    spec: &Arc<LorentzEdgeSpec>,
    jets: &Segments,
    statistics: &Statistics,
    workspace: &Workspace,
) -> Tensor<2> {
    let (out, _) = if is_fused(&parameters.device()) {
        fused::lorentz_edge::lorentz_edge(inputs, parameters, spec, jets, Some(statistics), workspace)
    } else {
        plain::lorentz_edge(inputs, parameters, spec, jets, Some(statistics))
    };
    out
}

/// Mass, transverse momentum, and weighted sums and minima over all others, of each four-vector of a jet; see
/// [`crate::kernels::lorentz`].
///
/// # Shapes
/// - `x`: `[4 B, M]`, a jet's energies, then its momenta along x, y, z; `parameters`: packed `[P]`
/// - returns `[B, 7 M]`, value by value
pub fn lorentz(x: Tensor<2>, parameters: Tensor<1>, spec: LorentzSpec, workspace: &Workspace) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::lorentz::lorentz(x, parameters, spec, workspace)
    } else {
        plain::lorentz(x, parameters, spec)
    }
}

/// Scalar products of all pairs of a jet's vectors.
///
/// # Shapes
/// - `x`: `[B, D M]`, component by component, for `D = components`
/// - returns `[B, M (M - 1) / 2]`: the first vector with all later ones, the second with all later ones, ..
pub fn pair_products(x: Tensor<2>, components: usize) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::lorentz::pair_products(x, components)
    } else {
        plain::pair_products(x, components)
    }
}

/// The embedding of each jet's tree, zeros for a jet without nodes; `train` keeps what a backward pass needs.
///
/// # Shapes
/// - `x`: `[R, F]`, the nodes of one forest after the other, `parameters`: packed `[P]`
/// - returns `[B, H]` for `jets = B`
pub fn tree_embedding(
    x: Tensor<2>,
    parameters: Tensor<1>,
    spec: TreeSpec,
    forests: &Arc<Vec<Forest>>,
    jets: usize,
    train: bool,
    workspace: &Workspace,
) -> Tensor<2> {
    if is_fused(&x.device()) {
        fused::tree::tree_embedding(x, parameters, spec, forests, jets, train, workspace)
    } else {
        plain::tree_embedding(x, parameters, spec, forests, jets)
    }
}

/// One step of Adam or AdamW; returns parameters, first and second moment.
///
/// # Shapes
/// - all `[P]`
pub fn adam(
    parameters: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
    step: AdamStep,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    if is_fused(&parameters.device()) {
        fused::adam(parameters, gradient, first, second, step)
    } else {
        plain::adam(parameters, gradient, first, second, step)
    }
}

/// The sum of squares of each gradient `[P]`: not finite if any of its values is not.
pub fn square_sums(gradients: &[Tensor<1>]) -> Vec<f64> {
    match gradients.first() {
        Some(first) if !is_fused(&first.device()) => plain::square_sums(gradients),
        _ => gradients.iter().cloned().map(fused::square_sum).collect(),
    }
}

/// The values of a tensor on the host.
pub(crate) fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data: TensorData = tensor.into_data();
    let data = data.convert::<f32>();
    // `convert` has just made the elements f32, so the typed view cannot fail.
    data.try_into_vec().unwrap_or_default()
}
