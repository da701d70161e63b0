//! What is wrong with a pod's spec or template.

use super::volumes;
use crate::cell::{list_at, str_at};
use crate::{FieldError, metadata, name, quantity};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Which restart policies the owner of a template allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Any policy: a pod by itself.
    Any,
    /// Deployments and sets keep their pods running.
    Always,
    /// Jobs end.
    Ends,
}

/// Faults of a `PodTemplateSpec` at `path`, whose labels `selector` (if any) must match.
pub(crate) fn template(
    template: &Value,
    selector: Option<&Value>,
    restart: Restart,
    path: &str,
    faults: &mut Vec<FieldError>,
) {
    let labels = template.pointer("/metadata/labels");
    metadata::labels(labels, &format!("{path}.metadata.labels"), faults);
    let annotations = template.pointer("/metadata/annotations");
    metadata::annotations(annotations, &format!("{path}.metadata.annotations"), faults);
    if let Some(selector) = selector.filter(|s| s.is_object()) {
        let at = path.rsplit_once('.').map_or("selector".into(), |(p, _)| format!("{p}.selector"));
        let empty = |name: &str| {
            selector.get(name).is_none_or(|v| {
                v.as_object().is_none_or(serde_json::Map::is_empty)
                    && v.as_array().is_none_or(Vec::is_empty)
            })
        };
        match crate::selector::from_object(selector) {
            Err(_) => {} // the schema already refused the operator
            Ok(_) if empty("matchLabels") && empty("matchExpressions") => {
                faults.push(FieldError::invalid(at, selector, "empty selector is invalid"));
            }
            Ok(parsed) if !parsed.matches_labels(labels.unwrap_or(&Value::Null)) => {
                faults.push(FieldError::invalid(
                    format!("{path}.metadata.labels"),
                    labels.unwrap_or(&json!({})),
                    "`selector` does not match template `labels`",
                ));
            }
            Ok(_) => {}
        }
    }
    match template.get("spec").filter(|spec| spec.is_object()) {
        Some(spec) => check(spec, restart, &format!("{path}.spec"), faults),
        None => faults.push(FieldError::required(format!("{path}.spec.containers"), "")),
    }
}

/// Faults of a `PodSpec` at `path`.
pub(crate) fn check(spec: &Value, restart: Restart, path: &str, faults: &mut Vec<FieldError>) {
    let policy = str_at(spec, "/restartPolicy");
    let allowed: &[&str] = match restart {
        Restart::Any => &["Always", "OnFailure", "Never"],
        Restart::Always => &["Always"],
        Restart::Ends => &["OnFailure", "Never"],
    };
    if restart != Restart::Any && !allowed.contains(&policy) {
        let at = format!("{path}.restartPolicy");
        if policy.is_empty() || (policy == "Always" && restart == Restart::Ends) {
            let detail = "valid values: \"OnFailure\", \"Never\"";
            faults.push(FieldError::required(at, detail));
        } else {
            faults.push(FieldError::not_supported(at, &json!(policy), allowed));
        }
    }
    for (field, rule) in [
        ("nodeName", name::dns_subdomain as fn(&str) -> Option<String>),
        ("serviceAccountName", name::dns_subdomain),
        ("priorityClassName", name::dns_subdomain),
        ("hostname", name::dns_label),
        ("subdomain", name::dns_label),
    ] {
        let text = spec.get(field).and_then(Value::as_str).unwrap_or_default();
        if !text.is_empty()
            && let Some(fault) = rule(text)
        {
            faults.push(FieldError::invalid(format!("{path}.{field}"), &json!(text), &fault));
        }
    }
    seconds(spec, path, faults);
    metadata::labels(spec.get("nodeSelector"), &format!("{path}.nodeSelector"), faults);
    if str_at(spec, "/dnsPolicy") == "None" && list_at(spec, "/dnsConfig/nameservers").is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        faults.push(FieldError::required(format!("{path}.dnsConfig.nameservers"), detail));
    }
    let volume_names = volumes::check(list_at(spec, "/volumes"), path, faults);
    let claimed = list_at(spec, "/containers");
    if claimed.is_empty() {
        faults.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen = HashSet::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        let containers = spec.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (index, item) in containers.iter().enumerate() {
            let at = format!("{path}.{list}[{index}]");
            container(item, list, &at, &volume_names, faults);
            let own = str_at(item, "/name");
            // Within one list the schema already says so.
            let twice = !own.is_empty() && !seen.insert(own);
            let within = containers[..index].iter().any(|other| str_at(other, "/name") == own);
            if twice && !within {
                faults.push(FieldError::duplicate(format!("{at}.name"), &json!(own)));
            }
        }
    }
}

