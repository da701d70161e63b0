//! The verbs of the apps room over HTTP, for the command line and, later, the canvas.
//!
//! Knows nothing of objects, containers or files. A verb that takes time answers with JSON
//! lines: `{"operation":ID}`, then each event, then one `{"result":…}` or `{"error":…}`. The work
//! belongs to the server, not to the connection: a client that goes away stops nothing, and
//! [`router`]'s `/v1/operations/{id}/cancel` ends it on purpose. Start reading at [`router`].
//!
//! The socket this is served on is the authentication: mode 0600, checked peer. `docs/formats/
//! verbs.md` describes every request and answer.

mod operations;
mod verbs;

use std::sync::Arc;

use apps::Target;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::operations::Operations;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) target: Target,
    pub(crate) operations: Arc<Operations>,
    about: Value,
}

/// The routes of the verbs on `target`; `about` is what `GET /v1/version` answers.
pub fn router(target: Target, about: Value) -> Router {
    let door = Door { target, operations: Arc::new(Operations::default()), about };
    Router::new()
        .route("/v1/version", get(version))
        .route("/v1/apps", get(verbs::list))
        .route("/v1/apps/{app}/status", get(verbs::status))
        .route("/v1/verbs/go", post(verbs::go))
        .route("/v1/verbs/plan", post(verbs::plan))
        .route("/v1/verbs/stop", post(verbs::stop))
        .route("/v1/verbs/start", post(verbs::start))
        .route("/v1/verbs/destroy", post(verbs::destroy))
        .route("/v1/verbs/build", post(verbs::build))
        .route("/v1/images", get(verbs::images))
        .route("/v1/operations/{id}/cancel", post(cancel))
        .with_state(door)
}

async fn version(State(door): State<Door>) -> Response {
    axum::Json(door.about).into_response()
}

async fn cancel(State(door): State<Door>, Path(id): Path<u64>) -> Response {
    if door.operations.cancel(id) {
        axum::Json(json!({"cancelled": id})).into_response()
    } else {
        let error = json!({"error": {
            "code": "operation/unknown",
            "message": format!("operation {id} is not running; it may have ended"),
        }});
        (StatusCode::NOT_FOUND, axum::Json(error)).into_response()
    }
}
