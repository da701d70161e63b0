//! Which existing volume satisfies a claim: pure.

use crate::object::Object;
use crate::selector::Selector;
use serde_json::Value;
use std::sync::Arc;

/// A quantity in whole units; 0 when absent or not a quantity.
pub(super) fn bytes(value: Option<&Value>) -> i128 {
    value
        .and_then(|value| kinds::quantity::from_value(value).ok())
        .map_or(0, kinds::quantity::Quantity::value)
}

/// The volume for a claim: one reserved for it by name, else the smallest that is large enough.
pub(super) fn find(claim: &Object, class: &str, volumes: &[Arc<Object>]) -> Option<Arc<Object>> {
    let reserved = volumes.iter().find(|volume| is_reserved(volume, claim) && !volume.deleting());
    if let Some(reserved) = reserved {
        return Some(reserved.clone());
    }
    volumes
        .iter()
        .filter(|volume| {
            volume.at("/spec/claimRef").is_none()
                && !volume.deleting()
                && suits(volume, claim, class)
        })
        .min_by_key(|volume| bytes(volume.at("/spec/capacity/storage")))
        .cloned()
}

/// Whether a volume's `claimRef` names this claim, or this claim by name before it existed.
pub(super) fn is_reserved(volume: &Object, claim: &Object) -> bool {
    let uid = volume.text("/spec/claimRef/uid").unwrap_or("");
    volume.text("/spec/claimRef/name") == Some(claim.name())
        && volume.text("/spec/claimRef/namespace") == Some(claim.namespace())
        && (uid.is_empty() || uid == claim.uid())
}

fn suits(volume: &Object, claim: &Object, class: &str) -> bool {
    let mode = |object: &Object| object.text("/spec/volumeMode").unwrap_or("Filesystem").to_owned();
    let offered = volume.list("/spec/accessModes");
    let selected = match claim.at("/spec/selector") {
        Some(selector) => Selector::from_object(Some(selector))
            .is_some_and(|selector| selector.matches(volume.labels())),
        None => true,
    };
    selected
        && volume.text("/spec/storageClassName").unwrap_or("") == class
        && mode(volume) == mode(claim)
        && claim.list("/spec/accessModes").iter().all(|mode| offered.contains(mode))
        && bytes(volume.at("/spec/capacity/storage"))
            >= bytes(claim.at("/spec/resources/requests/storage"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{CLAIM, VOLUME};
    use serde_json::json;

    fn volume(name: &str, size: &str, spec: Value) -> Arc<Object> {
        let mut value = json!({"metadata": {"name": name, "labels": {"disk": name}}, "spec": {
            "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "slow"}});
        for (field, extra) in spec.as_object().unwrap() {
            value["spec"][field] = extra.clone();
        }
        Arc::new(Object::from_api(VOLUME, serde_json::from_value(value).unwrap()))
    }

    fn claim(size: &str) -> Object {
        let value = json!({"metadata": {"name": "c", "namespace": "a", "uid": "u"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}});
        Object::from_api(CLAIM, serde_json::from_value(value).unwrap())
    }

    #[test]
    fn the_smallest_volume_that_is_large_enough_wins() {
        let volumes = [
            volume("big", "10Gi", json!({})),
            volume("fit", "2Gi", json!({})),
            volume("small", "1Mi", json!({})),
        ];
        assert_eq!(find(&claim("1Gi"), "slow", &volumes).unwrap().name(), "fit");
        assert!(find(&claim("1Gi"), "fast", &volumes).is_none());
        assert!(find(&claim("100Gi"), "slow", &volumes).is_none());
    }

    #[test]
    fn a_volume_reserved_for_another_claim_is_not_taken() {
        let other = json!({"claimRef": {"name": "d", "namespace": "a"}});
        assert!(find(&claim("1Gi"), "slow", &[volume("v", "2Gi", other)]).is_none());
        let namesake = json!({"claimRef": {"name": "c", "namespace": "a", "uid": "older"}});
        assert!(find(&claim("1Gi"), "slow", &[volume("v", "2Gi", namesake)]).is_none());
        let ours = json!({"claimRef": {"name": "c", "namespace": "a"}});
        assert_eq!(find(&claim("9Gi"), "x", &[volume("v", "2Gi", ours)]).unwrap().name(), "v");
    }
}
