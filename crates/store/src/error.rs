//! Everything that can go wrong in the store, named by the operation that failed.

use std::path::PathBuf;
use std::sync::Arc;

/// Why an operation on the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The key is not in the state the write asked for.
    #[error("write {key}: not in the expected state (last written at revision {found:?})")]
    Conflict {
        /// The key of the refused write.
        key: Arc<str>,
        /// The revision of the key's last write; `None` when the key does not exist.
        found: Option<u64>,
    },
    /// The history before this revision is gone.
    #[error("revision {asked} is compacted: the oldest known is {oldest}")]
    Compacted {
        /// The revision asked for.
        asked: u64,
        /// The oldest revision that can still be given.
        oldest: u64,
    },
    /// A revision that no write has reached yet.
    #[error("revision {asked} is in the future: the current one is {current}")]
    Future {
        /// The revision asked for.
        asked: u64,
        /// The last revision.
        current: u64,
    },
    /// The limit on watches is reached.
    #[error("too many watches: the limit is {limit}")]
    TooManyWatches {
        /// The limit.
        limit: usize,
    },
    /// The writer is gone; the process is ending.
    #[error("the store is closed")]
    Closed,
    /// The disk is full; nothing was written, later writes may succeed.
    #[error("write to {path}: the disk is full, nothing was written")]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The disk failed; the store acknowledges nothing more until it is opened again.
    #[error("{path} failed to write ({reason}): the store stopped, nothing more is acknowledged")]
    Stopped {
        /// The file that failed.
        path: PathBuf,
        /// What the disk or SQLite said.
        reason: Arc<str>,
    },
    /// A file or directory could not be made or opened.
    #[error("{operation} {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The path it was tried on.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Another process has the store open.
    #[error("{path} is in use by another process")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file is an SQLite database of somebody else, or none at all.
    #[error("{path} is not a shelf store")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a newer shelf.
    #[error("{path} has format {found}, this shelf reads up to {known}: use the newer shelf")]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format's number in the file.
        found: i64,
        /// The newest number we know.
        known: i64,
    },
    /// The file's content is not what was written.
    #[error("{path} is damaged: {what}; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// SQLite refused an operation at open.
    #[error("{operation} {path}")]
    Sqlite {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
}
