//! The Kubernetes API over the store: one generic path for every kind.
//!
//! Objects are raw JSON from the client to the disk and back; what a kind *is* lives in the
//! `kinds` room, what a key is lives in `store`. This room knows nothing of controllers or of
//! pods on disk: streams that need a node (logs, exec, attach) are passed to the kubelet router
//! given at start.
//!
//! Start reading at `route.rs` (one request becomes one operation), then `write.rs`.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use tower::ServiceExt as _;
//! let store = store::Store::open_in_memory().unwrap();
//! let settings = api::Settings {
//!     service_cidr: ("10.96.0.0".parse().unwrap(), 16),
//!     version: "0.1.0".into(),
//! };
//! let api = api::Api::new(store, axum::Router::new(), settings).await.unwrap();
//! let request = http::Request::get("/api/v1/namespaces/default").body(axum::body::Body::empty());
//! let answer = api.router().oneshot(request.unwrap()).await.unwrap();
//! assert_eq!(answer.status(), 200);
//! # });
//! ```

mod route;

mod body;
mod call;
mod delete;
mod discovery;
mod encode;
mod filter;
mod kubelet;
mod metrics;
mod namespace;
mod object;
mod output;
mod patch;
mod protobuf;
mod read;
mod review;
mod service;
mod status;
mod subresource;
mod watch;
mod write;

pub mod pki;
pub mod tls;

use bytes::Bytes;
use serde_json::json;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What the API must be told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Range from which services get their stable address: network and prefix length.
    pub service_cidr: (Ipv4Addr, u8),
    /// Our own version, shown in `/version` next to the Kubernetes version we speak.
    pub version: String,
}

/// Why the API could not start or serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A namespace every cluster has could not be written.
    #[error("create namespace {name}: {reason}")]
    Namespace {
        /// The namespace.
        name: &'static str,
        /// What the API said.
        reason: String,
    },
    /// The service range is too small or too large.
    #[error("service range {0}/{1} is not usable: give a network of /12 to /28")]
    ServiceRange(Ipv4Addr, u8),
    /// A file with a key, certificate or token could not be read or written.
    #[error("{operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate could not be made or understood.
    #[error("make certificate {path}")]
    Certificate {
        /// The file it is kept in.
        path: PathBuf,
        /// What was wrong.
        #[source]
        source: rcgen::Error,
    },
    /// The TLS configuration was refused.
    #[error("configure TLS: {reason}")]
    Tls {
        /// What was wrong.
        reason: String,
    },
}

/// The API: cheap to clone, every clone serves the same store.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    store: store::Store,
    kubelet: axum::Router,
    settings: Settings,
    /// Held while a Service gets its address and is written.
    allocation: tokio::sync::Mutex<()>,
    /// OpenAPI documents by group and version, written out once.
    schemas: Mutex<HashMap<(String, String), Bytes>>,
}

impl Api {
    /// Opens the API over `store`; streams of pods go to `kubelet`.
    ///
    /// Makes the namespaces every cluster has.
    ///
    /// # Errors
    /// When those namespaces cannot be written or the service range is unusable.
    pub async fn new(
        store: store::Store,
        kubelet: axum::Router,
        settings: Settings,
    ) -> Result<Self, Error> {
        let (network, prefix) = settings.service_cidr;
        if !(12..=28).contains(&prefix) {
            return Err(Error::ServiceRange(network, prefix));
        }
        let allocation = tokio::sync::Mutex::new(());
        let schemas = Mutex::new(HashMap::new());
        let api = Self(Arc::new(Inner { store, kubelet, settings, allocation, schemas }));
        for name in namespace::FIRST {
            api.create_namespace(name).await?;
        }
        Ok(api)
    }

    async fn create_namespace(&self, name: &'static str) -> Result<(), Error> {
        let failed = |reason: String| Error::Namespace { name, reason };
        let kind = kinds::find("", "v1", "namespaces")
            .ok_or_else(|| failed("the table of kinds has no namespaces".into()))?;
        if self.store().get(&encode::key(kind, None, name)).is_some() {
            return Ok(());
        }
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let result =
            write::Write::internal(self, kind).create(object, write::Ownership::Track).await;
        result.map(drop).map_err(|failure| failed(failure.status()["message"].to_string()))
    }

    /// The API without authentication, for the in-process client and a root-only socket.
    pub fn router(&self) -> axum::Router {
        axum::Router::new().fallback(route::handle).with_state(self.clone())
    }

    pub(crate) fn store(&self) -> &store::Store {
        &self.0.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn allocation(&self) -> &tokio::sync::Mutex<()> {
        &self.0.allocation
    }

    pub(crate) fn kubelet(&self) -> axum::Router {
        self.0.kubelet.clone()
    }

    /// The OpenAPI v3 document of one group version.
    pub(crate) fn schema(&self, group: &str, version: &str) -> Option<Bytes> {
        let key = (group.to_owned(), version.to_owned());
        let mut schemas = self.0.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = schemas.get(&key) {
            return Some(bytes.clone());
        }
        let bytes = Bytes::from(kinds::openapi::v3(group, version)?.to_string());
        schemas.insert(key, bytes.clone());
        Some(bytes)
    }
}
