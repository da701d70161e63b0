//! Disks: a private one belongs to one process with one copy, and a folder has one owner.

use super::Node;
use crate::diagnostic::Diagnostic;
use crate::graph::Wire;

pub(super) fn check(nodes: &[Node<'_>], wires: &[Wire], found: &mut Vec<Diagnostic>) {
    for node in nodes {
        one_process_per_disk(node, found);
        mounted_nowhere(node, found);
    }
    one_owner(nodes, wires, found);
}

fn one_process_per_disk(node: &Node<'_>, found: &mut Vec<Diagnostic>) {
    let mut private = node.shape.disks.iter().filter(|disk| !node.claims(disk));
    let Some(disk) = private.next() else { return };
    let name = node.name();
    let more = node.shape.run.get(1).map(|process| format!("process {}", process.name.value));
    let said = node.shape.run.iter().map(|one| (one.name.value.as_str(), one.copies.as_ref()));
    let main = node.shape.run.is_empty().then_some((name, None));
    let copies = said.chain(main).filter_map(|(process, said)| node.copies(process, said));
    let mut many =
        copies.filter(|many| many.value.most > 1).map(|many| format!("{} copies", many.value));
    let Some(second) = more.or_else(|| many.next_back()) else { return };
    let span = if node.from.is_own() { &disk.name.span } else { &node.block.name.span };
    found.push(
        Diagnostic::new("disk/private", span, format!("the disk of {name} is private"))
            .side("a private disk has", "one process with one copy")
            .side(format!("{name} has"), second)
            .help("share it", "access = \"shared\"")
            .help("or move what needs the disk into a block of its own", ""),
    );
}

fn mounted_nowhere(node: &Node<'_>, found: &mut Vec<Diagnostic>) {
    for disk in node.shape.disks.iter().filter(|disk| disk.at.is_none()) {
        if !node.gives(disk) && node.from.is_own() {
            let message = format!("disk {} is mounted nowhere", disk.name.value);
            found.push(
                Diagnostic::new("disk/path", &disk.name.span, message)
                    .help("add", "at = \"/var/lib/data\""),
            );
        }
    }
}

/// The owner of a folder is the user of its consumers, so it must be one user.
fn one_owner(nodes: &[Node<'_>], wires: &[Wire], found: &mut Vec<Diagnostic>) {
    let node = |name: &str| nodes.iter().find(|node| node.name() == name);
    for (index, wire) in wires.iter().enumerate() {
        let Some(mount) = &wire.mount else { continue };
        let Some(consumer) = node(&wire.consumer) else { continue };
        let Some(user) = &consumer.shape.user else { continue };
        let others = wires[..index]
            .iter()
            .filter(|other| other.mount.as_ref().is_some_and(|other| other.claim == mount.claim));
        for other in others.filter_map(|other| node(&other.consumer)) {
            let Some(owner) = &other.shape.user else { continue };
            if owner.value == user.value {
                continue;
            }
            let message = format!("{} would have two owners", wire.provider);
            found.push(
                Diagnostic::new("wire/owner", &user.span, message)
                    .side_at(
                        format!("{} runs as", other.name()),
                        owner.value.to_string(),
                        &owner.span,
                    )
                    .side_at(
                        format!("{} runs as", wire.consumer),
                        user.value.to_string(),
                        &user.span,
                    )
                    .help("run both as one user", format!("user = {}", owner.value)),
            );
            return;
        }
    }
}
