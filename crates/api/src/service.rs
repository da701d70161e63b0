//! Addresses and ports of Services, given out at the moment of writing.
//!
//! What is taken is read from the stored Services each time, under one lock that is held until
//! the write is done: nothing to rebuild after a restart, nothing to leak.

use crate::Api;
use crate::encode;
use crate::object;
use crate::output;
use crate::status::Failure;
use kinds::{FieldError, Kind};
use rand::Rng;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// Ports of nodes that services get.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// Whether writes of this kind allocate.
pub(crate) fn allocates(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.plural == "services"
}

struct Taken {
    addresses: HashSet<Ipv4Addr>,
    ports: HashSet<(String, u16)>,
}

/// Gives `new` the address and ports it still lacks, and checks those it asks for.
pub(crate) fn allocate(
    api: &Api,
    kind: &Kind,
    new: &mut Value,
    old: Option<&Value>,
) -> Result<(), Failure> {
    let type_ = new["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    let taken = taken(api, kind, new)?;
    if type_ == "ExternalName" {
        let spec = object::map(new, "spec");
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
        return Ok(());
    }
    address(api, kind, new, old, &taken)?;
    ports(kind, new, old, &type_, &taken)
}

fn taken(api: &Api, kind: &Kind, new: &Value) -> Result<Taken, Failure> {
    let own = encode::key(kind, Some(object::meta(new, "namespace")), object::name(new));
    let mut taken = Taken { addresses: HashSet::new(), ports: HashSet::new() };
    for entry in api.store().list(&encode::prefix(kind, None), None, None, None)?.entries {
        if *entry.key == own {
            continue;
        }
        let service = output::parse(&entry.value);
        let address = service["spec"]["clusterIP"].as_str().unwrap_or("").parse::<Ipv4Addr>();
        // Headless ones have "None", others of foreign making may have nothing.
        taken.addresses.extend(address.ok());
        for port in service["spec"]["ports"].as_array().into_iter().flatten() {
            let number = port["nodePort"].as_u64().and_then(|port| u16::try_from(port).ok());
            if let Some(number) = number.filter(|number| *number > 0) {
                taken.ports.insert((protocol(port), number));
            }
        }
    }
    Ok(taken)
}

fn protocol(port: &Value) -> String {
    port["protocol"].as_str().unwrap_or("TCP").to_owned()
}

fn address(
    api: &Api,
    kind: &Kind,
    new: &mut Value,
    old: Option<&Value>,
    taken: &Taken,
) -> Result<(), Failure> {
    let before = old.and_then(|old| old["spec"]["clusterIP"].as_str()).unwrap_or("");
    let listed = new["spec"]["clusterIPs"][0].as_str().unwrap_or("");
    let asked = new["spec"]["clusterIP"].as_str().unwrap_or("");
    let asked = if asked.is_empty() { listed } else { asked };
    let asked = if asked.is_empty() { before } else { asked }.to_owned();
    let refuse = |detail: &str| {
        let error = FieldError::invalid("spec.clusterIPs", &json!([asked]), detail);
        Failure::invalid(kind, object::name(new), &[error])
    };
    let (network, prefix) = api.settings().service_cidr;
    let first = u32::from(network) & mask(prefix);
    let last = first | !mask(prefix);
    let address = if asked.is_empty() {
        free_address(first, last, taken)
            .ok_or_else(|| Failure::internal("failed to allocate a serviceIP: range is full"))?
            .to_string()
    } else {
        if asked != "None" && asked != before {
            let given: Ipv4Addr = asked
                .parse()
                .map_err(|_| refuse("must be a valid IPv4 address, \"None\" or empty"))?;
            if !(first + 1..last).contains(&u32::from(given)) {
                return Err(refuse(&format!(
                    "failed to allocate IP {given}: the provided IP ({given}) is not in the valid \
                     range. The range of valid IPs is {network}/{prefix}"
                )));
            }
            if taken.addresses.contains(&given) {
                return Err(refuse(&format!(
                    "failed to allocate IP {given}: provided IP is already allocated"
                )));
            }
        }
        asked.clone()
    };
    let spec = object::map(new, "spec");
    spec.insert("clusterIP".into(), json!(address));
    spec.insert("clusterIPs".into(), json!([address]));
    spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
    spec.entry("ipFamilyPolicy").or_insert_with(|| json!("SingleStack"));
    Ok(())
}

pub(crate) fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

/// A random free one, so that an address is not soon given to another service.
fn free_address(first: u32, last: u32, taken: &Taken) -> Option<Ipv4Addr> {
    let count = last - first - 1;
    let start = rand::rng().random_range(0..count);
    (0..count)
        .map(|step| Ipv4Addr::from(first + 1 + (start + step) % count))
        .find(|address| !taken.addresses.contains(address))
}

fn ports(
    kind: &Kind,
    new: &mut Value,
    old: Option<&Value>,
    type_: &str,
    taken: &Taken,
) -> Result<(), Failure> {
    let name = object::name(new).to_owned();
    let before: Vec<Value> =
        old.and_then(|old| old["spec"]["ports"].as_array()).cloned().unwrap_or_default();
    let allocates = match type_ {
        "NodePort" => true,
        "LoadBalancer" => new["spec"]["allocateLoadBalancerNodePorts"].as_bool().unwrap_or(true),
        _ => false,
    };
    let mut own: HashSet<(String, u16)> = HashSet::new();
    let Some(ports) = new["spec"]["ports"].as_array_mut() else { return Ok(()) };
    for (index, port) in ports.iter_mut().enumerate() {
        let same = before
            .iter()
            .find(|other| other["port"] == port["port"] && protocol(other) == protocol(port));
        let held = same.and_then(|other| other["nodePort"].as_u64()).filter(|port| *port > 0);
        let asked = port["nodePort"].as_u64().filter(|port| *port > 0);
        if !allocates && (type_ == "ClusterIP" && asked == held || asked.is_none()) {
            // No longer a service with node ports: what the server gave, it takes back.
            port.as_object_mut().map(|port| port.remove("nodePort"));
            continue;
        }
        let Some(asked) = asked.or(held) else { continue };
        let refuse = |detail: &str| {
            let field = format!("spec.ports[{index}].nodePort");
            Failure::invalid(kind, &name, &[FieldError::invalid(field, &json!(asked), detail)])
        };
        let number = u16::try_from(asked).ok().filter(|number| NODE_PORTS.contains(number));
        let number = number.ok_or_else(|| {
            refuse(
                "provided port is not in the valid range. The range of valid ports is 30000-32767",
            )
        })?;
        let claim = (protocol(port), number);
        if taken.ports.contains(&claim) || !own.insert(claim) {
            return Err(refuse("provided port is already allocated"));
        }
        port["nodePort"] = json!(number);
    }
    for port in ports.iter_mut().filter(|port| allocates && port["nodePort"].as_u64().is_none()) {
        let protocol = protocol(port);
        let count = u32::from(NODE_PORTS.end() - NODE_PORTS.start() + 1);
        let start = rand::rng().random_range(0..count);
        let number = (0..count)
            .filter_map(|step| u16::try_from((start + step) % count).ok())
            .map(|offset| NODE_PORTS.start() + offset)
            .find(|number| {
                let claim = (protocol.clone(), *number);
                !taken.ports.contains(&claim) && !own.contains(&claim)
            })
            .ok_or_else(|| Failure::internal("failed to allocate a nodePort: range is full"))?;
        own.insert((protocol, number));
        port["nodePort"] = json!(number);
    }
    Ok(())
}
