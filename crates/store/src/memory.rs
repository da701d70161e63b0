//! The present state and the recent history, in memory: what every read and watch is served from.
//!
//! The map holds the last committed value of each key; the history holds the last events, oldest
//! first and without a gap, each with the value it replaced. Going back in time is undoing events.
//! Only `writer.rs` changes what is here, and only after the commit.

use crate::error::Error;
use crate::watch::{Watch, Watcher};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

/// Events kept for watches that resume.
pub(crate) const HISTORY_COUNT: usize = 20_000;
/// Bytes of values kept for watches that resume.
pub(crate) const HISTORY_BYTES: usize = 16 << 20;
/// How long an event is kept at least while the two limits above allow it.
pub(crate) const HISTORY_AGE: Duration = Duration::from_secs(600);
/// Watches open at the same time.
pub(crate) const WATCH_COUNT: usize = 10_000;

/// A key and its value as last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Arc<str>,
    /// The bytes that were written.
    pub value: Bytes,
    /// The revision at which the key came to be.
    pub create_revision: u64,
    /// The revision of the last write.
    pub mod_revision: u64,
}

/// The answer to a list.
#[derive(Debug, Clone)]
pub struct List {
    /// The entries in key order.
    pub entries: Vec<Entry>,
    /// The revision the list is consistent with.
    pub revision: u64,
    /// Whether the limit cut the list short.
    pub more: bool,
}

/// What an event did to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The key was created or changed.
    Put,
    /// The key was deleted.
    Delete,
}

/// One write, as watches see it.
#[derive(Debug, Clone)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The key it happened to.
    pub key: Arc<str>,
    /// The new value; empty for a deletion.
    pub value: Bytes,
    /// The revision at which the key came to be.
    pub create_revision: u64,
    /// The entry this write replaced.
    pub prev: Option<Entry>,
    /// The revision of this write.
    pub revision: u64,
}

impl Event {
    fn size(&self) -> usize {
        // The previous value is counted too: this event may be all that keeps it alive.
        self.key.len() + self.value.len() + self.prev.as_ref().map_or(0, |entry| entry.value.len())
    }

    fn entry(&self) -> Option<Entry> {
        (self.kind == EventKind::Put).then(|| Entry {
            key: Arc::clone(&self.key),
            value: self.value.clone(),
            create_revision: self.create_revision,
            mod_revision: self.revision,
        })
    }
}

/// The whole state behind one lock.
pub(crate) struct Memory {
    entries: BTreeMap<Arc<str>, Entry>,
    history: VecDeque<(Instant, Arc<Event>)>,
    history_bytes: usize,
    /// Every event after this revision is in `history`.
    compacted: u64,
    revision: u64,
    watchers: Vec<Watcher>,
}

/// Locks for reading. A poisoned lock is taken: the state is only changed whole, after a commit.
pub(crate) fn read(memory: &RwLock<Memory>) -> RwLockReadGuard<'_, Memory> {
    memory.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing; see [`read`].
