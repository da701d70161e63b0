//! One watch on the pods bound to this machine, one task for each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::{WatchStreamExt, watcher};
use pod::Event;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use crate::delete;
use crate::host::{Host, uid};
use crate::probe::Health;
use crate::worker::{Desired, Worker};

/// How a task is reached.
struct Handle {
    desired: watch::Sender<Desired>,
    health: Arc<Health>,
}

/// Runs until told to end, then lets each task finish what it is doing.
pub(crate) async fn run(host: Arc<Host>, mut end: watch::Receiver<bool>) {
    let mut workers: BTreeMap<String, Handle> = BTreeMap::new();
    let mut tasks: JoinSet<String> = JoinSet::new();
    // Before the first list, so that nothing between the two is missed.
    let mut happened = host.pods.subscribe();
    let api: Api<Pod> = Api::all(host.client.clone());
    let field = format!("spec.nodeName={}", host.settings.name);
    let config = watcher::Config::default().fields(&field);
    let mut changes = watcher::watcher(api, config).default_backoff().boxed();
    let mut listed: BTreeSet<String> = BTreeSet::new();
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Ok(watcher::Event::Init)) => listed.clear(),
                Some(Ok(watcher::Event::InitApply(pod))) => {
                    listed.insert(uid(&pod));
                    apply(&host, &mut workers, &mut tasks, pod);
                }
                Some(Ok(watcher::Event::InitDone)) => {
                    sweep(&host, &mut workers, &mut tasks, &listed);
                }
                Some(Ok(watcher::Event::Apply(pod))) => {
                    apply(&host, &mut workers, &mut tasks, pod);
                }
                Some(Ok(watcher::Event::Delete(pod))) => {
                    if let Some(handle) = workers.remove(&uid(&pod)) {
                        handle.desired.send_replace(Desired::Gone);
                    }
                }
                Some(Err(error)) => tracing::warn!(%error, "watch of pods broke off, trying again"),
                None => break,
            },
            event = happened.recv() => match event {
                Ok(Event::Exited { pod, .. } | Event::Lost { pod }) => {
                    if let Some(handle) = workers.get(&pod) {
                        handle.health.bell.notify_one();
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    workers.values().for_each(|handle| handle.health.bell.notify_one());
                }
                Err(broadcast::error::RecvError::Closed) => break,
            },
            Some(ended) = tasks.join_next(), if !tasks.is_empty() => {
                restart(&host, &mut workers, &mut tasks, ended);
            }
            _ = end.wait_for(|end| *end) => break,
        }
    }
    workers.clear();
    while tasks.join_next().await.is_some() {}
}

fn apply(
    host: &Arc<Host>,
    workers: &mut BTreeMap<String, Handle>,
    tasks: &mut JoinSet<String>,
    pod: Pod,
) {
    let id = uid(&pod);
    if let Some(handle) = workers.get(&id) {
        handle.desired.send_replace(Desired::Pod(Arc::new(pod)));
        return;
    }
    let (desired, receiver) = watch::channel(Desired::Pod(Arc::new(pod)));
    let health = Arc::new(Health::default());
    spawn(host, tasks, id.clone(), receiver, health.clone());
    workers.insert(id, Handle { desired, health });
}

fn spawn(
    host: &Arc<Host>,
    tasks: &mut JoinSet<String>,
    id: String,
    desired: watch::Receiver<Desired>,
    health: Arc<Health>,
) {
    let worker = Worker::new(host.clone(), id.clone(), desired, health);
    tasks.spawn(async move {
        // Caught here, or the id of a task that panicked would be lost.
        if let Err(error) = tokio::spawn(worker.run()).await {
            tracing::error!(pod = id, %error, "a pod's task broke off");
        }
        id
    });
}

/// A task ended: with its pod, or by a bug; then it starts over.
fn restart(
    host: &Arc<Host>,
    workers: &mut BTreeMap<String, Handle>,
    tasks: &mut JoinSet<String>,
    ended: Result<String, tokio::task::JoinError>,
) {
    let Ok(id) = ended else { return };
    let Some(handle) = workers.get(&id) else { return };
    let deleting = match &*handle.desired.borrow() {
        Desired::Gone => true,
        Desired::Pod(pod) => pod.metadata.deletion_timestamp.is_some(),
    };
    if deleting {
        workers.remove(&id);
        return;
    }
    spawn(host, tasks, id, handle.desired.subscribe(), handle.health.clone());
}

/// After a full list: what is here and not in it was deleted while nobody looked.
fn sweep(
    host: &Arc<Host>,
    workers: &mut BTreeMap<String, Handle>,
    tasks: &mut JoinSet<String>,
    listed: &BTreeSet<String>,
) {
    workers.retain(|id, handle| {
        let stays = listed.contains(id);
        if !stays {
            handle.desired.send_replace(Desired::Gone);
        }
        stays
    });
    for state in host.pods.list() {
        // Pods that another face made are in no namespace, and not ours to remove.
        if state.spec.namespace.is_empty() {
            continue;
        }
        let id = state.spec.id;
        if !listed.contains(&id) {
            let host = host.clone();
            tasks.spawn(async move {
                delete::remove(&host, &id).await;
                id
            });
        }
    }
}
