//! `git push` to an app: the smart protocol over HTTP, on the canvas's address below `/git/APP`.
//!
//! Whoever has the app's key may push its branch, and nothing else. What arrives is checked by the
//! `git` room and goes live as any push does; what that says is told to git's user in lines of
//! `remote:`. A push that does not come up leaves the branch where it was. Where next:
//! `git/keys.rs` (who may), `git/told.rs` (what is said).

mod keys;
mod told;

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use ::git::{Band, Command, Id, Repository};
use apps::PushOptions;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::Door;
use crate::answer::Refusal;
use crate::begin::begin;
use crate::code::reader;
use crate::person::{Caller, Person};

/// Pieces of an answer that a slow peer may leave lying.
const QUEUE: usize = 64;
/// How long copies may take to become ready.
const TIMEOUT: Duration = Duration::from_secs(300);
const SERVICE: &str = "git-receive-pack";

/// Where an app's pushes and keys lie.
fn folder(door: &Door, app: &str) -> Result<PathBuf, Refusal> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if app.is_empty() || app.len() > 63 || !app.chars().all(fits) {
        return Err(Refusal::absent("app/absent", format!("there is no app {app:?}")));
    }
    Ok(door.target.keep.join("git").join(app))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyRequest {
    /// The branch that goes live [default: what it is, or `main`].
    #[serde(default)]
    branch: Option<String>,
}

