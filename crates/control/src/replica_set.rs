//! ReplicaSet: as many pods of one template as asked for.
//!
//! No expectations are kept: our own creates and deletes are in the cache before
//! the next look at it (cluster.rs), so nothing is made twice. Which pods go
//! first is decided in rank.rs.

mod rank;

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::{Error, Result};
use crate::object::{Key, Object, set_condition};
use crate::owner;
use crate::pod;
use crate::queue::{Next, Queue};
use crate::resource::{POD, REPLICA_SET};
use crate::selector::Selector;
use crate::watch::chain;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Most pods made or deleted in one look.
const BURST: usize = 500;
/// Most requests under way at once for one ReplicaSet.
const LARGEST_BATCH: usize = 32;
const COMPONENT: &str = "replicaset-controller";

pub(crate) struct ReplicaSets {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
}

impl ReplicaSets {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("replicaset");
        owner::wake(&cluster.cache, &queue, REPLICA_SET, POD);
        Self { cluster, queue }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(8, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let cluster = &self.cluster;
        let Some(set) = cluster.cache.get(REPLICA_SET, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        let Some(selector) =
            Selector::from_object(set.at("/spec/selector")).filter(|s| !s.is_empty())
        else {
            return Ok(Next::Wait);
        };
        let pods = pod::claim(cluster, POD, &set, &selector).await?;
        let wanted = usize::try_from(set.int("/spec/replicas").unwrap_or(1)).unwrap_or(0);
        let failure = if set.deleting() { Ok(()) } else { self.manage(&set, &pods, wanted).await };
        // Our writes are in the cache already: count what is true now.
        let pods = cluster.cache.controlled(POD, set.uid());
        let next = self.report(&set, &pods, failure.as_ref().err()).await?;
        failure?;
        Ok(next)
    }

    async fn manage(&self, set: &Object, pods: &[Arc<Object>], wanted: usize) -> Result<()> {
        let active: Vec<_> = pods.iter().filter(|pod| pod::is_active(pod)).cloned().collect();
        if active.len() < wanted {
            return self.create(set, (wanted - active.len()).min(BURST)).await;
        }
        let surplus = (active.len() - wanted).min(BURST);
        if surplus == 0 {
            return Ok(());
        }
        let doomed = rank::choose(active, &self.neighbours(set), surplus, Timestamp::now());
        for batch in doomed.chunks(LARGEST_BATCH) {
            let deletions = batch.iter().map(|pod| async move {
                self.cluster.delete(pod, Propagation::Background).await?;
                let message = format!("Deleted pod: {}", pod.name());
                self.cluster.events.normal(COMPONENT, set, "SuccessfulDelete", message);
                Ok(())
            });
            futures::future::join_all(deletions).await.into_iter().collect::<Result<Vec<()>>>()?;
        }
        Ok(())
    }

    /// Makes pods in batches that double while all goes well, so that a hopeless
    /// template (a refused pod) costs one request and not hundreds.
    async fn create(&self, set: &Object, count: usize) -> Result<()> {
        let Some(template) = set.at("/spec/template") else { return Ok(()) };
        let mut body = pod::from_template(template, set);
        body["metadata"]["generateName"] = json!(format!("{}-", set.name()));
        let mut left = count;
        let mut batch = 1;
        while left > 0 {
            let size = batch.min(left);
            let creations = (0..size).map(|_| async {
                let pod = self.cluster.create(POD, set.namespace(), body.clone()).await?;
                let message = format!("Created pod: {}", pod.name());
                self.cluster.events.normal(COMPONENT, set, "SuccessfulCreate", message);
                Ok(())
            });
            let results: Result<Vec<()>> =
                futures::future::join_all(creations).await.into_iter().collect();
            if let Err(error) = results {
                if !error.is_race() {
                    let message = format!("Error creating: {}", chain(&error));
                    self.cluster.events.warning(COMPONENT, set, "FailedCreate", message);
                }
                return Err(error);
            }
            left -= size;
            batch = (batch * 2).min(LARGEST_BATCH);
        }
        Ok(())
    }

    /// How many pods of the same deployment each node runs: pods are taken from the fullest first.
    fn neighbours(&self, set: &Object) -> HashMap<String, usize> {
        let sets = match set.controller() {
            Some(owner) => self.cluster.cache.controlled(REPLICA_SET, &owner.uid),
            None => Vec::new(),
        };
        let uids = sets.iter().map(|set| set.uid()).chain(std::iter::once(set.uid()));
        let mut counts = HashMap::new();
        let mut seen = std::collections::HashSet::new();
        for uid in uids {
            if !seen.insert(uid.to_owned()) {
                continue;
            }
            for pod in self.cluster.cache.controlled(POD, uid) {
                if let Some(node) = pod::node(&pod).filter(|_| pod::is_active(&pod)) {
                    *counts.entry(node.to_owned()).or_insert(0) += 1;
                }
            }
        }
        counts
    }

    async fn report(
        &self,
        set: &Object,
        pods: &[Arc<Object>],
        failure: Option<&Error>,
    ) -> Result<Next> {
        let now = Timestamp::now();
        let min_ready = set.int("/spec/minReadySeconds").unwrap_or(0);
        let status = status(set, pods, failure.map(|error| chain(error)), now);
        if !same_status(set, &status) {
            self.cluster.merge(set, Part::Status, json!({ "status": status })).await?;
        }
        let soonest = pods
            .iter()
            .filter(|pod| pod::is_active(pod))
            .filter_map(|pod| pod::available_in(pod, min_ready, now))
            .filter(|left| !left.is_zero())
            .min();
        Ok(match soonest {
            Some(left) => Next::After(
                Duration::try_from(left).unwrap_or_default() + Duration::from_millis(10),
            ),
            None => Next::Wait,
        })
    }
}

/// Whether the object's status already says all of `status`.
pub(crate) fn same_status(object: &Object, status: &Value) -> bool {
    let empty = json!({});
    let current = object.at("/status").unwrap_or(&empty);
    status.as_object().into_iter().flatten().all(|(field, value)| match current.get(field) {
        Some(known) => known == value,
        None => value.is_null() || *value == json!([]),
    })
}

fn status(set: &Object, pods: &[Arc<Object>], failure: Option<String>, now: Timestamp) -> Value {
    let min_ready = set.int("/spec/minReadySeconds").unwrap_or(0);
    let template =
        Selector::from_labels(set.at("/spec/template/metadata/labels").unwrap_or(&Value::Null));
    let active: Vec<_> = pods.iter().filter(|pod| pod::is_active(pod)).collect();
    let count = |test: &dyn Fn(&Object) -> bool| active.iter().filter(|pod| test(pod)).count();
    let mut conditions = set.list("/status/conditions").to_vec();
    match failure {
        Some(message) => {
            let missing =
                active.len() < usize::try_from(set.int("/spec/replicas").unwrap_or(1)).unwrap_or(0);
            let reason = if missing { "FailedCreate" } else { "FailedDelete" };
            set_condition(&mut conditions, "ReplicaFailure", "True", reason, &message, now);
        }
        None => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
    }
    json!({
        "replicas": active.len(),
        "fullyLabeledReplicas": count(&|pod| template.matches(pod.labels())),
        "readyReplicas": count(&pod::is_ready),
        "availableReplicas": count(&|pod| pod::is_available(pod, min_ready, now)),
        "terminatingReplicas": pods.iter().filter(|pod| pod.deleting() && !pod::is_over(pod)).count(),
        "observedGeneration": set.generation(),
        "conditions": conditions,
    })
}
