//! What daemon, zygote and keeper say to each other, and how: one JSON message per
//! `SOCK_SEQPACKET` packet, descriptors beside it.
//!
//! A message larger than a packet travels in a memfd passed as the first descriptor. One
//! connection carries one request; only `Exec` and `Subscribe` keep it open afterwards.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::cgroup::Root;
use crate::{ContainerSpec, ContainerState, ExecSpec, Exit, SandboxSpec};

/// Largest message sent as a packet of its own.
const INLINE_BYTES: usize = 64 * 1024;
/// Largest message at all.
const MESSAGE_BYTES: u64 = 16 * 1024 * 1024;
/// Most descriptors in one message, `SCM_MAX_FD` of the kernel.
pub(crate) const DESCRIPTOR_COUNT: usize = 253;

/// Daemon → zygote: fork a keeper. The keeper's connection comes along.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Create {
    pub(crate) spec: SandboxSpec,
    pub(crate) run_dir: PathBuf,
    pub(crate) roots: Vec<Root>,
}

/// Daemon → keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Descriptors: the root, then one detached mount per bind of the spec, in order.
    Start(Box<ContainerSpec>),
    /// Descriptors: those of stdin, stdout, stderr that are `true`, in order.
    Exec {
        container: String,
        spec: ExecSpec,
        stdio: [bool; 3],
    },
    Kill {
        container: String,
        signal: i32,
    },
    /// Answered with the stdin or terminal descriptor.
    Attach {
        container: String,
    },
    CloseStdin {
        container: String,
    },
    Containers,
    Remove {
        container: String,
    },
    /// Answered with the network and user namespace; events follow.
    Subscribe,
    Destroy,
}

/// Keeper → daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Started {
        pid: u32,
    },
    /// End of an exec'd process.
    Ended(Exit),
    Containers(Vec<ContainerState>),
    /// End of a container's first process, to subscribers.
    Exited {
        container: String,
        exit: Exit,
    },
    /// The request makes no sense here.
    Refused {
        reason: String,
    },
    /// A step of making something failed.
    Failed {
        step: String,
        errno: i32,
    },
}

/// Sends one message. `WouldBlock` or `BrokenPipe` tell of a dead or stuck reader.
pub(crate) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    if body.len() < INLINE_BYTES {
        return send_packet(socket, &[b"i", &body], descriptors);
    }
    let mut file = File::from(memfd_create("message", MemfdFlags::CLOEXEC)?);
    file.write_all(&body)?;
    let mut all = vec![file.as_fd()];
    all.extend_from_slice(descriptors);
    send_packet(socket, &[b"m"], &all)
}

fn send_packet(
    socket: BorrowedFd<'_>,
    parts: &[&[u8]],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if descriptors.len() > DESCRIPTOR_COUNT {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_COUNT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    rustix::io::retry_on_intr(|| sendmsg(socket, &slices, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives one message; `None` when the other side has closed.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; INLINE_BYTES + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_COUNT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::io::retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptors = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = part {
            descriptors.extend(fds);
        }
    }
    let bytes = &buffer[..message.bytes];
    let value = match bytes.split_first() {
        None => return Ok(None),
        Some((b'i', body)) => serde_json::from_slice(body)?,
        Some((b'm', [])) if !descriptors.is_empty() => {
            let mut file = File::from(descriptors.remove(0));
            file.rewind()?;
            let mut body = Vec::new();
            file.take(MESSAGE_BYTES).read_to_end(&mut body)?;
            serde_json::from_slice(&body)?
        }
        Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "unknown packet")),
    };
    Ok(Some((value, descriptors)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn messages_of_any_size_arrive_whole_with_their_descriptors() {
        let (a, b) = pair();
        for size in [0, 1, INLINE_BYTES - 3, INLINE_BYTES - 2, 3 * 1024 * 1024] {
            let text = "x".repeat(size);
            send(a.as_fd(), &text, &[b.as_fd()]).unwrap();
            let (got, fds) = receive::<String>(b.as_fd()).unwrap().unwrap();
            assert_eq!(got, text);
            assert_eq!(fds.len(), 1);
        }
    }

    #[test]
    fn a_closed_socket_is_none_and_garbage_an_error() {
        let (a, b) = pair();
        rustix::net::send(&a, b"zzz", SendFlags::empty()).unwrap();
        assert!(receive::<String>(b.as_fd()).is_err());
        rustix::net::send(&a, b"m", SendFlags::empty()).unwrap();
        assert!(receive::<String>(b.as_fd()).is_err());
        drop(a);
        assert!(receive::<String>(b.as_fd()).unwrap().is_none());
    }
}
