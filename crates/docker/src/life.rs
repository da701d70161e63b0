//! Start, stop, kill, wait, remove, rename.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::json;

use crate::api::Door;
use crate::containers::{Containers, blocking};
use crate::create::{checked, taken};
use crate::entry::{Entry, Phase, Progress};
use crate::error::{Error, Result, chain};
use crate::options::MAIN;
use crate::values::{Pairs, flag, number, text};
use crate::{attach, signal};

/// Seconds a container may take to end unless asked otherwise, as Docker has it.
const GRACE: i64 = 10;

pub(crate) async fn start(State(door): State<Door>, Path(name): Path<String>) -> Result<Response> {
    let entry = door.containers.find(&name)?;
    Ok(begin(&door, &entry).await?.into_response())
}

/// Starts it unless it runs already.
async fn begin(door: &Door, entry: &Arc<Entry>) -> Result<StatusCode> {
    let lock = entry.door.lock().await;
    if entry.progress.borrow().leaving {
        return Err(Error::NoContainer { name: entry.id.clone() });
    }
    let phase = entry.phase(&door.settings.pods).0;
    if phase.running() {
        return Ok(StatusCode::NOT_MODIFIED);
    }
    if entry.progress.borrow().running {
        // It has ended a moment ago and is not cleared away yet.
        end_sandbox(&door.containers, entry).await?;
    }
    let request = entry.request()?;
    let record = entry.record();
    let mut container = request.container(0)?;
    container.image.clone_from(&record.image_digest);
    let spec = request.spec(&entry.id)?;
    let again = matches!(phase, Phase::Exited(_));
    let pods = door.settings.pods.clone();
    let id = entry.id.clone();
    let started = blocking("start container", move || {
        make_sources(&container.mounts)?;
        pods.create(&spec).map_err(Error::pod("make the container's sandbox"))?;
        let started = if again {
            pods.start_again(&id, &container)
        } else {
            pods.start_container(&id, &container)
        };
        started.map_err(|source| {
            let words = [container.command.unwrap_or_default(), container.args.unwrap_or_default()];
            program(words.concat().first().map(String::as_str), source)
        })
    })
    .await;
    match started {
        Ok(_) => {
            entry.progress.send_modify(|progress| {
                progress.starts += 1;
                progress.running = true;
            });
            if let Some((rows, columns)) = entry.size() {
                // The container may have ended already; then nobody sees its size.
                drop(attach::set_size(door, entry, rows, columns).await);
            }
            // One that ended before it was taken for running would be missed.
            drop(lock);
            door.containers.clone().settle_later(entry.clone());
            Ok(StatusCode::NO_CONTENT)
        }
        Err(error) => {
            if let Err(error) = end_sandbox(&door.containers, entry).await {
                tracing::warn!(container = entry.id, error = chain(&error), "remains of a start");
            }
            entry.progress.send_modify(|progress| {
                progress.ends += 1;
                progress.code = match &error {
                    Error::Program { reason } if reason.contains("permission denied") => 126,
                    Error::Program { .. } => 127,
                    _ => 128,
                };
            });
            drop(lock);
            if request.host_config.auto_remove {
                door.containers.remove(entry).await?;
            }
            Err(error)
        }
    }
}

async fn end_sandbox(containers: &Containers, entry: &Arc<Entry>) -> Result<()> {
    let (pods, id) = (containers.pods.clone(), entry.id.clone());
    blocking("end", move || match pods.get(&id) {
        Some(_) => pods.end(&id, Duration::ZERO).map_err(Error::pod("give the sandbox back")),
        None => Ok(()),
    })
    .await
}

/// Directories of the host that are to be mounted and are missing are made, as Docker does.
fn make_sources(mounts: &[pod::Mount]) -> Result<()> {
    for mount in mounts {
        if let pod::MountSource::Host(path) = &mount.source
            && !path.exists()
        {
            std::fs::create_dir_all(path).map_err(|source| Error::File {
                action: "make",
                path: path.clone(),
                source,
            })?;
        }
    }
    Ok(())
}

/// The words by which the command line tool tells 127 and 126 from 125.
pub(crate) fn program(name: Option<&str>, source: pod::Error) -> Error {
    let code = match &source {
        pod::Error::Engine { source, .. } => source.exit_code(),
        _ => 0,
    };
    let name = name.map_or_else(|| "the image's program".to_owned(), |name| format!("{name:?}"));
    match code {
        127 => {
            Error::Program { reason: format!("exec: {name}: executable file not found in $PATH") }
        }
        126 => Error::Program { reason: format!("exec: {name}: permission denied") },
        _ => Error::Pod { action: "start container", source: Box::new(source) },
    }
}

