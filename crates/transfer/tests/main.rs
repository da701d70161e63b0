//! Imports and exports as a caller of this room sees them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exports;
mod imports;
mod manifests;
