//! The binary as a person types it: commands that need no server. One file per promise.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod edits;
mod guide;
mod looks;
mod modules;
mod shell;
