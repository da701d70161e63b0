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
use crate::door::config::Config;
use crate::door::control::Request;
use crate::door::listen::Kind;
use crate::link::{Links, Taken, failed};
use crate::model::{Route, Service, Settings};
use crate::rules::Place;
use crate::{Access, Error, Result, nft, rules};

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// The running network of one instance. Cheap to clone; dropping the last clone
/// leaves everything as it is, like a crash would.
#[derive(Debug, Clone)]
pub struct Net {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) instance: String,
    pub(crate) place: Place,
    pub(crate) pods: Cidr,
    pub(crate) bridge: u32,
    pub(crate) mtu: u32,
    pub(crate) links: Links,
    pub(crate) addresses: Arc<Mutex<Addresses>>,
    /// One change of the pods' interfaces at a time.
    pub(crate) order: tokio::sync::Mutex<()>,
    pub(crate) desired: tokio::sync::Mutex<Desired>,
    pub(crate) door: Door,
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
        let mut addresses = choose_networks(&settings, &taken, ours.is_some())?;
        let pods = addresses.pod_cidr();
        let service_cidr = Cidr::new(settings.service_cidr.0, settings.service_cidr.1);

        let uplink = links.uplink().await.map_err(failed("find", "the default route"))?;
        let bridge = links
            .ensure_bridge(&bridge_name, pods, uplink.mtu)
            .await
            .map_err(failed("set up bridge", &bridge_name))?;
        if !uplink.has_default_route {
            links
                .add_service_route(bridge, service_cidr, pods.gateway())
                .await
                .map_err(failed("add the service route to", &bridge_name))?;
        }
        if switch_forwarding_on()? {
            addresses.note_forwarding_changed();
        }
        addresses.save()?;

        let place = Place {
            table: format!("shelf_{}", settings.instance),
            bridge: bridge_name,
            pod_cidr: (pods.network, pods.prefix),
            service_cidr: (service_cidr.network, service_cidr.prefix),
        };
        let door = Door::new(&settings.run_dir);
        let mut desired =
            Desired::remembered(&settings.run_dir, &settings.domain, pods, service_cidr);
        desired.write_rules(&place).await?;
        desired.config(&settings.domain, pods, service_cidr).save(&settings.run_dir)?;
        warn_of_foreign_rules(place.table.clone());
        let opened = open_door(&door, pods.gateway(), &settings.front_door).await;
        let ((front_door, wanted), failure) = match opened {
            Ok(opened) => (opened, None),
            Err(error) => (Default::default(), Some(error)),
        };
        let inner = Arc::new(Inner {
            instance: settings.instance,
            place,
            pods,
            bridge,
            mtu: uplink.mtu,
            links,
            addresses: Arc::new(Mutex::new(addresses)),
            order: tokio::sync::Mutex::new(()),
            desired: tokio::sync::Mutex::new(desired),
            door,
            removals: TaskTracker::new(),
            run_dir: settings.run_dir,
            domain: settings.domain,
            service_cidr,
            front_door,
            wanted,
            supervisor: Mutex::new(None),
        });
        let net = Self { inner };
        if let Some(error) = failure {
            // Nothing of ours was here before: what a failed start has made goes again.
            if ours.is_none()
                && let Err(left) = net.remove_everything().await
            {
                tracing::warn!(error = %left, "a failed start left something behind");
            }
            return Err(error);
        }
        net.configure_door().await?;
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
        self.apply(&mut desired).await
    }

    /// Replaces the front door's whole table; requests in flight are not touched.
    ///
    /// # Errors
    /// [`Error::Door`], as for [`Net::set_services`].
    pub async fn set_routes(&self, routes: Vec<Route>) -> Result<()> {
        let mut desired = self.inner.desired.lock().await;
        desired.set_routes(routes);
        self.apply(&mut desired).await
    }

    /// Sends no new traffic to `ip`, then waits until the front door has nothing
    /// on its way there, `at_most` so long. It gets traffic again when a pod is
    /// attached with it, or when it was absent from the desired state once.
    pub async fn drain(&self, ip: Ipv4Addr, at_most: Duration) {
        {
            let mut desired = self.inner.desired.lock().await;
            desired.drain(ip);
            if let Err(error) = self.apply(&mut desired).await {
                tracing::warn!(%ip, error = %chain(&error), "could not take a pod out of service");
            }
        }
        let door = self.inner.door.clone();
        let waited = tokio::task::spawn_blocking(move || door.wait_idle(ip, at_most)).await;
        match waited {
            Ok(Ok(0)) => {}
            Ok(Ok(left)) => tracing::info!(%ip, left, "requests still in flight after draining"),
            Ok(Err(error)) => tracing::warn!(%ip, error = %chain(&error), "could not drain"),
            Err(error) => tracing::warn!(%ip, %error, "could not drain"),
        }
    }

    /// What the front door counted for each route since it started.
    ///
    /// # Errors
    /// [`Error::Door`] if it does not answer.
    pub async fn access(&self) -> Result<Vec<Access>> {
        let door = self.inner.door.clone();
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
        if remove_links { self.remove_everything().await } else { Ok(()) }
    }

    async fn remove_everything(&self) -> Result<()> {
        let inner = &self.inner;
        let _order = inner.order.lock().await;
        let door = inner.door.clone();
        let mut first = blocking(move || door.stop()).await;
        let mut note = |result: Result<()>| {
            if first.is_ok() {
                first = result;
            }
        };
        let pod_links = inner.links.names(&format!("v{}-", inner.instance)).await;
        let pod_links = pod_links.map_err(failed("list", "pod links"));
        match pod_links {
            Ok(list) => {
                for (name, _) in list {
                    note(inner.links.delete(&name).await.map_err(failed("remove", &name)));
                }
            }
            Err(error) => note(Err(error)),
        }
        let bridge = &inner.place.bridge;
        note(inner.links.delete(bridge).await.map_err(failed("remove", bridge)));
        let table = inner.place.table.clone();
        note(commit(table.clone(), rules::removal(&table).finish()).await);
        let changed = lock(&inner.addresses).forwarding_changed();
        let others = inner.links.names("sh").await.unwrap_or_default();
        // Another instance may have come to rely on it.
        if changed && others.is_empty() {
            let off = fs::write(FORWARDING, "0");
            note(off.map_err(|source| Error::Sysctl {
                path: FORWARDING.into(),
                value: "0",
                source,
            }));
        }
        note(lock(&inner.addresses).forget());
        first
    }

    async fn apply(&self, desired: &mut Desired) -> Result<()> {
        let inner = &self.inner;
        desired.write_rules(&inner.place).await?;
        let config = desired.config(&inner.domain, inner.pods, inner.service_cidr);
        if desired.is_saved(&config) {
            return Ok(());
        }
        config.save(&inner.run_dir)?;
        self.send_config(config.clone()).await?;
        desired.note_saved(config);
        Ok(())
    }

    async fn configure_door(&self) -> Result<()> {
        let inner = &self.inner;
        let mut desired = inner.desired.lock().await;
        let config = desired.config(&inner.domain, inner.pods, inner.service_cidr);
        self.send_config(config.clone()).await?;
        desired.note_saved(config);
        Ok(())
    }

    /// Sends the configuration, to a new door if the old one just died.
    async fn send_config(&self, config: Config) -> Result<()> {
        let (door, wanted) = (self.inner.door.clone(), self.inner.wanted.clone());
        blocking(move || {
            let request = Request::Configure { config: Box::new(config) };
            door.ask(&request).or_else(|_| {
                door.ensure(&wanted)?;
                door.ask(&request)
            })
        })
        .await
        .map(|_| ())
    }

    /// Watches the door and starts it again when it ends.
    fn supervise(&self) {
        let weak = Arc::downgrade(&self.inner);
        let socket = self.inner.door.socket().to_owned();
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
                let (door, wanted) = (net.inner.door.clone(), net.inner.wanted.clone());
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

/// Switches IPv4 forwarding on; whether it was off.
fn switch_forwarding_on() -> Result<bool> {
    let failed = |source| Error::Sysctl { path: FORWARDING.into(), value: "1", source };
    if fs::read_to_string(FORWARDING).map_err(failed)?.trim() == "1" {
        return Ok(false);
    }
    fs::write(FORWARDING, "1").map_err(failed)?;
    Ok(true)
}

/// Starts or finds the door: the front door's addresses, and everything it is
/// to listen on.
async fn open_door(
    door: &Door,
    gateway: Ipv4Addr,
    front_door: &[SocketAddr],
) -> Result<(Vec<SocketAddr>, Vec<(Kind, SocketAddr)>)> {
    let dns = SocketAddr::from((gateway, 53));
    let for_pods = |address: &SocketAddr| {
        // Pods reach the front door at the bridge; a wildcard covers that.
        let covered = address.ip().is_unspecified() || address.ip() == gateway;
        (!covered).then(|| (Kind::Http, SocketAddr::from((gateway, address.port()))))
    };
    let http = |addresses: &[SocketAddr]| {
        let mut list: Vec<_> = addresses.iter().map(|address| (Kind::Http, *address)).collect();
        list.extend([(Kind::DnsUdp, dns), (Kind::DnsTcp, dns)]);
        let inside: Vec<_> =
            addresses.iter().filter(|a| a.port() != 0).filter_map(for_pods).collect();
        for one in inside {
            if !list.contains(&one) {
                list.push(one);
            }
        }
        list
    };
    let (first, asked) = (door.clone(), http(front_door));
    let mut actual = blocking(move || first.ensure(&asked)).await?;
    actual.truncate(front_door.len());
    let wanted = http(&actual);
    if front_door.iter().any(|address| address.port() == 0) {
        // Only now are all ports known.
        let (second, asked) = (door.clone(), wanted.clone());
        blocking(move || second.ensure(&asked)).await?;
    }
    Ok((actual, wanted))
}

/// Accepting in our table does not help against a drop in another one.
fn warn_of_foreign_rules(own: String) {
    tokio::task::spawn_blocking(move || match nft::socket::foreign_forward_drops(&own) {
        Ok(found) => {
            for chain in found {
                tracing::warn!(
                    chain,
                    "a firewall drops forwarded packets; pods may not reach the network"
                );
            }
        }
        Err(error) => tracing::debug!(%error, "could not look for foreign firewall rules"),
    });
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
