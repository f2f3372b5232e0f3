//! The binary `tagwerk`: typed arguments -> library call -> printed result.
//!
//! # What
//!
//! [`arguments`] is what a user can type. Each file of [`commands`] turns the arguments of one command into the
//! settings of a library call, makes the call, and hands the result to [`output`]: text for people, JSON for programs,
//! the same numbers in both. [`session`] holds what all commands share (threads, device, seed, stop flag), [`progress`]
//! listens to trainings, [`failure`] makes one sentence of an error.
//!
//! # Why so
//!
//! **No logic here.** What a command computes can be had from the libraries with the same call, so that the Python
//! module, a notebook and a shell script agree to the last bit. What was typed is not what is used: arguments are
//! turned into the libraries' own configuration at once, and nothing below a command sees them.
//!
//! **Three exit codes.** 0: done. 1: failed or stopped, with one sentence on standard error. 2: wrong usage. Nothing a
//! user can type or any file can hold gives a backtrace; a panic, should there be one, is a fault of the program and
//! says so.
//!
//! **Results on standard output, everything else on standard error**, so that `tagwerk evaluate --json - scores.npy |
//! jq .auc` works. A reader that goes away (`| head`) ends the program in silence.
//!
//! **Ctrl-C is a way to end**, not an accident: the first one stops after the step under way and writes a checkpoint,
//! the second one ends the program at once, which costs at most the work since the last checkpoint.

mod arguments;
mod commands;
mod config_file;
mod failure;
mod feature_file;
mod format;
mod interrupt;
mod output;
mod panics;
mod progress;
mod report_input;
mod score_file;
mod session;

use arguments::Arguments;
use clap::Parser;
use failure::Failure;
use std::io::Write;
use std::process::ExitCode;

/// Trainings allocate and free blocks of a few megabytes on several threads all the time, which is where it is fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => {
            // Help and version come this way too, with code 0. Nobody is left to tell when the terminal is gone.
            let _ = answer.print();
            return ExitCode::from(if answer.use_stderr() { 2 } else { 0 });
        }
    };
    match panics::caught(|| commands::run(arguments)) {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Usage(sentence)) => end(&sentence, 2),
        Err(Failure::Sentence(sentence)) => end(&sentence, 1),
    }
}

fn end(sentence: &str, code: u8) -> ExitCode {
    // A closed standard error leaves the exit code to speak.
    let _ = writeln!(std::io::stderr(), "tagwerk: {sentence}");
    ExitCode::from(code)
}
