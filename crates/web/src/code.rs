//! Code on its way in, and releases on their way back.
//!
//! The body of a push is the folder itself as a tar archive. It is written to disk as it comes, so
//! its size does not matter here. Where next: `apps::receive`, which does not trust it.

use std::io::{self, Read};
use std::time::Duration;

use apps::{BackOptions, PushOptions};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::Door;
use crate::answer::Refusal;
use crate::begin::By;

/// Pieces of a body in flight between the connection and the disk.
const QUEUE: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushQuery {
    /// The one block that was sent; all of them if absent.
    block: Option<String>,
    timeout_seconds: Option<u64>,
}

/// `POST /v1/apps/{app}/push`: takes a folder in, then goes as a verb of its own.
pub(crate) async fn push(
    caller: By,
    Path(app): Path<String>,
    Query(query): Query<PushQuery>,
    body: Body,
) -> Response {
    let folder = match tempfile::Builder::new().prefix("code-").tempdir_in(&caller.door.target.keep)
    {
        Ok(folder) => folder,
        Err(source) => {
            let keep = caller.door.target.keep.display();
            let reason = format!("cannot make a folder in {keep}");
            return refuse(apps::Error::Code { reason, source: Some(source) });
        }
    };
    let reader = reader(body);
    let place = folder.path().to_owned();
    let received = tokio::task::spawn_blocking(move || apps::receive(reader, &place)).await;
    let received = match received {
        Ok(Ok(received)) => received,
        Ok(Err(error)) => return refuse(error),
        Err(source) => return refuse(apps::Error::Task { what: "a push".into(), source }),
    };
    tracing::info!(app, files = received.file_count, bytes = received.size_bytes, "code arrived");
    match apps::app_name(folder.path()) {
        Ok(name) if name == app => {}
        Ok(name) => {
            let reason = format!("it is {name}, not {app}");
            return refuse(apps::Error::Code { reason, source: None });
        }
        Err(error) => return refuse(error),
    }
    let by = caller.name();
    caller.lines("push", &app, |target, mut tell| async move {
        let options = PushOptions {
            only: query.block.map(|block| vec![block]),
            timeout: Duration::from_secs(query.timeout_seconds.unwrap_or(600)),
            by,
        };
        // The folder goes with this future: an image was made of it, or nothing.
        apps::push(&target, folder.path(), &options, &mut tell).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackRequest {
    app: String,
    #[serde(default)]
    to: Option<String>,
}

/// `POST /v1/verbs/back`: an earlier release once more.
pub(crate) async fn back(caller: By, Json(request): Json<BackRequest>) -> Response {
    let app = request.app.clone();
    let by = caller.name();
    caller.lines("back", &request.app, |target, mut tell| async move {
        let options = BackOptions { to: request.to, by, ..BackOptions::default() };
        apps::back(&target, &app, &options, &mut tell).await
    })
}

/// `GET /v1/apps/{app}/releases`.
pub(crate) async fn releases(State(door): State<Door>, Path(app): Path<String>) -> Response {
    match apps::releases(&door.target, &app).await {
        Ok(releases) => Json(serde_json::json!({ "releases": releases })).into_response(),
        Err(error) => refuse(error),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateRequest {
    app: String,
    wire: String,
}

/// `POST /v1/verbs/rotate`.
pub(crate) async fn rotate(caller: By, Json(request): Json<RotateRequest>) -> Response {
    let by = caller.name();
    let app = request.app.clone();
    caller.lines("rotate", &request.app, |target, mut tell| async move {
        apps::rotate(&target, &app, &request.wire, &by, &mut tell).await
    })
}

/// `GET /v1/apps/{app}/secrets`: names, never values.
pub(crate) async fn secrets(State(door): State<Door>, Path(app): Path<String>) -> Response {
    match apps::secret_list(&door.target, &app).await {
        Ok(secrets) => Json(serde_json::json!({ "secrets": secrets })).into_response(),
        Err(error) => refuse(error),
    }
}

fn refuse(error: apps::Error) -> Response {
    Refusal::from(error).into_response()
}

/// A body as something that can be read where blocking is allowed.
pub(crate) fn reader(body: Body) -> BodyReader {
    let (sender, pieces) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut body = body.into_data_stream();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(io::Error::other);
            // Whoever read has seen enough.
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    BodyReader { pieces, rest: Bytes::new() }
}

/// See [`reader`].
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}
