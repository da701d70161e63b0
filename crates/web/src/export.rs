//! An app as files for somewhere else: `POST /v1/apps/{app}/export` says what they would be, `GET`
//! answers with them as one archive. Where next: `apps::export`.

use std::path::PathBuf;

use apps::{ExportKind, ExportOptions};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::Door;
use crate::answer::Refusal;
use crate::app::blocking;

/// What is asked for; what is left out is as the command line has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportRequest {
    kind: ExportKind,
    #[serde(default)]
    registry: Option<String>,
    #[serde(default)]
    url: Option<String>,
    /// Read on the way here (`targets.rs`).
    #[serde(default, rename = "target")]
    _target: Option<String>,
}

impl ExportRequest {
    fn options(self, door: &Door, app: &str) -> ExportOptions {
        // An empty field of a page is one that was not filled in.
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let away = door.target.cluster.is_some();
        ExportOptions {
            kind: self.kind,
            target: away.then(|| door.target.name().to_owned()),
            to: PathBuf::from(format!("{app}-{}", self.kind.word())),
            registry: said(self.registry),
            tag: "latest".to_owned(),
            url: said(self.url),
            port: 8080,
            force: false,
            dry_run: true,
        }
    }
}

/// What would be written, and what whoever runs it must know.
pub(crate) async fn said(
    State(door): State<Door>,
    Path(app): Path<String>,
    Json(request): Json<ExportRequest>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let mut options = request.options(&door, &app);
    options.to = dir.join(&options.to);
    let report = blocking(move || apps::export(&dir, &options)).await?;
    Ok(Json(report).into_response())
}

/// The files.
pub(crate) async fn fetched(
    State(door): State<Door>,
    Path(app): Path<String>,
    Query(request): Query<ExportRequest>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    let options = request.options(&door, &app);
    let name = format!("attachment; filename=\"{}.tar.gz\"", options.to.display());
    let archive = blocking(move || apps::export_archive(&dir, &options)).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, archive).into_response())
}
