//! The expressions rules are made of: each reads or writes the kernel's
//! registers, in the order written. Numbers: `nf_tables.h`. Only what
//! `rules.rs` uses.

use super::Attributes;

/// A 16-byte register of the kernel's rule machine.
pub(crate) const R1: u32 = 1;
/// The second 4-byte slot; a concatenation whose first part is four bytes in
/// [`R1`] goes on here.
pub(crate) const SLOT1: u32 = 9;
/// The third 4-byte slot.
pub(crate) const SLOT2: u32 = 10;

/// Where a payload offset counts from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Base {
    Network = 1,
    Transport = 2,
}

/// What to load about a packet that is not in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meta {
    InputName = 6,
    OutputName = 7,
    Transport = 16,
}

/// The end of a rule, or a map's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Drop = 0,
    Accept = 1,
    Jump = -3,
    Goto = -4,
    Return = -5,
}

/// How to turn a packet away.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reject {
    PortUnreachable,
    TcpReset,
}

/// One step of a rule.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Meta {
        key: Meta,
        to: u32,
    },
    Payload {
        base: Base,
        offset: u32,
        bytes: u32,
        to: u32,
    },
    /// Keeps only the bits of the mask in [`R1`].
    Mask(Vec<u8>),
    Equal(Vec<u8>),
    NotEqual(Vec<u8>),
    /// [`R1`] as a number in network order lies between the two, both included.
    Between(Vec<u8>, Vec<u8>),
    /// The state of the packet's connection, a bit mask in host order, into [`R1`].
    ConnectionState,
    /// In the set or the rule ends here.
    InSet(String),
    /// The map's value for the key in [`R1`], into [`R1`].
    MapTo(String),
    /// The map's verdict for the key in [`R1`] is carried out.
    VerdictMap(String),
    /// The next of `0..modulus` each time, into [`R1`].
    RoundRobin {
        modulus: u32,
    },
    /// The type of the destination address (local, unicast, …), into [`R1`].
    DestinationType,
    /// Destination becomes the address in [`R1`] and the port in [`SLOT1`].
    DestinationNat,
    Masquerade,
    Reject(Reject),
    /// `tcp option maxseg size set rt mtu`: three kernel steps.
    ClampSegmentSize(ClampStep),
    End(Verdict),
}

/// The three kernel steps of [`Expression::ClampSegmentSize`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum ClampStep {
    Load,
    ToNetworkOrder,
    Write,
}

impl Expression {
    pub(crate) fn write(&self, a: &mut Attributes) {
        match self {
            Self::Meta { key, to } => named(a, "meta", |a| {
                a.u32(1, *to).u32(2, *key as u32);
            }),
            Self::Payload { base, offset, bytes, to } => named(a, "payload", |a| {
                a.u32(1, *to).u32(2, *base as u32).u32(3, *offset).u32(4, *bytes);
            }),
            Self::Mask(mask) => named(a, "bitwise", |a| {
                a.u32(1, R1).u32(2, R1).u32(3, u32::try_from(mask.len()).unwrap_or(0));
                data(a, 4, mask);
                data(a, 5, &vec![0; mask.len()]);
            }),
            Self::Equal(value) => named(a, "cmp", |a| {
                a.u32(1, R1).u32(2, 0);
                data(a, 3, value);
            }),
            Self::NotEqual(value) => named(a, "cmp", |a| {
                a.u32(1, R1).u32(2, 1);
                data(a, 3, value);
            }),
            Self::Between(low, high) => named(a, "range", |a| {
                a.u32(1, R1).u32(2, 0);
                data(a, 3, low);
                data(a, 4, high);
            }),
            Self::ConnectionState => named(a, "ct", |a| {
                a.u32(1, R1).u32(2, 0);
            }),
            Self::InSet(set) => named(a, "lookup", |a| {
                a.string(1, set).u32(2, R1);
            }),
            Self::MapTo(map) => named(a, "lookup", |a| {
                a.string(1, map).u32(2, R1).u32(3, R1);
            }),
            Self::VerdictMap(map) => named(a, "lookup", |a| {
                a.string(1, map).u32(2, R1).u32(3, 0);
            }),
            Self::RoundRobin { modulus } => named(a, "numgen", |a| {
                a.u32(1, R1).u32(2, *modulus).u32(3, 0).u32(4, 0);
            }),
            Self::DestinationType => named(a, "fib", |a| {
                // Result: address type (3). Flags: by destination (2).
                a.u32(1, R1).u32(2, 3).u32(3, 2);
            }),
            Self::DestinationNat => named(a, "nat", |a| {
                // Type 1: destination; ports are given (flag 2).
                a.u32(1, 1).u32(2, 2).u32(3, R1).u32(5, SLOT1).u32(7, 2);
            }),
            Self::Masquerade => named(a, "masq", |_| {}),
            Self::Reject(how) => named(a, "reject", |a| {
                let (kind, code) = match how {
                    Reject::PortUnreachable => (0, 3),
                    Reject::TcpReset => (1, 0),
                };
                a.u32(1, kind).bytes(2, &[code]);
            }),
            Self::ClampSegmentSize(step) => clamp(a, *step),
            Self::End(verdict) => named(a, "immediate", |a| {
                a.u32(1, 0);
                a.nested(2, |a| write_verdict(a, *verdict, ""));
            }),
        }
    }
}

fn clamp(a: &mut Attributes, step: ClampStep) {
    match step {
        ClampStep::Load => named(a, "rt", |a| {
            a.u32(1, R1).u32(2, 3);
        }),
        ClampStep::ToNetworkOrder => named(a, "byteorder", |a| {
            a.u32(1, R1).u32(2, R1).u32(3, 1).u32(4, 2).u32(5, 2);
        }),
        ClampStep::Write => named(a, "exthdr", |a| {
            // TCP option (1) of kind 2, two bytes at its offset 2, from R1. The
            // kernel only ever lowers the value here.
            a.bytes(2, &[2]).u32(3, 2).u32(4, 2).u32(6, 1).u32(7, R1);
        }),
    }
}

/// A verdict as data; `chain` is used by [`Verdict::Goto`] and [`Verdict::Jump`] only.
pub(crate) fn write_verdict(a: &mut Attributes, verdict: Verdict, chain: &str) {
    a.nested(2, |a| {
        a.bytes(1, &(verdict as i32).to_be_bytes());
        if matches!(verdict, Verdict::Goto | Verdict::Jump) {
            a.string(2, chain);
        }
    });
}

fn named(a: &mut Attributes, name: &str, fill: impl FnOnce(&mut Attributes)) {
    a.string(1, name).nested(2, fill);
}

fn data(a: &mut Attributes, kind: u16, value: &[u8]) {
    a.nested(kind, |a| {
        a.bytes(1, value);
    });
}
