//! Modules and apps that are made here: tried, packed, taken in. Where next: `apps::trial`,
//! `apps::pack`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use apps::{
    AppPublishOptions, FetchOptions, Opening, PublishOptions, Registry, TakeOptions, TrialOptions,
};
use axum::Json;
use axum::body::Body;
use axum::extract::Query;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::begin::By;
use crate::code::reader;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestRequest {
    /// The module's folder.
    dir: PathBuf,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

/// `POST /v1/verbs/module-test`.
pub(crate) async fn test(caller: By, Json(request): Json<TestRequest>) -> Response {
    let by = caller.name();
    let subject = format!("module {}", request.dir.display());
    caller.lines("test", &subject, |target, mut tell| async move {
        let seconds = request.timeout_seconds.unwrap_or(300);
        let options = TrialOptions { timeout: Duration::from_secs(seconds), by };
        apps::trial(&target, &request.dir, &options, &mut tell).await
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
pub(crate) async fn publish(caller: By, Json(request): Json<PublishRequest>) -> Response {
    let by = caller.name();
    let subject = format!("module {}", request.dir.display());
    caller.lines("publish", &subject, |target, mut tell| async move {
        let seconds = request.timeout_seconds.unwrap_or(300);
        let options = PublishOptions {
            to: request.to,
            key: request.key,
            untried: request.untried,
            dry_run: request.dry_run,
            timeout: Duration::from_secs(seconds),
            by,
        };
        apps::publish_module(&target, &request.dir, &options, &mut tell).await
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
pub(crate) async fn fetch(caller: By, Json(request): Json<FetchRequest>) -> Response {
    let subject = format!("module {}", request.from);
    caller.lines("fetch", &subject, |target, mut tell| async move {
        let FetchRequest { from, keys, to } = request;
        let options = FetchOptions { from, keys, to };
        apps::fetch_module(&target, &options, &mut tell).await
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
pub(crate) async fn pack(caller: By, Json(request): Json<PackRequest>) -> Response {
    let subject = app_in(&request.dir);
    caller.lines("pack", &subject, |target, mut tell| async move {
        apps::pack(&target, &request.dir, &request.to, &mut tell).await
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
pub(crate) async fn take(caller: By, Query(query): Query<TakeQuery>, body: Body) -> Response {
    let (registry, from) = (caller.door.registry.clone(), reader(body));
    let by = caller.name();
    let app = query.app.clone();
    caller.lines("unpack", &app, |target, mut tell| async move {
        let options = unpacking(&registry, query.app, query.timeout_seconds, by);
        let done = apps::take(&target, from, &options, &mut tell).await?;
        remember(&registry, &done.app, options.folder);
        Ok(done)
    })
}

/// How an app that comes in is brought to life: in a folder of the server's, if it has none yet.
fn unpacking(registry: &Registry, app: String, seconds: Option<u64>, by: String) -> TakeOptions {
    let folder = registry.vacant(&app);
    TakeOptions { app, timeout: Duration::from_secs(seconds.unwrap_or(900)), by, folder }
}

fn remember(registry: &Registry, app: &str, folder: Option<PathBuf>) {
    if let Some(folder) = folder
        && let Err(error) = registry.record(app, &folder)
    {
        tracing::warn!(%error, app, "where the app lives was not written down");
    }
}

/// What is worked on: the app in a folder. A folder whose file cannot be read has no name; the verb
/// itself says why.
fn app_in(dir: &Path) -> String {
    apps::app_name(dir).unwrap_or_else(|_| dir.display().to_string())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppPublishRequest {
    /// The app's folder.
    dir: PathBuf,
    /// Its name at a registry, with a tag.
    to: String,
    /// The file of the key that signs it.
    #[serde(default)]
    key: Option<PathBuf>,
    #[serde(default)]
    dry_run: bool,
}

/// `POST /v1/verbs/publish`: an app goes to a registry.
pub(crate) async fn publish_app(caller: By, Json(request): Json<AppPublishRequest>) -> Response {
    let subject = app_in(&request.dir);
    caller.lines("publish", &subject, |target, mut tell| async move {
        let AppPublishRequest { dir, to, key, dry_run } = request;
        let options = AppPublishOptions { to, key, dry_run };
        apps::publish_app(&target, &dir, &options, &mut tell).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnpackRequest {
    /// Its name at a registry.
    from: String,
    /// Public keys, as PEM.
    keys: Vec<String>,
    /// Whether it is only said what is in it.
    #[serde(default)]
    list: bool,
    #[serde(default)]
    timeout_seconds: Option<u64>,
}

/// What came of an unpacking: what is in it, or that it is up.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Unpacked {
    Listed(serde_json::Value),
    Up(Box<apps::GoReport>),
}

/// `POST /v1/verbs/unpack`: a published app comes to life.
pub(crate) async fn unpack(caller: By, Json(request): Json<UnpackRequest>) -> Response {
    let registry = caller.door.registry.clone();
    let by = caller.name();
    let subject = request.from.clone();
    caller.lines("unpack", &subject, |target, mut tell| async move {
        let UnpackRequest { from, keys, list, timeout_seconds } = request;
        let opened = apps::open_app(&target, &Opening { from, keys }, &mut tell).await?;
        if list {
            return Ok(Unpacked::Listed(opened.label()));
        }
        let options = unpacking(&registry, opened.app().to_owned(), timeout_seconds, by);
        let done = opened.bring(&target, &options, &mut tell).await?;
        remember(&registry, &done.app, options.folder);
        Ok(Unpacked::Up(Box::new(done)))
    })
}
