//! What the pods of a Job say about it: counts, whether it is over, what to start. Pure.

use crate::object::Object;
use crate::pod;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// A Job's pods, counted.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) active: Vec<String>,
    pub(super) ready: i64,
    pub(super) terminating: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    /// Completed and active indexes of an `Indexed` job.
    pub(super) done_indexes: BTreeSet<i64>,
    pub(super) active_indexes: BTreeSet<i64>,
    /// Restarts inside pods that are restarted in place.
    pub(super) restarts: i64,
    pub(super) last_failure: Option<Timestamp>,
    /// Failures since the last success, which the pause grows with.
    pub(super) failures_in_a_row: u32,
}

pub(super) fn index(pod: &Object) -> Option<i64> {
    pod.annotation(INDEX)?.parse().ok()
}

/// When the last container of a pod that is over ended.
fn finished(pod: &Object) -> Option<Timestamp> {
    let statuses = pod.list("/status/containerStatuses").iter();
    let ended = statuses.filter_map(|status| {
        status.pointer("/state/terminated/finishedAt")?.as_str()?.parse().ok()
    });
    ended
        .max()
        .or_else(|| pod.meta.deletion_timestamp.as_ref().map(|time| time.0))
        .or(Some(pod.created()))
}

impl Tally {
    pub(super) fn of(job: &Object, pods: &[Arc<Object>]) -> Self {
        let indexed = job.text("/spec/completionMode") == Some("Indexed");
        let completions = job.int("/spec/completions").unwrap_or(i64::MAX);
        let mut tally = Self::default();
        let mut last_success = None;
        let mut failures = Vec::new();
        for pod in pods {
            match pod::phase(pod) {
                "Succeeded" => {
                    last_success = last_success.max(finished(pod));
                    match index(pod).filter(|index| indexed && *index < completions) {
                        Some(index) => {
                            tally.done_indexes.insert(index);
                        }
                        None if indexed => {}
                        None => tally.succeeded += 1,
                    }
                }
                "Failed" => {
                    tally.failed += 1;
                    failures.extend(finished(pod));
                }
                _ if pod.deleting() => tally.terminating += 1,
                _ => {
                    tally.active.push(pod.name().to_owned());
                    tally.active_indexes.extend(index(pod));
                    tally.ready += i64::from(pod::is_ready(pod));
                    let statuses = pod
                        .list("/status/containerStatuses")
                        .iter()
                        .chain(pod.list("/status/initContainerStatuses"));
                    tally.restarts +=
                        statuses.filter_map(|status| status["restartCount"].as_i64()).sum::<i64>();
                }
            }
        }
        if indexed {
            tally.succeeded = i64::try_from(tally.done_indexes.len()).unwrap_or(i64::MAX);
        }
        tally.last_failure = failures.iter().max().copied();
        let in_a_row = failures
            .iter()
            .filter(|time| last_success.is_none_or(|success| **time > success))
            .count();
        tally.failures_in_a_row = u32::try_from(in_a_row).unwrap_or(u32::MAX);
        // Pods may have been deleted by others since they were counted.
        tally.succeeded = tally.succeeded.max(job.int("/status/succeeded").unwrap_or(0));
        tally.failed = tally.failed.max(job.int("/status/failed").unwrap_or(0));
        tally
    }

    /// How long to wait before the next pod: nothing without failures, then `first` doubled each time.
    pub(super) fn pause(&self, first: Duration, now: Timestamp) -> Duration {
        let Some(last) = self.last_failure.filter(|_| self.failures_in_a_row > 0) else {
            return Duration::ZERO;
        };
        let pause =
            first.saturating_mul(1 << (self.failures_in_a_row - 1).min(16)).min(LONGEST_PAUSE);
        let since = Duration::try_from(now.duration_since(last)).unwrap_or_default();
        pause.saturating_sub(since)
    }

    /// How many pods should be active now.
    pub(super) fn wanted(&self, job: &Object) -> i64 {
        let parallelism = job.int("/spec/parallelism").unwrap_or(1);
        let active = i64::try_from(self.active.len()).unwrap_or(i64::MAX);
        match job.int("/spec/completions") {
            Some(completions) => parallelism.min((completions - self.succeeded).max(0)),
            // A work queue: once one pod has succeeded, no new ones; the rest may end.
            None if self.succeeded > 0 => active.min(parallelism),
            None => parallelism,
        }
    }

    pub(super) fn is_complete(&self, job: &Object) -> bool {
        match job.int("/spec/completions") {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0 && self.active.is_empty() && self.terminating == 0,
        }
    }

    /// The lowest indexes that are neither done nor being worked on.
    pub(super) fn free_indexes(&self, completions: i64, count: usize) -> Vec<i64> {
        (0..completions)
            .filter(|index| {
                !self.done_indexes.contains(index) && !self.active_indexes.contains(index)
            })
            .take(count)
            .collect()
    }

    /// Done indexes as ranges: `0-2,5`.
    pub(super) fn done_text(&self) -> String {
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for index in &self.done_indexes {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *index => *last = *index,
                _ => ranges.push((*index, *index)),
            }
        }
        let text = |(first, last): &(i64, i64)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        ranges.iter().map(text).collect::<Vec<_>>().join(",")
    }
}

