//! The verbs on an app as the canvas says them: an answer with the operation's number at once, and
//! everything else on the stream. Where next: `care.rs` (logins, backups, newer versions),
//! `begin.rs`, which runs them.

use apps::{BackOptions, DestroyOptions, GoOptions, UndoOptions};
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Door;
use crate::answer::Refusal;
use crate::begin::On;
use crate::edits;
use crate::person::Caller;

pub(crate) async fn stop(on: On) -> Response {
    on.begin(
        "stop",
        |target, app, mut tell| async move { apps::stop(&target, &app, &mut tell).await },
    )
}

pub(crate) async fn start(on: On) -> Response {
    on.begin(
        "start",
        |target, app, mut tell| async move { apps::start(&target, &app, &mut tell).await },
    )
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestroyRequest {
    /// The app's name, once more: the disks go with it.
    #[serde(default)]
    data: Option<String>,
}

pub(crate) async fn destroy(on: On, Json(request): Json<DestroyRequest>) -> Response {
    if request.data.as_ref().is_some_and(|name| *name != on.app) {
        let message = format!("to delete the data of {}, give its name", on.app);
        return Refusal::unfit("destroy/confirm", message).into_response();
    }
    let options = DestroyOptions { data: request.data.is_some(), ..DestroyOptions::default() };
    on.begin("destroy", |target, app, mut tell| async move {
        apps::destroy(&target, &app, &options, &mut tell).await
    })
}

pub(crate) async fn operations(State(door): State<Door>) -> Response {
    Json(json!({ "operations": door.operations.list() })).into_response()
}

pub(crate) async fn operation(State(door): State<Door>, Path(id): Path<u64>) -> Response {
    match door.operations.one(id) {
        Some(operation) => Json(operation).into_response(),
        None => Refusal::absent("operation/unknown", format!("operation {id} is not known here"))
            .into_response(),
    }
}

/// Which changes a plan or a go is about; all that are in the file if none are named.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesRequest {
    #[serde(default)]
    changes: Option<Vec<String>>,
}

/// What a go would do, and who made which change.
pub(crate) async fn plan(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<ChangesRequest>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let (text, changes) = edits::chosen(&dir, door.target.name(), &caller, request.changes).await?;
    let plan = apps::plan_of(&door.target, &dir, text).await?;
    let mut value = json!(plan);
    value["edits"] = json!(changes);
    Ok(Json(value).into_response())
}

/// Makes it so, with all changes or only those that are named.
pub(crate) async fn go(on: On, Json(request): Json<ChangesRequest>) -> Result<Response, Refusal> {
    let dir = on.dir()?;
    let caller = &on.by.caller;
    let place = on.by.door.target.name();
    let (text, changes) = edits::chosen(&dir, place, caller, request.changes).await?;
    let by = on.by.name();
    let ids: Vec<String> = edits::ids(&changes);
    Ok(on.begin("go", |target, _, mut tell| async move {
        let options = GoOptions { text, by, ..GoOptions::default() };
        let report = apps::go(&target, &dir, &options, &mut tell).await?;
        let on = target.name().to_owned();
        edits::released(dir, on, ids, report.release.clone()).await;
        Ok(report)
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestartRequest {
    block: String,
}

/// New copies of one block.
pub(crate) async fn restart(on: On, Json(request): Json<RestartRequest>) -> Response {
    on.begin("restart", |target, app, mut tell| async move {
        apps::restart(&target, &app, &request.block, &mut tell).await
    })
}

/// One release, with the app file it was made from.
pub(crate) async fn release(
    State(door): State<Door>,
    Path((app, release)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let releases = apps::releases(&door.target, &app).await?;
    match releases.into_iter().find(|one| one.release == release) {
        Some(found) => Ok(Json(found).into_response()),
        None => {
            let message = format!("{app} has no release {release}, or it is too old to be kept");
            Err(Refusal::absent("release/absent", message))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RollbackRequest {
    release: String,
}

/// An earlier release once more: its app file and its images. Data stays as it is.
pub(crate) async fn rollback(on: On, Json(request): Json<RollbackRequest>) -> Response {
    let by = on.by.name();
    on.begin("rollback", |target, app, mut tell| async move {
        let options = BackOptions { to: Some(request.release), by, ..BackOptions::default() };
        apps::back(&target, &app, &options, &mut tell).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoRequest {
    /// Whether the data comes back too.
    data: bool,
    /// The release that must be running: the one whose undoing was shown.
    #[serde(default)]
    expect: Option<String>,
}

/// The last go taken back, alone or with the data of then.
pub(crate) async fn undo_go(on: On, Json(request): Json<UndoRequest>) -> Response {
    let by = on.by.name();
    on.begin("undo", |target, app, mut tell| async move {
        let options = UndoOptions { data: request.data, expect: request.expect, by };
        apps::undo_go(&target, &app, &options, &mut tell).await
    })
}
