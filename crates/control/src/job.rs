//! Job: pods that run to their end, until enough of them succeeded.
//!
//! What the pods say is counted in tally.rs. Pods of a finished job stay for their logs;
//! those still running are deleted. A deleted pod that had ended keeps counting, as the
//! status never goes back.

mod tally;

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::Result;
use crate::object::{Key, Object, set_condition, stamp};
use crate::owner;
use crate::pod;
use crate::queue::{Next, Queue};
use crate::replica_set::same_status;
use crate::resource::{JOB, POD};
use crate::selector::Selector;
use crate::watch::chain;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tally::{INDEX, Tally};

const COMPONENT: &str = "job-controller";
/// Most pods started in one look.
const BURST: usize = 100;

pub(crate) struct Jobs {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
    back_off: Duration,
}

/// How a job ended.
struct End {
    type_: &'static str,
    reason: &'static str,
    message: String,
}

impl Jobs {
    pub(crate) fn new(cluster: Cluster, back_off: Duration) -> Self {
        let queue = Queue::new("job");
        owner::wake(&cluster.cache, &queue, JOB, POD);
        Self { cluster, queue, back_off }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(8, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let Some(job) = self.cluster.cache.get(JOB, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        let Some(selector) =
            Selector::from_object(job.at("/spec/selector")).filter(|s| !s.is_empty())
        else {
            return Ok(Next::Wait);
        };
        if is_finished(&job) {
            return self.expire(&job).await;
        }
        let pods = pod::claim(&self.cluster, POD, &job, &selector).await?;
        let now = Timestamp::now();
        let tally = Tally::of(&job, &pods);
        if job.deleting() {
            return Ok(Next::Wait);
        }
        if let Some(end) = self.end(&job, &tally, &pods, now) {
            return self.finish(&job, &pods, &end, now).await;
        }
        if job.flag("/spec/suspend") {
            self.stop(&pods).await?;
            self.report(&job, now).await?;
            return Ok(Next::Wait);
        }
        let result = self.adjust(&job, &tally, &pods, now).await;
        self.report(&job, now).await?;
        let due = [result?, deadline(&job, now)];
        Ok(due.into_iter().flatten().min().map_or(Next::Wait, Next::After))
    }

    /// Whether the job is over, and how.
    fn end(
        &self,
        job: &Object,
        tally: &Tally,
        pods: &[Arc<Object>],
        now: Timestamp,
    ) -> Option<End> {
        let failed = |reason, message| Some(End { type_: "Failed", reason, message });
        if let Some(message) = pods.iter().find_map(|pod| tally::fails_job(job, pod)) {
            return failed("PodFailurePolicy", message);
        }
        let limit = job.int("/spec/backoffLimit").unwrap_or(6);
        let in_place = job.text("/spec/template/spec/restartPolicy") == Some("OnFailure");
        let tries = tally.failed + if in_place { tally.restarts } else { 0 };
        if tries > limit {
            return failed(
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit".to_owned(),
            );
        }
        if deadline(job, now).is_some_and(|left| left.is_zero()) {
            return failed(
                "DeadlineExceeded",
                "Job was active longer than specified deadline".to_owned(),
            );
        }
        if tally.is_complete(job) {
            return Some(End {
                type_: "Complete",
                reason: "CompletionsReached",
                message: "Reached expected number of succeeded pods".to_owned(),
            });
        }
        None
    }

    /// Starts or stops pods; returns when the next may start.
    async fn adjust(
        &self,
        job: &Object,
        tally: &Tally,
        pods: &[Arc<Object>],
        now: Timestamp,
    ) -> Result<Option<Duration>> {
        let (wanted, active) =
            (tally.wanted(job), i64::try_from(tally.active.len()).unwrap_or(i64::MAX));
        if active > wanted {
            let mut surplus: Vec<_> = pods.iter().filter(|pod| pod::is_active(pod)).collect();
            surplus.sort_by_key(|pod| (pod::is_ready(pod), std::cmp::Reverse(pod.created())));
            for pod in surplus.into_iter().take(usize::try_from(active - wanted).unwrap_or(0)) {
                self.cluster.delete(pod, Propagation::Background).await?;
            }
            return Ok(None);
        }
        // With replacement policy `Failed`, one that is on its way out still holds its place.
        let only_failed = job.text("/spec/podReplacementPolicy") == Some("Failed");
        let missing = wanted - active - if only_failed { tally.terminating } else { 0 };
        if missing <= 0 {
            return Ok(None);
        }
        let pause = tally.pause(self.back_off, now);
        if !pause.is_zero() {
            return Ok(Some(pause));
        }
        let count = usize::try_from(missing).unwrap_or(0).min(BURST);
        if job.text("/spec/completionMode") == Some("Indexed") {
            for index in tally.free_indexes(job.int("/spec/completions").unwrap_or(0), count) {
                self.start(job, Some(index)).await?;
            }
        } else {
            for _ in 0..count {
                self.start(job, None).await?;
            }
        }
        Ok(None)
    }

    async fn start(&self, job: &Object, index: Option<i64>) -> Result<()> {
        let Some(template) = job.at("/spec/template") else { return Ok(()) };
        let mut body = pod::from_template(template, job);
        match index {
            None => body["metadata"]["generateName"] = json!(format!("{}-", job.name())),
            Some(index) => {
                body["metadata"]["generateName"] = json!(format!("{}-{index}-", job.name()));
                body["metadata"]["annotations"][INDEX] = json!(index.to_string());
                body["metadata"]["labels"][INDEX] = json!(index.to_string());
                if body.pointer("/spec/hostname").is_none() {
                    body["spec"]["hostname"] = json!(format!("{}-{index}", job.name()));
                }
                for field in ["containers", "initContainers"] {
                    for container in body["spec"]
                        .get_mut(field)
                        .and_then(Value::as_array_mut)
                        .into_iter()
                        .flatten()
                    {
                        let variable =
                            json!({"name": "JOB_COMPLETION_INDEX", "value": index.to_string()});
                        match container.get_mut("env").and_then(Value::as_array_mut) {
                            Some(env) => env.push(variable),
                            None => container["env"] = json!([variable]),
                        }
                    }
                }
            }
        }
        match self.cluster.create(POD, job.namespace(), body).await {
            Ok(pod) => {
                let message = format!("Created pod: {}", pod.name());
                self.cluster.events.normal(COMPONENT, job, "SuccessfulCreate", message);
                Ok(())
            }
            Err(error) => {
                if !error.is_race() {
                    let message = format!("Error creating: {}", chain(&error));
                    self.cluster.events.warning(COMPONENT, job, "FailedCreate", message);
                }
                Err(error)
            }
        }
    }

    async fn stop(&self, pods: &[Arc<Object>]) -> Result<()> {
        for pod in pods.iter().filter(|pod| pod::is_active(pod)) {
            self.cluster.delete(pod, Propagation::Background).await?;
        }
        Ok(())
    }

    /// Ends the job: running pods go first, then the verdict is written.
    async fn finish(
        &self,
        job: &Object,
        pods: &[Arc<Object>],
        end: &End,
        now: Timestamp,
    ) -> Result<Next> {
        self.stop(pods).await?;
        let mut status = self.counts(job, now);
        let mut conditions = job.list("/status/conditions").to_vec();
        let criterion =
            if end.type_ == "Complete" { "SuccessCriteriaMet" } else { "FailureTarget" };
        for type_ in [criterion, end.type_] {
            set_condition(&mut conditions, type_, "True", end.reason, &end.message, now);
            if let Some(condition) =
                conditions.iter_mut().find(|condition| condition["type"] == type_)
            {
                condition["lastProbeTime"] = json!(stamp(now));
            }
        }
        status["conditions"] = json!(conditions);
        if end.type_ == "Complete" {
            status["completionTime"] = json!(stamp(now));
        }
        self.cluster.merge(job, Part::Status, json!({ "status": status })).await?;
        if end.type_ == "Complete" {
            self.cluster.events.normal(COMPONENT, job, "Completed", "Job completed".to_owned());
        } else {
            self.cluster.events.warning(COMPONENT, job, end.reason, end.message.clone());
        }
        Ok(Next::Wait)
    }

    async fn report(&self, job: &Object, now: Timestamp) -> Result<()> {
        let mut status = self.counts(job, now);
        let mut conditions = job.list("/status/conditions").to_vec();
        let suspended = job.flag("/spec/suspend");
        if suspended {
            set_condition(
                &mut conditions,
                "Suspended",
                "True",
                "JobSuspended",
                "Job suspended",
                now,
            );
            status["startTime"] = Value::Null;
        } else if job.is("Suspended") {
            set_condition(&mut conditions, "Suspended", "False", "JobResumed", "Job resumed", now);
            status["startTime"] = json!(stamp(now));
        }
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        if !same_status(job, &status) {
            self.cluster.merge(job, Part::Status, json!({ "status": status })).await?;
        }
        Ok(())
    }

    /// Counts of the pods as they are now, our own writes included.
    fn counts(&self, job: &Object, now: Timestamp) -> Value {
        let pods = self.cluster.cache.controlled(POD, job.uid());
        let tally = Tally::of(job, &pods);
        let mut status = json!({
            "active": tally.active.len(),
            "ready": tally.ready,
            "terminating": tally.terminating,
            "succeeded": tally.succeeded,
            "failed": tally.failed,
            "startTime": job.text("/status/startTime").map_or_else(|| stamp(now), str::to_owned),
        });
        for field in ["active", "succeeded", "failed"] {
            // Upstream leaves out what is zero, and `kubectl wait` users compare with that.
            if status[field] == 0 {
                status[field] = Value::Null;
            }
        }
        if job.text("/spec/completionMode") == Some("Indexed") {
            status["completedIndexes"] = json!(tally.done_text());
        }
        status
    }

    /// Deletes a finished job when its time is over.
    async fn expire(&self, job: &Object) -> Result<Next> {
        let Some(ttl) = job.int("/spec/ttlSecondsAfterFinished").filter(|_| !job.deleting()) else {
            return Ok(Next::Wait);
        };
        let conditions = job.list("/status/conditions").iter();
        let ended = conditions
            .filter(|condition| condition["type"] == "Complete" || condition["type"] == "Failed")
            .find_map(|condition| {
                condition["lastTransitionTime"].as_str()?.parse::<Timestamp>().ok()
            });
        let Some(ended) = ended else { return Ok(Next::Wait) };
        let age = Duration::try_from(Timestamp::now().duration_since(ended)).unwrap_or_default();
        let left = Duration::from_secs(u64::try_from(ttl).unwrap_or(0)).saturating_sub(age);
        if left.is_zero() {
            self.cluster.delete(job, Propagation::Foreground).await?;
            return Ok(Next::Wait);
        }
        Ok(Next::After(left))
    }
}

/// Whether a job has its verdict.
pub(crate) fn is_finished(job: &Object) -> bool {
    job.is("Complete") || job.is("Failed")
}

/// Time left until the deadline of a running job; zero when it has passed.
fn deadline(job: &Object, now: Timestamp) -> Option<Duration> {
    let seconds = job.int("/spec/activeDeadlineSeconds")?;
    let started = job.time("/status/startTime")?;
    let age = Duration::try_from(now.duration_since(started)).unwrap_or_default();
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).saturating_sub(age))
}
