//! How the daemon speaks to the door: one JSON object a line over a unix stream
//! socket, one request and one reply a connection, listening sockets alongside
//! as SCM_RIGHTS. Blocking on both sides, each in a thread of its own.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::backends::Access;
use super::config::Config;
use super::listen::Listener;

/// Sockets in one message: three for DNS and HTTP of the bridge, and the user's
/// addresses; the kernel's own limit is 253.
pub(crate) const DESCRIPTORS_AT_ONCE: usize = 64;
/// No configuration comes near this.
const LINE_LIMIT: usize = 64 << 20;

/// What the daemon can ask for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Who are you, and what do you listen on?
    Hello,
    /// The whole desired state.
    Configure { config: Box<Config> },
    /// Serve these; their sockets come along in this order.
    Listen { listeners: Vec<Listener> },
    /// Close these.
    Unlisten { listeners: Vec<Listener> },
    /// Wait until no request is on its way to the address.
    WaitIdle { ip: Ipv4Addr, at_most_ms: u64 },
    /// What was counted so far.
    Counters,
    /// Give the sockets away, finish what is in flight, end.
    HandOver,
    /// End now.
    Stop,
    /// No reply, ever: the connection breaks when the door ends.
    Watch,
}

/// The door's answer; fields not asked for are empty.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    /// Why it was refused.
    pub(crate) error: Option<String>,
    /// Which binary answers, see `process::build`.
    pub(crate) build: String,
    pub(crate) pid: u32,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) in_flight: usize,
    pub(crate) access: Vec<Access>,
}

/// Writes one line with its descriptors.
pub(crate) fn send(
    stream: &UnixStream,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many sockets for one message"));
    }
    let mut rest = line.as_slice();
    while !rest.is_empty() {
        let sent = match sendmsg(stream, &[IoSlice::new(rest)], &mut ancillary, SendFlags::NOSIGNAL)
        {
            Ok(sent) => sent,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        // The descriptors went with the first bytes.
        ancillary.clear();
        rest = &rest[sent..];
    }
    Ok(())
}

/// Reads one line and the descriptors that came with it.
pub(crate) fn receive<T: for<'de> Deserialize<'de>>(
    stream: &UnixStream,
) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut line = Vec::new();
    let mut descriptors = Vec::new();
    let mut buffer = vec![0_u8; 64 << 10];
    while line.last() != Some(&b'\n') {
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut buffer)];
        let received =
            match recvmsg(stream.as_fd(), &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => received,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.extend_from_slice(&buffer[..received.bytes]);
        if line.len() > LINE_LIMIT {
            return Err(io::Error::other("the line is too long"));
        }
    }
    Ok((serde_json::from_slice(&line)?, descriptors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_arrives_whole_with_its_sockets() {
        let (a, b) = UnixStream::pair().unwrap();
        let long = Reply { error: Some("x".repeat(1 << 20)), ..Reply::default() };
        let writer = std::thread::spawn(move || {
            let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            send(&a, &long, &[other.as_fd(), a.as_fd()]).unwrap();
        });
        let (reply, descriptors) = receive::<Reply>(&b).unwrap();
        writer.join().unwrap();
        assert_eq!(reply.error.map(|text| text.len()), Some(1 << 20));
        assert_eq!(descriptors.len(), 2);
        // One of them is the other end: the stream ends with it.
        drop(descriptors);
        let end = receive::<Reply>(&b).unwrap_err();
        assert!(matches!(end.kind(), io::ErrorKind::UnexpectedEof), "{end}");
    }
}
