//! Blocks that run an image somebody else built: asked what it is once, pinned by its digest, and
//! fetched before anything starts.
//!
//! Which digest: what `app.lock` pins; else what the running release has; else what its tag stands
//! for now. A tag that moved is told by a plan and taken by `go --pull` alone.
//! Where next: `around.rs`, which keeps what was seen, and the `registry` room.

mod news;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use composer::graph::From;
use composer::{App, Images, Opened};
use image::{ImageConfig, Reference};
use registry::Progress;
use serde::{Deserialize, Serialize};

use crate::around::Around;
use crate::event::{BlockState, Event, Events};
use crate::live::{self, Key};
use crate::load::Loaded;
use crate::progress::Clock;
use crate::{Error, Result, Target, lock, release};

pub use news::{ImageNews, Moved};
pub(crate) use news::{moved, news};

/// Between two lines about one image.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// An image as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The digest that it is pinned to.
    pub(crate) digest: String,
    /// What it says of itself.
    #[serde(flatten)]
    pub(crate) opened: Opened,
}

impl Seen {
    fn new(digest: String, config: &ImageConfig) -> Self {
        let port = |text: &String| {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            port.parse().ok().filter(|_| protocol == "tcp")
        };
        let ports = config.config.exposed_ports.keys().filter_map(port).collect();
        let volumes = config.config.volumes.keys().cloned().collect();
        Self { digest, opened: Opened { ports, volumes } }
    }
}

/// An image by digest, as pods name it.
pub(crate) fn reference(name: &str, digest: &str) -> String {
    match name.contains('@') {
        true => name.to_owned(),
        false => format!("{name}@{digest}"),
    }
}

/// Looks at the images that an app names; with `pull`, at what their tags stand for now.
///
/// # Errors
/// One cannot be had, with the line that names it; all of them are said.
pub(crate) async fn look(
    target: &Target,
    dir: &Path,
    app: &App,
    pull: bool,
) -> Result<std::collections::BTreeMap<String, Seen>> {
    let mut seen = std::collections::BTreeMap::new();
    let names: Vec<String> = app.images().into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(seen);
    }
    let lock = match dir.as_os_str().is_empty() {
        true => None,
        false => lock::read(dir)?,
    };
    let running = running(target, app.name()).await?;
    let mut refused = Vec::new();
    for name in names {
        let locked = lock.as_ref().and_then(|lock| lock.image(&name));
        let locked = locked
            .map(|(digest, opened)| Seen { digest: digest.to_owned(), opened: opened.clone() });
        let known = locked.or_else(|| running.images.get(&name).cloned());
        if let Some(known) = known.filter(|_| !pull) {
            seen.insert(name, known);
            continue;
        }
        match ask(target, &name).await {
            Ok(one) => {
                seen.insert(name, one);
            }
            Err(Refused { code, why, hint }) => {
                refused.extend(app.image_refused(&name, code, &why, hint.as_deref()));
            }
        }
    }
    match refused.is_empty() {
        true => Ok(seen),
        false => Err(Error::Wrong(refused)),
    }
}

/// What decided about the release that runs; nothing if none does.
async fn running(target: &Target, app: &str) -> Result<Around> {
    let record = Key { kind: "ConfigMap".into(), name: release::NAME.into() };
    let found = live::door(target, app, &record.kind).get_opt(&record.name).await;
    let found = found.map_err(Error::api(format!("read the release of {app}")))?;
    let found = found.and_then(|object| serde_json::to_value(object).ok());
    let there = found.map(|object| live::Live::from([(record, object)]));
    Ok(there.as_ref().and_then(release::read).map(|one| one.around).unwrap_or_default())
}

/// Why an image cannot be had.
struct Refused {
    code: &'static str,
    why: String,
    hint: Option<String>,
}

impl std::convert::From<registry::Error> for Refused {
    fn from(error: registry::Error) -> Self {
        Self { code: error.code(), why: error.why(), hint: error.hint() }
    }
}

