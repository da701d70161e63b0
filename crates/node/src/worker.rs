//! One pod's life: look, plan, do, report, wait, and again until it is gone.
//!
//! Everything a pod needs is done by its own task, one thing after the other, so no two steps of
//! a pod race. What is known is asked anew from the pod room each time; only what cannot be found
//! again (back-offs, last ends) is kept in memory, and even that is rebuilt from the pod's status
//! when the daemon starts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    Container, ContainerStateTerminated, ContainerStatus, Pod, PodStatus,
};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use pod::State;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::downward::Facts;
use crate::env::Sources;
use crate::error::Error;
use crate::plan::{self, BackOff, Plan, Recorded, Start};
use crate::probe::{self, Health, Target};
use crate::shared::{Shared, api_error, title};
use crate::status::{self, Failure, Waiting};
use crate::volumes::{self, Ready};
use crate::{admit, delete, hooks, machine, translate};

/// How often volumes that follow objects are brought up to date.
const REFRESH: Duration = Duration::from_secs(30);
/// Longest pause between attempts at what could not be done.
const PAUSE: u32 = 30;
/// Bytes taken from a container's termination message, as upstream.
const MESSAGE: u64 = 4096;

/// What the API wants of a pod.
#[derive(Clone)]
pub(crate) enum Desired {
    /// This.
    Pod(Arc<Pod>),
    /// Its object is gone.
    Gone,
}

/// The task of one pod.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    id: String,
    desired: watch::Receiver<Desired>,
    health: Arc<Health>,
    memory: Memory,
}

/// What is kept from one look to the next.
#[derive(Default)]
struct Memory {
    back_offs: BTreeMap<String, BackOff>,
    last: BTreeMap<String, ContainerStateTerminated>,
    messages: BTreeMap<String, (u32, String)>,
    waiting: BTreeMap<String, Waiting>,
    recorded: BTreeMap<String, Recorded>,
    failure: Option<Failure>,
    /// Failed attempts in a row, which lengthen the pause.
    failures: u32,
    refreshed: Option<Instant>,
    /// What was last written, to write only changes.
    told: Option<Value>,
}

