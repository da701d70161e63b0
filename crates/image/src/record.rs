//! Build records: what a step with these inputs gave, so that it need not run again.
//!
//! A record is a hint: one that is lost, torn or points to a layer that is gone is a miss, so it
//! is written without fsync. The build room makes the keys. Next: `collect.rs`.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::{Error, Images, Layer, Result, digest};

/// The result of one build step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The layer it made; None when it changed no file.
    pub layer: Option<Layer>,
}

impl Images {
    /// The record under `key` (`sha256:…`), if it is there and its layer too.
    pub fn record(&self, key: &str) -> Option<Record> {
        let path = path(&self.layout, key)?;
        let record: Record = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        if let Some(layer) = &record.layer {
            self.layout.check_layer(layer).ok()?;
        }
        if let Ok(file) = std::fs::File::open(&path) {
            // The time says when it was last of use; a store that cannot note it collects early.
            drop(file.set_modified(SystemTime::now()));
        }
        Some(record)
    }

    /// Keeps a record under `key` (`sha256:…`).
    pub fn keep_record(&self, key: &str, record: &Record) -> Result<()> {
        let Some(path) = path(&self.layout, key) else {
            let reason = "is no sha256 digest".to_owned();
            return Err(Error::Rule {
                what: format!("record key `{}`", key.escape_default()),
                reason,
            });
        };
        let bytes = serde_json::to_vec(record)
            .map_err(|source| Error::Document { what: path.display().to_string(), source })?;
        let stage = self.layout.stage()?;
        let staged = stage.path.join("record");
        std::fs::write(&staged, bytes).map_err(Error::io("write", &staged))?;
        std::fs::rename(&staged, &path).map_err(Error::io("move into place", path))
    }
}

fn path(layout: &Layout, key: &str) -> Option<PathBuf> {
    Some(layout.path.join("records").join(digest::hex(key)?))
}
