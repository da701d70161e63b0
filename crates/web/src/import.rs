//! What a foreign file would become: a report and a proposed app file. Nothing is written, and no
//! file of this machine is read. Where next: `apps::import_text`.

use std::collections::BTreeMap;

use apps::{ImportOptions, State};
use axum::Json;
use axum::extract::{self, Path};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::Door;
use crate::answer::Refusal;
use crate::app::blocking;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportRequest {
    /// The compose file.
    text: String,
    /// Its name, for the report.
    #[serde(default)]
    path: Option<String>,
    /// The app's name.
    #[serde(default)]
    name: Option<String>,
    /// Files that it names, such as `.env`.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Profiles whose services are wanted too.
    #[serde(default)]
    profiles: Vec<String>,
}

pub(crate) async fn import(Json(request): Json<ImportRequest>) -> Result<Response, Refusal> {
    let imported = blocking(move || {
        let ImportRequest { text, path, name, files, profiles } = request;
        let options = ImportOptions { name, profiles, ..ImportOptions::default() };
        let path = path.unwrap_or_else(|| "compose.yaml".to_owned());
        apps::import_text(&path, &text, &files, &options)
    })
    .await?;
    let counts = json!({
        "mapped": imported.count(State::Mapped),
        "guessed": imported.count(State::Guessed),
        "not_mapped": imported.count(State::NotMapped),
    });
    Ok(Json(json!({
        "app": imported.app,
        "text": imported.text,
        "rows": imported.rows,
        "notes": imported.notes,
        "given": imported.given,
        "counts": counts,
        "diagnostics": apps::diagnostics_value(&imported.diagnostics),
    }))
    .into_response())
}

/// `GET /v1/namespaces/{namespace}/objects`, on the socket only: Secrets are among them.
pub(crate) async fn namespace(
    extract::State(door): extract::State<Door>,
    Path(namespace): Path<String>,
) -> Result<Response, Refusal> {
    Ok(Json(apps::namespace_objects(&door.target, &namespace).await?).into_response())
}
