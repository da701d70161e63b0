//! HTTP to registries: TLS, time limits, redirects, and trying again.
//!
//! A request is repeated on 429, on 5xx and when the connection breaks, at most three times, with
//! longer pauses; every request here can be sent twice without harm. Where next: `repository.rs`.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::time::timeout;

use crate::{Error, Login, Result, Settings, document, host};

/// For a connection to stand.
const CONNECT: Duration = Duration::from_secs(10);
/// For a registry of ours to say whether it speaks TLS.
const PROBE: Duration = Duration::from_secs(5);
/// For an answer to begin; a body that is sent gets more, by its size.
const ANSWER: Duration = Duration::from_secs(60);
/// The slowest upload that is waited for, in bytes a second.
const SLOWEST: u64 = 64 << 10;
/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// Pauses before a request is sent again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];
/// Longest pause a registry may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// Bytes of an error's body that are read.
const WORDS_MAX: usize = 64 << 10;
/// Where systems keep the certificates they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

type Body = UnsyncBoxBody<Bytes, std::io::Error>;
type Http = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector<Names>>, Body>;
type Cause = Box<dyn StdError + Send + Sync>;

/// Connections, and what was learnt about hosts.
pub(crate) struct Wire {
    http: Http,
    insecure: Vec<String>,
    /// `https` or `http`, for hosts that may be either.
    schemes: Mutex<BTreeMap<String, &'static str>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("insecure", &self.insecure).finish_non_exhaustive()
    }
}

/// A body that can be sent again.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    None,
    Bytes(Bytes),
    File(Arc<File>, u64),
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// In words, for errors.
    pub(crate) what: String,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Payload,
}

/// The beginning of an answer; its body comes.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
}

impl Ask {
    pub(crate) fn new(method: Method, url: String, what: impl Into<String>) -> Self {
        Self { what: what.into(), method, url, headers: Vec::new(), body: Payload::None }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        // A value that is none comes from outside (a type, a range) and is refused by the registry.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    fn limit(&self) -> Duration {
        match &self.body {
            Payload::File(_, size) => ANSWER + Duration::from_secs(size / SLOWEST),
            _ => ANSWER,
        }
    }
}

impl Answer {
    /// The body, if it is not longer than so many bytes.
    pub(crate) async fn read(self, max: u64) -> Result<Vec<u8>, Cause> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let whole = timeout(ANSWER, Limited::new(self.body, max).collect());
        Ok(whole.await.map_err(|_| "the answer does not end")??.to_bytes().to_vec())
    }

    /// The error that this answer is.
    pub(crate) async fn refusal(self, registry: &str, what: &str, login: Option<&Login>) -> Error {
        let status = self.status;
        let body = Limited::new(self.body, WORDS_MAX);
        let body = timeout(ANSWER, body.collect()).await.ok().and_then(Result::ok);
        let answer = document::words(&body.map(|body| body.to_bytes()).unwrap_or_default());
        let (registry, what) = (host::familiar(registry).to_owned(), what.to_owned());
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let user = login.map(|login| login.user.clone());
                Error::Denied { registry, what, answer, user }
            }
            StatusCode::NOT_FOUND => Error::Missing { registry, what, answer, near: Vec::new() },
            _ => Error::Answer { registry, what, status, answer },
        }
    }
}

