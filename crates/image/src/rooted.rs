//! Files below a directory descriptor, never outside it, whatever links are in the way.
//!
//! Three ways to open: [`below`] refuses every link (layers while they are unpacked), [`inside`]
//! resolves links as a process whose root is that directory would (a container's root), and
//! [`remove_tree`] deletes without following anything or crossing into another mount. No path
//! string is used after the directory is open.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// Deepest chain of open directories while deleting; deeper ones are moved up first.
const DELETE_DEPTH: usize = 200;

/// Opens a directory by its path on the host.
pub fn directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens `path` below `root`; any symbolic link, `..` or other mount on the way is an error.
pub fn below(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    open(root, path, flags, mode, resolve)
}

/// Opens `path` as if `root` were `/`: links and `..` stay inside.
pub fn inside(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    open(root, path, flags, mode, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

fn open(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    // openat2 gives EAGAIN when something else in the system was renamed or mounted meanwhile
    // and it cannot be sure that `..` stayed inside.
    for _ in 0..64 {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// The names in a directory, sorted by bytes, without `.` and `..`.
pub fn names(dir: BorrowedFd<'_>) -> rustix::io::Result<Vec<CString>> {
    // Opened again: the descriptor may be of the kind (`O_PATH`) that cannot be read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(dir, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::new(dir)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Deletes `name` in `parent` and everything below it; absent is fine. A mount point below it
/// is an error (`EXDEV`) and its content stays.
pub fn remove_tree(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    let mut deep = vec![name.to_owned()];
    let mut moved = 0_u64;
    while let Some(name) = deep.pop() {
        remove(parent, parent, &name, 0, &mut deep, &mut moved)?;
    }
    Ok(())
}

fn remove(
    top: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    name: &CStr,
    depth: usize,
    deep: &mut Vec<CString>,
    moved: &mut u64,
) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    if depth == DELETE_DEPTH {
        *moved += 1;
        let id = format!(".removing-{}-{}", std::process::id(), *moved);
        let id = CString::new(id).map_err(|_| Errno::INVAL)?;
        rustix::fs::renameat(parent, name, top, &id)?;
        deep.push(id);
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let dir = below(parent, name.to_bytes(), flags, Mode::empty())?;
    for child in names(dir.as_fd())? {
        remove(top, dir.as_fd(), &child, depth + 1, deep, moved)?;
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Whether `name` in `dir` is an overlay whiteout: a character device 0/0.
pub fn is_whiteout(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_never_lead_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs_err::create_dir_all(root.join("etc")).unwrap();
        fs_err::write(dir.path().join("canary"), "host").unwrap();
        fs_err::write(root.join("canary"), "image").unwrap();
        symlink("../../../canary", root.join("etc/up")).unwrap();
        symlink("/etc", root.join("abs")).unwrap();
        let fd = directory(&root).unwrap();
        let read = |path: &[u8]| {
            let fd = inside(fd.as_fd(), path, OFlags::RDONLY, Mode::empty())?;
            let mut text = String::new();
            std::io::Read::read_to_string(&mut std::fs::File::from(fd), &mut text).unwrap();
            Ok::<_, Errno>(text)
        };
        assert_eq!(read(b"/etc/up").unwrap(), "image");
        assert_eq!(read(b"/abs/up").unwrap(), "image");
        assert_eq!(read(b"../canary").unwrap(), "image");
        for path in [&b"abs/up"[..], b"../canary", b"etc/up", b"/canary"] {
            assert!(below(fd.as_fd(), path, OFlags::RDONLY, Mode::empty()).is_err());
        }
    }

    #[test]
    fn deleting_follows_nothing_and_copes_with_depth() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs_err::create_dir(&outside).unwrap();
        fs_err::write(outside.join("canary"), "x").unwrap();
        let tree = dir.path().join("tree");
        fs_err::create_dir(&tree).unwrap();
        symlink(&outside, tree.join("link")).unwrap();
        let mut at = directory(&tree).unwrap();
        for _ in 0..1500 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, "d", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .unwrap();
        }
        drop(at);
        let parent = directory(dir.path()).unwrap();
        remove_tree(parent.as_fd(), c"tree").unwrap();
        remove_tree(parent.as_fd(), c"tree").unwrap();
        assert_eq!(names(parent.as_fd()).unwrap(), [CString::from(c"outside")]);
        assert!(outside.join("canary").exists());
    }
}
