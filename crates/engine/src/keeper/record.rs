//! What a keeper leaves on disk: `sandbox.json` and one `<container>.state.json` each.
//!
//! Written by rename, so that a reader never sees half a file. The daemon reads them when it
//! finds a keeper dead.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::cgroup::Root;
use crate::{ContainerState, SandboxSpec};

/// Version of both files.
const FORMAT: u32 = 1;
const SANDBOX: &str = "sandbox.json";
const STATE: &str = ".state.json";
/// The keeper's socket.
pub(crate) const SOCKET: &str = "keeper.sock";

/// Enough to clean up without the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sandbox {
    pub(crate) format: u32,
    pub(crate) spec: SandboxSpec,
    pub(crate) roots: Vec<Root>,
}

impl Sandbox {
    pub(crate) fn new(spec: &SandboxSpec, roots: &[Root]) -> Self {
        Self { format: FORMAT, spec: spec.clone(), roots: roots.to_vec() }
    }

    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        write(dir, SANDBOX, self)
    }

    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        read(&dir.join(SANDBOX))
    }
}

pub(crate) fn write_state(dir: &Path, state: &ContainerState) -> io::Result<()> {
    write(dir, &format!("{}{STATE}", state.id), state)
}

pub(crate) fn remove_state(dir: &Path, container: &str) {
    // Gone already is as good.
    let _ = fs::remove_file(dir.join(format!("{container}{STATE}")));
}

/// Removes a sandbox's run folder with the files known to be in it.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write<T: Serialize>(dir: &Path, name: &str, value: &T) -> io::Result<()> {
    let staged: PathBuf = dir.join(format!(".{name}"));
    fs::write(&staged, serde_json::to_vec(value)?)?;
    fs::rename(staged, dir.join(name))
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
