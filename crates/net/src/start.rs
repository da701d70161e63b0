//! The running network: what exists on the host once [`Net::start`] returns, how
//! it is found again after a crash, and how it is taken down.
//!
//! Order at start: choose networks, bridge, forwarding, rules, door. Each step
//! leaves alone what is already as wanted, so a daemon that comes back disturbs
//! no packet of a running pod.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fs_err as fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

use crate::addresses::Addresses;
use crate::cidr::{Cidr, free_pod_network};
use crate::desired::Desired;
use crate::door::client::Door;
use crate::door::control::Request;
use crate::door::listen::Kind;
use crate::ground::Ground;
use crate::link::{Links, Taken, failed};
use crate::model::{Route, Service, Settings};
use crate::rules::Place;
use crate::{Access, Error, Result, nft};

/// The running network of one instance. Cheap to clone; dropping the last clone
/// leaves everything as it is, like a crash would.
#[derive(Debug, Clone)]
pub struct Net {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) ground: Ground,
    pub(crate) pods: Cidr,
    pub(crate) bridge: u32,
    pub(crate) mtu: u32,
    /// One change of the pods' interfaces at a time.
    pub(crate) order: tokio::sync::Mutex<()>,
    pub(crate) desired: tokio::sync::Mutex<Desired>,
    /// Wakes those who wait for a change of `desired`.
    told: tokio::sync::watch::Sender<()>,
    /// Link removals in the background.
    pub(crate) removals: TaskTracker,
    run_dir: PathBuf,
    domain: String,
    service_cidr: Cidr,
    front_door: Vec<SocketAddr>,
    wanted: Vec<(Kind, SocketAddr)>,
    supervisor: Mutex<Option<AbortHandle>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.supervisor).take() {
            task.abort();
        }
    }
}

impl Net {
    /// Makes the network, or finds it again.
    ///
    /// # Errors
    /// [`Error::PortTaken`] and [`Error::Overlap`] are the user's to solve, all
    /// others the environment's.
    pub async fn start(settings: Settings) -> Result<Self> {
        check_instance(&settings.instance)?;
        for dir in [&settings.state_dir, &settings.run_dir] {
            fs::create_dir_all(dir).map_err(|e| Error::state("create", dir, e))?;
        }
        let bridge_name = format!("sh{}", settings.instance);
        let links = Links::here().map_err(failed("open", "the routing socket"))?;
        let ours = links.index(&bridge_name).await.map_err(failed("find", &bridge_name))?;
        let taken = links.taken(ours).await.map_err(failed("list", "addresses and routes"))?;
        let addresses = choose_networks(&settings, &taken, ours.is_some())?;
        let pods = addresses.pod_cidr();
        let service_cidr = Cidr::new(settings.service_cidr.0, settings.service_cidr.1);

        let uplink = links.uplink().await.map_err(failed("find", "the default route"))?;
        let place = Place {
            table: format!("shelf_{}", settings.instance),
            bridge: bridge_name,
            pod_cidr: (pods.network, pods.prefix),
            service_cidr: (service_cidr.network, service_cidr.prefix),
        };
        let ground = Ground {
            instance: settings.instance.clone(),
            place,
            links,
            addresses: Arc::new(Mutex::new(addresses)),
            door: Door::new(&settings.run_dir),
        };
        let raised = match ground.raise(&settings, &uplink, pods, service_cidr).await {
            Ok(raised) => raised,
            Err(error) => {
                // Nothing of ours was here before: what a failed start has made goes again.
                if ours.is_none()
                    && let Err(left) = ground.clear().await
                {
                    tracing::warn!(error = %left, "a failed start left something behind");
                }
                return Err(error);
            }
        };
        let inner = Arc::new(Inner {
            ground,
            pods,
            bridge: raised.bridge,
            mtu: uplink.mtu,
            order: tokio::sync::Mutex::new(()),
            desired: tokio::sync::Mutex::new(raised.desired),
            told: tokio::sync::watch::Sender::new(()),
            removals: TaskTracker::new(),
            run_dir: settings.run_dir,
            domain: settings.domain,
            service_cidr,
            front_door: raised.front_door,
            wanted: raised.wanted,
            supervisor: Mutex::new(None),
        });
        let net = Self { inner };
        net.supervise();
        Ok(net)
    }

    /// Where pods ask for names: the bridge's address, port 53.
    #[must_use]
    pub fn dns_address(&self) -> Ipv4Addr {
        self.inner.pods.gateway()
    }

