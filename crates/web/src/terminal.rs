//! A terminal in a copy, over a WebSocket: bytes both ways in binary messages, `{"resize":…}` from
//! the page and `{"exit":…}` to it in text messages.
//!
//! The shell ends with the connection. Where next: `apps::terminal`, which starts it.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use apps::{Shell, Terminal};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use crate::Door;
use crate::answer::Refusal;

/// Messages in flight each way; a slow page slows the shell.
const MESSAGES: usize = 16;
/// Bytes of output in one message.
const BLOCK: usize = 16 * 1024;
/// The longest message from a page: a large paste.
const MOST_MESSAGE: usize = 1024 * 1024;
/// How long output that the shell's children hold open is waited for after its end.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Size {
    rows: u16,
    cols: u16,
}

/// What a page says in text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    resize: Size,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TerminalQuery {
    pod: Option<String>,
    /// Read on the way here (`targets.rs`).
    #[serde(default, rename = "target")]
    _target: Option<String>,
    #[serde(default = "rows")]
    rows: u16,
    #[serde(default = "cols")]
    cols: u16,
}

fn rows() -> u16 {
    24
}

fn cols() -> u16 {
    80
}

/// Opens a terminal in a copy of a block.
pub(crate) async fn terminal(
    State(door): State<Door>,
    Path((app, block)): Path<(String, String)>,
    Query(query): Query<TerminalQuery>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let size = (query.rows.max(1), query.cols.max(1));
    let pod = query.pod.as_deref();
    // Before the upgrade: what cannot be opened is an answer with its reason, not a dead socket.
    let terminal = apps::terminal(&door.target, &app, &block, pod, size).await?;
    tracing::info!(app, block, "a terminal was opened");
    let upgrade = upgrade.max_message_size(MOST_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| run(socket, terminal)))
}

async fn run(socket: WebSocket, terminal: Terminal) {
    let Terminal { input, output, shell } = terminal;
    let (mut sink, stream) = socket.split();
    let (sender, mut shown) = mpsc::channel(MESSAGES);
    on_a_thread("terminal-output", move || show(output, &sender));
    let mut typing = tokio::spawn(listen(stream, input, shell.clone()));
    let waiting = shell.clone();
    let mut ended = tokio::task::spawn_blocking(move || waiting.wait());
    let code = loop {
        tokio::select! {
            bytes = shown.recv() => match bytes {
                Some(bytes) if sink.send(Message::Binary(bytes.clone())).await.is_ok() => {}
                Some(_) => break None,
                // Nothing holds the terminal any more; the end comes now.
                None => break Some((&mut ended).await),
            },
            code = &mut ended => {
                let _gone = tokio::time::timeout(REST, rest(&mut shown, &mut sink)).await;
                break Some(code);
            }
            // The page went away: so does the shell.
            _ = &mut typing => break None,
        }
    };
    typing.abort();
    let Some(code) = code else {
        drop(tokio::task::spawn_blocking(move || shell.end()));
        return;
    };
    let code = match code {
        Ok(Ok(code)) => json!(code),
        Ok(Err(error)) => {
            tracing::info!(%error, "the end of a shell is not known");
            json!(null)
        }
        Err(_) => json!(null),
    };
    // The page may be gone; there is nobody else to tell.
    let _gone =
        sink.send(Message::Text(json!({ "exit": { "code": code } }).to_string().into())).await;
    let normal = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    let _gone = sink.send(Message::Close(Some(normal))).await;
}

/// What the shell still said before its end.
async fn rest(shown: &mut mpsc::Receiver<Bytes>, sink: &mut SplitSink<WebSocket, Message>) {
    while let Some(bytes) = shown.recv().await {
        if sink.send(Message::Binary(bytes)).await.is_err() {
            return;
        }
    }
}

/// Takes what the page sends until it closes the connection.
async fn listen(mut stream: SplitStream<WebSocket>, input: File, shell: Shell) {
    let (sender, mut typed) = mpsc::channel::<Bytes>(MESSAGES);
    let mut input = input;
    on_a_thread("terminal-input", move || {
        while let Some(bytes) = typed.blocking_recv() {
            if input.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) => {
                // A shell that reads no more is about to end.
                if sender.send(bytes).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            // What is no resize is no message of ours, and changes nothing.
            Message::Text(text) => {
                if let Ok(Said { resize }) = serde_json::from_str(&text) {
                    let (shell, rows, cols) = (shell.clone(), resize.rows, resize.cols);
                    drop(tokio::task::spawn_blocking(move || {
                        shell.resize(rows.max(1), cols.max(1))
                    }));
                }
            }
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

fn show(mut output: File, sender: &mpsc::Sender<Bytes>) {
    let mut block = vec![0; BLOCK];
    // A terminal ends with EIO once nobody holds its other side.
    while let Ok(count @ 1..) = output.read(&mut block) {
        if sender.blocking_send(Bytes::copy_from_slice(&block[..count])).is_err() {
            return;
        }
    }
}

fn on_a_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(name.into()).spawn(work) {
        tracing::error!(%error, name, "no thread for a terminal");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_size_is_a_message() {
        let said = |text: &str| serde_json::from_str::<Said>(text).ok().map(|one| one.resize.rows);
        assert_eq!(said(r#"{"resize":{"rows":30,"cols":100}}"#), Some(30));
        for other in [
            "",
            "{}",
            r#"{"resize":{"rows":-1,"cols":1}}"#,
            r#"{"resize":{"rows":70000,"cols":1}}"#,
            r#"{"resize":{"rows":1,"cols":1},"x":1}"#,
        ] {
            assert_eq!(said(other), None, "{other}");
        }
    }
}
