//! Commands beside a container's own process, its standard input, and what it uses.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::disk::failed;
use crate::pods::{Pods, lock};
use crate::{ContainerState, Error, Exec, Exit, Overrides};

/// A command that runs. Dropping it ends the command.
pub struct Session {
    /// Write what the command is to read; dropping it closes its input. With a terminal, the
    /// terminal.
    pub stdin: Option<File>,
    /// What it writes; with a terminal, both outputs.
    pub stdout: Option<File>,
    /// What it writes to its second output; `None` with a terminal.
    pub stderr: Option<File>,
    /// Shared, so that one thread waits while another resizes.
    pub process: Arc<Process>,
}

/// The process of a [`Session`].
pub struct Process {
    exec: engine::Exec,
    id: String,
}

impl Process {
    /// Waits until the command has ended.
    pub fn wait(&self) -> Result<Exit, Error> {
        let exit = self.exec.wait().map_err(|source| self.failed("wait for", source))?;
        Ok(crate::events::exit(&exit))
    }

    /// Tells the command its terminal's new size.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), Error> {
        self.exec.resize(rows, columns).map_err(|source| self.failed("resize", source))
    }

    /// Sends it a signal; one that has ended is fine.
    pub fn kill(&self, signal: i32) -> Result<(), Error> {
        self.exec.kill(signal).map_err(|source| self.failed("signal", source))
    }

    fn failed(&self, action: &'static str, source: engine::Error) -> Error {
        Error::Engine { action, id: self.id.clone(), source }
    }
}

/// What a container uses now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Processor time since its start, in nanoseconds.
    pub cpu_ns: u64,
    /// Memory in bytes without what could be dropped at once.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

impl Pods {
    /// Runs a command in a running container, as its user, with its environment and rights.
    pub fn exec(&self, pod_id: &str, container: &str, exec: &Exec) -> Result<Session, Error> {
        self.exec_as(pod_id, container, exec, &Overrides::default())
    }

    /// The same with some of it changed; rights beyond the container's are never given.
    pub fn exec_as(
        &self,
        pod_id: &str,
        container: &str,
        exec: &Exec,
        overrides: &Overrides,
    ) -> Result<Session, Error> {
        let (sandbox, mut known) = self.running(pod_id, container)?;
        if let Some(user) = &overrides.user {
            let user = self.user_inside(pod_id, container, user)?;
            (known.uid, known.gid, known.groups) = (user.uid, user.gid, user.groups);
            set(&mut known.env, "HOME", &user.home);
        }
        for (name, value) in &overrides.env {
            set(&mut known.env, name, value);
        }
        if let Some(dir) = &overrides.working_dir {
            known.cwd.clone_from(dir);
        }
        let spec = engine::ExecSpec {
            args: exec.args.clone(),
            env: known.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            cwd: known.cwd.clone(),
            user: engine::User { uid: known.uid, gid: known.gid, groups: known.groups.clone() },
            terminal: exec.terminal,
            capabilities: known.capabilities.clone(),
        };
        let mut stdio = engine::Stdio::default();
        let (mut stdin, mut stdout, mut stderr) = (None, None, None);
        if exec.terminal.is_none() {
            if exec.stdin {
                let (read, write) = pipe()?;
                (stdio.stdin, stdin) = (Some(read), Some(File::from(write)));
            }
            let (read, write) = pipe()?;
            (stdio.stdout, stdout) = (Some(write), Some(File::from(read)));
            let (read, write) = pipe()?;
            (stdio.stderr, stderr) = (Some(write), Some(File::from(read)));
        }
        let id = format!("{pod_id}/{container}");
        let process = sandbox.exec(&known.engine_id(), &spec, stdio).map_err(|source| {
            Error::Engine { action: "run a command in", id: id.clone(), source }
        })?;
        // The process keeps its own descriptor, through which it is resized.
        if let Some(terminal) = &process.terminal {
            let copy =
                || terminal.try_clone().map_err(failed("copy", std::path::Path::new("terminal")));
            stdin = if exec.stdin { Some(File::from(copy()?)) } else { None };
            stdout = Some(File::from(copy()?));
        }
        Ok(Session { stdin, stdout, stderr, process: Arc::new(Process { exec: process, id }) })
    }

