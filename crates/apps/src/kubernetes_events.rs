//! What the platform did with an app and why: the Kubernetes Events of its namespace.

use k8s_openapi::api::core::v1::Event as Recorded;
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;

use crate::{Error, Result, Target, live};

/// The newest ones that are given.
const MOST: usize = 500;

/// One thing that happened, possibly several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventReport {
    /// When it happened last, RFC 3339.
    pub at: String,
    /// Normal or Warning.
    #[serde(rename = "type")]
    pub kind: String,
    /// One word, such as `Pulled`.
    pub reason: String,
    /// `Pod/web-1`.
    pub object: String,
    /// The block it belongs to, if that can be told from the object's name.
    pub block: Option<String>,
    /// What happened.
    pub message: String,
    /// How often.
    pub count: i32,
}

/// The events of an app, the newest first.
///
/// # Errors
/// The target does not answer.
pub async fn kubernetes_events(target: &Target, app: &str) -> Result<Vec<EventReport>> {
    let api: Api<Recorded> = Api::namespaced(target.client.clone(), app);
    let what = format!("list events of {app}");
    let list = api.list(&ListParams::default()).await.map_err(Error::api(what))?;
    let mut blocks: Vec<String> = live::list(target, app)
        .await?
        .values()
        .filter_map(crate::changes::component)
        .cloned()
        .collect();
    // The longest name first: the pods of web-api begin with web as well.
    blocks.sort_by(|one, other| other.len().cmp(&one.len()).then(one.cmp(other)));
    blocks.dedup();
    let mut events: Vec<EventReport> = list.into_iter().map(|one| report(one, &blocks)).collect();
    events.sort_by(|one, other| other.at.cmp(&one.at));
    events.truncate(MOST);
    Ok(events)
}

fn report(event: Recorded, blocks: &[String]) -> EventReport {
    let name = event.involved_object.name.unwrap_or_default();
    let of = |block: &&String| {
        name.strip_prefix(block.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let at = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
    let at = at
        .map(|time| time.0.to_string())
        .or_else(|| event.last_timestamp.map(|time| time.0.to_string()))
        .or_else(|| event.event_time.map(|time| time.0.to_string()))
        .or_else(|| event.metadata.creation_timestamp.map(|time| time.0.to_string()));
    EventReport {
        at: at.unwrap_or_default(),
        kind: event.type_.unwrap_or_else(|| "Normal".into()),
        reason: event.reason.unwrap_or_default(),
        block: blocks.iter().find(of).cloned(),
        object: format!("{}/{name}", event.involved_object.kind.unwrap_or_default()),
        message: event.message.unwrap_or_default(),
        count: event.series.and_then(|series| series.count).or(event.count).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_belongs_to_the_block_of_the_longest_name() {
        let event: Recorded = serde_json::from_value(json!({
            "metadata": {}, "reason": "Pulled", "type": "Normal", "message": "x", "count": 3,
            "involvedObject": { "kind": "Pod", "name": "web-api-5b-x" },
            "lastTimestamp": "2026-11-22T20:00:00Z",
        }))
        .unwrap();
        let report = report(event, &["web-api".into(), "web".into()]);
        assert_eq!(report.block.as_deref(), Some("web-api"));
        assert_eq!((report.object.as_str(), report.count), ("Pod/web-api-5b-x", 3));
        assert_eq!(report.at, "2026-11-22T20:00:00Z");
    }
}
