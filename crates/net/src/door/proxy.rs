//! The life of a request: find its route, reach a ready copy, stream both ways.
//! A request that could not be delivered goes to the next copy; one that may
//! have been acted upon is never sent twice.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;

use super::backends::{Backend, InFlight, Target};
use super::headers;
use super::page::{Trouble, page};
use super::pool::{Answer, Body, Lease, Pool};
use super::routes::Table;

/// How often one request is tried before we give up.
const ATTEMPTS: usize = 8;

/// What every connection of the front door shares.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    table: watch::Receiver<Arc<Table>>,
    pool: Pool,
}

/// What became of one attempt.
enum Attempt {
    Answered(Response<Incoming>, Lease, InFlight),
    /// Not delivered: the request is as it was.
    Undelivered(Request<Body>, String),
    /// Delivered, perhaps, and lost.
    Lost(String),
}

impl Proxy {
    pub(crate) fn new(table: watch::Receiver<Arc<Table>>, pool: Pool) -> Self {
        Self { table, pool }
    }

    /// Answers one request; trouble becomes a page, never an error.
    pub(crate) async fn serve(
        &self,
        request: Request<Incoming>,
        from: SocketAddr,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        if parts.method == Method::CONNECT {
            return page(&Trouble::Method, &parts.headers);
        }
        let host = headers::host(&parts);
        let path = parts.uri.path().to_owned();
        let Some(target) = self.find(&host, &path) else {
            return page(&Trouble::NoRoute { host: &host, path: &path }, &parts.headers);
        };
        let response = self.deliver(parts, body, from.ip(), target.clone()).await;
        let counts = &target.counts;
        counts.requests.fetch_add(1, Ordering::Relaxed);
        if response.status().is_client_error() {
            counts.client_errors.fetch_add(1, Ordering::Relaxed);
        } else if response.status().is_server_error() {
            counts.server_errors.fetch_add(1, Ordering::Relaxed);
        }
        response
    }

    fn find(&self, host: &str, path: &str) -> Option<Arc<Target>> {
        self.table.borrow().find(host, path).cloned()
    }

    /// The copy to ask next, counted as asked; the target becomes the newest one.
    ///
    /// The table is looked at again once the copy counts this request: whoever
    /// drains a copy changes the table first and waits for the count then, so
    /// either they wait for us or we see their table.
    fn enter(
        &self,
        target: &mut Arc<Target>,
        place: (&str, &str),
        tried: &[SocketAddrV4],
    ) -> Option<(Arc<Backend>, InFlight)> {
        loop {
            let entered = target.pick(tried).map(|backend| (Arc::clone(backend), backend.enter()));
            // A route that is gone keeps the request it took.
            let newest = self.find(place.0, place.1).unwrap_or_else(|| Arc::clone(target));
            if Arc::ptr_eq(&newest, target) {
                return entered;
            }
            *target = newest;
        }
    }

    async fn deliver(
        &self,
        mut parts: request::Parts,
        body: Incoming,
        client: IpAddr,
        mut target: Arc<Target>,
    ) -> Response<Body> {
        let asked = parts.headers.clone();
        let (host, path) = (headers::host(&parts), parts.uri.path().to_owned());
        let switch = headers::upgrade(&parts.headers).is_some();
        let client_side = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
        let client_side = client_side.filter(|_| switch);
        let repeatable = headers::is_safe(&parts.method) && body.is_end_stream() && !switch;
        headers::to_backend(&mut parts, client);
        let mut request = Request::from_parts(parts, body.boxed_unsync());
        let mut tried = Vec::new();
        let mut reason = String::new();
        let mut keep = repeatable;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                target.counts.retries.fetch_add(1, Ordering::Relaxed);
            }
            let Some((backend, in_flight)) = self.enter(&mut target, (&host, &path), &tried) else {
                break;
            };
            let lease = if keep {
                self.pool.lease(backend.address).await
            } else {
                self.pool.lease_once(backend.address).await
            };
            let lease = match lease {
                Ok(lease) => lease,
                Err(error) => {
                    backend.mark_failed();
                    tried.push(backend.address);
                    reason = error.to_string();
                    continue;
                }
            };
            let reused = lease.reused;
            let copy = repeatable.then(|| copy_of(&request));
            match attempt_on(lease, in_flight, request).await {
                Attempt::Answered(response, lease, in_flight) => {
                    return answer(response, lease, in_flight, client_side, &target.owner);
                }
                Attempt::Undelivered(back, why) => {
                    request = back;
                    reason = why;
                }
                Attempt::Lost(why) => {
                    reason = why;
                    let Some(copy) = copy else { break };
                    request = copy;
                }
            }
            if reused {
                // A kept connection that had died says nothing about the copy.
                keep = false;
            } else {
                backend.mark_failed();
                tried.push(backend.address);
            }
        }
        let owner = target.owner.as_str();
        if target.backends.is_empty() {
            page(&Trouble::NoneReady { owner }, &asked)
        } else {
            page(&Trouble::NoneReached { owner, reason: &reason }, &asked)
        }
    }
}

/// The backend's answer as the client gets it; a 101 becomes a tunnel.
fn answer(
    mut response: Response<Incoming>,
    lease: Lease,
    in_flight: InFlight,
    client_side: Option<hyper::upgrade::OnUpgrade>,
    owner: &str,
) -> Response<Body> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        headers::to_client(response.headers_mut(), false);
        let (parts, body) = response.into_parts();
        return Response::from_parts(parts, Answer::new(body, lease, in_flight).boxed_unsync());
    }
    let Some(client_side) = client_side else {
        let reason = "it switched protocols unasked";
        return page(&Trouble::NoneReached { owner, reason }, &HeaderMap::new());
    };
    let backend_side = hyper::upgrade::on(&mut response);
    // From here on it is a tunnel, not a request: draining a copy does not wait
    // for it; the copy's own shutdown ends it.
    drop(in_flight);
    tokio::spawn(async move {
        let (Ok(client), Ok(backend)) = tokio::join!(client_side, backend_side) else { return };
        let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
        // However a tunnel ends, both its sides are closed now.
        drop(tokio::io::copy_bidirectional(&mut client, &mut backend).await);
        drop(lease);
    });
    headers::to_client(response.headers_mut(), true);
    let (parts, _) = response.into_parts();
    Response::from_parts(parts, empty())
}

async fn attempt_on(mut lease: Lease, in_flight: InFlight, request: Request<Body>) -> Attempt {
    match lease.sender.try_send_request(request).await {
        Ok(response) => Attempt::Answered(response, lease, in_flight),
        Err(mut failed) => match failed.take_message() {
            Some(request) => Attempt::Undelivered(request, failed.error().to_string()),
            None => Attempt::Lost(failed.error().to_string()),
        },
    }
}

/// The same request once more; only for requests without a body.
fn copy_of(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}

fn empty() -> Body {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
}
