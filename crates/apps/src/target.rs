//! Where an app runs: a Kubernetes API, and the store its images are built into.

use std::net::SocketAddr;
use std::path::PathBuf;

use image::Images;
use kube::Client;
use pod::Pods;

/// Everything the verbs need of the place where apps run. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    /// The Kubernetes API, in process or far away.
    pub client: Client,
    /// The image store that the node starts pods from.
    pub images: Images,
    /// Runs build steps.
    pub pods: Pods,
    /// Where the front door answers plain HTTP; its port goes into the app's address.
    pub http: SocketAddr,
    /// CA certificates (PEM) offered to build steps, for networks that re-sign TLS.
    pub build_ca: Option<PathBuf>,
    /// A folder of this room's own (0700): code on its way in, backups, snapshots.
    pub keep: PathBuf,
}

impl Target {
    /// The address of an app: `http://<app>.localhost`, with the port if it is not 80.
    pub fn url(&self, app: &str) -> String {
        match self.http.port() {
            80 => format!("http://{app}.localhost"),
            port => format!("http://{app}.localhost:{port}"),
        }
    }
}
