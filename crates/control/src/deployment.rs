//! Deployment: ReplicaSets, one per template, and the walk from one to the next.
//!
//! How far each step may go is arithmetic (rolling.rs); which set belongs to the
//! template, and its number, is revision.rs; what is told to the user, status.rs.
//! Availability is counted on the pods themselves, never on a ReplicaSet's status,
//! which may lag behind.

pub(crate) mod revision;
mod rolling;
mod scale;
mod status;

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::Result;
use crate::object::{Key, Object, int_or_percent};
use crate::owner;
use crate::pod;
use crate::queue::{Next, Queue};
use crate::resource::{DEPLOYMENT, POD, REPLICA_SET};
use crate::selector::Selector;
use jiff::Timestamp;
use revision::HASH_LABEL;
use rolling::{Count, Limits};
use serde_json::{Value, json};
use std::sync::Arc;

const COMPONENT: &str = "deployment-controller";

pub(crate) struct Deployments {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
}

/// One look at a deployment: its sets, old ones by age.
struct View {
    deployment: Arc<Object>,
    new: Option<Arc<Object>>,
    old: Vec<Arc<Object>>,
    limits: Limits,
    /// The generation this look is about: a patch's answer may carry a later one.
    generation: i64,
    now: Timestamp,
}

impl Deployments {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("deployment");
        owner::wake(&cluster.cache, &queue, DEPLOYMENT, REPLICA_SET);
        let pods = queue.clone();
        cluster.cache.listen(Box::new(move |change, cache| {
            if change.resource != POD {
                return;
            }
            for state in change.states() {
                let set = state.controller().and_then(|owner| cache.by_uid(&owner.uid));
                if let Some(owner) = set
                    .as_ref()
                    .and_then(|set| set.controller())
                    .filter(|owner| owner.kind == "Deployment")
                {
                    pods.add(Key::new(state.namespace(), &owner.name));
                }
            }
        }));
        Self { cluster, queue }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(8, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let Some(deployment) = self.cluster.cache.get(DEPLOYMENT, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        let selector =
            Selector::from_object(deployment.at("/spec/selector")).filter(|s| !s.is_empty());
        let (Some(selector), Some(template)) = (selector, deployment.at("/spec/template")) else {
            return Ok(Next::Wait);
        };
        let sets = pod::claim(&self.cluster, REPLICA_SET, &deployment, &selector).await?;
        let new = revision::find_new(template, &sets);
        let mut old: Vec<_> = sets
            .into_iter()
            .filter(|set| new.as_ref().is_none_or(|new| new.uid() != set.uid()))
            .collect();
        old.sort_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())));
        let limits = limits(&deployment);
        let mut view = View {
            deployment: deployment.clone(),
            new,
            old,
            limits,
            generation: deployment.generation(),
            now: Timestamp::now(),
        };
        if deployment.deleting() {
            return self.report(&view).await;
        }
        let paused = deployment.flag("/spec/paused");
        if view.new.is_some() {
            // Keeps the revision right after a rollback, paused or not.
            self.renumber(&mut view).await?;
        }
        if paused || self.was_rescaled(&view) {
            self.rescale(&mut view).await?;
            if paused {
                self.forget_history(&view).await?;
            }
            return self.report(&view).await;
        }
        if deployment.text("/spec/strategy/type") == Some("Recreate") {
            self.recreate(&mut view).await?;
        } else {
            self.roll(&mut view).await?;
        }
        if status::is_complete(&view, &self.totals(&view)) {
            self.forget_history(&view).await?;
        }
        self.report(&view).await
    }

    async fn roll(&self, view: &mut View) -> Result<()> {
        if view.new.is_none() {
            let total = self.total(view);
            self.create_new(view, view.limits.grow_new(0, total)).await?;
        }
        let Some(new) = view.new.clone() else { return Ok(()) };
        let wanted = view.limits.grow_new(replicas(&new), self.total(view));
        let new = self.scale(view, &new, wanted).await?;
        view.new = Some(new.clone());
        let counts: Vec<Count> = view.old.iter().map(|set| self.count(view, set)).collect();
        let next = view.limits.shrink_old(self.count(view, &new), &counts);
        self.scale_old(view, &next).await
    }

    async fn recreate(&self, view: &mut View) -> Result<()> {
        let none = vec![0; view.old.len()];
        self.scale_old(view, &none).await?;
        let still_there = view.old.iter().any(|set| {
            self.cluster.cache.controlled(POD, set.uid()).iter().any(|pod| !pod::is_over(pod))
        });
        if still_there {
            return Ok(());
        }
        if view.new.is_none() {
            self.create_new(view, view.limits.replicas).await?;
        }
        if let Some(new) = view.new.clone() {
            view.new = Some(self.scale(view, &new, view.limits.replicas).await?);
        }
        Ok(())
    }

    async fn scale_old(&self, view: &mut View, next: &[i64]) -> Result<()> {
        for (index, wanted) in next.iter().enumerate() {
            let set = view.old[index].clone();
            if replicas(&set) != *wanted {
                view.old[index] = self.scale(view, &set, *wanted).await?;
            }
        }
        Ok(())
    }

    /// Gives a ReplicaSet its number of replicas, and notes what the deployment wanted then.
    async fn scale(&self, view: &View, set: &Arc<Object>, wanted: i64) -> Result<Arc<Object>> {
        let desired = view.limits.replicas.to_string();
        let max = (view.limits.replicas + view.limits.max_surge).to_string();
        let before = replicas(set);
        let noted = set.annotation(revision::DESIRED) == Some(&desired)
            && set.annotation(revision::MAX) == Some(&max);
        if before == wanted && noted {
            return Ok(set.clone());
        }
        let patch = json!({
            "metadata": {"annotations": {revision::DESIRED: desired, revision::MAX: max}},
            "spec": {"replicas": wanted},
        });
        let patched = self.cluster.merge(set, Part::Object, patch).await?;
        if before != wanted {
            let way = if wanted > before { "up" } else { "down" };
            let message =
                format!("Scaled {way} replica set {} from {before} to {wanted}", set.name());
            self.cluster.events.normal(COMPONENT, &view.deployment, "ScalingReplicaSet", message);
        }
        Ok(patched)
    }

    /// Makes the ReplicaSet of the current template.
    async fn create_new(&self, view: &mut View, wanted: i64) -> Result<()> {
        let deployment = view.deployment.clone();
        let Some(template) = deployment.at("/spec/template") else { return Ok(()) };
        let canonical = revision::canonical(template);
        let collisions = deployment.int("/status/collisionCount").unwrap_or(0);
        let hash = revision::hash(&canonical, collisions);
        let name = format!("{}-{hash}", deployment.name());
        let mut template = template.clone();
        template["metadata"]["labels"][HASH_LABEL] = json!(hash);
        let mut selector = deployment.at("/spec/selector").cloned().unwrap_or_else(|| json!({}));
        selector["matchLabels"][HASH_LABEL] = json!(hash);
        let number = next_revision(view);
        let mut annotations = revision::annotations(&deployment, None, number);
        annotations.insert(revision::DESIRED.to_owned(), view.limits.replicas.to_string());
        annotations.insert(
            revision::MAX.to_owned(),
            (view.limits.replicas + view.limits.max_surge).to_string(),
        );
        let body = json!({
            "metadata": {
                "name": name,
                "labels": template["metadata"]["labels"],
                "annotations": annotations,
                "ownerReferences": [deployment.controller_reference()],
            },
            "spec": {
                "replicas": wanted,
                "minReadySeconds": deployment.int("/spec/minReadySeconds").unwrap_or(0),
                "selector": selector,
                "template": template,
            },
        });
        match self.cluster.create(REPLICA_SET, deployment.namespace(), body).await {
            Ok(set) => {
                let message = format!("Scaled up replica set {name} from 0 to {wanted}");
                self.cluster.events.normal(COMPONENT, &deployment, "ScalingReplicaSet", message);
                view.new = Some(set);
            }
            Err(error) if error.is_already_exists() => {
                let live = self.cluster.live(REPLICA_SET, deployment.namespace(), &name).await?;
                let ours = live.filter(|set| {
                    set.is_controlled_by(deployment.uid())
                        && set
                            .at("/spec/template")
                            .is_some_and(|found| revision::canonical(found) == canonical)
                });
                match ours {
                    Some(set) => view.new = Some(self.cluster.cache.put(set)),
                    None => {
                        // Another template has this hash: the next look takes another one.
                        let patch = json!({"status": {"collisionCount": collisions + 1}});
                        self.cluster.merge(&deployment, Part::Status, patch).await?;
                        return Err(error);
                    }
                }
            }
            Err(error) => {
                status::failed_create(&self.cluster, view, &error).await?;
                return Err(error);
            }
        }
        self.note_revision(view).await
    }

    /// Gives the current set the newest revision and the deployment's annotations.
    async fn renumber(&self, view: &mut View) -> Result<()> {
        let Some(new) = view.new.clone() else { return Ok(()) };
        let wanted = revision::annotations(&view.deployment, Some(&new), next_revision(view));
        let min_ready = view.deployment.int("/spec/minReadySeconds").unwrap_or(0);
        let missing = wanted.iter().any(|(key, value)| new.annotation(key) != Some(value));
        if missing || new.int("/spec/minReadySeconds").unwrap_or(0) != min_ready {
            let patch = json!({"metadata": {"annotations": wanted}, "spec": {"minReadySeconds": min_ready}});
            view.new = Some(self.cluster.merge(&new, Part::Object, patch).await?);
        }
        self.note_revision(view).await
    }

    async fn note_revision(&self, view: &mut View) -> Result<()> {
        let Some(number) = view.new.as_ref().and_then(|new| new.annotation(revision::REVISION))
        else {
            return Ok(());
        };
        if view.deployment.annotation(revision::REVISION) != Some(number) {
            let patch = json!({"metadata": {"annotations": {revision::REVISION: number}}});
            view.deployment = self.cluster.merge(&view.deployment, Part::Object, patch).await?;
        }
        Ok(())
    }

    /// Deletes the oldest empty sets beyond the history limit.
    async fn forget_history(&self, view: &View) -> Result<()> {
        let limit =
            usize::try_from(view.deployment.int("/spec/revisionHistoryLimit").unwrap_or(10))
                .unwrap_or(0);
        let mut empty: Vec<_> = view
            .old
            .iter()
            .filter(|set| !set.deleting() && replicas(set) == 0)
            .filter(|set| self.cluster.cache.controlled(POD, set.uid()).is_empty())
            .collect();
        let surplus = view.old.len().saturating_sub(limit);
        empty.sort_by_key(|set| revision::revision(set));
        for set in empty.into_iter().take(surplus) {
            self.cluster.delete(set, Propagation::Background).await?;
        }
        Ok(())
    }

    /// Pods asked for, or still there although no longer asked for: the surge bounds both.
    fn total(&self, view: &View) -> i64 {
        let there = |set: &Object| {
            let pods = self.cluster.cache.controlled(POD, set.uid());
            i64::try_from(pods.iter().filter(|pod| pod::is_active(pod)).count()).unwrap_or(i64::MAX)
        };
        view.sets().map(|set| replicas(set).max(there(set))).sum()
    }

    fn count(&self, view: &View, set: &Object) -> Count {
        let min_ready = view.deployment.int("/spec/minReadySeconds").unwrap_or(0);
        let pods = self.cluster.cache.controlled(POD, set.uid());
        let available = pods
            .iter()
            .filter(|pod| pod::is_active(pod) && pod::is_available(pod, min_ready, view.now))
            .count();
        Count { wanted: replicas(set), available: i64::try_from(available).unwrap_or(i64::MAX) }
    }
}

impl View {
    /// All sets, the old ones first, oldest first.
    fn sets(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.old.iter().chain(self.new.iter())
    }
}

fn replicas(set: &Object) -> i64 {
    set.int("/spec/replicas").unwrap_or(0)
}

fn next_revision(view: &View) -> i64 {
    view.old.iter().map(|set| revision::revision(set)).max().unwrap_or(0) + 1
}

fn limits(deployment: &Object) -> Limits {
    let replicas = deployment.int("/spec/replicas").unwrap_or(1);
    if deployment.text("/spec/strategy/type") == Some("Recreate") {
        return Limits { replicas, max_surge: 0, max_unavailable: 0 };
    }
    let quarter = Value::from("25%");
    let value = |name: &str| {
        deployment.at(&format!("/spec/strategy/rollingUpdate/{name}")).unwrap_or(&quarter)
    };
    Limits::resolve(
        replicas,
        int_or_percent(value("maxSurge"), replicas, true).unwrap_or(1),
        int_or_percent(value("maxUnavailable"), replicas, false).unwrap_or(0),
    )
}
