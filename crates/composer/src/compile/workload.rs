//! What keeps a process running: Deployment, StatefulSet for a private disk, CronJob for a
//! schedule; and the block's settings.

use serde_json::{Value, json};

use super::template::{self, Run};
use super::{Input, disks, environment, meta, scale};
use crate::graph::{Part, Process};

/// The ConfigMap with a block's settings, if it has any.
pub(super) fn settings(input: &Input<'_>, part: &Part) -> Option<Value> {
    if part.settings.is_empty() {
        return None;
    }
    let name = environment::settings_name(&part.name);
    let mut object = meta::object(input, part, ("v1", "ConfigMap"), &name);
    let pairs = part.settings.iter().map(|(name, value)| (name.as_str(), json!(value)));
    object["data"] = meta::map(pairs);
    Some(object)
}

/// Everything that runs a block.
pub(super) fn all(input: &Input<'_>, part: &Part) -> Vec<Value> {
    part.processes.iter().flat_map(|process| one(input, part, process)).collect()
}

fn one(input: &Input<'_>, part: &Part, process: &Process) -> Vec<Value> {
    if let Some(every) = &process.every {
        return vec![cron_job(input, part, process, every)];
    }
    if part.disks.iter().any(|disk| !disk.claimed) {
        return vec![stateful_set(input, part, process)];
    }
    let mut objects = vec![deployment(input, part, process)];
    if process.copies_at_most.unwrap_or(process.copies) > 1 {
        objects.push(disruption_budget(input, part, process));
    }
    objects.extend(scale::autoscaler(input, part, process));
    objects
}

fn pod_template(input: &Input<'_>, part: &Part, process: &Process) -> Value {
    let run = Run {
        name: &process.name,
        command: process.command.as_deref(),
        env: &process.env,
        ports: ports(part, process),
        ready: Some((&process.ready, process.port)),
        disks: true,
        scales: process.copies_at_most.is_some(),
    };
    let mut labels = meta::pod_labels(input, part, &process.workload, &process.name);
    disks::label(&mut labels, &disks::pinned(input, part));
    let mut metadata = json!({ "labels": labels });
    meta::put(&mut metadata, "annotations", template::annotations(input, part));
    json!({ "metadata": metadata, "spec": template::spec(input, part, &run) })
}

/// A block's own offers are ports of its one process; other processes have at most one.
fn ports(part: &Part, process: &Process) -> Vec<Value> {
    if process.command.is_none() && process.workload == part.name && !part.offers.is_empty() {
        let port = |offer: &crate::graph::Offer| Some(json!({ "containerPort": offer.port? }));
        let mut ports: Vec<Value> = part.offers.iter().filter_map(port).collect();
        ports.dedup();
        return ports;
    }
    process.port.iter().map(|port| json!({ "containerPort": port })).collect()
}

fn deployment(input: &Input<'_>, part: &Part, process: &Process) -> Value {
    let mut object = meta::object(input, part, ("apps/v1", "Deployment"), &process.workload);
    object["spec"] = json!({
        "replicas": process.copies,
        "revisionHistoryLimit": 3,
        "selector": { "matchLabels": meta::selector(input, part, &process.name) },
        "strategy": strategy(input, part),
        "template": pod_template(input, part, process),
    });
    // Where load decides, a go must not take copies back.
    if process.copies_at_most.is_some()
        && input.facts.scales_by_load
        && let Some(spec) = object["spec"].as_object_mut()
    {
        spec.remove("replicas");
    }
    object
}

/// A disk that is on one node is let go of before it is taken again.
fn strategy(input: &Input<'_>, part: &Part) -> Value {
    if disks::pinned(input, part).is_empty() {
        let how = json!({ "maxSurge": 1, "maxUnavailable": 0 });
        return json!({ "type": "RollingUpdate", "rollingUpdate": how });
    }
    json!({ "type": "Recreate" })
}

fn stateful_set(input: &Input<'_>, part: &Part, process: &Process) -> Value {
    let mut object = meta::object(input, part, ("apps/v1", "StatefulSet"), &process.workload);
    let claims = part.disks.iter().filter(|disk| !disk.claimed).map(|disk| {
        let mut spec = json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": { "requests": { "storage": disk.size } },
        });
        if let Some(class) = &input.facts.storage_class {
            spec["storageClassName"] = class.as_str().into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": disk.name, "labels": meta::labels(input, part, &part.name) },
            "spec": spec,
        })
    });
    object["spec"] = json!({
        "replicas": process.copies,
        "revisionHistoryLimit": 3,
        "serviceName": process.workload,
        "selector": { "matchLabels": meta::selector(input, part, &process.name) },
        "template": pod_template(input, part, process),
        "volumeClaimTemplates": claims.collect::<Vec<Value>>(),
    });
    object
}

fn cron_job(input: &Input<'_>, part: &Part, process: &Process, every: &str) -> Value {
    let mut object = meta::object(input, part, ("batch/v1", "CronJob"), &process.workload);
    let mut template = pod_template(input, part, process);
    template["spec"]["restartPolicy"] = "Never".into();
    object["spec"] = json!({
        "schedule": every,
        "concurrencyPolicy": "Forbid",
        "jobTemplate": { "spec": { "backoffLimit": 2, "template": template } },
    });
    object
}

fn disruption_budget(input: &Input<'_>, part: &Part, process: &Process) -> Value {
    let kind = ("policy/v1", "PodDisruptionBudget");
    let mut object = meta::object(input, part, kind, &process.workload);
    object["spec"] = json!({
        "maxUnavailable": 1,
        "selector": { "matchLabels": meta::selector(input, part, &process.name) },
    });
    object
}
