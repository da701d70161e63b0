//! This host as every loop of the node holds it: the client, the two rooms below, and settings.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use net::Net;
use pod::Pods;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::events::Recorder;
use crate::start::Settings;

/// Sandboxes and containers made at once: more only compete for the same processors.
const STARTS: usize = 8;

/// Held by all loops; always behind an `Arc`.
pub(crate) struct Host {
    pub(crate) client: kube::Client,
    pub(crate) pods: Pods,
    pub(crate) net: Net,
    pub(crate) settings: Settings,
    pub(crate) host_ip: Ipv4Addr,
    pub(crate) recorder: Recorder,
    pub(crate) starts: Semaphore,
    pub(crate) usage: crate::usage::Usage,
    pub(crate) conditions: crate::pressure::Conditions,
}

impl Host {
    pub(crate) fn new(
        client: kube::Client,
        pods: Pods,
        net: Net,
        settings: Settings,
        recorder: Recorder,
    ) -> Self {
        let host_ip = crate::machine::address();
        let starts = Semaphore::new(STARTS);
        let usage = crate::usage::Usage::default();
        let conditions = crate::pressure::Conditions::default();
        Self { client, pods, net, settings, host_ip, recorder, starts, usage, conditions }
    }

    /// Calls a blocking door of the pod room.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        call: impl FnOnce(&Pods) -> Result<T, pod::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let pods = self.pods.clone();
        match tokio::task::spawn_blocking(move || call(&pods)).await {
            Ok(result) => result.map_err(|source| Error::Pod { action, source: Box::new(source) }),
            Err(source) => Err(Error::BrokenOff { action, source }),
        }
    }
}

/// The object's uid, which is the pod's id in the rooms below. Objects from the API have one.
pub(crate) fn uid(pod: &Pod) -> String {
    pod.uid().unwrap_or_default()
}

/// `namespace/name`, for messages.
pub(crate) fn title(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any())
}

/// Wraps a failed call of the API.
pub(crate) fn api_error(
    action: &'static str,
    object: impl Into<String>,
) -> impl FnOnce(kube::Error) -> Error {
    let object = object.into();
    move |source| Error::Api { action, object, source: Box::new(source) }
}
