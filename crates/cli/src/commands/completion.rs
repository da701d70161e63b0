//! `shelf completion`: what a shell needs to complete `shelf` commands.

use std::process::ExitCode;

use clap::CommandFactory;

use super::{Outcome, say};
use crate::arguments::Arguments;
use crate::arguments::looks::Completion;

/// Prints the completion script of a shell.
pub(crate) fn completion(options: &Completion) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "shelf", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
