//! The sources of a container's mounts, opened without ever leaving their volume.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, StatxFlags, chownat, open, openat, statx};

use crate::disk::failed;
use crate::{Error, Mount, MountSource, tree};

/// A mount with its source opened.
pub(crate) struct Opened {
    pub(crate) mount: engine::Mount,
    pub(crate) source: Option<OwnedFd>,
}

/// One of the files every container finds in `/etc`.
pub(crate) fn open_etc(file: &Path, destination: PathBuf) -> Result<Opened, Error> {
    let source = open(file, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| failed("open", file)(source.into()))?;
    let kind = engine::MountKind::Bind { source: 0 };
    Ok(Opened {
        mount: engine::Mount { destination, kind, read_only: false, idmap: true },
        source: Some(source),
    })
}

/// A volume, or a fresh tmpfs.
pub(crate) fn open_mount(mount: &Mount, user: &image::user::User) -> Result<Opened, Error> {
    let describe = |kind| engine::Mount {
        destination: mount.destination.clone(),
        kind,
        read_only: mount.read_only,
        idmap: mount.idmap,
    };
    let path = match &mount.source {
        MountSource::Tmpfs { size_bytes, mode } => {
            let kind =
                engine::MountKind::Tmpfs { size_bytes: size_bytes.unwrap_or(0), mode: *mode };
            return Ok(Opened { mount: describe(kind), source: None });
        }
        MountSource::Host(path) => path,
    };
    let failed = |source: std::io::Error| Error::Mount {
        path: path.join(mount.sub_path.as_deref().unwrap_or("")),
        destination: mount.destination.clone(),
        source,
    };
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let mut source = open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    if let Some(sub_path) = mount.sub_path.as_deref().filter(|p| !p.is_empty()) {
        source = tree::open_beneath(source.as_fd(), Path::new(sub_path)).map_err(failed)?.0;
    }
    if mount.adopt_owner {
        adopt(source.as_fd(), user).map_err(failed)?;
    }
    Ok(Opened { mount: describe(engine::MountKind::Bind { source: 0 }), source: Some(source) })
}

/// Gives an empty directory of root's to the container's user; anything else is left alone.
fn adopt(dir: BorrowedFd<'_>, user: &image::user::User) -> std::io::Result<()> {
    let stat = statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    let directory = rustix::fs::FileType::from_raw_mode(stat.stx_mode.into())
        == rustix::fs::FileType::Directory;
    if !directory || stat.stx_uid != 0 || stat.stx_gid != 0 || (user.uid, user.gid) == (0, 0) {
        return Ok(());
    }
    let readable =
        openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut content = Dir::read_from(&readable)?.filter_map(Result::ok);
    if content.any(|e| e.file_name() != c"." && e.file_name() != c"..") {
        return Ok(());
    }
    let uid = rustix::fs::Uid::from_raw(user.uid);
    let gid = rustix::fs::Gid::from_raw(user.gid);
    chownat(&readable, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    Ok(())
}

/// Numbers the sources in the order of the mounts that need one.
pub(crate) fn index(opened: Vec<Opened>) -> (Vec<engine::Mount>, Vec<OwnedFd>) {
    let mut mounts = Vec::new();
    let mut sources = Vec::new();
    for Opened { mut mount, source } in opened {
        if let (Some(fd), engine::MountKind::Bind { source }) = (source, &mut mount.kind) {
            *source = sources.len();
            sources.push(fd);
        }
        mounts.push(mount);
    }
    (mounts, sources)
}

/// Opens a host path for a build step's bind.
pub(crate) fn open_bind(path: &Path, destination: &Path, read_only: bool) -> Result<Opened, Error> {
    let fd = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(|source| {
        Error::Mount {
            path: path.to_owned(),
            destination: destination.to_owned(),
            source: source.into(),
        }
    })?;
    Ok(Opened {
        mount: engine::Mount {
            destination: destination.to_owned(),
            kind: engine::MountKind::Bind { source: 0 },
            read_only,
            idmap: true,
        },
        source: Some(fd),
    })
}
