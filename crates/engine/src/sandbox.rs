//! A sandbox as the daemon holds it.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::error::Result;
use crate::{ContainerSpec, ContainerState, ExecSpec, Exit, Started, Stats};

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
pub struct Sandbox {}

/// An exec'd process. Dropping it ends the process.
#[derive(Debug)]
pub struct Exec {
    /// In the daemon's pid namespace.
    pub pid: u32,
    /// The terminal's master side, when one was asked for.
    pub terminal: Option<OwnedFd>,
}

/// A container's standard streams, see [`Sandbox::attach`].
#[derive(Debug)]
pub struct Attach {
    /// Write end of the container's stdin, or its terminal; `None` unless the spec asked for it.
    pub stdin: Option<OwnedFd>,
}

impl Sandbox {
    /// The id given at creation.
    #[must_use]
    pub fn id(&self) -> &str {
        unimplemented!()
    }
    /// The network namespace.
    #[must_use]
    pub fn netns(&self) -> OwnedFd {
        unimplemented!()
    }
    /// The user namespace, if the sandbox has its own.
    #[must_use]
    pub fn userns(&self) -> Option<OwnedFd> {
        unimplemented!()
    }
    /// Starts a container on `root`, a detached mount; returns once its program is executed.
    ///
    /// # Errors
    /// Names the step and the kernel's answer; see [`crate::Error::exit_code`].
    pub fn start(
        &self,
        _spec: &ContainerSpec,
        _root: BorrowedFd<'_>,
        _sources: &[BorrowedFd<'_>],
    ) -> Result<Started> {
        unimplemented!()
    }
    /// Sends a signal to the first process of a container. Fine if it has exited.
    ///
    /// # Errors
    /// Unknown container or signal.
    pub fn kill(&self, _container: &str, _signal: i32) -> Result<()> {
        unimplemented!()
    }
    /// Runs a further process in a container.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn exec(&self, _container: &str, _spec: &ExecSpec, _stdio: Stdio) -> Result<Exec> {
        unimplemented!()
    }
    /// Hands out a container's stdin (or terminal) for writing.
    ///
    /// # Errors
    /// Unknown or exited container.
    pub fn attach(&self, _container: &str) -> Result<Attach> {
        unimplemented!()
    }
    /// All containers, running or exited and not yet removed.
    ///
    /// # Errors
    /// No answer from the keeper.
    pub fn containers(&self) -> Result<Vec<ContainerState>> {
        unimplemented!()
    }
    /// What a container uses now.
    ///
    /// # Errors
    /// Unknown container.
    pub fn stats(&self, _container: &str) -> Result<Stats> {
        unimplemented!()
    }
    /// Forgets an exited container; a running one is killed first.
    ///
    /// # Errors
    /// Unknown container.
    pub fn remove(&self, _container: &str) -> Result<()> {
        unimplemented!()
    }
    /// Kills everything and leaves nothing: processes, cgroups, namespaces, run folder, keeper.
    ///
    /// # Errors
    /// What could not be removed. Fine if it is gone already.
    pub fn destroy(&self) -> Result<()> {
        unimplemented!()
    }
}

impl Exec {
    /// Waits for the end; from another thread while this one resizes is fine.
    ///
    /// # Errors
    /// The keeper died.
    pub fn wait(&self) -> Result<Exit> {
        unimplemented!()
    }
    /// Sets the terminal's size.
    ///
    /// # Errors
    /// No terminal.
    pub fn resize(&self, _rows: u16, _columns: u16) -> Result<()> {
        unimplemented!()
    }
    /// Sends a signal to the process.
    ///
    /// # Errors
    /// Unknown signal.
    pub fn kill(&self, _signal: i32) -> Result<()> {
        unimplemented!()
    }
}
