//! What a proxy must change in headers (RFC 9110 section 7.6): hop-by-hop fields
//! go, the client's address is added, an upgrade is passed on. Pure.

use std::net::IpAddr;

use http::header::{
    CONNECTION, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, request};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The protocol a request or answer switches to, if it asks for a switch.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    if asks { headers.get(UPGRADE).cloned() } else { None }
}

/// The host a request is for: its target's if absolute, else the Host field.
pub(crate) fn host(request: &request::Parts) -> String {
    let authority = request.uri.authority().map(|authority| authority.as_str().to_owned());
    let field = || Some(request.headers.get(HOST)?.to_str().ok()?.to_owned());
    authority.or_else(field).unwrap_or_default()
}

/// Turns a client's request into ours to the backend.
pub(crate) fn to_backend(request: &mut request::Parts, client: IpAddr) {
    let host = host(request);
    let switch = upgrade(&request.headers);
    remove_hop_by_hop(&mut request.headers);
    // Answered by our server already: it sends "100 Continue" when we read.
    request.headers.remove(EXPECT);
    let path = request.uri.path_and_query().cloned();
    request.uri = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    request.version = Version::HTTP_11;
    if let Some(protocol) = switch {
        request.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers.insert(UPGRADE, protocol);
    }
    if let Ok(value) = HeaderValue::from_str(&host) {
        request.headers.insert(HOST, value.clone());
        request.headers.insert(FORWARDED_HOST, value);
    }
    request.headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    let mut chain: Vec<String> = request
        .headers
        .get_all(&FORWARDED_FOR)
        .iter()
        .filter_map(|value| Some(value.to_str().ok()?.to_owned()))
        .collect();
    chain.push(client.to_canonical().to_string());
    if let Ok(value) = HeaderValue::from_str(&chain.join(", ")) {
        request.headers.insert(FORWARDED_FOR, value);
    }
}

/// Turns a backend's answer into ours to the client; `switched` if it is a 101
/// that both sides want.
pub(crate) fn to_client(headers: &mut HeaderMap, switched: bool) {
    let protocol = if switched { headers.get(UPGRADE).cloned() } else { None };
    remove_hop_by_hop(headers);
    if let Some(protocol) = protocol {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// Whether a request may be sent twice without harm, its body aside.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        connection_options(headers).filter_map(|option| option.parse().ok()).collect();
    // A client must not make us drop what routing or framing needs.
    for name in named.iter().filter(|name| **name != HOST) {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut builder = Request::builder().uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9));

    #[test]
    fn hop_by_hop_fields_go_and_the_rest_stays() {
        let mut request = parts(
            "http://shop.localhost:8080/a?b=c",
            &[
                ("host", "other"),
                ("connection", "keep-alive, X-Private"),
                ("x-private", "1"),
                ("te", "trailers"),
                ("cookie", "a=b"),
                ("x-forwarded-for", "198.51.100.1"),
            ],
        );
        to_backend(&mut request, CLIENT);
        assert_eq!(request.uri, "/a?b=c");
        let get = |name: &str| request.headers.get(name).map(|v| v.to_str().unwrap());
        assert_eq!(get("host"), Some("shop.localhost:8080"));
        assert_eq!(get("cookie"), Some("a=b"));
        assert_eq!(get("x-forwarded-for"), Some("198.51.100.1, 192.0.2.9"));
        assert_eq!(get("x-forwarded-proto"), Some("http"));
        assert_eq!(get("x-forwarded-host"), Some("shop.localhost:8080"));
        for gone in ["connection", "x-private", "te"] {
            assert_eq!(get(gone), None, "{gone}");
        }
    }

    #[test]
    fn an_upgrade_is_passed_on() {
        let headers = [("connection", "Keep-Alive, Upgrade"), ("upgrade", "websocket")];
        let mut request = parts("/ws", &headers);
        assert_eq!(upgrade(&request.headers).unwrap(), "websocket");
        to_backend(&mut request, CLIENT);
        assert_eq!(request.headers["connection"], "upgrade");
        assert_eq!(request.headers["upgrade"], "websocket");
        let mut answer = request.headers.clone();
        to_client(&mut answer, true);
        assert_eq!(answer["upgrade"], "websocket");
        to_client(&mut answer, false);
        assert!(!answer.contains_key("upgrade"));
    }

    #[test]
    fn an_upgrade_field_alone_is_no_upgrade() {
        let mut request = parts("/", &[("upgrade", "h2c")]);
        assert!(upgrade(&request.headers).is_none());
        to_backend(&mut request, CLIENT);
        assert!(!request.headers.contains_key("upgrade"));
    }
}
