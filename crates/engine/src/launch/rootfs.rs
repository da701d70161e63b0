//! A container's mount tree, made by descriptors only.
//!
//! Everything is assembled below the detached root while the host's tree is still there, then
//! pivoted to. All file systems are mounted by the host's root in the new mount namespace,
//! before the user namespace is entered: the container can neither undo a mask nor make device
//! nodes work, and nothing in it has run yet.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    CWD, FileType, Mode, OFlags, fstat, makedev, mkdirat, mknodat, openat, symlinkat,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{fchdir, pivot_root};

use super::{Step, at, resolve};
use crate::cgroup::Group;
use crate::sys;
use crate::{ContainerSpec, MountKind};

/// Character devices of /dev: name, major, minor.
const NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];
/// Links of /dev: target, name.
const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];
/// Hidden below /proc and /sys: what containerd, Docker and runc hide, and interrupts.
const MASKED_PROC: [&str; 10] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];
const MASKED_SYS: [&str; 2] = ["devices/virtual/powercap", "firmware"];
/// Not to be written below /proc.
const READ_ONLY_PROC: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

const NOSUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;
const RDONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;

/// What the tree is made of.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) spec: &'a ContainerSpec,
    /// Host id of container root.
    pub(super) base: u32,
    pub(super) group: &'a Group,
}

/// What later steps need of the finished tree.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) cwd: OwnedFd,
    pub(super) devpts: OwnedFd,
}

/// Builds the tree and moves this process into it.
pub(super) fn make(
    plan: &Plan<'_>,
    root: OwnedFd,
    binds: Vec<OwnedFd>,
    shm: OwnedFd,
) -> Step<Made> {
    let quiet = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", quiet).map_err(at("make mounts private"))?;
    let host = resolve::root()?;
    let groups = cgroup_views(plan.group)?;
    // Over the host's root: any path will do, and this one certainly exists.
    place(&root, CWD, "/").map_err(at("attach the root"))?;

    let blank = dev(plan, root.as_fd(), &shm)?;
    proc(root.as_fd(), &blank)?;
    sysfs(root.as_fd(), &blank, groups)?;
    mounts(plan, root.as_fd(), binds)?;
    let cwd = resolve::made(root.as_fd(), resolve::cwd_of(&plan.spec.cwd))?;
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
    let devpts = openat(&blank.dev, "pts", flags, Mode::empty()).map_err(at("open /dev/pts"))?;
    if plan.spec.readonly_root {
        read_only(root.as_fd()).map_err(at("make the root read-only"))?;
    }
    enter(root.as_fd(), host.as_fd())?;
    Ok(Made { cwd, devpts })
}

