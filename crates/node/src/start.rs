//! All loops of the node, started together and ended together.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use net::Net;
use pod::Pods;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::error::Error;
use crate::events::Recorder;
use crate::host::Host;
use crate::kubelet::Door;
use crate::{disks, machine, policies, services, usage, workers};

/// How long loops may take to end before they are left behind.
const END: Duration = Duration::from_secs(10);

/// What a node needs to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Name of the Node object; pods are bound to it.
    pub name: String,
    /// Durable state.
    pub data_dir: PathBuf,
    /// State that ends with the machine.
    pub run_dir: PathBuf,
    /// Directories of persistent volumes; nothing outside is ever created or removed.
    pub volumes_dir: PathBuf,
    /// Name server given to pods.
    pub cluster_dns: Ipv4Addr,
    /// Zone of service names.
    pub cluster_domain: String,
    /// Where images that are not here come from; without it they are not fetched.
    pub registry: Option<registry::Client>,
    /// Time between signs of life.
    pub heartbeat: Duration,
}

impl Settings {
    /// The usual settings; volumes lie in `<data_dir>/volumes`.
    pub fn new(name: &str, data_dir: &Path, run_dir: &Path, cluster_dns: Ipv4Addr) -> Self {
        Self {
            name: name.to_owned(),
            data_dir: data_dir.to_owned(),
            run_dir: run_dir.to_owned(),
            volumes_dir: data_dir.join("volumes"),
            cluster_dns,
            cluster_domain: "cluster.local".to_owned(),
            registry: None,
            heartbeat: Duration::from_secs(10),
        }
    }
}

/// A running node. Dropping it ends its loops but no container.
pub struct Node {
    loops: JoinSet<()>,
    end: watch::Sender<bool>,
    door: Door,
}

impl Node {
    /// Registers the machine and starts all loops; `door` answers from now on.
    pub async fn start(
        client: kube::Client,
        pods: Pods,
        net: Net,
        settings: Settings,
        door: Door,
    ) -> Result<Self, Error> {
        let mut loops = JoinSet::new();
        let (recorder, events) = Recorder::new(&settings.name);
        loops.spawn(events.run(client.clone()));
        let host = Arc::new(Host::new(client, pods, net, settings, recorder));
        machine::register(&host).await?;
        door.open(host.clone());
        let (end, ended) = watch::channel(false);
        loops.spawn(machine::heartbeat(host.clone()));
        loops.spawn(workers::run(host.clone(), ended));
        loops.spawn(services::run(host.clone()));
        loops.spawn(policies::run(host.clone()));
        loops.spawn(usage::run(host.clone()));
        loops.spawn(disks::run(host));
        Ok(Self { loops, end, door })
    }

    /// The kubelet's routes.
    pub fn kubelet(&self) -> axum::Router {
        self.door.router()
    }

    /// Ends all loops; what is being done to a pod at this moment is finished first, within 10 s.
    /// Containers go on.
    pub async fn stop(mut self) {
        self.door.close();
        // The workers' loop listens; the others have nothing to finish.
        let _gone = self.end.send(true);
        let wait =
            async { while self.loops.join_next().await.is_some_and(|ended| ended.is_err()) {} };
        if tokio::time::timeout(END, wait).await.is_err() {
            tracing::warn!("loops of the node did not end in time");
        }
        self.loops.shutdown().await;
    }
}
