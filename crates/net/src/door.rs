//! The door: a small process that answers DNS and HTTP for the pods of one
//! instance and goes on doing so when the daemon dies. It is the same binary
//! started again under the name `shelf-door`, in its own session.
//!
//! The daemon opens the listening sockets and hands them over by a unix socket
//! in the run directory (`control.rs`); the door keeps them and the last
//! configuration (`docs/formats/door.md`). A daemon of another build takes them
//! back and gives them to a door of its own, while the old one finishes what it
//! has in flight. `process.rs` is the life of the process, `proxy.rs` that of a
//! request, `client.rs` the daemon's side.

pub(crate) mod backends;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod headers;
pub(crate) mod listen;
mod page;
mod pool;
pub(crate) mod process;
mod proxy;
pub(crate) mod routes;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub use backends::Access;

/// The name a door process runs under.
pub(crate) const PROCESS_NAME: &str = "shelf-door";

/// Whether this program's `main` calls [`run_if_asked`].
static MAIN_ASKS: AtomicBool = AtomicBool::new(false);

/// Runs the door and ends the process, if it was started as one; returns at once
/// otherwise. Call it first thing in `main`, before any thread exists.
///
/// A program that never calls this (a test) gets its door as a thread instead,
/// which ends with the program.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if Path::new(&name).file_name().is_some_and(|name| name == PROCESS_NAME) {
        let run_dir = arguments.next().unwrap_or_default();
        std::process::exit(process::run(Path::new(&run_dir)));
    }
    MAIN_ASKS.store(true, Ordering::Relaxed);
}

/// Whether starting this program again gives a door and not, say, all tests.
pub(crate) fn main_asks() -> bool {
    MAIN_ASKS.load(Ordering::Relaxed)
}