/// `POST /v1/apps/{app}/git`: a new key for pushes, shown this once.
pub(crate) async fn make_key(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(app): Path<String>,
    Json(request): Json<KeyRequest>,
) -> Response {
    let Some(address) = door.canvas else {
        let refusal = Refusal::new(
            StatusCode::CONFLICT,
            "canvas/off",
            "this server runs without its canvas, which takes pushes",
        );
        return refusal
            .hint("start it again with it:  shelf serve --canvas 127.0.0.1:7433")
            .into_response();
    };
    let made = folder(&door, &app)
        .and_then(|folder| keys::make(&folder, request.branch.as_deref(), &caller.person.name));
    match made {
        Ok((key, branch)) => Json(json!({
            "url": format!("http://{address}/git/{app}"), "branch": branch,
            "username": "shelf", "password": key,
        }))
        .into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// `DELETE /v1/apps/{app}/git`: no key opens any more.
pub(crate) async fn end_keys(State(door): State<Door>, Path(app): Path<String>) -> Response {
    match folder(&door, &app).and_then(|folder| keys::end(&folder)) {
        Ok(count) => Json(json!({ "ended": count })).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Who may push: the folder of the app's pushes, or the answer that asks for a key.
fn admitted(
    door: &Door,
    app: &str,
    headers: &HeaderMap,
) -> Result<(PathBuf, keys::Opened), Box<Response>> {
    let name = app.strip_suffix(".git").unwrap_or(app);
    let folder = folder(door, name).map_err(|refusal| Box::new(refusal.into_response()))?;
    match keys::open(&folder, headers) {
        Ok(Some(opened)) => Ok((folder, opened)),
        Ok(None) => {
            let refusal =
                Refusal::new(StatusCode::UNAUTHORIZED, "git/key", "a push needs the app's key")
                    .hint("get one:  shelf git");
            let asks = [(header::WWW_AUTHENTICATE, "Basic realm=\"shelf\", charset=\"UTF-8\"")];
            Err(Box::new((asks, refusal).into_response()))
        }
        Err(refusal) => Err(Box::new(refusal.into_response())),
    }
}

fn git_answer(kind: &'static str, body: Body) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

#[derive(Debug, Deserialize)]
pub(crate) struct ServiceQuery {
    service: Option<String>,
}

/// `GET /git/{app}/info/refs`: what is there already.
pub(crate) async fn refs(
    State(door): State<Door>,
    Path(app): Path<String>,
    Query(query): Query<ServiceQuery>,
    headers: HeaderMap,
) -> Response {
    if query.service.as_deref() != Some(SERVICE) {
        return Refusal::new(
            StatusCode::FORBIDDEN,
            "git/push-only",
            "this address takes pushes and gives nothing out",
        )
        .into_response();
    }
    let folder = match admitted(&door, &app, &headers) {
        Ok((folder, _)) => folder,
        Err(answer) => return *answer,
    };
    let read = tokio::task::spawn_blocking(move || {
        let _only = lock(&folder)?;
        Repository::open(&folder)?.tip()
    });
    match read.await {
        Ok(Ok(tip)) => git_answer(
            "application/x-git-receive-pack-advertisement",
            Body::from(::git::advertisement(tip.as_ref())),
        ),
        Ok(Err(error)) => ours(&error).into_response(),
        Err(error) => ours(&error).into_response(),
    }
}

/// One push at a time looks at an app's packs.
fn lock(folder: &std::path::Path) -> Result<std::fs::File, ::git::Error> {
    let path = folder.join("lock");
    let failed = |source| ::git::Error::Disk { what: "lock", path: path.clone(), source };
    fs_err::create_dir_all(folder).map_err(failed)?;
    let file = std::fs::File::create(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn ours(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a push could not be looked at");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "git/store", error.to_string())
}

/// `POST /git/{app}/git-receive-pack`: a push.
pub(crate) async fn receive(
    State(door): State<Door>,
    Path(app): Path<String>,
    request: Request,
) -> Response {
    let (folder, opened) = match admitted(&door, &app, request.headers()) {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let app = app.strip_suffix(".git").unwrap_or(&app).to_owned();
    let (pieces, answer) = mpsc::channel::<Bytes>(QUEUE);
    let body = request.into_body();
    // A push that was begun is brought to its end, whoever still listens.
    tokio::spawn(async move {
        Push { door, app, folder, opened, pieces, bands: false }.run(body).await;
    });
    let answer = ReceiverStream::new(answer).map(Ok::<_, Infallible>);
    git_answer("application/x-git-receive-pack-result", Body::from_stream(answer))
}

/// A push under way.
struct Push {
    door: Door,
    app: String,
    folder: PathBuf,
    opened: keys::Opened,
    pieces: mpsc::Sender<Bytes>,
    /// Whether the pusher hears anything but the verdict.
    bands: bool,
}

/// What was found in a push, and is not live yet.
struct Arrived {
    repository: Repository,
    staged: ::git::Staged,
    code: TempDir,
    files: ::git::Files,
    _only: std::fs::File,
}

/// What happened so far: the verdict on the pack, and on each name.
type Verdict = (Result<(), String>, Vec<(String, Result<(), String>)>);

impl Push {
    async fn run(mut self, body: Body) {
        let mut from = reader(body);
        let read = tokio::task::spawn_blocking(move || {
            let request = ::git::Request::read(&mut from);
            (request, from)
        });
        let Ok((request, from)) = read.await else { return };
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                self.bands = true;
                return self.verdict((Err(error.to_string()), Vec::new())).await;
            }
        };
        // Without a name it was a try, before a body that is long.
        if request.commands.is_empty() {
            return;
        }
        self.bands = request.bands;
        let refused = self.refused(&request.commands);
        let verdict = match refused {
            Some(names) => {
                // What is sent is heard to its end, or git says only that the line broke.
                let _heard = tokio::task::spawn_blocking(move || {
                    let mut from = from;
                    std::io::copy(
                        &mut std::io::Read::take(&mut from, 1 << 30),
                        &mut std::io::sink(),
                    )
                })
                .await;
                (Ok(()), names)
            }
            None => self.take(request.commands, from).await,
        };
        self.verdict(verdict).await;
    }

    /// Why the names cannot be had, if they cannot.
    fn refused(&self, commands: &[Command]) -> Option<Vec<(String, Result<(), String>)>> {
        let branch = &self.opened.branch;
        let wanted = format!("refs/heads/{branch}");
        let why = |command: &Command| {
            if command.name != wanted {
                Some(format!("only {branch} goes live here: git push shelf HEAD:{branch}"))
            } else if command.new == Id::NONE {
                Some("an app is taken away by shelf destroy".to_owned())
            } else {
                None
            }
        };
        let all: Vec<_> = commands.iter().map(|one| (one.name.clone(), why(one))).collect();
        if all.iter().all(|(_, why)| why.is_none()) && all.len() == 1 {
            return None;
        }
        let besides = || "nothing was deployed: push one branch alone".to_owned();
        Some(all.into_iter().map(|(name, why)| (name, Err(why.unwrap_or_else(besides)))).collect())
    }

    /// Takes the pack in and brings it to life.
    async fn take(&mut self, commands: Vec<Command>, from: crate::code::BodyReader) -> Verdict {
        let Some(command) = commands.into_iter().next() else { return (Ok(()), Vec::new()) };
        let (folder, keep) = (self.folder.clone(), self.door.target.keep.clone());
        let (branch, new, old) = (self.opened.branch.clone(), command.new, command.old);
        let arriving =
            tokio::task::spawn_blocking(move || arrive(&folder, &keep, (&branch, old, new), from));
        let arrived = match arriving.await {
            Ok(Ok(arrived)) => arrived,
            Ok(Err(error)) => {
                let why = error.to_string();
                if matches!(error, ::git::Error::Missing(_)) {
                    self.say("what was known of earlier pushes is not whole and was forgotten: push again").await;
                }
                return (Err(why.clone()), vec![(command.name, Err(why))]);
            }
            Err(error) => {
                return (Err(error.to_string()), vec![(command.name, Err("it failed".into()))]);
            }
        };
        let short: String = new.to_string().chars().take(10).collect();
        let Arrived { mut repository, staged, code, files, _only } = arrived;
        self.say(&format!(
            "{short} {}: {} files, {} kB",
            files.says,
            files.file_count,
            files.size_bytes.div_ceil(1000)
        ))
        .await;
        for path in &files.left_out {
            self.say(&format!("! {path} is another repository and is left out")).await;
        }
        let live = self.go(code).await;
        let kept = match live {
            Ok(()) => {
                repository.deployed(&self.opened.branch, new).map_err(|error| error.to_string())
            }
            Err(why) => {
                repository.discard(staged);
                Err(why)
            }
        };
        (Ok(()), vec![(command.name, kept)])
    }

    /// Goes with the code that arrived, and tells what happens.
    async fn go(&mut self, code: TempDir) -> Result<(), String> {
        match apps::app_name(code.path()) {
            Ok(name) if name == self.app => {}
            Ok(name) => return Err(format!("its app.toml is that of {name}, not of {}", self.app)),
            Err(error) => {
                let said = error.report().rendered;
                self.tell(&said).await;
                return Err("it has no app.toml at its top that can be read".into());
            }
        }
        let caller = Caller { person: Person::named(&self.opened.by), session: "git".to_owned() };
        let by = caller.person.name.clone();
        let begun = begin(&self.door, "push", &self.app, &caller, |target, mut tell| async move {
            let options = PushOptions { only: None, timeout: TIMEOUT, by };
            // The folder goes with this future: an image was made of it, or nothing.
            apps::push(&target, code.path(), &options, &mut tell).await
        });
        let mut lines = match begun {
            Ok((_, lines)) => lines,
            Err(refusal) => return Err(refusal.message().to_owned()),
        };
        let mut telling = told::Telling::default();
        while let Some(line) = lines.recv().await {
            if let Some(result) = line.get("result") {
                let url =
                    result["url"].as_str().map(|url| format!(" at {url}")).unwrap_or_default();
                self.say(&format!("{} is live{url}", self.app)).await;
                return Ok(());
            }
            if let Some(error) = line.get("error") {
                return Err(self.failed(error).await);
            }
            for text in telling.lines(&line) {
                self.say(&text).await;
            }
        }
        Err("the server ended before the push did".into())
    }

    async fn failed(&mut self, error: &Value) -> String {
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let rendered = text("rendered");
        let said = if rendered.is_empty() { text("message") } else { rendered };
        self.tell(&said).await;
        match error["code"].as_str() {
            Some("push/back") => "it did not come up; the app is what it was before".into(),
            Some("push/stuck") => "it did not come up, and neither did what was before".into(),
            _ => "it could not be built or started; nothing goes live".into(),
        }
    }

    async fn tell(&mut self, text: &str) {
        for line in text.lines() {
            self.say(line).await;
        }
    }

    /// Tells the person at the other end a line.
    async fn say(&mut self, text: &str) {
        if self.bands {
            let plain: String = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
            let said = ::git::said(Band::Person, format!("{plain}\n").as_bytes());
            // Who has gone away hears nothing; the push goes on.
            let _gone = self.pieces.send(said.into()).await;
        }
    }

    async fn verdict(&mut self, (unpack, names): Verdict) {
        let verdict = ::git::verdict(unpack.as_ref().map(|_| ()).map_err(String::as_str), &names);
        let bytes = match self.bands {
            true => [&::git::said(Band::Data, &verdict)[..], ::git::flush()].concat(),
            false => verdict,
        };
        let _gone = self.pieces.send(bytes.into()).await;
    }
}

/// Checks a pack and writes the files of its commit.
fn arrive(
    folder: &std::path::Path,
    keep: &std::path::Path,
    (branch, old, new): (&str, Id, Id),
    from: impl std::io::Read,
) -> Result<Arrived, ::git::Error> {
    let only = lock(folder)?;
    let mut repository = Repository::open(folder)?;
    let staged = repository.receive(from)?;
    let code = tempfile::Builder::new().prefix("code-").tempdir_in(keep);
    let code = code.map_err(|source| ::git::Error::Disk {
        what: "make a folder in",
        path: keep.to_owned(),
        source,
    })?;
    let tip = repository.tip()?.filter(|(known, _)| known == branch).map(|(_, tip)| tip);
    let checked = match tip.unwrap_or(Id::NONE) == old {
        true => repository.checkout(new, code.path()),
        false => {
            Err(::git::Error::Protocol("another push came first: fetch nothing, push again".into()))
        }
    };
    match checked {
        Ok(files) => Ok(Arrived { repository, staged, code, files, _only: only }),
        Err(error) => {
            repository.discard(staged);
            if matches!(error, ::git::Error::Missing(_)) {
                repository.forget()?;
            }
            Err(error)
        }
    }
}
