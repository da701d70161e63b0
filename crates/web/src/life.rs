//! The verbs on an app as the canvas says them: an answer with the operation's number at once, and
//! everything else on the stream. Where next: `verbs.rs`, which runs them.

use apps::DestroyOptions;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Door;
use crate::answer::Refusal;
use crate::person::Caller;
use crate::verbs::{self, Said};

/// Begins a verb and answers with its number.
fn begin<Work, Doing, Report>(
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
