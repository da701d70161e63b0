//! The Docker Engine API (v1.24 to v1.48): Docker's protocol translated to pods, images, builds.
//!
//! Knows nothing of Kubernetes. A Docker container is one pod of no namespace with one container
//! named `main`; what only Docker wants to know of it (name, labels, the request as sent) is kept
//! in `<data>/docker/<id>.json`, described in `docs/formats/docker.md`. What is not supported is
//! refused with 501 and the option's name, never ignored. Start reading at [`router`], then
//! `containers.rs` (what is known), `life.rs` (start, end, remove) and `attach.rs` (streams).

mod api;
mod attach;
mod builds;
mod containers;
mod create;
mod distribution;
mod entry;
mod error;
mod exec;
mod filters;
mod images;
mod inspect;
mod life;
mod logs;
mod options;
mod record;
mod signal;
mod stats;
mod streams;
mod system;
mod values;

use std::path::PathBuf;

pub use api::router;
pub use error::Error;

/// What the Docker API is served from.
#[derive(Clone)]
pub struct Settings {
    /// Where containers run.
    pub pods: pod::Pods,
    /// Where images are.
    pub images: image::Images,
    /// Where images come from and go to.
    pub registry: registry::Client,
    /// Containers' records are kept in `docker/` below it.
    pub data_dir: PathBuf,
    /// A CA bundle for the network of build steps; never part of an image.
    pub build_ca: Option<PathBuf>,
    /// This program's version.
    pub version: String,
}
