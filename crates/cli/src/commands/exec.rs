//! `shelf exec`: run a command in a block, with or without a terminal.
//!
//! Speaks the API's exec protocol (`v5.channel.k8s.io` over WebSocket) on the server's socket, so
//! it is the same door that kubectl uses.

use std::io::IsTerminal;
use std::process::ExitCode;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use rustix::termios::{OptionalActions, Termios};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{Outcome, app_status, target};
use crate::arguments::Exec;
use crate::arguments::inside::Shell;
use crate::client::refused;
use crate::error::{Code, Failure};
use crate::settings::Global;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// Runs a command in a copy of a block.
pub(crate) async fn exec(global: &Global, options: &Exec) -> Outcome {
    let (app, pod) = copy(global, &options.block).await?;
    let here = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let terminal = !options.no_tty && (options.tty || here);
    run(global, &app, &pod, &options.command, terminal).await
}

/// A shell in a copy of a block: the better one if the image has it.
pub(crate) async fn shell(global: &Global, options: &Shell) -> Outcome {
    const BEST: &str = "if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi";
    let (app, pod) = copy(global, &options.block).await?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let command = ["/bin/sh", "-c", BEST].map(str::to_owned);
    run(global, &app, &pod, &command, terminal).await
}

/// Runs a command in a pod, with this program's input and outputs, until it ends.
pub(crate) async fn run(
    global: &Global,
    app: &str,
    pod: &str,
    command: &[String],
    terminal: bool,
) -> Outcome {
    let socket = open(global, app, pod, "exec", &exec_query(command, terminal)).await?;
    let raw = terminal.then(RawTerminal::enter).flatten();
    let status = talk(socket, terminal).await;
    drop(raw);
    exit_code(&status.map_err(|error| failed(pod, &error))?)
}

/// Runs a command in a pod, gives it an input and returns what it says.
pub(crate) async fn feed(
    global: &Global,
    app: &str,
    pod: &str,
    command: &[String],
    input: &[u8],
) -> Result<String, Failure> {
    let mut socket = open(global, app, pod, "exec", &exec_query(command, false)).await?;
    let failed = |error: &dyn std::fmt::Display| failed(pod, error);
    for message in [frame(STDIN, input), Message::Binary(Bytes::from(vec![CLOSE, STDIN]))] {
        socket.send(message).await.map_err(|error| failed(&error))?;
    }
    let mut said = Vec::new();
    while let Some(message) = socket.next().await {
        let Message::Binary(data) = message.map_err(|error| failed(&error))? else { continue };
        match data.split_first() {
            Some((&STDOUT, data)) => said.extend_from_slice(data),
            Some((&ERROR, data)) => {
                let status: Value = serde_json::from_slice(data).unwrap_or(Value::Null);
                if status["status"] != "Success" {
                    return Err(failed(&status["message"].as_str().unwrap_or("it failed")));
                }
                return Ok(String::from_utf8_lossy(&said).into_owned());
            }
            _ => {}
        }
    }
    Err(failed(&"the connection ended before the command did"))
}

fn failed(pod: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Failed, "exec", format!("cannot run a command in {pod}: {error}"))
}

fn exec_query(command: &[String], terminal: bool) -> String {
    let mut query = vec![
        "stdin=true".to_owned(),
        "stdout=true".to_owned(),
        format!("stderr={}", !terminal),
        format!("tty={terminal}"),
    ];
    query.extend(command.iter().map(|word| format!("command={}", escape(word))));
    query.join("&")
}

/// Opens a stream to a pod: a part of it, such as `exec`, with its query.
pub(crate) async fn open(
    global: &Global,
    app: &str,
    pod: &str,
    part: &str,
    query: &str,
) -> Result<Socket, Failure> {
    let api = target::api(global).await?;
    let path = api.path(&format!("/api/v1/namespaces/{app}/pods/{pod}/{part}?{query}"));
    let protocol = match part {
        "portforward" => "v4.channel.k8s.io",
        _ => "v5.channel.k8s.io",
    };
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Code::Failed, part, format!("cannot reach {pod}: {error}"))
    };
    let mut request =
        format!("ws://shelf{path}").into_client_request().map_err(|error| failed(&error))?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    api.client.meant(request.headers_mut());
    let stream = api.client.stream().await?;
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await.map_err(|error| {
        use tokio_tungstenite::tungstenite::Error;
        match &error {
            Error::Http(answer) => {
                let body = answer.body().as_deref().unwrap_or_default();
                match serde_json::from_slice(body) {
                    Ok(value) => refused(answer.status(), &value),
                    Err(_) => failed(&error),
                }
            }
            _ => failed(&error),
        }
    })?;
    Ok(socket)
}

