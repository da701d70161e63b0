//! All routes in one table, and the two routers that serve it: for the socket and for the canvas.
//!
//! On the canvas's address every route below `/v1` but the one that opens a session stands behind
//! the session's cookie, by construction: the layer is around the table. What takes any folder of
//! the machine, or ends the server, is on the socket only.

use axum::extract::{DefaultBodyLimit, Extension, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::answer::{Refusal, shaped};
use crate::person::{Caller, Person};
use crate::session::{LIFE_SECONDS, Refused};
use crate::targets::Away;
use crate::{
    Door, Error, app, asset, care, catalogues, code, data, edits, export, git, guard, import,
    inside, kubernetes, life, modules, moves, stream, targets, terminal, upgrade, verbs,
};

/// A request's body; the largest is an app file with its JSON around it.
const MOST_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Bodies of who has no session yet.
const MOST_TOKEN_BYTES: usize = 4 * 1024;

/// What both doors have.
fn table() -> Router<Door> {
    Router::new()
        .route("/v1/version", get(version))
        .route("/v1/me", get(me))
        .route("/v1/images", get(verbs::images))
        .route("/v1/apps", get(app::list).post(app::make))
        .route("/v1/apps/{app}/releases", get(code::releases))
        .route("/v1/apps/{app}/backups", get(data::list))
        .route("/v1/apps/{app}/backups/schedule", put(data::schedule))
        .route("/v1/apps/{app}/backups/{name}", delete(data::forget))
        .route("/v1/apps/{app}/undo-go", get(data::undo_plan).post(life::undo_go))
        .route("/v1/apps/{app}/upgrades", get(upgrade::list))
        .route("/v1/apps/{app}/secrets", get(code::secrets))
        .route("/v1/apps/{app}/status", get(verbs::status))
        .route("/v1/catalogue", get(app::catalogue))
        .route("/v1/import", post(import::import))
        .route("/v1/catalogue/{module}/icon.svg", get(app::icon))
        .route("/v1/apps/{app}/model", get(app::model))
        .route("/v1/apps/{app}/file", get(edits::file).put(edits::write))
        .route("/v1/apps/{app}/edits", post(edits::edit))
        .route("/v1/apps/{app}/fmt", post(edits::format))
        .route("/v1/apps/{app}/git", post(git::make_key).delete(git::end_keys))
        .route("/v1/apps/{app}/fork", post(edits::fork))
        .route("/v1/apps/{app}/undo", post(edits::undo))
        .route("/v1/apps/{app}/redo", post(edits::redo))
        .route("/v1/apps/{app}/history", get(edits::history))
        .route("/v1/apps/{app}/plan", post(life::plan))
        .route("/v1/apps/{app}/go", post(life::go))
        .route("/v1/apps/{app}/restart", post(life::restart))
        .route("/v1/apps/{app}/releases/{release}", get(life::release))
        .route("/v1/apps/{app}/rollback", post(life::rollback))
        .route("/v1/apps/{app}/logs", get(inside::logs))
        .route("/v1/apps/{app}/events", get(inside::events))
        .route("/v1/apps/{app}/metrics", get(inside::metrics))
        .route("/v1/apps/{app}/objects", get(inside::objects))
        .route("/v1/apps/{app}/blocks/{block}/terminal", get(terminal::terminal))
        .route("/v1/system", get(inside::system))
        .route("/v1/apps/{app}/layout", put(app::layout))
        .route("/v1/apps/{app}/secrets", post(app::secret))
        .route("/v1/apps/{app}/presence", post(app::presence))
        .route("/v1/apps/{app}/stop", post(life::stop))
        .route("/v1/apps/{app}/start", post(life::start))
        .route("/v1/apps/{app}/destroy", post(life::destroy))
        .route("/v1/apps/{app}/rotate", post(care::rotate))
        .route("/v1/apps/{app}/backup", post(care::backup))
        .route("/v1/apps/{app}/restore", post(care::restore))
        .route("/v1/apps/{app}/copy", post(care::copy))
        .route("/v1/apps/{app}/upgrade", post(care::upgrade))
        .route("/v1/operations", get(life::operations))
        .route("/v1/operations/{id}", get(life::operation))
        .route("/v1/operations/{id}/cancel", post(cancel))
        .route("/v1/stream", get(stream::stream))
        .route("/v1/apps/{app}/move", post(moves::carry))
        .route("/v1/apps/{app}/pack", get(care::fetch_pack).post(care::pack))
        .route("/v1/apps/{app}/export", get(export::fetched).post(export::said))
        .route("/v1/targets", get(targets::list))
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(middleware::map_response(shaped))
}

/// The socket's routes; its peers are the owner.
pub(crate) fn socket(door: &Door) -> Router {
    let away = Away { door: door.clone(), routes: at, by_use: true };
    let away = middleware::from_fn_with_state(away, targets::away);
    at(door).merge(targets::router(door)).layer(away)
}

/// The same for one target.
pub(crate) fn at(door: &Door) -> Router {
    let own = Router::new()
        .route("/v1/sessions", post(invite))
        .route("/v1/verbs/go", post(verbs::go))
        .route("/v1/verbs/plan", post(verbs::plan))
        .route("/v1/verbs/check", post(verbs::check))
        .route("/v1/verbs/stop", post(verbs::stop))
        .route("/v1/verbs/restart", post(verbs::restart))
        .route("/v1/verbs/start", post(verbs::start))
        .route("/v1/verbs/destroy", post(verbs::destroy))
        .route("/v1/verbs/build", post(verbs::build))
        .route("/v1/verbs/back", post(code::back))
        .route("/v1/apps/{app}/push", post(code::push))
        .route("/v1/apps/{app}/folder", get(app::folder))
        .route("/v1/verbs/rotate", post(code::rotate))
        .route("/v1/verbs/module-test", post(modules::test))
        .route("/v1/verbs/module-publish", post(modules::publish))
        .route("/v1/verbs/publish", post(modules::publish_app))
        .route("/v1/verbs/unpack", post(modules::unpack))
        .route("/v1/verbs/module-pull", post(modules::fetch))
        .route("/v1/verbs/pack", post(modules::pack))
        .route("/v1/packs", post(modules::take).layer(DefaultBodyLimit::disable()))
        .route("/v1/verbs/backup", post(data::backup))
        .route("/v1/verbs/restore", post(data::restore))
        .route("/v1/verbs/copy", post(data::copy))
        .route("/v1/verbs/move", post(moves::move_app))
        .route("/v1/verbs/undo-go", post(data::undo))
        .route("/v1/verbs/upgrade", post(upgrade::upgrade))
        .route("/v1/namespaces/{namespace}/objects", get(import::namespace))
        .route("/v1/kubernetes/{*path}", any(kubernetes::forward))
        .route("/v1/backups", post(data::take_in))
        // A backup has the app's secrets in it: no page gets one.
        .route("/v1/apps/{app}/backups/{name}", get(data::fetch));
    table()
        .merge(own)
        .merge(catalogues::routes())
        .layer(middleware::from_fn_with_state(door.clone(), owner))
        .with_state(door.clone())
}

/// The canvas's routes, guarded.
pub(crate) fn canvas(door: &Door) -> Router {
    let there = |there: &Door| table().with_state(there.clone());
    let away = Away { door: door.clone(), routes: there, by_use: false };
    let inside = table()
        .route("/v1/sessions", get(sessions))
        .route("/v1/sessions/{id}", delete(end_session))
        .route("/v1/session", delete(leave))
        .layer(middleware::from_fn_with_state(away, targets::away))
        // Outside of all: nobody reaches a target without a session.
        .layer(middleware::from_fn_with_state(door.clone(), guard::session));
    let outside = Router::new()
        .route("/v1/session", post(enter))
        .layer(DefaultBodyLimit::max(MOST_TOKEN_BYTES))
        .fallback(asset::serve);
    // Keys of their own, and bodies that are as long as they are.
    let pushes = Router::new()
        .route("/git/{app}/info/refs", get(git::refs))
        .route("/git/{app}/git-receive-pack", post(git::receive));
    inside
        .merge(outside)
        .merge(pushes)
        .layer(middleware::from_fn(guard::origin))
        .with_state(door.clone())
}

/// Who is on the socket is the owner, under the name the client gives.
async fn owner(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let named = request.headers().get("shelf-person").and_then(|name| name.to_str().ok());
    let person = named.map_or_else(|| door.owner.clone(), Person::named);
    request.extensions_mut().insert(Caller { person, session: "socket".into() });
    next.run(request).await
}

async fn version(State(door): State<Door>) -> Response {
    Json(&*door.about).into_response()
}

/// Who asks, and at which target: said without asking the target, which may not answer.
async fn me(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let target = match targets::named(&headers, &uri).filter(|name| name != apps::HERE) {
        Some(name) => {
            let kept = door.elsewhere.settings(&name)?;
            json!({ "name": name, "url": kept.address, "protected": kept.protected, "away": true })
        }
        None => json!({ "name": door.about["node"].as_str().unwrap_or("this machine"),
            "url": door.target.http.to_string(), "protected": false, "away": false }),
    };
    let version = env!("CARGO_PKG_VERSION");
    Ok(Json(json!({ "person": caller.person, "version": version, "target": target }))
        .into_response())
}

async fn cancel(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<u64>,
) -> Response {
    if door.operations.cancel(id, &caller.person.name) {
        return Json(json!({ "cancelled": id })).into_response();
    }
    Refusal::absent(
        "operation/unknown",
        format!("operation {id} is not running; it may have ended"),
    )
    .into_response()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    /// Whose session it will be.
    name: Option<String>,
}

/// A link that opens the canvas once, for `person`.
pub(crate) fn link(door: &Door, person: Person) -> Result<Option<String>, Error> {
    let Some(address) = door.canvas else { return Ok(None) };
    let token = door.sessions.invite(person)?;
    Ok(Some(format!("http://{address}/open#{token}")))
}

async fn invite(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    body: axum::body::Bytes,
) -> Response {
    let invitation: Invitation = match body.is_empty() {
        true => Invitation::default(),
        false => match serde_json::from_slice(&body) {
            Ok(invitation) => invitation,
            Err(error) => {
                return Refusal::unfit("request/body", error.to_string()).into_response();
            }
        },
    };
    let person = invitation.name.map_or(caller.person, |name| Person::named(&name));
    match link(&door, person) {
        Ok(Some(url)) => Json(json!({ "url": url })).into_response(),
        Ok(None) => {
            Refusal::new(StatusCode::CONFLICT, "canvas/off", "this server runs without its canvas")
                .hint("start it again with it:  shelf serve --canvas 127.0.0.1:7433")
                .into_response()
        }
        Err(error) => trouble(&error),
    }
}

fn trouble(error: &Error) -> Response {
    tracing::error!(%error, "the canvas's sessions");
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "session/store", error.to_string())
        .into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    token: String,
}

