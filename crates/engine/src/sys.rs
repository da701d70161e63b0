//! Every unsafe line of the engine: system calls that rustix lacks or cannot make safe.
//!
//! Each function is a thin, typed wrapper; policy lives with the callers. The rest of the
//! crate uses rustix.
#![expect(unsafe_code, reason = "raw system calls (clone3, execve, seccomp, bpf) need it")]

use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// `CLONE_INTO_CGROUP` of linux/sched.h; libc's constant does not fit its own type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Turns a system call's answer into a result.
fn check(answer: c_long) -> io::Result<c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

/// Which side of a [`fork`] we are on.
#[derive(Debug)]
pub(crate) enum Side {
    /// The child.
    Child,
    /// The parent, with the child's pid and pidfd.
    Parent(u32, OwnedFd),
}

/// Forks by clone3 with the given `CLONE_NEW*` flags, optionally into a v2 cgroup.
///
/// For single-threaded processes (zygote and keeper): the child is an ordinary copy and may
/// allocate. Elsewhere the child may do nothing but end. The caller must end the child by execve or
/// [`exit_now`].
pub(crate) fn fork(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: flags | libc::CLONE_PIDFD as u64,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(group) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = group.as_raw_fd() as u64;
    }
    // SAFETY: the arguments are a valid clone_args of the size given; without CLONE_VM the child
    // runs on a copy of everything, and as the caller has one thread no lock is left held.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })?;
    if pid == 0 {
        return Ok(Side::Child);
    }
    // SAFETY: the kernel has just put a new descriptor, owned by nobody else, into pidfd.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Side::Parent(u32::try_from(pid).unwrap_or(0), pidfd))
}

/// Ends this process without running destructors or exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Replaces the program. Returns only on failure.
pub(crate) fn execve(program: &CStr, args: &[&CStr], env: &[&CStr]) -> io::Error {
    let pointers = |list: &[&CStr]| {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (argv, envp) = (pointers(args), pointers(env));
    // SAFETY: both arrays are null-terminated and point to C strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// Marks every descriptor from `first` on close-on-exec.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: only flags are changed, no descriptor is closed under its owner.
    check(unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })?;
    Ok(())
}

/// Closes every descriptor from `first` to `last`.
///
/// For the first moments of a forked process only: whatever owned these descriptors in the
/// copied memory must never be used or dropped (the keeper never returns to the zygote's frames).
pub(crate) fn close_range(first: u32, last: u32) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: see above; the callers keep none of the owners.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
    Ok(())
}

/// Takes over descriptor `number`, which the process was started with.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD only asks whether the descriptor exists.
    check(c_long::from(unsafe { libc::fcntl(number, libc::F_GETFD) }))?;
    // SAFETY: it exists, and at the start of the process nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes `fd` also descriptor `number` (0, 1 or 2), kept over execve.
pub(crate) fn place(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: dup2 on valid descriptors; 0 to 2 are owned by no value in the children using this.
    check(c_long::from(unsafe { libc::dup2(fd.as_raw_fd(), number) }))?;
    if fd.as_raw_fd() == number {
        // dup2 onto itself keeps close-on-exec.
        // SAFETY: changes a flag only.
        check(c_long::from(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }))?;
    }
    Ok(())
}

/// Sets every signal to its default action and unblocks all.
pub(crate) fn reset_signals() {
    // libc's own signal() refuses the two it reserves: ask the kernel, whose struct is four words
    // (handler, flags, restorer, mask), all zero for SIG_DFL.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        let none = std::ptr::null::<u64>();
        // SAFETY: SIG_DFL installs no code; SIGKILL and SIGSTOP refuse, which is fine.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, none, 8) };
    }
    // SAFETY: an all-zero sigset_t is the empty set on Linux, and sigemptyset sets it anyway.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Lets the kernel reap our children (the zygote's: keepers) by itself.
pub(crate) fn ignore_children() {
    // SAFETY: SIG_IGN installs no code.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// File system ids: what new files belong to.
pub(crate) fn set_fs_ids(uid: u32, gid: u32) {
    // SAFETY: changes credentials of this thread only; cannot fail for root.
    unsafe {
        libc::setfsgid(gid);
        libc::setfsuid(uid);
    }
}

/// Leaves the shared cgroup namespace; the current cgroups become its root.
pub(crate) fn new_cgroup_namespace() -> io::Result<()> {
    // SAFETY: a cgroup namespace changes what paths are shown, nothing memory-related.
    check(c_long::from(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }))?;
    Ok(())
}

/// Leaves the mount namespace that the creator is in; only for a process with one thread.
pub(crate) fn new_mount_namespace() -> io::Result<()> {
    // SAFETY: changes which mounts this process sees, nothing memory-related.
    check(c_long::from(unsafe { libc::unshare(libc::CLONE_NEWNS) }))?;
    Ok(())
}

/// Changes attributes of the mount behind `fd`; `userns` maps its ids (needs a detached mount).
pub(crate) fn mount_setattr(
    fd: BorrowedFd<'_>,
    set: u64,
    userns: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: set | if userns.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 },
        attr_clr: 0,
        propagation: 0,
        userns_fd: userns.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    // SAFETY: an empty path with AT_EMPTY_PATH, and a valid struct of the size given.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// One instruction of classic BPF, as the kernel lays it out (linux/filter.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jump_true: u8,
    pub(crate) jump_false: u8,
    pub(crate) value: u32,
}

/// Puts a seccomp filter on this process. Needs `no_new_privs` or `CAP_SYS_ADMIN`.
pub(crate) fn load_seccomp(program: &[Instruction]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Instruction,
    }
    let len = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = Program { len, filter: program.as_ptr() };
    // SAFETY: the pointer and length describe a live slice; the kernel copies and checks it.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    })?;
    Ok(())
}

/// Loads an eBPF program of type cgroup/device and attaches it to a v2 cgroup.
pub(crate) fn attach_device_program(program: &[u64], group: BorrowedFd<'_>) -> io::Result<()> {
    const LOAD: u32 = 5;
    const ATTACH: u32 = 8;
    const TYPE_CGROUP_DEVICE: u32 = 15;
    const ATTACH_CGROUP_DEVICE: u32 = 6;
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        licence: u64,
        rest: [u64; 12],
    }
    #[repr(C)]
    struct Attach {
        target: u32,
        program: u32,
        kind: u32,
        flags: u32,
        rest: [u64; 4],
    }
    let load = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        instructions: program.as_ptr() as u64,
        licence: c"Apache-2.0".as_ptr() as u64,
        rest: [0; 12],
    };
    // SAFETY: a zero-padded bpf_attr of the size given whose pointers live through the call.
    let fd =
        check(unsafe { libc::syscall(libc::SYS_bpf, LOAD, &raw const load, size_of::<Load>()) })?;
    // SAFETY: a new descriptor that nothing else owns.
    let fd = unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).unwrap_or(-1)) };
    let attach = Attach {
        target: group.as_raw_fd() as u32,
        program: fd.as_raw_fd() as u32,
        kind: ATTACH_CGROUP_DEVICE,
        flags: 0,
        rest: [0; 4],
    };
    // SAFETY: as above.
    check(unsafe { libc::syscall(libc::SYS_bpf, ATTACH, &raw const attach, size_of::<Attach>()) })?;
    Ok(())
}

/// Brings the loopback interface of the current network namespace up.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads the ifreq given.
    check(c_long::from(unsafe {
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    }))?;
    Ok(())
}

/// Sends any signal, real-time ones included, to the process behind `pidfd`.
pub(crate) fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means "as kill(2) would".
    check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0)
    })?;
    Ok(())
}