/// The app and the copy meant by `block` or `block/pod`.
pub(crate) async fn copy(global: &Global, block: &str) -> Result<(String, String), Failure> {
    let report = app_status(global).await?;
    let (name, wanted) = block.split_once('/').map_or((block, None), |(a, b)| (a, Some(b)));
    let Some(found) = report.blocks.iter().find(|found| found.name == name) else {
        let names: Vec<&str> = report.blocks.iter().map(|block| block.name.as_str()).collect();
        return Err(Failure::new(
            Code::NotFound,
            "block/absent",
            format!("{} has no block {name}; it has {}", report.app, names.join(", ")),
        ));
    };
    let pod = match wanted {
        Some(wanted) => found.pods.iter().find(|pod| pod.name == wanted),
        None => found.pods.first(),
    };
    let Some(pod) = pod else {
        let names: Vec<&str> = found.pods.iter().map(|pod| pod.name.as_str()).collect();
        return Err(Failure::new(
            Code::NotFound,
            "block/no-copy",
            format!("{name} has no such running copy; it has {}", names.join(", ")),
        )
        .hint("shelf status says what it waits for"));
    };
    Ok((report.app.clone(), pod.name.clone()))
}

pub(crate) type Socket = tokio_tungstenite::WebSocketStream<tokio::net::UnixStream>;

/// Carries bytes both ways until the command ends; returns the Status it ended with.
async fn talk(
    socket: Socket,
    terminal: bool,
) -> Result<Value, tokio_tungstenite::tungstenite::Error> {
    let (mut sink, mut source) = socket.split();
    let mut stdin = tokio::io::stdin();
    let mut stdout = tokio::io::stdout();
    let mut stderr = tokio::io::stderr();
    let mut resized = signal(SignalKind::window_change())?;
    let mut input = vec![0_u8; 8192];
    let mut open = true;
    if terminal && let Some(size) = window() {
        sink.send(frame(RESIZE, size.as_bytes())).await?;
    }
    loop {
        tokio::select! {
            read = stdin.read(&mut input), if open => {
                let count = read?;
                let sent = if count == 0 {
                    open = false;
                    Message::Binary(Bytes::from(vec![CLOSE, STDIN]))
                } else {
                    frame(STDIN, &input[..count])
                };
                // A command that has ended takes no more; what it said is still to be read.
                if sink.send(sent).await.is_err() {
                    open = false;
                }
            }
            _ = resized.recv(), if terminal => {
                if let Some(size) = window() {
                    sink.send(frame(RESIZE, size.as_bytes())).await?;
                }
            }
            message = source.next() => {
                let Some(message) = message else { return Ok(Value::Null) };
                let data = match message? {
                    Message::Binary(data) => data,
                    Message::Close(_) => return Ok(Value::Null),
                    _ => continue,
                };
                let Some((channel, data)) = data.split_first() else { continue };
                match *channel {
                    STDOUT => {
                        stdout.write_all(data).await?;
                        stdout.flush().await?;
                    }
                    STDERR => {
                        stderr.write_all(data).await?;
                        stderr.flush().await?;
                    }
                    ERROR => return Ok(serde_json::from_slice(data).unwrap_or(Value::Null)),
                    _ => {}
                }
            }
        }
    }
}

fn frame(channel: u8, data: &[u8]) -> Message {
    let mut bytes = Vec::with_capacity(data.len() + 1);
    bytes.push(channel);
    bytes.extend_from_slice(data);
    Message::Binary(Bytes::from(bytes))
}

/// The exit code of the command, out of the Status on the error channel.
fn exit_code(status: &Value) -> Outcome {
    if status["status"] == "Success" {
        return Ok(ExitCode::SUCCESS);
    }
    let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
    let code = causes
        .iter()
        .find(|cause| cause["reason"] == "ExitCode")
        .and_then(|cause| cause["message"].as_str())
        .and_then(|code| code.parse::<u8>().ok());
    if let Some(code) = code {
        return Ok(ExitCode::from(code));
    }
    let message =
        status["message"].as_str().unwrap_or("the connection ended before the command did");
    Err(Failure::new(Code::Failed, "exec", message))
}

fn window() -> Option<String> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(format!("{{\"Width\":{},\"Height\":{}}}", size.ws_col, size.ws_row))
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// The terminal in raw mode; as it was when dropped.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn enter() -> Option<RawTerminal> {
        let stdin = std::io::stdin();
        let before = rustix::termios::tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(RawTerminal { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let stdin = std::io::stdin();
        // A terminal that has gone away needs no mode.
        let _gone = rustix::termios::tcsetattr(&stdin, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_exit_code_is_the_commands_own() {
        let status = json!({"status": "Failure", "details": {"causes": [
            {"reason": "ExitCode", "message": "3"},
        ]}});
        assert_eq!(exit_code(&status).expect("an exit code"), ExitCode::from(3));
        assert!(exit_code(&Value::Null).is_err(), "a cut connection is no success");
    }

    #[test]
    fn arguments_survive_the_query() {
        assert_eq!(escape("a b&c=%"), "a%20b%26c%3D%25");
    }
}
