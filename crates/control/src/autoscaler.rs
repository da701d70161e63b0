//! HorizontalPodAutoscaler: as many copies as the load asks for, between two bounds.
//!
//! What pods use comes from the nodes' summaries through the API; what follows from it is
//! arithmetic (`autoscaler/demand.rs`). Metrics of kind `Resource` (cpu, memory) are known;
//! others are said to be unknown in the status. Scaling down waits until the load has asked for
//! less during the whole stabilization window (300 s unless the object says otherwise); policies
//! of `behavior` limit how many pods come or go within their period.

mod demand;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Part};
use crate::error::Result;
use crate::object::{Key, Object, set_condition, stamp};
use crate::pod;
use crate::queue::{Next, Queue};
use crate::replica_set::same_status;
use crate::resource::{AUTOSCALER, DEPLOYMENT, NODE, POD, Resource, STATEFUL_SET};
use crate::selector::Selector;
use demand::{Advice, History, Measured, Target};

const COMPONENT: &str = "horizontal-pod-autoscaler";

pub(crate) struct Autoscalers {
    cluster: Cluster,
    queue: Arc<Queue<Key>>,
    period: Duration,
    histories: Mutex<HashMap<String, History>>,
}

/// Processor thousandths and memory bytes of one pod, by its uid.
type Used = HashMap<String, BTreeMap<&'static str, i128>>;

/// What a look found: replicas now and wanted, and what to say of it.
struct Finding {
    wanted: i64,
    metrics: Vec<Value>,
    /// Reason and message if the load cannot be told.
    trouble: Option<(&'static str, String)>,
    limited: Option<&'static str>,
}

impl Autoscalers {
    pub(crate) fn new(cluster: Cluster, period: Duration) -> Self {
        let queue = Queue::new("autoscaler");
        let wake = queue.clone();
        cluster.cache.listen(Box::new(move |change, _| {
            // Its status changes with each look of ours: only its wish wakes us.
            let spec = |object: &Arc<Object>| object.at("/spec").cloned();
            if change.resource == AUTOSCALER
                && change.old.as_ref().map(spec) != change.new.as_ref().map(spec)
            {
                wake.add(change.object().key());
            }
        }));
        Self { cluster, queue, period, histories: Mutex::default() }
    }

    pub(crate) async fn run(&self) {
        self.queue.clone().run(2, |key| self.sync(key)).await;
    }

    async fn sync(&self, key: Key) -> Result<Next> {
        let cache = &self.cluster.cache;
        let Some(scaler) = cache.get(AUTOSCALER, &key.namespace, &key.name) else {
            return Ok(Next::Wait);
        };
        if scaler.deleting() {
            self.histories().remove(scaler.uid());
            return Ok(Next::Wait);
        }
        let target = target_kind(&scaler)
            .zip(scaler.text("/spec/scaleTargetRef/name"))
            .and_then(|(kind, name)| cache.get(kind, &key.namespace, name));
        let Some(target) = target else {
            let message = format!(
                "{} {} is not there, or not a Deployment or StatefulSet",
                scaler.text("/spec/scaleTargetRef/kind").unwrap_or(""),
                scaler.text("/spec/scaleTargetRef/name").unwrap_or(""),
            );
            self.report(
                &scaler,
                None,
                None,
                &[("AbleToScale", "False", "FailedGetScale", message)],
            )
            .await?;
            return Ok(Next::After(self.period));
        };
        let now = target.int("/spec/replicas").unwrap_or(1);
        if now == 0 {
            // Stopped on purpose.
            let message = "scaling is disabled since the replica count of the target is zero";
            let says = [("ScalingActive", "False", "ScalingDisabled", message.to_owned())];
            self.report(&scaler, Some((now, 0)), Some(Vec::new()), &says).await?;
            return Ok(Next::After(self.period));
        }
        let finding = self.look(&scaler, &target, now).await?;
        if finding.wanted != now {
            let patch = json!({"spec": {"replicas": finding.wanted}});
            self.cluster.merge(&target, Part::Object, patch).await?;
            let text = format!("New size: {}; reason: load {}", finding.wanted, said(&finding));
            self.cluster.events.normal(COMPONENT, &scaler, "SuccessfulRescale", text);
            self.histories()
                .entry(scaler.uid().to_owned())
                .or_default()
                .scaled(Timestamp::now(), finding.wanted - now);
        }
        self.tell(&scaler, now, finding).await?;
        Ok(Next::After(self.period))
    }

