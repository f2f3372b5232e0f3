//! Buffers that outlive a step.
//!
//! A training step needs the same few large buffers each time. Fresh ones would be mapped, zeroed page by page and
//! unmapped by the system in every step, work that has nothing to do with the network. A [`Workspace`]
//! belongs to a layer and hands its buffers out again; a buffer returns by itself when it is dropped.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// At most this many idle buffers are kept; beyond, the smallest is freed.
const IDLE: usize = 64;

/// A store of idle buffers, shared by the forward and backward pass of one layer.
#[derive(Debug, Default, Clone)]
pub struct Workspace {
    idle: Arc<Mutex<Vec<Vec<f32>>>>,
}

impl Workspace {
    /// A buffer of `len` values of arbitrary content.
    pub fn take(&self, len: usize) -> Buffer {
        let mut data = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let best = (0..idle.len())
                .filter(|&i| idle[i].len() >= len)
                .min_by_key(|&i| idle[i].len());
            match best {
                Some(i) => idle.swap_remove(i),
                // Some slack, so that the next batch, a little longer, fits too.
                None => Vec::with_capacity(len + len / 4),
            }
        };
        // An idle buffer keeps its full length, so that only growth is ever filled.
        if data.len() < len {
            data.resize(data.capacity().max(len), 0.0);
        }
        Buffer {
            data,
            len,
            home: self.clone(),
        }
    }

    /// A buffer of `len` zeros.
    pub fn zeros(&self, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }
}

/// A buffer on loan from a [`Workspace`].
#[derive(Debug)]
pub struct Buffer {
    data: Vec<f32>,
    len: usize,
    home: Workspace,
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let mut idle = self.home.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(data);
        if idle.len() > IDLE
            && let Some(smallest) = (0..idle.len()).min_by_key(|&i| idle[i].len())
        {
            idle.swap_remove(smallest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_handed_out_again() {
        let workspace = Workspace::default();
        let first = workspace.take(1000);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(workspace.take(900).as_ptr(), address);
    }

    #[test]
    fn zeros_are_zero_even_in_a_used_buffer() {
        let workspace = Workspace::default();
        workspace.take(10).fill(7.0);
        assert!(workspace.zeros(10).iter().all(|&v| v == 0.0));
    }
}
