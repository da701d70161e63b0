//! The rules for a pod's spec, also inside the templates of workloads.
//!
//! Defaults that the schema cannot state are here; `pod_spec/check.rs` says what is wrong with a
//! spec, `pod_spec/volumes.rs` what is wrong with its volumes and mounts.

mod check;
mod volumes;

pub(crate) use check::{Restart, check, port_reference, template};

use crate::schema::put_if_absent;
use serde_json::{Map, Value, json};

const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// Defaults of a spec in a pod or a template. The schema's own are already there.
pub(crate) fn default(spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    mirror_service_account(map);
    for list in CONTAINER_LISTS {
        for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                default_container(container);
            }
        }
    }
}

/// The deprecated field `serviceAccount` follows the current one, and the reverse.
fn mirror_service_account(map: &mut Map<String, Value>) {
    let set = |map: &Map<String, Value>, name: &str| {
        map.get(name).filter(|v| v.as_str().is_some_and(|text| !text.is_empty())).cloned()
    };
    if let Some(name) = set(map, "serviceAccountName").or_else(|| set(map, "serviceAccount")) {
        map.insert("serviceAccountName".to_owned(), name.clone());
        map.insert("serviceAccount".to_owned(), name);
    }
}

fn default_container(container: &mut Map<String, Value>) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
    put_if_absent(container, "imagePullPolicy", json!(policy));
    for name in PROBES {
        if let Some(probe) = container.get_mut(name).and_then(Value::as_object_mut) {
            for (field, value) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                // Zero is how typed clients say nothing.
                if probe.get(field).and_then(Value::as_i64) == Some(0) {
                    probe.insert(field.to_owned(), json!(value));
                }
            }
        }
    }
}

/// An image without a tag or digest means the tag `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    match image.rsplit('/').next().unwrap_or(image).split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => true,
    }
}

/// Defaults of a pod that templates do not get: requests follow limits, host ports container ports.
pub(crate) fn default_in_pod(spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    put_if_absent(map, "enableServiceLinks", json!(true));
    let host_network = map.get("hostNetwork") == Some(&Value::Bool(true));
    for list in CONTAINER_LISTS {
        for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            requests_follow_limits(container);
            if !host_network {
                continue;
            }
            let ports = container.get_mut("ports").and_then(Value::as_array_mut);
            for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
                if let Some(number) = port.get("containerPort").cloned() {
                    put_if_absent(port, "hostPort", number);
                }
            }
        }
    }
}

fn requests_follow_limits(container: &mut Value) {
    let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    let Some(requests) = requests.as_object_mut() else { return };
    for (name, value) in limits {
        put_if_absent(requests, &name, value);
    }
}
