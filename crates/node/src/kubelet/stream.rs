//! Exec and attach over WebSocket: `v5.channel.k8s.io` and `v4.channel.k8s.io`.
//!
//! Each binary message begins with a channel number: 0 standard input, 1 and 2 the outputs,
//! 3 the final Status, 4 the terminal's size; in v5, 255 closes the channel named after it.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::StatusCode;
use pod::Process;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Door, Pairs, Refusal, find, flag, read_in_background};
use crate::host::Host;

const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;
/// Messages that may wait for a slow peer.
const MESSAGES: usize = 16;
/// Bytes of output in one message.
const BLOCK: usize = 32 * 1024;
/// How long output that a command's children hold open is waited for after its end.
const REST: Duration = Duration::from_secs(2);

type Names = Path<(String, String, String)>;
type Upgrade = Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

fn websocket(upgrade: Upgrade) -> Result<WebSocketUpgrade, Refusal> {
    let upgrade = upgrade.map_err(|error| {
        let text = format!("this stream is spoken over WebSocket only: {error}");
        Refusal::new(StatusCode::BAD_REQUEST, text)
    })?;
    let upgrade = upgrade.protocols(PROTOCOLS);
    match upgrade.selected_protocol() {
        Some(_) => Ok(upgrade),
        None => {
            let text = format!("none of the sub-protocols {} was offered", PROTOCOLS.join(", "));
            Err(Refusal::new(StatusCode::BAD_REQUEST, text))
        }
    }
}

pub(crate) async fn exec(
    State(door): State<Door>,
    Path((namespace, pod, container)): Names,
    Query(query): Query<Pairs>,
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let host = door.host()?;
    let (id, _) = find(&host, &namespace, &pod, &container)?;
    let args: Vec<String> = query
        .iter()
        .filter(|(name, _)| name == "command")
        .map(|(_, value)| value.clone())
        .collect();
    if args.is_empty() {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "you must specify at least 1 command"));
    }
    let upgrade = websocket(upgrade)?;
    let tty = flag(&query, "tty");
    let exec = pod::Exec { args, stdin: flag(&query, "stdin"), terminal: tty.then_some((24, 80)) };
    let wanted = (flag(&query, "stdout") || tty, flag(&query, "stderr") && !tty);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let began =
            host.blocking("run command", move |pods| pods.exec(&id, &container, &exec)).await;
        match began {
            Ok(session) => run(socket, session, wanted).await,
            Err(error) => refuse(socket, &error.chain()).await,
        }
    }))
}

pub(crate) async fn attach(
    State(door): State<Door>,
    Path((namespace, pod, container)): Names,
    Query(query): Query<Pairs>,
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let host = door.host()?;
    let (id, known) = find(&host, &namespace, &pod, &container)?;
    let upgrade = websocket(upgrade)?;
    let stdin = flag(&query, "stdin");
    Ok(upgrade.on_upgrade(move |socket| follow(socket, host, id, known, stdin)))
}

async fn refuse(socket: WebSocket, message: &str) {
    let (mut sink, _) = socket.split();
    let status = json!({"metadata": {}, "status": "Failure", "message": message,
        "reason": "InternalError", "code": 500});
    finish(&mut sink, &status).await;
}

async fn finish(sink: &mut SplitSink<WebSocket, Message>, status: &Value) {
    // The peer may be gone; there is nobody else to tell.
    let _ = sink.send(message(STATUS, status.to_string().as_bytes())).await;
    // Without a code kubectl takes the end for a broken connection (RFC 6455, section 7.4.1).
    let normal = CloseFrame { code: close_code::NORMAL, reason: "".into() };
    let _ = sink.send(Message::Close(Some(normal))).await;
}

fn message(channel: u8, bytes: &[u8]) -> Message {
    let mut whole = BytesMut::with_capacity(bytes.len() + 1);
    whole.put_u8(channel);
    whole.extend_from_slice(bytes);
    Message::Binary(whole.freeze())
}

/// The final Status of a command (upstream: `NonZeroExitCode` with the code as a cause).
fn status_of(exit: &Result<pod::Exit, String>) -> Value {
    match exit {
        Ok(exit) if exit.code == 0 => json!({"metadata": {}, "status": "Success"}),
        Ok(exit) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {}", exit.code),
            "details": {"causes": [{"reason": "ExitCode", "message": exit.code.to_string()}]},
        }),
        Err(message) => json!({"metadata": {}, "status": "Failure", "message": message,
            "reason": "InternalError", "code": 500}),
    }
}

/// Carries a command's streams until it has ended or the peer is gone.
async fn run(socket: WebSocket, mut session: pod::Session, (out, err): (bool, bool)) {
    let (mut sink, stream) = socket.split();
    let (sender, mut output) = mpsc::channel::<Message>(MESSAGES);
    // Unwanted output is read too, or the command would block on it.
    pump(session.stdout.take(), STDOUT, out.then(|| sender.clone()));
    pump(session.stderr.take(), STDERR, err.then(|| sender.clone()));
    drop(sender);
    let process = session.process.clone();
    let input = tokio::spawn(listen(stream, session.stdin.take(), Some(process.clone())));
    let waiting = process.clone();
    let mut ended = tokio::task::spawn_blocking(move || waiting.wait());
    let mut exit = None;
    let mut deadline = None;
    let gone = input;
    tokio::pin!(gone);
    loop {
        let rest = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            said = output.recv() => match said {
                Some(said) => {
                    if sink.send(said).await.is_err() {
                        break;
                    }
                }
                None if exit.is_some() => break,
                None => exit = Some((&mut ended).await),
            },
            ended = &mut ended, if exit.is_none() => {
                exit = Some(ended);
                deadline = Some(tokio::time::Instant::now() + REST);
            }
            () = rest => break,
            _ = &mut gone => {
                // The peer went away: so does what it started.
                let _ = process.kill(9);
                return;
            }
        }
    }
    gone.abort();
    let Some(exit) = exit else {
        let _ = process.kill(9);
        return;
    };
    let exit = match exit {
        Ok(Ok(exit)) => Ok(exit),
        Ok(Err(error)) => Err(crate::error::chain(&error)),
        Err(error) => Err(error.to_string()),
    };
    finish(&mut sink, &status_of(&exit)).await;
}

