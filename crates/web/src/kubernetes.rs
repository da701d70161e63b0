//! The Kubernetes API of the target that is meant, behind the same socket as the verbs: requests go
//! there as they are, with the target's own login, and so do connections that are upgraded.
//!
//! What reaches inside an app (`logs`, `exec`) needs no login of its own then, wherever the app
//! runs. On the socket only: who is there is the owner. Where next: `targets.rs`.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::TokioIo;

use crate::Door;
use crate::answer::Refusal;

/// Where the API begins.
pub(crate) const LEAD: &str = "/v1/kubernetes";
/// The longest body; objects are far shorter.
const MOST_BODY_BYTES: usize = 8 * 1024 * 1024;
/// What is sent on: what a body is and what is wanted, and how a connection is to be upgraded.
const SENT_ON: [HeaderName; 8] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::USER_AGENT,
];

/// Sends a request on to the target's API.
pub(crate) async fn forward(
    State(door): State<Door>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let failed = |what: String| {
        Refusal::new(StatusCode::BAD_GATEWAY, "target/api", what)
            .hint("what it can do:  shelf target check")
    };
    let (mut parts, body) = request.into_parts();
    let wanted = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let body = to_bytes(body, MOST_BODY_BYTES).await;
    let body = body.map_err(|error| Refusal::unfit("request/body", error.to_string()))?;
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut sent = http::Request::builder().method(parts.method).uri(format!("/{path}{query}"));
    for name in SENT_ON {
        if let Some(value) = parts.headers.get(&name) {
            sent = sent.header(name, value);
        }
    }
    let sent = sent.body(kube::client::Body::from(body));
    let sent = sent.map_err(|error| Refusal::unfit("request/path", error.to_string()))?;
    let name = door.target.name().to_owned();
    let answer = door.target.client.send(sent).await;
    let mut answer =
        answer.map_err(|error| failed(format!("the API of {name} does not answer: {error}")))?;
    let status = answer.status();
    let headers: HeaderMap = answer.headers().clone();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let mut told = Body::new(answer.into_body()).into_response();
        *told.status_mut() = status;
        if let Some(kind) = headers.get(header::CONTENT_TYPE) {
            told.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        return Ok(told);
    }
    let Some(wanted) = wanted else {
        return Err(Refusal::unfit("request/upgrade", "this connection cannot be upgraded"));
    };
    let there = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let (Ok(here), Ok(there)) = tokio::join!(wanted, there) else { return };
        let (mut here, mut there) = (TokioIo::new(here), TokioIo::new(there));
        // However it ends, both sides see it.
        let _ended = tokio::io::copy_bidirectional(&mut here, &mut there).await;
    });
    let mut told = status.into_response();
    let kept = [
        header::CONNECTION,
        header::UPGRADE,
        header::SEC_WEBSOCKET_ACCEPT,
        header::SEC_WEBSOCKET_PROTOCOL,
    ];
    for name in kept {
        if let Some(value) = headers.get(&name) {
            told.headers_mut().insert(name, value.clone());
        }
    }
    Ok(told)
}
