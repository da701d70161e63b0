//! Names that end up in one namespace must differ, whatever they were made from.

use std::collections::BTreeMap;

use super::Node;
use crate::diagnostic::Diagnostic;
use crate::source::Span;

/// The workload of a process: the block's name, unless the process has another one.
pub(super) fn workload(block: &str, process: &str) -> String {
    if block == process { block.to_owned() } else { format!("{block}-{process}") }
}

pub(super) fn check(nodes: &[Node<'_>], found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<String, (String, &Span)> = BTreeMap::new();
    for node in nodes {
        let block = &node.block.name;
        let processes = node.shape.run.iter().map(|process| {
            let name = workload(&block.value, &process.name.value);
            (name, format!("process {}.{}", block.value, process.name.value), &process.name.span)
        });
        let own = (block.value.clone(), format!("block {}", block.value), &block.span);
        for (name, what, span) in std::iter::once(own).chain(processes) {
            let of_this_block = format!("block {}", block.value);
            match seen.get(&name) {
                // A process named like its block is the block's main process.
                Some((other, _)) if *other == of_this_block && name == block.value => {}
                Some((other, first)) => found.push(
                    Diagnostic::new(
                        "file/name",
                        span,
                        format!("two things would be called \"{name}\""),
                    )
                    .side_at("first", other, first)
                    .side_at("second", what, span)
                    .help("rename one of them", ""),
                ),
                None => {
                    seen.insert(name, (what, span));
                }
            }
        }
        offers_have_a_service(node, found);
    }
    same_path_twice(nodes, found);
}

/// A path of the app's address leads to one process.
fn same_path_twice(nodes: &[Node<'_>], found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, (String, &Span)> = BTreeMap::new();
    for node in nodes {
        let said = node.shape.run.iter().map(|one| (one.name.value.as_str(), &*one.paths));
        let main = node.shape.run.is_empty().then(|| (node.name(), [].as_slice()));
        for (process, said) in said.chain(main) {
            for path in node.paths(process, said) {
                let here = format!("{}.{process}", node.name());
                match seen.get(path.value.as_str()) {
                    Some((first, span)) => found.push(
                        Diagnostic::new(
                            "run/path",
                            &path.span,
                            format!("path {} leads to two processes", path.value),
                        )
                        .side_at("first", first, span)
                        .side_at("second", here, &path.span)
                        .help("give one of them a longer path; the longest that fits wins", ""),
                    ),
                    None => {
                        seen.insert(&path.value, (here, &path.span));
                    }
                }
            }
        }
    }
}

/// What a source block offers besides its processes is reached through its main process.
fn offers_have_a_service(node: &Node<'_>, found: &mut Vec<Diagnostic>) {
    let name = node.name();
    let main = node.shape.run.is_empty()
        || node.shape.run.iter().any(|process| process.name.value == name);
    for provide in node.shape.provides.iter().filter(|_| !main) {
        let message = format!("no process of {name} can give {}", provide.name.value);
        found.push(
            Diagnostic::new("provide/process", &provide.name.span, message)
                .help("name the process after its block", format!("{name} = {{ run = \"…\" }}")),
        );
    }
}
