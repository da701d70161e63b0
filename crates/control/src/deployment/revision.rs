//! Which ReplicaSet belongs to a template: hash, equality, revision numbers.

use crate::object::Object;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const HASH_LABEL: &str = "pod-template-hash";
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations that say something about one object only and are not copied to ReplicaSets.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// A template in one form: sorted keys, no nulls, without the hash label.
pub(crate) fn canonical(template: &Value) -> Value {
    let mut value = sorted(template);
    if let Some(labels) = value.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    value
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields: BTreeMap<_, _> = map.iter().filter(|(_, value)| !value.is_null()).collect();
            Value::Object(
                fields
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// A short name for a template: FNV-1a in letters that spell no words.
pub(crate) fn hash(canonical: &Value, collisions: i64) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut hash: u32 = 0x811c_9dc5;
    let text = canonical.to_string();
    let salt = if collisions == 0 { String::new() } else { collisions.to_string() };
    for byte in text.bytes().chain(salt.bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string()
        .bytes()
        .map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()]))
        .collect()
}

/// The ReplicaSet made from this template; the oldest if there are several.
pub(super) fn find_new(template: &Value, sets: &[Arc<Object>]) -> Option<Arc<Object>> {
    let wanted = canonical(template);
    sets.iter()
        .filter(|set| {
            set.at("/spec/template").is_some_and(|template| canonical(template) == wanted)
        })
        .min_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())))
        .cloned()
}

pub(super) fn revision(object: &Object) -> i64 {
    object.annotation(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The annotations of the ReplicaSet of the current template, and of each one that takes
/// up this template again: those of the deployment plus the revision it becomes.
pub(super) fn annotations(
    deployment: &Object,
    known: Option<&Object>,
    revision: i64,
) -> BTreeMap<String, String> {
    let mut annotations: BTreeMap<_, _> = deployment
        .annotations()
        .iter()
        .filter(|(key, _)| !NOT_COPIED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let before = known.and_then(|set| set.annotation(REVISION));
    if let Some(before) = before
        && before.parse().is_ok_and(|before: i64| before < revision)
    {
        let history = known.and_then(|set| set.annotation(HISTORY)).unwrap_or("");
        let history =
            if history.is_empty() { before.to_owned() } else { format!("{history},{before}") };
        annotations.insert(HISTORY.to_owned(), history);
        annotations.insert(REVISION.to_owned(), revision.to_string());
    } else if before.is_none() {
        annotations.insert(REVISION.to_owned(), revision.to_string());
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_nulls_and_the_hash_label_do_not_make_another_template() {
        let a = json!({"metadata": {"labels": {"app": "x", HASH_LABEL: "abc"}, "creationTimestamp": null}, "spec": {"b": 1, "a": 2}});
        let b = json!({"spec": {"a": 2, "b": 1}, "metadata": {"labels": {"app": "x"}}});
        assert_eq!(canonical(&a), canonical(&b));
        assert_eq!(hash(&canonical(&a), 0), hash(&canonical(&b), 0));
        assert_ne!(hash(&canonical(&a), 0), hash(&canonical(&a), 1));
        assert_ne!(
            canonical(&a),
            canonical(&json!({"metadata": {"labels": {"app": "x"}}, "spec": {"a": 2, "b": 2}}))
        );
    }
}
