//! Weights and angles of particles: what an energy flow polynomial is made of.

use super::kernels::{mirror, stride};
use super::{EfpConfig, EfpMeasure, EfpWeight};
use crate::FourVector;
use std::f64::consts::PI;

/// Angles (to the power beta) are cut here: the seventh power and the sums over particles still fit into f64. Reached
/// only by particles with almost no transverse momentum or energy.
const MAX_ANGLE: f64 = 1e40;

/// Memory for the particles of one jet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Particles {
    energies: Vec<f64>,
    /// Four numbers a particle, one list each: rapidity and azimuth, or the scaled momentum.
    coordinates: [Vec<f64>; 4],
    /// Sum of the energies.
    pub total: f64,
}

impl Particles {
    /// Takes the particles with a positive energy (transverse momentum, for hadrons), and their number.
    pub fn read(&mut self, config: &EfpConfig, particles: impl Iterator<Item = FourVector>) -> usize {
        self.energies.clear();
        self.coordinates.iter_mut().for_each(Vec::clear);
        for p in particles {
            let energy = if config.measure == EfpMeasure::Ee { p.e } else { p.pt() };
            // The others have no weight, and most have no angle.
            if energy > 0.0 {
                self.energies.push(energy);
                let scale = if config.energy == EfpWeight::ParticleFlow {
                    1.0
                } else {
                    energy
                };
                let coordinates = match config.measure {
                    EfpMeasure::Hadr => [p.rapidity(), p.phi(), 0.0, 0.0],
                    EfpMeasure::HadrDot | EfpMeasure::Ee => [p.e / scale, p.px / scale, p.py / scale, p.pz / scale],
                };
                for (list, value) in self.coordinates.iter_mut().zip(coordinates) {
                    list.push(value);
                }
            }
        }
        self.total = self.energies.iter().sum();
        self.energies.len()
    }

    /// Writes z, always shares of the total: (E_i / sum E)^kappa, or 1 for particle flow.
    pub fn weights(&self, config: &EfpConfig, z: &mut [f64]) {
        for (slot, energy) in z.iter_mut().zip(&self.energies) {
            *slot = match config.energy {
                EfpWeight::Power(1.0) => energy / self.total,
                EfpWeight::Power(kappa) => (energy / self.total).powf(kappa),
                EfpWeight::ParticleFlow => 1.0,
            };
        }
    }

    /// Writes theta, `[n, stride]` with zeros as padding.
    pub fn angles(&self, config: &EfpConfig, theta: &mut [f64]) {
        let n = self.energies.len();
        let [a, b, c, d] = &self.coordinates;
        for (i, row) in theta.chunks_exact_mut(stride(n).max(1)).enumerate().take(n) {
            row[n..].fill(0.0);
            if config.measure == EfpMeasure::Hadr {
                for ((slot, y), phi) in row.iter_mut().zip(a).zip(b) {
                    // Both azimuths are in (-pi, pi].
                    let dphi = PI - ((phi - b[i]).abs() - PI).abs();
                    *slot = (y - a[i]) * (y - a[i]) + dphi * dphi;
                }
            } else {
                for ((((slot, e), x), y), z) in row.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    // Rounding makes the product of two massless parallel momenta negative half of the time.
                    *slot = (2.0 * (e * a[i] - x * b[i] - y * c[i] - z * d[i])).abs();
                }
            }
            raise(&mut row[..n], i, config.beta / 2.0);
        }
        mirror(n, theta);
    }
}

/// Raises squared angles from place `first` on to a power, and cuts them.
fn raise(squares: &mut [f64], first: usize, power: f64) {
    let squares = &mut squares[first..];
    // The usual powers without a logarithm, which would cost as much as several matrix products.
    if power == 0.25 {
        squares.iter_mut().for_each(|x| *x = x.sqrt().sqrt());
    } else if power == 0.5 {
        squares.iter_mut().for_each(|x| *x = x.sqrt());
    } else if power == 2.0 {
        squares.iter_mut().for_each(|x| *x *= *x);
    } else if power != 1.0 {
        squares.iter_mut().for_each(|x| *x = x.powf(power));
    }
    // `min` also answers its argument where momenta overflowed to infinity minus infinity.
    squares.iter_mut().for_each(|x| *x = x.min(MAX_ANGLE));
}
