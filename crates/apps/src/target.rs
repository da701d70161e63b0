//! Where an app runs: a Kubernetes API, and the store its images are built into.
//! Where next: `cluster.rs` for a target that is not this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use composer::Images;
use image::Images as Store;
use kube::Client;
use pod::Pods;

use crate::around::Around;
use crate::cluster::Cluster;

/// What this machine is called among targets.
pub const HERE: &str = "local";

/// Everything the verbs need of the place where apps run. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    /// The Kubernetes API, in process or far away.
    pub client: Client,
    /// The image store that images are built into, and that this machine starts pods from.
    pub images: Store,
    /// Runs build steps; and the pods, where apps run on this machine.
    pub pods: Pods,
    /// Where the front door of this machine answers plain HTTP; its port goes into the app's
    /// address.
    pub http: SocketAddr,
    /// Where images come from that are not here, with the logins of this machine.
    pub registry: registry::Client,
    /// CA certificates (PEM) offered to build steps, for networks that re-sign TLS.
    pub build_ca: Option<PathBuf>,
    /// A folder of this room's own (0700): code on its way in, backups, snapshots.
    pub keep: PathBuf,
    /// The cluster that apps run on, if it is not this machine.
    pub cluster: Option<Arc<Cluster>>,
}

impl Target {
    /// Its name: `local` for this machine.
    pub fn name(&self) -> &str {
        self.cluster.as_ref().map_or(HERE, |cluster| &cluster.settings.name)
    }

    /// The address of an app: on this machine `http://<app>.localhost`, with the port if it is not
    /// 80; elsewhere as the target's `address` says, or nothing.
    pub fn url(&self, app: &str) -> String {
        match (&self.cluster, self.http.port()) {
            (Some(cluster), _) => cluster.url(app).unwrap_or_default(),
            (None, 80) => format!("http://{app}.localhost"),
            (None, port) => format!("http://{app}.localhost:{port}"),
        }
    }

    /// Says so if apps run on this machine and little is left of its disk.
    pub(crate) fn little_space(&self) -> Option<String> {
        let here = self.cluster.is_none();
        here.then(|| crate::space::little(self.keep.parent().unwrap_or(&self.keep))).flatten()
    }

    /// A folder of this room's own for what belongs to apps of this target.
    pub(crate) fn kept(&self) -> PathBuf {
        match &self.cluster {
            None => self.keep.clone(),
            Some(cluster) => self.keep.join("targets").join(&cluster.settings.name),
        }
    }

    /// The images as pods of this target name them, with those of other apps that wires reach.
    pub(crate) fn images_there(&self, own: &Images, around: &Around) -> Images {
        let all = own.clone().into_iter().chain(around.images());
        let there = |image: String| match &self.cluster {
            None => image,
            Some(cluster) => cluster.image(&image),
        };
        all.map(|(block, image)| (block, there(image))).collect()
    }
}
