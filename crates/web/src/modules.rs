//! Modules that are made here: tried, and handed to others. Where next: `apps::trial`.

use std::path::PathBuf;

use apps::TrialOptions;
use axum::Json;
use axum::extract::{Extension, State};
use axum::response::Response;
use serde::Deserialize;

use crate::Door;
use crate::person::Caller;
use crate::verbs::{lines, report};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestRequest {
    /// The module's folder.
    dir: PathBuf,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

/// `POST /v1/verbs/module-test`.
pub(crate) async fn test(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<TestRequest>,
) -> Response {
    let target = door.target.clone();
    let by = caller.person.name.clone();
    let subject = format!("module {}", request.dir.display());
    lines(&door, "test", &subject, &caller, move |events| async move {
        let seconds = request.timeout_seconds.unwrap_or(300);
        let options = TrialOptions { timeout: std::time::Duration::from_secs(seconds), by };
        apps::trial(&target, &request.dir, &options, &mut report(events)).await
    })
}
