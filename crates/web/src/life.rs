//! The verbs on an app as the canvas says them: an answer with the operation's number at once, and
//! everything else on the stream. Where next: `care.rs` (logins, backups, newer versions),
//! `verbs.rs`, which runs them.

use apps::{BackOptions, DestroyOptions, GoOptions, UndoOptions};
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Door;
use crate::answer::Refusal;
use crate::edits;
use crate::person::Caller;
use crate::verbs::{self, Said};

/// Begins a verb and answers with its number.
pub(crate) fn begin<Work, Doing, Report>(
    door: &Door,
    verb: &'static str,
    app: &str,
    caller: &Caller,
    work: Work,
) -> Response
where
    Work: FnOnce(Said) -> Doing,
    Doing: Future<Output = Result<Report, apps::Error>> + Send + 'static,
    Report: Serialize,
{
    match verbs::begin(door, verb, app, caller, work) {
        Ok((id, _unheard)) => Json(json!({ "operation": id })).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

pub(crate) async fn stop(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    begin(&door, "stop", &app, &caller, move |said| async move {
        apps::stop(&target, &name, &mut verbs::report(said)).await
    })
}

pub(crate) async fn start(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    begin(&door, "start", &app, &caller, move |said| async move {
        apps::start(&target, &name, &mut verbs::report(said)).await
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestroyRequest {
    /// The app's name, once more: the disks go with it.
    #[serde(default)]
    data: Option<String>,
}

pub(crate) async fn destroy(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<DestroyRequest>,
) -> Response {
    if request.data.as_ref().is_some_and(|name| *name != app) {
        let message = format!("to delete the data of {app}, give its name");
        return Refusal::unfit("destroy/confirm", message).into_response();
    }
    let (target, name) = (door.target.clone(), app.clone());
    let options = DestroyOptions { data: request.data.is_some(), ..DestroyOptions::default() };
    begin(&door, "destroy", &app, &caller, move |said| async move {
        apps::destroy(&target, &name, &options, &mut verbs::report(said)).await
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
pub(crate) async fn go(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<ChangesRequest>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let (text, changes) = edits::chosen(&dir, door.target.name(), &caller, request.changes).await?;
    let target = door.target.clone();
    let by = caller.person.name.clone();
    let ids: Vec<String> = edits::ids(&changes);
    Ok(begin(&door, "go", &app, &caller, move |said| async move {
        let options = GoOptions { text, by, ..GoOptions::default() };
        let report = apps::go(&target, &dir, &options, &mut verbs::report(said)).await?;
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
pub(crate) async fn restart(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<RestartRequest>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    begin(&door, "restart", &app, &caller, move |said| async move {
        apps::restart(&target, &name, &request.block, &mut verbs::report(said)).await
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
pub(crate) async fn rollback(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<RollbackRequest>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    let by = caller.person.name.clone();
    begin(&door, "rollback", &app, &caller, move |said| async move {
        let options = BackOptions { to: Some(request.release), by, ..BackOptions::default() };
        apps::back(&target, &name, &options, &mut verbs::report(said)).await
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
pub(crate) async fn undo_go(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<UndoRequest>,
) -> Response {
    let (target, name) = (door.target.clone(), app.clone());
    let by = caller.person.name.clone();
    begin(&door, "undo", &app, &caller, move |said| async move {
        let options = UndoOptions { data: request.data, expect: request.expect, by };
        apps::undo_go(&target, &name, &options, &mut verbs::report(said)).await
    })
}