pub(crate) async fn stop(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<StatusCode> {
    let entry = door.containers.find(&name)?;
    if !entry.phase(&door.settings.pods).0.running() {
        return Ok(StatusCode::NOT_MODIFIED);
    }
    halt(&door, &entry, &query).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Its signal, a grace period, SIGKILL; returns when its end is told.
async fn halt(door: &Door, entry: &Arc<Entry>, query: &Pairs) -> Result<()> {
    let request = entry.request()?;
    let seconds = number::<i64>(query, "t")?.or(request.stop_timeout).unwrap_or(GRACE);
    // Docker: a negative grace waits for ever.
    let grace =
        u64::try_from(seconds).map_or(Duration::from_secs(86_400 * 365), Duration::from_secs);
    let asked = text(query, "signal").or(request.stop_signal.as_deref());
    let asked = asked.map(signal::number).transpose()?;
    let mut progress = entry.progress.subscribe();
    let (pods, id) = (door.settings.pods.clone(), entry.id.clone());
    if let Some(number) = asked.filter(|_| !grace.is_zero()) {
        let kill = {
            let (pods, id) = (pods.clone(), id.clone());
            blocking("signal", move || pods.kill(&id, MAIN, number).map_err(Error::pod("signal")))
        };
        // One that ended by itself in between is what is wanted.
        drop(kill.await);
        let ended = progress.wait_for(|progress| !progress.running);
        if tokio::time::timeout(grace, ended).await.is_ok() {
            return Ok(());
        }
    }
    blocking("stop container", move || {
        let grace = if asked.is_some() { Duration::ZERO } else { grace };
        pods.stop_container(&id, MAIN, grace).map(drop).map_err(Error::pod("stop container"))
    })
    .await?;
    // The sender lives in the entry, which we hold.
    drop(progress.wait_for(|progress| !progress.running).await);
    Ok(())
}

pub(crate) async fn restart(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<StatusCode> {
    let entry = door.containers.find(&name)?;
    if entry.phase(&door.settings.pods).0.running() {
        halt(&door, &entry, &query).await?;
    }
    begin(&door, &entry).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn kill(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<StatusCode> {
    let entry = door.containers.find(&name)?;
    let number = signal::number(text(&query, "signal").unwrap_or("KILL"))?;
    if !entry.phase(&door.settings.pods).0.running() {
        let reason = format!("container {} is not running", entry.id);
        return Err(Error::Conflict { reason });
    }
    let (pods, id) = (door.settings.pods.clone(), entry.id.clone());
    let mut progress = entry.progress.subscribe();
    blocking("kill", move || pods.kill(&id, MAIN, number).map_err(Error::pod("kill"))).await?;
    if number == 9 {
        let ended = progress.wait_for(|progress| !progress.running);
        drop(tokio::time::timeout(Duration::from_secs(GRACE.unsigned_abs()), ended).await);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Answers at once with headers, and with the exit code when it is known.
pub(crate) async fn wait(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<Response> {
    let entry = door.containers.find(&name)?;
    let mut progress = entry.progress.subscribe();
    let before = *progress.borrow_and_update();
    let condition = text(&query, "condition").unwrap_or("not-running").to_owned();
    let phase = entry.phase(&door.settings.pods).0;
    let known = match &phase {
        Phase::Exited(state) => state.exit.map_or(0, |exit| exit.code),
        _ => 0,
    };
    let done: fn(&Progress, &Progress) -> bool = match condition.as_str() {
        "removed" => |_, now| now.gone,
        "next-exit" => |before, now| now.ends > before.ends || now.gone,
        "not-running" => |_, now| !now.running,
        other => return Err(Error::bad(format!("invalid condition: {other:?}"))),
    };
    let answer = async move {
        let code = match progress.wait_for(|now| done(&before, now)).await {
            Ok(now) if now.ends > 0 => now.code,
            _ => known,
        };
        drop(entry);
        Ok::<_, std::convert::Infallible>(Bytes::from(format!("{}\n", json!({"StatusCode": code}))))
    };
    let body = Body::from_stream(futures_once(answer));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// A stream of the one value a future gives.
fn futures_once<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> impl tokio_stream::Stream<Item = T> + Send {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            // Nobody is left to be told.
            () = sender.closed() => {}
            value = future => drop(sender.send(value).await),
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

pub(crate) async fn remove(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<StatusCode> {
    let entry = door.containers.find(&name)?;
    if flag(&query, "link") {
        return Err(Error::unsupported("links"));
    }
    if entry.phase(&door.settings.pods).0.running() {
        if !flag(&query, "force") {
            let name = entry.record().name;
            return Err(Error::Conflict {
                reason: format!(
                    "cannot remove container \"/{name}\": container is running: stop the container before removing or force remove"
                ),
            });
        }
        let (pods, id) = (door.settings.pods.clone(), entry.id.clone());
        blocking("kill", move || {
            pods.stop_container(&id, MAIN, Duration::ZERO).map(drop).map_err(Error::pod("kill"))
        })
        .await?;
    }
    door.containers.remove(&entry).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn rename(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<StatusCode> {
    let entry = door.containers.find(&name)?;
    let wanted = checked(text(&query, "name").unwrap_or_default())?.to_owned();
    let _door = entry.door.lock().await;
    let before = entry.record();
    let mut record = before.clone();
    record.name.clone_from(&wanted);
    {
        let entries = door.containers.lock();
        let others = entries.values().filter(|other| other.id != entry.id);
        taken(others.map(|other| other.record()), &wanted)?;
        entry.set_record(record.clone());
    }
    let dir = door.containers.dir.clone();
    if let Err(error) = blocking("write record", move || record.save(&dir)).await {
        entry.set_record(before);
        return Err(error);
    }
    Ok(StatusCode::NO_CONTENT)
}
