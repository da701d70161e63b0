//! Volumes: each claim gets one, an existing one that suits or a new directory.
//!
//! Class `local` (made here, the default) provides directories on the node as
//! `hostPath` volumes. The node room makes the directory when a pod mounts it,
//! and removes it, then the object, once the volume is `Released` with policy
//! `Delete`.

mod matching;

use crate::cluster::{Cluster, Part};
use crate::error::Result;
use crate::object::{Key, Object};
use crate::pod;
use crate::queue::{Next, Queue};
use crate::resource::{CLAIM, POD, STORAGE_CLASS, VOLUME};
use matching::bytes;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

const CLASS: &str = "local";
const PROVISIONER: &str = "shelf.dev/local";
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
const COMPONENT: &str = "persistentvolume-controller";

pub(crate) struct Volumes {
    cluster: Cluster,
    claims: Arc<Queue<Key>>,
    volumes: Arc<Queue<Key>>,
    dir: PathBuf,
}

impl Volumes {
    pub(crate) fn new(cluster: Cluster, dir: PathBuf) -> Self {
        let (claims, volumes) = (Queue::new("claim"), Queue::new("volume"));
        let (wake_claims, wake_volumes) = (claims.clone(), volumes.clone());
        cluster.cache.listen(Box::new(move |change, cache| {
            let object = change.object();
            match change.resource {
                CLAIM => {
                    wake_claims.add(object.key());
                    if let Some(volume) = object.text("/spec/volumeName") {
                        wake_volumes.add(Key::new("", volume));
                    }
                }
                VOLUME => {
                    wake_volumes.add(object.key());
                    match (
                        object.text("/spec/claimRef/namespace"),
                        object.text("/spec/claimRef/name"),
                    ) {
                        (Some(namespace), Some(name)) => wake_claims.add(Key::new(namespace, name)),
                        _ => pending_claims(cache, &wake_claims),
                    }
                }
                STORAGE_CLASS => pending_claims(cache, &wake_claims),
                POD => {
                    // A pod that comes makes a claim's first consumer; one that ends frees it.
                    let over = |pod: &Option<Arc<Object>>| {
                        pod.as_ref().is_none_or(|pod| pod::is_over(pod))
                    };
                    if change.old.is_none() || over(&change.old) != over(&change.new) {
                        for claim in claims_of(object) {
                            wake_claims.add(Key::new(object.namespace(), &claim));
                        }
                    }
                }
                _ => {}
            }
        }));
        Self { cluster, claims, volumes, dir }
    }

    pub(crate) async fn run(&self) {
        let claims = self.claims.clone().run(4, |key| self.sync_claim(key));
        let volumes = self.volumes.clone().run(4, |key| self.sync_volume(key));
        tokio::join!(self.offer_class(), claims, volumes);
    }

