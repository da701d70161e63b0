//! Port-forward: connections to ports of a pod, over a WebSocket.
//!
//! `SPDY/3.1+portforward.k8s.io`, which kubectl speaks since 1.31: each connection is a pair of
//! streams, `error` and `data`, named by their headers. `v4.channel.k8s.io`: one connection for
//! each port of the query, two channels each, which begin with the port's number. Where next:
//! `spdy.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::spdy::{Frame, Reader, Writer};
use super::{Door, Pairs, Refusal, find_pod};
use crate::host::Host;

const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const CHANNELS: &str = "v4.channel.k8s.io";
/// Messages that may wait for a slow peer.
const MESSAGES: usize = 64;
/// Bytes of one message.
const BLOCK: usize = 32 * 1024;
/// Connections at once.
const MOST_CONNECTIONS: usize = 256;

type Upgrade = Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>;

pub(super) async fn forward(
    State(door): State<Door>,
    Path((namespace, pod)): Path<(String, String)>,
    Query(query): Query<Pairs>,
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let host = door.host()?;
    let id = find_pod(&host, &namespace, &pod)?.spec.id;
    let bad = |text: String| Refusal::new(StatusCode::BAD_REQUEST, text);
    let upgrade = upgrade
        .map_err(|error| bad(format!("port-forward is spoken over WebSocket only: {error}")))?
        .protocols([TUNNEL, CHANNELS]);
    let pod = Pod { host, id };
    match upgrade.selected_protocol().map(|name| name.as_bytes() == TUNNEL.as_bytes()) {
        Some(true) => Ok(upgrade.on_upgrade(move |socket| tunnel(socket, pod))),
        Some(false) => {
            let ports = query.iter().filter(|(name, _)| name == "ports");
            let ports: Result<Vec<u16>, _> =
                ports.flat_map(|(_, text)| text.split(',')).map(str::parse).collect();
            match ports {
                Ok(ports) if (1..=64).contains(&ports.len()) => {
                    Ok(upgrade.on_upgrade(move |socket| channels(socket, pod, ports)))
                }
                _ => Err(bad("which ports? ports=8080".into())),
            }
        }
        None => Err(bad(format!("neither of the sub-protocols {TUNNEL}, {CHANNELS} was offered"))),
    }
}

/// The pod that is connected to.
#[derive(Clone)]
struct Pod {
    host: Arc<Host>,
    id: String,
}

impl Pod {
    async fn dial(&self, port: u16) -> Result<TcpStream, String> {
        let id = self.id.clone();
        let dialed = self.host.blocking("connect", move |pods| pods.dial(&id, port)).await;
        let stream = dialed.map_err(|error| error.chain())?;
        let made = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        made.map_err(|error| error.to_string())
    }

    /// Carries one connection to its end: what comes on `input` goes in, what the port says goes to
    /// `sender`, framed.
    async fn carry(
        &self,
        port: u16,
        mut input: mpsc::Receiver<Bytes>,
        sender: &mpsc::Sender<Bytes>,
        framed: impl Fn(&[u8]) -> Bytes + Send,
    ) -> Result<(), String> {
        let (mut from, mut to) = self.dial(port).await?.into_split();
        let writing = tokio::spawn(async move {
            while let Some(bytes) = input.recv().await {
                if to.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            // The other side has said all; the port may go on.
            let _gone = to.shutdown().await;
        });
        let mut block = vec![0; BLOCK];
        let result = loop {
            match from.read(&mut block).await {
                Ok(0) => break Ok(()),
                Ok(count) => {
                    if sender.send(framed(&block[..count])).await.is_err() {
                        break Ok(());
                    }
                }
                Err(error) => break Err(format!("port {port}: {error}")),
            }
        };
        writing.abort();
        result
    }
}

/// Two streams that belong together.
#[derive(Default)]
struct Pair {
    error: Option<u32>,
    data: Option<u32>,
}

/// kubectl's way: any number of connections, over one SPDY session.
async fn tunnel(socket: WebSocket, pod: Pod) {
    let (mut sink, mut source) = socket.split();
    let (sender, mut frames) = mpsc::channel::<Bytes>(MESSAGES);
    let writing = tokio::spawn(async move {
        while let Some(frame) = frames.recv().await {
            if sink.send(Message::Binary(frame)).await.is_err() {
                return;
            }
        }
        let _gone = sink.close().await;
    });
    let mut session = Session {
        pod,
        sender,
        writer: Writer::new(),
        pairs: HashMap::new(),
        inputs: HashMap::new(),
        tasks: Vec::new(),
    };
    let mut reader = Reader::new();
    'all: while let Some(Ok(message)) = source.next().await {
        match message {
            Message::Binary(bytes) => reader.feed(&bytes),
            Message::Close(_) => break,
            _ => continue,
        }
        loop {
            match reader.next() {
                Ok(Some(frame)) => {
                    if !session.take(frame).await {
                        break 'all;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::debug!(error, "a port-forward spoke no SPDY");
                    break 'all;
                }
            }
        }
    }
    // Who asked is gone: so are its connections.
    session.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    drop(session);
    writing.abort();
}

struct Session {
    pod: Pod,
    sender: mpsc::Sender<Bytes>,
    writer: Writer,
    /// By the number that kubectl gives each connection.
    pairs: HashMap<String, Pair>,
    /// Where what a stream says goes.
    inputs: HashMap<u32, mpsc::Sender<Bytes>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Session {
    async fn send(&self, frame: Bytes) -> bool {
        self.sender.send(frame).await.is_ok()
    }

    /// Acts on a frame; false once nothing more can be said.
    async fn take(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Begin { stream, headers, .. } => self.begin(stream, &headers).await,
            Frame::Data { stream, bytes, last } => {
                if let Some(input) = self.inputs.get(&stream)
                    && !bytes.is_empty()
                {
                    // A port that has hung up takes no more; kubectl hears of its end.
                    let _gone = input.send(bytes).await;
                }
                if last {
                    self.inputs.remove(&stream);
                }
                true
            }
            Frame::Reset { stream } => {
                self.inputs.remove(&stream);
                true
            }
            Frame::Ping { id } => self.send(Writer::pong(id)).await,
            Frame::GoAway => true,
        }
    }

