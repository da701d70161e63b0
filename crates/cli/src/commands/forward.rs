//! `shelf forward`: a port here that leads to one of a block. Each connection is a stream of its own
//! through the API, so it is the same door that `kubectl port-forward` uses.

use std::process::ExitCode;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

use super::exec::{self, Socket};
use super::{Outcome, say, target};
use crate::arguments::inside::Forward;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Channels of the one port that is asked for.
const DATA: u8 = 0;
const ERROR: u8 = 1;

/// Listens until it is interrupted.
pub(crate) async fn forward(global: &Global, options: &Forward) -> Outcome {
    let (block, wanted) = match options.block.rsplit_once(':') {
        Some((block, port)) => (block, Some(port)),
        None => (options.block.as_str(), None),
    };
    let wanted = wanted.map(|port| {
        port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| {
            Failure::new(Code::Usage, "forward/port", format!("{port:?} is no port"))
        })
    });
    let wanted = wanted.transpose()?;
    let (app, pod) = exec::copy(global, block).await?;
    let port = match wanted {
        Some(port) => port,
        None => only_port(global, &app, &pod, block).await?,
    };
    let listener = listen(options.local, port).await?;
    let local = listener
        .local_addr()
        .map_err(|error| Failure::new(Code::Failed, "forward/listen", error.to_string()))?;
    if global.json {
        let result = json!({"local": local.to_string(), "app": app, "pod": pod, "port": port});
        say(&json!({"schema": "shelf/forward/1", "result": result}).to_string())?;
    } else {
        say(&format!("{local} leads to {app}/{pod}:{port}   (Ctrl-C ends it)"))?;
    }
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        };
        let Ok((stream, _)) = accepted else { continue };
        let (global, app, pod) = (global.clone(), app.clone(), pod.clone());
        tokio::spawn(async move {
            let query = format!("ports={port}");
            let carried = match exec::open(&global, &app, &pod, "portforward", &query).await {
                Ok(socket) => carry(stream, socket).await,
                Err(failure) => Err(failure.message),
            };
            if let Err(why) = carried {
                eprintln!("! {why}");
            }
        });
    }
}

async fn listen(local: Option<u16>, port: u16) -> Result<TcpListener, Failure> {
    let at = |port: u16| TcpListener::bind(("127.0.0.1", port));
    let bound = match (local, at(local.unwrap_or(port)).await) {
        // Nobody asked for this one.
        (None, Err(_)) => at(0).await,
        (_, bound) => bound,
    };
    bound.map_err(|error| {
        let message = format!("cannot listen on port {}: {error}", local.unwrap_or(port));
        Failure::new(Code::Failed, "port/taken", message).hint("name another, or none")
    })
}

/// The one port of a pod; which there are, if they are several.
async fn only_port(global: &Global, app: &str, pod: &str, block: &str) -> Result<u16, Failure> {
    let api = target::api(global).await?;
    let path = format!("/api/v1/namespaces/{app}/pods/{pod}");
    let pod: Value = api.client.json(Method::GET, &api.path(&path), None).await?;
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let ports = containers.iter().flat_map(|one| one["ports"].as_array().into_iter().flatten());
    let ports: Vec<u16> =
        ports.filter_map(|port| u16::try_from(port["containerPort"].as_u64()?).ok()).collect();
    match ports.as_slice() {
        [only] => Ok(*only),
        [] => Err(Failure::new(Code::NotFound, "forward/port", format!("{block} says no port"))
            .hint(format!("name it:  shelf forward {block}:8080"))),
        several => {
            let all: Vec<String> = several.iter().map(|p| format!("{block}:{p}")).collect();
            Err(Failure::new(Code::Usage, "prompt", format!("{block} has several ports"))
                .hint(format!("which?  {}", all.join("  "))))
        }
    }
}

/// Carries one connection to its end.
async fn carry(stream: TcpStream, socket: Socket) -> Result<(), String> {
    let (mut sink, mut source) = socket.split();
    let (mut from, mut to) = stream.into_split();
    let mut block = vec![0; 32 * 1024];
    // Both channels begin with the port's number.
    let mut begun = [false; 2];
    let mut open = true;
    loop {
        tokio::select! {
            read = from.read(&mut block), if open => match read {
                Ok(count @ 1..) => {
                    let bytes = [&[DATA][..], &block[..count]].concat();
                    // If it takes no more, what it said last tells why.
                    open = sink.send(Message::Binary(Bytes::from(bytes))).await.is_ok();
                }
                // The other side may still have something to say.
                _ => open = false,
            },
            message = source.next() => {
                let bytes = match message {
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    _ => return Ok(()),
                };
                let Some((channel, rest)) = bytes.split_first() else { continue };
                match begun.get_mut(usize::from(*channel)) {
                    Some(begun) if !*begun => *begun = true,
                    Some(_) if *channel == ERROR => {
                        return Err(String::from_utf8_lossy(rest).into_owned());
                    }
                    Some(_) if to.write_all(rest).await.is_err() => return Ok(()),
                    _ => {}
                }
            }
        }
    }
}
