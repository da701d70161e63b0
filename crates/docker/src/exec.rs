//! Commands beside a container's own process: create, start, resize, inspect.
//!
//! They live as long as this server: a command belongs to the connection of its server, and the
//! keeper ends it when that goes away.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt;
use pod::{Overrides, Process, Session};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::api::Door;
use crate::containers::blocking;
use crate::error::{Error, Result, chain};
use crate::options::MAIN;
use crate::streams::{self, Halves, PIECES, STDERR, STDOUT};
use crate::values::{Pairs, is_empty, number};
use crate::{create as names, life};

/// Commands kept after their end, so that their exit code can be asked for.
const KEPT: usize = 256;
/// How long output that a command's children hold open is waited for after its end.
const REST: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Asked {
    cmd: Vec<String>,
    attach_stdin: bool,
    tty: bool,
    env: Option<Vec<String>>,
    working_dir: Option<String>,
    user: Option<String>,
    privileged: bool,
    console_size: Option<(u16, u16)>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Start {
    detach: bool,
    console_size: Option<(u16, u16)>,
}

/// One command.
pub(crate) struct Command {
    id: String,
    container: String,
    asked: Asked,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    begun: bool,
    process: Option<Arc<Process>>,
    code: Option<i32>,
}

/// The commands of this server, in order of their making.
#[derive(Default)]
pub(crate) struct Execs {
    inside: Mutex<(u64, BTreeMap<u64, Arc<Command>>)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Execs {
    fn add(&self, command: Command) {
        let mut inside = lock(&self.inside);
        inside.0 += 1;
        let number = inside.0;
        inside.1.insert(number, Arc::new(command));
        let over = inside.1.len().saturating_sub(KEPT);
        let ended: Vec<u64> = inside
            .1
            .iter()
            .filter(|(_, command)| lock(&command.running).code.is_some())
            .map(|(number, _)| *number)
            .take(over)
            .collect();
        for number in ended {
            inside.1.remove(&number);
        }
    }

    fn find(&self, id: &str) -> Result<Arc<Command>> {
        let inside = lock(&self.inside);
        let found = inside.1.values().find(|command| command.id == id).cloned();
        found.ok_or_else(|| Error::NoExec { id: id.to_owned() })
    }
}

pub(crate) async fn create(
    State(door): State<Door>,
    Path(name): Path<String>,
    Json(asked): Json<Asked>,
) -> Result<Response> {
    let entry = door.containers.find(&name)?;
    if asked.cmd.is_empty() {
        return Err(Error::bad("No exec command specified"));
    }
    if asked.privileged {
        return Err(Error::unsupported("a privileged command"));
    }
    for (name, value) in &asked.rest {
        let known =
            matches!(name.as_str(), "AttachStdout" | "AttachStderr" | "DetachKeys" | "Detach");
        if !known && !is_empty(value) {
            return Err(Error::unsupported(name));
        }
    }
    if !entry.phase(&door.settings.pods).0.running() {
        let reason = format!("container {} is not running", entry.id);
        return Err(Error::Conflict { reason });
    }
    let id = names::new_id();
    let running = Mutex::default();
    door.execs.add(Command { id: id.clone(), container: entry.id.clone(), asked, running });
    Ok((StatusCode::CREATED, Json(json!({"Id": id}))).into_response())
}

impl Command {
    fn overrides(&self) -> Overrides {
        let env = self.asked.env.iter().flatten();
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Overrides {
            env: env
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            working_dir: filled(&self.asked.working_dir).map(PathBuf::from),
            user: filled(&self.asked.user),
        }
    }

    /// Starts it on a thread that may block. A program that is not there is an end with 127.
    async fn begin(
        self: &Arc<Self>,
        door: &Door,
        size: (u16, u16),
        stdin: bool,
    ) -> Result<Session> {
        let exec = pod::Exec {
            args: self.asked.cmd.clone(),
            stdin,
            terminal: self.asked.tty.then_some(size),
        };
        let (pods, id, overrides) =
            (door.settings.pods.clone(), self.container.clone(), self.overrides());
        let program = exec.args.first().cloned();
        let began = blocking("run command", move || {
            pods.exec_as(&id, MAIN, &exec, &overrides)
                .map_err(|error| life::program(program.as_deref(), error))
        })
        .await;
        let mut running = lock(&self.running);
        match &began {
            Ok(session) => running.process = Some(session.process.clone()),
            Err(Error::Program { reason }) if reason.contains("permission denied") => {
                running.code = Some(126);
            }
            Err(Error::Program { .. }) => running.code = Some(127),
            Err(_) => running.code = Some(128),
        }
        began
    }

    /// Waits for its end and keeps the exit code.
    async fn end(self: &Arc<Self>, process: Arc<Process>) {
        let waited = tokio::task::spawn_blocking(move || process.wait()).await;
        let code = match waited {
            Ok(Ok(exit)) => exit.code,
            // The container ended with it, or its keeper did.
            _ => 137,
        };
        let mut running = lock(&self.running);
        running.code = Some(code);
        running.process = None;
    }
}

pub(crate) async fn start(
    State(door): State<Door>,
    Path(id): Path<String>,
    mut request: Request,
) -> Result<Response> {
    let command = door.execs.find(&id)?;
    let upgrade = streams::upgrade(&mut request);
    let body = collect(request).await?;
    let start: Start = if body.is_empty() {
        Start::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| Error::bad(error.to_string()))?
    };
    {
        let mut running = lock(&command.running);
        if running.begun {
            let reason = format!("exec {id} has been started already");
            return Err(Error::Conflict { reason });
        }
        if !start.detach && upgrade.is_err() {
            return Err(Error::bad("an attached command needs `Upgrade: tcp`"));
        }
        running.begun = true;
    }
    let sides = start.console_size.or(command.asked.console_size);
    let size = sides.filter(|(rows, columns)| *rows > 0 && *columns > 0).unwrap_or((24, 80));
    if start.detach {
        let session = command.begin(&door, size, false).await?;
        tokio::spawn(detached(command, session));
        return Ok(StatusCode::OK.into_response());
    }
    let stdin = command.asked.attach_stdin;
    let began = command.begin(&door, size, stdin).await;
    let raw = command.asked.tty;
    let upgrade = upgrade?;
    tokio::spawn(async move {
        let Some(halves) = streams::taken(upgrade).await else { return };
        match began {
            Ok(session) => carry(command, session, halves, raw).await,
            Err(error) => {
                let (_, mut to) = halves;
                let text = format!("{}\n", chain(&error));
                drop(to.write_all(&streams::frame(STDERR, text.as_bytes(), raw)).await);
                drop(to.shutdown().await);
            }
        }
    });
    Ok(streams::switching(raw))
}

async fn collect(request: Request) -> Result<Bytes> {
    let body = http_body_util::Limited::new(request.into_body(), 1 << 20);
    let collected = body.collect().await.map_err(|error| Error::bad(error.to_string()))?;
    Ok(collected.to_bytes())
}

/// A command nobody listens to: its output is read and thrown away.
async fn detached(command: Arc<Command>, mut session: Session) {
    drop(session.stdin.take());
    streams::pump(session.stdout.take(), STDOUT, true, None);
    streams::pump(session.stderr.take(), STDERR, true, None);
    command.end(session.process.clone()).await;
}

/// Carries a command's streams until it has ended.
async fn carry(command: Arc<Command>, mut session: Session, (from, mut to): Halves, raw: bool) {
    let (sender, mut output) = mpsc::channel(PIECES);
    streams::pump(session.stdout.take(), STDOUT, raw, Some(sender.clone()));
    streams::pump(session.stderr.take(), STDERR, raw, Some(sender));
    let process = session.process.clone();
    let input = tokio::spawn(streams::feed(from, session.stdin.take()));
    let mut ended = tokio::spawn({
        let (command, process) = (command.clone(), process.clone());
        async move { command.end(process).await }
    });
    let mut over = false;
    let mut deadline = None;
    loop {
        let rest = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            piece = output.recv() => match piece {
                Some(piece) => {
                    if to.write_all(&piece).await.is_err() || to.flush().await.is_err() {
                        break;
                    }
                }
                None if over => break,
                None => {
                    over = true;
                    drop((&mut ended).await);
                    break;
                }
            },
            _ = &mut ended, if !over => {
                over = true;
                deadline = Some(tokio::time::Instant::now() + REST);
            }
            () = rest => break,
        }
    }
    if !over {
        // The client went away: so does what it started.
        drop(process.kill(9));
    }
    drop(to.shutdown().await);
    input.abort();
}