    /// What the load asks for now.
    async fn look(&self, scaler: &Object, target: &Object, now: i64) -> Result<Finding> {
        let (low, high) = (
            scaler.int("/spec/minReplicas").unwrap_or(1),
            scaler.int("/spec/maxReplicas").unwrap_or(1),
        );
        let used = self.used().await?;
        let selector = Selector::from_object(target.at("/spec/selector")).unwrap_or_default();
        let pods: Vec<_> = self
            .cluster
            .cache
            .list(POD, scaler.namespace())
            .into_iter()
            .filter(|pod| selector.matches(pod.labels()) && !pod.deleting() && !pod::is_over(pod))
            .collect();
        let mut finding =
            Finding { wanted: now, metrics: Vec::new(), trouble: None, limited: None };
        let mut advice: Option<i64> = None;
        for metric in scaler.list("/spec/metrics") {
            match one_metric(metric, &pods, &used, now) {
                Ok((replicas, current)) => {
                    advice = Some(advice.map_or(replicas, |known| known.max(replicas)));
                    finding.metrics.push(current);
                }
                Err(message) => finding.trouble = Some(("FailedGetResourceMetric", message)),
            }
        }
        let Some(mut wanted) = advice else {
            // Outside of the bounds is wrong even where the load is unknown.
            finding.wanted = now.clamp(low.min(high), high);
            return Ok(finding);
        };
        if finding.trouble.is_some() {
            // A metric that is missing may have asked for more.
            wanted = wanted.max(now);
        }
        let bounded = wanted.clamp(low.min(high), high);
        finding.limited = match bounded.cmp(&wanted) {
            std::cmp::Ordering::Less => Some("TooManyReplicas"),
            std::cmp::Ordering::Greater => Some("TooFewReplicas"),
            std::cmp::Ordering::Equal => None,
        };
        let mut histories = self.histories();
        let history = histories.entry(scaler.uid().to_owned()).or_default();
        let behavior = scaler.at("/spec/behavior").unwrap_or(&Value::Null);
        finding.wanted = history.settle(behavior, now, bounded, Timestamp::now());
        Ok(finding)
    }

    /// What all pods use, as their nodes measured it. A node that does not answer has none.
    async fn used(&self) -> Result<Used> {
        let mut used = Used::new();
        for node in self.cluster.cache.list_all(NODE) {
            let path = format!("{}/proxy/stats/summary", NODE.path("", node.name()));
            let summary: Value = match self.cluster.send(Method::GET, &path, None, None).await {
                Ok(summary) => summary,
                Err(error) => {
                    tracing::debug!(node = node.name(), error = %crate::watch::chain(&error), "not measured");
                    continue;
                }
            };
            for pod in summary["pods"].as_array().into_iter().flatten() {
                let uid = pod["podRef"]["uid"].as_str().unwrap_or_default().to_owned();
                if let Some(sum) = sum(pod) {
                    used.insert(uid, sum);
                }
            }
        }
        Ok(used)
    }

    async fn tell(&self, scaler: &Object, now: i64, finding: Finding) -> Result<()> {
        let mut says = vec![(
            "AbleToScale",
            "True",
            "ReadyForNewScale",
            "recommended size matches current size".to_owned(),
        )];
        if finding.wanted != now {
            let text = format!("the target's scale was changed to {}", finding.wanted);
            says[0] = ("AbleToScale", "True", "SucceededRescale", text);
        }
        says.push(match &finding.trouble {
            Some((reason, message)) => ("ScalingActive", "False", *reason, message.clone()),
            None => {
                let text = "the load could be told from the pods' resource use".to_owned();
                ("ScalingActive", "True", "ValidMetricFound", text)
            }
        });
        says.push(match finding.limited {
            Some(reason) => {
                ("ScalingLimited", "True", reason, "the load asks for more or less".to_owned())
            }
            None => {
                let text = "the desired count is within the acceptable range".to_owned();
                ("ScalingLimited", "False", "DesiredWithinRange", text)
            }
        });
        self.report(scaler, Some((now, finding.wanted)), Some(finding.metrics), &says).await
    }

