//! Endpoints and how busy they are. An endpoint outlives the table it came from:
//! requests in flight hold it, a new table finds it again with its counters.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::model::Route;

/// An endpoint that could not be reached is asked last for this long.
const DISTRUST: Duration = Duration::from_secs(1);

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddrV4,
    in_flight: AtomicUsize,
    idle: Notify,
    failed: Mutex<Option<Instant>>,
}

impl Backend {
    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(crate) fn mark_failed(&self) {
        *lock(&self.failed) = Some(Instant::now());
    }

    fn distrusted(&self) -> bool {
        lock(&self.failed).is_some_and(|at| at.elapsed() < DISTRUST)
    }

    async fn wait_idle(&self) {
        loop {
            let mut notified = std::pin::pin!(self.idle.notified());
            // Registered before the look, so that no wake-up is missed.
            notified.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// A request on its way to a backend.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Backend>);

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// Where a route leads, with what was counted there.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) owner: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) backends: Vec<Arc<Backend>>,
    pub(crate) counts: Arc<Counts>,
    turn: AtomicUsize,
}

impl Target {
    /// The least busy backend not yet tried, trusted ones first, equals in turn.
    pub(crate) fn pick(&self, tried: &[SocketAddrV4]) -> Option<&Arc<Backend>> {
        let count = self.backends.len();
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..count)
            .map(|step| &self.backends[start.wrapping_add(step) % count])
            .filter(|backend| !tried.contains(&backend.address))
            .min_by_key(|backend| (backend.distrusted(), backend.in_flight()))
    }
}

/// Answers given for a route, by class.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) requests: AtomicU64,
    pub(crate) client_errors: AtomicU64,
    pub(crate) server_errors: AtomicU64,
    pub(crate) retries: AtomicU64,
}

/// What was counted for one route since the door started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The route's owner.
    pub owner: String,
    /// The route's host.
    pub host: String,
    /// The route's path prefix.
    pub path: String,
    /// Answers of any kind.
    pub requests: u64,
    /// Answers 400 to 499.
    pub client_errors: u64,
    /// Answers 500 to 599, ours included.
    pub server_errors: u64,
    /// Attempts repeated on another backend or connection.
    pub retries: u64,
}

impl Target {
    pub(crate) fn access(&self) -> Access {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Access {
            owner: self.owner.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            requests: read(&self.counts.requests),
            client_errors: read(&self.counts.client_errors),
            server_errors: read(&self.counts.server_errors),
            retries: read(&self.counts.retries),
        }
    }
}

/// All endpoints that are in a table or have a request in flight.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    known: Mutex<HashMap<SocketAddrV4, Arc<Backend>>>,
    counts: Mutex<HashMap<(String, String, String), Arc<Counts>>>,
}

impl Backends {
    /// A route's target, with the endpoints and counts known from before.
    pub(crate) fn target(&self, route: &Route) -> Arc<Target> {
        let mut known = lock(&self.known);
        let backends = route
            .backends
            .iter()
            .map(|address| {
                let new = || {
                    Arc::new(Backend {
                        address: *address,
                        in_flight: AtomicUsize::new(0),
                        idle: Notify::new(),
                        failed: Mutex::new(None),
                    })
                };
                Arc::clone(known.entry(*address).or_insert_with(new))
            })
            .collect();
        let key = (route.owner.clone(), route.host.clone(), route.path.clone());
        Arc::new(Target {
            owner: route.owner.clone(),
            host: route.host.clone(),
            path: route.path.clone(),
            backends,
            counts: Arc::clone(lock(&self.counts).entry(key).or_default()),
            turn: AtomicUsize::new(0),
        })
    }

    /// Forgets endpoints and counts that only we still know.
    pub(crate) fn prune(&self) {
        lock(&self.known).retain(|_, backend| Arc::strong_count(backend) > 1);
        lock(&self.counts).retain(|_, counts| Arc::strong_count(counts) > 1);
    }

    /// Waits until no request is on its way to `ip`; what is left after `at_most`.
    pub(crate) async fn wait_idle(&self, ip: Ipv4Addr, at_most: Duration) -> usize {
        let backends: Vec<Arc<Backend>> = lock(&self.known)
            .values()
            .filter(|backend| *backend.address.ip() == ip)
            .map(Arc::clone)
            .collect();
        let all = async {
            for backend in &backends {
                backend.wait_idle().await;
            }
        };
        // Running out of time is one of the two expected ends.
        drop(tokio::time::timeout(at_most, all).await);
        backends.iter().map(|backend| backend.in_flight()).sum()
    }
}

/// A poisoned lock guards plain counters: still good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(backends: &[&str]) -> Route {
        let backends = backends.iter().map(|b| b.parse().unwrap()).collect();
        Route { host: "*".into(), path: "/".into(), backends, owner: "a".into() }
    }

    #[test]
    fn the_least_busy_is_picked_and_the_failed_one_last() {
        let backends = Backends::default();
        let target = backends.target(&route(&["10.0.0.1:80", "10.0.0.2:80"]));
        let first = Arc::clone(target.pick(&[]).unwrap());
        let busy = first.enter();
        for _ in 0..4 {
            assert_ne!(target.pick(&[]).unwrap().address, first.address);
        }
        let second = Arc::clone(target.pick(&[first.address]).unwrap());
        second.mark_failed();
        assert_eq!(target.pick(&[]).unwrap().address, first.address);
        assert!(target.pick(&[first.address, second.address]).is_none());
        drop(busy);
    }

    #[test]
    fn equals_take_turns() {
        let target = Backends::default().target(&route(&["10.0.0.1:80", "10.0.0.2:80"]));
        let picks: Vec<_> = (0..4).map(|_| target.pick(&[]).unwrap().address).collect();
        assert_ne!(picks[0], picks[1]);
        assert_eq!(picks[..2], picks[2..]);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_last_request_even_across_tables() {
        let backends = Backends::default();
        let ip = Ipv4Addr::new(10, 0, 0, 1);
        let guard = backends.target(&route(&["10.0.0.1:80"])).backends[0].enter();
        backends.prune();
        assert_eq!(backends.wait_idle(ip, Duration::from_millis(20)).await, 1);
        let wait = backends.wait_idle(ip, Duration::from_secs(20));
        let (left, ()) = tokio::join!(wait, async { drop(guard) });
        assert_eq!(left, 0);
        backends.prune();
        assert!(lock(&backends.known).is_empty());
    }
}
