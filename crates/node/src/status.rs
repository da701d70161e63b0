//! What the API is told of a pod: phase, conditions and container statuses, a pure function of
//! what was asked and what runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState as ApiState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use pod::{ContainerState, Exit, State};

use crate::plan::{Plan, is_sidecar};

/// Condition types this node owns; others in a pod's status are left as they are.
const OURS: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// Why a container waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// An end of a whole pod that no container decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// All that a status depends on.
pub(crate) struct Input<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) state: Option<&'a State>,
    pub(crate) plan: &'a Plan,
    /// Reasons of containers that cannot start.
    pub(crate) waiting: &'a BTreeMap<String, Waiting>,
    /// Ends before the last start.
    pub(crate) last: &'a BTreeMap<String, ContainerStateTerminated>,
    /// Text from `terminationMessagePath`, of the last end.
    pub(crate) messages: &'a BTreeMap<String, String>,
    /// Whether this container has passed its startup probe.
    pub(crate) started: &'a dyn Fn(&str) -> bool,
    /// Whether this container's readiness probe is content.
    pub(crate) ready: &'a dyn Fn(&str) -> bool,
    pub(crate) failure: Option<&'a Failure>,
    pub(crate) host_ip: &'a str,
    pub(crate) now: Timestamp,
}

/// Makes the status.
pub(crate) fn status(input: &Input<'_>) -> PodStatus {
    let old = input.pod.status.clone().unwrap_or_default();
    let spec = input.pod.spec.clone().unwrap_or_default();
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    let old_status = |name: &str, list: &Option<Vec<ContainerStatus>>| {
        list.iter().flatten().find(|status| status.name == name).cloned()
    };
    let init_statuses: Vec<_> = inits
        .iter()
        .map(|c| container(input, c, true, old_status(&c.name, &old.init_container_statuses)))
        .collect();
    let statuses: Vec<_> = spec
        .containers
        .iter()
        .map(|c| container(input, c, false, old_status(&c.name, &old.container_statuses)))
        .collect();
    let sidecars = inits.iter().filter(|c| is_sidecar(c)).map(|c| c.name.as_str());
    let unready: Vec<String> = statuses
        .iter()
        .chain(init_statuses.iter().filter(|s| sidecars.clone().any(|name| name == s.name)))
        .filter(|status| !status.ready)
        .map(|status| status.name.clone())
        .collect();
    let phase = phase(input, &statuses, &old);
    let ip = input.state.and_then(|state| state.ip).map(|ip| ip.to_string());
    let ip = ip.or(old.pod_ip.clone());
    let mut status = PodStatus {
        phase: Some(phase.clone()),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        host_ip: Some(input.host_ip.to_owned()),
        host_ips: Some(vec![HostIP { ip: input.host_ip.to_owned() }]),
        qos_class: old.qos_class.clone().or_else(|| Some(qos(&spec.containers, inits).to_owned())),
        start_time: old.start_time.clone().or(Some(Time(seconds(input.now)))),
        reason: input.failure.map(|f| f.reason.clone()).or(old.reason.clone()),
        message: input.failure.map(|f| f.message.clone()).or(old.message.clone()),
        observed_generation: input.pod.metadata.generation,
        init_container_statuses: (!inits.is_empty()).then_some(init_statuses),
        container_statuses: Some(statuses),
        ..PodStatus::default()
    };
    status.conditions = Some(conditions(input, &old, &phase, &unready));
    status
}

fn phase(input: &Input<'_>, statuses: &[ContainerStatus], old: &PodStatus) -> String {
    if let Some(done @ ("Succeeded" | "Failed")) = old.phase.as_deref() {
        return done.to_owned();
    }
    if input.failure.is_some() {
        return "Failed".to_owned();
    }
    let deleting = input.pod.metadata.deletion_timestamp.is_some();
    match input.plan.finished {
        Some(true) => return "Succeeded".to_owned(),
        Some(false) => return "Failed".to_owned(),
        None if deleting => return old.phase.clone().unwrap_or_else(|| "Pending".to_owned()),
        None => {}
    }
    let begun = statuses.iter().any(|status| {
        let state = status.state.as_ref();
        state.is_some_and(|s| s.running.is_some() || s.terminated.is_some())
            || status.last_state.as_ref().is_some_and(|s| s.terminated.is_some())
    });
    if begun && input.plan.initialized { "Running".to_owned() } else { "Pending".to_owned() }
}

