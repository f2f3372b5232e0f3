//! The maps between two products, on one row.

use super::spec::{Map, RowSpec};
use crate::kernels::activation;
use crate::kernels::dropout::Drop;
use crate::kernels::layer_norm;
use crate::kernels::simd;
use std::ops::Range;

/// A map, its parameters, where they lie, and what it drops.
type BoundMap<'a> = (Map, &'a [f32], Range<usize>, Option<Drop>);

/// A list of maps with parameters and keys at hand.
pub(super) struct Bound<'a> {
    maps: Vec<BoundMap<'a>>,
    width: usize,
}

/// All lists of a chain. Without keys nothing is dropped.
pub(super) fn bind<'a>(spec: &RowSpec, parameters: &'a [f32], keys: &[[u32; 2]]) -> Vec<Bound<'a>> {
    let mut keys = keys.iter();
    (0..=spec.layers())
        .map(|l| Bound {
            width: spec.width(l),
            maps: spec
                .maps(l)
                .iter()
                .enumerate()
                .filter_map(|(m, &map)| {
                    let at = spec.map(l, m);
                    let drop = match map {
                        Map::Dropout(rate) => match keys.next() {
                            Some(&key) => Some(Drop::new(rate, key)),
                            None => return None,
                        },
                        _ => None,
                    };
                    Some((map, &parameters[at.clone()], at, drop))
                })
                .collect(),
        })
        .collect()
}

impl Bound<'_> {
    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// Whether any map has parameters.
    pub(super) fn has_parameters(&self) -> bool {
        self.maps.iter().any(|(_, _, at, _)| !at.is_empty())
    }

    /// Values that [`Bound::backward`] notes of a row.
    pub(super) fn notes(&self) -> usize {
        self.maps.len() * (self.width + 1)
    }

    /// Maps row number `row` in place.
    #[inline(always)]
    pub(super) fn forward(&self, x: &mut [f32], row: usize) {
        for (map, parameters, _, drop) in &self.maps {
            match *map {
                Map::Norm => {
                    let (gamma, beta) = parameters.split_at(self.width);
                    let (mean, inverse) = layer_norm::statistics(x);
                    for ((x, g), b) in x.iter_mut().zip(gamma).zip(beta) {
                        *x = (*x - mean) * inverse * g + b;
                    }
                }
                Map::Gelu => {
                    for x in x.iter_mut() {
                        *x = activation::gelu(*x).0;
                    }
                }
                Map::Scale(groups) => {
                    for (x, s) in x.chunks_exact_mut(self.width / groups).zip(*parameters) {
                        x.iter_mut().for_each(|x| *x *= s);
                    }
                }
                Map::Dropout(_) => {
                    if let Some(drop) = drop {
                        let (kept, start) = (drop.kept(), place(row, self.width));
                        for (k, x) in x.iter_mut().enumerate() {
                            *x *= drop.factor(start.wrapping_add(k as u32), kept);
                        }
                    }
                }
            }
        }
    }

    /// Turns the gradient `d` of the mapped row into that of the row `x`, which is overwritten, and adds the gradients
    /// of the parameters to the packed `gradient`.
    #[inline(always)]
    pub(super) fn backward(&self, x: &mut [f32], row: usize, d: &mut [f32], notes: &mut [f32], gradient: &mut [f32]) {
        let c = self.width;
        let (x, d) = (&mut x[..c], &mut d[..c]);
        // Forward once more, noting what each map's slope depends on.
        for ((map, parameters, _, drop), notes) in self.maps.iter().zip(notes.chunks_exact_mut(c + 1)) {
            let (inverse_note, note) = notes.split_at_mut(1);
            let note = &mut note[..c];
            match *map {
                Map::Norm => {
                    let (gamma, beta) = (&parameters[..c], &parameters[c..2 * c]);
                    let (mean, inverse) = layer_norm::statistics(x);
                    inverse_note[0] = inverse;
                    for k in 0..c {
                        note[k] = (x[k] - mean) * inverse;
                        x[k] = note[k] * gamma[k] + beta[k];
                    }
                }
                Map::Gelu => {
                    for k in 0..c {
                        (x[k], note[k]) = activation::gelu(x[k]);
                    }
                }
                Map::Scale(groups) => {
                    note.copy_from_slice(x);
                    for (x, s) in x.chunks_exact_mut(c / groups).zip(*parameters) {
                        x.iter_mut().for_each(|x| *x *= s);
                    }
                }
                Map::Dropout(_) => {
                    if let Some(drop) = drop {
                        let (kept, start) = (drop.kept(), place(row, c));
                        for k in 0..c {
                            note[k] = drop.factor(start.wrapping_add(k as u32), kept);
                            x[k] *= note[k];
                        }
                    }
                }
            }
        }
        for ((map, parameters, at, _), notes) in self.maps.iter().zip(notes.chunks_exact(c + 1)).rev() {
            let (inverse, note) = (notes[0], &notes[1..=c]);
            match *map {
                Map::Norm => {
                    let (d_gamma, d_beta) = gradient[at.clone()].split_at_mut(c);
                    let (gamma, d_gamma, d_beta) = (&parameters[..c], &mut d_gamma[..c], &mut d_beta[..c]);
                    for k in 0..c {
                        d_gamma[k] += d[k] * note[k];
                        d_beta[k] += d[k];
                        d[k] *= gamma[k];
                    }
                    // inverse (g - mean(g) - hat mean(g hat)) with g the gradient times gamma.
                    let plain = simd::sum(d) / c as f32;
                    let along = simd::dot(d, note) / c as f32;
                    for k in 0..c {
                        d[k] = inverse * (d[k] - plain - note[k] * along);
                    }
                }
                Map::Gelu | Map::Dropout(_) => {
                    for k in 0..c {
                        d[k] *= note[k];
                    }
                }
                Map::Scale(groups) => {
                    let width = c / groups;
                    let rows = d.chunks_exact_mut(width).zip(note.chunks_exact(width));
                    for ((d, note), (s, d_s)) in rows.zip(parameters.iter().zip(&mut gradient[at.clone()])) {
                        *d_s += simd::dot(d, note);
                        d.iter_mut().for_each(|d| *d *= s);
                    }
                }
            }
        }
    }
}

/// Place of a row's first value for dropout.
#[inline(always)]
fn place(row: usize, width: usize) -> u32 {
    (row as u32).wrapping_mul(width as u32)
}
