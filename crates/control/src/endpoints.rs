//! Endpoints: the addresses behind each service, as EndpointSlices and, for old clients,
//! as Endpoints. A service without selector gets slices from the Endpoints its author wrote.

mod address;

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::Result;
use crate::object::{Key, Object};
use crate::queue::{Next, Queue};
use crate::resource::{ENDPOINT_SLICE, ENDPOINTS, POD, SERVICE};
use crate::selector::Selector;
use address::{Backend, Backends};
use serde_json::{Value, json};
use std::sync::Arc;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const SLICES: &str = "endpointslice-controller.k8s.io";
const MIRROR: &str = "endpointslicemirroring-controller.k8s.io";
const ENDPOINTS_MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const ENDPOINTS_MANAGER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";
const MOST_PER_SLICE: usize = 100;
/// Endpoints is one object: beyond this it is cut.
const MOST_ADDRESSES: usize = 1_000;

pub(crate) struct Endpoints {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
}

impl Endpoints {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("endpoints");
        let wake = queue.clone();
        cluster.cache.listen(Box::new(move |change, cache| {
            let object = change.object();
            match change.resource {
                SERVICE | ENDPOINTS => wake.add(object.key()),
                ENDPOINT_SLICE => {
                    if let Some(service) = object.label(SERVICE_NAME) {
                        wake.add(Key::new(object.namespace(), service));
                    }
                }
                POD => {
                    if let (Some(old), Some(new)) = (&change.old, &change.new)
                        && !concerns_addresses(old, new)
                    {
                        return;
                    }
                    for service in cache.list(SERVICE, object.namespace()) {
                        if let Some(selector) = selector(&service)
                            && change.states().any(|pod| selector.matches(pod.labels()))
                        {
                            wake.add(service.key());
                        }
                    }
                }
                _ => {}
            }
        }));
        Self { cluster, queue }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(8, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let cache = &self.cluster.cache;
        let Some(service) =
            cache.get(SERVICE, &key.namespace, &key.name).filter(|service| !service.deleting())
        else {
            // The slices and the Endpoints are owned by the service: the garbage collector has them.
            return Ok(Next::Wait);
        };
        let external = service.text("/spec/type") == Some("ExternalName");
        match selector(&service).filter(|_| !external) {
            Some(selector) => {
                let pods: Vec<_> = cache
                    .list(POD, &key.namespace)
                    .into_iter()
                    .filter(|pod| selector.matches(pod.labels()))
                    .collect();
                let backends = Backends::of(&service, &pods);
                self.write_slices(&service, &backends, SLICES, false).await?;
                self.write_endpoints(&service, &backends).await?;
            }
            None => {
                self.write_slices(&service, &Backends::default(), SLICES, true).await?;
                let written = cache.get(ENDPOINTS, &key.namespace, &key.name).filter(|endpoints| {
                    endpoints.label(ENDPOINTS_MANAGED_BY) != Some(ENDPOINTS_MANAGER)
                        && endpoints.label("endpointslice.kubernetes.io/skip-mirror")
                            != Some("true")
                });
                match written.filter(|_| !external) {
                    Some(endpoints) => {
                        let backends = Backends::of_endpoints(&endpoints);
                        self.write_slices(&service, &backends, MIRROR, true).await?;
                    }
                    None => self.write_slices(&service, &Backends::default(), MIRROR, true).await?,
                }
            }
        }
        Ok(Next::Wait)
    }

    /// Makes the slices of one manager say exactly this. `none_when_empty`: no slice at all
    /// rather than an empty one.
    async fn write_slices(
        &self,
        service: &Object,
        backends: &Backends,
        manager: &str,
        none_when_empty: bool,
    ) -> Result<()> {
        let mut existing: Vec<_> = self
            .cluster
            .cache
            .list(ENDPOINT_SLICE, service.namespace())
            .into_iter()
            .filter(|slice| {
                slice.label(SERVICE_NAME) == Some(service.name())
                    && slice.label(MANAGED_BY) == Some(manager)
            })
            .filter(|slice| !slice.deleting())
            .collect();
        let mut wanted: Vec<(Value, Value)> = Vec::new();
        for (ports, list) in backends.groups.values() {
            for chunk in list.chunks(MOST_PER_SLICE) {
                wanted.push((ports.clone(), chunk.iter().map(slice_endpoint).collect()));
            }
        }
        if wanted.is_empty() && !none_when_empty {
            wanted.push((json!([]), json!([])));
        }
        let labels = slice_labels(service, manager);
        // First those that have the right ports already, so that a change of readiness is one patch.
        wanted.sort_by_key(|(ports, _)| {
            !existing.iter().any(|slice| slice.at("/ports") == Some(ports))
        });
        for (ports, endpoints) in wanted {
            let same = existing.iter().position(|slice| {
                slice.list("/ports") == ports.as_array().map_or(&[][..], |list| list)
            });
            let taken = same
                .or(if existing.is_empty() { None } else { Some(0) })
                .map(|index| existing.remove(index));
            let body = json!({"addressType": "IPv4", "endpoints": endpoints, "ports": ports});
            match taken {
                Some(slice) => {
                    let lists_equal = slice.list("/endpoints")
                        == endpoints.as_array().map_or(&[][..], |list| list)
                        && slice.list("/ports") == ports.as_array().map_or(&[][..], |list| list);
                    let labels_equal = labels
                        .as_object()
                        .into_iter()
                        .flatten()
                        .all(|(key, value)| slice.label(key) == value.as_str());
                    if !lists_equal || !labels_equal {
                        let patch = json!({"metadata": {"labels": labels}, "endpoints": endpoints, "ports": ports});
                        self.cluster.merge(&slice, Part::Object, patch).await?;
                    }
                }
                None => {
                    let mut body = body;
                    body["metadata"] = json!({
                        "generateName": format!("{}-", service.name()),
                        "labels": labels,
                        "ownerReferences": [service.controller_reference()],
                    });
                    self.cluster.create(ENDPOINT_SLICE, service.namespace(), body).await?;
                }
            }
        }
        for slice in existing {
            self.cluster.delete(&slice, Propagation::Background).await?;
        }
        Ok(())
    }

