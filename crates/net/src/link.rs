//! Links, addresses and routes over rtnetlink: the bridge in the host's
//! namespace, the two ends of a pod's veth. Every act is idempotent: what is
//! already as wanted is left alone.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use fs_err as fs;
use futures::TryStreamExt;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{
    InfoBridgePort, InfoData, InfoVeth, LinkAttribute, LinkMessage, State,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteProtocol, RouteScope};
use rtnetlink::{
    Handle, LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth,
    RouteMessageBuilder,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Error;
use crate::cidr::Cidr;

/// The name of every pod's interface, inside.
const INSIDE: &str = "eth0";
/// Marks our routes (any number the kernel does not use itself).
const OUR_ROUTES: RouteProtocol = RouteProtocol::Other(83);

/// A network already in use on this host, and what uses it.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) cidr: Cidr,
    pub(crate) by: String,
    /// A service route of another instance: no conflict with our services.
    pub(crate) virtual_route: bool,
}

/// The host's route to the world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uplink {
    pub(crate) mtu: u32,
    pub(crate) has_default_route: bool,
}

/// A netlink socket in one network namespace.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    handle: Handle,
}

impl Links {
    /// In the calling thread's network namespace. Must run inside tokio.
    pub(crate) fn here() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        // Ends by itself when the last handle is dropped.
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// In another network namespace. A socket belongs to the namespace it was
    /// made in, so only its making needs a thread that has gone there; that
    /// thread also writes the namespace's settings, then ends.
    async fn inside(netns: OwnedFd) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("net-inside".into()).spawn(move || {
            let made = (|| {
                move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))?;
                let _runtime = runtime.enter();
                let links = Self::here()?;
                quieten_inside();
                Ok(links)
            })();
            // The receiver is gone only if attach was cancelled.
            drop(sender.send(made));
        })?;
        receiver.await.map_err(|_| io::Error::other("the thread ended early"))?
    }

    pub(crate) async fn index(&self, name: &str) -> io::Result<Option<u32>> {
        Ok(self.get(name).await?.map(|link| link.header.index))
    }

    async fn get(&self, name: &str) -> io::Result<Option<LinkMessage>> {
        let mut stream =
            std::pin::pin!(self.handle.link().get().match_name(name.to_owned()).execute());
        match stream.try_next().await {
            Ok(link) => Ok(link),
            Err(error) => match errno(&error) {
                Some(libc::ENODEV) => Ok(None),
                _ => Err(plain(&error)),
            },
        }
    }

    /// Names and indexes of the links whose name begins with `prefix`.
    pub(crate) async fn names(&self, prefix: &str) -> io::Result<Vec<(String, u32)>> {
        let mut stream = std::pin::pin!(self.handle.link().get().execute());
        let mut found = Vec::new();
        while let Some(link) = stream.try_next().await.map_err(|e| plain(&e))? {
            let name = link_name(&link).unwrap_or_default();
            if name.starts_with(prefix) {
                found.push((name.to_owned(), link.header.index));
            }
        }
        Ok(found)
    }

    /// Every IPv4 network this host has an address in or a route to, except by
    /// the link `but`.
    pub(crate) async fn taken(&self, but: Option<u32>) -> io::Result<Vec<Taken>> {
        let mut taken = Vec::new();
        let mut addresses = std::pin::pin!(self.handle.address().get().execute());
        while let Some(message) = addresses.try_next().await.map_err(|e| plain(&e))? {
            if Some(message.header.index) == but {
                continue;
            }
            for attribute in &message.attributes {
                if let AddressAttribute::Address(IpAddr::V4(ip)) = attribute {
                    let cidr = Cidr::new(*ip, message.header.prefix_len);
                    let by = format!("the address {ip}/{}", message.header.prefix_len);
                    taken.push(Taken { cidr, by, virtual_route: false });
                }
            }
        }
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let mut routes = std::pin::pin!(self.handle.route().get(all).execute());
        while let Some(route) = routes.try_next().await.map_err(|e| plain(&e))? {
            let (mut to, mut out) = (None, None);
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Destination(RouteAddress::Inet(ip)) => to = Some(*ip),
                    RouteAttribute::Oif(index) => out = Some(*index),
                    _ => {}
                }
            }
            let Some(to) = to else { continue };
            if out.is_some() && out == but {
                continue;
            }
            let cidr = Cidr::new(to, route.header.destination_prefix_length);
            let virtual_route = route.header.protocol == OUR_ROUTES;
            taken.push(Taken { cidr, by: format!("the route {cidr}"), virtual_route });
        }
        Ok(taken)
    }

    /// The MTU towards the world: that of the default route's link, else 1500.
    pub(crate) async fn uplink(&self) -> io::Result<Uplink> {
        let mut best: Option<(u32, u32)> = None;
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let mut routes = std::pin::pin!(self.handle.route().get(all).execute());
        while let Some(route) = routes.try_next().await.map_err(|e| plain(&e))? {
            if route.header.destination_prefix_length != 0 {
                continue;
            }
            let (mut metric, mut out) = (0, None);
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Priority(value) => metric = *value,
                    RouteAttribute::Oif(index) => out = Some(*index),
                    _ => {}
                }
            }
            if let Some(out) = out
                && best.is_none_or(|(known, _)| metric < known)
            {
                best = Some((metric, out));
            }
        }
        let Some((_, index)) = best else {
            return Ok(Uplink { mtu: 1500, has_default_route: false });
        };
        let mut links = std::pin::pin!(self.handle.link().get().match_index(index).execute());
        let link = links.try_next().await.map_err(|e| plain(&e))?;
        let mtu = link.and_then(|link| {
            link.attributes.iter().find_map(|attribute| match attribute {
                LinkAttribute::Mtu(mtu) => Some(*mtu),
                _ => None,
            })
        });
        Ok(Uplink { mtu: mtu.unwrap_or(1500), has_default_route: true })
    }

    /// The bridge, up, with its address; its index.
    pub(crate) async fn ensure_bridge(&self, name: &str, pods: Cidr, mtu: u32) -> io::Result<u32> {
        let index = if let Some(index) = self.index(name).await? {
            index
        } else {
            // A fixed hardware address: otherwise the bridge takes the lowest of
            // its ports' and changes it under the pods' neighbour tables.
            let address = hardware_address(pods.gateway());
            let bridge = LinkBridge::new(name).mtu(mtu).address(address);
            self.handle.link().add(bridge.build()).execute().await.map_err(|e| plain(&e))?;
            quieten(name);
            self.index(name).await?.ok_or_else(|| io::Error::other("it vanished"))?
        };
        let set = LinkUnspec::new_with_index(index).mtu(mtu).up().build();
        self.handle.link().set(set).execute().await.map_err(|e| plain(&e))?;
        self.add_address(index, pods.gateway(), pods.prefix).await?;
        Ok(index)
    }

    /// A route to service addresses by the bridge: only for hosts without a
    /// default route, where the kernel would refuse them before our rules see
    /// them. What the rules do not translate they refuse.
    pub(crate) async fn add_service_route(
        &self,
        bridge: u32,
        services: Cidr,
        source: Ipv4Addr,
    ) -> io::Result<()> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(services.network, services.prefix)
            .output_interface(bridge)
            .scope(RouteScope::Link)
            .pref_source(source)
            .protocol(OUR_ROUTES)
            .build();
        present(self.handle.route().add(route).execute().await)
    }

    /// The host's end of a pod's veth, its other end born inside `netns`: a link
    /// made here and moved there costs the kernel 20 to 30 ms. The inner end
    /// must not be up at birth.
    pub(crate) async fn add_pod_link(
        &self,
        name: &str,
        bridge: u32,
        mtu: u32,
        inside: (BorrowedFd<'_>, Ipv4Addr),
    ) -> io::Result<()> {
        let (netns, ip) = inside;
        let inner = LinkMessageBuilder::<LinkUnspec>::new()
            .name(INSIDE.to_owned())
            .mtu(mtu)
            .address(hardware_address(ip))
            .setns_by_fd(netns.as_raw_fd())
            .build();
        let outer = LinkMessageBuilder::<LinkVeth>::new(name, INSIDE)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(inner)))
            .mtu(mtu)
            .controller(bridge)
            .up()
            .build();
        self.handle.link().add(outer).execute().await.map_err(|e| plain(&e))?;
        quieten(name);
        // With br_netfilter, translated frames are bridged straight on: a pod
        // that reaches itself by a service leaves by the port it came in.
        if fs::metadata("/proc/sys/net/bridge/bridge-nf-call-iptables").is_ok()
            && let Some(index) = self.index(name).await?
        {
            let port =
                LinkBridgePort::new(index).append_info_data(InfoBridgePort::HairpinMode(true));
            self.handle.link().set_port(port.build()).execute().await.map_err(|e| plain(&e))?;
        }
        Ok(())
    }

    /// Deletes a link if it is there.
    pub(crate) async fn delete(&self, name: &str) -> io::Result<()> {
        let Some(index) = self.index(name).await? else { return Ok(()) };
        match self.handle.link().del(index).execute().await {
            Ok(()) => Ok(()),
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(()),
            Err(error) => Err(plain(&error)),
        }
    }

    /// Waits until the kernel lets packets pass. Its link watch may take a second
    /// to notice a carrier, and drops what comes before; since 6.8 merely asking
    /// for the link makes it look at once, older ones are asked again.
    pub(crate) async fn wait_operational(&self, name: &str) -> io::Result<()> {
        const PAUSE: Duration = Duration::from_millis(10);
        for _ in 0..150 {
            let link = self.get(name).await?;
            let state = link.iter().flat_map(|link| &link.attributes).find_map(|a| match a {
                LinkAttribute::OperState(state) => Some(*state),
                _ => None,
            });
            if state == Some(State::Up) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("{name} has no carrier")))
    }

    async fn add_address(&self, index: u32, ip: Ipv4Addr, prefix: u8) -> io::Result<()> {
        present(self.handle.address().add(index, IpAddr::V4(ip), prefix).execute().await)
    }

    async fn up(&self, index: u32) -> io::Result<()> {
        let up = LinkUnspec::new_with_index(index).up().build();
        self.handle.link().set(up).execute().await.map_err(|e| plain(&e))
    }
}

