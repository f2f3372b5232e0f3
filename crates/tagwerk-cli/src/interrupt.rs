//! Ctrl-C: the first one stops cleanly, the second one ends at once.

use crate::failure::Failure;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// From now on SIGINT (and SIGTERM, which batch systems send) raises `stop`; a second one ends the program with exit
/// code 1.
///
/// Only commands that look at the flag call this: the others end at the first signal, as any program does.
pub fn listen(stop: &Arc<AtomicBool>) -> Result<(), Failure> {
    let stop = Arc::clone(stop);
    Ok(ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::SeqCst) {
            std::process::exit(1);
        }
        let _ = writeln!(std::io::stderr(), "\ntagwerk: stopping; once more to end at once");
    })?)
}
