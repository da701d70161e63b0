//! An image from the store to a registry, byte for byte; blobs first, the name last.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use image::{Blob, Image, Images, Reference};

use crate::wire::Payload;
use crate::{Client, Descriptor, Error, Login, Progress, Repository, Result};

/// Blobs that are sent at once.
const AT_ONCE: usize = 3;

impl Client {
    /// Sends an image to where `to` says (`latest` without a tag). Its digest there is its digest
    /// here. Blobs that the registry has are not sent; those of a neighbour repository, known by
    /// another name of the image, are mounted.
    ///
    /// # Errors
    /// See [`Error`]; the tag is written last, so it never stands for half an image.
    pub async fn push(
        &self,
        images: &Images,
        image: &Image,
        to: &Reference,
        login: Option<&Login>,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Descriptor> {
        let repository = self.repository(to, login);
        if to.digest.is_some() {
            return Err(Error::Setting {
                what: to.to_string(),
                reason: "an image is pushed to a tag, not to a digest".to_owned(),
            });
        }
        let _hold = images.hold();
        let document = images.document(image).map_err(Error::store("read the image"))?;
        let neighbour = neighbour(image, to);
        let mut turns: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
        for blob in document.layers.iter().chain([&document.config]) {
            turns.push(send(images, &repository, blob, neighbour.as_deref(), progress).boxed());
        }
        stream::iter(turns).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let tag = to.tag.as_deref().unwrap_or("latest");
        repository.push_manifest(Some(tag), &document.media_type, &document.bytes).await
    }
}

async fn send(
    images: &Images,
    repository: &Repository,
    blob: &Blob,
    neighbour: Option<&str>,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<()> {
    let file = images.open_blob(&blob.digest).map_err(Error::store("read a layer"))?;
    let payload = Payload::File(Arc::new(file), blob.size);
    let descriptor = Descriptor {
        media_type: blob.media_type.clone(),
        digest: blob.digest.clone(),
        size: blob.size,
        ..Descriptor::default()
    };
    progress(Progress::Moved { digest: blob.digest.clone(), done: 0, size: blob.size });
    let present = repository.upload(&descriptor, &payload, neighbour).await?;
    progress(Progress::Done { digest: blob.digest.clone(), present });
    Ok(())
}

/// Another repository of the same registry that should have this image's blobs.
fn neighbour(image: &Image, to: &Reference) -> Option<String> {
    let names = image.names.iter().filter_map(|name| Reference::parse(name).ok());
    let mut others = names.filter(|name| name.domain == to.domain && name.path != to.path);
    others.next().map(|name| name.path)
}
