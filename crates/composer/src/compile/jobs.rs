//! What runs once: logins on providers, and steps before new copies start. A Job's name carries
//! the hash of what it runs, so the same step is the same Job, and another one is another.

use serde_json::{Value, json};

use super::template::{self, Run};
use super::{Input, beyond, disks, environment, meta, rotate, secrets};
use crate::graph::{Part, Step, Wire};
use crate::names;

/// The login of each wire of a block, made by the provider's own program.
pub(super) fn grants(input: &Input<'_>, part: &Part) -> Vec<Value> {
    input.graph.wires_of(&part.name).filter_map(|wire| grant(input, part, wire)).collect()
}

fn grant(input: &Input<'_>, part: &Part, wire: &Wire) -> Option<Value> {
    match rotate::left_behind(wire, input.facts) {
        // The second login is made beside the first, by the first one's wire.
        Some(before) => program(input, part, &before, ("rotate", environment::of_next(wire))),
        None => program(input, part, wire, ("grant", Vec::new())),
    }
}

/// Takes a login away whose consumers have all moved to the other slot.
pub(super) fn revoke(input: &Input<'_>, wire: &Wire) -> Option<Value> {
    let before = rotate::left_behind(wire, input.facts)?;
    let part = input.graph.block(&wire.consumer)?;
    program(input, part, &before, ("revoke", Vec::new()))
}

fn program(
    input: &Input<'_>,
    part: &Part,
    wire: &Wire,
    (verb, more): (&str, Vec<Value>),
) -> Option<Value> {
    let program = wire.offer.grant.as_ref()?;
    let (user, names): (_, Vec<&str>) = match &wire.beyond {
        Some(beyond) => (beyond.user, beyond.secrets.iter().map(String::as_str).collect()),
        None => {
            let provider = input.graph.block(&wire.provider)?;
            (provider.user, provider.secrets.iter().map(|one| one.name.as_str()).collect())
        }
    };
    let mut env = environment::of_wire(wire, &beyond::secret_name(input, wire));
    env.extend(names.iter().map(|secret| {
        json!({
            "name": secret,
            "valueFrom": { "secretKeyRef": {
                "name": secrets::block_secret(&wire.provider), "key": secret,
            } },
        })
    }));
    env.extend(more);
    let mut spec = json!({
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
    });
    if input.facts.user_namespaces {
        spec["hostUsers"] = false.into();
    }
    if let Some(user) = user {
        spec["securityContext"] = json!({ "runAsUser": user, "runAsGroup": user });
    }
    spec["containers"] = json!([{
        "name": "grant",
        "image": input.image(&wire.provider_name()),
        "imagePullPolicy": "IfNotPresent",
        "command": [format!("/module/{program}"), verb],
        "env": env,
        "securityContext": { "allowPrivilegeEscalation": false },
    }]);
    let name = format!("{}-{verb}", beyond::secret_name(input, wire).replace('.', "-"));
    let mut object = job(input, part, (&name, "grant"), spec, &json!(wire.fields));
    if let Some(beyond) = &wire.beyond {
        object["metadata"]["namespace"] = beyond.app.as_str().into();
    }
    object["metadata"]["annotations"] = json!({
        "shelf.dev/wire": wire.end(),
        "shelf.dev/provider": wire.provider_name(),
        "shelf.dev/interface": wire.offer.interface,
        "shelf.dev/secret": wire.secret_name(),
    });
    Some(object)
}

/// The steps of a block before its new copies start, in order.
pub(super) fn before(input: &Input<'_>, part: &Part) -> Vec<Value> {
    part.before.iter().map(|step| step_job(input, part, step)).collect()
}

fn step_job(input: &Input<'_>, part: &Part, step: &Step) -> Value {
    let run = Run {
        name: &step.name,
        command: Some(&step.command),
        env: &step.env,
        ports: Vec::new(),
        ready: None,
        disks: false,
        scales: false,
    };
    let mut spec = template::spec(input, part, &run);
    spec["restartPolicy"] = "Never".into();
    let name = format!("{}-{}", part.name, step.name);
    let mut object = job(input, part, (&name, "before"), spec, &template::annotations(input, part));
    object["metadata"]["annotations"] = json!({ "shelf.dev/step": step.name });
    object
}

/// A Job named by the hash of its pod and of `also`, which it depends on without holding it.
fn job(
    input: &Input<'_>,
    part: &Part,
    (name, what): (&str, &str),
    spec: Value,
    also: &Value,
) -> Value {
    let hash = meta::short_hash(&json!([spec, also]));
    // 63 letters is the limit of the label that Jobs put on their pods.
    let name = format!("{}-{}", names::fit(name, 50), &hash[..8]);
    let mut object = meta::object(input, part, ("batch/v1", "Job"), &name);
    let mut labels = meta::labels(input, part, &name);
    labels[meta::JOB] = what.into();
    if what == "before" {
        disks::label(&mut labels, &disks::pinned(input, part));
    }
    object["spec"] = json!({
        "backoffLimit": 1,
        "template": {
            "metadata": { "labels": labels },
            "spec": spec,
        },
    });
    object
}
