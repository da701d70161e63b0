//! What the caller asks for: sandboxes, containers, exec'd processes.
//!
//! The types are plain data and travel as JSON from the daemon to a keeper
//! (see `wire.rs`). Names follow the OCI runtime specification. Next: `state.rs`
//! for what comes back, `launch.rs` for how a container is made of these.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A range of host ids given to a user namespace: container id 0 is `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// First id on the host; never 0.
    pub start: u32,
    /// How many ids, usually 65,536.
    pub len: u32,
}

/// A pod's shared surroundings: network, IPC, UTS and (if `ids`) user namespace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// Unique in this engine, `[A-Za-z0-9._-]{1,64}`; names the run folder and the cgroup.
    pub id: String,
    /// Host name inside, at most 63 bytes; empty keeps the host's.
    pub hostname: String,
    /// Ids of the pod's user namespace; `None` = the host's user namespace.
    pub ids: Option<IdRange>,
    /// Name (dots) and value; only namespaced sysctls are accepted.
    pub sysctls: Vec<(String, String)>,
    /// Limits of all containers of the pod together.
    pub limits: Limits,
}

/// Upper bounds written to a cgroup. `None` leaves the kernel's default, except
/// `pids` of a container, which is 1,024 unless given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory including swap, in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU time in thousandths of a CPU.
    pub cpu_millis: Option<u64>,
    /// Relative weight, 1,024 = one ordinary share.
    pub cpu_shares: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// Who a process runs as, in ids of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Which system calls the container may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seccomp {
    /// The allow-list of `seccomp.rs`.
    #[default]
    Default,
    /// No filter at all.
    Unconfined,
}

/// What is mounted at a [`Mount`]'s destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// The file or directory behind `sources[source]` of [`crate::Sandbox::start`].
    Bind {
        /// Index into the sources.
        source: usize,
    },
    /// A fresh tmpfs.
    Tmpfs {
        /// Size limit in bytes; 0 = the kernel's default (half of the memory).
        size_bytes: u64,
        /// Mode of its root directory, for example `0o1777`.
        mode: u32,
    },
}

/// One mount inside the container, made in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path inside the container; created if missing.
    pub destination: PathBuf,
    /// What is mounted there.
    pub kind: MountKind,
    /// Refuse writes through this mount.
    pub read_only: bool,
    /// Map owners through the pod's user namespace, so that container root is the
    /// source's uid 0 on disk. Ignored when the pod has no user namespace.
    pub idmap: bool,
}

/// One container: a root, a first process, and its bounds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Unique within the sandbox, same alphabet as a sandbox id.
    pub id: String,
    /// Program and arguments; the program is looked up in `PATH` of `env`.
    pub args: Vec<String>,
    /// `KEY=value` pairs, passed as they are.
    pub env: Vec<String>,
    /// Working directory; created if missing; empty = `/`.
    pub cwd: PathBuf,
    /// Who the first process runs as.
    pub user: User,
    /// Kept for callers that fill it; the sandbox's host name is what counts.
    pub hostname: String,
    /// Exactly these capabilities (`CAP_NET_BIND_SERVICE` or `NET_BIND_SERVICE`).
    pub capabilities: Vec<String>,
    /// No gain of privilege by execve.
    pub no_new_privs: bool,
    /// System call filter.
    pub seccomp: Seccomp,
    /// Make the root file system read-only (mounts keep their own setting).
    pub readonly_root: bool,
    /// Mounts beside the standard ones (proc, sys, dev, devpts, shm, mqueue, cgroup).
    pub mounts: Vec<Mount>,
    /// Cgroup bounds.
    pub limits: Limits,
    /// Log file in the CRI format; its folder is created. Rotated at 10 MiB, 3 files kept.
    pub log: PathBuf,
    /// Give the process a terminal; all output is then logged as stdout.
    pub terminal: bool,
    /// Keep stdin open for [`crate::Sandbox::attach`]; otherwise stdin is `/dev/null`.
    pub stdin: bool,
    /// Raised above the keeper's own value if the kernel lets us.
    pub oom_score_adj: Option<i32>,
}

/// A further process in a running container; it gets the container's seccomp
/// filter, `no_new_privs` and cgroup.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ExecSpec {
    /// Program and arguments.
    pub args: Vec<String>,
    /// `KEY=value` pairs; nothing is inherited from the container's first process.
    pub env: Vec<String>,
    /// Working directory; empty = `/`.
    pub cwd: PathBuf,
    /// Who it runs as.
    pub user: User,
    /// A new terminal of (rows, columns); the [`crate::Stdio`] is then unused.
    pub terminal: Option<(u16, u16)>,
    /// Capabilities; those the container itself lacks are dropped.
    pub capabilities: Vec<String>,
}
