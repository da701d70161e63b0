//! The canvas's door as a browser uses it: a link, a session, an edit, a go that everyone sees, a
//! terminal in a copy. Plain sockets, so that nothing hides behind a client's library.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::server::{Server, eventually};

/// A browser with a session.
pub(crate) struct Browser {
    host: String,
    cookie: String,
}

impl Browser {
    /// Opens the link that `shelf open` prints.
    pub(crate) fn open(server: &Server) -> Result<Browser> {
        let text = server.shelf(&["open", "--name", "Ana"]).good()?;
        let rest = text.trim().strip_prefix("http://").context("no link")?;
        let (host, token) = rest.split_once("/open#").context("a link without a token")?;
        let mut browser = Browser { host: host.to_owned(), cookie: "none=0".into() };
        let body = json!({ "token": token }).to_string();
        let (status, head, _) = browser.whole("POST", "/v1/session", &body)?;
        ensure!(status == 204, "the link opens nothing: {status}");
        let line = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = line.and_then(|line| line.split(';').next()).context("no cookie")?;
        browser.cookie = cookie.to_owned();
        Ok(browser)
    }

    fn connect(&self, request: &str, more: &str, body: &str) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let (host, cookie, length) = (&self.host, &self.cookie, body.len());
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n{body}"
        )?;
        Ok(stream)
    }

    fn whole(&self, method: &str, path: &str, body: &str) -> Result<(u16, String, String)> {
        let mut stream =
            self.connect(&format!("{method} {path}"), "Connection: close\r\n", body)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").context("an answer without a head")?;
        let status = head.split_whitespace().nth(1).context("a status")?.parse()?;
        Ok((status, head.to_owned(), body.to_owned()))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, _, text) = self.whole(method, path, &body)?;
        ensure!(status == 200, "{method} {path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.ask("GET", path, &Value::Null)
    }

    /// Begins to listen to what happens to the shop.
    fn listen(&self) -> Result<Stream> {
        let stream = self.connect("GET /v1/stream?app=shop", "", "")?;
        Ok(Stream { lines: BufReader::new(stream) })
    }
}

struct Stream {
    lines: BufReader<TcpStream>,
}

impl Stream {
    /// The first event of this kind that fits.
    fn until(&mut self, wanted: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(180);
        let mut kind = String::new();
        loop {
            ensure!(Instant::now() < deadline, "no {wanted} event that fits came");
            let mut line = String::new();
            ensure!(self.lines.read_line(&mut line)? > 0, "the stream ended");
            if let Some(text) = line.trim_end().strip_prefix("event: ") {
                kind = text.to_owned();
            } else if let Some(text) = line.trim_end().strip_prefix("data: ")
                && kind == wanted
            {
                let value = serde_json::from_str(text)?;
                if fits(&value) {
                    return Ok(value);
                }
            }
        }
    }
}

/// What is drawn, changed and set going in a browser is what the command line shows.
pub(crate) fn works(server: &mut Server) -> Result<()> {
    let browser = Browser::open(server)?;
    let (status, head, page) = browser.whole("GET", "/apps/shop", "")?;
    ensure!(status == 200 && page.contains("<html"), "{status} {page}");
    ensure!(head.contains("script-src 'self'"), "{head}");
    let file = std::fs::read_to_string(server.shop().join("app.toml"))?;
    let model = browser.get("/v1/apps/shop/model")?;
    ensure!(
        model["valid"] == true && model["wires"].as_array().map(Vec::len) == Some(2),
        "{model}"
    );
    let mut stream = browser.listen()?;
    stream.until("status", |status| status["state"] == "ready")?;

    let copies = json!({ "revision": model["revision"], "edits": [
        { "verb": "copies", "block": "web", "process": "web", "copies": "2" } ] });
    let done = browser.ask("POST", "/v1/apps/shop/edits", &copies)?;
    stream.until("model", |news| news["revision"] == done["model"]["revision"])?;
    let plan = server.shelf(&["plan"]).good()?;
    ensure!(plan.contains("1 → 2 copies"), "{plan}");
    go(&browser, &mut stream)?;
    let two = |status: &Value| {
        let blocks = status["blocks"].as_array().into_iter().flatten();
        blocks.into_iter().any(|block| block["name"] == "web" && block["ready"] == 3)
    };
    stream.until("status", two)?;
    let changes = browser.get("/v1/apps/shop/model")?["changes"].clone();
    ensure!(changes == json!([]), "what went out is still a change: {changes}");
    let releases = browser.get("/v1/apps/shop/releases")?;
    ensure!(releases["releases"][0]["by"] == "Ana", "{releases}");

    browser.ask("POST", "/v1/apps/shop/undo", &json!({}))?;
    ensure!(std::fs::read_to_string(server.shop().join("app.toml"))? == file, "undo left a trace");
    go(&browser, &mut stream)?;
    ensure!(server.shelf(&["status"]).good()?.contains("2/2"));
    Ok(())
}

