//! A terminal in a copy, over a WebSocket: bytes both ways in binary messages, `{"resize":…}` from
//! the page and `{"exit":…}` or `{"refused":…}` to it in text messages.
//!
//! The shell ends with the connection. Where next: `apps::terminal`, which starts it.

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
    /// Read on the way here (`targets.rs`), as is the other.
    #[serde(default, rename = "target")]
    _target: Option<String>,
    #[serde(default, rename = "confirm")]
    _confirm: Option<String>,
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
) -> Response {
    let size = (query.rows.max(1), query.cols.max(1));
    let upgrade = upgrade.max_message_size(MOST_MESSAGE);
    upgrade.on_upgrade(move |socket| async move {
        let pod = query.pod.as_deref();
        match apps::terminal(&door.target, &app, &block, pod, size).await {
            Ok(terminal) => {
                tracing::info!(app, block, "a terminal was opened");
                run(socket, terminal).await;
            }
            // In the socket: a browser tells its page nothing of an answer that is no upgrade.
            Err(error) => refuse(socket, error.into()).await,
        }
    })
}

async fn refuse(mut socket: WebSocket, refusal: Refusal) {
    let text = json!({ "refused": refusal.into_value() }).to_string();
    // The page may be gone; there is nobody else to tell.
    let _gone = socket.send(Message::Text(text.into())).await;
    let normal = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    let _gone = socket.send(Message::Close(Some(normal))).await;
}

async fn run(socket: WebSocket, terminal: Terminal) {
    let Terminal { input, output: mut shown, shell } = terminal;
    let (mut sink, stream) = socket.split();
    let mut typing = tokio::spawn(listen(stream, input, shell.clone()));
    let waiting = shell.clone();
    let mut ended = tokio::spawn(async move { waiting.wait().await });
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
        if let Err(error) = shell.end().await {
            tracing::info!(%error, "a shell whose page went away");
        }
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
async fn listen(mut stream: SplitStream<WebSocket>, input: mpsc::Sender<Bytes>, shell: Shell) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) => {
                // A shell that reads no more is about to end.
                if input.send(bytes).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            // What is no resize is no message of ours, and changes nothing.
            Message::Text(text) => {
                if let Ok(Said { resize }) = serde_json::from_str(&text) {
                    // One that has ended has no size.
                    let _ended = shell.resize(resize.rows.max(1), resize.cols.max(1)).await;
                }
            }
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => {}
        }
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
