//! Which pods a ReplicaSet gives up first: those that are worth least.

use crate::object::Object;
use crate::pod;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `count` pods to delete, in the order of preference of the Kubernetes documentation:
/// without a node, pending, not ready, cheap, on a crowded node, ready for a short time,
/// restarted often, young.
pub(super) fn choose(
    mut pods: Vec<Arc<Object>>,
    per_node: &HashMap<String, usize>,
    count: usize,
    now: Timestamp,
) -> Vec<Arc<Object>> {
    pods.sort_by_cached_key(|pod| worth(pod, per_node, now));
    pods.truncate(count);
    pods
}

type Worth = ((bool, u8, bool, i32), (Reverse<usize>, u32, Reverse<i64>, u32));

fn worth(pod: &Object, per_node: &HashMap<String, usize>, now: Timestamp) -> Worth {
    let phase = match pod::phase(pod) {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let cost = pod.annotation(COST).and_then(|text| text.parse().ok()).unwrap_or(0);
    let crowd = pod::node(pod).and_then(|node| per_node.get(node)).copied().unwrap_or(0);
    let ready = pod::ready_since(pod).map_or(0, |since| age_class(since, now));
    let restarts = pod
        .list("/status/containerStatuses")
        .iter()
        .filter_map(|status| status["restartCount"].as_i64());
    (
        (pod::node(pod).is_some(), phase, pod::is_ready(pod), cost),
        (
            Reverse(crowd),
            ready,
            Reverse(restarts.max().unwrap_or(0)),
            age_class(pod.created(), now),
        ),
    )
}

/// Ages are compared by magnitude: a few seconds more or less decide nothing.
fn age_class(since: Timestamp, now: Timestamp) -> u32 {
    let seconds = u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0);
    seconds.checked_ilog2().map_or(0, |magnitude| magnitude + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, node: Option<&str>, phase: &str, ready: bool, more: Value) -> Arc<Object> {
        let mut value = json!({
            "metadata": {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": node},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": if ready {"True"} else {"False"},
                "lastTransitionTime": "2026-01-01T00:01:00Z"}]},
        });
        for (field, extra) in more.as_object().unwrap() {
            value["metadata"][field] = extra.clone();
        }
        Arc::new(crate::pod::tests::pod(value))
    }

    fn order(pods: Vec<Arc<Object>>, per_node: &[(&str, usize)]) -> Vec<String> {
        let count = pods.len();
        let per_node = per_node.iter().map(|(node, count)| ((*node).to_owned(), *count)).collect();
        let now = "2026-01-01T02:00:00Z".parse().unwrap();
        choose(pods, &per_node, count, now).iter().map(|pod| pod.name().to_owned()).collect()
    }

    #[test]
    fn unbound_then_pending_then_unready_then_crowded() {
        let pods = vec![
            pod("ready", Some("n"), "Running", true, json!({})),
            pod("crowded", Some("m"), "Running", true, json!({})),
            pod("unready", Some("n"), "Running", false, json!({})),
            pod("pending", Some("n"), "Pending", false, json!({})),
            pod("unbound", None, "Pending", false, json!({})),
        ];
        assert_eq!(
            order(pods, &[("n", 1), ("m", 3)]),
            ["unbound", "pending", "unready", "crowded", "ready"]
        );
    }

    #[test]
    fn the_deletion_cost_outweighs_age() {
        let pods = vec![
            pod("dear", Some("n"), "Running", true, json!({"annotations": {COST: "10"}})),
            pod(
                "young",
                Some("n"),
                "Running",
                true,
                json!({"creationTimestamp": "2026-01-01T01:59:00Z"}),
            ),
            pod("cheap", Some("n"), "Running", true, json!({"annotations": {COST: "-5"}})),
        ];
        assert_eq!(order(pods, &[]), ["cheap", "young", "dear"]);
    }
}
