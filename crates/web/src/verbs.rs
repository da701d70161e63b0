//! One route per verb: decode, call the room below, encode.
//!
//! Answers that take time are JSON lines. Where next: the verb of the same name in `apps`.

use std::path::PathBuf;

use apps::{DestroyOptions, Event, GoOptions};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::Door;

/// What a verb is said on: a folder with an `app.toml`, or an app by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoRequest {
    dir: PathBuf,
    #[serde(default)]
    no_cache: bool,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanRequest {
    dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppRequest {
    app: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestroyRequest {
    app: String,
    #[serde(default)]
    data: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BuildRequest {
    #[serde(flatten)]
    build: apps::BuildOptions,
}

pub(crate) async fn go(State(door): State<Door>, Json(request): Json<GoRequest>) -> Response {
    let target = door.target.clone();
    let subject = request.dir.display().to_string();
    stream(&door, "go", &subject, move |events| async move {
        let mut options = GoOptions { no_cache: request.no_cache, ..GoOptions::default() };
        if let Some(seconds) = request.timeout_seconds {
            options.timeout = std::time::Duration::from_secs(seconds);
        }
        apps::go(&target, &request.dir, &options, &mut report(events)).await
    })
}

pub(crate) async fn plan(State(door): State<Door>, Json(request): Json<PlanRequest>) -> Response {
    match apps::plan(&door.target, &request.dir).await {
        Ok(plan) => Json(plan).into_response(),
        Err(error) => refuse(&error),
    }
}

pub(crate) async fn stop(State(door): State<Door>, Json(request): Json<AppRequest>) -> Response {
    let target = door.target.clone();
    let app = request.app.clone();
    stream(&door, "stop", &request.app, move |events| async move {
        apps::stop(&target, &app, &mut report(events)).await
    })
}

pub(crate) async fn start(State(door): State<Door>, Json(request): Json<AppRequest>) -> Response {
    let target = door.target.clone();
    let app = request.app.clone();
    stream(&door, "start", &request.app, move |events| async move {
        apps::start(&target, &app, &mut report(events)).await
    })
}

pub(crate) async fn destroy(
    State(door): State<Door>,
    Json(request): Json<DestroyRequest>,
) -> Response {
    let target = door.target.clone();
    let app = request.app.clone();
    stream(&door, "destroy", &request.app, move |events| async move {
        let options = DestroyOptions { data: request.data, ..DestroyOptions::default() };
        apps::destroy(&target, &app, &options, &mut report(events)).await
    })
}

pub(crate) async fn build(State(door): State<Door>, Json(request): Json<BuildRequest>) -> Response {
    let target = door.target.clone();
    let subject = format!("build {}", request.build.context.display());
    stream(&door, "build", &subject, move |events| async move {
        apps::build(&target, request.build, &mut report(events)).await
    })
}

pub(crate) async fn list(State(door): State<Door>) -> Response {
    match apps::apps(&door.target).await {
        Ok(apps) => Json(json!({"apps": apps})).into_response(),
        Err(error) => refuse(&error),
    }
}

pub(crate) async fn status(State(door): State<Door>, Path(app): Path<String>) -> Response {
    match apps::status(&door.target, &app).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => refuse(&error),
    }
}

pub(crate) async fn images(State(door): State<Door>) -> Response {
    match apps::images(&door.target).await {
        Ok(images) => Json(json!({"images": images})).into_response(),
        Err(error) => refuse(&error),
    }
}

type Lines = mpsc::UnboundedSender<Value>;

/// Turns events into lines. A client that has gone away is no reason to stop the work.
fn report(lines: Lines) -> impl FnMut(Event) + Send {
    move |event| {
        let line = serde_json::to_value(&event).unwrap_or(Value::Null);
        let _gone = lines.send(line);
    }
}

/// Runs a verb as an operation of its own and streams what it says.
fn stream<Work, Doing, Report>(
    door: &Door,
    verb: &'static str,
    subject: &str,
    work: Work,
) -> Response
where
    Work: FnOnce(Lines) -> Doing,
    Doing: Future<Output = Result<Report, apps::Error>> + Send + 'static,
    Report: Serialize,
{
    let id = match door.operations.begin(verb, subject) {
        Ok(id) => id,
        Err(other) => {
            let error = json!({"error": {
                "code": "app/busy",
                "message": format!("cannot {verb} {subject}: a {other} of it is under way"),
                "hint": "look:  shelf status        wait for it, or end it with Ctrl-C twice where it runs",
            }});
            return (StatusCode::CONFLICT, Json(error)).into_response();
        }
    };
    let (lines, receiver) = mpsc::unbounded_channel();
    // The receiver lives as long as the answer, so this cannot fail yet.
    let _open = lines.send(json!({"operation": id}));
    let doing = work(lines.clone());
    let operations = door.operations.clone();
    let task = tokio::spawn(async move {
        let line = match doing.await {
            Ok(report) => json!({"result": report}),
            Err(error) => {
                tracing::info!(verb, error = %error, "the verb failed");
                json!({"error": error.report()})
            }
        };
        operations.end(id);
        // Nobody may be listening any more; the work is done all the same.
        let _gone = lines.send(line);
    });
    door.operations.running(id, task.abort_handle());
    let body = UnboundedReceiverStream::new(receiver).map(|line| {
        let mut text = line.to_string();
        text.push('\n');
        Ok::<_, std::convert::Infallible>(Bytes::from(text))
    });
    ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(body)).into_response()
}

/// An error of a verb that answers at once.
fn refuse(error: &apps::Error) -> Response {
    let report = error.report();
    let status = if report.code.ends_with("/absent") {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    (status, Json(json!({"error": report}))).into_response()
}