impl Wire {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let setting = |what: &str, reason: String| Error::Setting { what: what.to_owned(), reason };
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| setting("TLS", error.to_string()))?
            .with_root_certificates(roots(settings.ca_file.as_deref())?)
            .with_no_client_auth();
        let mut connector = HttpConnector::new_with_resolver(Names(GaiResolver::new()));
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self { http, insecure: settings.insecure.clone(), schemes: Mutex::default() })
    }

    /// Whether plain HTTP will do for a host.
    pub(crate) fn may_be_plain(&self, host: &str) -> bool {
        host::may_be_plain(host, &self.insecure)
    }

    /// `https://host` or `http://host`.
    pub(crate) async fn base(&self, host: &str) -> Result<String> {
        Ok(format!("{}://{host}", self.scheme(host).await?))
    }

    async fn scheme(&self, host: &str) -> Result<&'static str> {
        if !self.may_be_plain(host) {
            return Ok("https");
        }
        let known = self.schemes.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let ask = |scheme: &str| {
            Ask::new(Method::GET, format!("{scheme}://{host}/v2/"), "a sign of life")
        };
        let try_it = async |scheme: &'static str| -> Result<&'static str, Cause> {
            let ask = ask(scheme);
            timeout(PROBE, self.once(&ask, None, PROBE))
                .await
                .map_err(|_| "no answer in 5 s")??;
            Ok(scheme)
        };
        let found = match try_it("https").await {
            Ok(scheme) => scheme,
            // It does speak TLS: what is wrong with it is told when it is used.
            Err(error) if is_certificate(&*error) => return Ok("https"),
            Err(_no_tls) => try_it("http").await.map_err(|source| Error::Unreachable {
                registry: host.to_owned(),
                what: "anything".to_owned(),
                source,
            })?,
        };
        let mut schemes = self.schemes.lock().unwrap_or_else(PoisonError::into_inner);
        schemes.insert(host.to_owned(), found);
        Ok(found)
    }

    /// Sends a request, again if need be, and follows redirects.
    pub(crate) async fn send(&self, ask: &Ask, authorization: Option<&str>) -> Result<Answer> {
        for (tried, pause) in PAUSES.iter().map(Some).chain([None]).enumerate() {
            let result = self.once(ask, authorization, ask.limit()).await;
            let wait = match (&result, pause) {
                (_, None) => None,
                (Ok(answer), Some(pause)) => may_pass(answer.status)
                    .then(|| asked_pause(&answer.headers).unwrap_or(*pause).min(PAUSE_MAX)),
                // Nobody is there: once more at most, for somebody who starts right now.
                (Err(error), Some(pause)) => {
                    let again = !is_certificate(&**error) && (tried == 0 || !is_connect(&**error));
                    again.then_some(*pause)
                }
            };
            match (wait, result) {
                (Some(wait), result) => {
                    let why = match result {
                        Ok(answer) => answer.status.to_string(),
                        Err(error) => error.to_string(),
                    };
                    tracing::debug!(what = ask.what, why, ?wait, "asking the registry again");
                    tokio::time::sleep(wait).await;
                }
                (None, Ok(answer)) => return Ok(answer),
                (None, Err(source)) => {
                    let uri: Option<Uri> = ask.url.parse().ok();
                    let name =
                        uri.as_ref().and_then(Uri::authority).map_or("", |name| name.as_str());
                    let registry = host::familiar(name).to_owned();
                    return Err(Error::Unreachable { registry, what: ask.what.clone(), source });
                }
            }
        }
        let what = ask.what.clone();
        Err(Error::Setting { what, reason: "was never sent".to_owned() })
    }

    async fn once(
        &self,
        ask: &Ask,
        authorization: Option<&str>,
        limit: Duration,
    ) -> Result<Answer, Cause> {
        let mut url: Uri = ask.url.parse()?;
        let first = url.clone();
        for _ in 0..=REDIRECTS {
            let mut request = Request::builder().method(&ask.method).uri(&url);
            for (name, value) in &ask.headers {
                request = request.header(name, value);
            }
            let agent = concat!("shelf/", env!("CARGO_PKG_VERSION"));
            request = request.header(header::USER_AGENT, agent);
            // What proves who we are is for the registry, not for whom it sends us to.
            if let Some(value) = authorization
                && (url.scheme(), url.authority()) == (first.scheme(), first.authority())
            {
                request = request.header(header::AUTHORIZATION, value);
            }
            let body = match &ask.body {
                Payload::None => empty(),
                Payload::Bytes(bytes) => {
                    Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync()
                }
                Payload::File(file, size) => {
                    request = request.header(header::CONTENT_LENGTH, *size);
                    read_file(file, *size)
                }
            };
            let answer = timeout(limit, self.http.request(request.body(body)?))
                .await
                .map_err(|_| format!("no answer in {} s", limit.as_secs()))??;
            let (head, body) = answer.into_parts();
            let moved = matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let safe = matches!(ask.method, Method::GET | Method::HEAD);
            match head.headers.get(header::LOCATION) {
                Some(place) if moved && safe => {
                    let next: Uri = resolve(&url, place.to_str()?)?.parse()?;
                    let plain = next.scheme_str() != Some("https");
                    let to = next.authority().map_or("", |to| to.as_str());
                    if plain && !self.may_be_plain(to) {
                        return Err(format!("is sent on to {next}, which is not HTTPS").into());
                    }
                    url = next;
                }
                _ => return Ok(Answer { status: head.status, headers: head.headers, body }),
            }
        }
        Err("is sent on and on".into())
    }
}

