//! What a kind is: its names, and its behaviour as pure functions on raw objects.
//!
//! The generic part of every step is here; a kind's own part is its [`Hooks`].
//! Next: `table.rs` (all kinds), `schema.rs`.

use crate::{FieldError, Schema};
use jiff::Timestamp;
use serde_json::Value;

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
}

impl Kind {
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
    pub fn schema(&self) -> &'static Schema {
        unimplemented!()
    }
    /// Fills in what the author left out.
    pub fn default(&self, _object: &mut Value) {
        unimplemented!()
    }
    /// Every fault of `new`, as a replacement of `old` if that is given. Expects defaults applied.
    pub fn validate(&self, _new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
        unimplemented!()
    }
    /// Messages `unknown field "spec.x"` for every field the schema lacks.
    pub fn unknown_fields(&self, _object: &Value) -> Vec<String> {
        unimplemented!()
    }
    /// Removes every field the schema lacks (what upstream's typed decoding does silently).
    pub fn drop_unknown_fields(&self, _object: &mut Value) {
        unimplemented!()
    }
    /// Messages for values whose JSON type the schema does not allow (a 400 for the api room).
    pub fn type_errors(&self, _object: &Value) -> Vec<String> {
        unimplemented!()
    }
    /// Strips what a creator may not set. `metadata.uid`, `name` and `creationTimestamp` must
    /// already be those the server chose: Jobs derive labels from the uid.
    pub fn prepare_create(&self, _object: &mut Value) {
        unimplemented!()
    }
    /// Keeps what this writer may not change and bumps `metadata.generation` on a new spec.
    /// `subresource` `None` is the main path (status kept from `old`), `Status` the reverse.
    pub fn prepare_update(&self, _new: &mut Value, _old: &Value, _subresource: Option<Subresource>) {
        unimplemented!()
    }
    /// Columns of `kubectl get`.
    pub fn columns(&self) -> &'static [Column] {
        unimplemented!()
    }
    /// Cells of one object, one per column.
    pub fn row(&self, _object: &Value, _now: Timestamp) -> Vec<Value> {
        unimplemented!()
    }
}
