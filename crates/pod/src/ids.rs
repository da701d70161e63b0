//! Ranges of user ids: 65,536 for each pod, never shared by two pods at once.
//!
//! A pod's range is kept in its `pod.json`; what is free follows from the pods that are there.
//! Instances that run side by side draw from different parts of the id space, chosen by their
//! name, so that a process of one can never own what another's pod owns.

use std::collections::BTreeSet;

/// Ids in one range.
pub(crate) const LEN: u32 = 65_536;
/// Ranges below this index (2^20) are left to the host's users and other tools.
const FIRST: u32 = 16;
/// How many parts the id space below 2^31 is divided into, one for each instance name: some
/// programs take larger ids for negative numbers.
const PARTS: u32 = 32;
/// Ranges in one part.
const PART: u32 = 1_000;

/// First id of the lowest range of this instance that is not in `taken`.
pub(crate) fn allocate(instance: &str, taken: &BTreeSet<u32>) -> Option<u32> {
    // FNV-1a: stable for ever, unlike the standard library's hasher.
    let hash = instance
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let base = FIRST + (hash % PARTS) * PART;
    (base..base + PART).map(|index| index * LEN).find(|start| !taken.contains(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_whole_distinct_and_above_the_hosts_users() {
        let mut taken = BTreeSet::new();
        for _ in 0..PART {
            let start = allocate("a1b2c3", &taken).unwrap();
            assert!(start >= 1 << 20 && start.is_multiple_of(LEN) && start + LEN <= 1 << 31);
            assert!(taken.insert(start));
        }
        assert_eq!(allocate("a1b2c3", &taken), None);
    }

    #[test]
    fn a_returned_range_is_used_again() {
        let first = allocate("x", &BTreeSet::new()).unwrap();
        let second = allocate("x", &BTreeSet::from([first])).unwrap();
        assert_ne!(first, second);
        assert_eq!(allocate("x", &BTreeSet::from([second])), Some(first));
    }
}
