//! Start order: only wires whose interface says `before-start` order the start, and a circle of
//! those is an error that names it.

use super::Node;
use crate::diagnostic::Diagnostic;
use crate::graph::Wire;

/// The level of each node: 0 for those that wait for nobody, else one above the highest waited for.
pub(super) fn levels(
    nodes: &[Node<'_>],
    wires: &[Wire],
    found: &mut Vec<Diagnostic>,
) -> Vec<usize> {
    let index = |name: &str| nodes.iter().position(|node| node.name() == name);
    let mut waits_for = vec![Vec::new(); nodes.len()];
    for wire in wires.iter().filter(|wire| wire.before_start) {
        if let (Some(consumer), Some(provider)) = (index(&wire.consumer), index(&wire.provider)) {
            waits_for[consumer].push(provider);
        }
    }
    let mut levels: Vec<Option<usize>> = vec![None; nodes.len()];
    // Every round settles at least one node, or the rest stands in circles.
    loop {
        let ready: Vec<(usize, usize)> = (0..nodes.len())
            .filter(|node| levels[*node].is_none())
            .filter_map(|node| {
                let below: Option<Vec<usize>> =
                    waits_for[node].iter().map(|provider| levels[*provider]).collect();
                Some((node, below?.into_iter().max().map_or(0, |level| level + 1)))
            })
            .collect();
        if ready.is_empty() {
            break;
        }
        for (node, level) in ready {
            levels[node] = Some(level);
        }
    }
    if let Some(start) = levels.iter().position(Option::is_none) {
        found.push(circle(nodes, wires, &waits_for, &levels, start));
    }
    levels.into_iter().map(Option::unwrap_or_default).collect()
}

fn circle(
    nodes: &[Node<'_>],
    wires: &[Wire],
    waits_for: &[Vec<usize>],
    levels: &[Option<usize>],
    start: usize,
) -> Diagnostic {
    // Follow unsettled providers until one comes again: an unsettled node always has one.
    let mut path = vec![start];
    let first = loop {
        let here = path[path.len() - 1];
        let next = waits_for[here].iter().copied().find(|node| levels[*node].is_none());
        let Some(next) = next else { break 0 };
        if let Some(at) = path.iter().position(|node| *node == next) {
            break at;
        }
        path.push(next);
    };
    let ring = &path[first..];
    let names: Vec<&str> = ring.iter().map(|node| nodes[*node].name()).collect();
    let message = format!("nobody can start first: {} -> {}", names.join(" -> "), names[0]);
    let mut wrong = Diagnostic::new("wire/circle", &nodes[ring[0]].block.name.span, message);
    for (at, name) in names.iter().enumerate() {
        let next = names[(at + 1) % names.len()];
        let wire = wires
            .iter()
            .find(|wire| wire.before_start && wire.consumer == *name && wire.provider == next);
        if let Some(wire) = wire {
            let value = format!("{next} ({})", wire.offer.interface);
            wrong = wrong.side(format!("{} waits for", wire.end()), value);
        }
    }
    wrong.help("take one of these wires away, or make its socket optional and unwire it", "")
}
