//! One container as its keeper holds it: process, streams, log, state.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, openat};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::Namespaces;
use super::log::{Log, Stream};
use super::record;
use crate::cgroup::Group;
use crate::launch::{self, Identity, Step, Streams, at, at_cgroup};
use crate::{ContainerSpec, ContainerState, Exit, Seccomp, Status, capability, sys};

/// Processes and threads a container may have unless its spec says otherwise.
const DEFAULT_PIDS: u64 = 1_024;
/// Read at once from a stream; several times a turn at most, so that others get theirs.
const READ_BYTES: usize = 16 << 10;
const READS_A_TURN: usize = 8;
/// Read from a stream whose writers are dead: a pipe holds less.
const READS_AT_END: usize = 128;

/// A stream being logged.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) file: File,
    stream: Stream,
    partial: Vec<u8>,
}

/// A container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) state: ContainerState,
    pub(super) group: Group,
    /// Until reaped.
    pub(super) pidfd: Option<OwnedFd>,
    /// The child's channel and the caller waiting for it, until the program is executed.
    pub(super) starting: Option<(OwnedFd, OwnedFd)>,
    pub(super) pipes: Vec<Pipe>,
    /// Write end of stdin, or the terminal.
    pub(super) input: Option<OwnedFd>,
    pub(super) capabilities: u64,
    pub(super) no_new_privs: bool,
    pub(super) seccomp: Seccomp,
    log: Log,
}

impl Container {
    /// Makes cgroup, log and pipes and forks the first process. `fds`: the root, then binds.
    pub(super) fn start(
        spec: &ContainerSpec,
        fds: Vec<OwnedFd>,
        pod: &Group,
        namespaces: &Namespaces,
        client: OwnedFd,
    ) -> Result<Self, (launch::Failure, OwnedFd)> {
        let group = pod.child(&spec.id);
        match Self::prepare(spec, fds, &group, namespaces) {
            Ok((child, log, pipes, input, capabilities)) => Ok(Self {
                state: ContainerState {
                    id: spec.id.clone(),
                    status: Status::Running,
                    pid: child.pid,
                    started_at: Timestamp::now(),
                    exit: None,
                },
                group,
                pidfd: Some(child.pidfd),
                starting: Some((child.channel, client)),
                pipes,
                input,
                capabilities,
                no_new_privs: spec.no_new_privs,
                seccomp: spec.seccomp,
                log,
            }),
            Err(failure) => {
                // The failure is what the caller needs; a stuck group goes with the pod's.
                let _ = group.remove();
                Err((failure, client))
            }
        }
    }

    #[expect(clippy::type_complexity, reason = "the parts of a Container, named there")]
    fn prepare(
        spec: &ContainerSpec,
        fds: Vec<OwnedFd>,
        group: &Group,
        namespaces: &Namespaces,
    ) -> Step<(launch::Child, Log, Vec<Pipe>, Option<OwnedFd>, u64)> {
        let capabilities = capability::parse(&spec.capabilities)
            .map_err(|error| at(error.to_string())(io::Error::from_raw_os_error(libc::EINVAL)))?;
        group.create().map_err(at_cgroup)?;
        let mut limits = spec.limits;
        if group.has("pids") {
            limits.pids = limits.pids.or(Some(DEFAULT_PIDS));
        }
        group.limit(&limits).map_err(at_cgroup)?;
        let log = Log::open(&spec.log).map_err(at(format!("open log {}", spec.log.display())))?;
        let mut fds = fds.into_iter();
        let root = fds
            .next()
            .ok_or_else(|| at("take the root")(io::Error::from_raw_os_error(libc::EBADF)))?;
        let (streams, pipes, input) = streams(spec).map_err(at("make pipes"))?;
        let child = launch::start(launch::Container {
            spec,
            identity: Identity {
                args: &spec.args,
                env: &spec.env,
                cwd: &spec.cwd,
                user: &spec.user,
                capabilities,
                no_new_privs: spec.no_new_privs,
                seccomp: spec.seccomp,
            },
            root,
            binds: fds.collect(),
            shm: namespaces.shm()?,
            streams,
            group,
            namespaces,
        })?;
        Ok((child, log, pipes, input, capabilities))
    }

