//! One pod's life: look, plan, do, report, wait, and again until it is gone.
//!
//! Everything a pod needs is done by its own task, one thing after the other, so no two steps of
//! a pod race. What is known is asked anew from the pod room each time; only what cannot be found
//! again (back-offs, last ends) is kept in memory, and even that is rebuilt from the pod's status
//! when the daemon starts.

mod ending;
mod fetching;
mod starting;
mod telling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, Pod};
use pod::State;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::host::{Host, title};
use crate::plan::{self, BackOff, Plan, Recorded};
use crate::probe::{self, Health, Target};
use crate::status::{Failure, Waiting};
use crate::{admit, delete, machine, space, volumes};

/// How often volumes that follow objects are brought up to date.
const REFRESH: Duration = Duration::from_secs(30);
/// Longest pause between attempts at what could not be done.
const PAUSE: u32 = 30;

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
    host: Arc<Host>,
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
    /// Containers whose image was fetched just now, which was told.
    fetched: BTreeSet<String>,
    /// Failed attempts in a row, which lengthen the pause.
    failures: u32,
    refreshed: Option<Instant>,
    /// When its volumes were last measured.
    measured: Option<Instant>,
    /// What was last written, to write only changes.
    told: Option<Value>,
}

impl Worker {
    pub(crate) fn new(
        host: Arc<Host>,
        id: String,
        desired: watch::Receiver<Desired>,
        health: Arc<Health>,
    ) -> Self {
        let memory = Memory::default();
        let mut worker = Self { host, id, desired, health, memory };
        if let Desired::Pod(pod) = worker.desired.borrow().clone() {
            worker.memory = telling::remember(&pod);
        }
        worker
    }

    /// Runs until the pod is gone or the daemon ends.
    pub(crate) async fn run(mut self) {
        loop {
            let desired = self.desired.borrow_and_update().clone();
            let wake = match desired {
                Desired::Gone => {
                    // Nobody waits for the grace of a pod whose object is gone already.
                    self.health.forget_all();
                    delete::remove(&self.host, &self.id).await;
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
            if self.desired.has_changed().unwrap_or(true) {
                // Deleted meanwhile, perhaps: looked at first.
                wake = Some(Instant::now());
                break;
            }
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
        let state = self.host.pods.get(&self.id);
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

    /// Whether the pod has come to its end, well or not.
    async fn over(&mut self, pod: &Arc<Pod>, plan: &Plan) -> bool {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return true;
        }
        if self.memory.failure.is_none() {
            self.memory.failure = admit::refusal(pod).or_else(|| too_late(pod));
            if self.memory.failure.is_none() {
                self.memory.failure = self.overfull(pod).await;
            }
            if let Some(failure) = &self.memory.failure {
                let reason = match failure.reason.as_str() {
                    "DeadlineExceeded" => "DeadlineExceeded",
                    space::EVICTED => space::EVICTED,
                    _ => "NotAllowed",
                };
                self.host.recorder.warning(pod, None, reason, failure.message.clone());
            }
        }
        self.memory.failure.is_some() || plan.finished.is_some()
    }

    /// Looks now and then whether a volume holds more than it may.
    async fn overfull(&mut self, pod: &Arc<Pod>) -> Option<Failure> {
        let due = self.memory.measured.is_none_or(|at| at.elapsed() >= space::LOOK);
        if !due || !space::is_limited(pod) {
            return None;
        }
        let found = space::overfull(&self.host, pod).await;
        self.memory.measured = Some(Instant::now());
        found
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
        if space::is_limited(pod) {
            wakes.push(self.memory.measured.unwrap_or_else(Instant::now) + space::LOOK);
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
        let ip = self.host.pods.get(&self.id).and_then(|state| state.ip);
        let target = Target {
            host: self.host.clone(),
            pod: pod.clone(),
            container: container.clone(),
            ip: ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST),
        };
        probe::watch(&self.health, target, attempt, before);
    }

    /// Brings volumes that follow objects up to date, now and then.
    async fn refresh_volumes(&mut self, pod: &Arc<Pod>) {
        let due = self.memory.refreshed.is_none_or(|at| at.elapsed() >= REFRESH);
        let Some(state) = self.host.pods.get(&self.id).filter(|state| state.alive) else { return };
        if !due || !volumes::follows_objects(pod) {
            return;
        }
        self.memory.refreshed = Some(Instant::now());
        let ip = state.ip.unwrap_or(std::net::Ipv4Addr::LOCALHOST);
        let facts = machine::facts(ip, self.host.host_ip);
        if let Err(error) = volumes::prepare(&self.host, pod, &facts).await {
            // Running containers keep what they have.
            tracing::debug!(pod = title(pod), error = error.chain(), "volumes not refreshed");
        }
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