fn conditions(
    input: &Input<'_>,
    old: &PodStatus,
    phase: &str,
    unready: &[String],
) -> Vec<PodCondition> {
    let done = match phase {
        "Succeeded" => Some("PodCompleted"),
        "Failed" => Some("PodFailed"),
        _ => None,
    };
    let deleting = input.pod.metadata.deletion_timestamp.is_some();
    let unready_text = format!("containers with unready status: [{}]", unready.join(" "));
    let why_not = |unready: &[String]| match done {
        Some(reason) => Some((reason, String::new())),
        None if !unready.is_empty() => Some(("ContainersNotReady", unready_text.clone())),
        None => None,
    };
    let gate = input.pod.spec.iter().flat_map(|s| s.readiness_gates.iter().flatten()).find(|g| {
        !old.conditions.iter().flatten().any(|c| c.type_ == g.condition_type && c.status == "True")
    });
    let ready = why_not(unready).or_else(|| {
        gate.map(|gate| {
            let text = format!(
                "the status of pod readiness gate \"{}\" is not \"True\"",
                gate.condition_type
            );
            ("ReadinessGatesNotReady", text)
        })
    });
    let ready = ready.or(deleting.then(|| ("PodTerminating", String::new())));
    let initialized = match (input.plan.initialized || phase == "Succeeded", done) {
        (true, Some("PodCompleted")) => (true, "PodCompleted", String::new()),
        (true, _) => (true, "", String::new()),
        (false, _) => {
            (false, "ContainersNotInitialized", "init containers have not completed".into())
        }
    };
    let alive = input.state.is_some_and(|state| state.alive);
    let negative = |why: Option<(&'static str, String)>| match why {
        Some((reason, message)) => (false, reason, message),
        None => (true, "", String::new()),
    };
    let wanted = [
        ("PodReadyToStartContainers", (alive && done.is_none(), "", String::new())),
        ("Initialized", initialized),
        ("Ready", negative(ready)),
        ("ContainersReady", negative(why_not(unready))),
        ("PodScheduled", (true, "", String::new())),
    ];
    let mut list: Vec<PodCondition> = wanted
        .into_iter()
        .map(|(kind, (yes, reason, message))| {
            let status = if yes { "True" } else { "False" };
            let before = old.conditions.iter().flatten().find(|c| c.type_ == kind);
            let since = before
                .filter(|c| c.status == status)
                .and_then(|c| c.last_transition_time.clone())
                .unwrap_or_else(|| Time(seconds(input.now)));
            PodCondition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: (!reason.is_empty()).then(|| reason.to_owned()),
                message: (!message.is_empty()).then_some(message),
                last_transition_time: Some(since),
                observed_generation: input.pod.metadata.generation,
                ..PodCondition::default()
            }
        })
        .collect();
    let foreign = old.conditions.iter().flatten().filter(|c| !OURS.contains(&c.type_.as_str()));
    list.extend(foreign.cloned());
    list
}

