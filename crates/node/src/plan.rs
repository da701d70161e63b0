//! What is to be done next for a pod: a pure function of its spec, what runs, and the time.
//!
//! Init containers one after the other, then all containers; ended ones again by restart policy,
//! each with its own back-off. The worker carries the plan out, looks again, and asks again: no
//! step depends on an earlier answer.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use pod::{ContainerState, Exit, State};

/// Upper limit of the delay between restarts. Upstream's is 300 s; apps that wait for each other
/// at first start should not pay for it.
const LONGEST: u64 = 30;
/// A run of this length forgives all earlier failures, as upstream.
const FORGIVEN: Duration = Duration::from_secs(600);

/// How often a container was restarted in vain: the first restart is at once, then 1 s, 2 s, 4 s
/// up to 30 s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BackOff {
    pub(crate) level: u32,
}

impl BackOff {
    fn delay(self) -> Duration {
        match self.level {
            0 => Duration::ZERO,
            level => Duration::from_secs((1 << (level - 1).min(6)).min(LONGEST)),
        }
    }

    /// After a run of this length.
    fn after(self, ran: Duration) -> Self {
        if ran >= FORGIVEN { Self::default() } else { self }
    }
}

/// What the API says of a container that this machine knows nothing of (its state was lost).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) restart_count: u32,
    /// Exit code, when it had ended.
    pub(crate) ended: Option<i32>,
    /// Whether it had ever been started.
    pub(crate) started: bool,
}

/// All that a plan depends on.
pub(crate) struct Input<'a> {
    pub(crate) spec: &'a PodSpec,
    pub(crate) state: Option<&'a State>,
    /// Side containers that have passed their startup probe (or have none) and run.
    pub(crate) started: &'a dyn Fn(&str) -> bool,
    pub(crate) back_offs: &'a BTreeMap<String, BackOff>,
    pub(crate) recorded: &'a BTreeMap<String, Recorded>,
    pub(crate) now: Timestamp,
}

/// One container to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) name: String,
    pub(crate) attempt: u32,
    pub(crate) back_off: BackOff,
}

/// What is to be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Containers to be started, in order.
    pub(crate) start: Vec<Start>,
    /// Containers that wait for their next start, and until when.
    pub(crate) backing_off: BTreeMap<String, Timestamp>,
    /// All containers have ended for good: whether well.
    pub(crate) finished: Option<bool>,
    /// Whether all init containers are done.
    pub(crate) initialized: bool,
}

/// Where one container stands.
enum Step {
    Runs,
    Start(Start),
    Waits(Timestamp),
    Done { well: bool },
}

/// Makes the plan.
pub(crate) fn plan(input: &Input<'_>) -> Plan {
    let mut plan = Plan::default();
    for container in input.spec.init_containers.iter().flatten() {
        let side = is_sidecar(container);
        // Init containers run again in a new sandbox, unless the pod's work is done already.
        let rerun = !side && !any_app_started(input) && !fresh(input, &container.name);
        match step(input, container, if side { "Always" } else { policy_of_init(input) }, rerun) {
            Step::Runs if side && (input.started)(&container.name) => {}
            Step::Runs => return plan,
            Step::Start(start) => {
                plan.start.push(start);
                return plan;
            }
            Step::Waits(until) => {
                plan.backing_off.insert(container.name.clone(), until);
                if !side || !any_app_started(input) {
                    return plan;
                }
            }
            Step::Done { well: true } => {}
            Step::Done { well: false } => {
                plan.finished = Some(false);
                return plan;
            }
        }
    }
    plan.initialized = true;
    let policy = input.spec.restart_policy.as_deref().unwrap_or("Always");
    let (mut all_done, mut all_well) = (true, true);
    for container in &input.spec.containers {
        match step(input, container, policy, false) {
            Step::Runs => all_done = false,
            Step::Start(start) => {
                all_done = false;
                plan.start.push(start);
            }
            Step::Waits(until) => {
                all_done = false;
                plan.backing_off.insert(container.name.clone(), until);
            }
            Step::Done { well } => all_well &= well,
        }
    }
    if all_done {
        // Side containers never keep a pod alive.
        plan.start.clear();
        plan.finished = Some(all_well);
    }
    plan
}

/// Init containers that must always succeed are retried unless the pod never restarts anything.
fn policy_of_init(input: &Input<'_>) -> &'static str {
    match input.spec.restart_policy.as_deref() {
        Some("Never") => "Never",
        _ => "OnFailure",
    }
}

fn step(input: &Input<'_>, container: &Container, policy: &str, rerun: bool) -> Step {
    let name = &container.name;
    let back_off = input.back_offs.get(name).copied().unwrap_or_default();
    let start = |attempt, back_off| Step::Start(Start { name: name.clone(), attempt, back_off });
    let Some(known) = input.state.and_then(|state| state.container(name)) else {
        return match input.recorded.get(name) {
            Some(recorded) if recorded.started => match recorded.ended {
                Some(code) if !again(policy, code) && !rerun => Step::Done { well: code == 0 },
                // Started once, and nobody knows what became of it.
                None if policy == "Never" => Step::Done { well: false },
                _ => start(recorded.restart_count + 1, back_off),
            },
            _ => start(0, BackOff::default()),
        };
    };
    let Some(exit) = known.exit else { return Step::Runs };
    let next = known.attempt + 1;
    if rerun && !(policy == "Never" && exit.unseen) {
        return start(next, back_off);
    }
    // What ended with the machine did not fail: no waiting, unless it may never run twice.
    if exit.unseen && policy != "Never" {
        return start(next, back_off);
    }
    if !again(policy, exit.code) {
        return Step::Done { well: exit.code == 0 };
    }
    let back_off = back_off.after(ran(known, &exit));
    let due = exit.finished_at + back_off.delay();
    if due <= input.now {
        start(next, BackOff { level: back_off.level.saturating_add(1) })
    } else {
        Step::Waits(due)
    }
}

fn ran(known: &ContainerState, exit: &Exit) -> Duration {
    Duration::try_from(exit.finished_at.duration_since(known.started_at)).unwrap_or_default()
}

fn again(policy: &str, code: i32) -> bool {
    match policy {
        "Never" => false,
        "OnFailure" => code != 0,
        _ => true,
    }
}

/// Whether the container was started in the sandbox that is there now.
fn fresh(input: &Input<'_>, name: &str) -> bool {
    input.state.is_some_and(|state| {
        state.alive && state.container(name).is_some_and(|c| c.started_at >= state.created_at)
    })
}

fn any_app_started(input: &Input<'_>) -> bool {
    input.spec.containers.iter().any(|c| fresh(input, &c.name))
        || (!input.state.is_some_and(|state| state.alive) && all_apps_done(input))
}

/// Whether nothing is left to run, so that nothing needs initialising again.
fn all_apps_done(input: &Input<'_>) -> bool {
    let policy = input.spec.restart_policy.as_deref().unwrap_or("Always");
    input
        .spec
        .containers
        .iter()
        .all(|container| matches!(step(input, container, policy, false), Step::Done { .. }))
}

/// Whether an init container runs beside the others (restart policy Always).
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
