//! What the kernel does with the pods' packets: one nftables table, written
//! whole in one transaction on every change. Established connections are not
//! touched by that: their address translation lives in conntrack.
//!
//! ```text
//! table ip shelf_<inst>
//!   map services   ip . protocol . port : goto s<n>
//!   map node_ports      protocol . port : goto s<n>
//!   set hairpin    backends as (ip . ip): a pod that reaches itself
//!   chain s<n>     round robin over the backends of one service port
//!   chain arriving  drops what pretends to come from outside the pod network
//!   chains prerouting, output (dnat), postrouting (masquerade),
//!          forwarding, outgoing (refuse what has no backend, clamp, accept)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use crate::model::{Protocol, Service};
use crate::nft::expression::{
    Base, ClampStep, Expression, Meta, R1, Reject, SLOT1, SLOT2, Verdict,
};
use crate::nft::{Batch, Element, Hook, SetShape, address_data, concatenated, types};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
/// `RTN_LOCAL`: an address of this host.
const ADDRESS_TYPE_LOCAL: u32 = 2;

/// The names and networks the rules speak of.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) table: String,
    pub(crate) bridge: String,
    pub(crate) pod_cidr: (Ipv4Addr, u8),
    pub(crate) service_cidr: (Ipv4Addr, u8),
}

/// The batch that makes the table say what `services` wants.
pub(crate) fn batch(place: &Place, services: &[Service]) -> Batch {
    let mut batch = Batch::new(&place.table);
    batch.clear_table(true);
    for (name, hook) in [
        ("arriving", Hook::RAW_PREROUTING),
        ("prerouting", Hook::NAT_PREROUTING),
        ("output", Hook::NAT_OUTPUT),
        ("postrouting", Hook::NAT_POSTROUTING),
        ("forwarding", Hook::FILTER_FORWARD),
        ("outgoing", Hook::FILTER_OUTPUT),
    ] {
        batch.chain(name, Some(hook));
    }
    let maps = balance(&mut batch, services);
    let verdict = Some((types::VERDICT, 0));
    let shape = SetShape { key_type: types::IPV4_PROTOCOL_PORT, key_bytes: 12, data: verdict };
    batch.set("services", shape, &maps.services);
    let shape = SetShape { key_type: types::PROTOCOL_PORT, key_bytes: 8, data: verdict };
    batch.set("node_ports", shape, &maps.node_ports);
    let shape = SetShape { key_type: types::IPV4_IPV4, key_bytes: 8, data: None };
    batch.set("hairpin", shape, &maps.hairpin);
    translate(&mut batch, place, !maps.node_ports.is_empty());
    filter(&mut batch, place);
    batch
}

/// The batch that removes the table.
pub(crate) fn removal(table: &str) -> Batch {
    let mut batch = Batch::new(table);
    batch.clear_table(false);
    batch
}

type Elements = Vec<(Vec<u8>, Element)>;

struct Maps {
    services: Elements,
    node_ports: Elements,
    hairpin: Elements,
}

/// One chain for each service port that has backends, and the maps leading there.
fn balance(batch: &mut Batch, services: &[Service]) -> Maps {
    // Keyed, so that two services claiming one port cannot make the kernel
    // refuse the whole table: the first one has it.
    let mut by_address = BTreeMap::new();
    let mut by_port = BTreeMap::new();
    let mut pods = BTreeSet::new();
    let mut count = 0;
    for service in services {
        for port in service.ports.iter().filter(|port| !port.backends.is_empty()) {
            let protocol = protocol_number(port.protocol);
            let backends: BTreeSet<SocketAddrV4> = port.backends.iter().copied().collect();
            let chain = format!("s{count}");
            count += 1;
            pods.extend(backends.iter().map(|backend| *backend.ip()));
            let number = port.port.to_be_bytes();
            if let Some(ip) = service.cluster_ip {
                let key = concatenated(&[&ip.octets(), &[protocol], &number]);
                by_address.entry(key).or_insert_with(|| Element::Goto(chain.clone()));
            }
            if let Some(node_port) = port.node_port {
                let key = concatenated(&[&[protocol], &node_port.to_be_bytes()]);
                by_port.entry(key).or_insert_with(|| Element::Goto(chain.clone()));
            }
            backend_chain(batch, &chain, protocol, &backends);
        }
    }
    let hairpin =
        pods.iter().map(|ip| (concatenated(&[&ip.octets(), &ip.octets()]), Element::Nothing));
    Maps {
        services: by_address.into_iter().collect(),
        node_ports: by_port.into_iter().collect(),
        hairpin: hairpin.collect(),
    }
}

fn backend_chain(batch: &mut Batch, chain: &str, protocol: u8, backends: &BTreeSet<SocketAddrV4>) {
    let map = format!("{chain}_backends");
    let elements: Elements = (0_u32..)
        .zip(backends)
        // The counter is a number in host order.
        .map(|(n, b)| (n.to_ne_bytes().to_vec(), Element::Data(address_data(*b.ip(), b.port()))))
        .collect();
    let modulus = u32::try_from(elements.len()).unwrap_or(u32::MAX);
    batch.chain(chain, None);
    let data = Some((types::IPV4_PORT, 8));
    batch.set(&map, SetShape { key_type: types::COUNTER, key_bytes: 4, data }, &elements);
    let mut rule = transport_is(protocol);
    rule.push(Expression::RoundRobin { modulus });
    rule.push(Expression::MapTo(map));
    rule.push(Expression::DestinationNat);
    batch.rule(chain, &rule);
}

