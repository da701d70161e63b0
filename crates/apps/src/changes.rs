//! What differs between what should be and what is, object by object and block by block.
//!
//! An object is the same if its hash is: the compiler writes it on every object, and it covers
//! everything but the release. The reasons compare values only to say in words what changed.

use std::collections::BTreeMap;

use composer::{Compiled, Graph};
use serde_json::Value;

use crate::live::{Key, Live};
use crate::release;
use crate::report::{Change, ChangeKind};

const HASH: &str = "shelf.dev/hash";
/// Set on workloads that `stop` scaled to nothing, with the copies they had.
pub(crate) const STOPPED: &str = "shelf.dev/stopped-copies";

/// Everything that a go would write or take away.
pub(crate) struct Changes {
    pub(crate) write: BTreeMap<Key, ChangeKind>,
    pub(crate) remove: Vec<Key>,
    pub(crate) blocks: Vec<Change>,
    /// Workloads that `stop` scaled to nothing.
    pub(crate) stopped: bool,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty() && !self.stopped
    }

    /// What changes, in a line.
    pub(crate) fn summary(&self) -> String {
        let text = |change: &Change| match change.kind {
            ChangeKind::Unchanged => None,
            ChangeKind::Added => Some(format!("+ {}", change.block)),
            ChangeKind::Removed => Some(format!("- {}", change.block)),
            ChangeKind::Changed => Some(format!("{}: {}", change.block, change.reasons.join(", "))),
        };
        self.blocks.iter().filter_map(text).collect::<Vec<_>>().join("; ")
    }
}

/// Compares the compiled app with what is there.
pub(crate) fn find(graph: &Graph, compiled: &Compiled, live: &Live) -> Changes {
    let mut write = BTreeMap::new();
    let mut blocks: BTreeMap<String, Change> = BTreeMap::new();
    let objects = || compiled.phases.iter().flat_map(|phase| &phase.objects);
    for part in &graph.blocks {
        let known = live.values().any(|object| component(object) == Some(&part.name));
        let kind = if known { ChangeKind::Unchanged } else { ChangeKind::Added };
        blocks.insert(part.name.clone(), change(&part.name, kind));
    }
    for object in objects() {
        let key = Key::of(object);
        let kind = match live.get(&key) {
            None => ChangeKind::Added,
            Some(there) if hash(there) == hash(object) => continue,
            Some(_) => ChangeKind::Changed,
        };
        if let Some(block) = component(object).and_then(|name| blocks.get_mut(name)) {
            note(block, &key, object, live.get(&key));
        }
        write.insert(key, kind);
    }
    let wanted: Vec<Key> = objects().map(Key::of).collect();
    let remove: Vec<Key> = live.keys().filter(|key| prunable(key, &wanted)).cloned().collect();
    for key in &remove {
        // A Job that ran is history, not a part of the block.
        let gone = live.get(key).and_then(component).filter(|_| key.kind != "Job");
        let Some(name) = gone else { continue };
        let block =
            blocks.entry(name.to_owned()).or_insert_with(|| change(name, ChangeKind::Removed));
        if block.kind == ChangeKind::Unchanged {
            block.kind = ChangeKind::Changed;
        }
        block.reasons.push(format!("{key} goes"));
    }
    let stopped = live.values().any(|object| annotation(object, STOPPED).is_some());
    let order = |name: &str| graph.blocks.iter().position(|part| part.name == name);
    let mut blocks: Vec<Change> = blocks.into_values().collect();
    blocks.sort_by_key(|change| order(&change.block).unwrap_or(usize::MAX));
    Changes { write, remove, blocks, stopped }
}

fn change(block: &str, kind: ChangeKind) -> Change {
    Change { block: block.to_owned(), kind, reasons: Vec::new(), restarts: false }
}

/// Nothing that holds data is ever taken away by a go: disks, passwords, the namespace.
fn prunable(key: &Key, wanted: &[Key]) -> bool {
    let kept = ["PersistentVolumeClaim", "Secret", "Namespace"].contains(&key.kind.as_str());
    !kept && !release::is_record(key) && !wanted.contains(key)
}

fn note(block: &mut Change, key: &Key, wanted: &Value, there: Option<&Value>) {
    let workload = ["Deployment", "StatefulSet"].contains(&key.kind.as_str());
    if block.kind == ChangeKind::Added {
        return;
    }
    block.kind = ChangeKind::Changed;
    let Some(there) = there else {
        if key.kind == "Job" {
            let what = wanted["metadata"]["annotations"]["shelf.dev/step"].as_str();
            let wire = annotation(wanted, "shelf.dev/wire");
            block.reasons.extend(what.map(|step| format!("runs {step}")));
            block.reasons.extend(wire.map(|wire| format!("wire {wire}")));
        } else {
            block.reasons.push(format!("{key} is new"));
        }
        return;
    };
    block.restarts |= workload && differs(&wanted["spec"]["template"], &there["spec"]["template"]);
    let mut reasons = Vec::new();
    reasons_of(wanted, there, &mut Vec::new(), &mut reasons);
    // A template that changes only by the hash of settings has said so with the settings.
    if reasons.is_empty() && block.reasons.is_empty() {
        reasons.push(format!("{key} changes"));
    }
    for reason in reasons {
        if !block.reasons.contains(&reason) {
            block.reasons.push(reason);
        }
    }
}

