//! What the machine is short of, as the conditions of its Node: memory, the disk of its data.
//!
//! A condition is only told: nothing is evicted and nothing kept from this machine, which may be the
//! only one. Where next: `machine.rs`, which writes them with each sign of life.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::machine;

/// Less is pressure on the disk: one image of a language's runtime, or one start of a database's
/// log. Upstream takes a tenth, which is nothing on a small disk and far too much on a large one.
const DISK_BYTES: u64 = 1 << 30;
/// Less is pressure on the memory, as upstream's `memory.available<100Mi`.
const MEMORY_BYTES: u64 = 100 << 20;

/// Since when each condition is what it is.
#[derive(Default)]
pub(crate) struct Conditions {
    since: Mutex<BTreeMap<&'static str, (bool, Timestamp)>>,
}

impl Conditions {
    /// All conditions of the Node, now. What cannot be measured is left out rather than claimed.
    pub(crate) fn now(&self, data_dir: &Path) -> Vec<Value> {
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let words = ("KubeletReady", "pods can be started here".to_owned());
        let mut all = vec![self.told("Ready", true, words, now)];
        if let Some(left) = machine::memory("MemAvailable:") {
            let short = left < MEMORY_BYTES;
            let words = match short {
                true => {
                    ("KubeletHasInsufficientMemory", format!("{} MB are left", left / 1_000_000))
                }
                false => ("KubeletHasSufficientMemory", "there is memory".to_owned()),
            };
            all.push(self.told("MemoryPressure", short, words, now));
        }
        if let Ok(system) = rustix::fs::statvfs(data_dir) {
            // What others than root may take: databases are others.
            let left = system.f_bavail * system.f_frsize;
            let short = left < DISK_BYTES;
            let disk = data_dir.display();
            let words = match short {
                true => {
                    let left = left / 1_000_000;
                    ("KubeletHasDiskPressure", format!("{left} MB are left on the disk of {disk}"))
                }
                false => ("KubeletHasNoDiskPressure", format!("the disk of {disk} has room")),
            };
            all.push(self.told("DiskPressure", short, words, now));
        }
        all
    }

    fn told(
        &self,
        kind: &'static str,
        is: bool,
        (reason, message): (&str, String),
        now: Timestamp,
    ) -> Value {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = since.entry(kind).or_insert((is, now));
        if kept.0 != is {
            *kept = (is, now);
        }
        json!({
            "type": kind, "status": if is { "True" } else { "False" }, "reason": reason,
            "message": message, "lastHeartbeatTime": now, "lastTransitionTime": kept.1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_moment_until_it_turns() {
        let conditions = Conditions::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = |is, second| {
            let value = conditions.told("DiskPressure", is, ("Why", "so".into()), at(second));
            (value["status"].clone(), value["lastTransitionTime"].clone())
        };
        assert_eq!(told(false, 1), (json!("False"), json!(at(1))));
        assert_eq!(told(false, 2), (json!("False"), json!(at(1))));
        assert_eq!(told(true, 3), (json!("True"), json!(at(3))));
        assert_eq!(told(true, 4), (json!("True"), json!(at(3))));
        assert_eq!(told(false, 5), (json!("False"), json!(at(5))));
    }

    #[test]
    fn what_cannot_be_measured_is_not_claimed() {
        let kinds = |dir: &str| -> Vec<String> {
            let all = Conditions::default().now(Path::new(dir)).into_iter();
            all.map(|one| one["type"].as_str().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(kinds("/"), ["Ready", "MemoryPressure", "DiskPressure"]);
        assert_eq!(kinds("/no/such/place"), ["Ready", "MemoryPressure"]);
    }
}
