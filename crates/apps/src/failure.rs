//! Why a copy does not come up: read from its pods, with the last lines it printed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::Api;
use kube::api::LogParams;

use crate::observe::{World, block_of};
use crate::{Error, Target};

/// A container that ended so often since the verb began will not come up by waiting.
const STOPS: i32 = 3;
/// ... unless it did so in a moment: what it needs may be a moment late.
const MOMENT: Duration = Duration::from_secs(5);
/// Reasons not to start may pass by themselves within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many lines of a log are shown.
const LINES: i64 = 8;

/// Waiting reasons that mean "cannot be started", not "not yet".
const HOPELESS: [&str; 7] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// What was wrong already when the verb began, and since when something else is.
pub(crate) struct Patience {
    restarts: BTreeMap<(String, String), i32>,
    since: BTreeMap<(String, String), Instant>,
}

/// A container that does not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) block: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    /// Whether its last words are in the log of the run before.
    pub(crate) previous: bool,
    pub(crate) what: String,
}

impl Patience {
    pub(crate) fn new(world: &World) -> Self {
        let mut restarts = BTreeMap::new();
        for (name, pod) in &world.pods {
            for status in statuses(pod) {
                restarts.insert((name.clone(), status.name.clone()), status.restart_count);
            }
        }
        Self { restarts, since: BTreeMap::new() }
    }

    /// The first container of these blocks that will not come up by waiting.
    pub(crate) fn broken(&mut self, world: &World, blocks: &[&str]) -> Option<Broken> {
        for (name, pod) in &world.pods {
            let Some(block) = block_of(pod).filter(|block| blocks.contains(block)) else {
                continue;
            };
            // A Job's pods are its own affair, and a pod on its way out is nobody's.
            let once =
                pod.metadata.labels.as_ref().is_some_and(|l| l.contains_key("shelf.dev/job"));
            if once || pod.metadata.deletion_timestamp.is_some() {
                continue;
            }
            for status in statuses(pod) {
                if let Some((what, previous)) = self.verdict(name, status) {
                    let (block, container) = (block.to_owned(), status.name.clone());
                    return Some(Broken { block, pod: name.clone(), container, previous, what });
                }
            }
        }
        None
    }

    fn verdict(&mut self, pod: &str, status: &ContainerStatus) -> Option<(String, bool)> {
        let key = (pod.to_owned(), status.name.clone());
        let state = status.state.as_ref()?;
        let waiting = state.waiting.as_ref();
        let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
        if HOPELESS.contains(&reason) {
            let since = *self.since.entry(key).or_insert_with(Instant::now);
            let message =
                waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
            let what = format!("cannot be started: {reason} {message} ({pod})");
            return (since.elapsed() > PATIENCE).then(|| (what.trim_end().to_owned(), false));
        }
        let begun = self.restarts.get(&key).copied().unwrap_or(0);
        // Each restart followed an end, and it may have ended once more since.
        let ended = i32::from(state.terminated.is_some() || reason == "CrashLoopBackOff");
        let stops = status.restart_count - begun + ended;
        if status.ready || stops == 0 {
            self.since.remove(&key);
            return None;
        }
        let since = *self.since.entry(key).or_insert_with(Instant::now);
        if stops < STOPS || since.elapsed() < MOMENT {
            return None;
        }
        let last = state
            .terminated
            .as_ref()
            .or_else(|| status.last_state.as_ref().and_then(|last| last.terminated.as_ref()));
        let how = last.map_or_else(String::new, |ended| match ended.reason.as_deref() {
            Some("OOMKilled") => ", it used more memory than it may".to_owned(),
            _ => format!(", exit code {}", ended.exit_code),
        });
        let running = state.running.is_some();
        Some((format!("stopped {stops} times{how} ({pod})"), running))
    }
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().flatten().chain(main.into_iter().flatten())
}

/// The error for a broken container, with its last lines.
pub(crate) async fn start_error(
    target: &Target,
    app: &str,
    broken: Broken,
    still_at: Option<String>,
) -> Error {
    let lines = last_lines(target, app, &broken.pod, &broken.container, broken.previous).await;
    Error::Start { block: broken.block, what: broken.what, lines, still_at }
}

/// The last lines of the first pod that is not ready, for a wait that took too long; and that little
/// is left of the disk, for many programs do not say so.
pub(crate) async fn lines_of_unready(target: &Target, app: &str, world: &World) -> Vec<String> {
    let mut lines = unready(target, app, world).await;
    lines.extend(target.little_space());
    lines
}

