//! What `COPY` and `ADD` read: a directory tree behind a descriptor, wildcards, content digests.
//!
//! The tree is the build context or another image's root. It is only read below its descriptor:
//! links lead nowhere outside. Next: `copy.rs`, which writes.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use image::{Hasher, rooted};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::ignore::{Ignore, glob, is_pattern};

/// Most files one `COPY` may take.
const FILES_MAX: usize = 500_000;
/// Deepest directory.
const DEPTH_MAX: usize = 256;

/// A tree to copy from.
pub(crate) struct Tree {
    pub(crate) root: OwnedFd,
    /// The context's ignore file; other images have none.
    pub(crate) ignore: Ignore,
    /// The context leaves owners behind; images keep them.
    pub(crate) keeps_owners: bool,
}

/// One source after wildcards and links at its end are resolved.
#[derive(Debug)]
pub(crate) struct Item {
    /// Path below the root as it was asked for.
    pub(crate) path: Vec<u8>,
    pub(crate) fd: OwnedFd,
    pub(crate) is_dir: bool,
}

impl Item {
    /// The last component: the name a file gets in a directory.
    pub(crate) fn name(&self) -> &[u8] {
        self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }
}

/// A failed read with its path, for a message.
pub(crate) fn failed(operation: &str, path: &[u8], errno: Errno) -> String {
    format!("cannot {operation} `{}`: {errno}", String::from_utf8_lossy(path))
}

impl Tree {
    /// The items a source of `COPY` names, sorted; an error when there is none.
    pub(crate) fn find(&self, source: &str) -> Result<Vec<Item>, String> {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in source.as_bytes().split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." if parts.pop().is_none() && !self.keeps_owners => {
                    return Err(format!(
                        "`{source}` is outside of the build context; copy it in first"
                    ));
                }
                b".." => {}
                part => parts.push(part),
            }
        }
        let mut paths: Vec<Vec<u8>> = vec![Vec::new()];
        for part in parts {
            let mut next = Vec::new();
            for path in paths {
                if is_pattern(part) {
                    next.extend(self.matching(&path, part)?);
                } else {
                    next.push(join(&path, part));
                }
            }
            paths = next;
        }
        let wild = is_pattern(source.as_bytes());
        let mut items = Vec::new();
        for path in paths {
            match self.item(&path) {
                Ok(Some(item)) => items.push(item),
                Ok(None) | Err(Errno::NOENT | Errno::NOTDIR) if wild => {}
                Ok(None) => {
                    return Err(format!("`{source}` is left out by .dockerignore"));
                }
                Err(Errno::NOENT | Errno::NOTDIR) => return Err(self.missing(source)),
                Err(errno) => return Err(failed("open", &path, errno)),
            }
        }
        if items.is_empty() { Err(self.missing(source)) } else { Ok(items) }
    }

    fn missing(&self, source: &str) -> String {
        let place = if self.keeps_owners { "image it is copied from" } else { "build context" };
        format!("`{source}` is not in the {place}")
    }

    /// The names in a directory that match, as paths.
    fn matching(&self, dir: &[u8], pattern: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let fd = match rooted::inside(
            self.root.as_fd(),
            dir,
            OFlags::RDONLY | OFlags::DIRECTORY,
            Mode::empty(),
        ) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            Err(errno) => return Err(failed("open", dir, errno)),
        };
        let names = rooted::names(fd.as_fd()).map_err(|errno| failed("list", dir, errno))?;
        let matching = names.iter().map(|name| name.to_bytes()).filter(|name| glob(pattern, name));
        Ok(matching.map(|name| join(dir, name)).collect())
    }

    fn item(&self, path: &[u8]) -> rustix::io::Result<Option<Item>> {
        // A link named by the instruction itself is followed, as Docker does.
        let fd = rooted::inside(self.root.as_fd(), path, OFlags::PATH, Mode::empty())?;
        let is_dir =
            FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) == FileType::Directory;
        let hidden =
            !path.is_empty() && self.ignore.ignores(path) && !(is_dir && self.ignore.takes_back());
        Ok((!hidden).then(|| Item { path: path.to_vec(), fd, is_dir }))
    }

    /// Whether an entry below an item is there, and whether only what lies below it may be.
    pub(crate) fn shows(&self, path: &[u8], is_dir: bool) -> Shown {
        match self.ignore.ignores(path) {
            false => Shown::Yes,
            true if is_dir && self.ignore.takes_back() => Shown::Perhaps,
            true => Shown::No,
        }
    }

    /// Adds all that would be copied of `item` to a digest: names, types, modes, bytes; no times.
    pub(crate) fn hash(&self, item: &Item, hasher: &mut Hasher) -> Result<(), String> {
        let mut walk = Hash { tree: self, hasher, files: 0 };
        if !item.is_dir {
            let stat = rustix::fs::fstat(&item.fd)
                .map_err(|errno| failed("look at", &item.path, errno))?;
            let file = reopen(&item.fd, OFlags::RDONLY)
                .map_err(|errno| failed("open", &item.path, errno))?;
            walk.hasher.field(item.name());
            return walk.content(&stat, file, &item.path);
        }
        let dir = reopen(&item.fd, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|errno| failed("open", &item.path, errno))?;
        walk.directory(dir.as_fd(), &item.path, b"", 0)
    }
}

