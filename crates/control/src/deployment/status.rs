//! What a deployment tells: counts, `Available`, and whether it makes progress.

use super::{Deployments, View};
use crate::cluster::{Cluster, Part};
use crate::error::{Error, Result};
use crate::object::{Object, set_condition, stamp};
use crate::pod;
use crate::queue::Next;
use crate::replica_set::same_status;
use crate::resource::POD;
use crate::watch::chain;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

/// Pods of all sets, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
    terminating: i64,
    /// Seconds until another pod counts as available.
    soonest: Option<SignedDuration>,
}

/// Whether every wanted pod is of the current template and available, and no other is left.
pub(super) fn is_complete(view: &View, totals: &Totals) -> bool {
    let wanted = view.limits.replicas;
    totals.updated == wanted && totals.replicas == wanted && totals.available == wanted
}

impl Deployments {
    pub(super) fn totals(&self, view: &View) -> Totals {
        let min_ready = view.deployment.int("/spec/minReadySeconds").unwrap_or(0);
        let mut totals = Totals::default();
        for set in view.sets() {
            let current = view.new.as_ref().is_some_and(|new| new.uid() == set.uid());
            for pod in self.cluster.cache.controlled(POD, set.uid()) {
                if !pod::is_active(&pod) {
                    totals.terminating += i64::from(pod.deleting() && !pod::is_over(&pod));
                    continue;
                }
                totals.replicas += 1;
                totals.updated += i64::from(current);
                totals.ready += i64::from(pod::is_ready(&pod));
                match pod::available_in(&pod, min_ready, view.now) {
                    Some(left) if left.is_zero() => totals.available += 1,
                    Some(left) => {
                        totals.soonest = Some(totals.soonest.map_or(left, |known| known.min(left)))
                    }
                    None => {}
                }
            }
        }
        totals
    }

    /// Writes the status if it says something new; returns when time alone changes it.
    pub(super) async fn report(&self, view: &View) -> Result<Next> {
        // The patches of this look are in the cache: count what is true now.
        let totals = self.totals(view);
        let deployment = self
            .cluster
            .cache
            .get(view.deployment.resource, view.deployment.namespace(), view.deployment.name())
            .filter(|current| current.uid() == view.deployment.uid())
            .unwrap_or_else(|| view.deployment.clone());
        let new_name = view.new.as_ref().map(|set| set.name());
        let (conditions, due) = conditions(&deployment, &totals, view, new_name);
        let mut status = json!({
            "observedGeneration": view.generation,
            "replicas": totals.replicas,
            "updatedReplicas": totals.updated,
            "readyReplicas": totals.ready,
            "availableReplicas": totals.available,
            "unavailableReplicas": (view.limits.replicas.max(totals.replicas) - totals.available).max(0),
            "terminatingReplicas": totals.terminating,
            "conditions": conditions,
        });
        if totals.terminating == 0 {
            status["terminatingReplicas"] = Value::Null;
        }
        if !same_status(&deployment, &status) {
            self.cluster.merge(&deployment, Part::Status, json!({ "status": status })).await?;
        }
        let soonest = [totals.soonest, due].into_iter().flatten().min();
        Ok(soonest.map_or(Next::Wait, |left| {
            Next::After(Duration::try_from(left).unwrap_or_default() + Duration::from_millis(10))
        }))
    }
}

/// All conditions, and the time until the progress deadline.
fn conditions(
    deployment: &Object,
    totals: &Totals,
    view: &View,
    new_name: Option<&str>,
) -> (Vec<Value>, Option<SignedDuration>) {
    let now = view.now;
    let mut conditions = deployment.list("/status/conditions").to_vec();
    if totals.available >= view.limits.min_available() {
        let message = "Deployment has minimum availability.";
        put(&mut conditions, "Available", "True", "MinimumReplicasAvailable", message, now);
    } else {
        let message = "Deployment does not have minimum availability.";
        put(&mut conditions, "Available", "False", "MinimumReplicasUnavailable", message, now);
    }
    let failures = view.new.as_ref().and_then(|set| set.condition("ReplicaFailure")).cloned();
    conditions.retain(|condition| condition["type"] != "ReplicaFailure");
    conditions.extend(failures);
    let due = progress(&mut conditions, deployment, totals, view, new_name);
    (conditions, due)
}

