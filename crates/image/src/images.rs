//! The door: every operation on the store.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ImageConfig, Result};

/// The image store; clones share one open store.
#[derive(Debug, Clone)]
pub struct Images {
    pub(crate) layout: Arc<crate::layout::Layout>,
}

/// One image: a manifest, with its configuration and layers read and checked.
#[derive(Debug, Clone)]
pub struct Image {
    /// Digest of the manifest, `sha256:…`; this is the image's identity.
    pub digest: String,
    /// The normalised names it has now, such as `docker.io/library/debian:12`.
    pub names: Vec<String>,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Digest of the blob as stored (gzip), `sha256:…`.
    pub digest: String,
    /// Digest of the uncompressed tar, `sha256:…`.
    pub diff_id: String,
    /// Size of the blob in bytes.
    pub size: u64,
}

/// While it lives, [`Images::collect`] removes nothing.
#[derive(Debug)]
pub struct Hold {}

impl Images {
    /// Opens or makes the store in `dir`; only one process may have it open.
    pub fn open(_dir: &Path) -> Result<Self> {
        unimplemented!()
    }
    /// Finds an image by name, digest, or `name@digest` (the digest decides).
    pub fn find(&self, _name: &str) -> Result<Option<Image>> {
        unimplemented!()
    }
    /// All images.
    pub fn list(&self) -> Result<Vec<Image>> {
        unimplemented!()
    }
    /// Gives the image a name; another image that had it loses it.
    pub fn tag(&self, _image: &Image, _name: &str) -> Result<()> {
        unimplemented!()
    }
    /// Takes a name (or, by digest, all names) away; `collect` frees the space.
    pub fn remove(&self, _name: &str) -> Result<bool> {
        unimplemented!()
    }
    /// Finds `name`, or makes it from Debian packages.
    pub fn base(&self, _name: &str, _progress: &mut dyn FnMut(&str)) -> Result<Image> {
        unimplemented!()
    }
    /// Writes an image: the parent's layers, then `layers`.
    pub fn write(
        &self,
        _parent: Option<&Image>,
        _config: ImageConfig,
        _layers: Vec<Layer>,
        _name: Option<&str>,
    ) -> Result<Image> {
        unimplemented!()
    }
    /// Turns an overlay's upper directory into a layer; None when it is empty. The directory's
    /// content moves into the store.
    pub fn layer_from_upper(&self, _upper: &Path) -> Result<Option<Layer>> {
        unimplemented!()
    }
    /// A detached overlay mount of the image's root.
    pub fn mount(
        &self,
        _image: &Image,
        _scratch: &Path,
        _userns: Option<BorrowedFd<'_>>,
        _read_only: bool,
    ) -> Result<OwnedFd> {
        unimplemented!()
    }
}