fn container(
    input: &Input<'_>,
    container: &Container,
    init: bool,
    old: Option<ContainerStatus>,
) -> ContainerStatus {
    let name = &container.name;
    let image = container.image.clone().unwrap_or_default();
    let last = input
        .last
        .get(name)
        .map(|terminated| ApiState { terminated: Some(terminated.clone()), ..ApiState::default() });
    let Some(known) = input.state.and_then(|state| state.container(name)) else {
        // Ended before this machine lost its state: what the API knows is all there is.
        if let Some(old) = old
            && old.state.as_ref().is_some_and(|s| s.terminated.is_some())
        {
            return ContainerStatus { ready: false, ..old };
        }
        let default =
            if input.plan.initialized || init { "ContainerCreating" } else { "PodInitializing" };
        return ContainerStatus {
            name: name.clone(),
            image,
            restart_count: 0,
            started: Some(false),
            state: Some(waits(input.waiting.get(name), default)),
            last_state: last,
            ..ContainerStatus::default()
        };
    };
    let running = known.running();
    let started = running && (input.started)(name);
    let ready = if init && !is_sidecar(container) {
        known.exit.is_some_and(|exit| exit.code == 0)
    } else {
        started && (input.ready)(name)
    };
    let message = input.messages.get(name).map(String::as_str);
    let (state, last) = match known.exit {
        None => {
            let started_at = Some(Time(seconds(known.started_at)));
            let running = Some(ContainerStateRunning { started_at });
            (ApiState { running, ..ApiState::default() }, last)
        }
        Some(exit) => {
            let ended = ApiState {
                terminated: Some(terminated(known, &exit, message)),
                ..ApiState::default()
            };
            if let Some(until) = input.plan.backing_off.get(name) {
                let wait = until.duration_since(exit.finished_at).as_secs();
                let text = format!("back-off {wait}s restarting failed container={name}");
                let back_off = Waiting { reason: "CrashLoopBackOff".into(), message: text };
                (waits(Some(&back_off), ""), Some(ended))
            } else if let Some(waiting) = input.waiting.get(name) {
                (waits(Some(waiting), ""), Some(ended))
            } else {
                (ended, last)
            }
        }
    };
    ContainerStatus {
        name: name.clone(),
        container_id: Some(container_id(input.state, known)),
        image_id: known.image_digest.clone(),
        image,
        ready,
        restart_count: i32::try_from(known.attempt).unwrap_or(i32::MAX),
        started: Some(started),
        state: Some(state),
        last_state: last,
        ..ContainerStatus::default()
    }
}

fn container_id(state: Option<&State>, known: &ContainerState) -> String {
    let pod = state.map(|state| state.spec.id.as_str()).unwrap_or_default();
    format!("shelf://{pod}/{}/{}", known.name, known.attempt)
}

fn waits(waiting: Option<&Waiting>, default: &str) -> ApiState {
    let waiting = match waiting {
        Some(Waiting { reason, message }) => ContainerStateWaiting {
            reason: Some(reason.clone()),
            message: (!message.is_empty()).then(|| message.clone()),
        },
        None => ContainerStateWaiting { reason: Some(default.to_owned()), message: None },
    };
    ApiState { waiting: Some(waiting), ..ApiState::default() }
}

/// An end as the API tells it.
pub(crate) fn terminated(
    known: &ContainerState,
    exit: &Exit,
    message: Option<&str>,
) -> ContainerStateTerminated {
    let reason = match exit {
        Exit { oom_killed: true, .. } => "OOMKilled",
        Exit { unseen: true, .. } => "Unknown",
        Exit { code: 0, .. } => "Completed",
        _ => "Error",
    };
    ContainerStateTerminated {
        exit_code: exit.code,
        signal: None,
        reason: Some(reason.to_owned()),
        message: message.filter(|m| !m.is_empty()).map(str::to_owned),
        started_at: Some(Time(seconds(known.started_at))),
        finished_at: Some(Time(seconds(exit.finished_at))),
        container_id: Some(format!("shelf://{}/{}", known.name, known.attempt)),
    }
}

/// Times in the API have whole seconds.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Quality of service: Guaranteed when every container's limits equal its requests for both
/// processor and memory, BestEffort when nothing is said, Burstable otherwise.
fn qos(containers: &[Container], inits: &[Container]) -> &'static str {
    let (mut any, mut all) = (false, true);
    for container in containers.iter().chain(inits) {
        let resources = container.resources.clone().unwrap_or_default();
        for name in ["cpu", "memory"] {
            let limit = resources.limits.iter().flatten().find(|(k, _)| *k == name);
            let request = resources.requests.iter().flatten().find(|(k, _)| *k == name);
            any |= limit.is_some() || request.is_some();
            all &= limit.is_some_and(|(_, l)| request.is_none_or(|(_, r)| l.0 == r.0));
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
