//! Images to where a cluster gets them from: the registry of its target, by digest, and only what
//! is not there yet. Where next: the `registry` room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use composer::{Graph, Images};
use image::Reference;
use registry::{Client, Progress};

use crate::event::{Event, Events};
use crate::{Error, Result, Target, images};

impl Target {
    /// Takes the images of an app to the registry of its target; nothing to do on this machine.
    ///
    /// # Errors
    /// The registry refuses them or does not answer.
    pub(crate) async fn take_images(
        &self,
        graph: &Graph,
        images: &Images,
        events: Events<'_>,
    ) -> Result<()> {
        let Some(cluster) = &self.cluster else { return Ok(()) };
        for build in graph.builds() {
            let Some(image) = images.get(&build.block).filter(|one| images::is_ours(one)) else {
                continue;
            };
            let there = cluster.image(image);
            let Some((name, digest)) = there.split_once('@') else { continue };
            let tag = images::short(digest);
            let parcel = Parcel {
                store: self.images.clone(),
                client: self.registry.clone(),
                block: build.block.clone(),
                to: format!("{name}:{tag}"),
                digest: digest.to_owned(),
            };
            let to = parcel.to.clone();
            // On a thread of its own: most of it is reading files.
            let task = tokio::task::spawn_blocking(move || parcel.send());
            let sent = task.await;
            let sent =
                sent.map_err(|source| Error::Task { what: format!("a push to {to}"), source })??;
            if let Some(count) = sent {
                let text = format!("{} is at {to}: {count} parts sent", build.block);
                events(Event::Note { text });
            }
        }
        Ok(())
    }
}

/// One image on its way.
struct Parcel {
    store: image::Images,
    client: Client,
    block: String,
    to: String,
    digest: String,
}

impl Parcel {
    /// How many parts were sent; nothing if it was there already.
    fn send(self) -> Result<Option<u64>> {
        let what = format!("take the image of {} to {}", self.block, self.to);
        let store = |source| Error::Image { what: what.clone(), source };
        let refused = |error| refused(&what, &error);
        let to = Reference::parse(&self.to).map_err(store)?;
        let found = self.store.find(&self.digest).map_err(store)?;
        let Some(found) = found else {
            return Err(Error::ImageGone { block: self.block, release: "to come".into() });
        };
        let client = &self.client;
        let login = client.login(&to).map_err(refused)?;
        tokio::runtime::Handle::current().block_on(async {
            if client.resolve(&to, login.as_ref()).await.is_ok_and(|known| known == self.digest) {
                return Ok(None);
            }
            let sent = Arc::new(AtomicU64::new(0));
            let counted = sent.clone();
            let count = move |progress: Progress| {
                if let Progress::Done { present: false, .. } = progress {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            };
            let pushed = client.push(&self.store, &found, &to, login.as_ref(), &count).await;
            pushed.map(|_| Some(sent.load(Ordering::Relaxed))).map_err(refused)
        })
    }
}

/// Why a registry did not take an image; what to do about it stands beside it, once.
fn refused(what: &str, error: &registry::Error) -> Error {
    Error::Data {
        code: "target/registry",
        message: format!("cannot {what}: {}", error.why()),
        hint: error.hint(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_about_a_refusal_is_said_once() {
        let silent = registry::Error::Unreachable {
            registry: "registry.example.org".into(),
            what: "shop/web:1".into(),
            source: "connection refused".into(),
        };
        let hint = silent.hint().unwrap();
        let told = refused("take the image of web to registry.example.org/shop/web:1", &silent);
        let told = told.report();
        assert!(told.message.ends_with("connection refused"), "{}", told.message);
        assert!(!told.message.contains(&hint), "{}", told.message);
        assert_eq!(told.hint, Some(hint));
    }
}
