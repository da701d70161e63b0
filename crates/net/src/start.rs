//! start
use crate::*;
use std::{net::*, os::fd::OwnedFd, time::Duration};
/// The running network of one instance. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Net {}
impl Net {
    /// start
    pub async fn start(_settings: Settings) -> Result<Self> { unimplemented!() }
    /// dns
    pub fn dns_address(&self) -> Ipv4Addr { unimplemented!() }
    /// front door
    pub fn front_door(&self) -> Vec<SocketAddr> { unimplemented!() }
    /// attach
    pub async fn attach(&self, _pod_id: &str, _netns: OwnedFd) -> Result<Attachment> { unimplemented!() }
    /// detach
    pub async fn detach(&self, _pod_id: &str) -> Result<()> { unimplemented!() }
    /// retain
    pub async fn retain(&self, _pod_ids: &[String]) -> Result<()> { unimplemented!() }
    /// list
    pub fn attachments(&self) -> Vec<(String, Ipv4Addr)> { unimplemented!() }
    /// services
    pub async fn set_services(&self, _services: Vec<Service>) -> Result<()> { unimplemented!() }
    /// routes
    pub async fn set_routes(&self, _routes: Vec<Route>) -> Result<()> { unimplemented!() }
    /// drain
    pub async fn drain(&self, _ip: Ipv4Addr, _at_most: Duration) { unimplemented!() }
    /// shutdown
    pub async fn shutdown(&self, _remove_links: bool) -> Result<()> { unimplemented!() }
}
