//! The printed row of a pod: the status column says what matters most to a person right now.

use crate::cell::{self, int_at, list_at, or_none, str_at};
use crate::duration;
use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let main = list_at(object, "/status/containerStatuses");
    let ready = main.iter().filter(|c| c["ready"] == true && c["state"].get("running").is_some());
    let sidecars = init_specs(object).filter(|(_, sidecar)| *sidecar).map(|(name, _)| name);
    let sidecar_statuses: Vec<&Value> = sidecars
        .filter_map(|name| status_of(object, "/status/initContainerStatuses", name))
        .collect();
    let ready_sidecars = sidecar_statuses.iter().filter(|c| c["ready"] == true).count();
    let all = list_at(object, "/spec/containers").len()
        + init_specs(object).filter(|(_, sidecar)| *sidecar).count();
    let gates = list_at(object, "/spec/readinessGates");
    let held =
        gates.iter().filter(|gate| condition(object, str_at(gate, "/conditionType")) == "True");
    vec![
        cell::name(object),
        json!(format!("{}/{all}", ready.count() + ready_sidecars)),
        json!(status(object)),
        json!(restarts(object, now)),
        cell::age(object, now),
        or_none(str_at(object, "/status/podIP")),
        or_none(str_at(object, "/spec/nodeName")),
        or_none(str_at(object, "/status/nominatedNodeName")),
        if gates.is_empty() {
            or_none("")
        } else {
            json!(format!("{}/{}", held.count(), gates.len()))
        },
    ]
}

/// Names of init containers and whether they keep running beside the pod.
fn init_specs(object: &Value) -> impl Iterator<Item = (&str, bool)> {
    list_at(object, "/spec/initContainers")
        .iter()
        .map(|c| (str_at(c, "/name"), str_at(c, "/restartPolicy") == "Always"))
}

fn status_of<'a>(object: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    list_at(object, list).iter().find(|c| str_at(c, "/name") == name)
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = list_at(object, "/status/conditions");
    conditions.iter().find(|c| str_at(c, "/type") == kind).map_or("", |c| str_at(c, "/status"))
}

/// The word of the status column.
fn status(object: &Value) -> String {
    let mut status = match str_at(object, "/status/reason") {
        "" => str_at(object, "/status/phase").to_owned(),
        reason => reason.to_owned(),
    };
    if condition_reason(object, "PodScheduled") == "SchedulingGated" {
        status = "SchedulingGated".to_owned();
    }
    match init_status(object) {
        Some(init) => status = init,
        None => {
            if let Some(main) = main_status(object, &status) {
                status = main;
            }
        }
    }
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        if str_at(object, "/status/reason") == "NodeLost" {
            return "Unknown".to_owned();
        }
        if !matches!(str_at(object, "/status/phase"), "Succeeded" | "Failed") {
            return "Terminating".to_owned();
        }
    }
    status
}

fn condition_reason<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = list_at(object, "/status/conditions");
    conditions.iter().find(|c| str_at(c, "/type") == kind).map_or("", |c| str_at(c, "/reason"))
}

/// `Init:…` while an init container is not done.
fn init_status(object: &Value) -> Option<String> {
    let total = list_at(object, "/spec/initContainers").len();
    for (index, container) in list_at(object, "/status/initContainerStatuses").iter().enumerate() {
        let name = str_at(container, "/name");
        let sidecar = init_specs(object).any(|(own, sidecar)| own == name && sidecar);
        let state = &container["state"];
        if let Some(terminated) = state.get("terminated") {
            if int_at(terminated, "/exitCode") == 0 {
                continue;
            }
            return Some(match (str_at(terminated, "/reason"), int_at(terminated, "/signal")) {
                ("", 0) => format!("Init:ExitCode:{}", int_at(terminated, "/exitCode")),
                ("", signal) => format!("Init:Signal:{signal}"),
                (reason, _) => format!("Init:{reason}"),
            });
        }
        if sidecar && container["started"] == true {
            continue;
        }
        let waiting = str_at(state, "/waiting/reason");
        return Some(match waiting {
            "" | "PodInitializing" => format!("Init:{index}/{total}"),
            reason => format!("Init:{reason}"),
        });
    }
    None
}

/// What the main containers add, the first one having the last word.
fn main_status(object: &Value, status: &str) -> Option<String> {
    let mut found = None;
    let mut running = false;
    for container in list_at(object, "/status/containerStatuses").iter().rev() {
        let state = &container["state"];
        let waiting = str_at(state, "/waiting/reason");
        if !waiting.is_empty() {
            found = Some(waiting.to_owned());
        } else if let Some(terminated) = state.get("terminated") {
            found = Some(match (str_at(terminated, "/reason"), int_at(terminated, "/signal")) {
                ("", 0) => format!("ExitCode:{}", int_at(terminated, "/exitCode")),
                ("", signal) => format!("Signal:{signal}"),
                (reason, _) => reason.to_owned(),
            });
        } else if container["ready"] == true && state.get("running").is_some() {
            running = true;
        }
    }
    // One container is done, another still runs: the pod is not completed.
    if found.as_deref().unwrap_or(status) == "Completed" && running {
        let ready = condition(object, "Ready") == "True";
        return Some(if ready { "Running" } else { "NotReady" }.to_owned());
    }
    found
}

/// `3 (2m ago)`: the count of the containers now at work, and the time of the last restart.
fn restarts(object: &Value, now: Timestamp) -> String {
    let initializing = init_status(object).is_some();
    let main = list_at(object, "/status/containerStatuses").iter();
    let init = list_at(object, "/status/initContainerStatuses").iter().filter(|container| {
        initializing
            || init_specs(object)
                .any(|(name, sidecar)| sidecar && name == str_at(container, "/name"))
    });
    let counted: Vec<&Value> =
        if initializing { init.collect() } else { main.chain(init).collect() };
    let count: i64 = counted.iter().map(|c| int_at(c, "/restartCount")).sum();
    let last = counted
        .iter()
        .filter_map(|c| c.pointer("/lastState/terminated/finishedAt"))
        .filter_map(|time| time.as_str()?.parse::<Timestamp>().ok())
        .max();
    match last {
        Some(time) if count > 0 => {
            format!("{count} ({} ago)", duration::human(now.as_second() - time.as_second()))
        }
        _ => count.to_string(),
    }
}