/// Whether a rule of `podFailurePolicy` says that this failed pod fails the whole job.
pub(super) fn fails_job(job: &Object, pod: &Object) -> Option<String> {
    if pod::phase(pod) != "Failed" {
        return None;
    }
    for (number, rule) in job.list("/spec/podFailurePolicy/rules").iter().enumerate() {
        let Some(what) = matching(rule, pod) else { continue };
        if rule["action"] == "FailJob" {
            return Some(format!("{what} matching FailJob rule at index {number}"));
        }
        return None;
    }
    None
}

/// What in a pod a rule matches, in words.
fn matching(rule: &Value, pod: &Object) -> Option<String> {
    if let Some(codes) = rule.get("onExitCodes").filter(|codes| !codes.is_null()) {
        let values: Vec<i64> =
            codes["values"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
        let statuses = pod
            .list("/status/initContainerStatuses")
            .iter()
            .chain(pod.list("/status/containerStatuses"));
        for status in statuses {
            let named = codes
                .get("containerName")
                .filter(|name| !name.is_null())
                .is_none_or(|name| *name == status["name"]);
            let Some(code) = status.pointer("/state/terminated/exitCode").and_then(Value::as_i64)
            else {
                continue;
            };
            let inside = values.contains(&code);
            let holds = if codes["operator"] == "NotIn" { code != 0 && !inside } else { inside };
            if named && holds {
                let name = status["name"].as_str().unwrap_or("");
                return Some(format!(
                    "Container {name} for pod {} failed with exit code {code}",
                    pod.key()
                ));
            }
        }
        return None;
    }
    for pattern in rule["onPodConditions"].as_array().into_iter().flatten() {
        let type_ = pattern["type"].as_str().unwrap_or("");
        if pod.condition(type_).is_some_and(|condition| condition["status"] == pattern["status"]) {
            return Some(format!("Pod {} has condition {type_}", pod.key()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::JOB;
    use serde_json::json;

    fn job(spec: Value) -> Object {
        Object::from_api(
            JOB,
            serde_json::from_value(
                json!({"metadata": {"name": "j", "namespace": "a"}, "spec": spec}),
            )
            .unwrap(),
        )
    }

    fn ended(name: &str, phase: &str, at: &str, code: i64) -> Arc<Object> {
        Arc::new(crate::pod::tests::pod(json!({
            "metadata": {"name": name, "namespace": "a", "annotations": {INDEX: name}},
            "status": {"phase": phase, "containerStatuses": [
                {"name": "c", "state": {"terminated": {"exitCode": code, "finishedAt": at}}}]},
        })))
    }

    #[test]
    fn the_pause_doubles_with_each_failure_and_ends_with_a_success() {
        let (first, now) = (Duration::from_secs(10), "2026-01-01T00:10:05Z".parse().unwrap());
        let two = [
            ended("0", "Failed", "2026-01-01T00:09:00Z", 1),
            ended("1", "Failed", "2026-01-01T00:10:00Z", 1),
        ];
        assert_eq!(Tally::of(&job(json!({})), &two).pause(first, now), Duration::from_secs(15));
        let healed = [two[0].clone(), ended("2", "Succeeded", "2026-01-01T00:10:00Z", 0)];
        assert_eq!(Tally::of(&job(json!({})), &healed).pause(first, now), Duration::ZERO);
    }

    #[test]
    fn no_more_pods_than_completions_left() {
        let done = [ended("0", "Succeeded", "2026-01-01T00:00:00Z", 0)];
        let tally = Tally::of(&job(json!({"completions": 2, "parallelism": 5})), &done);
        assert_eq!(tally.wanted(&job(json!({"completions": 2, "parallelism": 5}))), 1);
        assert!(!tally.is_complete(&job(json!({"completions": 2}))));
        assert!(tally.is_complete(&job(json!({"completions": 1}))));
        assert!(tally.is_complete(&job(json!({"parallelism": 3}))));
    }

    #[test]
    fn indexes_are_counted_once_and_written_as_ranges() {
        let spec = json!({"completionMode": "Indexed", "completions": 7});
        let pods: Vec<_> = ["0", "1", "2", "2", "5"]
            .iter()
            .map(|name| ended(name, "Succeeded", "2026-01-01T00:00:00Z", 0))
            .collect();
        let tally = Tally::of(&job(spec), &pods);
        assert_eq!((tally.succeeded, tally.done_text().as_str()), (4, "0-2,5"));
        assert_eq!(tally.free_indexes(7, 2), [3, 4]);
    }

    #[test]
    fn a_rule_on_the_exit_code_can_fail_the_job() {
        let job = job(json!({"podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        ]}}));
        assert!(fails_job(&job, &ended("0", "Failed", "2026-01-01T00:00:00Z", 42)).is_some());
        assert!(fails_job(&job, &ended("0", "Failed", "2026-01-01T00:00:00Z", 1)).is_none());
    }
}
