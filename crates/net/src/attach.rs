//! A pod's interface: one veth pair, the outer end on the bridge, the inner one
//! born in the pod's network namespace.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crate::Result;
use crate::link::{configure_inside, failed, has_pod_link};
use crate::model::Attachment;
use crate::start::{Inner, Net, blocking, lock};

impl Net {
    /// Gives a pod its place in the network: interface, address, default route.
    /// Called again for the same pod it repairs what is missing and returns the
    /// same address. The address is remembered before anything is made.
    ///
    /// # Errors
    /// [`crate::Error::NoFreeAddress`], or [`crate::Error::Link`] naming the step;
    /// the pod then counts as attached until [`Net::detach`].
    pub async fn attach(&self, pod_id: &str, netns: OwnedFd) -> Result<Attachment> {
        let inner = &self.inner;
        let _order = inner.order.lock().await;
        let known = lock(&inner.ground.addresses).get(pod_id);
        let ip = match known {
            Some(ip) => ip,
            None => {
                let ip = lock(&inner.ground.addresses).take(pod_id)?;
                inner.desired.lock().await.welcome(ip);
                self.save().await?;
                ip
            }
        };
        let name = inner.pod_link(ip);
        let copy = || netns.try_clone().map_err(failed("enter the network namespace of", pod_id));
        let outer = inner.ground.links.index(&name).await.map_err(failed("find", &name))?;
        let made = outer.is_some()
            && has_pod_link(copy()?)
                .await
                .map_err(failed("enter the network namespace of", pod_id))?;
        if !made {
            // What is there belongs to an earlier namespace of this pod.
            inner.ground.links.delete(&name).await.map_err(failed("remove", &name))?;
            inner
                .ground
                .links
                .add_pod_link(&name, inner.bridge, inner.mtu, (netns.as_fd(), ip))
                .await
                .map_err(failed("make the interface of", pod_id))?;
        }
        let gateway = inner.pods.gateway();
        configure_inside(netns, ip, gateway)
            .await
            .map_err(failed("configure the interface of", pod_id))?;
        // The first pod wakes the bridge itself as well.
        for link in [&name, &inner.ground.place.bridge] {
            inner.ground.links.wait_operational(link).await.map_err(failed("bring up", link))?;
        }
        Ok(Attachment { ip, prefix: inner.pods.prefix, gateway, mtu: inner.mtu })
    }

    /// Takes a pod's place away; unknown pods are no error. The interface is
    /// removed in the background (it takes the kernel some 20 ms), the address
    /// comes up again only after all others.
    ///
    /// # Errors
    /// [`crate::Error::State`] if that could not be remembered.
    pub async fn detach(&self, pod_id: &str) -> Result<()> {
        let _order = self.inner.order.lock().await;
        let Some(ip) = lock(&self.inner.ground.addresses).release(pod_id) else { return Ok(()) };
        self.remove_later(self.inner.pod_link(ip));
        self.save().await
    }

    /// Detaches every pod not named, and removes interfaces of ours that belong
    /// to no pod: what a crash may have left.
    ///
    /// # Errors
    /// As [`Net::detach`]; [`crate::Error::Link`] if links cannot be listed.
    pub async fn retain(&self, pod_ids: &[String]) -> Result<()> {
        let inner = &self.inner;
        let _order = inner.order.lock().await;
        let gone: Vec<String> = {
            let addresses = lock(&inner.ground.addresses);
            let ids = addresses.all().map(|(id, _)| id);
            ids.filter(|id| !pod_ids.contains(id)).cloned().collect()
        };
        for id in &gone {
            lock(&inner.ground.addresses).release(id);
        }
        let ours = format!("v{}-", inner.ground.instance);
        let links = inner.ground.links.names(&ours).await.map_err(failed("list", "pod links"))?;
        let kept: Vec<String> =
            lock(&inner.ground.addresses).all().map(|(_, ip)| inner.pod_link(ip)).collect();
        for (name, _) in links.into_iter().filter(|(name, _)| !kept.contains(name)) {
            self.remove_later(name);
        }
        if gone.is_empty() { Ok(()) } else { self.save().await }
    }

    /// The attached pods and their addresses.
    #[must_use]
    pub fn attachments(&self) -> Vec<(String, Ipv4Addr)> {
        lock(&self.inner.ground.addresses).all().map(|(id, ip)| (id.clone(), ip)).collect()
    }

    async fn save(&self) -> Result<()> {
        let addresses = Arc::clone(&self.inner.ground.addresses);
        blocking(move || lock(&addresses).save()).await
    }

    fn remove_later(&self, name: String) {
        let links = self.inner.ground.links.clone();
        self.inner.removals.spawn(async move {
            // What is left is found by the next retain().
            if let Err(error) = links.delete(&name).await {
                tracing::warn!(link = name, %error, "could not remove a pod's interface");
            }
        });
    }
}

impl Inner {
    /// The outer end's name: instance and place in the pod network, so that it is
    /// found again without being remembered. At most 15 bytes for a /16.
    fn pod_link(&self, ip: Ipv4Addr) -> String {
        format!("v{}-{:x}", self.ground.instance, self.pods.index(ip))
    }
}
