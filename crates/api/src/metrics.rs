//! `metrics.k8s.io/v1beta1`: what pods and nodes use, told from the node's summary as the upstream
//! metrics-server tells it. `kubectl top` and whoever looks at apps of this server from afar read
//! it. Measured, never stored: no watch, no resource version.

use std::collections::HashMap;

use axum::body::Body;
use axum::response::Response;
use http::{Method, Request, StatusCode, request::Parts};
use kinds::Kind;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::Api;
use crate::call::Query;
use crate::discovery::Answered;
use crate::encode;
use crate::filter::Filter;
use crate::output;
use crate::status::Failure;

const GROUP: &str = "metrics.k8s.io";
const VERSION: &str = "v1beta1";
/// From one look of the node to the next; its rates are over that time.
const WINDOW: &str = "10s";
/// More than any node's summary takes.
const MOST_SUMMARY: usize = 64 * 1024 * 1024;

/// What discovery says of them.
pub(crate) const ALL: [Answered; 2] = [
    Answered {
        group: GROUP,
        version: VERSION,
        plural: "nodes",
        singular: "",
        kind: "NodeMetrics",
        namespaced: false,
        verbs: &["get", "list"],
    },
    Answered {
        group: GROUP,
        version: VERSION,
        plural: "pods",
        singular: "",
        kind: "PodMetrics",
        namespaced: true,
        verbs: &["get", "list"],
    },
];

/// Whose use is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    plural: &'static str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

/// What a path of the group asks for; `None` for another path.
pub(crate) fn find<'a>(segments: &[&'a str]) -> Option<Asked<'a>> {
    let ["apis", GROUP, VERSION, rest @ ..] = segments else { return None };
    let (plural, namespace, name) = match rest {
        ["nodes"] => ("nodes", None, None),
        ["nodes", name] => ("nodes", None, Some(*name)),
        ["pods"] => ("pods", None, None),
        ["namespaces", namespace, "pods"] => ("pods", Some(*namespace), None),
        ["namespaces", namespace, "pods", name] => ("pods", Some(*namespace), Some(*name)),
        _ => return None,
    };
    Some(Asked { plural, namespace, name })
}

/// Answers with what was measured last: of one object, or of all that the selector takes.
pub(crate) async fn answer(
    api: &Api,
    asked: &Asked<'_>,
    parts: &Parts,
) -> Result<Response, Failure> {
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Failure::method_not_allowed());
    }
    let query = Query::parse(parts.uri.query().unwrap_or(""))?;
    if query.flag("watch")? {
        return Err(Failure::method_not_allowed());
    }
    let filter = Filter::parse(&query)?;
    let kind = kinds::find("", "v1", asked.plural).ok_or_else(Failure::no_route)?;
    let summary = summary(api).await?;
    let told = match asked.plural {
        "nodes" => node(&summary),
        _ => pods(&summary),
    };
    if let Some(name) = asked.name {
        let found = stored(api, kind, asked.namespace, name)
            .zip(told.get(&(asked.namespace.unwrap_or("").to_owned(), name.to_owned())));
        let (object, used) = found.ok_or_else(|| not_found(asked.plural, name))?;
        return Ok(output::json(StatusCode::OK, measured(kind, &object, used).to_string().into()));
    }
    let prefix = filter.prefix(kind, asked.namespace);
    let list = api.store().list(&prefix, None, None, None)?;
    let mut items = Vec::new();
    for entry in list.entries.iter().filter(|entry| filter.matches(&entry.value)) {
        let object = output::parse(&entry.value);
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or("").to_owned();
        if let Some(used) = told.get(&(text("namespace"), text("name"))) {
            items.push(measured(kind, &object, used));
        }
    }
    let list = json!({
        "kind": format!("{}MetricsList", kind.kind),
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": {},
        "items": items,
    });
    Ok(output::json(StatusCode::OK, list.to_string().into()))
}

fn stored(api: &Api, kind: &Kind, namespace: Option<&str>, name: &str) -> Option<Value> {
    let entry = api.store().get(&encode::key(kind, namespace, name))?;
    Some(output::parse(&entry.value))
}

fn not_found(plural: &str, name: &str) -> Failure {
    let resource = plural.trim_end_matches('s');
    Failure::unmeasured(&format!("{resource}metrics.{GROUP}"), name)
}

