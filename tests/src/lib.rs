//! End to end: see `main.rs`; nothing is exported.