    async fn begin(&mut self, stream: u32, headers: &[(String, String)]) -> bool {
        let header = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.as_str())
        };
        let port = header("port").and_then(|port| port.parse::<u16>().ok()).filter(|p| *p != 0);
        let number = header("requestid").unwrap_or_default().to_owned();
        self.tasks.retain(|task| !task.is_finished());
        let (Some(port), true) = (port, self.tasks.len() < MOST_CONNECTIONS) else {
            return self.send(Writer::reset(stream)).await;
        };
        let reply = self.writer.reply(stream);
        if !self.send(reply).await {
            return false;
        }
        let pair = self.pairs.entry(number.clone()).or_default();
        match header("streamtype") {
            Some("error") => pair.error = Some(stream),
            Some("data") => pair.data = Some(stream),
            _ => return self.send(Writer::reset(stream)).await,
        }
        if let Pair { error: Some(error), data: Some(data) } = *pair {
            self.pairs.remove(&number);
            self.connect(port, error, data);
        } else if self.pairs.len() > MOST_CONNECTIONS {
            return false;
        }
        true
    }

    fn connect(&mut self, port: u16, error: u32, data: u32) {
        let (input, receiver) = mpsc::channel(MESSAGES);
        self.inputs.insert(data, input);
        let (pod, sender) = (self.pod.clone(), self.sender.clone());
        self.tasks.push(tokio::spawn(async move {
            let framed = |bytes: &[u8]| Writer::data(data, bytes, false);
            let why = pod.carry(port, receiver, &sender, framed).await.err().unwrap_or_default();
            let _gone = sender.send(Writer::data(data, &[], true)).await;
            let _gone = sender.send(Writer::data(error, why.as_bytes(), true)).await;
        }));
    }
}

fn on(channel: u8, bytes: &[u8]) -> Bytes {
    Bytes::from([&[channel][..], bytes].concat())
}

/// The plain way: one connection for each port that was named.
async fn channels(socket: WebSocket, pod: Pod, ports: Vec<u16>) {
    let (mut sink, mut source) = socket.split();
    let (sender, mut messages) = mpsc::channel::<Bytes>(MESSAGES);
    let mut inputs = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for (place, port) in ports.into_iter().enumerate() {
        let Ok(channel) = u8::try_from(place * 2) else { return };
        let (input, receiver) = mpsc::channel(MESSAGES);
        inputs.push(Some(input));
        let (pod, sender) = (pod.clone(), sender.clone());
        tasks.spawn(async move {
            for channel in [channel, channel + 1] {
                let _gone = sender.send(on(channel, &port.to_le_bytes())).await;
            }
            let framed = move |bytes: &[u8]| on(channel, bytes);
            if let Err(why) = pod.carry(port, receiver, &sender, framed).await {
                let _gone = sender.send(on(channel + 1, why.as_bytes())).await;
            }
        });
    }
    drop(sender);
    loop {
        tokio::select! {
            message = messages.recv() => {
                let Some(message) = message else { break };
                if sink.send(Message::Binary(message)).await.is_err() {
                    break;
                }
            }
            message = source.next() => {
                let bytes = match message {
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_))) => continue,
                    _ => break,
                };
                let Some((channel, rest)) = bytes.split_first() else { continue };
                let input = inputs.get(usize::from(channel / 2)).and_then(Option::as_ref);
                // Nothing is said to a channel of errors.
                if let Some(input) = input.filter(|_| channel % 2 == 0 && !rest.is_empty()) {
                    let _gone = input.send(bytes.slice(1..)).await;
                }
            }
        }
    }
    let _gone = sink.close().await;
}
