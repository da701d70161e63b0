//! Who may talk to whom: pods with a policy take, or send, only what it allows.
//!
//! A table of its own beside the services' one, because the two change at
//! different times. It looks at what is forwarded, that is between pods and
//! between pods and the world; this host itself (probes, the front door, name
//! service) is always let through. What is not allowed is dropped, as upstream:
//! a client that is a moment ahead of the rules tries again by itself.
//!
//! ```text
//! table ip shelf_<inst>_policy
//!   map leaving     source address      : jump p<n>
//!   map arriving    destination address : jump p<n>
//!   chain p<n>      return what the policy allows, drop the rest
//!   chain forwarding  accept what belongs to a known connection; leaving, arriving
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::model::Protocol;
use crate::nft::expression::{Base, Expression, Meta, R1, Verdict};
use crate::nft::{Batch, Element, Hook, SetShape, types};
use crate::start::commit;
use crate::{Net, Result};

/// Connection states (`nf_conntrack_common.h`): part of, or related to, one that is known.
const KNOWN: u32 = 2 | 4;
/// Before the services' table, which accepts all that concerns pods.
const HOOK: Hook = Hook { kind: "filter", number: 2, priority: -10 };

/// Traffic seen from the protected pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// What others send to the pod.
    Arriving,
    /// What the pod sends to others.
    Leaving,
}

/// What some pods may take or send; anything else in that direction is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The pods it protects. Two policies for one pod and direction: the first has it.
    pub pods: BTreeSet<Ipv4Addr>,
    /// Which traffic of theirs.
    pub direction: Direction,
    /// The exceptions. None: nothing passes.
    pub allow: Vec<Allow>,
}

/// One exception: these peers at these ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allow {
    /// The other end.
    pub peers: Peers,
    /// Ports of the pod (arriving) or of the other end (leaving). None: all.
    pub ports: Vec<Ports>,
}

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peers {
    /// Anybody.
    Any,
    /// These pods.
    Pods(BTreeSet<Ipv4Addr>),
    /// A network, less some parts of it.
    Block(Block),
}

/// A network of peers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Network and prefix length.
    pub network: (Ipv4Addr, u8),
    /// Parts that do not belong to it.
    pub except: Vec<(Ipv4Addr, u8)>,
}

/// Some ports of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// Their transport.
    pub protocol: Protocol,
    /// First and last of them.
    pub range: (u16, u16),
}

impl Net {
    /// Replaces all policies in one step. Connections that are open stay open. What is set lasts
    /// until it is replaced or the network is removed, also when the daemon dies.
    ///
    /// # Errors
    /// [`crate::Error::Rules`]; what was set before is still in force then.
    pub async fn set_policies(&self, policies: &[Policy]) -> Result<()> {
        let table = table(&self.inner.ground.place.table);
        let batch = if policies.is_empty() {
            crate::rules::removal(&table)
        } else {
            batch(&table, policies)
        };
        commit(table, batch.finish()).await
    }
}

/// The policies' table beside the services' one.
pub(crate) fn table(services: &str) -> String {
    format!("{services}_policy")
}

fn batch(table: &str, policies: &[Policy]) -> Batch {
    let mut batch = Batch::new(table);
    batch.clear_table(true);
    batch.chain("forwarding", Some(HOOK));
    let mut jumps: BTreeMap<Direction, BTreeMap<Ipv4Addr, String>> = BTreeMap::new();
    for (number, policy) in policies.iter().enumerate() {
        let chain = format!("p{number}");
        batch.chain(&chain, None);
        let taken = jumps.entry(policy.direction).or_default();
        for pod in &policy.pods {
            taken.entry(*pod).or_insert_with(|| chain.clone());
        }
        let exceptions: BTreeSet<&Allow> = policy.allow.iter().collect();
        for (nth, allow) in exceptions.into_iter().enumerate() {
            exception(&mut batch, &chain, nth, policy.direction, allow);
        }
        batch.rule(&chain, &[Expression::End(Verdict::Drop)]);
    }
    batch.rule(
        "forwarding",
        &[
            Expression::ConnectionState,
            Expression::Mask(KNOWN.to_ne_bytes().to_vec()),
            Expression::NotEqual(0_u32.to_ne_bytes().to_vec()),
            Expression::End(Verdict::Accept),
        ],
    );
    for (name, direction) in [("leaving", Direction::Leaving), ("arriving", Direction::Arriving)] {
        let elements: Vec<_> = jumps
            .remove(&direction)
            .into_iter()
            .flatten()
            .map(|(pod, chain)| (pod.octets().to_vec(), Element::Jump(chain)))
            .collect();
        let shape =
            SetShape { key_type: types::IPV4, key_bytes: 4, data: Some((types::VERDICT, 0)) };
        batch.set(name, shape, &elements);
        batch.rule("forwarding", &[address(own(direction)), Expression::VerdictMap(name.into())]);
    }
    batch
}

