//! The owners of an object's fields: `metadata.managedFields` decoded.

use super::Conflict;
use super::set::Set;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Who owns: entries with the same identity are one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) operation: String,
    pub(super) api_version: String,
    pub(super) subresource: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    manager: Manager,
    set: Set,
    time: Option<String>,
}

/// All owners of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Managers {
    entries: Vec<Entry>,
}

/// More writers than this are folded together, oldest first; appliers are never folded.
const UPDATERS_MAX: usize = 10;
const ANCIENT: &str = "ancient-changes";
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

impl Managers {
    pub(super) fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let mut out = Self::default();
        for entry in entries.into_iter().flatten() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            let Some(operation) = text("operation") else { continue };
            let manager = Manager {
                name: text("manager").unwrap_or_default(),
                operation,
                api_version: text("apiVersion").unwrap_or_default(),
                subresource: text("subresource").filter(|s| !s.is_empty()),
            };
            let set = Set::from_fields_v1(entry.get("fieldsV1").unwrap_or(&Value::Null));
            out.entries.push(Entry { manager, set, time: text("time") });
        }
        out
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn set_of(&self, manager: &Manager) -> Option<&Set> {
        self.entries.iter().find(|entry| entry.manager == *manager).map(|entry| &entry.set)
    }

    pub(super) fn union_except(&self, manager: &Manager) -> Set {
        let others = self.entries.iter().filter(|entry| entry.manager != *manager);
        others.fold(Set::default(), |all, entry| all.union(&entry.set))
    }

    /// Fields of `touched` that others own.
    pub(super) fn conflicts(&self, me: &Manager, touched: &Set) -> Vec<Conflict> {
        let mut out = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.manager != *me) {
            for field in entry.set.intersection(touched).paths() {
                out.push(Conflict {
                    manager: entry.manager.name.clone(),
                    operation: entry.manager.operation.clone(),
                    subresource: entry.manager.subresource.clone(),
                    api_version: entry.manager.api_version.clone(),
                    time: entry.time.clone(),
                    field,
                });
            }
        }
        out
    }

    /// Others lose what was changed under them, and everybody what is gone.
    pub(super) fn give_up(&mut self, me: &Manager, touched: &Set, removed: &Set) {
        for entry in self.entries.iter_mut().filter(|entry| entry.manager != *me) {
            entry.set = entry.set.difference(touched).difference(removed);
        }
        self.entries.retain(|entry| !entry.set.is_empty() || entry.manager == *me);
    }

    /// Sets what a manager owns; its time is that of its last change.
    pub(super) fn set(&mut self, manager: Manager, set: Set, now: Timestamp) {
        let found = self.entries.iter_mut().find(|entry| entry.manager == manager);
        // Whole seconds, as every metav1.Time.
        let time = Some(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        match found {
            Some(entry) if entry.set == set => {}
            Some(entry) => (entry.set, entry.time) = (set, time),
            None => self.entries.push(Entry { manager, set, time }),
        }
        self.entries.retain(|entry| !entry.set.is_empty());
    }

    pub(super) fn insert_before_first_apply(
        &mut self,
        api_version: &str,
        set: Set,
        now: Timestamp,
    ) {
        let manager = Manager {
            name: BEFORE_FIRST_APPLY.to_owned(),
            operation: "Update".to_owned(),
            api_version: api_version.to_owned(),
            subresource: None,
        };
        self.set(manager, set, now);
    }

    /// Whether the same managers own the same fields.
    pub(super) fn same_ownership(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self.entries.iter().all(|entry| other.set_of(&entry.manager) == Some(&entry.set))
    }

    /// Folds the oldest writers into one if there are too many.
    pub(super) fn cap(&mut self) {
        let is_updater = |entry: &Entry| entry.manager.operation == "Update";
        let count = self.entries.iter().filter(|entry| is_updater(entry)).count();
        if count <= UPDATERS_MAX {
            return;
        }
        self.sort();
        let mut surplus = count - UPDATERS_MAX + 1;
        let mut ancient: Option<Entry> = None;
        let mut kept = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            if surplus == 0 || !is_updater(&entry) {
                kept.push(entry);
                continue;
            }
            surplus -= 1;
            ancient = Some(match ancient {
                None => Entry {
                    manager: Manager {
                        name: ANCIENT.to_owned(),
                        subresource: None,
                        ..entry.manager
                    },
                    ..entry
                },
                Some(old) => {
                    Entry { set: old.set.union(&entry.set), time: entry.time, manager: old.manager }
                }
            });
        }
        kept.extend(ancient);
        self.entries = kept;
    }

    fn sort(&mut self) {
        self.entries.sort_by(|a, b| {
            let key = |entry: &Entry| {
                let manager = &entry.manager;
                (
                    manager.operation.clone(),
                    entry.time.clone(),
                    manager.name.clone(),
                    manager.api_version.clone(),
                    manager.subresource.clone(),
                )
            };
            key(a).cmp(&key(b))
        });
    }

    pub(super) fn write_into(mut self, object: &mut Value) {
        self.sort();
        let Some(map) = object.as_object_mut() else { return };
        let meta = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        let Some(meta) = meta.as_object_mut() else { return };
        if self.entries.is_empty() {
            meta.shift_remove("managedFields");
            return;
        }
        let list = self.entries.into_iter().map(|entry| {
            let mut out = Map::new();
            out.insert("manager".to_owned(), json!(entry.manager.name));
            out.insert("operation".to_owned(), json!(entry.manager.operation));
            out.insert("apiVersion".to_owned(), json!(entry.manager.api_version));
            if let Some(time) = entry.time {
                out.insert("time".to_owned(), json!(time));
            }
            out.insert("fieldsType".to_owned(), json!("FieldsV1"));
            out.insert("fieldsV1".to_owned(), entry.set.to_fields_v1());
            if let Some(subresource) = entry.manager.subresource {
                out.insert("subresource".to_owned(), json!(subresource));
            }
            Value::Object(out)
        });
        meta.insert("managedFields".to_owned(), Value::Array(list.collect()));
    }
}
