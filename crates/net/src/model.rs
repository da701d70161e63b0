//! What callers hand in and get back: plain data, the whole desired state at a
//! time. The same structs are written to the door's configuration file
//! (`docs/formats/door.md`), so fields are only ever added.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What [`crate::Net::start`] needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Distinguishes several daemons on one machine: 1 to 6 of `[a-z0-9]`.
    /// Part of every name we create in the kernel.
    pub instance: String,
    /// Where addresses are remembered (`net.json`), survives a reboot.
    pub state_dir: PathBuf,
    /// Where the door's socket and configuration live, until a reboot.
    pub run_dir: PathBuf,
    /// Network and prefix length of the pods; `None`: a free one is chosen once
    /// and remembered.
    pub pod_cidr: Option<(Ipv4Addr, u8)>,
    /// Network and prefix length service addresses are taken from. Virtual: no
    /// interface ever carries one of them.
    pub service_cidr: (Ipv4Addr, u8),
    /// The DNS zone of the services, usually `cluster.local`.
    pub domain: String,
    /// Where HTTP is answered; port 0 takes any free one.
    pub front_door: Vec<SocketAddr>,
}

/// A pod's place in the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The pod's address.
    pub ip: Ipv4Addr,
    /// Prefix length of the pod network (the interface itself carries a /32,
    /// so that all traffic passes the host's rules).
    pub prefix: u8,
    /// The bridge's address: default route and DNS server.
    pub gateway: Ipv4Addr,
    /// Bytes per packet, that of the host's uplink.
    pub mtu: u32,
}

/// Transport of a service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A name and, unless headless, a stable address for a set of pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// First part of its DNS name after the service's own.
    pub namespace: String,
    /// First label of its DNS name.
    pub name: String,
    /// The stable address; `None` for a headless service.
    pub cluster_ip: Option<Ipv4Addr>,
    /// What it listens on.
    pub ports: Vec<ServicePort>,
    /// Its ready pods, for headless and per-pod names.
    pub hosts: Vec<Host>,
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    /// Name for SRV records.
    pub name: Option<String>,
    /// The port of the stable address.
    pub port: u16,
    /// Its transport.
    pub protocol: Protocol,
    /// A port opened on every address of the host but loopback.
    pub node_port: Option<u16>,
    /// Ready endpoints. None: connections are refused at once.
    pub backends: Vec<SocketAddrV4>,
}

/// A ready pod of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The pod's own label under the service's name, if it has one.
    pub hostname: Option<String>,
    /// The pod's address.
    pub ip: Ipv4Addr,
}

/// One line of the front door's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Host name without port, or `*` for requests no other host matches.
    pub host: String,
    /// Path prefix, matched on `/` boundaries; the longest wins.
    pub path: String,
    /// Ready endpoints. None: 503.
    pub backends: Vec<SocketAddrV4>,
    /// Who to name in error pages and counters, for example `shop/web`.
    pub owner: String,
}
