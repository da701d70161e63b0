//! Strategic merge patch.
use crate::Schema;
use serde_json::Value;

/// Why a patch could not be merged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The patch does not fit the schema or names an unknown directive.
    #[error("strategic merge patch at {path}: {reason}")]
    Patch {
        /// Where in the patch.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// `live` with the strategic merge `patch` applied.
pub fn strategic(_schema: &Schema, _live: &Value, _patch: &Value) -> Result<Value, Error> {
    unimplemented!()
}
