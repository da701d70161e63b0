//! An overlay's upper directory to a layer's tar.
//!
//! Entries come in byte order of their names, so the same directory always gives the same bytes.
//! Character devices 0/0 become `.wh.` names, opaque directories get their mark, hard links stay
//! hard links. The overlay's own attributes and sockets are removed from the directory on the
//! way, because afterwards it is the unpacked layer itself. Next: `layers.rs`.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use crate::extract::{Attribute, OPAQUE, WHITEOUT, attribute};
use crate::tar::{Entry, Kind, Writer};
use crate::{Error, Result, rooted};

/// Deepest directory that can be packed; the kernel's path limit is near.
const DEPTH_MAX: usize = 1000;
/// File capabilities, revision 3 of `linux/capability.h`: 20 bytes of revision 2 and an id.
const CAPABILITY: &[u8] = b"security.capability";

/// Packs everything below `root` into `out`; gives the count of entries.
pub(crate) fn pack<W: Write>(root: BorrowedFd<'_>, out: W) -> Result<(W, u64)> {
    let mut packer = Packer { root, tar: Writer::new(out), links: HashMap::new(), entries: 0 };
    let dir = packer.open(b".")?;
    let stat = rustix::fs::fstat(&dir).map_err(|e| read_error(b".", e.into()))?;
    let (attributes, _) = packer.attributes(dir.as_fd(), None, b".")?;
    // A layer names the root only where it changes it: its time alone is no change.
    if stat.st_mode & 0o7777 != 0o755
        || stat.st_uid != 0
        || stat.st_gid != 0
        || !attributes.is_empty()
    {
        packer.write(Kind::Directory, b"./".to_vec(), &stat, attributes)?;
    }
    packer.directory(dir, b"", 0)?;
    let entries = packer.entries;
    let out = packer.tar.finish().map_err(|e| read_error(b"end", e))?;
    Ok((out, entries))
}

struct Packer<'a, W> {
    root: BorrowedFd<'a>,
    tar: Writer<W>,
    /// Name of each file with several links, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    entries: u64,
}

