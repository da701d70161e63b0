//! `status`, `url`, and the list of apps: what runs, read from the objects.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ContainerStatus, Namespace, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::changes::{self, STOPPED};
use crate::event::BlockState;
use crate::live::{self, Key, Live};
use crate::release::{self, Release};
use crate::report::{BlockStatus, PodStatus, StatusReport};
use crate::{Error, Result, Target};

/// How an app and its blocks stand.
///
/// # Errors
/// There is no such app, or the target does not answer.
pub async fn status(target: &Target, app: &str) -> Result<StatusReport> {
    let live = live::list(target, app).await?;
    let recorded = release::read(&live);
    // A block whose steps run before its first start has no workload yet.
    let jobs = live.iter().filter(|(_, object)| step(object).is_some()).map(|(_, object)| object);
    let names: BTreeSet<&String> = workloads(&live)
        .map(|(_, object)| object)
        .chain(jobs)
        .filter_map(changes::component)
        .collect();
    if names.is_empty() {
        return Err(Error::Absent(app.to_owned()));
    }
    let pods: Api<Pod> = Api::namespaced(target.client.clone(), app);
    let params = ListParams::default().labels(&live::selector(app));
    let pods = pods.list(&params).await.map_err(Error::api(format!("list pods of {app}")))?.items;
    let blocks: Vec<BlockStatus> =
        names.into_iter().map(|name| block(name, &live, &pods, recorded.as_ref())).collect();
    Ok(StatusReport {
        app: app.to_owned(),
        state: whole(worst(&blocks), recorded.as_ref()),
        url: recorded.as_ref().and_then(|release| release.url.clone()),
        release: recorded.as_ref().map(|release| release.release.clone()),
        released_by: recorded.as_ref().and_then(|release| maker(&live, &release.release)),
        released_at: recorded.map(|release| release.at),
        warnings: target.little_space().into_iter().collect(),
        blocks,
    })
}

/// Who made the release that runs, if that was kept.
fn maker(live: &Live, wanted: &str) -> Option<String> {
    let found = release::past(live).into_iter().find(|(one, _)| one.release == wanted)?;
    Some(found.1.by).filter(|by| !by.is_empty())
}

