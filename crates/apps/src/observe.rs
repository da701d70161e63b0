//! Watching an app's workloads, jobs and pods: what a verb waits with instead of sleeping.
//! Where next: `failure.rs`, which reads the same world for what goes wrong.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, select_all};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::live;
use crate::{Error, Result, Target};

/// The app's workloads as last seen, by name.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) deployments: BTreeMap<String, Deployment>,
    pub(crate) stateful_sets: BTreeMap<String, StatefulSet>,
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) pods: BTreeMap<String, Pod>,
}

enum Seen {
    Deployment(watcher::Event<Deployment>),
    StatefulSet(watcher::Event<StatefulSet>),
    Job(watcher::Event<Job>),
    Pod(watcher::Event<Pod>),
}

/// Keeps a [`World`] current.
pub(crate) struct Observer {
    app: String,
    pub(crate) world: World,
    stream: BoxStream<'static, Result<Seen, watcher::Error>>,
    complete: [bool; 4],
}

/// What a wait has come to.
pub(crate) enum Verdict {
    /// It is there.
    Done,
    /// Not yet; what is missing.
    Waiting(String),
}

impl Observer {
    /// Starts watching and returns once everything that is there was seen.
    pub(crate) async fn start(target: &Target, app: &str) -> Result<Self> {
        let streams = vec![
            stream(target, app, Seen::Deployment),
            stream(target, app, Seen::StatefulSet),
            stream(target, app, Seen::Job),
            stream(target, app, Seen::Pod),
        ];
        let mut observer = Self {
            app: app.to_owned(),
            world: World::default(),
            stream: select_all(streams).boxed(),
            complete: [false; 4],
        };
        while observer.complete.contains(&false) {
            observer.next().await?;
        }
        Ok(observer)
    }

    /// Takes in one change.
    pub(crate) async fn next(&mut self) -> Result<()> {
        match self.stream.next().await {
            Some(Ok(seen)) => {
                self.take(seen);
                Ok(())
            }
            Some(Err(error)) if permanent(&error) => {
                Err(Error::Watch { app: self.app.clone(), source: Box::new(error) })
            }
            Some(Err(error)) => {
                // The watcher starts again by itself, after a pause that grows.
                tracing::debug!(%error, app = self.app, "a watch broke");
                Ok(())
            }
            // The watchers never end; should they, waiting for them would be for ever.
            None => std::future::pending().await,
        }
    }

    fn take(&mut self, seen: Seen) {
        let world = &mut self.world;
        let (index, done) = match seen {
            Seen::Deployment(event) => (0, store(&mut world.deployments, event)),
            Seen::StatefulSet(event) => (1, store(&mut world.stateful_sets, event)),
            Seen::Job(event) => (2, store(&mut world.jobs, event)),
            Seen::Pod(event) => (3, store(&mut world.pods, event)),
        };
        self.complete[index] |= done;
    }

    /// Waits until `check` is done. It is asked after every change, and once a second, for some
    /// verdicts depend on time alone.
    pub(crate) async fn until(
        &mut self,
        deadline: Instant,
        mut check: impl FnMut(&World) -> Result<Verdict>,
    ) -> Result<(), Waited> {
        loop {
            let waiting = match check(&self.world)? {
                Verdict::Done => return Ok(()),
                Verdict::Waiting(what) => what,
            };
            let pause = Instant::now() + Duration::from_secs(1);
            if Instant::now() >= deadline {
                return Err(Waited::TooLong(waiting));
            }
            tokio::select! {
                seen = self.next() => seen?,
                () = tokio::time::sleep_until(pause.min(deadline)) => {}
            }
        }
    }
}

/// Why a wait ended without what was waited for.
pub(crate) enum Waited {
    /// The deadline passed; what was missing.
    TooLong(String),
    /// It cannot come any more.
    Failed(Error),
}

