//! The image of a container: found here, or fetched from its registry with the pod's secrets.
//!
//! Policies are Kubernetes': `Never` and `IfNotPresent` take what is here; `Always` asks the
//! registry at every start, but for an image that was made on this machine, which has none to ask.

use std::sync::Arc;
use std::time::{Duration, Instant};

use image::Reference;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, ResourceExt};
use registry::Login;
use serde_json::Value;
use tokio::sync::watch;

use super::{Desired, Worker, all_containers};
use crate::error::Error;
use crate::host::{Host, title};
use crate::plan::Start;
use crate::status::Waiting;

/// Images with this domain are built here and are in no registry.
const BUILT_HERE: &str = "shelf.local";
const SECRET_KEY: &str = ".dockerconfigjson";

impl Worker {
    /// Makes sure that the image of a container is here.
    pub(super) async fn image(&mut self, pod: &Arc<Pod>, start: &Start) -> Result<(), Error> {
        let container = all_containers(pod).find(|c| c.name == start.name);
        let image = container.and_then(|c| c.image.clone()).unwrap_or_default();
        let policy = container.and_then(|c| c.image_pull_policy.clone());
        let policy = policy.as_deref().unwrap_or("IfNotPresent");
        let name = image.clone();
        let found = self.host.blocking("find image", move |pods| pods.image(&name)).await;
        let images = self.host.pods.images();
        let ask = policy == "Always" && images.came_from_registry(&image).unwrap_or(false);
        let result = match found {
            Ok(_) if !ask => Ok(()),
            Err(error) if policy == "Never" => {
                let reason = format!("image \"{image}\" is not on this machine: {}", error.chain());
                Err(("ErrImageNeverPull", reason))
            }
            found => {
                let here = found.err().map(|error| error.chain());
                self.fetch(pod, &start.name, &image, here).await.map_err(|reason| {
                    let first = self.memory.failures == 0;
                    (if first { "ErrImagePull" } else { "ImagePullBackOff" }, reason)
                })
            }
        };
        match result {
            Ok(()) => {
                let told = self.memory.waiting.get(&start.name);
                if told.is_some_and(|waiting| waiting.reason.contains("Image")) {
                    self.memory.waiting.remove(&start.name);
                }
                Ok(())
            }
            Err((reason, message)) => {
                self.memory.waiting.insert(
                    start.name.clone(),
                    Waiting { reason: reason.to_owned(), message: message.clone() },
                );
                self.host.recorder.warning(pod, Some(&start.name), "Failed", message.clone());
                Err(Error::Image { reason: message })
            }
        }
    }

    /// Fetches an image; the error is what people read.
    async fn fetch(
        &mut self,
        pod: &Arc<Pod>,
        container: &str,
        image: &str,
        missing: Option<String>,
    ) -> Result<(), String> {
        let why = missing.unwrap_or_else(|| "it is asked for anew".to_owned());
        let not_here = || format!("image \"{image}\" is not on this machine: {why}");
        let reference = Reference::parse(image).map_err(|error| error.to_string())?;
        let host = self.host.clone();
        let Some(client) =
            host.settings.registry.clone().filter(|_| reference.domain != BUILT_HERE)
        else {
            return Err(not_here());
        };
        let recorder = &host.recorder;
        recorder.normal(pod, Some(container), "Pulling", format!("Pulling image \"{image}\""));
        let began = Instant::now();
        let mut logins = secrets(&host, pod, &reference).await;
        if let Some(login) = client.login(&reference).map_err(|error| error.line())? {
            logins.push(login);
        }
        let deleted = deleted(self.desired.clone());
        let fetched = tokio::select! {
            fetched = any_login(&host, &client, &reference, &logins) => fetched,
            () = deleted => return Err("the pod was deleted while its image came".to_owned()),
        };
        let taken = fetched
            .map_err(|error| format!("Failed to pull image \"{image}\": {}", error.line()))?;
        let seconds = Duration::as_secs_f64(&began.elapsed());
        let size: u64 = taken.layers.iter().map(|layer| layer.size).sum();
        let text = format!(
            "Successfully pulled image \"{image}\" in {seconds:.1}s. Image size: {size} bytes."
        );
        recorder.normal(pod, Some(container), "Pulled", text);
        self.memory.fetched.insert(container.to_owned());
        Ok(())
    }
}

/// With each login in turn, as the kubelet does it; without one if there is none.
async fn any_login(
    host: &Host,
    client: &registry::Client,
    name: &Reference,
    logins: &[Login],
) -> registry::Result<image::Image> {
    let images = host.pods.images();
    let mut result = None;
    for login in logins {
        match client.pull(images, name, Some(login), &|_| ()).await {
            Err(error @ registry::Error::Denied { .. }) => result = Some(Err(error)),
            other => return other,
        }
    }
    match result {
        Some(result) => result,
        None => client.pull(images, name, None, &|_| ()).await,
    }
}

/// The logins for an image in the pod's `imagePullSecrets`; those that are not there or hold
/// something else are left out, as the kubelet does it.
async fn secrets(host: &Host, pod: &Pod, name: &Reference) -> Vec<Login> {
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(host.client.clone(), &namespace);
    let mut logins = Vec::new();
    let named = pod.spec.iter().flat_map(|spec| spec.image_pull_secrets.iter().flatten());
    for secret in named {
        let found = match api.get_opt(&secret.name).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(pod = title(pod), secret = secret.name, %error, "not read");
                continue;
            }
        };
        let data = found.and_then(|secret| secret.data).unwrap_or_default();
        let document = data.get(SECRET_KEY).and_then(|bytes| serde_json::from_slice(&bytes.0).ok());
        let login = document.and_then(|all: Value| registry::login_in(&all, name));
        if login.is_none() {
            tracing::debug!(pod = title(pod), secret = secret.name, image = %name, "no login in it");
        }
        logins.extend(login);
    }
    logins
}

/// Ends when the pod is not wanted any more.
async fn deleted(mut desired: watch::Receiver<Desired>) {
    let over = |desired: &Desired| match desired {
        Desired::Gone => true,
        Desired::Pod(pod) => pod.metadata.deletion_timestamp.is_some(),
    };
    if desired.wait_for(over).await.is_err() {
        // The node ends: what is under way may be finished.
        std::future::pending::<()>().await;
    }
}
