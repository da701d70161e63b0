//! The downward API: a pod's own fields and resources as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::{Pod, ResourceFieldSelector};
use kinds::quantity;
use kube::ResourceExt;

/// What is known here and not in the pod's object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) pod_ip: String,
    pub(crate) host_ip: String,
    /// The machine's processors in thousandths, and its memory in bytes.
    pub(crate) cpu_millis: i128,
    pub(crate) memory_bytes: i128,
}

/// The value of one field, or why there is none.
pub(crate) fn field(pod: &Pod, path: &str, facts: &Facts) -> Result<String, String> {
    let spec = pod.spec.as_ref();
    let subscript = |map: &BTreeMap<String, String>, prefix: &str| {
        let key = path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']")?;
        Some(map.get(key).cloned().unwrap_or_default())
    };
    if let Some(value) = subscript(pod.labels(), "metadata.labels") {
        return Ok(value);
    }
    if let Some(value) = subscript(pod.annotations(), "metadata.annotations") {
        return Ok(value);
    }
    Ok(match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => pod.namespace().unwrap_or_default(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "metadata.labels" => lines(pod.labels()),
        "metadata.annotations" => lines(pod.annotations()),
        "spec.nodeName" => spec.and_then(|s| s.node_name.clone()).unwrap_or_default(),
        "spec.serviceAccountName" => {
            spec.and_then(|s| s.service_account_name.clone()).unwrap_or_default()
        }
        "status.hostIP" | "status.hostIPs" => facts.host_ip.clone(),
        "status.podIP" | "status.podIPs" => facts.pod_ip.clone(),
        _ => return Err(format!("unsupported fieldPath: {path}")),
    })
}

/// `key="value"` a line, sorted, quoted as Go does.
fn lines(map: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (key, value) in map {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{key}={value:?}");
    }
    out.truncate(out.trim_end().len());
    out
}

/// The value of a container's limit or request, in units of the divisor, rounded up. A limit that
/// is not set is the whole machine's.
pub(crate) fn resource(
    pod: &Pod,
    container: Option<&str>,
    selector: &ResourceFieldSelector,
    facts: &Facts,
) -> Result<String, String> {
    let name = selector.container_name.as_deref().or(container).unwrap_or_default();
    let spec = pod.spec.iter();
    let found = spec
        .flat_map(|s| s.containers.iter().chain(s.init_containers.iter().flatten()))
        .find(|c| c.name == name)
        .ok_or_else(|| format!("container {name} not found"))?;
    let resources = found.resources.clone().unwrap_or_default();
    let (kind, resource) = selector
        .resource
        .split_once('.')
        .ok_or_else(|| format!("unsupported resource: {}", selector.resource))?;
    let of = |map: &Option<BTreeMap<String, _>>| {
        map.as_ref()
            .and_then(|m| m.get(resource))
            .map(|q: &k8s_openapi::apimachinery::pkg::api::resource::Quantity| q.0.clone())
    };
    let text = match kind {
        "limits" => of(&resources.limits),
        "requests" => of(&resources.requests).or_else(|| of(&resources.limits)),
        _ => return Err(format!("unsupported resource: {}", selector.resource)),
    };
    let milli = match text {
        Some(text) => quantity::parse(&text).map_err(|error| error.to_string())?.milli(),
        None => match (kind, resource) {
            ("limits", "cpu") => facts.cpu_millis,
            ("limits", "memory") => facts.memory_bytes * 1_000,
            _ => 0,
        },
    };
    let divisor = selector.divisor.as_ref().map(|q| q.0.as_str()).filter(|d| *d != "0");
    let divisor = quantity::parse(divisor.unwrap_or("1")).map_err(|e| e.to_string())?.milli();
    let divisor = divisor.max(1);
    Ok((milli.max(0) + divisor - 1).div_euclid(divisor).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resources_are_rounded_up_in_units_of_the_divisor() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [
            {"name": "c", "resources": {"limits": {"cpu": "1250m", "memory": "64Mi"}}}]}}))
        .unwrap();
        let ask = |resource: &str, divisor: &str| {
            let selector = ResourceFieldSelector {
                resource: resource.into(),
                divisor: Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity(
                    divisor.into(),
                )),
                container_name: None,
            };
            super::resource(&pod, Some("c"), &selector, &Facts::default()).unwrap()
        };
        assert_eq!(ask("limits.cpu", "1"), "2");
        assert_eq!(ask("requests.cpu", "1m"), "1250");
        assert_eq!(ask("limits.memory", "1Mi"), "64");
    }

    #[test]
    fn labels_are_listed_one_a_line() {
        let pod: Pod = serde_json::from_value(json!({"metadata":
            {"labels": {"b": "2", "a": "x \"y\""}}}))
        .unwrap();
        let text = field(&pod, "metadata.labels", &Facts::default()).unwrap();
        assert_eq!(text, "a=\"x \\\"y\\\"\"\nb=\"2\"");
        assert!(field(&pod, "spec.nope", &Facts::default()).is_err());
    }
}
