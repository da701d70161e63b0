//! Kinds of `networking.k8s.io`: routes into and between pods.

use crate::FieldError;
use crate::cell::{self, AGE, NAME, at, int_at, list_at, or_none, str_at};
use crate::kind::{Hooks, Kind, Subresource};
use jiff::Timestamp;
use serde_json::{Value, json};

const GROUP: &str = "networking.k8s.io";
/// The older way to choose a class.
const CLASS_ANNOTATION: &str = "/metadata/annotations/kubernetes.io~1ingress.class";

pub(crate) fn ingress() -> Kind {
    Kind {
        short_names: &["ing"],
        subresources: &[Subresource::Status],
        counts_generations: true,
        ..Kind::new(
            (GROUP, "v1", "Ingress"),
            ("ingresses", "ingress"),
            const {
                &[
                    NAME,
                    cell::text("Class", "which front door serves it"),
                    cell::text("Hosts", "host names"),
                    cell::text("Address", "where the front door listens"),
                    cell::text("Ports", "80, and 443 with TLS"),
                    AGE,
                ]
            },
            Hooks {
                validate: validate_ingress,
                create: |object| {
                    if let Some(map) = object.as_object_mut() {
                        map.insert("status".to_owned(), json!({"loadBalancer": {}}));
                    }
                },
                ..Hooks::row_only(ingress_row)
            },
        )
    }
}

pub(crate) fn ingress_class() -> Kind {
    Kind {
        namespaced: false,
        counts_generations: true,
        ..Kind::new(
            (GROUP, "v1", "IngressClass"),
            ("ingressclasses", "ingressclass"),
            const {
                &[
                    NAME,
                    cell::text("Controller", "who serves its ingresses"),
                    cell::text("Parameters", "object with more settings"),
                    AGE,
                ]
            },
            Hooks::row_only(|object, now| {
                let parameters = at(object, "/spec/parameters");
                let text = match (str_at(parameters, "/kind"), str_at(parameters, "/apiGroup")) {
                    ("", _) => String::new(),
                    (kind, "") => format!("{kind}/{}", str_at(parameters, "/name")),
                    (kind, group) => format!("{kind}.{group}/{}", str_at(parameters, "/name")),
                };
                vec![
                    cell::name(object),
                    json!(str_at(object, "/spec/controller")),
                    or_none(&text),
                    cell::age(object, now),
                ]
            }),
        )
    }
}

pub(crate) fn network_policy() -> Kind {
    Kind {
        short_names: &["netpol"],
        counts_generations: true,
        ..Kind::new(
            (GROUP, "v1", "NetworkPolicy"),
            ("networkpolicies", "networkpolicy"),
            const { &[NAME, cell::text("Pod-Selector", "labels of the pods it protects"), AGE] },
            Hooks {
                // A policy always speaks of incoming traffic, of outgoing only if it says so.
                default: |object| {
                    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else {
                        return;
                    };
                    let types = if spec.get("egress").is_some_and(Value::is_array) {
                        json!(["Ingress", "Egress"])
                    } else {
                        json!(["Ingress"])
                    };
                    crate::schema::put_if_absent(spec, "policyTypes", types);
                },
                ..Hooks::row_only(|object, now| {
                    let selector = cell::label_selector(at(object, "/spec/podSelector"));
                    vec![cell::name(object), selector, cell::age(object, now)]
                })
            },
        )
    }
}

