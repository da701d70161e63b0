//! Who gets in, and who does not: hosts, origins, sessions, and requests made to break things.

use serde_json::{Value, json};

use crate::world::World;
use crate::{Test, routes};

pub(crate) const TESTS: &[Test] = &[
    ("root_another_host_gets_nothing", hosts),
    ("root_another_origin_changes_nothing", origins),
    ("root_without_a_session_nothing_is_told", no_session),
    ("root_a_link_opens_once_and_a_session_ends", links),
    ("root_what_ends_the_server_is_on_the_socket_only", socket_only),
    ("root_every_answer_carries_the_guards", headers),
    ("root_bombs_are_answered_and_others_still_served", bombs),
    ("root_paths_lead_nowhere_else", paths),
    ("root_wrong_links_are_slowed_down", guesses),
];

fn hosts(world: &World) {
    let cookie = world.enter(&world.token());
    let outside =
        [("GET", "/"), ("POST", "/v1/session")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    for (method, path) in routes::all().iter().chain(&outside) {
        for host in ["evil.example", "127.0.0.1.evil.example", "shop.localhost", "0.0.0.0", ""] {
            let headers = format!(
                "Host: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\
                 Content-Type: application/json\r\n"
            );
            let answer = world.raw(method, path, &headers, "{}");
            assert_eq!(answer.refused(403), "canvas/host", "{method} {path} at {host}");
        }
    }
    // A whole address in the first line that is not the Host's.
    let line = format!("GET http://evil.example/v1/me HTTP/1.1\r\nHost: {}\r\n\r\n", world.address);
    let answer = world.bytes(line.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes());
    assert_eq!(answer.status, 403, "{}", answer.text);
}

fn origins(world: &World) {
    let cookie = world.enter(&world.token());
    let host = world.address;
    for (method, path) in routes::all().iter().filter(|(method, _)| method != "GET") {
        let foreign =
            format!("Origin: http://evil.example\r\nHost: {host}\r\nCookie: {cookie}\r\n");
        let none = format!("Host: {host}\r\nCookie: {cookie}\r\n");
        // What a form of another page can send without being asked first.
        let form = format!("{none}Content-Type: text/plain\r\nSec-Fetch-Site: cross-site\r\n");
        let port = format!("{none}Origin: http://127.0.0.1:1\r\n");
        for headers in [foreign, none, form, port] {
            let answer = world.raw(method, path, &headers, "{}");
            assert_eq!(answer.refused(403), "canvas/origin", "{method} {path}\n{headers}");
        }
    }
    let upgrade = format!(
        "Host: {host}\r\nCookie: {cookie}\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    let path = "/v1/apps/x/blocks/web/terminal";
    for more in ["", "Origin: http://evil.example\r\n", "Origin: null\r\n"] {
        let answer = world.raw("GET", path, &format!("{upgrade}{more}"), "");
        assert_eq!(answer.refused(403), "canvas/origin");
    }
    let read = format!("Host: {host}\r\nCookie: {cookie}\r\nSec-Fetch-Site: cross-site\r\n");
    assert_eq!(world.raw("GET", "/v1/apps", &read, "").refused(403), "canvas/origin");
    // Another page may link here: the page itself is no secret.
    let link =
        format!("Host: {host}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n");
    assert_eq!(world.raw("GET", "/apps/shop", &link, "").status, 200);
}

fn no_session(world: &World) {
    let forged = format!("shelf_{}={}", world.address.port(), "A".repeat(43));
    for (method, path) in &routes::all() {
        for cookie in ["", &forged, &format!("shelf_{}=", world.address.port())] {
            let answer = world.ask_as(cookie, method, path, &json!({}));
            assert_eq!(answer.refused(401), "session/absent", "{method} {path} with {cookie}");
        }
    }
    let unknown = world.ask_as("", "GET", "/v1/nothing-here", &Value::Null);
    assert_eq!(unknown.status, 404, "not even that a route exists depends on a session");
}

fn links(world: &World) {
    let token = world.token();
    let cookie = world.enter(&token);
    let again = world.ask_as("", "POST", "/v1/session", &json!({ "token": token }));
    assert_eq!(again.refused(401), "session/token");
    assert_eq!(
        world.ask_as(&cookie, "GET", "/v1/me", &Value::Null).expect(200)["person"],
        json!({ "name": "Ana Maria", "initials": "AM" })
    );
    // One made on the socket, for somebody else.
    let url = world.socket("POST", "/v1/sessions", &json!({ "name": "Bo" })).expect(200);
    let url = url["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("http://{}/open#", world.address)), "{url}");
    let other = world.enter(url.split_once('#').unwrap().1);
    assert_eq!(
        world.ask_as(&other, "GET", "/v1/me", &Value::Null).expect(200)["person"]["name"],
        "Bo"
    );
    let body = json!({ "token": world.token() }).to_string();
    let answer = world.raw("POST", "/v1/session", &world.page_headers(""), &body);
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(answer.head.contains(part), "{}", answer.head);
    }
    assert_eq!(world.ask_as(&cookie, "DELETE", "/v1/session", &Value::Null).status, 204);
    let stolen = world.ask_as(&cookie, "GET", "/v1/me", &Value::Null);
    assert_eq!(stolen.refused(401), "session/absent");
    world.ask_as(&other, "GET", "/v1/me", &Value::Null).expect(200);
}

fn socket_only(world: &World) {
    for path in
        ["/v1/sessions", "/v1/shutdown", "/v1/verbs/go", "/v1/verbs/build", "/v1/verbs/back"]
    {
        // Absent; or, where a browser may read the list, not to be posted to.
        let status = world.ask("POST", path, &json!({})).status;
        assert_eq!(status, if path == "/v1/sessions" { 405 } else { 404 }, "{path}");
    }
    assert_eq!(world.socket("POST", "/v1/session", &json!({ "token": "x" })).status, 404);
    world.socket("GET", "/v1/me", &Value::Null).expect(200);
}

fn headers(world: &World) {
    let expected = [
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cross-origin-opener-policy: same-origin",
        "cross-origin-resource-policy: same-origin",
        "frame-ancestors 'none'",
        "default-src 'none'",
    ];
    let bad = format!("Host: {}\r\nOrigin: http://x\r\n", world.address);
    let answers = [
        world.ask("GET", "/", &Value::Null),
        world.ask("GET", "/v1/apps", &Value::Null),
        world.ask_as("", "GET", "/v1/apps", &Value::Null),
        world.ask("GET", "/nothing", &Value::Null),
        world.ask("GET", "/v1/catalogue/postgres/icon.svg", &Value::Null),
        world.raw("GET", "/", &bad, ""),
    ];
    for (index, answer) in answers.iter().enumerate() {
        let wanted = expected.iter().filter(|part| index != 4 || !part.contains("ancestors"));
        for part in wanted {
            assert!(answer.head.contains(part), "{index}: {part} is not in\n{}", answer.head);
        }
        assert!(!answer.head.contains("access-control-"), "{}", answer.head);
    }
    assert!(answers[4].head.contains("sandbox") && answers[4].head.contains("image/svg+xml"));
    let page = &answers[0];
    assert!(!page.head.contains("unsafe-eval") && page.head.contains("script-src 'self';"));
    let nonce = |answer: &crate::world::Answer| {
        answer.head.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned()
    };
    let other = world.ask("GET", "/apps/shop", &Value::Null);
    assert_ne!(nonce(page), nonce(&other), "each page has a nonce of its own");
    assert!(!page.text.contains("SHELF_CSP_NONCE"));
}

fn bombs(world: &World) {
    let host = world.address;
    let many: String = (0..500).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "z".repeat(200_000));
    for headers in [many, long] {
        let answer = world.raw("GET", "/", &format!("Host: {host}\r\n{headers}"), "");
        assert!([400, 431].contains(&answer.status), "{}", answer.status);
    }
    let path = format!("/{}", "a".repeat(200_000));
    let answer = world.raw("GET", &path, &format!("Host: {host}\r\n"), "");
    assert!([400, 414, 431].contains(&answer.status), "{}", answer.status);
    let body = format!("{{\"token\":\"{}\"}}", "t".repeat(100_000));
    let answer = world.raw("POST", "/v1/session", &world.page_headers(""), &body);
    assert_eq!(answer.status, 413, "who has no session sends little");
    let large = json!({ "text": "#".repeat(3 * 1024 * 1024) });
    assert_eq!(world.ask("PUT", "/v1/apps/x/file", &large).status, 413);
    let smuggle = format!(
        "POST /v1/session HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    );
    let answer = world.bytes(smuggle.as_bytes());
    assert!(!answer.text.contains("<html"), "one request had two answers");
    for garbage in
        [&b"\x16\x03\x01\x02\x00\x01"[..], b"\0\0\0\0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let answer = world.bytes(garbage);
        assert!([0, 400, 505].contains(&answer.status), "{}", answer.status);
    }
    for body in ["", "{", "[]", "null", "{\"token\":1}", "{\"token\":\"x\",\"y\":1}", "\u{0}"] {
        let answer = world.raw("POST", "/v1/session", &world.page_headers(""), body);
        assert!((400..500).contains(&answer.status), "{body:?}: {}", answer.status);
    }
    world.get("/v1/me");
}

fn paths(world: &World) {
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/../../Cargo.toml",
        "/assets/..%2f..%2fCargo.toml",
        "//etc/passwd",
        "/index.html.br",
        "/sources.sha256",
        "/apps/x/../../../etc/passwd",
    ] {
        let answer = world.ask("GET", path, &Value::Null);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    for name in ["..", "%2e%2e", "..%2f..", "a%2fb", "%00", "shelf%0d%0ax"] {
        for part in ["model", "file", "history", "objects"] {
            let answer = world.ask("GET", &format!("/v1/apps/{name}/{part}"), &Value::Null);
            assert!([400, 404].contains(&answer.status), "{name}: {}", answer.status);
        }
        let icon = world.ask("GET", &format!("/v1/catalogue/{name}/icon.svg"), &Value::Null);
        assert!([400, 404].contains(&icon.status), "{name}");
        let body = json!({ "name": name, "from": { "empty": true } });
        assert_eq!(world.ask("POST", "/v1/apps", &body).status, 422, "{name}");
    }
}

fn guesses(world: &World) {
    let mut last = 0;
    for _ in 0..40 {
        let answer = world.ask_as("", "POST", "/v1/session", &json!({ "token": "guess" }));
        last = answer.status;
        if last == 429 {
            assert!(answer.head.contains("retry-after: 60"), "{}", answer.head);
            break;
        }
    }
    assert_eq!(last, 429);
    // The owner is not locked out by it.
    world.enter(&world.token());
}
