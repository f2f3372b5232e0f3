//! The constituents of one jet, from list values into the table.
//!
//! Each layout has a quick way for what files hold nearly always (f32, nothing wrong, padding only at the end), tested
//! for with a few vector instructions, and a careful way that finds padding in odd places and says what is wrong.

use super::functions::{exp, sin_cos};
use super::values::Lists;
use super::{Fourth, Momenta};
use crate::jets::Jets;

/// A value that is not allowed.
pub(super) struct Bad {
    /// Which of the momentum columns.
    pub(super) column: usize,
    /// Position inside the list.
    pub(super) at: usize,
    pub(super) value: f64,
    pub(super) allowed: &'static str,
}

/// The momenta of a batch.
pub(super) struct Layout<'a> {
    momenta: &'a Momenta,
    names: &'a [String],
    lists: &'a [Lists<'a>],
}

impl<'a> Layout<'a> {
    pub(super) fn new(momenta: &'a Momenta, names: &'a [String], lists: &'a [Lists<'a>]) -> Self {
        Self { momenta, names, lists }
    }

    /// Adds the constituents of row `i`, without padding.
    #[inline]
    pub(super) fn push(&self, jets: &mut Jets, i: usize) -> Result<(), Bad> {
        match self.momenta {
            Momenta::Cartesian(_) => cartesian(jets, self.lists, i),
            Momenta::Cylindrical(_, fourth) => cylindrical(jets, self.lists, i, fourth),
            Momenta::Dense { constituents, .. } => dense(jets, &self.lists[0], i, *constituents),
        }
    }

    /// The column by which others are measured.
    pub(super) fn name(&self) -> &str {
        &self.names[0]
    }

    /// Constituents of row `i`, padding included.
    pub(super) fn constituents(&self, i: usize) -> usize {
        match self.momenta {
            Momenta::Dense { constituents, .. } => *constituents,
            _ => self.lists[0].range(i).len(),
        }
    }

    /// Whether constituent `k` of row `i`, whose momenta were accepted, was left out as padding.
    pub(super) fn is_padding(&self, i: usize, k: usize) -> bool {
        let at = |c: usize| self.lists[c].get(self.lists[c].range(i).start + k);
        let p = match self.momenta {
            Momenta::Cartesian(_) => Ok([0, 1, 2, 3].map(at)),
            Momenta::Cylindrical(_, fourth) => {
                let given = if self.lists.len() > 3 { at(3) } else { 0.0 };
                four_vector(at(0), at(1), at(2), fourth, given)
            }
            Momenta::Dense { .. } => {
                let start = self.lists[0].range(i).start + 4 * k;
                Ok([0, 1, 2, 3].map(|c: usize| self.lists[0].get(start + c)))
            }
        };
        // As `push` has it: what is zero once it is f32.
        p.is_ok_and(|p| p.map(|value| value as f32) == [0.0; 4])
    }
}

/// Lists E, px, py, pz.
#[inline]
fn cartesian(jets: &mut Jets, lists: &[Lists], i: usize) -> Result<(), Bad> {
    if let [Some(e), Some(px), Some(py), Some(pz)] = [0, 1, 2, 3].map(|c: usize| lists[c].f32s(i))
        && all(e, |e| e > 0.0)
        && all_finite(e)
        && all_finite(px)
        && all_finite(py)
        && all_finite(pz)
    {
        jets.e.extend_from_slice(e);
        jets.px.extend_from_slice(px);
        jets.py.extend_from_slice(py);
        jets.pz.extend_from_slice(pz);
        return Ok(());
    }
    for k in 0..lists[0].range(i).len() {
        let p = [0, 1, 2, 3].map(|c: usize| lists[c].get(lists[c].range(i).start + k));
        push(jets, p).map_err(|c| Bad {
            column: c,
            at: k,
            value: p[c],
            allowed: momentum_rule(c),
        })?;
    }
    Ok(())
}

/// `constituents` times (E, px, py, pz).
#[inline]
fn dense(jets: &mut Jets, list: &Lists, i: usize, constituents: usize) -> Result<(), Bad> {
    if let Some(values) = list.f32s(i) {
        let (slots, _) = values[..4 * constituents].as_chunks::<4>();
        let real = slots.iter().position(|slot| slot[0] <= 0.0).unwrap_or(slots.len());
        let (real, rest) = slots.split_at(real);
        let padding = rest
            .as_flattened()
            .iter()
            .fold(0, |bits, value| bits | (value.to_bits() << 1));
        if padding == 0 && all_finite(real.as_flattened()) {
            jets.e.extend(real.iter().map(|slot| slot[0]));
            jets.px.extend(real.iter().map(|slot| slot[1]));
            jets.py.extend(real.iter().map(|slot| slot[2]));
            jets.pz.extend(real.iter().map(|slot| slot[3]));
            return Ok(());
        }
    }
    let start = list.range(i).start;
    for k in 0..constituents {
        let p = [0, 1, 2, 3].map(|c: usize| list.get(start + 4 * k + c));
        push(jets, p).map_err(|c| Bad {
            column: 0,
            at: 4 * k + c,
            value: p[c],
            allowed: momentum_rule(c),
        })?;
    }
    Ok(())
}

