//! A pod's end: no new traffic, hooks, signals, grace, removal, and only then the object.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Preconditions};

use crate::error::Error;
use crate::hooks;
use crate::host::{Host, api_error, uid};
use crate::plan::is_sidecar;
use crate::probe::Target;

/// Grace of pods that ask for none.
const GRACE: i64 = 30;
/// Longest wait for requests in flight; a client that never ends must not hold the pod.
const DRAIN: Duration = Duration::from_secs(10);

/// How long this pod may take to end, by its deletion or its spec.
pub(crate) fn grace(pod: &Pod) -> Duration {
    let asked = pod
        .metadata
        .deletion_grace_period_seconds
        .or_else(|| pod.spec.as_ref()?.termination_grace_period_seconds)
        .unwrap_or(GRACE);
    Duration::from_secs(u64::try_from(asked).unwrap_or(0))
}

/// Stops all containers in good order: traffic away first, then the containers, then those that
/// ran beside them, in reverse.
pub(crate) async fn stop_all(host: &Arc<Host>, pod: &Arc<Pod>, grace: Duration) {
    let Some(state) = host.pods.get(&uid(pod)) else { return };
    if let Some(ip) = state.ip.filter(|_| state.alive && !grace.is_zero()) {
        host.net.drain(ip, grace.min(DRAIN)).await;
    }
    let deadline = tokio::time::Instant::now() + grace;
    let spec = pod.spec.clone().unwrap_or_default();
    let inits = spec.init_containers.unwrap_or_default();
    let (side, first): (Vec<_>, Vec<_>) = inits.into_iter().partition(is_sidecar);
    let main = spec.containers.into_iter().chain(first);
    let why = |container: &Container| format!("Stopping container {}", container.name);
    join_all(main.map(|container| {
        let why = why(&container);
        stop(host, pod, container, grace, why)
    }))
    .await;
    for container in side.into_iter().rev() {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let left = left.max(Duration::from_secs(2)).min(grace);
        let why = why(&container);
        stop(host, pod, container, left, why).await;
    }
}

/// Stops one container, with its preStop hook, if it runs; `why` is told as an event.
pub(crate) async fn stop(
    host: &Arc<Host>,
    pod: &Arc<Pod>,
    container: Container,
    grace: Duration,
    why: String,
) {
    let id = uid(pod);
    let Some(state) = host.pods.get(&id) else { return };
    if !state.container(&container.name).is_some_and(|known| known.running()) {
        return;
    }
    let name = container.name.clone();
    host.recorder.normal(pod, Some(&name), "Killing", why);
    let ip = state.ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST);
    let target = Target { host: host.clone(), pod: pod.clone(), container, ip };
    let left = hooks::before_stop(&target, grace).await;
    let stopped =
        host.blocking("stop container", move |pods| pods.stop_container(&id, &name, left)).await;
    if let Err(error) = stopped {
        tracing::warn!(
            pod = crate::host::title(pod),
            error = error.chain(),
            "container not stopped"
        );
    }
}

/// Removes all that the pod left on this machine, retrying what fails: a pod's object may only go
/// when nothing is left of it.
pub(crate) async fn remove(host: &Host, id: &str) {
    let mut pause = Duration::from_millis(200);
    loop {
        let id = id.to_owned();
        match host.blocking("remove pod", move |pods| pods.remove(&id)).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(error = error.chain(), "pod not removed, trying again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}

/// Deletes the object for good. One that is gone, or was made anew under the same name, is fine.
pub(crate) async fn delete_object(host: &Host, pod: &Pod) -> Result<(), Error> {
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(host.client.clone(), &namespace);
    let params = DeleteParams {
        grace_period_seconds: Some(0),
        preconditions: Some(Preconditions { uid: pod.uid(), resource_version: None }),
        ..DeleteParams::default()
    };
    match api.delete(&pod.name_any(), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => Err(api_error("delete pod", crate::host::title(pod))(error)),
    }
}
