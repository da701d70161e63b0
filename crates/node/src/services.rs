//! Services, their endpoints and ingresses, told to the network as one whole each time.
//!
//! Three watches feed three maps; a change starts a short wait for more, then everything is made
//! anew and handed down. The network compares and changes only what differs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, ServiceBackendPort};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::host::Host;

/// Changes within this time are handed down together.
const TOGETHER: Duration = Duration::from_millis(5);
/// Label of a slice that names its service.
const SERVICE: &str = "kubernetes.io/service-name";

/// `(namespace, name)`.
type Key = (String, String);

/// All objects of one kind, as last seen.
pub(crate) struct Objects<K> {
    pub(crate) by_key: BTreeMap<Key, K>,
    /// Filled while a new list comes in, so that what is not in it goes.
    coming: Option<BTreeMap<Key, K>>,
    pub(crate) complete: bool,
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), coming: None, complete: false }
    }
}

impl<K: Resource> Objects<K> {
    /// Takes one event; tells whether what is known changed.
    pub(crate) fn take(&mut self, event: watcher::Event<K>) -> bool {
        let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        match event {
            watcher::Event::Init => {
                self.coming = Some(BTreeMap::new());
                false
            }
            watcher::Event::InitApply(object) => {
                self.coming.get_or_insert_default().insert(key(&object), object);
                false
            }
            watcher::Event::InitDone => {
                self.by_key = self.coming.take().unwrap_or_default();
                self.complete = true;
                true
            }
            watcher::Event::Apply(object) => {
                self.by_key.insert(key(&object), object);
                true
            }
            watcher::Event::Delete(object) => self.by_key.remove(&key(&object)).is_some(),
        }
    }
}

#[derive(Default)]
struct Known {
    services: Objects<Service>,
    slices: Objects<EndpointSlice>,
    ingresses: Objects<Ingress>,
}

pub(crate) fn watch<K>(
    client: &kube::Client,
) -> BoxStream<'static, watcher::Result<watcher::Event<K>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let api: Api<K> = Api::all(client.clone());
    watcher::watcher(api, watcher::Config::default()).default_backoff().boxed()
}

pub(crate) fn heard<K: Resource>(
    objects: &mut Objects<K>,
    event: watcher::Result<watcher::Event<K>>,
) -> bool {
    match event {
        Ok(event) => objects.take(event),
        Err(error) => {
            tracing::warn!(%error, "a watch for the network broke off, trying again");
            false
        }
    }
}

/// Waits for what is due; for ever if nothing is.
pub(crate) async fn until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Runs for ever.
pub(crate) async fn run(host: Arc<Host>) {
    let mut known = Known::default();
    let mut services = watch::<Service>(&host.client);
    let mut slices = watch::<EndpointSlice>(&host.client);
    let mut ingresses = watch::<Ingress>(&host.client);
    let mut due: Option<tokio::time::Instant> = None;
    loop {
        let changed = tokio::select! {
            event = next(&mut services) => heard(&mut known.services, event),
            event = next(&mut slices) => heard(&mut known.slices, event),
            event = next(&mut ingresses) => heard(&mut known.ingresses, event),
            () = until(due) => {
                due = None;
                hand_down(&host, &known).await;
                false
            }
        };
        // Half-known is not handed down: it would cut what the last daemon set up.
        let complete = known.services.complete && known.slices.complete && known.ingresses.complete;
        if changed && complete && due.is_none() {
            due = Some(tokio::time::Instant::now() + TOGETHER);
        }
    }
}

pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> S::Item {
    match stream.next().await {
        Some(item) => item,
        // A watcher never ends by itself.
        None => std::future::pending().await,
    }
}

async fn hand_down(host: &Host, known: &Known) {
    let slices: Vec<&EndpointSlice> = known.slices.by_key.values().collect();
    let services = known.services.by_key.values().filter_map(|s| service(s, &slices)).collect();
    if let Err(error) = host.net.set_services(services).await {
        tracing::error!(error = crate::error::chain(&error), "services not set");
    }
    let routes = known
        .ingresses
        .by_key
        .values()
        .filter(|ingress| ours(ingress))
        .flat_map(|ingress| routes(ingress, known, &slices))
        .collect();
    if let Err(error) = host.net.set_routes(routes).await {
        tracing::error!(error = crate::error::chain(&error), "routes not set");
    }
    for ingress in known.ingresses.by_key.values().filter(|ingress| ours(ingress)) {
        tell_address(host, ingress).await;
    }
}

fn ours(ingress: &Ingress) -> bool {
    let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    matches!(class, None | Some("shelf"))
}

fn slices_of<'a>(
    namespace: &'a str,
    service: &'a str,
    slices: &'a [&'a EndpointSlice],
) -> impl Iterator<Item = &'a EndpointSlice> {
    slices.iter().copied().filter(move |slice| {
        slice.namespace().as_deref() == Some(namespace)
            && slice.labels().get(SERVICE).is_some_and(|name| name == service)
    })
}

