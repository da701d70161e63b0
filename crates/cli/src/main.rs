//! `shelf`: put an application together from parts, run it, and get its address.
//!
//! One binary with everything. Three processes come from it: the server (`shelf serve`), the
//! zygote that makes containers and the front door that outlives the server; the first lines of
//! [`main`] decide which one this is. A newcomer reads `serve.rs` next: it joins all rooms.

mod app;
mod arguments;
mod client;
mod commands;
mod error;
mod machine;
mod preferences;
mod progress;
mod serve;
mod settings;
mod source;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};

use crate::arguments::{Arguments, Command};
use crate::error::{Code, Failure};
use crate::preferences::Preferences;

/// Static glibc's own allocator keeps what bursts have taken. So do huge pages, of which this one
/// takes none (`no_thp`): the kernel is told for the whole process, and the engine's zygote takes
/// that back for containers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything else: these two never return if this process is one of theirs.
    engine::run_if_asked();
    net::door::run_if_asked();

    // `shelf --help` shows what `shelf` does: it says how this machine is, too.
    let typed = std::env::args_os();
    let asks = typed.len() == 2 && typed.skip(1).all(|word| word == "--help" || word == "-h");
    let program = std::env::args_os().take(if asks { 1 } else { usize::MAX });
    let mut table = match Preferences::read() {
        Ok(mine) => mine.lay_over(Arguments::command()),
        Err(failure) => return failure.print(std::env::args_os().any(|word| word == "--json")),
    };
    let matches = table.clone().get_matches_from(program);
    let arguments = Arguments::from_arg_matches(&matches)
        .unwrap_or_else(|error| error.format(&mut table).exit());
    let as_json = arguments.global.json;
    match run(arguments) {
        Ok(code) => code,
        Err(failure) => failure.print(as_json),
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let serves = matches!(&arguments.command, Some(Command::Serve(_)));
    // The server answers many at once; a command waits for one answer.
    let threads = if serves { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(256)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(Code::Failed, "runtime", format!("starting threads: {error}"))
        })?;
    let result = runtime.block_on(commands::run(arguments));
    if serves {
        // Whichever task drops the engine last removes its control groups: it must get to it.
        runtime.shutdown_timeout(Duration::from_secs(3));
    } else {
        // Threads that wait for a terminal's input would hold the process: they are left behind.
        runtime.shutdown_background();
    }
    result
}
