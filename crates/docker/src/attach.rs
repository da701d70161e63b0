//! Attached clients: a container's output from its log, its input through its keeper.
//!
//! Output comes by lines, since the log is written by lines: a prompt without a line break shows
//! with the line that follows it.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use http::StatusCode;
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::AsyncWriteExt;

use crate::api::Door;
use crate::containers::blocking;
use crate::entry::{Attached, Entry, Phase};
use crate::error::{Error, Result};
use crate::logs::{self, Wanted};
use crate::options::MAIN;
use crate::streams::{self, Halves};
use crate::values::{Pairs, flag, number};

pub(crate) async fn attach(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
    mut request: Request,
) -> Result<Response> {
    let entry = door.containers.find(&name)?;
    let asked = entry.request()?;
    let upgrade = streams::upgrade(&mut request)?;
    let stream = flag(&query, "stream");
    let wanted = Wanted {
        stdout: flag(&query, "stdout"),
        stderr: flag(&query, "stderr"),
        raw: asked.tty,
        follow: stream,
        // A running container's output from now on, unless its past is asked for.
        tail: (!flag(&query, "logs")).then_some(0),
        ..Wanted::default()
    };
    let stdin = stream && flag(&query, "stdin") && asked.open_stdin;
    let close = stdin && asked.stdin_once && !asked.tty;
    // Counted before the answer: the client starts the container next.
    let client = Client { attached: entry.attach(), entry, door, wanted, stdin, close };
    let progress = client.entry.progress.subscribe();
    let before = progress.borrow().starts;
    tokio::spawn(async move {
        if let Some(halves) = streams::taken(upgrade).await {
            client.serve(halves, before).await;
        }
    });
    Ok(streams::switching(asked.tty))
}

struct Client {
    entry: Arc<Entry>,
    door: Door,
    wanted: Wanted,
    stdin: bool,
    close: bool,
    attached: Attached,
}

impl Client {
    async fn serve(mut self, (from, mut to): Halves, before: u64) {
        let pods = self.door.settings.pods.clone();
        let running = self.entry.phase(&pods).0.running();
        let started_since = self.entry.progress.borrow().starts > before;
        if !running || started_since {
            if !started_since && self.wanted.follow {
                let mut progress = self.entry.progress.subscribe();
                let started = progress.wait_for(|now| now.starts > before || now.leaving).await;
                if started.is_ok_and(|now| now.starts == before) {
                    return;
                }
            }
            // Everything this start writes, and nothing of earlier ones.
            self.wanted.tail = None;
            if let (Phase::Running(known) | Phase::Exited(known), _) = self.entry.phase(&pods) {
                self.wanted.since = Some(logs::just_before(known.started_at));
            }
        }
        let input = tokio::spawn(take_input(
            self.door.clone(),
            self.entry.clone(),
            from,
            (self.stdin, self.close),
        ));
        let mut pieces = logs::read(pods, self.entry.id.clone(), self.wanted);
        while let Some(piece) = pieces.recv().await {
            if to.write_all(&piece).await.is_err() || to.flush().await.is_err() {
                break;
            }
        }
        drop(self.attached);
        // Its end tells the client that there is no more; both may have gone already.
        drop(to.shutdown().await);
        input.abort();
    }
}

/// Carries the client's input in; at its end the container's input ends too, if it was asked to.
async fn take_input(
    door: Door,
    entry: Arc<Entry>,
    from: tokio::io::ReadHalf<hyper_util::rt::TokioIo<hyper::upgrade::Upgraded>>,
    (stdin, close): (bool, bool),
) {
    let file = if stdin {
        let (pods, id) = (door.settings.pods.clone(), entry.id.clone());
        let opened =
            blocking("attach", move || pods.attach_stdin(&id, MAIN).map_err(Error::pod("attach")));
        // A container that has ended reads nothing.
        opened.await.ok().flatten()
    } else {
        None
    };
    streams::feed(from, file).await;
    if close {
        let (pods, id) = (door.settings.pods.clone(), entry.id.clone());
        let closed = blocking("close input", move || {
            pods.close_stdin(&id, MAIN).map_err(Error::pod("close input"))
        });
        drop(closed.await);
    }
}

pub(crate) async fn resize(
    State(door): State<Door>,
    Path(name): Path<String>,
    Query(query): Query<Pairs>,
) -> Result<StatusCode> {
    let entry = door.containers.find(&name)?;
    let rows = number::<u16>(&query, "h")?.unwrap_or(0);
    let columns = number::<u16>(&query, "w")?.unwrap_or(0);
    entry.set_size(rows, columns);
    if entry.phase(&door.settings.pods).0.running() {
        set_size(&door, &entry, rows, columns).await?;
    }
    Ok(StatusCode::OK)
}

/// Tells the container's terminal its size; one without a terminal has none.
pub(crate) async fn set_size(
    door: &Door,
    entry: &Arc<Entry>,
    rows: u16,
    columns: u16,
) -> Result<()> {
    if rows == 0 || columns == 0 || !entry.request()?.tty {
        return Ok(());
    }
    let (pods, id) = (door.settings.pods.clone(), entry.id.clone());
    blocking("resize", move || {
        let Some(terminal) = pods.attach_stdin(&id, MAIN).map_err(Error::pod("resize"))? else {
            return Ok(());
        };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).map_err(|errno| Error::File {
            action: "set the size of",
            path: "terminal".into(),
            source: errno.into(),
        })
    })
    .await
}
