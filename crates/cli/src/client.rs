//! HTTP over the server's unix sockets: one request, its answer whole or line by line.
//!
//! The command line is a thin client: it asks the server and prints. Next: `commands/`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::error::{Code, Failure};

/// A longer line is given out in pieces, so that one without an end does not fill the memory.
const MOST_LINE_BYTES: usize = 1024 * 1024;

/// The person's name as a header can hold it.
fn person() -> String {
    crate::settings::person().chars().filter(char::is_ascii_graphic).take(40).collect()
}

/// How much of an upload is in flight.
const PIECE_BYTES: usize = 64 * 1024;
const QUEUE_PIECES: usize = 16;

/// The writing end of an upload's body.
struct Pieces(tokio::sync::mpsc::Sender<std::io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A connection to make to one of the server's sockets.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
    /// The target of each request, and its name once more.
    on: Option<String>,
    confirm: Option<String>,
}

impl Client {
    /// A client of the socket at `socket`; nothing is opened yet.
    pub(crate) fn new(socket: PathBuf) -> Client {
        Client { socket, on: None, confirm: None }
    }

    /// The same for a target; `confirm` names it once more.
    pub(crate) fn on(self, on: Option<&str>, confirm: Option<&str>) -> Client {
        Client { on: on.map(str::to_owned), confirm: confirm.map(str::to_owned), ..self }
    }

    /// A request's head, with everything that every request says.
    fn head(&self, method: Method, path: &str, media_type: &str) -> http::request::Builder {
        let mut head = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "shelf")
            .header("content-type", media_type)
            .header("shelf-person", person())
            .header("user-agent", concat!("shelf/", env!("CARGO_PKG_VERSION")));
        for (name, value) in [("shelf-target", &self.on), ("shelf-confirm", &self.confirm)] {
            if let Some(value) = value {
                head = head.header(name, value);
            }
        }
        head
    }

    /// Says which target is meant in the head of a request that is made elsewhere.
    pub(crate) fn meant(&self, headers: &mut http::HeaderMap) {
        for (name, value) in [("shelf-target", &self.on), ("shelf-confirm", &self.confirm)] {
            if let Some(value) = value.as_ref().and_then(|value| value.parse().ok()) {
                headers.insert(name, value);
            }
        }
    }

    /// The raw stream, for upgrades.
    pub(crate) async fn stream(&self) -> Result<UnixStream, Failure> {
        UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::PermissionDenied => forbidden(&self.socket, &error),
            _ => unreachable(&self.socket, &error),
        })
    }

    /// A connection for one request, driven in the background.
    async fn connect<B>(&self) -> Result<hyper::client::conn::http1::SendRequest<B>, Failure>
    where
        B: hyper::body::Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let stream = self.stream().await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreachable(&self.socket, &error))?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Sends a request and returns the answer's head and its body unread.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<http::Response<Incoming>, Failure> {
        let mut sender = self.connect().await?;
        let bytes = body.map(|value| Bytes::from(value.to_string())).unwrap_or_default();
        let request = self.head(method, path, "application/json").body(Full::new(bytes)).map_err(
            |error| Failure::new(Code::Failed, "request/form", format!("{path}: {error}")),
        )?;
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(&self.socket, &error))?;
        // What is done elsewhere says where, unless that was typed.
        let target = answer.headers().get("shelf-target").and_then(|name| name.to_str().ok());
        static TOLD: AtomicBool = AtomicBool::new(false);
        if let Some(target) = target.filter(|_| self.on.is_none())
            && !TOLD.swap(true, Ordering::Relaxed)
        {
            eprintln!("on {target}");
        }
        Ok(answer)
    }

    /// Sends what `write` writes as the body of a POST, as it is written.
    ///
    /// # Errors
    /// No server answers, or `write` failed: then the answer is of no interest.
    pub(crate) async fn upload(
        &self,
        path: &str,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send + 'static,
    ) -> Result<http::Response<Incoming>, Failure> {
        let mut sender = self.connect().await?;
        let (pieces, receiver) = tokio::sync::mpsc::channel(QUEUE_PIECES);
        let writing = tokio::task::spawn_blocking(move || {
            let mut to = std::io::BufWriter::with_capacity(PIECE_BYTES, Pieces(pieces.clone()));
            let written = write(&mut to).and_then(|()| to.flush());
            if let Err(error) = &written {
                // The body breaks off, so that the server takes no half of it for the whole.
                let broken = std::io::Error::new(error.kind(), error.to_string());
                let _gone = pieces.blocking_send(Err(broken));
            }
            written
        });
        let body = futures::stream::unfold(receiver, |mut receiver| async move {
            let piece: std::io::Result<Bytes> = receiver.recv().await?;
            Some((piece.map(Frame::data), receiver))
        });
        let request = self
            .head(Method::POST, path, "application/octet-stream")
            .body(StreamBody::new(Box::pin(body)))
            .map_err(|error| {
                Failure::new(Code::Failed, "request/form", format!("{path}: {error}"))
            })?;
        let answer = sender.send_request(request).await;
        match writing.await {
            // A server that has heard enough answers before the end and hangs up.
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Code::Failed, "send/read", format!("cannot send: {error}")))
            }
            _ => answer.map_err(|error| unreachable(&self.socket, &error)),
        }
    }

    /// Sends a request and returns the JSON of its answer; a status of 400 and above is an error.
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let answer = self.send(method, path, body).await?;
        let status = answer.status();
        let bytes = self.whole(answer.into_body()).await?;
        let value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).trim().to_owned()));
        if status.is_client_error() || status.is_server_error() {
            return Err(refused(status, &value));
        }
        Ok(value)
    }

    /// Reads a body to its end.
    pub(crate) async fn whole(&self, body: Incoming) -> Result<Bytes, Failure> {
        let collected = body.collect().await.map_err(|error| unreachable(&self.socket, &error))?;
        Ok(collected.to_bytes())
    }

    /// The lines of a streamed body, as they come.
    pub(crate) fn lines(&self, body: Incoming) -> Lines {
        Lines { body, rest: Vec::new(), ended: false, socket: self.socket.clone() }
    }
}

