//! Where the fields of a compiled object come from. Where next: `check/explain.rs`, which says the
//! same of what the app file names.

use serde::Serialize;
use serde_json::Value;

use crate::compile::{Compiled, patch};
use crate::graph::{Graph, Part, Source};

/// A field of a compiled object and where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its path, such as `spec.replicas`; items of lists that have a name stand as `[name]`.
    pub path: String,
    /// The value.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// The fields of a compiled object named as `Deployment/web`, each with where its value comes from;
/// nothing if there is no such object.
pub fn explain(graph: &Graph, compiled: &Compiled, object: &str) -> Option<Vec<Field>> {
    let objects = compiled.phases.iter().flat_map(|phase| &phase.objects);
    let found = objects.into_iter().find(|one| patch::key(one) == object)?;
    let part = graph.blocks.iter().find(|part| patch::is_of(found, &part.name));
    let mut leaves = Vec::new();
    walk(found, String::new(), &mut leaves);
    let patched = part.into_iter().flat_map(|part| &part.patches).find(|one| one.object == object);
    let mut changed = Vec::new();
    if let Some(patch) = patched {
        walk(&patch.change, String::new(), &mut changed);
    }
    let changed: Vec<String> = changed.into_iter().map(|(path, _)| path).collect();
    let field = |(path, value): (String, String)| {
        let source = match part {
            _ if changed.contains(&path) => Source::You { file: "patch".to_owned(), line: 0 },
            Some(part) => source(graph, part, object, &path),
            None => Source::Shelf,
        };
        Field { path, value, source }
    };
    Some(leaves.into_iter().map(field).collect())
}

fn walk(value: &Value, path: String, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                walk(value, format!("{path}{dot}{name}"), leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = item["name"].as_str().map_or_else(|| index.to_string(), str::to_owned);
                walk(item, format!("{path}[{name}]"), leaves);
            }
        }
        Value::String(text) => leaves.push((path, text.clone())),
        other => leaves.push((path, other.to_string())),
    }
}

/// Where a field comes from, by its place.
fn source(graph: &Graph, part: &Part, object: &str, path: &str) -> Source {
    let of = |name: &str| {
        let found = part.explained.iter().find(|one| one.name == name);
        found.map(|one| one.source.clone())
    };
    let process = part.processes.iter().find(|one| object.ends_with(&format!("/{}", one.workload)));
    let setting = |name: &str| of(&format!("set.{name}"));
    if let Some((_, rest)) = path.split_once(".env[")
        && let Some((name, _)) = rest.split_once(']')
    {
        return environment(graph, part, process.map(|one| one.name.as_str()), name);
    }
    let found = match path {
        "spec.replicas" | "spec.minReplicas" | "spec.maxReplicas" => {
            process.and_then(|one| of(&format!("run.{}.copies", one.name)))
        }
        _ if path.ends_with(".resources.requests.storage") => setting("size"),
        _ if path.contains(".resources.") && path.ends_with(".memory") => setting("memory"),
        _ if path.contains(".resources.") && path.ends_with(".cpu") => setting("cpu"),
        _ if object == format!("ConfigMap/{}-settings", part.name) => {
            path.strip_prefix("data.").and_then(setting)
        }
        _ => None,
    };
    found.unwrap_or(Source::Shelf)
}

fn environment(graph: &Graph, part: &Part, process: Option<&str>, name: &str) -> Source {
    let own = process.map(|process| format!("run.{process}.env.{name}"));
    let names = own.into_iter().chain([format!("env.{name}")]);
    for full in names {
        if let Some(one) = part.explained.iter().find(|one| one.name == full) {
            return one.source.clone();
        }
    }
    if let Some(setting) = name.strip_prefix("SETTING_") {
        let found = part.explained.iter().find(|one| {
            one.name.strip_prefix("set.").is_some_and(|own| own.to_uppercase() == setting)
        });
        return found.map_or(Source::Default, |one| one.source.clone());
    }
    let wire = graph
        .wires_of(&part.name)
        .find(|wire| wire.fields.iter().any(|field| wire.variable(&field.name) == name));
    if let Some(wire) = wire {
        return Source::Wire { wire: wire.end() };
    }
    match part.secrets.iter().any(|secret| secret.name == name) {
        true => Source::Generated,
        false => Source::Shelf,
    }
}