fn progress(
    conditions: &mut Vec<Value>,
    deployment: &Object,
    totals: &Totals,
    view: &View,
    new_name: Option<&str>,
) -> Option<SignedDuration> {
    let now = view.now;
    let deadline = deployment
        .int("/spec/progressDeadlineSeconds")
        .filter(|seconds| *seconds < i64::from(i32::MAX));
    let Some(deadline) = deadline else {
        conditions.retain(|condition| condition["type"] != "Progressing");
        return None;
    };
    let known = conditions.iter().find(|condition| condition["type"] == "Progressing").cloned();
    let reason = known.as_ref().and_then(|condition| condition["reason"].as_str()).unwrap_or("");
    if deployment.flag("/spec/paused") {
        if reason != "DeploymentPaused" {
            put(
                conditions,
                "Progressing",
                "Unknown",
                "DeploymentPaused",
                "Deployment is paused",
                now,
            );
        }
        return None;
    }
    let subject = match new_name {
        Some(name) => format!("ReplicaSet \"{name}\""),
        None => format!("Deployment \"{}\"", deployment.name()),
    };
    if is_complete(view, totals) && new_name.is_some() {
        let message = format!("{subject} has successfully progressed.");
        put(conditions, "Progressing", "True", "NewReplicaSetAvailable", &message, now);
        return None;
    }
    // Complete once, and the template is the same: a pod that is lost later is no rollout.
    let finished = reason == "NewReplicaSetAvailable"
        && known.as_ref().is_some_and(|condition| {
            condition["message"].as_str().is_some_and(|text| text.starts_with(&subject))
        });
    if finished && totals.replicas == totals.updated {
        return None;
    }
    let before = |field: &str| deployment.int(&format!("/status/{field}")).unwrap_or(0);
    let moved = totals.updated > before("updatedReplicas")
        || totals.replicas - totals.updated < before("replicas") - before("updatedReplicas")
        || totals.ready > before("readyReplicas")
        || totals.available > before("availableReplicas")
        || deployment.int("/status/observedGeneration") != Some(view.generation);
    if moved || known.is_none() || reason == "DeploymentPaused" || finished {
        let reason = if known.is_none() { "NewReplicaSetCreated" } else { "ReplicaSetUpdated" };
        let message = match reason {
            "NewReplicaSetCreated" => {
                format!("Created new replica set \"{}\"", new_name.unwrap_or(""))
            }
            _ => format!("{subject} is progressing."),
        };
        put(conditions, "Progressing", "True", reason, &message, now);
        touch(conditions, now);
        return Some(SignedDuration::from_secs(deadline + 1));
    }
    if reason == "ProgressDeadlineExceeded" {
        return None;
    }
    let since = known.as_ref().and_then(|condition| condition["lastUpdateTime"].as_str());
    let since: Timestamp = since.and_then(|text| text.parse().ok()).unwrap_or(now);
    let left = SignedDuration::from_secs(deadline) - now.duration_since(since);
    if left.is_positive() {
        return Some(left + SignedDuration::from_secs(1));
    }
    let message = format!("{subject} has timed out progressing.");
    put(conditions, "Progressing", "False", "ProgressDeadlineExceeded", &message, now);
    None
}

/// Tells that the ReplicaSet of the template was refused.
pub(super) async fn failed_create(cluster: &Cluster, view: &View, error: &Error) -> Result<()> {
    let mut conditions = view.deployment.list("/status/conditions").to_vec();
    put(&mut conditions, "Progressing", "False", "ReplicaSetCreateError", &chain(error), view.now);
    let status = json!({ "conditions": conditions, "observedGeneration": view.generation });
    if !same_status(&view.deployment, &status) {
        cluster.merge(&view.deployment, Part::Status, json!({ "status": status })).await?;
    }
    Ok(())
}

/// Sets a condition; those of deployments also say when they were last looked at.
fn put(
    conditions: &mut Vec<Value>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    if set_condition(conditions, type_, status, reason, message, now)
        && let Some(condition) = conditions.iter_mut().find(|condition| condition["type"] == type_)
    {
        condition["lastUpdateTime"] = json!(stamp(now));
    }
}

/// Restarts the clock of the progress deadline.
fn touch(conditions: &mut [Value], now: Timestamp) {
    if let Some(condition) =
        conditions.iter_mut().find(|condition| condition["type"] == "Progressing")
    {
        condition["lastUpdateTime"] = json!(stamp(now));
    }
}
