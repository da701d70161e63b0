//! Catalogues over HTTP: those a server knows, and the maker's verbs. Where next: `apps`'
//! `catalogues.rs`.

use std::path::PathBuf;

use apps::{CatalogueOptions, CataloguePublishOptions};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::Door;
use crate::answer::Refusal;
use crate::app::blocking;
use crate::begin::By;

/// Its routes, for the owner alone: what is trusted is his to say.
pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/v1/catalogues", get(list).post(add))
        .route("/v1/catalogues/{name}", delete(remove))
        .route("/v1/catalogues/update", post(update))
        .route("/v1/catalogues/take", post(take))
        .route("/v1/verbs/catalogue-publish", post(publish))
        .route("/v1/verbs/catalogue-sign", post(sign))
}

async fn list(State(door): State<Door>) -> Result<Response, Refusal> {
    let target = door.target.clone();
    let catalogues = blocking(move || apps::catalogues(&target)).await?;
    Ok(Json(json!({ "catalogues": catalogues })).into_response())
}

async fn add(
    State(door): State<Door>,
    Json(request): Json<CatalogueOptions>,
) -> Result<Response, Refusal> {
    Ok(Json(apps::add_catalogue(&door.target, &request).await?).into_response())
}

async fn remove(State(door): State<Door>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let target = door.target.clone();
    blocking(move || apps::remove_catalogue(&target, &name)).await?;
    Ok(Json(json!({})).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateRequest {
    /// All of them if absent.
    #[serde(default)]
    name: Option<String>,
}

async fn update(
    State(door): State<Door>,
    Json(request): Json<UpdateRequest>,
) -> Result<Response, Refusal> {
    let catalogues = apps::update_catalogues(&door.target, request.name.as_deref()).await?;
    Ok(Json(json!({ "catalogues": catalogues })).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeRequest {
    /// The app's folder.
    dir: PathBuf,
    /// What an edit is about to say: `team/redis@7`.
    used: Vec<String>,
}

async fn take(
    State(door): State<Door>,
    Json(request): Json<TakeRequest>,
) -> Result<Response, Refusal> {
    apps::take_modules(&door.target, &request.dir, &request.used).await?;
    Ok(Json(json!({})).into_response())
}

async fn publish(caller: By, Json(request): Json<CataloguePublishOptions>) -> Response {
    let subject = format!("catalogue {}", request.prefix);
    caller.lines("publish", &subject, |target, _| async move {
        apps::publish_catalogue(&target, &request).await
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignRequest {
    prefix: String,
    /// The file of a private key.
    key: PathBuf,
}

async fn sign(caller: By, Json(request): Json<SignRequest>) -> Response {
    let subject = format!("catalogue {}", request.prefix);
    caller.lines("sign", &subject, |target, _| async move {
        apps::sign_catalogue(&target, &request.prefix, &request.key).await
    })
}