    async fn report(
        &self,
        scaler: &Object,
        replicas: Option<(i64, i64)>,
        metrics: Option<Vec<Value>>,
        says: &[(&str, &str, &str, String)],
    ) -> Result<()> {
        let now = Timestamp::now();
        let mut conditions = scaler.list("/status/conditions").to_vec();
        for (kind, status, reason, message) in says {
            set_condition(&mut conditions, kind, status, reason, message, now);
        }
        let mut status =
            json!({"conditions": conditions, "observedGeneration": scaler.generation()});
        if let Some((current, desired)) = replicas {
            status["currentReplicas"] = json!(current);
            status["desiredReplicas"] = json!(desired);
            if current != desired {
                status["lastScaleTime"] = json!(stamp(now));
            }
        }
        if let Some(metrics) = metrics {
            status["currentMetrics"] = json!(metrics);
        }
        if !same_status(scaler, &status) {
            self.cluster.merge(scaler, Part::Status, json!({ "status": status })).await?;
        }
        Ok(())
    }

    fn histories(&self) -> std::sync::MutexGuard<'_, HashMap<String, History>> {
        self.histories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn target_kind(scaler: &Object) -> Option<Resource> {
    match scaler.text("/spec/scaleTargetRef/kind")? {
        "Deployment" => Some(DEPLOYMENT),
        "StatefulSet" => Some(STATEFUL_SET),
        _ => None,
    }
}

/// The load in words, for the event.
fn said(finding: &Finding) -> String {
    let one = |metric: &Value| {
        let current = &metric["resource"]["current"];
        let name = metric["resource"]["name"].as_str().unwrap_or_default();
        match current["averageUtilization"].as_i64() {
            Some(percent) => format!("{name} {percent}%"),
            None => format!("{name} {}", current["averageValue"].as_str().unwrap_or("?")),
        }
    };
    finding.metrics.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What a pod's containers use together; `None` until all of them were measured twice.
fn sum(pod: &Value) -> Option<BTreeMap<&'static str, i128>> {
    let (mut cpu, mut memory) = (0_i128, 0_i128);
    let containers = pod["containers"].as_array().filter(|list| !list.is_empty())?;
    for container in containers {
        cpu += i128::from(container["cpu"]["usageNanoCores"].as_u64()?);
        memory += i128::from(container["memory"]["workingSetBytes"].as_u64()?);
    }
    // In thousandths, as quantities are counted.
    Some(BTreeMap::from([("cpu", cpu / 1_000_000), ("memory", memory * 1_000)]))
}

/// The number of copies one metric asks for, and what is told of it.
fn one_metric(
    metric: &Value,
    pods: &[Arc<Object>],
    used: &Used,
    now: i64,
) -> std::result::Result<(i64, Value), String> {
    let kind = metric["type"].as_str().unwrap_or_default();
    if kind != "Resource" {
        return Err(format!("metrics of type {kind} are not known here, only Resource"));
    }
    let name = metric["resource"]["name"].as_str().unwrap_or_default();
    let target = Target::read(&metric["resource"]["target"])
        .ok_or_else(|| format!("the target of {name} is neither a utilization nor an average"))?;
    let mut measured = Vec::new();
    for pod in pods {
        let request = request(pod, name);
        if request.is_none() && matches!(target, Target::Utilization(_)) {
            return Err(format!("missing request for {name} in pod {}", pod.name()));
        }
        measured.push(Measured {
            used: used.get(pod.uid()).and_then(|used| used.get(name)).copied(),
            request: request.unwrap_or(0),
            ready: pod::is_ready(pod),
        });
    }
    let Advice { replicas, average, percent } = demand::advise(&measured, &target, now)
        .ok_or_else(|| format!("no pod was measured yet ({name})"))?;
    let mut current = json!({"averageValue": format!("{average}m")});
    if let Some(percent) = percent {
        current["averageUtilization"] = json!(percent);
    }
    Ok((replicas, json!({"type": "Resource", "resource": {"name": name, "current": current}})))
}

/// What a pod's containers ask for together, in thousandths; `None` if one of them asks for none.
fn request(pod: &Object, name: &str) -> Option<i128> {
    let of = |container: &Value| {
        let quantity = container.pointer("/resources/requests")?.get(name)?;
        Some(kinds::quantity::from_value(quantity).ok()?.milli())
    };
    pod.list("/spec/containers").iter().map(of).sum()
}