fn seconds(spec: &Value, path: &str, faults: &mut Vec<FieldError>) {
    if let Some(value) = spec.get("terminationGracePeriodSeconds")
        && value.as_i64().is_some_and(|n| n < 0)
    {
        let at = format!("{path}.terminationGracePeriodSeconds");
        faults.push(FieldError::invalid(at, value, "must be greater than or equal to 0"));
    }
    if let Some(value) = spec.get("activeDeadlineSeconds")
        && value.as_i64().is_some_and(|n| !(1..=i64::from(i32::MAX)).contains(&n))
    {
        let at = format!("{path}.activeDeadlineSeconds");
        let detail = "must be between 1 and 2147483647, inclusive";
        faults.push(FieldError::invalid(at, value, detail));
    }
}

fn container(
    item: &Value,
    list: &str,
    path: &str,
    volume_names: &HashSet<&str>,
    faults: &mut Vec<FieldError>,
) {
    let own = str_at(item, "/name");
    if !own.is_empty()
        && let Some(fault) = name::dns_label(own)
    {
        faults.push(FieldError::invalid(format!("{path}.name"), &json!(own), &fault));
    }
    let image = str_at(item, "/image");
    if image.is_empty() {
        faults.push(FieldError::required(format!("{path}.image"), ""));
    } else if image.trim() != image {
        let detail = "must not have leading or trailing whitespace";
        faults.push(FieldError::invalid(format!("{path}.image"), &json!(image), detail));
    }
    ports(list_at(item, "/ports"), path, faults);
    environment(item, path, faults);
    resources(item, path, faults);
    volumes::mounts(list_at(item, "/volumeMounts"), path, volume_names, faults);
    let sidecar = list == "initContainers" && str_at(item, "/restartPolicy") == "Always";
    for probe_name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(value) = item.get(probe_name).filter(|p| p.is_object()) else { continue };
        let at = format!("{path}.{probe_name}");
        if list == "ephemeralContainers" || (list == "initContainers" && !sidecar) {
            let detail = "may not be set for init containers without restartPolicy=Always";
            faults.push(FieldError::forbidden(at, detail));
            continue;
        }
        probe(value, probe_name, &at, faults);
    }
    for hook in ["postStart", "preStop"] {
        if let Some(value) = item.get("lifecycle").and_then(|l| l.get(hook)) {
            let kinds = ["exec", "httpGet", "tcpSocket", "sleep"];
            handler(value, &kinds, &format!("{path}.lifecycle.{hook}"), faults);
        }
    }
}

fn ports(ports: &[Value], path: &str, faults: &mut Vec<FieldError>) {
    let mut names = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let at = format!("{path}.ports[{index}]");
        match port.get("containerPort").and_then(Value::as_i64) {
            None | Some(0) => faults.push(FieldError::required(format!("{at}.containerPort"), "")),
            Some(number) => {
                if let Some(fault) = name::port_number(number) {
                    let field = format!("{at}.containerPort");
                    faults.push(FieldError::invalid(field, &json!(number), fault));
                }
            }
        }
        let host = port.get("hostPort").and_then(Value::as_i64).filter(|n| *n != 0);
        if let Some((number, fault)) = host.and_then(|n| name::port_number(n).map(|f| (n, f))) {
            faults.push(FieldError::invalid(format!("{at}.hostPort"), &json!(number), fault));
        }
        let own = str_at(port, "/name");
        if own.is_empty() {
            continue;
        }
        if let Some(fault) = name::port_name(own) {
            faults.push(FieldError::invalid(format!("{at}.name"), &json!(own), fault));
        } else if !names.insert(own) {
            faults.push(FieldError::duplicate(format!("{at}.name"), &json!(own)));
        }
    }
}

