//! What keeps an app well, as the canvas says it: a new login for a wire, backups made and restored,
//! a copy, a newer version, one file to take away. A key that seals a backup never comes from a
//! page: the command line gives it. Where next: `life.rs` (how a verb begins), `data.rs` (the same
//! for the command line).

use std::path::PathBuf;

use apps::{BackupOptions, From, RestoreOptions, UpgradeOptions};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::answer::Refusal;
use crate::begin::On;
use crate::{Door, data};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateRequest {
    /// `block.socket`.
    wire: String,
}

/// A new login for one wire; whoever uses it is rolled over to it.
pub(crate) async fn rotate(on: On, Json(request): Json<RotateRequest>) -> Response {
    let by = on.by.name();
    on.begin("rotate", |target, app, mut tell| async move {
        apps::rotate(&target, &app, &request.wire, &by, &mut tell).await
    })
}

/// A backup of what runs, kept with the server.
pub(crate) async fn backup(on: On) -> Response {
    on.begin("backup", |target, app, mut tell| async move {
        let options = BackupOptions::default();
        apps::backup(&target, &app, &options, &mut tell).await
    })
}

/// The app and its images as one file in the app's folder, as `shelf pack` writes it.
pub(crate) async fn pack(on: On) -> Result<Response, Refusal> {
    let dir = on.dir()?;
    Ok(on.begin("pack", |target, app, mut tell| async move {
        let to = packed(&dir, &app);
        apps::pack(&target, &dir, &to, &mut tell).await
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
pub(crate) async fn restore(on: On, Json(request): Json<RestoreRequest>) -> Response {
    if request.into.is_none() && request.confirm.as_ref() != Some(&on.app) {
        let message = format!("to replace the data of {}, give its name", on.app);
        return Refusal::unfit("restore/confirm", message).into_response();
    }
    let by = on.by.name();
    let app = request.into.clone().unwrap_or_else(|| on.app.clone());
    let from = From::Kept(on.app, request.backup);
    On { app, ..on }.begin("restore", |target, _, mut tell| async move {
        let options = RestoreOptions {
            passphrase: None,
            into: request.into,
            with_code: false,
            no_backup: false,
            by,
        };
        apps::restore(&target, &from, &options, &mut tell).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopyRequest {
    into: String,
}

/// A second app with the code and the data of this one.
pub(crate) async fn copy(on: On, Json(request): Json<CopyRequest>) -> Response {
    let by = on.by.name();
    on.begin("copy", |target, app, mut tell| async move {
        apps::copy(&target, &app, &request.into, &by, &mut tell).await
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
    on: On,
    Json(request): Json<UpgradeRequest>,
) -> Result<Response, Refusal> {
    let dir = on.dir()?;
    let by = on.by.name();
    Ok(on.begin("upgrade", |target, _, mut tell| async move {
        let UpgradeRequest { block, to, check } = request;
        let options = UpgradeOptions { block, to, check, patched: false, by };
        apps::upgrade(&target, &dir, &options, &mut tell).await
    }))
}
