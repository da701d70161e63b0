//! `stop` and `start`: copies to nothing and back. Disks, passwords and settings stay.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::changes::{self, STOPPED};
use crate::event::{BlockState, Event, Events};
use crate::live::{self, Key, Live};
use crate::observe::{self, Observer, Verdict, Waited, World};
use crate::progress::Clock;
use crate::report::ScaleReport;
use crate::{Error, Result, Target, address, apply, failure, moves, release};

const TIMEOUT: Duration = Duration::from_secs(300);

/// Stops every copy of an app and remembers how many there were.
///
/// # Errors
/// There is no such app, or its copies did not end in time.
pub async fn stop(target: &Target, app: &str, events: Events<'_>) -> Result<ScaleReport> {
    let clock = Clock::start();
    let live = existing(target, app).await?;
    let mut changed = Vec::new();
    for (key, object) in workloads(&live) {
        if sleep(target, app, key, object).await? {
            changed.push(key.name.clone());
        }
    }
    let mut observer = Observer::start(target, app).await?;
    let gone = |world: &World| {
        let left: Vec<&str> = world
            .pods
            .iter()
            .filter(|(_, pod)| lasting(pod))
            .map(|(name, _)| name.as_str())
            .collect();
        Ok(match left.is_empty() {
            true => Verdict::Done,
            false => Verdict::Waiting(format!("end of {}", left.join(", "))),
        })
    };
    wait(target, app, &mut observer, gone).await?;
    for block in blocks(&live) {
        events(clock.block(&block, BlockState::Stopped, "its data stays"));
    }
    Ok(report(app, changed, None, &clock, events))
}

/// Stops the copies of the blocks that are not `free`, and waits for their end; `wake` brings them
/// back.
pub(crate) async fn rest(
    target: &Target,
    app: &str,
    live: &Live,
    free: &(dyn Fn(&str) -> bool + Sync),
) -> Result<()> {
    for (key, object) in workloads(live) {
        if changes::component(object).is_some_and(|block| !free(block)) {
            sleep(target, app, key, object).await?;
        }
    }
    let mut observer = Observer::start(target, app).await?;
    let gone = |world: &World| {
        let stays = |pod: &k8s_openapi::api::core::v1::Pod| observe::block_of(pod).is_none_or(free);
        let left = world.pods.iter().filter(|(_, pod)| lasting(pod) && !stays(pod));
        let left: Vec<&str> = left.map(|(name, _)| name.as_str()).collect();
        Ok(match left.is_empty() {
            true => Verdict::Done,
            false => Verdict::Waiting(format!("end of {}", left.join(", "))),
        })
    };
    wait(target, app, &mut observer, gone).await
}

/// Takes the copies of a workload away and remembers how many there were; whether it had any.
async fn sleep(target: &Target, app: &str, key: &Key, object: &Value) -> Result<bool> {
    if changes::annotation(object, STOPPED).is_some() {
        return Ok(false);
    }
    let copies = object["spec"]["replicas"].as_i64().unwrap_or(1).to_string();
    let patch = match key.kind.as_str() {
        "CronJob" => json!({ "spec": { "suspend": true } }),
        _ => json!({ "spec": { "replicas": 0 } }),
    };
    let patch = marked(patch, &json!(copies));
    Ok(apply::merge(target, app, key, &patch).await?.is_some())
}

/// Starts an app again that was stopped, with as many copies as it had.
///
/// # Errors
/// There is no such app, or its copies did not come up in time.
pub async fn start(target: &Target, app: &str, events: Events<'_>) -> Result<ScaleReport> {
    let clock = Clock::start();
    let live = existing(target, app).await?;
    let woken = wake(target, app, &live).await?;
    let changed: Vec<String> = woken.keys().map(|key| key.name.clone()).collect();
    let url = release::read(&live).and_then(|release| release.url);
    let mut observer = Observer::start(target, app).await?;
    let mut open = blocks(&live);
    let keys: Vec<(Key, i64)> = workloads(&live)
        .map(|(key, _)| (key.clone(), woken.get(key).copied().unwrap_or(0)))
        .collect();
    let up = |world: &World| {
        let missing: Vec<String> =
            keys.iter().filter_map(|(key, generation)| missing(world, key, *generation)).collect();
        Ok(match missing.is_empty() {
            true => Verdict::Done,
            false => Verdict::Waiting(missing.join(", ")),
        })
    };
    wait(target, app, &mut observer, up).await?;
    let ingresses = live.iter().filter(|(key, _)| key.kind == "Ingress");
    let paths: Vec<String> =
        ingresses.flat_map(|(_, ingress)| address::paths_of(ingress)).collect();
    address::answers(target, app, &paths, Instant::now() + TIMEOUT).await?;
    let state = if changed.is_empty() { BlockState::Unchanged } else { BlockState::Ready };
    for block in open.drain(..) {
        events(clock.block(&block, state, ""));
    }
    Ok(report(app, changed, url, &clock, events))
}