/// Uses a token up for a session.
async fn enter(State(door): State<Door>, Json(entry): Json<Entry>) -> Response {
    let cookie = match door.sessions.redeem(&entry.token) {
        Ok(Ok(cookie)) => cookie,
        Ok(Err(Refused::Unknown)) => {
            return Refusal::new(
                StatusCode::UNAUTHORIZED,
                "session/token",
                "this link was used already, or is too old",
            )
            .hint("get another:  shelf open")
            .into_response();
        }
        Ok(Err(Refused::TooMany)) => {
            let refusal = Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "session/guesses",
                "too many wrong links came within a minute",
            );
            return ([(header::RETRY_AFTER, "60")], refusal.hint("get another:  shelf open"))
                .into_response();
        }
        Err(error) => return trouble(&error),
    };
    let name = door.cookie_name();
    set_cookie(&format!(
        "{name}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={LIFE_SECONDS}"
    ))
}

/// Ends this browser's session.
async fn leave(State(door): State<Door>, headers: HeaderMap) -> Response {
    let name = door.cookie_name();
    if let Some(cookie) = guard::cookie(&headers, &name)
        && let Err(error) = door.sessions.end(&cookie)
    {
        return trouble(&error);
    }
    set_cookie(&format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"))
}

/// Who may use the canvas, browser by browser.
async fn sessions(State(door): State<Door>, Extension(caller): Extension<Caller>) -> Response {
    let list: Vec<_> = door
        .sessions
        .list()
        .into_iter()
        .map(|(id, person, made_at, used_at)| {
            let here = id == caller.session;
            json!({ "id": id, "name": person.name, "initials": person.initials,
                "made_at": made_at, "used_at": used_at, "here": here })
        })
        .collect();
    Json(json!({ "sessions": list })).into_response()
}

/// Ends a browser's session, by the name that `sessions` gives it.
async fn end_session(State(door): State<Door>, Path(id): Path<String>) -> Response {
    match door.sessions.end_named(&id) {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => Refusal::absent(
            "session/absent",
            format!("there is no session {id}; it may have ended"),
        )
        .into_response(),
        Err(error) => trouble(&error),
    }
}

fn set_cookie(value: &str) -> Response {
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, value.to_owned())]).into_response()
}