/// Whether an entry is part of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Yes,
    /// An ignored directory that may have something in it that is not.
    Perhaps,
    No,
}

struct Hash<'a> {
    tree: &'a Tree,
    hasher: &'a mut Hasher,
    files: usize,
}

impl Hash<'_> {
    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        path: &[u8],
        shown: &[u8],
        depth: usize,
    ) -> Result<(), String> {
        check_depth(depth, path)?;
        for name in rooted::names(dir).map_err(|errno| failed("list", path, errno))? {
            let (full, below) = (join(path, name.to_bytes()), join(shown, name.to_bytes()));
            let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| failed("look at", &full, errno))?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            let is_dir = kind == FileType::Directory;
            let shows = self.tree.shows(&full, is_dir);
            if shows == Shown::No {
                continue;
            }
            self.files += 1;
            check_count(self.files)?;
            let open = |flags| {
                rooted::below(dir, name.to_bytes(), flags | OFlags::NOFOLLOW, Mode::empty())
                    .map_err(|errno| failed("open", &full, errno))
            };
            match kind {
                FileType::Directory => {
                    if shows == Shown::Yes {
                        self.hasher.field(&below);
                        self.hasher.field(&stat.st_mode.to_le_bytes());
                    }
                    let fd = open(OFlags::RDONLY | OFlags::DIRECTORY)?;
                    self.directory(fd.as_fd(), &full, &below, depth + 1)?;
                }
                FileType::RegularFile => {
                    self.hasher.field(&below);
                    let fd = open(OFlags::RDONLY | OFlags::NONBLOCK)?;
                    self.content(&stat, fd, &full)?;
                }
                FileType::Symlink => {
                    let link = rustix::fs::readlinkat(dir, &name, Vec::new())
                        .map_err(|errno| failed("read link", &full, errno))?;
                    self.hasher.field(&below);
                    self.hasher.field(&stat.st_mode.to_le_bytes());
                    self.hasher.field(link.as_bytes());
                }
                // Sockets, FIFOs and devices are not copied.
                _ => {}
            }
        }
        Ok(())
    }

    fn content(&mut self, stat: &Stat, fd: OwnedFd, path: &[u8]) -> Result<(), String> {
        self.hasher.field(&(stat.st_mode & 0o177_777).to_le_bytes());
        let mut content = Hasher::default();
        let mut file = File::from(fd);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => content.update(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(format!(
                        "cannot read `{}`: {error}",
                        String::from_utf8_lossy(path)
                    ));
                }
            }
        }
        self.hasher.field(content.finish().as_bytes());
        Ok(())
    }
}

pub(crate) fn check_count(files: usize) -> Result<(), String> {
    if files > FILES_MAX {
        return Err(format!("more than {FILES_MAX} files; leave some out with .dockerignore"));
    }
    Ok(())
}

pub(crate) fn check_depth(depth: usize, path: &[u8]) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!(
            "`{}` is more than {DEPTH_MAX} directories deep",
            String::from_utf8_lossy(path)
        ));
    }
    Ok(())
}

pub(crate) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

/// A descriptor opened with `O_PATH`, opened again to be read.
pub(crate) fn reopen(fd: &OwnedFd, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    // Through the descriptor's own link, so it is the very file that was looked at.
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
}
