//! Targets: those a server knows, and every other request at one of them, through either door.
//!
//! A request with the header `shelf-target` is answered as if the server's apps ran there; an
//! event stream and a terminal, which a page opens without headers, say `target=` in their query.
//! Each target has operations and a stream of its own, so that nothing of it is told as news of
//! this machine. Where next: `apps`' `targets.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apps::{HERE, Target, TargetSettings, Targets};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use tower::ServiceExt;

use crate::answer::Refusal;
use crate::operations::Operations;
use crate::person::Caller;
use crate::stream::Hub;
use crate::{Door, kubernetes};

/// Names the target of a request.
const TARGET: &str = "shelf-target";
/// Names it once more, for a change of a protected one.
const CONFIRM: &str = "shelf-confirm";
/// How long what a target said of itself counts.
const FRESH: Duration = Duration::from_secs(60);

/// The targets, and the doors to those that were used.
pub(crate) struct Elsewhere {
    targets: Targets,
    /// This machine.
    here: Target,
    doors: Mutex<BTreeMap<String, Reached>>,
}

struct Reached {
    at: Instant,
    settings: TargetSettings,
    door: Door,
}

impl Elsewhere {
    pub(crate) fn new(targets: Targets, here: Target) -> Self {
        Self { targets, here, doors: Mutex::default() }
    }

    /// What is kept of a target, without asking it anything.
    pub(crate) fn settings(&self, name: &str) -> Result<TargetSettings, apps::Error> {
        self.targets.get(name)
    }

    /// A target as another verb than its own meets it.
    pub(crate) async fn other(&self, door: &Door, name: &str) -> Result<Target, apps::Error> {
        if name == HERE {
            return Ok(self.here.clone());
        }
        Ok(self.door(door, name).await?.target)
    }

    /// The door to a target, asked anew what it can do if that was long ago.
    pub(crate) async fn door(&self, here: &Door, name: &str) -> Result<Door, apps::Error> {
        let settings = self.targets.get(name)?;
        if let Some(known) = self.doors.lock().await.get(name)
            && known.settings == settings
            && known.at.elapsed() < FRESH
        {
            return Ok(known.door.clone());
        }
        let target = apps::reach(&here.target, settings.clone()).await?;
        // Looked at once more after the asking: of two requests that came together both go on at
        // the same door, or one would never hear what the other's verb says.
        let mut doors = self.doors.lock().await;
        let known = doors.get(name).filter(|known| known.settings.server == settings.server);
        let door = match known {
            Some(known) => Door { target, ..known.door.clone() },
            None => {
                let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
                let hub = Arc::new(Hub::new(now * 1000));
                Door {
                    operations: Arc::new(Operations::new(hub.clone(), now)),
                    hub,
                    watch: Arc::default(),
                    models: Arc::default(),
                    metrics: Arc::default(),
                    target,
                    ..here.clone()
                }
            }
        };
        let reached = Reached { at: Instant::now(), settings, door: door.clone() };
        doors.insert(name.to_owned(), reached);
        Ok(door)
    }
}

/// Changing targets, and what opens them: for the socket alone.
pub(crate) fn router(door: &Door) -> Router {
    Router::new()
        .route("/v1/targets/{name}", put(keep).delete(forget))
        .route("/v1/targets/{name}/use", post(use_))
        .route("/v1/targets/{name}/check", post(check))
        .route("/v1/targets/{name}/kubeconfig", get(opens))
        .with_state(door.clone())
}

/// One of the two doors as it sends requests to targets.
#[derive(Clone)]
pub(crate) struct Away {
    pub(crate) door: Door,
    /// Its routes at a target.
    pub(crate) routes: fn(&Door) -> Router,
    /// Whether a request that names no target means the one that is used. A page says in its
    /// address which one it shows.
    pub(crate) by_use: bool,
}

