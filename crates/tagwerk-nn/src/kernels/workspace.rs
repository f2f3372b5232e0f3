//! Buffers that outlive a step.
//!
//! A training step needs the same few large buffers each time. Fresh ones would be mapped, zeroed page by page and
//! unmapped by the system in every step, work that has nothing to do with the network. A [`Workspace`]
//! belongs to a layer and hands its buffers out again; a buffer returns by itself when it is dropped.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// At most this many idle buffers of a kind are kept; beyond, the one idle for longest is freed.
const IDLE: usize = 64;

/// Requests below this length take any idle buffer up to twice this length.
const SHORT: usize = 1024;

/// Idle buffers, in the order they came back.
type Idle<T> = Arc<Mutex<Vec<Vec<T>>>>;

/// A store of idle buffers, shared by the forward and backward pass of one layer.
#[derive(Debug, Default, Clone)]
pub struct Workspace {
    floats: Idle<f32>,
    bytes: Idle<u8>,
}

impl Workspace {
    /// A buffer of `len` values of arbitrary content.
    pub fn take(&self, len: usize) -> Buffer {
        take(&self.floats, len)
    }

    /// A buffer of `len` zeros.
    pub fn zeros(&self, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }

    /// A buffer of `len` bytes of arbitrary content.
    pub fn take_bytes(&self, len: usize) -> Buffer<u8> {
        take(&self.bytes, len)
    }
}

/// What a test finds in a buffer that it has not written: a kernel that reads it computes no numbers.
#[cfg(test)]
trait Junk {
    const JUNK: Self;
}

#[cfg(test)]
impl Junk for f32 {
    const JUNK: Self = f32::NAN;
}

#[cfg(test)]
impl Junk for u8 {
    const JUNK: Self = 0xAB;
}

/// The values a buffer may hold.
#[cfg(test)]
trait Content: Copy + Default + Junk {}
#[cfg(test)]
impl<T: Copy + Default + Junk> Content for T {}
#[cfg(not(test))]
trait Content: Copy + Default {}
#[cfg(not(test))]
impl<T: Copy + Default> Content for T {}

/// The shortest idle buffer that is long enough and at most twice too long: a small request must not hold the memory
/// of a large one.
fn take<T: Content>(home: &Idle<T>, len: usize) -> Buffer<T> {
    let mut data = {
        let mut idle = home.lock().unwrap_or_else(PoisonError::into_inner);
        let best = (0..idle.len())
            .filter(|&i| (len..=2 * len.max(SHORT)).contains(&idle[i].len()))
            .min_by_key(|&i| idle[i].len());
        match best {
            Some(i) => idle.remove(i),
            // Some slack, so that the next batch, a little longer, fits too.
            None => Vec::with_capacity(len + len / 4),
        }
    };
    // An idle buffer keeps its full length, so that only growth is ever filled.
    if data.len() < len {
        data.resize(data.capacity().max(len), T::default());
    }
    #[cfg(test)]
    data.fill(T::JUNK);
    Buffer {
        data,
        len,
        home: home.clone(),
    }
}

/// A buffer on loan from a [`Workspace`].
#[derive(Debug)]
pub struct Buffer<T = f32> {
    data: Vec<T>,
    len: usize,
    home: Idle<T>,
}

impl<T> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data[..self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[..self.len]
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return;
        }
        let mut idle = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(data);
        if idle.len() > IDLE {
            idle.remove(0);
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
    fn a_small_request_leaves_a_large_buffer_alone() {
        let workspace = Workspace::default();
        let large = workspace.take(1_000_000);
        let address = large.as_ptr();
        drop(large);
        let small = workspace.take(10_000);
        assert!(small.data.len() <= 20_000, "{}", small.data.len());
        assert_eq!(workspace.take(900_000).as_ptr(), address);
    }

    #[test]
    fn zeros_are_zero_even_in_a_used_buffer() {
        let workspace = Workspace::default();
        workspace.take(10).fill(7.0);
        assert!(workspace.zeros(10).iter().all(|&v| v == 0.0));
    }
}