/// Gives stopped workloads their copies back. Those that were stopped, with their generation now:
/// what was seen of them before says nothing any more.
pub(crate) async fn wake(target: &Target, app: &str, live: &Live) -> Result<BTreeMap<Key, i64>> {
    let woken = wake_some(target, app, live, &|_| true).await?;
    if !woken.is_empty() {
        // It lives here again, wherever it was moved to.
        moves::mark(target, app, None).await?;
    }
    Ok(woken)
}

/// Whether every workload of an app was stopped.
pub(crate) fn is_stopped(live: &Live) -> bool {
    workloads(live).all(|(_, object)| changes::annotation(object, STOPPED).is_some())
}

/// The same for the blocks that are `meant`.
pub(crate) async fn wake_some(
    target: &Target,
    app: &str,
    live: &Live,
    meant: &(dyn Fn(&str) -> bool + Sync),
) -> Result<BTreeMap<Key, i64>> {
    let mut woken = BTreeMap::new();
    for (key, object) in workloads(live) {
        if !changes::component(object).is_some_and(|block| meant(block)) {
            continue;
        }
        let Some(copies) = changes::annotation(object, STOPPED) else { continue };
        let copies: i64 = copies.parse().unwrap_or(1);
        let patch = match key.kind.as_str() {
            "CronJob" => json!({ "spec": { "suspend": false } }),
            _ => json!({ "spec": { "replicas": copies } }),
        };
        let patch = marked(patch, &Value::Null);
        if let Some(generation) = apply::merge(target, app, key, &patch).await? {
            woken.insert(key.clone(), generation);
        }
    }
    Ok(woken)
}

fn marked(mut patch: Value, copies: &Value) -> Value {
    patch["metadata"] = json!({ "annotations": { STOPPED: copies } });
    patch
}

fn missing(world: &World, key: &Key, generation: i64) -> Option<String> {
    let verdict = match key.kind.as_str() {
        "Deployment" => observe::deployment_ready(world.deployments.get(&key.name)?, generation),
        "StatefulSet" => {
            observe::stateful_set_ready(world.stateful_sets.get(&key.name)?, generation)
        }
        _ => Verdict::Done,
    };
    match verdict {
        Verdict::Done => None,
        Verdict::Waiting(what) => Some(what),
    }
}

/// Whether a pod belongs to a workload and still runs; those of Jobs end by themselves.
fn lasting(pod: &k8s_openapi::api::core::v1::Pod) -> bool {
    pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key("shelf.dev/process"))
}

async fn wait(
    target: &Target,
    app: &str,
    observer: &mut Observer,
    check: impl FnMut(&World) -> Result<Verdict>,
) -> Result<()> {
    match observer.until(Instant::now() + TIMEOUT, check).await {
        Ok(()) => Ok(()),
        Err(Waited::Failed(error)) => Err(error),
        Err(Waited::TooLong(waiting)) => {
            let lines = failure::lines_of_unready(target, app, &observer.world).await;
            Err(Error::Timeout { seconds: TIMEOUT.as_secs(), waiting, lines })
        }
    }
}

fn workloads(live: &Live) -> impl Iterator<Item = (&Key, &Value)> {
    let kinds = ["Deployment", "StatefulSet", "CronJob"];
    live.iter().filter(move |(key, _)| kinds.contains(&key.kind.as_str()))
}

fn blocks(live: &Live) -> Vec<String> {
    let mut names: Vec<String> =
        workloads(live).filter_map(|(_, object)| changes::component(object).cloned()).collect();
    names.sort();
    names.dedup();
    names
}

async fn existing(target: &Target, app: &str) -> Result<Live> {
    let live = live::list(target, app).await?;
    if workloads(&live).next().is_none() {
        return Err(Error::Absent(app.to_owned()));
    }
    Ok(live)
}

fn report(
    app: &str,
    changed: Vec<String>,
    url: Option<String>,
    clock: &Clock,
    events: Events<'_>,
) -> ScaleReport {
    let seconds = clock.seconds();
    events(Event::Done { url: url.clone(), seconds });
    ScaleReport { app: app.to_owned(), changed, url, seconds }
}
