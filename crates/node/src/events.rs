//! Events people read with `kubectl describe`: written in the background, repeats counted.
//!
//! Losing one loses nothing but a line of help, so the queue is bounded and a full one drops.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use tokio::sync::mpsc;

/// Events that may wait to be written.
const QUEUE: usize = 512;
/// Repeats remembered; forgotten all at once beyond, which only costs a new line.
const REPEATS: usize = 1024;

/// Takes events; never blocks.
pub(crate) struct Recorder {
    queue: mpsc::Sender<Note>,
}

struct Note {
    reference: ObjectReference,
    kind: &'static str,
    reason: &'static str,
    message: String,
}

/// Writes what a [`Recorder`] takes.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Note>,
    host: String,
    seen: HashMap<(String, &'static str, String), (String, i32)>,
}

impl Recorder {
    pub(crate) fn new(host: &str) -> (Self, Writer) {
        let (sender, queue) = mpsc::channel(QUEUE);
        (Self { queue: sender }, Writer { queue, host: host.to_owned(), seen: HashMap::new() })
    }

    /// Something ordinary happened to the pod, or to one of its containers.
    pub(crate) fn normal(
        &self,
        pod: &Pod,
        container: Option<&str>,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.note(pod, container, "Normal", reason, message.into());
    }

    /// Something went wrong.
    pub(crate) fn warning(
        &self,
        pod: &Pod,
        container: Option<&str>,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.note(pod, container, "Warning", reason, message.into());
    }

    fn note(
        &self,
        pod: &Pod,
        container: Option<&str>,
        kind: &'static str,
        reason: &'static str,
        message: String,
    ) {
        let reference = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: Some(pod.name_any()),
            namespace: pod.namespace(),
            uid: pod.uid(),
            field_path: container.map(|name| format!("spec.containers{{{name}}}")),
            ..ObjectReference::default()
        };
        // Full: the writer is behind, and a dropped line of help is better than a stopped pod.
        let _ = self.queue.try_send(Note { reference, kind, reason, message });
    }
}

impl Writer {
    /// Writes until the recorder is gone.
    pub(crate) async fn run(mut self, client: kube::Client) {
        while let Some(note) = self.queue.recv().await {
            if let Err(error) = self.write(&client, note).await {
                tracing::debug!(%error, "event not written");
            }
        }
    }

    async fn write(&mut self, client: &kube::Client, note: Note) -> Result<(), kube::Error> {
        let namespace = note.reference.namespace.clone().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let now = Timestamp::now();
        let uid = note.reference.uid.clone().unwrap_or_default();
        let key = (uid, note.reason, note.message.clone());
        if let Some((name, count)) = self.seen.get_mut(&key) {
            *count += 1;
            let patch = serde_json::json!({"count": count, "lastTimestamp": Time(now)});
            let name = name.clone();
            if events.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.is_ok() {
                return Ok(());
            }
        }
        if self.seen.len() >= REPEATS {
            self.seen.clear();
        }
        let pod = note.reference.name.clone().unwrap_or_default();
        let name = format!("{pod}.{:x}", now.as_nanosecond());
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace),
                ..ObjectMeta::default()
            },
            involved_object: note.reference,
            type_: Some(note.kind.to_owned()),
            reason: Some(note.reason.to_owned()),
            message: Some(note.message),
            source: Some(EventSource {
                component: Some("shelf-node".into()),
                host: Some(self.host.clone()),
            }),
            reporting_component: Some("shelf-node".into()),
            reporting_instance: Some(self.host.clone()),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            count: Some(1),
            ..Event::default()
        };
        events.create(&PostParams::default(), &event).await?;
        self.seen.insert(key, (name, 1));
        Ok(())
    }
}
