//! What can go wrong here, named by what was tried.

use std::path::PathBuf;

/// A failed operation of the node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API refused or could not be reached.
    #[error("{action} {object}")]
    Api {
        /// What was tried.
        action: &'static str,
        /// On which object.
        object: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The pod room failed.
    #[error("{action}")]
    Pod {
        /// What was tried.
        action: &'static str,
        /// Why not.
        #[source]
        source: Box<pod::Error>,
    },
    /// A file or directory of a volume.
    #[error("{action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A volume cannot be set up as it stands now; it may be later.
    #[error("volume {volume}: {reason}")]
    Volume {
        /// Its name in the pod.
        volume: String,
        /// What is missing.
        reason: String,
    },
    /// A container's configuration refers to what is not there; it may be later.
    #[error("{reason}")]
    Config {
        /// What is missing.
        reason: String,
    },
    /// An image is not here and did not come.
    #[error("{reason}")]
    Image {
        /// Why not.
        reason: String,
    },
    /// A blocking task did not come back: it panicked, which is our bug.
    #[error("{action} broke off")]
    BrokenOff {
        /// What was tried.
        action: &'static str,
        /// How.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// The whole chain in one line, for events and messages people read.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
