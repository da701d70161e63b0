//! What each verb returns, as data: the command line prints it, `--json` sends it as it is.
//! Where next: the verb of the same name.

use serde::{Deserialize, Serialize};

use crate::{BlockState, Moved};

/// The result of `check` on an app without errors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The app's name.
    pub app: String,
    /// Block names in start order.
    pub blocks: Vec<String>,
    /// One line per wire: `web.db -> db  postgres/1`.
    pub wires: Vec<String>,
    /// One sentence per assumption.
    pub assumptions: Vec<String>,
    /// Assumptions that the app itself breaks, one line each.
    #[serde(default)]
    pub broken: Vec<String>,
}

/// Whether something comes, changes, goes or stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Not there yet.
    Added,
    /// There, and different.
    Changed,
    /// There, and no longer wanted.
    Removed,
    /// There, and as wanted.
    Unchanged,
}

/// What would happen to one block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The block.
    pub block: String,
    /// What happens to it.
    pub kind: ChangeKind,
    /// Why, one phrase each.
    pub reasons: Vec<String>,
    /// Whether running copies are replaced.
    pub restarts: bool,
}

/// The result of `plan`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanReport {
    /// The app's name.
    pub app: String,
    /// One entry per block, those that change and those that do not.
    pub changes: Vec<Change>,
    /// How many objects the app is made of.
    pub object_count: usize,
    /// One line per wire.
    pub wires: Vec<String>,
    /// One sentence per assumption.
    pub assumptions: Vec<String>,
    /// Assumptions that do not hold, by what the app says or what the target is; one line each.
    #[serde(default)]
    pub broken: Vec<String>,
    /// Disks that something else than before would open, one phrase each. No go deletes data.
    pub data_at_risk: Vec<String>,
    /// Addresses that would lead to the app and do not now.
    #[serde(default)]
    pub new_addresses: Vec<String>,
    /// What differs from `app.lock`, one phrase each; empty if there is none.
    #[serde(default)]
    pub lock: Vec<String>,
    /// Tags of images that stand for another image than the one that is pinned; no go takes it
    /// unless it is asked to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
    /// How long the last goes took here: their median, in seconds. Absent before the first.
    #[serde(default)]
    pub about_seconds: Option<f64>,
    /// The app's address, if a process has a path.
    pub url: Option<String>,
    /// Whether `go` would change anything (exit code 5 of `plan --exit-code`).
    pub has_changes: bool,
    /// The plan as text, one line each, ready to print.
    pub lines: Vec<String>,
}

/// The result of `go`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GoReport {
    /// The app's name.
    pub app: String,
    /// The release now running: a short hash of everything that was written.
    pub release: String,
    /// Whether anything was written.
    pub changed: bool,
    /// The app's address, if a process has a path.
    pub url: Option<String>,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Build steps over all blocks, and how many of them were cached.
    pub build_steps: usize,
    /// See `build_steps`.
    pub cached_steps: usize,
    /// Values marked `show = "after-go"`, made for the first time by this go.
    pub shown_secrets: Vec<(String, String)>,
}

/// One copy of a process in [`BlockStatus`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodStatus {
    /// The pod's name.
    pub name: String,
    /// The process it is a copy of.
    pub process: String,
    /// Whether it serves.
    pub ready: bool,
    /// Restarts of its containers.
    pub restarts: u32,
    /// Waiting, starting, ready, failing or stopped.
    pub state: BlockState,
    /// Its address.
    pub ip: Option<String>,
    /// Where it runs.
    pub node: Option<String>,
    /// When it was made, RFC 3339.
    pub since: Option<String>,
    /// What is wrong or waited for, in a few words.
    pub reason: String,
}

/// One block in [`StatusReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockStatus {
    /// The block.
    pub name: String,
    /// Where it comes from: a module with its version, or a folder.
    pub from: String,
    /// Its state.
    pub state: BlockState,
    /// Copies ready over all its processes.
    pub ready: u32,
    /// Copies wanted over all its processes.
    pub wanted: u32,
    /// Restarts of containers, summed over the pods there are.
    pub restarts: u32,
    /// Its copies, oldest first.
    pub pods: Vec<PodStatus>,
    /// What is wrong, if something is.
    pub detail: String,
    /// When its oldest pod started, RFC 3339.
    pub since: Option<String>,
}

/// The result of `status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The app's name.
    pub app: String,
    /// The app as a whole: the worst of its blocks.
    pub state: BlockState,
    /// The app's address, if a process has a path.
    pub url: Option<String>,
    /// The release that was last brought up completely.
    pub release: Option<String>,
    /// When that was, RFC 3339.
    pub released_at: Option<String>,
    /// Who made it, if that is known.
    #[serde(default)]
    pub released_by: Option<String>,
    /// What its machine is short of, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Its blocks, by name.
    pub blocks: Vec<BlockStatus>,
}

/// The result of `stop` and `start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleReport {
    /// The app's name.
    pub app: String,
    /// Workloads that were changed; empty if it was so already.
    pub changed: Vec<String>,
    /// The app's address, if a process has a path.
    pub url: Option<String>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// The result of `destroy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DestroyReport {
    /// The app's name.
    pub app: String,
    /// Objects that were deleted, `Kind/name`.
    pub deleted: Vec<String>,
    /// Disks and the secrets born with them that stay, `Kind/name`.
    pub kept: Vec<String>,
    /// Other apps whose wires ended here.
    #[serde(default)]
    pub users: Vec<String>,
}

/// A release that can be returned to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseReport {
    /// The short hash of everything that was written.
    pub release: String,
    /// When it was complete, RFC 3339.
    pub at: String,
    /// Who made it; empty if that is not known.
    #[serde(default)]
    pub by: String,
    /// How long it took, in seconds.
    #[serde(default)]
    pub seconds: f64,
    /// The app's address, if it had one.
    pub url: Option<String>,
    /// What changed, in a few words.
    #[serde(default)]
    pub summary: String,
    /// The app file it was made from.
    #[serde(default)]
    pub text: String,
}
