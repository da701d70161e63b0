//! Modules and apps that are made here: tried, packed, taken in. Where next: `apps::trial`,
//! `apps::pack`.

use std::path::PathBuf;

use apps::{FetchOptions, PublishOptions, TakeOptions, TrialOptions};
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Query, State};
use axum::response::Response;
use serde::Deserialize;

use crate::Door;
use crate::code::reader;
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishRequest {
    /// The module's folder.
    dir: PathBuf,
    /// Its name at a registry.
    to: String,
    /// The file of the key that signs it.
    #[serde(default)]
    key: Option<PathBuf>,
    #[serde(default)]
    untried: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

/// `POST /v1/verbs/module-publish`.
pub(crate) async fn publish(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<PublishRequest>,
) -> Response {
    let target = door.target.clone();
    let by = caller.person.name.clone();
    let subject = format!("module {}", request.dir.display());
    lines(&door, "publish", &subject, &caller, move |events| async move {
        let seconds = request.timeout_seconds.unwrap_or(300);
        let options = PublishOptions {
            to: request.to,
            key: request.key,
            untried: request.untried,
            dry_run: request.dry_run,
            timeout: std::time::Duration::from_secs(seconds),
            by,
        };
        apps::publish_module(&target, &request.dir, &options, &mut report(events)).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FetchRequest {
    /// Its name at a registry.
    from: String,
    /// Public keys, as PEM.
    keys: Vec<String>,
    /// The folder that it becomes.
    to: PathBuf,
}

/// `POST /v1/verbs/module-pull`.
pub(crate) async fn fetch(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<FetchRequest>,
) -> Response {
    let target = door.target.clone();
    let subject = format!("module {}", request.from);
    lines(&door, "fetch", &subject, &caller, move |events| async move {
        let FetchRequest { from, keys, to } = request;
        let options = FetchOptions { from, keys, to };
        apps::fetch_module(&target, &options, &mut report(events)).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackRequest {
    /// The app's folder.
    dir: PathBuf,
    /// The file to be written.
    to: PathBuf,
}

/// `POST /v1/verbs/pack`.
pub(crate) async fn pack(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<PackRequest>,
) -> Response {
    let target = door.target.clone();
    // A folder whose file cannot be read has no name; the verb itself says why.
    let subject = apps::app_name(&request.dir);
    let subject = subject.unwrap_or_else(|_| request.dir.display().to_string());
    lines(&door, "pack", &subject, &caller, move |events| async move {
        apps::pack(&target, &request.dir, &request.to, &mut report(events)).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeQuery {
    app: String,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

/// `POST /v1/packs?app=NAME`: the archive of a pack; its app comes to life.
pub(crate) async fn take(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<TakeQuery>,
    body: Body,
) -> Response {
    let (target, registry, from) = (door.target.clone(), door.registry.clone(), reader(body));
    let by = caller.person.name.clone();
    let app = query.app.clone();
    lines(&door, "unpack", &app, &caller, move |events| async move {
        let folder = registry.vacant(&query.app);
        let options = TakeOptions {
            app: query.app,
            timeout: std::time::Duration::from_secs(query.timeout_seconds.unwrap_or(900)),
            by,
            folder: folder.clone(),
        };
        let done = apps::take(&target, from, &options, &mut report(events)).await?;
        if let Some(folder) = folder
            && let Err(error) = registry.record(&done.app, &folder)
        {
            tracing::warn!(%error, app = done.app, "where the app lives was not written down");
        }
        Ok(done)
    })
}
