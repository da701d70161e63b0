//! Service: a stable address and name for a set of pods.

use crate::cell::{self, AGE, NAME, int_at, list_at, or_none, str_at};
use crate::kind::{Column, Hooks, Kind, Subresource};
use crate::pod_spec;
use crate::schema::put_if_absent;
use crate::{FieldError, metadata, name};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashSet;

const COLUMNS: &[Column] = &[
    NAME,
    cell::text("Type", "who can reach it"),
    cell::text("Cluster-IP", "stable address inside the cluster"),
    cell::text("External-IP", "addresses outside"),
    cell::text("Port(s)", "port, node port, protocol"),
    AGE,
    cell::wide("Selector", "labels of the pods behind it"),
];

pub(crate) fn service() -> Kind {
    Kind {
        short_names: &["svc"],
        categories: &["all"],
        subresources: &[Subresource::Status],
        name_fault: name::dns_1035_label,
        ..Kind::new(
            ("", "v1", "Service"),
            ("services", "service"),
            COLUMNS,
            Hooks {
                canonical: |_| {},
                default,
                validate,
                create: |object| {
                    if let Some(map) = object.as_object_mut() {
                        map.insert("status".to_owned(), json!({"loadBalancer": {}}));
                    }
                },
                row,
            },
        )
    }
}

fn default(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(port) = port.as_object_mut() else { continue };
        let unset = port.get("targetPort").is_none_or(|t| t == 0 || t == "");
        if let Some(number) = port.get("port").cloned().filter(|_| unset) {
            port.insert("targetPort".to_owned(), number);
        }
    }
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        return;
    }
    put_if_absent(spec, "internalTrafficPolicy", json!("Cluster"));
    put_if_absent(spec, "ipFamilyPolicy", json!("SingleStack"));
    put_if_absent(spec, "ipFamilies", json!(["IPv4"]));
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        put_if_absent(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        put_if_absent(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    if spec.get("sessionAffinity").is_some_and(|a| a == "ClientIP") {
        put_if_absent(
            spec,
            "sessionAffinityConfig",
            json!({"clientIP": {"timeoutSeconds": 10800}}),
        );
    }
    // The two spellings of the address follow each other.
    if let Some(address) = spec.get("clusterIP").filter(|a| a.as_str() != Some("")).cloned() {
        put_if_absent(spec, "clusterIPs", json!([address]));
    }
}

fn validate(new: &Value, old: Option<&Value>, faults: &mut Vec<FieldError>) {
    let Some(spec) = new.get("spec") else {
        faults.push(FieldError::required("spec", ""));
        return;
    };
    let kind = str_at(spec, "/type");
    let address = str_at(spec, "/clusterIP");
    let items = list_at(spec, "/ports");
    if items.is_empty() && kind != "ExternalName" && address != "None" {
        faults.push(FieldError::required("spec.ports", ""));
    }
    if kind == "ExternalName" {
        let target = str_at(spec, "/externalName");
        if target.is_empty() {
            faults.push(FieldError::required("spec.externalName", ""));
        } else if let Some(fault) = name::dns_subdomain(target.trim_end_matches('.')) {
            faults.push(FieldError::invalid("spec.externalName", &json!(target), &fault));
        }
        if !address.is_empty() {
            let detail = "may not be set for ExternalName services";
            faults.push(FieldError::forbidden("spec.clusterIPs[0]", detail));
        }
    }
    if !matches!(address, "" | "None") && address.parse::<std::net::IpAddr>().is_err() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        faults.push(FieldError::invalid("spec.clusterIPs[0]", &json!(address), detail));
    }
    metadata::labels(spec.get("selector"), "spec.selector", faults);
    ports(items, kind, faults);
    if let Some(old) = old {
        let before = str_at(old, "/spec/clusterIP");
        let stays = kind != "ExternalName" && str_at(old, "/spec/type") != "ExternalName";
        if stays && !before.is_empty() && before != address {
            let shown = json!(if address.is_empty() { vec![] } else { vec![address] });
            let detail = "may not change once set";
            faults.push(FieldError::invalid("spec.clusterIPs[0]", &shown, detail));
        }
    }
}

fn ports(items: &[Value], kind: &str, faults: &mut Vec<FieldError>) {
    let mut names = HashSet::new();
    for (index, port) in items.iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        let own = str_at(port, "/name");
        if own.is_empty() {
            if items.len() > 1 {
                faults.push(FieldError::required(format!("{at}.name"), ""));
            }
        } else if let Some(fault) = name::dns_label(own) {
            faults.push(FieldError::invalid(format!("{at}.name"), &json!(own), &fault));
        } else if !names.insert(own) {
            faults.push(FieldError::duplicate(format!("{at}.name"), &json!(own)));
        }
        let number = int_at(port, "/port");
        if let Some(fault) = name::port_number(number) {
            faults.push(FieldError::invalid(format!("{at}.port"), &json!(number), fault));
        }
        if let Some(target) = port.get("targetPort") {
            pod_spec::port_reference(target, format!("{at}.targetPort"), faults);
        }
        let node_port = int_at(port, "/nodePort");
        if node_port != 0 && kind == "ClusterIP" {
            let detail = "may not be used when `type` is 'ClusterIP'";
            faults.push(FieldError::forbidden(format!("{at}.nodePort"), detail));
        }
    }
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = cell::at(object, "/spec");
    let kind = str_at(spec, "/type");
    let ports: Vec<String> = list_at(spec, "/ports")
        .iter()
        .map(|port| {
            let (number, protocol) = (int_at(port, "/port"), str_at(port, "/protocol"));
            match int_at(port, "/nodePort") {
                0 => format!("{number}/{protocol}"),
                node => format!("{number}:{node}/{protocol}"),
            }
        })
        .collect();
    let address = match str_at(spec, "/clusterIP") {
        "" => "<none>",
        address => address,
    };
    vec![
        cell::name(object),
        json!(kind),
        json!(address),
        json!(external(object, kind)),
        or_none(&ports.join(",")),
        cell::age(object, now),
        cell::label_map(cell::at(spec, "/selector")),
    ]
}

fn external(object: &Value, kind: &str) -> String {
    let mut addresses: Vec<&str> = Vec::new();
    if kind == "LoadBalancer" {
        for ingress in list_at(object, "/status/loadBalancer/ingress") {
            let address = str_at(ingress, "/ip");
            addresses.push(if address.is_empty() { str_at(ingress, "/hostname") } else { address });
        }
    }
    if kind == "ExternalName" {
        addresses.push(str_at(object, "/spec/externalName"));
    }
    addresses.extend(list_at(object, "/spec/externalIPs").iter().filter_map(Value::as_str));
    match (addresses.is_empty(), kind) {
        (true, "LoadBalancer") => "<pending>".to_owned(),
        (true, _) => "<none>".to_owned(),
        (false, _) => addresses.join(","),
    }
}