pub(crate) fn write(memory: &RwLock<Memory>) -> RwLockWriteGuard<'_, Memory> {
    memory.write().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// The state before the changes kept in the file are played back.
    pub(crate) fn new(compacted: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            history: VecDeque::new(),
            history_bytes: 0,
            compacted,
            revision: compacted,
            watchers: Vec::new(),
        }
    }

    /// Takes in a change that was compacted: it is state, no longer history.
    pub(crate) fn restore(&mut self, entry: Entry) {
        self.entries.insert(Arc::clone(&entry.key), entry);
    }

    /// Takes in one committed event: the map, the history, then every watch.
    pub(crate) fn publish(&mut self, event: Event) {
        match event.entry() {
            Some(entry) => self.entries.insert(Arc::clone(&event.key), entry),
            None => self.entries.remove(&event.key),
        };
        self.revision = event.revision;
        self.history_bytes += event.size();
        let event = Arc::new(event);
        self.watchers.retain(|watcher| watcher.offer(&event));
        self.history.push_back((Instant::now(), event));
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry> {
        self.entries.get(key).cloned()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn check_reached(&self, asked: u64) -> Result<(), Error> {
        if asked > self.revision {
            return Err(Error::Future { asked, current: self.revision });
        }
        Ok(())
    }

    /// How many of the oldest events are over one of the limits, or at most `up_to`.
    pub(crate) fn surplus(&self, up_to: Option<u64>) -> usize {
        if let Some(revision) = up_to {
            return self.history.partition_point(|(_, event)| event.revision <= revision);
        }
        let mut bytes = self.history_bytes;
        let mut surplus = 0;
        for (index, (at, event)) in self.history.iter().enumerate() {
            let over = self.history.len() - index > HISTORY_COUNT
                || bytes > HISTORY_BYTES
                || at.elapsed() > HISTORY_AGE;
            if !over {
                break;
            }
            bytes -= event.size();
            surplus = index + 1;
        }
        surplus
    }

    /// The `count` oldest events of the history.
    pub(crate) fn oldest(&self, count: usize) -> Vec<Arc<Event>> {
        self.history.iter().take(count).map(|(_, event)| Arc::clone(event)).collect()
    }

    /// Forgets the `count` oldest events.
    pub(crate) fn forget(&mut self, count: usize) {
        for (_, event) in self.history.drain(..count) {
            self.history_bytes -= event.size();
            self.compacted = event.revision;
        }
    }

    pub(crate) fn list(
        &self,
        prefix: &str,
        limit: Option<usize>,
        after: Option<&str>,
        at_revision: Option<u64>,
    ) -> Result<List, Error> {
        let undone = match at_revision {
            Some(revision) if revision != self.revision => self.undo(prefix, revision)?,
            _ => HashMap::new(),
        };
        let revision = at_revision.unwrap_or(self.revision);
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let present = self
            .entries
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(_, entry)| entry);
        let mut entries: Vec<Entry> = Vec::new();
        let most = limit.unwrap_or(usize::MAX);
        if undone.is_empty() {
            entries.extend(present.take(most.saturating_add(1)).cloned());
        } else {
            entries.extend(present.filter(|entry| !undone.contains_key(&entry.key)).cloned());
            let begins = after.unwrap_or("");
            entries.extend(undone.into_values().flatten().filter(|old| &*old.key > begins));
            entries.sort_by(|left, right| left.key.cmp(&right.key));
        }
        let more = entries.len() > most;
        entries.truncate(most);
        Ok(List { entries, revision, more })
    }

    /// What each key below `prefix` that changed after `revision` was at that revision.
    fn undo(&self, prefix: &str, revision: u64) -> Result<HashMap<Arc<str>, Option<Entry>>, Error> {
        self.check_known(revision)?;
        let mut undone = HashMap::new();
        for (_, event) in &self.history {
            if event.revision > revision && event.key.starts_with(prefix) {
                undone.entry(Arc::clone(&event.key)).or_insert_with(|| event.prev.clone());
            }
        }
        Ok(undone)
    }

    fn check_known(&self, revision: u64) -> Result<(), Error> {
        self.check_reached(revision)?;
        if revision < self.compacted {
            return Err(Error::Compacted { asked: revision, oldest: self.compacted });
        }
        Ok(())
    }

    pub(crate) fn watch(
        &mut self,
        prefix: &str,
        after_revision: u64,
        memory: Arc<RwLock<Self>>,
    ) -> Result<Watch, Error> {
        self.check_known(after_revision)?;
        self.watchers.retain(Watcher::is_open);
        if self.watchers.len() >= WATCH_COUNT {
            return Err(Error::TooManyWatches { limit: WATCH_COUNT });
        }
        let first = self.history.partition_point(|(_, event)| event.revision <= after_revision);
        let missed = self
            .history
            .range(first..)
            .map(|(_, event)| Arc::clone(event))
            .filter(|event| event.key.starts_with(prefix))
            .collect();
        let (watcher, watch) = Watch::pair(prefix, missed, memory);
        self.watchers.push(watcher);
        Ok(watch)
    }

    /// Ends every watch: the store will publish nothing more.
    pub(crate) fn close(&mut self) {
        self.watchers.clear();
    }
}