/// A place that an answer names, seen from where it came from.
pub(crate) fn resolve(from: &Uri, place: &str) -> Result<String, Cause> {
    let scheme = from.scheme_str().unwrap_or("https");
    let authority = from.authority().map_or("", |name| name.as_str());
    if let Some((_, rest)) = place.split_once("://") {
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        // Behind a proxy a registry may not know that it is reached by HTTPS.
        return Ok(if host == authority { format!("{scheme}://{rest}") } else { place.to_owned() });
    }
    if let Some(rest) = place.strip_prefix("//") {
        return Ok(format!("{scheme}://{rest}"));
    }
    if place.starts_with('/') {
        return Ok(format!("{scheme}://{authority}{place}"));
    }
    let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    Ok(format!("{scheme}://{authority}{folder}/{place}"))
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The first `size` bytes of a file, read at their places: the file may be read by others.
fn read_file(file: &Arc<File>, size: u64) -> Body {
    use std::os::unix::fs::FileExt;
    const STEP: u64 = 256 << 10;
    let file = file.clone();
    let steps = futures::stream::unfold(0_u64, move |at| {
        let file = file.clone();
        async move {
            let step = usize::try_from(STEP.min(size.saturating_sub(at))).unwrap_or(0);
            if step == 0 {
                return None;
            }
            let read = tokio::task::spawn_blocking(move || {
                let mut buffer = vec![0; step];
                file.read_exact_at(&mut buffer, at).map(|()| Bytes::from(buffer))
            });
            let bytes = read.await.map_err(std::io::Error::other).and_then(|result| result);
            Some((bytes.map(Frame::data), at + step as u64))
        }
    });
    StreamBody::new(steps.boxed()).boxed_unsync()
}

/// This machine's trusted certificates and those of the file.
fn roots(ca_file: Option<&Path>) -> Result<rustls::RootCertStore> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(bundle) = BUNDLES.iter().map(Path::new).find(|path| path.is_file()) {
        for certificate in CertificateDer::pem_file_iter(bundle).into_iter().flatten().flatten() {
            // A bundle may hold one that is too odd to be used; the others count.
            let _odd = roots.add(certificate);
        }
    }
    if let Some(path) = ca_file {
        let fails = |error: String| Error::Setting {
            what: format!("CA file {}", path.display()),
            reason: error,
        };
        let before = roots.len();
        let all = CertificateDer::pem_file_iter(path).map_err(|error| fails(error.to_string()))?;
        for certificate in all {
            let certificate = certificate.map_err(|error| fails(error.to_string()))?;
            roots.add(certificate).map_err(|error| fails(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(fails("has no certificate (PEM) in it".to_owned()));
        }
    }
    Ok(roots)
}

fn may_pass(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether nobody was there to talk to.
fn is_connect(error: &(dyn StdError + 'static)) -> bool {
    error
        .downcast_ref::<hyper_util::client::legacy::Error>()
        .is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Whether the other side showed a certificate that we do not take.
fn is_certificate(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        // An I/O error hides what it wraps behind its own causes.
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(inner) = inner
            && is_certificate(inner)
        {
            return true;
        }
        if matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// Looks names up; those below `localhost` are this machine, whatever the system thinks.
#[derive(Clone)]
struct Names(GaiResolver);

impl tower::Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        tower::Service::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if host::is_here(name.as_str()) {
            let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            return std::future::ready(Ok(vec![here].into_iter())).boxed();
        }
        let found = tower::Service::call(&mut self.0, name);
        async move { Ok(found.await?.collect::<Vec<_>>().into_iter()) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_seen_from_where_they_are_named() {
        let from: Uri = "https://r.lan:5000/v2/a/blobs/uploads/".parse().unwrap();
        for (place, full) in [
            ("/v2/x?y=1", "https://r.lan:5000/v2/x?y=1"),
            ("uuid?_state=z", "https://r.lan:5000/v2/a/blobs/uploads/uuid?_state=z"),
            ("http://r.lan:5000/v2/x", "https://r.lan:5000/v2/x"),
            ("http://other.lan/x", "http://other.lan/x"),
            ("//cdn.lan/x", "https://cdn.lan/x"),
        ] {
            assert_eq!(resolve(&from, place).unwrap(), full, "{place}");
        }
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        fs_err::write(&path, "nothing").unwrap();
        let error =
            Wire::new(&Settings { ca_file: Some(path), ..Settings::default() }).unwrap_err();
        assert!(error.to_string().contains("no certificate"), "{error}");
    }
}
