//! What a pod asks of a node, and what a node offers: numbers out of the objects.

use crate::object::Object;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Resource name → thousandths of its unit.
pub(super) type Amounts = BTreeMap<String, i128>;

/// What a pod needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Demand {
    pub(super) amounts: Amounts,
    pub(super) ports: BTreeSet<HostPort>,
}

/// A port of the node itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HostPort {
    pub(super) port: i64,
    pub(super) protocol: String,
    /// Empty or `0.0.0.0`: every address.
    pub(super) ip: String,
}

impl HostPort {
    pub(super) fn conflicts(&self, other: &Self) -> bool {
        let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (any(&self.ip) || any(&other.ip) || self.ip == other.ip)
    }
}

/// Quantities of a JSON map in thousandths; what is not a quantity counts as nothing.
pub(super) fn amounts(map: Option<&Value>) -> Amounts {
    let fields = map.and_then(Value::as_object).into_iter().flatten();
    fields
        .filter_map(|(name, value)| {
            Some((name.clone(), kinds::quantity::from_value(value).ok()?.milli()))
        })
        .collect()
}

impl Demand {
    /// The larger of what the containers need together and what any step of the start
    /// needs, plus the overhead (pod requests as in the Kubernetes documentation).
    pub(super) fn of(pod: &Object) -> Self {
        let mut running = Amounts::new();
        let mut peak = Amounts::new();
        let mut sidecars = Amounts::new();
        for container in pod.list("/spec/initContainers") {
            let own = amounts(container.pointer("/resources/requests"));
            if container["restartPolicy"] == "Always" {
                add(&mut sidecars, &own);
                raise(&mut peak, &sidecars);
            } else {
                let mut step = sidecars.clone();
                add(&mut step, &own);
                raise(&mut peak, &step);
            }
        }
        for container in pod.list("/spec/containers") {
            add(&mut running, &amounts(container.pointer("/resources/requests")));
        }
        add(&mut running, &sidecars);
        raise(&mut running, &peak);
        let whole_pod = amounts(pod.at("/spec/resources/requests"));
        running.extend(whole_pod);
        add(&mut running, &amounts(pod.at("/spec/overhead")));
        running.insert("pods".to_owned(), 1_000);
        let containers =
            pod.list("/spec/containers").iter().chain(pod.list("/spec/initContainers"));
        let ports =
            containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
        let ports = ports.filter_map(|port| {
            Some(HostPort {
                port: port["hostPort"].as_i64().filter(|port| *port != 0)?,
                protocol: port["protocol"].as_str().unwrap_or("TCP").to_owned(),
                ip: port["hostIP"].as_str().unwrap_or("").to_owned(),
            })
        });
        Self { ports: ports.collect(), amounts: running }
    }

    pub(super) fn add(&mut self, other: &Self) {
        add(&mut self.amounts, &other.amounts);
        self.ports.extend(other.ports.iter().cloned());
    }
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *total.entry(name.clone()).or_insert(0) += amount;
    }
}

fn raise(total: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let known = total.entry(name.clone()).or_insert(0);
        *known = (*known).max(*amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::tests::pod;
    use serde_json::json;

    #[test]
    fn a_large_first_step_counts_like_the_running_pod() {
        let pod = pod(json!({"metadata": {"name": "p"}, "spec": {
            "initContainers": [
                {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
                {"name": "init", "resources": {"requests": {"cpu": "1"}}},
            ],
            "containers": [
                {"name": "a", "resources": {"requests": {"cpu": "200m", "memory": "1Ki"}}},
                {"name": "b", "resources": {"requests": {"cpu": "300m"}}, "ports": [{"containerPort": 1, "hostPort": 80}]},
            ],
        }}));
        let demand = Demand::of(&pod);
        assert_eq!(demand.amounts["cpu"], 1_100);
        assert_eq!(demand.amounts["memory"], 1_024_000);
        assert_eq!(demand.ports.len(), 1);
    }

    #[test]
    fn a_port_on_every_address_conflicts_with_each() {
        let port = |ip: &str| HostPort { port: 80, protocol: "TCP".to_owned(), ip: ip.to_owned() };
        assert!(port("").conflicts(&port("10.0.0.1")));
        assert!(!port("10.0.0.2").conflicts(&port("10.0.0.1")));
    }
}
