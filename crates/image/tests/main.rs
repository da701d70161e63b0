//! The image store on a real disk and a real kernel. `base.rs` and `mounts.rs` need root.

#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

mod base;
mod mounts;
mod store;
