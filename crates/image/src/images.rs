//! The door: every operation on the store. Next: `layout.rs`, what is on disk.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::layout::{Layout, State};
use crate::{Error, ImageConfig, Reference, Result, digest, mount};

/// The image store; clones share one open store.
#[derive(Debug, Clone)]
pub struct Images {
    pub(crate) layout: Arc<Layout>,
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
pub struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Images {
    /// Opens or makes the store in `dir`; only one process may have it open. What a process that
    /// died left half-written is removed.
    ///
    /// # Errors
    /// [`Error::InUse`] when it is open elsewhere, [`Error::Format`] when a newer version wrote it.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self { layout: Arc::new(Layout::open(dir)?) })
    }

    /// Keeps [`Images::collect`] away while layers are made that no image names yet.
    pub fn hold(&self) -> Hold {
        // Under the state's lock, so that a collection either saw it or is over.
        let _state = self.layout.state();
        self.layout.holds.fetch_add(1, Ordering::AcqRel);
        Hold(self.layout.holds.clone())
    }

    /// Finds an image by name, digest, or `name@digest` (the digest decides).
    ///
    /// # Errors
    /// [`Error::Reference`] when `name` is none of these.
    pub fn find(&self, name: &str) -> Result<Option<Image>> {
        let state = self.layout.state();
        Ok(resolve(&state, name)?.and_then(|digest| image(&state, &digest)))
    }

    /// Whether the image of this name came from the registry that the name names.
    ///
    /// # Errors
    /// [`Error::Reference`] when `name` is none.
    pub fn came_from_registry(&self, name: &str) -> Result<bool> {
        let reference = Reference::parse(name)?;
        let pinned = format!("{}/{}@", reference.domain, reference.path);
        let state = self.layout.state();
        let Some(digest) = resolve(&state, name)? else { return Ok(false) };
        Ok(state.names.iter().any(|(known, of)| *of == digest && known.starts_with(&pinned)))
    }

    /// All images, in order of their digests.
    pub fn list(&self) -> Result<Vec<Image>> {
        let state = self.layout.state();
        Ok(state.images.keys().filter_map(|digest| image(&state, digest)).collect())
    }

    /// Gives the image a name; another image that had it loses it.
    pub fn tag(&self, image: &Image, name: &str) -> Result<()> {
        let name = tag_of(name)?;
        let mut state = self.layout.state();
        if !state.images.contains_key(&image.digest) {
            return Err(Error::Unknown { name: image.digest.clone() });
        }
        let before = state.names.insert(name.clone(), image.digest.clone());
        if before.as_ref() == Some(&image.digest) {
            return Ok(());
        }
        if let Err(error) = self.layout.save(&state) {
            match before {
                Some(before) => state.names.insert(name, before),
                None => state.names.remove(&name),
            };
            return Err(error);
        }
        Ok(())
    }

