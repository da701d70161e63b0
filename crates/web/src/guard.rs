//! What stands before the canvas on TCP: hosts, origins, sessions and the headers of every answer.
//!
//! The address is loopback, but every page in the owner's browser can reach that, and a foreign
//! name can be made to point there. So: a Host that is no name of this machine is refused (DNS
//! rebinding), an Origin must be the page's own (cross-site requests, WebSockets), everything
//! below `/v1` needs the session's cookie, and pages may load and run nothing from elsewhere.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Door;
use crate::answer::Refusal;
use crate::person::Caller;
use crate::session::Admitted;

/// What pages may load. `nonce` is that of the page's own style elements.
pub(crate) fn content_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; \
         style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// For answers that are no pages: nothing at all.
const NO_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// Checks where a request comes from and sets the headers of its answer. Outermost, so that it
/// covers every route and every refusal.
pub(crate) async fn origin(request: Request, next: Next) -> Response {
    let answer = match checked(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    with_headers(answer)
}

fn with_headers(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(NO_CONTENT_POLICY));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

fn checked(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let forbidden =
        |code: &str, message: String| Refusal::new(StatusCode::FORBIDDEN, code, message);
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) {
        (Some(host), None) if local(host) => host,
        _ => {
            return Err(forbidden(
                "canvas/host",
                "the canvas answers only at a name of this machine".into(),
            )
            .hint("open it at 127.0.0.1 or localhost; from elsewhere:  ssh -L 7433:127.0.0.1:7433 HOST"));
        }
    };
    // A request with a whole address in its first line names its host twice.
    if uri.authority().is_some_and(|authority| authority.as_str() != host) {
        return Err(forbidden("canvas/host", "the request names two hosts".into()));
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next();
    let foreign = |origin: &HeaderValue| origin.as_bytes() != format!("http://{host}").as_bytes();
    if origins.next().is_some() || origin.is_some_and(foreign) {
        return Err(forbidden(
            "canvas/origin",
            "the request comes from a page of another origin".into(),
        ));
    }
    // Pushes have a key of their own, and never come from a page.
    if uri.path().starts_with("/git/") {
        return match origin.is_some() || headers.contains_key("sec-fetch-site") {
            true => Err(forbidden("canvas/origin", "a browser does not push".into())),
            false => Ok(()),
        };
    }
    let upgrades = headers.contains_key(header::UPGRADE);
    let reads = method == Method::GET || method == Method::HEAD;
    if origin.is_none() && (upgrades || !reads) {
        return Err(forbidden(
            "canvas/origin",
            "a request that changes something says which page it comes from".into(),
        )
        .hint(format!("send the header  Origin: http://{host}")));
    }
    // Browsers say where a request comes from; a page of another site may link here, no more.
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let own = matches!(site, None | Some(b"same-origin" | b"none"));
    if !own && (uri.path().starts_with("/v1") || !navigates) {
        return Err(forbidden("canvas/origin", "the request comes from another site".into()));
    }
    Ok(())
}

/// Whether a Host header names this machine to itself.
fn local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || is_port(port) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_port(&format!(":{port}")) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let address = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    address || name.eq_ignore_ascii_case("localhost")
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| {
        !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Lets only requests of a session through, and says whose it is.
pub(crate) async fn session(
    State(door): State<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    let cookie = cookie(request.headers(), &door.cookie_name());
    match cookie.and_then(|cookie| door.sessions.who(&cookie)) {
        Some(admitted) if !admitted.fresh && wants_fresh(request.method(), request.uri()) => {
            Refusal::new(
                StatusCode::FORBIDDEN,
                "session/old",
                "this browser was let in more than 12 hours ago; for shells, secrets, keys and the \
                 end of data it wants a newer link:  shelf open",
            )
            .into_response()
        }
        Some(admitted) => {
            let Admitted { person, name: session, .. } = admitted;
            request.extensions_mut().insert(Caller { person, session });
            next.run(request).await
        }
        None => Refusal::new(
            StatusCode::UNAUTHORIZED,
            "session/absent",
            "this browser has no session with this server, or it has ended",
        )
        .hint("get a link:  shelf open")
        .into_response(),
    }
}

/// What a browser that was left open for a day may not do without its owner being there: reach into
/// a copy, set a secret, make a key, delete or replace data.
pub(crate) fn wants_fresh(method: &Method, uri: &Uri) -> bool {
    let path = uri.path();
    let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    if !path.starts_with("/v1/apps/") {
        return false;
    }
    match *method {
        Method::GET => ends(&["/terminal"]),
        Method::POST => ends(&["/secrets", "/git", "/destroy", "/restore"]),
        Method::DELETE => path.contains("/backups/"),
        _ => false,
    }
}

/// The value of a cookie.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, pairs: &[(&'static str, &str)]) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        checked(&method.parse().unwrap(), &Uri::from_static("/v1/apps"), &headers)
    }

    #[test]
    fn what_cannot_be_taken_back_wants_a_fresh_session() {
        let wants = |method: &str, path: &'static str| {
            wants_fresh(&method.parse().unwrap(), &Uri::from_static(path))
        };
        for (method, path) in [
            ("GET", "/v1/apps/shop/blocks/web/terminal?rows=2"),
            ("POST", "/v1/apps/shop/secrets"),
            ("POST", "/v1/apps/shop/git"),
            ("POST", "/v1/apps/shop/destroy?target=prod"),
            ("POST", "/v1/apps/shop/restore"),
            ("DELETE", "/v1/apps/shop/backups/20261123T213548Z-move"),
        ] {
            assert!(wants(method, path), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/v1/apps/shop/secrets"),
            ("POST", "/v1/apps/shop/go"),
            ("DELETE", "/v1/apps/shop/git"),
            ("DELETE", "/v1/session"),
        ] {
            assert!(!wants(method, path), "{method} {path}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for good in ["127.0.0.1:7433", "localhost", "LOCALHOST:9", "[::1]:7433", "127.9.9.9"] {
            assert!(ask("GET", &[("host", good)]).is_ok(), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:7433",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "",
            "shop.localhost:8080",
            "[::1",
            "[::1]x",
            "localhost:",
            "localhost:12a",
            "127.0.0.1:1:2",
            "192.0.2.2:7433",
            "0.0.0.0:7433",
            "localhost@evil.example",
        ] {
            assert!(ask("GET", &[("host", bad)]).is_err(), "{bad}");
        }
        assert!(ask("GET", &[]).is_err(), "no host at all");
        assert!(ask("GET", &[("host", "localhost"), ("host", "localhost")]).is_err(), "two hosts");
    }

    #[test]
    fn only_the_pages_own_origin_may_write() {
        let host = ("host", "127.0.0.1:7433");
        assert!(ask("POST", &[host, ("origin", "http://127.0.0.1:7433")]).is_ok());
        assert!(ask("POST", &[host]).is_err(), "a form of another page may leave it out");
        for bad in
            ["http://evil.example", "null", "https://127.0.0.1:7433", "http://127.0.0.1:7434"]
        {
            assert!(ask("GET", &[host, ("origin", bad)]).is_err(), "{bad}");
            assert!(ask("POST", &[host, ("origin", bad)]).is_err(), "{bad}");
        }
        assert!(ask("GET", &[host, ("upgrade", "websocket")]).is_err(), "sockets are no reads");
        assert!(ask("GET", &[host, ("sec-fetch-site", "cross-site")]).is_err());
        assert!(ask("GET", &[host, ("sec-fetch-site", "same-site")]).is_err());
        assert!(ask("GET", &[host, ("sec-fetch-site", "same-origin")]).is_ok());
    }

    #[test]
    fn the_right_cookie_of_several_is_found() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", HeaderValue::from_static("a=1; shelf_7433=x=y; b=2"));
        assert_eq!(cookie(&headers, "shelf_7433").as_deref(), Some("x=y"));
        assert_eq!(cookie(&headers, "shelf_7434"), None);
    }
}