/// Reads one output on a thread of its own; `None` throws it away.
fn pump(file: Option<File>, channel: u8, sender: Option<mpsc::Sender<Message>>) {
    let Some(mut file) = file else { return };
    let read = move || {
        let mut block = vec![0; BLOCK];
        // A terminal ends with EIO once nobody holds its other side.
        while let Ok(count @ 1..) = file.read(&mut block) {
            if let Some(sender) = &sender
                && sender.blocking_send(message(channel, &block[..count])).is_err()
            {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("exec-output".into()).spawn(read) {
        tracing::error!(%error, "no thread for a command's output");
    }
}

/// Takes what the peer sends until it closes the connection.
async fn listen(
    mut stream: SplitStream<WebSocket>,
    stdin: Option<File>,
    process: Option<Arc<Process>>,
) {
    let mut stdin = stdin.map(feed);
    while let Some(Ok(received)) = stream.next().await {
        let bytes = match received {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        let Some((&channel, rest)) = bytes.split_first() else { continue };
        match channel {
            STDIN if !rest.is_empty() => {
                let gone = match &stdin {
                    Some(stdin) => stdin.send(bytes.slice(1..)).await.is_err(),
                    None => false,
                };
                if gone {
                    stdin = None;
                }
            }
            CLOSE if rest.first() == Some(&STDIN) => stdin = None,
            RESIZE => {
                if let (Some(process), Some((rows, columns))) = (process.clone(), size(rest)) {
                    // A command without a terminal has no size.
                    drop(tokio::task::spawn_blocking(move || process.resize(rows, columns)));
                }
            }
            _ => {}
        }
    }
}

/// `{"Width":80,"Height":24}` as rows and columns.
fn size(json: &[u8]) -> Option<(u16, u16)> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let side = |name: &str| u16::try_from(value.get(name)?.as_u64()?).ok();
    Some((side("Height")?, side("Width")?))
}

/// A thread that writes what it is sent; the file is closed when the sender is dropped.
fn feed(mut file: File) -> mpsc::Sender<Bytes> {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(MESSAGES);
    let write = move || {
        while let Some(bytes) = receiver.blocking_recv() {
            if file.write_all(&bytes).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("exec-input".into()).spawn(write) {
        tracing::error!(%error, "no thread for a command's input");
    }
    sender
}

/// Attach: what the container writes from now on, and its standard input if it has one.
async fn follow(
    socket: WebSocket,
    host: Arc<Host>,
    id: String,
    known: pod::ContainerState,
    stdin: bool,
) {
    let (mut sink, stream) = socket.split();
    // By time, not from the log's end: what the first input brings forth must not be missed.
    let options = pod::LogOptions {
        follow: true,
        since: Some(jiff::Timestamp::now()),
        ..pod::LogOptions::default()
    };
    let input = if stdin {
        let (id, name) = (id.clone(), known.name.clone());
        let opened = host.blocking("attach", move |pods| pods.attach_stdin(&id, &name)).await;
        match opened {
            Ok(input) => input,
            Err(error) => {
                let status = status_of(&Err(error.chain()));
                finish(&mut sink, &status).await;
                return;
            }
        }
    } else {
        None
    };
    let mut gone = tokio::spawn(listen(stream, input, None));
    let (sender, mut lines) = mpsc::channel(MESSAGES);
    read_in_background(
        host.clone(),
        id.clone(),
        known.name.clone(),
        known.attempt,
        options,
        sender,
    );
    loop {
        tokio::select! {
            text = lines.recv() => match text {
                Some(Ok(text)) => {
                    if sink.send(message(STDOUT, &text)).await.is_err() {
                        break;
                    }
                }
                Some(Err(error)) => {
                    finish(&mut sink, &status_of(&Err(error.to_string()))).await;
                    break;
                }
                None => {
                    let state = host.pods.get(&id);
                    let exit = state.as_ref().and_then(|s| s.container(&known.name)?.exit);
                    let exit = exit.ok_or_else(|| "the container is gone".to_owned());
                    finish(&mut sink, &status_of(&exit)).await;
                    break;
                }
            },
            _ = &mut gone => break,
        }
    }
    gone.abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_status_carries_the_exit_code() {
        let exit = pod::Exit {
            code: 3,
            signal: None,
            oom_killed: false,
            finished_at: jiff::Timestamp::UNIX_EPOCH,
            unseen: false,
        };
        let status = status_of(&Ok(exit));
        assert_eq!(status["details"]["causes"][0]["message"], "3");
        assert_eq!(status_of(&Ok(pod::Exit { code: 0, ..exit }))["status"], "Success");
    }

    #[test]
    fn sizes_are_rows_and_columns() {
        assert_eq!(size(br#"{"Width":80,"Height":24}"#), Some((24, 80)));
        assert_eq!(size(b"x"), None);
    }
}
