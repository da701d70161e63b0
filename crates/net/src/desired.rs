//! The desired state as last told, less what is being drained, and what of it
//! has been written to the kernel and to the door.
//!
//! Draining never empties a list: the last copy of a route or a service goes on
//! serving until another one is known or the list itself goes on without it. A
//! new copy and the end of the old one reach us on two paths, in either order.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::cidr::Cidr;
use crate::door::config::Config;
use crate::model::{Route, Service};
use crate::rules::Place;
use crate::start::commit;
use crate::{Result, rules};

/// Addresses that leave, by when they were told to.
type Drained = BTreeMap<Ipv4Addr, u64>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Desired {
    services: Vec<Service>,
    routes: Vec<Route>,
    /// Drained, until a list of services without it arrives.
    drained_services: Drained,
    /// Drained, until a list of routes without it arrives.
    drained_routes: Drained,
    /// How many were drained so far.
    drains: u64,
    written_rules: Option<Vec<u8>>,
    saved: Option<Config>,
}

impl Desired {
    /// What the door of this run directory was last told, if it was for the same
    /// networks: traffic flows on while nobody has said anything new yet.
    pub(crate) fn remembered(run_dir: &Path, domain: &str, pods: Cidr, services: Cidr) -> Self {
        let mut desired = Self::default();
        if let Some(config) = Config::load(run_dir) {
            let mut bare = config.clone();
            bare.services.clear();
            bare.routes.clear();
            if bare == Config::new(domain, pods, services) {
                desired.services = config.services;
                desired.routes = config.routes;
            }
        }
        desired
    }

    pub(crate) fn set_services(&mut self, services: Vec<Service>) {
        self.drained_services.retain(|ip, _| services.iter().any(|service| mentions(service, *ip)));
        self.services = services;
    }

    pub(crate) fn set_routes(&mut self, routes: Vec<Route>) {
        let leads_to = |route: &Route, ip| route.backends.iter().any(|backend| *backend.ip() == ip);
        self.drained_routes.retain(|ip, _| routes.iter().any(|route| leads_to(route, *ip)));
        self.routes = routes;
    }

    pub(crate) fn drain(&mut self, ip: Ipv4Addr) {
        self.drains += 1;
        self.drained_services.insert(ip, self.drains);
        self.drained_routes.insert(ip, self.drains);
    }

    /// A new pod has this address: what was drained was another one.
    pub(crate) fn welcome(&mut self, ip: Ipv4Addr) {
        self.drained_services.remove(&ip);
        self.drained_routes.remove(&ip);
    }

    /// What the door is to know now.
    pub(crate) fn config(&self, domain: &str, pods: Cidr, services: Cidr) -> Config {
        let mut config = Config::new(domain, pods, services);
        config.services = self.ready_services();
        config.routes = self.ready_routes();
        config
    }

    /// Whether new traffic still goes to this address, drained or not. Names do
    /// not count: a service may publish copies that are not ready on purpose.
    pub(crate) fn serves(&self, ip: Ipv4Addr) -> bool {
        let routes = self.ready_routes();
        let services = self.ready_services();
        let ports = services.iter().flat_map(|service| &service.ports);
        let mut backends =
            routes.iter().flat_map(|route| &route.backends).chain(ports.flat_map(|p| &p.backends));
        backends.any(|backend| *backend.ip() == ip)
    }

    pub(crate) fn is_saved(&self, config: &Config) -> bool {
        self.saved.as_ref() == Some(config)
    }

    pub(crate) fn note_saved(&mut self, config: Config) {
        self.saved = Some(config);
    }

    /// Writes the kernel's rules if they differ from what we wrote last.
    pub(crate) async fn write_rules(&mut self, place: &Place) -> Result<()> {
        let batch = rules::batch(place, &self.ready_services()).finish();
        if self.written_rules.as_ref() == Some(&batch.0) {
            return Ok(());
        }
        self.written_rules = None;
        let bytes = batch.0.clone();
        commit(place.table.clone(), batch).await?;
        self.written_rules = Some(bytes);
        Ok(())
    }

    fn ready_routes(&self) -> Vec<Route> {
        let mut routes = self.routes.clone();
        for route in &mut routes {
            leave(&mut route.backends, &self.drained_routes, |backend| *backend.ip());
        }
        routes
    }

