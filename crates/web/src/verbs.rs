//! The verbs as the command line says them: decode, call the room below, answer with JSON lines.
//! Where next: the verb of the same name in `apps`; `begin.rs`, which runs it; `life.rs` for the
//! same verbs as the canvas says them.

use std::path::PathBuf;

use apps::{DestroyOptions, GoOptions};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Door;
use crate::answer::Refusal;
use crate::begin::By;
use crate::edits;

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

pub(crate) async fn go(caller: By, Json(request): Json<GoRequest>) -> Response {
    // A folder whose file cannot be read has no name; the verb itself says why.
    let app = apps::app_name(&request.dir).ok();
    if let Some(app) = &app
        && let Err(error) = caller.door.registry.record(app, &request.dir)
    {
        tracing::warn!(%error, app, "where the app lives was not written down");
    }
    let subject = app.unwrap_or_else(|| request.dir.display().to_string());
    let by = caller.name();
    caller.lines("go", &subject, |target, mut tell| async move {
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
        let done = apps::go(&target, &request.dir, &options, &mut tell).await?;
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

pub(crate) async fn stop(caller: By, Json(request): Json<AppRequest>) -> Response {
    caller.lines("stop", &request.app.clone(), |target, mut tell| async move {
        apps::stop(&target, &request.app, &mut tell).await
    })
}

pub(crate) async fn start(caller: By, Json(request): Json<AppRequest>) -> Response {
    caller.lines("start", &request.app.clone(), |target, mut tell| async move {
        apps::start(&target, &request.app, &mut tell).await
    })
}

pub(crate) async fn restart(caller: By, Json(request): Json<RestartRequest>) -> Response {
    caller.lines("restart", &request.app.clone(), |target, mut tell| async move {
        apps::restart(&target, &request.app, &request.block, &mut tell).await
    })
}

pub(crate) async fn destroy(caller: By, Json(request): Json<DestroyRequest>) -> Response {
    caller.lines("destroy", &request.app.clone(), |target, mut tell| async move {
        let options = DestroyOptions { data: request.data, ..DestroyOptions::default() };
        apps::destroy(&target, &request.app, &options, &mut tell).await
    })
}

pub(crate) async fn build(caller: By, Json(request): Json<BuildRequest>) -> Response {
    let subject = format!("build {}", request.build.context.display());
    caller.lines("build", &subject, |target, mut tell| async move {
        apps::build(&target, request.build, &mut tell).await
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