/// What is said on apps goes to the target that is meant.
pub(crate) async fn away(State(away): State<Away>, request: Request, next: Next) -> Response {
    match target_of(&away, &request) {
        Ok(name) if name == HERE => next.run(request).await,
        Ok(name) => match send(&away, &name, request).await {
            Ok(mut answer) => {
                if let Ok(value) = HeaderValue::from_str(&name) {
                    answer.headers_mut().insert(TARGET, value);
                }
                answer
            }
            Err(error) => Refusal::from(error).into_response(),
        },
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// The target that a request names, in its header or in its query.
pub(crate) fn named(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        target: Option<String>,
    }
    let said = headers.get(TARGET).and_then(|name| name.to_str().ok()).map(str::to_owned);
    said.or_else(|| Query::<Named>::try_from_uri(uri).ok()?.0.target)
}

/// The target that a request means; this machine for what is not said on apps.
fn target_of(away: &Away, request: &Request) -> Result<String, apps::Error> {
    let path = request.uri().path();
    let on_apps = ["/v1/apps", "/v1/verbs/", "/v1/namespaces/", kubernetes::LEAD]
        .iter()
        .any(|lead| path.starts_with(lead))
        && path != "/v1/verbs/build";
    let follows = path.starts_with("/v1/operations") || path == "/v1/stream";
    match named(request.headers(), request.uri()) {
        Some(name) if on_apps || follows => Ok(name),
        None if on_apps && away.by_use => away.door.elsewhere.targets.used(),
        _ => Ok(HERE.to_owned()),
    }
}

async fn send(away: &Away, name: &str, mut request: Request) -> Result<Response, apps::Error> {
    let there = away.door.elsewhere.door(&away.door, name).await?;
    confirmed_by_query(&mut request);
    if changes(&request) {
        may_change(&there.target, request.headers())?;
    }
    // What the first table of routes found in the path must not be found once more; who asks, and
    // the connection of one who wants it whole, stay.
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    if let Some(upgrade) = upgrade {
        request.extensions_mut().insert(upgrade);
    }
    if let Some(caller) = parts.extensions.remove::<Caller>() {
        request.extensions_mut().insert(caller);
    }
    match (away.routes)(&there).oneshot(request).await {
        Ok(answer) => Ok(answer),
        Err(never) => match never {},
    }
}

/// Refuses a change of a protected target that the request does not name once more.
pub(crate) fn may_change(target: &Target, headers: &HeaderMap) -> Result<(), apps::Error> {
    let settings = target.cluster.as_ref().map(|cluster| &cluster.settings);
    match settings.filter(|one| one.protected && !confirms(headers, &one.name)) {
        Some(settings) => Err(unconfirmed(&settings.name)),
        None => Ok(()),
    }
}

/// Whether a request names a protected target once more; a move names both with a comma.
fn confirms(headers: &HeaderMap, name: &str) -> bool {
    let said = headers.get(CONFIRM).and_then(|said| said.to_str().ok()).unwrap_or_default();
    said.split(',').any(|one| one.trim() == name)
}

/// A page opens a terminal without headers: its query says what they would.
fn confirmed_by_query(request: &mut Request) {
    #[derive(Deserialize)]
    struct Named {
        confirm: Option<String>,
    }
    let said = Query::<Named>::try_from_uri(request.uri()).ok().and_then(|named| named.0.confirm);
    if let Some(said) = said.and_then(|said| HeaderValue::from_str(&said).ok())
        && is_terminal(request.uri())
    {
        request.headers_mut().insert(CONFIRM, said);
    }
}

fn is_terminal(uri: &Uri) -> bool {
    uri.path().starts_with("/v1/apps/") && uri.path().ends_with("/terminal")
}

fn unconfirmed(name: &str) -> apps::Error {
    apps::Error::Data {
        code: "target/protected",
        message: format!("{name} is protected: a change must name it"),
        hint: Some(format!("say it once more with:  --confirm {name}")),
    }
}

/// Whether a request changes something on its target.
fn changes(request: &Request) -> bool {
    // The app's file is no target's: what changes it alone changes nothing there.
    let looks = [
        "/plan",
        "/check",
        "/backup",
        "/cancel",
        "/edits",
        "/presence",
        "/layout",
        "/file",
        "/undo",
        "/redo",
        "/fork",
        "/fmt",
        "/export",
        "/pack",
        "/v1/apps",
        // It looks for itself: a look before the move changes nothing.
        "/move",
    ];
    // A program or a terminal in a copy can do anything to it.
    let reaches = request.headers().contains_key(header::UPGRADE) || is_terminal(request.uri());
    (request.method() != Method::GET || reaches)
        && !looks.iter().any(|end| request.uri().path().ends_with(end))
}

pub(crate) async fn list(State(door): State<Door>) -> Result<Response, Refusal> {
    Ok(Json(json!({ "targets": door.elsewhere.targets.list()? })).into_response())
}

/// What is said of a target; what is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// A file on the server's machine.
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    registry: Option<String>,
    address: Option<String>,
    ingress_class: Option<String>,
    storage_class: Option<String>,
    shared_storage_class: Option<String>,
    protected: Option<bool>,
}

