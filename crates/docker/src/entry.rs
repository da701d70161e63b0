//! One container in memory: its record, what is under way with it, and who waits for it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use pod::{ContainerState, Pods, State};
use tokio::sync::watch;

use crate::error::Result;
use crate::options::{MAIN, Request};
use crate::record::Record;

/// What has happened to a container since this server knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Starts that succeeded.
    pub(crate) starts: u64,
    /// Ends, and starts that failed.
    pub(crate) ends: u64,
    /// Exit code of the last end.
    pub(crate) code: i32,
    /// Whether its end was not yet cleared away.
    pub(crate) running: bool,
    /// Whether its removal has begun: it will not start again.
    pub(crate) leaving: bool,
    /// Whether the container is removed.
    pub(crate) gone: bool,
}

/// One container.
pub(crate) struct Entry {
    pub(crate) id: String,
    record: Mutex<Record>,
    /// Held while it is started, cleared away or removed.
    pub(crate) door: tokio::sync::Mutex<()>,
    pub(crate) progress: watch::Sender<Progress>,
    /// Attached clients that still read; an automatic removal waits for them.
    pub(crate) attached: watch::Sender<usize>,
    /// Rows and columns of its terminal, as last asked for, in one number.
    size: AtomicU32,
}

/// Where a container is in its life, as Docker calls it.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    Created,
    Running(Box<ContainerState>),
    Exited(Box<ContainerState>),
}

impl Phase {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running(_) => "running",
            Self::Exited(_) => "exited",
        }
    }

    pub(crate) fn running(&self) -> bool {
        matches!(self, Self::Running(_))
    }
}

impl Entry {
    pub(crate) fn new(record: Record, running: bool) -> Arc<Self> {
        Arc::new(Self {
            id: record.id.clone(),
            record: Mutex::new(record),
            door: tokio::sync::Mutex::default(),
            progress: watch::Sender::new(Progress { running, ..Progress::default() }),
            attached: watch::Sender::new(0),
            size: AtomicU32::new(0),
        })
    }

    pub(crate) fn record(&self) -> Record {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_record(&self, record: Record) {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = record;
    }

    pub(crate) fn request(&self) -> Result<Request> {
        Request::parse(&self.record().request)
    }

    pub(crate) fn phase(&self, pods: &Pods) -> (Phase, Option<State>) {
        let state = pods.get(&self.id);
        let phase = match state.as_ref().and_then(|state| state.container(MAIN)) {
            None => Phase::Created,
            Some(known) if known.running() => Phase::Running(Box::new(known.clone())),
            Some(known) => Phase::Exited(Box::new(known.clone())),
        };
        (phase, state)
    }

    /// Remembers the terminal's size; one asked for before the start is set at the start.
    pub(crate) fn set_size(&self, rows: u16, columns: u16) {
        self.size.store(u32::from(rows) << 16 | u32::from(columns), Ordering::Relaxed);
    }

    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        let size = self.size.load(Ordering::Relaxed);
        let side = |value: u32| u16::try_from(value & 0xffff).ok();
        let (rows, columns) = (side(size >> 16)?, side(size)?);
        (rows > 0 && columns > 0).then_some((rows, columns))
    }

    /// Counts a client until the answer is dropped.
    pub(crate) fn attach(self: &Arc<Self>) -> Attached {
        self.attached.send_modify(|count| *count += 1);
        Attached(self.clone())
    }
}

/// One attached client.
pub(crate) struct Attached(Arc<Entry>);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.attached.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Seconds since 1970.
pub(crate) fn seconds(time: Timestamp) -> i64 {
    time.as_second()
}
