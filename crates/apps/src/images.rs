//! Images for blocks: built where the source changed, found again where it did not.
//!
//! At most two builds run at the same time; each runs on a thread that may block and is told to
//! end when the verb's future is dropped. Where next: the `build` room.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use composer::Images;
use composer::graph::{Build, From};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::event::{BlockState, Event, Events};
use crate::load::Loaded;
use crate::progress::Clock;
use crate::release::Release;
use crate::{Error, Result, Target, borrowed, catalogues, stock};

const PARALLEL: usize = 2;
const LAST_LINES: usize = 15;

/// What the builds of one go gave.
#[derive(Default)]
pub(crate) struct Built {
    /// The image of each block, by digest.
    pub(crate) images: Images,
    pub(crate) steps: usize,
    pub(crate) cached: usize,
}

/// The image of a block as pods name it.
pub(crate) fn reference(app: &str, block: &str, digest: &str) -> String {
    format!("shelf.local/{app}/{block}@{digest}")
}

const NOTHING: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Whether an image was built here, and so is here or nowhere.
pub(crate) fn is_ours(image: &str) -> bool {
    image.starts_with("shelf.local/")
}

/// The image of a block that is not built yet: its digest is nobody's, so it differs from any that
/// runs.
pub(crate) fn unbuilt(app: &str, block: &str) -> String {
    reference(app, block, NOTHING)
}

/// Whether an image is one of those.
pub(crate) fn is_unbuilt(image: &str) -> bool {
    image.ends_with(NOTHING)
}

/// The images that the last release used and that still fit: same source, still in the store.
pub(crate) fn known(
    target: &Target,
    release: Option<&Release>,
    sources: &BTreeMap<String, String>,
) -> Images {
    let Some(release) = release else { return Images::new() };
    let fits = |(block, image): &(&String, &String)| {
        is_ours(image)
            && release.sources.get(*block) == sources.get(*block)
            && image
                .split_once('@')
                .is_some_and(|(_, digest)| matches!(target.images.find(digest), Ok(Some(_))))
    };
    release
        .images
        .iter()
        .filter(fits)
        .map(|(block, image)| (block.clone(), image.clone()))
        .collect()
}

/// Builds what is not in `known`, after what nobody builds was fetched.
pub(crate) async fn build_missing(
    target: &Target,
    loaded: &Loaded,
    known: Images,
    no_cache: bool,
    clock: &Clock,
    events: Events<'_>,
) -> Result<Built> {
    borrowed::fetch(target, loaded, clock, events).await?;
    let mut known = known;
    known.extend(borrowed::pinned(loaded));
    let unknown = |one: &Build| !known.contains_key(&one.block);
    let lacking = loaded.graph.builds().into_iter().filter(unknown).map(|one| one.block).collect();
    if !no_cache {
        known.extend(catalogues::images(target, loaded, &lacking, clock, events).await?);
    }
    let missing: Vec<Build> =
        loaded.graph.builds().into_iter().filter(|one| !known.contains_key(&one.block)).collect();
    let mut built = Built { images: known, ..Built::default() };
    let (sender, mut lines) = mpsc::unbounded_channel();
    let app = loaded.graph.app.clone();
    for one in &missing {
        let detail = format!("from {}", one.from);
        events(clock.block(&one.block, BlockState::Building, detail));
    }
    let task = |one: Build| {
        let job = Job::new(target, loaded, &one, no_cache);
        run(one.block, job, sender.clone())
    };
    let tasks: Vec<_> = missing.into_iter().map(task).collect();
    drop(sender);
    let mut tasks = futures::stream::iter(tasks).buffer_unordered(PARALLEL);
    loop {
        tokio::select! {
            biased;
            Some(event) = lines.recv() => events(event),
            done = tasks.next() => {
                let Some(done) = done else { break };
                // What was printed last comes before the verdict.
                while let Ok(event) = lines.try_recv() {
                    events(event);
                }
                let (block, result) = done?;
                built.steps += result.steps;
                built.cached += result.cached_steps;
                let detail = format!("{} steps, {} cached", result.steps, result.cached_steps);
                events(clock.block(&block, BlockState::Built, detail));
                built.images.insert(block.clone(), reference(&app, &block, &result.digest));
            }
        }
    }
    Ok(built)
}

