//! The files of a disk: read and written by a pod of our own that mounts the disk and nothing
//! else.
//!
//! It is root in a user namespace of its own, so it keeps owners and modes, and the worst archive
//! can write nowhere but on that disk. Where next: `inside.rs`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tokio::time::Instant;

use super::inside::Place;
use crate::{Error, Result, Target};

/// Where the disk is in the pod.
pub(super) const AT: &str = "/disk";
/// It ends by itself, should nobody end it.
const LIFE_SECONDS: &str = "21600";
const PATIENCE: Duration = Duration::from_secs(60);

/// The pod, while it is there.
pub(super) struct Helper {
    api: Api<Pod>,
    name: String,
    pub(super) place: Place,
}

/// Packs a disk.
pub(super) fn pack() -> Vec<String> {
    ["tar", "--directory", AT, "--numeric-owner", "--one-file-system", "-cf", "-", "."]
        .map(str::to_owned)
        .to_vec()
}

/// Empties a disk and unpacks what comes.
pub(super) fn unpack() -> Vec<String> {
    let script = format!(
        "cd {AT} && find . -xdev -mindepth 1 -delete && \
         exec tar --numeric-owner --same-owner --preserve-permissions -xf -"
    );
    ["/bin/sh", "-c", &script].map(str::to_owned).to_vec()
}

impl Helper {
    /// Starts a pod with a disk in it. `image` must have a shell, `tar`, `find` and `sleep`.
    pub(super) async fn start(
        target: &Target,
        app: &str,
        claim: &str,
        image: &str,
        read_only: bool,
    ) -> Result<Self> {
        let api: Api<Pod> = Api::namespaced(target.client.clone(), app);
        let name = format!("shelf-data-{claim}");
        let helper = Self {
            api,
            place: Place { app: app.into(), pod: name.clone(), container: "data".into() },
            name,
        };
        helper.delete().await?;
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": helper.name, "namespace": app, "labels": {
                "app.kubernetes.io/name": helper.name,
                "app.kubernetes.io/part-of": app,
                "app.kubernetes.io/managed-by": "shelf",
                "shelf.dev/job": "data",
            } },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "hostUsers": false,
                "terminationGracePeriodSeconds": 0,
                "securityContext": { "runAsUser": 0, "runAsGroup": 0 },
                "containers": [{
                    "name": "data",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sleep", LIFE_SECONDS],
                    "securityContext": { "allowPrivilegeEscalation": false },
                    "volumeMounts": [{ "name": "disk", "mountPath": AT, "readOnly": read_only }],
                }],
                "volumes": [{ "name": "disk", "persistentVolumeClaim": { "claimName": claim } }],
            },
        });
        let pod: Pod = serde_json::from_value(pod)
            .map_err(|error| helper.failed(format!("its pod is not understood: {error}")))?;
        helper
            .api
            .create(&PostParams::default(), &pod)
            .await
            .map_err(Error::api(format!("create the pod {}", helper.name)))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pod = helper.read().await?;
            let status = pod.as_ref().and_then(|pod| pod.status.as_ref());
            let containers = status.and_then(|status| status.container_statuses.as_ref());
            let container = containers.and_then(|containers| containers.first());
            let state = container.and_then(|container| container.state.as_ref());
            if state.is_some_and(|state| state.running.is_some()) {
                return Ok(helper);
            }
            let waits = state.and_then(|state| state.waiting.as_ref());
            if Instant::now() > deadline || state.is_some_and(|state| state.terminated.is_some()) {
                let why = waits.and_then(|waits| waits.message.clone().or(waits.reason.clone()));
                let why = why.unwrap_or_else(|| "it does not start".into());
                helper.end().await;
                return Err(helper.failed(why));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes the pod away.
    pub(super) async fn end(&self) {
        if let Err(error) = self.delete().await {
            // It ends by itself, and the next of its name takes it away.
            tracing::warn!(%error, pod = self.name, "a pod was left behind");
        }
    }

    async fn delete(&self) -> Result<()> {
        match self.api.delete(&self.name, &DeleteParams::default().grace_period(0)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            Err(error) => return Err(Error::api(format!("delete the pod {}", self.name))(error)),
        }
        let deadline = Instant::now() + PATIENCE;
        while self.read().await?.is_some() {
            if Instant::now() > deadline {
                return Err(self.failed("its pod does not end".into()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn read(&self) -> Result<Option<Pod>> {
        let found = self.api.get_opt(&self.name).await;
        found.map_err(Error::api(format!("read the pod {}", self.name)))
    }

    fn failed(&self, why: String) -> Error {
        let claim = self.name.trim_start_matches("shelf-data-");
        Error::Program { block: claim.to_owned(), verb: "mount", why, lines: Vec::new() }
    }
}
