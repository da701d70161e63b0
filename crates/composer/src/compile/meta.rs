//! Names, labels and hashes on objects. Where next: `template.rs`.

use serde_json::{Map, Value, json};

use super::Input;
use crate::graph::Part;
use crate::names;

/// The release an object was last written by.
pub(super) const RELEASE: &str = "shelf.dev/release";
/// The hash of an object as compiled, without the release.
pub(super) const HASH: &str = "shelf.dev/hash";
/// The process a pod is a copy of; steps and logins have none, so no Service selects them.
pub(super) const PROCESS: &str = "shelf.dev/process";

/// What a pod that runs once does: `grant` or `before`.
pub(super) const JOB: &str = "shelf.dev/job";

/// Labels of what belongs to the app as a whole.
pub(super) fn app_labels(input: &Input<'_>) -> Value {
    json!({
        "app.kubernetes.io/name": input.graph.app,
        "app.kubernetes.io/part-of": input.graph.app,
        "app.kubernetes.io/managed-by": "shelf",
    })
}

/// Labels of what belongs to a block.
pub(super) fn labels(input: &Input<'_>, part: &Part, name: &str) -> Value {
    json!({
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/part-of": input.graph.app,
        "app.kubernetes.io/component": part.name,
        "app.kubernetes.io/managed-by": "shelf",
    })
}

/// Labels of the pods of a process.
pub(super) fn pod_labels(input: &Input<'_>, part: &Part, name: &str, process: &str) -> Value {
    let mut labels = labels(input, part, name);
    labels[PROCESS] = process.into();
    labels
}

/// The labels that select the pods of a process; they never change, so a selector stays valid.
pub(super) fn selector(input: &Input<'_>, part: &Part, process: &str) -> Value {
    json!({
        "app.kubernetes.io/part-of": input.graph.app,
        "app.kubernetes.io/component": part.name,
        PROCESS: process,
    })
}

/// An object with its metadata.
pub(super) fn object(
    input: &Input<'_>,
    part: &Part,
    (api_version, kind): (&str, &str),
    name: &str,
) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": input.graph.app,
            "labels": labels(input, part, name),
        },
    })
}

/// Ten digits of the hash of a value. Maps keep the order in which the compiler wrote them, which
/// is the same every time.
pub(super) fn short_hash(value: &Value) -> String {
    names::hash(value.to_string().as_bytes())[..10].to_owned()
}

/// Sets a key unless the value is empty.
pub(super) fn put(map: &mut Value, key: &str, value: impl Into<Value>) {
    let value = value.into();
    let empty = match &value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    if !empty {
        map[key] = value;
    }
}

/// A map from pairs, in their order.
pub(super) fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
}
