//! From what pods use to how many there should be: pure.

use std::collections::VecDeque;

use jiff::Timestamp;
use kinds::quantity;
use serde_json::Value;

/// A load this near to its target changes nothing.
const TOLERANCE: f64 = 0.1;
/// How long a lower number must have been asked for before copies go.
const DOWN_WINDOW: i64 = 300;

/// What one pod uses and asked for, in thousandths.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) used: Option<i128>,
    pub(super) request: i128,
    pub(super) ready: bool,
}

/// What a metric is to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Target {
    /// Percent of what was asked for.
    Utilization(i64),
    /// Thousandths per pod.
    Average(i128),
}

impl Target {
    pub(super) fn read(target: &Value) -> Option<Self> {
        if let Some(percent) = target["averageUtilization"].as_i64() {
            return Some(Self::Utilization(percent)).filter(|_| percent > 0);
        }
        let average = quantity::from_value(target.get("averageValue")?).ok()?.milli();
        Some(Self::Average(average)).filter(|_| average > 0)
    }
}

/// What one metric asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) replicas: i64,
    /// Thousandths per measured pod.
    pub(super) average: i128,
    pub(super) percent: Option<i64>,
}

/// The number of copies that brings the load to its target (Kubernetes documentation, "algorithm
/// details"). Pods that were not measured, or are not ready, are taken for whatever makes the
/// change smaller. `None` if no ready pod was measured.
pub(super) fn advise(pods: &[Measured], target: &Target, now: i64) -> Option<Advice> {
    let known: Vec<(i128, i128)> = pods
        .iter()
        .filter(|pod| pod.ready)
        .filter_map(|pod| Some((pod.used?, pod.request)))
        .collect();
    if known.is_empty() {
        return None;
    }
    let used: i128 = known.iter().map(|(used, _)| used).sum();
    let asked: i128 = known.iter().map(|(_, asked)| asked).sum();
    let count = known.len() as i128;
    let percent = match target {
        Target::Utilization(_) => i64::try_from(used * 100 / asked.max(1)).ok(),
        Target::Average(_) => None,
    };
    let first = ratio(used, asked, count, target);
    let rest: Vec<&Measured> = pods.iter().filter(|pod| !pod.ready || pod.used.is_none()).collect();
    let replicas = if rest.is_empty() {
        if near(first) { now } else { up(first * known.len() as f64) }
    } else {
        let full = |pod: &&Measured| match target {
            Target::Utilization(_) => pod.request,
            Target::Average(average) => *average,
        };
        let more: i128 = if first < 1.0 { rest.iter().map(full).sum() } else { 0 };
        let asked = asked + rest.iter().map(|pod| pod.request).sum::<i128>();
        let second = ratio(used + more, asked, pods.len() as i128, target);
        let turned = (first > 1.0) != (second > 1.0);
        let wanted = up(second * pods.len() as f64);
        let wrong_way = (first > 1.0 && wanted < now) || (first < 1.0 && wanted > now);
        if near(second) || turned || wrong_way { now } else { wanted }
    };
    Some(Advice { replicas, average: used / count, percent })
}

fn ratio(used: i128, asked: i128, count: i128, target: &Target) -> f64 {
    let wanted = match target {
        Target::Utilization(percent) => asked as f64 * *percent as f64 / 100.0,
        Target::Average(average) => (*average * count) as f64,
    };
    used as f64 / wanted.max(1.0)
}

fn near(ratio: f64) -> bool {
    (ratio - 1.0).abs() <= TOLERANCE
}

/// Rounded up; a hair above a whole number is that number.
fn up(value: f64) -> i64 {
    (value - 1e-9).ceil().clamp(0.0, 100_000.0) as i64
}

/// What was asked for and done lately, for one autoscaler.
#[derive(Debug, Default)]
pub(super) struct History {
    asked: VecDeque<(Timestamp, i64)>,
    changes: VecDeque<(Timestamp, i64)>,
}

impl History {
    /// Notes that so many pods came (or, negative, went).
    pub(super) fn scaled(&mut self, at: Timestamp, by: i64) {
        self.changes.push_back((at, by));
    }

    /// The number to go to now, given what is asked for and what `behavior` allows.
    pub(super) fn settle(&mut self, behavior: &Value, now: i64, asked: i64, at: Timestamp) -> i64 {
        self.asked.push_back((at, asked));
        while self.asked.front().is_some_and(|(then, _)| age(*then, at) > 3_600) {
            self.asked.pop_front();
        }
        while self.changes.front().is_some_and(|(then, _)| age(*then, at) > 1_800) {
            self.changes.pop_front();
        }
        let window = |direction: &str, default: i64| {
            behavior[direction]["stabilizationWindowSeconds"].as_i64().unwrap_or(default)
        };
        let (rise, fall) = (window("scaleUp", 0), window("scaleDown", DOWN_WINDOW));
        let within = |seconds: i64| {
            self.asked.iter().filter(move |(then, _)| age(*then, at) <= seconds).map(|(_, n)| *n)
        };
        // Up to the least of the rise window, down to the most of the fall window.
        let floor = within(rise).min().unwrap_or(asked);
        let ceiling = within(fall).max().unwrap_or(asked);
        let settled = now.clamp(floor.min(ceiling), ceiling.max(floor));
        if settled > now {
            settled.min(self.limit(&behavior["scaleUp"], now, at, 1))
        } else if settled < now {
            settled.max(self.limit(&behavior["scaleDown"], now, at, -1))
        } else {
            now
        }
    }