    /// Takes a name (or, by digest, all its names) away; [`Images::collect`] frees the space.
    /// False when there was none.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let mut state = self.layout.state();
        let before = state.names.clone();
        if digest::hex(name).is_some() {
            state.names.retain(|_, digest| digest != name);
        } else {
            let reference = Reference::parse(name)?;
            let gone = state.names.remove(&key(&reference));
            // Where its last tag goes, what it was pinned to when it was fetched goes as well.
            let repository = format!("{}/{}", reference.domain, reference.path);
            let of = |known: &str, sign: char| {
                known.strip_prefix(&repository).is_some_and(|rest| rest.starts_with(sign))
            };
            let tagged = state
                .names
                .iter()
                .any(|(known, digest)| Some(digest) == gone.as_ref() && of(known, ':'));
            if !tagged && let Some(gone) = gone {
                state.names.retain(|known, digest| *digest != gone || !of(known, '@'));
            }
        }
        if state.names.len() == before.len() {
            return Ok(false);
        }
        if let Err(error) = self.layout.save(&state) {
            state.names = before;
            return Err(error);
        }
        Ok(true)
    }

    /// Writes an image: the parent's layers, then `layers`. The layers' digests replace what
    /// `config` says of them. Without a name it is found by digest until it is collected.
    pub fn write(
        &self,
        parent: Option<&Image>,
        mut config: ImageConfig,
        layers: Vec<Layer>,
        name: Option<&str>,
    ) -> Result<Image> {
        let name = name.map(tag_of).transpose()?;
        let mut all = parent.map_or_else(Vec::new, |parent| parent.layers.clone());
        all.extend(layers);
        config.rootfs.diff_ids = all.iter().map(|layer| layer.diff_id.clone()).collect();
        let mut state = self.layout.state();
        let stored = self.layout.write_image(&config, &all)?;
        let digest = stored.manifest.digest.clone();
        let fresh = !state.images.contains_key(&digest);
        let renamed = match &name {
            Some(name) => state.names.insert(name.clone(), digest.clone()),
            None => None,
        };
        if fresh {
            state.images.insert(digest.clone(), Arc::new(stored));
        }
        let unchanged = !fresh && (name.is_none() || renamed.as_ref() == Some(&digest));
        if !unchanged && let Err(error) = self.layout.save(&state) {
            if fresh {
                state.images.remove(&digest);
            }
            if let Some(name) = name {
                match renamed {
                    Some(before) => state.names.insert(name, before),
                    None => state.names.remove(&name),
                };
            }
            return Err(error);
        }
        image(&state, &digest).ok_or(Error::Unknown { name: digest })
    }

    /// Turns an overlay's upper directory into a layer: a blob and an unpacked directory. The
    /// content of `upper` moves into the store where both are on one file system. None when the
    /// directory is empty. The overlay must not be mounted any more.
    pub fn layer_from_upper(&self, upper: &Path) -> Result<Option<Layer>> {
        self.layout.layer_of(upper)
    }

    /// A detached overlay mount of the image's root, to be attached with `move_mount(2)` in any
    /// mount namespace. Unless `read_only`, changes go to `scratch/upper` (made when missing,
    /// kept when there). With `userns`, owners are mapped: id 0 of the image is the first id of
    /// that user namespace, and `scratch/upper` has the image's ids, not the shifted ones.
    ///
    /// Changes are not synced by the mount (`volatile`): after a power cut `scratch` is worthless.
    pub fn mount(
        &self,
        image: &Image,
        scratch: &Path,
        userns: Option<BorrowedFd<'_>>,
        read_only: bool,
    ) -> Result<OwnedFd> {
        mount::mount(&self.layout, image, scratch, userns, read_only)
    }
}

/// The digest a name stands for, if it is there.
fn resolve(state: &State, name: &str) -> Result<Option<String>> {
    let digest = if digest::hex(name).is_some() {
        name.to_owned()
    } else {
        let reference = Reference::parse(name)?;
        match (&reference.digest, state.names.get(&key(&reference))) {
            // What it was pinned to may be an index that this machine's image came from.
            (_, Some(digest)) => digest.clone(),
            (Some(digest), None) => digest.clone(),
            (None, None) => return Ok(None),
        }
    };
    Ok(state.images.contains_key(&digest).then_some(digest))
}

fn image(state: &State, digest: &str) -> Option<Image> {
    let stored = state.images.get(digest)?;
    let named = state.names.iter().filter(|(name, of)| *of == digest && !name.contains('@'));
    Some(Image {
        digest: digest.to_owned(),
        names: named.map(|(name, _)| name.clone()).collect(),
        config: stored.config.clone(),
        layers: stored.layers.clone(),
    })
}

/// Under what a reference stands in the state: a digest makes the tag meaningless.
fn key(reference: &Reference) -> String {
    match &reference.digest {
        Some(digest) => format!("{}/{}@{digest}", reference.domain, reference.path),
        None => reference.name(),
    }
}

/// The same for a text.
pub(crate) fn key_of(name: &str) -> Result<String> {
    Ok(key(&Reference::parse(name)?))
}

/// A name to give: normalised, and without a digest, which cannot be given.
fn tag_of(name: &str) -> Result<String> {
    let reference = Reference::parse(name)?;
    if reference.digest.is_some() {
        let column = name.find('@').unwrap_or(0) + 1;
        let reason = "an image cannot be given a name with a digest";
        return Err(Error::Reference { text: name.to_owned(), reason, column });
    }
    Ok(reference.name())
}
