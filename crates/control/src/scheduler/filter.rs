//! Which nodes can take a pod, why not, and which one is best: pure.

use super::demand::{Amounts, Demand, amounts};
use crate::object::Object;
use crate::selector::Selector;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the scheduler looks at in a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    taints: Vec<Value>,
    unschedulable: bool,
    ready: bool,
    pub(super) allocatable: Amounts,
}

impl Candidate {
    pub(super) fn of(node: &Object) -> Self {
        Self {
            name: node.name().to_owned(),
            labels: node.labels().clone(),
            taints: node.list("/spec/taints").to_vec(),
            unschedulable: node.flag("/spec/unschedulable"),
            ready: node.is("Ready"),
            allocatable: amounts(
                node.at("/status/allocatable").or_else(|| node.at("/status/capacity")),
            ),
        }
    }

    /// Why this node cannot take the pod; empty when it can.
    pub(super) fn objections(&self, pod: &Object, demand: &Demand, used: &Demand) -> Vec<String> {
        let mut objections = Vec::new();
        let tolerations = pod.list("/spec/tolerations");
        let tolerates_cordon = tolerations.iter().any(|toleration| {
            tolerates(toleration, "node.kubernetes.io/unschedulable", "", "NoSchedule")
        });
        if self.unschedulable && !tolerates_cordon {
            objections.push("node(s) were unschedulable".to_owned());
        }
        if !self.ready {
            objections.push("node(s) were not ready".to_owned());
        }
        if let Some(taint) = self.untolerated(tolerations, &["NoSchedule", "NoExecute"]) {
            let (key, value) = (text(taint, "key"), text(taint, "value"));
            // A cordoned node carries a taint that says the same.
            if key != "node.kubernetes.io/unschedulable" || !self.unschedulable {
                objections.push(format!("node(s) had untolerated taint(s) {{{key}: {value}}}"));
            }
        }
        if !self.is_selected_by(pod) {
            objections.push("node(s) didn't match Pod's node affinity/selector".to_owned());
        }
        if demand.ports.iter().any(|port| used.ports.iter().any(|taken| taken.conflicts(port))) {
            objections
                .push("node(s) didn't have free ports for the requested pod ports".to_owned());
        }
        for (name, amount) in &demand.amounts {
            let taken = used.amounts.get(name).copied().unwrap_or(0);
            let offered = self.allocatable.get(name).copied();
            if *amount == 0 || offered.is_some_and(|offered| taken + amount <= offered) {
                continue;
            }
            match (name.as_str(), offered) {
                // A node that does not count its pods takes any number.
                ("pods", None) => {}
                ("pods", Some(_)) => objections.push("Too many pods".to_owned()),
                _ => objections.push(format!("Insufficient {name}")),
            }
        }
        objections
    }

    fn untolerated(&self, tolerations: &[Value], effects: &[&str]) -> Option<&Value> {
        self.taints.iter().filter(|taint| effects.contains(&text(taint, "effect"))).find(|taint| {
            !tolerations.iter().any(|toleration| {
                tolerates(
                    toleration,
                    text(taint, "key"),
                    text(taint, "value"),
                    text(taint, "effect"),
                )
            })
        })
    }

    /// `nodeSelector` and the required terms of node affinity.
    fn is_selected_by(&self, pod: &Object) -> bool {
        if let Some(labels) = pod.at("/spec/nodeSelector")
            && !Selector::from_labels(labels).matches(&self.labels)
        {
            return false;
        }
        let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        match pod.at(required).and_then(Value::as_array) {
            Some(terms) => terms.iter().any(|term| self.satisfies(term)),
            None => true,
        }
    }

