//! Answers that are not what was asked for: one shape of JSON for every refusal.
//!
//! `{"error":{"code","message","cause"?,"hint"?,"docs"?,"diagnostics"?}}`, as
//! `docs/formats/verbs.md` says. Where next: `app.rs`, which refuses most.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The longest sentence of a refusal that is not ours.
const MOST_WORDS: usize = 16 * 1024;

/// A refusal with its status.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    error: Value,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, error: json!({ "code": code, "message": message.into() }) }
    }

    /// The next thing to try.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error["hint"] = hint.into().into();
        self
    }

    /// A name that nothing has.
    pub(crate) fn absent(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// Something that cannot be done as asked.
    pub(crate) fn unfit(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// What cannot be done.
    pub(crate) fn message(&self) -> &str {
        self.error["message"].as_str().unwrap_or_default()
    }

    /// The error as it is put into a stream.
    pub(crate) fn into_value(self) -> Value {
        self.error
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error }))).into_response()
    }
}

/// What a route's own reading of a request refuses (a body that is no JSON, a number that is none,
/// too many bytes), in the shape of all refusals instead of plain text.
pub(crate) async fn shaped(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let status = response.status();
    if !status.is_client_error() || !kind.is_some_and(|kind| kind.starts_with(b"text/plain")) {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), MOST_WORDS).await.unwrap_or_default();
    Refusal::new(status, "request/unfit", String::from_utf8_lossy(&text)).into_response()
}

impl From<apps::Error> for Refusal {
    fn from(error: apps::Error) -> Self {
        let report = error.report();
        let status = match report.code.as_str() {
            code if code.ends_with("/absent") => StatusCode::NOT_FOUND,
            "target/protected" => StatusCode::FORBIDDEN,
            code if code.ends_with("/stale") || code.ends_with("/taken") => StatusCode::CONFLICT,
            "api/refused" | "api/watch" if error.unreachable() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, error: report_value(&report) }
    }
}

/// An error of the rooms below as a canvas takes it: diagnostics with numbers for their places.
pub(crate) fn report_value(report: &apps::ErrorReport) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        map.retain(|_, part| !part.is_null());
    }
    if !report.diagnostics.is_empty() {
        value["diagnostics"] = apps::diagnostics_value(&report.diagnostics);
    }
    value
}
