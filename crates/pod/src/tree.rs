//! Directories removed by descriptor: never through a link, never across a mount.
//!
//! Containers choose the names and depth of what lies in their scratch and volume directories,
//! so no path string is used after the first open, and depth costs no stack or descriptors:
//! what lies too deep is moved up to the top and removed from there.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, mkdirat, open, openat2, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;

/// Levels walked before a directory is moved up.
const DEPTH: usize = 32;
/// Levels whose files are counted: a descriptor and a stack frame each.
const COUNTED_DEPTH: usize = 200;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes the directory at `path` and all it holds. What is not there counts as removed.
///
/// Fails with `EXDEV` when something is mounted inside: unmount it first.
pub fn remove(path: &Path) -> io::Result<()> {
    let root = match open(path, DIRECTORY, Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return unlinkat(CWD, path, AtFlags::empty()).map_err(io::Error::from);
        }
        Err(error) => return Err(error.into()),
    };
    let mut moved = 0_u64;
    loop {
        let before = moved;
        empty(root.as_fd(), root.as_fd(), 0, &mut moved)?;
        if moved == before {
            break;
        }
    }
    unlinkat(CWD, path, AtFlags::REMOVEDIR).map_err(io::Error::from)
}

fn empty(
    root: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u64,
) -> io::Result<()> {
    for (name, kind) in entries(dir)? {
        let directory = match kind {
            FileType::Directory => true,
            FileType::Unknown => opens_as_directory(dir, &name),
            _ => false,
        };
        if !directory {
            match unlinkat(dir, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        if depth >= DEPTH {
            *moved += 1;
            renameat(dir, &name, root, format!(".deep.{moved}"))?;
            continue;
        }
        let child = openat2(
            dir,
            &name,
            DIRECTORY,
            Mode::empty(),
            ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH,
        )?;
        empty(root, child.as_fd(), depth + 1, moved)?;
        unlinkat(dir, &name, AtFlags::REMOVEDIR)?;
    }
    Ok(())
}

/// Bytes on disk below `path`, each file once, however many names it has; counting ends above
/// `most`. What is not there has none. What lies too deep to be walked counts as too much: it was
/// made to be overlooked.
///
/// # Errors
/// A directory cannot be read.
pub(crate) fn bytes(path: &Path, most: u64) -> io::Result<u64> {
    let root = match open(path, DIRECTORY, Mode::empty()) {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let (mut seen, mut total) = (BTreeSet::new(), 0);
    count(root.as_fd(), 0, most, &mut seen, &mut total)?;
    Ok(total)
}

fn count(
    dir: BorrowedFd<'_>,
    depth: usize,
    most: u64,
    seen: &mut BTreeSet<u64>,
    total: &mut u64,
) -> io::Result<()> {
    const BLOCK: u64 = 512;
    for (name, _) in entries(dir)? {
        if *total > most {
            return Ok(());
        }
        let stat = match statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory || stat.st_nlink == 1 || seen.insert(stat.st_ino) {
            let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
            *total = total.saturating_add(blocks * BLOCK);
        }
        if kind != FileType::Directory {
            continue;
        }
        if depth >= COUNTED_DEPTH {
            *total = u64::MAX;
            return Ok(());
        }
        let flags = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        match openat2(dir, &name, DIRECTORY, Mode::empty(), flags) {
            Ok(child) => count(child.as_fd(), depth + 1, most, seen, total)?,
            // It went away, became something else, or is a mount.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn opens_as_directory(dir: BorrowedFd<'_>, name: &CStr) -> bool {
    openat2(dir, name, DIRECTORY, Mode::empty(), ResolveFlags::NO_SYMLINKS).is_ok()
}

fn entries(dir: BorrowedFd<'_>) -> io::Result<Vec<(CString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            found.push((name.to_owned(), entry.file_type()));
        }
    }
    Ok(found)
}

/// Opens `relative` below `root` without ever leaving it, making missing directories.
///
/// Returns the descriptor (`O_PATH`) and whether anything was made. Links inside are followed
/// as long as they stay inside, which is how a volume's files are swapped in one step.
pub(crate) fn open_beneath(root: BorrowedFd<'_>, relative: &Path) -> io::Result<(OwnedFd, bool)> {
    let reach = |path: &Path| {
        openat2(
            root,
            path,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        )
    };
    match reach(relative) {
        Ok(found) => return Ok((found, false)),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let mut at = std::path::PathBuf::from(".");
    for part in relative.components() {
        let name = match part {
            Component::Normal(name) => name,
            Component::CurDir => continue,
            _ => return Err(Errno::XDEV.into()),
        };
        let parent = reach(&at)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        at.push(name);
    }
    Ok((reach(relative)?, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("pod-tree-{name}-{}", std::process::id()));
        fs_err::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn bytes_are_those_of_each_file_once() {
        let base = place("bytes");
        fs_err::create_dir_all(base.join("a/b")).unwrap();
        fs_err::write(base.join("a/b/file"), vec![7; 1 << 20]).unwrap();
        fs_err::hard_link(base.join("a/b/file"), base.join("again")).unwrap();
        symlink("/", base.join("all")).unwrap();
        let counted = bytes(&base, u64::MAX).unwrap();
        assert!(((1 << 20)..(1 << 20) + (64 << 10)).contains(&counted), "{counted}");
        assert_eq!(bytes(&base.join("nothing"), 1).unwrap(), 0);
        fs_err::create_dir_all(base.join("d/".repeat(250))).unwrap();
        assert_eq!(bytes(&base, u64::MAX - 1).unwrap(), u64::MAX, "hidden in the deep");
        remove(&base).unwrap();
    }

    #[test]
    fn removal_stops_at_links_and_survives_depth() {
        let base = place("remove");
        let canary = base.join("canary");
        fs_err::write(&canary, "still here").unwrap();
        let doomed = base.join("doomed");
        fs_err::create_dir(&doomed).unwrap();
        symlink(&base, doomed.join("link")).unwrap();
        let mut deep = doomed.clone();
        for _ in 0..150 {
            deep.push("d");
        }
        fs_err::create_dir_all(&deep).unwrap();
        fs_err::write(deep.join("leaf"), "x").unwrap();
        remove(&doomed).unwrap();
        assert!(!doomed.exists());
        assert_eq!(fs_err::read_to_string(&canary).unwrap(), "still here");
        remove(&base).unwrap();
        remove(&base).unwrap();
    }

    #[test]
    fn a_sub_path_never_leaves_its_volume() {
        let base = place("beneath");
        let volume = base.join("volume");
        fs_err::create_dir(&volume).unwrap();
        fs_err::create_dir(base.join("outside")).unwrap();
        symlink("../outside", volume.join("escape")).unwrap();
        symlink("inner", volume.join("fine")).unwrap();
        fs_err::create_dir(volume.join("inner")).unwrap();
        let root = open(&volume, DIRECTORY, Mode::empty()).unwrap();
        assert!(open_beneath(root.as_fd(), Path::new("escape")).is_err());
        assert!(open_beneath(root.as_fd(), Path::new("escape/new")).is_err());
        assert!(open_beneath(root.as_fd(), Path::new("../outside")).is_err());
        assert!(!open_beneath(root.as_fd(), Path::new("fine")).unwrap().1);
        assert!(open_beneath(root.as_fd(), Path::new("a/b")).unwrap().1);
        assert!(volume.join("a/b").is_dir());
        assert!(!base.join("outside/new").exists());
        remove(&base).unwrap();
    }
}