async fn unready(target: &Target, app: &str, world: &World) -> Vec<String> {
    let container = |pod: &Pod| {
        let running = statuses(pod).find(|status| {
            !status.ready
                && status
                    .state
                    .as_ref()
                    .is_some_and(|s| s.terminated.as_ref().is_none_or(|t| t.exit_code != 0))
        });
        running.map(|status| (status.name.clone(), status.restart_count > 0))
    };
    for (name, pod) in &world.pods {
        if pod.metadata.deletion_timestamp.is_some() {
            continue;
        }
        let Some((container, restarted)) = container(pod) else { continue };
        let mut lines = last_lines(target, app, name, &container, false).await;
        if lines.is_empty() && restarted {
            lines = last_lines(target, app, name, &container, true).await;
        }
        if !lines.is_empty() {
            lines.push(format!("({name})"));
            return lines;
        }
    }
    Vec::new()
}

/// The last lines of the newest pod of a Job.
pub(crate) async fn lines_of_job(
    target: &Target,
    app: &str,
    world: &World,
    job: &str,
) -> Vec<String> {
    let of_job =
        |pod: &&Pod| pod.metadata.owner_references.iter().flatten().any(|owner| owner.name == job);
    let newest = world
        .pods
        .values()
        .filter(of_job)
        .max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let Some(pod) = newest else { return Vec::new() };
    let name = pod.metadata.name.clone().unwrap_or_default();
    // An init container that failed says more than the one that never ran.
    let failed = statuses(pod).find(|status| {
        let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref());
        ended.is_some_and(|ended| ended.exit_code != 0)
    });
    let Some(container) = failed.map(|status| status.name.clone()) else { return Vec::new() };
    last_lines(target, app, &name, &container, false).await
}

async fn last_lines(
    target: &Target,
    app: &str,
    pod: &str,
    container: &str,
    previous: bool,
) -> Vec<String> {
    let pods: Api<Pod> = Api::namespaced(target.client.clone(), app);
    let params = LogParams {
        container: Some(container.to_owned()),
        previous,
        tail_lines: Some(LINES),
        ..LogParams::default()
    };
    match pods.logs(pod, &params).await {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(error) => {
            // The failure itself is told anyway; a missing log must not hide it.
            tracing::debug!(%error, pod, container, "no log to show");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn world(restarts: i32, ready: bool, state: serde_json::Value) -> World {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "web-1", "labels": { "app.kubernetes.io/component": "web" } },
            "status": { "containerStatuses": [{
                "name": "web", "image": "x", "imageID": "x", "ready": ready,
                "restartCount": restarts, "state": state,
                "lastState": { "terminated": { "exitCode": 7 } },
            }] },
        }))
        .unwrap();
        let mut world = World::default();
        world.pods.insert("web-1".into(), pod);
        world
    }

    fn long_ago(patience: &mut Patience) {
        for since in patience.since.values_mut() {
            *since = Instant::now().checked_sub(PATIENCE + MOMENT).unwrap();
        }
    }

    #[test]
    fn three_ends_over_more_than_a_moment_are_a_crash() {
        let looping = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let mut patience = Patience::new(&World::default());
        let broken = |patience: &mut Patience, world: &World| patience.broken(world, &["web"]);
        assert_eq!(broken(&mut patience, &world(2, false, looping.clone())), None);
        long_ago(&mut patience);
        assert_eq!(broken(&mut patience, &world(1, false, looping.clone())), None);
        let found = broken(&mut patience, &world(2, false, looping.clone())).unwrap();
        assert_eq!(found.what, "stopped 3 times, exit code 7 (web-1)");
        assert_eq!(patience.broken(&world(2, false, looping), &["db"]), None);
    }

    #[test]
    fn old_restarts_and_ready_copies_are_no_crash() {
        let running = json!({ "running": {} });
        let mut patience = Patience::new(&world(9, true, running.clone()));
        assert_eq!(patience.broken(&world(9, true, running.clone()), &["web"]), None);
        assert_eq!(patience.broken(&world(10, false, running), &["web"]), None);
        long_ago(&mut patience);
        let creating = json!({ "waiting": { "reason": "ContainerCreating" } });
        assert_eq!(patience.broken(&world(10, false, creating), &["web"]), None);
    }

    #[test]
    fn an_image_that_is_not_there_is_told_after_a_while() {
        let missing =
            json!({ "waiting": { "reason": "ErrImagePull", "message": "no such image" } });
        let mut patience = Patience::new(&World::default());
        assert_eq!(patience.broken(&world(0, false, missing.clone()), &["web"]), None);
        long_ago(&mut patience);
        let found = patience.broken(&world(0, false, missing), &["web"]).unwrap();
        assert_eq!(found.what, "cannot be started: ErrImagePull no such image (web-1)");
    }
}
