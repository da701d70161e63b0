//! Rotation of a wire's login: two slots, and both logins work until all consumers have moved.
//!
//! A turn is one go: the provider's program makes the second login beside the first, the consumers
//! roll onto it, and then the first is taken away. Each slot has a Secret of its own, so a copy that
//! still runs keeps the values it started with. Where next: `jobs.rs`.

use serde::Serialize;

use crate::graph::{Graph, Slot, Wire};
use crate::secret::SecretValue;

/// Where a wire's login is, or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// It stays in this slot.
    In(Slot),
    /// It moves to this slot from the other one.
    To(Slot),
}

impl Turn {
    pub(super) fn slot(self) -> Slot {
        match self {
            Self::In(slot) | Self::To(slot) => slot,
        }
    }
}

/// The graph with every wire in the slot that `turns` names; nothing if all stay in the first.
pub(super) fn turned(graph: &Graph, facts: &super::Facts) -> Option<Graph> {
    if facts.turns.is_empty() {
        return None;
    }
    let mut graph = graph.clone();
    for wire in graph.wires.iter_mut().filter(|wire| wire.rotates()) {
        if let Some(turn) = facts.turns.get(&wire.secret_name()) {
            *wire = in_slot(wire, turn.slot());
        }
    }
    Some(graph)
}

/// A wire as it is in a slot: another login on the same data.
pub(super) fn in_slot(wire: &Wire, slot: Slot) -> Wire {
    let mut wire = wire.clone();
    for field in wire.fields.iter_mut().filter(|field| Some(&field.name) == wire.login.as_ref()) {
        if let SecretValue::Plain(login) = &mut field.value {
            let first = login.strip_suffix(Slot::SUFFIX).unwrap_or(login).to_owned();
            *login = if slot == Slot::B { format!("{first}{}", Slot::SUFFIX) } else { first };
        }
    }
    wire.slot = slot;
    wire
}

/// The wire as it was, if its login moves in this go.
pub(super) fn left_behind(wire: &Wire, facts: &super::Facts) -> Option<Wire> {
    let moves = facts.turns.get(&wire.plain_name()) == Some(&Turn::To(wire.slot));
    (moves && wire.rotates()).then(|| in_slot(wire, wire.slot.other()))
}
