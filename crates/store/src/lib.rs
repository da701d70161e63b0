//! An ordered map of keys to bytes that survives a crash, numbers every write, and can be watched.
//!
//! Every write gets the next revision (exactly one more than the last), is on disk before it is
//! acknowledged, and is then seen by every watch, once and in order. Reads come from memory.
//! This room knows nothing of JSON or Kubernetes: keys are text, values are bytes.
//!
//! Start reading at `writer.rs`: the one thread every write passes through. What is on disk is
//! described in `docs/formats/store.md`.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use store::{Expect, Store};
//! let store = Store::open_in_memory()?;
//! let first = store.put("/a", "one".into(), Expect::Absent).await?;
//! let mut watch = store.watch("/", first)?;
//! let second = store.put("/a", "two".into(), Expect::Revision(first)).await?;
//! assert_eq!(second, first + 1);
//! assert_eq!(watch.next().await.map(|event| event.revision), Some(second));
//! # Ok::<(), store::Error>(()) }).unwrap();
//! ```

mod checkpoint;
mod error;
mod file;
mod memory;
mod watch;
mod writer;

pub use error::Error;
pub use memory::{Entry, Event, EventKind, List};
pub use watch::{WATCH_QUEUE_LENGTH, Watch};

use bytes::Bytes;
use memory::Memory;
use std::path::Path;
use std::sync::{Arc, RwLock};
use tokio::sync::{mpsc, oneshot};
use writer::{Change, Content, Request};

/// Writes that may wait for the writer before callers are held back.
const QUEUE_LENGTH: usize = 1024;

/// What a write asks of the key's present state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The key must not exist.
    Absent,
    /// The key's last write must have been this revision.
    Revision(u64),
    /// Whatever is there (a delete still needs the key to exist).
    Any,
}

/// The store; clones share one file and one writer.
#[derive(Clone)]
pub struct Store {
    memory: Arc<RwLock<Memory>>,
    queue: mpsc::Sender<Request>,
}

impl Store {
    /// Opens the store kept in directory `path`, making it when absent.
    ///
    /// # Errors
    /// When another process has it open, the file is not ours, is of a newer format, or is
    /// damaged: nothing is ever opened that could not be read whole.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let opened = file::File::open(path)?;
        Ok(Self::start(opened))
    }

    /// A store that lives only as long as the process, for tests.
    ///
    /// # Errors
    /// When SQLite refuses to start.
    pub fn open_in_memory() -> Result<Self, Error> {
        Ok(Self::start(file::File::in_memory()?))
    }

    fn start((file, memory): (file::File, Memory)) -> Self {
        let memory = Arc::new(RwLock::new(memory));
        let (queue, requests) = mpsc::channel(QUEUE_LENGTH);
        writer::spawn(file, Arc::clone(&memory), requests);
        Self { memory, queue }
    }

    /// The value of `key` now.
    pub fn get(&self, key: &str) -> Option<Entry> {
        memory::read(&self.memory).get(key)
    }

    /// Entries whose key begins with `prefix`, in key order.
    ///
    /// At most `limit`, only those after the key `after`, and as of `at_revision` when given.
    ///
    /// # Errors
    /// [`Error::Compacted`] when that revision is no longer known, [`Error::Future`] when it has
    /// not been reached.
    pub fn list(
        &self,
        prefix: &str,
        limit: Option<usize>,
        after: Option<&str>,
        at_revision: Option<u64>,
    ) -> Result<List, Error> {
        memory::read(&self.memory).list(prefix, limit, after, at_revision)
    }

    /// Writes `value` under `key`; returns the new revision once it is on disk.
    ///
    /// # Errors
    /// [`Error::Conflict`] when `expect` is not met; otherwise the disk's reason.
    pub async fn put(&self, key: &str, value: Bytes, expect: Expect) -> Result<u64, Error> {
        self.write(key, Change::Put(Content::Whole(value)), expect).await
    }

    /// Like [`Store::put`], with the write's own revision in decimal between `before` and `after`.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub async fn put_numbered(
        &self,
        key: &str,
        before: Bytes,
        after: Bytes,
        expect: Expect,
    ) -> Result<u64, Error> {
        self.write(key, Change::Put(Content::Numbered { before, after }), expect).await
    }

    /// Deletes `key`; returns the revision of the deletion once it is on disk.
    ///
    /// # Errors
    /// [`Error::Conflict`] when `expect` is not met or the key does not exist.
    pub async fn delete(&self, key: &str, expect: Expect) -> Result<u64, Error> {
        self.write(key, Change::Delete, expect).await
    }

    async fn write(&self, key: &str, change: Change, expect: Expect) -> Result<u64, Error> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Write { key: Arc::from(key), change, expect, reply };
        self.queue.send(request).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Watches keys that begin with `prefix`: every event after `after_revision`, once, in order.
    ///
    /// # Errors
    /// [`Error::Compacted`] when those events are no longer all known, [`Error::Future`] when
    /// that revision has not been reached, [`Error::TooManyWatches`] at the limit.
    pub fn watch(&self, prefix: &str, after_revision: u64) -> Result<Watch, Error> {
        memory::write(&self.memory).watch(prefix, after_revision, Arc::clone(&self.memory))
    }

    /// The revision of the last write.
    pub fn revision(&self) -> u64 {
        memory::read(&self.memory).revision()
    }

    /// Forgets the history up to and including `revision` (the present state stays).
    ///
    /// # Errors
    /// [`Error::Future`] when it has not been reached, otherwise the disk's reason.
    pub async fn compact(&self, revision: u64) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Compact { revision, reply };
        self.queue.send(request).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}
