//! The canvas's own files, inside the binary: pages, scripts, styles, one font.
//!
//! Names with a hash in them never change and are kept by browsers for ever; the rest is asked
//! for again by its tag. A page gets a fresh nonce for its style elements each time. Where next:
//! `guard.rs` for the headers of every answer.

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::answer::Refusal;
use crate::{guard, session};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Replaced by the page's nonce wherever it stands in a page.
const NONCE: &str = "SHELF_CSP_NONCE";

/// What is shown while the binary holds no canvas.
const UNBUILT: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<title>Shelf</title></head><body><main><h1>Shelf</h1>\
<p>This binary was built without its canvas. In the source, with Node 20 or later:</p>\
<pre>cargo x ui\ncargo build</pre>\
<p>The command line does all of it too: <code>shelf help</code>.</p></main></body></html>\n";

/// Answers everything that is no verb: a file, or the page whose script shows the address.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/v1" || path.starts_with("/v1/") {
        return Refusal::absent("request/unknown", format!("there is no {path} here"))
            .into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "request/method",
            "pages are only read",
        )
        .into_response();
    }
    let name = path.trim_start_matches('/');
    let stored =
        |name: &str| FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes);
    let hidden = name.ends_with(".br") || name == "index.html" || name == "sources.sha256";
    if !hidden && let Some(bytes) = stored(name) {
        let packed = accepts_brotli(&headers).then(|| stored(&format!("{name}.br"))).flatten();
        return file(name, bytes, packed, &headers);
    }
    if !is_page(path) {
        return Refusal::absent("request/unknown", format!("there is no {path} here"))
            .into_response();
    }
    page(stored("index.html"))
}

/// Addresses that the canvas's script knows, also as those of a target.
fn is_page(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let parts = match parts.as_slice() {
        ["on", target, page @ ..] if !target.is_empty() => page,
        page => page,
    };
    match parts {
        [] | [""] | ["open" | "shelf" | "system"] => true,
        ["apps", app] => !app.is_empty(),
        ["apps", app, page] => !app.is_empty() && ["file", "plan", "releases"].contains(page),
        _ => false,
    }
}

fn page(index: Option<&[u8]>) -> Response {
    let nonce = match session::secret() {
        Ok(nonce) => nonce,
        Err(error) => {
            return Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "canvas/random",
                error.to_string(),
            )
            .into_response();
        }
    };
    let index = index.map_or(UNBUILT.into(), |index| String::from_utf8_lossy(index));
    let text = index.replace(NONCE, &nonce);
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, guard::content_policy(&nonce)),
    ];
    (headers, text).into_response()
}

fn file(
    name: &str,
    bytes: &'static [u8],
    packed: Option<&'static [u8]>,
    asked: &HeaderMap,
) -> Response {
    let tag: String =
        Sha256::digest(bytes).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let cache = if is_hashed(name) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known =
        asked.get(header::IF_NONE_MATCH).is_some_and(|have| have.as_bytes() == tag.as_bytes());
    let mut answer = Response::builder()
        .header(header::CONTENT_TYPE, content_type(name))
        .header(header::CACHE_CONTROL, cache)
        .header(header::VARY, "accept-encoding")
        .header(header::ETAG, tag);
    if known {
        answer = answer.status(StatusCode::NOT_MODIFIED);
    }
    if packed.is_some() && !known {
        answer = answer.header(header::CONTENT_ENCODING, "br");
    }
    let body = if known { Body::empty() } else { Body::from(packed.unwrap_or(bytes)) };
    answer.body(body).unwrap_or_else(|error| {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "canvas/file", error.to_string())
            .into_response()
    })
}

fn accepts_brotli(headers: &HeaderMap) -> bool {
    let value = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        value.split(',').any(|part| {
            let (name, quality) = part.split_once(';').unwrap_or((part, ""));
            name.trim() == "br" && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    })
}

/// `assets/index-Bx81_kQz.js`: a name that changes with the contents.
fn is_hashed(name: &str) -> bool {
    let Some(file) = name.strip_prefix("assets/") else { return false };
    let Some((stem, _)) = file.rsplit_once('.') else { return false };
    // The bundler's hash has eight letters, which may themselves hold a dash.
    let letters = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    stem.len() > 9
        && stem.is_char_boundary(stem.len() - 9)
        && stem.as_bytes()[stem.len() - 9] == b'-'
        && letters(&stem[stem.len() - 8..])
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("ico") => "image/x-icon",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_canvas_addresses_and_nothing_else() {
        for page in
            ["/", "/open", "/apps/shop", "/apps/shop/", "/apps/shop/file", "/shelf", "/system"]
        {
            assert!(is_page(page), "{page}");
            assert!(is_page(&format!("/on/prod{page}")), "{page} of a target");
        }
        for other in [
            "/apps",
            "/apps/a/b",
            "/apps/a/file/x",
            "/etc/passwd",
            "/x",
            "/../etc",
            "/apps//file",
            "/on",
        ] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(is_hashed("assets/index-Bx81_kQz.js"));
        assert!(is_hashed("assets/a-b-1a2b3c4-.css"));
        for plain in ["assets/index.js", "favicon.svg", "assets/-1234567.js", "index-Bx81_kQz.js"] {
            assert!(!is_hashed(plain), "{plain}");
        }
    }

    #[test]
    fn brotli_is_sent_only_to_who_takes_it() {
        let ask = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static(text));
            accepts_brotli(&headers)
        };
        assert!(ask("gzip, deflate, br") && ask("br;q=0.5"));
        assert!(!ask("gzip") && !ask("br;q=0") && !ask("brr"));
    }
}