/// One build, ready to run on a thread of its own.
struct Job {
    target: Target,
    module: Option<String>,
    request: build::Request,
    /// The name with a digest that the image gets as well, without the tag.
    name: Option<String>,
}

impl Job {
    fn new(target: &Target, loaded: &Loaded, one: &Build, no_cache: bool) -> Self {
        let name = format!("shelf.local/{}/{}", loaded.graph.app, one.block);
        let mut how = composer::Dockerfile::default();
        let (module, context) = match &one.from {
            From::Module { name, version, build } => {
                match catalogues::taken_as(&loaded.around, name, version) {
                    Some(one) => (None, one.folder.join(build.as_deref().unwrap_or("."))),
                    None => (Some(stock::folder(name, version)), PathBuf::new()),
                }
            }
            From::Local { path, build, .. } => {
                let folder = loaded.dir.join(path).join(build.as_deref().unwrap_or("."));
                (None, folder.components().collect())
            }
            // Nothing is built for a service from outside, nor for an image.
            From::External { .. } | From::Image { .. } => (None, PathBuf::new()),
            // Without the `.` of `./web`, which every message would carry.
            From::Source { path, build } => {
                how = build.clone();
                (None, loaded.dir.join(path).components().collect::<PathBuf>())
            }
        };
        let request = build::Request {
            dockerfile: how.path.map(|path| context.join(path)),
            target: how.target,
            args: how.args.into_iter().collect(),
            context,
            name: Some(format!("{name}:latest")),
            ca_bundle: target.build_ca.clone(),
            registry: Some(target.registry.clone()),
            no_cache,
            ..build::Request::default()
        };
        Self { target: target.clone(), module, request, name: Some(name) }
    }

    fn run(
        mut self,
        block: &str,
        events: &mpsc::UnboundedSender<Event>,
        last: &mut Vec<String>,
    ) -> Result<build::Built> {
        let failed = |source| Error::Read { path: PathBuf::from("a build context"), source };
        let scratch = match &self.module {
            Some(module) => {
                let dir =
                    tempfile::Builder::new().prefix("shelf-module-").tempdir().map_err(failed)?;
                stock::write_context(module, dir.path()).map_err(failed)?;
                self.request.context = dir.path().to_owned();
                Some(dir)
            }
            None => None,
        };
        let mut report = |event| {
            if let build::Event::Output(line) = &event {
                last.push(line.clone());
                if last.len() > LAST_LINES {
                    last.remove(0);
                }
            }
            // Nobody listens any more when the verb was cancelled; the build ends by its flag.
            let _gone = events.send(translate(block, event));
        };
        let target = &self.target;
        let result = build::build(&target.images, &target.pods, &self.request, &mut report);
        drop(scratch);
        let built = result.map_err(|source| Error::Build {
            block: block.to_owned(),
            source: Box::new(source),
            lines: std::mem::take(last),
        })?;
        if let Some(name) = &self.name {
            tag(target, &built.image, name)?;
        }
        Ok(built)
    }
}