/// Says go and waits for its end on the stream.
fn go(browser: &Browser, stream: &mut Stream) -> Result<()> {
    let id = browser.ask("POST", "/v1/apps/shop/go", &json!({}))?["operation"].clone();
    let ended = stream.until("operation", |told| {
        told["id"] == id && (told.get("result").is_some() || told.get("error").is_some())
    })?;
    ensure!(ended["result"]["changed"] == true, "{ended}");
    Ok(())
}

/// Logs, figures and a terminal of what runs.
pub(crate) fn looks_inside(server: &mut Server) -> Result<()> {
    let browser = Browser::open(server)?;
    let (_, _, lines) = browser.whole("GET", "/v1/apps/shop/logs?block=db&tail=50", "")?;
    ensure!(lines.contains("ready to accept connections"), "{lines}");
    eventually(30, || {
        let metrics = browser.get("/v1/apps/shop/metrics")?;
        let last = metrics["points"].as_array().and_then(|points| points.last()).cloned();
        let last = last.context("no point yet")?;
        let used = last["blocks"]["db"]["memory_bytes"].as_u64().unwrap_or(0);
        ensure!(used > 1024 * 1024, "{last}");
        Ok(())
    })?;
    let events = browser.get("/v1/apps/shop/events")?;
    ensure!(events["events"].as_array().is_some_and(|all| !all.is_empty()), "{events}");
    let system = browser.get("/v1/system")?;
    let disks = system["disks"].as_array().cloned().unwrap_or_default();
    let used = disks.iter().find(|disk| disk["block"] == "db").map(|disk| &disk["used_bytes"]);
    ensure!(used.and_then(Value::as_u64).is_some_and(|bytes| bytes > 0), "{disks:?}");
    terminal(&browser)
}

/// Types into a shell, resizes it, and leaves it with an exit code.
fn terminal(browser: &Browser) -> Result<()> {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let path = "GET /v1/apps/shop/blocks/db/terminal?rows=31&cols=97";
    let mut stream = browser.connect(path, upgrade, "")?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    ensure!(head.starts_with("HTTP/1.1 101"), "{head}");
    send(&mut stream, 2, b"stty size\n")?;
    let mut shown = read_until(&mut stream, "31 97")?;
    send(&mut stream, 1, br#"{"resize":{"rows":44,"cols":111}}"#)?;
    std::thread::sleep(Duration::from_millis(300));
    send(&mut stream, 2, b"stty size; exit 7\n")?;
    shown.push_str(&read_until(&mut stream, "\"exit\"")?);
    ensure!(shown.contains("44 111"), "{shown}");
    ensure!(shown.contains(r#"{"exit":{"code":7}}"#), "{shown}");
    Ok(())
}

/// One masked frame (RFC 6455, section 5.2); the mask is all zeros.
fn send(stream: &mut TcpStream, kind: u8, bytes: &[u8]) -> Result<()> {
    let length = u8::try_from(bytes.len())?;
    ensure!(length < 126, "a frame of this test is short");
    stream.write_all(&[0x80 | kind, 0x80 | length, 0, 0, 0, 0])?;
    stream.write_all(bytes)?;
    Ok(())
}

/// The text of frames until `end` was in it.
fn read_until(stream: &mut TcpStream, end: &str) -> Result<String> {
    let mut shown = String::new();
    while !shown.contains(end) {
        let mut head = [0; 2];
        stream.read_exact(&mut head).with_context(|| format!("no {end:?} in {shown:?}"))?;
        let length = match head[1] {
            126 => {
                let mut long = [0; 2];
                stream.read_exact(&mut long)?;
                usize::from(u16::from_be_bytes(long))
            }
            127 => bail!("a frame longer than a terminal's"),
            short => usize::from(short),
        };
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        ensure!(head[0] & 15 != 8, "the terminal closed without {end:?}: {shown:?}");
        shown.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok(shown)
}
