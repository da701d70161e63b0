//! The last steps before a program runs: who it is, what it may do, and execve.

use std::convert::Infallible;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid, openat};
use rustix::io::Errno;
use rustix::process::{
    Resource, Rlimit, Signal, fchdir, getrlimit, set_parent_process_death_signal, setrlimit, umask,
};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::thread::{
    LinkNameSpaceType, move_into_link_name_space, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::{Step, at};
use crate::{Seccomp, User, capability, seccomp, sys};

/// Looked through when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Open files allowed at first, and at most; less if the host gives less.
const OPEN_FILES: (u64, u64) = (65_536, 1_048_576);

/// Who a program is and what it may do.
#[derive(Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) args: &'a [String],
    pub(crate) env: &'a [String],
    pub(crate) cwd: &'a Path,
    pub(crate) user: &'a User,
    pub(crate) capabilities: u64,
    pub(crate) no_new_privs: bool,
    pub(crate) seccomp: Seccomp,
}

/// Gives up everything but the identity and executes the program.
pub(super) fn become_program(
    identity: &Identity<'_>,
    cwd: BorrowedFd<'_>,
    userns: Option<&OwnedFd>,
) -> Step<Infallible> {
    sys::reset_signals();
    umask(Mode::from_raw_mode(0o022));
    limit_resources()?;
    fchdir(cwd).map_err(at("enter the working directory"))?;
    // The root is ours by pivot_root; a path that is not below it starts with "(unreachable)".
    match rustix::process::getcwd(Vec::new()) {
        Ok(path) if path.as_bytes().first() == Some(&b'/') => {}
        _ => return Err(at("enter the working directory")(Errno::XDEV)),
    }
    sys::close_on_exec_from(3).map_err(at("close descriptors"))?;
    if let Some(userns) = userns {
        move_into_link_name_space(userns.as_fd(), Some(LinkNameSpaceType::User))
            .map_err(at("join the user namespace"))?;
    }
    assume(identity)?;
    Err(execute(identity))
}

/// Ids, capabilities, no_new_privs, seccomp; in the one order that works.
fn assume(identity: &Identity<'_>) -> Step<()> {
    let User { uid, gid, groups } = identity.user;
    if *uid == u32::MAX || *gid == u32::MAX {
        return Err(at("set user")(Errno::INVAL));
    }
    capability::bound(identity.capabilities);
    let groups: Vec<Gid> = groups.iter().map(|id| Gid::from_raw(*id)).collect();
    set_thread_groups(&groups).map_err(at("set groups"))?;
    let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
    set_thread_res_gid(gid, gid, gid).map_err(at(format!("set group {gid:?}")))?;
    set_keep_capabilities(true).map_err(at("keep capabilities"))?;
    set_thread_res_uid(uid, uid, uid).map_err(at(format!("set user {uid:?}")))?;
    capability::raise().map_err(at("keep capabilities"))?;
    // After the change of user, which clears it. Containers never outlive their keeper unseen.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(at("set death signal"))?;
    if identity.no_new_privs {
        set_no_new_privs(true).map_err(at("set no_new_privs"))?;
    }
    if identity.seccomp == Seccomp::Default {
        sys::load_seccomp(seccomp::program()).map_err(at("load seccomp"))?;
    }
    capability::drop_to(identity.capabilities).map_err(at("drop capabilities"))
}

/// Clamped: the host may have no right to raise hard limits.
fn limit_resources() -> Step<()> {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).min(OPEN_FILES.1);
    let files = Rlimit { current: Some(OPEN_FILES.0.min(hard)), maximum: Some(hard) };
    setrlimit(Resource::Nofile, files).map_err(at("limit open files"))?;
    let core = Rlimit { current: Some(0), maximum: getrlimit(Resource::Core).maximum };
    setrlimit(Resource::Core, core).map_err(at("limit core files"))
}

/// Looks the program up as execvp(3) does and executes it. Returns only on failure.
fn execute(identity: &Identity<'_>) -> super::Failure {
    let Some(name) = identity.args.first() else {
        return at("execute the program: no arguments")(Errno::INVAL);
    };
    let step = format!("execute {name:?}");
    let strings = |list: &[String]| -> Result<Vec<CString>, Errno> {
        list.iter().map(|s| CString::new(s.as_str()).map_err(|_| Errno::INVAL)).collect()
    };
    let (Ok(args), Ok(env)) = (strings(identity.args), strings(identity.env)) else {
        return at(format!("{step}: a NUL byte in arguments or environment"))(Errno::INVAL);
    };
    let args: Vec<&CStr> = args.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
    if name.is_empty() {
        return at(step)(Errno::NOENT);
    }
    if name.contains('/') {
        return at(step)(sys::execve(args[0], &args, &env));
    }
    let path = identity.env.iter().rev().find_map(|pair| pair.strip_prefix("PATH="));
    let mut denied = None;
    for dir in path.unwrap_or(DEFAULT_PATH).split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let Ok(program) = CString::new(format!("{dir}/{name}")) else { continue };
        let error = sys::execve(&program, &args, &env);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            // Another directory may still have it; if none has, this is the answer.
            Some(libc::EACCES) => denied = Some(error),
            _ => return at(step)(error),
        }
    }
    match denied {
        Some(error) => at(step)(error),
        None => at(format!("{step}: not in PATH"))(Errno::NOENT),
    }
}

/// A new terminal of the container's own devpts: (master, slave).
///
/// `devpts` is our own mount, and the slave comes from the master by ioctl: no path of the
/// container is involved.
pub(crate) fn terminal(devpts: BorrowedFd<'_>) -> Step<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let master = openat(devpts, "ptmx", flags, Mode::empty()).map_err(at("open ptmx"))?;
    unlockpt(&master).map_err(at("unlock the terminal"))?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = ioctl_tiocgptpeer(&master, flags).map_err(at("open the terminal"))?;
    Ok((master, slave))
}
