//! What the engine tells: states, exits, events, usage figures.
//!
//! A container's state is also a JSON file in its sandbox's run folder, written by the
//! keeper (`keeper/record.rs`), so that an exit is known although no daemon ran.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit status; 128 + signal when a signal ended it.
    pub code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// The kernel killed something in the container for lack of memory and this process failed.
    pub oom_killed: bool,
    /// When the keeper saw the end.
    pub finished_at: Timestamp,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Its first process is alive.
    Running,
    /// Its first process has ended; see [`ContainerState::exit`].
    Exited,
}

/// One container as its keeper knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerState {
    /// The container's id.
    pub id: String,
    /// Running or exited.
    pub status: Status,
    /// First process, in the daemon's pid namespace.
    pub pid: u32,
    /// When its program was executed.
    pub started_at: Timestamp,
    /// Present once exited.
    pub exit: Option<Exit>,
}

/// What [`crate::Sandbox::start`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// First process, in the daemon's pid namespace.
    pub pid: u32,
}

/// What a container uses now, from its cgroups. 0 where a controller is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time since the start, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory in bytes, with page cache.
    pub memory_bytes: u64,
    /// Memory in bytes without inactive page cache, as Kubernetes counts it.
    pub memory_working_set_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// What happened without being asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A container's first process ended.
    Exited {
        /// Sandbox id.
        sandbox: String,
        /// Container id.
        container: String,
        /// How.
        exit: Exit,
    },
    /// A keeper vanished without being asked to; its containers are dead or dying.
    /// Call [`crate::Sandbox::destroy`] to clean up.
    KeeperGone {
        /// Sandbox id.
        sandbox: String,
    },
}
