//! StatefulSet: numbered pods with names and disks that stay; ControllerRevision: its history.

use super::deployment::workload;
use crate::FieldError;
use crate::cell::{self, AGE, NAME, at, int_at, list_at, str_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use crate::pod_spec;
use crate::schema::put_if_absent;
use jiff::Timestamp;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    NAME,
    cell::text("Ready", "ready pods of those wanted"),
    AGE,
    cell::wide("Containers", "their names"),
    cell::wide("Images", "their images"),
];

/// What may change after creation.
const CHANGEABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(crate) fn stateful_set() -> Kind {
    Kind {
        short_names: &["sts"],
        categories: &["all"],
        subresources: &[Subresource::Status, Subresource::Scale],
        counts_generations: true,
        ..Kind::new(
            ("apps", "v1", "StatefulSet"),
            ("statefulsets", "statefulset"),
            COLUMNS,
            Hooks {
                canonical: |_| {},
                default,
                validate,
                create: |object| {
                    if let Some(map) = object.as_object_mut() {
                        map.insert("status".to_owned(), json!({"replicas": 0}));
                    }
                },
                row,
            },
        )
    }
}

pub(crate) fn controller_revision() -> Kind {
    Kind::new(
        ("apps", "v1", "ControllerRevision"),
        ("controllerrevisions", "controllerrevision"),
        const {
            &[
                NAME,
                cell::text("Controller", "whose history it belongs to"),
                cell::text("Revision", "number of the version"),
                AGE,
            ]
        },
        Hooks::row_only(|object, now| {
            let owners = list_at(object, "/metadata/ownerReferences");
            let owner = owners.iter().find(|owner| owner["controller"] == true);
            let text = owner.map_or_else(
                || "<none>".to_owned(),
                |owner| {
                    let group = str_at(owner, "/apiVersion").split_once('/').map_or("", |(g, _)| g);
                    let kind = str_at(owner, "/kind").to_lowercase();
                    let dot = if group.is_empty() { "" } else { "." };
                    format!("{kind}{dot}{group}/{}", str_at(owner, "/name"))
                },
            );
            vec![
                cell::name(object),
                json!(text),
                json!(int_at(object, "/revision").to_string()),
                cell::age(object, now),
            ]
        }),
    )
}

fn default(object: &mut Value) {
    if let Some(spec) = object.pointer_mut("/spec/template/spec") {
        pod_spec::default(spec);
    }
    let strategy = object.pointer_mut("/spec/updateStrategy").and_then(Value::as_object_mut);
    if let Some(strategy) = strategy
        && strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
    {
        let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
        if let Some(rolling) = rolling.as_object_mut() {
            put_if_absent(rolling, "partition", json!(0));
        }
    }
    let claims = object.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
        put_if_absent(claim, "apiVersion", json!("v1"));
        put_if_absent(claim, "kind", json!("PersistentVolumeClaim"));
        claim.entry("status").or_insert_with(|| json!({"phase": "Pending"}));
    }
}

fn validate(new: &Value, old: Option<&Value>, faults: &mut Vec<FieldError>) {
    // Mounts may name a claim template as if it were a volume.
    let mut seen = new.clone();
    let claims: Vec<Value> = list_at(new, "/spec/volumeClaimTemplates")
        .iter()
        .map(|claim| json!({"name": str_at(claim, "/metadata/name"), "emptyDir": {}}))
        .collect();
    if let Some(spec) = seen.pointer_mut("/spec/template/spec").and_then(Value::as_object_mut) {
        let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
        if let Some(volumes) = volumes.as_array_mut() {
            volumes.retain(|v| !claims.iter().any(|claim| claim["name"] == v["name"]));
            volumes.extend(claims);
        }
    }
    workload(&seen, faults);
    let Some(old) = old.and_then(|old| old.get("spec")).and_then(Value::as_object) else { return };
    let Some(spec) = new.get("spec").and_then(Value::as_object) else { return };
    let fixed = |map: &serde_json::Map<String, Value>| {
        let mut map = map.clone();
        map.retain(|name, value| !CHANGEABLE.contains(&name.as_str()) && value != "");
        map
    };
    if fixed(old) != fixed(spec) {
        faults.push(FieldError::forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
             'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
             'minReadySeconds' are forbidden",
        ));
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (containers, images) = cell::containers(at(object, "/spec/template/spec"));
    let ready = int_at(object, "/status/readyReplicas");
    vec![
        cell::name(object),
        json!(format!("{ready}/{}", int_at(object, "/spec/replicas"))),
        cell::age(object, now),
        containers,
        images,
    ]
}
