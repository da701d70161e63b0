//! What a pod's status says: running, ready, available, over. And how one is made from a template.

use crate::cluster::{Cluster, Part};
use crate::error::Result;
use crate::object::Object;
use crate::selector::Selector;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(crate) fn phase(pod: &Object) -> &str {
    pod.text("/status/phase").unwrap_or("Pending")
}

/// Succeeded or failed for good.
pub(crate) fn is_over(pod: &Object) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Neither over nor being deleted.
pub(crate) fn is_active(pod: &Object) -> bool {
    !is_over(pod) && !pod.deleting()
}

pub(crate) fn is_ready(pod: &Object) -> bool {
    pod.is("Ready")
}

pub(crate) fn node(pod: &Object) -> Option<&str> {
    pod.text("/spec/nodeName").filter(|name| !name.is_empty())
}

/// Since when the pod is ready.
pub(crate) fn ready_since(pod: &Object) -> Option<Timestamp> {
    if !is_ready(pod) {
        return None;
    }
    pod.condition("Ready")?["lastTransitionTime"].as_str()?.parse().ok()
}

/// How long until a ready pod counts as available; zero when it does, `None` when it is not ready.
pub(crate) fn available_in(
    pod: &Object,
    min_ready_seconds: i64,
    now: Timestamp,
) -> Option<SignedDuration> {
    if !is_ready(pod) {
        return None;
    }
    if min_ready_seconds == 0 {
        return Some(SignedDuration::ZERO);
    }
    let age = now.duration_since(ready_since(pod)?);
    Some((SignedDuration::from_secs(min_ready_seconds) - age).max(SignedDuration::ZERO))
}

pub(crate) fn is_available(pod: &Object, min_ready_seconds: i64, now: Timestamp) -> bool {
    available_in(pod, min_ready_seconds, now) == Some(SignedDuration::ZERO)
}

/// The body of a pod made from a template for its controller; the caller adds a name.
pub(crate) fn from_template(template: &Value, owner: &Object) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) =
            template.pointer(&format!("/metadata/{field}")).filter(|value| !value.is_null())
        {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    metadata.insert("ownerReferences".to_owned(), json!([owner.controller_reference()]));
    json!({ "metadata": metadata, "spec": template["spec"] })
}

/// Objects that belong to `owner`: those it controls already, plus orphans its selector
/// matches (adopted here); those that no longer match are released.
pub(crate) async fn claim(
    cluster: &Cluster,
    resource: crate::resource::Resource,
    owner: &Object,
    selector: &Selector,
) -> Result<Vec<Arc<Object>>> {
    let mut ours = Vec::new();
    for object in cluster.cache.controlled(resource, owner.uid()) {
        if selector.matches(object.labels()) {
            ours.push(object);
        } else if !object.deleting() && !owner.deleting() {
            release(cluster, owner, &object).await?;
        } else {
            ours.push(object);
        }
    }
    if owner.deleting() {
        return Ok(ours);
    }
    let mut fresh = false;
    for object in cluster.cache.list(resource, owner.namespace()) {
        if object.controller().is_some() || object.deleting() || !selector.matches(object.labels())
        {
            continue;
        }
        if !fresh {
            // Adopting for an owner that is gone would leave a pod nobody wants: look past the cache, once.
            let live = cluster.live(owner.resource, owner.namespace(), owner.name()).await?;
            if !live.is_some_and(|live| live.uid() == owner.uid() && !live.deleting()) {
                return Ok(ours);
            }
            fresh = true;
        }
        let mut owners = references(&object);
        owners.push(owner.controller_reference());
        let patch = json!({"metadata": {
            "resourceVersion": object.meta.resource_version, "ownerReferences": owners,
        }});
        ours.push(cluster.merge(&object, Part::Object, patch).await?);
    }
    ours.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(ours)
}

async fn release(cluster: &Cluster, owner: &Object, object: &Object) -> Result<()> {
    let owners: Vec<_> = references(object)
        .into_iter()
        .filter(|reference| reference["uid"] != owner.uid())
        .collect();
    let patch = json!({"metadata": {
        "resourceVersion": object.meta.resource_version, "ownerReferences": owners,
    }});
    cluster.merge(object, Part::Object, patch).await.map(drop)
}

/// The owner references of an object as JSON.
pub(crate) fn references(object: &Object) -> Vec<Value> {
    object.owners().iter().map(|owner| json!(owner)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::resource::POD;

    /// A pod from JSON, for tests of pure functions.
    pub(crate) fn pod(value: Value) -> Object {
        Object::from_api(POD, serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_pod_is_available_after_its_minimum_ready_time() {
        let ready =
            pod(json!({"metadata": {"name": "p"}, "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ]}}));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(is_available(&ready, 0, at("2026-01-01T00:00:00Z")));
        assert!(!is_available(&ready, 10, at("2026-01-01T00:00:09Z")));
        assert_eq!(
            available_in(&ready, 10, at("2026-01-01T00:00:08Z")),
            Some(SignedDuration::from_secs(2))
        );
        assert!(is_available(&ready, 10, at("2026-01-01T00:00:10Z")));
    }
}
