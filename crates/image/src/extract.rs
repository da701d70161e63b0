//! A layer's tar to a directory that an overlay mount can use as one of its lower layers.
//!
//! Works by directory descriptors only: each parent is opened below the target with every link
//! refused, so no entry can write outside or through a link another entry made. Whiteouts become
//! character devices 0/0 and opaque directories get `trusted.overlay.opaque`, which is what
//! `mount.rs` mounts with. Next: `pack.rs`, the way back.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::tar::{Entry, Kind, Reader};
use crate::{Error, Result, rooted};

/// How much one layer may be.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Entries.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Components of a name.
    pub depth: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { entries: 1_000_000, bytes: 32 << 30, depth: 256 }
    }
}

/// What a stream means besides its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// An image layer: `.wh.` names are whiteouts.
    Layer,
    /// A plain archive (`ADD x.tar`): every name is a name.
    Archive,
}

pub(crate) const OPAQUE: &[u8] = b"trusted.overlay.opaque";
pub(crate) const WHITEOUT: &[u8] = b".wh.";
const OPAQUE_MARK: &[u8] = b".wh..wh..opq";

/// Unpacks the tar stream `tar` into the empty directory `root`.
pub fn extract(
    tar: impl Read,
    root: BorrowedFd<'_>,
    meaning: Meaning,
    budget: Budget,
) -> Result<()> {
    let mut reader = Reader::new(tar);
    let mut target = Target { root, parent: None, times: BTreeMap::new(), meaning };
    let (mut entries, mut bytes) = (0_u64, 0_u64);
    while let Some(entry) = reader.next()? {
        entries += 1;
        bytes = bytes.saturating_add(entry.size);
        if entries > budget.entries {
            return Err(Error::entry(
                &entry.name,
                format!("too many entries, over {}", budget.entries),
            ));
        }
        if bytes > budget.bytes {
            return Err(Error::entry(
                &entry.name,
                format!("too large, over {} bytes", budget.bytes),
            ));
        }
        let path = components(&entry.name, &entry, budget.depth)?;
        target.apply(&entry, &path, &mut reader)?;
    }
    target.finish()
}

/// The checked components of a name; empty for the root itself.
fn components<'a>(name: &'a [u8], entry: &Entry, depth: usize) -> Result<Vec<&'a [u8]>> {
    let fail = |reason: &str| Err(Error::entry(&entry.name, reason));
    if name.is_empty() {
        return fail("has no name");
    }
    if name.ends_with(b"/") && entry.kind != Kind::Directory {
        return fail("ends with `/` and is no directory");
    }
    let trimmed = name.strip_suffix(b"/").unwrap_or(name);
    let trimmed = trimmed.strip_prefix(b"./").unwrap_or(trimmed);
    if matches!(trimmed, b"." | b"") && name != b"/" {
        return Ok(Vec::new());
    }
    let mut path = Vec::new();
    for component in trimmed.split(|byte| *byte == b'/') {
        match component {
            b"" if path.is_empty() => return fail("escapes the root: it is absolute"),
            b"" => return fail("has an empty component"),
            b".." => return fail("escapes the root with `..`"),
            b"." => return fail("has a `.` component"),
            component if component.len() > 255 => return fail("name too long, over 255 bytes"),
            component => path.push(component),
        }
    }
    if path.len() > depth {
        return fail("too deep");
    }
    Ok(path)
}

struct Target<'a> {
    root: BorrowedFd<'a>,
    /// The parent opened last: most entries share it with the one before.
    parent: Option<(Vec<u8>, Rc<OwnedFd>)>,
    /// Directory times, set at the end because every file made below changes them.
    times: BTreeMap<Vec<u8>, (i64, u32)>,
    meaning: Meaning,
}

