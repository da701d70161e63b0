//! The canvas on TCP: connections with limits on everything that a peer can make long.
//!
//! Only HTTP/1.1, on loopback: a page over the network needs TLS, which is not here yet.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at a time; more wait until one ends.
const MOST_CONNECTIONS: usize = 256;
/// Headers of a request; more are answered 431.
const MOST_HEADERS: usize = 64;
/// The head of a request; a longer one is answered 431.
const MOST_HEAD_BYTES: usize = 32 * 1024;
/// How long a peer may take to send a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Serves `router` on `listener` until `ended`; connections that are open then are cut.
pub async fn listen(listener: TcpListener, router: Router, ended: impl Future<Output = ()> + Send) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    tokio::pin!(ended);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            () = &mut ended => return,
            Some(_) = connections.join_next() => continue,
            (place, accepted) = accepted => match (place, accepted) {
                (Ok(place), Ok((stream, _))) => (place, stream),
                (_, Err(error)) => {
                    tracing::warn!(%error, "a connection to the canvas was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
                // The semaphore is never closed.
                (Err(_), _) => return,
            },
        };
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let _place = place;
            // Small events must not wait for each other; without it they are only slower.
            let _slower = stream.set_nodelay(true);
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_headers(MOST_HEADERS)
                .max_buf_size(MOST_HEAD_BYTES)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to the canvas ended badly");
            }
            Ok::<_, Infallible>(())
        });
    }
}
