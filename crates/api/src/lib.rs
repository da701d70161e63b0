//! The Kubernetes API over the store: one generic path for every kind.
//!
//! Objects are raw JSON from the client to the disk and back; what a kind *is* lives in the
//! `kinds` room, what a key is lives in `store`. This room knows nothing of controllers or of
//! pods on disk: streams that need a node (logs, exec, attach) are passed to the kubelet router
//! given at start.
//!
//! Start reading at `route.rs` (one request becomes one operation), then `write.rs`.

use std::net::Ipv4Addr;

pub mod pki;
pub mod tls;

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
    #[error("create the first namespaces")]
    Namespaces(#[source] store::Error),
    /// The service range is too small or badly written.
    #[error("service range {0}/{1} is not usable: give a network of /12 to /28")]
    ServiceRange(Ipv4Addr, u8),
    /// A key or certificate could not be made, read or written.
    #[error("{operation} {path}")]
    Pki {
        /// What was tried.
        operation: &'static str,
        /// The file it was tried on.
        path: std::path::PathBuf,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The TLS configuration was refused by rustls.
    #[error("configure TLS")]
    Tls(#[source] rustls::Error),
}

/// The API: cheap to clone, every clone serves the same store.
#[derive(Clone)]
pub struct Api {}

impl Api {
    /// Opens the API over `store`; streams of pods go to `kubelet`.
    ///
    /// Makes the namespaces every cluster has.
    ///
    /// # Errors
    /// When those namespaces cannot be written or the service range is unusable.
    pub async fn new(
        _store: store::Store,
        _kubelet: axum::Router,
        _settings: Settings,
    ) -> Result<Self, Error> {
        unimplemented!()
    }

    /// The API without authentication, for the in-process client and a root-only socket.
    pub fn router(&self) -> axum::Router {
        unimplemented!()
    }
}