    /// Where HTTP is answered, in the order of the settings, ports filled in.
    #[must_use]
    pub fn front_door(&self) -> Vec<SocketAddr> {
        self.inner.front_door.clone()
    }

    /// The pods' network and its prefix length.
    #[must_use]
    pub fn pod_cidr(&self) -> (Ipv4Addr, u8) {
        (self.inner.pods.network, self.inner.pods.prefix)
    }

    /// Replaces the whole list of services. Once it returns, new connections and
    /// names follow it; established connections stay where they are.
    ///
    /// # Errors
    /// [`Error::Rules`] or [`Error::Door`]; the list is kept and written again
    /// with the next change.
    pub async fn set_services(&self, services: Vec<Service>) -> Result<()> {
        let mut desired = self.inner.desired.lock().await;
        desired.set_services(services);
        let applied = self.apply(&mut desired).await;
        self.inner.told.send_replace(());
        applied
    }

    /// Replaces the front door's whole table; requests in flight are not touched.
    ///
    /// # Errors
    /// [`Error::Door`], as for [`Net::set_services`].
    pub async fn set_routes(&self, routes: Vec<Route>) -> Result<()> {
        let mut desired = self.inner.desired.lock().await;
        desired.set_routes(routes);
        let applied = self.apply(&mut desired).await;
        self.inner.told.send_replace(());
        applied
    }

    /// Sends no new traffic to `ip`, then waits until the front door has nothing
    /// on its way there, `at_most` so long. It gets traffic again when a pod is
    /// attached with it, or when it was absent from the desired state once.
    ///
    /// The last copy of a route or service keeps its traffic until the desired
    /// state names another one or goes on without it; that wait is part of
    /// `at_most`.
    pub async fn drain(&self, ip: Ipv4Addr, at_most: Duration) {
        let deadline = tokio::time::Instant::now() + at_most;
        {
            let mut desired = self.inner.desired.lock().await;
            desired.drain(ip);
            if let Err(error) = self.apply(&mut desired).await {
                tracing::warn!(%ip, error = %chain(&error), "could not take a pod out of service");
            }
        }
        if tokio::time::timeout_at(deadline, self.until_replaced(ip)).await.is_err() {
            tracing::info!(%ip, "still the only copy of a service at its end");
        }
        let at_most = deadline.saturating_duration_since(tokio::time::Instant::now());
        let door = self.inner.ground.door.clone();
        let waited = tokio::task::spawn_blocking(move || door.wait_idle(ip, at_most)).await;
        match waited {
            Ok(Ok(0)) => {}
            Ok(Ok(left)) => tracing::info!(%ip, left, "requests still in flight after draining"),
            Ok(Err(error)) => tracing::warn!(%ip, error = %chain(&error), "could not drain"),
            Err(error) => tracing::warn!(%ip, %error, "could not drain"),
        }
    }

    /// Returns once no new traffic goes to a drained address.
    async fn until_replaced(&self, ip: Ipv4Addr) {
        let mut told = self.inner.told.subscribe();
        loop {
            told.borrow_and_update();
            if !self.inner.desired.lock().await.serves(ip) {
                return;
            }
            if told.changed().await.is_err() {
                return;
            }
        }
    }

    /// What the front door counted for each route since it started.
    ///
    /// # Errors
    /// [`Error::Door`] if it does not answer.
    pub async fn access(&self) -> Result<Vec<Access>> {
        let door = self.inner.ground.door.clone();
        blocking(move || door.ask(&Request::Counters)).await.map(|reply| reply.access)
    }

    /// Stops looking after the network. Everything goes on working (rules, names,
    /// front door) unless `remove_links`: then bridge, links, rules, the door and
    /// all state are removed.
    ///
    /// # Errors
    /// The first removal that failed; the others are tried all the same.
    pub async fn shutdown(&self, remove_links: bool) -> Result<()> {
        if let Some(task) = lock(&self.inner.supervisor).take() {
            task.abort();
        }
        self.inner.removals.close();
        self.inner.removals.wait().await;
        if !remove_links {
            return Ok(());
        }
        let _order = self.inner.order.lock().await;
        self.inner.ground.clear().await
    }

    async fn apply(&self, desired: &mut Desired) -> Result<()> {
        let inner = &self.inner;
        desired.write_rules(&inner.ground.place).await?;
        let config = desired.config(&inner.domain, inner.pods, inner.service_cidr);
        if desired.is_saved(&config) {
            return Ok(());
        }
        config.save(&inner.run_dir)?;
        inner.ground.send(config.clone(), &inner.wanted).await?;
        desired.note_saved(config);
        Ok(())
    }

