//! What keeps an app well, as the canvas says it: a new login for a wire, backups made and restored,
//! a copy, a newer version, one file to take away. A key that seals a backup never comes from a
//! page: the command line gives it. Where next: `life.rs` (how a verb begins), `data.rs` (the same
//! for the command line).

use std::path::PathBuf;

use apps::{BackupOptions, From, RestoreOptions, UpgradeOptions};
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::answer::Refusal;
use crate::life::begin;
use crate::person::Caller;
use crate::{Door, data, verbs};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateRequest {
    /// `block.socket`.
    wire: String,
}

/// A new login for one wire; whoever uses it is rolled over to it.
pub(crate) async fn rotate(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<RotateRequest>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    let by = caller.person.name.clone();
    begin(&door, "rotate", &app, &caller, move |said| async move {
        apps::rotate(&target, &name, &request.wire, &by, &mut verbs::report(said)).await
    })
}

/// A backup of what runs, kept with the server.
pub(crate) async fn backup(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    begin(&door, "backup", &app, &caller, move |said| async move {
        let options = BackupOptions::default();
        apps::backup(&target, &name, &options, &mut verbs::report(said)).await
    })
}

/// The app and its images as one file in the app's folder, as `shelf pack` writes it.
pub(crate) async fn pack(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let (target, to) = (door.target.clone(), packed(&dir, &app));
    Ok(begin(&door, "pack", &app, &caller, move |said| async move {
        apps::pack(&target, &dir, &to, &mut verbs::report(said)).await
    }))
}

/// The file that was packed last.
pub(crate) async fn fetch_pack(
    State(door): State<Door>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    let path = packed(&door.registry.dir(&app)?, &app);
    let mut answer = data::sent(&path).await;
    if answer.status() == StatusCode::OK
        && let Ok(name) = format!("attachment; filename=\"{app}.app\"").parse()
    {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(answer)
}

fn packed(dir: &std::path::Path, app: &str) -> PathBuf {
    dir.join(format!("{app}.app"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestoreRequest {
    /// The backup's name.
    backup: String,
    /// The new app that gets its code and data; without it, the data of this app is replaced.
    #[serde(default)]
    into: Option<String>,
    /// The app's name, once more: what was written since the backup is replaced.
    #[serde(default)]
    confirm: Option<String>,
}

/// A backup put back, or made into another app.
pub(crate) async fn restore(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<RestoreRequest>,
) -> Response {
    if request.into.is_none() && request.confirm.as_ref() != Some(&app) {
        let message = format!("to replace the data of {app}, give its name");
        return Refusal::unfit("restore/confirm", message).into_response();
    }
    let target = door.target.clone();
    let by = caller.person.name.clone();
    let subject = request.into.clone().unwrap_or_else(|| app.clone());
    begin(&door, "restore", &subject, &caller, move |said| async move {
        let from = From::Kept(app, request.backup);
        let options = RestoreOptions {
            passphrase: None,
            into: request.into,
            with_code: false,
            no_backup: false,
            by,
        };
        apps::restore(&target, &from, &options, &mut verbs::report(said)).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopyRequest {
    into: String,
}

/// A second app with the code and the data of this one.
pub(crate) async fn copy(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<CopyRequest>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    let by = caller.person.name.clone();
    begin(&door, "copy", &app, &caller, move |said| async move {
        apps::copy(&target, &name, &request.into, &by, &mut verbs::report(said)).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradeRequest {
    block: String,
    #[serde(default)]
    to: Option<String>,
    /// Rehearses alone.
    #[serde(default)]
    check: bool,
}

/// A newer version of a block, rehearsed on a copy of its data first.
pub(crate) async fn upgrade(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<UpgradeRequest>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let target = door.target.clone();
    let by = caller.person.name.clone();
    Ok(begin(&door, "upgrade", &app, &caller, move |said| async move {
        let UpgradeRequest { block, to, check } = request;
        let options = UpgradeOptions { block, to, check, patched: false, by };
        apps::upgrade(&target, &dir, &options, &mut verbs::report(said)).await
    }))
}
