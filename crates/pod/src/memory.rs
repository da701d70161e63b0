//! Volumes in memory: a tmpfs for each pod that has any, below the run directory.
//!
//! It holds secrets, which must never be written to a disk, and `emptyDir` volumes of medium
//! Memory. The mount outlives the daemon, as the containers do.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount as mount_fs, unmount as unmount_fs};

use crate::disk::{failed, make_dir};
use crate::{Error, Settings};

/// Mounts a tmpfs at `dir` unless one is there. `volume` gives it mode 0777 and maybe a limit.
pub(crate) fn mount(dir: &Path, volume: Option<Option<u64>>) -> Result<(), Error> {
    make_dir(dir)?;
    if is_mount_root(dir)? {
        return Ok(());
    }
    let options = match volume {
        None => "mode=0755".to_owned(),
        Some(None) => "mode=0777".to_owned(),
        Some(Some(size)) => format!("mode=0777,size={size}"),
    };
    let options = std::ffi::CString::new(options).unwrap_or_default();
    let flags = MountFlags::NODEV | MountFlags::NOSUID;
    mount_fs("shelf", dir, "tmpfs", flags, Some(options.as_c_str()))
        .map_err(|source| failed("mount tmpfs at", dir)(source.into()))
}

fn is_mount_root(dir: &Path) -> Result<bool, Error> {
    let stat = statx(CWD, dir, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
        .map_err(|source| failed("look at", dir)(source.into()))?;
    Ok(stat.stx_attributes.contains(rustix::fs::StatxAttributes::MOUNT_ROOT))
}

/// Unmounts the pod's memory volumes and removes their directory. What is not there is fine.
pub(crate) fn unmount(dir: &Path) {
    // Volumes with a limit of their own lie on top.
    let inner = fs_err::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    for volume in inner.filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmpfs")) {
        detach(&volume.path());
    }
    detach(dir);
    if let Err(error) = crate::tree::remove(dir) {
        tracing::warn!(path = %dir.display(), %error, "memory volume not removed");
    }
}

fn detach(dir: &Path) {
    match unmount_fs(dir, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // Not a mount point, or not there.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(error) => tracing::warn!(path = %dir.display(), %error, "not unmounted"),
    }
}

/// Unmounts what belongs to no pod of `known`.
pub(crate) fn forget_all_but(settings: &Settings, known: &BTreeSet<String>) {
    let dir = settings.run_dir.join("volumes");
    for entry in fs_err::read_dir(&dir).into_iter().flatten().filter_map(Result::ok) {
        if !known.contains(entry.file_name().to_string_lossy().as_ref()) {
            unmount(&entry.path());
        }
    }
}
