//! Just enough of the nfnetlink protocol to write one nftables table in one
//! transaction: attributes, a batch of messages, and in `nft/expression.rs` the
//! expressions of a rule. Pure bytes; `nft/socket.rs` sends them.
//!
//! Layout: `include/uapi/linux/netfilter/nfnetlink.h` and `nf_tables.h`. Numbers
//! of the netlink headers are in host order, attribute payloads in network order.

pub(crate) mod expression;
pub(crate) mod socket;

use std::net::Ipv4Addr;

use expression::Expression;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const SUBSYSTEM_NFTABLES: u16 = 10;

const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_SET_ELEMENT: u16 = 12;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

const NLA_F_NESTED: u16 = 0x8000;
const FAMILY_IPV4: u8 = 2;

/// Key and data types of the maps, as the `nft` program numbers them, so that it
/// can print our tables; the kernel only stores the number. A concatenation is
/// six bits for each field.
pub(crate) mod types {
    pub(crate) const IPV4: u32 = 7;
    pub(crate) const PROTOCOL: u32 = 12;
    pub(crate) const PORT: u32 = 13;
    /// `mark`: four bytes in host order, what a counter yields.
    pub(crate) const COUNTER: u32 = 19;
    pub(crate) const VERDICT: u32 = 0xffff_ff00;
    pub(crate) const IPV4_PROTOCOL_PORT: u32 = (IPV4 << 12) | (PROTOCOL << 6) | PORT;
    pub(crate) const PROTOCOL_PORT: u32 = (PROTOCOL << 6) | PORT;
    pub(crate) const IPV4_PORT: u32 = (IPV4 << 6) | PORT;
    pub(crate) const IPV4_IPV4: u32 = (IPV4 << 6) | IPV4;
}

/// Netlink attributes being written one after the other.
#[derive(Debug, Default)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    /// Raw bytes as one attribute, padded to four.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        // An attribute's length is 16 bits; callers keep lists below that
        // (see ELEMENTS_PER_MESSAGE), everything else is a name or a number.
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// A 32-bit number in network order.
    pub(crate) fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A string with its terminating zero.
    pub(crate) fn string(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Attributes inside an attribute.
    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }
}

/// Where a chain hangs in the packet's path: `<type> hook <hook> priority <n>`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hook {
    pub(crate) kind: &'static str,
    pub(crate) number: u32,
    pub(crate) priority: i32,
}

impl Hook {
    pub(crate) const RAW_PREROUTING: Self = Self { kind: "filter", number: 0, priority: -300 };
    pub(crate) const NAT_PREROUTING: Self = Self { kind: "nat", number: 0, priority: -100 };
    pub(crate) const NAT_OUTPUT: Self = Self { kind: "nat", number: 3, priority: -100 };
    pub(crate) const NAT_POSTROUTING: Self = Self { kind: "nat", number: 4, priority: 100 };
    pub(crate) const FILTER_FORWARD: Self = Self { kind: "filter", number: 2, priority: 0 };
    pub(crate) const FILTER_OUTPUT: Self = Self { kind: "filter", number: 3, priority: 0 };
}

/// What a map yields for a key; `Nothing` makes it a set.
#[derive(Debug, Clone)]
pub(crate) enum Element {
    Nothing,
    Goto(String),
    Jump(String),
    Data(Vec<u8>),
}

/// The shape of a named set or map.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SetShape {
    pub(crate) key_type: u32,
    pub(crate) key_bytes: u32,
    pub(crate) data: Option<(u32, u32)>,
}

/// Elements of one set go into several messages: a list attribute holds 64 KiB.
const ELEMENTS_PER_MESSAGE: usize = 400;

/// One transaction on one table: all of it takes effect, or nothing.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    table: String,
    sequence: u32,
    set_count: u32,
    /// What each message was about, by sequence number, for error texts.
    subjects: Vec<String>,
}

impl Batch {
    /// A transaction on the ip table `table`.
    pub(crate) fn new(table: &str) -> Self {
        let mut batch = Self {
            bytes: Vec::new(),
            table: table.to_owned(),
            sequence: 0,
            set_count: 0,
            subjects: Vec::new(),
        };
        batch.mark(BATCH_BEGIN);
        batch
    }

    /// Creates the table unless it is there, deletes it with all it holds, and,
    /// if `anew`, creates it again empty. The kernel has no "delete if it
    /// exists" before 6.3, hence the first step.
    pub(crate) fn clear_table(&mut self, anew: bool) {
        // One acknowledged message tells that the transaction is through.
        self.message(NEW_TABLE, NLM_F_CREATE | NLM_F_ACK, "table".into(), |a, table| {
            a.string(1, table).u32(2, 0);
        });
        self.message(DELETE_TABLE, 0, "old table".into(), |a, table| {
            a.string(1, table);
        });
        if anew {
            self.message(NEW_TABLE, NLM_F_CREATE, "new table".into(), |a, table| {
                a.string(1, table).u32(2, 0);
            });
        }
    }

    /// A chain; with a hook it sees packets by itself (policy accept), without
    /// one only by jump.
    pub(crate) fn chain(&mut self, name: &str, hook: Option<Hook>) {
        self.message(NEW_CHAIN, NLM_F_CREATE, format!("chain {name}"), |a, table| {
            a.string(1, table).string(3, name);
            if let Some(hook) = hook {
                a.nested(4, |a| {
                    a.u32(1, hook.number).bytes(2, &hook.priority.to_be_bytes());
                });
                a.u32(5, 1).string(7, hook.kind);
            }
        });
    }

