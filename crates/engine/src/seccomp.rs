//! The system call filter of every container: an allow-list, compiled by `seccomp/emit.rs`.
//!
//! What is not listed answers `ENOSYS`, so that libraries fall back instead of failing;
//! what is dangerous and commonly probed answers `EPERM`. Foreign ABIs (i386, x32) do not
//! exist. Sockets are limited to four families: an exploit of a rare protocol needs its socket.

mod calls;
mod emit;

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use calls::ALLOWED_X86_64;
use calls::{ALLOWED, REFUSED};

use crate::sys::Instruction;

/// What happens to one system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Errno(i32),
    /// `socket` and `socketpair`: UNIX, INET, INET6, and NETLINK only with protocol ROUTE.
    Socket,
    /// `clone`: no new namespaces.
    Clone,
    /// `mknod`, `mknodat`: no device nodes; the mode is argument n.
    Mknod(u8),
    /// `ioctl`: neither TIOCSTI nor TIOCLINUX (input forged into terminals).
    Ioctl,
    /// `personality`: only the default and the query.
    Personality,
}

/// The filter as the kernel wants it; built once, in the zygote, and shared by all forks.
pub(crate) fn program() -> &'static [Instruction] {
    static PROGRAM: OnceLock<Vec<Instruction>> = OnceLock::new();
    PROGRAM.get_or_init(|| emit::compile(&table()))
}

/// Number → verdict, sorted, one entry a number.
fn table() -> Vec<(u32, Verdict)> {
    let mut table: Vec<(u32, Verdict)> = Vec::new();
    let mut add = |numbers: &[libc::c_long], verdict: Verdict| {
        table.extend(numbers.iter().filter_map(|n| Some((u32::try_from(*n).ok()?, verdict))));
    };
    add(ALLOWED, Verdict::Allow);
    add(REFUSED, Verdict::Errno(libc::EPERM));
    add(&[libc::SYS_socket, libc::SYS_socketpair], Verdict::Socket);
    add(&[libc::SYS_clone], Verdict::Clone);
    add(&[libc::SYS_mknodat], Verdict::Mknod(2));
    add(&[libc::SYS_ioctl], Verdict::Ioctl);
    add(&[libc::SYS_personality], Verdict::Personality);
    #[cfg(target_arch = "x86_64")]
    {
        add(ALLOWED_X86_64, Verdict::Allow);
        add(&[libc::SYS_mknod], Verdict::Mknod(1));
    }
    table.sort_by_key(|(number, _)| *number);
    table.dedup_by_key(|(number, _)| *number);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_has_two_verdicts() {
        let mut seen = std::collections::HashSet::new();
        let lists: Vec<libc::c_long> = ALLOWED.iter().chain(REFUSED).copied().collect();
        for number in lists {
            assert!(seen.insert(number), "system call {number} is listed twice");
        }
        #[cfg(target_arch = "x86_64")]
        for number in ALLOWED_X86_64 {
            assert!(seen.insert(*number), "system call {number} is listed twice");
        }
    }

    #[test]
    fn the_program_is_small() {
        assert!(program().len() < 250, "{} instructions", program().len());
    }
}
