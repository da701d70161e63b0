//! Deployment: copies of a pod, rolled to new versions step by step.

use crate::cell::{self, AGE, NAME, at, int_at, str_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use crate::pod_spec::{self, Restart};
use crate::{FieldError, quantity};
use jiff::Timestamp;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    NAME,
    cell::text("Ready", "ready pods of those wanted"),
    cell::text("Up-to-date", "pods of the newest version"),
    cell::text("Available", "pods ready for long enough"),
    AGE,
    cell::wide("Containers", "their names"),
    cell::wide("Images", "their images"),
    cell::wide("Selector", "labels of its pods"),
];

pub(crate) fn deployment() -> Kind {
    Kind {
        short_names: &["deploy"],
        categories: &["all"],
        subresources: &[Subresource::Status, Subresource::Scale],
        counts_generations: true,
        ..Kind::new(
            ("apps", "v1", "Deployment"),
            ("deployments", "deployment"),
            COLUMNS,
            Hooks { canonical: |_| {}, default, validate, create: |_| {}, row },
        )
    }
}

fn default(object: &mut Value) {
    if let Some(spec) = object.pointer_mut("/spec/template/spec") {
        pod_spec::default(spec);
    }
    let Some(strategy) = object.pointer_mut("/spec/strategy").and_then(Value::as_object_mut) else {
        return;
    };
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate") {
        let rolling = strategy.entry("rollingUpdate").or_insert_with(|| json!({}));
        if let Some(rolling) = rolling.as_object_mut() {
            crate::schema::put_if_absent(rolling, "maxUnavailable", json!("25%"));
            crate::schema::put_if_absent(rolling, "maxSurge", json!("25%"));
        }
    }
}

/// Faults that all workloads share: replicas, selector, template.
pub(super) fn workload(new: &Value, faults: &mut Vec<FieldError>) {
    let Some(spec) = new.get("spec").filter(|spec| spec.is_object()) else {
        faults.push(FieldError::required("spec", ""));
        return;
    };
    for field in ["replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"]
    {
        if let Some(value) = spec.get(field)
            && value.as_i64().is_some_and(|n| n < 0)
        {
            let detail = "must be greater than or equal to 0";
            faults.push(FieldError::invalid(format!("spec.{field}"), value, detail));
        }
    }
    if let Some(template) = spec.get("template") {
        let selector = spec.get("selector");
        pod_spec::template(template, selector, Restart::Always, "spec.template", faults);
    }
}

fn validate(new: &Value, _old: Option<&Value>, faults: &mut Vec<FieldError>) {
    workload(new, faults);
    let strategy = at(new, "/spec/strategy");
    let rolling = at(strategy, "/rollingUpdate");
    if str_at(strategy, "/type") == "Recreate" && rolling.is_object() {
        let detail = "may not be specified when strategy `type` is 'Recreate'";
        faults.push(FieldError::forbidden("spec.strategy.rollingUpdate", detail));
        return;
    }
    let mut zeros = 0;
    for field in ["maxUnavailable", "maxSurge"] {
        let Some(value) = rolling.get(field) else { continue };
        let path = format!("spec.strategy.rollingUpdate.{field}");
        // Against 100 a percentage is itself.
        match quantity::int_or_percent(value, 100, true) {
            Ok(0) => zeros += 1,
            Ok(n) if n < 0 => {
                faults.push(FieldError::invalid(path, value, "must be greater than or equal to 0"));
            }
            Ok(n) if n > 100 && field == "maxUnavailable" && value.is_string() => {
                faults.push(FieldError::invalid(path, value, "must not be greater than 100%"));
            }
            Ok(_) => {}
            Err(_) => faults.push(FieldError::invalid(
                path,
                value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. \
                 '1%',  or '93%', regex used for validation is '[0-9]+%')",
            )),
        }
    }
    if zeros == 2 {
        let detail = "may not be 0 when `maxSurge` is 0";
        let path = "spec.strategy.rollingUpdate.maxUnavailable";
        faults.push(FieldError::invalid(path, at(rolling, "/maxUnavailable"), detail));
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (containers, images) = cell::containers(at(object, "/spec/template/spec"));
    let ready = int_at(object, "/status/readyReplicas");
    vec![
        cell::name(object),
        json!(format!("{ready}/{}", int_at(object, "/spec/replicas"))),
        json!(int_at(object, "/status/updatedReplicas").to_string()),
        json!(int_at(object, "/status/availableReplicas").to_string()),
        cell::age(object, now),
        containers,
        images,
        cell::label_selector(at(object, "/spec/selector")),
    ]
}
