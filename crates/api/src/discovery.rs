//! What a client asks before it asks for objects: version, groups, resources, schemas.

use crate::Api;
use crate::call::{Accept, Form};
use crate::metrics;
use crate::output;
use crate::review;
use crate::status::Failure;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use kinds::{Kind, Subresource};
use serde_json::{Value, json};

/// The Kubernetes version whose API we speak, as clients compare it: one above the oldest
/// kubectl we promise to serve, so that it does not warn about its age.
const MINOR: &str = "33";

const VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// A resource that is answered when it is asked for, and never stored.
pub(crate) struct Answered {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) verbs: &'static [&'static str],
}

/// All of those: questions about the caller, and measurements.
fn answered() -> impl Iterator<Item = &'static Answered> {
    review::ALL.iter().chain(&metrics::ALL)
}

/// Answers a discovery path; `None` when the path is about objects.
pub(crate) fn answer(
    api: &Api,
    segments: &[&str],
    accept: &Accept,
) -> Option<Result<Response, Failure>> {
    let form = || accept.form(&[Form::Whole, Form::Discovery("v2"), Form::Discovery("v2beta1")]);
    let value = match segments {
        [] => paths(),
        ["version"] => version(api),
        ["healthz" | "livez" | "readyz"] | ["healthz" | "livez" | "readyz", _] => {
            let text = HeaderValue::from_static("text/plain; charset=utf-8");
            return Some(Ok(output::typed(StatusCode::OK, text, Body::from("ok"))));
        }
        ["api"] | ["apis"] => {
            let core = segments == ["api"];
            if let Form::Discovery(version) = form() {
                return Some(Ok(aggregated(core, version)));
            }
            if core { api_versions() } else { api_groups() }
        }
        ["api", "v1"] => resources("", "v1")?,
        ["apis", group] => match groups().find(|found| found.0 == *group) {
            Some(found) => api_group(found),
            None => return Some(Err(Failure::no_route())),
        },
        ["apis", group, version] => match resources(group, version) {
            Some(resources) => resources,
            None => return Some(Err(Failure::no_route())),
        },
        ["openapi", "v3"] => kinds::openapi::index(),
        ["openapi", "v3", "api", version] => return Some(schema(api, "", version)),
        ["openapi", "v3", "apis", group, version] => return Some(schema(api, group, version)),
        // Clients of v2 know no other form than protobuf; those we serve use v3.
        ["openapi", ..] => return Some(Err(Failure::no_route())),
        _ => return None,
    };
    Some(Ok(output::json(StatusCode::OK, value.to_string().into())))
}

fn version(api: &Api) -> Value {
    json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": format!("v1.{MINOR}.0+shelf.{}", api.settings().version),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, architecture()),
    })
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn paths() -> Value {
    let mut paths: Vec<String> = ["/api", "/api/v1", "/apis"].map(Into::into).into();
    for (group, versions) in groups() {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    for path in ["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"] {
        paths.push(path.into());
    }
    json!({"paths": paths})
}

fn api_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    })
}

/// Every named group with its versions, in the order of the table.
fn groups() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let mut found: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    let kinds = kinds::all().iter().map(|kind| (kind.group, kind.version));
    let answered = answered().map(|one| (one.group, one.version));
    for (group, version) in kinds.chain(answered).filter(|(group, _)| !group.is_empty()) {
        match found.iter_mut().find(|other| other.0 == group) {
            Some((_, versions)) if versions.contains(&version) => {}
            Some((_, versions)) => versions.push(version),
            None => found.push((group, vec![version])),
        }
    }
    found.into_iter()
}

fn api_groups() -> Value {
    let groups: Vec<Value> = groups()
        .map(|group| {
            let mut group = api_group(group);
            for field in ["kind", "apiVersion"] {
                group.as_object_mut().map(|map| map.shift_remove(field));
            }
            group
        })
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

fn api_group((group, versions): (&str, Vec<&str>)) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "versions": versions,
        "preferredVersion": versions.first(),
    })
}

/// A path below a kind: its name, the kind of what is sent there, the verbs.
struct Part {
    name: &'static str,
    kind: (&'static str, &'static str, &'static str),
    verbs: &'static [&'static str],
}