impl Target<'_> {
    fn apply<R: Read>(&mut self, entry: &Entry, path: &[&[u8]], tar: &mut Reader<R>) -> Result<()> {
        let Some((name, parents)) = path.split_last() else {
            if entry.kind != Kind::Directory {
                return Err(Error::entry(&entry.name, "the root is no directory"));
            }
            self.times.insert(Vec::new(), (entry.mtime_s, entry.mtime_ns));
            let root = self.root;
            return attributes(root, entry);
        };
        if self.meaning == Meaning::Layer && parents.iter().any(|part| part.starts_with(WHITEOUT)) {
            return Err(Error::entry(&entry.name, "a whiteout with something below it"));
        }
        let parent = self.parent(parents, entry)?;
        let parent = parent.as_fd();
        if self.meaning == Meaning::Layer && name.starts_with(WHITEOUT) {
            return self.whiteout(parent, name, entry);
        }
        let c_name = CString::new(*name).map_err(|_| Error::entry(&entry.name, "NUL in name"))?;
        let mut hides = false;
        if let Ok(stat) = rustix::fs::statat(parent, &c_name, AtFlags::SYMLINK_NOFOLLOW) {
            let both = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            hides = rooted::is_whiteout(&stat);
            if !(both && entry.kind == Kind::Directory) {
                let flags = if both { AtFlags::REMOVEDIR } else { AtFlags::empty() };
                rustix::fs::unlinkat(parent, &c_name, flags).map_err(|errno| {
                    Error::entry(&entry.name, format!("cannot replace the entry before: {errno}"))
                })?;
                self.parent = None;
                self.times.remove(&path.join(&b'/'));
            }
        }
        let tried = |errno: Errno| Error::entry(&entry.name, format!("cannot be made: {errno}"));
        match entry.kind {
            Kind::Directory => {
                match rustix::fs::mkdirat(parent, &c_name, Mode::from_raw_mode(0o700)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(tried(errno)),
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                let dir = rooted::below(parent, name, flags, Mode::empty()).map_err(tried)?;
                attributes(dir.as_fd(), entry)?;
                if hides {
                    opaque(dir.as_fd(), entry)?;
                }
                self.times.insert(path.join(&b'/'), (entry.mtime_s, entry.mtime_ns));
                Ok(())
            }
            Kind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let file = rooted::below(parent, name, flags, Mode::from_raw_mode(0o600))
                    .map_err(tried)?;
                let mut file = File::from(file);
                copy(tar, &mut file, entry)?;
                attributes(file.as_fd(), entry)?;
                rustix::fs::futimens(&file, &times(entry.mtime_s, entry.mtime_ns)).map_err(tried)
            }
            Kind::Symlink => {
                if entry.link.is_empty() {
                    return Err(Error::entry(&entry.name, "a link to nothing"));
                }
                rustix::fs::symlinkat(&entry.link[..], parent, &c_name).map_err(tried)?;
                self.unopened(parent, &c_name, entry).map_err(tried)
            }
            Kind::Fifo => {
                rustix::fs::mknodat(parent, &c_name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                    .map_err(tried)?;
                let mode = Mode::from_raw_mode(entry.mode);
                self.unopened(parent, &c_name, entry).map_err(tried)?;
                rustix::fs::chmodat(parent, &c_name, mode, AtFlags::empty()).map_err(tried)
            }
            Kind::Hardlink => self.hardlink(parent, &c_name, entry),
            Kind::Device => Err(Error::entry(&entry.name, "devices are refused")),
        }
    }

    /// Owner and time of something that is not opened.
    #[expect(clippy::unused_self, reason = "a step of `apply`")]
    fn unopened(
        &self,
        parent: BorrowedFd<'_>,
        name: &CString,
        entry: &Entry,
    ) -> rustix::io::Result<()> {
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        rustix::fs::chownat(parent, name, Some(uid), Some(gid), nofollow)?;
        rustix::fs::utimensat(parent, name, &times(entry.mtime_s, entry.mtime_ns), nofollow)
    }

    fn hardlink(&mut self, parent: BorrowedFd<'_>, name: &CString, entry: &Entry) -> Result<()> {
        let target = components(&entry.link, entry, usize::MAX)
            .map_err(|_| Error::entry(&entry.name, "a hard link to outside of the layer"))?;
        let Some((last, parents)) = target.split_last() else {
            return Err(Error::entry(&entry.name, "a hard link to the root"));
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let absent = |_| Error::entry(&entry.name, "a hard link to what is not (yet) in the layer");
        let from =
            rooted::below(self.root, &parents.join(&b'/'), flags, Mode::empty()).map_err(absent)?;
        let last = CString::new(*last).map_err(|_| Error::entry(&entry.name, "NUL in link"))?;
        let stat = rustix::fs::statat(&from, &last, AtFlags::SYMLINK_NOFOLLOW).map_err(absent)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::entry(&entry.name, "a hard link to something that is no file"));
        }
        rustix::fs::linkat(&from, &last, parent, name, AtFlags::empty())
            .map_err(|errno| Error::entry(&entry.name, format!("cannot be linked: {errno}")))
    }

    fn whiteout(&mut self, parent: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> Result<()> {
        if name == OPAQUE_MARK {
            // The parent was opened with O_PATH, attributes need a real descriptor.
            let dir =
                rooted::below(parent, b".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
                    .map_err(|errno| Error::entry(&entry.name, format!("no parent: {errno}")))?;
            return opaque(dir.as_fd(), entry);
        }
        let hidden = &name[WHITEOUT.len()..];
        if matches!(hidden, b"" | b"." | b"..") || hidden.starts_with(WHITEOUT) {
            return Err(Error::entry(&entry.name, "a whiteout that names nothing"));
        }
        let c_name = CString::new(hidden).map_err(|_| Error::entry(&entry.name, "NUL in name"))?;
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::statat(parent, &c_name, nofollow) {
            // A whiteout hides lower layers only: what this layer has by that name stays.
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                let dir = rooted::below(parent, hidden, flags, Mode::empty())
                    .map_err(|errno| Error::entry(&entry.name, format!("cannot hide: {errno}")))?;
                opaque(dir.as_fd(), entry)
            }
            Ok(_) => Ok(()),
            Err(_) => {
                rustix::fs::mknodat(parent, &c_name, FileType::CharacterDevice, Mode::empty(), 0)
                    .map_err(|errno| Error::entry(&entry.name, format!("cannot hide: {errno}")))
            }
        }
    }

    /// Opens the directory of `parents`, making what is missing; a link on the way is refused.
    fn parent(&mut self, parents: &[&[u8]], entry: &Entry) -> Result<Rc<OwnedFd>> {
        let path = parents.join(&b'/');
        if let Some((known, fd)) = &self.parent
            && *known == path
        {
            return Ok(fd.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let open = |path: &[u8]| rooted::below(self.root, path, flags, Mode::empty());
        let fd = match open(&path) {
            Err(Errno::NOENT) => {
                for count in 1..=parents.len() {
                    let part = parents[..count].join(&b'/');
                    let mode = Mode::from_raw_mode(0o755);
                    let parent =
                        open(&parents[..count - 1].join(&b'/')).map_err(|e| refuse(entry, e))?;
                    let name = CString::new(parents[count - 1])
                        .map_err(|_| refuse(entry, Errno::INVAL))?;
                    match rustix::fs::mkdirat(&parent, &name, mode) {
                        Err(Errno::EXIST) => {}
                        Ok(()) => {
                            // A parent the layer leaves out: the owner is root and the time is
                            // fixed, so that the same layer always gives the same directory.
                            self.times.insert(part, (0, 0));
                        }
                        Err(errno) => return Err(refuse(entry, errno)),
                    }
                }
                open(&path)
            }
            other => other,
        };
        let fd = Rc::new(fd.map_err(|errno| refuse(entry, errno))?);
        self.parent = Some((path, fd.clone()));
        Ok(fd)
    }

    fn finish(self) -> Result<()> {
        for (path, (seconds, nanos)) in self.times.into_iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let dir = rooted::below(self.root, &path, flags, Mode::empty())
                .map_err(|errno| Error::entry(&path, format!("vanished: {errno}")))?;
            rustix::fs::futimens(&dir, &times(seconds, nanos))
                .map_err(|errno| Error::entry(&path, format!("cannot set its time: {errno}")))?;
        }
        Ok(())
    }
}

fn refuse(entry: &Entry, errno: Errno) -> Error {
    let reason = match errno {
        Errno::LOOP | Errno::NOTDIR => "escapes: a parent is a link or no directory".to_owned(),
        other => format!("its parent cannot be opened: {other}"),
    };
    Error::entry(&entry.name, reason)
}

fn copy<R: Read>(tar: &mut Reader<R>, file: &mut File, entry: &Entry) -> Result<()> {
    let mut buffer = vec![0; usize::try_from(entry.size.min(256 << 10)).unwrap_or(0)];
    let mut left = entry.size;
    while left > 0 {
        let read = tar.content(&mut buffer)?;
        file.write_all(&buffer[..read])
            .map_err(|error| Error::entry(&entry.name, format!("cannot be written: {error}")))?;
        left -= read as u64;
    }
    Ok(())
}

/// Owner, mode, attributes: in this order, because each call clears what comes after it.
fn attributes(fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    let tried = |errno: Errno| Error::entry(&entry.name, format!("cannot set attributes: {errno}"));
    if entry.uid == u32::MAX || entry.gid == u32::MAX {
        return Err(Error::entry(&entry.name, "owner out of range"));
    }
    rustix::fs::fchown(fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
        .map_err(tried)?;
    rustix::fs::fchmod(fd, Mode::from_raw_mode(entry.mode)).map_err(tried)?;
    for (name, value) in &entry.xattrs {
        match attribute(name) {
            Attribute::Keep => {
                rustix::fs::fsetxattr(fd, &name[..], value, XattrFlags::empty()).map_err(tried)?;
            }
            Attribute::Drop => {}
            Attribute::Refuse => {
                let name = name.escape_ascii();
                return Err(Error::entry(&entry.name, format!("attribute `{name}` is refused")));
            }
        }
    }
    Ok(())
}

/// What is done with an extended attribute in a layer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    Keep,
    Drop,
    Refuse,
}

/// Users' attributes and file capabilities are kept. The overlay's own would change how the
/// layers are put together, so they are refused; the rest belongs to the host that packed it.
pub(crate) fn attribute(name: &[u8]) -> Attribute {
    if name.starts_with(b"trusted.") || name.starts_with(b"user.overlay.") {
        Attribute::Refuse
    } else if name.starts_with(b"user.") || name == b"security.capability" {
        Attribute::Keep
    } else {
        Attribute::Drop
    }
}

fn opaque(dir: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
    rustix::fs::fsetxattr(dir, OPAQUE, b"y", XattrFlags::empty())
        .map_err(|errno| Error::entry(&entry.name, format!("cannot be made opaque: {errno}")))
}

fn times(seconds: i64, nanos: u32) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}

#[cfg(test)]
mod tests;
