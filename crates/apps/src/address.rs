//! The last step of `go` and `start`: the address answers, not only the copies behind it.
//!
//! Copies are ready some moments before the front door has heard of them, and what is promised is
//! the address. One line of HTTP is all this room knows of it; the front door names itself in
//! `server: shelf` on the pages it writes because no copy answered. Where next: `go.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use composer::Compiled;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::{Error, Result, Target};

const PAUSE: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The head of an answer fits into this.
const HEAD_BYTES: usize = 4096;

/// The paths that a compiled app is reached by.
pub(crate) fn paths(compiled: &Compiled) -> Vec<String> {
    let objects = compiled.phases.iter().flat_map(|phase| &phase.objects);
    objects.filter(|object| object["kind"] == "Ingress").flat_map(paths_of).collect()
}

/// The paths of an Ingress.
pub(crate) fn paths_of(ingress: &Value) -> Vec<String> {
    let rules = ingress["spec"]["rules"].as_array().into_iter().flatten();
    let paths = rules.flat_map(|rule| rule["http"]["paths"].as_array().into_iter().flatten());
    paths.filter_map(|path| path["path"].as_str().map(str::to_owned)).collect()
}

/// Waits until a copy of `app` answers at each of `paths`, whatever it says.
///
/// # Errors
/// The front door still has nobody to ask at `deadline`.
pub(crate) async fn answers(
    target: &Target,
    app: &str,
    paths: &[String],
    deadline: Instant,
) -> Result<()> {
    // Of another cluster only its own people know where its addresses lead.
    if target.cluster.is_some() {
        return Ok(());
    }
    let host = target.url(app).trim_start_matches("http://").to_owned();
    for path in paths {
        loop {
            let asked = timeout(ANSWER_WITHIN, ask(target.http, &host, path)).await;
            let why = match asked {
                Ok(Ok(None)) => break,
                Ok(Ok(Some(status))) => format!("the front door says {status}"),
                Ok(Err(error)) => format!("the front door at {}: {error}", target.http),
                Err(_) => format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
            };
            if Instant::now() > deadline {
                let address = format!("{}{path}", target.url(app));
                return Err(Error::Address { app: app.to_owned(), address, why });
            }
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Asks once; the status line if it was the front door that answered and not the app.
async fn ask(door: SocketAddr, host: &str, path: &str) -> std::io::Result<Option<String>> {
    let mut stream = TcpStream::connect(door).await?;
    let request = format!("HEAD {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut limited = stream.take(HEAD_BYTES as u64);
    limited.read_to_end(&mut head).await?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let Some(status) = lines.next() else {
        return Ok(Some("nothing".into()));
    };
    let own = lines.any(|line| line.eq_ignore_ascii_case("server: shelf"));
    Ok(own.then(|| status.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_path_of_an_ingress_is_asked() {
        let ingress = json!({"spec": {"rules": [
            {"http": {"paths": [{"path": "/"}, {"path": "/api/"}]}},
            {"host": "no paths"},
        ]}});
        assert_eq!(paths_of(&ingress), ["/", "/api/"]);
    }
}
