//! Small groups with one kind each: disruption budgets, storage classes, leases, autoscalers.

use crate::FieldError;
use crate::cell::{self, AGE, NAME, at, int_at, list_at, or_none, str_at};
use crate::kind::{Hooks, Kind, Subresource};
use jiff::Timestamp;
use serde_json::{Value, json};

const DEFAULT_CLASS: &str = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";

pub(crate) fn pod_disruption_budget() -> Kind {
    Kind {
        short_names: &["pdb"],
        subresources: &[Subresource::Status],
        counts_generations: true,
        ..Kind::new(
            ("policy", "v1", "PodDisruptionBudget"),
            ("poddisruptionbudgets", "poddisruptionbudget"),
            const {
                &[
                    NAME,
                    cell::text("Min Available", "pods that must stay"),
                    cell::text("Max Unavailable", "pods that may be missing"),
                    cell::count("Allowed Disruptions", "pods that may be taken down now"),
                    AGE,
                ]
            },
            Hooks {
                validate: |new, _, faults| {
                    let spec = at(new, "/spec");
                    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
                        let detail = "minAvailable and maxUnavailable cannot be both set";
                        faults.push(FieldError::invalid("spec", spec, detail));
                    }
                },
                ..Hooks::row_only(|object, now| {
                    vec![
                        cell::name(object),
                        amount(at(object, "/spec/minAvailable")),
                        amount(at(object, "/spec/maxUnavailable")),
                        json!(int_at(object, "/status/disruptionsAllowed")),
                        cell::age(object, now),
                    ]
                })
            },
        )
    }
}

pub(crate) fn storage_class() -> Kind {
    Kind {
        short_names: &["sc"],
        namespaced: false,
        ..Kind::new(
            ("storage.k8s.io", "v1", "StorageClass"),
            ("storageclasses", "storageclass"),
            const {
                &[
                    NAME,
                    cell::text("Provisioner", "who makes its volumes"),
                    cell::text("ReclaimPolicy", "what happens to the data after the claim is gone"),
                    cell::text("VolumeBindingMode", "when the volume is made"),
                    cell::text("AllowVolumeExpansion", "whether volumes may grow"),
                    AGE,
                ]
            },
            Hooks {
                default: |object| {
                    if let Some(map) = object.as_object_mut() {
                        crate::schema::put_if_absent(map, "reclaimPolicy", json!("Delete"));
                    }
                },
                ..Hooks::row_only(|object, now| {
                    let default =
                        if str_at(object, DEFAULT_CLASS) == "true" { " (default)" } else { "" };
                    let grows = object.get("allowVolumeExpansion") == Some(&Value::Bool(true));
                    vec![
                        json!(format!("{}{default}", str_at(object, "/metadata/name"))),
                        json!(str_at(object, "/provisioner")),
                        json!(str_at(object, "/reclaimPolicy")),
                        json!(str_at(object, "/volumeBindingMode")),
                        json!(grows),
                        cell::age(object, now),
                    ]
                })
            },
        )
    }
}

pub(crate) fn lease() -> Kind {
    Kind::new(
        ("coordination.k8s.io", "v1", "Lease"),
        ("leases", "lease"),
        const { &[NAME, cell::text("Holder", "who holds it"), AGE] },
        Hooks::row_only(|object, now| {
            let holder = json!(str_at(object, "/spec/holderIdentity"));
            vec![cell::name(object), holder, cell::age(object, now)]
        }),
    )
}

pub(crate) fn horizontal_pod_autoscaler() -> Kind {
    Kind {
        short_names: &["hpa"],
        categories: &["all"],
        subresources: &[Subresource::Status],
        ..Kind::new(
            ("autoscaling", "v2", "HorizontalPodAutoscaler"),
            ("horizontalpodautoscalers", "horizontalpodautoscaler"),
            const {
                &[
                    NAME,
                    cell::text("Reference", "what it scales"),
                    cell::text("Targets", "current and wanted load"),
                    cell::text("MinPods", "least number of pods"),
                    cell::text("MaxPods", "largest number of pods"),
                    cell::text("Replicas", "pods now"),
                    AGE,
                ]
            },
            Hooks {
                validate: |new, _, faults| {
                    let (low, high) =
                        (int_at(new, "/spec/minReplicas"), int_at(new, "/spec/maxReplicas"));
                    if high < 1 {
                        let detail = "must be greater than 0";
                        faults.push(FieldError::invalid("spec.maxReplicas", &json!(high), detail));
                    } else if high < low {
                        let detail = "must be greater than or equal to `minReplicas`";
                        faults.push(FieldError::invalid("spec.maxReplicas", &json!(high), detail));
                    }
                },
                ..Hooks::row_only(autoscaler_row)
            },
        )
    }
}

fn amount(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(text),
        Value::Number(number) => json!(number.to_string()),
        _ => json!("N/A"),
    }
}

fn autoscaler_row(object: &Value, now: Timestamp) -> Vec<Value> {
    let target = at(object, "/spec/scaleTargetRef");
    let currents = list_at(object, "/status/currentMetrics");
    let metrics: Vec<String> = list_at(object, "/spec/metrics")
        .iter()
        .enumerate()
        .map(|(index, metric)| load(metric, currents.get(index).unwrap_or(&Value::Null)))
        .collect();
    vec![
        cell::name(object),
        json!(format!("{}/{}", str_at(target, "/kind"), str_at(target, "/name"))),
        or_none(&metrics.join(", ")),
        json!(object.pointer("/spec/minReplicas").map_or("<unset>".to_owned(), Value::to_string)),
        json!(int_at(object, "/spec/maxReplicas").to_string()),
        json!(int_at(object, "/status/currentReplicas").to_string()),
        cell::age(object, now),
    ]
}

/// `cpu: 40%/80%` for resources, `now/wanted` for other metrics.
fn load(metric: &Value, current: &Value) -> String {
    let kind = str_at(metric, "/type");
    let field = match kind {
        "ContainerResource" => "containerResource".to_owned(),
        other => other.to_lowercase(),
    };
    let wanted = at(metric, &format!("/{field}/target"));
    let now = at(current, &format!("/{field}/current"));
    let shown = |side: &Value| {
        if let Some(percent) = side.get("averageUtilization").and_then(Value::as_i64) {
            return format!("{percent}%");
        }
        let raw = ["averageValue", "value"].iter().find_map(|name| side.get(*name)?.as_str());
        raw.unwrap_or("<unknown>").to_owned()
    };
    let prefix = match str_at(metric, &format!("/{field}/name")) {
        "" => String::new(),
        resource => format!("{resource}: "),
    };
    format!("{prefix}{}/{}", shown(now), shown(wanted))
}
