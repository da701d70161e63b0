//! What an instance owns on the host: bridge, links, rules, the door's process, its addresses;
//! how it is raised, and how every bit of it is taken away again. Where next: `start.rs`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use fs_err as fs;

use crate::addresses::Addresses;
use crate::cidr::Cidr;
use crate::desired::Desired;
use crate::door::client::Door;
use crate::door::config::Config;
use crate::door::control::Request;
use crate::door::listen::Kind;
use crate::link::{Links, Uplink, failed};
use crate::model::Settings;
use crate::rules::Place;
use crate::start::{blocking, commit, lock};
use crate::{Error, Result, nft, rules};

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// The names and handles of everything that [`Ground::raise`] makes and [`Ground::clear`] removes.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) instance: String,
    pub(crate) place: Place,
    pub(crate) links: Links,
    pub(crate) addresses: Arc<Mutex<Addresses>>,
    pub(crate) door: Door,
}

/// What is known once everything stands.
pub(crate) struct Raised {
    /// The bridge's index.
    pub(crate) bridge: u32,
    pub(crate) desired: Desired,
    /// The front door's addresses, ports filled in.
    pub(crate) front_door: Vec<SocketAddr>,
    /// Everything the door is to listen on.
    pub(crate) wanted: Vec<(Kind, SocketAddr)>,
}

impl Ground {
    /// Makes what is missing and leaves alone what is as wanted. After an error some of it may
    /// stand.
    pub(crate) async fn raise(
        &self,
        settings: &Settings,
        uplink: &Uplink,
        pods: Cidr,
        services: Cidr,
    ) -> Result<Raised> {
        let name = &self.place.bridge;
        let bridge = self
            .links
            .ensure_bridge(name, pods, uplink.mtu)
            .await
            .map_err(failed("set up bridge", name))?;
        if !uplink.has_default_route {
            self.links
                .add_service_route(bridge, services, pods.gateway())
                .await
                .map_err(failed("add the service route to", name))?;
        }
        let switched = switch_forwarding_on()?;
        {
            let mut addresses = lock(&self.addresses);
            if switched {
                addresses.note_forwarding_changed();
            }
            addresses.save()?;
        }
        let mut desired = Desired::remembered(&settings.run_dir, &settings.domain, pods, services);
        desired.write_rules(&self.place).await?;
        let config = desired.config(&settings.domain, pods, services);
        config.save(&settings.run_dir)?;
        warn_of_foreign_rules(self.place.table.clone());
        let (front_door, wanted) =
            open_door(&self.door, pods.gateway(), &settings.front_door).await?;
        self.send(config.clone(), &wanted).await?;
        desired.note_saved(config);
        Ok(Raised { bridge, desired, front_door, wanted })
    }

    /// Sends the configuration, to a new door if the old one just died.
    pub(crate) async fn send(&self, config: Config, wanted: &[(Kind, SocketAddr)]) -> Result<()> {
        let (door, wanted) = (self.door.clone(), wanted.to_vec());
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

    /// Removes all of it; the first failure is returned, the rest is tried all the same.
    pub(crate) async fn clear(&self) -> Result<()> {
        let door = self.door.clone();
        let mut first = blocking(move || door.stop()).await;
        let mut note = |result: Result<()>| {
            if first.is_ok() {
                first = result;
            }
        };
        let pod_links = self.links.names(&format!("v{}-", self.instance)).await;
        match pod_links.map_err(failed("list", "pod links")) {
            Ok(list) => {
                for (name, _) in list {
                    note(self.links.delete(&name).await.map_err(failed("remove", &name)));
                }
            }
            Err(error) => note(Err(error)),
        }
        let bridge = &self.place.bridge;
        note(self.links.delete(bridge).await.map_err(failed("remove", bridge)));
        let services = self.place.table.clone();
        for table in [crate::policies::table(&services), services] {
            note(commit(table.clone(), rules::removal(&table).finish()).await);
        }
        let changed = lock(&self.addresses).forwarding_changed();
        let others = self.links.names("sh").await.unwrap_or_default();
        // Another instance may have come to rely on it.
        if changed && others.is_empty() {
            let off = fs::write(FORWARDING, "0");
            note(off.map_err(|source| Error::Sysctl {
                path: FORWARDING.into(),
                value: "0",
                source,
            }));
        }
        note(lock(&self.addresses).forget());
        first
    }
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
