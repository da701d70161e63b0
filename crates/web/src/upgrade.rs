//! Newer versions over HTTP: which there are, a rehearsal, and the upgrade. Where next:
//! `apps::upgrade`.

use std::path::PathBuf;

use apps::UpgradeOptions;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Door;
use crate::answer::Refusal;
use crate::begin::By;

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
pub(crate) async fn upgrade(caller: By, Json(request): Json<UpgradeRequest>) -> Response {
    let app = match apps::app_name(&request.dir) {
        Ok(app) => app,
        Err(error) => return Refusal::from(error).into_response(),
    };
    let by = caller.name();
    caller.lines("upgrade", &app, |target, mut tell| async move {
        let UpgradeRequest { dir, block, to, check, patched } = request;
        let options = UpgradeOptions { block, to, check, patched, by };
        apps::upgrade(&target, &dir, &options, &mut tell).await
    })
}
