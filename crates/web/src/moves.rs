//! An app from the target of the request to another: `POST /v1/verbs/move` for the command line,
//! `POST /v1/apps/{app}/move` for the canvas. Where next: `apps::move_app`.

use std::path::PathBuf;

use apps::{MoveOptions, Target};
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Door;
use crate::answer::Refusal;
use crate::life::begin;
use crate::person::Caller;
use crate::targets::may_change;
use crate::verbs::{lines, report};

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
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(request): Json<MoveRequest>,
) -> Response {
    let (from, to) = match ends(&door, &request.to, request.dry_run, &headers).await {
        Ok(ends) => ends,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let options = MoveOptions {
        dir: request.dir,
        dry_run: request.dry_run,
        undo: request.undo,
        by: caller.person.name.clone(),
    };
    let app = request.app.clone();
    lines(&door, "move", &request.app, &caller, move |events| async move {
        apps::move_app(&from, &to, &app, &options, &mut report(events)).await
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
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    headers: HeaderMap,
    Json(request): Json<CarryRequest>,
) -> Result<Response, Refusal> {
    let (from, to) = ends(&door, &request.to, request.dry_run, &headers).await?;
    let options = MoveOptions {
        dir: door.registry.dir(&app).ok(),
        dry_run: request.dry_run,
        undo: request.undo,
        by: caller.person.name.clone(),
    };
    let name = app.clone();
    Ok(begin(&door, "move", &app, &caller, move |said| async move {
        apps::move_app(&from, &to, &name, &options, &mut report(said)).await
    }))
}
