//! Who reaches whom: Services, a NetworkPolicy per wire, and the Ingress or HTTPRoute
//! of the app's address.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Front, Input, beyond, meta};
use crate::graph::{Part, Process, Wire};
use crate::names;

/// A Service for every process that listens.
pub(super) fn services(input: &Input<'_>, part: &Part) -> Vec<Value> {
    part.processes.iter().filter_map(|process| service(input, part, process)).collect()
}

fn service(input: &Input<'_>, part: &Part, process: &Process) -> Option<Value> {
    let named = |name: &str, port: i64| json!({ "name": names::fit(name, 15), "port": port, "targetPort": port });
    let own = || part.offers.iter().filter(|offer| offer.service == process.workload);
    let mut ports: Vec<Value> =
        own().filter_map(|offer| Some(named(&offer.name, offer.port?))).collect();
    // Two offers may be two types of one port; a Service has it once.
    let mut seen = HashSet::new();
    ports.retain(|port| seen.insert(port["port"].as_i64()));
    let admin =
        own().filter_map(|offer| Some((format!("{}-admin", offer.name), offer.admin_port?)));
    ports.extend(admin.map(|(name, port)| named(&name, port)));
    if ports.is_empty() {
        ports = process.port.iter().map(|port| named("http", *port)).collect();
    }
    if ports.is_empty() {
        return None;
    }
    let mut object = meta::object(input, part, ("v1", "Service"), &process.workload);
    object["spec"] = json!({
        "type": "ClusterIP",
        "selector": meta::selector(input, part, &process.name),
        "ports": ports,
    });
    Some(object)
}

/// One policy per wire: only the consumer may reach this port. A process with a path is public and
/// gets none, for any policy would shut out the front door.
pub(super) fn policies(input: &Input<'_>) -> Vec<Value> {
    input.graph.wires.iter().filter_map(|wire| policy(input, wire)).collect()
}

fn policy(input: &Input<'_>, wire: &Wire) -> Option<Value> {
    let consumer = input.graph.block(&wire.consumer)?;
    if let Some(beyond) = &wire.beyond {
        return beyond::policy(input, consumer, wire, beyond);
    }
    let provider = input.graph.block(&wire.provider)?;
    let process =
        provider.processes.iter().find(|process| process.workload == wire.offer.service)?;
    if !process.paths.is_empty() {
        return None;
    }
    let kind = ("networking.k8s.io/v1", "NetworkPolicy");
    let mut object = meta::object(input, consumer, kind, &wire.plain_name());
    let from = |more: &[(&str, &str)], port: i64| {
        let mut labels = json!({
            "app.kubernetes.io/part-of": input.graph.app,
            "app.kubernetes.io/component": consumer.name,
        });
        for (key, value) in more {
            labels[*key] = (*value).into();
        }
        json!({
            "from": [{ "podSelector": { "matchLabels": labels } }],
            "ports": [{ "protocol": "TCP", "port": port }],
        })
    };
    let mut ingress = vec![from(&[], wire.offer.port?)];
    ingress.extend(wire.offer.admin_port.map(|port| from(&[(meta::JOB, "grant")], port)));
    object["spec"] = json!({
        "podSelector": { "matchLabels": meta::selector(input, provider, &process.name) },
        "policyTypes": ["Ingress"],
        "ingress": ingress,
    });
    Some(object)
}

/// The app's address, if a process has a path: the longest path first.
pub(super) fn ingress(input: &Input<'_>) -> Vec<Value> {
    let mut paths: Vec<(&str, &Process)> = input
        .graph
        .blocks
        .iter()
        .flat_map(|part| &part.processes)
        .flat_map(|process| process.paths.iter().map(move |path| (path.as_str(), process)))
        .collect();
    if paths.is_empty() {
        return Vec::new();
    }
    paths.sort_by_key(|(path, _)| (Reverse(path.len()), *path));
    let rules = paths.iter().map(|(path, process)| {
        json!({
            "path": path,
            "pathType": "Prefix",
            "backend": { "service": {
                "name": process.workload, "port": { "number": process.port },
            } },
        })
    });
    let paths: Vec<Value> = rules.collect();
    let mut hosts: Vec<String> = input.graph.urls.iter().filter_map(|url| host(url)).collect();
    // The target's own name for the app goes on working beside others.
    if !input.facts.host.is_empty() {
        hosts.push(input.facts.host.clone());
    }
    hosts.dedup();
    match &input.facts.front {
        Front::Shelf => vec![by_class(input, &hosts, &paths, Some("shelf"))],
        Front::Ingress(class) => vec![by_class(input, &hosts, &paths, class.as_deref())],
        Front::Gateway(namespace, name) => vec![route(input, &hosts, &paths, (namespace, name))],
    }
}

fn host(url: &str) -> Option<String> {
    crate::app::host(url).map(str::to_owned)
}

fn by_class(input: &Input<'_>, hosts: &[String], paths: &[Value], class: Option<&str>) -> Value {
    let rules = hosts.iter().map(|host| json!({ "host": host, "http": { "paths": paths } }));
    let mut ingress = front(input, ("networking.k8s.io/v1", "Ingress"));
    ingress["spec"] = json!({ "rules": rules.collect::<Vec<Value>>() });
    if let Some(class) = class {
        ingress["spec"] = json!({
            "ingressClassName": class,
            "rules": ingress["spec"]["rules"],
        });
    }
    let secure = input.graph.urls.iter().filter(|url| url.starts_with("https://"));
    let secure: Vec<String> = secure.filter_map(|url| host(url)).collect();
    if !secure.is_empty() {
        ingress["spec"]["tls"] = json!([{ "hosts": secure }]);
    }
    ingress
}

/// The same for a target that has a Gateway: one rule for each path, in the same order.
fn route(input: &Input<'_>, hosts: &[String], paths: &[Value], gateway: (&str, &str)) -> Value {
    let rules = paths.iter().map(|path| {
        let service = &path["backend"]["service"];
        json!({
            "matches": [{ "path": { "type": "PathPrefix", "value": path["path"] } }],
            "backendRefs": [{ "name": service["name"], "port": service["port"]["number"] }],
        })
    });
    let mut object = front(input, ("gateway.networking.k8s.io/v1", "HTTPRoute"));
    object["spec"] = json!({
        "parentRefs": [{ "namespace": gateway.0, "name": gateway.1 }],
        "hostnames": hosts,
        "rules": rules.collect::<Vec<Value>>(),
    });
    object
}

fn front(input: &Input<'_>, (api_version, kind): (&str, &str)) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": input.graph.app,
            "namespace": input.graph.app,
            "labels": meta::app_labels(input),
        },
    })
}
