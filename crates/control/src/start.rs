//! Joins the loops: watches first, then the loops, each restarted when it stops.

use crate::autoscaler::Autoscalers;
use crate::cache::Cache;
use crate::cluster::Cluster;
use crate::cron_job::CronJobs;
use crate::deployment::Deployments;
use crate::disruption::Disruption;
use crate::endpoints::Endpoints;
use crate::error::Error;
use crate::event;
use crate::garbage::Garbage;
use crate::job::Jobs;
use crate::leftover::Leftovers;
use crate::namespace::Namespaces;
use crate::replica_set::ReplicaSets;
use crate::resource::Resource;
use crate::scheduler::Scheduler;
use crate::stateful_set::StatefulSets;
use crate::volume::Volumes;
use crate::watch;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What the loops need to know from outside.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory under which each persistent volume of class `local` gets its own directory.
    pub volumes_dir: PathBuf,
    /// The cluster's CA certificate (PEM), published as ConfigMap `kube-root-ca.crt` in each namespace.
    pub ca_pem: String,
    /// First delay before a failed Job pod is replaced; doubles with each failure.
    pub job_back_off: Duration,
    /// Time between two looks of an autoscaler at the load.
    pub autoscale_period: Duration,
}

impl Settings {
    /// Settings with the usual delays.
    #[must_use]
    pub fn new(volumes_dir: PathBuf, ca_pem: String) -> Self {
        Self {
            volumes_dir,
            ca_pem,
            job_back_off: Duration::from_secs(10),
            autoscale_period: Duration::from_secs(15),
        }
    }
}

type Loop = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Runs every loop until `shutdown` resolves; then all stop at once, wherever they are.
/// The next run finds the state in the API and goes on.
///
/// # Errors
/// None today: what fails later is logged and retried.
pub async fn run(
    client: kube::Client,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let cache = Arc::new(Cache::default());
    let (recorder, news) = event::Recorder::new();
    let cluster = Cluster::new(client.clone(), cache.clone(), recorder);
    // Loops first: they listen before the first object arrives.
    let loops = loops(&cluster, &settings);
    let mut tasks = JoinSet::new();
    tasks.spawn(event::write(client.clone(), news));
    let mut synced = Vec::new();
    for resource in Resource::all() {
        let (sender, receiver) = tokio::sync::watch::channel(false);
        synced.push((resource, receiver));
        let (client, cache) = (client.clone(), cache.clone());
        tasks.spawn(supervise(
            resource.plural,
            Box::new(move || {
                Box::pin(watch::follow(client.clone(), resource, cache.clone(), sender.clone()))
            }),
        ));
    }
    let begin = async {
        for (resource, mut receiver) in synced {
            // The sender lives as long as its watch task, which never ends by itself.
            let first =
                tokio::time::timeout(Duration::from_secs(10), receiver.wait_for(|synced| *synced))
                    .await
                    .is_ok();
            if !first {
                tracing::warn!(
                    resource = resource.plural,
                    "no complete list yet, the loops wait for it"
                );
                // An error would mean that the watch was given up: only at shutdown.
                let _ = receiver.wait_for(|synced| *synced).await;
            }
        }
        for (name, make) in loops {
            tasks.spawn(supervise(name, make));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = begin => {}
        () = shutdown => {}
    }
    Ok(())
}

/// Every loop by name; making one registers what wakes it.
fn loops(cluster: &Cluster, settings: &Settings) -> Vec<(&'static str, Loop)> {
    macro_rules! start {
        ($name:literal, $loop:expr) => {{
            let made = Arc::new($loop);
            let make: Loop = Box::new(move || {
                let made = made.clone();
                Box::pin(async move { made.run().await })
            });
            ($name, make)
        }};
    }
    let client = cluster.client();
    let sweep: Loop = Box::new(move || Box::pin(event::sweep(client.clone())));
    vec![
        start!("namespace", Namespaces::new(cluster.clone(), settings.ca_pem.clone())),
        start!("scheduler", Scheduler::new(cluster.clone())),
        start!("deployment", Deployments::new(cluster.clone())),
        start!("replicaset", ReplicaSets::new(cluster.clone())),
        start!("statefulset", StatefulSets::new(cluster.clone())),
        start!("job", Jobs::new(cluster.clone(), settings.job_back_off)),
        start!("cronjob", CronJobs::new(cluster.clone())),
        start!("autoscaler", Autoscalers::new(cluster.clone(), settings.autoscale_period)),
        start!("endpoints", Endpoints::new(cluster.clone())),
        start!("volume", Volumes::new(cluster.clone(), settings.volumes_dir.clone())),
        start!("garbage", Garbage::new(cluster.clone())),
        start!("leftover", Leftovers::new(cluster.clone())),
        start!("disruption", Disruption::new(cluster.clone())),
        ("event sweep", sweep),
    ]
}

/// Runs a loop for ever: one that panics or returns starts again, after a growing pause.
async fn supervise(name: &'static str, make: Loop) {
    let mut pause = Duration::from_millis(100);
    loop {
        let began = Instant::now();
        let ended = tokio::spawn(make());
        let guard = AbortOnDrop(ended);
        let result = guard.join().await;
        if began.elapsed() > Duration::from_secs(60) {
            pause = Duration::from_millis(100);
        }
        tracing::error!(name, ended = ?result.err().map(|error| error.to_string()), "a loop stopped, will start again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(30));
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl AbortOnDrop {
    async fn join(mut self) -> Result<(), tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
