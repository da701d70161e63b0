//! Parts of objects with a path and a form of their own: scale, binding, eviction, finalize.

use crate::Api;
use crate::body;
use crate::call::{Call, Verb};
use crate::delete::{self, Options};
use crate::encode;
use crate::object;
use crate::output;
use crate::patch::Patch;
use crate::status::{Cause, Failure};
use crate::write::{Ownership, Write};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use kinds::{FieldError, selector};
use serde_json::{Value, json};

/// What was sent with a request.
pub(crate) struct Sent {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: String,
}

/// What a Scale is to become.
enum Wanted {
    Whole(Value),
    Patched(Patch),
}

/// Reads or changes how many replicas a set has, as autoscaling/v1 Scale.
pub(crate) async fn scale(api: &Api, call: &Call, sent: &Sent) -> Result<Response, Failure> {
    let name = call.name()?;
    let key = encode::key(call.kind, call.namespace.as_deref(), name);
    if call.verb == Verb::Get {
        let entry = api.store().get(&key).ok_or_else(|| Failure::not_found(call.kind, name))?;
        let scale = scale_of(&output::parse(&entry.value));
        return Ok(output::json(StatusCode::OK, scale.to_string().into()));
    }
    let wanted = match call.verb {
        Verb::Update => Wanted::Whole(body::decode(&sent.bytes, &sent.media_type)?.value),
        Verb::Patch => match Patch::decode(&sent.bytes, &sent.media_type)?.0 {
            // A Scale has no lists: strategic and plain merge are the same.
            Patch::Strategic(patch) | Patch::Apply(patch) => Wanted::Patched(Patch::Merge(patch)),
            patch => Wanted::Patched(patch),
        },
        _ => return Err(Failure::method_not_allowed()),
    };
    let mut write = Write::new(api, call)?;
    let written = write
        .change(name, Ownership::Track, |_, live| {
            let scale = match &wanted {
                Wanted::Whole(scale) => scale.clone(),
                Wanted::Patched(patch) => patch.apply_to(call.kind, &scale_of(live))?,
            };
            let replicas = scale["spec"]["replicas"].as_u64().unwrap_or(0);
            if scale["spec"]["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
                let value = &scale["spec"]["replicas"];
                let detail = "must be greater than or equal to 0";
                let error = FieldError::invalid("spec.replicas", value, detail);
                return Err(Failure::invalid_named("Scale", "autoscaling", name, &[error]));
            }
            let mut new = live.clone();
            let revision = &scale["metadata"]["resourceVersion"];
            if revision.as_str().is_some_and(|text| !text.is_empty()) {
                object::metadata(&mut new).insert("resourceVersion".into(), revision.clone());
            }
            object::map(&mut new, "spec").insert("replicas".into(), json!(replicas));
            Ok(new)
        })
        .await?;
    let scale = scale_of(&output::parse(&written));
    Ok(output::json(StatusCode::OK, scale.to_string().into()))
}

fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut shown = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if !metadata[field].is_null() {
            shown[field] = metadata[field].clone();
        }
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": shown,
        "spec": {"replicas": object["spec"]["replicas"].as_u64().unwrap_or(0)},
        "status": {
            "replicas": object["status"]["replicas"].as_u64().unwrap_or(0),
            "selector": selector_text(&object["spec"]["selector"]),
        },
    })
}

