//! Apps from and to other worlds: compose files and manifests in, plain objects, charts and compose
//! files out. Pure: texts and objects go in and come out, nothing is read, asked or written.
//!
//! What comes in is foreign: it is bounded, it never panics, and every value of it is accounted for
//! (`ledger.rs`). Start reading at `compose.rs`.

mod compose;
mod draft;
mod export;
mod ledger;
mod manifests;
mod words;
pub mod yaml;

pub use compose::{Compose, Given, Imported, compose, compose_files};
pub use export::{Exported, Folder, composed, helm, yaml as plain};
pub use ledger::{Row, State};
pub use manifests::{Manifests, manifests};

/// Why something could not be taken in or given out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text is no YAML, or too much of it.
    #[error("{path}:{line}: {why}")]
    Yaml {
        /// The file, as it was named.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A file is well written, and still nothing that can be taken over.
    #[error("{path} cannot be imported: {why}")]
    Unfit {
        /// The file, as it was named.
        path: String,
        /// Why.
        why: String,
    },
}

/// The result of this room's doors.
pub type Result<T, E = Error> = std::result::Result<T, E>;