async fn keep(
    State(door): State<Door>,
    Path(name): Path<String>,
    Json(said): Json<Said>,
) -> Result<Response, Refusal> {
    let targets = &door.elsewhere.targets;
    let mut settings = match &said.kubeconfig {
        Some(path) => {
            let (kubeconfig, server) = apps::kubeconfig(path, said.context.as_deref())?;
            let old = targets.get(&name).ok();
            let fresh = TargetSettings {
                name: name.clone(),
                kubeconfig: String::new(),
                server: String::new(),
                registry: None,
                address: None,
                ingress_class: None,
                storage_class: None,
                shared_storage_class: None,
                protected: false,
            };
            TargetSettings { kubeconfig, server, ..old.unwrap_or(fresh) }
        }
        None => targets.get(&name)?,
    };
    // An empty text takes a setting back.
    let take = |to: &mut Option<String>, said: Option<String>| {
        if let Some(said) = said {
            *to = Some(said).filter(|said| !said.is_empty());
        }
    };
    take(&mut settings.registry, said.registry);
    take(&mut settings.address, said.address);
    take(&mut settings.ingress_class, said.ingress_class);
    take(&mut settings.storage_class, said.storage_class);
    take(&mut settings.shared_storage_class, said.shared_storage_class);
    settings.protected = said.protected.unwrap_or(settings.protected);
    targets.put(&settings)?;
    checked(&door, settings).await
}

async fn forget(State(door): State<Door>, Path(name): Path<String>) -> Result<Response, Refusal> {
    door.elsewhere.targets.remove(&name)?;
    door.elsewhere.doors.lock().await.remove(&name);
    Ok(Json(json!({ "removed": name })).into_response())
}

async fn use_(State(door): State<Door>, Path(name): Path<String>) -> Result<Response, Refusal> {
    door.elsewhere.targets.use_(&name)?;
    Ok(Json(json!({ "used": name })).into_response())
}

async fn check(State(door): State<Door>, Path(name): Path<String>) -> Result<Response, Refusal> {
    if name == door.target.name() {
        return Ok(Json(apps::check_here(&door.target).await?).into_response());
    }
    checked(&door, door.elsewhere.targets.get(&name)?).await
}

/// What opens a target, for kubectl.
async fn opens(State(door): State<Door>, Path(name): Path<String>) -> Result<Response, Refusal> {
    Ok(door.elsewhere.targets.get(&name)?.kubeconfig.into_response())
}

async fn checked(door: &Door, settings: TargetSettings) -> Result<Response, Refusal> {
    Ok(Json(apps::check_target(&door.target, settings).await?).into_response())
}
