//! Dockerfiles to images: parse, evaluate, cache.
//!
//! Knows nothing of apps or Kubernetes: files and a Dockerfile come in, one image in the store
//! comes out. `RUN` goes through [`pod::Pods::run_step`]; everything else is done here on a
//! mounted root. Start reading at `plan.rs` (which stages, all errors first), then `stage.rs`
//! (one instruction after the other) and `copy.rs`.

use std::path::PathBuf;

use pod::Pods;

mod error;

pub use error::Error;

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
pub fn build(
    _images: &image::Images,
    _pods: &Pods,
    _request: &Request,
    _progress: &mut dyn FnMut(Event),
) -> Result<Built> {
    unimplemented!()
}
