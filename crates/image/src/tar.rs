//! The tar format (POSIX.1-2001 pax, ustar, GNU long names): one entry at a time.
//!
//! Strict where other readers forgive, because two readers that disagree are an attack: a stream
//! that says the same thing twice in two ways is refused. Next: `tar/read.rs`, `tar/write.rs`.

mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Writer;

/// Bytes of a header and the unit of padding.
pub(crate) const BLOCK: usize = 512;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Hardlink,
    Symlink,
    Directory,
    Fifo,
    /// A character or block device; only their existence matters, they are refused.
    Device,
}

/// One entry, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// As in the stream, not yet checked for `..` and the like.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime_s: i64,
    pub(crate) mtime_ns: u32,
    /// Bytes of content; 0 for all but files.
    pub(crate) size: u64,
    /// Target of a link.
    pub(crate) link: Vec<u8>,
    /// Extended attributes by name.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}