    /// Makes class `local` unless there is one of that name; it is the default unless another is.
    async fn offer_class(&self) {
        if self.cluster.cache.get(STORAGE_CLASS, "", CLASS).is_some() {
            return;
        }
        let first = self.default_class().is_none();
        let body = json!({
            "metadata": {"name": CLASS, "annotations": {DEFAULT_CLASS: first.to_string()}},
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
            "allowVolumeExpansion": true,
        });
        loop {
            match self.cluster.create(STORAGE_CLASS, "", body.clone()).await {
                Ok(_) => return,
                Err(error) if error.is_already_exists() => return,
                Err(error) => {
                    tracing::warn!(error = %crate::watch::chain(&error), "no class for local volumes yet, will retry");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// The newest class marked as default.
    fn default_class(&self) -> Option<Arc<Object>> {
        let classes = self.cluster.cache.list_all(STORAGE_CLASS);
        classes
            .into_iter()
            .filter(|class| class.annotation(DEFAULT_CLASS) == Some("true"))
            .max_by_key(|class| class.created())
    }

    async fn sync_claim(&self, key: Key) -> Result<Next> {
        let Some(claim) = self.cluster.cache.get(CLAIM, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        let in_use = self.users(&claim).any(|pod| !pod::is_over(&pod));
        if claim.deleting() {
            if claim.has_finalizer(CLAIM_PROTECTION) && !in_use {
                let kept: Vec<_> =
                    claim.finalizers().iter().filter(|name| *name != CLAIM_PROTECTION).collect();
                let patch = json!({"metadata": {"resourceVersion": claim.meta.resource_version, "finalizers": kept}});
                self.cluster.merge(&claim, Part::Object, patch).await?;
            }
            return Ok(Next::Wait);
        }
        let mut claim = claim;
        if !claim.has_finalizer(CLAIM_PROTECTION) {
            let finalizers: Vec<_> = claim
                .finalizers()
                .iter()
                .map(String::as_str)
                .chain(std::iter::once(CLAIM_PROTECTION))
                .collect();
            let patch = json!({"metadata": {"resourceVersion": claim.meta.resource_version, "finalizers": finalizers}});
            claim = self.cluster.merge(&claim, Part::Object, patch).await?;
        }
        let volume = match claim.text("/spec/volumeName").filter(|name| !name.is_empty()) {
            Some(name) => match self.cluster.cache.get(VOLUME, "", name) {
                Some(volume)
                    if matching::is_reserved(&volume, &claim)
                        || volume.at("/spec/claimRef").is_none() =>
                {
                    Some(volume)
                }
                Some(_) => None,
                None => {
                    if claim.text("/status/phase") == Some("Bound") {
                        self.phase(&claim, "Lost").await?;
                        let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
                        self.cluster.events.warning(
                            COMPONENT,
                            &claim,
                            "ClaimLost",
                            message.to_owned(),
                        );
                    }
                    return Ok(Next::Wait);
                }
            },
            None => self.find_or_provide(&claim, in_use).await?,
        };
        match volume {
            Some(volume) => self.bind(&claim, &volume).await?,
            None if claim.text("/status/phase").is_none() => self.phase(&claim, "Pending").await?,
            None => {}
        }
        Ok(Next::Wait)
    }

    /// Pods that mount this claim.
    fn users(&self, claim: &Object) -> impl Iterator<Item = Arc<Object>> {
        let name = claim.name().to_owned();
        self.cluster
            .cache
            .list(POD, claim.namespace())
            .into_iter()
            .filter(move |pod| claims_of(pod).contains(&name))
    }

    async fn find_or_provide(&self, claim: &Object, in_use: bool) -> Result<Option<Arc<Object>>> {
        let class = match claim.text("/spec/storageClassName") {
            Some(name) => self.cluster.cache.get(STORAGE_CLASS, "", name),
            None => self.default_class(),
        };
        let class_name = claim.text("/spec/storageClassName").map(str::to_owned);
        let class_name = class_name
            .or_else(|| class.as_ref().map(|class| class.name().to_owned()))
            .unwrap_or_default();
        let volumes = self.cluster.cache.list_all(VOLUME);
        if let Some(found) = matching::find(claim, &class_name, &volumes) {
            return Ok(Some(found));
        }
        let Some(class) = class.filter(|class| class.text("/provisioner") == Some(PROVISIONER))
        else {
            let message =
                "no persistent volumes available for this claim and no storage class is set";
            if claim.text("/status/phase") != Some("Pending") {
                self.cluster.events.normal(COMPONENT, claim, "FailedBinding", message.to_owned());
            }
            return Ok(None);
        };
        if class.text("/volumeBindingMode") == Some("WaitForFirstConsumer") && !in_use {
            return Ok(None);
        }
        if claim.text("/spec/volumeMode") == Some("Block") {
            let message = format!("class {} has no block volumes, only directories", class.name());
            self.cluster.events.warning(COMPONENT, claim, "ProvisioningFailed", message);
            return Ok(None);
        }
        self.provide(claim, &class).await.map(Some)
    }

    /// Makes a volume for a claim: its name is the claim's uid, so a second try finds the first's.
    async fn provide(&self, claim: &Object, class: &Object) -> Result<Arc<Object>> {
        let name = format!("pvc-{}", claim.uid());
        let directory =
            self.dir.join(format!("{}_{}_{}", claim.namespace(), claim.name(), claim.uid()));
        let body = json!({
            "metadata": {
                "name": name,
                "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
                "finalizers": [VOLUME_PROTECTION],
            },
            "spec": {
                "capacity": {"storage": claim.at("/spec/resources/requests/storage").cloned().unwrap_or_else(|| json!("0"))},
                "accessModes": claim.list("/spec/accessModes"),
                "claimRef": claim_reference(claim),
                "hostPath": {"path": directory.to_string_lossy(), "type": "DirectoryOrCreate"},
                "persistentVolumeReclaimPolicy": class.text("/reclaimPolicy").unwrap_or("Delete"),
                "storageClassName": class.name(),
                "volumeMode": "Filesystem",
            },
        });
        match self.cluster.create(VOLUME, "", body).await {
            Ok(volume) => {
                let message = format!("Successfully provisioned volume {name}");
                self.cluster.events.normal(COMPONENT, claim, "ProvisioningSucceeded", message);
                Ok(volume)
            }
            Err(error) if error.is_already_exists() => {
                match self.cluster.live(VOLUME, "", &name).await? {
                    Some(volume) => Ok(self.cluster.cache.put(volume)),
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Writes both halves of a binding, the volume's first; each step may be a repetition.
    async fn bind(&self, claim: &Object, volume: &Arc<Object>) -> Result<()> {
        let mut volume = volume.clone();
        if volume.text("/spec/claimRef/uid") != Some(claim.uid()) {
            let patch = json!({
                "metadata": {"resourceVersion": volume.meta.resource_version,
                    "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}},
                "spec": {"claimRef": claim_reference(claim)},
            });
            volume = self.cluster.merge(&volume, Part::Object, patch).await?;
        }
        let wanted = bytes(claim.at("/spec/resources/requests/storage"));
        let ours = volume.annotation("pv.kubernetes.io/provisioned-by") == Some(PROVISIONER);
        if ours && wanted > bytes(volume.at("/spec/capacity/storage")) {
            // A directory has no size of its own: growing is a matter of saying so.
            let patch = json!({"spec": {"capacity": {"storage": claim.at("/spec/resources/requests/storage")}}});
            volume = self.cluster.merge(&volume, Part::Object, patch).await?;
        }
        if volume.text("/status/phase") != Some("Bound") {
            volume = self
                .cluster
                .merge(&volume, Part::Status, json!({"status": {"phase": "Bound"}}))
                .await?;
        }
        let mut claim = Arc::new(claim.clone());
        if claim.text("/spec/volumeName") != Some(volume.name())
            || claim.annotation("pv.kubernetes.io/bind-completed") != Some("yes")
        {
            let by_us = claim.text("/spec/volumeName").is_none();
            let mut patch = json!({
                "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
                "spec": {"volumeName": volume.name()},
            });
            if by_us {
                patch["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] =
                    json!("yes");
            }
            if ours {
                patch["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] =
                    json!(PROVISIONER);
            }
            if claim.text("/spec/storageClassName").is_none() {
                patch["spec"]["storageClassName"] =
                    json!(volume.text("/spec/storageClassName").unwrap_or(""));
            }
            claim = self.cluster.merge(&claim, Part::Object, patch).await?;
        }
        let status = json!({
            "phase": "Bound",
            "accessModes": volume.list("/spec/accessModes"),
            "capacity": volume.at("/spec/capacity").cloned().unwrap_or_else(|| json!({})),
        });
        if !crate::replica_set::same_status(&claim, &status) {
            self.cluster.merge(&claim, Part::Status, json!({ "status": status })).await?;
        }
        Ok(())
    }

    async fn phase(&self, object: &Object, phase: &str) -> Result<()> {
        if object.text("/status/phase") == Some(phase) {
            return Ok(());
        }
        self.cluster
            .merge(object, Part::Status, json!({"status": {"phase": phase}}))
            .await
            .map(drop)
    }

    async fn sync_volume(&self, key: Key) -> Result<Next> {
        let Some(volume) = self.cluster.cache.get(VOLUME, "", &key.name) else {
            return Ok(Next::Wait);
        };
        let claim = self.claim_of(&volume).await?;
        if volume.deleting() {
            if volume.has_finalizer(VOLUME_PROTECTION) && claim.is_none() {
                let kept: Vec<_> =
                    volume.finalizers().iter().filter(|name| *name != VOLUME_PROTECTION).collect();
                let patch = json!({"metadata": {"resourceVersion": volume.meta.resource_version, "finalizers": kept}});
                self.cluster.merge(&volume, Part::Object, patch).await?;
            }
            return Ok(Next::Wait);
        }
        let reserved_for = volume.text("/spec/claimRef/uid").filter(|uid| !uid.is_empty());
        match (reserved_for, claim) {
            (None, _) => self.phase(&volume, "Available").await?,
            // The claim's own look binds it.
            (Some(_), Some(_)) => {}
            (Some(_), None) => self.phase(&volume, "Released").await?,
        }
        Ok(Next::Wait)
    }

    /// The claim that holds a volume, read live before it is taken for gone.
    async fn claim_of(&self, volume: &Object) -> Result<Option<Arc<Object>>> {
        let (Some(namespace), Some(name)) =
            (volume.text("/spec/claimRef/namespace"), volume.text("/spec/claimRef/name"))
        else {
            return Ok(None);
        };
        let uid = volume.text("/spec/claimRef/uid").unwrap_or("");
        let same = |claim: &Object| uid.is_empty() || claim.uid() == uid;
        if let Some(claim) =
            self.cluster.cache.get(CLAIM, namespace, name).filter(|claim| same(claim))
        {
            return Ok(Some(claim));
        }
        let live = self.cluster.live(CLAIM, namespace, name).await?;
        Ok(live.filter(same).map(Arc::new))
    }
}

/// Names of the claims a pod mounts.
pub(crate) fn claims_of(pod: &Object) -> Vec<String> {
    let volumes = pod.list("/spec/volumes").iter();
    volumes
        .filter_map(|volume| {
            volume.pointer("/persistentVolumeClaim/claimName")?.as_str().map(str::to_owned)
        })
        .collect()
}

fn claim_reference(claim: &Object) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": claim.namespace(), "name": claim.name(), "uid": claim.uid(),
    })
}

fn pending_claims(cache: &crate::cache::Cache, queue: &Arc<Queue<Key>>) {
    for claim in cache.list_all(CLAIM) {
        if claim.text("/status/phase") != Some("Bound") {
            queue.add(claim.key());
        }
    }
}
