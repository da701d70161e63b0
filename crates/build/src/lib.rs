//! Dockerfiles to images: parse, evaluate, cache.
//!
//! Knows nothing of apps or Kubernetes: files and a Dockerfile come in, one image in the store
//! comes out. `RUN` goes through [`pod::Pods::run_step`]; everything else is done here on a
//! mounted root. Start reading at `plan.rs` (which stages, all errors first), then `stage.rs`
//! (one instruction after the other) and `copy.rs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::{ImageConfig, Images, Reference};
use pod::Pods;

use crate::sources::Tree;
use crate::stage::{Builder, Runner};

mod add;
mod copy;
mod dockerfile;
mod error;
mod ignore;
mod plan;
mod pull;
mod run;
mod settings;
mod sources;
mod stage;
mod words;

pub use error::{Error, Problem};
pub use ignore::Ignore;

/// The result of every door of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What to build.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The directory `COPY` and `ADD` read from.
    pub context: PathBuf,
    /// The Dockerfile; `<context>/Dockerfile` when absent.
    pub dockerfile: Option<PathBuf>,
    /// The stage to build; the last when absent.
    pub target: Option<String>,
    /// Values for `ARG`, in order.
    pub args: Vec<(String, String)>,
    /// The name the image gets.
    pub name: Option<String>,
    /// A CA bundle for the network of `RUN` steps; never part of the image.
    pub ca_bundle: Option<PathBuf>,
    /// Runs every step even when its result is known.
    pub no_cache: bool,
    /// Where images come from that are not here, for `FROM` and `COPY --from`, with the logins it
    /// knows; without it only what is here is taken. It is asked from the runtime of the thread
    /// that builds.
    pub registry: Option<registry::Client>,
    /// Asks the registry even for images that came from it before.
    pub pull: bool,
    /// Set to true from another thread to stop the build.
    pub cancel: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

/// Progress of a build, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step begins, or was found in the cache.
    Step {
        /// From 1.
        index: usize,
        /// Of all stages that are built.
        count: usize,
        /// The instruction.
        text: String,
        /// Its result was known.
        cached: bool,
    },
    /// One line a step printed.
    Output(String),
    /// What the making of a base image does now.
    Base(String),
}

/// The image that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The manifest's digest.
    pub digest: String,
    /// The image.
    pub image: image::Image,
    /// Steps whose result was known.
    pub cached_steps: usize,
    /// All steps.
    pub steps: usize,
}

/// Builds an image. Nothing half-made is visible when it fails or is cancelled.
///
/// # Errors
/// [`Error::Syntax`] with all errors of the Dockerfile before anything is run; otherwise the
/// first step that failed, with its line, its last output and what to try.
pub fn build(
    images: &Images,
    pods: &Pods,
    request: &Request,
    progress: &mut dyn FnMut(Event),
) -> Result<Built> {
    build_with(images, &mut |step| pods.run_step(step), request, progress)
}

fn build_with<'a>(
    images: &'a Images,
    run: &'a mut Runner<'a>,
    request: &'a Request,
    progress: &'a mut dyn FnMut(Event),
) -> Result<Built> {
    if let Some(name) = &request.name {
        Reference::parse(name).map_err(|source| Error::Store(Box::new(source)))?;
    }
    let path = request.dockerfile.clone().unwrap_or_else(|| request.context.join("Dockerfile"));
    let text = read(&path)?.ok_or_else(|| Error::Request {
        what: format!("there is no Dockerfile at {}", path.display()),
        help: "write one that begins with FROM debian:12, or name another".to_owned(),
    })?;
    let syntax = |problems| Error::Syntax { path: path.clone(), problems };
    let instructions = dockerfile::parse(&text).map_err(syntax)?;
    let plan =
        plan::plan(instructions, &request.args, request.target.as_deref()).map_err(syntax)?;
    let context = Tree {
        root: image::rooted::directory(&request.context).map_err(|errno| Error::Io {
            operation: "open build context",
            path: request.context.clone(),
            source: errno.into(),
        })?,
        ignore: ignore_file(&request.context, &path)?,
        keeps_owners: false,
    };
    let _hold = images.hold();
    let mut builder = Builder {
        images,
        run,
        request,
        progress,
        path: path.clone(),
        context,
        plan,
        done: BTreeMap::new(),
        index: 0,
        cached: 0,
        added: 0,
    };
    let state = builder.all()?;
    let (cached_steps, steps) = (builder.cached, builder.index);
    let mut config = ImageConfig::empty();
    config.config = state.config;
    config.author = state.author;
    config.history = state.history;
    let image = images
        .write(None, config, state.layers, request.name.as_deref())
        .map_err(|source| Error::Store(Box::new(source)))?;
    Ok(Built { digest: image.digest.clone(), image, cached_steps, steps })
}

/// The history of an app's edits stands beside its file and belongs to no image.
const OURS: &str = ".shelf\n";

/// The ignore file: `<Dockerfile>.dockerignore` beside it, or the context's own.
fn ignore_file(context: &Path, dockerfile: &Path) -> Result<Ignore> {
    let mut name = dockerfile.as_os_str().to_owned();
    name.push(".dockerignore");
    for path in [PathBuf::from(name), context.join(".dockerignore")] {
        if let Some(text) = read(&path)? {
            return Ok(Ignore::parse(&format!("{OURS}{}", text.trim_start_matches('\u{feff}'))));
        }
    }
    Ok(Ignore::parse(OURS))
}

/// A text file; None when there is none.
fn read(path: &Path) -> Result<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { operation: "read", path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests;
