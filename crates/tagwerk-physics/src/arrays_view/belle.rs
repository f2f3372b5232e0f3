//! Belle events: generated particles with their mothers.
//!
//! As pd4ml (arXiv:2107.00656) prepares them: eight kinematic numbers and the identity, one-hot over the 182 most
//! frequent ones of the training events ([`Encoding::Classes`]), then the row of the mother, -1 for none. Padding is
//! dropped: rows are real particles. Only a network that wants all 100 gets it back, zeros with a mother of -1.

use super::{ArrayInput, Connection, Encoding, array};
use crate::{JaggedView, PhysicsError, View};
use tagwerk_data::{ArraySet, Arrays};

/// Particles an event at most.
pub const BELLE_PARTICLES: usize = 100;

/// Identities that have a class of their own.
pub const BELLE_CLASSES: usize = 182;

/// Numbers of a particle in the file, the identity last.
const COLUMNS: usize = 9;
const IDENTITY: usize = 8;
/// What padding and particles without a mother hold.
const NO_MOTHER: f32 = -1.0;

pub(super) fn input() -> ArrayInput {
    let channels = COLUMNS + 1;
    ArrayInput {
        set: ArraySet::Belle,
        shape: vec![BELLE_PARTICLES, channels - 1 + BELLE_CLASSES],
        connection: Some(Connection::Mothers),
        encoding: Encoding::Classes {
            channel: IDENTITY,
            channels,
            classes: BELLE_CLASSES,
        },
        padding: Some(NO_MOTHER),
        view_bytes: (BELLE_PARTICLES * 4 * channels + 8) as u64,
    }
}

/// Jagged rows of ten numbers: kinematics, identity, mother.
pub(super) fn view(arrays: &Arrays) -> Result<View, PhysicsError> {
    let (particles, mothers) = (array(arrays, 0)?, array(arrays, 1)?);
    for (array, expected) in [(particles, BELLE_PARTICLES * COLUMNS), (mothers, BELLE_PARTICLES)] {
        if array.event_size() != expected {
            return Err(PhysicsError::ColumnLength {
                column: "particles",
                expected,
                found: array.event_size(),
            });
        }
    }
    let (mut rows, mut offsets) = (Vec::new(), vec![0]);
    for b in 0..arrays.len() {
        let particles = particles.event(b);
        let last = particles
            .chunks_exact(COLUMNS)
            .rposition(|row| row.iter().any(|&v| v != 0.0));
        let count = last.map_or(0, |last| last + 1);
        let refuse = |what, value, limit| {
            let event = arrays.rows()[b];
            Err(PhysicsError::Particle {
                event,
                what,
                value,
                limit,
            })
        };
        for (row, &mother) in particles.chunks_exact(COLUMNS).zip(mothers.event(b)).take(count) {
            let identity = row[IDENTITY];
            if identity.fract() != 0.0 || identity < 0.0 {
                return refuse("identity", identity, "a whole number from 0 on");
            }
            let inside = mother.fract() == 0.0 && (0.0..count as f32).contains(&mother);
            if mother != NO_MOTHER && !inside {
                return refuse("mother", mother, "-1, or the row of a particle");
            }
            rows.extend_from_slice(row);
            rows.push(mother);
        }
        offsets.push(rows.len() / (COLUMNS + 1));
    }
    Ok(JaggedView::new(COLUMNS + 1, rows, offsets)?.into())
}
