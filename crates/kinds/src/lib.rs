//! Every kind of object of the Kubernetes API that Shelf speaks, as data and pure functions.
//!
//! One table lists all kinds. An object is a [`serde_json::Value`] and stays one: a kind brings its
//! schema, defaults, validation, merge rules, field ownership and printed columns. This room knows
//! nothing of HTTP, storage or I/O. Start reading at `kind.rs`, then `table.rs`, then `schema.rs`.
//!
//! ```
//! let pod = kinds::find("", "v1", "pods").expect("pods are in the table");
//! let mut object = serde_json::json!({
//!     "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "b"},
//!     "spec": {"containers": [{"name": "c", "image": "debian:12"}]},
//! });
//! assert!(pod.unknown_fields(&object).is_empty());
//! pod.default(&mut object);
//! assert_eq!(object["spec"]["restartPolicy"], "Always");
//! assert!(pod.validate(&object, None).is_empty());
//! ```

mod apps;
mod batch;
mod cell;
mod core;
mod kind;
mod metadata;
mod name;
mod networking;
mod pod_spec;
mod policy;
mod rbac;
mod table;

pub mod apply;
pub mod duration;
pub mod field;
pub mod merge;
pub mod openapi;
pub mod quantity;
pub mod schema;
pub mod selector;

pub use field::{FieldError, Reason};
pub use kind::{Column, Kind, Subresource};
pub use schema::Schema;
pub use table::{all, find, find_kind};
