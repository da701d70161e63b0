//! An app as the canvas sees it: the list, its model, its file, its layout, who looks at it.
//! Where next: `edits.rs`, which changes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use apps::{Beginning, Groups, Layout, StatusReport};
use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Door;
use crate::answer::Refusal;
use crate::person::Caller;

/// Runs what reads or writes files on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, apps::Error> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => {
            tracing::error!(%error, "a task of the canvas ended badly");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(Refusal::new(status, "internal/task", "a task of the server ended badly"))
        }
    }
}

/// All apps: those that run, and those whose folder is known here.
pub(crate) async fn list(State(door): State<Door>) -> Result<Response, Refusal> {
    let mut folders: BTreeMap<String, PathBuf> = door.registry.all();
    folders.retain(|_, dir| dir.join("app.toml").is_file());
    let mut lines = BTreeMap::new();
    for status in apps::apps(&door.target).await? {
        let dir = folders.remove(&status.app);
        lines.insert(status.app.clone(), line(&door, &status, dir));
    }
    for (app, dir) in folders {
        let line = line(&door, &apps::draft(&app), Some(dir));
        lines.insert(app, line);
    }
    let lines: Vec<Value> = lines.into_values().collect();
    Ok(Json(json!({ "apps": lines })).into_response())
}

fn line(door: &Door, status: &StatusReport, dir: Option<PathBuf>) -> Value {
    let mut line = json!(status);
    let count = |of: fn(&apps::BlockStatus) -> u32| status.blocks.iter().map(of).sum::<u32>();
    line["name"] = status.app.clone().into();
    line["target"] = match &door.target.cluster {
        Some(_) => door.target.name().into(),
        None => door.about["node"].clone(),
    };
    line["ready"] = count(|block| block.ready).into();
    line["wanted"] = count(|block| block.wanted).into();
    line["changes"] =
        dir.as_deref().map_or(0, |dir| crate::edits::changes_of(dir, door.target.name())).into();
    line["dir"] = json!(dir);
    line["operation"] = json!(door.operations.of(&status.app));
    line
}

/// Where an app's file is: what the command line means by the app's name.
pub(crate) async fn folder(
    State(door): State<Door>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    Ok(Json(json!({ "dir": door.registry.dir(&app)? })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeRequest {
    name: String,
    from: Beginning,
}

/// Makes an app, or takes one that is in a folder.
pub(crate) async fn make(
    State(door): State<Door>,
    Json(request): Json<MakeRequest>,
) -> Result<Response, Refusal> {
    // A name in use on the target is another app's, whose objects a go would change.
    let known = door.registry.dir(&request.name).is_ok();
    if !known && apps::status(&door.target, &request.name).await.is_ok() {
        let message = format!("an app {} runs here already", request.name);
        return Err(Refusal::new(StatusCode::CONFLICT, "app/taken", message)
            .hint("choose another name, or open its folder"));
    }
    let (registry, name) = (door.registry.clone(), request.name.clone());
    blocking(move || registry.make(&name, &request.from)).await?;
    Ok(Json(json!({ "name": request.name })).into_response())
}

/// What is on the shelf.
pub(crate) async fn catalogue(State(door): State<Door>) -> Result<Response, Refusal> {
    let target = door.target.clone();
    let shelf = blocking(move || apps::catalogue_of(&target)).await?;
    Ok(Json(shelf).into_response())
}

/// The icon of a module. It is shown as a picture, and may do nothing even if it is opened.
pub(crate) async fn icon(Path(module): Path<String>) -> Result<Response, Refusal> {
    let svg = apps::icon(&module).ok_or_else(|| {
        Refusal::absent("module/absent", format!("there is no icon of a module {module}"))
    })?;
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        (header::CACHE_CONTROL, "private, max-age=3600"),
    ];
    Ok((headers, svg).into_response())
}

/// The app as it is drawn.
pub(crate) async fn model(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
) -> Result<Response, Refusal> {
    Ok(Json(door.model(&app, &caller.person.name).await?).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutRequest {
    blocks: Layout,
    /// Blocks that go into a group, or out of theirs.
    #[serde(default)]
    groups: Groups,
}

/// Moves blocks on the canvas.
pub(crate) async fn layout(
    State(door): State<Door>,
    Path(app): Path<String>,
    Json(request): Json<LayoutRequest>,
) -> Result<Response, Refusal> {
    let dir = door.registry.dir(&app)?;
    blocking(move || {
        let blocks = apps::block_names(&dir).ok();
        apps::move_blocks(&dir, &request.blocks, &request.groups, blocks.as_deref())
    })
    .await?;
    door.hub.tell(&app, "layout", &json!({ "app": app }));
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Presence {
    block: Option<String>,
}

/// Notes which block a person has chosen, for the others who look.
pub(crate) async fn presence(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(presence): Json<Presence>,
) -> Result<Response, Refusal> {
    let block = presence.block.map(|block| block.chars().take(64).collect());
    if door.watch.chosen(&app, &caller, block) {
        door.tell_people(&app);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretRequest {
    block: String,
    name: String,
    value: String,
}

/// `POST /v1/apps/{app}/secrets`: a value that a person gives. It is kept in the block's Secret
/// and never said again.
pub(crate) async fn secret(
    State(door): State<Door>,
    Path(app): Path<String>,
    Json(request): Json<SecretRequest>,
) -> Result<Response, Refusal> {
    let SecretRequest { block, name, value } = request;
    let rolled = apps::give(&door.target, &app, &block, &name, &value).await?;
    Ok(Json(json!({ "rolled": rolled })).into_response())
}
