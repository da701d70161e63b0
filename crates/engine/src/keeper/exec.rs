//! Further processes in a container, each bound to its caller's connection.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::termios::{Winsize, tcsetwinsize};

use super::Namespaces;
use super::container::{Container, reap};
use crate::cgroup::Group;
use crate::launch::{self, Failure, Identity, Step, Streams, at};
use crate::wire::{self, Reply};
use crate::{ExecSpec, capability, sys};

/// Between the hang-up a terminal's processes get and the end they get otherwise.
const HANGUP_GRACE: Duration = Duration::from_secs(5);
/// `DEVPTS_SUPER_MAGIC` of linux/magic.h.
const DEVPTS: i64 = 0x1cd1;

/// An exec'd process.
#[derive(Debug)]
pub(super) struct Exec {
    pub(super) pidfd: OwnedFd,
    pub(super) client: OwnedFd,
    /// Until the program is executed.
    pub(super) channel: Option<OwnedFd>,
    /// The caller has gone: SIGKILL at this time.
    pub(super) deadline: Option<Instant>,
    pub(super) client_gone: bool,
    /// The terminal's master side, until it is handed out.
    master: Option<OwnedFd>,
    is_terminal: bool,
    pid: u32,
    group: Group,
    oom_before: u64,
}

impl Exec {
    /// Forks the process. `fds` are the streams that `stdio` announces.
    pub(super) fn start(
        container: &Container,
        spec: &ExecSpec,
        stdio: [bool; 3],
        fds: Vec<OwnedFd>,
        namespaces: &Namespaces,
        client: OwnedFd,
    ) -> Result<Self, (Failure, OwnedFd)> {
        match Self::fork(container, spec, stdio, fds, namespaces) {
            Ok((child, master)) => Ok(Self {
                pidfd: child.pidfd,
                client,
                channel: Some(child.channel),
                deadline: None,
                client_gone: false,
                is_terminal: master.is_some(),
                master,
                pid: child.pid,
                group: container.group.clone(),
                oom_before: container.group.oom_kills(),
            }),
            Err(failure) => Err((failure, client)),
        }
    }

    fn fork(
        container: &Container,
        spec: &ExecSpec,
        stdio: [bool; 3],
        fds: Vec<OwnedFd>,
        namespaces: &Namespaces,
    ) -> Step<(launch::Child, Option<OwnedFd>)> {
        let asked = capability::parse(&spec.capabilities)
            .map_err(|error| at(error.to_string())(io::Error::from_raw_os_error(libc::EINVAL)))?;
        let Some(init) = &container.pidfd else {
            return Err(at("join the container: it has exited")(io::Error::from_raw_os_error(
                libc::ESRCH,
            )));
        };
        let (streams, master) = match spec.terminal {
            Some((rows, columns)) => {
                let (master, slave) = terminal(container.state.pid, rows, columns)?;
                (Streams::Terminal(slave), Some(master))
            }
            None => (given(stdio, fds).map_err(at("open /dev/null"))?, None),
        };
        let identity = Identity {
            args: &spec.args,
            env: &spec.env,
            cwd: &spec.cwd,
            user: &spec.user,
            capabilities: asked & container.capabilities,
            no_new_privs: container.no_new_privs,
            seccomp: container.seccomp,
        };
        let child = launch::exec(&identity, streams, init.as_fd(), &container.group, namespaces)?;
        Ok((child, master))
    }

    /// The channel has news: `true` while the process lives on.
    pub(super) fn channel_ready(&mut self) -> bool {
        let Some(channel) = self.channel.take() else { return true };
        match wire::receive::<Reply>(channel.as_fd()) {
            Ok(Some((failed, _))) => {
                // The caller may have gone; the process ends by itself.
                let _ = wire::send(self.client.as_fd(), &failed, &[]);
                false
            }
            _ => {
                let mut fds = vec![self.pidfd.as_fd()];
                fds.extend(self.master.as_ref().map(AsFd::as_fd));
                let reply = Reply::Started { pid: self.pid };
                let sent = wire::send(self.client.as_fd(), &reply, &fds);
                self.master = None;
                if sent.is_err() {
                    self.hang_up();
                }
                true
            }
        }
    }

    /// The caller's connection has ended: so does what it asked for.
    pub(super) fn hang_up(&mut self) {
        self.client_gone = true;
        self.master = None;
        // Failing means it has ended, which its pidfd reports.
        if self.is_terminal {
            let _ = sys::signal(self.pidfd.as_fd(), libc::SIGHUP);
            self.deadline = Some(Instant::now() + HANGUP_GRACE);
        } else {
            let _ = sys::signal(self.pidfd.as_fd(), libc::SIGKILL);
        }
    }

    /// Reaps it if it has ended and tells the caller; `true` if so.
    pub(super) fn reap(&self) -> bool {
        let Some(exit) = reap(&self.pidfd, &self.group, self.oom_before) else { return false };
        if self.channel.is_none() && !self.client_gone {
            // One small packet always fits; a caller that has gone does not care.
            let _ = wire::send(self.client.as_fd(), &Reply::Ended(exit), &[]);
        }
        true
    }
}

fn given(stdio: [bool; 3], fds: Vec<OwnedFd>) -> io::Result<Streams> {
    let mut fds = fds.into_iter();
    let mut next = |given: bool| -> io::Result<OwnedFd> {
        match given.then(|| fds.next()).flatten() {
            Some(fd) => Ok(fd),
            None => Ok(openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?),
        }
    };
    Ok(Streams::Given([next(stdio[0])?, next(stdio[1])?, next(stdio[2])?]))
}

/// A new terminal of the container's devpts: (master, slave).
///
/// The container may have rearranged its /dev: no links are followed, and what is found must
/// be the multiplexer of a devpts.
fn terminal(init: u32, rows: u16, columns: u16) -> Step<(OwnedFd, OwnedFd)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, format!("/proc/{init}/root"), flags, Mode::empty())
        .map_err(at("open the container's root"))?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    let devpts = openat2(&root, "dev/pts", flags, Mode::empty(), resolve)
        .map_err(at("open the container's /dev/pts"))?;
    let magic = rustix::fs::fstatfs(&devpts).map_err(at("look at /dev/pts"))?.f_type;
    if magic != DEVPTS {
        return Err(at("open the container's /dev/pts")(rustix::io::Errno::XDEV));
    }
    let (master, slave) = launch::terminal(devpts.as_fd())?;
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    if rows > 0 && columns > 0 {
        tcsetwinsize(&master, size).map_err(at("set the terminal's size"))?;
    }
    Ok((master, slave))
}
