//! The control loops: desired objects become other objects, and pods find a node.
//!
//! An ordinary client of the Kubernetes API: it would run against any cluster.
//! It knows nothing of machines, images or storage on disk; the node room makes
//! bound pods and volume directories real.

use std::future::Future;
use std::path::PathBuf;

/// What the loops need to know from outside.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory under which persistent volumes of class `local` get their own directory.
    pub volumes_dir: PathBuf,
    /// The cluster's CA certificate (PEM), published as ConfigMap `kube-root-ca.crt` in each namespace.
    pub ca_pem: String,
    /// First delay before a failed Job pod is replaced; doubles with each failure.
    pub job_back_off: std::time::Duration,
}

impl Settings {
    /// Settings with the usual delays.
    #[must_use]
    pub fn new(volumes_dir: PathBuf, ca_pem: String) -> Self {
        Self { volumes_dir, ca_pem, job_back_off: std::time::Duration::from_secs(10) }
    }
}

/// Why the loops could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

/// Runs every loop until `shutdown` resolves.
///
/// # Errors
/// Fails only if the loops cannot be started; a loop that fails later is retried.
pub async fn run(
    client: kube::Client,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let _ = (client, settings);
    shutdown.await;
    Ok(())
}
