//! The canvas: the verbs for browsers on this machine, and the link that lets the owner in.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use apps::Target;
use futures::FutureExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::commands::say;
use crate::error::{Code, Failure};
use crate::serve::ground::wrap;
use crate::settings::{Canvas, person};

/// Where the canvas listens unless told otherwise.
const PORT: u16 = 7433;

/// Takes the canvas's address, unless it is off.
pub(super) async fn listen(canvas: Option<Canvas>) -> Result<Option<TcpListener>, Failure> {
    match canvas {
        Some(Canvas::Off) => Ok(None),
        Some(Canvas::At(address)) => super::listen(address, "--canvas").await.map(Some),
        None => {
            let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
            // The link says the port, so a second server on this machine needs no flag for it.
            match TcpListener::bind(usual).await {
                Ok(listener) => Ok(Some(listener)),
                Err(_) => {
                    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                    super::listen(free, "--canvas").await.map(Some)
                }
            }
        }
    }
}

/// Opens the room that serves both the socket and the canvas.
pub(super) fn open(
    target: Target,
    data_dir: &Path,
    mut about: Value,
    canvas: Option<&TcpListener>,
    net: &net::Net,
) -> Result<web::Web, Failure> {
    let address: Option<SocketAddr> = canvas
        .map(TcpListener::local_addr)
        .transpose()
        .map_err(|error| Failure::new(Code::Failed, "serve/canvas", format!("{error}")))?;
    about["canvas"] = serde_json::json!(address);
    let settings = web::Settings {
        target,
        data_dir: data_dir.to_owned(),
        about,
        canvas: address,
        requests: Some(counted(net.clone())),
        owner: person(),
    };
    web::Web::open(settings).map_err(wrap("canvas"))
}

/// What the front door has counted; nothing while it does not answer.
fn counted(net: net::Net) -> web::Requests {
    Arc::new(move || {
        let net = net.clone();
        let ask = async move {
            let counted = net.access().await.unwrap_or_else(|error| {
                tracing::debug!(%error, "the front door was not asked for its counts");
                Vec::new()
            });
            let one = |one: net::Access| apps::Requests {
                host: one.host,
                path: one.path,
                requests: one.requests,
                errors: one.server_errors,
            };
            counted.into_iter().map(one).collect()
        };
        ask.boxed()
    })
}

/// Serves the canvas until `ended`.
pub(super) fn serve(
    web: &web::Web,
    listener: Option<TcpListener>,
    ended: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let router = web.canvas_router();
    let measuring = web.clone();
    tokio::spawn(async move {
        let serving = async {
            match listener {
                Some(listener) => web::listen(listener, router, ended).await,
                None => ended.await,
            }
        };
        tokio::select! {
            () = serving => {}
            () = measuring.measure() => {}
        }
    })
}

/// Prints the one line that a person starting the server needs.
pub(super) fn greet(web: &web::Web) -> Result<(), Failure> {
    if let Some(link) = web.link().map_err(wrap("canvas"))? {
        // Whoever started the server may have gone away; it serves all the same.
        let _unread = say(&format!("shelf is ready: {link}"));
    }
    Ok(())
}
