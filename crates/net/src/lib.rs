//! The network of this machine's pods: one bridge, one interface and address
//! for each pod, stable service addresses (nftables), names (DNS) and the front
//! door (HTTP). Knows nothing of Kubernetes or containers: a pod is an id and a
//! network namespace, a service is a list of addresses.
//!
//! Start reading at `start.rs` (what exists once [`Net::start`] returns), then
//! `attach.rs` (a pod), `rules.rs` (what the kernel does with packets) and
//! `door.rs` (the small process that answers names and HTTP and outlives us).
//!
//! ```no_run
//! # async fn example(netns: std::os::fd::OwnedFd) -> Result<(), net::Error> {
//! let net = net::Net::start(net::Settings {
//!     instance: "demo".into(),
//!     state_dir: "/var/lib/shelf/net".into(),
//!     run_dir: "/run/shelf".into(),
//!     pod_cidr: None,
//!     service_cidr: ([10, 96, 0, 0].into(), 16),
//!     domain: "cluster.local".into(),
//!     front_door: vec!["127.0.0.1:8080".parse().unwrap()],
//! })
//! .await?;
//! let pod = net.attach("b1946ac9", netns).await?;
//! println!("{}/{} via {}", pod.ip, pod.prefix, pod.gateway);
//! # Ok(())
//! # }
//! ```

mod attach;
mod desired;
mod error;
mod ground;
mod model;
mod policies;
mod start;

mod addresses;
mod cidr;
mod link;
mod nft;
mod rules;

mod dns;
pub mod door;

pub use door::Access;
pub use error::Error;
pub use model::{Attachment, Host, Protocol, Route, Service, ServicePort, Settings};
pub use policies::{Allow, Block, Direction, Peers, Policy, Ports};
pub use start::Net;

/// The result of every door of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
