//! IPv4 networks: overlap, choice of a free one, addresses inside.

use std::fmt;
use std::net::Ipv4Addr;

/// A network and its prefix length; the address has no host bits set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cidr {
    pub(crate) network: Ipv4Addr,
    pub(crate) prefix: u8,
}

impl Cidr {
    /// The network `address/prefix` lies in; a prefix above 32 counts as 32.
    pub(crate) fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self { network: Ipv4Addr::from_bits(address.to_bits() & mask(prefix)), prefix }
    }

    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network.to_bits()
    }

    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// How many addresses, network and broadcast included; at most 2^31.
    pub(crate) fn size(self) -> u32 {
        1_u32.checked_shl(32 - u32::from(self.prefix)).unwrap_or(1 << 31)
    }

    /// The address at `index` of the network.
    pub(crate) fn at(self, index: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits().wrapping_add(index))
    }

    /// Where in the network `address` is.
    pub(crate) fn index(self, address: Ipv4Addr) -> u32 {
        address.to_bits().wrapping_sub(self.network.to_bits())
    }

    /// The first address: the bridge's.
    pub(crate) fn gateway(self) -> Ipv4Addr {
        self.at(1)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

/// Pod networks are /20 (4093 pods) out of 10.88.0.0 to 10.127.255.255.
const CANDIDATES: u32 = 40 * 16;

/// The first candidate that overlaps none of `taken`, searched from a place
/// that depends on the instance, so that two daemons starting at the same moment
/// do not both see the same one free.
pub(crate) fn free_pod_network(instance: &str, taken: &[Cidr]) -> Option<Cidr> {
    let start = instance
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let first = Ipv4Addr::new(10, 88, 0, 0).to_bits();
    (0..CANDIDATES)
        .map(|step| (start.wrapping_add(step)) % CANDIDATES)
        .map(|n| Cidr::new(Ipv4Addr::from_bits(first + (n << 12)), 20))
        .find(|candidate| !taken.iter().any(|other| other.overlaps(*candidate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        let (address, prefix) = text.split_once('/').unwrap();
        Cidr::new(address.parse().unwrap(), prefix.parse().unwrap())
    }

    #[test]
    fn networks_overlap_when_one_holds_the_other() {
        assert!(cidr("10.0.0.0/8").overlaps(cidr("10.96.0.0/16")));
        assert!(cidr("10.96.3.0/24").overlaps(cidr("10.96.0.0/16")));
        assert!(!cidr("10.96.0.0/16").overlaps(cidr("10.97.0.0/16")));
        assert!(cidr("0.0.0.0/0").overlaps(cidr("1.2.3.4/32")));
    }

    #[test]
    fn a_candidate_avoids_everything_taken() {
        let taken = [cidr("10.88.0.0/13"), cidr("10.96.0.0/12"), cidr("10.112.0.0/13")];
        for instance in ["a", "b", "abc123"] {
            let free = free_pod_network(instance, &taken).unwrap();
            assert!(cidr("10.120.0.0/13").overlaps(free), "{free}");
        }
        assert_eq!(free_pod_network("a", &[cidr("10.64.0.0/10")]), None);
    }

    #[test]
    fn addresses_are_counted_from_the_network() {
        let net = cidr("10.88.16.9/20");
        assert_eq!(net.to_string(), "10.88.16.0/20");
        assert_eq!((net.size(), net.gateway()), (4096, Ipv4Addr::new(10, 88, 16, 1)));
        assert_eq!(net.index(net.at(4095)), 4095);
    }
}
