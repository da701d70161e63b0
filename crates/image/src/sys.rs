//! The system calls of this room without a safe wrapper: `mount_setattr(2)`, `unshare(2)`,
//! `setfsuid(2)` and `setfsgid(2)`.
//!
//! Called by `mount.rs` only.
#![expect(unsafe_code, reason = "rustix has no mount_setattr, no setfsuid and no safe unshare")]

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

/// Makes the calling thread, and only it, own the files it makes as `uid` and `gid`, with the
/// capabilities it has: `setfsuid` away from 0 takes the file capabilities, so they are put back.
pub(crate) fn own_files_as(uid: u32, gid: u32) -> io::Result<()> {
    let before = rustix::thread::capabilities(None)?;
    // SAFETY: both take a number, change the calling thread's credentials only (the C library
    // does not broadcast them to other threads) and report nothing but the value before.
    unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
    }
    rustix::thread::set_capabilities(None, before)?;
    Ok(())
}
