//! Answers: stored bytes as they are, or rendered as a Table or as bare metadata.

use crate::call::{Call, Form};
use crate::status::Failure;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use kinds::Kind;
use serde_json::{Value, json};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON answer.
pub(crate) fn json(code: StatusCode, bytes: Bytes) -> Response {
    typed(code, JSON, Body::from(bytes))
}

/// An answer of the given media type.
pub(crate) fn typed(code: StatusCode, media_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// Adds what the client should be told besides the answer.
pub(crate) fn warn(mut response: Response, warnings: &[String]) -> Response {
    for warning in warnings {
        let escaped = warning.replace('\\', "\\\\").replace('"', "\\\"");
        // Text that cannot stand in a header is not worth failing a finished write for.
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{escaped}\"")) {
            response.headers_mut().append(HeaderName::from_static("warning"), value);
        }
    }
    response
}

/// How much of each object a Table carries (`includeObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Include {
    Nothing,
    Metadata,
    Whole,
}

/// Turns stored bytes into the form the client asked for.
#[derive(Clone, Copy)]
pub(crate) struct Render {
    kind: &'static Kind,
    form: Form,
    include: Include,
}

impl Render {
    pub(crate) fn new(call: &Call) -> Result<Self, Failure> {
        let include = match call.query.text("includeObject") {
            None | Some("" | "Metadata") => Include::Metadata,
            Some("None") => Include::Nothing,
            Some("Object") => Include::Whole,
            Some(other) => {
                let text = format!("includeObject: {other:?} must be None, Metadata or Object");
                return Err(Failure::bad_request(text));
            }
        };
        let form = call.accept.form(&[Form::Whole, Form::Table, Form::Metadata]);
        Ok(Self { kind: call.kind, form, include })
    }

    /// One object on its own.
    pub(crate) fn object(&self, stored: &Bytes) -> Bytes {
        match self.form {
            Form::Table => {
                let revision = parse(stored)["metadata"]["resourceVersion"].take();
                self.table(std::iter::once(stored), json!({"resourceVersion": revision}), true)
            }
            Form::Metadata => partial(parse(stored)).to_string().into(),
            _ => stored.clone(),
        }
    }

    /// One object inside a watch event; only the first Table names its columns.
    pub(crate) fn event(&self, stored: &Bytes, first: bool) -> Bytes {
        match self.form {
            Form::Table => {
                let revision = parse(stored)["metadata"]["resourceVersion"].take();
                self.table(std::iter::once(stored), json!({"resourceVersion": revision}), first)
            }
            _ => self.object(stored),
        }
    }

    /// The object of a bookmark event.
    pub(crate) fn bookmark(&self, revision: u64, initial_end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.form {
            Form::Table => json!({
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "columnDefinitions": [], "rows": [],
            }),
            Form::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
            }),
            _ => json!({
                "kind": self.kind.kind, "apiVersion": self.kind.api_version(),
                "metadata": metadata,
            }),
        };
        object.to_string().into()
    }

    /// A whole list with its metadata (`resourceVersion`, `continue`, `remainingItemCount`).
    pub(crate) fn list(&self, items: &[Bytes], metadata: Value) -> Bytes {
        if self.form == Form::Table {
            return self.table(items.iter(), metadata, true);
        }
        let (kind, version) = match self.form {
            Form::Metadata => ("PartialObjectMetadataList".into(), "meta.k8s.io/v1".into()),
            _ => (format!("{}List", self.kind.kind), self.kind.api_version()),
        };
        let head = format!(
            "{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\",\"metadata\":{metadata},\"items\":["
        );
        let length: usize = items.iter().map(|item| item.len() + 1).sum();
        let mut bytes = Vec::with_capacity(head.len() + length + 2);
        bytes.extend_from_slice(head.as_bytes());
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                bytes.push(b',');
            }
            bytes.extend_from_slice(&self.object(item));
        }
        bytes.extend_from_slice(b"]}");
        bytes.into()
    }

    fn table<'a>(
        &self,
        objects: impl Iterator<Item = &'a Bytes>,
        metadata: Value,
        columns: bool,
    ) -> Bytes {
        let now = Timestamp::now();
        let rows: Vec<Value> = objects
            .map(|stored| {
                let object = parse(stored);
                let cells = self.kind.row(&object, now);
                let object = match self.include {
                    Include::Nothing => Value::Null,
                    Include::Metadata => partial(object),
                    Include::Whole => object,
                };
                json!({"cells": cells, "object": object})
            })
            .collect();
        let definitions: Vec<Value> = self.kind.columns().iter().map(column).collect();
        let definitions = if columns { definitions } else { Vec::new() };
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": definitions,
            "rows": rows,
        })
        .to_string()
        .into()
    }
}

fn column(column: &kinds::Column) -> Value {
    json!({
        "name": column.name,
        "type": column.type_,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

/// Stored bytes were written by us from a value: they are JSON.
pub(crate) fn parse(stored: &[u8]) -> Value {
    serde_json::from_slice(stored).unwrap_or_else(|error| {
        tracing::error!(%error, "a stored object is not JSON");
        Value::Null
    })
}

fn partial(mut object: Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"].take(),
    })
}
