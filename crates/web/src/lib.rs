//! The verbs of the apps room over HTTP: for the command line on a unix socket, for the canvas in
//! a browser on a TCP address of this machine.
//!
//! Knows nothing of objects, containers or files of apps. The work of a verb belongs to the
//! server, not to the connection: a client that goes away stops nothing, and what a verb has said
//! is told to everyone who comes later (`operations.rs`, `stream.rs`).
//!
//! The socket is its own authentication: mode 0600, checked peer. Behind the address stand
//! `guard.rs` and `session.rs`. `docs/formats/verbs.md` describes every request and answer.
//! Start reading at [`Web`].

mod answer;
mod app;
mod asset;
mod begin;
mod care;
mod catalogues;
mod code;
mod data;
mod edits;
mod error;
mod export;
mod git;
mod guard;
mod import;
mod inside;
mod kubernetes;
mod life;
mod listen;
mod model;
mod modules;
mod moves;
mod operations;
mod person;
mod routes;
mod session;
mod stream;
mod targets;
mod terminal;
mod upgrade;
mod verbs;
mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apps::{Metrics, Registry, Target};
use axum::Router;
use futures::future::BoxFuture;
use serde_json::Value;

pub use error::Error;
pub use listen::listen;

use crate::operations::Operations;
use crate::person::Person;
use crate::session::Sessions;
use crate::stream::Hub;
use crate::watch::Watch;

/// Asks what the front door has counted on each route.
pub type Requests = Arc<dyn Fn() -> BoxFuture<'static, Vec<apps::Requests>> + Send + Sync>;

/// What the room is given.
#[derive(Clone)]
pub struct Settings {
    /// Where the verbs work.
    pub target: Target,
    /// The server's data directory; sessions lie in `canvas`, apps made here in `apps`.
    pub data_dir: PathBuf,
    /// What `GET /v1/version` answers.
    pub about: Value,
    /// Where the canvas listens, if it does.
    pub canvas: Option<SocketAddr>,
    /// Asks the front door what it has counted, if it can be asked.
    pub requests: Option<Requests>,
    /// The name of who runs the server, for histories and for the canvas.
    pub owner: String,
}

/// The room, opened: what its two doors share.
#[derive(Clone)]
pub struct Web {
    door: Door,
    requests: Option<Requests>,
}

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) target: Target,
    pub(crate) registry: Registry,
    pub(crate) operations: Arc<Operations>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) models: Arc<model::Models>,
    pub(crate) about: Arc<Value>,
    pub(crate) canvas: Option<SocketAddr>,
    pub(crate) owner: Person,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) data_dir: Arc<Path>,
    pub(crate) elsewhere: Arc<targets::Elsewhere>,
}

impl Door {
    /// Cookies know no ports: each server of a machine has one of its own.
    pub(crate) fn cookie_name(&self) -> String {
        format!("shelf_{}", self.canvas.map_or(0, |address| address.port()))
    }
}

impl Web {
    /// Opens the room.
    ///
    /// # Errors
    /// The data directory cannot be read or written.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let sessions = Sessions::open(&settings.data_dir.join("canvas"))?;
        let registry = Registry::open(&settings.data_dir.join("apps"))
            .map_err(|error| Error::Registry(Box::new(error)))?;
        // Numbers go on from server to server, so that none is used for two things: nothing
        // tells a thousand things in each millisecond.
        let first = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0) * 1000;
        let targets = apps::Targets::open(&settings.data_dir.join("targets"))
            .map_err(|error| Error::Registry(Box::new(error)))?;
        let hub = Arc::new(Hub::new(first));
        Ok(Self {
            door: Door {
                operations: Arc::new(Operations::new(hub.clone(), first / 1000)),
                target: settings.target.clone(),
                registry,
                sessions: Arc::new(sessions),
                hub,
                watch: Arc::new(Watch::default()),
                models: Arc::new(model::Models::default()),
                about: Arc::new(settings.about),
                canvas: settings.canvas,
                owner: Person::named(&settings.owner),
                metrics: Arc::new(Metrics::default()),
                data_dir: settings.data_dir.into(),
                elsewhere: Arc::new(targets::Elsewhere::new(targets, settings.target)),
            },
            requests: settings.requests,
        })
    }

    /// The routes for the unix socket, whose peers are the owner.
    pub fn socket_router(&self) -> Router {
        routes::socket(&self.door)
    }

    /// The routes for the canvas's address.
    pub fn canvas_router(&self) -> Router {
        routes::canvas(&self.door)
    }

    /// Takes figures of what apps use, for as long as this is waited for.
    pub async fn measure(&self) {
        inside::measure(self.door.clone(), self.requests.clone()).await;
    }

    /// A link that opens the canvas once, if it listens.
    ///
    /// # Errors
    /// The machine gives no random bytes.
    pub fn link(&self) -> Result<Option<String>, Error> {
        routes::link(&self.door, self.door.owner.clone())
    }
}
