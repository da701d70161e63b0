//! Rung 3: patches of compiled objects. They are tried here, on the objects the app would become,
//! so that a patch outside of the published subset is refused with the field's name, before anything
//! runs. Where next: `compile/patch.rs`.

use super::Node;
use crate::compile::{self, patch};
use crate::diagnostic::Diagnostic;
use crate::graph::{Graph, Part};

/// Puts the patches of all blocks onto the graph, each with what it does.
pub(super) fn all(nodes: &[Node<'_>], graph: &mut Graph, found: &mut Vec<Diagnostic>) {
    if nodes.iter().all(|node| node.block.patches.is_empty()) {
        return;
    }
    let objects = compile::trial(graph);
    for node in nodes {
        for written in &node.block.patches {
            let name = &written.object;
            let own: Vec<&serde_json::Value> =
                objects.iter().filter(|object| patch::is_of(object, node.name())).collect();
            let Some(object) = own.iter().find(|object| patch::key(object) == name.value) else {
                let known: Vec<String> = own.iter().map(|object| patch::key(object)).collect();
                let message = format!("{} does not become a {}", node.name(), name.value);
                found.push(
                    Diagnostic::new("patch/object", &name.span, message)
                        .did_you_mean(&name.value, known.iter().map(String::as_str)),
                );
                continue;
            };
            match patch::apply(object, &written.change) {
                Err(fields) => found.push(
                    Diagnostic::new(
                        "patch/field",
                        &name.span,
                        format!("the patch of {} leaves what targets understand", name.value),
                    )
                    .side("refused", fields.join(", "))
                    .help("what may be patched", "shelf kubectl explain, docs/kubernetes.md"),
                ),
                Ok(changed) => {
                    let made = crate::graph::Patch {
                        object: name.value.clone(),
                        why: written.why.value.clone(),
                        idle: changed == **object,
                        lower: graph
                            .block(node.name())
                            .and_then(|part| lower(part, &written.change)),
                        change: written.change.clone(),
                    };
                    let part = graph.blocks.iter_mut().find(|part| part.name == node.name());
                    if let Some(part) = part {
                        part.patches.push(made);
                    }
                }
            }
        }
    }
}

/// A lower rung that gives the same, if there is one.
fn lower(part: &Part, change: &serde_json::Value) -> Option<String> {
    let text = change.to_string();
    let has = |setting: &str| part.settings.iter().any(|(name, _)| name == setting);
    let ways = [
        ("\"replicas\"", "copies"),
        ("\"memory\"", "memory"),
        ("\"cpu\"", "cpu"),
        ("\"storage\"", "size"),
    ];
    for (field, way) in ways.iter().filter(|(field, _)| text.contains(field)) {
        let _field = field;
        if *way == "copies" {
            return Some(format!("run = {{ {} = {{ copies = … }} }}", part.name));
        }
        if has(way) {
            return Some(format!("set = {{ {way} = \"…\" }}"));
        }
    }
    text.contains("\"env\"")
        .then(|| "an extension point of kind env, or env in a source".to_owned())
}
