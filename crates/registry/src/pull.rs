//! An image from a registry into the store: this machine's of an index, several layers at once.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use image::{Image, ImageConfig, Images, Reference};

use crate::client::wanted;
use crate::document::{self, DOCUMENT_MAX, Fields};
use crate::{Client, Descriptor, Error, Login, Manifest, Progress, Repository, Result};

/// Layers that are fetched at once.
const AT_ONCE: usize = 4;

impl Client {
    /// Fetches an image, and gives it the name it was asked for under. Layers that are here are
    /// not fetched again; what is here completely costs one question.
    ///
    /// # Errors
    /// See [`Error`]; nothing is named unless all of it is here and checked.
    pub async fn pull(
        &self,
        images: &Images,
        name: &Reference,
        login: Option<&Login>,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Image> {
        let repository = self.repository(name, login);
        // Nothing is collected before the image names its layers.
        let _hold = images.hold();
        let top = repository.manifest(wanted(name)).await?;
        let pinned = top.descriptor.digest.clone();
        progress(Progress::Resolved { digest: pinned.clone() });
        let (manifest, fields) = for_machine(&repository, name, top).await?;
        let config = fields.config.clone().unwrap_or_default();
        if config.size > DOCUMENT_MAX {
            let reason = "its configuration is longer than 4 MiB";
            return Err(repository.wrong(&name.to_string(), reason));
        }
        let bytes = self.config(images, &repository, &config).await?;
        check_platform(&repository, name, &bytes)?;
        let mut seen = BTreeSet::new();
        let layers = fields.layers.iter().filter(|layer| seen.insert(layer.digest.clone()));
        let layers: Vec<Descriptor> = layers.cloned().collect();
        let mut turns: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
        for layer in &layers {
            turns.push(self.layer(images, &repository, layer, progress).boxed());
        }
        stream::iter(turns).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let (images, name) = (images.clone(), name.clone());
        let adopted = tokio::task::spawn_blocking(move || {
            let digest = &manifest.descriptor.digest;
            images.adopt(digest, &manifest.bytes, &bytes, &called(&name, &pinned))
        });
        let broken = |_| repository.wrong("the image", "the thread that keeps it broke off");
        adopted.await.map_err(broken)?.map_err(Error::store("keep the image"))
    }

    /// The configuration, from here if it is here.
    async fn config(
        &self,
        images: &Images,
        repository: &Repository,
        config: &Descriptor,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if images.has_blob(&config.digest, config.size).map_err(Error::store("look for it"))?
            && let Ok(mut file) = images.open_blob(&config.digest)
            && std::io::Read::read_to_end(&mut file, &mut bytes).is_ok()
            && image::sha256(&bytes) == config.digest
        {
            return Ok(bytes);
        }
        repository.blob(config).await
    }

    async fn layer(
        &self,
        images: &Images,
        repository: &Repository,
        layer: &Descriptor,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<()> {
        let turn = self.turn(&layer.digest);
        let _turn = turn.lock().await;
        let present =
            images.has_blob(&layer.digest, layer.size).map_err(Error::store("look for a layer"))?;
        if !present {
            let moved = |done| {
                let digest = layer.digest.clone();
                progress(Progress::Moved { digest, done, size: layer.size });
            };
            repository.blob_to_store(images, layer, &moved).await?;
        }
        progress(Progress::Done { digest: layer.digest.clone(), present });
        Ok(())
    }
}

/// The names the image gets here: what it was pinned to, and the tag it was asked for by.
fn called(name: &Reference, pinned: &str) -> Vec<String> {
    let mut names = vec![format!("{}/{}@{pinned}", name.domain, name.path)];
    if name.digest.is_none() {
        names.push(name.name());
    }
    names
}

/// The manifest of one image: the very one, or this machine's of an index.
pub(crate) async fn for_machine(
    repository: &Repository,
    name: &Reference,
    top: Manifest,
) -> Result<(Manifest, Fields)> {
    let what = name.to_string();
    let read =
        |bytes: &[u8]| Fields::parse(bytes).map_err(|reason| repository.wrong(&what, reason));
    let mut fields = read(&top.bytes)?;
    let mut manifest = top;
    if fields.is_index() {
        let Some(here) = fields.for_machine() else {
            return Err(Error::Platform {
                name: name.to_string(),
                wanted: document::machine(),
                offered: fields.platforms(),
            });
        };
        manifest = repository.manifest(&here.digest).await?;
        fields = read(&manifest.bytes)?;
    }
    if fields.is_index() || !fields.is_image() {
        return Err(Error::Kind { name: name.to_string(), kind: fields.kind() });
    }
    Ok((manifest, fields))
}

fn check_platform(repository: &Repository, name: &Reference, config: &[u8]) -> Result<()> {
    let config: ImageConfig = serde_json::from_slice(config).map_err(|error| {
        let reason = format!("its configuration is not understood: {error}");
        repository.wrong(&name.to_string(), reason)
    })?;
    // Some old tools leave the architecture empty.
    let fits = config.architecture.is_empty() || config.architecture == image::architecture();
    if fits && config.os == "linux" {
        return Ok(());
    }
    Err(Error::Platform {
        name: name.to_string(),
        wanted: document::machine(),
        offered: vec![format!("{}/{}", config.os, config.architecture)],
    })
}
