//! An app from the target of the request to another: `POST /v1/verbs/move` for the command line,
//! `POST /v1/apps/{app}/move` for the canvas. Where next: `apps::move_app`.

use std::path::PathBuf;

use apps::{MoveOptions, Target};
use axum::Json;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Door;
use crate::answer::Refusal;
use crate::begin::{By, On};
use crate::targets::may_change;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MoveRequest {
    app: String,
    /// The other target.
    to: String,
    /// The app's folder.
    #[serde(default)]
    dir: Option<PathBuf>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    undo: bool,
}

/// Where it goes from and to. Both change, unless it is only looked at.
async fn ends(
    door: &Door,
    to: &str,
    dry_run: bool,
    headers: &HeaderMap,
) -> Result<(Target, Target), apps::Error> {
    let ends = (door.target.clone(), door.elsewhere.other(door, to).await?);
    if !dry_run {
        may_change(&ends.0, headers)?;
        may_change(&ends.1, headers)?;
    }
    Ok(ends)
}

/// Moves an app.
pub(crate) async fn move_app(
    caller: By,
    headers: HeaderMap,
    Json(request): Json<MoveRequest>,
) -> Response {
    let (from, to) = match ends(&caller.door, &request.to, request.dry_run, &headers).await {
        Ok(ends) => ends,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let options = MoveOptions {
        dir: request.dir,
        dry_run: request.dry_run,
        undo: request.undo,
        by: caller.name(),
    };
    let app = request.app.clone();
    caller.lines("move", &request.app, |_, mut tell| async move {
        apps::move_app(&from, &to, &app, &options, &mut tell).await
    })
}

/// What the canvas says of a move; the folder is the one that the server knows.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarryRequest {
    to: String,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    undo: bool,
}

/// Moves an app, and answers with the operation's number.
pub(crate) async fn carry(
    on: On,
    headers: HeaderMap,
    Json(request): Json<CarryRequest>,
) -> Result<Response, Refusal> {
    let (from, to) = ends(&on.by.door, &request.to, request.dry_run, &headers).await?;
    let options = MoveOptions {
        dir: on.dir().ok(),
        dry_run: request.dry_run,
        undo: request.undo,
        by: on.by.name(),
    };
    Ok(on.begin("move", |_, app, mut tell| async move {
        apps::move_app(&from, &to, &app, &options, &mut tell).await
    }))
}