fn environment(item: &Value, path: &str, faults: &mut Vec<FieldError>) {
    for (index, variable) in list_at(item, "/env").iter().enumerate() {
        let at = format!("{path}.env[{index}]");
        let own = str_at(variable, "/name");
        if !own.is_empty()
            && let Some(fault) = name::env_name(own)
        {
            faults.push(FieldError::invalid(format!("{at}.name"), &json!(own), &fault));
        }
        let Some(source) = variable.get("valueFrom").and_then(Value::as_object) else { continue };
        let detail = match (source.len(), str_at(variable, "/value").is_empty()) {
            (0, _) => {
                "must specify one of: `configMapKeyRef`, `fieldRef`, `fileKeyRef`, \
                       `resourceFieldRef` or `secretKeyRef`"
            }
            (1, true) => continue,
            (1, false) => "may not be specified when `value` is not empty",
            _ => "may not have more than one field specified at a time",
        };
        let shown = variable.get("valueFrom").unwrap_or(&Value::Null);
        faults.push(FieldError::invalid(format!("{at}.valueFrom"), shown, detail));
    }
    for (index, source) in list_at(item, "/envFrom").iter().enumerate() {
        let both = source.get("configMapRef").is_some() && source.get("secretRef").is_some();
        let none = source.get("configMapRef").is_none() && source.get("secretRef").is_none();
        if both || none {
            let at = format!("{path}.envFrom[{index}]");
            let detail = if both {
                "may not have more than one field specified at a time"
            } else {
                "must specify one of: `configMapRef` or `secretRef`"
            };
            faults.push(FieldError::invalid(at, source, detail));
        }
    }
}

fn resources(item: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let amounts =
        |field: &str| item.pointer(&format!("/resources/{field}")).and_then(Value::as_object);
    for field in ["limits", "requests"] {
        for (resource, value) in amounts(field).into_iter().flatten() {
            let at = format!("{path}.resources.{field}[{resource}]");
            if let Some(fault) = name::qualified_name(resource) {
                faults.push(FieldError::invalid(&at, &json!(resource), &fault));
            }
            match quantity::from_value(value) {
                Ok(amount) if amount.milli() < 0 => {
                    let detail = "must be greater than or equal to 0";
                    faults.push(FieldError::invalid(at, value, detail));
                }
                Ok(_) => {}
                Err(error) => faults.push(FieldError::invalid(at, value, &error.to_string())),
            }
        }
    }
    for (resource, request) in amounts("requests").into_iter().flatten() {
        let limit = amounts("limits").and_then(|limits| limits.get(resource));
        if let Some(limit) = limit
            && let (Ok(wanted), Ok(most)) =
                (quantity::from_value(request), quantity::from_value(limit))
            && wanted > most
        {
            let at = format!("{path}.resources.requests");
            let shown = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
            let detail = format!("must be less than or equal to {resource} limit of {shown}");
            faults.push(FieldError::invalid(at, request, &detail));
        }
    }
}

fn probe(value: &Value, probe_name: &str, path: &str, faults: &mut Vec<FieldError>) {
    handler(value, &["exec", "httpGet", "tcpSocket", "grpc"], path, faults);
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        if let Some(number) = value.get(field)
            && number.as_i64().is_some_and(|n| n < 0)
        {
            let detail = "must be greater than or equal to 0";
            faults.push(FieldError::invalid(format!("{path}.{field}"), number, detail));
        }
    }
    let threshold = value.get("successThreshold").unwrap_or(&Value::Null);
    if probe_name != "readinessProbe" && threshold.as_i64().is_some_and(|n| n != 1) {
        faults.push(FieldError::invalid(
            format!("{path}.successThreshold"),
            threshold,
            "must be 1",
        ));
    }
}

/// Exactly one of `kinds` must be there, with a usable port.
fn handler(value: &Value, kinds: &[&str], path: &str, faults: &mut Vec<FieldError>) {
    let set: Vec<&&str> = kinds.iter().filter(|kind| value.get(**kind).is_some()).collect();
    if set.is_empty() {
        faults.push(FieldError::required(path, "must specify a handler type"));
    }
    for kind in set.iter().skip(1) {
        let at = format!("{path}.{kind}");
        faults.push(FieldError::forbidden(at, "may not specify more than 1 handler type"));
    }
    if value.get("exec").is_some() && list_at(value, "/exec/command").is_empty() {
        faults.push(FieldError::required(format!("{path}.exec.command"), ""));
    }
    for kind in ["httpGet", "tcpSocket", "grpc"] {
        let Some(action) = value.get(kind) else { continue };
        let at = format!("{path}.{kind}.port");
        match action.get("port") {
            None => faults.push(FieldError::required(at, "")),
            Some(port) => port_reference(port, at, faults),
        }
    }
}

/// A port's number or name.
pub(crate) fn port_reference(port: &Value, path: String, faults: &mut Vec<FieldError>) {
    let fault = match (port.as_i64(), port.as_str()) {
        (Some(number), _) => name::port_number(number),
        (_, Some(text)) => name::port_name(text),
        _ => None,
    };
    if let Some(fault) = fault {
        faults.push(FieldError::invalid(path, port, fault));
    }
}