fn service(service: &Service, slices: &[&EndpointSlice]) -> Option<net::Service> {
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() == Some("ExternalName") {
        return None;
    }
    let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
    let unready_too = spec.publish_not_ready_addresses == Some(true);
    let mut hosts = Vec::new();
    for endpoint in
        slices_of(&namespace, &name, slices).flat_map(|slice| slice.endpoints.iter().flatten())
    {
        if unready_too || ready(endpoint) {
            for ip in endpoint.addresses.iter().filter_map(|ip| ip.parse().ok()) {
                hosts.push(net::Host { hostname: endpoint.hostname.clone(), ip });
            }
        }
    }
    let ports = spec
        .ports
        .iter()
        .flatten()
        .filter_map(|port| {
            Some(net::ServicePort {
                name: port.name.clone(),
                port: u16::try_from(port.port).ok()?,
                protocol: protocol(port.protocol.as_deref())?,
                node_port: port.node_port.and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0),
                backends: backends(&namespace, &name, port.name.as_deref(), slices),
            })
        })
        .collect();
    let cluster_ip = spec.cluster_ip.as_deref().and_then(|ip| ip.parse().ok());
    Some(net::Service { namespace, name, cluster_ip, ports, hosts })
}

pub(crate) fn protocol(name: Option<&str>) -> Option<net::Protocol> {
    match name {
        None | Some("TCP") => Some(net::Protocol::Tcp),
        Some("UDP") => Some(net::Protocol::Udp),
        Some(_) => None,
    }
}

/// Only a pod that says so is ready; slices leave the condition out when they do not know.
fn ready(endpoint: &k8s_openapi::api::discovery::v1::Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|c| c.ready) != Some(false)
}

/// Ready endpoints of one port of a service, matched by the port's name as upstream.
fn backends(
    namespace: &str,
    service: &str,
    port: Option<&str>,
    slices: &[&EndpointSlice],
) -> Vec<SocketAddrV4> {
    let mut found = Vec::new();
    for slice in slices_of(namespace, service, slices) {
        let number = slice
            .ports
            .iter()
            .flatten()
            .find(|known| known.name.as_deref().unwrap_or("") == port.unwrap_or(""))
            .and_then(|known| u16::try_from(known.port?).ok());
        let Some(number) = number else { continue };
        for endpoint in slice.endpoints.iter().flatten().filter(|endpoint| ready(endpoint)) {
            let ips = endpoint.addresses.iter().filter_map(|ip| ip.parse::<Ipv4Addr>().ok());
            found.extend(ips.map(|ip| SocketAddrV4::new(ip, number)));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn routes(ingress: &Ingress, known: &Known, slices: &[&EndpointSlice]) -> Vec<net::Route> {
    let namespace = ingress.namespace().unwrap_or_default();
    let owner = format!("{namespace}/{}", ingress.name_any());
    let spec = ingress.spec.clone().unwrap_or_default();
    let backends_of = |name: &str, port: Option<&ServiceBackendPort>| {
        let service = known.services.by_key.get(&(namespace.clone(), name.to_owned()));
        let ports = service.and_then(|s| s.spec.as_ref()?.ports.as_deref()).unwrap_or_default();
        let wanted = |known: &&ServicePort| match port {
            Some(ServiceBackendPort { number: Some(number), .. }) => known.port == *number,
            Some(ServiceBackendPort { name: Some(name), .. }) => known.name.as_ref() == Some(name),
            _ => false,
        };
        match ports.iter().find(wanted) {
            Some(port) => backends(&namespace, name, port.name.as_deref(), slices),
            None => Vec::new(),
        }
    };
    let mut routes = Vec::new();
    for rule in spec.rules.into_iter().flatten() {
        let host = rule.host.filter(|host| !host.is_empty()).unwrap_or_else(|| "*".to_owned());
        for path in rule.http.into_iter().flat_map(|http| http.paths) {
            let Some(service) = path.backend.service else { continue };
            routes.push(net::Route {
                host: host.clone(),
                path: path.path.filter(|p| !p.is_empty()).unwrap_or_else(|| "/".to_owned()),
                backends: backends_of(&service.name, service.port.as_ref()),
                owner: owner.clone(),
            });
        }
    }
    if let Some(service) = spec.default_backend.and_then(|backend| backend.service) {
        routes.push(net::Route {
            host: "*".to_owned(),
            path: "/".to_owned(),
            backends: backends_of(&service.name, service.port.as_ref()),
            owner,
        });
    }
    routes
}

/// Writes the front door's address into the ingress, once.
async fn tell_address(host: &Host, ingress: &Ingress) {
    let ip = host.net.front_door().first().map(|address| match address.ip() {
        ip if ip.is_unspecified() => host.host_ip.to_string(),
        ip => ip.to_string(),
    });
    let Some(ip) = ip else { return };
    let status = ingress.status.as_ref().and_then(|s| s.load_balancer.as_ref());
    let told = status.and_then(|s| s.ingress.as_ref()?.first()?.ip.clone());
    if told.as_ref() == Some(&ip) {
        return;
    }
    let namespace = ingress.namespace().unwrap_or_default();
    let api: Api<Ingress> = Api::namespaced(host.client.clone(), &namespace);
    let patch = json!({"status": {"loadBalancer": {"ingress": [{"ip": ip}]}}});
    let name = ingress.name_any();
    let told = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await;
    if let Err(error) = told {
        // It may be gone; the next change tries again.
        tracing::debug!(ingress = name, %error, "address not written");
    }
}

#[cfg(test)]
#[path = "services/tests.rs"]
mod tests;
