//! Writing into a mounted root: `COPY`, `ADD` and the directory of `WORKDIR`.
//!
//! The destination is resolved as a process inside that root would see it, so `/bin/x` lands in
//! `usr/bin` where `/bin` is a link, and no link can lead to the host. Next: `stage.rs`.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use image::rooted;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::sources::{Item, Shown, Tree, check_count, check_depth, failed, join, reopen};

/// What is written where, and as whose.
pub(crate) struct Writer<'a> {
    pub(crate) root: BorrowedFd<'a>,
    /// `--chown`; None keeps the tree's owners, or root for the context.
    pub(crate) owner: Option<(u32, u32)>,
    /// `--chmod`, for files and directories alike.
    pub(crate) mode: Option<u32>,
    /// Asked now and then; true stops the copy.
    pub(crate) cancelled: &'a dyn Fn() -> bool,
    pub(crate) files: usize,
}

/// The cleaned parts of an absolute path inside the root.
pub(crate) fn parts(path: &str) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.as_bytes().split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

impl Writer<'_> {
    fn new_owner(&self) -> (u32, u32) {
        self.owner.unwrap_or((0, 0))
    }

    /// Opens a directory of the root, making what is missing of it. Links are followed inside.
    /// True when its last part was made.
    pub(crate) fn make_dirs(&self, parts: &[&[u8]]) -> Result<(OwnedFd, bool), String> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let open = |path: &[u8]| rooted::inside(self.root, path, flags, Mode::empty());
        let mut dir = open(b"/").map_err(|errno| failed("open", b"/", errno))?;
        let mut made = false;
        let mut path = Vec::new();
        for part in parts {
            path = join(&path, part);
            made = false;
            dir = match open(&path) {
                Ok(next) => next,
                Err(Errno::NOENT) => {
                    let name = c_name(part, &path)?;
                    rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o755)).map_err(
                        |errno| match errno {
                            Errno::EXIST => format!(
                                "`/{}` is a link to nothing",
                                String::from_utf8_lossy(&path)
                            ),
                            errno => failed("make directory", &path, errno),
                        },
                    )?;
                    made = true;
                    let next =
                        rooted::below(dir.as_fd(), part, flags | OFlags::NOFOLLOW, Mode::empty())
                            .map_err(|errno| failed("open", &path, errno))?;
                    let (uid, gid) = self.new_owner();
                    rustix::fs::fchown(&next, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                        .and_then(|()| rustix::fs::fchmod(&next, Mode::from_raw_mode(0o755)))
                        .map_err(|errno| failed("give an owner to", &path, errno))?;
                    next
                }
                Err(Errno::NOTDIR) => {
                    return Err(format!(
                        "`/{}` is no directory in the image",
                        String::from_utf8_lossy(&path)
                    ));
                }
                Err(errno) => return Err(failed("open", &path, errno)),
            };
        }
        Ok((dir, made))
    }

    /// Whether a path is a directory inside the root, links followed.
    pub(crate) fn is_dir(&self, parts: &[&[u8]]) -> bool {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        rooted::inside(self.root, &parts.join(&b'/'), flags, Mode::empty()).is_ok()
    }

    /// Copies one item to `to`: a directory's content, or a file under that name.
    pub(crate) fn item(&mut self, tree: &Tree, item: &Item, to: &[&[u8]]) -> Result<(), String> {
        if item.is_dir {
            let from = reopen(&item.fd, OFlags::RDONLY | OFlags::DIRECTORY)
                .map_err(|errno| failed("open", &item.path, errno))?;
            let (dir, made) = self.make_dirs(to)?;
            self.directory(tree, from.as_fd(), &item.path, dir.as_fd(), 0)?;
            if made {
                let stat = rustix::fs::fstat(&from)
                    .map_err(|errno| failed("look at", &item.path, errno))?;
                self.attributes(tree, Some(from.as_fd()), dir.as_fd(), &stat, &item.path)?;
            }
            return Ok(());
        }
        let Some((name, parents)) = to.split_last() else {
            return Err("a file cannot take the place of `/`".to_owned());
        };
        let stat =
            rustix::fs::fstat(&item.fd).map_err(|errno| failed("look at", &item.path, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(format!(
                "`{}` is no file or directory",
                String::from_utf8_lossy(&item.path)
            ));
        }
        let from =
            reopen(&item.fd, OFlags::RDONLY).map_err(|errno| failed("open", &item.path, errno))?;
        let (dir, _) = self.make_dirs(parents)?;
        self.file(tree, from, &stat, dir.as_fd(), &c_name(name, &item.path)?, &item.path)
    }

    /// Writes text as a file, as `COPY <<NAME` does.
    pub(crate) fn text(&mut self, text: &str, to: &[&[u8]]) -> Result<(), String> {
        let Some((name, parents)) = to.split_last() else {
            return Err("a file cannot take the place of `/`".to_owned());
        };
        let (dir, _) = self.make_dirs(parents)?;
        let name = c_name(name, name)?;
        let mut file = create(dir.as_fd(), &name, to.join(&b'/').as_slice())?;
        std::io::Write::write_all(&mut file, text.as_bytes())
            .map_err(|error| format!("cannot write: {error}"))?;
        let (uid, gid) = self.new_owner();
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .and_then(|()| {
                rustix::fs::fchmod(&file, Mode::from_raw_mode(self.mode.unwrap_or(0o644)))
            })
            .map_err(|errno| failed("give an owner to", name.to_bytes(), errno))
    }

    fn directory(
        &mut self,
        tree: &Tree,
        from: BorrowedFd<'_>,
        path: &[u8],
        to: BorrowedFd<'_>,
        depth: usize,
    ) -> Result<(), String> {
        check_depth(depth, path)?;
        for name in rooted::names(from).map_err(|errno| failed("list", path, errno))? {
            let full = join(path, name.to_bytes());
            let stat = rustix::fs::statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| failed("look at", &full, errno))?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            let shows = tree.shows(&full, kind == FileType::Directory);
            if shows == Shown::No {
                continue;
            }
            if (self.cancelled)() {
                return Err("cancelled".to_owned());
            }
            self.files += 1;
            check_count(self.files)?;
            let open = |flags| {
                rooted::below(from, name.to_bytes(), flags | OFlags::NOFOLLOW, Mode::empty())
                    .map_err(|errno| failed("open", &full, errno))
            };
            match kind {
                FileType::Directory => {
                    let inner = open(OFlags::RDONLY | OFlags::DIRECTORY)?;
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                    let existing = match rooted::below(
                        to,
                        name.to_bytes(),
                        flags | OFlags::NOFOLLOW,
                        Mode::empty(),
                    ) {
                        Err(Errno::NOENT)
                            if shows == Shown::Perhaps
                                && !has_shown(tree, inner.as_fd(), &full)? =>
                        {
                            continue;
                        }
                        other => other,
                    };
                    let target = match existing {
                        Ok(target) => target,
                        Err(Errno::NOENT) => {
                            rustix::fs::mkdirat(to, &name, Mode::from_raw_mode(0o700))
                                .map_err(|errno| failed("make directory", &full, errno))?;
                            rooted::below(
                                to,
                                name.to_bytes(),
                                flags | OFlags::NOFOLLOW,
                                Mode::empty(),
                            )
                            .map_err(|errno| failed("open", &full, errno))?
                        }
                        Err(Errno::NOTDIR | Errno::LOOP) => {
                            let shown = String::from_utf8_lossy(&full);
                            return Err(format!(
                                "directory `{shown}` cannot take the place of a file in the image"
                            ));
                        }
                        Err(errno) => return Err(failed("open", &full, errno)),
                    };
                    self.directory(tree, inner.as_fd(), &full, target.as_fd(), depth + 1)?;
                    self.attributes(tree, Some(inner.as_fd()), target.as_fd(), &stat, &full)?;
                }
                FileType::RegularFile => {
                    let file = open(OFlags::RDONLY | OFlags::NONBLOCK)?;
                    self.file(tree, file, &stat, to, &name, &full)?;
                }
                FileType::Symlink => {
                    let link = rustix::fs::readlinkat(from, &name, Vec::new())
                        .map_err(|errno| failed("read link", &full, errno))?;
                    make_way(to, &name, &full)?;
                    rustix::fs::symlinkat(&link, to, &name)
                        .map_err(|errno| failed("make link", &full, errno))?;
                    let (uid, gid) = self.owner_of(tree, &stat);
                    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
                    rustix::fs::chownat(
                        to,
                        &name,
                        Some(Uid::from_raw(uid)),
                        Some(Gid::from_raw(gid)),
                        nofollow,
                    )
                    .and_then(|()| rustix::fs::utimensat(to, &name, &times(&stat), nofollow))
                    .map_err(|errno| failed("give an owner to", &full, errno))?;
                }
                // Sockets, FIFOs and devices are nothing to copy.
                _ => {}
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        tree: &Tree,
        from: OwnedFd,
        stat: &Stat,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &[u8],
    ) -> Result<(), String> {
        let mut to = create(dir, name, path)?;
        let mut from = File::from(from);
        std::io::copy(&mut from, &mut to)
            .map_err(|error| format!("cannot copy `{}`: {error}", String::from_utf8_lossy(path)))?;
        self.attributes(tree, Some(from.as_fd()), to.as_fd(), stat, path)
    }

    fn owner_of(&self, tree: &Tree, stat: &Stat) -> (u32, u32) {
        match self.owner {
            Some(owner) => owner,
            None if tree.keeps_owners => (stat.st_uid, stat.st_gid),
            None => (0, 0),
        }
    }

    /// Owner, mode, attributes, time: each call clears what comes after it.
    fn attributes(
        &self,
        tree: &Tree,
        from: Option<BorrowedFd<'_>>,
        to: BorrowedFd<'_>,
        stat: &Stat,
        path: &[u8],
    ) -> Result<(), String> {
        let (uid, gid) = self.owner_of(tree, stat);
        let mode = Mode::from_raw_mode(self.mode.unwrap_or(stat.st_mode & 0o7777));
        rustix::fs::fchown(to, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .and_then(|()| rustix::fs::fchmod(to, mode))
            .map_err(|errno| failed("give an owner to", path, errno))?;
        if tree.keeps_owners
            && let Some(from) = from
        {
            // Programs that a package gave file capabilities keep them in the next stage.
            let mut value = [0; 64];
            if let Ok(length) = rustix::fs::fgetxattr(from, c"security.capability", &mut value[..])
            {
                rustix::fs::fsetxattr(
                    to,
                    c"security.capability",
                    &value[..length],
                    XattrFlags::empty(),
                )
                .map_err(|errno| failed("give capabilities to", path, errno))?;
            }
        }
        rustix::fs::futimens(to, &times(stat))
            .map_err(|errno| failed("set the time of", path, errno))
    }
}

/// Whether an ignored directory has anything in it that is not ignored.
fn has_shown(tree: &Tree, dir: BorrowedFd<'_>, path: &[u8]) -> Result<bool, String> {
    for name in rooted::names(dir).map_err(|errno| failed("list", path, errno))? {
        let full = join(path, name.to_bytes());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let inner = rooted::below(dir, name.to_bytes(), flags, Mode::empty());
        let shown = match (tree.shows(&full, inner.is_ok()), inner) {
            (Shown::Yes, _) => true,
            (Shown::Perhaps, Ok(inner)) => has_shown(tree, inner.as_fd(), &full)?,
            _ => false,
        };
        if shown {
            return Ok(true);
        }
    }
    Ok(false)
}

fn create(dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Result<File, String> {
    make_way(dir, name, path)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    rooted::below(dir, name.to_bytes(), flags, Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(|errno| failed("make", path, errno))
}

/// Removes a file or link of that name: it is replaced, never written through.
fn make_way(dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Result<(), String> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => {
            let shown = String::from_utf8_lossy(path);
            Err(format!("file `{shown}` cannot take the place of a directory in the image"))
        }
        Err(errno) => Err(failed("replace", path, errno)),
    }
}

fn c_name(name: &[u8], path: &[u8]) -> Result<CString, String> {
    CString::new(name).map_err(|_| format!("`{}` has a NUL in it", String::from_utf8_lossy(path)))
}

fn times(stat: &Stat) -> Timestamps {
    let nanos = stat.st_mtime_nsec;
    #[expect(clippy::cast_possible_wrap, reason = "nanoseconds are below 10^9")]
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: nanos as _ };
    Timestamps { last_access: time, last_modification: time }
}
