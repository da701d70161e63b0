//! Server-side apply and field ownership (`metadata.managedFields`).
//!
//! Every writer owns the fields it wrote. An applier states all fields it wants: fields that it
//! gave up and nobody else owns are removed, fields that another writer owns with another value are
//! a conflict. `apply/set.rs` is a set of field paths and its `FieldsV1` form, `apply/walk.rs` the
//! walks over objects, `apply/managers.rs` the list of owners.

mod managers;
mod set;
mod walk;

use crate::schema::{drop_nulls, drop_unknown};
use crate::{Kind, Subresource};
use jiff::Timestamp;
use managers::{Manager, Managers};
use serde_json::{Map, Value};
use set::{Element, Set};

/// A field that another manager owns with another value. `Display` prints upstream's words:
/// `conflict with "kubectl" using apps/v1: .spec.replicas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner's name.
    pub manager: String,
    /// The owner's operation, `Apply` or `Update`.
    pub operation: String,
    /// The subresource the owner wrote through, if any.
    pub subresource: Option<String>,
    /// The apiVersion the owner used.
    pub api_version: String,
    /// When the owner wrote it (RFC 3339).
    pub time: Option<String>,
    /// The field as `.spec.containers[name="a"].image`.
    pub field: String,
}

impl Conflict {
    /// Everything but the field; the message of the cause in a `Status`.
    pub fn owner(&self) -> String {
        let mut out = format!("conflict with {:?}", self.manager);
        if let Some(subresource) = &self.subresource {
            out.push_str(&format!(" with subresource {subresource:?}"));
        }
        // Appliers are known by name alone.
        if self.operation == "Update" {
            out.push_str(&format!(" using {}", self.api_version));
        }
        out
    }
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.owner(), self.field)
    }
}

/// Why an apply was refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ApplyError {
    /// Other managers own fields this apply would change.
    #[error("{}", conflicts_text(.0))]
    Conflicts(Vec<Conflict>),
    /// The applied object does not fit the schema.
    #[error("apply at {path:?}: {reason}")]
    Invalid {
        /// Where in the object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn conflicts_text(conflicts: &[Conflict]) -> String {
    let plural = if conflicts.len() == 1 { "conflict" } else { "conflicts" };
    let mut out = format!("Apply failed with {} {plural}: ", conflicts.len());
    if let [only] = conflicts {
        out.push_str(&only.to_string());
        return out;
    }
    let mut last_owner = String::new();
    for conflict in conflicts {
        let owner = conflict.owner().replacen("conflict", "conflicts", 1);
        if owner != last_owner {
            let line = if last_owner.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{line}{owner}:"));
            last_owner = owner;
        }
        out.push_str(&format!("\n- {}", conflict.field));
    }
    out
}

/// Who writes, how, and when.
struct Writer<'a> {
    kind: &'a Kind,
    name: &'a str,
    operation: &'a str,
    subresource: Option<&'a str>,
}

/// The object after `manager` applied `applied` over `live`, ownership recorded in it.
///
/// Applying the same again returns `live` unchanged. Defaults are not filled in here.
///
/// # Errors
/// [`ApplyError::Conflicts`] unless `force`; [`ApplyError::Invalid`] if list keys are missing.
pub fn server_side(
    kind: &Kind,
    live: Option<&Value>,
    applied: &Value,
    manager: &str,
    force: bool,
    now: Timestamp,
) -> Result<Value, ApplyError> {
    server_side_subresource(kind, live, applied, manager, None, force, now)
}

