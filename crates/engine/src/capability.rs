//! Capability names ↔ bits, and dropping to an exact set (capabilities(7)).

use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use crate::error::{Error, Result};

/// In the order of linux/capability.h: the index is the bit.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The set of the names given, with or without `CAP_`.
pub(crate) fn parse(names: &[String]) -> Result<u64> {
    let mut set = 0;
    for name in names {
        let short = name.strip_prefix("CAP_").unwrap_or(name);
        let bit = NAMES.iter().position(|known| *known == short).ok_or_else(|| Error::Invalid {
            field: "capabilities",
            reason: format!("{name:?} is no capability"),
        })?;
        set |= 1 << bit;
    }
    Ok(set)
}

/// Makes effective and permitted all of what this process may have; used after a change of
/// user id has cleared the effective set.
pub(crate) fn raise() -> rustix::io::Result<()> {
    let mut sets = rustix::thread::capabilities(None)?;
    sets.effective = sets.permitted;
    set_capabilities(None, sets)
}

/// Removes everything outside `keep` from the bounding set; the bits the kernel does not know
/// end the loop.
pub(crate) fn bound(keep: u64) {
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if keep & (1 << bit) == 0 && remove_capability_from_bounding_set(capability).is_err() {
            break;
        }
    }
}

/// The final drop: permitted and effective are `keep`, inheritable and ambient nothing.
///
/// A non-root program loses them at execve, as with any runtime that grants no ambient set.
pub(crate) fn drop_to(keep: u64) -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let keep = CapabilitySet::from_bits_retain(keep);
    set_capabilities(
        None,
        CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_with_and_without_prefix() {
        let names = ["CAP_CHOWN", "NET_BIND_SERVICE", "CAP_CHECKPOINT_RESTORE"].map(String::from);
        assert_eq!(parse(&names).unwrap(), 1 | 1 << 10 | 1 << 40);
        assert!(parse(&["CAP_ROOT".into()]).is_err());
        assert_eq!(parse(&[]).unwrap(), 0);
    }

    #[test]
    fn names_are_in_the_kernels_order() {
        assert_eq!(1 << 21, CapabilitySet::SYS_ADMIN.bits());
        assert_eq!(NAMES[21], "SYS_ADMIN");
        assert_eq!(1 << 31, CapabilitySet::SETFCAP.bits());
        assert_eq!(NAMES[31], "SETFCAP");
    }
}