pub(crate) async fn resize(
    State(door): State<Door>,
    Path(id): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<StatusCode> {
    let command = door.execs.find(&id)?;
    let rows = number::<u16>(&query, "h")?.unwrap_or(24);
    let columns = number::<u16>(&query, "w")?.unwrap_or(80);
    let process = lock(&command.running).process.clone();
    if let Some(process) = process {
        blocking("resize", move || process.resize(rows, columns).map_err(Error::pod("resize")))
            .await?;
    }
    Ok(StatusCode::OK)
}

pub(crate) async fn inspect(
    State(door): State<Door>,
    Path(id): Path<String>,
) -> Result<Json<Value>> {
    let command = door.execs.find(&id)?;
    let running = lock(&command.running);
    let (program, arguments) = match command.asked.cmd.split_first() {
        Some((program, arguments)) => (program.clone(), arguments.to_vec()),
        None => (String::new(), Vec::new()),
    };
    Ok(Json(json!({
        "ID": command.id,
        "ContainerID": command.container,
        "Running": running.begun && running.code.is_none(),
        "ExitCode": running.code,
        "OpenStdin": command.asked.attach_stdin,
        "OpenStdout": true,
        "OpenStderr": true,
        "CanRemove": running.code.is_some(),
        "DetachKeys": "",
        "Pid": 0,
        "ProcessConfig": {
            "tty": command.asked.tty,
            "entrypoint": program,
            "arguments": arguments,
            "privileged": false,
            "user": command.asked.user.clone().unwrap_or_default(),
        },
    })))
}
