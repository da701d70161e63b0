//! What a kind is: its names, and its behaviour as pure functions on raw objects.
//!
//! The generic part of every step is here; a kind's own part is its [`Hooks`], which stand in the
//! files of its group (`core/`, `apps/`, …). Next: `table.rs` (all kinds), `schema.rs`.

use crate::core::event;
use crate::schema::{self, REGISTRY, Shape};
use crate::{FieldError, Schema, metadata};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A part of an object with a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subresource {
    /// `/status`: written by controllers and the node.
    Status,
    /// `/scale`: `spec.replicas` as autoscaling/v1 Scale.
    Scale,
}

/// One printed column, as in a `meta.k8s.io/v1` Table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Heading.
    pub name: &'static str,
    /// OpenAPI type of the cells: `string`, `integer`, `boolean`.
    pub type_: &'static str,
    /// OpenAPI format; `name` marks the primary column.
    pub format: &'static str,
    /// What the cell says.
    pub description: &'static str,
    /// 0 = always shown, 1 = `-o wide` only.
    pub priority: i32,
}

/// One kind of object.
pub struct Kind {
    /// API group, empty for core.
    pub group: &'static str,
    /// API version, e.g. `v1`.
    pub version: &'static str,
    /// CamelCase kind, e.g. `ConfigMap`.
    pub kind: &'static str,
    /// Path segment, e.g. `configmaps`.
    pub plural: &'static str,
    /// Lowercase singular, e.g. `configmap`.
    pub singular: &'static str,
    /// What kubectl users abbreviate it to.
    pub short_names: &'static [&'static str],
    /// Groups of kinds, e.g. `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Parts with a path of their own.
    pub subresources: &'static [Subresource],
    /// One own phrase about the kind.
    pub description: &'static str,
    /// Whether `metadata.generation` counts changes of the object's wishes.
    pub(crate) counts_generations: bool,
    /// What is wrong with a name, or `None`.
    pub(crate) name_fault: fn(&str) -> Option<String>,
    pub(crate) columns: &'static [Column],
    pub(crate) hooks: Hooks,
    pub(crate) schema: Schema,
}

/// What a kind adds to the generic steps.
#[derive(Clone, Copy)]
pub(crate) struct Hooks {
    /// Rewrites fields that exist for writing only, such as a Secret's `stringData`.
    pub canonical: fn(&mut Value),
    /// Defaults that depend on other fields.
    pub default: fn(&mut Value),
    /// Faults beyond those of the schema.
    pub validate: fn(&Value, Option<&Value>, &mut Vec<FieldError>),
    /// Last touches to a new object.
    pub create: fn(&mut Value),
    /// Cells of one object.
    pub row: fn(&Value, Timestamp) -> Vec<Value>,
}

impl Hooks {
    /// A kind that adds nothing but its cells.
    pub(crate) const fn row_only(row: fn(&Value, Timestamp) -> Vec<Value>) -> Self {
        Self { canonical: |_| {}, default: |_| {}, validate: |_, _, _| {}, create: |_| {}, row }
    }
}

