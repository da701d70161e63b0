//! StatefulSet: numbered pods with names, hosts and claims that stay.
//!
//! One look walks the ordinals upwards to make and mend, then downwards to shrink, then
//! downwards to update. `OrderedReady` stops at the first ordinal that is not settled;
//! `Parallel` does not wait while making and shrinking. The pod of an ordinal is
//! identity.rs, the template's revisions history.rs.

mod history;
mod identity;

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::Result;
use crate::object::{Key, Object};
use crate::owner;
use crate::pod;
use crate::queue::{Next, Queue};
use crate::replica_set::same_status;
use crate::resource::{CLAIM, POD, STATEFUL_SET};
use crate::selector::Selector;
use crate::watch::chain;
use history::History;
use identity::REVISION_LABEL;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const COMPONENT: &str = "statefulset-controller";
/// Most changes in one look of a `Parallel` set.
const BURST: usize = 100;

pub(crate) struct StatefulSets {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
}

/// One look at a set.
struct View {
    set: Arc<Object>,
    /// First ordinal, and the one after the last.
    range: std::ops::Range<i64>,
    ordered: bool,
    min_ready: i64,
    now: Timestamp,
    pods: BTreeMap<i64, Arc<Object>>,
}

impl View {
    /// Running, ready for long enough, and not on its way out.
    fn settled(&self, pod: &Object) -> bool {
        pod::is_active(pod) && pod::is_available(pod, self.min_ready, self.now)
    }