    fn ready_services(&self) -> Vec<Service> {
        let mut services = self.services.clone();
        for service in &mut services {
            leave(&mut service.hosts, &self.drained_services, |host| host.ip);
            for port in &mut service.ports {
                leave(&mut port.backends, &self.drained_services, |backend| *backend.ip());
            }
        }
        services
    }
}

/// Takes the drained out of a list; of a list of nothing else, all but the one that leaves last.
fn leave<T>(list: &mut Vec<T>, drained: &Drained, ip: impl Fn(&T) -> Ipv4Addr) {
    let left = |one: &T| drained.get(&ip(one)).copied();
    let last = match list.iter().any(|one| left(one).is_none()) {
        true => None,
        false => list.iter().filter_map(left).max(),
    };
    list.retain(|one| left(one) == last);
}

fn mentions(service: &Service, ip: Ipv4Addr) -> bool {
    service.hosts.iter().any(|host| host.ip == ip)
        || service.ports.iter().flat_map(|port| &port.backends).any(|b| *b.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Host, Protocol, ServicePort};

    const IP: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 2);

    fn service(backends: &[&str]) -> Service {
        Service {
            namespace: "a".into(),
            name: "b".into(),
            cluster_ip: Some(Ipv4Addr::new(10, 96, 0, 1)),
            ports: vec![ServicePort {
                name: None,
                port: 80,
                protocol: Protocol::Tcp,
                node_port: None,
                backends: backends.iter().map(|b| b.parse().unwrap()).collect(),
            }],
            hosts: vec![Host { hostname: None, ip: IP }],
        }
    }

    fn route(backends: &[&str]) -> Route {
        Route {
            host: "*".into(),
            path: "/".into(),
            backends: backends.iter().map(|b| b.parse().unwrap()).collect(),
            owner: "a/b".into(),
        }
    }

    fn config(desired: &Desired) -> Config {
        let cidr = Cidr::new(IP, 20);
        desired.config("cluster.local", cidr, cidr)
    }

    #[test]
    fn a_drained_address_is_out_until_it_was_absent_once() {
        let mut desired = Desired::default();
        let both = ["10.88.0.2:80", "10.88.0.3:80"];
        desired.set_services(vec![service(&both)]);
        desired.set_routes(vec![route(&both)]);
        desired.drain(IP);
        // A late list that still has it does not bring it back.
        desired.set_services(vec![service(&both)]);
        let now = config(&desired);
        assert_eq!(now.services[0].ports[0].backends, ["10.88.0.3:80".parse().unwrap()]);
        assert_eq!(now.routes[0].backends, ["10.88.0.3:80".parse().unwrap()]);
        assert!(!desired.serves(IP));
        // Absent from the routes only: back there, still out of the services.
        desired.set_routes(vec![route(&both[1..])]);
        desired.set_routes(vec![route(&both)]);
        let now = config(&desired);
        assert_eq!(now.routes[0].backends.len(), 2);
        assert_eq!(now.services[0].ports[0].backends.len(), 1);
        desired.welcome(IP);
        assert_eq!(config(&desired).services[0].ports[0].backends.len(), 2);
    }
    #[test]
    fn the_last_copy_serves_until_another_one_is_known() {
        let mut desired = Desired::default();
        let (old, new) = ("10.88.0.2:80", "10.88.0.3:80");
        desired.set_services(vec![service(&[old])]);
        desired.set_routes(vec![route(&[old])]);
        desired.drain(IP);
        assert!(desired.serves(IP), "drained before its successor was known");
        assert_eq!(config(&desired).routes[0].backends, [old.parse().unwrap()]);
        desired.set_services(vec![service(&[old, new])]);
        assert!(desired.serves(IP), "the routes do not know the successor yet");
        desired.set_routes(vec![route(&[old, new])]);
        assert!(!desired.serves(IP));
        assert_eq!(config(&desired).routes[0].backends, [new.parse().unwrap()]);
        // Without a successor the lists decide: this is a stop, not a roll.
        desired.set_routes(vec![route(&[])]);
        desired.set_services(vec![service(&[])]);
        assert!(!desired.serves(IP));
    }
}