/// pivot_root(2) of the new root over the old one, which is then detached.
fn enter(root: BorrowedFd<'_>, host: BorrowedFd<'_>) -> Step<()> {
    fchdir(root).map_err(at("enter the root"))?;
    pivot_root(".", ".").map_err(at("pivot into the root"))?;
    fchdir(host).map_err(at("return to the old root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(at("detach the old root"))?;
    rustix::process::chdir("/").map_err(at("enter /"))
}

/// A new file system, mounted nowhere yet.
fn file_system(
    kind: &CStr,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A fresh tmpfs owned by `base`; 0 bytes = the kernel's default size.
pub(crate) fn tmpfs(
    size_bytes: u64,
    mode: u32,
    base: u32,
    attributes: MountAttrFlags,
) -> rustix::io::Result<OwnedFd> {
    let (size, mode, base) = (size_bytes.to_string(), format!("{mode:o}"), base.to_string());
    let mut options = vec![("mode", mode.as_str()), ("uid", &base), ("gid", &base)];
    if size_bytes > 0 {
        options.push(("size", &size));
    }
    file_system(c"tmpfs", &options, attributes)
}

/// Attaches a detached mount at `path` below `dir`, or on `dir` itself if empty.
fn place(mount: &OwnedFd, dir: BorrowedFd<'_>, path: &str) -> rustix::io::Result<()> {
    let mut flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    if path.is_empty() {
        flags |= MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    }
    move_mount(mount, "", dir, path, flags)
}

/// A detached copy of the mount at `path` below `dir`.
fn copy(dir: BorrowedFd<'_>, path: &str) -> rustix::io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    if path.is_empty() {
        flags |= OpenTreeFlags::AT_EMPTY_PATH;
    }
    open_tree(dir, path, flags)
}

fn read_only(mount: BorrowedFd<'_>) -> std::io::Result<()> {
    sys::mount_setattr(mount, u64::from(RDONLY.bits()), None)
}

/// What masks are made of.
#[derive(Debug)]
struct Blank {
    /// Our own /dev, where `null` is certainly null: made a moment ago, seen by nobody.
    dev: OwnedFd,
    /// An empty read-only directory.
    empty: OwnedFd,
}

/// /dev with its nodes, links, pts, shm and mqueue.
fn dev(plan: &Plan<'_>, root: BorrowedFd<'_>, shm: &OwnedFd) -> Step<Blank> {
    let dev = tmpfs(64 << 10, 0o755, plan.base, NOSUID | NOEXEC).map_err(at("mount /dev"))?;
    for (name, major, minor) in NODES {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(&dev, name, FileType::CharacterDevice, mode, makedev(major, minor))
            .map_err(at(format!("make /dev/{name}")))?;
    }
    for (target, name) in LINKS {
        symlinkat(target, &dev, name).map_err(at(format!("link /dev/{name}")))?;
    }
    for name in ["pts", "shm", "mqueue"] {
        mkdirat(&dev, name, Mode::from_raw_mode(0o755)).map_err(at(format!("make /dev/{name}")))?;
    }
    let target = resolve::fixed(root, "dev")?;
    place(&dev, target.as_fd(), "").map_err(at("attach /dev"))?;

    let group = plan.base.saturating_add(5).to_string();
    let options = [("ptmxmode", "0666"), ("mode", "0620"), ("gid", group.as_str())];
    let devpts = file_system(c"devpts", &options, NOSUID | NOEXEC).map_err(at("mount /dev/pts"))?;
    place(&devpts, dev.as_fd(), "pts").map_err(at("attach /dev/pts"))?;
    place(shm, dev.as_fd(), "shm").map_err(at("attach /dev/shm"))?;
    let mqueue =
        file_system(c"mqueue", &[], NOSUID | NODEV | NOEXEC).map_err(at("mount /dev/mqueue"))?;
    place(&mqueue, dev.as_fd(), "mqueue").map_err(at("attach /dev/mqueue"))?;

    let empty = blank().map_err(at("make an empty directory"))?;
    Ok(Blank { dev, empty })
}

fn blank() -> rustix::io::Result<OwnedFd> {
    tmpfs(4096, 0o555, 0, RDONLY | NOSUID | NODEV | NOEXEC)
}

fn proc(root: BorrowedFd<'_>, blank: &Blank) -> Step<()> {
    let proc = file_system(c"proc", &[], NOSUID | NODEV | NOEXEC).map_err(at("mount /proc"))?;
    let target = resolve::fixed(root, "proc")?;
    place(&proc, target.as_fd(), "").map_err(at("attach /proc"))?;
    for path in READ_ONLY_PROC {
        match copy(proc.as_fd(), path) {
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(at(format!("make /proc/{path} read-only"))(errno)),
            Ok(part) => {
                read_only(part.as_fd()).map_err(at(format!("make /proc/{path} read-only")))?;
                place(&part, proc.as_fd(), path)
                    .map_err(at(format!("make /proc/{path} read-only")))?;
            }
        }
    }
    MASKED_PROC.iter().try_for_each(|path| mask(proc.as_fd(), path, blank))
}

fn sysfs(root: BorrowedFd<'_>, blank: &Blank, groups: Vec<(String, OwnedFd)>) -> Step<()> {
    let sys =
        file_system(c"sysfs", &[], RDONLY | NOSUID | NODEV | NOEXEC).map_err(at("mount /sys"))?;
    let target = resolve::fixed(root, "sys")?;
    place(&sys, target.as_fd(), "").map_err(at("attach /sys"))?;
    MASKED_SYS.iter().try_for_each(|path| mask(sys.as_fd(), path, blank))?;
    for cpu in 0.. {
        let cpu = format!("devices/system/cpu/cpu{cpu}");
        if rustix::fs::statat(&sys, cpu.as_str(), rustix::fs::AtFlags::empty()).is_err() {
            break;
        }
        mask(sys.as_fd(), &format!("{cpu}/thermal_throttle"), blank)?;
    }
    cgroups(sys.as_fd(), groups)
}

/// Hides a file behind null or a directory behind an empty one, if it exists.
fn mask(dir: BorrowedFd<'_>, path: &str, blank: &Blank) -> Step<()> {
    let step = || format!("mask {path}");
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = match openat(dir, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(()),
        result => result.map_err(at(step()))?,
    };
    let kind = FileType::from_raw_mode(fstat(&target).map_err(at(step()))?.st_mode);
    let cover = if kind.is_dir() {
        // A detached mount cannot be copied on every kernel: take a fresh one then.
        copy(blank.empty.as_fd(), "").or_else(|_| self::blank())
    } else {
        copy(blank.dev.as_fd(), "null")
    };
    place(&cover.map_err(at(step()))?, target.as_fd(), "").map_err(at(step()))
}

/// Copies of the container's own cgroup folders, taken while the host's tree is in sight.
fn cgroup_views(group: &Group) -> Step<Vec<(String, OwnedFd)>> {
    let mut views = Vec::new();
    for (name, path) in group.views() {
        let path = path.to_string_lossy().into_owned();
        let step = || format!("copy {path}");
        let view = copy(CWD, &path).map_err(at(step()))?;
        let attributes = RDONLY | NOSUID | NODEV | NOEXEC;
        sys::mount_setattr(view.as_fd(), u64::from(attributes.bits()), None).map_err(at(step()))?;
        views.push((name, view));
    }
    Ok(views)
}

/// /sys/fs/cgroup, read-only: programs size themselves by it.
fn cgroups(sys: BorrowedFd<'_>, views: Vec<(String, OwnedFd)>) -> Step<()> {
    let step = || "mount /sys/fs/cgroup";
    if let [(name, view)] = &views[..]
        && name.is_empty()
    {
        return place(view, sys, "fs/cgroup").map_err(at(step()));
    }
    let parent = tmpfs(4096, 0o755, 0, NOSUID | NODEV | NOEXEC).map_err(at(step()))?;
    for (name, _) in &views {
        mkdirat(&parent, name.as_str(), Mode::from_raw_mode(0o755)).map_err(at(step()))?;
    }
    place(&parent, sys, "fs/cgroup").map_err(at(step()))?;
    for (name, view) in &views {
        place(view, parent.as_fd(), name).map_err(at(step()))?;
    }
    read_only(parent.as_fd()).map_err(at(step()))
}

/// The mounts the spec asks for, in its order.
fn mounts(plan: &Plan<'_>, root: BorrowedFd<'_>, binds: Vec<OwnedFd>) -> Step<()> {
    let mut binds = binds.into_iter();
    for mount in &plan.spec.mounts {
        let path: &Path = &mount.destination;
        let step = || format!("mount at {}", path.display());
        let (source, directory) = match mount.kind {
            MountKind::Bind { .. } => {
                let source = binds.next().ok_or(Errno::INVAL).map_err(at(step()))?;
                let stat = fstat(&source).map_err(at(step()))?;
                let directory = FileType::from_raw_mode(stat.st_mode).is_dir();
                (source, directory)
            }
            MountKind::Tmpfs { size_bytes, mode } => {
                let mut attributes = NOSUID | NODEV;
                if mount.read_only {
                    attributes |= RDONLY;
                }
                (tmpfs(size_bytes, mode, plan.base, attributes).map_err(at(step()))?, true)
            }
        };
        let target = resolve::destination(root, path, directory)?;
        place(&source, target.as_fd(), "").map_err(at(step()))?;
    }
    Ok(())
}
