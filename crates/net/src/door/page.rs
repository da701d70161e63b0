//! The few pages the front door writes itself: short, and true.

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SERVER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use super::pool::Body;

/// Why there is nothing better to show.
#[derive(Debug)]
pub(crate) enum Trouble<'a> {
    NoRoute { host: &'a str, path: &'a str },
    NoneReady { owner: &'a str },
    NoneReached { owner: &'a str, reason: &'a str },
    Method,
}

/// A page, or a line of text for clients that did not ask for HTML.
pub(crate) fn page(trouble: &Trouble<'_>, request: &HeaderMap) -> Response<Body> {
    let (status, text) = match trouble {
        Trouble::NoRoute { host, path } => (
            StatusCode::NOT_FOUND,
            format!("Nothing answers at {host}{path}. `shelf status` lists what does."),
        ),
        Trouble::NoneReady { owner } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("No copy of {owner} is ready. `shelf status` shows why."),
        ),
        Trouble::NoneReached { owner, reason } => (
            StatusCode::BAD_GATEWAY,
            format!("No copy of {owner} answered ({reason}). `shelf logs` may tell more."),
        ),
        Trouble::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            "This is a web address, not a proxy: CONNECT is not served.".into(),
        ),
    };
    let wants_html = request
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let (kind, body) = if wants_html {
        let text = escape(&text);
        let html = format!(
            "<!doctype html><meta charset=utf-8><title>{status}</title>\
             <body style=\"font:16px system-ui;margin:4em\"><h1>{status}</h1><p>{text}"
        );
        ("text/html; charset=utf-8", html)
    } else {
        ("text/plain; charset=utf-8", format!("{text}\n"))
    };
    let mut response =
        Response::new(Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // By this, and not by a status that an app may have as well, our own pages are known.
    headers.insert(SERVER, HeaderValue::from_static("shelf"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_client_sent_is_shown_as_text() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/html,*/*"));
        let trouble = Trouble::NoRoute { host: "<script>", path: "/" };
        let response = page(&trouble, &headers);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = std::str::from_utf8(&body).unwrap();
        assert!(body.contains("&lt;script&gt;") && !body.contains("<script>"), "{body}");
        assert!(body.contains("shelf status"));
    }
}
