//! A sandbox as the daemon holds it: its namespaces, and the way to its keeper.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::cgroup::{Group, Root};
use crate::error::{Error, Result};
use crate::events::Events;
use crate::keeper::{self, record};
use crate::wire::{self, Reply, Request};
use crate::{
    ContainerSpec, ContainerState, ExecSpec, Exit, IdRange, Mount, MountKind, Started, Stats, sys,
};

/// How long a keeper that has said goodbye may take to end.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// The three standard descriptors of an exec'd process; `None` = `/dev/null`.
#[derive(Debug, Default)]
pub struct Stdio {
    /// Read by the process.
    pub stdin: Option<OwnedFd>,
    /// Written by the process.
    pub stdout: Option<OwnedFd>,
    /// Written by the process.
    pub stderr: Option<OwnedFd>,
}

/// A sandbox and the way to its keeper. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: String,
    dir: PathBuf,
    roots: Vec<Root>,
    netns: Arc<OwnedFd>,
    userns: Option<Arc<OwnedFd>>,
    events: Weak<Events>,
}

/// An exec'd process. Dropping it ends the process: by a hang-up if it has a terminal, else by
/// SIGKILL.
#[derive(Debug)]
pub struct Exec {
    /// In the daemon's pid namespace.
    pub pid: u32,
    /// The terminal's master side, when one was asked for.
    pub terminal: Option<OwnedFd>,
    sandbox: String,
    connection: OwnedFd,
    pidfd: OwnedFd,
}

/// A container's standard input, see [`Sandbox::attach`].
#[derive(Debug)]
pub struct Attach {
    /// Write end of the container's stdin, or its terminal; `None` unless the spec asked for it.
    pub stdin: Option<OwnedFd>,
}

