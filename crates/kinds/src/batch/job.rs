//! Job: pods that run until enough of them succeed.

use crate::cell::{self, AGE, NAME, at, int_at, list_at, str_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use crate::pod_spec::{self, Restart};
use crate::schema::put_if_absent;
use crate::{FieldError, duration};
use jiff::Timestamp;
use serde_json::{Value, json};

const COLUMNS: &[Column] = &[
    NAME,
    cell::text("Status", "Running, Complete, Failed, Suspended"),
    cell::text("Completions", "successes of those wanted"),
    cell::text("Duration", "from start to end"),
    AGE,
    cell::wide("Containers", "their names"),
    cell::wide("Images", "their images"),
    cell::wide("Selector", "labels of its pods"),
];

const LABEL_PREFIX: &str = "batch.kubernetes.io/";

pub(crate) fn job() -> Kind {
    Kind {
        categories: &["all"],
        subresources: &[Subresource::Status],
        counts_generations: true,
        ..Kind::new(
            ("batch", "v1", "Job"),
            ("jobs", "job"),
            COLUMNS,
            Hooks { canonical: |_| {}, default, validate, create, row },
        )
    }
}

fn default(object: &mut Value) {
    if let Some(spec) = object.get_mut("spec") {
        default_spec(spec);
    }
    // A job's labels are by default those of its pods.
    let labels = object.pointer("/spec/template/metadata/labels").cloned();
    if let Some(labels) = labels.filter(|l| l.as_object().is_some_and(|l| !l.is_empty()))
        && let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut)
        && meta.get("labels").and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
    {
        meta.insert("labels".to_owned(), labels);
    }
}

/// Defaults of a `JobSpec`, also in a CronJob.
pub(super) fn default_spec(spec: &mut Value) {
    if let Some(pod) = spec.pointer_mut("/template/spec") {
        pod_spec::default(pod);
    }
    let Some(map) = spec.as_object_mut() else { return };
    if map.get("completions").is_none() && map.get("parallelism").is_none() {
        map.insert("completions".to_owned(), json!(1));
    }
    put_if_absent(map, "parallelism", json!(1));
    let per_index = map.get("backoffLimitPerIndex").is_some();
    put_if_absent(map, "backoffLimit", json!(if per_index { i32::MAX } else { 6 }));
    let policy =
        if map.get("podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    put_if_absent(map, "podReplacementPolicy", json!(policy));
}

/// The selector and the labels that tie pods to this very job are made from its uid.
fn create(object: &mut Value) {
    let uid = str_at(object, "/metadata/uid").to_owned();
    let name = str_at(object, "/metadata/name").to_owned();
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if spec.get("manualSelector") == Some(&Value::Bool(true)) || uid.is_empty() {
        return;
    }
    let template = spec.entry("template").or_insert_with(|| json!({}));
    let Some(template) = template.as_object_mut() else { return };
    let meta = template.entry("metadata").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else { return };
    let labels = meta.entry("labels").or_insert_with(|| json!({}));
    let Some(labels) = labels.as_object_mut() else { return };
    for (key, value) in [("controller-uid", &uid), ("job-name", &name)] {
        put_if_absent(labels, &format!("{LABEL_PREFIX}{key}"), json!(value));
        put_if_absent(labels, key, json!(value));
    }
    let key = format!("{LABEL_PREFIX}controller-uid");
    let selector = spec.entry("selector").or_insert_with(|| json!({}));
    let Some(selector) = selector.as_object_mut() else { return };
    let wanted = selector.entry("matchLabels").or_insert_with(|| json!({}));
    if let Some(wanted) = wanted.as_object_mut() {
        wanted.insert(key, json!(uid));
    }
}

fn validate(new: &Value, old: Option<&Value>, faults: &mut Vec<FieldError>) {
    let Some(spec) = new.get("spec").filter(|spec| spec.is_object()) else {
        faults.push(FieldError::required("spec", ""));
        return;
    };
    check_spec(spec, spec.get("selector"), "spec", faults);
    let Some(old) = old.and_then(|old| old.get("spec")) else { return };
    let suspended = old.get("suspend") == Some(&Value::Bool(true));
    if !suspended && old.get("template") != spec.get("template") {
        let shown = at(spec, "/template");
        faults.push(FieldError::invalid("spec.template", shown, "field is immutable"));
    }
    let indexed = str_at(spec, "/completionMode") == "Indexed"
        && spec.get("completions") == spec.get("parallelism");
    if !indexed && old.get("completions") != spec.get("completions") {
        let shown = at(spec, "/completions");
        faults.push(FieldError::invalid("spec.completions", shown, "field is immutable"));
    }
}

/// Faults of a `JobSpec`.
pub(super) fn check_spec(
    spec: &Value,
    selector: Option<&Value>,
    path: &str,
    faults: &mut Vec<FieldError>,
) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
    ] {
        if let Some(value) = spec.get(field)
            && value.as_i64().is_some_and(|n| n < 0)
        {
            let detail = "must be greater than or equal to 0";
            faults.push(FieldError::invalid(format!("{path}.{field}"), value, detail));
        }
    }
    if let Some(template) = spec.get("template") {
        pod_spec::template(template, selector, Restart::Ends, &format!("{path}.template"), faults);
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let (containers, images) = cell::containers(at(object, "/spec/template/spec"));
    vec![
        cell::name(object),
        json!(status(object)),
        json!(completions(object)),
        json!(lasted(object, now)),
        cell::age(object, now),
        containers,
        images,
        cell::label_selector(at(object, "/spec/selector")),
    ]
}

fn status(object: &Value) -> &'static str {
    let holds = |kind: &str| {
        list_at(object, "/status/conditions")
            .iter()
            .any(|c| str_at(c, "/type") == kind && str_at(c, "/status") == "True")
    };
    if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if object.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else if holds("FailureTarget") {
        "FailureTarget"
    } else if holds("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(object: &Value) -> String {
    let succeeded = int_at(object, "/status/succeeded");
    match object.pointer("/spec/completions").and_then(Value::as_i64) {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None => match int_at(object, "/spec/parallelism") {
            parallel if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
            _ => format!("{succeeded}/1"),
        },
    }
}

fn lasted(object: &Value, now: Timestamp) -> String {
    let time = |pointer: &str| str_at(object, pointer).parse::<Timestamp>().ok();
    match (time("/status/startTime"), time("/status/completionTime")) {
        (None, _) => String::new(),
        (Some(start), end) => duration::human(end.unwrap_or(now).as_second() - start.as_second()),
    }
}
