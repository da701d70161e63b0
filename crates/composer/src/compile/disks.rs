//! Disks with a claim of their own, mounted in every copy of their block and of all that is wired
//! to them.
//!
//! A shared disk needs storage that every node reaches. Where the target has none, all its users
//! stay on one node and a new copy waits for the old one's end. Where next: `template.rs`.

use serde_json::{Value, json};

use super::{Input, meta};
use crate::graph::{Disk, Part};
use crate::names;

/// A disk that the pods of a block mount by its claim.
pub(super) struct Mounted {
    /// The volume's name in the pod.
    pub(super) volume: String,
    pub(super) claim: String,
    pub(super) at: String,
    pub(super) shared: bool,
}

/// The claims of a block's disks that are not private.
pub(super) fn claims(input: &Input<'_>, part: &Part) -> Vec<Value> {
    part.disks.iter().filter(|disk| disk.claimed).map(|disk| claim(input, part, disk)).collect()
}

fn claim(input: &Input<'_>, part: &Part, disk: &Disk) -> Value {
    let kind = ("v1", "PersistentVolumeClaim");
    let mut object = meta::object(input, part, kind, &part.claim(&disk.name));
    let many = disk.shared && input.facts.shared_storage;
    let mode = if many { "ReadWriteMany" } else { "ReadWriteOnce" };
    object["spec"] = json!({
        "accessModes": [mode],
        "resources": { "requests": { "storage": disk.size } },
    });
    let class = match many {
        true => input.facts.shared_storage_class.as_ref(),
        false => input.facts.storage_class.as_ref(),
    };
    if let Some(class) = class {
        object["spec"]["storageClassName"] = class.as_str().into();
    }
    object
}

/// The claims that the pods of a block mount: its own, and those it is wired to.
pub(super) fn mounted(input: &Input<'_>, part: &Part) -> Vec<Mounted> {
    let own = part.disks.iter().filter(|disk| disk.claimed).filter_map(|disk| {
        Some(Mounted {
            volume: disk.name.clone(),
            claim: part.claim(&disk.name),
            at: disk.at.clone()?,
            shared: disk.shared,
        })
    });
    let wired = input.graph.wires_of(&part.name).filter_map(|wire| {
        let mount = wire.mount.as_ref()?;
        Some(Mounted {
            volume: names::fit(&format!("disk-{}", wire.binding), 63),
            claim: mount.claim.clone(),
            at: mount.at.clone(),
            shared: mount.shared,
        })
    });
    own.chain(wired).collect()
}

/// The claims whose users must all be on one node.
pub(super) fn pinned(input: &Input<'_>, part: &Part) -> Vec<Mounted> {
    let everywhere = |one: &Mounted| one.shared && input.facts.shared_storage;
    mounted(input, part).into_iter().filter(|one| !everywhere(one)).collect()
}

/// Labels that the users of a pinned claim find each other by.
pub(super) fn label(labels: &mut Value, pinned: &[Mounted]) {
    for one in pinned {
        labels[key(one)] = "used".into();
    }
}

/// Keeps a pod on the node where the other users of its claims are.
pub(super) fn affinity(pinned: &[Mounted]) -> Value {
    if pinned.is_empty() {
        return Value::Null;
    }
    let term = |one: &Mounted| {
        json!({
            "labelSelector": { "matchLabels": { key(one): "used" } },
            "topologyKey": "kubernetes.io/hostname",
        })
    };
    let terms: Vec<Value> = pinned.iter().map(term).collect();
    json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": terms } })
}

fn key(one: &Mounted) -> String {
    format!("shelf.dev/{}", names::fit(&format!("disk-{}", one.claim), 63))
}
