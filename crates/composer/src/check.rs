//! The checker: from an app as written to a [`Graph`], or everything that is wrong with it.
//!
//! It runs while a wire is drawn, in `shelf check`, and again at Go; it is the same one. Order:
//! blocks and their settings, offers, wires, start order, then values that refer to wires.
//! Where next: `check/wires.rs`.

mod assumptions;
mod blocks;
mod deliver;
mod disks;
mod explain;
mod extend;
mod external;
pub(crate) mod limits;
mod names;
mod order;
mod patches;
mod rung;
mod sketch;
mod values;
mod wires;

use crate::app::{App, Block, Tune};
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::graph::{From, Graph, Offer, Wire};
use crate::module::Module;
use crate::shape::{Assumption, Copies, Disk, Shape};
use crate::source::Spanned;

pub(crate) use assumptions::settle;
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

/// What of an app is sound: for an app that others reach, whatever it is tied to itself.
pub fn sound(app: &App, catalogue: &Catalogue) -> Graph {
    as_far_as_possible(app, catalogue).0
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
        let mut part = values::part(node, level, &nodes, &own, &mut found);
        let extended = extend::all(app, node, &mut found);
        part.extend = extended.files;
        part.env.extend(extended.env);
        part.assumes = assumptions::of(node);
        part.rung = rung::of(node);
        part.explained = explain::of(app, node, &part, &own);
        parts.push(part);
    }
    parts.sort_by_key(|part| part.level);
    let assumptions = nodes.iter().flat_map(assumption_lines).collect();
    let urls = app.urls.iter().map(|url| url.value.clone()).collect();
    let mut graph = Graph { app: app.name.value.clone(), blocks: parts, wires, assumptions, urls };
    assumptions::judge(&mut graph);
    if found.is_empty() {
        patches::all(&nodes, &mut graph, &mut found);
    }
    found.sort_by_key(|one| one.span.as_ref().map(|span| (span.file.clone(), span.line)));
    (graph, found)
}

/// A block with what it comes from, before its references are resolved.
struct Node<'a> {
    block: &'a Block,
    from: From,
    shape: &'a Shape,
    assumes: &'a [Assumption],
    settings: Vec<(String, String)>,
    offers: Vec<Offer>,
    /// The module it comes from, if it does.
    module: Option<&'a Module>,
}

impl Node<'_> {
    fn name(&self) -> &str {
        &self.block.name.value
    }

    /// Whether it runs an image that nobody has looked at.
    fn unseen(&self) -> bool {
        matches!(self.from, From::Image { .. }) && self.block.opened.is_none()
    }

    fn tune(&self, process: &str) -> Option<&Tune> {
        self.block.tune.iter().find(|tune| tune.process.value == process)
    }

    /// The paths of a process, given those that its description says.
    fn paths<'b>(&'b self, process: &str, said: &'b [Spanned<String>]) -> &'b [Spanned<String>] {
        self.tune(process).and_then(|tune| tune.paths.as_deref()).unwrap_or(said)
    }

    /// The copies of a process, given those that its description says.
    fn copies<'b>(
        &'b self,
        process: &str,
        said: Option<&'b Spanned<Copies>>,
    ) -> Option<&'b Spanned<Copies>> {
        self.tune(process).and_then(|tune| tune.copies.as_ref()).or(said)
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

fn assumption_lines(node: &Node<'_>) -> Vec<String> {
    let line = |one: &Assumption| {
        format!("{}.{}: {}  if not: {}", node.name(), one.name.value, one.says, one.if_not)
    };
    let shared = match &node.from {
        From::External { interface, held_in } if !node.offers.iter().any(Offer::is_disk) => {
            Some(format!(
                "{}.login: All wires to this {interface} share the login in Secret {held_in}.  \
             if not: use a module, which gives each wire its own",
                node.name(),
            ))
        }
        _ => None,
    };
    node.assumes.iter().map(line).chain(shared).collect()
}
