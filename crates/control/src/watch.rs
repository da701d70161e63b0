//! Feeds the cache: one list-then-watch per kind.
//!
//! The states of the watch are those of kube's watcher: `Init` starts a
//! complete list, `InitDone` ends it, `Apply` and `Delete` follow; after a
//! disconnect it resumes, or starts over with `Init`.

use crate::cache::Cache;
use crate::object::{Key, Object};
use crate::resource::Resource;
use futures::StreamExt;
use kube::core::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::watch;

/// Keeps one kind of the cache current for ever; `synced` turns true after the first complete list.
pub(crate) async fn follow(
    client: kube::Client,
    resource: Resource,
    cache: Arc<Cache>,
    synced: watch::Sender<bool>,
) {
    let api: kube::Api<DynamicObject> = kube::Api::all_with(client, &resource.api_resource());
    let mut events =
        std::pin::pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
    let mut listed = HashSet::new();
    let mut known_before = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => {
                listed.clear();
                known_before = cache.keys(resource);
            }
            Ok(Event::InitApply(raw)) => {
                let object = Object::from_api(resource, raw);
                listed.insert(object.key());
                cache.put(object);
            }
            Ok(Event::InitDone) => {
                cache.retain(resource, &listed, &known_before);
                listed = HashSet::new();
                known_before = HashSet::new();
                synced.send_replace(true);
            }
            Ok(Event::Apply(raw)) => {
                cache.put(Object::from_api(resource, raw));
            }
            Ok(Event::Delete(raw)) => {
                let object = Object::from_api(resource, raw);
                let key = Key::new(object.namespace(), object.name());
                cache.remove(resource, &key, object.uid(), Some(object.revision()));
            }
            Err(error) => {
                tracing::warn!(resource = resource.plural, error = %chain(&error), "watch failed, will retry");
            }
        }
    }
}

/// An error with all its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
