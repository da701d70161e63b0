//! The kubelet's door: logs and streams of containers over HTTP.
//!
//! The API room passes requests here after it has decided who may ask; this router is never put
//! on a socket. Paths are the upstream kubelet's. `kubelet/stream.rs` speaks the WebSocket
//! protocols of exec and attach, `kubelet/forward.rs` those of port-forward.

mod forward;
mod spdy;
mod stream;

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::mpsc;

use crate::host::Host;

/// Blocks of a log that may wait for a slow reader.
const BLOCKS: usize = 16;

/// A router that answers 503 until a node fills it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Door {
    host: Arc<RwLock<Option<Arc<Host>>>>,
}

impl Door {
    /// A closed door.
    pub fn new() -> Self {
        Self::default()
    }

    /// The kubelet's routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/containerLogs/{namespace}/{pod}/{container}", any(logs))
            .route("/exec/{namespace}/{pod}/{container}", any(stream::exec))
            .route("/attach/{namespace}/{pod}/{container}", any(stream::attach))
            .route("/portForward/{namespace}/{pod}", any(forward::forward))
            .route("/stats/summary", any(summary))
            .with_state(self.clone())
    }

    pub(crate) fn open(&self, host: Arc<Host>) {
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = Some(host);
    }

    pub(crate) fn close(&self) {
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn host(&self) -> Result<Arc<Host>, Refusal> {
        self.host
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or_else(|| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the node is not ready"))
    }
}

/// An answer that is not what was asked for, as a Kubernetes Status.
pub(crate) struct Refusal {
    code: StatusCode,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let reason = match self.code {
            StatusCode::BAD_REQUEST => "BadRequest",
            StatusCode::NOT_FOUND => "NotFound",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            _ => "InternalError",
        };
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": reason, "code": self.code.as_u16(),
        });
        (self.code, axum::Json(body)).into_response()
    }
}

type Pairs = Vec<(String, String)>;

pub(crate) fn value<'a>(query: &'a Pairs, name: &str) -> Option<&'a str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

pub(crate) fn flag(query: &Pairs, name: &str) -> bool {
    // Clients write true, kubelets also take 1.
    matches!(value(query, name), Some("true" | "1"))
}

/// The pod of that name, as last started.
pub(crate) fn find_pod(host: &Host, namespace: &str, pod: &str) -> Result<pod::State, Refusal> {
    let mut named: Vec<pod::State> = host
        .pods
        .list()
        .into_iter()
        .filter(|state| state.spec.namespace == namespace && state.spec.name == pod)
        .collect();
    // One that is being deleted may still be here beside its successor of the same name.
    named.sort_by_key(|state| state.created_at);
    named.pop().ok_or_else(|| {
        let text = format!("pod {namespace}/{pod} has not been started on this node");
        Refusal::new(StatusCode::BAD_REQUEST, text)
    })
}

/// The pod's id and the container as last started.
pub(crate) fn find(
    host: &Host,
    namespace: &str,
    pod: &str,
    container: &str,
) -> Result<(String, pod::ContainerState), Refusal> {
    let state = find_pod(host, namespace, pod)?;
    let known = state.container(container).cloned().ok_or_else(|| {
        let text = format!("container \"{container}\" in pod \"{pod}\" is waiting to start");
        Refusal::new(StatusCode::BAD_REQUEST, text)
    })?;
    Ok((state.spec.id, known))
}

fn log_options(query: &Pairs) -> Result<pod::LogOptions, Refusal> {
    let number = |name: &str| match value(query, name) {
        None | Some("") => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
            let text = format!("{name} must be a whole number that is not negative, not {text:?}");
            Refusal::new(StatusCode::BAD_REQUEST, text)
        }),
    };
    let mut since = None;
    if let Some(seconds) = number("sinceSeconds")? {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        since = Timestamp::now().checked_sub(SignedDuration::from_secs(seconds)).ok();
    }
    if let Some(text) = value(query, "sinceTime").filter(|text| !text.is_empty()) {
        let time = text.parse().map_err(|_| {
            let text = format!("sinceTime must be a time of RFC 3339, not {text:?}");
            Refusal::new(StatusCode::BAD_REQUEST, text)
        })?;
        since = Some(time);
    }
    Ok(pod::LogOptions {
        follow: flag(query, "follow"),
        tail_lines: number("tailLines")?,
        since,
        timestamps: flag(query, "timestamps"),
        limit_bytes: number("limitBytes")?,
        ..pod::LogOptions::default()
    })
}

async fn logs(
    State(door): State<Door>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Query<Pairs>,
) -> Result<Response, Refusal> {
    let host = door.host()?;
    let (id, known) = find(&host, &namespace, &pod, &container)?;
    let options = log_options(&query)?;
    let attempt = if flag(&query, "previous") {
        known.attempt.checked_sub(1).ok_or_else(|| {
            let text =
                format!("previous terminated container \"{container}\" in pod \"{pod}\" not found");
            Refusal::new(StatusCode::BAD_REQUEST, text)
        })?
    } else {
        known.attempt
    };
    if options.limit_bytes == Some(0) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "limitBytes must be greater than 0"));
    }
    let (sender, receiver) = mpsc::channel::<Result<Bytes, std::io::Error>>(BLOCKS);
    read_in_background(host, id, container, attempt, options, sender);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    Ok(([(header::CONTENT_TYPE, "text/plain")], body).into_response())
}

/// Reads a log on a thread of its own: it may last as long as the container.
pub(crate) fn read_in_background(
    host: Arc<Host>,
    id: String,
    container: String,
    attempt: u32,
    options: pod::LogOptions,
    sender: mpsc::Sender<Result<Bytes, std::io::Error>>,
) {
    let failed = sender.clone();
    let read = move || {
        let mut sink = |text: &[u8]| {
            let gone = if text.is_empty() {
                sender.is_closed()
            } else {
                sender.blocking_send(Ok(Bytes::copy_from_slice(text))).is_err()
            };
            if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let read = host.pods.read_log(&id, &container, Some(attempt), &options, &mut sink);
        if let Err(error) = read {
            let text = crate::error::chain(&error);
            // The reader may be gone already.
            let _ = sender.blocking_send(Err(std::io::Error::other(text)));
        }
    };
    if let Err(error) = std::thread::Builder::new().name("log-reader".into()).spawn(read) {
        let _ = failed.try_send(Err(error));
    }
}

async fn summary(State(door): State<Door>) -> Result<Response, Refusal> {
    let host = door.host()?;
    Ok(axum::Json(crate::usage::summary(&host)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_log_queries_are_refused_with_the_name_of_the_parameter() {
        let pairs = |text: &[(&str, &str)]| -> Pairs {
            text.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        for (name, value) in [("tailLines", "-1"), ("limitBytes", "x"), ("sinceTime", "now")] {
            let refusal = log_options(&pairs(&[(name, value)])).err().unwrap();
            assert!(refusal.message.contains(name), "{}", refusal.message);
            assert_eq!(refusal.code, StatusCode::BAD_REQUEST);
        }
        let options = log_options(&pairs(&[("follow", "true"), ("tailLines", "5")]));
        let options = options.ok().unwrap();
        assert!(options.follow && options.tail_lines == Some(5));
    }
}
