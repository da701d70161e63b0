//! The one error type of this room: the pusher's fault, or the disk's.

use std::io;
use std::path::PathBuf;

use crate::Id;

/// Why a push cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection ended, or broke, in the middle.
    #[error("the push broke off: {0}")]
    Broken(#[source] io::Error),
    /// What came is not what the protocol says.
    #[error("this is no push that is understood: {0}")]
    Protocol(String),
    /// The pack is damaged, or made to do harm.
    #[error("the pack is refused: {0}")]
    Pack(String),
    /// An object is damaged, or made to do harm.
    #[error("object {id} is refused: {reason}")]
    Object {
        /// The object.
        id: Id,
        /// What is wrong with it.
        reason: String,
    },
    /// More than is taken.
    #[error("it is too much: {0}")]
    TooMuch(String),
    /// An object that others name was never sent.
    #[error("object {0} is missing")]
    Missing(Id),
    /// What is kept here cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn disk(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { what, path, source }
    }

    /// Whether it is this machine's fault, and not the pusher's.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Disk { .. })
    }
}
