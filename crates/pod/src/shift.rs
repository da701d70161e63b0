//! Owners on memory volumes where the kernel cannot map them.
//!
//! A volume keeps its owners as the container sees them, and the mount maps them into the pod's
//! range of ids. Linux before 6.3 cannot map the owners of a tmpfs. There the files themselves are
//! given to the pod's range: such a volume ends with its pod, so nobody else ever sees them. What
//! a container makes itself is in the range already. Where next: `memory.rs`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, StatxFlags, Uid, chownat, fstatfs, openat, statx,
};
use rustix::io::Errno;

use crate::ids::LEN;
use crate::mount::Opened;

const TMPFS_MAGIC: i64 = 0x0102_1994;
/// Deeper than anything we write; what lies below is a container's own.
const DEPTH: u32 = 32;

/// Prepares one mount of a pod whose ids start at `base`.
pub(crate) fn if_needed(opened: &mut Opened, base: u32) -> io::Result<()> {
    let Some(source) = &opened.source else { return Ok(()) };
    if !opened.mount.idmap || tmpfs_can_be_mapped() || fstatfs(source)?.f_type != TMPFS_MAGIC {
        return Ok(());
    }
    give(source.as_fd(), base)?;
    opened.mount.idmap = false;
    Ok(())
}

fn tmpfs_can_be_mapped() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        version(&release) >= (6, 3)
    })
}

/// Major and minor of a kernel release such as `6.1.0-56-cloud-amd64`.
fn version(release: &str) -> (u32, u32) {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
    let mut next = || parts.next().flatten().unwrap_or(0);
    (next(), next())
}

/// Gives what is behind `file`, an O_PATH descriptor, and all below it to the range from `base`.
fn give(file: BorrowedFd<'_>, base: u32) -> io::Result<()> {
    shift(file, c"", AtFlags::EMPTY_PATH, base)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match openat(file, ".", flags, Mode::empty()) {
        Ok(dir) => below(dir.as_fd(), base, 0),
        Err(Errno::NOTDIR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn below(dir: BorrowedFd<'_>, base: u32, depth: u32) -> io::Result<()> {
    if depth == DEPTH {
        return Ok(());
    }
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        // A container may be at work in here: what is gone is gone, and a link is never followed.
        match shift(dir, name, AtFlags::SYMLINK_NOFOLLOW, base) {
            Err(Errno::NOENT) => continue,
            other => other?,
        }
        if entry.file_type() == FileType::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(dir, name, flags, Mode::empty()) {
                Ok(inner) => below(inner.as_fd(), base, depth + 1)?,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn shift(
    dir: BorrowedFd<'_>,
    name: &std::ffi::CStr,
    flags: AtFlags,
    base: u32,
) -> rustix::io::Result<()> {
    let stat = statx(dir, name, flags, StatxFlags::BASIC_STATS)?;
    let shifted = |id: u32| (id < LEN).then_some(base + id);
    let uid = shifted(stat.stx_uid).map(Uid::from_raw);
    let gid = shifted(stat.stx_gid).map(Gid::from_raw);
    if uid.is_none() && gid.is_none() {
        return Ok(());
    }
    chownat(dir, name, uid, gid, flags)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use rustix::fs::{CWD, open};

    use super::*;

    #[test]
    fn releases_are_read() {
        assert_eq!(version("6.1.0-56-cloud-amd64"), (6, 1));
        assert_eq!(version("6.18.3"), (6, 18));
        assert_eq!(version("odd"), (0, 0));
    }

    #[test]
    fn root_all_below_is_given_to_the_range_once_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("volume"), dir.path().join("outside"));
        fs_err::create_dir_all(inside.join("deep/er")).unwrap();
        fs_err::write(inside.join("deep/er/file"), "x").unwrap();
        fs_err::write(&outside, "x").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        let owner = Some(Uid::from_raw(700));
        chownat(CWD, inside.join("deep/er/file"), owner, None, AtFlags::empty()).unwrap();
        let volume = open(&inside, OFlags::PATH, Mode::empty()).unwrap();
        for _ in 0..2 {
            give(volume.as_fd(), 1_048_576).unwrap();
            let uid = |path: &str| fs_err::symlink_metadata(inside.join(path)).unwrap().uid();
            assert_eq!(uid(""), 1_048_576);
            assert_eq!(uid("deep/er/file"), 1_048_576 + 700);
            assert_eq!(uid("link"), 1_048_576);
            assert_eq!(fs_err::metadata(&outside).unwrap().uid(), 0);
        }
    }
}
