//! Routes, and what is before them: the version in the path, the headers of every answer.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tower::ServiceExt;

use crate::containers::Containers;
use crate::error::{Error, Result};
use crate::exec::Execs;
use crate::{
    Settings, attach, builds, create, distribution, exec, images, inspect, life, logs, stats,
    system,
};

/// Newest version of the protocol that is spoken.
pub(crate) const NEWEST: (u32, u32) = (1, 48);
/// Oldest version of the protocol that is spoken.
pub(crate) const OLDEST: (u32, u32) = (1, 24);

/// What the routes work on.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) settings: Settings,
    pub(crate) containers: Arc<Containers>,
    pub(crate) execs: Arc<Execs>,
}

/// The Docker Engine API, with or without `/v1.NN` before each path.
///
/// Finds the containers of the last server again. Must be called inside a tokio runtime.
///
/// # Errors
/// When the records' directory cannot be made or read.
pub async fn router(settings: Settings) -> Result<Router> {
    let containers = Containers::open(&settings).await?;
    let door = Door { settings, containers, execs: Arc::default() };
    let inner = Router::new()
        .route("/_ping", get(system::ping))
        .route("/version", get(system::version))
        .route("/info", get(system::info))
        .route("/networks", get(system::networks))
        .route("/volumes", get(system::volumes))
        .route("/auth", post(distribution::auth))
        .route("/build", post(builds::build))
        .route("/images/json", get(images::list))
        .route("/images/create", post(distribution::create))
        .route("/images/{*rest}", get(images::get).post(images::post).delete(images::delete))
        .route("/containers/json", get(inspect::list))
        .route("/containers/create", post(create::create))
        .route("/containers/{name}", delete(life::remove))
        .route("/containers/{name}/json", get(inspect::inspect))
        .route("/containers/{name}/start", post(life::start))
        .route("/containers/{name}/stop", post(life::stop))
        .route("/containers/{name}/restart", post(life::restart))
        .route("/containers/{name}/kill", post(life::kill))
        .route("/containers/{name}/wait", post(life::wait))
        .route("/containers/{name}/rename", post(life::rename))
        .route("/containers/{name}/resize", post(attach::resize))
        .route("/containers/{name}/attach", post(attach::attach))
        .route("/containers/{name}/logs", get(logs::logs))
        .route("/containers/{name}/stats", get(stats::stats))
        .route("/containers/{name}/exec", post(exec::create))
        .route("/exec/{id}/start", post(exec::start))
        .route("/exec/{id}/resize", post(exec::resize))
        .route("/exec/{id}/json", get(exec::inspect))
        .fallback(unknown)
        .with_state(door.clone());
    Ok(Router::new().fallback(enter).with_state((inner, door)))
}

async fn unknown(request: Request) -> Error {
    Error::unsupported(format!("{} {}", request.method(), request.uri().path()))
}

async fn enter(State((inner, door)): State<(Router, Door)>, mut request: Request) -> Response {
    let mut response = match without_version(request.uri()) {
        Ok(uri) => {
            *request.uri_mut() = uri;
            match inner.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert("Api-Version", HeaderValue::from_static("1.48"));
    headers.insert("Docker-Experimental", HeaderValue::from_static("false"));
    headers.insert("Ostype", HeaderValue::from_static("linux"));
    if let Ok(server) = HeaderValue::try_from(format!("Shelf/{} (linux)", door.settings.version)) {
        headers.insert("Server", server);
    }
    response
}

/// The path without `/v1.NN`.
fn without_version(uri: &Uri) -> Result<Uri> {
    let text = uri.path_and_query().map_or("/", |path| path.as_str());
    let Some(rest) = text.strip_prefix("/v") else { return Ok(uri.clone()) };
    let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let Some(asked) = version
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
    else {
        // `/volumes`, `/version`.
        return Ok(uri.clone());
    };
    if asked > NEWEST {
        let (major, minor) = NEWEST;
        return Err(Error::bad(format!(
            "client version {version} is too new. Maximum supported API version is {major}.{minor}"
        )));
    }
    if asked < OLDEST {
        let (major, minor) = OLDEST;
        return Err(Error::bad(format!(
            "client version {version} is too old. Minimum supported API version is {major}.{minor}, please upgrade your client to a newer version"
        )));
    }
    format!("/{rest}").parse().map_err(|error| Error::bad(format!("{text}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> String {
        match without_version(&text.parse().unwrap()) {
            Ok(uri) => uri.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_version_is_taken_off_the_path() {
        assert_eq!(path("/v1.43/containers/json?all=1"), "/containers/json?all=1");
        assert_eq!(path("/version"), "/version");
        assert_eq!(path("/volumes"), "/volumes");
        assert_eq!(path("/_ping"), "/_ping");
    }

    #[test]
    fn versions_outside_are_refused_by_name() {
        assert!(path("/v1.49/_ping").contains("Maximum supported API version is 1.48"));
        assert!(path("/v1.23/_ping").contains("Minimum supported API version is 1.24"));
    }
}