    /// The write end of a running container's standard input, or of its terminal; `None` unless
    /// it was started with `stdin`.
    pub fn attach_stdin(&self, pod_id: &str, container: &str) -> Result<Option<File>, Error> {
        let (sandbox, known) = self.running(pod_id, container)?;
        let attach = sandbox.attach(&known.engine_id()).map_err(|source| Error::Engine {
            action: "attach to",
            id: format!("{pod_id}/{container}"),
            source,
        })?;
        Ok(attach.stdin.map(File::from))
    }

    /// Closes the standard input of a running container: it reads the end of its input once
    /// nobody else holds a write end.
    pub fn close_stdin(&self, pod_id: &str, container: &str) -> Result<(), Error> {
        let (sandbox, known) = self.running(pod_id, container)?;
        sandbox.close_stdin(&known.engine_id()).map_err(|source| Error::Engine {
            action: "close the input of",
            id: format!("{pod_id}/{container}"),
            source,
        })
    }

    /// The running container's first process, as this machine numbers it.
    pub fn pid(&self, pod_id: &str, container: &str) -> Result<u32, Error> {
        let (sandbox, known) = self.running(pod_id, container)?;
        let states = sandbox.containers().map_err(|source| Error::Engine {
            action: "ask for the containers of",
            id: pod_id.to_owned(),
            source,
        })?;
        let found = states.iter().find(|state| state.id == known.engine_id());
        found.map(|state| state.pid).ok_or_else(|| Error::NotRunning {
            id: pod_id.to_owned(),
            container: container.to_owned(),
        })
    }

    /// A user by the names of the container's own root.
    fn user_inside(
        &self,
        pod_id: &str,
        container: &str,
        user: &str,
    ) -> Result<image::user::User, Error> {
        let path = format!("/proc/{}/root", self.pid(pod_id, container)?);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(&path, flags, Mode::empty())
            .map_err(|source| failed("open", std::path::Path::new(&path))(source.into()))?;
        image::user::resolve(root.as_fd(), user).map_err(|source| Error::Image {
            action: "find the user in the container of",
            image: format!("{pod_id}/{container}"),
            source,
        })
    }

    /// What a running container uses.
    pub fn stats(&self, pod_id: &str, container: &str) -> Result<Stats, Error> {
        let (sandbox, known) = self.running(pod_id, container)?;
        let stats = sandbox.stats(&known.engine_id()).map_err(|source| Error::Engine {
            action: "measure",
            id: format!("{pod_id}/{container}"),
            source,
        })?;
        Ok(Stats {
            cpu_ns: stats.cpu_ns,
            memory_bytes: stats.memory_working_set_bytes,
            pids: stats.pids,
        })
    }

    fn running(
        &self,
        pod_id: &str,
        container: &str,
    ) -> Result<(engine::Sandbox, ContainerState), Error> {
        let pod = self.inner.pod(pod_id)?;
        let known = lock(&pod.state).container(container).cloned();
        let known = known.ok_or_else(|| Error::NoContainer {
            id: pod_id.to_owned(),
            container: container.to_owned(),
        })?;
        let sandbox = lock(&pod.sandbox).clone();
        match sandbox {
            Some(sandbox) if known.running() => Ok((sandbox, known)),
            _ => Err(Error::NotRunning { id: pod_id.to_owned(), container: container.to_owned() }),
        }
    }
}

fn set(env: &mut Vec<(String, String)>, name: &str, value: &str) {
    match env.iter_mut().find(|(known, _)| known == name) {
        Some((_, known)) => value.clone_into(known),
        None => env.push((name.to_owned(), value.to_owned())),
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    pipe_with(PipeFlags::CLOEXEC)
        .map_err(|source| failed("make", std::path::Path::new("pipe"))(source.into()))
}
