//! NetworkPolicies, told to the network as one whole each time.
//!
//! Three watches feed three maps; what pods may take and send follows from them by a pure
//! function of labels. Where next: `net::Policy` for what the kernel makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::runtime::WatchStreamExt;
use net::{Allow, Block, Direction, Peers, Policy, Ports};
use serde_json::{Value, json};

use crate::host::Host;
use crate::services::{Objects, heard, next, protocol, until, watch};

/// Changes within this time are handed down together.
const TOGETHER: Duration = Duration::from_millis(5);
/// Pause before rules that could not be written are tried again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Known {
    policies: Objects<NetworkPolicy>,
    pods: Objects<Pod>,
    namespaces: Objects<Namespace>,
}

/// Runs for ever.
pub(crate) async fn run(host: Arc<Host>) {
    let mut known = Known::default();
    let mut policies = watch::<NetworkPolicy>(&host.client);
    let mut pods = watch::<Pod>(&host.client).modify(forget).boxed();
    let mut namespaces = watch::<Namespace>(&host.client);
    let mut due: Option<tokio::time::Instant> = None;
    let mut told: Option<Vec<Policy>> = None;
    loop {
        let changed = tokio::select! {
            event = next(&mut policies) => heard(&mut known.policies, event),
            event = next(&mut pods) => heard(&mut known.pods, event),
            event = next(&mut namespaces) => heard(&mut known.namespaces, event),
            () = until(due) => {
                due = None;
                let wanted = policies_of(&known);
                if told.as_ref() != Some(&wanted) {
                    if let Err(error) = host.net.set_policies(&wanted).await {
                        let error = crate::error::chain(&error);
                        tracing::error!(error, "network policies not set, trying again");
                        due = Some(tokio::time::Instant::now() + PAUSE);
                    } else {
                        told = Some(wanted);
                    }
                }
                false
            }
        };
        // Half-known is not handed down: it would open what the last daemon had closed.
        let complete = known.policies.complete && known.pods.complete && known.namespaces.complete;
        if changed && complete && due.is_none() {
            due = Some(tokio::time::Instant::now() + TOGETHER);
        }
    }
}

/// What is of no use here need not be kept of every pod.
fn forget(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    pod.metadata.annotations = None;
    if let Some(spec) = &mut pod.spec {
        spec.volumes = None;
        spec.init_containers = None;
        for container in &mut spec.containers {
            let (name, ports) = (container.name.clone(), container.ports.take());
            *container =
                k8s_openapi::api::core::v1::Container { name, ports, ..Default::default() };
        }
    }
}

/// A pod with an address, as policies see it.
struct Seen {
    ip: Ipv4Addr,
    namespace: String,
    labels: Value,
    /// Named ports: name, protocol, number.
    ports: Vec<(String, net::Protocol, u16)>,
}

impl Seen {
    fn new(pod: &Pod) -> Option<Self> {
        let status = pod.status.as_ref()?;
        if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
            // Its address may be another pod's by now.
            return None;
        }
        let spec = pod.spec.as_ref()?;
        if spec.host_network == Some(true) {
            return None;
        }
        let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
        let named = ports.filter_map(|port| {
            let number = u16::try_from(port.container_port).ok()?;
            Some((port.name.clone()?, protocol(port.protocol.as_deref())?, number))
        });
        Some(Self {
            ip: status.pod_ip.as_deref()?.parse().ok()?,
            namespace: pod.namespace().unwrap_or_default(),
            labels: json!(pod.labels()),
            ports: named.collect(),
        })
    }
}

/// What the policies say for each pod; pods of which they say the same stand together.
fn policies_of(known: &Known) -> Vec<Policy> {
    let pods: Vec<Seen> = known.pods.by_key.values().filter_map(Seen::new).collect();
    let namespaces: BTreeMap<String, Value> = known
        .namespaces
        .by_key
        .values()
        .map(|namespace| (namespace.name_any(), json!(namespace.labels())))
        .collect();
    let mut said: BTreeMap<(Direction, Ipv4Addr), BTreeSet<Allow>> = BTreeMap::new();
    for policy in known.policies.by_key.values() {
        let own = policy.namespace().unwrap_or_default();
        let Some(spec) = &policy.spec else { continue };
        let world = World { own: &own, pods: &pods, namespaces: &namespaces };
        let selector = spec.pod_selector.clone().unwrap_or_default();
        let types = spec.policy_types.as_deref().unwrap_or_default();
        let applies = |name: &str, default: bool| {
            if types.is_empty() { default } else { types.iter().any(|kind| kind == name) }
        };
        for pod in pods.iter().filter(|pod| pod.namespace == own && matches(&selector, &pod.labels))
        {
            if applies("Ingress", true) {
                let list = said.entry((Direction::Arriving, pod.ip)).or_default();
                for rule in spec.ingress.iter().flatten() {
                    let (peers, ports) = (rule.from.as_deref(), rule.ports.as_deref());
                    list.extend(world.exceptions(peers, ports, |named| named.of(pod)));
                }
            }
            if applies("Egress", spec.egress.is_some()) {
                let list = said.entry((Direction::Leaving, pod.ip)).or_default();
                for rule in spec.egress.iter().flatten() {
                    list.extend(world.leaving(rule.to.as_deref(), rule.ports.as_deref()));
                }
            }
        }
    }
    let mut together: BTreeMap<(Direction, BTreeSet<Allow>), BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for ((direction, pod), allow) in said {
        together.entry((direction, allow)).or_default().insert(pod);
    }
    let policy = |((direction, allow), pods)| Policy {
        pods,
        direction,
        allow: Vec::from_iter::<BTreeSet<Allow>>(allow),
    };
    together.into_iter().map(policy).collect()
}

