//! Pod: containers that share one network and run on one node.
//!
//! `core/pod/row.rs` finds the words of the status column.

mod row;

use crate::FieldError;
use crate::cell::{self, AGE, NAME, str_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use crate::pod_spec::{self, Restart};
use crate::quantity;
use crate::schema::put_if_absent;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    NAME,
    cell::text("Ready", "ready containers of all"),
    cell::text("Status", "phase, or the reason that matters more"),
    cell::text("Restarts", "how often containers were restarted, and when last"),
    AGE,
    cell::wide("IP", "address of the pod"),
    cell::wide("Node", "where it runs"),
    cell::wide("Nominated Node", "where it may run after others made room"),
    cell::wide("Readiness Gates", "extra conditions of readiness that hold"),
];

pub(crate) fn pod() -> Kind {
    Kind {
        short_names: &["po"],
        categories: &["all"],
        subresources: &[Subresource::Status],
        counts_generations: true,
        ..Kind::new(
            ("", "v1", "Pod"),
            ("pods", "pod"),
            COLUMNS,
            Hooks {
                canonical: |_| {},
                default: |object| {
                    if let Some(spec) = object.get_mut("spec") {
                        pod_spec::default(spec);
                        pod_spec::default_in_pod(spec);
                    }
                },
                validate,
                create,
                row: row::row,
            },
        )
    }
}

/// What admission adds upstream: the default identity, priority and tolerations, then the status.
fn create(object: &mut Value) {
    let class = qos_class(object);
    let Some(map) = object.as_object_mut() else { return };
    map.insert("status".to_owned(), json!({"phase": "Pending", "qosClass": class}));
    let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) else { return };
    put_if_absent(spec, "serviceAccountName", json!("default"));
    let account = spec["serviceAccountName"].clone();
    put_if_absent(spec, "serviceAccount", account);
    put_if_absent(spec, "priority", json!(0));
    put_if_absent(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    let Some(tolerations) = tolerations.as_array_mut() else { return };
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covered = tolerations.iter().any(|t| {
            let key = str_at(t, "/key");
            (key == taint || key.is_empty()) && matches!(str_at(t, "/effect"), "" | "NoExecute")
        });
        if !covered {
            tolerations.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 300}));
        }
    }
}

/// Guaranteed if every container limits cpu and memory to what it requests, BestEffort if none
/// asks for anything, else Burstable.
fn qos_class(object: &Value) -> &'static str {
    let mut guaranteed = true;
    let mut any = false;
    for list in ["/spec/containers", "/spec/initContainers"] {
        for container in cell::list_at(object, list) {
            for resource in ["cpu", "memory"] {
                let amount = |field: &str| {
                    container
                        .pointer(&format!("/resources/{field}/{resource}"))
                        .and_then(|value| quantity::from_value(value).ok())
                        .filter(|amount| amount.milli() > 0)
                };
                let (limit, request) = (amount("limits"), amount("requests"));
                any |= limit.is_some() || request.is_some();
                guaranteed &= limit.is_some() && request.is_none_or(|r| Some(r) == limit);
            }
        }
    }
    match (any, guaranteed) {
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
        (false, _) => "BestEffort",
    }
}

fn validate(new: &Value, old: Option<&Value>, faults: &mut Vec<FieldError>) {
    let Some(spec) = new.get("spec").filter(|spec| spec.is_object()) else {
        faults.push(FieldError::required("spec.containers", ""));
        return;
    };
    pod_spec::check(spec, Restart::Any, "spec", faults);
    if let Some(old) = old.and_then(|old| old.get("spec"))
        && frozen(spec, old) != frozen(old, old)
    {
        faults.push(FieldError::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
             `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously \
             negative),`spec.tolerations` (only additions to existing tolerations)",
        ));
    }
}

/// The spec with everything that an update may change set to what it was.
///
/// The scheduler's binding sets `nodeName` and a late admission may set ephemeral containers; both
/// have a path of their own upstream, and both may only be added.
fn frozen(spec: &Value, old: &Value) -> Value {
    let mut out = spec.clone();
    let Some(map) = out.as_object_mut() else { return out };
    for field in ["activeDeadlineSeconds", "ephemeralContainers", "schedulingGates"] {
        map.shift_remove(field);
    }
    if str_at(old, "/nodeName").is_empty() {
        map.shift_remove("nodeName");
    }
    let tolerations = cell::list_at(old, "/tolerations");
    let kept = cell::list_at(spec, "/tolerations");
    if tolerations.iter().all(|toleration| kept.contains(toleration)) {
        map.shift_remove("tolerations");
    }
    for list in ["containers", "initContainers"] {
        for container in map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container.shift_remove("image");
            }
        }
    }
    sorted(out)
}

/// Empty values are dropped: clients differ in whether they send them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.into_iter().map(|(key, child)| (key, sorted(child)));
            Value::Object(entries.filter(|(_, child)| !is_empty(child)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(flag) => !flag,
        Value::Number(_) => false,
    }
}