    /// The child has made its terminal: read and write it from now on.
    pub(super) fn terminal(&mut self, master: OwnedFd) -> io::Result<()> {
        self.pipes.push(Pipe::new(master.try_clone()?, Stream::Stdout)?);
        self.input = Some(master);
        Ok(())
    }

    /// The program could not be executed: the child ends by itself, and nothing remains.
    pub(super) fn discard(self) {
        if let Some(pidfd) = &self.pidfd {
            let _ = sys::signal(pidfd.as_fd(), libc::SIGKILL);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        }
        // A stuck group goes with the pod's.
        let _ = self.group.remove();
    }

    /// The program runs.
    pub(super) fn started(&mut self, dir: &Path) {
        self.state.started_at = Timestamp::now();
        self.record(dir);
    }

    fn record(&self, dir: &Path) {
        if let Err(error) = record::write_state(dir, &self.state) {
            crate::zygote::despair(&format!("record state of {}: {error}", self.state.id));
        }
    }

    /// Reads what a stream has; a finished one is dropped.
    pub(super) fn read(&mut self, index: usize) {
        self.pump(index, READS_A_TURN);
    }

    fn pump(&mut self, index: usize, reads: usize) {
        let Some(pipe) = self.pipes.get_mut(index) else { return };
        let mut buffer = [0; READ_BYTES];
        for _ in 0..reads {
            match pipe.file.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    self.log.write(pipe.stream, &buffer[..count], &mut pipe.partial);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // End of file; of a terminal EIO says the same.
                Ok(_) | Err(_) => {
                    self.log.finish(pipe.stream, &mut pipe.partial);
                    self.pipes.remove(index);
                    return;
                }
            }
        }
    }

    /// Reaps an ended first process: rest of the log, exit, record.
    pub(super) fn reap(&mut self, dir: &Path) -> Option<Exit> {
        let exit = reap(self.pidfd.as_ref()?, &self.group, 0)?;
        self.pidfd = None;
        self.input = None;
        for index in (0..self.pipes.len()).rev() {
            self.pump(index, READS_AT_END);
        }
        for mut pipe in self.pipes.drain(..) {
            self.log.finish(pipe.stream, &mut pipe.partial);
        }
        self.state.status = Status::Exited;
        self.state.exit = Some(exit.clone());
        self.record(dir);
        Some(exit)
    }
}

/// Reaps the child behind `pidfd` if it has ended. `oom_before`: kills that are not its own.
pub(super) fn reap(pidfd: &OwnedFd, group: &Group, oom_before: u64) -> Option<Exit> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::PidFd(pidfd.as_fd()), options).ok()??;
    let signal = status.terminating_signal();
    let code = status.exit_status().or(signal.map(|s| 128 + s)).unwrap_or(128);
    let oom_killed = code != 0 && group.oom_kills() > oom_before;
    Some(Exit { code, signal, oom_killed, finished_at: Timestamp::now() })
}

impl Pipe {
    fn new(fd: OwnedFd, stream: Stream) -> io::Result<Self> {
        fcntl_setfl(&fd, OFlags::NONBLOCK)?;
        Ok(Self { file: fd.into(), stream, partial: Vec::new() })
    }
}

/// The child's streams, what is logged of them, and the write end of stdin.
fn streams(spec: &ContainerSpec) -> io::Result<(Streams, Vec<Pipe>, Option<OwnedFd>)> {
    if spec.terminal {
        return Ok((Streams::NewTerminal, Vec::new(), None));
    }
    let (stdin, input) = if spec.stdin {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        (read, Some(write))
    } else {
        (openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?, None)
    };
    let (out_read, out_write) = pipe_with(PipeFlags::CLOEXEC)?;
    let (err_read, err_write) = pipe_with(PipeFlags::CLOEXEC)?;
    let pipes = vec![Pipe::new(out_read, Stream::Stdout)?, Pipe::new(err_read, Stream::Stderr)?];
    Ok((Streams::Given([stdin, out_write, err_write]), pipes, input))
}
