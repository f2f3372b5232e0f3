//! `tagwerk completions SHELL`.

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  tagwerk completions bash > ~/.local/share/bash-completion/completions/tagwerk
  tagwerk completions zsh > ~/.zfunc/_tagwerk
  tagwerk completions fish > ~/.config/fish/completions/tagwerk.fish";

/// What can be typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Typed {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completions.
pub fn run(typed: &Typed) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut Arguments::command(), "tagwerk", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
