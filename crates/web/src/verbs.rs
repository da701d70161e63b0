//! The verbs as the command line says them: decode, call the room below, answer with JSON lines.
//!
//! `{"operation":ID}`, then each event, then one `{"result":…}` or `{"error":…}`. Where next: the
//! verb of the same name in `apps`; `life.rs` for the same verbs as the canvas says them.

use std::path::PathBuf;

use apps::{DestroyOptions, Event, GoOptions};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::Door;
use crate::answer::{Refusal, report_value};
use crate::edits;
use crate::person::Caller;

/// What a verb is said on: a folder with an `app.toml`, or an app by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoRequest {
    dir: PathBuf,
    #[serde(default)]
    no_cache: bool,
    #[serde(default)]
    timeout_seconds: Option<u64>,
    #[serde(default)]
    locked: bool,
    #[serde(default)]
    pull: bool,
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
pub(crate) struct RestartRequest {
    app: String,
    block: String,
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

type By = Extension<Caller>;

pub(crate) async fn go(
    State(door): State<Door>,
    Extension(caller): By,
    Json(request): Json<GoRequest>,
) -> Response {
    let target = door.target.clone();
    // A folder whose file cannot be read has no name; the verb itself says why.
    let app = apps::app_name(&request.dir).ok();
    if let Some(app) = &app
        && let Err(error) = door.registry.record(app, &request.dir)
    {
        tracing::warn!(%error, app, "where the app lives was not written down");
    }
    let subject = app.unwrap_or_else(|| request.dir.display().to_string());
    let by = caller.person.name.clone();
    lines(&door, "go", &subject, &caller, move |events| async move {
        let mut options = GoOptions {
            no_cache: request.no_cache,
            locked: request.locked,
            pull: request.pull,
            by,
            ..GoOptions::default()
        };
        if let Some(seconds) = request.timeout_seconds {
            options.timeout = std::time::Duration::from_secs(seconds);
        }
        let going = edits::going_out(&request.dir, target.name()).await;
        let done = apps::go(&target, &request.dir, &options, &mut report(events)).await?;
        if let Some(ids) = going {
            let on = target.name().to_owned();
            edits::released(request.dir, on, ids, done.release.clone()).await;
        }
        Ok(done)
    })
}

pub(crate) async fn plan(State(door): State<Door>, Json(request): Json<PlanRequest>) -> Response {
    match apps::plan(&door.target, &request.dir).await {
        Ok(plan) => Json(plan).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

pub(crate) async fn check(State(door): State<Door>, Json(request): Json<PlanRequest>) -> Response {
    match apps::check_at(&door.target, &request.dir).await {
        Ok(report) => Json(report).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

pub(crate) async fn stop(
    State(door): State<Door>,
    Extension(caller): By,
    Json(request): Json<AppRequest>,
) -> Response {
    let target = door.target.clone();
    let app = request.app.clone();
    lines(&door, "stop", &request.app, &caller, move |events| async move {
        apps::stop(&target, &app, &mut report(events)).await
    })
}

pub(crate) async fn start(
    State(door): State<Door>,
    Extension(caller): By,
    Json(request): Json<AppRequest>,
) -> Response {
    let target = door.target.clone();
    let app = request.app.clone();
    lines(&door, "start", &request.app, &caller, move |events| async move {
        apps::start(&target, &app, &mut report(events)).await
    })
}

pub(crate) async fn restart(
    State(door): State<Door>,
    Extension(caller): By,
    Json(request): Json<RestartRequest>,
) -> Response {
    let target = door.target.clone();
    let subject = request.app.clone();
    lines(&door, "restart", &subject, &caller, move |events| async move {
        apps::restart(&target, &request.app, &request.block, &mut report(events)).await
    })
}

pub(crate) async fn destroy(
    State(door): State<Door>,
    Extension(caller): By,
    Json(request): Json<DestroyRequest>,
) -> Response {
    let target = door.target.clone();
    let app = request.app.clone();
    lines(&door, "destroy", &request.app, &caller, move |events| async move {
        let options = DestroyOptions { data: request.data, ..DestroyOptions::default() };
        apps::destroy(&target, &app, &options, &mut report(events)).await
    })
}

pub(crate) async fn build(
    State(door): State<Door>,
    Extension(caller): By,
    Json(request): Json<BuildRequest>,
) -> Response {
    let target = door.target.clone();
    let subject = format!("build {}", request.build.context.display());
    lines(&door, "build", &subject, &caller, move |events| async move {
        apps::build(&target, request.build, &mut report(events)).await
    })
}

pub(crate) async fn status(State(door): State<Door>, Path(app): Path<String>) -> Response {
    match apps::status(&door.target, &app).await {
        Ok(status) => Json(status).into_response(),
        Err(apps::Error::Absent(_)) if door.registry.dir(&app).is_ok() => {
            Json(apps::draft(&app)).into_response()
        }
        Err(error) => Refusal::from(error).into_response(),
    }
}

pub(crate) async fn images(State(door): State<Door>) -> Response {
    match apps::images(&door.target).await {
        Ok(images) => Json(json!({"images": images})).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

pub(crate) type Said = mpsc::UnboundedSender<Value>;

/// Turns events into values. A client that has gone away is no reason to stop the work.
pub(crate) fn report(said: Said) -> impl FnMut(Event) + Send {
    move |event| {
        let value = serde_json::to_value(&event).unwrap_or(Value::Null);
        let _gone = said.send(value);
    }
}

/// Begins a verb as an operation of its own; its number, and what it says for who wants to hear.
pub(crate) fn begin<Work, Doing, Report>(
    door: &Door,
    verb: &'static str,
    subject: &str,
    caller: &Caller,
    work: Work,
) -> Result<(u64, mpsc::UnboundedReceiver<Value>), Refusal>
where
    Work: FnOnce(Said) -> Doing,
    Doing: Future<Output = Result<Report, apps::Error>> + Send + 'static,
    Report: Serialize,
{
    let id = door.operations.begin(verb, subject, &caller.person.name).map_err(|other| {
        Refusal::new(
            StatusCode::CONFLICT,
            "app/busy",
            format!("cannot {verb} {subject}: a {other} of it is under way"),
        )
        .hint("look:  shelf status        wait for it, or end it with Ctrl-C twice where it runs")
    })?;
    let (said, mut hears) = mpsc::unbounded_channel();
    let (lines, receiver) = mpsc::unbounded_channel();
    // The receiver lives as long as the answer, so this cannot fail yet.
    let _open = lines.send(json!({"operation": id}));
    let (operations, running) = (door.operations.clone(), door.operations.clone());
    let doing = work(said);
    let (keeps, copies, asker) = (operations.clone(), lines.clone(), lines.clone());
    // What is said is kept and told in order; the end comes after all of it.
    let telling = tokio::spawn(async move {
        while let Some(event) = hears.recv().await {
            let _gone = copies.send(event.clone());
            keeps.said(id, event);
        }
    });
    let (door, app) = (door.clone(), subject.to_owned());
    let task = tokio::spawn(async move {
        let line = match doing.await {
            Ok(report) => json!({"result": report}),
            Err(error) => {
                tracing::info!(verb, error = %error, "the verb failed");
                json!({"error": report_value(&error.report())})
            }
        };
        // The teller ends by itself once the verb's sender is gone; a panic in it loses news only.
        let _told = telling.await;
        operations.end(id, line.clone());
        door.tell_model(&app).await;
        // The release is part of the status, and no copy changes with it.
        if let Ok(status) = apps::status(&door.target, &app).await {
            door.hub.tell(&app, "status", &json!(status));
        }
        // Nobody may be listening any more; the work is done all the same.
        let _gone = lines.send(line);
    });
    running.running(id, task.abort_handle(), asker);
    Ok((id, receiver))
}

/// Runs a verb and streams what it says.
pub(crate) fn lines<Work, Doing, Report>(
    door: &Door,
    verb: &'static str,
    subject: &str,
    caller: &Caller,
    work: Work,
) -> Response
where
    Work: FnOnce(Said) -> Doing,
    Doing: Future<Output = Result<Report, apps::Error>> + Send + 'static,
    Report: Serialize,
{
    let receiver = match begin(door, verb, subject, caller, work) {
        Ok((_, receiver)) => receiver,
        Err(refusal) => return refusal.into_response(),
    };
    let body = UnboundedReceiverStream::new(receiver).map(|line| {
        let mut text = line.to_string();
        text.push('\n');
        Ok::<_, std::convert::Infallible>(Bytes::from(text))
    });
    ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(body)).into_response()
}
