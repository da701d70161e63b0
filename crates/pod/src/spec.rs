//! What a caller asks for: pods, containers, commands and build steps.
//!
//! Plain data with public fields. Nothing here touches the machine; `create.rs`, `start.rs`,
//! `exec.rs` and `step.rs` do.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use image::Image;
use serde::{Deserialize, Serialize};

/// Where this machine's pods are kept and under which names in the kernel.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Durable state: `pods/` and `logs/` are made below it.
    pub data_dir: PathBuf,
    /// State that ends with the machine: keepers' sockets and memory-backed volumes.
    pub run_dir: PathBuf,
    /// Short name of this instance, `[a-z0-9]`, at most six characters.
    pub instance: String,
    /// Name of the control group below which all containers run.
    pub cgroup: String,
}

/// One pod: the sandbox its containers share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Spec {
    /// Unique for all time; the Kubernetes uid of the pod.
    pub id: String,
    /// Namespace, used in the name of the log directory. Empty for pods that are not from the
    /// Kubernetes API: the node room leaves those alone.
    pub namespace: String,
    /// Name, used in the name of the log directory.
    pub name: String,
    /// Host name inside.
    pub hostname: String,
    /// Sub-domain host name put into `/etc/hosts` beside the host name.
    pub fqdn: Option<String>,
    /// Name resolution.
    pub dns: Dns,
    /// Kernel settings of the pod's namespaces.
    pub sysctls: Vec<(String, String)>,
    /// Further lines of `/etc/hosts`.
    pub host_aliases: Vec<HostAlias>,
    /// Whether the pod gets a user namespace with a range of ids of its own.
    pub user_namespace: bool,
    /// Whether the pod has a loopback only: no address, no way out.
    #[serde(default)]
    pub isolated: bool,
}

/// One line of `/etc/hosts`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct HostAlias {
    /// The address.
    pub ip: String,
    /// The names it answers to.
    pub hostnames: Vec<String>,
}

/// What `/etc/resolv.conf` says. Empty `nameservers` means this machine's own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Dns {
    /// Addresses asked in this order.
    pub nameservers: Vec<String>,
    /// Domains appended to short names.
    pub searches: Vec<String>,
    /// Options such as `ndots:5`.
    pub options: Vec<String>,
}

/// What [`crate::Pods::create`] made.
#[derive(Debug, Clone)]
pub struct Created {
    /// The pod's address; unspecified (0.0.0.0) when it is isolated.
    pub ip: Ipv4Addr,
    /// Whether the pod was there already.
    pub existed: bool,
}

/// One container of a pod.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Unique in the pod.
    pub name: String,
    /// Image name, or its digest.
    pub image: String,
    /// Replaces the image's entry point (and, if set, drops the image's command).
    pub command: Option<Vec<String>>,
    /// Replaces the image's command.
    pub args: Option<Vec<String>>,
    /// Variables added to, and overriding, the image's.
    pub env: Vec<(String, String)>,
    /// Replaces the image's working directory.
    pub working_dir: Option<PathBuf>,
    /// Who it runs as.
    pub run_as: RunAs,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// Its share of the machine.
    pub limits: Limits,
    /// Capabilities, e.g. `CAP_CHOWN`; see [`crate::capabilities`].
    pub capabilities: Vec<String>,
    /// Whether set-user-id programs may gain rights.
    pub allow_privilege_escalation: bool,
    /// Whether the system call filter is left out.
    pub seccomp_unconfined: bool,
    /// Whether the root file system refuses writes.
    pub read_only_root: bool,
    /// Whether it runs on a terminal.
    pub terminal: bool,
    /// Whether its standard input stays open.
    pub stdin: bool,
    /// Counts the starts of this container in this pod, from 0.
    pub attempt: u32,
    /// Weight for the kernel's out-of-memory choice.
    pub oom_score_adj: Option<i32>,
}

/// Overrides of the image's user.
#[derive(Debug, Clone, Default)]
pub struct RunAs {
    /// Name or number; `None` takes the image's user.
    pub user: Option<String>,
    /// Group number; `None` takes the user's.
    pub group: Option<u32>,
    /// Groups added to the user's own.
    pub supplemental: Vec<u32>,
    /// Refuse to start if the user turns out to be 0.
    pub non_root: bool,
}

/// One mount of a container.
#[derive(Debug, Clone)]
pub struct Mount {
    /// A file or directory of the host; with `None` a fresh tmpfs of this many bytes.
    pub source: MountSource,
    /// Path below `source`, resolved without ever leaving it; made as a directory when missing.
    pub sub_path: Option<String>,
    /// Where it appears.
    pub destination: PathBuf,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Whether owners are shifted into the pod's range, so that they stay unshifted on disk.
    pub idmap: bool,
    /// Give an empty directory that belongs to root to the container's user at first mount.
    pub adopt_owner: bool,
}

/// Where the content of a mount comes from.
#[derive(Debug, Clone)]
pub enum MountSource {
    /// A file or directory of the host.
    Host(PathBuf),
    /// Memory that ends with the container.
    Tmpfs {
        /// Upper limit; `None` leaves it to the kernel (half the machine's memory).
        size_bytes: Option<u64>,
        /// Mode of its root.
        mode: u32,
    },
}

/// A container's share of the machine; `None` is no limit.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a processor it may use.
    pub cpu_millis: Option<u64>,
    /// Weight against others when processors are short (1024 is one processor).
    pub cpu_shares: Option<u64>,
    /// Processes and threads; `None` is 1,024.
    pub pids: Option<u64>,
}

/// A command run beside a container's own process.
#[derive(Debug, Clone, Default)]
pub struct Exec {
    /// Program and arguments.
    pub args: Vec<String>,
    /// Keep standard input open.
    pub stdin: bool,
    /// Rows and columns, when it runs on a terminal.
    pub terminal: Option<(u16, u16)>,
}

/// What a command run beside a container's own process has differently from it.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Variables added to, and overriding, the container's.
    pub env: Vec<(String, String)>,
    /// Replaces the container's working directory.
    pub working_dir: Option<PathBuf>,
    /// `name[:group]` as in the container's root; replaces the container's user.
    pub user: Option<String>,
}

/// One `RUN` of a build: a command in a throw-away pod over an image and a scratch directory.
pub struct Step<'a> {
    /// What lies below.
    pub image: &'a Image,
    /// Holds `upper/` and `work/`; afterwards `upper/` is what the step changed.
    pub scratch: &'a Path,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory, made when missing.
    pub cwd: PathBuf,
    /// `name[:group]` as in the image; `None` is root.
    pub user: Option<String>,
    /// Host path, path inside, read-only.
    pub binds: Vec<(PathBuf, PathBuf, bool)>,
    /// Whether it reaches the network; without, it has a loopback only.
    pub network: bool,
    /// Called with whatever it writes to its two outputs, as it comes.
    pub output: &'a mut dyn FnMut(&[u8]),
    /// Set from another thread, it ends the step at once, as SIGKILL would.
    pub cancel: Option<&'a AtomicBool>,
}
