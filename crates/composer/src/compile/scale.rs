//! `copies = "2..8"`: as many copies as the load asks for, by a HorizontalPodAutoscaler.

use serde_json::{Value, json};

use super::{Input, meta};
use crate::graph::{Part, Process};

/// The share of a core a copy asks for if its block has no setting `cpu`.
pub(super) const SHARE: &str = "250m";
/// More copies are made when those there are use more of their share than this, in percent.
const BUSY_PERCENT: i64 = 80;

/// The autoscaler of a process, if its copies are a range.
pub(super) fn autoscaler(input: &Input<'_>, part: &Part, process: &Process) -> Option<Value> {
    let most = process.copies_at_most?;
    let kind = ("autoscaling/v2", "HorizontalPodAutoscaler");
    let mut object = meta::object(input, part, kind, &process.workload);
    object["spec"] = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": process.workload },
        "minReplicas": process.copies,
        "maxReplicas": most,
        "metrics": [{
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": { "type": "Utilization", "averageUtilization": BUSY_PERCENT },
            },
        }],
    });
    Some(object)
}
