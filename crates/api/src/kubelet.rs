//! Requests that only the node can answer: logs, exec, attach, port-forward.
//!
//! The request goes on in-process with another path; a connection upgrade travels with it, so
//! the node speaks with the client directly.

use crate::Api;
use crate::call::{Call, Verb};
use crate::encode;
use crate::object;
use crate::output;
use crate::status::Failure;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Request, Uri, header, request::Parts};
use kinds::FieldError;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Parts of a pod that are streams.
pub(crate) const PARTS: [&str; 4] = ["log", "exec", "attach", "portforward"];

/// Passes the request to the node of the pod.
pub(crate) async fn pass(
    api: &Api,
    call: &Call,
    mut parts: Parts,
    body: Body,
) -> Result<Response, Failure> {
    let part = call.subresource.as_deref().unwrap_or("");
    if part == "log" && call.verb != Verb::Get {
        return Err(Failure::method_not_allowed());
    }
    let name = call.name()?;
    let namespace = call.namespace.as_deref().unwrap_or("");
    let key = encode::key(call.kind, Some(namespace), name);
    let entry = api.store().get(&key).ok_or_else(|| Failure::not_found(call.kind, name))?;
    let pod = output::parse(&entry.value);
    let container = match part {
        "portforward" => String::new(),
        _ => container(call, &pod)?,
    };
    if part == "log" {
        check_log_options(call)?;
    }
    if pod["spec"]["nodeName"].as_str().unwrap_or("").is_empty() {
        if part == "log" {
            // Not placed yet: there is no log, which is not an error.
            return Ok(Body::empty().into_response());
        }
        return Err(Failure::bad_request(format!("pod {name} does not have a host assigned")));
    }
    let path = match part {
        "log" => format!("/containerLogs/{namespace}/{name}/{container}"),
        "portforward" => format!("/portForward/{namespace}/{name}"),
        _ => format!("/{part}/{namespace}/{name}/{container}"),
    };
    let query = rest_of_query(parts.uri.query().unwrap_or(""));
    let target = if query.is_empty() { path } else { format!("{path}?{query}") };
    parts.uri = target.parse::<Uri>().map_err(Failure::internal)?;
    // The credential was for us.
    parts.headers.remove(header::AUTHORIZATION);
    let answer = api.kubelet().oneshot(Request::from_parts(parts, body)).await;
    let response = answer.unwrap_or_else(|never| match never {});
    Ok(response)
}

/// `GET /api/v1/nodes/NAME/proxy/stats/summary`: what a node's pods use. Nothing else of a node is
/// passed on: its other paths go by the pod, which names who may ask.
pub(crate) async fn summary(api: &Api, node: &str, mut parts: Parts) -> Result<Response, Failure> {
    let kind = kinds::find("", "v1", "nodes").ok_or_else(Failure::no_route)?;
    let key = encode::key(kind, None, node);
    api.store().get(&key).ok_or_else(|| Failure::not_found(kind, node))?;
    parts.uri = Uri::from_static("/stats/summary");
    parts.headers.remove(header::AUTHORIZATION);
    let answer = api.kubelet().oneshot(Request::from_parts(parts, Body::empty())).await;
    Ok(answer.unwrap_or_else(|never| match never {}))
}

/// Everything but the container, which is in the path now.
fn rest_of_query(query: &str) -> String {
    let rest = query.split('&').filter(|pair| !pair.starts_with("container="));
    rest.collect::<Vec<_>>().join("&")
}

fn names<'a>(pod: &'a Value, list: &str) -> Vec<&'a str> {
    let containers = pod["spec"][list].as_array().into_iter().flatten();
    containers.filter_map(|container| container["name"].as_str()).collect()
}

/// The container meant: the one named, or the only one.
fn container(call: &Call, pod: &Value) -> Result<String, Failure> {
    let name = object::name(pod);
    let containers = names(pod, "containers");
    let init = names(pod, "initContainers");
    let asked = call.query.text("container").filter(|name| !name.is_empty());
    if let Some(asked) = asked {
        let others = names(pod, "ephemeralContainers");
        if !containers.iter().chain(&init).chain(&others).any(|found| *found == asked) {
            let text = format!("container {asked} is not valid for pod {name}");
            return Err(Failure::bad_request(text));
        }
        return Ok(asked.to_owned());
    }
    let default =
        pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
    match (containers.as_slice(), default) {
        ([only], _) => Ok((*only).to_owned()),
        (all, Some(default)) if all.contains(&default) => Ok(default.to_owned()),
        (all, _) => {
            let mut text = format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                all.join(" ")
            );
            if !init.is_empty() {
                text += &format!(" or one of the init containers: [{}]", init.join(" "));
            }
            Err(Failure::bad_request(text))
        }
    }
}

fn check_log_options(call: &Call) -> Result<(), Failure> {
    let mut errors = Vec::new();
    for (field, least) in [("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)] {
        let Some(text) = call.query.text(field).filter(|text| !text.is_empty()) else { continue };
        let value: i64 = text
            .parse()
            .map_err(|_| Failure::bad_request(format!("{field}: {text:?} is not a number")))?;
        if value < least {
            let detail = format!("must be greater than or equal to {least}");
            errors.push(FieldError::invalid(field, &json!(value), &detail));
        }
    }
    let (seconds, time) = (call.query.text("sinceSeconds"), call.query.text("sinceTime"));
    if seconds.is_some() && time.is_some() {
        let detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden("sinceSeconds", detail));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid_named("PodLogOptions", "", "", &errors))
}