/// Tells a build to end when nobody waits for it any more.
struct EndOnDrop(Arc<AtomicBool>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn run(
    block: String,
    job: Job,
    events: mpsc::UnboundedSender<Event>,
) -> Result<(String, build::Built)> {
    let guard = EndOnDrop(job.request.cancel.clone());
    let name = block.clone();
    let task = tokio::task::spawn_blocking(move || job.run(&name, &events, &mut Vec::new()));
    let result = task
        .await
        .map_err(|source| Error::Task { what: format!("the build of {block}"), source })?;
    drop(guard);
    Ok((block, result?))
}

fn translate(block: &str, event: build::Event) -> Event {
    let block = block.to_owned();
    match event {
        build::Event::Step { index, count, text, cached } => {
            Event::BuildStep { block, index, count, text, cached }
        }
        build::Event::Output(line) => Event::BuildOutput { block, line },
        build::Event::Base(text) => Event::Base { block, text },
    }
}

/// A build by itself, outside of any app.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BuildOptions {
    /// The folder to build from.
    pub context: PathBuf,
    /// The Dockerfile, if it is not `Dockerfile` in the context.
    #[serde(default)]
    pub dockerfile: Option<PathBuf>,
    /// The name of the image.
    #[serde(default)]
    pub name: Option<String>,
    /// The stage to build, if not the last.
    #[serde(default)]
    pub target: Option<String>,
    /// Values for `ARG`.
    #[serde(default)]
    pub args: Vec<(String, String)>,
    /// Whether to run every step again.
    #[serde(default)]
    pub no_cache: bool,
    /// Whether registries are asked for images that came from them before.
    #[serde(default)]
    pub pull: bool,
}

/// The result of [`build`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildReport {
    /// The image's digest.
    pub digest: String,
    /// The name it was given.
    pub name: Option<String>,
    /// How many steps there were.
    pub steps: usize,
    /// How many of them were cached.
    pub cached_steps: usize,
}

/// Builds an image from a folder with a Dockerfile.
///
/// # Errors
/// The build failed; the last lines of the failing step are in the error.
pub async fn build(
    target: &Target,
    options: BuildOptions,
    events: Events<'_>,
) -> Result<BuildReport> {
    let label = options.name.clone().unwrap_or_else(|| "image".into());
    let request = build::Request {
        context: options.context,
        dockerfile: options.dockerfile,
        target: options.target,
        args: options.args,
        name: options.name.clone(),
        ca_bundle: target.build_ca.clone(),
        registry: Some(target.registry.clone()),
        no_cache: options.no_cache,
        pull: options.pull,
        ..build::Request::default()
    };
    let job = Job { target: target.clone(), module: None, request, name: None };
    let (sender, mut lines) = mpsc::unbounded_channel();
    let task = run(label, job, sender);
    tokio::pin!(task);
    let (_, built) = loop {
        tokio::select! {
            biased;
            Some(event) = lines.recv() => events(event),
            done = &mut task => break done?,
        }
    };
    while let Ok(event) = lines.try_recv() {
        events(event);
    }
    Ok(BuildReport {
        digest: built.digest,
        name: options.name,
        steps: built.steps,
        cached_steps: built.cached_steps,
    })
}

/// An image of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageReport {
    /// Its digest.
    pub digest: String,
    /// Its names.
    pub names: Vec<String>,
    /// The size of its layers as stored, in bytes.
    pub size_bytes: u64,
}

/// The images of the target's store.
///
/// # Errors
/// The store cannot be read.
pub async fn images(target: &Target) -> Result<Vec<ImageReport>> {
    let images = target.images.clone();
    let list = tokio::task::spawn_blocking(move || images.list())
        .await
        .map_err(|source| Error::Task { what: "the list of images".into(), source })?
        .map_err(|source| Error::Image { what: "list".into(), source })?;
    let report = |image: image::Image| ImageReport {
        size_bytes: image.layers.iter().map(|layer| layer.size).sum(),
        digest: image.digest,
        names: image.names,
    };
    Ok(list.into_iter().map(report).collect())
}
/// The part of a digest that people are shown, and that tags are made of.
pub(crate) fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(12).collect()
}

/// Gives an image the tag that says which one it is, so that it is kept under `name`.
pub(crate) fn tag(target: &Target, image: &image::Image, name: &str) -> Result<()> {
    let tag = format!("{name}:{}", short(&image.digest));
    let tagged = target.images.tag(image, &tag);
    tagged.map_err(|source| Error::Image { what: format!("tag {tag}"), source })
}
