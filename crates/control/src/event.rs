//! Events: what the loops tell the user about an object, as core/v1 Events.
//!
//! The same news about the same object raises a count instead of making a new
//! event. Old events are swept after an hour, and never more than
//! `MOST_EVENTS` are kept.

use crate::error::{Error, Result};
use crate::object::{Object, stamp};
use crate::resource::EVENT;
use crate::watch::chain;
use jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::mpsc;

const LIFETIME: Duration = Duration::from_secs(3600);
const MOST_EVENTS: usize = 5_000;
const MOST_REMEMBERED: usize = 1_000;
const MOST_WAITING: usize = 256;

/// Takes news; writing happens in the background, and is dropped when far behind.
#[derive(Clone)]
pub(crate) struct Recorder {
    sender: mpsc::Sender<News>,
}

/// News on its way to the API.
pub(crate) struct News {
    regarding: Value,
    namespace: String,
    component: &'static str,
    type_: &'static str,
    reason: &'static str,
    message: String,
}

#[derive(PartialEq, Eq, Hash, Clone)]
struct Topic {
    uid: String,
    reason: &'static str,
    message: String,
}

struct Known {
    namespace: String,
    name: String,
    count: u64,
}

impl Recorder {
    /// A recorder and the end to hand to [`write`].
    pub(crate) fn new() -> (Self, mpsc::Receiver<News>) {
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        (Self { sender }, receiver)
    }

    /// Tells that something usual happened to an object.
    pub(crate) fn normal(
        &self,
        component: &'static str,
        object: &Object,
        reason: &'static str,
        message: String,
    ) {
        self.send(component, object, "Normal", reason, message);
    }

    /// Tells that something went wrong with an object.
    pub(crate) fn warning(
        &self,
        component: &'static str,
        object: &Object,
        reason: &'static str,
        message: String,
    ) {
        self.send(component, object, "Warning", reason, message);
    }

    fn send(
        &self,
        component: &'static str,
        object: &Object,
        type_: &'static str,
        reason: &'static str,
        message: String,
    ) {
        let namespace = if object.namespace().is_empty() { "default" } else { object.namespace() };
        let news = News {
            regarding: object.reference(),
            namespace: namespace.to_owned(),
            component,
            type_,
            reason,
            message,
        };
        if self.sender.try_send(news).is_err() {
            // Events are best effort: the objects' status says the same.
            tracing::debug!(reason, "an event was dropped: too many are waiting");
        }
    }
}

/// Writes news for as long as recorders exist.
pub(crate) async fn write(client: kube::Client, mut receiver: mpsc::Receiver<News>) {
    let mut known: HashMap<Topic, Known> = HashMap::new();
    let mut order: VecDeque<Topic> = VecDeque::new();
    while let Some(news) = receiver.recv().await {
        let topic = Topic {
            uid: news.regarding["uid"].as_str().unwrap_or("").to_owned(),
            reason: news.reason,
            message: news.message.clone(),
        };
        let result = match known.get_mut(&topic) {
            Some(event) => repeat(&client, event).await,
            None => Ok(false),
        };
        let result = match result {
            Ok(true) => Ok(()),
            Ok(false) => match create(&client, &news).await {
                Ok(name) => {
                    order.push_back(topic.clone());
                    known.insert(topic, Known { namespace: news.namespace, name, count: 1 });
                    if order.len() > MOST_REMEMBERED
                        && let Some(oldest) = order.pop_front()
                    {
                        known.remove(&oldest);
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {}
            // The namespace is going away, or gone.
            Err(error) if error.is_race() => {
                tracing::debug!(error = %chain(&error), "an event was not written")
            }
            Err(error) => tracing::warn!(error = %chain(&error), "an event was not written"),
        }
    }
}

fn events(client: &kube::Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &EVENT.api_resource())
}

fn failed(operation: &'static str, namespace: &str, source: kube::Error) -> Error {
    Error::Request { operation, path: EVENT.collection_path(namespace), source: Box::new(source) }
}

/// Counts one more; false when the event is gone.
async fn repeat(client: &kube::Client, event: &mut Known) -> Result<bool> {
    event.count += 1;
    let patch =
        Patch::Merge(json!({"count": event.count, "lastTimestamp": stamp(Timestamp::now())}));
    match events(client, &event.namespace).patch(&event.name, &PatchParams::default(), &patch).await
    {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(failed("patch", &event.namespace, error)),
    }
}

async fn create(client: &kube::Client, news: &News) -> Result<String> {
    let now = Timestamp::now();
    let subject = news.regarding["name"].as_str().unwrap_or("unknown");
    let name = format!("{subject}.{:016x}", rand::random::<u64>());
    let body = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": news.namespace},
        "involvedObject": news.regarding,
        "type": news.type_,
        "reason": news.reason,
        "message": news.message,
        "source": {"component": news.component},
        "reportingComponent": news.component,
        "firstTimestamp": stamp(now),
        "lastTimestamp": stamp(now),
        "count": 1,
    });
    let object: DynamicObject = serde_json::from_value(body)
        .map_err(|error| Error::Bug(format!("event {name}: {error}")))?;
    let created = events(client, &news.namespace).create(&PostParams::default(), &object).await;
    created.map(|_| name).map_err(|error| failed("create", &news.namespace, error))
}

/// Deletes events past their time, for ever; sleeps until the next one is due.
pub(crate) async fn sweep(client: kube::Client) {
    loop {
        let pause = match sweep_once(&client).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "events were not swept, will retry");
                Duration::from_secs(60)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// One sweep; returns the time until the next is worth it.
async fn sweep_once(client: &kube::Client) -> Result<Duration> {
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &EVENT.api_resource());
    let list = all.list(&ListParams::default()).await.map_err(|error| failed("list", "", error))?;
    let mut aged: Vec<(Timestamp, String, String)> = list
        .items
        .into_iter()
        .map(|event| {
            let last = last_seen(&event);
            (
                last,
                event.metadata.namespace.unwrap_or_default(),
                event.metadata.name.unwrap_or_default(),
            )
        })
        .collect();
    aged.sort();
    let now = Timestamp::now();
    let surplus = aged.len().saturating_sub(MOST_EVENTS);
    let mut kept = aged.len();
    for (index, (last, namespace, name)) in aged.iter().enumerate() {
        if index >= surplus && age(*last, now) < LIFETIME {
            let due = LIFETIME - age(*last, now);
            // Many events: look again soon, for others write them too.
            let most = if kept > MOST_EVENTS / 2 { Duration::from_secs(300) } else { LIFETIME };
            return Ok(due.clamp(Duration::from_secs(60), most));
        }
        match events(client, namespace).delete(name, &DeleteParams::default()).await {
            Ok(_) => kept -= 1,
            Err(kube::Error::Api(status)) if status.code == 404 => kept -= 1,
            Err(error) => return Err(failed("delete", namespace, error)),
        }
    }
    Ok(LIFETIME)
}

fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// When the event last happened, in whichever field its writer put it.
fn last_seen(event: &DynamicObject) -> Timestamp {
    let fields = [
        event.data.pointer("/series/lastObservedTime"),
        event.data.get("lastTimestamp"),
        event.data.get("eventTime"),
        event.data.get("firstTimestamp"),
    ];
    let written =
        fields.into_iter().flatten().filter_map(Value::as_str).find_map(|text| text.parse().ok());
    let created = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    written.or(created).unwrap_or(Timestamp::UNIX_EPOCH)
}