/// Whether the namespace has an end of a pod link already.
pub(crate) async fn has_pod_link(netns: OwnedFd) -> io::Result<bool> {
    Ok(Links::inside(netns).await?.index(INSIDE).await?.is_some())
}

/// The pod's side: loopback and eth0 up, its address, its default route.
///
/// The address is a /32, so that even pods of one bridge reach each other by the
/// host's IP layer: service translation then sees the answers too, without
/// depending on br_netfilter.
pub(crate) async fn configure_inside(
    netns: OwnedFd,
    ip: Ipv4Addr,
    gateway: Ipv4Addr,
) -> io::Result<()> {
    let links = Links::inside(netns).await?;
    let missing = |name| move || io::Error::new(io::ErrorKind::NotFound, format!("no {name}"));
    let lo = links.index("lo").await?.ok_or_else(missing("lo"))?;
    let eth0 = links.index(INSIDE).await?.ok_or_else(missing(INSIDE))?;
    links.up(lo).await?;
    links.up(eth0).await?;
    links.add_address(eth0, ip, 32).await?;
    let to_gateway = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(gateway, 32)
        .output_interface(eth0)
        .scope(RouteScope::Link)
        .build();
    present(links.handle.route().add(to_gateway).execute().await)?;
    let default = RouteMessageBuilder::<Ipv4Addr>::new()
        .gateway(gateway)
        .output_interface(eth0)
        .pref_source(ip)
        .build();
    present(links.handle.route().add(default).execute().await)?;
    links.wait_operational(INSIDE).await
}

