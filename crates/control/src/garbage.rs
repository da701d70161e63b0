//! Garbage collection by owner: a dependent goes when no owner of it is left.
//!
//! Three wishes of whoever deletes an owner: background (the owner is gone, then its
//! dependents), foreground (the owner waits for those that block it), orphan (the
//! dependents stay, without the reference). The cache says who may be concerned; an
//! owner is taken for absent only after a live read.

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::Result;
use crate::object::Object;
use crate::pod::references;
use crate::queue::{Next, Queue};
use crate::resource::Resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::{Value, json};
use std::sync::Arc;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const WRITES_AT_ONCE: usize = 16;

pub(crate) struct Garbage {
    cluster: Cluster,
    /// Uids of objects to look at, as dependents and as dying owners.
    queue: Arc<Queue<String>>,
    kinds: Vec<Resource>,
}

/// What became of one owner of a dependent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnerState {
    Present,
    /// Being deleted in the foreground, and this dependent blocks it.
    Waiting,
    Absent,
}

impl Garbage {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("garbage");
        let wake = queue.clone();
        cluster.cache.listen(Box::new(move |change, cache| {
            let object = change.object();
            let Some(new) = &change.new else {
                for dependent in cache.dependents(object.uid()) {
                    wake.add(dependent.uid().to_owned());
                }
                wake_waiting(object, cache, &wake);
                return;
            };
            if new.deleting() && (new.has_finalizer(FOREGROUND) || new.has_finalizer(ORPHAN)) {
                wake.add(new.uid().to_owned());
            }
            let owners_changed = change.old.as_ref().is_none_or(|old| old.owners() != new.owners());
            if owners_changed {
                if new
                    .owners()
                    .iter()
                    .any(|owner| cache.by_uid(&owner.uid).is_none_or(|owner| owner.deleting()))
                {
                    wake.add(new.uid().to_owned());
                }
                if let Some(old) = &change.old {
                    wake_waiting(old, cache, &wake);
                }
            }
            if let Some(old) = &change.old
                && old.uid() != new.uid()
            {
                for dependent in cache.dependents(old.uid()) {
                    wake.add(dependent.uid().to_owned());
                }
            }
        }));
        Self { cluster, queue, kinds: Resource::all() }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(WRITES_AT_ONCE, |uid| self.sync(uid)).await;
    }

    async fn sync(&self, uid: String) -> Result<Next> {
        let Some(object) = self.cluster.cache.by_uid(&uid) else { return Ok(Next::Wait) };
        if object.deleting() {
            if object.has_finalizer(ORPHAN) {
                self.orphan(&object).await?;
            } else if object.has_finalizer(FOREGROUND) {
                self.foreground(&object).await?;
            }
            return Ok(Next::Wait);
        }
        if !object.owners().is_empty() {
            self.collect(&object).await?;
        }
        Ok(Next::Wait)
    }

    /// Deletes a dependent whose owners are gone, or drops the references to those that are.
    async fn collect(&self, object: &Object) -> Result<()> {
        let mut states = Vec::new();
        for owner in object.owners() {
            states.push(self.owner_state(object, owner).await?);
        }
        if states.iter().all(|state| *state == OwnerState::Present) {
            return Ok(());
        }
        if states.contains(&OwnerState::Present) {
            let kept: Vec<Value> = references(object)
                .into_iter()
                .zip(&states)
                .filter(|(_, state)| **state == OwnerState::Present)
                .map(|(reference, _)| reference)
                .collect();
            return self.set_owners(object, &kept).await;
        }
        // What was read from the cache may be old: the owner references must still be these.
        let Some(live) =
            self.cluster.live(object.resource, object.namespace(), object.name()).await?
        else {
            return Ok(());
        };
        if live.uid() != object.uid() || live.owners() != object.owners() || live.deleting() {
            self.cluster.cache.put(live);
            return Ok(());
        }
        let blocks_someone = states.contains(&OwnerState::Waiting);
        let has_dependents = !self.cluster.cache.dependents(object.uid()).is_empty();
        let propagation = if blocks_someone && has_dependents {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        let options = json!({
            "propagationPolicy": format!("{propagation:?}"),
            "preconditions": {"resourceVersion": live.meta.resource_version},
        });
        self.cluster.delete_with(object, options).await
    }

    async fn owner_state(&self, object: &Object, owner: &OwnerReference) -> Result<OwnerState> {
        if let Some(known) = self.cluster.cache.by_uid(&owner.uid) {
            let elsewhere = known.resource.namespaced && known.namespace() != object.namespace();
            if elsewhere {
                return Ok(OwnerState::Absent);
            }
            let waiting = known.deleting() && known.has_finalizer(FOREGROUND);
            return Ok(if waiting { OwnerState::Waiting } else { OwnerState::Present });
        }
        let kind = self
            .kinds
            .iter()
            .find(|kind| kind.kind == owner.kind && same_group(kind, &owner.api_version));
        let Some(kind) = kind else {
            // A kind we do not serve: nobody here can say whether it is gone.
            return Ok(OwnerState::Present);
        };
        if kind.namespaced && object.namespace().is_empty() {
            // A cluster-wide object cannot be owned from inside a namespace; it is left alone.
            return Ok(OwnerState::Present);
        }
        let live = self.cluster.live(*kind, object.namespace(), &owner.name).await?;
        Ok(match live {
            Some(live) if live.uid() == owner.uid => OwnerState::Present,
            _ => OwnerState::Absent,
        })
    }

    /// Deletes the dependents of a waiting owner; when none blocks it any more, lets it go.
    async fn foreground(&self, owner: &Object) -> Result<()> {
        let dependents = self.cluster.cache.dependents(owner.uid());
        let mut blocked = false;
        for dependent in &dependents {
            let blocks = dependent.owners().iter().any(|reference| {
                reference.uid == owner.uid() && reference.block_owner_deletion == Some(true)
            });
            blocked |= blocks;
            if !dependent.deleting() {
                self.queue.add(dependent.uid().to_owned());
            }
        }
        if blocked {
            return Ok(());
        }
        self.drop_finalizer(owner, FOREGROUND).await
    }

    /// Takes the owner's reference out of its dependents, then lets it go.
    async fn orphan(&self, owner: &Object) -> Result<()> {
        let dependents = self.cluster.cache.dependents(owner.uid());
        for batch in dependents.chunks(WRITES_AT_ONCE) {
            let writes = batch.iter().map(|dependent| self.disown(dependent, owner));
            futures::future::join_all(writes).await.into_iter().collect::<Result<Vec<()>>>()?;
        }
        self.drop_finalizer(owner, ORPHAN).await
    }

    async fn disown(&self, dependent: &Object, owner: &Object) -> Result<()> {
        let kept: Vec<Value> = references(dependent)
            .into_iter()
            .filter(|reference| reference["uid"] != owner.uid())
            .collect();
        match self.set_owners(dependent, &kept).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    async fn set_owners(&self, object: &Object, owners: &[Value]) -> Result<()> {
        let patch = json!({"metadata": {
            "resourceVersion": object.meta.resource_version, "ownerReferences": owners,
        }});
        self.cluster.merge(object, Part::Object, patch).await.map(drop)
    }

    async fn drop_finalizer(&self, object: &Object, finalizer: &str) -> Result<()> {
        let kept: Vec<_> = object.finalizers().iter().filter(|known| *known != finalizer).collect();
        let patch = json!({"metadata": {"resourceVersion": object.meta.resource_version, "finalizers": kept}});
        match self.cluster.merge(object, Part::Object, patch).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

/// Owners that wait for this object in the foreground have one thing less to wait for.
fn wake_waiting(object: &Object, cache: &crate::cache::Cache, queue: &Arc<Queue<String>>) {
    for owner in object.owners() {
        if cache.by_uid(&owner.uid).is_some_and(|owner| owner.deleting()) {
            queue.add(owner.uid.clone());
        }
    }
}

/// Versions of a group are the same kind of object.
fn same_group(kind: &Resource, api_version: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    kind.group == group
}
