//! What every published thing is at its registry: a manifest of its own with a face and files, its
//! images beside it, an index over all of them, the list of parts, a signature, and last its tag.
//!
//! Where next: `published/fetch.rs`, which reads it.

use std::collections::BTreeMap;

use image::{Image, Reference};
use registry::{Descriptor, INDEX_TYPE, MANIFEST_TYPE, Repository, SigningKey};
use serde_json::{Value, json};

use super::{PARTS_TYPE, refused};
use crate::{Error, Result, Target};

/// What is published, and what its parts are called at a registry.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Its word.
    pub(super) noun: &'static str,
    /// The command that publishes one.
    pub(super) verb: &'static str,
    /// The code of what is wrong with one that comes in.
    pub(super) code: &'static str,
    /// The code of what is wrong with the place that one is to go to, and such a place.
    pub(super) place: (&'static str, &'static str),
    /// Type of its index and of the manifest in it.
    pub(super) artifact: &'static str,
    /// Type of what stands where an image has its configuration.
    pub(super) face: &'static str,
    /// Type of its files.
    pub(super) files: &'static str,
}

pub(crate) const MODULE: Kind = Kind {
    noun: "module",
    verb: "shelf module publish",
    code: "module/fetch",
    place: ("module/place", "registry.example.org/team/redis"),
    artifact: "application/vnd.shelf.module.v1",
    face: "application/vnd.shelf.module.face.v1+toml",
    files: "application/vnd.shelf.module.files.v1.tar+gzip",
};

pub(super) const APP: Kind = Kind {
    noun: "app",
    verb: "shelf publish",
    code: "app/fetch",
    place: ("app/place", "registry.example.org/team/shop:1.2"),
    artifact: "application/vnd.shelf.app.v1",
    face: "application/vnd.shelf.app.label.v1+json",
    files: "application/vnd.shelf.app.files.v1.tar+gzip",
};

impl Kind {
    /// The place that one is to go to.
    ///
    /// # Errors
    /// It is no name at a registry, or a digest.
    pub(super) fn place(&self, to: &str) -> Result<Reference> {
        let name = Reference::parse(to).map_err(|error| self.misplaced(error.to_string()))?;
        if name.digest.is_some() {
            let message = format!("{to} is a digest, and a tag is what one is published under");
            return Err(self.misplaced(message));
        }
        Ok(name)
    }

    pub(super) fn misplaced(&self, message: String) -> Error {
        let (code, such) = self.place;
        Error::Data { code, message, hint: Some(format!("such as {such}")) }
    }
}

/// A thing on its way.
pub(super) struct Parcel {
    pub(super) target: Target,
    pub(super) to: Reference,
    pub(super) kind: &'static Kind,
    pub(super) face: Vec<u8>,
    /// Its files, a tar packed with gzip.
    pub(super) archive: Vec<u8>,
    /// Its images, by what their tags end in.
    pub(super) images: BTreeMap<String, Image>,
    /// The list of parts.
    pub(super) parts: Vec<u8>,
    /// Annotations of the whole.
    pub(super) remarks: Value,
    pub(super) key: Option<SigningKey>,
}

impl Parcel {
    /// Sends everything, the tag last, so that it never stands for half of it; the digest of all.
    ///
    /// # Errors
    /// The registry refuses something; then the tag is what it was.
    pub(super) async fn send(self) -> Result<String> {
        let noun = self.kind.noun;
        // On a thread of its own: most of it is reading files.
        let sending = tokio::task::spawn_blocking(move || {
            let what = format!("publish {}", self.to);
            let sending = tokio::runtime::Handle::current().block_on(self.parts_and_tag());
            sending.map_err(|error| refused(what, &error))
        });
        let sent = sending.await;
        sent.map_err(|source| Error::Task { what: format!("publishing this {noun}"), source })?
    }

    async fn parts_and_tag(&self) -> registry::Result<String> {
        let client = &self.target.registry;
        let login = client.login(&self.to)?;
        let repository = client.repository(&self.to, login.as_ref());
        let mut inside = vec![self.own(&repository).await?];
        for (end, image) in &self.images {
            let mut place = self.to.clone();
            place.tag = place.tag.map(|tag| format!("{tag}-{end}"));
            let store = &self.target.images;
            let mut sent = client.push(store, image, &place, login.as_ref(), &|_| ()).await?;
            // An image has no type of artifact but what it is itself.
            sent.artifact_type = None;
            sent.annotations.clear();
            if !inside.iter().any(|one| one.digest == sent.digest) {
                inside.push(sent);
            }
        }
        let index = json!({
            "schemaVersion": 2, "mediaType": INDEX_TYPE, "artifactType": self.kind.artifact,
            "manifests": inside, "annotations": self.remarks,
        });
        let index = index.to_string().into_bytes();
        let whole = repository.push_manifest(None, INDEX_TYPE, &index).await?;
        self.list(&repository, &whole).await?;
        if let Some(key) = &self.key {
            repository.sign(&whole.digest, key).await?;
        }
        repository.push_manifest(self.to.tag.as_deref(), INDEX_TYPE, &index).await?;
        Ok(whole.digest)
    }

    /// The manifest of the thing itself: its face and its files.
    async fn own(&self, repository: &Repository) -> registry::Result<Descriptor> {
        let face = repository.push_blob(self.kind.face, &self.face).await?;
        let files = repository.push_blob(self.kind.files, &self.archive).await?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": self.kind.artifact,
            "config": face, "layers": [files], "annotations": self.remarks,
        });
        let manifest = manifest.to_string().into_bytes();
        let mut sent = repository.push_manifest(None, MANIFEST_TYPE, &manifest).await?;
        sent.annotations.clear();
        Ok(sent)
    }

    /// The list of parts, which refers to the whole.
    async fn list(&self, repository: &Repository, whole: &Descriptor) -> registry::Result<()> {
        let nothing = repository.push_blob(registry::EMPTY_TYPE, b"{}").await?;
        let list = repository.push_blob(PARTS_TYPE, &self.parts).await?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "artifactType": PARTS_TYPE,
            "config": nothing, "layers": [list],
            "subject": {
                "mediaType": whole.media_type, "digest": whole.digest, "size": whole.size,
            },
        });
        let manifest = manifest.to_string().into_bytes();
        repository.push_manifest(None, MANIFEST_TYPE, &manifest).await.map(drop)
    }
}
