//! Whether this machine lets the engine do its work, asked of the kernel itself.
//!
//! Kernel versions and sysctl values do not tell: a user namespace is also refused inside a chroot,
//! by security modules and by some container runtimes. Where next: `keeper/namespaces.rs`.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::sys::{self, Side};

/// Makes a user namespace and lets it go again.
///
/// # Errors
/// The kernel's own: `EPERM` in a chroot or where a policy refuses it, `ENOSPC` where
/// `user.max_user_namespaces` is used up (see clone(2)).
pub fn probe_namespaces() -> io::Result<()> {
    // The child does nothing but end, so that it does not matter how many threads this process has.
    match sys::fork(u64::from(libc::CLONE_NEWUSER.cast_unsigned()), None)? {
        Side::Child => sys::exit_now(0),
        Side::Parent(_, pidfd) => {
            waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_the_kernel_answers() {
        probe_namespaces().unwrap();
    }
}
