//! Required pod affinity and anti-affinity: where a pod may be, given where others are.

use super::filter::Candidate;
use super::ledger::Ledger;
use crate::object::Object;
use crate::pod;
use crate::selector::Selector;
use serde_json::Value;
use std::sync::Arc;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// One required term with the domains that hold a pod it selects.
struct Term {
    topology: String,
    /// Values of the topology label where a selected pod runs.
    domains: Vec<String>,
    wanted: bool,
    /// The pod selects itself and nobody else is there: the first of its kind may start.
    first: bool,
}

/// All required terms of one pod.
pub(super) struct Neighbours {
    terms: Vec<Term>,
}

impl Neighbours {
    pub(super) fn of(
        pod: &Object,
        others: &dyn Fn(&str) -> Vec<Arc<Object>>,
        ledger: &Ledger,
    ) -> Self {
        let mut terms = Vec::new();
        for (field, wanted) in [("podAffinity", true), ("podAntiAffinity", false)] {
            for term in pod.list(&format!("/spec/affinity/{field}/{REQUIRED}")) {
                terms.push(Term::of(pod, term, wanted, others, ledger));
            }
        }
        Self { terms }
    }

    /// Why a node is not possible.
    pub(super) fn objection(&self, node: &Candidate) -> Option<String> {
        for term in &self.terms {
            let domain = node.labels.get(&term.topology);
            let together = domain.is_some_and(|domain| term.domains.contains(domain));
            if term.wanted && !together && !(term.first && domain.is_some()) {
                return Some("node(s) didn't match pod affinity rules".to_owned());
            }
            if !term.wanted && together {
                return Some("node(s) didn't match pod anti-affinity rules".to_owned());
            }
        }
        None
    }
}

impl Term {
    fn of(
        pod: &Object,
        term: &Value,
        wanted: bool,
        others: &dyn Fn(&str) -> Vec<Arc<Object>>,
        ledger: &Ledger,
    ) -> Self {
        let topology = term["topologyKey"].as_str().unwrap_or("").to_owned();
        let selector = Selector::from_object(term.get("labelSelector"));
        let mut namespaces: Vec<&str> =
            term["namespaces"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if namespaces.is_empty() {
            namespaces.push(pod.namespace());
        }
        let mut domains = Vec::new();
        let mut somewhere = false;
        if let Some(selector) = &selector {
            for other in namespaces.iter().flat_map(|namespace| others(namespace)) {
                if other.uid() == pod.uid()
                    || !pod::is_active(&other)
                    || !selector.matches(other.labels())
                {
                    continue;
                }
                let Some(node) = ledger.node_of(other.uid()) else { continue };
                somewhere = true;
                if let Some(domain) = ledger.labels(node).and_then(|labels| labels.get(&topology)) {
                    domains.push(domain.clone());
                }
            }
        }
        let selects_itself = namespaces.contains(&pod.namespace())
            && selector.is_some_and(|selector| selector.matches(pod.labels()));
        Self { topology, domains, wanted, first: selects_itself && !somewhere }
    }
}
