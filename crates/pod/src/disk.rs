//! Where a pod's files lie and how `pod.json` is written and read.
//!
//! Layout below the data directory, described in `docs/formats/pods.md`:
//! `pods/<id>/{pod.json, etc/, volumes/, containers/<name>/<attempt>/}` and
//! `logs/<namespace>_<name>_<id>/<container>/<attempt>.log`.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::state::FORMAT;
use crate::{Error, Settings, State};

impl Settings {
    pub(crate) fn pods_dir(&self) -> PathBuf {
        self.data_dir.join("pods")
    }

    pub(crate) fn pod_dir(&self, id: &str) -> PathBuf {
        self.pods_dir().join(id)
    }

    /// The pod's memory-backed volumes: a tmpfs, gone with the machine's power.
    pub(crate) fn memory_dir(&self, id: &str) -> PathBuf {
        self.run_dir.join("volumes").join(id)
    }

    pub(crate) fn scratch(&self, id: &str, container: &str, attempt: u32) -> PathBuf {
        self.pod_dir(id).join("containers").join(container).join(attempt.to_string())
    }

    pub(crate) fn log_dir(&self, namespace: &str, name: &str, id: &str) -> PathBuf {
        self.data_dir.join("logs").join(format!("{namespace}_{name}_{id}"))
    }

    pub(crate) fn log(&self, spec: &crate::Spec, container: &str, attempt: u32) -> PathBuf {
        self.log_dir(&spec.namespace, &spec.name, &spec.id)
            .join(container)
            .join(format!("{attempt}.log"))
    }
}

/// Turns an I/O error into ours, naming what was tried on what.
pub(crate) fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

/// Makes a directory and its parents.
pub(crate) fn make_dir(path: &Path) -> Result<(), Error> {
    fs_err::create_dir_all(path).map_err(failed("create directory", path))
}

/// Removes a directory tree.
pub(crate) fn remove_dir(path: &Path) -> Result<(), Error> {
    crate::tree::remove(path).map_err(failed("remove directory", path))
}

/// Writes `pod.json` so that after a power cut either the old or the new one is there.
pub(crate) fn save(dir: &Path, state: &State) -> Result<(), Error> {
    let path = dir.join("pod.json");
    let text =
        serde_json::to_vec(state).map_err(|source| Error::Format { path: path.clone(), source })?;
    let staged = dir.join("pod.json.new");
    let write = || -> std::io::Result<()> {
        let mut file = fs_err::File::create(&staged)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs_err::rename(&staged, &path)?;
        fs_err::File::open(dir)?.sync_all()
    };
    write().map_err(failed("write", &path))
}

/// Reads `pod.json`.
pub(crate) fn load(dir: &Path) -> Result<State, Error> {
    let path = dir.join("pod.json");
    let text = fs_err::read(&path).map_err(failed("read", &path))?;
    let state: State = serde_json::from_slice(&text)
        .map_err(|source| Error::Format { path: path.clone(), source })?;
    if state.format == FORMAT {
        return Ok(state);
    }
    let source = std::io::Error::other(format!(
        "format {} is not format {FORMAT}, which this version reads",
        state.format
    ));
    Err(Error::File { action: "read", path, source })
}
