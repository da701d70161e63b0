//! Forwarding to the host's resolvers. The door runs in the host's network
//! namespace, so resolvers on loopback work too. Each question gets its own
//! socket (a random port) and id, against forged answers (RFC 5452).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use fs_err as fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::answer::{Transport, belongs, random, server_failure};

/// One server's time to answer; clients ask again after five seconds.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// As many servers as libc would use.
const SERVERS: usize = 3;

/// Knows the host's resolvers and asks them.
#[derive(Debug)]
pub(crate) struct Forwarder {
    resolv_conf: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    modified: Option<SystemTime>,
    servers: Vec<SocketAddr>,
}

impl Forwarder {
    pub(crate) fn new(resolv_conf: PathBuf) -> Self {
        Self { resolv_conf, known: Mutex::default() }
    }

    /// The resolvers' answer with the question's id, or SERVFAIL. `own` is our
    /// address: a host that resolves through us must not make us ask ourselves.
    pub(crate) async fn ask(&self, question: &[u8], via: Transport, own: Ipv4Addr) -> Vec<u8> {
        let mut last = None;
        let servers = self.servers(own);
        for server in servers.iter().cycle().take(servers.len() * ROUNDS) {
            let Ok(Ok(reply)) = timeout(PATIENCE, ask_one(question, *server, via)).await else {
                continue;
            };
            // SERVFAIL (2) and REFUSED (5): another server may know better.
            if reply.get(3).is_some_and(|byte| matches!(byte & 0x0f, 2 | 5)) {
                last = Some(reply);
                continue;
            }
            return reply;
        }
        last.unwrap_or_else(|| server_failure(question))
    }

    /// The servers of resolv.conf, read again when it changes.
    fn servers(&self, own: Ipv4Addr) -> Vec<SocketAddr> {
        let modified = fs::metadata(&self.resolv_conf).and_then(|m| m.modified()).ok();
        let Ok(mut known) = self.known.lock() else { return Vec::new() };
        if known.modified != modified || modified.is_none() {
            let text = fs::read_to_string(&self.resolv_conf).unwrap_or_default();
            known.servers = parse(&text);
            known.modified = modified;
        }
        known.servers.iter().filter(|server| server.ip() != IpAddr::V4(own)).copied().collect()
    }
}

/// The `nameserver` lines of a resolv.conf; none means this host (resolv.conf(5)).
fn parse(text: &str) -> Vec<SocketAddr> {
    let servers: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "nameserver").then_some(())?;
            let ip: IpAddr = words.next()?.parse().ok()?;
            Some(SocketAddr::new(ip, 53))
        })
        .take(SERVERS)
        .collect();
    if servers.is_empty() { vec![SocketAddr::from(([127, 0, 0, 1], 53))] } else { servers }
}

async fn ask_one(question: &[u8], server: SocketAddr, via: Transport) -> io::Result<Vec<u8>> {
    let id = (random() & 0xffff) as u16;
    let mut asked = question.to_vec();
    asked[..2].copy_from_slice(&id.to_be_bytes());
    let mut reply = ask_udp(&asked, server, question, id).await?;
    let truncated = reply[2] & 0x02 != 0;
    // A UDP client is told to come again by TCP; only then is TCP worth it.
    if truncated
        && via == Transport::Tcp
        && let Ok(whole) = ask_tcp(&asked, server, question, id).await
    {
        reply = whole;
    }
    reply[..2].copy_from_slice(&question[..2]);
    Ok(reply)
}

async fn ask_udp(
    asked: &[u8],
    server: SocketAddr,
    question: &[u8],
    id: u16,
) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(asked).await?;
    let mut reply = vec![0_u8; 4096];
    loop {
        let length = socket.recv(&mut reply).await?;
        if belongs(&reply[..length], question, id) {
            reply.truncate(length);
            return Ok(reply);
        }
    }
}

async fn ask_tcp(
    asked: &[u8],
    server: SocketAddr,
    question: &[u8],
    id: u16,
) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(asked.len()).map_err(io::Error::other)?;
    stream.write_u16(length).await?;
    stream.write_all(asked).await?;
    let mut reply = vec![0_u8; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    if belongs(&reply, question, id) { Ok(reply) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_as_libc_reads_them() {
        let text = "# a\nsearch x\nnameserver 10.0.0.1\nnameserver  ::1 # b\nnameserver nonsense\n";
        let servers = parse(text);
        assert_eq!(servers, ["10.0.0.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!(parse(""), ["127.0.0.1:53".parse().unwrap()]);
    }
}
