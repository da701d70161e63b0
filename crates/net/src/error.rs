//! What can go wrong, named by the operation that failed.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A failed operation of the net room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The front door or the DNS server cannot have its address.
    #[error("{address} is taken by {holder}")]
    PortTaken {
        /// What we tried to listen on.
        address: SocketAddr,
        /// The process that listens there, as far as we may see it.
        holder: String,
    },
    /// Listening failed for another reason than a taken port.
    #[error("listen on {address}")]
    Listen {
        /// What we tried to listen on.
        address: SocketAddr,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The instance name would not fit into interface names.
    #[error("instance {0:?} must be 1 to 6 of [a-z0-9]")]
    Instance(String),
    /// Two networks would share addresses.
    #[error("{ours} overlaps {other}; choose another range")]
    Overlap {
        /// The range we were asked to use, and for what.
        ours: String,
        /// The route, address or range it collides with.
        other: String,
    },
    /// Every candidate for the pod network is in use.
    #[error("no free pod network between 10.88.0.0 and 10.127.255.255; set one")]
    NoFreeNetwork,
    /// All addresses of the pod network are taken.
    #[error("no free address in the pod network {network}/{prefix}")]
    NoFreeAddress {
        /// The pod network.
        network: Ipv4Addr,
        /// Its prefix length.
        prefix: u8,
    },
    /// Reading or writing our own state.
    #[error("{what} {}", path.display())]
    State {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A state file is not one of ours or of a newer version.
    #[error("{} is not a {expected} file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Format name and version we read.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A request to the kernel's routing netlink failed.
    #[error("{what} {subject}")]
    Link {
        /// What was tried.
        what: &'static str,
        /// On which link, address or pod.
        subject: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel refused our packet rules.
    #[error("write nftables table {table}")]
    Rules {
        /// The table's name.
        table: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A kernel setting could not be changed.
    #[error("set {path} to {value}")]
    Sysctl {
        /// The file below `/proc/sys`.
        path: String,
        /// The value we need.
        value: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The door process could not be started or does not answer.
    #[error("{what} the door process at {}", path.display())]
    Door {
        /// What was tried.
        what: &'static str,
        /// Its control socket.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn state(what: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::State { what, path: path.into(), source }
    }
}
