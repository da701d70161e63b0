//! ReplicaSet: a fixed number of copies of one pod version.

use super::deployment::workload;
use crate::cell::{self, AGE, NAME, at, int_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use crate::pod_spec;
use jiff::Timestamp;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    NAME,
    cell::count("Desired", "pods wanted"),
    cell::count("Current", "pods made"),
    cell::count("Ready", "pods ready"),
    AGE,
    cell::wide("Containers", "their names"),
    cell::wide("Images", "their images"),
    cell::wide("Selector", "labels of its pods"),
];

pub(crate) fn replica_set() -> Kind {
    Kind {
        short_names: &["rs"],
        categories: &["all"],
        subresources: &[Subresource::Status, Subresource::Scale],
        counts_generations: true,
        ..Kind::new(
            ("apps", "v1", "ReplicaSet"),
            ("replicasets", "replicaset"),
            COLUMNS,
            Hooks {
                canonical: |_| {},
                default: |object| {
                    if let Some(spec) = object.pointer_mut("/spec/template/spec") {
                        pod_spec::default(spec);
                    }
                },
                validate: |new, _, faults| workload(new, faults),
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

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (containers, images) = cell::containers(at(object, "/spec/template/spec"));
    vec![
        cell::name(object),
        json!(int_at(object, "/spec/replicas")),
        json!(int_at(object, "/status/replicas")),
        json!(int_at(object, "/status/readyReplicas")),
        cell::age(object, now),
        containers,
        images,
        cell::label_selector(at(object, "/spec/selector")),
    ]
}
