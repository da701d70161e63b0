//! A pod's shared namespaces: user, network, IPC, UTS; made once and held by descriptors.

use std::fs;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::CWD;
use rustix::mount::{
    MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount,
    open_tree,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};
use rustix::thread::{
    LinkNameSpaceType, move_into_link_name_space, set_thread_res_gid, set_thread_res_uid,
};

use crate::launch::{Failure, Step, at, tmpfs};
use crate::sys::{self, Side};
use crate::wire::{self, Reply};
use crate::{IdRange, SandboxSpec};

/// Size of a pod's /dev/shm, as every other runtime gives.
const SHM_BYTES: u64 = 64 << 20;

/// Descriptors of the namespaces a pod's containers share.
#[derive(Debug)]
pub(crate) struct Namespaces {
    pub(crate) ids: Option<IdRange>,
    pub(crate) user: Option<OwnedFd>,
    pub(crate) net: OwnedFd,
    ipc: OwnedFd,
    uts: OwnedFd,
    /// The pod's /dev/shm, mounted nowhere that anybody else could see.
    shm: OwnedFd,
    /// This keeper, as the way back into its own pid namespace.
    pub(crate) own: OwnedFd,
}

impl Namespaces {
    /// Makes them, through a child that lives for the moment.
    pub(crate) fn make(spec: &SandboxSpec) -> Step<Self> {
        let mut flags = libc::CLONE_NEWNET | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        if spec.ids.is_some() {
            flags |= libc::CLONE_NEWUSER;
        }
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(at("make a socket pair"))?;
        let made = sys::fork(u64::from(flags.cast_unsigned()), None);
        let (pid, pidfd) = match made.map_err(at("make namespaces"))? {
            Side::Parent(pid, pidfd) => (pid, pidfd),
            Side::Child => {
                drop(ours);
                let reply = match inside(spec, theirs.as_fd()) {
                    Ok(()) => Reply::Done,
                    Err(Failure { step, errno }) => Reply::Failed { step, errno },
                };
                let _ = wire::send(theirs.as_fd(), &reply, &[]);
                // Stay until the parent has opened the namespaces and ends us.
                let _ = wire::receive::<Reply>(theirs.as_fd());
                sys::exit_now(0);
            }
        };
        drop(theirs);
        let result = Self::open(spec, pid, ours.as_fd());
        let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        result
    }

    fn open(spec: &SandboxSpec, pid: u32, channel: BorrowedFd<'_>) -> Step<Self> {
        if let Some(IdRange { start, len }) = spec.ids {
            for map in ["uid_map", "gid_map"] {
                fs::write(format!("/proc/{pid}/{map}"), format!("0 {start} {len}"))
                    .map_err(at(format!("write {map} 0 {start} {len}")))?;
            }
        }
        wire::send(channel, &Reply::Done, &[]).map_err(at("talk to the namespace child"))?;
        match wire::receive(channel).map_err(at("talk to the namespace child"))? {
            Some((Reply::Done, _)) => {}
            Some((Reply::Failed { step, errno }, _)) => return Err(Failure { step, errno }),
            _ => return Err(at("make namespaces")(std::io::Error::from_raw_os_error(libc::EIO))),
        }
        let open = |name: &str| -> Step<OwnedFd> {
            let path = format!("/proc/{pid}/ns/{name}");
            Ok(File::open(&path).map_err(at(format!("open {path}")))?.into())
        };
        let user = if spec.ids.is_some() { Some(open("user")?) } else { None };
        let own = Pid::from_raw(i32::try_from(std::process::id()).unwrap_or(0))
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))
            .map_err(at("open a pidfd of the keeper"))?;
        let base = spec.ids.map_or(0, |ids| ids.start);
        Ok(Self {
            ids: spec.ids,
            user,
            net: open("net")?,
            ipc: open("ipc")?,
            uts: open("uts")?,
            shm: anchored(shm(base)?)?,
            own,
        })
    }

    /// Joins all but the user namespace, which would take away the right to mount.
    pub(crate) fn join(&self) -> rustix::io::Result<()> {
        move_into_link_name_space(self.net.as_fd(), Some(LinkNameSpaceType::Network))?;
        move_into_link_name_space(
            self.ipc.as_fd(),
            Some(LinkNameSpaceType::InterProcessCommunication),
        )?;
        move_into_link_name_space(
            self.uts.as_fd(),
            Some(LinkNameSpaceType::HostNameAndNISDomainName),
        )
    }

    /// A detached mount of the pod's /dev/shm, one for each container.
    pub(crate) fn shm(&self) -> Step<OwnedFd> {
        copy(&self.shm).map_err(at("copy the pod's /dev/shm"))
    }
}

fn copy(mount: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(mount, "", flags)
}

/// Makes sure that the mount can be copied. Before Linux 6.15 only a mount that is somewhere can:
/// there this keeper takes a mount namespace of its own and puts it into that one. What the host
/// unmounts goes from it too (it is a slave), and all of it ends with the keeper.
fn anchored(mount: OwnedFd) -> Step<OwnedFd> {
    if copy(&mount).is_ok() {
        return Ok(mount);
    }
    sys::new_mount_namespace().map_err(at("take a mount namespace for /dev/shm"))?;
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .map_err(at("part the keeper's mounts from the host's"))?;
    move_mount(&mount, "", CWD, "/dev/shm", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(at("keep the pod's /dev/shm"))?;
    Ok(mount)
}

fn shm(base: u32) -> Step<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    tmpfs(SHM_BYTES, 0o1777, base, attributes).map_err(at("mount /dev/shm"))
}

/// The child's part: what can only be set from inside.
fn inside(spec: &SandboxSpec, channel: BorrowedFd<'_>) -> Step<()> {
    wire::receive::<Reply>(channel).map_err(at("wait for id maps"))?;
    if spec.ids.is_some() {
        set_thread_res_gid(rustix::fs::Gid::ROOT, rustix::fs::Gid::ROOT, rustix::fs::Gid::ROOT)
            .map_err(at("become root of the user namespace"))?;
        set_thread_res_uid(rustix::fs::Uid::ROOT, rustix::fs::Uid::ROOT, rustix::fs::Uid::ROOT)
            .map_err(at("become root of the user namespace"))?;
    }
    if !spec.hostname.is_empty() {
        rustix::system::sethostname(spec.hostname.as_bytes()).map_err(at("set host name"))?;
    }
    for (name, value) in &spec.sysctls {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::write(path, value).map_err(at(format!("set sysctl {name}")))?;
    }
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(at("bring loopback up"))?;
    sys::loopback_up(socket.as_fd()).map_err(at("bring loopback up"))
}

/// Whether a sysctl belongs to a pod's own namespaces.
pub(crate) fn is_namespaced(name: &str) -> bool {
    let plain = !name.contains("..")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    plain
        && (name == "kernel.sem"
            || ["kernel.shm", "kernel.msg", "fs.mqueue.", "net."]
                .iter()
                .any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::is_namespaced;

    #[test]
    fn only_namespaced_sysctls_pass() {
        for good in ["net.ipv4.ip_unprivileged_port_start", "kernel.shmmax", "fs.mqueue.msg_max"] {
            assert!(is_namespaced(good), "{good}");
        }
        for bad in ["kernel.panic", "vm.swappiness", "net./../../etc", "net...x", "net.a/b", ""] {
            assert!(!is_namespaced(bad), "{bad}");
        }
    }
}