/// Switches IPv6 off on a link of ours: pods have IPv4 only, and its discovery
/// traffic is noise. A host without IPv6 has no such file: nothing to do then.
fn quieten(link: &str) {
    drop(fs::write(format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "1"));
}

/// Settings of a pod's own namespace; `/proc/sys/net` shows that of the thread.
/// None is vital: a read-only `/proc/sys` must not keep a pod from starting.
fn quieten_inside() {
    quieten(INSIDE);
    for name in ["all", INSIDE] {
        drop(fs::write(format!("/proc/sys/net/ipv4/conf/{name}/accept_redirects"), "0"));
    }
    // As container engines do: a pod has its ports for itself.
    drop(fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"));
    drop(fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"));
}

/// Follows from the IP address, so that neighbour tables stay right when a pod
/// comes back under its old address. Locally administered, unicast.
fn hardware_address(ip: Ipv4Addr) -> Vec<u8> {
    let [a, b, c, d] = ip.octets();
    vec![0x0a, 0x58, a, b, c, d]
}

fn link_name(link: &LinkMessage) -> Option<&str> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// "It exists" is success.
fn present(result: std::result::Result<(), rtnetlink::Error>) -> io::Result<()> {
    match result {
        Err(error) if errno(&error) != Some(libc::EEXIST) => Err(plain(&error)),
        _ => Ok(()),
    }
}

fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => {
            message.code.map(|code| code.get().saturating_neg())
        }
        _ => None,
    }
}

fn plain(error: &rtnetlink::Error) -> io::Error {
    errno(error).map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}

pub(crate) fn failed(
    what: &'static str,
    subject: impl Into<String>,
) -> impl FnOnce(io::Error) -> Error {
    let subject = subject.into();
    move |source| Error::Link { what, subject, source }
}
