//! Imports and exports as a caller of this room sees them.

mod exports;
mod imports;
mod manifests;