impl<W: Write> Packer<'_, W> {
    fn open(&self, path: &[u8]) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        rooted::below(self.root, path, flags, Mode::empty()).map_err(|e| read_error(path, e.into()))
    }

    fn directory(&mut self, dir: OwnedFd, path: &[u8], depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::entry(path, "too deep to be packed"));
        }
        let mut below = Vec::new();
        for name in rooted::names(dir.as_fd()).map_err(|e| read_error(path, e.into()))? {
            let full = if path.is_empty() {
                name.to_bytes().to_vec()
            } else {
                [path, b"/", name.to_bytes()].concat()
            };
            // Directories are written after their siblings' files: one descriptor at a time.
            if self.child(dir.as_fd(), &name, &full)? {
                below.push(full);
            }
        }
        drop(dir);
        for full in below {
            self.subdirectory(&full, depth + 1)?;
        }
        Ok(())
    }

    fn subdirectory(&mut self, path: &[u8], depth: usize) -> Result<()> {
        let dir = self.open(path)?;
        let stat = rustix::fs::fstat(&dir).map_err(|e| read_error(path, e.into()))?;
        let (attributes, opaque) = self.attributes(dir.as_fd(), None, path)?;
        self.write(Kind::Directory, [path, b"/"].concat(), &stat, attributes)?;
        if opaque {
            let mark = [path, b"/.wh..wh..opq"].concat();
            self.write(Kind::File, mark, &empty(&stat), Vec::new())?;
        }
        self.directory(dir, path, depth)
    }

    /// Writes anything but a directory; true when it is a directory.
    fn child(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Result<bool> {
        if name.to_bytes().starts_with(WHITEOUT) {
            return Err(Error::entry(path, "a file name in a layer cannot begin with `.wh.`"));
        }
        if path.contains(&b'\n') {
            return Err(Error::entry(path, "a file name in a layer cannot have a newline"));
        }
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| read_error(path, e.into()))?;
        if rooted::is_whiteout(&stat) {
            let parent = &path[..path.len() - name.to_bytes().len()];
            let mark = [parent, WHITEOUT, name.to_bytes()].concat();
            self.write(Kind::File, mark, &empty(&stat), Vec::new())?;
            return Ok(false);
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(true),
            FileType::RegularFile => self.file(dir, name, path, &stat).map(|()| false),
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(dir, name, Vec::new())
                    .map_err(|e| read_error(path, e.into()))?;
                self.attributes(dir, Some(name), path)?;
                let mut entry = entry_of(Kind::Symlink, path.to_vec(), &stat, Vec::new());
                entry.link = link.into_bytes();
                entry.mode = 0o777;
                self.put(&entry, &mut io::empty()).map(|()| false)
            }
            FileType::Fifo => {
                let (attributes, _) = self.attributes(dir, Some(name), path)?;
                self.write(Kind::Fifo, path.to_vec(), &stat, attributes).map(|()| false)
            }
            FileType::Socket => {
                // A socket is worth nothing without the process that made it.
                rustix::fs::unlinkat(dir, name, AtFlags::empty())
                    .map_err(|e| read_error(path, e.into()))?;
                Ok(false)
            }
            _ => Err(Error::entry(path, "devices cannot be part of a layer")),
        }
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8], stat: &Stat) -> Result<()> {
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                let mut entry = entry_of(Kind::Hardlink, path.to_vec(), stat, Vec::new());
                entry.link.clone_from(first);
                return self.put(&entry, &mut io::empty());
            }
            self.links.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = rooted::below(dir, name.to_bytes(), flags, Mode::empty())
            .map_err(|e| read_error(path, e.into()))?;
        let (attributes, _) = self.attributes(fd.as_fd(), None, path)?;
        let mut entry = entry_of(Kind::File, path.to_vec(), stat, attributes);
        entry.size = u64::try_from(stat.st_size).unwrap_or(0);
        self.put(&entry, &mut File::from(fd))
    }

    fn write(
        &mut self,
        kind: Kind,
        path: Vec<u8>,
        stat: &Stat,
        attributes: Attributes,
    ) -> Result<()> {
        self.put(&entry_of(kind, path, stat, attributes), &mut io::empty())
    }

    fn put(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<()> {
        self.entries += 1;
        self.tar.entry(entry, content).map_err(|e| read_error(&entry.name, e))
    }

    /// The attributes to keep, and whether the directory is opaque; the overlay's own are removed
    /// from disk, except the opaque mark, which an unpacked layer carries too.
    #[expect(clippy::unused_self, reason = "a step of the walk")]
    fn attributes(
        &self,
        fd: BorrowedFd<'_>,
        name: Option<&CStr>,
        path: &[u8],
    ) -> Result<(Attributes, bool)> {
        let mut file = format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes();
        if let Some(name) = name {
            file.push(b'/');
            file.extend_from_slice(name.to_bytes());
        }
        // Without a name the path ends in a descriptor's link, which must be followed.
        let follow = name.is_none();
        let tried = |e: rustix::io::Errno| read_error(path, e.into());
        let mut list = vec![0_u8; 64 << 10];
        let length = if follow {
            rustix::fs::listxattr(&file[..], &mut list[..])
        } else {
            rustix::fs::llistxattr(&file[..], &mut list[..])
        }
        .map_err(tried)?;
        let (mut kept, mut opaque) = (Vec::new(), false);
        for attribute_name in
            list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty())
        {
            let c_name = CString::new(attribute_name).map_err(|e| read_error(path, e.into()))?;
            if attribute_name.starts_with(b"trusted.overlay.") {
                if attribute_name == OPAQUE {
                    opaque = true;
                } else if follow {
                    rustix::fs::removexattr(&file[..], &c_name).map_err(tried)?;
                } else {
                    rustix::fs::lremovexattr(&file[..], &c_name).map_err(tried)?;
                }
                continue;
            }
            if attribute(attribute_name) == Attribute::Keep {
                let mut value = vec![0_u8; 64 << 10];
                let length = if follow {
                    rustix::fs::getxattr(&file[..], &c_name, &mut value[..])
                } else {
                    rustix::fs::lgetxattr(&file[..], &c_name, &mut value[..])
                }
                .map_err(tried)?;
                value.truncate(length);
                if attribute_name == CAPABILITY {
                    value = portable_capability(value);
                }
                kept.push((attribute_name.to_vec(), value));
            }
        }
        kept.sort();
        Ok((kept, opaque))
    }
}

type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// A capability set inside a user namespace carries that namespace's root as a third revision;
/// through the mapped mount that is id 0, which the second revision says in every place.
fn portable_capability(mut value: Vec<u8>) -> Vec<u8> {
    if value.len() == 24 && value[3] == 3 && value[20..] == [0; 4] {
        value[3] = 2;
        value.truncate(20);
    }
    value
}

fn entry_of(kind: Kind, name: Vec<u8>, stat: &Stat, xattrs: Attributes) -> Entry {
    Entry {
        name,
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime_s: stat.st_mtime,
        mtime_ns: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        size: 0,
        link: Vec::new(),
        xattrs,
    }
}

/// Marks are empty files of root without a time of their own.
fn empty(stat: &Stat) -> Stat {
    let mut mark = *stat;
    (mark.st_mode, mark.st_uid, mark.st_gid) = (0, 0, 0);
    (mark.st_mtime, mark.st_mtime_nsec) = (0, 0);
    mark
}

fn read_error(path: &[u8], error: io::Error) -> Error {
    Error::entry(path, format!("cannot be packed: {error}"))
}