    fn partition(&self) -> i64 {
        self.set.int("/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0)
    }

    fn on_delete(&self) -> bool {
        self.set.text("/spec/updateStrategy/type") == Some("OnDelete")
    }
}

impl StatefulSets {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("statefulset");
        owner::wake(&cluster.cache, &queue, STATEFUL_SET, POD);
        Self { cluster, queue }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(4, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let Some(set) = self.cluster.cache.get(STATEFUL_SET, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        let Some(selector) =
            Selector::from_object(set.at("/spec/selector")).filter(|s| !s.is_empty())
        else {
            return Ok(Next::Wait);
        };
        let pods = pod::claim(&self.cluster, POD, &set, &selector).await?;
        let history = self.history(&set).await?;
        let start = set.int("/spec/ordinals/start").unwrap_or(0);
        let view = View {
            range: start..start + set.int("/spec/replicas").unwrap_or(1),
            ordered: set.text("/spec/podManagementPolicy") != Some("Parallel"),
            min_ready: set.int("/spec/minReadySeconds").unwrap_or(0),
            now: Timestamp::now(),
            pods: pods
                .into_iter()
                .filter_map(|pod| Some((identity::ordinal(&set, &pod)?, pod)))
                .collect(),
            set: set.clone(),
        };
        let result = if set.deleting() { Ok(()) } else { self.walk(&view, &history).await };
        let pods = self.cluster.cache.controlled(POD, set.uid());
        self.report(&view, &history, &pods).await?;
        result?;
        self.forget_history(&set, &history, &pods).await?;
        let soonest = pods
            .iter()
            .filter(|pod| pod::is_active(pod))
            .filter_map(|pod| pod::available_in(pod, view.min_ready, view.now))
            .filter(|left| !left.is_zero())
            .min();
        Ok(soonest.map_or(Next::Wait, |left| {
            Next::After(Duration::try_from(left).unwrap_or_default() + Duration::from_millis(10))
        }))
    }

    async fn walk(&self, view: &View, history: &History) -> Result<()> {
        let mut changes = 0;
        let mut unsettled = None;
        for ordinal in view.range.clone() {
            if changes >= BURST {
                return Ok(());
            }
            match view.pods.get(&ordinal) {
                None => {
                    self.create(view, history, ordinal).await?;
                    changes += 1;
                    unsettled = unsettled.or(Some(ordinal));
                }
                Some(pod) if pod::is_over(pod) && !pod.deleting() => {
                    // Made again under the same name when this one is gone.
                    self.delete(view, pod, "is over").await?;
                    changes += 1;
                    unsettled = unsettled.or(Some(ordinal));
                }
                Some(pod) => {
                    self.make_claims(view, ordinal).await?;
                    if !view.settled(pod) {
                        unsettled = unsettled.or(Some(ordinal));
                    }
                }
            }
            if view.ordered && unsettled.is_some() {
                break;
            }
        }
        let shrinking = self.shrink(view, unsettled).await?;
        match unsettled {
            _ if view.ordered && shrinking => Ok(()),
            Some(_) if view.ordered && changes > 0 => Ok(()),
            Some(ordinal) if view.ordered => self.replace_broken(view, history, ordinal).await,
            _ => self.update(view, history).await,
        }
    }

    /// Deletes pods outside the range, highest first; returns whether some are left.
    async fn shrink(&self, view: &View, unsettled: Option<i64>) -> Result<bool> {
        let doomed: Vec<_> =
            view.pods.iter().rev().filter(|(ordinal, _)| !view.range.contains(ordinal)).collect();
        for (_, pod) in &doomed {
            if pod.deleting() {
                if view.ordered {
                    return Ok(true);
                }
                continue;
            }
            // A set that is not whole is not made smaller, except by its broken pods.
            if view.ordered && unsettled.is_some() && view.settled(pod) {
                return Ok(true);
            }
            self.delete(view, pod, "is not wanted any more").await?;
            if view.ordered {
                return Ok(true);
            }
        }
        Ok(!doomed.is_empty())
    }

    /// Replaces one pod of an older revision, from the highest ordinal down.
    async fn update(&self, view: &View, history: &History) -> Result<()> {
        if view.on_delete() {
            return Ok(());
        }
        let lowest = view.partition().max(view.range.start);
        for ordinal in (lowest..view.range.end).rev() {
            let Some(pod) = view.pods.get(&ordinal) else { return Ok(()) };
            if pod.label(REVISION_LABEL) != Some(history.update.name()) && !pod.deleting() {
                return self.delete(view, pod, "is of an older revision").await;
            }
            if !view.settled(pod) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A pod of an older template that is not ready holds the whole set up, perhaps for ever:
    /// it is replaced, which costs no availability.
    async fn replace_broken(&self, view: &View, history: &History, ordinal: i64) -> Result<()> {
        let Some(pod) = view.pods.get(&ordinal) else { return Ok(()) };
        let old = pod.label(REVISION_LABEL) != Some(history.update.name());
        if old
            && !pod.deleting()
            && !pod::is_ready(pod)
            && !view.on_delete()
            && ordinal >= view.partition()
        {
            return self.delete(view, pod, "is broken, and of an older revision").await;
        }
        Ok(())
    }

    async fn create(&self, view: &View, history: &History, ordinal: i64) -> Result<()> {
        self.make_claims(view, ordinal).await?;
        let revision = if !view.on_delete() && ordinal < view.partition() {
            &history.current
        } else {
            &history.update
        };
        let body =
            identity::new_pod(&view.set, &history::template(revision), revision.name(), ordinal);
        let name = identity::pod_name(&view.set, ordinal);
        let events = &self.cluster.events;
        match self.cluster.create(POD, view.set.namespace(), body).await {
            Ok(_) => {
                let message =
                    format!("create Pod {name} in StatefulSet {} successful", view.set.name());
                events.normal(COMPONENT, &view.set, "SuccessfulCreate", message);
                Ok(())
            }
            Err(error) => {
                if !error.is_race() || error.is_already_exists() {
                    let message = format!(
                        "create Pod {name} in StatefulSet {} failed: {}",
                        view.set.name(),
                        chain(&error)
                    );
                    events.warning(COMPONENT, &view.set, "FailedCreate", message);
                }
                Err(error)
            }
        }
    }

    /// Makes the claims of an ordinal that are missing; they outlive the pod and the set.
    async fn make_claims(&self, view: &View, ordinal: i64) -> Result<()> {
        for (name, body) in identity::claims(&view.set, ordinal) {
            if self.cluster.cache.get(CLAIM, view.set.namespace(), &name).is_some() {
                continue;
            }
            match self.cluster.create(CLAIM, view.set.namespace(), body).await {
                Ok(_) => {
                    let message = format!(
                        "create Claim {name} Pod {} in StatefulSet {} success",
                        identity::pod_name(&view.set, ordinal),
                        view.set.name()
                    );
                    self.cluster.events.normal(COMPONENT, &view.set, "SuccessfulCreate", message);
                }
                Err(error) if error.is_already_exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn delete(&self, view: &View, pod: &Object, why: &str) -> Result<()> {
        self.cluster.delete(pod, Propagation::Background).await?;
        tracing::debug!(pod = %pod.key(), why, "deleted a pod of a stateful set");
        let message =
            format!("delete Pod {} in StatefulSet {} successful", pod.name(), view.set.name());
        self.cluster.events.normal(COMPONENT, &view.set, "SuccessfulDelete", message);
        Ok(())
    }

    async fn report(&self, view: &View, history: &History, pods: &[Arc<Object>]) -> Result<()> {
        let (mut current, update) = (history.current.name().to_owned(), history.update.name());
        let status = |current: &str| counts(view, pods, current, update);
        let mut status_now = status(&current);
        let wanted = view.range.end - view.range.start;
        let moved = !view.on_delete()
            && view.partition() <= view.range.start
            && current != update
            && status_now["updatedReplicas"] == wanted
            && status_now["readyReplicas"] == wanted
            && status_now["replicas"] == wanted;
        if moved {
            update.clone_into(&mut current);
            status_now = status(&current);
        }
        status_now["observedGeneration"] = json!(view.set.generation());
        if history.collisions > 0 {
            status_now["collisionCount"] = json!(history.collisions);
        }
        if !same_status(&view.set, &status_now) {
            self.cluster.merge(&view.set, Part::Status, json!({ "status": status_now })).await?;
        }
        Ok(())
    }
}

fn counts(view: &View, pods: &[Arc<Object>], current: &str, update: &str) -> Value {
    let ours: Vec<_> =
        pods.iter().filter(|pod| identity::ordinal(&view.set, pod).is_some()).collect();
    let count = |test: &dyn Fn(&Object) -> bool| ours.iter().filter(|pod| test(pod)).count();
    let of = |pod: &Object, revision: &str| {
        pod.label(REVISION_LABEL) == Some(revision) && !pod.deleting()
    };
    json!({
        "replicas": count(&|pod| !pod::is_over(pod)),
        "readyReplicas": count(&|pod| pod::is_ready(pod) && !pod::is_over(pod)),
        "availableReplicas": count(&|pod| view.settled(pod)),
        "currentReplicas": count(&|pod| of(pod, current)),
        "updatedReplicas": count(&|pod| of(pod, update)),
        "currentRevision": current,
        "updateRevision": update,
    })
}