/// Lists pt, eta, phi, and perhaps a fourth.
#[inline]
fn cylindrical(jets: &mut Jets, lists: &[Lists], i: usize, fourth: &Fourth) -> Result<(), Bad> {
    if let ([Some(pt), Some(eta), Some(phi)], Fourth::Massless) = ([0, 1, 2].map(|c: usize| lists[c].f32s(i)), fourth)
        && all(pt, |pt| (pt > 0.0) & (pt < 1e12))
        && all(eta, |eta| eta.abs() < 20.0)
        && all(phi, |phi| phi.abs() < 10.0)
    {
        massless(jets, pt, eta, phi);
        return Ok(());
    }
    for k in 0..lists[0].range(i).len() {
        let at = |c: usize| lists[c].get(lists[c].range(i).start + k);
        let given = if lists.len() > 3 { at(3) } else { 0.0 };
        let bad = match four_vector(at(0), at(1), at(2), fourth, given) {
            // Too large for f32: the pseudorapidity's fault if it is absurd, else that of pt.
            Ok(p) => push(jets, p).map_err(|_| usize::from(at(1).abs() > 20.0)).err(),
            Err(column) => Some(column),
        };
        if let Some(column) = bad {
            return Err(Bad {
                column,
                at: k,
                value: at(column),
                allowed: CYLINDRICAL_RULES[column],
            });
        }
    }
    Ok(())
}

/// Massless constituents whose values were found in range.
fn massless(jets: &mut Jets, pt: &[f32], eta: &[f32], phi: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was asked for AVX2 in the line above, and that is all the function requires.
        unsafe { massless_avx2(jets, pt, eta, phi) };
        return;
    }
    massless_tiles(jets, pt, eta, phi);
}

/// [`massless_tiles`], compiled for four lanes instead of two. Nothing is fused or reordered: the bits are the same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn massless_avx2(jets: &mut Jets, pt: &[f32], eta: &[f32], phi: &[f32]) {
    massless_tiles(jets, pt, eta, phi);
}

#[inline(always)]
fn massless_tiles(jets: &mut Jets, pt: &[f32], eta: &[f32], phi: &[f32]) {
    /// Constituents at a time: four times this stays in the first-level cache.
    const TILE: usize = 64;
    let (mut e, mut px, mut py, mut pz) = ([0f32; TILE], [0f32; TILE], [0f32; TILE], [0f32; TILE]);
    for ((pt, eta), phi) in pt.chunks(TILE).zip(eta.chunks(TILE)).zip(phi.chunks(TILE)) {
        let n = pt.len().min(eta.len()).min(phi.len()).min(TILE);
        let (pt, eta, phi) = (&pt[..n], &eta[..n], &phi[..n]);
        for k in 0..n {
            let up = exp(f64::from(eta[k]));
            let half = 0.5 * f64::from(pt[k]);
            let (a, b) = (half * up, half / up);
            e[k] = (a + b) as f32;
            // Near eta = 0 the difference loses digits that f32 does not have.
            pz[k] = (a - b) as f32;
        }
        for k in 0..n {
            let (sin, cos) = sin_cos(f64::from(phi[k]));
            let pt = f64::from(pt[k]);
            px[k] = (pt * cos) as f32;
            py[k] = (pt * sin) as f32;
        }
        jets.e.extend_from_slice(&e[..n]);
        jets.px.extend_from_slice(&px[..n]);
        jets.py.extend_from_slice(&py[..n]);
        jets.pz.extend_from_slice(&pz[..n]);
    }
}

const CYLINDRICAL_RULES: [&str; 4] = [
    "a finite transverse momentum >= 0 in GeV, representable in f32",
    "a finite pseudorapidity",
    "a finite azimuth in radians",
    "a finite energy or mass >= 0 in GeV",
];

fn momentum_rule(component: usize) -> &'static str {
    match component {
        0 => "a finite energy >= 0 in GeV, and 0 only with zero momentum",
        _ => "a finite momentum in GeV, representable in f32",
    }
}

/// (pt, eta, phi, energy or mass) to (E, px, py, pz); or the position of the value that is not allowed.
fn four_vector(pt: f64, eta: f64, phi: f64, fourth: &Fourth, given: f64) -> Result<[f64; 4], usize> {
    if !(pt >= 0.0 && pt.is_finite()) {
        return Err(0);
    }
    if !eta.is_finite() {
        return Err(1);
    }
    if !phi.is_finite() {
        return Err(2);
    }
    if !(given >= 0.0 && given.is_finite()) {
        return Err(3);
    }
    if pt == 0.0 {
        return Ok([0.0; 4]);
    }
    let (sin, cos) = phi.sin_cos();
    let massless = pt * eta.cosh();
    let e = match fourth {
        Fourth::Massless => massless,
        Fourth::Energy(_) => given,
        Fourth::Mass(_) => massless.hypot(given),
    };
    Ok([e, pt * cos, pt * sin, pt * eta.sinh()])
}

/// Stores a constituent unless it is padding; or the component that is not allowed.
fn push(jets: &mut Jets, p: [f64; 4]) -> Result<(), usize> {
    let q = p.map(|value| value as f32);
    if let Some(c) = q.iter().position(|value| !value.is_finite()) {
        return Err(c);
    }
    if q[0] <= 0.0 {
        return if q == [0.0; 4] { Ok(()) } else { Err(0) };
    }
    jets.push_constituent(q[0], q[1], q[2], q[3]);
    Ok(())
}

/// Whether all values are allowed, looked at without stopping, so that the compiler vectorizes it.
#[inline(always)]
fn all(values: &[f32], allowed: impl Fn(f32) -> bool) -> bool {
    values.iter().fold(true, |so_far, &value| so_far & allowed(value))
}

/// Whether no value is infinite or not a number.
#[inline(always)]
fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = 0x7f80_0000;
    all(values, |value| value.to_bits() & EXPONENT != EXPONENT)
}
