//! Node: a machine; its agent writes the status.

use crate::cell::{self, AGE, NAME, list_at, or_none, str_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use jiff::Timestamp;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    NAME,
    cell::text("Status", "whether pods can run here"),
    cell::text("Roles", "from the labels node-role.kubernetes.io/…"),
    AGE,
    cell::text("Version", "of the node's agent"),
    cell::wide("Internal-IP", "address inside the cluster"),
    cell::wide("External-IP", "address outside"),
    cell::wide("OS-Image", "operating system"),
    cell::wide("Kernel-Version", "kernel"),
    cell::wide("Container-Runtime", "what runs the containers"),
];

pub(crate) fn node() -> Kind {
    Kind {
        short_names: &["no"],
        namespaced: false,
        subresources: &[Subresource::Status],
        ..Kind::new(("", "v1", "Node"), ("nodes", "node"), COLUMNS, Hooks::row_only(row))
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready =
        list_at(object, "/status/conditions").iter().find(|condition| condition["type"] == "Ready");
    let mut status = match ready.map(|condition| condition["status"].as_str()) {
        Some(Some("True")) => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let address = |kind: &str| {
        let found = list_at(object, "/status/addresses").iter().find(|a| a["type"] == kind);
        or_none(found.map(|a| str_at(a, "/address")).unwrap_or_default())
    };
    let unknown = |pointer: &str| match str_at(object, pointer) {
        "" => json!("<unknown>"),
        text => json!(text),
    };
    vec![
        cell::name(object),
        json!(status),
        or_none(&roles(object)),
        cell::age(object, now),
        json!(str_at(object, "/status/nodeInfo/kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        unknown("/status/nodeInfo/osImage"),
        unknown("/status/nodeInfo/kernelVersion"),
        unknown("/status/nodeInfo/containerRuntimeVersion"),
    ]
}

fn roles(object: &Value) -> String {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let mut roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.join(",")
}