/// Where the pod's own address is in the IPv4 header.
fn own(direction: Direction) -> u32 {
    match direction {
        Direction::Leaving => 12,
        Direction::Arriving => 16,
    }
}

/// Where its peer's is.
fn other(direction: Direction) -> u32 {
    match direction {
        Direction::Leaving => 16,
        Direction::Arriving => 12,
    }
}

fn address(offset: u32) -> Expression {
    Expression::Payload { base: Base::Network, offset, bytes: 4, to: R1 }
}

/// One rule for each port: who and where, then back to the caller.
fn exception(batch: &mut Batch, chain: &str, nth: usize, direction: Direction, allow: &Allow) {
    let peer = other(direction);
    let mut who = Vec::new();
    match &allow.peers {
        Peers::Any => {}
        Peers::Pods(pods) => {
            let name = format!("{chain}_{nth}");
            let elements: Vec<_> =
                pods.iter().map(|pod| (pod.octets().to_vec(), Element::Nothing)).collect();
            let shape = SetShape { key_type: types::IPV4, key_bytes: 4, data: None };
            batch.set(&name, shape, &elements);
            who.extend([address(peer), Expression::InSet(name)]);
        }
        Peers::Block(block) => {
            who.extend(in_network(peer, block.network, Expression::Equal));
            for part in &block.except {
                who.extend(in_network(peer, *part, Expression::NotEqual));
            }
        }
    }
    let back = Expression::End(Verdict::Return);
    if allow.ports.is_empty() {
        who.push(back);
        batch.rule(chain, &who);
        return;
    }
    for ports in &allow.ports {
        let mut rule = who.clone();
        let protocol = crate::rules::protocol_number(ports.protocol);
        let (low, high) = ports.range;
        rule.extend([
            Expression::Meta { key: Meta::Transport, to: R1 },
            Expression::Equal(vec![protocol]),
            // The destination port, at the same place in TCP and UDP.
            Expression::Payload { base: Base::Transport, offset: 2, bytes: 2, to: R1 },
        ]);
        rule.push(if low == high {
            Expression::Equal(low.to_be_bytes().to_vec())
        } else {
            Expression::Between(low.to_be_bytes().to_vec(), high.to_be_bytes().to_vec())
        });
        rule.push(back.clone());
        batch.rule(chain, &rule);
    }
}

fn in_network(
    offset: u32,
    network: (Ipv4Addr, u8),
    compare: fn(Vec<u8>) -> Expression,
) -> Vec<Expression> {
    let (mut load, masked) = crate::rules::address_masked(offset, network);
    load.push(compare(masked));
    load
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_one_chain_for_each_direction() {
        let policy = |direction| Policy {
            pods: [Ipv4Addr::new(10, 88, 0, 2)].into(),
            direction,
            allow: vec![Allow { peers: Peers::Any, ports: vec![] }],
        };
        let list =
            [policy(Direction::Arriving), policy(Direction::Arriving), policy(Direction::Leaving)];
        let (_, subjects) = batch("t", &list).finish();
        let count = |text: &str| subjects.iter().filter(|subject| *subject == text).count();
        assert_eq!(count("elements of arriving"), 1);
        assert_eq!(count("elements of leaving"), 1);
        // What it allows, and the end.
        assert_eq!(count("rule of p0"), 2);
    }
}