/// Among whom one policy's peers are looked for.
struct World<'a> {
    own: &'a str,
    pods: &'a [Seen],
    namespaces: &'a BTreeMap<String, Value>,
}

/// One port of a rule, whose name means something only on a pod.
struct Named<'a>(&'a NetworkPolicyPort);

impl Named<'_> {
    /// The ports this is on a pod; none if the pod has no port of that name.
    fn of(&self, pod: &Seen) -> Option<Ports> {
        let wanted = protocol(self.0.protocol.as_deref())?;
        let first = match &self.0.port {
            None => return Some(Ports { protocol: wanted, range: (0, u16::MAX) }),
            Some(IntOrString::Int(number)) => u16::try_from(*number).ok()?,
            Some(IntOrString::String(name)) => {
                let named =
                    |known: &&(String, net::Protocol, u16)| known.0 == *name && known.1 == wanted;
                pod.ports.iter().find(named)?.2
            }
        };
        let last = self.0.end_port.and_then(|last| u16::try_from(last).ok()).unwrap_or(first);
        Some(Ports { protocol: wanted, range: (first, last.max(first)) })
    }
}

impl World<'_> {
    /// The exceptions of one rule; `resolve` gives a port its number.
    fn exceptions(
        &self,
        peers: Option<&[NetworkPolicyPeer]>,
        ports: Option<&[NetworkPolicyPort]>,
        resolve: impl Fn(Named<'_>) -> Option<Ports>,
    ) -> Vec<Allow> {
        let asked = ports.unwrap_or_default();
        let ports: Vec<Ports> = asked.iter().filter_map(|port| resolve(Named(port))).collect();
        if ports.is_empty() && !asked.is_empty() {
            return Vec::new();
        }
        let whom = self.whom(peers);
        whom.into_iter().map(|peers| Allow { peers, ports: ports.clone() }).collect()
    }

    /// As `exceptions`, for what leaves: a port's name means the other end's.
    fn leaving(
        &self,
        peers: Option<&[NetworkPolicyPeer]>,
        ports: Option<&[NetworkPolicyPort]>,
    ) -> Vec<Allow> {
        let named = |port: &NetworkPolicyPort| matches!(port.port, Some(IntOrString::String(_)));
        if !ports.unwrap_or_default().iter().any(named) {
            let nobody = Seen {
                ip: Ipv4Addr::UNSPECIFIED,
                namespace: String::new(),
                labels: Value::Null,
                ports: Vec::new(),
            };
            return self.exceptions(peers, ports, |port| port.of(&nobody));
        }
        let reached = self.whom(peers);
        let among = |pod: &&Seen| {
            reached.iter().any(|peers| match peers {
                Peers::Any => true,
                Peers::Pods(pods) => pods.contains(&pod.ip),
                Peers::Block(_) => false,
            })
        };
        let one = |pod: &Seen| {
            let ports: Vec<Ports> =
                ports.unwrap_or_default().iter().filter_map(|port| Named(port).of(pod)).collect();
            let peers = Peers::Pods([pod.ip].into());
            (!ports.is_empty()).then_some(Allow { peers, ports })
        };
        self.pods.iter().filter(among).filter_map(one).collect()
    }

    fn whom(&self, peers: Option<&[NetworkPolicyPeer]>) -> Vec<Peers> {
        let peers = peers.unwrap_or_default();
        if peers.is_empty() {
            return vec![Peers::Any];
        }
        let mut pods = BTreeSet::new();
        let mut whom = Vec::new();
        for peer in peers {
            match &peer.ip_block {
                Some(found) => whom.extend(block(found).map(Peers::Block)),
                None => pods.extend(self.selected(peer)),
            }
        }
        if !pods.is_empty() {
            whom.push(Peers::Pods(pods));
        }
        whom
    }

    /// Pods of the policy's own namespace, or of those selected.
    fn selected(&self, peer: &NetworkPolicyPeer) -> impl Iterator<Item = Ipv4Addr> {
        let in_reach = |pod: &&Seen| match &peer.namespace_selector {
            None => pod.namespace == self.own,
            Some(selector) => {
                self.namespaces.get(&pod.namespace).is_some_and(|labels| matches(selector, labels))
            }
        };
        let chosen = |pod: &&Seen| {
            peer.pod_selector.as_ref().is_none_or(|selector| matches(selector, &pod.labels))
        };
        self.pods.iter().filter(in_reach).filter(chosen).map(|pod| pod.ip)
    }
}

/// A selector that cannot be read selects nobody: an exception less, never one more.
fn matches(selector: &LabelSelector, labels: &Value) -> bool {
    kinds::selector::from_object(&json!(selector))
        .is_ok_and(|selector| selector.matches_labels(labels))
}

/// IPv4 only: pods have no other address.
fn block(block: &IPBlock) -> Option<Block> {
    let network = |text: &str| {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
        Some((address.parse::<Ipv4Addr>().ok()?, prefix))
    };
    let except = block.except.iter().flatten().filter_map(|text| network(text)).collect();
    Some(Block { network: network(&block.cidr)?, except })
}

#[cfg(test)]
#[path = "policies/tests.rs"]
mod tests;
