//! A pod as every workload and step of a block uses it.

use serde_json::{Value, json};

use super::{Input, disks, environment, extend, meta, scale, secrets};
use crate::graph::{Part, Ready, Wire};
use crate::names;

/// What differs between the pods of one block.
pub(super) struct Run<'a> {
    /// The container's name: the process or the step.
    pub(super) name: &'a str,
    pub(super) command: Option<&'a [crate::graph::Value]>,
    pub(super) env: &'a [(String, crate::graph::Value)],
    pub(super) ports: Vec<Value>,
    pub(super) ready: Option<(&'a Ready, Option<i64>)>,
    pub(super) disks: bool,
    /// Whether load decides how many copies there are.
    pub(super) scales: bool,
}

/// The pod's spec, without a restart policy.
pub(super) fn spec(input: &Input<'_>, part: &Part, run: &Run<'_>) -> Value {
    let mut container = json!({
        "name": run.name,
        "image": input.image(&part.name),
        "imagePullPolicy": "IfNotPresent",
    });
    if let Some(command) = run.command {
        let words = command.iter().map(|word| environment::plain(input, word).into());
        meta::put(&mut container, "command", words.collect::<Vec<Value>>());
    }
    meta::put(&mut container, "env", environment::of(input, part, run.env));
    meta::put(&mut container, "ports", run.ports.clone());
    meta::put(&mut container, "resources", resources(part, run.scales));
    if let Some((ready, port)) = run.ready {
        meta::put(&mut container, "readinessProbe", probe(ready, port));
    }
    container["securityContext"] = confined();
    meta::put(&mut container, "volumeMounts", mounts(input, part, run.disks));
    let mut spec = json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": part.stop_within,
    });
    if input.facts.user_namespaces {
        spec["hostUsers"] = false.into();
    }
    if let Some(user) = part.user {
        spec["securityContext"] = json!({ "runAsUser": user, "runAsGroup": user, "fsGroup": user });
        // A large folder is not walked at every start: its root's owner says whether it was done.
        if !disks::mounted(input, part).is_empty() {
            spec["securityContext"]["fsGroupChangePolicy"] = "OnRootMismatch".into();
        }
    }
    meta::put(&mut spec, "affinity", disks::affinity(&disks::pinned(input, part)));
    let waits = input.graph.wires_of(&part.name).filter_map(|wire| wait(input, wire));
    meta::put(&mut spec, "initContainers", waits.collect::<Vec<Value>>());
    spec["containers"] = json!([container]);
    meta::put(&mut spec, "volumes", volumes(input, part));
    spec
}

/// Annotations of a pod template: a change of settings or of a wire's plain values rolls the copies.
pub(super) fn annotations(input: &Input<'_>, part: &Part) -> Value {
    let wires: Vec<Value> =
        input.graph.wires_of(&part.name).map(|wire| json!(wire.fields)).collect();
    let mut annotations = json!({});
    if !part.settings.is_empty() || !wires.is_empty() || !part.extend.is_empty() {
        let mut all = json!([part.settings, wires]);
        if let Some(list) = all.as_array_mut().filter(|_| !part.extend.is_empty()) {
            list.push(json!(part.extend));
        }
        let hash = meta::short_hash(&all);
        annotations["shelf.dev/config-hash"] = hash.into();
    }
    annotations
}

/// The provider's own probe, run over the wire with the wire's own values until it succeeds.
fn wait(input: &Input<'_>, wire: &Wire) -> Option<Value> {
    let probe = wire.offer.probe.as_ref().filter(|_| wire.before_start)?;
    let script = format!("until /module/{probe}; do sleep 0.5; done");
    let mut security = confined();
    let user = match &wire.beyond {
        Some(beyond) => beyond.user,
        None => input.graph.block(&wire.provider).and_then(|provider| provider.user),
    };
    if let Some(user) = user {
        security["runAsUser"] = user.into();
        security["runAsGroup"] = user.into();
    }
    Some(json!({
        "name": names::fit(&format!("wait-{}", wire.binding), 63),
        "image": input.image(&wire.provider_name()),
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", script],
        "env": environment::of_wire(wire, &wire.secret_name()),
        "securityContext": security,
    }))
}

fn confined() -> Value {
    json!({ "allowPrivilegeEscalation": false })
}

/// Settings named `memory` and `cpu` are the block's share of the machine.
fn resources(part: &Part, scales: bool) -> Value {
    let of = |name: &str| part.settings.iter().find(|(setting, _)| setting == name);
    let mut amounts = json!({});
    for name in ["memory", "cpu"] {
        if let Some((_, amount)) = of(name) {
            amounts[name] = amount.as_str().into();
        }
    }
    if scales && amounts.get("cpu").is_none() {
        // Load is a share of what a copy asks for.
        let mut requests = amounts.clone();
        requests["cpu"] = scale::SHARE.into();
        let mut resources = json!({ "requests": requests });
        meta::put(&mut resources, "limits", amounts);
        return resources;
    }
    if amounts.as_object().is_some_and(serde_json::Map::is_empty) {
        return json!({});
    }
    json!({ "requests": amounts, "limits": amounts })
}

fn probe(ready: &Ready, port: Option<i64>) -> Value {
    let (action, how) = match ready {
        Ready::Started => return Value::Null,
        Ready::Port => ("tcpSocket", json!({ "port": port })),
        Ready::Http(path) => ("httpGet", json!({ "path": path, "port": port })),
        Ready::Command(words) => ("exec", json!({ "command": words })),
    };
    json!({ action: how, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 3 })
}

fn mounts(input: &Input<'_>, part: &Part, private: bool) -> Vec<Value> {
    let mut mounts = Vec::new();
    for disk in part.disks.iter().filter(|disk| private && !disk.claimed) {
        mounts.push(json!({ "name": disk.name, "mountPath": disk.at }));
    }
    for one in disks::mounted(input, part) {
        mounts.push(json!({ "name": one.volume, "mountPath": one.at }));
    }
    for wire in input.graph.wires_of(&part.name) {
        mounts.push(json!({
            "name": wire_volume(wire),
            "mountPath": format!("/bindings/{}", wire.binding),
            "readOnly": true,
        }));
    }
    mounts.extend(extend::mounts(part));
    for secret in &part.secrets {
        let Some(at) = &secret.at else { continue };
        mounts.push(json!({
            "name": "secrets", "mountPath": at, "subPath": secret.name, "readOnly": true,
        }));
    }
    mounts
}

fn volumes(input: &Input<'_>, part: &Part) -> Vec<Value> {
    let wires = input.graph.wires_of(&part.name).map(
        |wire| json!({ "name": wire_volume(wire), "secret": { "secretName": wire.secret_name() } }),
    );
    let mut volumes: Vec<Value> = wires.collect();
    volumes.extend(disks::mounted(input, part).into_iter().map(
        |one| json!({ "name": one.volume, "persistentVolumeClaim": { "claimName": one.claim } }),
    ));
    volumes.extend(extend::volumes(part));
    if part.secrets.iter().any(|secret| secret.at.is_some()) {
        let name = secrets::block_secret(&part.name);
        volumes.push(json!({ "name": "secrets", "secret": { "secretName": name } }));
    }
    volumes
}

fn wire_volume(wire: &Wire) -> String {
    names::fit(&format!("wire-{}", wire.binding), 63)
}