impl Worker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        id: String,
        desired: watch::Receiver<Desired>,
        health: Arc<Health>,
    ) -> Self {
        let memory = Memory::default();
        let mut worker = Self { shared, id, desired, health, memory };
        if let Desired::Pod(pod) = worker.desired.borrow().clone() {
            worker.memory = remember(&pod);
        }
        worker
    }

    /// Runs until the pod is gone or the daemon ends.
    pub(crate) async fn run(mut self) {
        loop {
            let desired = self.desired.borrow_and_update().clone();
            let wake = match desired {
                Desired::Gone => {
                    self.end_now(None).await;
                    return;
                }
                Desired::Pod(pod) if pod.metadata.deletion_timestamp.is_some() => {
                    match self.terminate(&pod).await {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::warn!(pod = title(&pod), error = error.chain(), "not deleted");
                            Some(self.pause())
                        }
                    }
                }
                Desired::Pod(pod) => self.look(&pod).await,
            };
            let sleep = async {
                match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.desired.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = self.health.bell.notified() => {}
                () = sleep => {}
            }
        }
    }

    /// A longer pause after each failure in a row: 1 s, 2 s, 4 s … 30 s.
    fn pause(&mut self) -> Instant {
        let seconds = (1_u32 << self.memory.failures.min(5)).min(PAUSE);
        self.memory.failures += 1;
        Instant::now() + Duration::from_secs(u64::from(seconds))
    }

    /// One round for a pod that is to run; returns when to look again unasked.
    async fn look(&mut self, pod: &Arc<Pod>) -> Option<Instant> {
        let mut wake = None;
        // Each round may make the next step possible: an ended init container, a lost sandbox.
        for _ in 0..64 {
            let (plan, state) = self.plan(pod);
            if self.over(pod, &plan).await {
                return self.settle(pod, &plan).await;
            }
            self.kill_unhealthy(pod).await;
            wake = self.next_wake(pod, &plan);
            if plan.start.is_empty() {
                self.watch_running(pod, state.as_ref());
                break;
            }
            match self.carry_out(pod, &plan).await {
                Ok(()) => self.memory.failures = 0,
                Err(error) => {
                    self.cannot_start(pod, &plan, &error);
                    wake = Some(self.pause());
                    break;
                }
            }
        }
        self.refresh_volumes(pod).await;
        let (plan, _) = self.plan(pod);
        if let Err(error) = self.report(pod, &plan).await {
            tracing::warn!(pod = title(pod), error = error.chain(), "status not written");
            wake = Some(self.pause());
        }
        wake
    }

    fn plan(&mut self, pod: &Arc<Pod>) -> (Plan, Option<State>) {
        let state = self.shared.pods.get(&self.id);
        let spec = pod.spec.clone().unwrap_or_default();
        let plan = plan::plan(&plan::Input {
            spec: &spec,
            state: state.as_ref(),
            started: &|name| self.health.started(name),
            back_offs: &self.memory.back_offs,
            recorded: &self.memory.recorded,
            now: Timestamp::now(),
        });
        self.note_ends(&spec.containers, state.as_ref());
        self.note_ends(spec.init_containers.as_deref().unwrap_or_default(), state.as_ref());
        (plan, state)
    }

    /// Keeps the last words of containers that have ended, and ends the watch over them.
    fn note_ends(&mut self, containers: &[Container], state: Option<&State>) {
        for container in containers {
            let known = state.and_then(|state| state.container(&container.name));
            let Some((known, exit)) = known.and_then(|k| Some((k, k.exit?))) else { continue };
            self.health.forget(&container.name);
            let noted = self.memory.messages.get(&container.name);
            if noted.is_none_or(|(attempt, _)| *attempt != known.attempt) {
                let text = self.last_words(container, known, exit.code != 0);
                self.memory.messages.insert(container.name.clone(), (known.attempt, text));
            }
        }
    }

    fn last_words(
        &self,
        container: &Container,
        known: &pod::ContainerState,
        failed: bool,
    ) -> String {
        use std::io::Read;
        let path = self.termination_log(&container.name, known.attempt);
        let mut text = Vec::new();
        if let Ok(file) = std::fs::File::open(path) {
            // Unreadable is the same as empty: nobody wrote last words.
            let _ = file.take(MESSAGE).read_to_end(&mut text);
        }
        let from_log =
            container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
        if text.is_empty() && failed && from_log {
            let options = pod::LogOptions {
                tail_lines: Some(80),
                limit_bytes: Some(2048),
                ..pod::LogOptions::default()
            };
            let mut sink = |part: &[u8]| {
                text.extend_from_slice(part);
                std::ops::ControlFlow::Continue(())
            };
            // Without a log there are no last words.
            let _ = self.shared.pods.read_log(
                &self.id,
                &container.name,
                Some(known.attempt),
                &options,
                &mut sink,
            );
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn termination_log(&self, container: &str, attempt: u32) -> PathBuf {
        self.shared
            .pods
            .volumes_dir(&self.id)
            .join(".termination")
            .join(format!("{container}.{attempt}"))
    }

    /// Whether the pod has come to its end, well or not.
    async fn over(&mut self, pod: &Arc<Pod>, plan: &Plan) -> bool {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return true;
        }
        if self.memory.failure.is_none() {
            self.memory.failure = admit::refusal(pod).or_else(|| too_late(pod));
            if let Some(failure) = &self.memory.failure {
                let reason =
                    if failure.reason == "DeadlineExceeded" { "DeadlineExceeded" } else { "NotAllowed" };
                self.shared.recorder.warning(pod, None, reason, failure.message.clone());
            }
        }
        self.memory.failure.is_some() || plan.finished.is_some()
    }

    /// Ends what still runs in a pod that is over and gives its sandbox back.
    async fn settle(&mut self, pod: &Arc<Pod>, plan: &Plan) -> Option<Instant> {
        self.health.forget_all();
        let alive = self.shared.pods.get(&self.id).is_some_and(|state| state.alive);
        if alive {
            delete::stop_all(&self.shared, pod, delete::grace(pod)).await;
            let id = self.id.clone();
            let released =
                self.shared.blocking("release pod", move |pods| pods.release(&id)).await;
            if let Err(error) = released {
                tracing::warn!(pod = title(pod), error = error.chain(), "not released");
                return Some(self.pause());
            }
        }
        match self.report(pod, plan).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(pod = title(pod), error = error.chain(), "status not written");
                Some(self.pause())
            }
        }
    }

    async fn kill_unhealthy(&mut self, pod: &Arc<Pod>) {
        for (name, attempt, why) in self.health.to_kill() {
            let state = self.shared.pods.get(&self.id);
            let runs = state
                .as_ref()
                .and_then(|s| s.container(&name))
                .is_some_and(|c| c.attempt == attempt && c.running());
            let container = all_containers(pod).find(|c| c.name == name).cloned();
            if let Some(container) = container.filter(|_| runs) {
                self.shared.recorder.normal(pod, Some(&name), "Killing", why);
                let grace = delete::grace(pod);
                delete::stop(&self.shared, pod, container, grace, "Stopping container").await;
            }
        }
    }

    fn next_wake(&self, pod: &Pod, plan: &Plan) -> Option<Instant> {
        let now = Timestamp::now();
        let until = |time: &Timestamp| {
            let left = Duration::try_from(time.duration_since(now)).unwrap_or_default();
            // A little later: the file's time is finer than ours.
            Instant::now() + left + Duration::from_millis(5)
        };
        let mut wakes: Vec<Instant> = plan.backing_off.values().map(until).collect();
        wakes.extend(deadline(pod).as_ref().map(until));
        if volumes::follows_objects(pod) {
            wakes.push(self.memory.refreshed.unwrap_or_else(Instant::now) + REFRESH);
        }
        wakes.into_iter().min()
    }

    /// Watches containers that run but are not watched: those the last daemon started.
    fn watch_running(&self, pod: &Arc<Pod>, state: Option<&State>) {
        let Some(state) = state else { return };
        for container in all_containers(pod) {
            let Some(known) = state.container(&container.name).filter(|k| k.running()) else {
                continue;
            };
            if !self.health.watches(&known.name, known.attempt) {
                let before = told_of(pod, &known.name)
                    .filter(|s| i64::from(s.restart_count) == i64::from(known.attempt))
                    .map_or((false, false), |s| (s.started == Some(true), s.ready));
                self.watch(pod, container, known.attempt, before);
            }
        }
    }

    fn watch(&self, pod: &Arc<Pod>, container: &Container, attempt: u32, before: (bool, bool)) {
        let ip = self.shared.pods.get(&self.id).and_then(|state| state.ip);
        let target = Target {
            shared: self.shared.clone(),
            pod: pod.clone(),
            container: container.clone(),
            ip: ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST),
        };
        probe::watch(&self.health, target, attempt, before);
    }

    async fn carry_out(&mut self, pod: &Arc<Pod>, plan: &Plan) -> Result<(), Error> {
        let shared = self.shared.clone();
        // Closed only with the node, which does not happen while a worker runs.
        let _turn = shared.starts.acquire().await;
        // Images first: nothing is made for a pod that cannot start.
        for start in &plan.start {
            self.image(pod, start).await?;
        }
        let sandbox = translate::sandbox(pod, &shared.settings);
        let created = shared.blocking("create pod", move |pods| pods.create(&sandbox)).await?;
        let facts = machine::facts(created.ip, shared.host_ip);
        let ready = volumes::prepare(&shared, pod, &facts).await?;
        self.memory.refreshed = Some(Instant::now());
        let sources = volumes::sources(&shared, pod).await?;
        for start in &plan.start {
            self.start(pod, start, &ready, &sources, &facts).await?;
        }
        Ok(())
    }

    async fn image(&mut self, pod: &Arc<Pod>, start: &Start) -> Result<(), Error> {
        let container = all_containers(pod).find(|c| c.name == start.name);
        let image = container.and_then(|c| c.image.clone()).unwrap_or_default();
        let name = image.clone();
        let found = self.shared.blocking("find image", move |pods| pods.image(&name)).await;
        if found.is_ok() && !self.memory.waiting.contains_key(&start.name) {
            return Ok(());
        }
        match found {
            Ok(_) => {
                self.memory.waiting.remove(&start.name);
                Ok(())
            }
            Err(error) => {
                let never = container.and_then(|c| c.image_pull_policy.as_deref()) == Some("Never");
                let reason = match (never, self.memory.failures) {
                    (true, _) => "ErrImageNeverPull",
                    (false, 0) => "ErrImagePull",
                    (false, _) => "ImagePullBackOff",
                };
                let message = format!("image \"{image}\" is not on this machine: {}", error.chain());
                self.memory.waiting.insert(
                    start.name.clone(),
                    Waiting { reason: reason.to_owned(), message: message.clone() },
                );
                self.shared.recorder.warning(pod, Some(&start.name), "Failed", message);
                Err(error)
            }
        }
    }

    async fn start(
        &mut self,
        pod: &Arc<Pod>,
        start: &Start,
        ready: &BTreeMap<String, Ready>,
        sources: &Sources,
        facts: &Facts,
    ) -> Result<(), Error> {
        let Some(container) = all_containers(pod).find(|c| c.name == start.name).cloned() else {
            return Ok(());
        };
        let env = crate::env::environment(pod, &container, sources, facts)?;
        let log = self.termination_log(&container.name, start.attempt);
        make_log(&log).map_err(|source| Error::File { action: "make", path: log.clone(), source })?;
        let made = translate::container(pod, &container, env, ready, log, start.attempt)?;
        let state = self.shared.pods.get(&self.id);
        if let Some(known) = state.as_ref().and_then(|s| s.container(&container.name))
            && let Some(exit) = &known.exit
        {
            let message = self.memory.messages.get(&container.name).map(|(_, text)| text.as_str());
            let ended = status::terminated(known, exit, message);
            self.memory.last.insert(container.name.clone(), ended);
        }
        self.memory.back_offs.insert(container.name.clone(), start.back_off);
        let id = self.id.clone();
        let started = self
            .shared
            .blocking("start container", move |pods| pods.start_container(&id, &made))
            .await;
        let name = container.name.clone();
        if let Err(error) = started {
            let text = format!("Error: {}", error.chain());
            self.shared.recorder.warning(pod, Some(&name), "Failed", text.clone());
            // A program that could not be executed counts as one that ended at once.
            let ended = self.shared.pods.get(&self.id).is_some_and(|state| {
                state.container(&name).is_some_and(|c| c.attempt == start.attempt)
            });
            if ended {
                self.memory.messages.insert(name, (start.attempt, text));
                return Ok(());
            }
            return Err(error);
        }
        self.memory.waiting.remove(&name);
        let text = format!("Started container {name}");
        self.shared.recorder.normal(pod, Some(&name), "Started", text);
        self.watch(pod, &container, start.attempt, (false, false));
        self.after_start(pod, &container).await;
        Ok(())
    }

    async fn after_start(&mut self, pod: &Arc<Pod>, container: &Container) {
        let hook = container.lifecycle.as_ref().and_then(|l| l.post_start.as_ref());
        let Some(hook) = hook else { return };
        let ip = self.shared.pods.get(&self.id).and_then(|state| state.ip);
        let target = Target {
            shared: self.shared.clone(),
            pod: pod.clone(),
            container: container.clone(),
            ip: ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST),
        };
        if let Err(why) = hooks::run(&target, hook).await {
            let name = Some(container.name.as_str());
            let text = format!("PostStartHook failed: {why}");
            self.shared.recorder.warning(pod, name, "FailedPostStartHook", text);
            let grace = delete::grace(pod);
            let why = "FailedPostStartHook, stopping container";
            delete::stop(&self.shared, pod, container.clone(), grace, why).await;
        }
    }

    /// Notes why containers wait, for their statuses and for people.
    fn cannot_start(&mut self, pod: &Pod, plan: &Plan, error: &Error) {
        let text = error.chain();
        let reason = match error {
            Error::Config { .. } => "CreateContainerConfigError",
            Error::Volume { .. } => {
                self.shared.recorder.warning(pod, None, "FailedMount", text.clone());
                "ContainerCreating"
            }
            Error::Pod { action: "find image", .. } => return,
            Error::Pod { action: "create pod", .. } => {
                self.shared.recorder.warning(pod, None, "FailedCreatePodSandBox", text.clone());
                "ContainerCreating"
            }
            _ => "CreateContainerError",
        };
        if matches!(error, Error::Config { .. }) {
            self.shared.recorder.warning(pod, None, "Failed", format!("Error: {text}"));
        }
        for start in &plan.start {
            let known = self.shared.pods.get(&self.id);
            let runs = known.is_some_and(|s| s.container(&start.name).is_some_and(|c| c.running()));
            if !runs {
                let waiting = Waiting { reason: reason.to_owned(), message: text.clone() };
                self.memory.waiting.insert(start.name.clone(), waiting);
            }
        }
    }

    /// Brings volumes that follow objects up to date, now and then.
    async fn refresh_volumes(&mut self, pod: &Arc<Pod>) {
        let due = self.memory.refreshed.is_none_or(|at| at.elapsed() >= REFRESH);
        let Some(state) = self.shared.pods.get(&self.id).filter(|state| state.alive) else { return };
        if !due || !volumes::follows_objects(pod) {
            return;
        }
        self.memory.refreshed = Some(Instant::now());
        let ip = state.ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST);
        let facts = machine::facts(ip, self.shared.host_ip);
        if let Err(error) = volumes::prepare(&self.shared, pod, &facts).await {
            // Running containers keep what they have.
            tracing::debug!(pod = title(pod), error = error.chain(), "volumes not refreshed");
        }
    }

    /// Writes the pod's status if it has changed.
    async fn report(&mut self, pod: &Arc<Pod>, plan: &Plan) -> Result<(), Error> {
        let state = self.shared.pods.get(&self.id);
        let messages: BTreeMap<String, String> =
            self.memory.messages.iter().map(|(k, (_, text))| (k.clone(), text.clone())).collect();
        let host_ip = self.shared.host_ip.to_string();
        let status = status::status(&status::Input {
            pod,
            state: state.as_ref(),
            plan,
            waiting: &self.memory.waiting,
            last: &self.memory.last,
            messages: &messages,
            started: &|name| self.health.started(name),
            ready: &|name| self.health.ready(name),
            failure: self.memory.failure.as_ref(),
            host_ip: &host_ip,
            now: Timestamp::now(),
        });
        self.tell(pod, &status).await
    }

    async fn tell(&mut self, pod: &Pod, status: &PodStatus) -> Result<(), Error> {
        let new = serde_json::to_value(status).unwrap_or_default();
        if self.memory.told.as_ref() == Some(&new) {
            return Ok(());
        }
        let old = serde_json::to_value(pod.status.clone().unwrap_or_default()).unwrap_or_default();
        if self.memory.told.is_none() && old == new {
            self.memory.told = Some(new);
            return Ok(());
        }
        let patch = json!({"metadata": {"uid": self.id}, "status": new});
        let namespace = pod.namespace().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), &namespace);
        let params = PatchParams::default();
        match api.patch_status(&pod.name_any(), &params, &Patch::Merge(patch)).await {
            Ok(_) => {
                self.memory.told = Some(new);
                Ok(())
            }
            // Deleted meanwhile: the watch will say so.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(api_error("write status of pod", title(pod))(error)),
        }
    }

    /// A deleted pod: ends it in good order, then its object. A hurry (object gone, grace cut to
    /// nothing) breaks the waiting off.
    async fn terminate(&mut self, pod: &Arc<Pod>) -> Result<(), Error> {
        self.health.forget_all();
        let (plan, state) = self.plan(pod);
        if state.is_some() {
            // Not ready any more, before anything is stopped.
            if let Err(error) = self.report(pod, &plan).await {
                tracing::warn!(pod = title(pod), error = error.chain(), "status not written");
            }
        }
        let grace = delete::grace(pod);
        let mut desired = self.desired.clone();
        let hurry = async {
            loop {
                if desired.changed().await.is_err() {
                    return std::future::pending().await;
                }
                match desired.borrow_and_update().clone() {
                    Desired::Gone => return,
                    Desired::Pod(pod) if delete::grace(&pod) < grace => return,
                    Desired::Pod(_) => {}
                }
            }
        };
        tokio::select! {
            () = delete::stop_all(&self.shared, pod, grace) => {}
            () = hurry => {}
        }
        if self.shared.pods.get(&self.id).is_some() {
            let (mut plan, state) = self.plan(pod);
            let ends = state.iter().flat_map(|s| &s.containers).filter_map(|c| c.exit);
            plan.finished = plan.finished.or(Some(ends.clone().all(|e| e.code == 0)));
            if let Err(error) = self.report(pod, &plan).await {
                tracing::warn!(pod = title(pod), error = error.chain(), "status not written");
            }
        }
        delete::remove(&self.shared, &self.id).await;
        delete::delete_object(&self.shared, pod).await
    }

    /// A pod whose object is gone already: nobody waits for its grace.
    async fn end_now(&mut self, pod: Option<&Arc<Pod>>) {
        self.health.forget_all();
        if let Some(pod) = pod {
            delete::stop_all(&self.shared, pod, Duration::from_secs(1)).await;
        }
        delete::remove(&self.shared, &self.id).await;
    }
}

