//! What is told of a pod: last words of its containers, and its status when it changes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodStatus};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use pod::State;
use serde_json::json;

use super::{Memory, Worker, all_containers, told_of};
use crate::error::Error;
use crate::host::{api_error, title};
use crate::plan::{Plan, Recorded};
use crate::status;

/// Bytes taken from a container's termination message, as upstream.
const MESSAGE: u64 = 4096;

impl Worker {
    /// Keeps the last words of containers that have ended, and ends the watch over them.
    pub(super) fn note_ends(&mut self, containers: &[Container], state: Option<&State>) {
        for container in containers {
            let known = state.and_then(|state| state.container(&container.name));
            let Some((known, exit)) = known.and_then(|k| Some((k, k.exit?))) else { continue };
            self.health.forget(&container.name);
            let noted = self.memory.messages.get(&container.name);
            if noted.is_none_or(|(attempt, _)| *attempt != known.attempt) {
                let text = self.last_words(container, known, exit.code != 0);
                self.memory.messages.insert(container.name.clone(), (known.attempt, text));
            }
        }
    }

    pub(super) fn last_words(
        &self,
        container: &Container,
        known: &pod::ContainerState,
        failed: bool,
    ) -> String {
        use std::io::Read;
        let path = self.termination_log(&container.name, known.attempt);
        let mut text = Vec::new();
        if let Ok(file) = std::fs::File::open(path) {
            // Unreadable is the same as empty: nobody wrote last words.
            let _ = file.take(MESSAGE).read_to_end(&mut text);
        }
        let from_log =
            container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
        if text.is_empty() && failed && from_log {
            let options = pod::LogOptions {
                tail_lines: Some(80),
                limit_bytes: Some(2048),
                ..pod::LogOptions::default()
            };
            let mut sink = |part: &[u8]| {
                text.extend_from_slice(part);
                std::ops::ControlFlow::Continue(())
            };
            // Without a log there are no last words.
            let _ = self.host.pods.read_log(
                &self.id,
                &container.name,
                Some(known.attempt),
                &options,
                &mut sink,
            );
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(super) fn termination_log(&self, container: &str, attempt: u32) -> PathBuf {
        self.host
            .pods
            .volumes_dir(&self.id)
            .join(".termination")
            .join(format!("{container}.{attempt}"))
    }

    /// Writes the pod's status if it has changed.
    pub(super) async fn report(&mut self, pod: &Arc<Pod>, plan: &Plan) -> Result<(), Error> {
        let state = self.host.pods.get(&self.id);
        let messages: BTreeMap<String, String> =
            self.memory.messages.iter().map(|(k, (_, text))| (k.clone(), text.clone())).collect();
        let host_ip = self.host.host_ip.to_string();
        let status = status::status(&status::Input {
            pod,
            state: state.as_ref(),
            plan,
            waiting: &self.memory.waiting,
            last: &self.memory.last,
            messages: &messages,
            started: &|name| self.health.started(name),
            ready: &|name| self.health.ready(name),
            failure: self.memory.failure.as_ref(),
            host_ip: &host_ip,
            now: Timestamp::now(),
        });
        self.tell(pod, &status).await
    }

    pub(super) async fn tell(&mut self, pod: &Pod, status: &PodStatus) -> Result<(), Error> {
        let new = serde_json::to_value(status).unwrap_or_default();
        if self.memory.told.as_ref() == Some(&new) {
            return Ok(());
        }
        let old = serde_json::to_value(pod.status.clone().unwrap_or_default()).unwrap_or_default();
        if self.memory.told.is_none() && old == new {
            self.memory.told = Some(new);
            return Ok(());
        }
        let patch = json!({"metadata": {"uid": self.id}, "status": new});
        let namespace = pod.namespace().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.host.client.clone(), &namespace);
        let params = PatchParams::default();
        match api.patch_status(&pod.name_any(), &params, &Patch::Merge(patch)).await {
            Ok(_) => {
                self.memory.told = Some(new);
                Ok(())
            }
            // Deleted meanwhile, or another pod has its name now: the watch will say so.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(api_error("write status of pod", title(pod))(error)),
        }
    }
}

/// What the pod's status still tells after a restart of the daemon, or of the machine.
pub(super) fn remember(pod: &Pod) -> Memory {
    let mut memory = Memory::default();
    for container in all_containers(pod) {
        let Some(told) = told_of(pod, &container.name) else { continue };
        let ended = told.state.as_ref().and_then(|s| s.terminated.clone());
        let last = told.last_state.as_ref().and_then(|s| s.terminated.clone());
        let recorded = Recorded {
            restart_count: u32::try_from(told.restart_count).unwrap_or(0),
            ended: ended.as_ref().or(last.as_ref()).map(|t| t.exit_code),
            started: told.container_id.is_some(),
        };
        memory.recorded.insert(container.name.clone(), recorded);
        if let Some(last) = last {
            memory.last.insert(container.name.clone(), last);
        }
    }
    memory
}
