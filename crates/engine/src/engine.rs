//! The daemon's door.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use crate::error::Result;
use crate::{Event, Sandbox, SandboxSpec};

/// Where an engine lives.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the keepers' sockets and state, private to root; for example `/run/shelf/keepers`.
    pub run_dir: PathBuf,
    /// Name of this engine's cgroup under each hierarchy's root, for example `shelf-a1b2c3`.
    pub cgroup: String,
}

/// What [`Engine::adopt`] found.
#[derive(Debug)]
pub struct Adopted {
    /// Sandboxes whose keeper runs.
    pub alive: Vec<Sandbox>,
    /// Ids of sandboxes whose keeper was dead; their remains are cleaned.
    pub gone: Vec<String>,
}

/// The engine: makes sandboxes through the zygote. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {}

/// First call in `main`: when this process was started as the zygote, runs it and never returns.
pub fn run_if_asked() {}

impl Engine {
    /// Starts the zygote and the event thread.
    ///
    /// # Errors
    /// No cgroups, no run folder, or no zygote.
    pub fn start(_settings: Settings) -> Result<(Self, Receiver<Event>)> {
        unimplemented!()
    }

    /// Finds the keepers that outlived an earlier daemon and cleans up after dead ones.
    ///
    /// # Errors
    /// The run folder cannot be read.
    pub fn adopt(&self) -> Result<Adopted> {
        unimplemented!()
    }

    /// Makes a sandbox: its keeper, namespaces and cgroup.
    ///
    /// # Errors
    /// An invalid spec, an id in use, or what the kernel refused.
    pub fn create(&self, _spec: &SandboxSpec) -> Result<Sandbox> {
        unimplemented!()
    }
}