/// As [`server_side`], written through a subresource (`status`).
///
/// # Errors
/// As [`server_side`].
pub fn server_side_subresource(
    kind: &Kind,
    live: Option<&Value>,
    applied: &Value,
    manager: &str,
    subresource: Option<&str>,
    force: bool,
    now: Timestamp,
) -> Result<Value, ApplyError> {
    let writer = Writer { kind, name: manager, operation: "Apply", subresource };
    let schema = kind.schema();
    let mut wanted = applied.clone();
    if wanted
        .pointer("/metadata/managedFields")
        .is_some_and(|f| f.as_array().is_none_or(|a| !a.is_empty()))
    {
        return Err(ApplyError::Invalid {
            path: "metadata.managedFields".to_owned(),
            reason: "must not be set in an applied object".to_owned(),
        });
    }
    drop_nulls(schema, &mut wanted);
    drop_unknown(schema, &mut wanted);
    // Owned where it is stored, not where it was written.
    (kind.hooks.canonical)(&mut wanted);
    writer.ignore(&mut wanted);
    let wanted_set = walk::field_set(schema, &wanted)?;

    let empty = Value::Object(Map::new());
    let mut bare_live = live.unwrap_or(&empty).clone();
    let mut managers = Managers::of(&bare_live);
    take_managed_fields(&mut bare_live);
    let before = managers.clone();
    if live.is_some() && managers.is_empty() {
        let everything = writer.without_ignored(&walk::lenient_field_set(schema, &bare_live));
        managers.insert_before_first_apply(&kind.api_version(), everything, now);
    }

    let me = writer.identity();
    let last_set = managers.set_of(&me).cloned();
    let merged = walk::merge(schema, &bare_live, &wanted)?;
    let others = managers.union_except(&me);
    let owned = wanted_set.union(&others);
    let merged = match last_set {
        Some(last) => walk::prune(schema, merged, &last, &owned),
        None => merged,
    };

    let difference = walk::compare(schema, &bare_live, &merged);
    let touched = writer.without_ignored(&difference.modified.union(&difference.added));
    let conflicts = managers.conflicts(&me, &touched);
    if !conflicts.is_empty() && !force {
        return Err(ApplyError::Conflicts(conflicts));
    }
    managers.give_up(&me, &touched, &difference.removed);
    managers.set(me, writer.without_ignored(&wanted_set), now);

    if merged == bare_live && managers.same_ownership(&before) {
        return Ok(live.cloned().unwrap_or(merged));
    }
    let mut out = merged;
    managers.write_into(&mut out);
    Ok(out)
}

/// Records in `new.metadata.managedFields` who owns the fields in which `new` differs from `old`.
///
/// Owners are those that `new` lists (a client may edit the list), else those of `old`; an empty
/// list, or `[{}]`, forgets all. Nothing changes if the objects do not differ.
pub fn track(
    kind: &Kind,
    old: Option<&Value>,
    new: &mut Value,
    manager: &str,
    operation: &str,
    subresource: Option<&str>,
    now: Timestamp,
) {
    let writer = Writer { kind, name: manager, operation, subresource };
    let empty = Value::Object(Map::new());
    let mut bare_old = old.unwrap_or(&empty).clone();
    let listed = new.pointer("/metadata/managedFields").and_then(Value::as_array);
    let forgets = listed
        .is_some_and(|entries| entries.iter().all(|e| e.as_object().is_some_and(Map::is_empty)));
    let mut managers = Managers::of(new);
    if managers.is_empty() && !forgets {
        managers = Managers::of(&bare_old);
    }
    take_managed_fields(&mut bare_old);
    take_managed_fields(new);
    let difference = walk::compare(kind.schema(), &bare_old, new);
    let touched = writer.without_ignored(&difference.modified.union(&difference.added));
    let me = writer.identity();
    managers.give_up(&me, &touched, &difference.removed);
    if !forgets {
        let mine = managers.set_of(&me).cloned().unwrap_or_default();
        let mine = mine.difference(&difference.removed).union(&touched);
        managers.set(me, mine, now);
    }
    managers.cap();
    managers.write_into(new);
}

fn take_managed_fields(object: &mut Value) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.shift_remove("managedFields");
    }
}

/// Bookkeeping that nobody owns.
const NOT_OWNED: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
    "deletionTimestamp",
];

impl Writer<'_> {
    fn identity(&self) -> Manager {
        Manager {
            name: self.name.to_owned(),
            operation: self.operation.to_owned(),
            api_version: self.kind.api_version(),
            subresource: self.subresource.map(str::to_owned),
        }
    }

    /// Root fields that this path does not write.
    fn is_ignored(&self, root_field: &str) -> bool {
        match self.subresource {
            Some("status") => !matches!(root_field, "status" | "metadata" | "apiVersion" | "kind"),
            _ => root_field == "status" && self.kind.has(Subresource::Status),
        }
    }

    fn ignore(&self, object: &mut Value) {
        if let Some(map) = object.as_object_mut() {
            map.retain(|name, _| !self.is_ignored(name));
        }
    }

    /// The set without bookkeeping and without what this path does not write.
    fn without_ignored(&self, set: &Set) -> Set {
        let mut out = set.clone();
        out.retain(|element| match element {
            Element::Field(name) => {
                !matches!(name.as_str(), "apiVersion" | "kind") && !self.is_ignored(name)
            }
            _ => true,
        });
        let meta = Element::Field("metadata".to_owned());
        out.edit(&meta, |meta| {
            meta.member = false;
            meta.retain(|element| {
                !matches!(element, Element::Field(name) if NOT_OWNED.contains(&name.as_str()))
            });
        });
        out
    }
}

#[cfg(test)]
mod tests;
