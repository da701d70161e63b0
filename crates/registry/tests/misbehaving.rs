//! A registry that breaks off, lies, or is busy, written on bare sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use registry::{Descriptor, Error, Login};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{client, name};

/// A request as it came: its first line and its headers, in lower case.
struct Asked {
    line: String,
    head: String,
}

/// Answers each request by what `answer` says to the n-th of them; the bytes are sent as they are
/// and the connection is closed.
async fn serve(
    answer: impl Fn(usize, &Asked) -> Vec<u8> + Send + Sync + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (counted, answer) = (counted.clone(), answer.clone());
            tokio::spawn(async move {
                let Some(asked) = read(&mut stream).await else { return };
                let bytes = if asked.line.starts_with("GET /v2/ ") {
                    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()
                } else {
                    answer(counted.fetch_add(1, Ordering::Relaxed), &asked)
                };
                // The client may have hung up already.
                let _sent = stream.write_all(&bytes).await;
                let _ended = stream.shutdown().await;
            });
        }
    });
    (address, count)
}

/// None for what is no HTTP: the client tries TLS first.
async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        if !bytes[0].is_ascii_alphabetic() {
            return None;
        }
        if bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    Some(Asked { line, head: text.to_lowercase() })
}

fn reply(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn blob() -> (Vec<u8>, Descriptor) {
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    let descriptor = Descriptor::of("application/octet-stream", &bytes);
    (bytes, descriptor)
}

#[tokio::test]
async fn a_broken_download_is_carried_on_where_it_broke() {
    let (bytes, descriptor) = blob();
    let (address, count) = serve(move |_, asked| {
        let from = asked.head.split("range: bytes=").nth(1).and_then(|rest| rest.split('-').next());
        let from: usize = from.map_or(0, |from| from.parse().unwrap());
        let end = (from + 90_000).min(bytes.len());
        let range = format!("content-range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len());
        let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
        // The length promises all of it, the bytes end early.
        reply(status, &range, bytes.len() - from, &bytes[from..end])
    })
    .await;
    let repository = client().repository(&name(&format!("{address}/a/b")), None);
    assert_eq!(repository.blob(&descriptor).await.unwrap(), blob().0);
    assert_eq!(count.load(Ordering::Relaxed), 3, "90,000 bytes at a time");
}

#[tokio::test]
async fn a_server_without_ranges_is_carried_on_too() {
    let (bytes, descriptor) = blob();
    let (address, _) = serve(move |nth, _| {
        let end = if nth == 0 { 1000 } else { bytes.len() };
        reply("200 OK", "", bytes.len(), &bytes[..end])
    })
    .await;
    let repository = client().repository(&name(&format!("{address}/a/b")), None);
    assert_eq!(repository.blob(&descriptor).await.unwrap(), blob().0);
}

#[tokio::test]
async fn wrong_bytes_are_not_taken() {
    let (bytes, descriptor) = blob();
    let (address, _) = serve(move |_, asked| {
        let mut bytes = bytes.clone();
        if asked.line.contains("/a/long/") {
            bytes.push(1);
        } else {
            bytes[777] ^= 1;
        }
        reply("200 OK", "", bytes.len(), &bytes)
    })
    .await;
    for (path, words) in [("a/b", "the digest of its bytes is"), ("a/long", "it is longer than")] {
        let repository = client().repository(&name(&format!("{address}/{path}")), None);
        let error = repository.blob(&descriptor).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let repository = client().repository(&name(&format!("{address}/a/b")), None);
    let error = repository.manifest(&descriptor.digest).await.unwrap_err();
    assert_eq!(error.code(), "registry/wrong");
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_and_a_wrong_request_is_not() {
    let (bytes, descriptor) = blob();
    let (address, count) = serve(move |nth, _| match nth {
        0 => reply("429 Too Many Requests", "retry-after: 0\r\n", 0, b""),
        1 => reply("503 Service Unavailable", "", 0, b""),
        _ => reply("200 OK", "", bytes.len(), &bytes),
    })
    .await;
    let repository = client().repository(&name(&format!("{address}/a/b")), None);
    repository.blob(&descriptor).await.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 3);
    let body = br#"{"errors":[{"code":"UNSUPPORTED","message":"not here"}]}"#;
    let (address, count) = serve(move |_, _| reply("400 Bad Request", "", body.len(), body)).await;
    let repository = client().repository(&name(&format!("{address}/a/b")), None);
    let error = repository.blob(&descriptor).await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert!(error.to_string().contains("400") && error.to_string().contains("not here"), "{error}");
}

#[tokio::test]
async fn a_password_never_goes_to_a_token_server_by_plain_http() {
    let challenge = "www-authenticate: Bearer realm=\"http://192.0.2.1/token\",service=\"x\"\r\n";
    let (address, _) = serve(move |_, _| reply("401 Unauthorized", challenge, 0, b"")).await;
    let login = Login::new("ana", "s3cret");
    let repository = client().repository(&name(&format!("{address}/a/b")), Some(&login));
    let error = repository.tags().await.unwrap_err();
    assert!(error.to_string().contains("not reached by HTTPS"), "{error}");
}

#[tokio::test]
async fn a_token_is_fetched_with_the_login_and_not_carried_along_a_redirect() {
    let (bytes, descriptor) = blob();
    let (elsewhere, _) = serve(move |_, asked| {
        assert!(!asked.head.contains("authorization"), "the pass went along: {}", asked.head);
        reply("200 OK", "", bytes.len(), &bytes)
    })
    .await;
    let place = format!("location: http://{elsewhere}/there\r\n");
    let (tokens, asked_for_tokens) = serve(|_, asked| {
        assert!(asked.line.contains("scope=repository%3Aa%2Fb%3Apull"), "{}", asked.line);
        // ana:s3cret
        assert!(asked.head.contains("basic yw5honmzy3jlda=="), "{}", asked.head);
        reply("200 OK", "", 15, br#"{"token":"abc"}"#)
    })
    .await;
    let challenge = format!(
        "www-authenticate: Bearer realm=\"http://{tokens}/token\",service=\"x\",scope=\"repository:a/b:pull\"\r\n"
    );
    let (address, _) = serve(move |_, asked| {
        if asked.head.contains("authorization: bearer abc") {
            reply("307 Temporary Redirect", &place, 0, b"")
        } else {
            reply("401 Unauthorized", &challenge, 0, b"")
        }
    })
    .await;
    let login = Login::new("ana", "s3cret");
    let repository = client().repository(&name(&format!("{address}/a/b")), Some(&login));
    assert_eq!(repository.blob(&descriptor).await.unwrap(), blob().0);
    assert_eq!(repository.blob(&descriptor).await.unwrap(), blob().0);
    assert_eq!(asked_for_tokens.load(Ordering::Relaxed), 1, "a token is used again");
}

#[tokio::test]
async fn nobody_there_is_said_soon() {
    let port = crate::world::free_port();
    let repository = client().repository(&name(&format!("127.0.0.1:{port}/a/b")), None);
    let error = repository.tags().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(error.hint().is_some());
}
