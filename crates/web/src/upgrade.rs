//! Newer versions over HTTP: which there are, a rehearsal, and the upgrade. Where next:
//! `apps::upgrade`.

use std::path::PathBuf;

use apps::UpgradeOptions;
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Door;
use crate::answer::Refusal;
use crate::person::Caller;
use crate::verbs::{lines, report};

/// `GET /v1/apps/{app}/upgrades`.
pub(crate) async fn list(State(door): State<Door>, Path(app): Path<String>) -> Response {
    match apps::upgrades(&door.target, &app).await {
        Ok(report) => Json(report).into_response(),
        Err(error) => Refusal::from(error).into_response(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpgradeRequest {
    dir: PathBuf,
    block: String,
    #[serde(default)]
    to: Option<String>,
    /// Rehearses alone.
    #[serde(default)]
    check: bool,
    /// A block that is patched may be upgraded.
    #[serde(default)]
    patched: bool,
}

/// `POST /v1/verbs/upgrade`.
pub(crate) async fn upgrade(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<UpgradeRequest>,
) -> Response {
    let app = match apps::app_name(&request.dir) {
        Ok(app) => app,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let target = door.target.clone();
    let by = caller.person.name.clone();
    lines(&door, "upgrade", &app, &caller, move |events| async move {
        let UpgradeRequest { dir, block, to, check, patched } = request;
        let options = UpgradeOptions { block, to, check, patched, by };
        apps::upgrade(&target, &dir, &options, &mut report(events)).await
    })
}
