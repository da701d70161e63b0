//! Server-side apply and field ownership.
use crate::Kind;
use jiff::Timestamp;
use serde_json::Value;

/// A field another manager owns with another value. `Display`:
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
    /// When the owner wrote it (RFC 3339), for `Update` managers.
    pub time: Option<String>,
    /// The field as `.spec.containers[name="a"].image`.
    pub field: String,
}

/// Why an apply was refused.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Other managers own fields this apply would change.
    #[error("apply failed with {} conflict(s)", .0.len())]
    Conflicts(Vec<Conflict>),
    /// The applied object or the stored ownership does not fit the schema.
    #[error("apply at {path}: {reason}")]
    Invalid {
        /// Where in the object.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The object after `manager` applied `applied` over `live`, ownership recorded.
pub fn server_side(
    _kind: &Kind,
    _live: Option<&Value>,
    _applied: &Value,
    _manager: &str,
    _force: bool,
    _now: Timestamp,
) -> Result<Value, ApplyError> {
    unimplemented!()
}

/// As [`server_side`], written through a subresource.
pub fn server_side_subresource(
    _kind: &Kind,
    _live: Option<&Value>,
    _applied: &Value,
    _manager: &str,
    _subresource: Option<&str>,
    _force: bool,
    _now: Timestamp,
) -> Result<Value, ApplyError> {
    unimplemented!()
}

/// Records in `new.metadata.managedFields` who now owns the fields that differ from `old`.
pub fn track(
    _kind: &Kind,
    _old: Option<&Value>,
    _new: &mut Value,
    _manager: &str,
    _operation: &str,
    _subresource: Option<&str>,
    _now: Timestamp,
) {
    unimplemented!()
}