/// Destination and source translation.
fn translate(batch: &mut Batch, place: &Place, node_ports: bool) {
    let service_lookup = [
        Expression::Payload { base: Base::Network, offset: 16, bytes: 4, to: R1 },
        Expression::Meta { key: Meta::Transport, to: SLOT1 },
        Expression::Payload { base: Base::Transport, offset: 2, bytes: 2, to: SLOT2 },
        Expression::VerdictMap("services".into()),
    ];
    // Only our own pods: two instances may use the same service addresses.
    let mut rule = name_is(Meta::InputName, &place.bridge);
    rule.extend_from_slice(&service_lookup);
    batch.rule("prerouting", &rule);
    batch.rule("output", &service_lookup);
    if node_ports {
        let rule = [
            Expression::DestinationType,
            Expression::Equal(ADDRESS_TYPE_LOCAL.to_ne_bytes().to_vec()),
            // Loopback would need route_localnet, which opens 127/8 to others.
            Expression::Payload { base: Base::Network, offset: 16, bytes: 1, to: R1 },
            Expression::NotEqual(vec![127]),
            Expression::Meta { key: Meta::Transport, to: R1 },
            Expression::Payload { base: Base::Transport, offset: 2, bytes: 2, to: SLOT1 },
            Expression::VerdictMap("node_ports".into()),
        ];
        batch.rule("prerouting", &rule);
        batch.rule("output", &rule);
    }
    let mut rule = name_is(Meta::OutputName, &place.bridge);
    rule.extend([
        Expression::Payload { base: Base::Network, offset: 12, bytes: 4, to: R1 },
        Expression::Payload { base: Base::Network, offset: 16, bytes: 4, to: SLOT1 },
        Expression::InSet("hairpin".into()),
        Expression::Masquerade,
    ]);
    batch.rule("postrouting", &rule);
    let mut rule = address_in(12, place.pod_cidr);
    rule.push(Expression::Meta { key: Meta::OutputName, to: R1 });
    rule.push(Expression::NotEqual(padded_name(&place.bridge)));
    rule.push(Expression::Masquerade);
    batch.rule("postrouting", &rule);
}

/// Refusal of service addresses nobody answers, segment sizes, forwarding.
fn filter(batch: &mut Batch, place: &Place) {
    let mut rule = name_is(Meta::InputName, &place.bridge);
    let (masked, network) = address_masked(12, place.pod_cidr);
    rule.extend(masked);
    rule.extend([Expression::NotEqual(network), Expression::End(Verdict::Drop)]);
    batch.rule("arriving", &rule);
    // What still carries a service address here was not translated: no such
    // service, no such port, or no ready backend.
    for (chain, only) in
        [("forwarding", name_is(Meta::InputName, &place.bridge)), ("outgoing", Vec::new())]
    {
        let mut rule = only.clone();
        rule.extend(address_in(16, place.service_cidr));
        rule.extend(transport_is(TCP));
        rule.push(Expression::Reject(Reject::TcpReset));
        batch.rule(chain, &rule);
        let mut rule = only;
        rule.extend(address_in(16, place.service_cidr));
        rule.push(Expression::Reject(Reject::PortUnreachable));
        batch.rule(chain, &rule);
    }
    for direction in [Meta::InputName, Meta::OutputName] {
        let mut rule = name_is(direction, &place.bridge);
        rule.extend(transport_is(TCP));
        rule.extend([
            // tcp flags & (syn | rst) == syn
            Expression::Payload { base: Base::Transport, offset: 13, bytes: 1, to: R1 },
            Expression::Mask(vec![0x06]),
            Expression::Equal(vec![0x02]),
            Expression::ClampSegmentSize(ClampStep::Load),
            Expression::ClampSegmentSize(ClampStep::ToNetworkOrder),
            Expression::ClampSegmentSize(ClampStep::Write),
        ]);
        batch.rule("forwarding", &rule);
    }
    for direction in [Meta::InputName, Meta::OutputName] {
        let mut rule = name_is(direction, &place.bridge);
        rule.push(Expression::End(Verdict::Accept));
        batch.rule("forwarding", &rule);
    }
    // Pods reach each other through us on purpose (see attach.rs): the kernel
    // must not tell them of a shorter way.
    let mut rule = name_is(Meta::OutputName, &place.bridge);
    rule.extend(transport_is(ICMP));
    rule.push(Expression::Payload { base: Base::Transport, offset: 0, bytes: 1, to: R1 });
    rule.push(Expression::Equal(vec![5]));
    rule.push(Expression::End(Verdict::Drop));
    batch.rule("outgoing", &rule);
}

fn name_is(direction: Meta, name: &str) -> Vec<Expression> {
    vec![Expression::Meta { key: direction, to: R1 }, Expression::Equal(padded_name(name))]
}

fn transport_is(protocol: u8) -> Vec<Expression> {
    vec![Expression::Meta { key: Meta::Transport, to: R1 }, Expression::Equal(vec![protocol])]
}

/// The address at `offset` of the IPv4 header lies in `network/prefix`.
fn address_in(offset: u32, cidr: (Ipv4Addr, u8)) -> Vec<Expression> {
    let (mut rule, network) = address_masked(offset, cidr);
    rule.push(Expression::Equal(network));
    rule
}

/// Loads the network part of an address, and what it is in `network/prefix`.
pub(crate) fn address_masked(offset: u32, cidr: (Ipv4Addr, u8)) -> (Vec<Expression>, Vec<u8>) {
    let (network, prefix) = cidr;
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    let load = Expression::Payload { base: Base::Network, offset, bytes: 4, to: R1 };
    let masked = vec![load, Expression::Mask(mask.to_be_bytes().to_vec())];
    (masked, (network.to_bits() & mask).to_be_bytes().to_vec())
}

/// An interface name as the kernel compares it: 16 bytes, zero filled.
fn padded_name(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

pub(crate) fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
    }
}