    async fn write_endpoints(&self, service: &Object, backends: &Backends) -> Result<()> {
        let mut left = MOST_ADDRESSES;
        let mut subsets = Vec::new();
        for (ports, list) in backends.groups.values() {
            let mut subset = json!({});
            for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
                let addresses: Vec<_> = list
                    .iter()
                    .filter(|backend| backend.ready == ready && !backend.terminating)
                    .take(left)
                    .map(address)
                    .collect();
                left -= addresses.len();
                if !addresses.is_empty() {
                    subset[field] = json!(addresses);
                }
            }
            if subset.as_object().is_some_and(|fields| !fields.is_empty()) {
                if ports.as_array().is_some_and(|ports| !ports.is_empty()) {
                    subset["ports"] = unnamed(ports);
                }
                subsets.push(subset);
            }
        }
        let mut labels = json!({ ENDPOINTS_MANAGED_BY: ENDPOINTS_MANAGER });
        if service.text("/spec/clusterIP") == Some("None") {
            labels[HEADLESS] = json!("");
        }
        match self.cluster.cache.get(ENDPOINTS, service.namespace(), service.name()) {
            Some(endpoints) => {
                let same_labels = labels
                    .as_object()
                    .into_iter()
                    .flatten()
                    .all(|(key, value)| endpoints.label(key) == value.as_str());
                if endpoints.list("/subsets") != subsets || !same_labels {
                    let patch = json!({"metadata": {"labels": labels}, "subsets": subsets});
                    self.cluster.merge(&endpoints, Part::Object, patch).await?;
                }
            }
            None => {
                let body = json!({
                    "metadata": {
                        "name": service.name(), "labels": labels,
                        "ownerReferences": [service.controller_reference()],
                    },
                    "subsets": subsets,
                });
                self.cluster.create(ENDPOINTS, service.namespace(), body).await?;
            }
        }
        Ok(())
    }
}

/// The service's selector, if it selects anything.
fn selector(service: &Object) -> Option<Selector> {
    let selector = Selector::from_labels(service.at("/spec/selector")?);
    Some(selector).filter(|selector| !selector.is_empty())
}

/// Whether a change of a pod can change an address, its readiness or whom it belongs to.
fn concerns_addresses(old: &Object, new: &Object) -> bool {
    let fields = ["/status/podIP", "/spec/nodeName", "/status/phase"];
    old.uid() != new.uid()
        || old.deleting() != new.deleting()
        || old.labels() != new.labels()
        || crate::pod::is_ready(old) != crate::pod::is_ready(new)
        || fields.iter().any(|field| old.at(field) != new.at(field))
}

fn slice_labels(service: &Object, manager: &str) -> Value {
    let mut labels = json!({ SERVICE_NAME: service.name(), MANAGED_BY: manager });
    for (key, value) in service.labels() {
        if labels.get(key).is_none() {
            labels[key] = json!(value);
        }
    }
    if service.text("/spec/clusterIP") == Some("None") {
        labels[HEADLESS] = json!("");
    }
    labels
}

fn slice_endpoint(backend: &Backend) -> Value {
    let mut endpoint = json!({
        "addresses": [backend.ip],
        "conditions": {"ready": backend.ready, "serving": backend.serving, "terminating": backend.terminating},
    });
    fill(&mut endpoint, backend);
    endpoint
}

fn address(backend: &Backend) -> Value {
    let mut address = json!({"ip": backend.ip});
    fill(&mut address, backend);
    address
}

fn fill(entry: &mut Value, backend: &Backend) {
    if let Some(hostname) = &backend.hostname {
        entry["hostname"] = json!(hostname);
    }
    if let Some(node) = &backend.node {
        entry["nodeName"] = json!(node);
    }
    if let Some(target) = &backend.target {
        entry["targetRef"] = target.clone();
    }
}

/// Endpoints leave out an empty port name.
fn unnamed(ports: &Value) -> Value {
    let mut ports = ports.clone();
    for port in ports.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if port.get("name").is_some_and(|name| name == "") {
            port.remove("name");
        }
    }
    ports
}
