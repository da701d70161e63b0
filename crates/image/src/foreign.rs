//! Images from elsewhere, and ours for elsewhere: blobs as they are, manifests byte for byte.
//!
//! An image keeps the manifest it came with, so its digest here is the one it has in its registry.
//! Nothing is taken in that is not what its digest says. Next: `layout.rs`; who fetches and sends
//! is the registry room.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::digest::{Hasher, sha256};
use crate::images::key_of;
use crate::layout::{Layout, new_file};
use crate::manifest::Manifest;
use crate::{Error, Image, Images, Result};

/// A blob that a manifest points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// What the manifest says it is, such as `application/vnd.oci.image.layer.v1.tar+gzip`.
    pub media_type: String,
    /// `sha256:…`.
    pub digest: String,
    /// In bytes.
    pub size: u64,
}

/// The manifest of an image as it is in the store, and what it points to.
#[derive(Debug, Clone)]
pub struct Document {
    /// OCI's or Docker's type of an image manifest.
    pub media_type: String,
    /// The very bytes that the image's digest is of.
    pub bytes: Vec<u8>,
    /// The configuration.
    pub config: Blob,
    /// The layers, lowest first.
    pub layers: Vec<Blob>,
}

/// A blob on its way into the store; it is there after [`Incoming::finish`], and nothing is left
/// of it when it is dropped before.
#[derive(Debug)]
pub struct Incoming {
    layout: Arc<Layout>,
    stage: CString,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    got: u64,
    digest: String,
    size: u64,
}

impl Incoming {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// They cannot be written, or they are more than was said.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.got += bytes.len() as u64;
        if self.got > self.size {
            let reason = format!("is longer than the {} bytes it should have", self.size);
            return Err(Error::Rule { what: self.digest.clone(), reason });
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))
    }

    /// Keeps the blob, once all of it is written.
    ///
    /// # Errors
    /// [`Error::Digest`] when it is not what it should be.
    pub fn finish(self) -> Result<()> {
        let got = self.hasher.clone().finish();
        if got != self.digest {
            let (what, expected) = (format!("{} bytes", self.got), self.digest.clone());
            return Err(Error::Digest { what, got, expected });
        }
        self.file.sync_all().map_err(Error::io("make durable", &self.path))?;
        self.layout.publish(&self.path, &self.layout.blob_path(&self.digest)?)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.layout.remove_stage(&self.stage);
    }
}

impl Images {
    /// Whether this blob is here in its full size.
    ///
    /// # Errors
    /// [`Error::Rule`] when `digest` is none.
    pub fn has_blob(&self, digest: &str, size: u64) -> Result<bool> {
        let path = self.layout.blob_path(digest)?;
        Ok(std::fs::metadata(path).is_ok_and(|data| data.len() == size))
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// It is not here.
    pub fn open_blob(&self, digest: &str) -> Result<File> {
        let path = self.layout.blob_path(digest)?;
        File::open(&path).map_err(Error::io("open", path))
    }

    /// Begins to take in a blob. Have a [`crate::Hold`] until an image names it.
    ///
    /// # Errors
    /// `digest` is none, or the store cannot be written.
    pub fn incoming(&self, digest: &str, size: u64) -> Result<Incoming> {
        self.layout.blob_path(digest)?;
        let (stage, dir) = self.layout.stage_dir()?;
        let path = dir.join("blob");
        let file = match new_file(&path) {
            Ok(file) => file,
            Err(error) => {
                self.layout.remove_stage(&stage);
                return Err(error);
            }
        };
        let (layout, digest) = (self.layout.clone(), digest.to_owned());
        Ok(Incoming { layout, stage, path, file, hasher: Hasher::default(), got: 0, digest, size })
    }

    /// Takes in an image whose layers are here: these very bytes are its manifest and its
    /// configuration. It gets these names; one with a digest (`host/app@sha256:…`) pins it to what
    /// it was asked for by, such as the index it comes from.
    ///
    /// # Errors
    /// A document is no image's, a layer is missing, or the bytes are not what `digest` says.
    pub fn adopt(
        &self,
        digest: &str,
        manifest: &[u8],
        config: &[u8],
        names: &[String],
    ) -> Result<Image> {
        let got = sha256(manifest);
        if got != digest {
            let what = "manifest".to_owned();
            return Err(Error::Digest { what, got, expected: digest.to_owned() });
        }
        let names = names.iter().map(|name| key_of(name)).collect::<Result<Vec<_>>>()?;
        let mut state = self.layout.state();
        self.layout.write_blob(config)?;
        self.layout.write_blob(manifest)?;
        let stored = Arc::new(self.layout.read_image(digest)?);
        let fresh = state.images.insert(digest.to_owned(), stored).is_none();
        let before = state.names.clone();
        state.names.extend(names.into_iter().map(|name| (name, digest.to_owned())));
        if let Err(error) = self.layout.save(&state) {
            state.names = before;
            if fresh {
                state.images.remove(digest);
            }
            return Err(error);
        }
        drop(state);
        self.find(digest)?.ok_or_else(|| Error::Unknown { name: digest.to_owned() })
    }

    /// The manifest of an image and what it points to.
    ///
    /// # Errors
    /// It is not here any more.
    pub fn document(&self, image: &Image) -> Result<Document> {
        let bytes = self.layout.read_blob(&image.digest)?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|source| Error::Document { what: image.digest.clone(), source })?;
        let blob = |of: crate::manifest::Descriptor| Blob {
            media_type: of.media_type,
            digest: of.digest,
            size: of.size,
        };
        Ok(Document {
            media_type: manifest.media_type,
            bytes,
            config: blob(manifest.config),
            layers: manifest.layers.into_iter().map(blob).collect(),
        })
    }
}
