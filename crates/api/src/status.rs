//! Errors of a request, and the one place that turns them into `meta/v1` Status objects.
//!
//! The texts are those Kubernetes clients know how to print.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kinds::{FieldError, Kind};
use serde_json::{Value, json};

/// One entry of `details.causes`.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

/// What the failure is about, as `details` names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub(crate) group: String,
    /// Plural for "which object", kind for "what is wrong in it".
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl About {
    pub(crate) fn resource(kind: &Kind, name: &str) -> Self {
        Self { group: kind.group.into(), kind: kind.plural.into(), name: name.into() }
    }
}

/// Why a request was refused; boxed, since every answer that succeeds carries room for it.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    code: StatusCode,
    reason: &'static str,
    message: String,
    about: About,
    causes: Vec<Cause>,
    retry_after_seconds: Option<u32>,
    /// For an expired list: a token with which to go on.
    resume: Option<String>,
}

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Refusal {
            code,
            reason,
            message: message.into(),
            about: About::default(),
            causes: Vec::new(),
            retry_after_seconds: None,
            resume: None,
        }))
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.0.about = About::resource(kind, name);
        self
    }

    pub(crate) fn caused_by(mut self, cause: Cause) -> Self {
        self.0.causes.push(cause);
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// No such path.
    pub(crate) fn no_route() -> Self {
        let text = "the server could not find the requested resource";
        Self::new(StatusCode::NOT_FOUND, "NotFound", text)
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.group_resource());
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(kind, name)
    }

    /// Of an object that may be there, but of which nothing was measured.
    pub(crate) fn unmeasured(resource: &str, name: &str) -> Self {
        let message = format!("{resource} \"{name}\" not found");
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.group_resource());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).about(kind, name)
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, detail: &str) -> Self {
        let resource = kind.group_resource();
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {detail}");
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(kind, name)
    }

    /// The object changed since the client read it.
    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        let detail = "the object has been modified; \
                      please apply your changes to the latest version and try again";
        Self::conflict(kind, name, detail)
    }

    pub(crate) fn forbidden(kind: &Kind, name: &str, detail: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {detail}", kind.group_resource());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(kind, name)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, errors: &[FieldError]) -> Self {
        Self::invalid_named(kind.kind, kind.group, name, errors)
    }

    /// As [`Failure::invalid`] for something that is no kind of the table, such as options.
    pub(crate) fn invalid_named(
        kind: &str,
        group: &str,
        name: &str,
        errors: &[FieldError],
    ) -> Self {
        let dot = if group.is_empty() { "" } else { "." };
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{kind}{dot}{group} \"{name}\" is invalid: {list}");
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.0.about = About { group: group.into(), kind: kind.into(), name: name.into() };
        failure.0.causes = errors
            .iter()
            .map(|error| Cause {
                reason: error.reason.as_str(),
                message: error.message.clone(),
                field: error.field.clone(),
            })
            .collect();
        failure
    }

    /// A patch that does not fit the object.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    /// Server-side apply met fields of other managers.
    pub(crate) fn apply_conflicts(conflicts: &[kinds::apply::Conflict]) -> Self {
        let count = conflicts.len();
        let plural = if count == 1 { "" } else { "s" };
        let message = match conflicts {
            [one] => format!("Apply failed with 1 conflict: {one}"),
            many => {
                let lines: Vec<String> = many.iter().map(|one| format!("\n- {one}")).collect();
                format!("Apply failed with {count} conflict{plural}:{}", lines.concat())
            }
        };
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.0.causes = conflicts
            .iter()
            .map(|one| {
                let text = one.to_string();
                let message = text.strip_suffix(&format!(": {}", one.field)).unwrap_or(&text);
                Cause {
                    reason: "FieldManagerConflict",
                    message: message.to_owned(),
                    field: one.field.clone(),
                }
            })
            .collect();
        failure
    }

    pub(crate) fn method_not_allowed() -> Self {
        let text = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", text)
    }

    pub(crate) fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub(crate) fn too_large(limit_bytes: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit_bytes}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        failure.0.retry_after_seconds = Some(1);
        failure
    }

    /// The history asked for is gone.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// A page of a list whose revision is gone; `resume` goes on without consistency.
    pub(crate) fn expired_page(resume: String) -> Self {
        let mut failure = Self::expired(
            "The provided continue parameter is too old to display a consistent list result. \
             You can start a new list without the continue parameter, or use the continue token \
             in this response to retrieve the remainder of the results. Continuing with the \
             provided token results in an inconsistent list - objects that were created, \
             modified, or deleted between the time the first chunk was returned and now may \
             show up in the list.",
        );
        failure.0.resume = Some(resume);
        failure
    }

    /// A revision no write has reached.
    pub(crate) fn future_revision(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message);
        failure.0.retry_after_seconds = Some(1);
        failure.caused_by(Cause {
            reason: "ResourceVersionTooLarge",
            message: "Too large resource version".into(),
            field: String::new(),
        })
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        let message = format!("Internal error occurred: {message}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    pub(crate) fn code(&self) -> StatusCode {
        self.0.code
    }

    /// The `meta/v1` Status.
    pub(crate) fn status(&self) -> Value {
        let mut metadata = json!({});
        if let Some(resume) = &self.0.resume {
            metadata["continue"] = json!(resume);
        }
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.0.message,
            "reason": self.0.reason,
        });
        let mut details = serde_json::Map::new();
        let about = &self.0.about;
        for (key, text) in [("name", &about.name), ("group", &about.group), ("kind", &about.kind)] {
            if !text.is_empty() {
                details.insert(key.into(), json!(text));
            }
        }
        if !self.0.causes.is_empty() {
            let causes = self.0.causes.iter().map(|cause| {
                let mut value = json!({"reason": cause.reason, "message": cause.message});
                if !cause.field.is_empty() {
                    value["field"] = json!(cause.field);
                }
                value
            });
            details.insert("causes".into(), causes.collect());
        }
        if let Some(seconds) = self.0.retry_after_seconds {
            details.insert("retryAfterSeconds".into(), json!(seconds));
        }
        if !details.is_empty() {
            status["details"] = Value::Object(details);
        }
        status["code"] = json!(self.0.code.as_u16());
        status
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = crate::output::json(self.0.code, self.status().to_string().into());
        if let Some(seconds) = self.0.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Compacted { asked, oldest } => {
                Self::expired(format!("too old resource version: {asked} ({oldest})"))
            }
            store::Error::Future { asked, current } => Self::future_revision(asked, current),
            store::Error::TooManyWatches { .. } => Self::too_many(error.to_string()),
            store::Error::Closed => Self::unavailable("the server is shutting down"),
            other => Self::internal(other),
        }
    }
}

/// The Status of something that was done.
pub(crate) fn success(kind: &Kind, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": kind.plural, "uid": uid});
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}
