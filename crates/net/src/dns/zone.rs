//! The services' names as a plain map, built anew on every change.
//!
//! ```text
//! <svc>.<ns>.svc.<domain>                 A    the stable address, or all ready pods
//! <hostname>.<svc>.<ns>.svc.<domain>      A    one ready pod (also a-b-c-d for its ip)
//! _<port>._<proto>.<svc>.<ns>.svc.<domain> SRV
//! ```

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::cidr::Cidr;
use crate::model::{Protocol, Service};

/// What a name has; a name that only leads to others has nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Port and target name.
    pub(crate) places: Vec<(u16, String)>,
}

/// All names we answer for ourselves, lower case, without the final dot.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub(crate) domain: String,
    /// Where `*.localhost` leads from inside a pod: the front door.
    pub(crate) gateway: Ipv4Addr,
    /// Networks whose reverse names are ours.
    networks: [Cidr; 2],
    names: HashMap<String, Entry>,
    reverse: HashMap<Ipv4Addr, String>,
}

impl Zone {
    pub(crate) fn new(domain: &str, pods: Cidr, services: Cidr, list: &[Service]) -> Self {
        let domain = domain.trim_matches('.').to_ascii_lowercase();
        let mut zone = Self {
            gateway: pods.gateway(),
            networks: [pods, services],
            names: HashMap::new(),
            reverse: HashMap::new(),
            domain,
        };
        zone.names.entry(zone.domain.clone()).or_default();
        let services = format!("svc.{}", zone.domain);
        zone.names.entry(services).or_default();
        for service in list {
            zone.add(service);
        }
        zone
    }

    /// The entry of a lower-case name without final dot.
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.names.get(name)
    }

    /// The name of an address of ours.
    pub(crate) fn name_of(&self, ip: Ipv4Addr) -> Option<&str> {
        self.reverse.get(&ip).map(String::as_str)
    }

    /// Whether reverse names of this address are ours to answer.
    pub(crate) fn owns(&self, ip: Ipv4Addr) -> bool {
        self.networks.iter().any(|network| network.contains(ip))
    }

    /// Whether `name` is the domain or below it.
    pub(crate) fn holds(&self, name: &str) -> bool {
        below(name, &self.domain)
    }

    fn add(&mut self, service: &Service) {
        let namespace = format!("{}.svc.{}", service.namespace, self.domain).to_ascii_lowercase();
        let base = format!("{}.{namespace}", service.name).to_ascii_lowercase();
        self.names.entry(namespace).or_default();
        let hosts: Vec<(String, Ipv4Addr)> = service
            .hosts
            .iter()
            .map(|host| {
                let label = host.hostname.clone().unwrap_or_else(|| dashed(host.ip));
                (format!("{label}.{base}").to_ascii_lowercase(), host.ip)
            })
            .collect();
        for (host, (name, ip)) in service.hosts.iter().zip(&hosts) {
            push(&mut self.names.entry(name.clone()).or_default().addresses, *ip);
            if host.hostname.is_some() {
                let by_address = format!("{}.{base}", dashed(*ip));
                push(&mut self.names.entry(by_address).or_default().addresses, *ip);
                self.reverse.entry(*ip).or_insert_with(|| name.clone());
            }
        }
        let entry = self.names.entry(base.clone()).or_default();
        if let Some(ip) = service.cluster_ip {
            push(&mut entry.addresses, ip);
            self.reverse.insert(ip, base.clone());
        } else {
            for (_, ip) in &hosts {
                push(&mut entry.addresses, *ip);
            }
        }
        for port in &service.ports {
            let protocol = match port.protocol {
                Protocol::Tcp => "_tcp",
                Protocol::Udp => "_udp",
            };
            let parent = format!("{protocol}.{base}");
            let Some(name) = &port.name else { continue };
            let places = if service.cluster_ip.is_some() {
                vec![(port.port, base.clone())]
            } else {
                hosts
                    .iter()
                    .map(|(host, ip)| {
                        let backend = port.backends.iter().find(|backend| backend.ip() == ip);
                        (backend.map_or(port.port, |backend| backend.port()), host.clone())
                    })
                    .collect()
            };
            let name = format!("_{name}.{parent}").to_ascii_lowercase();
            self.names.entry(parent).or_default();
            self.names.entry(name).or_default().places.extend(places);
        }
    }
}

/// `10-88-0-7`, the label of a pod without a hostname.
fn dashed(ip: Ipv4Addr) -> String {
    ip.to_string().replace('.', "-")
}

fn push(list: &mut Vec<Ipv4Addr>, ip: Ipv4Addr) {
    if !list.contains(&ip) {
        list.push(ip);
    }
}

/// Whether `name` is `suffix` or ends in a dot and `suffix`.
pub(crate) fn below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
