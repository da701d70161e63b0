//! Revisions of a set's template, kept as ControllerRevision objects.

use super::{StatefulSets, identity::REVISION_LABEL};
use crate::cluster::{Part, Propagation};
use crate::deployment::revision::{canonical, hash};
use crate::error::{Error, Result};
use crate::object::Object;
use crate::resource::CONTROLLER_REVISION;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

const HASH: &str = "controller.kubernetes.io/hash";

/// The two revisions a set moves between, and all others.
pub(super) struct History {
    pub(super) current: Arc<Object>,
    pub(super) update: Arc<Object>,
    all: Vec<Arc<Object>>,
    pub(super) collisions: i64,
}

fn number(revision: &Object) -> i64 {
    revision.int("/revision").unwrap_or(0)
}

/// A revision's data: a strategic merge patch that restores the template (`kubectl rollout undo`).
fn data(set: &Object) -> Value {
    let mut template = set.at("/spec/template").map_or_else(|| json!({}), canonical);
    template["$patch"] = json!("replace");
    json!({"spec": {"template": template}})
}

/// The pod template a revision holds.
pub(super) fn template(revision: &Object) -> Value {
    let mut template = revision.at("/data/spec/template").cloned().unwrap_or_else(|| json!({}));
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    template
}

impl StatefulSets {
    /// Finds the revision of the current template, or makes it.
    pub(super) async fn history(&self, set: &Object) -> Result<History> {
        let mut all = self.cluster.cache.controlled(CONTROLLER_REVISION, set.uid());
        all.sort_by(|a, b| {
            (number(a), a.created(), a.name()).cmp(&(number(b), b.created(), b.name()))
        });
        let mut collisions = set.int("/status/collisionCount").unwrap_or(0);
        let wanted = data(set);
        let next = all.last().map_or(1, |last| number(last) + 1);
        let equal = all.iter().rposition(|revision| {
            revision.at("/data").is_some_and(|data| canonical(data) == canonical(&wanted))
        });
        let update = match equal {
            Some(index) if index + 1 == all.len() => all[index].clone(),
            Some(index) => {
                // An old template again: it becomes the newest revision.
                let renewed = self
                    .cluster
                    .merge(&all[index], Part::Object, json!({"revision": next}))
                    .await?;
                all.remove(index);
                all.push(renewed.clone());
                renewed
            }
            None => {
                let made = self.make_revision(set, &wanted, next, &mut collisions).await?;
                all.push(made.clone());
                made
            }
        };
        let current = set.text("/status/currentRevision").unwrap_or("");
        let current =
            all.iter().find(|revision| revision.name() == current).unwrap_or(&update).clone();
        Ok(History { current, update, all, collisions })
    }

    async fn make_revision(
        &self,
        set: &Object,
        data: &Value,
        number: i64,
        collisions: &mut i64,
    ) -> Result<Arc<Object>> {
        loop {
            let hash = hash(&canonical(data), *collisions);
            let name = format!("{}-{hash}", set.name());
            let mut labels =
                set.at("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
            labels[HASH] = json!(hash);
            let body = json!({
                "metadata": {"name": name, "labels": labels, "annotations": set.annotations(),
                    "ownerReferences": [set.controller_reference()]},
                "data": data,
                "revision": number,
            });
            match self.cluster.create(CONTROLLER_REVISION, set.namespace(), body).await {
                Ok(made) => return Ok(made),
                Err(error) if error.is_already_exists() => {
                    let live =
                        self.cluster.live(CONTROLLER_REVISION, set.namespace(), &name).await?;
                    if let Some(live) = live
                        && live.is_controlled_by(set.uid())
                        && live.at("/data").is_some_and(|found| canonical(found) == canonical(data))
                    {
                        return Ok(self.cluster.cache.put(live));
                    }
                    *collisions += 1;
                    if *collisions > 100 {
                        return Err(Error::Object {
                            object: format!("StatefulSet {}", set.key()),
                            problem: "no free name for its revision".to_owned(),
                        });
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes the oldest revisions beyond the limit that no pod is of.
    pub(super) async fn forget_history(
        &self,
        set: &Object,
        history: &History,
        pods: &[Arc<Object>],
    ) -> Result<()> {
        let limit =
            usize::try_from(set.int("/spec/revisionHistoryLimit").unwrap_or(10)).unwrap_or(0);
        let mut live: HashSet<&str> =
            pods.iter().filter_map(|pod| pod.label(REVISION_LABEL)).collect();
        live.insert(history.current.name());
        live.insert(history.update.name());
        let old: Vec<_> =
            history.all.iter().filter(|revision| !live.contains(revision.name())).collect();
        let surplus = old.len().saturating_sub(limit);
        for revision in old.into_iter().take(surplus) {
            self.cluster.delete(revision, Propagation::Background).await?;
        }
        Ok(())
    }
}
