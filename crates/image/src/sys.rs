//! The two system calls of this room without a safe wrapper: `mount_setattr(2)`, `unshare(2)`.
//!
//! Called by `mount.rs` only.
#![expect(unsafe_code, reason = "rustix has no mount_setattr and no safe unshare")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Maps the owners of a detached mount by a user namespace (Linux 5.12), so that id 0 on disk
/// is the first id of that namespace in the mount.
pub(crate) fn map_owners(mount: BorrowedFd<'_>, userns: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(userns.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?,
    };
    // SAFETY: the path is a NUL-terminated constant, the pointer is to a live, fully
    // initialised `mount_attr` whose size is given, and the kernel only reads it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            std::ptr::from_ref(&attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the calling thread, and only it, a mount namespace and a file system context of its own.
pub(crate) fn own_mount_namespace() -> rustix::io::Result<()> {
    let flags = rustix::thread::UnshareFlags::FS | rustix::thread::UnshareFlags::NEWNS;
    // SAFETY: neither flag touches memory or descriptors that other threads share: working
    // directory, root and umask become this thread's own, and its mounts a copy.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}
