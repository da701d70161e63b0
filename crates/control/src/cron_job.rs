//! CronJob: a Job whenever the schedule says so.

mod schedule;

use crate::cluster::{Cluster, Part, Propagation};
use crate::error::{Error, Result};
use crate::job::is_finished;
use crate::object::{Key, Object, stamp};
use crate::owner;
use crate::queue::{Next, Queue};
use crate::replica_set::same_status;
use crate::resource::{CRON_JOB, JOB};
use jiff::Timestamp;
use jiff::tz::TimeZone;
pub use schedule::{Schedule, ScheduleError};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const COMPONENT: &str = "cronjob-controller";
const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// Most missed times that are walked through to find the last one.
const MOST_MISSED: usize = 10_000;

pub(crate) struct CronJobs {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
}

impl CronJobs {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let queue = Queue::new("cronjob");
        owner::wake(&cluster.cache, &queue, CRON_JOB, JOB);
        Self { cluster, queue }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(4, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let Some(cron) = self.cluster.cache.get(CRON_JOB, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        if cron.deleting() {
            return Ok(Next::Wait);
        }
        let jobs = self.cluster.cache.controlled(JOB, cron.uid());
        self.forget_old(&cron, &jobs).await?;
        let now = Timestamp::now();
        let Some((schedule, zone)) = self.schedule(&cron) else { return Ok(Next::Wait) };
        let mut scheduled = None;
        if !cron.flag("/spec/suspend")
            && let Some(due) = last_due(&cron, &schedule, &zone, now)
        {
            scheduled = self.start(&cron, &jobs, due, now).await?;
        }
        self.report(&cron, scheduled).await?;
        if cron.flag("/spec/suspend") {
            return Ok(Next::Wait);
        }
        let next = schedule.next(now, &zone);
        Ok(next.map_or(Next::Wait, |at| {
            let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
            Next::After(left + Duration::from_millis(50))
        }))
    }

    fn schedule(&self, cron: &Object) -> Option<(Schedule, TimeZone)> {
        let text = cron.text("/spec/schedule").unwrap_or("");
        let schedule = match Schedule::parse(text) {
            Ok(schedule) => schedule,
            Err(error) => {
                self.cluster.events.warning(COMPONENT, cron, "InvalidSchedule", error.to_string());
                return None;
            }
        };
        let zone = match cron.text("/spec/timeZone") {
            None => TimeZone::UTC,
            Some(name) => match TimeZone::get(name) {
                Ok(zone) => zone,
                Err(error) => {
                    self.cluster.events.warning(
                        COMPONENT,
                        cron,
                        "UnknownTimeZone",
                        error.to_string(),
                    );
                    return None;
                }
            },
        };
        Some((schedule, zone))
    }

    /// Makes the job of a time; returns the time when it was made now or before.
    async fn start(
        &self,
        cron: &Object,
        jobs: &[Arc<Object>],
        due: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let events = &self.cluster.events;
        let too_late = cron
            .int("/spec/startingDeadlineSeconds")
            .is_some_and(|limit| now.duration_since(due).as_secs() > limit);
        if too_late {
            events.warning(
                COMPONENT,
                cron,
                "MissSchedule",
                format!("Missed scheduled time to start a job: {due}"),
            );
            return Ok(None);
        }
        let active: Vec<_> =
            jobs.iter().filter(|job| !is_finished(job) && !job.deleting()).collect();
        // The name says the time: a second try makes no second job.
        let name = format!("{}-{}", cron.name(), due.as_second() / 60);
        if !active.iter().any(|job| job.name() == name) && !active.is_empty() {
            match cron.text("/spec/concurrencyPolicy") {
                Some("Forbid") => {
                    let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
                    events.normal(COMPONENT, cron, "JobAlreadyActive", message.to_owned());
                    return Ok(None);
                }
                Some("Replace") => {
                    for job in &active {
                        self.cluster.delete(job, Propagation::Background).await?;
                        events.normal(
                            COMPONENT,
                            cron,
                            "SuccessfulDelete",
                            format!("Deleted job {}", job.name()),
                        );
                    }
                }
                _ => {}
            }
        }
        let template = cron.at("/spec/jobTemplate").cloned().unwrap_or_else(|| json!({}));
        let mut annotations =
            template.pointer("/metadata/annotations").filter(|value| value.is_object()).cloned();
        let annotations = annotations.get_or_insert_with(|| json!({}));
        annotations[SCHEDULED_AT] = json!(stamp(due));
        let mut metadata = json!({
            "name": name, "annotations": annotations, "ownerReferences": [cron.controller_reference()],
        });
        if let Some(labels) =
            template.pointer("/metadata/labels").filter(|labels| !labels.is_null())
        {
            metadata["labels"] = labels.clone();
        }
        let body = json!({"metadata": metadata, "spec": template["spec"]});
        match self.cluster.create(JOB, cron.namespace(), body).await {
            Ok(_) => {
                events.normal(COMPONENT, cron, "SuccessfulCreate", format!("Created job {name}"))
            }
            Err(Error::Request { source, .. }) if matches!(source.as_ref(), kube::Error::Api(status) if status.is_already_exists()) =>
                {}
            Err(error) => return Err(error),
        }
        Ok(Some(due))
    }

    /// Deletes the oldest finished jobs beyond the history limits.
    async fn forget_old(&self, cron: &Object, jobs: &[Arc<Object>]) -> Result<()> {
        let limits = [
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ];
        for (condition, field, usual) in limits {
            let limit =
                usize::try_from(cron.int(&format!("/spec/{field}")).unwrap_or(usual)).unwrap_or(0);
            let mut ended: Vec<_> =
                jobs.iter().filter(|job| job.is(condition) && !job.deleting()).collect();
            ended.sort_by_key(|job| job.time("/status/startTime").unwrap_or_else(|| job.created()));
            let surplus = ended.len().saturating_sub(limit);
            for job in ended.into_iter().take(surplus) {
                self.cluster.delete(job, Propagation::Background).await?;
            }
        }
        Ok(())
    }

    async fn report(&self, cron: &Object, scheduled: Option<Timestamp>) -> Result<()> {
        let jobs = self.cluster.cache.controlled(JOB, cron.uid());
        let active: Vec<Value> =
            jobs.iter().filter(|job| !is_finished(job)).map(|job| job.reference()).collect();
        let mut status = json!({ "active": active });
        if let Some(scheduled) = scheduled {
            status["lastScheduleTime"] = json!(stamp(scheduled));
        }
        let ended = jobs.iter().filter_map(|job| job.time("/status/completionTime")).max();
        if let Some(ended) = ended.max(cron.time("/status/lastSuccessfulTime")) {
            status["lastSuccessfulTime"] = json!(stamp(ended));
        }
        if !same_status(cron, &status) {
            self.cluster.merge(cron, Part::Status, json!({ "status": status })).await?;
        }
        Ok(())
    }
}

/// The newest time that has come and was not served yet.
fn last_due(
    cron: &Object,
    schedule: &Schedule,
    zone: &TimeZone,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut since = cron.time("/status/lastScheduleTime").unwrap_or_else(|| cron.created());
    if let Some(limit) = cron.int("/spec/startingDeadlineSeconds") {
        let earliest = now.checked_sub(jiff::SignedDuration::from_secs(limit)).unwrap_or(since);
        since = since.max(earliest);
    }
    let mut due = None;
    for _ in 0..MOST_MISSED {
        match schedule.next(since, zone) {
            Some(next) if next <= now => {
                due = Some(next);
                since = next;
            }
            _ => return due,
        }
    }
    // Down for very long: the exact minute does not matter any more.
    schedule
        .next(now.checked_sub(jiff::SignedDuration::from_hours(24)).ok()?, zone)
        .filter(|next| *next <= now)
        .or(due)
}
