//! What is special about namespaces: they must be there, they empty before they go.

use crate::Api;
use crate::encode;
use crate::object;
use crate::output;
use crate::status::{Cause, Failure};
use kinds::Kind;
use serde_json::{Value, json};

/// Made at start; `default` and the system's cannot be deleted.
pub(crate) const FIRST: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

pub(crate) fn is_namespace(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.plural == "namespaces"
}

/// Refuses new content in a namespace that is not there or is going away.
pub(crate) fn check_open(
    api: &Api,
    namespace: &str,
    kind: &Kind,
    name: &str,
) -> Result<(), Failure> {
    let namespaces = kinds::find("", "v1", "namespaces").ok_or_else(Failure::no_route)?;
    let key = encode::key(namespaces, None, namespace);
    let entry = api.store().get(&key).ok_or_else(|| Failure::not_found(namespaces, namespace))?;
    if !object::is_deleting(&output::parse(&entry.value)) {
        return Ok(());
    }
    let detail = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    Err(Failure::forbidden(kind, name, &detail).caused_by(Cause {
        reason: "NamespaceTerminating",
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".into(),
    }))
}

/// A new namespace: labelled with its name, active, held until it is empty.
pub(crate) fn prepare(new: &mut Value) {
    let name = object::name(new).to_owned();
    if !new["metadata"]["labels"].is_object() {
        new["metadata"]["labels"] = json!({});
    }
    new["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
    if !has_finalizers(new) {
        object::map(new, "spec").insert("finalizers".into(), json!(["kubernetes"]));
    }
    object::map(new, "status").insert("phase".into(), json!("Active"));
}

pub(crate) fn has_finalizers(namespace: &Value) -> bool {
    namespace["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
}

/// Only `/finalize` changes `spec.finalizers`.
pub(crate) fn keep_finalizers(new: &mut Value, live: &Value) {
    let kept = live["spec"]["finalizers"].clone();
    if kept.is_null() {
        object::map(new, "spec").remove("finalizers");
    } else {
        object::map(new, "spec").insert("finalizers".into(), kept);
    }
}
