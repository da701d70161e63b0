//! A connection to a port of a pod, made inside it: what listens on its loopback alone is reached
//! too.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Error;
use crate::pods::{Pods, lock};

/// How long a port may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Pods {
    /// Connects to a port of a pod. Blocks.
    pub fn dial(&self, pod_id: &str, port: u16) -> Result<TcpStream, Error> {
        let pod = self.inner.pod(pod_id)?;
        let sandbox = lock(&pod.sandbox).clone();
        let address = lock(&pod.state).ip;
        let sandbox = sandbox.ok_or_else(|| Error::NoPod { id: pod_id.to_owned() })?;
        let netns = sandbox.netns();
        // A socket belongs to the namespace it was made in; the thread that went there ends.
        let dialing = std::thread::Builder::new().name("pod-dial".into()).spawn(move || {
            move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))?;
            let first = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), PATIENCE);
            let others = [
                Some(SocketAddr::from((Ipv6Addr::LOCALHOST, port))),
                address.map(|address| (address, port).into()),
            ];
            others.into_iter().flatten().fold(first, |found, next| {
                found.or_else(|error| {
                    // The loopback's word is the one that is meant.
                    TcpStream::connect_timeout(&next, PATIENCE).map_err(|_| error)
                })
            })
        });
        let failed = |source| Error::Dial { id: pod_id.to_owned(), port, source };
        let dialed = dialing.map_err(failed)?.join();
        dialed.unwrap_or_else(|_| Err(io::Error::other("the thread panicked"))).map_err(failed)
    }
}
