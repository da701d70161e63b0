//! Carrying a plan out: images, sandbox, volumes, containers, in this order.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::time::Instant;

use super::{Worker, all_containers};
use crate::downward::Facts;
use crate::env::Sources;
use crate::error::Error;
use crate::plan::{Plan, Start};
use crate::probe::Target;
use crate::status::{self, Waiting};
use crate::volumes::{self, Ready};
use crate::{delete, hooks, machine, translate};

impl Worker {
    pub(super) async fn carry_out(&mut self, pod: &Arc<Pod>, plan: &Plan) -> Result<(), Error> {
        let host = self.host.clone();
        // Images first: nothing is made for a pod that cannot start.
        for start in &plan.start {
            self.image(pod, start).await?;
        }
        // Closed only with the node, which does not happen while a worker runs.
        let turn = host.starts.acquire().await;
        let sandbox = translate::sandbox(pod, &host.settings);
        let created = host.blocking("create pod", move |pods| pods.create(&sandbox)).await?;
        let facts = machine::facts(created.ip, host.host_ip);
        let ready = volumes::prepare(&host, pod, &facts).await?;
        self.memory.refreshed = Some(Instant::now());
        let sources = volumes::sources(&host, pod).await?;
        let mut result = Ok(());
        let mut started = Vec::new();
        for start in &plan.start {
            match self.start(pod, start, &ready, &sources, &facts).await {
                Ok(container) => started.extend(container),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        // A hook may wait for another pod, which must find a free turn.
        drop(turn);
        for container in &started {
            self.after_start(pod, container).await;
        }
        result
    }

    pub(super) async fn start(
        &mut self,
        pod: &Arc<Pod>,
        start: &Start,
        ready: &BTreeMap<String, Ready>,
        sources: &Sources,
        facts: &Facts,
    ) -> Result<Option<Container>, Error> {
        let Some(container) = all_containers(pod).find(|c| c.name == start.name).cloned() else {
            return Ok(None);
        };
        let env = crate::env::environment(pod, &container, sources, facts)?;
        let log = self.termination_log(&container.name, start.attempt);
        make_log(&log).map_err(|source| Error::File {
            action: "make",
            path: log.clone(),
            source,
        })?;
        let made = translate::container(pod, &container, env, ready, log, start.attempt)?;
        let state = self.host.pods.get(&self.id);
        if let Some(known) = state.as_ref().and_then(|s| s.container(&container.name))
            && let Some(exit) = &known.exit
        {
            let message = self.memory.messages.get(&container.name).map(|(_, text)| text.as_str());
            let ended = status::terminated(known, exit, message);
            self.memory.last.insert(container.name.clone(), ended);
        }
        self.memory.back_offs.insert(container.name.clone(), start.back_off);
        let id = self.id.clone();
        let started = self
            .host
            .blocking("start container", move |pods| pods.start_container(&id, &made))
            .await;
        let name = container.name.clone();
        if let Err(error) = started {
            let text = format!("Error: {}", error.chain());
            self.host.recorder.warning(pod, Some(&name), "Failed", text.clone());
            // A program that could not be executed counts as one that ended at once.
            let ended = self.host.pods.get(&self.id).is_some_and(|state| {
                state.container(&name).is_some_and(|c| c.attempt == start.attempt)
            });
            if ended {
                self.memory.messages.insert(name, (start.attempt, text));
                return Ok(None);
            }
            return Err(error);
        }
        self.memory.waiting.remove(&name);
        let image = container.image.clone().unwrap_or_default();
        let recorder = &self.host.recorder;
        let pulled = format!("Container image \"{image}\" already present on machine");
        if !self.memory.fetched.remove(&name) {
            recorder.normal(pod, Some(&name), "Pulled", pulled);
        }
        recorder.normal(pod, Some(&name), "Created", format!("Created container {name}"));
        recorder.normal(pod, Some(&name), "Started", format!("Started container {name}"));
        self.watch(pod, &container, start.attempt, (false, false));
        Ok(Some(container))
    }

    pub(super) async fn after_start(&mut self, pod: &Arc<Pod>, container: &Container) {
        let hook = container.lifecycle.as_ref().and_then(|l| l.post_start.as_ref());
        let Some(hook) = hook else { return };
        let ip = self.host.pods.get(&self.id).and_then(|state| state.ip);
        let target = Target {
            host: self.host.clone(),
            pod: pod.clone(),
            container: container.clone(),
            ip: ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST),
        };
        if let Err(why) = hooks::run(&target, hook).await {
            let name = Some(container.name.as_str());
            let text = format!("PostStartHook failed: {why}");
            self.host.recorder.warning(pod, name, "FailedPostStartHook", text);
            let grace = delete::grace(pod);
            let why = format!("FailedPostStartHook, stopping container {}", container.name);
            delete::stop(&self.host, pod, container.clone(), grace, why).await;
        }
    }

    /// Notes why containers wait, for their statuses and for people.
    pub(super) fn cannot_start(&mut self, pod: &Pod, plan: &Plan, error: &Error) {
        let text = error.chain();
        let reason = match error {
            Error::Config { .. } => "CreateContainerConfigError",
            Error::Volume { .. } => {
                self.host.recorder.warning(pod, None, "FailedMount", text.clone());
                "ContainerCreating"
            }
            Error::Image { .. } => return,
            Error::Pod { action: "create pod", .. } => {
                self.host.recorder.warning(pod, None, "FailedCreatePodSandBox", text.clone());
                "ContainerCreating"
            }
            _ => "CreateContainerError",
        };
        if matches!(error, Error::Config { .. }) {
            self.host.recorder.warning(pod, None, "Failed", format!("Error: {text}"));
        }
        for start in &plan.start {
            let known = self.host.pods.get(&self.id);
            let runs = known.is_some_and(|s| s.container(&start.name).is_some_and(|c| c.running()));
            if !runs {
                let waiting = Waiting { reason: reason.to_owned(), message: text.clone() };
                self.memory.waiting.insert(start.name.clone(), waiting);
            }
        }
    }
}

/// The file behind the container's termination message; anybody inside may write it.
fn make_log(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    fs_err::write(path, "")?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o666))
}
