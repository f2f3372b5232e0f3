//! What all commands share: threads, device, seed, stop flag, and where results go.

use crate::arguments::GlobalArguments;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::Output;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tagwerk_taggers::{Context, parse_device};

/// Deep call chains (automatic differentiation of deep networks) need more than a thread's usual 2 MiB; it is address
/// space until it is used.
const STACK_BYTES: usize = 16 << 20;

/// One call of the program.
pub struct Session {
    /// Where results go.
    pub output: Output,
    /// Seed, where the user gave one.
    pub seed: Option<u64>,
    /// No progress, no notes.
    pub quiet: bool,
    threads: usize,
    device: String,
    stop: Arc<AtomicBool>,
}

impl Session {
    /// Sets up threads and log.
    pub fn new(typed: &GlobalArguments) -> Result<Self, Failure> {
        let level = typed.log.map_or(tracing::Level::WARN, Into::into);
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .without_time()
            .init();
        let all = std::thread::available_parallelism().map_or(1, Into::into);
        let threads = typed.threads.unwrap_or(all);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .stack_size(STACK_BYTES)
            .build_global()
            .map_err(|e| Failure::new(format!("starting {threads} threads: {e}")))?;
        Ok(Self {
            output: Output::new(typed.json.as_deref(), typed.quiet)?,
            seed: typed.seed,
            quiet: typed.quiet,
            threads,
            device: typed.device.clone(),
            stop: Arc::default(),
        })
    }

    /// The surroundings of a run, which from now on Ctrl-C stops cleanly.
    pub fn context(&self) -> Result<Context, Failure> {
        Ok(Context {
            device: parse_device(&self.device)?,
            device_name: self.device.clone(),
            threads: self.threads,
            stop: self.stoppable()?,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git: option_env!("TAGWERK_COMMIT").map(str::to_owned),
        })
    }

    /// The stop flag, which from now on Ctrl-C raises.
    pub fn stoppable(&self) -> Result<Arc<AtomicBool>, Failure> {
        interrupt::listen(&self.stop)?;
        Ok(Arc::clone(&self.stop))
    }
}
