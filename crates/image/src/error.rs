//! The one error type of this room: variant = what failed, on what.
//!
//! Variants up to [`Error::Reference`] are the caller's fault and say what to do; the rest are
//! the machine's or the store's. Next: `images.rs`.

use std::{io, path::PathBuf};

/// What failed in the image store, on what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no image name.
    #[error("invalid image reference `{text}`: {reason} at column {column}")]
    Reference {
        /// The text as given.
        text: String,
        /// What is wrong.
        reason: &'static str,
        /// Where, from 1.
        column: usize,
    },
    /// No such image, and it cannot be made from packages either.
    #[error(
        "image `{name}` is not in the local store and cannot be made from packages; {}",
        "fetch it first (shelf pull), build it, or start from debian:12"
    )]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// A user of an image that its passwd and group files do not give.
    #[error("user `{user}` of the image: {reason}")]
    User {
        /// `name[:group]` as asked for.
        user: String,
        /// Why it is refused.
        reason: String,
    },
    /// A layer with something in it that is refused.
    #[error("layer entry {entry}: {reason}")]
    Entry {
        /// The entry's name, escaped.
        entry: String,
        /// Why it is refused.
        reason: String,
    },
    /// A tar stream that does not follow the format.
    #[error("layer tar at byte {offset}: {reason}")]
    Tar {
        /// Byte in the uncompressed stream.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// Content that is not what its digest says.
    #[error("{what}: digest mismatch: got {got}, expected {expected}")]
    Digest {
        /// Which content.
        what: String,
        /// The digest of the bytes.
        got: String,
        /// The digest it was stored or asked for under.
        expected: String,
    },
    /// A document of the store that cannot be read as what it should be.
    #[error("{what} is not valid")]
    Document {
        /// Which document.
        what: String,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// A document of the store that breaks a rule.
    #[error("{what}: {reason}")]
    Rule {
        /// Which document or image.
        what: String,
        /// The rule.
        reason: String,
    },
    /// The store is open in another process.
    #[error("image store {} is in use by another process", path.display())]
    InUse {
        /// The store's directory.
        path: PathBuf,
    },
    /// The store was written by a newer version.
    #[error("image store {} has format {found}, this program reads {}", path.display(), crate::layout::FORMAT)]
    Format {
        /// The store's directory.
        path: PathBuf,
        /// The format it has.
        found: String,
    },
    /// The base image could not be made from packages.
    #[error("cannot make base image {name} from Debian packages: {reason}")]
    Base {
        /// Which image.
        name: String,
        /// What failed, with the tool's last lines or the remedy.
        reason: String,
    },
    /// Something is being built or written, so nothing may be removed now.
    #[error("images are being built; nothing was removed, try again later")]
    Busy,
    /// A mount call failed.
    #[error("{step} for the root of image {image}")]
    Mount {
        /// The call and its operand.
        step: String,
        /// The image's digest.
        image: String,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
    /// An operation on a file of the store failed.
    #[error("{operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the kernel says.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    pub(crate) fn errno(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.into();
        move |errno| Self::Io { operation, path, source: errno.into() }
    }

    pub(crate) fn entry(name: &[u8], reason: impl Into<String>) -> Self {
        Self::Entry { entry: format!("`{}`", name.escape_ascii()), reason: reason.into() }
    }
}
