//! What is kept of a container on disk: `<data>/docker/<id>.json`, written whole.
//!
//! Temporary file, fsync, rename, fsync of the directory. The fields are described in
//! `docs/formats/docker.md`. Next: `entry.rs`.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// Version of the file written by this code.
pub(crate) const FORMAT: u32 = 1;

/// One container as it was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) format: u32,
    /// 64 hexadecimal digits; also the pod's id.
    pub(crate) id: String,
    /// Unique among containers, without a slash before it.
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    /// Digest of the image's manifest: what the name meant when the container was created.
    pub(crate) image_digest: String,
    /// The body of the request, as sent.
    pub(crate) request: Value,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { action, path, source }
}

fn path(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.json"))
}

impl Record {
    pub(crate) fn save(&self, dir: &Path) -> Result<()> {
        let path = path(dir, &self.id);
        let text = serde_json::to_vec(self)
            .map_err(|source| Error::Format { path: path.clone(), source })?;
        let staged = dir.join(format!("{}.new", self.id));
        let write = || -> std::io::Result<()> {
            let mut file = fs_err::File::create(&staged)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs_err::rename(&staged, &path)?;
            fs_err::File::open(dir)?.sync_all()
        };
        write().map_err(failed("write", &path))
    }

    /// Removes the file; one that is gone is fine.
    pub(crate) fn forget(dir: &Path, id: &str) -> Result<()> {
        let path = path(dir, id);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Every record in `dir`, which is made when missing. One that is not understood is left
    /// where it is and logged.
    pub(crate) fn load_all(dir: &Path) -> Result<Vec<Self>> {
        fs_err::create_dir_all(dir).map_err(failed("make", dir))?;
        let mut records = Vec::new();
        for entry in fs_err::read_dir(dir).map_err(failed("list", dir))? {
            let path = entry.map_err(failed("list", dir))?.path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let text = fs_err::read(&path).map_err(failed("read", &path))?;
            match serde_json::from_slice::<Self>(&text) {
                Ok(record) if record.format == FORMAT => records.push(record),
                Ok(record) => {
                    tracing::error!(path = %path.display(), format = record.format, "a container's record has a format of a newer version; left alone");
                }
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a container's record is not understood; left alone");
                }
            }
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_are_found_again_and_foreign_files_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record {
            format: FORMAT,
            id: "ab".into(),
            name: "web".into(),
            created: Timestamp::UNIX_EPOCH,
            image_digest: "sha256:0".into(),
            request: json!({"Image": "x"}),
        };
        record.save(dir.path()).unwrap();
        std::fs::write(dir.path().join("torn.json"), "{").unwrap();
        std::fs::write(dir.path().join("cd.new"), "{").unwrap();
        let found = Record::load_all(dir.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), &found[0].request), ("web", &record.request));
        Record::forget(dir.path(), "ab").unwrap();
        Record::forget(dir.path(), "ab").unwrap();
        assert!(Record::load_all(dir.path()).unwrap().is_empty());
        assert!(dir.path().join("torn.json").exists());
    }
}
