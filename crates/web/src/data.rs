//! Backups over HTTP: made, listed, sent out, taken in, restored.
//!
//! A key comes in the body of a request on the socket and goes nowhere else. Where next:
//! `apps::backup`, `apps::restore`.

use apps::{BackupOptions, From, Passphrase, RestoreOptions, Schedule, UndoOptions};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::Door;
use crate::answer::Refusal;
use crate::begin::By;
use crate::code::reader;

/// How much of a backup is in memory while it is sent out.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupRequest {
    app: String,
    #[serde(default)]
    key: Option<String>,
    /// `snapshot` for one that is restored with its code.
    #[serde(default)]
    label: Option<String>,
}

/// `POST /v1/verbs/backup`.
pub(crate) async fn backup(caller: By, Json(request): Json<BackupRequest>) -> Response {
    let app = request.app.clone();
    let label = match request.label.as_deref() {
        Some("snapshot") => "snapshot",
        Some("schedule") => "schedule",
        _ => "backup",
    };
    caller.lines("backup", &request.app, |target, mut tell| async move {
        let options = BackupOptions {
            passphrase: request.key.as_deref().map(Passphrase::new),
            label: label.to_owned(),
            ..BackupOptions::default()
        };
        apps::backup(&target, &app, &options, &mut tell).await
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestoreRequest {
    /// The app the backup was made of.
    app: String,
    /// The backup's name, or what `POST /v1/backups` answered.
    backup: String,
    #[serde(default)]
    into: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    with_code: bool,
    #[serde(default)]
    no_backup: bool,
}

/// `POST /v1/verbs/restore`.
pub(crate) async fn restore(caller: By, Json(request): Json<RestoreRequest>) -> Response {
    let (from, incoming) = match request.backup.strip_prefix("incoming-") {
        Some(_) => match apps::taken_in(&caller.door.target, &request.backup) {
            Ok(path) => (From::File(path.clone()), Some(path)),
            Err(error) => return Refusal::from(error).into_response(),
        },
        None => (From::Kept(request.app.clone(), request.backup.clone()), None),
    };
    let subject = request.into.clone().unwrap_or_else(|| request.app.clone());
    let by = caller.name();
    caller.lines("restore", &subject, |target, mut tell| async move {
        let options = RestoreOptions {
            passphrase: request.key.as_deref().map(Passphrase::new),
            into: request.into,
            with_code: request.with_code,
            no_backup: request.no_backup,
            by,
        };
        let done = apps::restore(&target, &from, &options, &mut tell).await;
        if let Some(path) = incoming
            && let Err(error) = tokio::fs::remove_file(&path).await
        {
            tracing::warn!(%error, path = %path.display(), "a backup that was sent stays");
        }
        done
    })
}

/// `POST /v1/backups`: takes a backup in, to be restored by what this answers.
pub(crate) async fn take_in(State(door): State<Door>, body: Body) -> Response {
    let (target, from) = (door.target.clone(), reader(body));
    let taken = tokio::task::spawn_blocking(move || apps::take_in(&target, from)).await;
    match taken {
        Ok(Ok(taken)) => {
            Json(json!({ "backup": taken.name, "app": taken.app, "at": taken.at })).into_response()
        }
        Ok(Err(error)) => Refusal::from(error).into_response(),
        Err(source) => {
            Refusal::from(apps::Error::Task { what: "a backup".into(), source }).into_response()
        }
    }
}

/// `GET /v1/apps/{app}/backups`.
pub(crate) async fn list(State(door): State<Door>, Path(app): Path<String>) -> Response {
    let found = apps::backups(&door.target, &app)
        .and_then(|backups| Ok((backups, apps::schedule(&door.target, &app)?)));
    match found {
        Ok((backups, schedule)) => {
            Json(json!({ "backups": backups, "schedule": schedule })).into_response()
        }
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// `GET /v1/apps/{app}/backups/{name}`: the file itself.
pub(crate) async fn fetch(
    State(door): State<Door>,
    Path((app, name)): Path<(String, String)>,
) -> Response {
    match apps::backup_file(&door.target, &app, &name) {
        Ok(path) => sent(&path).await,
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// A file, piece by piece. Links are not followed: who put it there may not be who reads it.
pub(crate) async fn sent(path: &std::path::Path) -> Response {
    let opened = async {
        if !tokio::fs::symlink_metadata(path).await?.is_file() {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        let file = tokio::fs::File::open(path).await?;
        let size = file.metadata().await?.len();
        Ok::<_, std::io::Error>((file, size))
    };
    let (file, size) = match opened.await {
        Ok(opened) => opened,
        Err(source) => {
            let what = format!("read {}", path.display());
            return Refusal::from(apps::Error::File { what, source }).into_response();
        }
    };
    let pieces = futures::stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let count = file.read(&mut piece).await?;
        piece.truncate(count);
        Ok::<_, std::io::Error>((count > 0).then(|| (Bytes::from(piece), file)))
    });
    let head = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
    ];
    (head, Body::from_stream(pieces)).into_response()
}

/// `DELETE /v1/apps/{app}/backups/{name}`.
pub(crate) async fn forget(
    State(door): State<Door>,
    Path((app, name)): Path<(String, String)>,
) -> Response {
    match apps::forget(&door.target, &app, &name) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleRequest {
    /// Nothing ends the schedule.
    every: Option<String>,
    #[serde(default)]
    keep: Option<usize>,
}

/// `PUT /v1/apps/{app}/backups/schedule`.
pub(crate) async fn schedule(
    State(door): State<Door>,
    Path(app): Path<String>,
    Json(request): Json<ScheduleRequest>,
) -> Response {
    let schedule = request.every.map(|every| Schedule {
        every,
        keep: request.keep.unwrap_or(7).max(1),
        last: jiff::Timestamp::now().to_string(),
        trouble: None,
    });
    // Only what runs is backed up; the name of what does not is a mistake.
    if schedule.is_some()
        && let Err(error) = apps::status(&door.target, &app).await
    {
        return Refusal::from(error).into_response();
    }
    match apps::set_schedule(&door.target, &app, schedule.as_ref()) {
        Ok(()) => Json(json!({ "schedule": schedule })).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CopyRequest {
    app: String,
    into: String,
}

/// `POST /v1/verbs/copy`.
pub(crate) async fn copy(caller: By, Json(request): Json<CopyRequest>) -> Response {
    let by = caller.name();
    let subject = request.app.clone();
    caller.lines("copy", &subject, |target, mut tell| async move {
        apps::copy(&target, &request.app, &request.into, &by, &mut tell).await
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoRequest {
    app: String,
    /// Whether the data comes back too.
    #[serde(default = "with_data")]
    data: bool,
    /// The release that must be running.
    #[serde(default)]
    expect: Option<String>,
}

fn with_data() -> bool {
    true
}

/// `POST /v1/verbs/undo-go`: the last go taken back.
pub(crate) async fn undo(caller: By, Json(request): Json<UndoRequest>) -> Response {
    let by = caller.name();
    let app = request.app.clone();
    caller.lines("undo", &request.app, |target, mut tell| async move {
        let options = UndoOptions { data: request.data, expect: request.expect, by };
        apps::undo_go(&target, &app, &options, &mut tell).await
    })
}

/// `GET /v1/apps/{app}/undo-go`: what that would mean.
pub(crate) async fn undo_plan(State(door): State<Door>, Path(app): Path<String>) -> Response {
    match apps::undo_plan(&door.target, &app).await {
        Ok(plan) => Json(plan).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}