impl Sandbox {
    /// A sandbox whose keeper has just answered on a subscribed connection with `namespaces`.
    pub(crate) fn new(
        id: &str,
        dir: PathBuf,
        roots: &[Root],
        namespaces: Vec<OwnedFd>,
        events: &Arc<Events>,
    ) -> io::Result<Self> {
        let mut namespaces = namespaces.into_iter().map(Arc::new);
        let Some(netns) = namespaces.next() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no network namespace"));
        };
        let inner = Inner {
            id: id.to_owned(),
            dir,
            roots: roots.to_vec(),
            netns,
            userns: namespaces.next(),
            events: Arc::downgrade(events),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id given at creation.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// The network namespace, as a descriptor of the caller's own.
    ///
    /// # Panics
    /// When this process may open no further descriptor.
    #[must_use]
    pub fn netns(&self) -> OwnedFd {
        copy(&self.inner.netns)
    }

    /// The user namespace, if the sandbox has its own.
    ///
    /// # Panics
    /// When this process may open no further descriptor.
    #[must_use]
    pub fn userns(&self) -> Option<OwnedFd> {
        self.inner.userns.as_ref().map(copy)
    }

    /// Starts a container on `root`, a detached mount (it is used up: each start needs a fresh
    /// one); returns once its program is executed. `sources` are opened files or directories of
    /// this process' mount namespace, for the spec's binds.
    ///
    /// # Errors
    /// Names the step and the kernel's answer; see [`crate::Error::exit_code`].
    pub fn start(
        &self,
        spec: &ContainerSpec,
        root: BorrowedFd<'_>,
        sources: &[BorrowedFd<'_>],
    ) -> Result<Started> {
        crate::engine::check_id("container id", &spec.id)?;
        crate::capability::parse(&spec.capabilities)?;
        let binds = self.binds(spec, sources)?;
        let mut fds = vec![root];
        fds.extend(binds.iter().map(AsFd::as_fd));
        if fds.len() >= wire::DESCRIPTOR_COUNT {
            return Err(Error::Invalid {
                field: "mounts",
                reason: format!("{} binds, at most {}", binds.len(), wire::DESCRIPTOR_COUNT - 2),
            });
        }
        match self.ask(&Request::Start(Box::new(spec.clone())), &fds, &spec.id)? {
            (Reply::Started { pid }, ..) => Ok(Started { pid }),
            _ => Err(self.nonsense()),
        }
    }

    /// Clones the sources as detached mounts with their attributes: the mount namespace they
    /// are in is ours, and mapping ids needs a mount that was never attached.
    fn binds(&self, spec: &ContainerSpec, sources: &[BorrowedFd<'_>]) -> Result<Vec<OwnedFd>> {
        let mut binds = Vec::new();
        for mount in &spec.mounts {
            let MountKind::Bind { source } = mount.kind else { continue };
            let Some(source) = sources.get(source) else {
                return Err(Error::Invalid {
                    field: "mounts",
                    reason: format!("{} has no source {source}", mount.destination.display()),
                });
            };
            let bind = self.bind(mount, *source).map_err(|source| Error::Source {
                destination: mount.destination.clone(),
                source,
            })?;
            binds.push(bind);
        }
        Ok(binds)
    }

    fn bind(&self, mount: &Mount, source: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let bind = open_tree(source, "", flags)?;
        let mut attributes = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
        if mount.read_only {
            attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
        let userns = self.inner.userns.as_ref().filter(|_| mount.idmap);
        let userns = userns.map(|fd| fd.as_fd());
        sys::mount_setattr(bind.as_fd(), u64::from(attributes.bits()), userns)?;
        Ok(bind)
    }

    /// Sends a signal to the first process of a container. Fine if it has exited.
    ///
    /// # Errors
    /// Unknown container or signal.
    pub fn kill(&self, container: &str, signal: i32) -> Result<()> {
        self.done(&Request::Kill { container: container.to_owned(), signal })
    }

    /// Runs a further process in a container.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn exec(&self, container: &str, spec: &ExecSpec, stdio: Stdio) -> Result<Exec> {
        let streams = [stdio.stdin, stdio.stdout, stdio.stderr];
        let request = Request::Exec {
            container: container.to_owned(),
            spec: spec.clone(),
            stdio: [0, 1, 2].map(|n| streams[n].is_some()),
        };
        let fds: Vec<_> = streams.iter().flatten().map(AsFd::as_fd).collect();
        let (reply, fds, connection) = self.ask(&request, &fds, container)?;
        let mut fds = fds.into_iter();
        match (reply, fds.next()) {
            (Reply::Started { pid }, Some(pidfd)) => Ok(Exec {
                pid,
                terminal: fds.next(),
                sandbox: self.inner.id.clone(),
                connection,
                pidfd,
            }),
            _ => Err(self.nonsense()),
        }
    }

    /// Hands out a container's stdin (or terminal) for writing. Output is in the log.
    ///
    /// # Errors
    /// No answer from the keeper.
    pub fn attach(&self, container: &str) -> Result<Attach> {
        let request = Request::Attach { container: container.to_owned() };
        let (_, fds, _) = self.ask(&request, &[], container)?;
        Ok(Attach { stdin: fds.into_iter().next() })
    }

    /// Ends a container's stdin, once every [`Attach`] is dropped too.
    ///
    /// # Errors
    /// Unknown container.
    pub fn close_stdin(&self, container: &str) -> Result<()> {
        self.done(&Request::CloseStdin { container: container.to_owned() })
    }

    /// All containers, running or exited and not yet removed.
    ///
    /// # Errors
    /// No answer from the keeper.
    pub fn containers(&self) -> Result<Vec<ContainerState>> {
        match self.ask(&Request::Containers, &[], "")? {
            (Reply::Containers(states), ..) => Ok(states),
            _ => Err(self.nonsense()),
        }
    }

    /// What a container uses now; all zero once it has exited.
    ///
    /// # Errors
    /// The container's id is not one.
    pub fn stats(&self, container: &str) -> Result<Stats> {
        crate::engine::check_id("container id", container)?;
        Ok(Group::new(&self.inner.roots, &self.inner.id).child(container).stats())
    }

    /// Forgets an exited container; a running one is killed first.
    ///
    /// # Errors
    /// Unknown container.
    pub fn remove(&self, container: &str) -> Result<()> {
        self.done(&Request::Remove { container: container.to_owned() })
    }

    /// Kills everything and leaves nothing: processes, cgroups, namespaces, run folder, keeper.
    /// (The namespaces live as long as someone holds a descriptor of them, this value included.)
    ///
    /// # Errors
    /// What could not be removed. Fine if it is gone already.
    pub fn destroy(&self) -> Result<()> {
        if let Some(events) = self.inner.events.upgrade() {
            events.forget(&self.inner.id);
        }
        match self.ask(&Request::Destroy, &[], "") {
            Ok((_, _, connection)) => {
                wait_for_the_end(&connection);
                Ok(())
            }
            Err(Error::Keeper { .. }) => {
                remains(&self.inner.id, &self.inner.dir, &self.inner.roots)
            }
            Err(error) => Err(error),
        }
    }

    fn done(&self, request: &Request) -> Result<()> {
        match self.ask(request, &[], "")? {
            (Reply::Done, ..) => Ok(()),
            _ => Err(self.nonsense()),
        }
    }

    /// One connection, one request, one answer.
    fn ask(
        &self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
        id: &str,
    ) -> Result<(Reply, Vec<OwnedFd>, OwnedFd)> {
        let connection = dial(&self.inner.dir).map_err(|e| self.fail("reach", e))?;
        wire::send(connection.as_fd(), request, fds).map_err(|e| self.fail("ask", e))?;
        let answer = wire::receive(connection.as_fd()).map_err(|e| self.fail("hear", e))?;
        match answer {
            Some((Reply::Refused { reason }, _)) => {
                Err(Error::Refused { sandbox: self.inner.id.clone(), reason })
            }
            Some((Reply::Failed { step, errno }, _)) => Err(Error::Start {
                id: id.to_owned(),
                step,
                source: io::Error::from_raw_os_error(errno),
            }),
            Some((reply, fds)) => Ok((reply, fds, connection)),
            None => Err(self.fail("hear", io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn fail(&self, operation: &'static str, source: io::Error) -> Error {
        Error::Keeper { operation, sandbox: self.inner.id.clone(), source }
    }

    fn nonsense(&self) -> Error {
        self.fail("understand", io::ErrorKind::InvalidData.into())
    }
}

impl Exec {
    /// Waits for the end; from another thread while this one resizes is fine.
    ///
    /// # Errors
    /// The keeper died.
    pub fn wait(&self) -> Result<Exit> {
        let fail =
            |source| Error::Keeper { operation: "hear", sandbox: self.sandbox.clone(), source };
        match wire::receive::<Reply>(self.connection.as_fd()).map_err(fail)? {
            Some((Reply::Ended(exit), _)) => Ok(exit),
            _ => Err(fail(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Sets the terminal's size; nothing without a terminal.
    ///
    /// # Errors
    /// The terminal refused.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(terminal, size).map_err(|errno| Error::Start {
            id: self.sandbox.clone(),
            step: "resize the terminal".into(),
            source: errno.into(),
        })
    }

    /// Sends a signal to the process. Fine if it has ended.
    ///
    /// # Errors
    /// Unknown signal.
    pub fn kill(&self, signal: i32) -> Result<()> {
        match sys::signal(self.pidfd.as_fd(), signal) {
            Err(source) if source.raw_os_error() != Some(libc::ESRCH) => Err(Error::Start {
                id: self.sandbox.clone(),
                step: format!("send signal {signal}"),
                source,
            }),
            _ => Ok(()),
        }
    }
}

/// There is no good value to return instead: no user namespace means the host's.
fn copy(fd: &Arc<OwnedFd>) -> OwnedFd {
    fd.try_clone().expect("a free descriptor")
}

/// A connection to the keeper of a run folder; it must run as who we are.
pub(crate) fn dial(dir: &std::path::Path) -> io::Result<OwnedFd> {
    let folder = OwnedFd::from(File::open(dir)?);
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &keeper::address(&folder)?)?;
    if socket_peercred(&socket)?.uid != rustix::process::geteuid() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "a stranger's socket"));
    }
    Ok(socket)
}

/// The keeper says goodbye and ends: only then is its place in our cgroup free.
fn wait_for_the_end(connection: &OwnedFd) {
    let Ok(peer) = socket_peercred(connection) else { return };
    // None left to open = ended already.
    let Ok(keeper) = pidfd_open(peer.pid, PidfdFlags::empty()) else { return };
    let timeout = Timespec::try_from(END_PATIENCE).ok();
    let _ = poll(&mut [PollFd::new(&keeper, PollFlags::IN)], timeout.as_ref());
}

/// Cleans up after a keeper that is dead: what is in its cgroups dies.
pub(crate) fn remains(id: &str, dir: &std::path::Path, roots: &[Root]) -> Result<()> {
    let group = Group::new(roots, id);
    group.kill();
    group.remove().map_err(|(path, source)| Error::File {
        operation: "remove cgroup",
        path,
        source,
    })?;
    record::remove(dir).map_err(|source| Error::File {
        operation: "remove",
        path: dir.to_owned(),
        source,
    })
}

/// Ids a user namespace can have.
pub(crate) fn check_ids(ids: Option<IdRange>) -> Result<()> {
    match ids {
        Some(IdRange { start, len })
            if start == 0 || len == 0 || start.checked_add(len).is_none() =>
        {
            Err(Error::Invalid { field: "ids", reason: format!("range {start}+{len}") })
        }
        _ => Ok(()),
    }
}
