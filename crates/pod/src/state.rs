//! What is known of a pod: in memory, on disk (`pod.json`) and as told to callers.
//!
//! The file is written whole: temporary file, fsync, rename. Its fields are described in
//! `docs/formats/pods.md`.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Spec;

/// Version of `pod.json` written by this code.
pub(crate) const FORMAT: u32 = 1;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for lack of memory.
    pub oom_killed: bool,
    /// When.
    pub finished_at: Timestamp,
    /// Whether nobody saw it end (power loss, keeper killed) and `code` is a stand-in.
    #[serde(default)]
    pub unseen: bool,
}

/// One container, as last started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerState {
    /// Its name in the pod.
    pub name: String,
    /// Which start this is, from 0.
    pub attempt: u32,
    /// Digest of the image's manifest.
    pub image_digest: String,
    /// Name the image was asked by.
    pub image: String,
    /// Signal that asks it to stop.
    pub stop_signal: i32,
    /// When it was started.
    pub started_at: Timestamp,
    /// How it ended; `None` while it runs.
    pub exit: Option<Exit>,
    /// Where its output is written.
    pub log: PathBuf,
    /// Environment, for commands run beside it.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// User it runs as.
    pub uid: u32,
    /// Group it runs as.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Capabilities.
    pub capabilities: Vec<String>,
    /// Whether it has a terminal.
    #[serde(default)]
    pub terminal: bool,
}

impl ContainerState {
    /// The engine's id of this start: names differ between attempts.
    pub(crate) fn engine_id(&self) -> String {
        engine_id(&self.name, self.attempt)
    }

    /// Whether it runs.
    pub fn running(&self) -> bool {
        self.exit.is_none()
    }
}

/// Name of one start of a container in the engine.
pub(crate) fn engine_id(name: &str, attempt: u32) -> String {
    // The engine takes 64 characters; a container's name alone may have 63.
    let whole = format!("{name}.{attempt}");
    if whole.len() <= 64 {
        return whole;
    }
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let short: String = name.chars().take(32).collect();
    format!("{short}-{hash:016x}.{attempt}")
}

/// A pod on this machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// Format version of the file.
    pub(crate) format: u32,
    /// What was asked for.
    pub spec: Spec,
    /// First id of its range; `None` without a user namespace.
    pub(crate) ids_start: Option<u32>,
    /// Its address, once it has one.
    pub ip: Option<Ipv4Addr>,
    /// When its sandbox was made.
    pub created_at: Timestamp,
    /// Whether its sandbox is there: false after a power loss.
    pub alive: bool,
    /// Its containers, each as last started, in order of first start.
    pub containers: Vec<ContainerState>,
}

impl State {
    /// The container of that name, as last started.
    pub fn container(&self, name: &str) -> Option<&ContainerState> {
        self.containers.iter().find(|c| c.name == name)
    }
}

/// What happened to a pod without being asked for.
#[derive(Debug, Clone)]
pub enum Event {
    /// A container ended.
    Exited {
        /// Pod id.
        pod: String,
        /// Container name.
        container: String,
        /// Which start ended.
        attempt: u32,
        /// How.
        exit: Exit,
    },
    /// The pod's keeper ended and took everything in the pod with it.
    Lost {
        /// Pod id.
        pod: String,
    },
}