/// The apps on the target, by name.
///
/// # Errors
/// The target does not answer.
pub async fn apps(target: &Target) -> Result<Vec<StatusReport>> {
    let namespaces: Api<Namespace> = Api::all(target.client.clone());
    let params = ListParams::default().labels("app.kubernetes.io/managed-by=shelf");
    let list = namespaces.list(&params).await.map_err(Error::api("list namespaces"))?;
    let mut reports = Vec::new();
    for namespace in list {
        match status(target, &namespace.name_any()).await {
            Ok(report) => reports.push(report),
            // A namespace that only keeps the disks of a destroyed app.
            Err(Error::Absent(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(reports)
}

/// The app's address.
///
/// # Errors
/// There is no such app, or the target does not answer.
pub async fn url(target: &Target, app: &str) -> Result<Option<String>> {
    Ok(status(target, app).await?.url)
}

fn workloads(live: &Live) -> impl Iterator<Item = (&Key, &Value)> {
    let kinds = ["Deployment", "StatefulSet", "CronJob"];
    live.iter().filter(move |(key, _)| kinds.contains(&key.kind.as_str()))
}

fn block(name: &str, live: &Live, pods: &[Pod], recorded: Option<&Release>) -> BlockStatus {
    let own =
        || workloads(live).filter(|(_, one)| changes::component(one).is_some_and(|n| n == name));
    let count = |object: &Value, path: [&str; 2]| -> u32 {
        object[path[0]][path[1]].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    };
    let wanted: u32 = own().map(|(_, object)| count(object, ["spec", "replicas"])).sum();
    let ready: u32 = own().map(|(_, object)| count(object, ["status", "readyReplicas"])).sum();
    let stopped = own().any(|(_, object)| changes::annotation(object, STOPPED).is_some());
    let mut mine: Vec<&Pod> = pods.iter().filter(|pod| lasting(pod, name)).collect();
    mine.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let statuses = || mine.iter().flat_map(|pod| containers(pod));
    let restarts: i32 = statuses().map(|status| status.restart_count).sum();
    let trouble = statuses().find_map(trouble);
    let waits = mine.iter().find_map(|pod| waits_for(pod));
    let steps = live.values().filter(|one| changes::component(one).is_some_and(|n| n == name));
    let steps: Vec<(Step, &str)> = steps.filter_map(step).collect();
    let running = steps.iter().find(|(state, _)| *state == Step::Runs).map(|(_, name)| *name);
    let broken = steps.iter().find(|(state, _)| *state == Step::Failed).map(|(_, name)| *name);
    let begun = own().next().is_some();
    let state = match (&trouble, stopped) {
        (_, true) => BlockState::Stopped,
        _ if running.is_some() => BlockState::Waiting,
        _ if !begun && broken.is_some() => BlockState::Failing,
        _ if !begun => BlockState::Starting,
        (Some(_), _) if ready < wanted => BlockState::Failing,
        _ if ready >= wanted => BlockState::Ready,
        _ if ready > 0 => BlockState::Degraded,
        _ if waits.is_some() => BlockState::Waiting,
        _ => BlockState::Starting,
    };
    let detail = match state {
        BlockState::Waiting if running.is_some() => running.map(|step| format!("for step {step}")),
        BlockState::Failing => trouble.or_else(|| broken.map(|step| format!("step {step} failed"))),
        BlockState::Waiting => waits,
        _ => None,
    };
    let since = mine.first().and_then(|pod| pod.metadata.creation_timestamp.as_ref());
    BlockStatus {
        name: name.to_owned(),
        from: recorded.and_then(|one| one.from.get(name).cloned()).unwrap_or_default(),
        state,
        ready,
        wanted,
        restarts: u32::try_from(restarts).unwrap_or(0),
        pods: mine.iter().map(|pod| copy(pod)).collect(),
        detail: detail.unwrap_or_default(),
        since: since.map(|time| time.0.to_string()),
    }
}

/// How one copy stands.
fn copy(pod: &Pod) -> PodStatus {
    let status = pod.status.as_ref();
    let ready = status.and_then(|status| status.conditions.as_ref()).is_some_and(|conditions| {
        conditions.iter().any(|one| one.type_ == "Ready" && one.status == "True")
    });
    let trouble = containers(pod).find_map(trouble);
    let waits = waits_for(pod);
    let ending = pod.metadata.deletion_timestamp.is_some();
    let state = match (&trouble, &waits) {
        _ if ending => BlockState::Stopped,
        _ if ready => BlockState::Ready,
        (Some(_), _) => BlockState::Failing,
        (None, Some(_)) => BlockState::Waiting,
        (None, None) => BlockState::Starting,
    };
    let restarts: i32 = containers(pod).map(|status| status.restart_count).sum();
    PodStatus {
        name: pod.name_any(),
        process: pod.labels().get("shelf.dev/process").cloned().unwrap_or_default(),
        ready,
        restarts: u32::try_from(restarts).unwrap_or(0),
        state,
        ip: status.and_then(|status| status.pod_ip.clone()),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        since: pod.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
        reason: trouble.or(waits).filter(|_| !ready).unwrap_or_default(),
    }
}

/// How a step before the start of a block stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Runs,
    Failed,
    Done,
}

/// How the step stands that an object is, and its name; nothing if it is none.
fn step(object: &Value) -> Option<(Step, &str)> {
    let name = changes::annotation(object, "shelf.dev/step")?;
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut true_ones = conditions.filter(|one| one["status"] == "True");
    let state = true_ones.find_map(|one| match one["type"].as_str() {
        Some("Complete") => Some(Step::Done),
        Some("Failed") => Some(Step::Failed),
        _ => None,
    });
    Some((state.unwrap_or(Step::Runs), name))
}

/// An app that never came up completely is not ready, however well the blocks do that it has.
fn whole(worst: BlockState, recorded: Option<&Release>) -> BlockState {
    match worst {
        BlockState::Ready if recorded.is_none() => BlockState::Starting,
        state => state,
    }
}

/// The wire that a copy waits for before it starts.
fn waits_for(pod: &Pod) -> Option<String> {
    let init = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    let runs = |one: &&ContainerStatus| one.state.as_ref().is_some_and(|s| s.running.is_some());
    let step = init.iter().find(runs)?.name.strip_prefix("wait-")?;
    Some(format!("for {step}"))
}

/// Whether a pod is a copy of a process of this block; those of Jobs are not.
fn lasting(pod: &Pod, block: &str) -> bool {
    let labels: &BTreeMap<String, String> = pod.labels();
    let component = labels.get("app.kubernetes.io/component");
    component.is_some_and(|name| name == block) && labels.contains_key("shelf.dev/process")
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().flatten().chain(main.into_iter().flatten())
}

/// What is wrong with a container, in a few words.
fn trouble(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        if ["PodInitializing", "ContainerCreating", ""].contains(&reason) {
            return None;
        }
        let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
        let exit = last.map(|ended| format!(", exit code {}", ended.exit_code)).unwrap_or_default();
        return Some(format!("{}: {reason}{exit}", status.name));
    }
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    Some(format!("{}: exit code {}", status.name, ended.exit_code))
}

/// The app as a whole is as well as its worst block.
fn worst(blocks: &[BlockStatus]) -> BlockState {
    let order = [
        BlockState::Failing,
        BlockState::Degraded,
        BlockState::Waiting,
        BlockState::Starting,
        BlockState::Stopped,
    ];
    let found = order.into_iter().find(|state| blocks.iter().any(|block| block.state == *state));
    found.unwrap_or(BlockState::Ready)
}
