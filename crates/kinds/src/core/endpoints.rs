//! Endpoints and EndpointSlice: the addresses behind a service.

use crate::FieldError;
use crate::cell::{self, AGE, NAME, int_at, list_at, str_at};
use crate::kind::{Hooks, Kind};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Cells show this many addresses or ports, then a count.
const SHOWN_MAX: usize = 3;
/// Upstream's limit for one slice.
const ENDPOINTS_MAX: usize = 1000;

pub(crate) fn endpoints() -> Kind {
    Kind {
        short_names: &["ep"],
        ..Kind::new(
            ("", "v1", "Endpoints"),
            ("endpoints", "endpoints"),
            const { &[NAME, cell::text("Endpoints", "ready addresses with ports"), AGE] },
            Hooks::row_only(|object, now| {
                vec![cell::name(object), json!(pairs(object)), cell::age(object, now)]
            }),
        )
    }
}

pub(crate) fn endpoint_slice() -> Kind {
    Kind {
        counts_generations: true,
        ..Kind::new(
            ("discovery.k8s.io", "v1", "EndpointSlice"),
            ("endpointslices", "endpointslice"),
            const {
                &[
                    NAME,
                    cell::text("AddressType", "IPv4, IPv6 or FQDN"),
                    cell::text("Ports", "ports of every address"),
                    cell::text("Endpoints", "addresses"),
                    AGE,
                ]
            },
            Hooks { validate: validate_slice, ..Hooks::row_only(slice_row) },
        )
    }
}

fn validate_slice(new: &Value, _old: Option<&Value>, faults: &mut Vec<FieldError>) {
    let endpoints = list_at(new, "/endpoints");
    if endpoints.len() > ENDPOINTS_MAX {
        faults.push(FieldError::too_many("endpoints", endpoints.len(), ENDPOINTS_MAX));
    }
    let kind = str_at(new, "/addressType");
    for (index, endpoint) in endpoints.iter().enumerate() {
        for (at, address) in list_at(endpoint, "/addresses").iter().enumerate() {
            let text = address.as_str().unwrap_or_default();
            let fits = match kind {
                "IPv4" => text.parse::<Ipv4Addr>().is_ok(),
                "IPv6" => text.parse::<Ipv6Addr>().is_ok(),
                _ => crate::name::dns_subdomain(text).is_none(),
            };
            if !fits {
                let field = format!("endpoints[{index}].addresses[{at}]");
                faults.push(FieldError::invalid(
                    field,
                    address,
                    &format!("must be an {kind} address"),
                ));
            }
        }
    }
}

fn pairs(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in list_at(object, "/subsets") {
        let ports = list_at(subset, "/ports");
        for address in list_at(subset, "/addresses") {
            let ip = str_at(address, "/ip");
            if ports.is_empty() {
                all.push(ip.to_owned());
            }
            all.extend(ports.iter().map(|port| format!("{ip}:{}", int_at(port, "/port"))));
        }
    }
    shortened(&all, "<none>")
}

fn slice_row(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = list_at(object, "/ports")
        .iter()
        .map(|port| match (port.get("port").and_then(Value::as_i64), str_at(port, "/name")) {
            (Some(number), _) => number.to_string(),
            (None, "") => "*".to_owned(),
            (None, name) => name.to_owned(),
        })
        .collect();
    let addresses: Vec<String> = list_at(object, "/endpoints")
        .iter()
        .flat_map(|endpoint| list_at(endpoint, "/addresses"))
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect();
    vec![
        cell::name(object),
        json!(str_at(object, "/addressType")),
        json!(shortened(&ports, "<unset>")),
        json!(shortened(&addresses, "<unset>")),
        cell::age(object, now),
    ]
}

fn shortened(items: &[String], empty: &str) -> String {
    if items.is_empty() {
        return empty.to_owned();
    }
    let shown = items.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join(",");
    match items.len().saturating_sub(SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}