    /// One term: all its expressions on labels and on the node's name. An empty term selects nothing.
    fn satisfies(&self, term: &Value) -> bool {
        let labels = Selector::from_expressions(term.get("matchExpressions"));
        let fields = Selector::from_expressions(term.get("matchFields"));
        let (Some(labels), Some(fields)) = (labels, fields) else { return false };
        if labels.is_empty() && fields.is_empty() {
            return false;
        }
        let name = BTreeMap::from([("metadata.name".to_owned(), self.name.clone())]);
        labels.matches(&self.labels) && fields.matches(&name)
    }

    /// How good this node is for the pod; higher is better. `siblings`: pods of the same
    /// owner that run here already.
    pub(super) fn score(
        &self,
        pod: &Object,
        demand: &Demand,
        used: &Demand,
        siblings: usize,
    ) -> i64 {
        let mut score = 0;
        for name in ["cpu", "memory"] {
            let offered = self.allocatable.get(name).copied().unwrap_or(0);
            let asked = demand.amounts.get(name).copied().unwrap_or(0)
                + used.amounts.get(name).copied().unwrap_or(0);
            if offered > 0 {
                let free = (offered - asked).max(0) * 100 / offered;
                score += i64::try_from(free).unwrap_or(0) / 2;
            }
        }
        let pods = used.amounts.get("pods").copied().unwrap_or(0) / 1_000;
        score -= i64::try_from(pods.min(100)).unwrap_or(0) / 10;
        score -= i64::try_from(siblings).unwrap_or(i64::MAX).min(20) * 10;
        if self.untolerated(pod.list("/spec/tolerations"), &["PreferNoSchedule"]).is_some() {
            score -= 100;
        }
        let preferred =
            "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution";
        for wish in pod.list(preferred) {
            if self.satisfies(&wish["preference"]) {
                score += wish["weight"].as_i64().unwrap_or(0);
            }
        }
        score
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or("")
}

fn tolerates(toleration: &Value, key: &str, value: &str, effect: &str) -> bool {
    let (its_key, its_effect) = (text(toleration, "key"), text(toleration, "effect"));
    if !its_effect.is_empty() && its_effect != effect {
        return false;
    }
    match text(toleration, "operator") {
        "Exists" => its_key.is_empty() || its_key == key,
        _ => its_key == key && text(toleration, "value") == value,
    }
}

/// One line about all nodes, as upstream words it: `0/2 nodes are available: 2 Insufficient cpu.`
pub(super) fn summary(per_node: &[Vec<String>]) -> String {
    if per_node.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for objection in per_node.iter().flatten() {
        *counts.entry(objection).or_insert(0) += 1;
    }
    let mut reasons: Vec<_> =
        counts.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    reasons.sort();
    format!("0/{} nodes are available: {}.", per_node.len(), reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::tests::pod;
    use crate::resource::NODE;
    use serde_json::json;

    fn node(spec: Value, ready: bool) -> Candidate {
        let value = json!({
            "metadata": {"name": "n", "labels": {"zone": "a", "cpus": "8"}}, "spec": spec,
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "2"},
                "conditions": [{"type": "Ready", "status": if ready {"True"} else {"False"}}]},
        });
        Candidate::of(&Object::from_api(NODE, serde_json::from_value(value).unwrap()))
    }

    fn objections(node: &Candidate, spec: Value, used: &Demand) -> Vec<String> {
        let pod = pod(json!({"metadata": {"name": "p"}, "spec": spec}));
        node.objections(&pod, &Demand::of(&pod), used)
    }

