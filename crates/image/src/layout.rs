//! What is on disk: an OCI image layout, with unpacked layers and build records beside it.
//!
//! Every write goes stage → fsync → rename → fsync of the directory, so a reader sees a whole
//! file or none. One process at a time has the store open (`lock`). The formats are in
//! `docs/formats/images.md`. Next: `layers.rs` (unpacked directories), `images.rs` (the door).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::{self, sha256};
use crate::layers::Layers;
use crate::manifest::{
    CONFIG_TYPE, DOCUMENT_MAX, Descriptor, INDEX_TYPE, Index, MANIFEST_TYPE, Manifest, REF_NAME,
};
use crate::scratch::Keys;
use crate::{Error, ImageConfig, Layer, Result, rooted};

/// Version of everything in the store that OCI does not describe.
pub(crate) const FORMAT: &str = "1";

/// The open store.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) path: PathBuf,
    /// The same directory, open.
    pub(crate) dir: OwnedFd,
    /// Held while the store is open; the kernel lets go of it with the process.
    lock: File,
    stages: AtomicU64,
    state: Mutex<State>,
    pub(crate) layers: Layers,
    /// Builds and writes under way: nothing is collected meanwhile.
    pub(crate) holds: Arc<AtomicUsize>,
    /// One base image is made at a time.
    pub(crate) base: Mutex<()>,
    pub(crate) keys: Keys,
}

/// What `index.json` says, in memory.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Images by manifest digest.
    pub(crate) images: BTreeMap<String, Arc<Stored>>,
    /// Manifest digests by normalised name.
    pub(crate) names: BTreeMap<String, String>,
}

/// One image as read from its manifest and configuration.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) manifest: Descriptor,
    pub(crate) config_digest: String,
    pub(crate) config: ImageConfig,
    pub(crate) layers: Vec<Layer>,
}

/// A directory below `stage/`, removed when dropped.
pub(crate) struct Stage<'a> {
    layout: &'a Layout,
    pub(crate) name: CString,
    pub(crate) path: PathBuf,
}