/// A label selector as the text a query takes.
fn selector_text(selector: &Value) -> String {
    let mut terms: Vec<String> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        terms.push(format!("{key}={}", value.as_str().unwrap_or("")));
    }
    for term in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = term["key"].as_str().unwrap_or("");
        let values: Vec<&str> =
            term["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let list = values.join(",");
        terms.push(match term["operator"].as_str() {
            Some("In") => format!("{key} in ({list})"),
            Some("NotIn") => format!("{key} notin ({list})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.sort();
    terms.join(",")
}

/// Assigns a pod to a node, once.
pub(crate) async fn bind(api: &Api, call: &Call, sent: &Sent) -> Result<Response, Failure> {
    let binding = body::decode(&sent.bytes, &sent.media_type)?.value;
    let name = match &call.name {
        Some(name) => name.clone(),
        None => object::name(&binding).to_owned(),
    };
    let node = binding["target"]["name"].as_str().unwrap_or("");
    let kind = kinds::find("", "v1", "pods").ok_or_else(Failure::no_route)?;
    if node.is_empty() {
        let error = FieldError::required("target.name", "");
        return Err(Failure::invalid_named("Binding", "", &name, &[error]));
    }
    let mut write = Write::new(api, call)?;
    write
        .change(&name, Ownership::Keep, |_, live| {
            if object::is_deleting(live) {
                let detail = format!("pod {name} is being deleted, cannot be assigned to a host");
                return Err(Failure::conflict(kind, &name, &detail));
            }
            let assigned = live["spec"]["nodeName"].as_str().unwrap_or("");
            if !assigned.is_empty() {
                let detail = format!("pod {name} is already assigned to node \"{assigned}\"");
                return Err(Failure::conflict(kind, &name, &detail));
            }
            let uid = object::meta(&binding, "uid");
            if !uid.is_empty() && uid != object::meta(live, "uid") {
                return Err(Failure::modified(kind, &name));
            }
            let mut new = live.clone();
            object::map(&mut new, "spec").insert("nodeName".into(), json!(node));
            let annotations = binding["metadata"]["annotations"].as_object();
            for (key, value) in annotations.into_iter().flatten() {
                if !new["metadata"]["annotations"].is_object() {
                    new["metadata"]["annotations"] = json!({});
                }
                new["metadata"]["annotations"][key] = value.clone();
            }
            set_scheduled(&mut new);
            Ok(new)
        })
        .await?;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    });
    Ok(output::json(StatusCode::CREATED, status.to_string().into()))
}

fn set_scheduled(pod: &mut Value) {
    let condition = json!({
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": null,
        "lastTransitionTime": object::time(Timestamp::now()),
    });
    let status = object::map(pod, "status");
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = conditions.as_array_mut() else { return };
    list.retain(|condition| condition["type"] != "PodScheduled");
    list.push(condition);
}

/// Deletes a pod unless a disruption budget needs it.
pub(crate) async fn evict(api: &Api, call: &Call, sent: &Sent) -> Result<Response, Failure> {
    let eviction = body::decode(&sent.bytes, &sent.media_type)?.value;
    let name = call.name()?;
    let namespace = call.namespace.as_deref();
    let key = encode::key(call.kind, namespace, name);
    let entry = api.store().get(&key).ok_or_else(|| Failure::not_found(call.kind, name))?;
    let pod = output::parse(&entry.value);
    let running = !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        && !object::is_deleting(&pod);
    if running && let Some(budgets) = kinds::find("policy", "v1", "poddisruptionbudgets") {
        for entry in
            api.store().list(&encode::prefix(budgets, namespace), None, None, None)?.entries
        {
            check_budget(&output::parse(&entry.value), &pod)?;
        }
    }
    let mut options = Options::from_value(&eviction["deleteOptions"])?;
    options.dry_run(call.dry_run()?);
    delete::delete(api, call.kind, namespace, name, &options).await?;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    });
    Ok(output::json(StatusCode::CREATED, status.to_string().into()))
}

fn check_budget(budget: &Value, pod: &Value) -> Result<(), Failure> {
    let selects = selector::from_object(&budget["spec"]["selector"])
        .is_ok_and(|selector| selector.matches_labels(&pod["metadata"]["labels"]));
    let status = &budget["status"];
    // A budget nobody has counted for yet is not a promise to keep pods.
    let Some(allowed) = status["disruptionsAllowed"].as_i64() else { return Ok(()) };
    if !selects || allowed > 0 {
        return Ok(());
    }
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    Err(Failure::too_many(text).caused_by(Cause {
        reason: "DisruptionBudget",
        message: format!(
            "The disruption budget {} needs {} healthy pods and has {} currently",
            object::name(budget),
            status["desiredHealthy"],
            status["currentHealthy"]
        ),
        field: String::new(),
    }))
}

/// Replaces the finalizers of a namespace; the last one gone, it goes too.
pub(crate) async fn finalize(api: &Api, call: &Call, sent: &Sent) -> Result<Response, Failure> {
    if call.verb != Verb::Update {
        return Err(Failure::method_not_allowed());
    }
    let mut write = Write::new(api, call)?;
    let sent = write.accept(body::decode(&sent.bytes, &sent.media_type)?)?;
    let name = call.name()?;
    let written = write
        .change(name, Ownership::Keep, |write, live| {
            let revision = object::meta(&sent, "resourceVersion");
            if !revision.is_empty() && revision != object::meta(live, "resourceVersion") {
                return Err(Failure::modified(write.kind, name));
            }
            let mut new = live.clone();
            let finalizers = sent["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
            object::map(&mut new, "spec").insert("finalizers".into(), Value::Array(finalizers));
            Ok(new)
        })
        .await?;
    Ok(output::json(StatusCode::OK, written))
}
