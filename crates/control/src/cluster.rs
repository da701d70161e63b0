//! The cluster as the loops see it: reads from the cache, writes to the API.
//!
//! Each write puts the API's answer into the cache at once. Writes are creates,
//! merge patches of a few fields, and deletions with the uid as precondition,
//! so nothing that others wrote is lost.

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::event::Recorder;
use crate::object::Object;
use crate::resource::{NAMESPACE, Resource};
use http::{Method, Request};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::sync::Arc;

/// Reads, writes and events; cheap to clone.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) cache: Arc<Cache>,
    pub(crate) events: Recorder,
    client: kube::Client,
}

/// How dependents of a deleted object are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
}

/// Which part of an object a patch changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Object,
    Status,
}

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

impl Cluster {
    pub(crate) fn new(client: kube::Client, cache: Arc<Cache>, events: Recorder) -> Self {
        Self { cache, events, client }
    }

    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Reads one object from the API, past the cache.
    pub(crate) async fn live(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>> {
        let path = resource.path(namespace, name);
        match self.send::<DynamicObject>(Method::GET, &path, None, None).await {
            Ok(raw) => Ok(Some(Object::from_api(resource, raw))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists a namespace from the API, past the cache (`""`: all namespaces).
    pub(crate) async fn live_list(
        &self,
        resource: Resource,
        namespace: &str,
    ) -> Result<Vec<Object>> {
        let path = resource.collection_path(namespace);
        let list: kube::core::ObjectList<DynamicObject> =
            self.send(Method::GET, &path, None, None).await?;
        Ok(list.items.into_iter().map(|raw| Object::from_api(resource, raw)).collect())
    }

    /// Creates an object; `apiVersion` and `kind` are filled in.
    pub(crate) async fn create(
        &self,
        resource: Resource,
        namespace: &str,
        mut body: Value,
    ) -> Result<Arc<Object>> {
        body["apiVersion"] = json!(resource.api_version());
        body["kind"] = json!(resource.kind);
        let path = resource.collection_path(namespace);
        let raw = self.send(Method::POST, &path, Some("application/json"), Some(&body)).await?;
        Ok(self.cache.put(Object::from_api(resource, raw)))
    }

    /// Merge-patches an object; the patch carries its uid, so a namesake is never touched.
    pub(crate) async fn merge(
        &self,
        object: &Object,
        part: Part,
        patch: Value,
    ) -> Result<Arc<Object>> {
        self.patch(object, part, MERGE, patch).await
    }

    /// Strategic merge patch, for lists that others write too (pod conditions).
    pub(crate) async fn strategic(
        &self,
        object: &Object,
        part: Part,
        patch: Value,
    ) -> Result<Arc<Object>> {
        self.patch(object, part, STRATEGIC, patch).await
    }

    async fn patch(
        &self,
        object: &Object,
        part: Part,
        form: &'static str,
        mut patch: Value,
    ) -> Result<Arc<Object>> {
        patch["metadata"]["uid"] = json!(object.uid());
        let mut path = object.resource.path(object.namespace(), object.name());
        if part == Part::Status {
            path.push_str("/status");
        }
        match self.send(Method::PATCH, &path, Some(form), Some(&patch)).await {
            Ok(raw) => {
                let patched = Object::from_api(object.resource, raw);
                if is_released(&patched) {
                    // The patch took the last finalizer away: the object is gone now.
                    self.cache.bury(object);
                    return Ok(Arc::new(patched));
                }
                Ok(self.cache.put(patched))
            }
            Err(error) => {
                if error.is_not_found() {
                    self.cache.bury(object);
                }
                Err(error)
            }
        }
    }

    /// Deletes an object if it is still the one with this uid; one that is gone already is fine.
    pub(crate) async fn delete(&self, object: &Object, propagation: Propagation) -> Result<()> {
        self.delete_with(object, json!({ "propagationPolicy": format!("{propagation:?}") })).await
    }

    /// Deletes with these options, to which the uid precondition is added.
    pub(crate) async fn delete_with(&self, object: &Object, mut options: Value) -> Result<()> {
        options["apiVersion"] = json!("v1");
        options["kind"] = json!("DeleteOptions");
        options["preconditions"]["uid"] = json!(object.uid());
        let path = object.resource.path(object.namespace(), object.name());
        let answer: Value = match self
            .send(Method::DELETE, &path, Some("application/json"), Some(&options))
            .await
        {
            Ok(answer) => answer,
            Err(error) if error.is_not_found() => {
                self.cache.bury(object);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // The object with its deletion time stamp when it still waits for someone; else what
        // it was at last, or a Status.
        let left = answer["metadata"]["deletionTimestamp"]
            .is_string()
            .then(|| serde_json::from_value(answer).ok())
            .flatten();
        match left
            .map(|raw| Object::from_api(object.resource, raw))
            .filter(|left| !is_released(left))
        {
            Some(left) => drop(self.cache.put(left)),
            None => self.cache.bury(object),
        }
        Ok(())
    }

    /// Sends JSON to a path and reads JSON back; the answer does not enter the cache.
    pub(crate) async fn send<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&'static str>,
        body: Option<&Value>,
    ) -> Result<T> {
        let operation = match method {
            Method::GET => "read",
            Method::POST => "create",
            Method::PUT => "replace",
            Method::PATCH => "patch",
            _ => "delete",
        };
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = request.body(body).map_err(|error| Error::Bug(format!("{path}: {error}")))?;
        self.client.request(request).await.map_err(|source| Error::Request {
            operation,
            path: path.to_owned(),
            source: Box::new(source),
        })
    }
}

/// Whether nothing holds an object whose deletion has begun: the API has removed it.
fn is_released(object: &Object) -> bool {
    object.deleting()
        && object.finalizers().is_empty()
        && object.meta.deletion_grace_period_seconds.unwrap_or(0) == 0
        && object.resource != NAMESPACE
}
