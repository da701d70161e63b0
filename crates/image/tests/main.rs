//! The image store on a real disk and a real kernel. `base.rs` and `mounts.rs` need root.

mod base;
mod mounts;
mod store;
