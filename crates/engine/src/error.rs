//! The room's one error type.

use std::io;
use std::path::PathBuf;

/// What could not be done, on what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a spec cannot be used.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// A file of the run folder or a cgroup.
    #[error("{operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No usable cgroup hierarchy.
    #[error("find cgroups: {reason}")]
    Cgroups {
        /// What is missing.
        reason: String,
    },
    /// The zygote could not be started or asked.
    #[error("{operation} the zygote")]
    Zygote {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No conversation with a keeper.
    #[error("{operation} the keeper of sandbox {sandbox}")]
    Keeper {
        /// What was tried.
        operation: &'static str,
        /// Which sandbox.
        sandbox: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A bind mount's source could not be prepared.
    #[error("prepare mount source for {destination}")]
    Source {
        /// Where it should go.
        destination: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A keeper refused a request.
    #[error("sandbox {sandbox}: {reason}")]
    Refused {
        /// Which sandbox.
        sandbox: String,
        /// The keeper's words.
        reason: String,
    },
    /// A sandbox, container or exec'd process could not be made.
    #[error("start {id}: {step}")]
    Start {
        /// Sandbox or container id.
        id: String,
        /// The step that failed, with its path.
        step: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// The exit code a shell would give: 127 = program not found, 126 = not executable,
    /// 128 = the container could not be made (as Docker and Kubernetes report it).
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Start { step, source, .. } if step.starts_with("execute ") => {
                match source.kind() {
                    io::ErrorKind::NotFound => 127,
                    _ => 126,
                }
            }
            _ => 128,
        }
    }
}

/// Result of this room.
pub(crate) type Result<T> = std::result::Result<T, Error>;
