//! Pods nobody looks after: on a node that is gone, deleted before they had a node,
//! or over for long while many others are too.

use crate::cluster::{Cluster, Propagation};
use crate::error::Result;
use crate::object::{Key, Object};
use crate::pod;
use crate::queue::{Next, Queue};
use crate::resource::{NODE, POD};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long a node may be unknown before its pods are given up.
const PATIENCE: Duration = Duration::from_secs(40);
/// Pods that are over and kept for their logs, in all.
const MOST_OVER: usize = 1_000;

pub(crate) struct Leftovers {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
}

impl Leftovers {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("leftover");
        let wake = queue.clone();
        cluster.cache.listen(Box::new(move |change, cache| match change.resource {
            POD => {
                let Some(new) = &change.new else { return };
                let lost = pod::node(new).is_some_and(|node| cache.get(NODE, "", node).is_none());
                let nowhere = new.deleting() && pod::node(new).is_none();
                let ended =
                    pod::is_over(new) && change.old.as_ref().is_none_or(|old| !pod::is_over(old));
                if lost {
                    wake.add_after(new.key(), PATIENCE);
                }
                if nowhere || ended {
                    wake.add(new.key());
                }
            }
            NODE if change.new.is_none() => {
                for pod in cache.list_all(POD) {
                    if pod::node(&pod) == Some(change.object().name()) {
                        wake.add_after(pod.key(), PATIENCE);
                    }
                }
            }
            _ => {}
        }));
        Self { cluster, queue }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(4, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let Some(pod) = self.cluster.cache.get(POD, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        let lost = match pod::node(&pod) {
            Some(node) => {
                self.cluster.cache.get(NODE, "", node).is_none()
                    && self.cluster.live(NODE, "", node).await?.is_none()
            }
            None => false,
        };
        if lost {
            self.give_up(&pod, "its node is gone").await?;
        } else if pod.deleting() && pod::node(&pod).is_none() {
            self.give_up(&pod, "it was deleted before it had a node").await?;
        }
        if pod::is_over(&pod) {
            self.thin_out().await?;
        }
        Ok(Next::Wait)
    }

    /// Deletes a pod without waiting for a node that will not answer.
    async fn give_up(&self, pod: &Object, why: &str) -> Result<()> {
        tracing::info!(pod = %pod.key(), why, "gave up a pod");
        self.cluster.delete_with(pod, json!({"gracePeriodSeconds": 0})).await
    }

    /// Deletes the oldest pods that are over beyond the most that are kept.
    async fn thin_out(&self) -> Result<()> {
        let mut over: Vec<_> = self
            .cluster
            .cache
            .list_all(POD)
            .into_iter()
            .filter(|pod| pod::is_over(pod) && !pod.deleting())
            .collect();
        let surplus = over.len().saturating_sub(MOST_OVER);
        if surplus == 0 {
            return Ok(());
        }
        over.sort_by_key(|pod| pod.created());
        for pod in over.into_iter().take(surplus) {
            self.cluster.delete(&pod, Propagation::Background).await?;
        }
        Ok(())
    }
}