/// Reads a streamed body line by line; nothing is read ahead of who asks.
pub(crate) struct Lines {
    body: Incoming,
    rest: Vec<u8>,
    ended: bool,
    socket: PathBuf,
}

impl Lines {
    /// The next line without its end, or nothing at the end of the body.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            let end = self.rest.iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let mut line: Vec<u8> = self.rest.drain(..=end).collect();
                line.pop();
                return Ok(Some(line));
            }
            if self.ended || self.rest.len() >= MOST_LINE_BYTES {
                let rest = std::mem::take(&mut self.rest);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(unreachable(&self.socket, &error)),
                None => self.ended = true,
            }
        }
    }
}

/// The error of an answer: Kubernetes' Status and our own error form are both understood.
pub(crate) fn refused(status: StatusCode, value: &Value) -> Failure {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let error = &value["error"];
    let message = text(&error["message"])
        .or_else(|| text(&value["message"]))
        .or_else(|| text(value))
        .unwrap_or_else(|| status.to_string());
    let code = match status.as_u16() {
        404 => Code::NotFound,
        401 | 403 => Code::Refused,
        504 => Code::TimedOut,
        _ => Code::Failed,
    };
    let name = text(&error["code"])
        .or_else(|| text(&value["reason"]).map(|reason| format!("api/{}", reason.to_lowercase())))
        .unwrap_or_else(|| "server".into());
    let mut failure = Failure::new(code, &name, message);
    failure.rendered = text(&error["rendered"]);
    failure.hint = text(&error["hint"]);
    failure
}

/// The socket is the right of whoever runs the server; what listens there cannot be known.
fn forbidden(socket: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Code::Refused,
        "server/rights",
        format!("this user may not use the shelf server at {}: {error}", socket.display()),
    )
    .hint("only who started it may; as root:  sudo shelf …")
}

fn unreachable(socket: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Code::Unreachable,
        "server/unreachable",
        format!("no shelf server answers at {}: {error}", socket.display()),
    )
    .hint("start one:  shelf serve        another's run directory:  shelf --run-dir DIR …")
}