impl Layout {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        for part in ["blobs/sha256", "layers", "stage", "records", "empty"] {
            let part = path.join(part);
            fs_err::create_dir_all(&part).map_err(Error::io("make directory", part))?;
        }
        // Layers hold set-uid programs of images: other users of the host have no business here.
        let dir = rooted::directory(path).map_err(Error::errno("open", path))?;
        rustix::fs::fchmod(&dir, rustix::fs::Mode::RWXU)
            .map_err(Error::errno("close to others", path))?;
        let lock_path = path.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(Error::io("open", &lock_path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::InUse { path: path.to_owned() });
            }
            Err(errno) => return Err(Error::errno("lock", lock_path)(errno)),
        }
        let layers = Layers::default();
        let layout = Self {
            path: path.to_owned(),
            dir,
            lock,
            stages: AtomicU64::new(0),
            state: Mutex::default(),
            layers,
            holds: Arc::default(),
            base: Mutex::default(),
            keys: Keys::default(),
        };
        layout.check_format()?;
        layout.clear_stages()?;
        layout.find_layers()?;
        layout.read_index()?;
        Ok(layout)
    }

    fn check_format(&self) -> Result<()> {
        let path = self.path.join("format");
        match std::fs::read_to_string(&path) {
            Ok(text) if text.trim() == FORMAT => Ok(()),
            Ok(text) => Err(Error::Format {
                path: self.path.clone(),
                found: text.trim().escape_default().take(40).collect(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.write_file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
                self.write_file("format", format!("{FORMAT}\n").as_bytes())
            }
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Removes what a process that died left half-written.
    fn clear_stages(&self) -> Result<()> {
        let path = self.path.join("stage");
        let dir = rooted::directory(&path).map_err(Error::errno("open", &path))?;
        for name in rooted::names(dir.as_fd()).map_err(Error::errno("list", &path))? {
            // A build step that outlived the last daemon may still write there until the pod room
            // ends it: what cannot be removed now is no reason not to start, and goes next time.
            if let Err(error) = rooted::remove_tree(dir.as_fd(), &name) {
                tracing::warn!(path = %path.display(), ?name, %error, "cannot remove leftovers");
            }
        }
        Ok(())
    }

    fn read_index(&self) -> Result<()> {
        let path = self.path.join("index.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let index: Index = serde_json::from_slice(&text)
            .map_err(|source| Error::Document { what: path.display().to_string(), source })?;
        let mut state = self.state();
        for descriptor in index.manifests {
            let digest = descriptor.digest.clone();
            let name = descriptor.annotations.get(REF_NAME).cloned();
            if !state.images.contains_key(&digest) {
                match self.read_image(&digest) {
                    Ok(stored) => {
                        state.images.insert(digest.clone(), Arc::new(stored));
                    }
                    Err(error) => {
                        // An image is whole or absent; the next build or pull makes it again.
                        tracing::warn!(%digest, ?name, %error, "image is not whole, left out");
                        continue;
                    }
                }
            }
            if let Some(name) = name {
                state.names.insert(name, digest);
            }
        }
        Ok(())
    }

    /// Reads one image and checks that all its blobs are there.
    pub(crate) fn read_image(&self, digest: &str) -> Result<Stored> {
        let bytes = self.read_blob(digest)?;
        let manifest: Manifest = document(&bytes, digest)?;
        let config_digest = manifest.config.digest.clone();
        let config: ImageConfig = document(&self.read_blob(&config_digest)?, &config_digest)?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            let reason = "manifest and configuration have different counts of layers".to_owned();
            return Err(Error::Rule { what: digest.to_owned(), reason });
        }
        let mut layers = Vec::new();
        for (descriptor, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            let layer = Layer {
                digest: descriptor.digest.clone(),
                diff_id: diff_id.clone(),
                size: descriptor.size,
            };
            self.check_layer(&layer)?;
            layers.push(layer);
        }
        let manifest = Descriptor::new(&manifest.media_type, digest.to_owned(), bytes.len() as u64);
        Ok(Stored { manifest, config_digest, config, layers })
    }

    /// Whether a layer's blob is there in its full size; its content is checked when unpacked.
    pub(crate) fn check_layer(&self, layer: &Layer) -> Result<()> {
        let path = self.blob_path(&layer.digest)?;
        if digest::hex(&layer.diff_id).is_none() {
            let reason = "its diff-id is no sha256 digest".to_owned();
            return Err(Error::Rule { what: format!("layer {}", layer.digest), reason });
        }
        let size = std::fs::metadata(&path).map_err(Error::io("look at", &path))?.len();
        if size == layer.size {
            Ok(())
        } else {
            let reason = format!("has {size} bytes on disk, {} in its manifest", layer.size);
            Err(Error::Rule { what: format!("layer {}", layer.digest), reason })
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // The state is replaced in single steps, so one left by a panic is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn blob_path(&self, digest: &str) -> Result<PathBuf> {
        match digest::hex(digest) {
            Some(hex) => Ok(self.path.join("blobs/sha256").join(hex)),
            None => Err(Error::Rule {
                what: format!("digest `{}`", digest.escape_default().take(80).collect::<String>()),
                reason: "is not sha256: and 64 hexadecimal digits".to_owned(),
            }),
        }
    }

    /// A small blob, checked against its digest.
    pub(crate) fn read_blob(&self, digest: &str) -> Result<Vec<u8>> {
        let path = self.blob_path(digest)?;
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let mut bytes = Vec::new();
        file.take(DOCUMENT_MAX + 1).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
        if bytes.len() as u64 > DOCUMENT_MAX {
            let reason = "over 4 MiB".to_owned();
            return Err(Error::Rule { what: digest.to_owned(), reason });
        }
        let got = sha256(&bytes);
        if got != digest {
            let what = path.display().to_string();
            return Err(Error::Digest { what, got, expected: digest.to_owned() });
        }
        Ok(bytes)
    }

    /// Writes a document as a blob.
    pub(crate) fn write_document<T: Serialize>(
        &self,
        media_type: &str,
        value: &T,
    ) -> Result<Descriptor> {
        let bytes = serde_json::to_vec(value)
            .map_err(|source| Error::Document { what: media_type.to_owned(), source })?;
        let digest = self.write_blob(&bytes)?;
        Ok(Descriptor::new(media_type, digest, bytes.len() as u64))
    }

    /// Keeps these very bytes; their digest.
    pub(crate) fn write_blob(&self, bytes: &[u8]) -> Result<String> {
        let digest = sha256(bytes);
        let path = self.blob_path(&digest)?;
        if !path.exists() {
            let stage = self.stage()?;
            let staged = stage.path.join("blob");
            write_synced(&staged, bytes)?;
            self.publish(&staged, &path)?;
        }
        Ok(digest)
    }

    /// Writes the documents of an image and takes it into the state; the caller saves the index.
    pub(crate) fn write_image(&self, config: &ImageConfig, layers: &[Layer]) -> Result<Stored> {
        for layer in layers {
            self.check_layer(layer)?;
        }
        let config_descriptor = self.write_document(CONFIG_TYPE, config)?;
        let config_digest = config_descriptor.digest.clone();
        let mut descriptors = Vec::new();
        for layer in layers {
            let packing = self.packing(&layer.digest)?;
            descriptors.push(Descriptor::new(
                packing.media_type(),
                layer.digest.clone(),
                layer.size,
            ));
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            config: config_descriptor,
            layers: descriptors,
        };
        let manifest = self.write_document(MANIFEST_TYPE, &manifest)?;
        Ok(Stored { manifest, config_digest, config: config.clone(), layers: layers.to_vec() })
    }

    /// Makes the state durable.
    pub(crate) fn save(&self, state: &State) -> Result<()> {
        let mut manifests = Vec::new();
        let named: BTreeSet<&String> = state.names.values().collect();
        for (name, digest) in &state.names {
            if let Some(stored) = state.images.get(digest) {
                let mut descriptor = stored.manifest.clone();
                descriptor.annotations.insert(REF_NAME.to_owned(), name.clone());
                manifests.push(descriptor);
            }
        }
        let unnamed = state.images.iter().filter(|(digest, _)| !named.contains(digest));
        manifests.extend(unnamed.map(|(_, stored)| stored.manifest.clone()));
        let index = Index { schema_version: 2, media_type: INDEX_TYPE.to_owned(), manifests };
        let bytes = serde_json::to_vec(&index)
            .map_err(|source| Error::Document { what: "index.json".to_owned(), source })?;
        self.write_file("index.json", &bytes)
    }

    /// Replaces a file at the top of the store.
    fn write_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let stage = self.stage()?;
        let staged = stage.path.join("file");
        write_synced(&staged, bytes)?;
        self.publish(&staged, &self.path.join(name))
    }

    /// Moves a staged, synced file or directory to its place, durably.
    pub(crate) fn publish(&self, staged: &Path, place: &Path) -> Result<()> {
        std::fs::rename(staged, place).map_err(Error::io("move into place", place))?;
        let parent = place.parent().unwrap_or(&self.path);
        let dir = rooted::directory(parent).map_err(Error::errno("open", parent))?;
        rustix::fs::fsync(&dir).map_err(Error::errno("make durable", parent))
    }

    pub(crate) fn stage(&self) -> Result<Stage<'_>> {
        let (name, path) = self.stage_dir()?;
        Ok(Stage { layout: self, name, path })
    }

    /// A directory below `stage/` that its taker removes with [`Layout::remove_stage`].
    pub(crate) fn stage_dir(&self) -> Result<(CString, PathBuf)> {
        loop {
            let name = self.stages.fetch_add(1, Ordering::Relaxed).to_string();
            let path = self.path.join("stage").join(&name);
            match std::fs::create_dir(&path) {
                // Left over by a process that died, and not to be had yet.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Ok(()) => return Ok((CString::new(name).unwrap_or_default(), path)),
                Err(error) => return Err(Error::io("make directory", path)(error)),
            }
        }
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // Closing would do, were there not a moment in which a child just forked has it open too.
        // Nothing is lost when it fails: the kernel unlocks with the last descriptor.
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.layout.remove_stage(&self.name);
    }
}

fn document<T: DeserializeOwned>(bytes: &[u8], digest: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|source| Error::Document { what: digest.to_owned(), source })
}

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).map_err(Error::io("make", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.sync_all().map_err(Error::io("make durable", path))
}

/// Flags for a staged blob.
pub(crate) fn new_file(path: &Path) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::from_raw_mode(0o600))
        .map(File::from)
        .map_err(Error::errno("make", path))
}
