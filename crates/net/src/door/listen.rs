//! Opening the listening sockets, and naming the process that has one of them
//! already.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What is spoken at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Http,
    DnsUdp,
    DnsTcp,
}

/// A listening socket: what was asked for and what it got (port 0 differs).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) kind: Kind,
    pub(crate) requested: SocketAddr,
    pub(crate) actual: SocketAddr,
}

/// Opens a socket. `std` sets SO_REUSEADDR on TCP listeners, so that connections
/// of an earlier life in TIME_WAIT do not keep us out.
pub(crate) fn open(kind: Kind, requested: SocketAddr) -> Result<(Listener, OwnedFd)> {
    let opened = match kind {
        Kind::Http | Kind::DnsTcp => TcpListener::bind(requested).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, OwnedFd::from(socket)))
        }),
        Kind::DnsUdp => UdpSocket::bind(requested).and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok((socket.local_addr()?, OwnedFd::from(socket)))
        }),
    };
    match opened {
        Ok((actual, descriptor)) => Ok((Listener { kind, requested, actual }, descriptor)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let holder = holder(kind, requested).unwrap_or_else(|| "another process".into());
            Err(Error::PortTaken { address: requested, holder })
        }
        Err(source) => Err(Error::Listen { address: requested, source }),
    }
}

/// `command (pid 123)` of the process listening where we wanted to.
fn holder(kind: Kind, address: SocketAddr) -> Option<String> {
    let tables: &[&str] = match kind {
        Kind::DnsUdp => &["/proc/net/udp", "/proc/net/udp6"],
        Kind::Http | Kind::DnsTcp => &["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let inode = tables.iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| matching_inode(line, kind, address))
    })?;
    let link = PathBuf::from(format!("socket:[{inode}]"));
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            if fs::read_link(descriptor.path()).is_ok_and(|target| target == link) {
                return Some(format!("{} (pid {pid})", command(pid)));
            }
        }
    }
    None
}

/// The socket's inode if this line of `/proc/net/{tcp,udp}{,6}` is a socket that
/// bars `address`.
fn matching_inode(line: &str, kind: Kind, address: SocketAddr) -> Option<u64> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (ip, port) = fields.get(1)?.split_once(':')?;
    if u16::from_str_radix(port, 16).ok()? != address.port() {
        return None;
    }
    if kind != Kind::DnsUdp && *fields.get(3)? != LISTEN {
        return None;
    }
    let ip = parse_ip(ip)?;
    let bars = ip.is_unspecified() || address.ip().is_unspecified() || ip == address.ip();
    let inode = fields.get(9)?.parse().ok()?;
    bars.then_some(inode)
}

/// An address as the kernel prints it: 32-bit words in host order.
fn parse_ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    if hex.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let mut bytes = [0_u8; 16];
    for (n, part) in bytes.chunks_exact_mut(4).enumerate() {
        part.copy_from_slice(&word(n * 8)?);
    }
    Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
}

fn command(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        line.split(|byte| *byte == 0).map(String::from_utf8_lossy).take(3).collect();
    let line = words.join(" ");
    if line.trim().is_empty() { "a process".into() } else { line.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap();
        let error = open(Kind::Http, address).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&address.to_string()), "{text}");
        assert!(text.contains(&format!("(pid {})", std::process::id())), "{text}");
    }

    #[test]
    fn the_kernels_addresses_are_read() {
        assert_eq!(parse_ip("0100007F"), Some("127.0.0.1".parse().unwrap()));
        let mapped = parse_ip("0000000000000000FFFF00000100007F");
        assert_eq!(mapped, Some("127.0.0.1".parse().unwrap()));
        assert_eq!(parse_ip("zz"), None);
    }
}
