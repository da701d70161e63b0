//! Moves what is in the write-ahead log into the database file, from its own connection and thread.
//!
//! The writer never waits for a checkpoint in the common case. A passive checkpoint alone may never
//! catch up with a busy writer, so past [`LOG_BYTES_MAX`] the log is forced to start over.

use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Bytes written after which a passive checkpoint is worth its reads.
pub(crate) const CHECKPOINT_BYTES: u64 = 8 << 20;
/// Size of the log at which writers are held back until it was emptied.
const LOG_BYTES_MAX: i64 = 64 << 20;

/// Starts the thread. Each message asks for one checkpoint; it ends when the sender is dropped.
pub(crate) fn spawn(path: PathBuf) -> SyncSender<()> {
    // One waiting request is enough: it covers everything written before it is served.
    let (sender, requests) = sync_channel(1);
    std::thread::spawn(move || run(&path, &requests));
    sender
}

fn run(path: &PathBuf, requests: &Receiver<()>) {
    let connection = match Connection::open(path) {
        Ok(connection) => connection,
        Err(error) => {
            // Not fatal: the log grows, and the writer's last close empties it.
            tracing::error!(path = %path.display(), %error, "no checkpoints: cannot open the store");
            return;
        }
    };
    while requests.recv().is_ok() {
        if let Err(error) = checkpoint(&connection) {
            tracing::warn!(path = %path.display(), %error, "checkpoint failed, trying again later");
        }
    }
}

fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    let page_size: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages: i64 =
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
    if pages.saturating_mul(page_size) > LOG_BYTES_MAX {
        connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
    }
    Ok(())
}