    #[test]
    fn taints_keep_pods_away_unless_tolerated() {
        let tainted =
            node(json!({"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}), true);
        let none = Demand::default();
        assert_eq!(
            objections(&tainted, json!({}), &none),
            ["node(s) had untolerated taint(s) {gpu: yes}"]
        );
        let exists = json!({"tolerations": [{"key": "gpu", "operator": "Exists"}]});
        assert!(objections(&tainted, exists, &none).is_empty());
        let other = json!({"tolerations": [{"key": "gpu", "value": "no", "effect": "NoSchedule"}]});
        assert_eq!(objections(&tainted, other, &none).len(), 1);
        let everything = json!({"tolerations": [{"operator": "Exists"}]});
        assert!(objections(&tainted, everything, &none).is_empty());
    }

    #[test]
    fn a_node_that_is_cordoned_or_not_ready_takes_nothing() {
        assert_eq!(
            objections(&node(json!({"unschedulable": true}), true), json!({}), &Demand::default()),
            ["node(s) were unschedulable"]
        );
        assert_eq!(
            objections(&node(json!({}), false), json!({}), &Demand::default()),
            ["node(s) were not ready"]
        );
    }

    #[test]
    fn requests_ports_and_the_number_of_pods_are_bounded() {
        let node = node(json!({}), true);
        let container = |cpu: &str, port: i64| {
            json!({"containers": [
                {"name": "c", "resources": {"requests": {"cpu": cpu}}, "ports": [{"containerPort": 1, "hostPort": port}]},
            ]})
        };
        let running =
            Demand::of(&pod(json!({"metadata": {"name": "x"}, "spec": container("1500m", 80)})));
        assert!(objections(&node, container("500m", 81), &running).is_empty());
        assert_eq!(objections(&node, container("501m", 81), &running), ["Insufficient cpu"]);
        assert_eq!(
            objections(&node, container("1m", 80), &running),
            ["node(s) didn't have free ports for the requested pod ports"]
        );
        let mut full = running.clone();
        full.add(&Demand::of(&pod(json!({"metadata": {"name": "y"}}))));
        assert_eq!(objections(&node, json!({}), &full), ["Too many pods"]);
        let gpu =
            json!({"containers": [{"name": "c", "resources": {"requests": {"x.dev/gpu": "1"}}}]});
        assert_eq!(objections(&node, gpu, &Demand::default()), ["Insufficient x.dev/gpu"]);
    }

    #[test]
    fn affinity_terms_are_alternatives_and_expressions_are_not() {
        let node = node(json!({}), true);
        let affinity = |terms: Value| {
            json!({"affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
        };
        let a = json!({"key": "zone", "operator": "In", "values": ["a"]});
        let b = json!({"key": "zone", "operator": "In", "values": ["b"]});
        let big = json!({"key": "cpus", "operator": "Gt", "values": ["4"]});
        let none = Demand::default();
        assert!(
            objections(
                &node,
                affinity(json!([{"matchExpressions": [b]}, {"matchExpressions": [a, big]}])),
                &none
            )
            .is_empty()
        );
        assert_eq!(
            objections(&node, affinity(json!([{"matchExpressions": [a, b]}])), &none).len(),
            1
        );
        assert_eq!(objections(&node, affinity(json!([{}])), &none).len(), 1);
        let name =
            json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]);
        assert!(objections(&node, affinity(name), &none).is_empty());
        assert_eq!(objections(&node, json!({"nodeSelector": {"zone": "b"}}), &none).len(), 1);
    }

    #[test]
    fn the_summary_counts_reasons() {
        let per_node = [
            vec!["Insufficient cpu".to_owned()],
            vec!["Insufficient cpu".to_owned(), "Too many pods".to_owned()],
        ];
        assert_eq!(
            summary(&per_node),
            "0/2 nodes are available: 1 Too many pods, 2 Insufficient cpu."
        );
    }

    #[test]
    fn the_emptier_node_scores_higher() {
        let node = node(json!({}), true);
        let pod = pod(json!({"metadata": {"name": "p"}}));
        let demand = Demand::of(&pod);
        let busy =
            Demand { amounts: Amounts::from([("cpu".to_owned(), 1_500)]), ..Demand::default() };
        assert!(
            node.score(&pod, &demand, &Demand::default(), 0) > node.score(&pod, &demand, &busy, 0)
        );
        assert!(
            node.score(&pod, &demand, &Demand::default(), 0)
                > node.score(&pod, &demand, &Demand::default(), 1)
        );
    }
}
