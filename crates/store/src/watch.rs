//! One open watch: the events it missed, then a bounded queue the writer fills.
//!
//! The queue is filled under the same lock that publishes the revision, so whoever sees a revision
//! and then finds the queue empty has seen every event up to it ([`Watch::progress`]).

use crate::memory::{self, Event, Memory};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use tokio::sync::mpsc;

/// Events that may wait for a slow watcher before its watch is closed.
pub const WATCH_QUEUE_LENGTH: usize = 8192;

/// The writer's end of a watch.
pub(crate) struct Watcher {
    prefix: Box<str>,
    queue: mpsc::Sender<Arc<Event>>,
    slow: Arc<AtomicBool>,
}

impl Watcher {
    /// Queues the event when it is below the prefix. False: the watch is over, drop it.
    pub(crate) fn offer(&self, event: &Arc<Event>) -> bool {
        if !event.key.starts_with(&*self.prefix) {
            return !self.queue.is_closed();
        }
        match self.queue.try_send(Arc::clone(event)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!(prefix = %self.prefix, limit = WATCH_QUEUE_LENGTH, "slow watch closed");
                self.slow.store(true, Ordering::Release);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }
}

/// A stream of events; dropping it ends the watch.
pub struct Watch {
    missed: VecDeque<Arc<Event>>,
    queue: mpsc::Receiver<Arc<Event>>,
    slow: Arc<AtomicBool>,
    memory: Arc<RwLock<Memory>>,
}

impl Watch {
    pub(crate) fn pair(
        prefix: &str,
        missed: VecDeque<Arc<Event>>,
        memory: Arc<RwLock<Memory>>,
    ) -> (Watcher, Self) {
        let (sender, queue) = mpsc::channel(WATCH_QUEUE_LENGTH);
        let slow = Arc::new(AtomicBool::new(false));
        let watcher = Watcher { prefix: prefix.into(), queue: sender, slow: Arc::clone(&slow) };
        (watcher, Self { missed, queue, slow, memory })
    }

    /// The next event; `None` once the watch was closed (see [`Watch::was_slow`]).
    ///
    /// Cancel safe: an event is either returned or still there.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        match self.missed.pop_front() {
            Some(event) => Some(event),
            None => self.queue.recv().await,
        }
    }

    /// The next event if one is waiting.
    pub fn try_next(&mut self) -> Option<Arc<Event>> {
        self.missed.pop_front().or_else(|| self.queue.try_recv().ok())
    }

    /// The revision up to which every event was taken; `None` while some are still waiting.
    pub fn progress(&self) -> Option<u64> {
        let revision = memory::read(&self.memory).revision();
        (self.missed.is_empty() && self.queue.is_empty()).then_some(revision)
    }

    /// Whether the watch was closed because its queue of [`WATCH_QUEUE_LENGTH`] was full.
    pub fn was_slow(&self) -> bool {
        self.slow.load(Ordering::Acquire)
    }
}