    async fn configure_door(&self) -> Result<()> {
        let inner = &self.inner;
        let mut desired = inner.desired.lock().await;
        let config = desired.config(&inner.domain, inner.pods, inner.service_cidr);
        inner.ground.send(config.clone(), &inner.wanted).await?;
        desired.note_saved(config);
        Ok(())
    }

    /// Watches the door and starts it again when it ends.
    fn supervise(&self) {
        let weak = Arc::downgrade(&self.inner);
        let socket = self.inner.ground.door.socket().to_owned();
        let task = tokio::spawn(async move {
            let mut pause = Duration::from_millis(20);
            loop {
                if until_it_ends(&socket).await.is_ok() {
                    pause = Duration::from_millis(20);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
                let Some(inner) = weak.upgrade() else { return };
                tracing::warn!("the front door's process ended; starting it again");
                let net = Self { inner };
                let (door, wanted) = (net.inner.ground.door.clone(), net.inner.wanted.clone());
                let restarted = blocking(move || door.ensure(&wanted)).await;
                let restarted = match restarted {
                    Ok(_) => net.configure_door().await,
                    Err(error) => Err(error),
                };
                if let Err(error) = restarted {
                    tracing::error!(error = %chain(&error), "no front door");
                }
            }
        });
        *lock(&self.inner.supervisor) = Some(task.abort_handle());
    }
}

/// Returns when the door behind the socket has ended; an error if none answered.
async fn until_it_ends(socket: &Path) -> io::Result<()> {
    let mut stream = tokio::net::UnixStream::connect(socket).await?;
    stream.write_all(b"{\"do\":\"watch\"}\n").await?;
    // Nothing ever comes but the end, in whatever form.
    drop(stream.read(&mut [0_u8; 1]).await);
    Ok(())
}

fn check_instance(instance: &str) -> Result<()> {
    let fits = (1..=6).contains(&instance.len())
        && instance.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if fits { Ok(()) } else { Err(Error::Instance(instance.to_owned())) }
}

/// The pod network: as set, as remembered, or a free one; `live` if our bridge
/// is there, and so perhaps pods with addresses.
fn choose_networks(settings: &Settings, taken: &[Taken], live: bool) -> Result<Addresses> {
    let services = Cidr::new(settings.service_cidr.0, settings.service_cidr.1);
    let conflict = |ours: Cidr, what: &str, virtual_too: bool| {
        taken
            .iter()
            .filter(|other| virtual_too || !other.virtual_route)
            .find(|other| other.cidr.overlaps(ours))
            .map(|other| Error::Overlap {
                ours: format!("the {what} network {ours}"),
                other: other.by.clone(),
            })
    };
    if let Some(error) = conflict(services, "service", false) {
        return Err(error);
    }
    let remembered = Addresses::load(&settings.state_dir)?;
    if let Some((network, prefix)) = settings.pod_cidr {
        let pods = Cidr::new(network, prefix);
        if services.overlaps(pods) {
            return Err(Error::Overlap {
                ours: format!("the pod network {pods}"),
                other: format!("the service network {services}"),
            });
        }
        if let Some(error) = conflict(pods, "pod", true) {
            return Err(error);
        }
        let same = remembered.filter(|known| known.pod_cidr() == pods);
        return Ok(same.unwrap_or_else(|| Addresses::new(&settings.state_dir, pods)));
    }
    if let Some(known) = remembered {
        let pods = known.pod_cidr();
        let clash = conflict(pods, "pod", true);
        if live || (clash.is_none() && !services.overlaps(pods)) {
            if let Some(error) = clash {
                tracing::warn!(%error, "pods keep their addresses while any of them runs");
            }
            return Ok(known);
        }
    }
    let mut all: Vec<Cidr> = taken.iter().map(|other| other.cidr).collect();
    all.push(services);
    let pods = free_pod_network(&settings.instance, &all).ok_or(Error::NoFreeNetwork)?;
    Ok(Addresses::new(&settings.state_dir, pods))
}

/// Sends a finished batch from a blocking thread.
pub(crate) async fn commit(table: String, batch: (Vec<u8>, Vec<String>)) -> Result<()> {
    blocking(move || {
        nft::socket::commit(&batch.0, &batch.1).map_err(|source| Error::Rules { table, source })
    })
    .await
}

/// Runs what blocks away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// An error with all its causes, for logs.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// A poisoned lock guards plain data that is changed in one step: still good.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