impl From<Error> for Waited {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl World {
    /// The pods of a block.
    pub(crate) fn pods_of<'a>(
        &'a self,
        block: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Pod)> {
        self.pods.iter().filter(move |(_, pod)| block_of(*pod) == Some(block))
    }
}

/// The block an object belongs to.
pub(crate) fn block_of<K: ResourceExt>(object: &K) -> Option<&str> {
    object.labels().get("app.kubernetes.io/component").map(String::as_str)
}

/// Whether a named init container of a pod has ended well.
pub(crate) fn init_succeeded(pod: &Pod, name: &str) -> bool {
    let statuses = pod.status.as_ref().and_then(|status| status.init_container_statuses.as_ref());
    statuses.into_iter().flatten().filter(|status| status.name == name).any(|status| {
        let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref());
        ended.is_some_and(|ended| ended.exit_code == 0)
    })
}

/// Whether every wanted copy of a Deployment runs the newest template and serves. `generation` is
/// the one that was written: an older object says nothing yet.
pub(crate) fn deployment_ready(object: &Deployment, generation: i64) -> Verdict {
    let wanted = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let name = object.name_any();
    let Some(status) = &object.status else {
        return Verdict::Waiting(format!("{name} 0/{wanted}"));
    };
    let current = object.metadata.generation.unwrap_or(0) >= generation
        && status.observed_generation.unwrap_or(0) >= generation;
    let updated = status.updated_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    let all = status.replicas.unwrap_or(0);
    if current && updated == wanted && available == wanted && all == wanted {
        return Verdict::Done;
    }
    let new = if current { updated.min(available) } else { 0 };
    Verdict::Waiting(format!("{name} {new}/{wanted}"))
}

/// The same for a StatefulSet.
pub(crate) fn stateful_set_ready(object: &StatefulSet, generation: i64) -> Verdict {
    let wanted = object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let name = object.name_any();
    let Some(status) = &object.status else {
        return Verdict::Waiting(format!("{name} 0/{wanted}"));
    };
    let current = object.metadata.generation.unwrap_or(0) >= generation
        && status.observed_generation.unwrap_or(0) >= generation;
    let same =
        status.update_revision.is_none() || status.update_revision == status.current_revision;
    let updated = same || status.updated_replicas.unwrap_or(0) >= wanted;
    let ready = status.ready_replicas.unwrap_or(0);
    if current && updated && ready >= wanted && status.replicas == wanted {
        return Verdict::Done;
    }
    Verdict::Waiting(format!("{name} {ready}/{wanted}"))
}

/// How a Job stands: `Some(true)` complete, `Some(false)` failed, `None` under way.
pub(crate) fn job_ended(job: &Job) -> Option<bool> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().filter(|one| one.status == "True").find_map(|one| match one.type_.as_str() {
        "Complete" => Some(true),
        "Failed" => Some(false),
        _ => None,
    })
}

fn stream<K>(
    target: &Target,
    app: &str,
    wrap: fn(watcher::Event<K>) -> Seen,
) -> BoxStream<'static, Result<Seen, watcher::Error>>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + 'static,
{
    let api: Api<K> = Api::namespaced(target.client.clone(), app);
    // Pods carry the same labels as what made them.
    let config = watcher::Config::default().labels(&live::selector(app));
    watcher(api, config).default_backoff().map(move |event| event.map(wrap)).boxed()
}

/// Stores a change; true once the first list is complete.
fn store<K: ResourceExt>(map: &mut BTreeMap<String, K>, event: watcher::Event<K>) -> bool {
    match event {
        // What is not listed again was deleted meanwhile.
        watcher::Event::Init => map.clear(),
        watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
            map.insert(object.name_any(), object);
        }
        watcher::Event::Delete(object) => {
            map.remove(&object.name_any());
        }
        watcher::Event::InitDone => return true,
    }
    false
}

/// Whether trying again cannot help: no right to watch, or no such kind.
fn permanent(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            [401, 403, 404].contains(&status.code)
        }
        _ => false,
    }
}