    /// How far policies let it go up (`sign` 1) or down (-1).
    fn limit(&self, rules: &Value, now: i64, at: Timestamp, sign: i64) -> i64 {
        let select = rules["selectPolicy"].as_str().unwrap_or("Max");
        if select == "Disabled" {
            return now;
        }
        let given = rules["policies"].as_array().filter(|list| !list.is_empty());
        let policies: Vec<(bool, i64, i64)> = match given {
            Some(list) => list
                .iter()
                .map(|policy| {
                    let number = |name: &str| policy[name].as_i64().unwrap_or(0);
                    (policy["type"] == "Percent", number("value"), number("periodSeconds"))
                })
                .collect(),
            // As upstream: doubled or four more in 15 s; all of them may go at once.
            None if sign > 0 => vec![(true, 100, 15), (false, 4, 15)],
            None => vec![(true, 100, 15)],
        };
        let limits = policies.into_iter().map(|(percent, value, period)| {
            let done: i64 = self
                .changes
                .iter()
                .filter(|(then, by)| age(*then, at) <= period && by.signum() == sign)
                .map(|(_, by)| *by)
                .sum();
            // Counted from where the period began.
            let base = now - done;
            let step = if percent { (base * value + 99) / 100 } else { value };
            base + sign * step
        });
        let (most, least) = limits
            .fold((i64::MIN, i64::MAX), |(most, least), limit| (most.max(limit), least.min(limit)));
        // "Max" is the larger change, in either direction.
        if (select == "Max") == (sign > 0) { most } else { least }
    }
}

fn age(then: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(then).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(used: i128) -> Measured {
        Measured { used: Some(used), request: 100, ready: true }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn replicas(pods: &[Measured], percent: i64) -> i64 {
        let target = Target::Utilization(percent);
        advise(pods, &target, pods.len() as i64).unwrap().replicas
    }

    #[test]
    fn the_load_is_brought_to_its_target() {
        assert_eq!(replicas(&[pod(200), pod(200)], 50), 8);
        assert_eq!(replicas(&[pod(10), pod(10), pod(10), pod(10)], 50), 1);
        assert_eq!(replicas(&[pod(54), pod(54)], 50), 2, "within the tolerance");
        let advice = advise(&[pod(60), pod(20)], &Target::Average(20), 2).unwrap();
        assert_eq!(advice, Advice { replicas: 4, average: 40, percent: None });
    }

    #[test]
    fn what_was_not_measured_makes_the_change_smaller() {
        let unknown = Measured { used: None, request: 100, ready: true };
        let unready = Measured { used: Some(500), request: 100, ready: false };
        // 200 of 100 at 50 % would be 4; the unknown one counts as idle: 200 of 200.
        assert_eq!(replicas(&[pod(200), unknown.clone()], 50), 4);
        assert_eq!(replicas(&[pod(60), unready], 50), 2, "a pod that starts is no load");
        assert_eq!(replicas(&[pod(10), unknown.clone()], 50), 2, "and no reason to shrink");
        assert_eq!(advise(&[unknown], &Target::Utilization(50), 1), None);
    }

    #[test]
    fn targets_are_read() {
        let read = |value: Value| Target::read(&value);
        assert_eq!(read(json!({"averageUtilization": 80})), Some(Target::Utilization(80)));
        assert_eq!(read(json!({"averageValue": "500m"})), Some(Target::Average(500)));
        assert_eq!(read(json!({"averageUtilization": 0})), None);
        assert_eq!(read(json!({"value": "1"})), None);
    }

    #[test]
    fn up_at_once_and_down_after_five_minutes() {
        let mut history = History::default();
        let none = Value::Null;
        assert_eq!(history.settle(&none, 2, 4, at(0)), 4);
        assert_eq!(history.settle(&none, 4, 1, at(15)), 4);
        assert_eq!(history.settle(&none, 4, 1, at(299)), 4);
        assert_eq!(history.settle(&none, 4, 1, at(330)), 1);
        let quick = json!({"scaleDown": {"stabilizationWindowSeconds": 0}});
        assert_eq!(history.settle(&quick, 4, 1, at(340)), 1);
    }

    #[test]
    fn policies_limit_how_fast() {
        let mut history = History::default();
        assert_eq!(history.settle(&Value::Null, 1, 50, at(0)), 5, "four more");
        history.scaled(at(0), 4);
        assert_eq!(history.settle(&Value::Null, 5, 50, at(5)), 5, "not again so soon");
        assert_eq!(history.settle(&Value::Null, 5, 50, at(20)), 10, "doubled");
        let slow = json!({
            "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]},
            "scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Min", "policies": [
                {"type": "Percent", "value": 10, "periodSeconds": 60},
                {"type": "Pods", "value": 5, "periodSeconds": 60}]}});
        let mut history = History::default();
        assert_eq!(history.settle(&slow, 3, 9, at(0)), 4);
        assert_eq!(history.settle(&slow, 20, 1, at(100)), 18);
        let never = json!({"scaleUp": {"selectPolicy": "Disabled"}});
        assert_eq!(history.settle(&never, 3, 9, at(200)), 3);
    }
}