fn parts(kind: &'static Kind) -> Vec<Part> {
    let own = (kind.group, kind.version, kind.kind);
    let change: &[&str] = &["get", "patch", "update"];
    let stream: &[&str] = &["create", "get"];
    let mut parts = Vec::new();
    if kind.has(Subresource::Scale) {
        let scale = ("autoscaling", "v1", "Scale");
        parts.push(Part { name: "scale", kind: scale, verbs: change });
    }
    if kind.has(Subresource::Status) {
        parts.push(Part { name: "status", kind: own, verbs: change });
    }
    match (kind.group, kind.plural) {
        ("", "namespaces") => parts.push(Part { name: "finalize", kind: own, verbs: &["update"] }),
        ("", "pods") => {
            let options = |kind| ("", "v1", kind);
            let (binding, eviction) = (options("Binding"), ("policy", "v1", "Eviction"));
            parts.push(Part { name: "attach", kind: options("PodAttachOptions"), verbs: stream });
            parts.push(Part { name: "binding", kind: binding, verbs: &["create"] });
            parts.push(Part { name: "eviction", kind: eviction, verbs: &["create"] });
            parts.push(Part { name: "exec", kind: options("PodExecOptions"), verbs: stream });
            parts.push(Part { name: "log", kind: options("Pod"), verbs: &["get"] });
            let forward = options("PodPortForwardOptions");
            parts.push(Part { name: "portforward", kind: forward, verbs: stream });
        }
        _ => {}
    }
    parts
}

/// `APIResourceList` of one group version; `None` when we have none.
fn resources(group: &str, version: &str) -> Option<Value> {
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut list: Vec<Value> = Vec::new();
    let ours = |kind: &&Kind| kind.group == group && kind.version == version;
    for kind in kinds::all().iter().filter(ours) {
        let mut resource = json!({
            "name": kind.plural,
            "singularName": kind.singular,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": VERBS,
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            resource["categories"] = json!(kind.categories);
        }
        list.push(resource);
        for part in parts(kind) {
            let mut resource = json!({
                "name": format!("{}/{}", kind.plural, part.name),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": part.kind.2,
                "verbs": part.verbs,
            });
            if part.kind.0 != kind.group {
                resource["group"] = json!(part.kind.0);
                resource["version"] = json!(part.kind.1);
            }
            list.push(resource);
        }
    }
    for one in answered().filter(|one| one.group == group && one.version == version) {
        list.push(json!({
            "name": one.plural,
            "singularName": one.singular,
            "namespaced": one.namespaced,
            "kind": one.kind,
            "verbs": one.verbs,
        }));
    }
    (!list.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": list,
        })
    })
}

/// All groups and resources in one answer.
fn aggregated(core: bool, form: &'static str) -> Response {
    let groups: Vec<(&str, Vec<&str>)> =
        if core { vec![("", vec!["v1"])] } else { groups().collect() };
    let items: Vec<Value> = groups
        .into_iter()
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .into_iter()
                .map(|version| {
                    json!({
                        "version": version,
                        "resources": aggregated_resources(group, version),
                        "freshness": "Current",
                    })
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{form}"),
        "metadata": {},
        "items": items,
    });
    let media_type = match form {
        "v2" => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        _ => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
    };
    let media_type = HeaderValue::from_static(media_type);
    output::typed(StatusCode::OK, media_type, Body::from(list.to_string()))
}

fn aggregated_resources(group: &str, version: &str) -> Vec<Value> {
    let response_kind = |(group, version, kind): (&str, &str, &str)| json!({"group": group, "version": version, "kind": kind});
    let ours = |kind: &&Kind| kind.group == group && kind.version == version;
    let mut list: Vec<Value> = Vec::new();
    for kind in kinds::all().iter().filter(ours) {
        let mut resource = json!({
            "resource": kind.plural,
            "responseKind": response_kind((kind.group, kind.version, kind.kind)),
            "scope": scope(kind.namespaced),
            "singularResource": kind.singular,
            "verbs": VERBS,
        });
        if !kind.short_names.is_empty() {
            resource["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            resource["categories"] = json!(kind.categories);
        }
        let parts: Vec<Value> = parts(kind)
            .iter()
            .map(|part| {
                json!({
                    "subresource": part.name,
                    "responseKind": response_kind(part.kind),
                    "verbs": part.verbs,
                })
            })
            .collect();
        if !parts.is_empty() {
            resource["subresources"] = json!(parts);
        }
        list.push(resource);
    }
    for one in answered().filter(|one| one.group == group && one.version == version) {
        list.push(json!({
            "resource": one.plural,
            "responseKind": response_kind((one.group, one.version, one.kind)),
            "scope": scope(one.namespaced),
            "singularResource": one.singular,
            "verbs": one.verbs,
        }));
    }
    list
}

fn scope(namespaced: bool) -> &'static str {
    if namespaced { "Namespaced" } else { "Cluster" }
}

/// One OpenAPI v3 document, written out once.
fn schema(api: &Api, group: &str, version: &str) -> Result<Response, Failure> {
    let bytes = api.schema(group, version).ok_or_else(Failure::no_route)?;
    Ok(output::json(StatusCode::OK, bytes))
}
