//! Names: the zone of the services (`zone.rs` answers from memory, `answer.rs`
//! speaks DNS), everything else forwarded to the host's resolvers
//! (`forward.rs`). This file holds the sockets. Runs in the door process.

pub(crate) mod answer;
pub(crate) mod forward;
pub(crate) mod zone;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use answer::{Outcome, Transport, answer};
use forward::Forwarder;
use zone::Zone;

/// UDP questions being forwarded at once; more are dropped, clients ask again.
const FORWARDS_IN_FLIGHT: usize = 512;
/// Open TCP connections; more wait in the kernel's queue.
const TCP_CONNECTIONS: usize = 128;
const TCP_IDLE: Duration = Duration::from_secs(10);

/// What every DNS socket of the door shares.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    zone: watch::Receiver<Arc<Zone>>,
    forwarder: Arc<Forwarder>,
    in_flight: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Names {
    /// Answers from whatever zone the channel holds at the time.
    pub(crate) fn new(zone: watch::Receiver<Arc<Zone>>) -> Self {
        Self {
            zone,
            forwarder: Arc::new(Forwarder::new("/etc/resolv.conf".into())),
            in_flight: Arc::new(Semaphore::new(FORWARDS_IN_FLIGHT)),
            connections: Arc::new(Semaphore::new(TCP_CONNECTIONS)),
        }
    }

    /// Serves a UDP socket until the task is aborted.
    pub(crate) async fn serve_udp(self, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut buffer = vec![0_u8; 4096];
        loop {
            // An error here is an earlier answer's ICMP "unreachable": the
            // client has gone, the socket is fine.
            let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
            let question = &buffer[..length];
            let zone = self.zone.borrow().clone();
            match answer(&zone, question, Transport::Udp) {
                Outcome::Reply(reply) => send(&socket, &reply, client).await,
                Outcome::Nothing => {}
                Outcome::Forward => {
                    let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else {
                        continue;
                    };
                    let (forwarder, socket) = (Arc::clone(&self.forwarder), Arc::clone(&socket));
                    let question = question.to_vec();
                    let own = zone.gateway;
                    tokio::spawn(async move {
                        let reply = forwarder.ask(&question, Transport::Udp, own).await;
                        send(&socket, &reply, client).await;
                        drop(permit);
                    });
                }
            }
        }
    }

    /// Serves a TCP listener until the task is aborted.
    pub(crate) async fn serve_tcp(self, listener: TcpListener) {
        loop {
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors: let some go first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let names = self.clone();
            tokio::spawn(async move {
                // A client that breaks off is no failure of ours.
                drop(names.converse(stream).await);
                drop(permit);
            });
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = timeout(TCP_IDLE, stream.read_u16()).await??;
            let mut question = vec![0_u8; usize::from(length)];
            timeout(TCP_IDLE, stream.read_exact(&mut question)).await??;
            let zone = self.zone.borrow().clone();
            let reply = match answer(&zone, &question, Transport::Tcp) {
                Outcome::Reply(reply) => reply,
                Outcome::Nothing => return Ok(()),
                Outcome::Forward => {
                    self.forwarder.ask(&question, Transport::Tcp, zone.gateway).await
                }
            };
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            let mut message = length.to_be_bytes().to_vec();
            message.extend_from_slice(&reply);
            timeout(TCP_IDLE, stream.write_all(&message)).await??;
        }
    }
}

async fn send(socket: &UdpSocket, reply: &[u8], client: SocketAddr) {
    if !reply.is_empty() {
        // Lost answers are part of UDP; the client asks again.
        drop(socket.send_to(reply, client).await);
    }
}
