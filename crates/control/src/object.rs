//! One object as read from the API: typed metadata, raw rest.
//!
//! The rest stays raw JSON so that copying a pod template loses no field we do
//! not know. Next: cache.rs, where all of them are kept.

use crate::resource::{Depth, Resource};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Namespace (empty for cluster-wide kinds) and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}", self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// One object read from the API.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) resource: Resource,
    pub(crate) meta: ObjectMeta,
    /// Everything but `apiVersion`, `kind` and `metadata`.
    pub(crate) data: Value,
}

const EMPTY: &BTreeMap<String, String> = &BTreeMap::new();

impl Object {
    /// Takes what the API sent, without what no loop reads.
    pub(crate) fn from_api(resource: Resource, mut raw: DynamicObject) -> Self {
        raw.metadata.managed_fields = None;
        if let Some(annotations) = &mut raw.metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        let data = match resource.depth() {
            Depth::Whole => raw.data,
            Depth::Metadata => Value::Null,
        };
        Self { resource, meta: raw.metadata, data }
    }

    pub(crate) fn key(&self) -> Key {
        Key::new(self.namespace(), self.name())
    }

    pub(crate) fn namespace(&self) -> &str {
        self.meta.namespace.as_deref().unwrap_or("")
    }

    pub(crate) fn name(&self) -> &str {
        self.meta.name.as_deref().unwrap_or("")
    }

    pub(crate) fn uid(&self) -> &str {
        self.meta.uid.as_deref().unwrap_or("")
    }

    /// The store's revision of this object; 0 when it is not a number.
    pub(crate) fn revision(&self) -> u64 {
        self.meta.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn generation(&self) -> i64 {
        self.meta.generation.unwrap_or(0)
    }

    pub(crate) fn labels(&self) -> &BTreeMap<String, String> {
        self.meta.labels.as_ref().unwrap_or(EMPTY)
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels().get(name).map(String::as_str)
    }

    pub(crate) fn annotations(&self) -> &BTreeMap<String, String> {
        self.meta.annotations.as_ref().unwrap_or(EMPTY)
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations().get(name).map(String::as_str)
    }

    pub(crate) fn deleting(&self) -> bool {
        self.meta.deletion_timestamp.is_some()
    }

    pub(crate) fn created(&self) -> Timestamp {
        self.meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
    }

    pub(crate) fn finalizers(&self) -> &[String] {
        self.meta.finalizers.as_deref().unwrap_or(&[])
    }

    pub(crate) fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers().iter().any(|finalizer| finalizer == name)
    }

    pub(crate) fn owners(&self) -> &[OwnerReference] {
        self.meta.owner_references.as_deref().unwrap_or(&[])
    }

    /// The one owner that manages this object.
    pub(crate) fn controller(&self) -> Option<&OwnerReference> {
        self.owners().iter().find(|owner| owner.controller == Some(true))
    }

    pub(crate) fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|owner| owner.uid == uid)
    }

    /// A field by JSON pointer below the object (`/spec/replicas`).
    pub(crate) fn at(&self, pointer: &str) -> Option<&Value> {
        self.data.pointer(pointer).filter(|value| !value.is_null())
    }

    pub(crate) fn int(&self, pointer: &str) -> Option<i64> {
        self.at(pointer)?.as_i64()
    }

    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer)?.as_str()
    }

    pub(crate) fn flag(&self, pointer: &str) -> bool {
        self.at(pointer).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A time stamp field.
    pub(crate) fn time(&self, pointer: &str) -> Option<Timestamp> {
        self.text(pointer)?.parse().ok()
    }

    /// A condition of the status by type.
    pub(crate) fn condition(&self, type_: &str) -> Option<&Value> {
        self.list("/status/conditions").iter().find(|condition| condition["type"] == type_)
    }

    /// Whether a condition has status `True`.
    pub(crate) fn is(&self, type_: &str) -> bool {
        self.condition(type_).is_some_and(|condition| condition["status"] == "True")
    }

    /// An owner reference that says: this object manages the dependent and blocks on it.
    pub(crate) fn controller_reference(&self) -> Value {
        json!({
            "apiVersion": self.resource.api_version(),
            "kind": self.resource.kind,
            "name": self.name(),
            "uid": self.uid(),
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }

    /// A reference for events and endpoints.
    pub(crate) fn reference(&self) -> Value {
        let mut reference = json!({
            "apiVersion": self.resource.api_version(),
            "kind": self.resource.kind,
            "name": self.name(),
            "uid": self.uid(),
        });
        if !self.namespace().is_empty() {
            reference["namespace"] = json!(self.namespace());
        }
        reference
    }
}

/// Sets a condition in a list: keeps `lastTransitionTime` while the status stays,
/// and returns whether anything changed.
pub(crate) fn set_condition(
    conditions: &mut Vec<Value>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> bool {
    let existing = conditions.iter_mut().find(|condition| condition["type"] == type_);
    if let Some(condition) = existing {
        let same_status = condition["status"] == status;
        if same_status && condition["reason"] == reason && condition["message"] == message {
            return false;
        }
        condition["status"] = json!(status);
        condition["reason"] = json!(reason);
        condition["message"] = json!(message);
        if condition.get("lastUpdateTime").is_some() {
            condition["lastUpdateTime"] = json!(stamp(now));
        }
        if !same_status {
            condition["lastTransitionTime"] = json!(stamp(now));
        }
    } else {
        conditions.push(json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": stamp(now),
        }));
    }
    true
}

/// RFC 3339 with whole seconds, as `metav1.Time` has it.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An integer or a percentage of `total` (`IntOrString`); `None` when it is neither.
pub(crate) fn int_or_percent(value: &Value, total: i64, round_up: bool) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let percent: i64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let product = total.checked_mul(percent)?;
    Some(if round_up { (product + 99).div_euclid(100) } else { product.div_euclid(100) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_round_as_asked() {
        assert_eq!(int_or_percent(&json!("25%"), 10, true), Some(3));
        assert_eq!(int_or_percent(&json!("25%"), 10, false), Some(2));
        assert_eq!(int_or_percent(&json!(4), 10, false), Some(4));
        assert_eq!(int_or_percent(&json!("x"), 10, false), None);
    }

    #[test]
    fn a_condition_keeps_its_transition_time_while_the_status_stays() {
        let first = Timestamp::from_second(1_000).unwrap();
        let later = Timestamp::from_second(2_000).unwrap();
        let mut conditions = Vec::new();
        assert!(set_condition(&mut conditions, "Ready", "True", "A", "", first));
        assert!(!set_condition(&mut conditions, "Ready", "True", "A", "", later));
        assert!(set_condition(&mut conditions, "Ready", "True", "B", "", later));
        assert_eq!(conditions[0]["lastTransitionTime"], stamp(first));
        assert!(set_condition(&mut conditions, "Ready", "False", "B", "", later));
        assert_eq!(conditions[0]["lastTransitionTime"], stamp(later));
    }
}
