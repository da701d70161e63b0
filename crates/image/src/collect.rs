//! Frees the space of what no name, caller or recent build record reaches.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use std::sync::atomic::Ordering;

use crate::{Error, Images, Record, Result, digest};

/// Build records not used for this long are dropped.
const RECORD_AGE: Duration = Duration::from_hours(14 * 24);

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Images without a name.
    pub images: usize,
    /// Blobs.
    pub blobs: usize,
    /// Unpacked layers.
    pub layers: usize,
    /// Bytes of those blobs.
    pub bytes: u64,
}

impl Images {
    /// Removes all that is not reachable from a name, from an image digest in `roots` (those that
    /// containers use), or from a build record used in the last two weeks.
    pub fn collect(&self, roots: &[String]) -> Result<Collected> {
        let layout = &self.layout;
        // Taken first: writers of images need it, so none can begin.
        let mut state = layout.state();
        if layout.holds.load(Ordering::Acquire) > 0 {
            return Err(Error::Busy);
        }
        let mut collected = Collected::default();
        let mut keep: BTreeSet<String> = state.names.values().cloned().collect();
        keep.extend(roots.iter().cloned());
        let before = state.images.len();
        state.images.retain(|digest, _| keep.contains(digest));
        collected.images = before - state.images.len();
        if collected.images > 0 {
            layout.save(&state)?;
        }
        let (mut blobs, mut layers) = (BTreeSet::new(), BTreeSet::new());
        for (manifest, stored) in &state.images {
            blobs.insert(manifest.clone());
            blobs.insert(stored.config_digest.clone());
            blobs.extend(stored.layers.iter().map(|layer| layer.digest.clone()));
            layers.extend(stored.layers.iter().map(|layer| layer.diff_id.clone()));
        }
        for layer in self.recent_records()?.into_iter().filter_map(|record| record.layer) {
            blobs.insert(layer.digest);
            layers.insert(layer.diff_id);
        }
        for hex in layout.complete_layers() {
            if !layers.contains(&format!("sha256:{hex}")) {
                layout.remove_layer(&hex)?;
                collected.layers += 1;
            }
        }
        let path = layout.path.join("blobs/sha256");
        for entry in fs_err::read_dir(&path).map_err(Error::io("list", &path))? {
            let entry = entry.map_err(Error::io("list", &path))?;
            let digest = format!("sha256:{}", entry.file_name().to_string_lossy());
            if digest::hex(&digest).is_some() && !blobs.contains(&digest) {
                collected.bytes += entry.metadata().map_or(0, |data| data.len());
                collected.blobs += 1;
                fs_err::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
            }
        }
        Ok(collected)
    }

    /// Reads the records worth keeping and drops the others.
    fn recent_records(&self) -> Result<Vec<Record>> {
        let path = self.layout.path.join("records");
        let mut records = Vec::new();
        for entry in fs_err::read_dir(&path).map_err(Error::io("list", &path))? {
            let entry = entry.map_err(Error::io("list", &path))?;
            let used =
                entry.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            // A clock that went back makes an age of zero, which keeps the record.
            let age = used.elapsed().unwrap_or_default();
            let record = std::fs::read(entry.path())
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
            match record {
                Some(record) if age < RECORD_AGE => records.push(record),
                _ => {
                    fs_err::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?
                }
            }
        }
        Ok(records)
    }
}
