//! What an app says and uses while it runs: logs, what the platform did, figures, objects; and the
//! machine beneath. Where next: `terminal.rs`, for a hand inside.

use std::time::Duration;

use apps::LogQuery;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::answer::Refusal;
use crate::person::Caller;
use crate::{Door, Requests, edits};

/// Lines in flight between the containers and one reader; a slow reader slows the reading.
const QUEUE_LINES: usize = 1024;
/// Lines that are sent together if they are there.
const TOGETHER: usize = 256;

/// What copies write, one JSON object a line.
pub(crate) async fn logs(
    State(door): State<Door>,
    Path(app): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Response, Refusal> {
    query.check()?;
    // An app that never ran has written nothing; one that nobody knows is an error.
    if door.registry.dir(&app).is_err() {
        apps::status(&door.target, &app).await?;
    }
    let (sender, receiver) = mpsc::channel(QUEUE_LINES);
    let target = door.target.clone();
    tokio::spawn(async move {
        if let Err(error) = apps::logs(&target, &app, &query, sender).await {
            tracing::info!(%error, app, "logs ended early");
        }
    });
    let lines = ReceiverStream::new(receiver).ready_chunks(TOGETHER).map(|lines| {
        let mut text = String::new();
        for line in lines {
            text.push_str(&serde_json::to_string(&line).unwrap_or_default());
            text.push('\n');
        }
        Ok::<_, std::convert::Infallible>(Bytes::from(text))
    });
    let headers = [(header::CONTENT_TYPE, "application/jsonl")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// What the platform did with the app, and why.
pub(crate) async fn events(
    State(door): State<Door>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    let events = apps::kubernetes_events(&door.target, &app).await?;
    Ok(Json(json!({ "events": events })).into_response())
}

/// The last hour of what each block used; on another cluster, of what was looked at in it.
pub(crate) async fn metrics(
    State(door): State<Door>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    if door.target.cluster.is_some() {
        door.metrics.look(&door.target, &app).await?;
    }
    let points = door.metrics.of(&app);
    Ok(Json(json!({ "every_seconds": apps::EVERY_SECONDS, "points": points })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectsQuery {
    /// Ids of changes, joined with commas; all that are in the file if absent.
    changes: Option<String>,
}

/// The objects the app becomes, as YAML.
pub(crate) async fn objects(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Query(query): Query<ObjectsQuery>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let wanted = query.changes.map(|ids| ids.split(',').map(str::to_owned).collect());
    let (text, _) = edits::chosen(&dir, door.target.name(), &caller, wanted).await?;
    let yaml = apps::objects(&door.target, &dir, text).await?;
    Ok(Json(json!({ "yaml": yaml })).into_response())
}

/// The machine, and what lies on it.
pub(crate) async fn system(State(door): State<Door>) -> Result<Response, Refusal> {
    let mut system = apps::system(&door.target, &door.data_dir).await?;
    system["server"] = (*door.about).clone();
    Ok(Json(system).into_response())
}

/// Takes a point of every app's use, again and again, for as long as the server lives.
pub(crate) async fn measure(door: Door, requests: Option<Requests>) {
    let mut every = tokio::time::interval(Duration::from_secs(apps::EVERY_SECONDS));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let counted = match &requests {
            Some(requests) => requests().await,
            None => Vec::new(),
        };
        if let Err(error) = door.metrics.sample(&door.target, &counted).await {
            tracing::debug!(%error, "no point of use was taken");
        }
    }
}
