//! Events with the time since the verb began.

use std::collections::BTreeSet;
use std::time::Instant;

use composer::graph::{Graph, Wire};

use crate::event::{BlockState, Event, Events, WireState};
use crate::observe::World;

/// When a verb began.
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Seconds since the verb began, to a millisecond.
    pub(crate) fn seconds(&self) -> f64 {
        (self.0.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }

    pub(crate) fn block(&self, name: &str, state: BlockState, detail: impl Into<String>) -> Event {
        Event::Block {
            name: name.to_owned(),
            state,
            detail: detail.into(),
            seconds: self.seconds(),
        }
    }
}

/// Says once per wire that the provider's probe ran over it with the wire's own login.
pub(crate) struct Probes<'a> {
    graph: &'a Graph,
    said: BTreeSet<String>,
    /// Pods that were there before the verb began; their probes are old news.
    before: BTreeSet<String>,
}

impl<'a> Probes<'a> {
    pub(crate) fn new(graph: &'a Graph, world: &World) -> Self {
        let before = world.pods.keys().cloned().collect();
        Self { graph, said: BTreeSet::new(), before }
    }

    pub(crate) fn report(&mut self, world: &World, events: Events<'_>) {
        for wire in &self.graph.wires {
            if wire.offer.probe.is_none() || self.said.contains(&wire.secret_name()) {
                continue;
            }
            let step = format!("wait-{}", wire.binding);
            let probed = world.pods_of(&wire.consumer).any(|(name, pod)| {
                !self.before.contains(name) && crate::observe::init_succeeded(pod, &step)
            });
            if probed {
                self.said.insert(wire.secret_name());
                events(wire_event(wire, WireState::Probed));
            }
        }
    }
}

pub(crate) fn wire_event(wire: &Wire, state: WireState) -> Event {
    Event::Wire {
        consumer: wire.end(),
        provider: wire.provider.clone(),
        interface: wire.offer.interface.clone(),
        state,
    }
}
