//! PodDisruptionBudget: how many pods may be taken away on purpose right now.

use crate::cluster::{Cluster, Part};
use crate::error::Result;
use crate::object::{Key, Object, int_or_percent, set_condition};
use crate::pod;
use crate::queue::{Next, Queue};
use crate::replica_set::same_status;
use crate::resource::{DEPLOYMENT, DISRUPTION_BUDGET, POD, REPLICA_SET, STATEFUL_SET};
use crate::selector::Selector;
use jiff::Timestamp;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) struct Disruption {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
}

impl Disruption {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("disruption");
        let wake = queue.clone();
        cluster.cache.listen(Box::new(move |change, cache| {
            let object = change.object();
            match change.resource {
                DISRUPTION_BUDGET => wake.add(object.key()),
                POD | REPLICA_SET | STATEFUL_SET | DEPLOYMENT => {
                    for budget in cache.list(DISRUPTION_BUDGET, object.namespace()) {
                        wake.add(budget.key());
                    }
                }
                _ => {}
            }
        }));
        Self { cluster, queue }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(4, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let cache = &self.cluster.cache;
        let Some(budget) = cache
            .get(DISRUPTION_BUDGET, &key.namespace, &key.name)
            .filter(|budget| !budget.deleting())
        else {
            return Ok(Next::Wait);
        };
        let selector = Selector::from_object(budget.at("/spec/selector"));
        let pods: Vec<_> = match &selector {
            Some(selector) => cache
                .list(POD, &key.namespace)
                .into_iter()
                .filter(|pod| selector.matches(pod.labels()))
                .collect(),
            None => Vec::new(),
        };
        let pods: Vec<_> = pods.into_iter().filter(|pod| !pod::is_over(pod)).collect();
        let healthy =
            count(pods.iter().filter(|pod| pod::is_ready(pod) && !pod.deleting()).count());
        let (expected, desired) = self.desired(&budget, &pods);
        let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
        let mut conditions = budget.list("/status/conditions").to_vec();
        let (status, reason) =
            if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        set_condition(&mut conditions, "DisruptionAllowed", status, reason, "", Timestamp::now());
        if let Some(condition) =
            conditions.iter_mut().find(|condition| condition["type"] == "DisruptionAllowed")
        {
            condition["observedGeneration"] = json!(budget.generation());
        }
        let status = json!({
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": budget.generation(),
            "conditions": conditions,
        });
        if !same_status(&budget, &status) {
            self.cluster.merge(&budget, Part::Status, json!({ "status": status })).await?;
        }
        Ok(Next::Wait)
    }

    /// How many pods there should be, and how many of them healthy.
    fn desired(&self, budget: &Object, pods: &[Arc<Object>]) -> (i64, i64) {
        if let Some(most) = budget.at("/spec/maxUnavailable") {
            let expected = self.expected(pods);
            let missing = int_or_percent(most, expected, true).unwrap_or(0);
            return (expected, (expected - missing).max(0));
        }
        match budget.at("/spec/minAvailable") {
            // A plain number is about the pods there are.
            Some(least) if least.is_i64() => (count(pods.len()), least.as_i64().unwrap_or(0)),
            Some(least) => {
                let expected = self.expected(pods);
                (expected, int_or_percent(least, expected, true).unwrap_or(expected))
            }
            None => (count(pods.len()), 0),
        }
    }

    /// What the pods' controllers want together; a pod without one counts for itself.
    fn expected(&self, pods: &[Arc<Object>]) -> i64 {
        let mut wanted: HashMap<String, i64> = HashMap::new();
        for pod in pods {
            let set = pod.controller().and_then(|owner| self.cluster.cache.by_uid(&owner.uid));
            let top = set
                .as_ref()
                .and_then(|set| set.controller())
                .and_then(|owner| self.cluster.cache.by_uid(&owner.uid));
            match top.or(set) {
                Some(workload) => {
                    wanted.insert(
                        workload.uid().to_owned(),
                        workload.int("/spec/replicas").unwrap_or(1),
                    );
                }
                None => {
                    wanted.insert(pod.uid().to_owned(), 1);
                }
            }
        }
        wanted.values().sum()
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
