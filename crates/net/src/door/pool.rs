//! Connections to backends. Only requests that may safely be sent twice use a
//! kept connection, which its other end may be closing this very moment; all
//! others get a fresh one, so that no request body is ever lost to a dead
//! connection.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::backends::InFlight;

/// Any body we send, to either side.
pub(crate) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// Shorter than what common servers keep an idle connection open.
const KEEP: Duration = Duration::from_secs(2);
const KEPT_PER_BACKEND: usize = 32;

/// Idle connections by backend.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    idle: Arc<Mutex<HashMap<SocketAddrV4, Vec<Idle>>>>,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection in use.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) sender: SendRequest<Body>,
    /// Whether an earlier request went over it.
    pub(crate) reused: bool,
    address: SocketAddrV4,
    /// Where to put it back; `None` for a connection used once.
    pool: Option<Pool>,
}

impl Pool {
    /// A kept connection, or a fresh one.
    pub(crate) async fn lease(&self, address: SocketAddrV4) -> io::Result<Lease> {
        while let Some(mut sender) = self.take(address) {
            // Not ready in an instant: its last answer was not read to the end.
            if matches!(timeout(Duration::from_millis(100), sender.ready()).await, Ok(Ok(()))) {
                return Ok(Lease { sender, reused: true, address, pool: Some(self.clone()) });
            }
        }
        let sender = connect(address).await?;
        Ok(Lease { sender, reused: false, address, pool: Some(self.clone()) })
    }

    /// A fresh connection that is not kept.
    pub(crate) async fn lease_once(&self, address: SocketAddrV4) -> io::Result<Lease> {
        let sender = connect(address).await?;
        Ok(Lease { sender, reused: false, address, pool: None })
    }

    /// Closes what has been idle too long.
    pub(crate) fn reap(&self) {
        let mut idle = self.lock();
        for list in idle.values_mut() {
            list.retain(|one| one.since.elapsed() < KEEP && !one.sender.is_closed());
        }
        idle.retain(|_, list| !list.is_empty());
    }

    /// Closes the idle connections to an address that is going away, so that
    /// its server does not wait for them.
    pub(crate) fn forget(&self, ip: Ipv4Addr) {
        self.lock().retain(|address, _| *address.ip() != ip);
    }

    fn take(&self, address: SocketAddrV4) -> Option<SendRequest<Body>> {
        let mut idle = self.lock();
        let list = idle.get_mut(&address)?;
        while let Some(one) = list.pop() {
            if one.since.elapsed() < KEEP && !one.sender.is_closed() {
                return Some(one.sender);
            }
        }
        None
    }

    fn give_back(&self, address: SocketAddrV4, sender: SendRequest<Body>) {
        if sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        let list = idle.entry(address).or_default();
        if list.len() < KEPT_PER_BACKEND {
            list.push(Idle { sender, since: Instant::now() });
        }
    }

    /// A poisoned lock guards a list of connections: still good.
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddrV4, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    fn give_back(self) {
        if let Some(pool) = &self.pool {
            pool.give_back(self.address, self.sender);
        }
    }
}

async fn connect(address: SocketAddrV4) -> io::Result<SendRequest<Body>> {
    let stream = timeout(CONNECT_PATIENCE, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection within 2 s"))??;
    stream.set_nodelay(true)?;
    // A pod that vanished without a word (power cut, namespace gone) must not
    // hold a request for the kernel's quarter of an hour.
    sockopt::set_tcp_user_timeout(&stream, 5_000)?;
    sockopt::set_tcp_keepidle(&stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepintvl(&stream, Duration::from_secs(3))?;
    sockopt::set_tcp_keepcnt(&stream, 3)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    let (sender, connection) = Builder::new()
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Its end shows at the sender; nothing more to learn here.
    tokio::spawn(async move { drop(connection.with_upgrades().await) });
    Ok(sender)
}

/// A backend's answer on its way to the client: holds the request's place in the
/// backend's count, and gives the connection back once it is read to the end.
#[derive(Debug)]
pub(crate) struct Answer {
    inner: Incoming,
    lease: Option<Lease>,
    in_flight: Option<InFlight>,
}

impl Answer {
    pub(crate) fn new(inner: Incoming, lease: Lease, in_flight: InFlight) -> Self {
        Self { inner, lease: Some(lease), in_flight: Some(in_flight) }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        self.in_flight = None;
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) {
            self.finish();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A server does not poll a body that says it is at its end.
        if hyper::body::Body::is_end_stream(&self.inner) {
            self.finish();
        }
    }
}
