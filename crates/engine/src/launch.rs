//! From spec to process: the fork of a container's or an exec'd program's first process.
//!
//! The keeper forks (it is tiny and single-threaded, so a plain copy is cheap and the child may
//! use ordinary Rust); the child walks through `launch/rootfs.rs` and `launch/process.rs`.
//! A step that fails is told through a close-on-exec socket; its silent end means the program
//! has been executed.

mod process;
mod resolve;
mod rootfs;

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Gid, Uid, fchown, fstat};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

pub(crate) use process::{Identity, terminal};
pub(crate) use rootfs::tmpfs;

use crate::cgroup::Group;
use crate::keeper::Namespaces;
use crate::sys::{self, Side};
use crate::wire::{self, Reply};
use crate::{ContainerSpec, IdRange};

/// The step that failed, and why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) step: String,
    pub(crate) errno: i32,
}

/// Result of a step of making something.
pub(crate) type Step<T> = Result<T, Failure>;

/// For `map_err`: names the step.
pub(crate) fn at<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> Failure {
    move |error| Failure {
        step: step.into(),
        errno: error.into().raw_os_error().unwrap_or(libc::EIO),
    }
}

/// For `map_err` on results of `cgroup.rs`.
pub(crate) fn at_cgroup((path, error): (std::path::PathBuf, io::Error)) -> Failure {
    at(format!("write cgroup {}", path.display()))(error)
}

/// A process on its way to its program.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    /// Says [`Reply::Failed`], or [`Reply::Done`] with a terminal's master side; ends at execve.
    pub(crate) channel: OwnedFd,
}

/// Where standard input and output go.
#[derive(Debug)]
pub(crate) enum Streams {
    /// stdin, stdout, stderr.
    Given([OwnedFd; 3]),
    /// A terminal made in the container's own devpts.
    NewTerminal,
    /// The slave side of a terminal.
    Terminal(OwnedFd),
}

/// Everything the first process of a container needs; descriptors are closed by the parent.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    pub(crate) spec: &'a ContainerSpec,
    pub(crate) identity: Identity<'a>,
    pub(crate) root: OwnedFd,
    /// One detached mount for each bind, in the spec's order.
    pub(crate) binds: Vec<OwnedFd>,
    /// A detached clone of the pod's /dev/shm.
    pub(crate) shm: OwnedFd,
    pub(crate) streams: Streams,
    pub(crate) group: &'a Group,
    pub(crate) namespaces: &'a Namespaces,
}

/// Forks a container's first process.
pub(crate) fn start(container: Container<'_>) -> Step<Child> {
    let entrances = container.group.entrances().map_err(at_cgroup)?;
    let flags = libc::CLONE_NEWPID | libc::CLONE_NEWNS;
    fork(u64::from(flags.cast_unsigned()), container.group, |channel| {
        container_child(container, entrances, channel)
    })
}

/// Forks a further process into the container whose first process is behind `init`.
pub(crate) fn exec(
    identity: &Identity<'_>,
    streams: Streams,
    init: BorrowedFd<'_>,
    group: &Group,
    namespaces: &Namespaces,
) -> Step<Child> {
    let entrances = group.entrances().map_err(at_cgroup)?;
    // Joining a pid namespace concerns future children only: join, fork, return. No second
    // fork is needed, and the process stays the keeper's child.
    let join = |pidfd| move_into_thread_name_spaces(pidfd, ThreadNameSpaceType::PROCESS_ID);
    join(init).map_err(at("join the container's pid namespace"))?;
    let child = fork(0, group, |channel| {
        exec_child(identity, streams, init, namespaces, entrances, channel)
    });
    join(namespaces.own.as_fd()).map_err(at("return to the keeper's pid namespace"))?;
    child
}

