//! What surrounds a run: device, threads, stop flag, and what goes into its provenance.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tagwerk_nn::Device;

/// The surroundings of a run. None of it changes a result, except that another device rounds differently.
#[derive(Debug, Clone)]
pub struct Context {
    /// Where networks run.
    pub device: Device,
    /// The device as the user named it.
    pub device_name: String,
    /// Threads in all.
    pub threads: usize,
    /// Raised (by a Ctrl-C handler, say) to stop cleanly.
    pub stop: Arc<AtomicBool>,
    /// Version of the program.
    pub version: String,
    /// Commit it was built from, where known.
    pub git: Option<String>,
}

impl Context {
    /// The CPU with `threads` threads and nobody to stop it.
    pub fn cpu(threads: usize) -> Self {
        Self {
            device: Device::flex(),
            device_name: "cpu".into(),
            threads: threads.max(1),
            stop: Arc::default(),
            version: env!("CARGO_PKG_VERSION").into(),
            git: None,
        }
    }
}
