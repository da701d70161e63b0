//! What containers and the machine use, measured every ten seconds; told as the upstream kubelet's
//! `/stats/summary`, from which the control room's autoscaler and the API's `metrics.k8s.io` read
//! it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::host::Host;
use crate::machine;

/// Time between two measurements.
const PERIOD: Duration = Duration::from_secs(10);

/// Pod id and container.
type Key = (String, String);

/// One look at a container.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    at: Timestamp,
    /// Distinguishes a start from the next: its counters begin anew.
    attempt: u32,
    cpu_ns: u64,
    memory_bytes: u64,
    /// Processor time per second since the look before, in nanoseconds.
    rate: Option<u64>,
}

/// The last look at every running container, and at the machine under [`MACHINE`].
#[derive(Debug, Default)]
pub(crate) struct Usage(Mutex<BTreeMap<Key, Sample>>);

/// The machine's place among containers: no pod has this id.
const MACHINE: Key = (String::new(), String::new());

impl Usage {
    fn take(&self, seen: Vec<(Key, Sample)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        for (key, mut sample) in seen {
            sample.rate = before.get(&key).and_then(|before| rate(before, &sample));
            known.insert(key, sample);
        }
    }

    fn get(&self, key: &Key) -> Option<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }
}

/// Nanoseconds of processor time per second between two looks at the same start.
fn rate(before: &Sample, now: &Sample) -> Option<u64> {
    let passed = u128::try_from(now.at.duration_since(before.at).as_nanos()).ok()?;
    if before.attempt != now.attempt || passed == 0 {
        return None;
    }
    let used = u128::from(now.cpu_ns.checked_sub(before.cpu_ns)?);
    u64::try_from(used * 1_000_000_000 / passed).ok()
}

/// Measures for ever.
pub(crate) async fn run(host: Arc<Host>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match host.blocking("measure pods", |pods| Ok(measure(pods))).await {
            Ok(seen) => host.usage.take(seen),
            Err(error) => tracing::warn!(error = error.chain(), "pods not measured"),
        }
    }
}

fn measure(pods: &pod::Pods) -> Vec<(Key, Sample)> {
    let mut seen = Vec::new();
    seen.extend(machine().map(|sample| (MACHINE, sample)));
    for state in pods.list().into_iter().filter(|state| !state.spec.namespace.is_empty()) {
        for container in state.containers.iter().filter(|container| container.running()) {
            // One that ends at this moment has nothing to be measured.
            let Ok(stats) = pods.stats(&state.spec.id, &container.name) else { continue };
            let sample = Sample {
                at: Timestamp::now(),
                attempt: container.attempt,
                cpu_ns: stats.cpu_ns,
                memory_bytes: stats.memory_bytes,
                rate: None,
            };
            seen.push(((state.spec.id.clone(), container.name.clone()), sample));
        }
    }
    seen
}

/// A look at the whole machine: processor time since it was started, memory that is not to be had.
fn machine() -> Option<Sample> {
    let all = machine::memory("MemTotal:")?;
    let free = machine::memory("MemAvailable:")?;
    let stat = fs_err::read_to_string("/proc/stat").ok()?;
    Some(Sample {
        at: Timestamp::now(),
        attempt: 0,
        cpu_ns: busy(&stat)?,
        memory_bytes: all.saturating_sub(free),
        rate: None,
    })
}

/// Nanoseconds all processors were busy, of `/proc/stat` (proc_stat(5)): its first line counts
/// hundredths of a second of user, nice, system, idle, iowait, irq, softirq and steal. What guests
/// took is in user and nice already.
fn busy(stat: &str) -> Option<u64> {
    let counts = stat.lines().next()?.strip_prefix("cpu ")?;
    let counts: Vec<u64> = counts.split_whitespace().map_while(|one| one.parse().ok()).collect();
    let idle = counts.get(3)? + counts.get(4)?;
    let all: u64 = counts.iter().take(8).sum();
    Some((all - idle) * 10_000_000)
}

/// The summary of this machine's pods. Containers measured only once have no rate yet.
pub(crate) fn summary(host: &Host) -> Value {
    let pods = host.pods.list().into_iter().filter(|state| !state.spec.namespace.is_empty());
    let pods: Vec<Value> = pods
        .map(|state| {
            let containers: Vec<Value> = state
                .containers
                .iter()
                .filter_map(|container| {
                    let key = (state.spec.id.clone(), container.name.clone());
                    let sample = host.usage.get(&key)?;
                    let (cpu, memory) = stats(&sample);
                    Some(json!({"name": container.name, "cpu": cpu, "memory": memory}))
                })
                .collect();
            json!({
                "podRef": {"name": state.spec.name, "namespace": state.spec.namespace, "uid": state.spec.id},
                "containers": containers,
            })
        })
        .collect();
    let mut node = json!({"nodeName": host.settings.name});
    if let Some(sample) = host.usage.get(&MACHINE) {
        (node["cpu"], node["memory"]) = stats(&sample);
    }
    json!({"node": node, "pods": pods})
}

/// `cpu` and `memory` of a summary.
fn stats(sample: &Sample) -> (Value, Value) {
    let mut cpu = json!({"time": sample.at.to_string(), "usageCoreNanoSeconds": sample.cpu_ns});
    if let Some(rate) = sample.rate {
        cpu["usageNanoCores"] = json!(rate);
    }
    let memory = json!({"time": sample.at.to_string(), "workingSetBytes": sample.memory_bytes});
    (cpu, memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(second: i64, attempt: u32, cpu_ns: u64) -> Sample {
        let at = Timestamp::from_second(second).unwrap();
        Sample { at, attempt, cpu_ns, memory_bytes: 1, rate: None }
    }

    #[test]
    fn a_machine_is_busy_with_all_but_idling_and_waiting() {
        assert_eq!(busy("cpu  1 2 3 1000 2000 4 5 6 7 8\ncpu0 1 2\n"), Some(210_000_000));
        assert_eq!(busy("cpu  1 2"), None);
        assert_eq!(busy(""), None);
    }

    #[test]
    fn a_rate_needs_two_looks_at_the_same_start() {
        let usage = Usage::default();
        let key = ("pod".to_owned(), "main".to_owned());
        usage.take(vec![(key.clone(), sample(0, 0, 1_000_000_000))]);
        assert_eq!(usage.get(&key).unwrap().rate, None);
        usage.take(vec![(key.clone(), sample(10, 0, 6_000_000_000))]);
        assert_eq!(usage.get(&key).unwrap().rate, Some(500_000_000));
        usage.take(vec![(key.clone(), sample(20, 1, 1_000))]);
        assert_eq!(usage.get(&key).unwrap().rate, None);
        usage.take(Vec::new());
        assert_eq!(usage.get(&key), None);
    }
}
