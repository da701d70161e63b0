//! The checker: from an app as written to a [`Graph`], or everything that is wrong with it.
//!
//! It runs while a wire is drawn, in `shelf check`, and again at Go; it is the same one. Order:
//! blocks and their settings, offers, wires, start order, then values that refer to wires.
//! Where next: `check/wires.rs`.

mod blocks;
mod disks;
mod names;
mod order;
mod sketch;
mod values;
mod wires;

use crate::app::{App, Block};
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::graph::{From, Graph, Offer, Wire};
use crate::shape::{Assumption, Disk, Shape};

pub(crate) use sketch::{Sketch, sketch};

/// Checks an app against what is on the shelf.
///
/// Returns every diagnostic that was found, in the order of the file.
pub fn check(app: &App, catalogue: &Catalogue) -> Result<Graph, Vec<Diagnostic>> {
    match as_far_as_possible(app, catalogue) {
        (graph, found) if found.is_empty() => Ok(graph),
        (_, found) => Err(found),
    }
}

/// What of an app is sound, and everything that is wrong with it.
pub(crate) fn as_far_as_possible(app: &App, catalogue: &Catalogue) -> (Graph, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let nodes: Vec<Node<'_>> =
        app.blocks.iter().filter_map(|block| blocks::node(block, catalogue, &mut found)).collect();
    // A block that could not be read must not make its consumers look wrong as well.
    let complete = nodes.len() == app.blocks.len();
    names::check(&nodes, &mut found);
    let wires = wires::tie(app, &nodes, catalogue, complete, &mut found);
    disks::check(&nodes, &wires, &mut found);
    let levels = order::levels(&nodes, &wires, &mut found);
    let mut parts = Vec::new();
    for (node, level) in nodes.iter().zip(levels) {
        let own: Vec<&Wire> = wires.iter().filter(|wire| wire.consumer == node.name()).collect();
        parts.push(values::part(node, level, &nodes, &own, &mut found));
    }
    found.sort_by_key(|one| one.span.as_ref().map(|span| (span.file.clone(), span.line)));
    parts.sort_by_key(|part| part.level);
    let assumptions = nodes.iter().flat_map(assumptions).collect();
    (Graph { app: app.name.value.clone(), blocks: parts, wires, assumptions }, found)
}

/// A block with what it comes from, before its references are resolved.
struct Node<'a> {
    block: &'a Block,
    from: From,
    shape: &'a Shape,
    assumes: &'a [Assumption],
    settings: Vec<(String, String)>,
    offers: Vec<Offer>,
}

impl Node<'_> {
    fn name(&self) -> &str {
        &self.block.name.value
    }

    /// Whether an offer gives this disk to other blocks.
    fn gives(&self, disk: &Disk) -> bool {
        self.offers.iter().any(|offer| offer.port.is_none() && offer.name == disk.name.value)
    }

    /// Whether a disk has a claim of its own.
    fn claims(&self, disk: &Disk) -> bool {
        disk.shared || self.gives(disk)
    }
}

fn assumptions(node: &Node<'_>) -> Vec<String> {
    let line = |one: &Assumption| {
        format!("{}.{}: {}  if not: {}", node.name(), one.name, one.says, one.if_not)
    };
    node.assumes.iter().map(line).collect()
}
