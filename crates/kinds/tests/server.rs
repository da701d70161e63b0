//! Just enough of an API server for kubectl: discovery and OpenAPI from the table, nothing stored.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

/// Serves on a free port of loopback until the test process ends.
pub(crate) fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || serve(&listener));
    port
}

/// Answers discovery and OpenAPI from the table, over plain HTTP on loopback.
fn answer(path: &str) -> Option<Value> {
    let resources = |group: &str, version: &str| -> Vec<Value> {
        let mine = kinds::all().iter().filter(|k| k.group == group && k.version == version);
        mine.map(|k| {
            json!({"name": k.plural, "singularName": k.singular, "namespaced": k.namespaced, "kind": k.kind,
                "shortNames": k.short_names, "verbs": ["get", "list", "create", "patch"]})
        })
        .collect()
    };
    let mut groups: BTreeMap<&str, &str> = BTreeMap::new();
    for kind in kinds::all().iter().filter(|k| !k.group.is_empty()) {
        groups.insert(kind.group, kind.version);
    }
    match path.split('?').next()? {
        "/api" => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        "/apis" => {
            let groups: Vec<Value> = groups
                .iter()
                .map(|(group, version)| {
                    let version =
                        json!({"groupVersion": format!("{group}/{version}"), "version": version});
                    json!({"name": group, "versions": [version], "preferredVersion": version})
                })
                .collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        "/openapi/v3" => Some(kinds::openapi::index()),
        path => {
            if let Some(rest) = path.strip_prefix("/openapi/v3/") {
                return document(rest);
            }
            let (group, version) = match path.strip_prefix("/apis/") {
                Some(rest) => rest.split_once('/')?,
                None => ("", path.strip_prefix("/api/")?),
            };
            let group_version =
                if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
            Some(
                json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
                "resources": resources(group, version)}),
            )
        }
    }
}

fn document(path: &str) -> Option<Value> {
    match path.strip_prefix("apis/") {
        Some(rest) => {
            rest.split_once('/').and_then(|(group, version)| kinds::openapi::v3(group, version))
        }
        None => kinds::openapi::v3("", path.strip_prefix("api/")?),
    }
}

fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut request = String::new();
        let mut length = 0;
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            continue;
        }
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 || header == "\r\n" {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = request.split(' ').nth(1).unwrap_or("/");
        let (status, body) = match answer(path) {
            Some(body) => ("200 OK", body),
            None => (
                "404 Not Found",
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "reason": "NotFound", "code": 404}),
            ),
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        // A client that went away is no concern of the test.
        let _sent =
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    }
}
