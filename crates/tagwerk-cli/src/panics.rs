//! Panics: none is expected, and none is shown as a backtrace.
//!
//! Decoders of foreign libraries may panic on damaged files; the readers catch that and make an error of it, so the
//! hook must stay silent. What reaches the top is a fault of this program.

use crate::failure::Failure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Message and place of the last panic, for the one sentence at the end.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; a panic becomes a failure.
pub fn caught(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string().replace('\n', " ");
        tracing::debug!("{text}");
        *LAST.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(text);
    }));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let text = LAST.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        let text = text.unwrap_or_else(|| "no message".to_owned());
        Err(Failure::new(format!(
            "a fault in tagwerk itself, please report it with the command: {text}"
        )))
    })
}
