//! What can go wrong in this room itself; what goes wrong with a verb is `apps::Error`.

use std::path::PathBuf;

/// Why the room cannot do its own work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of sessions could not be read or written.
    #[error("cannot use {path}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The list of the apps' folders could not be opened.
    #[error("cannot open the list of apps")]
    Registry(#[source] Box<apps::Error>),
    /// The kernel gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
}