    /// A named set or map with its elements.
    pub(crate) fn set(&mut self, name: &str, shape: SetShape, elements: &[(Vec<u8>, Element)]) {
        const MAP: u32 = 8;
        self.set_count += 1;
        let id = self.set_count;
        self.message(NEW_SET, NLM_F_CREATE, format!("set {name}"), |a, table| {
            a.string(1, table).string(2, name);
            a.u32(3, if shape.data.is_some() { MAP } else { 0 });
            a.u32(4, shape.key_type).u32(5, shape.key_bytes);
            if let Some((kind, bytes)) = shape.data {
                a.u32(6, kind);
                if kind != types::VERDICT {
                    a.u32(7, bytes);
                }
            }
            a.u32(10, id);
            if shape.key_type == types::COUNTER {
                // Only for the `nft` program: the key's byte order is the host's.
                let [a0, a1, a2, a3] = 1_u32.to_ne_bytes();
                a.bytes(13, &[0, 4, a0, a1, a2, a3]);
            }
        });
        for part in elements.chunks(ELEMENTS_PER_MESSAGE) {
            self.message(
                NEW_SET_ELEMENT,
                NLM_F_CREATE,
                format!("elements of {name}"),
                |a, table| {
                    a.string(1, table).string(2, name).u32(4, id);
                    a.nested(3, |list| {
                        for (key, element) in part {
                            list.nested(1, |a| write_element(a, key, element));
                        }
                    });
                },
            );
        }
    }

    /// A rule at the end of a chain.
    pub(crate) fn rule(&mut self, chain: &str, expressions: &[Expression]) {
        let flags = NLM_F_CREATE | NLM_F_APPEND;
        self.message(NEW_RULE, flags, format!("rule of {chain}"), |a, table| {
            a.string(1, table).string(2, chain);
            a.nested(4, |list| {
                for expression in expressions {
                    list.nested(1, |a| expression.write(a));
                }
            });
        });
    }

    /// The bytes to send, and what each message is about.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<String>) {
        self.mark(BATCH_END);
        (self.bytes, self.subjects)
    }

    fn mark(&mut self, kind: u16) {
        // nfgenmsg: family unspecified, version 0, resource id = subsystem.
        self.header(kind, 0, 20);
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&SUBSYSTEM_NFTABLES.to_be_bytes());
        self.subjects.push("batch".into());
    }

    fn message(
        &mut self,
        kind: u16,
        flags: u16,
        subject: String,
        fill: impl FnOnce(&mut Attributes, &str),
    ) {
        let mut attributes = Attributes::default();
        fill(&mut attributes, &self.table);
        self.header((SUBSYSTEM_NFTABLES << 8) | kind, flags, 20 + attributes.0.len());
        self.bytes.extend_from_slice(&[FAMILY_IPV4, 0, 0, 0]);
        self.bytes.extend_from_slice(&attributes.0);
        self.subjects.push(subject);
    }

    fn header(&mut self, kind: u16, flags: u16, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&self.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&0_u32.to_ne_bytes());
        self.sequence += 1;
    }
}

fn write_element(a: &mut Attributes, key: &[u8], element: &Element) {
    a.nested(1, |a| {
        a.bytes(1, key);
    });
    match element {
        Element::Nothing => {}
        Element::Goto(chain) => {
            a.nested(2, |a| expression::write_verdict(a, expression::Verdict::Goto, chain));
        }
        Element::Jump(chain) => {
            a.nested(2, |a| expression::write_verdict(a, expression::Verdict::Jump, chain));
        }
        Element::Data(data) => {
            a.nested(2, |a| {
                a.bytes(1, data);
            });
        }
    }
}

/// The concatenated parts of a map key, each padded to a register (4 bytes).
pub(crate) fn concatenated(parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(parts.len() * 4);
    for part in parts {
        key.extend_from_slice(part);
        key.resize(key.len().next_multiple_of(4), 0);
    }
    key
}

/// Address and port as a map's data: `<ip> . <port>`.
pub(crate) fn address_data(ip: Ipv4Addr, port: u16) -> Vec<u8> {
    concatenated(&[&ip.octets(), &port.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let mut a = Attributes::default();
        a.string(1, "abc").nested(2, |a| {
            a.u32(1, 7);
        });
        let mut expected = Vec::new();
        expected.extend_from_slice(&8_u16.to_ne_bytes());
        expected.extend_from_slice(&1_u16.to_ne_bytes());
        expected.extend_from_slice(b"abc\0");
        expected.extend_from_slice(&12_u16.to_ne_bytes());
        expected.extend_from_slice(&(2 | NLA_F_NESTED).to_ne_bytes());
        expected.extend_from_slice(&8_u16.to_ne_bytes());
        expected.extend_from_slice(&1_u16.to_ne_bytes());
        expected.extend_from_slice(&[0, 0, 0, 7]);
        assert_eq!(a.0, expected);
    }

    #[test]
    fn every_message_states_its_own_length() {
        let mut batch = Batch::new("t");
        batch.clear_table(true);
        batch.chain("pre", Some(Hook::NAT_PREROUTING));
        let (bytes, subjects) = batch.finish();
        let (mut at, mut count) = (0, 0);
        while at < bytes.len() {
            let length = u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!(length % 4, 0);
            at += length as usize;
            count += 1;
        }
        assert_eq!(at, bytes.len());
        assert_eq!(count, subjects.len());
    }

    #[test]
    fn keys_are_padded_to_registers() {
        assert_eq!(
            concatenated(&[&[10, 0, 0, 1], &[6], &80_u16.to_be_bytes()]),
            [10, 0, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0]
        );
    }
}
