//! The backward pass: one walk over the edges, then everything that is a matter of nodes.

use super::forward::{Saved, groups, longest};
use super::nodes::{node_gradients, transposed};
use super::padded::{Folded, Padded, pad};
use super::spec::LorentzEdgeSpec;
use super::walk::{EdgeSums, Target, Walk};
use crate::kernels::partition;
use crate::kernels::workspace::{Buffer, Workspace};

/// The gradients of [`super::forward`].
#[derive(Debug)]
pub struct Gradients {
    /// Of the packed parameters.
    pub parameters: Vec<f32>,
    /// Of `h`, `[N, C_in]`, if wanted.
    pub h: Option<Vec<f32>>,
    /// Of `x`, `[N, 4]`, if wanted.
    pub x: Option<Vec<f32>>,
}

/// The gradients, given `d_out: [N, C (+ 4)]`. `wanted`: of `h`, of `x`.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    spec: &LorentzEdgeSpec,
    parameters: &[f32],
    h: &[f32],
    x: &[f32],
    jets: &[usize],
    saved: &Saved,
    d_out: &[f32],
    wanted: [bool; 2],
    workspace: &Workspace,
) -> Gradients {
    let (c, rows) = (spec.hidden, jets[jets.len() - 1]);
    let [w_n, w_p] = [&parameters[spec.distance()], &parameters[spec.product()]];
    let (gamma, beta) = (&parameters[spec.gamma()], &parameters[spec.beta()]);
    let map = saved.statistics.affine(gamma, beta);
    let padded = Padded::new(spec, parameters, workspace);
    let width = padded.width;
    let walk = Walk {
        spec,
        parameters,
        x,
        saved,
        d_out,
        folded: Folded::new(&saved.near, &saved.far, [w_n, w_p], &map, workspace),
        second: pad(
            &transposed(&parameters[spec.second()], c, c, workspace),
            c,
            width,
            workspace,
        ),
        shift: pad(&transposed_shift(spec, parameters, workspace), c, width, workspace),
        sums: EdgeSums {
            c,
            width,
            moves: spec.moves,
        },
        padded,
    };
    let groups = groups(jets);
    let edges = groups.last().map_or(0, |g| g.edges.end);
    let scalars = if wanted[1] { edges } else { 0 };
    let (mut z_near, mut z_far) = (workspace.zeros(rows * width), workspace.zeros(rows * width));
    let (mut along_n, mut along_p) = (workspace.take(scalars), workspace.take(scalars));
    let mut d_x = vec![0.0; if wanted[1] { 4 * rows } else { 0 }];
    let mut gradient = vec![0.0; spec.parameter_count()];

    let totals = {
        let nodes = |width: usize| groups.iter().map(move |g| g.nodes.len() * width);
        let edge_lengths = || groups.iter().map(|g| if wanted[1] { g.edges.len() } else { 0 });
        let pieces = partition::split_mut(&mut z_near, nodes(width))
            .into_iter()
            .zip(partition::split_mut(&mut z_far, nodes(width)))
            .zip(partition::split_mut(&mut along_n, edge_lengths()))
            .zip(partition::split_mut(&mut along_p, edge_lengths()))
            .zip(partition::split_mut(&mut d_x, nodes(if wanted[1] { 4 } else { 0 })));
        let tasks: Vec<_> = groups.iter().zip(pieces).collect();
        let longest = longest(&groups);
        let parts = partition::run(tasks, |(group, ((((z_near, z_far), along_n), along_p), d_x))| {
            let target = Target {
                z_near,
                z_far,
                along: [along_n, along_p],
                d_x,
            };
            walk.group(group, target, longest, workspace)
        });
        let mut totals = vec![0.0; walk.sums.opened().end];
        partition::sum_in_order(&mut totals, &parts);
        totals
    };
    walk.finish_weights(&totals, &mut gradient);

    // The sums over edges of the gradient z after the normalization, and of z (y - mean).
    let (of_n, of_p) = (&totals[walk.sums.vector(2)], &totals[walk.sums.vector(3)]);
    let sums = walk.normalization_sums(&z_near, &z_far, [of_n, of_p]);
    let (through, d_gamma, d_beta) = saved.statistics.gradient(gamma, &sums);
    gradient[spec.gamma()].copy_from_slice(&d_gamma);
    gradient[spec.beta()].copy_from_slice(&d_beta);

    let [r_n, r_p] = walk.scalar_moments();
    let scalar_totals = saved.of_jet.iter().fold([0.0, 0.0], |[n, p], s| [n + s.n, p + s.p]);
    for k in 0..c {
        let at = |of: f32, total: f64, moment: f64| {
            f64::from(through.scale[k]) * f64::from(of) + f64::from(through.constant[k]) * total
                - f64::from(through.slope[k]) * moment
        };
        gradient[spec.distance().start + k] = at(of_n[k], scalar_totals[0], r_n[k]) as f32;
        gradient[spec.product().start + k] = at(of_p[k], scalar_totals[1], r_p[k]) as f32;
    }
    if wanted[1] {
        walk.finish_vectors(&mut d_x, &groups, jets, &through, [&along_n, &along_p], workspace);
    }
    let [d_near, d_far] = walk.through_normalization(&z_near, &z_far, jets, &through, workspace);
    let d_h = node_gradients(
        spec,
        parameters,
        h,
        &d_near,
        &d_far,
        wanted[0],
        &mut gradient,
        workspace,
    );
    Gradients {
        parameters: gradient,
        h: d_h,
        x: wanted[1].then_some(d_x),
    }
}

/// The transpose of `W_3 diag(w_4)`, `[C, C]`: it takes the gradient of `phi_x` to the message.
fn transposed_shift(spec: &LorentzEdgeSpec, parameters: &[f32], workspace: &Workspace) -> Buffer {
    let c = spec.hidden;
    let mut buffer = transposed(&parameters[spec.shift()], if spec.moves { c } else { 0 }, c, workspace);
    for (row, factor) in buffer.chunks_exact_mut(c).zip(&parameters[spec.factor()]) {
        row.iter_mut().for_each(|v| *v *= factor);
    }
    buffer
}