async fn summary(api: &Api) -> Result<Value, Failure> {
    let request = Request::get("/stats/summary").body(Body::empty()).map_err(Failure::internal)?;
    let answer = api.kubelet().oneshot(request).await.unwrap_or_else(|never| match never {});
    if !answer.status().is_success() {
        return Err(Failure::unavailable("the node does not tell what its pods use"));
    }
    let bytes = axum::body::to_bytes(answer.into_body(), MOST_SUMMARY).await;
    serde_json::from_slice(&bytes.map_err(Failure::internal)?).map_err(Failure::internal)
}

/// What one object uses: `usage` of a node, or `containers` of a pod, and when that was.
struct Used {
    at: String,
    field: &'static str,
    value: Value,
}

/// By namespace and name.
type Told = HashMap<(String, String), Used>;

/// Pods all of whose containers were looked at twice: less would be less than they use.
fn pods(summary: &Value) -> Told {
    let pods = summary["pods"].as_array().into_iter().flatten();
    let one = |pod: &Value| {
        let containers = pod["containers"].as_array().filter(|list| !list.is_empty())?;
        let used: Option<Vec<Value>> = containers
            .iter()
            .map(|one| Some(json!({"name": one["name"], "usage": usage(one)?})))
            .collect();
        let text = |field: &str| pod["podRef"][field].as_str().map(str::to_owned);
        let at = containers.iter().filter_map(time).max()?;
        let key = (text("namespace")?, text("name")?);
        Some((key, Used { at, field: "containers", value: Value::Array(used?) }))
    };
    pods.filter_map(one).collect()
}

fn node(summary: &Value) -> Told {
    let node = &summary["node"];
    let one = || {
        let name = node["nodeName"].as_str()?.to_owned();
        let used = Used { at: time(node)?, field: "usage", value: usage(node)? };
        Some(((String::new(), name), used))
    };
    one().into_iter().collect()
}

fn time(stats: &Value) -> Option<String> {
    stats["cpu"]["time"].as_str().map(str::to_owned)
}

/// Quantities as metrics-server writes them: nanocores, and memory in Ki.
fn usage(stats: &Value) -> Option<Value> {
    let cpu = stats["cpu"]["usageNanoCores"].as_u64()?;
    let memory = stats["memory"]["workingSetBytes"].as_u64()?;
    Some(json!({"cpu": format!("{cpu}n"), "memory": format!("{}Ki", memory / 1024)}))
}

fn measured(kind: &Kind, object: &Value, used: &Used) -> Value {
    let mut metadata = json!({"name": object["metadata"]["name"], "creationTimestamp": used.at});
    for field in ["namespace", "labels"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({
        "kind": format!("{}Metrics", kind.kind),
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "metadata": metadata,
        "timestamp": used.at,
        "window": WINDOW,
        used.field: used.value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_group_are_its_own() {
        let asked = |path: &str| {
            let segments: Vec<&str> = path.split('/').collect();
            find(&segments).map(|one| (one.plural, one.namespace.is_some(), one.name.is_some()))
        };
        let base = "apis/metrics.k8s.io/v1beta1";
        assert_eq!(asked(&format!("{base}/pods")), Some(("pods", false, false)));
        assert_eq!(asked(&format!("{base}/namespaces/a/pods/b")), Some(("pods", true, true)));
        assert_eq!(asked(&format!("{base}/nodes/n")), Some(("nodes", false, true)));
        for other in ["/secrets", "/pods/b", "/namespaces/a/nodes", ""] {
            assert_eq!(asked(&format!("{base}{other}")), None, "{other}");
        }
    }

    #[test]
    fn a_pod_that_was_not_measured_whole_is_not_told() {
        let stats = |rate: Option<u64>| {
            let cpu = json!({"time": "2026-01-02T03:04:05Z", "usageNanoCores": rate});
            json!({"name": "c", "cpu": cpu, "memory": {"workingSetBytes": 4096}})
        };
        let pod = |name: &str, containers: Vec<Value>| json!({"podRef": {"name": name, "namespace": "a"}, "containers": containers});
        let summary = json!({"pods": [
            pod("whole", vec![stats(Some(5)), stats(Some(6))]),
            pod("half", vec![stats(Some(5)), stats(None)]),
            pod("none", vec![]),
        ]});
        let told = pods(&summary);
        assert_eq!(told.len(), 1);
        let used = &told[&("a".to_owned(), "whole".to_owned())];
        assert_eq!(used.value[1]["usage"], json!({"cpu": "6n", "memory": "4Ki"}));
    }
}
