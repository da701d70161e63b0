//! The HTTPS door: TLS, who is asking, and how much at once.
//!
//! Nobody is anonymous but for health and version. A user is a bearer token we know, or a
//! certificate of our CA. Everything is limited in time and number before a request is read.

use crate::pki::Pki;
use crate::review::User;
use crate::status::Failure;
use crate::{Api, Error};
use axum::response::{IntoResponse, Response};
use http::{Request, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Connections open at the same time; more wait in the listener's queue.
const CONNECTION_COUNT: usize = 4096;
/// Time for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes the head of a request may have.
const HEADER_BYTES: u32 = 64 << 10;
/// Requests one HTTP/2 connection may have open (most are watches).
const STREAM_COUNT: u32 = 500;
/// Time for requests to finish once the door closes.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
/// Paths anybody may ask.
const OPEN_PATHS: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// Serves the API over TLS on `listener` until `shutdown` completes.
///
/// # Errors
/// When the TLS configuration is refused.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    pki: Pki,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let acceptor = TlsAcceptor::from(Arc::new(config(&pki)?));
    let places = Arc::new(Semaphore::new(CONNECTION_COUNT));
    let token: Arc<str> = pki.token().into();
    let (closing, closed) = watch::channel(());
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        let (place, stream) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors most likely: others must close first.
                tracing::warn!(%error, "accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, api, token) = (acceptor.clone(), api.clone(), Arc::clone(&token));
        let closed = closed.clone();
        tokio::spawn(async move {
            connection(stream, acceptor, api, token, closed).await;
            drop(place);
        });
    }
    // Wakes every connection; each has its own time to drain.
    let _ = closing.send(());
    let all = u32::try_from(CONNECTION_COUNT).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, places.acquire_many(all)).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(Option<tokio::sync::OwnedSemaphorePermit>, TcpStream)> {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((place, stream))
}

fn config(pki: &Pki) -> Result<ServerConfig, Error> {
    let refused = |reason: String| Error::Tls { reason };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(pki.ca()?).map_err(|error| refused(error.to_string()))?;
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| refused(error.to_string()))?;
    let (chain, key) = pki.server_chain()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| refused(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    api: Api,
    token: Arc<str>,
    mut closed: watch::Receiver<()>,
) {
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await
    else {
        tracing::debug!("TLS handshake failed or took too long");
        return;
    };
    let certificates = stream.get_ref().1.peer_certificates();
    let certified = certificates.and_then(|chain| chain.first()).and_then(|leaf| named(leaf));
    let router = api.router();
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, certified, token) = (router.clone(), certified.clone(), Arc::clone(&token));
        async move { Ok::<Response, Infallible>(admit(router, request, certified, &token).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_COUNT)
        .max_header_list_size(HEADER_BYTES)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(15));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = closed.changed() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(DRAIN_TIMEOUT, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        // The client went away, or sent no HTTP: nothing to tell anybody but the curious.
        tracing::debug!(error, "connection ended");
    }
}

/// Lets a request in when it says who asks.
async fn admit(
    router: axum::Router,
    mut request: Request<Incoming>,
    certified: Option<User>,
    token: &str,
) -> Response {
    let user = match bearer(&request) {
        Some(given) if is_same_secret(given.as_bytes(), token.as_bytes()) => Some(User::admin()),
        // A wrong token is never the same as none, not even where none is needed.
        Some(_) => return Failure::unauthorized().into_response(),
        None => certified,
    };
    match user {
        Some(user) => {
            request.extensions_mut().insert(user);
        }
        None if OPEN_PATHS.contains(&request.uri().path()) => {}
        None => return Failure::unauthorized().into_response(),
    }
    router.oneshot(request.map(axum::body::Body::new)).await.unwrap_or_else(|never| match never {})
}

/// The token given; an Authorization header of another scheme is a wrong token.
fn bearer(request: &Request<Incoming>) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?;
    let text = value.to_str().unwrap_or("");
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    Some(if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" })
}

/// Compares without telling by its time where the first difference is.
fn is_same_secret(given: &[u8], known: &[u8]) -> bool {
    let difference = given
        .iter()
        .zip(known)
        .fold(0, |all, (one, other)| std::hint::black_box(all | (one ^ other)));
    given.len() == known.len() && difference == 0 && !known.is_empty()
}

/// The user a verified certificate names: CN is the name, each O a group.
fn named(leaf: &[u8]) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok());
    let mut groups: Vec<String> = groups.map(Into::into).collect();
    // We know no lesser users yet; a certificate without this group opens nothing.
    if !groups.iter().any(|group| group == "system:masters") {
        return None;
    }
    groups.push("system:authenticated".into());
    Some(User { name, groups })
}