impl Kind {
    /// A namespaced kind without subresources; its group's file changes what differs.
    pub(crate) fn new(
        (group, version, kind): (&'static str, &'static str, &'static str),
        (plural, singular): (&'static str, &'static str),
        columns: &'static [Column],
        hooks: Hooks,
    ) -> Self {
        let component = format!("{}.{kind}", schema::section(group, version));
        let id = REGISTRY.component(&component).expect("a kind in the table has a type text");
        Self {
            group,
            version,
            kind,
            plural,
            singular,
            short_names: &[],
            categories: &[],
            namespaced: true,
            subresources: &[],
            description: id.get().description,
            counts_generations: false,
            name_fault: crate::name::dns_subdomain,
            columns,
            hooks,
            schema: Schema { shape: Shape::Struct(id), atomic: false },
        }
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps` or `pods`: the resource as error messages name it.
    pub fn group_resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// Whether the kind has this subresource.
    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    /// The tree of fields.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Fills in what the author left out, and removes nulls.
    pub fn default(&self, object: &mut Value) {
        schema::drop_nulls(&self.schema, object);
        (self.hooks.canonical)(object);
        schema::fill(&self.schema, object);
        (self.hooks.default)(object);
    }

    /// Every fault of `new`, as a replacement of `old` if that is given. Expects defaults applied.
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let mut faults = Vec::new();
        if !new.is_object() {
            faults.push(FieldError::required("", "an object is needed"));
            return faults;
        }
        metadata::validate(self, new, old, &mut faults);
        schema::check(&self.schema, new, old, "", &mut faults);
        (self.hooks.validate)(new, old, &mut faults);
        faults
    }

    /// Messages `unknown field "spec.x"` for every field the schema lacks.
    pub fn unknown_fields(&self, object: &Value) -> Vec<String> {
        let mut paths = Vec::new();
        schema::unknown_fields(&self.schema, object, "", &mut paths);
        paths.into_iter().map(|path| format!("unknown field \"{path}\"")).collect()
    }

    /// Removes every field the schema lacks, which upstream's typed decoding does silently.
    pub fn drop_unknown_fields(&self, object: &mut Value) {
        schema::drop_unknown(&self.schema, object);
    }

    /// Messages such as `spec.replicas: expected integer, got string "3"` for values whose JSON
    /// type the schema does not allow (a 400 at the API's door).
    pub fn type_errors(&self, object: &Value) -> Vec<String> {
        let mut messages = Vec::new();
        schema::type_errors(&self.schema, object, "", &mut messages);
        messages
    }

    /// Strips what a creator may not set. `metadata.uid`, `name`, `namespace` and
    /// `creationTimestamp` must already be those the server chose: Jobs derive labels from the uid.
    pub fn prepare_create(&self, object: &mut Value) {
        let Some(map) = object.as_object_mut() else { return };
        // A node tells its first status when it registers itself.
        if self.has(Subresource::Status) && self.kind != "Node" {
            map.insert("status".to_owned(), json!({}));
        }
        if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for name in
                ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"]
            {
                meta.shift_remove(name);
            }
            if self.counts_generations {
                meta.insert("generation".to_owned(), json!(1));
            }
        }
        (self.hooks.create)(object);
    }

    /// Keeps what this writer may not change and bumps `metadata.generation` on new wishes.
    /// `subresource` `None` is the main path (status kept from `old`), `Status` the reverse.
    pub fn prepare_update(&self, new: &mut Value, old: &Value, subresource: Option<Subresource>) {
        let Some(map) = new.as_object_mut() else { return };
        metadata::keep(map, old);
        let has_status = self.has(Subresource::Status);
        let old_map = old.as_object();
        match subresource {
            Some(Subresource::Status) => {
                let is_ours = |name: &str| !matches!(name, "status" | "metadata");
                map.retain(|name, _| !is_ours(name));
                for (name, value) in old_map.into_iter().flatten().filter(|(n, _)| is_ours(n)) {
                    map.insert(name.clone(), value.clone());
                }
            }
            None | Some(Subresource::Scale) if has_status => match old.get("status") {
                Some(status) => {
                    map.insert("status".to_owned(), status.clone());
                }
                None => {
                    map.shift_remove("status");
                }
            },
            None | Some(Subresource::Scale) => {}
        }
        if self.counts_generations {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_i64);
            let changed = wishes(map) != wishes(old_map.unwrap_or(&serde_json::Map::new()));
            let next = generation.unwrap_or(1).saturating_add(i64::from(changed));
            if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                meta.insert("generation".to_owned(), json!(next));
            }
        }
    }

    /// The kind in whose form objects are stored: itself, but for events.k8s.io/v1 Events, which
    /// are another view of core/v1 Events.
    pub fn stored_as(&'static self) -> &'static Self {
        if self.group == "events.k8s.io" {
            crate::find("", "v1", "events").unwrap_or(self)
        } else {
            self
        }
    }

    /// An object of this kind in the form of [`Kind::stored_as`].
    pub fn to_stored(&self, object: &Value) -> Value {
        if self.group == "events.k8s.io" { event::to_core(object) } else { object.clone() }
    }

    /// A stored object in the form of this kind.
    pub fn from_stored(&self, object: &Value) -> Value {
        if self.group == "events.k8s.io" { event::to_events_v1(object) } else { object.clone() }
    }

    /// Columns of `kubectl get`.
    pub fn columns(&self) -> &'static [Column] {
        self.columns
    }

    /// Cells of one object, one per column.
    pub fn row(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        (self.hooks.row)(object, now)
    }
}

/// Everything but bookkeeping and status.
fn wishes(map: &serde_json::Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut out: Vec<(&str, &Value)> = map
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| !matches!(*name, "metadata" | "status" | "kind" | "apiVersion"))
        .collect();
    out.sort_by_key(|(name, _)| *name);
    out
}
