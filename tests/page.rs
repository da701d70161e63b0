//! A plain HTTP client: one request per connection, so that nothing hides behind a pool.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends one request to the front door for the shop.
pub(crate) fn request(port: u16, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
    request_to("shop", port, method, path, body)
}

/// Sends one request to the front door for any app.
pub(crate) fn request_to(
    app: &str,
    port: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("connecting")?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {app}.localhost:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).context("reading the answer")?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").context("an answer without a head")?;
    let status = head.split_whitespace().nth(1).context("a status")?.parse()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Ok(Answer { status, body })
}

fn unchunk(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || after.len() < size {
            break;
        }
        whole.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    whole
}

/// The page, which must answer 200.
pub(crate) fn get(port: u16, path: &str) -> Result<String> {
    get_from("shop", port, path)
}

pub(crate) fn get_from(app: &str, port: u16, path: &str) -> Result<String> {
    let answer = request_to(app, port, "GET", path, None)?;
    ensure!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.body);
    Ok(answer.body)
}

/// Someone who looks at the page all the time, and counts.
pub(crate) struct Visitor {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU32>,
    bad: Arc<AtomicU32>,
    thread: JoinHandle<Vec<String>>,
}

impl Visitor {
    /// Starts to look at `path`, some 40 times a second at the most.
    pub(crate) fn come(port: u16, path: &'static str) -> Visitor {
        Visitor::come_to("shop", port, path)
    }

    /// The same at another app.
    pub(crate) fn come_to(app: &'static str, port: u16, path: &'static str) -> Visitor {
        let stop = Arc::new(AtomicBool::new(false));
        let (good, bad) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let thread = std::thread::spawn({
            let (stop, good, bad) = (stop.clone(), good.clone(), bad.clone());
            move || {
                let mut complaints = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match get_from(app, port, path) {
                        Ok(_) => good.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            complaints.push(format!("{error:#}"));
                            bad.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                    std::thread::sleep(Duration::from_millis(25));
                }
                complaints
            }
        });
        Visitor { stop, good, bad, thread }
    }

    /// Stops looking; an error unless enough was seen and nothing failed.
    pub(crate) fn leave(self, least: u32) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let complaints = self.thread.join().expect("the visitor's thread");
        let (good, bad) = (self.good.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed));
        let first = complaints.first().cloned().unwrap_or_default();
        ensure!(bad == 0, "{bad} of {} requests failed; the first: {first}", good + bad);
        ensure!(good >= least, "only {good} requests were made: too few to show anything");
        Ok(())
    }
}