fn validate_ingress(new: &Value, _old: Option<&Value>, faults: &mut Vec<FieldError>) {
    let spec = at(new, "/spec");
    let rules = list_at(spec, "/rules");
    if rules.is_empty() && spec.get("defaultBackend").is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        faults.push(FieldError::invalid("spec", &json!([]), detail));
    }
    if let Some(default) = spec.get("defaultBackend") {
        backend(default, "spec.defaultBackend", faults);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at_rule = format!("spec.rules[{index}]");
        let host = str_at(rule, "/host");
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if host.parse::<std::net::IpAddr>().is_ok() {
            let detail = "must be a DNS name, not an IP address";
            faults.push(FieldError::invalid(format!("{at_rule}.host"), &json!(host), detail));
        } else if !host.is_empty()
            && let Some(fault) = crate::name::dns_subdomain(bare)
        {
            faults.push(FieldError::invalid(format!("{at_rule}.host"), &json!(host), &fault));
        }
        for (number, path) in list_at(rule, "/http/paths").iter().enumerate() {
            ingress_path(path, &format!("{at_rule}.http.paths[{number}]"), faults);
        }
    }
}

fn ingress_path(path: &Value, field: &str, faults: &mut Vec<FieldError>) {
    let text = str_at(path, "/path");
    let kind = str_at(path, "/pathType");
    if matches!(kind, "Exact" | "Prefix") {
        if !text.starts_with('/') {
            let detail = "must be an absolute path";
            faults.push(FieldError::invalid(format!("{field}.path"), &json!(text), detail));
        }
        for part in ["//", "/./", "/../", "%2f", "%2F"] {
            if text.contains(part) {
                let detail = format!("must not contain '{part}'");
                faults.push(FieldError::invalid(format!("{field}.path"), &json!(text), &detail));
            }
        }
    }
    if let Some(target) = path.get("backend") {
        backend(target, &format!("{field}.backend"), faults);
    }
}

fn backend(backend: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let (service, resource) = (backend.get("service"), backend.get("resource"));
    match (service, resource) {
        (Some(_), Some(_)) => {
            let detail = "cannot set both resource and service backends";
            faults.push(FieldError::invalid(path, &json!(""), detail));
        }
        (None, None) => {
            faults.push(FieldError::required(path, "resource or service backend is required"));
        }
        (Some(service), None) => {
            if str_at(service, "/name").is_empty() {
                faults.push(FieldError::required(format!("{path}.service.name"), ""));
            }
            let number = int_at(service, "/port/number");
            match (str_at(service, "/port/name"), number) {
                ("", 0) => {
                    let detail = "port name or number is required";
                    faults.push(FieldError::required(format!("{path}.service.port"), detail));
                }
                ("", number) => {
                    if let Some(fault) = crate::name::port_number(number) {
                        let field = format!("{path}.service.port.number");
                        faults.push(FieldError::invalid(field, &json!(number), fault));
                    }
                }
                (_, 0) => {}
                _ => {
                    let detail = "cannot set both port name & port number";
                    let field = format!("{path}.service.port");
                    faults.push(FieldError::invalid(field, at(service, "/port"), detail));
                }
            }
        }
        (None, Some(_)) => {}
    }
}

fn ingress_row(object: &Value, now: Timestamp) -> Vec<Value> {
    /// Hosts shown before a count takes over.
    const HOSTS_MAX: usize = 3;
    let class = match str_at(object, "/spec/ingressClassName") {
        "" => str_at(object, CLASS_ANNOTATION),
        class => class,
    };
    let hosts: Vec<&str> = list_at(object, "/spec/rules")
        .iter()
        .map(|rule| str_at(rule, "/host"))
        .filter(|host| !host.is_empty())
        .collect();
    let shown = match hosts.len() {
        0 => "*".to_owned(),
        count if count > HOSTS_MAX => {
            format!("{} + {} more...", hosts[..HOSTS_MAX].join(","), count - HOSTS_MAX)
        }
        _ => hosts.join(","),
    };
    let addresses: Vec<&str> = list_at(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|entry| match str_at(entry, "/ip") {
            "" => str_at(entry, "/hostname"),
            ip => ip,
        })
        .collect();
    let tls = !list_at(object, "/spec/tls").is_empty();
    vec![
        cell::name(object),
        or_none(class),
        json!(shown),
        json!(addresses.join(",")),
        json!(if tls { "80, 443" } else { "80" }),
        cell::age(object, now),
    ]
}
