//! The one thread every write passes through.
//!
//! It takes what is waiting, gives each write its revision, commits all of it at once, publishes
//! the events to memory and the watches, and only then answers. When the disk fails it answers
//! every later write with the reason and touches the file no more.

use crate::Expect;
use crate::checkpoint::{self, CHECKPOINT_BYTES};
use crate::error::Error;
use crate::file::File;
use crate::memory::{self, Entry, Event, EventKind, Memory};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::HashMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, RwLock};
use tokio::sync::{mpsc, oneshot};

/// Writes of one commit at most: bounds how long the first of them waits for the last.
const BATCH_LENGTH: usize = 512;
/// Events forgotten in one commit at most, so that compaction never stalls writes.
const FORGET_LENGTH: usize = 1024;
/// Surplus below which forgetting is not worth a statement.
const FORGET_LEAST: usize = 64;

/// What to do to a key.
pub(crate) enum Change {
    Put(Content),
    Delete,
}

/// The bytes to write.
pub(crate) enum Content {
    Whole(Bytes),
    /// The revision in decimal goes between the two.
    Numbered {
        before: Bytes,
        after: Bytes,
    },
}

impl Content {
    fn bytes(self, revision: u64) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Numbered { before, after } => {
                let digits = revision.to_string();
                let mut bytes = BytesMut::with_capacity(before.len() + digits.len() + after.len());
                bytes.put(before);
                bytes.put_slice(digits.as_bytes());
                bytes.put(after);
                bytes.freeze()
            }
        }
    }
}

/// One message to the writer.
pub(crate) enum Request {
    Write { key: Arc<str>, change: Change, expect: Expect, reply: oneshot::Sender<Outcome> },
    Compact { revision: u64, reply: oneshot::Sender<Result<(), Error>> },
}

/// Starts the writer. It ends when every clone of the store is dropped.
pub(crate) fn spawn(file: File, memory: Arc<RwLock<Memory>>, requests: mpsc::Receiver<Request>) {
    let checkpoint = file.on_disk().map(|path| checkpoint::spawn(path.to_owned()));
    let mut writer = Writer { file, memory, checkpoint, written_bytes: 0, stopped: None };
    std::thread::spawn(move || {
        writer.run(requests);
        memory::write(&writer.memory).close();
    });
}

struct Writer {
    file: File,
    memory: Arc<RwLock<Memory>>,
    checkpoint: Option<SyncSender<()>>,
    written_bytes: u64,
    stopped: Option<Error>,
}

/// The revision of a write, or why there is none.
type Outcome = Result<u64, Error>;

/// The writes of one commit, not yet visible to anybody.
#[derive(Default)]
struct Batch {
    events: Vec<Event>,
    replies: Vec<(oneshot::Sender<Outcome>, Outcome)>,
    /// The newest state of each key written in this batch.
    pending: HashMap<Arc<str>, Option<Entry>>,
}

impl Writer {
    fn run(&mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut batch = Batch::default();
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Write { key, change, expect, reply } => {
                        let result = self.prepare(&mut batch, key, change, expect);
                        batch.replies.push((reply, result));
                    }
                    Request::Compact { revision, reply } => {
                        self.finish(std::mem::take(&mut batch));
                        let result = self.compact(revision);
                        // A caller that stopped waiting needs no answer.
                        drop(reply.send(result));
                    }
                }
                next = (batch.replies.len() < BATCH_LENGTH)
                    .then(|| requests.try_recv().ok())
                    .flatten();
            }
            self.finish(batch);
        }
    }

    /// Checks one write against the state it will meet and gives it its revision.
    fn prepare(
        &self,
        batch: &mut Batch,
        key: Arc<str>,
        change: Change,
        expect: Expect,
    ) -> Result<u64, Error> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        let memory = memory::read(&self.memory);
        let prev = match batch.pending.get(&key) {
            Some(pending) => pending.clone(),
            None => memory.get(&key),
        };
        let found = prev.as_ref().map(|entry| entry.mod_revision);
        let met = match (&change, expect) {
            (Change::Put(_), Expect::Any) => true,
            (Change::Delete, Expect::Any) => found.is_some(),
            (_, Expect::Absent) => found.is_none() && matches!(change, Change::Put(_)),
            (_, Expect::Revision(revision)) => found == Some(revision),
        };
        if !met {
            return Err(Error::Conflict { key, found });
        }
        let revision = memory.revision() + 1 + batch.events.len() as u64;
        let create_revision = prev.as_ref().map_or(revision, |entry| entry.create_revision);
        let (kind, value) = match change {
            Change::Put(content) => (EventKind::Put, content.bytes(revision)),
            Change::Delete => (EventKind::Delete, Bytes::new()),
        };
        let entry = (kind == EventKind::Put).then(|| Entry {
            key: Arc::clone(&key),
            value: value.clone(),
            create_revision,
            mod_revision: revision,
        });
        batch.pending.insert(Arc::clone(&key), entry);
        batch.events.push(Event { kind, key, value, create_revision, prev, revision });
        Ok(revision)
    }

    /// Commits, publishes, answers: in this order.
    fn finish(&mut self, batch: Batch) {
        let Batch { events, mut replies, .. } = batch;
        if !events.is_empty()
            && let Err(error) = self.commit(events)
        {
            // A refusal stays one only if it did not rest on a write of this lost batch; when
            // in doubt the caller learns of the disk, which is the true reason.
            for (_, result) in &mut replies {
                *result = Err(error.clone());
            }
        }
        for (reply, result) in replies {
            // A caller that stopped waiting needs no answer; its write stands.
            drop(reply.send(result));
        }
    }

    fn commit(&mut self, events: Vec<Event>) -> Result<(), Error> {
        let bytes: usize = events.iter().map(|event| event.key.len() + event.value.len()).sum();
        let surplus = memory::read(&self.memory).surplus(None);
        let surplus = if surplus < FORGET_LEAST { 0 } else { surplus.min(FORGET_LENGTH) };
        self.write(&events, surplus)?;
        let mut memory = memory::write(&self.memory);
        memory.forget(surplus);
        for event in events {
            memory.publish(event);
        }
        drop(memory);
        self.written_bytes += bytes as u64;
        if self.written_bytes > CHECKPOINT_BYTES
            && let Some(checkpoint) = &self.checkpoint
        {
            // Full means one is waiting already, which covers this one.
            let _ = checkpoint.try_send(());
            self.written_bytes = 0;
        }
        Ok(())
    }

    fn compact(&mut self, revision: u64) -> Result<(), Error> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        memory::read(&self.memory).check_reached(revision)?;
        loop {
            let surplus = memory::read(&self.memory).surplus(Some(revision)).min(FORGET_LENGTH);
            if surplus == 0 {
                return Ok(());
            }
            self.write(&[], surplus)?;
            memory::write(&self.memory).forget(surplus);
        }
    }

    fn write(&mut self, events: &[Event], surplus: usize) -> Result<(), Error> {
        // The lock is not held over the disk: reads and new watches go on during a commit.
        let forgotten = memory::read(&self.memory).oldest(surplus);
        self.file.commit(events, &forgotten).map_err(|error| {
            let (error, stop) = self.file.failure(&error);
            tracing::error!(%error, "commit failed");
            if stop {
                self.stopped = Some(error.clone());
            }
            error
        })
    }
}
