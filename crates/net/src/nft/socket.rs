//! The nfnetlink socket: send one batch and learn whether it took effect; list
//! the chains of the host to warn about foreign rules that would drop our
//! packets. Blocking: callers use a blocking thread.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
    sockopt,
};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const GET_CHAIN: u16 = (10 << 8) | 4;
const DUMP: u16 = 0x300;
const FORWARD_HOOK: u32 = 2;

/// Sends a finished batch. On failure the text names the part that was refused.
pub(crate) fn commit(bytes: &[u8], subjects: &[String]) -> io::Result<()> {
    let socket = open()?;
    // A batch is one datagram; the default send buffer holds some 200 KB.
    let room = bytes.len() * 2 + (64 << 10);
    if sockopt::set_socket_send_buffer_size_force(&socket, room).is_err() {
        // Not privileged in the initial namespace: whatever we get must do.
        sockopt::set_socket_send_buffer_size(&socket, room)?;
    }
    send(&socket, bytes, SendFlags::empty())?;
    // The kernel handled the batch within send(): all answers are queued now.
    let mut buffer = vec![0_u8; 64 << 10];
    let mut acknowledged = false;
    loop {
        let (_, length) = match recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok(received) => received,
            Err(rustix::io::Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        };
        for message in Messages(&buffer[..length.min(buffer.len())]) {
            if message.kind != NLMSG_ERROR {
                continue;
            }
            let code = message.payload.get(..4).map_or(0, host_i32);
            if code == 0 {
                acknowledged = true;
                continue;
            }
            let source = io::Error::from_raw_os_error(-code);
            let subject = usize::try_from(message.sequence).ok().and_then(|at| subjects.get(at));
            let subject = subject.map_or("batch", String::as_str);
            return Err(io::Error::new(source.kind(), format!("{subject}: {source}")));
        }
    }
    if acknowledged {
        Ok(())
    } else {
        Err(io::Error::other("the kernel did not acknowledge the batch"))
    }
}

/// Tables (not `own`) whose forward chain drops what it does not accept.
pub(crate) fn foreign_forward_drops(own: &str) -> io::Result<Vec<String>> {
    let socket = open()?;
    let mut request = Vec::new();
    request.extend_from_slice(&20_u32.to_ne_bytes());
    request.extend_from_slice(&GET_CHAIN.to_ne_bytes());
    request.extend_from_slice(&(1 | DUMP).to_ne_bytes());
    request.extend_from_slice(&1_u32.to_ne_bytes());
    request.extend_from_slice(&0_u32.to_ne_bytes());
    request.extend_from_slice(&[0; 4]);
    send(&socket, &request, SendFlags::empty())?;
    let mut found = Vec::new();
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        for message in Messages(&buffer[..length.min(buffer.len())]) {
            match message.kind {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => {
                    let code = message.payload.get(..4).map_or(0, host_i32);
                    return Err(io::Error::from_raw_os_error(-code));
                }
                _ => found.extend(dropping_forward_chain(message.payload, own)),
            }
        }
    }
}

/// `table/chain` if this chain message (after the netlink header) hooks forward
/// with policy drop.
fn dropping_forward_chain(payload: &[u8], own: &str) -> Option<String> {
    let attributes = payload.get(4..)?;
    let (mut table, mut name, mut hook, mut policy) = (None, None, None, None);
    for (kind, value) in AttributeList(attributes) {
        match kind {
            1 => table = text(value),
            3 => name = text(value),
            4 => hook = AttributeList(value).find(|(kind, _)| *kind == 1).map(|(_, v)| v),
            5 => policy = Some(value),
            _ => {}
        }
    }
    let hooks_forward = hook? == FORWARD_HOOK.to_be_bytes().as_slice();
    let drops = policy? == 0_u32.to_be_bytes().as_slice();
    let table = table?;
    (hooks_forward && drops && table != own).then(|| format!("{table}/{}", name.unwrap_or("?")))
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::NETFILTER))?)
}

fn host_i32(bytes: &[u8]) -> i32 {
    bytes.try_into().map_or(0, i32::from_ne_bytes)
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_suffix(b"\0").unwrap_or(value)).ok()
}

struct Message<'a> {
    kind: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// The messages of a received datagram; stops at the first malformed one.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header = self.0.get(..16)?;
        let length = u32::from_ne_bytes(header[..4].try_into().ok()?) as usize;
        let payload = self.0.get(16..length)?;
        let message = Message {
            kind: u16::from_ne_bytes(header[4..6].try_into().ok()?),
            sequence: u32::from_ne_bytes(header[8..12].try_into().ok()?),
            payload,
        };
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

/// Kind (without flags) and value of each attribute; stops at a malformed one.
struct AttributeList<'a>(&'a [u8]);

impl<'a> Iterator for AttributeList<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.0.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = self.0.get(4..length)?;
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}