fn all_containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers))
}

fn told_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    all.into_iter().find(|status| status.name == name)
}

/// What the pod's status still tells after a restart of the daemon, or of the machine.
fn remember(pod: &Pod) -> Memory {
    let mut memory = Memory::default();
    for container in all_containers(pod) {
        let Some(told) = told_of(pod, &container.name) else { continue };
        let ended = told.state.as_ref().and_then(|s| s.terminated.clone());
        let last = told.last_state.as_ref().and_then(|s| s.terminated.clone());
        let recorded = Recorded {
            restart_count: u32::try_from(told.restart_count).unwrap_or(0),
            ended: ended.as_ref().or(last.as_ref()).map(|t| t.exit_code),
            started: told.container_id.is_some(),
        };
        memory.recorded.insert(container.name.clone(), recorded);
        if let Some(last) = last {
            memory.last.insert(container.name.clone(), last);
        }
    }
    memory
}

fn deadline(pod: &Pod) -> Option<Timestamp> {
    let seconds = pod.spec.as_ref()?.active_deadline_seconds?;
    let begin = pod.status.as_ref()?.start_time.as_ref()?.0;
    begin.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn too_late(pod: &Pod) -> Option<Failure> {
    let deadline = deadline(pod)?;
    (Timestamp::now() >= deadline).then(|| Failure {
        reason: "DeadlineExceeded".to_owned(),
        message: "Pod was active on the node longer than the specified deadline".to_owned(),
    })
}

/// The file behind the container's termination message; anybody inside may write it.
fn make_log(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    fs_err::write(path, "")?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o666))
}
