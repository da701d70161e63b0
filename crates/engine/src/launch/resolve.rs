//! Paths inside a hostile root: openat2, never a string twice.
//!
//! Whatever the image or an earlier process put in the way of symbolic links, resolution stays
//! inside the root and off procfs' magic links (openat2(2), `RESOLVE_IN_ROOT`).

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstat, fstatfs, mkdirat, openat,
    openat2,
};
use rustix::io::Errno;

use super::{Step, at};

/// `SYSFS_MAGIC` of linux/magic.h.
const SYSFS_MAGIC: i64 = 0x6265_6572;

const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);

/// The root directory as this process sees it.
pub(super) fn root() -> Step<OwnedFd> {
    openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(at("open /"))
}

/// An empty working directory means `/`.
pub(super) fn cwd_of(cwd: &Path) -> &Path {
    if cwd.as_os_str().is_empty() { Path::new("/") } else { cwd }
}

/// An existing directory.
pub(super) fn existing(root: BorrowedFd<'_>, path: &Path) -> Step<OwnedFd> {
    open(root, path, OFlags::DIRECTORY, INSIDE).map_err(at(format!("open {}", path.display())))
}

fn open(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    // EAGAIN: a component was renamed meanwhile (openat2(2)).
    for _ in 0..64 {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// A directory that must not be reached through any symbolic link, made if missing: the mount
/// points the engine itself needs.
pub(super) fn fixed(root: BorrowedFd<'_>, name: &str) -> Step<OwnedFd> {
    let step = || format!("open mount point /{name}");
    let resolve = INSIDE | ResolveFlags::NO_SYMLINKS;
    match open(root, Path::new(name), OFlags::DIRECTORY, resolve) {
        Err(Errno::NOENT) => {
            mkdirat(root, name, Mode::from_raw_mode(0o755))
                .map_err(at(format!("make mount point /{name}")))?;
            open(root, Path::new(name), OFlags::DIRECTORY, resolve).map_err(at(step()))
        }
        result => result.map_err(at(step())),
    }
}

/// A mount's destination: a directory or a file as the source is one, made if missing.
///
/// Refused: `/` itself, `..`, and anything that ends up on procfs or sysfs.
pub(super) fn destination(root: BorrowedFd<'_>, path: &Path, directory: bool) -> Step<OwnedFd> {
    let refuse = |errno: Errno| at::<Errno>(format!("mount at {}", path.display()))(errno);
    let mut names: Vec<&OsStr> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(refuse(Errno::INVAL)),
        }
    }
    if !path.is_absolute() || names.is_empty() {
        return Err(refuse(Errno::INVAL));
    }
    let found = match open(root, path, OFlags::empty(), INSIDE) {
        Err(Errno::NOENT) => make(root, &names, directory).map_err(refuse)?,
        result => result.map_err(refuse)?,
    };
    let stat = fstat(&found).map_err(refuse)?;
    if FileType::from_raw_mode(stat.st_mode).is_dir() != directory {
        return Err(refuse(if directory { Errno::NOTDIR } else { Errno::ISDIR }));
    }
    let magic = fstatfs(&found).map_err(refuse)?.f_type;
    if magic == PROC_SUPER_MAGIC || magic == SYSFS_MAGIC {
        return Err(refuse(Errno::PERM));
    }
    Ok(found)
}

/// A working directory, made if missing.
pub(super) fn made(root: BorrowedFd<'_>, path: &Path) -> Step<OwnedFd> {
    match open(root, path, OFlags::DIRECTORY, INSIDE) {
        Err(Errno::NOENT) => destination(root, path, true),
        result => result.map_err(at(format!("open {}", path.display()))),
    }
}

/// Makes the missing tail of a path, each part below the descriptor of the one before.
fn make(root: BorrowedFd<'_>, names: &[&OsStr], directory: bool) -> rustix::io::Result<OwnedFd> {
    let mut parent: Option<OwnedFd> = None;
    let mut so_far = std::path::PathBuf::new();
    for (index, name) in names.iter().enumerate() {
        so_far.push(name);
        let last = index + 1 == names.len();
        let here = parent.as_ref().map_or(root, |fd| fd.as_fd());
        let next = match open(root, &so_far, OFlags::empty(), INSIDE) {
            Err(Errno::NOENT) if last && !directory => {
                // EXCL: a dangling link in the way is an error, not a way out.
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                drop(openat(here, *name, flags, Mode::from_raw_mode(0o644))?);
                openat(
                    here,
                    *name,
                    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    Mode::empty(),
                )?
            }
            Err(Errno::NOENT) => {
                mkdirat(here, *name, Mode::from_raw_mode(0o755))?;
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
                openat(here, *name, flags, Mode::empty())?
            }
            result => result?,
        };
        parent = Some(next);
    }
    parent.ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn scratch(name: &str) -> (std::path::PathBuf, OwnedFd) {
        let dir = std::env::temp_dir().join(format!("engine-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("root")).unwrap();
        let root = fs::File::open(dir.join("root")).unwrap();
        (dir, root.into())
    }

    #[test]
    fn links_never_lead_out_of_the_root() {
        let (dir, root) = scratch("links");
        fs::create_dir(dir.join("outside")).unwrap();
        symlink(dir.join("outside"), dir.join("root/absolute")).unwrap();
        symlink("../outside", dir.join("root/relative")).unwrap();
        symlink("/nowhere", dir.join("root/dangling")).unwrap();
        for path in ["/absolute/x", "/relative/x", "/dangling/x", "/dangling"] {
            // Either refused, or made inside; the canary decides.
            let _ = destination(root.as_fd(), Path::new(path), true);
            let _ = destination(root.as_fd(), Path::new(path), false);
        }
        assert_eq!(fs::read_dir(dir.join("outside")).unwrap().count(), 0);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn destinations_are_made_as_the_source_is() {
        let (dir, root) = scratch("made");
        destination(root.as_fd(), Path::new("/a/b/file"), false).unwrap();
        assert!(dir.join("root/a/b/file").is_file());
        destination(root.as_fd(), Path::new("/a/b/dir"), true).unwrap();
        assert!(dir.join("root/a/b/dir").is_dir());
        assert!(destination(root.as_fd(), Path::new("/a/b/file"), true).is_err());
        for path in ["/", "relative", "/a/../b", ""] {
            assert!(destination(root.as_fd(), Path::new(path), true).is_err(), "{path}");
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
