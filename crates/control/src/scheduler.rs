//! The scheduler: gives each new pod a node.
//!
//! A decision is pure arithmetic under one lock (ledger.rs, filter.rs) and counts at once;
//! writing it down happens for several pods at a time. A pod no node can take is parked
//! until something changes that could help: nothing is tried in a circle.

mod demand;
mod filter;
mod ledger;
mod neighbour;

use crate::cluster::{Cluster, Part};
use crate::error::Result;
use crate::object::{Key, Object, stamp};
use crate::pod;
use crate::queue::{Next, Queue};
use crate::resource::{CLAIM, NODE, POD};
use crate::volume::claims_of;
use jiff::Timestamp;
use ledger::Ledger;
use neighbour::Neighbours;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

const NAME: &str = "default-scheduler";
const BINDINGS_AT_ONCE: usize = 16;

pub(crate) struct Scheduler {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
    ledger: Arc<Mutex<Ledger>>,
    parked: Arc<Parked>,
}

/// Pods no node could take when they were last looked at.
#[derive(Default)]
struct Parked {
    keys: Mutex<HashSet<Key>>,
}

impl Parked {
    fn wake_all(&self, queue: &Queue<Key>) {
        let keys = std::mem::take(&mut *self.keys.lock().expect("parked lock"));
        for key in keys {
            queue.add(key);
        }
    }
}

impl Scheduler {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("scheduler");
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let parked = Arc::new(Parked::default());
        let (wake, book, waiting) = (queue.clone(), ledger.clone(), parked.clone());
        cluster.cache.listen(Box::new(move |change, _| {
            let helps = match change.resource {
                POD => {
                    let freed = book.lock().expect("ledger lock").pod_changed(change);
                    let placed = change.new.as_ref().is_some_and(|new| pod::node(new).is_some())
                        && change.old.as_ref().is_none_or(|old| pod::node(old).is_none());
                    if change.new.as_ref().is_some_and(|pod| needs_node(pod)) {
                        wake.add(change.object().key());
                    }
                    // A placed pod may be the neighbour another one wants.
                    freed || placed
                }
                NODE => book.lock().expect("ledger lock").node_changed(change),
                CLAIM => true,
                _ => false,
            };
            if helps {
                waiting.wake_all(&wake);
            }
        }));
        Self { cluster, queue, ledger, parked }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(BINDINGS_AT_ONCE, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let Some(pod) =
            self.cluster.cache.get(POD, &key.namespace, &key.name).filter(|pod| needs_node(pod))
        else {
            return Ok(Next::Wait);
        };
        if self.ledger.lock().expect("ledger lock").node_of(pod.uid()).is_some() {
            // Bound already, the watch has not told yet.
            return Ok(Next::Wait);
        }
        // Parked first: a change that happens while we decide then wakes the pod again.
        self.parked.keys.lock().expect("parked lock").insert(key.clone());
        match self.decide(&pod) {
            Ok(node) => {
                self.parked.keys.lock().expect("parked lock").remove(&key);
                self.bind(&pod, &node).await?;
            }
            Err(message) => self.refuse(&pod, &message).await?,
        }
        Ok(Next::Wait)
    }

    fn decide(&self, pod: &Object) -> std::result::Result<String, String> {
        for name in claims_of(pod) {
            let claim = self.cluster.cache.get(CLAIM, pod.namespace(), &name);
            let nodes = self.cluster.cache.list_all(NODE).len();
            match claim {
                None => {
                    return Err(format!(
                        "0/{nodes} nodes are available: persistentvolumeclaim \"{name}\" not found."
                    ));
                }
                Some(claim) if claim.deleting() => {
                    return Err(format!(
                        "0/{nodes} nodes are available: persistentvolumeclaim \"{name}\" is being deleted."
                    ));
                }
                Some(claim) if claim.text("/status/phase") != Some("Bound") => {
                    return Err(format!(
                        "0/{nodes} nodes are available: pod has unbound immediate PersistentVolumeClaims."
                    ));
                }
                Some(_) => {}
            }
        }
        let mut ledger = self.ledger.lock().expect("ledger lock");
        let others = |namespace: &str| self.cluster.cache.list(POD, namespace);
        let neighbours = Neighbours::of(pod, &others, &ledger);
        ledger.decide(pod, &|node| neighbours.objection(node))
    }

    async fn bind(&self, pod: &Object, node: &str) -> Result<()> {
        let path = format!("{}/binding", POD.path(pod.namespace(), pod.name()));
        let body = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid()},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        let bound: Result<Value> = self
            .cluster
            .send(http::Method::POST, &path, Some("application/json"), Some(&body))
            .await;
        match bound {
            Ok(_) => {
                let message =
                    format!("Successfully assigned {}/{} to {node}", pod.namespace(), pod.name());
                self.cluster.events.normal(NAME, pod, "Scheduled", message);
                Ok(())
            }
            Err(error) => {
                self.ledger.lock().expect("ledger lock").remove(pod.uid());
                if error.is_not_found() { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Says on the pod why it waits; only when that is news.
    async fn refuse(&self, pod: &Object, message: &str) -> Result<()> {
        let known = pod.condition("PodScheduled");
        if known.is_some_and(|condition| {
            condition["status"] == "False" && condition["message"] == message
        }) {
            return Ok(());
        }
        let since = known
            .filter(|condition| condition["status"] == "False")
            .and_then(|condition| condition["lastTransitionTime"].as_str().map(str::to_owned))
            .unwrap_or_else(|| stamp(Timestamp::now()));
        let patch = json!({"status": {"conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
            "lastTransitionTime": since,
        }]}});
        self.cluster.strategic(pod, Part::Status, patch).await?;
        self.cluster.events.warning(NAME, pod, "FailedScheduling", message.to_owned());
        Ok(())
    }
}

/// A pod that is ours to place and has no node yet.
fn needs_node(pod: &Object) -> bool {
    pod::node(pod).is_none()
        && pod::is_active(pod)
        && pod.text("/spec/schedulerName").is_none_or(|name| name == NAME)
        && pod.list("/spec/schedulingGates").is_empty()
}
