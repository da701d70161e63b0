//! Which pods stand behind a service, at which ports: pure.

use crate::object::Object;
use crate::pod;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One pod behind a service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Backend {
    pub(super) ip: String,
    pub(super) node: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) target: Option<Value>,
    pub(super) ready: bool,
    pub(super) serving: bool,
    pub(super) terminating: bool,
}

/// Backends that share their ports (text of the JSON list → backends).
#[derive(Debug, Default, PartialEq)]
pub(super) struct Backends {
    pub(super) groups: BTreeMap<String, (Value, Vec<Backend>)>,
}

impl Backends {
    /// The backends of a service among these pods.
    pub(super) fn of(service: &Object, pods: &[Arc<Object>]) -> Self {
        let mut backends = Self::default();
        let publish_unready = service.flag("/spec/publishNotReadyAddresses");
        for pod in pods {
            let Some(ip) = pod.text("/status/podIP").filter(|ip| !ip.is_empty()) else { continue };
            if pod::is_over(pod) {
                continue;
            }
            let Some(ports) = ports(service, pod) else { continue };
            let serving = pod::is_ready(pod);
            let named = pod.text("/spec/subdomain") == Some(service.name());
            backends.add(ports, Backend {
                ip: ip.to_owned(),
                node: pod::node(pod).map(str::to_owned),
                hostname: pod.text("/spec/hostname").filter(|name| named && !name.is_empty()).map(str::to_owned),
                target: Some(json!({
                    "kind": "Pod", "namespace": pod.namespace(), "name": pod.name(), "uid": pod.uid(),
                })),
                ready: publish_unready || (serving && !pod.deleting()),
                serving,
                terminating: pod.deleting(),
            });
        }
        backends
    }

    /// What the author of an Endpoints object wrote down, for a service without selector.
    pub(super) fn of_endpoints(endpoints: &Object) -> Self {
        let mut backends = Self::default();
        for subset in endpoints.list("/subsets") {
            let ports = subset
                .get("ports")
                .filter(|ports| ports.is_array())
                .cloned()
                .unwrap_or_else(|| json!([]));
            for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
                for address in subset[field].as_array().into_iter().flatten() {
                    let Some(ip) = address["ip"].as_str() else { continue };
                    backends.add(
                        ports.clone(),
                        Backend {
                            ip: ip.to_owned(),
                            node: address["nodeName"].as_str().map(str::to_owned),
                            hostname: address["hostname"].as_str().map(str::to_owned),
                            target: address.get("targetRef").cloned(),
                            ready,
                            serving: ready,
                            terminating: false,
                        },
                    );
                }
            }
        }
        backends
    }

    fn add(&mut self, ports: Value, backend: Backend) {
        self.groups.entry(ports.to_string()).or_insert_with(|| (ports, Vec::new())).1.push(backend);
    }
}

/// The service's ports on this pod; `None` when it has ports but the pod has none of them.
fn ports(service: &Object, pod: &Object) -> Option<Value> {
    let wanted = service.list("/spec/ports");
    let mut found = Vec::new();
    for port in wanted {
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let number = match port.get("targetPort").filter(|target| !target.is_null()) {
            Some(Value::String(name)) => named_port(pod, name, protocol),
            Some(target) => {
                target.as_i64().filter(|number| *number != 0).or_else(|| port["port"].as_i64())
            }
            None => port["port"].as_i64(),
        };
        let Some(number) = number else { continue };
        let mut entry = json!({"name": port["name"].as_str().unwrap_or(""), "port": number, "protocol": protocol});
        if let Some(application) = port["appProtocol"].as_str() {
            entry["appProtocol"] = json!(application);
        }
        found.push(entry);
    }
    if found.is_empty() && !wanted.is_empty() {
        return None;
    }
    Some(Value::Array(found))
}

fn named_port(pod: &Object, name: &str, protocol: &str) -> Option<i64> {
    // A port may also be a digit string.
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let sidecars = pod
        .list("/spec/initContainers")
        .iter()
        .filter(|container| container["restartPolicy"] == "Always");
    pod.list("/spec/containers")
        .iter()
        .chain(sidecars)
        .flat_map(|container| container["ports"].as_array().into_iter().flatten())
        .find(|port| port["name"] == name && port["protocol"].as_str().unwrap_or("TCP") == protocol)
        .and_then(|port| port["containerPort"].as_i64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::SERVICE;

    fn service(spec: Value) -> Object {
        let raw = json!({"metadata": {"name": "web", "namespace": "a", "uid": "s"}, "spec": spec});
        Object::from_api(SERVICE, serde_json::from_value(raw).unwrap())
    }

    fn pod(name: &str, ready: bool, deleting: bool, port: i64) -> Arc<Object> {
        let mut value = json!({
            "metadata": {"name": name, "namespace": "a", "uid": name},
            "spec": {"nodeName": "n", "hostname": name, "subdomain": "web", "containers": [
                {"name": "c", "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}]},
            ]},
            "status": {"phase": "Running", "podIP": format!("10.0.0.{}", name.len()), "conditions": [
                {"type": "Ready", "status": if ready {"True"} else {"False"}},
            ]},
        });
        if deleting {
            value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Arc::new(crate::pod::tests::pod(value))
    }

    #[test]
    fn named_ports_are_resolved_per_pod() {
        let service = service(
            json!({"ports": [{"name": "web", "port": 80, "targetPort": "http", "protocol": "TCP"}]}),
        );
        let backends =
            Backends::of(&service, &[pod("a", true, false, 8080), pod("bb", true, false, 9090)]);
        let ports: Vec<_> =
            backends.groups.values().map(|(ports, _)| ports[0]["port"].as_i64().unwrap()).collect();
        assert_eq!(ports, [8080, 9090]);
    }

    #[test]
    fn a_terminating_pod_serves_but_is_not_ready() {
        let service = service(json!({"ports": [{"port": 80, "targetPort": 8080}]}));
        let backends = Backends::of(&service, &[pod("a", true, true, 8080)]);
        let (_, list) = backends.groups.values().next().unwrap();
        assert!(!list[0].ready && list[0].serving && list[0].terminating);
        assert_eq!(list[0].hostname.as_deref(), Some("a"));
    }

    #[test]
    fn unready_pods_count_when_the_service_says_so() {
        let quiet = service(json!({"ports": [{"port": 80}]}));
        let (_, list) =
            Backends::of(&quiet, &[pod("a", false, false, 1)]).groups.into_values().next().unwrap();
        assert!(!list[0].ready);
        let loud = service(json!({"ports": [{"port": 80}], "publishNotReadyAddresses": true}));
        let (ports, list) =
            Backends::of(&loud, &[pod("a", false, false, 1)]).groups.into_values().next().unwrap();
        assert!(list[0].ready && !list[0].serving);
        assert_eq!(ports[0]["port"], 80);
    }

    #[test]
    fn a_pod_without_the_named_port_is_no_backend() {
        let service = service(json!({"ports": [{"port": 80, "targetPort": "admin"}]}));
        assert!(Backends::of(&service, &[pod("a", true, false, 1)]).groups.is_empty());
    }
}
