//! Air showers over stations: pictures of 9 x 9 stations with 81 channels, 80 signals and an arrival time.
//!
//! As pd4ml (arXiv:2107.00656) prepares them: signals become log10(s + 1), with what was not seen (-1) and other
//! negative ones as 0. Times have their mean over the stations of the event that saw something subtracted; stations
//! that did not have 0. That the times are then divided by one standard deviation is an [`Encoding`]: pd4ml computes it
//! anew on each part, its reference model keeps that of the training events, and so does this. It is taken over the
//! times that are not zero, which are those of stations that saw something.

use super::{ArrayInput, Connection, Encoding, array};
use crate::PhysicsError;
use rayon::prelude::*;
use tagwerk_data::{ArraySet, Arrays};

const SIDE: usize = 9;
const STATIONS: usize = SIDE * SIDE;
const BINS: usize = 80;
const CHANNELS: usize = BINS + 1;
/// What a station or bin that saw nothing holds.
const PADDING: f32 = -1.0;

pub(super) fn input() -> ArrayInput {
    let values = CHANNELS * STATIONS;
    ArrayInput {
        set: ArraySet::Airshower,
        shape: vec![CHANNELS, SIDE, SIDE],
        connection: Some(Connection::Grid {
            height: SIDE,
            width: SIDE,
        }),
        // The times are the last channel.
        encoding: Encoding::Scale {
            start: BINS * STATIONS,
            count: STATIONS,
            values,
        },
        padding: None,
        view_bytes: 4 * values as u64,
    }
}

/// `[B, 81, 9, 9]`.
pub(super) fn values(arrays: &Arrays) -> Result<Vec<f32>, PhysicsError> {
    let (traces, times) = (array(arrays, 0)?, array(arrays, 1)?);
    for (array, expected) in [(traces, STATIONS * BINS), (times, STATIONS)] {
        if array.event_size() != expected {
            return Err(PhysicsError::ColumnLength {
                column: "stations",
                expected,
                found: array.event_size(),
            });
        }
    }
    let mut values = vec![0.0f32; arrays.len() * CHANNELS * STATIONS];
    values
        .par_chunks_exact_mut(CHANNELS * STATIONS)
        .enumerate()
        .for_each(|(b, event)| {
            let (signals, arrivals) = event.split_at_mut(BINS * STATIONS);
            for (station, trace) in traces.event(b).chunks_exact(BINS).enumerate() {
                for (bin, &signal) in trace.iter().enumerate() {
                    signals[bin * STATIONS + station] = (f64::from(signal).max(0.0) + 1.0).log10() as f32;
                }
            }
            let times = times.event(b);
            let seen = || {
                times
                    .iter()
                    .filter(|&&time| time != PADDING)
                    .map(|&time| f64::from(time))
            };
            let mean = seen().sum::<f64>() / seen().count().max(1) as f64;
            for (arrival, &time) in arrivals.iter_mut().zip(times) {
                *arrival = if time == PADDING {
                    0.0
                } else {
                    (f64::from(time) - mean) as f32
                };
            }
        });
    Ok(values)
}
