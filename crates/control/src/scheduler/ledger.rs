//! Who uses what on which node, kept up to date by the watch and by our own decisions.

use super::demand::Demand;
use super::filter::{Candidate, summary};
use crate::cache::Change;
use crate::object::Object;
use crate::pod;
use std::collections::{BTreeMap, HashMap};

/// Nodes and the pods placed on them, those just decided included.
#[derive(Default)]
pub(super) struct Ledger {
    nodes: BTreeMap<String, Candidate>,
    used: HashMap<String, Demand>,
    placed: HashMap<String, Placed>,
}

struct Placed {
    node: String,
    owner: String,
    demand: Demand,
}

impl Ledger {
    /// Takes in a change of a pod; returns whether it freed something.
    pub(super) fn pod_changed(&mut self, change: &Change) -> bool {
        let mut freed = false;
        if let Some(old) = &change.old
            && change.new.as_ref().is_none_or(|new| new.uid() != old.uid())
        {
            freed |= self.remove(old.uid());
        }
        if let Some(new) = &change.new {
            match pod::node(new) {
                _ if pod::is_over(new) => freed |= self.remove(new.uid()),
                Some(node) => {
                    let known =
                        self.placed.get(new.uid()).is_some_and(|placed| placed.node == node);
                    if !known {
                        self.place(new, node, Demand::of(new));
                    }
                }
                None => {}
            }
        }
        freed
    }

    /// Takes in a change of a node; returns whether it may let more pods in.
    pub(super) fn node_changed(&mut self, change: &Change) -> bool {
        let Some(node) = &change.new else {
            self.nodes.remove(change.object().name());
            return false;
        };
        let candidate = Candidate::of(node);
        if self.nodes.get(node.name()) == Some(&candidate) {
            return false;
        }
        self.nodes.insert(node.name().to_owned(), candidate);
        true
    }

    /// The best node for a pod, which is at once counted as placed there; or why there is none.
    pub(super) fn decide(
        &mut self,
        pod: &Object,
        extra: &dyn Fn(&Candidate) -> Option<String>,
    ) -> Result<String, String> {
        let demand = Demand::of(pod);
        let nothing = Demand::default();
        let owner = owner(pod);
        let mut siblings: HashMap<&str, usize> = HashMap::new();
        if self.nodes.len() > 1 && !owner.is_empty() {
            for placed in self.placed.values().filter(|placed| placed.owner == owner) {
                *siblings.entry(&placed.node).or_insert(0) += 1;
            }
        }
        let mut best: Option<(i64, &str)> = None;
        let mut refusals = Vec::new();
        for (name, node) in &self.nodes {
            let used = self.used.get(name).unwrap_or(&nothing);
            let mut objections = node.objections(pod, &demand, used);
            objections.extend(extra(node));
            if objections.is_empty() {
                let score = node.score(
                    pod,
                    &demand,
                    used,
                    siblings.get(name.as_str()).copied().unwrap_or(0),
                );
                if best.is_none_or(|(highest, _)| score > highest) {
                    best = Some((score, name));
                }
            } else {
                refusals.push(objections);
            }
        }
        match best {
            Some((_, name)) => {
                let name = name.to_owned();
                self.place(pod, &name, demand);
                Ok(name)
            }
            None => Err(summary(&refusals)),
        }
    }

    /// Labels of a node.
    pub(super) fn labels(&self, node: &str) -> Option<&BTreeMap<String, String>> {
        self.nodes.get(node).map(|node| &node.labels)
    }

    /// Where a pod is, or is about to be.
    pub(super) fn node_of(&self, uid: &str) -> Option<&str> {
        self.placed.get(uid).map(|placed| placed.node.as_str())
    }

    fn place(&mut self, pod: &Object, node: &str, demand: Demand) {
        self.remove(pod.uid());
        self.used.entry(node.to_owned()).or_default().add(&demand);
        let placed = Placed { node: node.to_owned(), owner: owner(pod), demand };
        self.placed.insert(pod.uid().to_owned(), placed);
    }

    /// Takes a pod off its node; false when it was on none.
    pub(super) fn remove(&mut self, uid: &str) -> bool {
        let Some(placed) = self.placed.remove(uid) else { return false };
        if let Some(used) = self.used.get_mut(&placed.node) {
            for (name, amount) in &placed.demand.amounts {
                if let Some(total) = used.amounts.get_mut(name) {
                    *total -= amount;
                }
            }
            // Ports are exclusive, so they are this pod's alone.
            for port in &placed.demand.ports {
                used.ports.remove(port);
            }
        }
        true
    }
}

fn owner(pod: &Object) -> String {
    pod.controller().map(|owner| owner.uid.clone()).unwrap_or_default()
}