fn fork(
    flags: u64,
    group: &Group,
    child: impl FnOnce(BorrowedFd<'_>) -> Step<Infallible>,
) -> Step<Child> {
    let unified = group.unified().transpose().map_err(at_cgroup)?;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(at("make a socket pair"))?;
    match sys::fork(flags, unified.as_ref().map(AsFd::as_fd)).map_err(at("clone3"))? {
        Side::Parent(pid, pidfd) => Ok(Child { pid, pidfd, channel: ours }),
        Side::Child => {
            drop(ours);
            let Err(Failure { step, errno }) = child(theirs.as_fd());
            // Nobody left to tell if this fails too; the exit code says it.
            let _ = wire::send(theirs.as_fd(), &Reply::Failed { step, errno }, &[]);
            sys::exit_now(127);
        }
    }
}

fn container_child(
    container: Container<'_>,
    entrances: Vec<File>,
    channel: BorrowedFd<'_>,
) -> Step<Infallible> {
    let Container { spec, identity, root, binds, shm, streams, group, namespaces } = container;
    rustix::process::setsid().map_err(at("start a session"))?;
    enter(entrances)?;
    sys::new_cgroup_namespace().map_err(at("make a cgroup namespace"))?;
    if let Some(score) = spec.oom_score_adj {
        // Lowering needs CAP_SYS_RESOURCE, which the host may have withheld: best effort.
        let _ = std::fs::write("/proc/self/oom_score_adj", score.to_string());
    }
    namespaces.join().map_err(at("join the pod's namespaces"))?;
    let base = own_files(namespaces)?;
    let made = rootfs::make(&rootfs::Plan { spec, base, group }, root, binds, shm)?;
    let streams = match streams {
        Streams::NewTerminal => {
            let (master, slave) = process::terminal(made.devpts.as_fd())?;
            wire::send(channel, &Reply::Done, &[master.as_fd()]).map_err(at("send terminal"))?;
            Streams::Terminal(slave)
        }
        streams => streams,
    };
    connect(&streams, &identity, namespaces.ids)?;
    drop(streams);
    process::become_program(&identity, made.cwd.as_fd(), namespaces.user.as_ref())
}

fn exec_child(
    identity: &Identity<'_>,
    streams: Streams,
    init: BorrowedFd<'_>,
    namespaces: &Namespaces,
    entrances: Vec<File>,
    _channel: BorrowedFd<'_>,
) -> Step<Infallible> {
    rustix::process::setsid().map_err(at("start a session"))?;
    enter(entrances)?;
    let spaces = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::CONTROL_GROUP;
    move_into_thread_name_spaces(init, spaces).map_err(at("join the container's namespaces"))?;
    own_files(namespaces)?;
    let root = resolve::root()?;
    let cwd = resolve::existing(root.as_fd(), resolve::cwd_of(identity.cwd))?;
    connect(&streams, identity, namespaces.ids)?;
    drop(streams);
    process::become_program(identity, cwd.as_fd(), namespaces.user.as_ref())
}

/// Moves this process into the v1 groups.
fn enter(entrances: Vec<File>) -> Step<()> {
    for mut entrance in entrances {
        entrance.write_all(b"0").map_err(at("enter the container's cgroup"))?;
    }
    Ok(())
}

/// From here on new files belong to the container's root, while all capabilities stay: on
/// id-mapped file systems the host's root has no id at all.
fn own_files(namespaces: &Namespaces) -> Step<u32> {
    let base = namespaces.ids.map_or(0, |ids| ids.start);
    sys::set_fs_ids(base, base);
    rustix::process::umask(rustix::fs::Mode::empty());
    crate::capability::raise().map_err(at("keep capabilities"))?;
    Ok(base)
}

/// Puts the streams on descriptors 0, 1 and 2 and gives them to the container's user, who may
/// want to open them again as /dev/stdout.
fn connect(streams: &Streams, identity: &Identity<'_>, ids: Option<IdRange>) -> Step<()> {
    let fds: [BorrowedFd<'_>; 3] = match streams {
        Streams::Given(fds) => [fds[0].as_fd(), fds[1].as_fd(), fds[2].as_fd()],
        Streams::Terminal(fd) => [fd.as_fd(); 3],
        Streams::NewTerminal => return Ok(()),
    };
    let base = ids.map_or(0, |ids| ids.start);
    let owner = Some(Uid::from_raw(base.saturating_add(identity.user.uid)));
    for (number, fd) in (0..).zip(fds) {
        let stat = fstat(fd).map_err(at("look at a stream"))?;
        let group = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Fifo => Some(Gid::from_raw(base.saturating_add(identity.user.gid))),
            FileType::CharacterDevice if matches!(streams, Streams::Terminal(_)) => None,
            _ => {
                sys::place(fd, number).map_err(at("connect a stream"))?;
                continue;
            }
        };
        fchown(fd, owner, group).map_err(at("give away a stream"))?;
        sys::place(fd, number).map_err(at("connect a stream"))?;
    }
    if let Streams::Terminal(fd) = streams {
        rustix::process::ioctl_tiocsctty(fd).map_err(at("take the terminal"))?;
    }
    Ok(())
}
