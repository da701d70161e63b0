//! OpenAPI v3 documents generated from the schemas.
use serde_json::Value;

/// The document of one group-version; `None` if no kind is in it.
pub fn v3(_group: &str, _version: &str) -> Option<Value> {
    unimplemented!()
}

/// The body of `GET /openapi/v3`: `{"paths": {"api/v1": {"serverRelativeURL": …}}}`.
pub fn index() -> Value {
    unimplemented!()
}
