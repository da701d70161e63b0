//! `docker pull`, `docker push` and `docker login`: what goes between us and registries.
//!
//! The base image is made here; every other comes from its registry. A client's own login
//! (`X-Registry-Auth`) comes before those of this machine.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Query, State};
use axum::response::Response;
use http::HeaderMap;
use image::{Image, Reference};
use registry::{Login, Progress};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::api::Door;
use crate::error::{Error, Result, chain};
use crate::images::{familiar, find, lines};
use crate::values::{Pairs, text};

/// Between two lines about the same blob.
const LINE_EVERY: Duration = Duration::from_millis(100);

/// What `docker login` sends.
#[derive(Deserialize)]
pub(crate) struct Auth {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    serveraddress: String,
}

/// Whether a registry takes a login; nothing is kept here.
pub(crate) async fn auth(State(door): State<Door>, Json(asked): Json<Auth>) -> Result<Json<Value>> {
    let host = asked.serveraddress.trim_start_matches("https://").trim_start_matches("http://");
    let host = match host.split('/').next().unwrap_or_default() {
        "" | "index.docker.io" => "docker.io",
        host => host,
    };
    // Anything that is no host is refused before it becomes part of a URL.
    Reference::parse(&format!("{host}/a")).map_err(Error::image("read the registry's name"))?;
    let login = Login::new(asked.username, asked.password);
    door.settings.registry.check(host, &login).await.map_err(Error::Registry)?;
    Ok(Json(json!({"Status": "Login Succeeded", "IdentityToken": ""})))
}

/// The login for a name: the client's, or this machine's.
fn login(door: &Door, name: &Reference, headers: &HeaderMap) -> Result<Option<Login>> {
    let sent = headers.get("x-registry-auth").and_then(|value| value.to_str().ok());
    match sent.and_then(Login::from_header) {
        Some(login) => Ok(Some(login)),
        None => door.settings.registry.login(name).map_err(Error::Registry),
    }
}

/// `docker pull`.
pub(crate) async fn create(
    State(door): State<Door>,
    Query(query): Query<Pairs>,
    headers: HeaderMap,
) -> Result<Response> {
    let Some(from) = text(&query, "fromImage") else {
        return Err(Error::unsupported("importing an image (fromSrc)"));
    };
    let name = match text(&query, "tag") {
        Some(tag) if tag.starts_with("sha256:") => format!("{from}@{tag}"),
        Some(tag) => format!("{from}:{tag}"),
        None => from.to_owned(),
    };
    let reference = Reference::parse(&name).map_err(Error::image("read the name"))?;
    let login = login(&door, &reference, &headers)?;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        // A client that goes away ends its pull; what was fetched in whole layers is not lost.
        tokio::select! {
            () = pull(&door, &reference, login.as_ref(), &sender) => {}
            () = sender.closed() => {}
        }
    });
    Ok(lines(receiver))
}

async fn pull(
    door: &Door,
    name: &Reference,
    login: Option<&Login>,
    sender: &UnboundedSender<Value>,
) {
    // The client may be gone; that is noticed elsewhere.
    let say = |value: Value| drop(sender.send(value));
    let images = door.settings.images.clone();
    let (text, said) = (name.to_string(), sender.clone());
    // Only names of Debian 12 have a base image here.
    let based = tokio::task::spawn_blocking(move || {
        let known = images.find(&text).ok().flatten().is_some();
        if known && images.came_from_registry(&text).unwrap_or(false) {
            return Err(None);
        }
        let mut progress = |text: &str| drop(said.send(json!({"status": text})));
        images.base(&text, &mut progress).map_err(Some)
    });
    let Ok(based) = based.await else {
        return say(failed("the thread that makes the image broke off"));
    };
    let image = match based {
        Ok(image) => Ok(image),
        Err(None | Some(image::Error::Unknown { .. })) => {
            say(json!({"status": format!("Pulling from {}", name.path), "id": name.tag}));
            let shown = Lines::new(sender, "Downloading", "Pull complete", "Already exists");
            let progress = |step| shown.say(step);
            let images = &door.settings.images;
            let pulled = door.settings.registry.pull(images, name, login, &progress).await;
            pulled.map_err(|error| refused(&error))
        }
        Err(Some(error)) => Err(failed(&chain(&error))),
    };
    match image {
        Ok(image) => {
            say(json!({"status": format!("Digest: {}", image.digest)}));
            say(
                json!({"status": format!("Status: Image is up to date for {}", familiar(&name.name()))}),
            );
        }
        Err(line) => say(line),
    }
}

