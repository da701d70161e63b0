//! The tree of fields of a kind: types, list semantics, defaults, allowed values.
//!
//! The types stand as text in `schema/types/*.txt`, one short line a field, and are parsed once
//! (`schema/parse.rs`). Everything generic about objects walks this tree: `schema/check.rs`
//! (unknown fields, wrong types, required), `schema/fill.rs` (defaults), `merge.rs`, `apply.rs`
//! and `openapi.rs`.

mod check;
mod fill;
mod parse;

pub(crate) use check::{check, dotted, drop_unknown, type_errors, unknown_fields};
pub(crate) use fill::{drop_nulls, fill, put_if_absent};

use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;

/// One node of the tree: the type of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// What the value looks like.
    pub shape: Shape,
    /// Whether an object here is owned and replaced as a whole by server-side apply.
    pub atomic: bool,
}

/// The form of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Text.
    String,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Floating point.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `100m`, `1Gi`.
    Quantity,
    /// A port number or name, a count or a percentage.
    IntOrString,
    /// RFC 3339, seconds.
    Time,
    /// RFC 3339, microseconds.
    MicroTime,
    /// Base64.
    Bytes,
    /// Any JSON.
    Any,
    /// Named fields.
    Struct(StructId),
    /// Items of one type.
    List(Box<Schema>, ListKind),
    /// Free keys, values of one type.
    Map(Box<Schema>),
}

/// A named type; `get` gives its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StructId(usize);

/// How the items of a list are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListKind {
    /// Not at all: the list is one value.
    Atomic,
    /// By their value.
    Set,
    /// By the values of these fields.
    Map(Vec<&'static str>),
}

/// A named type.
#[derive(Debug, PartialEq)]
pub struct Struct {
    /// Short name, e.g. `PodSpec`.
    pub name: &'static str,
    /// OpenAPI component, e.g. `io.k8s.api.core.v1.PodSpec`.
    pub component: String,
    /// Own phrase, may be empty.
    pub description: &'static str,
    /// Whether values are owned and replaced as a whole, unless a field says otherwise.
    pub atomic: bool,
    /// Fields in the order of their text.
    pub fields: Vec<Field>,
    by_name: HashMap<&'static str, usize>,
}

/// One field of a named type.
#[derive(Debug, PartialEq)]
pub struct Field {
    /// JSON key.
    pub name: &'static str,
    /// Type of the value.
    pub schema: Schema,
    /// Must be set.
    pub required: bool,
    /// May not change once set.
    pub immutable: bool,
    /// Put where the field is absent.
    pub default: Option<Value>,
    /// If not empty, the only values allowed.
    pub allowed: Vec<&'static str>,
    /// How a strategic merge patch treats the value.
    pub patch: Patch,
    /// Own phrase, may be empty.
    pub description: &'static str,
}

/// Strategic merge of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// Lists are merged rather than replaced.
    pub merge: bool,
    /// The key that tells list items apart; `None` for lists of plain values.
    pub key: Option<&'static str>,
    /// An object is replaced rather than merged.
    pub replace: bool,
    /// The patch may say which keys to keep.
    pub retain_keys: bool,
}

impl StructId {
    /// The named type.
    pub fn get(self) -> &'static Struct {
        &REGISTRY.structs[self.0]
    }
}

impl Struct {
    /// The field of this JSON key.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|index| &self.fields[*index])
    }
}

impl Schema {
    /// The named type, if this is one.
    pub fn as_struct(&self) -> Option<&'static Struct> {
        match &self.shape {
            Shape::Struct(id) => Some(id.get()),
            _ => None,
        }
    }

    /// The field of this JSON key, if this is a named type that has it.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.as_struct().and_then(|named| named.field(name))
    }

    /// The type under a JSON key: of the field, or of any value of a map.
    pub fn child(&self, name: &str) -> Option<&Self> {
        match &self.shape {
            Shape::Struct(id) => id.get().field(name).map(|field| &field.schema),
            Shape::Map(value) => Some(value),
            _ => None,
        }
    }
}

/// All named types.
pub(crate) struct Registry {
    structs: Vec<Struct>,
    by_component: HashMap<String, StructId>,
}

/// Parsed once; the texts are part of the binary, so a fault in them is ours and shows in any test.
pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    parse::registry(&[
        include_str!("schema/types/meta.txt"),
        include_str!("schema/types/core.txt"),
        include_str!("schema/types/pod.txt"),
        include_str!("schema/types/volume.txt"),
        include_str!("schema/types/apps.txt"),
        include_str!("schema/types/batch.txt"),
        include_str!("schema/types/networking.txt"),
        include_str!("schema/types/rbac.txt"),
        include_str!("schema/types/small.txt"),
    ])
});

impl Registry {
    /// The type of an OpenAPI component name.
    pub(crate) fn component(&self, name: &str) -> Option<StructId> {
        self.by_component.get(name).copied()
    }
}

/// The prefix of component names of a group-version, e.g. `io.k8s.api.apps.v1`.
pub(crate) fn section(group: &str, version: &str) -> String {
    let short = match group {
        "" => "core",
        "rbac.authorization.k8s.io" => "rbac",
        other => other.split('.').next().unwrap_or(other),
    };
    format!("io.k8s.api.{short}.{version}")
}