/// What a name stands for: at its registry, or here if it was made here.
async fn ask(target: &Target, name: &str) -> std::result::Result<Seen, Refused> {
    let store = |error: image::Error| Refused {
        code: "image/name",
        why: error.to_string(),
        hint: Some("such as ghcr.io/org/web:1.4".into()),
    };
    let wanted = Reference::parse(name).map_err(store)?;
    let here = target.images.find(name).map_err(store)?;
    let from_there = target.images.came_from_registry(name).map_err(store)?;
    let made_here = here.as_ref().filter(|_| !from_there && target.cluster.is_none());
    if let Some(image) = made_here {
        return Ok(Seen::new(image.digest.clone(), &image.config));
    }
    let login = target.registry.login(&wanted)?;
    match target.registry.look(&wanted, login.as_ref()).await {
        Ok(looked) => Ok(Seen::new(looked.digest, &looked.config)),
        // What was fetched once runs on when its registry is away.
        Err(error) => match here.filter(|_| error.may_pass() && target.cluster.is_none()) {
            Some(image) => Ok(Seen::new(image.digest.clone(), &image.config)),
            None => Err(error.into()),
        },
    }
}

/// The images of an app's blocks that nobody builds, by digest.
pub(crate) fn pinned(loaded: &Loaded) -> Images {
    let one = |part: &composer::graph::Part| {
        let From::Image { name, .. } = &part.from else { return None };
        let seen = loaded.around.images.get(name)?;
        Some((part.name.clone(), reference(name, &seen.digest)))
    };
    loaded.graph.blocks.iter().filter_map(one).collect()
}

/// Fetches those that are not here. On another cluster its nodes do that.
///
/// # Errors
/// A registry refuses or does not answer; nothing was started then.
pub(crate) async fn fetch(
    target: &Target,
    loaded: &Loaded,
    clock: &Clock,
    events: Events<'_>,
) -> Result<()> {
    if target.cluster.is_some() {
        return Ok(());
    }
    for (block, name) in pinned(loaded) {
        let what = || format!("find {name}");
        let found = target.images.find(&name);
        if found.map_err(|source| Error::Image { what: what(), source })?.is_some() {
            continue;
        }
        events(clock.block(&block, BlockState::Pulling, name.as_str()));
        let refused = |error: registry::Error| {
            let Refused { code, why, hint } = error.into();
            Error::Data { code, message: format!("cannot fetch the image of {block}: {why}"), hint }
        };
        let image = pull(target, &block, &name, events).await?.map_err(refused)?;
        let size: u64 = image.layers.iter().map(|layer| layer.size).sum();
        let text = format!("{} MB compressed", size.div_ceil(1_000_000));
        events(clock.block(&block, BlockState::Built, text));
    }
    Ok(())
}

/// Fetches the image of a block and says how far it is; what a registry says is for the caller to
/// judge.
///
/// # Errors
/// Its name is none.
pub(crate) async fn pull(
    target: &Target,
    block: &str,
    name: &str,
    events: Events<'_>,
) -> Result<Result<image::Image, registry::Error>> {
    let wanted = Reference::parse(name)
        .map_err(|source| Error::Image { what: format!("read {name}"), source })?;
    let login = match target.registry.login(&wanted) {
        Ok(login) => login,
        Err(error) => return Ok(Err(error)),
    };
    let moved = Arc::new(AtomicU64::new(0));
    let count = {
        let moved = moved.clone();
        let last = std::sync::Mutex::new(std::collections::BTreeMap::new());
        move |progress: Progress| {
            let Progress::Moved { digest, done, .. } = progress else { return };
            let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let before = last.insert(digest, done).unwrap_or(0);
            moved.fetch_add(done.saturating_sub(before), Ordering::Relaxed);
        }
    };
    let pull = target.registry.pull(&target.images, &wanted, login.as_ref(), &count);
    tokio::pin!(pull);
    loop {
        tokio::select! {
            done = &mut pull => return Ok(done),
            () = tokio::time::sleep(LINE_EVERY) => {
                let megabytes = moved.load(Ordering::Relaxed) / 1_000_000;
                let text = format!("pulling {wanted}: {megabytes} MB");
                events(Event::Base { block: block.to_owned(), text });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_tcp_ports_and_folders() {
        let mut config = ImageConfig::empty();
        for port in ["80/tcp", "53/udp", "9000", "1-2/tcp"] {
            config.config.exposed_ports.insert(port.to_owned(), image::Empty {});
        }
        config.config.volumes.insert("/data".to_owned(), image::Empty {});
        let seen = Seen::new("sha256:a".into(), &config);
        assert_eq!(seen.opened.ports, [80, 9000]);
        assert_eq!(seen.opened.volumes, ["/data"]);
        assert_eq!(reference("h/a:1", "sha256:b"), "h/a:1@sha256:b");
        assert_eq!(reference("h/a@sha256:c", "sha256:c"), "h/a@sha256:c");
    }
}