/// `docker push`.
pub(crate) fn push(
    door: &Door,
    name: &str,
    query: &Pairs,
    headers: &HeaderMap,
) -> Result<Response> {
    let name = match text(query, "tag") {
        Some(tag) => format!("{name}:{tag}"),
        None => name.to_owned(),
    };
    let reference = Reference::parse(&name).map_err(Error::image("read the name"))?;
    let image = find(&door.settings.images, &name)?;
    let login = login(door, &reference, headers)?;
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let door = door.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = send(&door, &image, &reference, login.as_ref(), &sender) => {}
            () = sender.closed() => {}
        }
    });
    Ok(lines(receiver))
}

async fn send(
    door: &Door,
    image: &Image,
    to: &Reference,
    login: Option<&Login>,
    sender: &UnboundedSender<Value>,
) {
    let say = |value: Value| drop(sender.send(value));
    let repository = format!("{}/{}", to.domain, to.path);
    say(json!({"status": format!("The push refers to repository [{repository}]")}));
    let shown = Lines::new(sender, "Pushing", "Pushed", "Layer already exists");
    let progress = |step| shown.say(step);
    let images = &door.settings.images;
    match door.settings.registry.push(images, image, to, login, &progress).await {
        Ok(sent) => {
            let tag = to.tag.as_deref().unwrap_or("latest");
            say(json!({"status": format!("{tag}: digest: {} size: {}", sent.digest, sent.size)}));
            say(
                json!({"progressDetail": {}, "aux": {"Tag": tag, "Digest": sent.digest, "Size": sent.size}}),
            );
        }
        Err(error) => say(refused(&error)),
    }
}

/// Docker's form, and ours beside it for our own command line.
fn refused(error: &registry::Error) -> Value {
    let mut message = error.line();
    if let Some(hint) = error.hint() {
        message = message.trim_end_matches(&format!(" ({hint})")).to_owned();
    }
    let mut line = failed(&error.line());
    line["shelf"] = json!({"code": error.code(), "message": message, "hint": error.hint()});
    line
}

fn failed(text: &str) -> Value {
    json!({"error": text, "errorDetail": {"message": text}})
}

/// Progress as lines of Docker's, not more often than somebody can read.
struct Lines<'a> {
    sender: &'a UnboundedSender<Value>,
    moving: &'static str,
    moved: &'static str,
    present: &'static str,
    last: Mutex<BTreeMap<String, Instant>>,
}

impl<'a> Lines<'a> {
    fn new(
        sender: &'a UnboundedSender<Value>,
        moving: &'static str,
        moved: &'static str,
        present: &'static str,
    ) -> Self {
        Self { sender, moving, moved, present, last: Mutex::default() }
    }

    fn say(&self, step: Progress) {
        let short = |digest: &str| digest.get(7..19).unwrap_or(digest).to_owned();
        let line = match step {
            Progress::Moved { digest, done, size } => {
                let Ok(mut last) = self.last.lock() else { return };
                let now = Instant::now();
                if last.get(&digest).is_some_and(|last| now - *last < LINE_EVERY) {
                    return;
                }
                last.insert(digest.clone(), now);
                json!({"status": self.moving, "id": short(&digest),
                    "progressDetail": {"current": done, "total": size}})
            }
            Progress::Done { digest, present } => {
                let status = if present { self.present } else { self.moved };
                json!({"status": status, "id": short(&digest), "progressDetail": {}})
            }
            _ => return,
        };
        drop(self.sender.send(line));
    }
}
