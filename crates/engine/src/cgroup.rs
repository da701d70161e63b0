//! Control groups, v1, v2 and both at once: limits, membership, killing, figures.
//!
//! A [`Root`] is our own folder in one hierarchy; a [`Group`] is one relative path in all of
//! them. Nothing here is below the daemon's own group, so that group may die without taking
//! containers along. Finding the roots is `cgroup/find.rs`, what a limit means in either
//! version `cgroup/limits.rs`, devices `cgroup/devices.rs`.

mod devices;
mod find;
mod limits;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub(crate) use find::roots;

use crate::Limits;

/// How long the kernel may take to empty a killed group.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

/// Our folder in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    /// For example `/sys/fs/cgroup/memory/shelf-a1b2c3`.
    pub(crate) dir: PathBuf,
    /// Version 2?
    pub(crate) unified: bool,
    /// Controllers usable here: v1 those mounted together, v2 those we could enable.
    pub(crate) controllers: Vec<String>,
}

impl Root {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

/// One group: the same path below every root.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    roots: Vec<Root>,
    path: PathBuf,
}

impl Group {
    pub(crate) fn new(roots: &[Root], path: impl Into<PathBuf>) -> Self {
        Self { roots: roots.to_vec(), path: path.into() }
    }

    pub(crate) fn child(&self, name: &str) -> Self {
        Self { roots: self.roots.clone(), path: self.path.join(name) }
    }

    fn dir(&self, root: &Root) -> PathBuf {
        root.dir.join(&self.path)
    }

    fn dir_with(&self, controller: &str) -> Option<(PathBuf, bool)> {
        let root = self.roots.iter().find(|root| root.has(controller))?;
        Some((self.dir(root), root.unified))
    }

    /// Whether a controller is at hand.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.roots.iter().any(|root| root.has(controller))
    }

    /// Makes the group in every hierarchy; an existing one is kept.
    pub(crate) fn create(&self) -> Result<(), (PathBuf, io::Error)> {
        for root in &self.roots {
            let dir = self.dir(root);
            if let Err(error) = std::fs::create_dir(&dir)
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err((dir, error));
            }
        }
        Ok(())
    }

    /// Makes the group one whose children have limits (v2 asks for that explicitly).
    pub(crate) fn delegate(&self) {
        for root in self.roots.iter().filter(|root| root.unified) {
            for controller in &root.controllers {
                // A controller that cannot be enabled shows as a failing limit later.
                let _ = std::fs::write(
                    self.dir(root).join("cgroup.subtree_control"),
                    format!("+{controller}"),
                );
            }
        }
    }

    /// Writes limits; a limit whose controller is missing is an error.
    pub(crate) fn limit(&self, limits: &Limits) -> Result<(), (PathBuf, io::Error)> {
        limits::write(self, limits)
    }

    /// Restricts device access to the standard nodes, in whichever version controls devices.
    pub(crate) fn restrict_devices(&self) -> Result<(), (PathBuf, io::Error)> {
        devices::restrict(self)
    }

    /// Files that move their writer into the v1 groups: write `0`. Opened before the mount
    /// namespace changes.
    ///
    /// `tasks` with `0` moves only the calling thread and therefore skips the lock that makes
    /// `cgroup.procs` wait for an RCU grace period (milliseconds).
    pub(crate) fn entrances(&self) -> Result<Vec<File>, (PathBuf, io::Error)> {
        self.roots
            .iter()
            .filter(|root| !root.unified)
            .map(|root| {
                let path = self.dir(root).join("tasks");
                File::options().write(true).open(&path).map_err(|error| (path, error))
            })
            .collect()
    }

    /// The v2 folder, for `CLONE_INTO_CGROUP`.
    pub(crate) fn unified(&self) -> Option<Result<OwnedFd, (PathBuf, io::Error)>> {
        let root = self.roots.iter().find(|root| root.unified)?;
        let dir = self.dir(root);
        Some(File::open(&dir).map(OwnedFd::from).map_err(|error| (dir, error)))
    }

    /// Moves this process into the group, everywhere it can be moved.
    pub(crate) fn enter(&self) -> Result<(), (PathBuf, io::Error)> {
        for root in &self.roots {
            let file = if root.unified { "cgroup.procs" } else { "tasks" };
            let path = self.dir(root).join(file);
            std::fs::write(&path, "0").map_err(|error| (path, error))?;
        }
        Ok(())
    }

    /// The folders to show inside a container: (name below /sys/fs/cgroup, path); the name is
    /// empty where version 2 is all there is.
    pub(crate) fn views(&self) -> Vec<(String, PathBuf)> {
        let pure = self.roots.iter().all(|root| root.unified);
        self.roots
            .iter()
            .filter(|root| pure || (!root.unified && !root.controllers.is_empty()))
            .map(|root| {
                let name = if pure { String::new() } else { root.controllers.join(",") };
                (name, self.dir(root))
            })
            .collect()
    }

    /// How many times the kernel killed something here for lack of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        let Some((dir, unified)) = self.dir_with("memory") else { return 0 };
        let file = if unified { "memory.events" } else { "memory.oom_control" };
        read_key(&dir.join(file), "oom_kill").unwrap_or(0)
    }

    /// Usage now; 0 where it cannot be read.
    pub(crate) fn stats(&self) -> crate::Stats {
        limits::stats(self)
    }

    /// Everything in the group, groups below it included, gets SIGKILL.
    pub(crate) fn kill(&self) {
        for root in &self.roots {
            let dir = self.dir(root);
            if root.unified && std::fs::write(dir.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            for pid in members(&dir) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }

    /// Removes the group's folders where nothing is in them.
    pub(crate) fn remove_if_empty(&self) {
        for root in &self.roots {
            // Busy means in use, which is what is asked.
            let _ = std::fs::remove_dir(self.dir(root));
        }
    }

    /// Kills what is inside and removes the group with all groups below it.
    pub(crate) fn remove(&self) -> Result<(), (PathBuf, io::Error)> {
        let end = Instant::now() + REMOVAL_PATIENCE;
        let mut pause = Duration::from_micros(200);
        loop {
            let mut failure = None;
            for root in &self.roots {
                let dir = self.dir(root);
                if let Err(error) = remove_tree(&dir) {
                    failure = Some((dir, error));
                }
            }
            match failure {
                None => return Ok(()),
                Some(failure) if Instant::now() > end => return Err(failure),
                Some(_) => {
                    // Members leave a group only when they are reaped: kill and look again.
                    self.kill();
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
            }
        }
    }
}

/// Pids in a group and the groups below.
fn members(dir: &Path) -> Vec<rustix::process::Pid> {
    let mut pids: Vec<_> = std::fs::read_to_string(dir.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?))
        .collect();
    for child in children(dir) {
        pids.extend(members(&child));
    }
    pids
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir(dir) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {}
    }
    for child in children(dir) {
        remove_tree(&child)?;
    }
    match std::fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Value of `key` in a file of `key value` lines.
fn read_key(path: &Path, key: &str) -> Option<u64> {
    std::fs::read_to_string(path)
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}
