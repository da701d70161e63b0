//! Namespaces: what each one is born with, and how one is emptied before it goes.

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::Result;
use crate::object::{Key, Object, set_condition};
use crate::queue::{Next, Queue};
use crate::resource::{CONFIG_MAP, EVENT, NAMESPACE, POD, Resource, SERVICE_ACCOUNT};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const ROOT_CA: &str = "kube-root-ca.crt";
const FINALIZER: &str = "kubernetes";
/// A namespace whose content waits for finalizers of others is looked at again after this time,
/// should no change wake it.
const PATIENCE: Duration = Duration::from_secs(15);
const DELETIONS_AT_ONCE: usize = 16;

pub(crate) struct Namespaces {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
    ca_pem: String,
}

/// What is left of a namespace's content.
#[derive(Default)]
struct Remains {
    /// `pods has 2 resource instances`
    kinds: Vec<String>,
    finalizers: Vec<String>,
}

impl Namespaces {
    pub(crate) fn new(cluster: Cluster, ca_pem: String) -> Self {
        let queue = Queue::new("namespace");
        let wake = queue.clone();
        cluster.cache.listen(Box::new(move |change, cache| {
            let object = change.object();
            if change.resource == NAMESPACE {
                wake.add(object.key());
            } else if change.new.is_none() {
                // Something went: a default object to restore, or the last of a dying namespace.
                let born_with = matches!(change.resource, CONFIG_MAP | SERVICE_ACCOUNT);
                let dying = cache
                    .get(NAMESPACE, "", object.namespace())
                    .is_some_and(|namespace| namespace.deleting());
                if born_with || dying {
                    wake.add(Key::new("", object.namespace()));
                }
            } else if change.resource == CONFIG_MAP && object.name() == ROOT_CA {
                wake.add(Key::new("", object.namespace()));
            }
        }));
        Self { cluster, queue, ca_pem }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(4, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let Some(namespace) = self.cluster.cache.get(NAMESPACE, "", &key.name) else {
            return Ok(Next::Wait);
        };
        if namespace.deleting() {
            return self.empty(&namespace).await;
        }
        if namespace.text("/status/phase") != Some("Active") {
            self.cluster
                .merge(&namespace, Part::Status, json!({"status": {"phase": "Active"}}))
                .await?;
        }
        self.furnish(&namespace).await?;
        Ok(Next::Wait)
    }

    /// The ServiceAccount pods run as, and the CA they trust.
    async fn furnish(&self, namespace: &Object) -> Result<()> {
        let name = namespace.name();
        if self.cluster.cache.get(SERVICE_ACCOUNT, name, "default").is_none() {
            let body = json!({"metadata": {"name": "default"}});
            existing(self.cluster.create(SERVICE_ACCOUNT, name, body).await)?;
        }
        let description =
            "Contains the certificate of the authority that signed the API server's certificate.";
        let wanted = json!({
            "metadata": {"name": ROOT_CA, "annotations": {"kubernetes.io/description": description}},
            "data": {"ca.crt": self.ca_pem},
        });
        match self.cluster.cache.get(CONFIG_MAP, name, ROOT_CA) {
            None => {
                existing(self.cluster.create(CONFIG_MAP, name, wanted).await)?;
            }
            Some(_) => {
                // The cache keeps no data of ConfigMaps: read it, this happens once a start and change.
                let path = CONFIG_MAP.path(name, ROOT_CA);
                let live: Value = self.cluster.send(http::Method::GET, &path, None, None).await?;
                if live["data"] != wanted["data"]
                    && let Some(known) = self.cluster.cache.get(CONFIG_MAP, name, ROOT_CA)
                {
                    self.cluster
                        .merge(&known, Part::Object, json!({"data": wanted["data"]}))
                        .await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes everything in a dying namespace, pods first; when nothing is left, lets it go.
    async fn empty(&self, namespace: &Object) -> Result<Next> {
        if !namespace.list("/spec/finalizers").iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(Next::Wait);
        }
        let mut remains = Remains::default();
        self.clear(POD, namespace.name(), &mut remains).await?;
        if remains.kinds.is_empty() {
            for resource in
                Resource::all().into_iter().filter(|kind| kind.namespaced && *kind != POD)
            {
                self.clear(resource, namespace.name(), &mut remains).await?;
            }
        }
        if !remains.kinds.is_empty() {
            self.report(namespace, &remains).await?;
            return Ok(Next::After(PATIENCE));
        }
        // Events last: deleting the rest makes some.
        self.clear(EVENT, namespace.name(), &mut remains).await?;
        let path = format!("{}/finalize", NAMESPACE.path("", namespace.name()));
        let body = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace.name(), "uid": namespace.uid()},
            "spec": {"finalizers": namespace.list("/spec/finalizers").iter()
                .filter(|finalizer| *finalizer != FINALIZER).collect::<Vec<_>>()},
        });
        let answer: Result<Value> = self
            .cluster
            .send(http::Method::PUT, &path, Some("application/json"), Some(&body))
            .await;
        match answer {
            Ok(_) => Ok(Next::Wait),
            Err(error) if error.is_not_found() => Ok(Next::Wait),
            Err(error) => Err(error),
        }
    }

    /// Deletes what there is of one kind, and counts what stays for now.
    async fn clear(
        &self,
        resource: Resource,
        namespace: &str,
        remains: &mut Remains,
    ) -> Result<()> {
        let found = self.cluster.live_list(resource, namespace).await?;
        let fresh: Vec<&Object> = found.iter().filter(|object| !object.deleting()).collect();
        for batch in fresh.chunks(DELETIONS_AT_ONCE) {
            let deletions =
                batch.iter().map(|object| self.cluster.delete(object, Propagation::Background));
            futures::future::join_all(deletions).await.into_iter().collect::<Result<Vec<()>>>()?;
        }
        if found.is_empty() {
            return Ok(());
        }
        let left = self.cluster.live_list(resource, namespace).await?;
        if !left.is_empty() {
            let group = if resource.group.is_empty() { "" } else { "." };
            remains.kinds.push(format!(
                "{}{group}{} has {} resource instances",
                resource.plural,
                resource.group,
                left.len()
            ));
        }
        for finalizer in left.iter().flat_map(|object| object.finalizers()) {
            if !remains.finalizers.contains(finalizer) {
                remains.finalizers.push(finalizer.clone());
            }
        }
        Ok(())
    }

    async fn report(&self, namespace: &Object, remains: &Remains) -> Result<()> {
        let mut conditions = namespace.list("/status/conditions").to_vec();
        let now = Timestamp::now();
        let message = format!("Some resources are remaining: {}", remains.kinds.join(", "));
        let mut changed = set_condition(
            &mut conditions,
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            &message,
            now,
        );
        if remains.finalizers.is_empty() {
            let message = "All content-preserving finalizers finished";
            changed |= set_condition(
                &mut conditions,
                "NamespaceFinalizersRemaining",
                "False",
                "ContentHasNoFinalizers",
                message,
                now,
            );
        } else {
            let message = format!(
                "Some content in the namespace has finalizers remaining: {}",
                remains.finalizers.join(", ")
            );
            changed |= set_condition(
                &mut conditions,
                "NamespaceFinalizersRemaining",
                "True",
                "SomeFinalizersRemain",
                &message,
                now,
            );
        }
        if changed {
            let patch = json!({"status": {"phase": "Terminating", "conditions": conditions}});
            self.cluster.merge(namespace, Part::Status, patch).await?;
        }
        Ok(())
    }
}

/// Someone else made it first: as good.
fn existing(result: Result<Arc<Object>>) -> Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(error),
    }
}