/// Whether something that is wanted is not there as wanted.
fn differs(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => {
            wanted.iter().any(|(key, value)| there.get(key).is_none_or(|have| differs(value, have)))
        }
        (Value::Array(wanted), Value::Array(there)) => {
            wanted.len() != there.len()
                || wanted.iter().zip(there).any(|(want, have)| differs(want, have))
        }
        _ => wanted != there,
    }
}

/// Says in words what is wanted otherwise than it is; one phrase per leaf.
fn reasons_of(wanted: &Value, there: &Value, path: &mut Vec<String>, out: &mut Vec<String>) {
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(_)) => {
            for (key, value) in wanted {
                if ["managedFields", "labels", "annotations"].contains(&key.as_str()) {
                    continue;
                }
                path.push(key.clone());
                reasons_of(value, &there[key], path, out);
                path.pop();
            }
        }
        (Value::Array(wanted), Value::Array(have)) => {
            for (index, value) in wanted.iter().enumerate() {
                let name = value["name"].as_str().map(str::to_owned);
                let twin = name.as_ref().and_then(|name| {
                    have.iter().find(|other| other["name"].as_str() == Some(name))
                });
                let twin = twin.or_else(|| have.get(index).filter(|_| name.is_none()));
                path.push(name.unwrap_or_else(|| index.to_string()));
                reasons_of(value, twin.unwrap_or(&Value::Null), path, out);
                path.pop();
            }
        }
        _ if wanted == there => {}
        _ => out.push(phrase(path, wanted, there)),
    }
}

fn phrase(path: &[String], wanted: &Value, there: &Value) -> String {
    let last = path.last().map(String::as_str).unwrap_or_default();
    let text = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if last == "image" {
        let short = |value: &Value| {
            let image = text(value);
            let digest = image.rsplit("sha256:").next().unwrap_or_default().to_owned();
            digest.chars().take(8).collect::<String>()
        };
        return format!("image {} → {}", short(there), short(wanted));
    }
    if last == "replicas" {
        return format!("{} → {} copies", text(there), text(wanted));
    }
    if let Some(at) = path.iter().position(|step| step == "env")
        && let Some(name) = path.get(at + 1)
    {
        return format!("environment {name}");
    }
    if path.first().is_some_and(|step| step == "data") {
        return format!("setting {last} {} → {}", text(there), text(wanted));
    }
    format!("{last} {} → {}", text(there), text(wanted))
}

pub(crate) fn component(object: &Value) -> Option<&String> {
    match &object["metadata"]["labels"]["app.kubernetes.io/component"] {
        Value::String(name) => Some(name),
        _ => None,
    }
}

pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][name].as_str()
}

fn hash(object: &Value) -> Option<&str> {
    annotation(object, HASH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(image: &str, copies: i64) -> Value {
        json!({
            "kind": "Deployment",
            "metadata": { "name": "web", "labels": { "app.kubernetes.io/component": "web" } },
            "spec": { "replicas": copies, "template": { "spec": { "containers": [
                { "name": "web", "image": image, "env": [{ "name": "A", "value": "1" }] },
            ] } } },
        })
    }

    #[test]
    fn reasons_say_what_changed_and_whether_copies_are_replaced() {
        let there = deployment("x@sha256:1111111122", 1);
        let mut wanted = deployment("x@sha256:2222222233", 2);
        let mut block = change("web", ChangeKind::Unchanged);
        let key = Key::of(&wanted);
        note(&mut block, &key, &wanted, Some(&there));
        assert_eq!(block.reasons, ["1 → 2 copies", "image 11111111 → 22222222"]);
        assert!(block.restarts);

        wanted = deployment("x@sha256:1111111122", 3);
        block = change("web", ChangeKind::Unchanged);
        note(&mut block, &key, &wanted, Some(&there));
        assert!(!block.restarts, "a change of copies replaces none");
    }

    #[test]
    fn what_holds_data_is_never_pruned() {
        let key = |kind: &str, name: &str| Key { kind: kind.into(), name: name.into() };
        assert!(prunable(&key("Deployment", "old"), &[]));
        assert!(!prunable(&key("Deployment", "web"), &[key("Deployment", "web")]));
        for kept in ["PersistentVolumeClaim", "Secret", "Namespace"] {
            assert!(!prunable(&key(kept, "old"), &[]), "{kept}");
        }
        assert!(!prunable(&key("ConfigMap", release::NAME), &[]));
    }
}
