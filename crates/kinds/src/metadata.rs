//! The rules for `metadata`, the same for every kind.

use crate::{FieldError, Kind, name};
use serde_json::{Map, Value};

/// All annotations of an object together.
const ANNOTATIONS_MAX_BYTES: usize = 256 * 1024;

/// Fields that only the server writes; an update keeps the old ones.
const KEPT: [&str; 5] =
    ["uid", "creationTimestamp", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// Carries the server's own fields over from the stored object.
pub(crate) fn keep(new: &mut Map<String, Value>, old: &Value) {
    let entry = new.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(meta) = entry.as_object_mut() else { return };
    let old_meta = old.get("metadata");
    for name in KEPT.iter().chain(&["generation"]) {
        match old_meta.and_then(|meta| meta.get(*name)) {
            Some(value) => {
                meta.insert((*name).to_owned(), value.clone());
            }
            None => {
                meta.shift_remove(*name);
            }
        }
    }
}

/// Names, labels, annotations, finalizers, owners.
pub(crate) fn validate(
    kind: &Kind,
    new: &Value,
    old: Option<&Value>,
    faults: &mut Vec<FieldError>,
) {
    let empty = Value::Object(Map::new());
    let meta = new.get("metadata").unwrap_or(&empty);
    let text = |name: &str| meta.get(name).and_then(Value::as_str).unwrap_or_default();
    names(kind, meta, faults);
    labels(meta.get("labels"), "metadata.labels", faults);
    annotations(meta.get("annotations"), "metadata.annotations", faults);
    for (index, item) in list(meta, "finalizers").iter().enumerate() {
        let value = item.as_str().unwrap_or_default();
        if let Some(fault) = name::qualified_name(value) {
            faults.push(FieldError::invalid(format!("metadata.finalizers[{index}]"), item, &fault));
        }
    }
    owners(list(meta, "ownerReferences"), faults);
    let Some(old_meta) = old.and_then(|old| old.get("metadata")) else { return };
    for name in ["name", "namespace", "uid"] {
        let before = old_meta.get(name).and_then(Value::as_str).unwrap_or_default();
        if before != text(name) {
            let value = meta.get(name).unwrap_or(&Value::Null);
            faults.push(FieldError::invalid(
                format!("metadata.{name}"),
                value,
                "field is immutable",
            ));
        }
    }
    if old_meta.get("deletionTimestamp").is_some() {
        let before = list(old_meta, "finalizers");
        let added: Vec<&Value> =
            list(meta, "finalizers").iter().filter(|f| !before.contains(f)).collect();
        if !added.is_empty() {
            faults.push(FieldError::forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted",
            ));
        }
    }
}

fn names(kind: &Kind, meta: &Value, faults: &mut Vec<FieldError>) {
    let text = |name: &str| meta.get(name).and_then(Value::as_str).unwrap_or_default();
    let object_name = text("name");
    if object_name.is_empty() {
        if text("generateName").is_empty() {
            faults.push(FieldError::required("metadata.name", "name or generateName is required"));
        }
    } else if let Some(fault) = (kind.name_fault)(object_name) {
        faults.push(FieldError::invalid("metadata.name", &meta["name"], &fault));
    }
    let namespace = text("namespace");
    if kind.namespaced {
        if namespace.is_empty() {
            faults.push(FieldError::required("metadata.namespace", ""));
        } else if let Some(fault) = name::dns_label(namespace) {
            faults.push(FieldError::invalid("metadata.namespace", &meta["namespace"], &fault));
        }
    } else if !namespace.is_empty() {
        faults.push(FieldError::forbidden("metadata.namespace", "not allowed on this type"));
    }
}

/// Label keys and values; also used for templates and selectors.
pub(crate) fn labels(value: Option<&Value>, path: &str, faults: &mut Vec<FieldError>) {
    for (key, value) in value.and_then(Value::as_object).into_iter().flatten() {
        if let Some(fault) = name::qualified_name(key) {
            faults.push(FieldError::invalid(path, &Value::from(key.as_str()), &fault));
        }
        if let Some(fault) = value.as_str().and_then(name::label_value) {
            faults.push(FieldError::invalid(path, value, &fault));
        }
    }
}

/// Annotation keys and their total size.
pub(crate) fn annotations(value: Option<&Value>, path: &str, faults: &mut Vec<FieldError>) {
    let mut size_bytes = 0;
    for (key, value) in value.and_then(Value::as_object).into_iter().flatten() {
        if let Some(fault) = name::qualified_name(&key.to_lowercase()) {
            faults.push(FieldError::invalid(path, &Value::from(key.as_str()), &fault));
        }
        size_bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if size_bytes > ANNOTATIONS_MAX_BYTES {
        faults.push(FieldError::too_long(path, ANNOTATIONS_MAX_BYTES));
    }
}

fn owners(owners: &[Value], faults: &mut Vec<FieldError>) {
    let mut controllers = 0;
    for (index, owner) in owners.iter().enumerate() {
        for name in ["apiVersion", "kind", "name", "uid"] {
            if owner.get(name).and_then(Value::as_str).unwrap_or_default().is_empty() {
                let at = format!("metadata.ownerReferences[{index}].{name}");
                faults.push(FieldError::required(at, ""));
            }
        }
        controllers += i32::from(owner.get("controller") == Some(&Value::Bool(true)));
    }
    if controllers > 1 {
        faults.push(FieldError::invalid(
            "metadata.ownerReferences",
            &Value::from(controllers),
            "only one reference can have controller set to true",
        ));
    }
}

fn list<'a>(meta: &'a Value, name: &str) -> &'a [Value] {
    meta.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
