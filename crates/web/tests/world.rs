//! A server without containers: the canvas on a port of its own, and ways to ask it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    net: net::Net,
    pods: Option<pod::Pods>,
    pub(crate) web: web::Web,
    pub(crate) address: SocketAddr,
    cookie: String,
}

/// An answer whose body was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// One line each; the server writes names in lower case.
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    /// The body, after checking the status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The code of an error, after checking the status.
    pub(crate) fn refused(self, status: u16) -> String {
        let body = self.expect(status);
        body["error"]["code"].as_str().unwrap_or_else(|| panic!("no error in {body}")).to_owned()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("canvas").tempdir().unwrap();
        let mut left = std::process::id();
        let mut instance = String::from("w");
        for _ in 0..5 {
            instance.push(char::from_digit(left % 36, 36).unwrap());
            left /= 36;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let data = dir.path().join("data");
        let images = image::Images::open(&data.join("images")).unwrap();
        let settings = net::Settings {
            instance: instance.clone(),
            state_dir: data.join("net"),
            run_dir: dir.path().join("run/net"),
            pod_cidr: None,
            service_cidr: ([10, 98, 0, 0].into(), 16),
            domain: "cluster.local".into(),
            front_door: vec!["127.0.0.1:0".parse().unwrap()],
        };
        let net = runtime.block_on(net::Net::start(settings)).unwrap();
        let settings = pod::Settings {
            data_dir: data.clone(),
            run_dir: dir.path().join("run"),
            instance: instance.clone(),
            cgroup: format!("shelf-{instance}"),
        };
        let handle = runtime.handle().clone();
        let pods = pod::Pods::start(settings, images.clone(), net.clone(), handle).unwrap();
        let (web, address) = runtime.block_on(async {
            let store = store::Store::open_in_memory().unwrap();
            let settings = api::Settings {
                service_cidr: ("10.98.0.0".parse().unwrap(), 16),
                version: "0.1.0".into(),
            };
            let api = api::Api::new(store, axum::Router::new(), settings).await.unwrap();
            let keep = data.join("kept");
            std::fs::create_dir_all(&keep).unwrap();
            let target = ::apps::Target {
                client: kube::Client::new(api.router(), "default"),
                images,
                pods: pods.clone(),
                registry: registry::Client::new(&registry::Settings::default()).unwrap(),
                http: net.front_door()[0],
                build_ca: None,
                keep,
                cluster: None,
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let web = web::Web::open(web::Settings {
                target,
                data_dir: data,
                about: json!({ "node": "here" }),
                canvas: Some(address),
                requests: None,
                owner: "Ana Maria".into(),
            })
            .unwrap();
            tokio::spawn(web::listen(listener, web.canvas_router(), std::future::pending()));
            (web, address)
        });
        let mut world =
            Self { dir, runtime, net, pods: Some(pods), web, address, cookie: String::new() };
        world.cookie = world.enter(&world.token());
        world
    }

    /// A fresh token.
    pub(crate) fn token(&self) -> String {
        let link = self.web.link().unwrap().unwrap();
        link.split_once('#').unwrap().1.to_owned()
    }

    /// Opens a session and returns its cookie.
    pub(crate) fn enter(&self, token: &str) -> String {
        let body = json!({ "token": token }).to_string();
        let answer = self.raw("POST", "/v1/session", &self.page_headers(""), &body);
        assert_eq!(answer.status, 204, "{}", answer.text);
        let line = answer.head.lines().find(|line| line.starts_with("set-cookie:")).unwrap();
        line["set-cookie:".len()..].split(';').next().unwrap().trim().to_owned()
    }

    /// What a page of the canvas sends with each request.
    pub(crate) fn page_headers(&self, cookie: &str) -> String {
        let host = self.address;
        format!(
            "Host: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/json\r\nCookie: other=1; {cookie}\r\n"
        )
    }

    /// Asks as a page with a session does.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask_as(&self.cookie, method, path, body)
    }

    /// Asks as a page with the session of this cookie does.
    pub(crate) fn ask_as(&self, cookie: &str, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, &self.page_headers(cookie), &body)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null).expect(200)
    }

    /// Sends exactly these headers.
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        self.bytes(
            format!(
                "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The server may answer and close before it has read everything.
        let _closed = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _cut = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let head = head.to_owned();
        let text = match head.contains("transfer-encoding: chunked") {
            true => unchunk(body),
            false => body.to_owned(),
        };
        Answer { status, head, text }
    }

    /// Sends bytes and reads until `end` was read.
    pub(crate) fn bytes_until(&self, bytes: &[u8], end: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let mut block = [0; 4096];
        while !String::from_utf8_lossy(&answer).contains(end) {
            let count = stream.read(&mut block).expect("more of an answer");
            assert!(count > 0, "it ended: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&block[..count]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Asks on the unix socket's router.
    pub(crate) fn socket(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "shelf")
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        self.runtime.block_on(async {
            let answer = self.web.socket_router().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Answer { status, head: String::new(), text }
        })
    }

    /// A stream of events, as a page opens it.
    pub(crate) fn events(&self, cookie: Option<&str>, app: &str, last: Option<&str>) -> Events {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let headers = self.page_headers(cookie.unwrap_or(&self.cookie));
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let head = format!("GET /v1/stream?app={app} HTTP/1.1\r\n{headers}{last}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        Events { lines: BufReader::new(stream) }
    }

    /// A new app with this file, known to the server.
    pub(crate) fn app(&self, name: &str, text: &str) -> std::path::PathBuf {
        let dir = self.dir.path().join("own").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("app.toml"), text).unwrap();
        let body = json!({ "name": name, "from": { "dir": dir } });
        assert_eq!(self.ask("POST", "/v1/apps", &body).expect(200)["name"], name);
        dir
    }

    /// Waits until an operation has ended; all that is known of it.
    pub(crate) fn ended(&self, id: u64) -> Value {
        for _ in 0..200 {
            let one = self.get(&format!("/v1/operations/{id}"));
            if one["running"] == false {
                return one;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("operation {id} does not end");
    }
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

/// A stream of events under way.
pub(crate) struct Events {
    lines: BufReader<TcpStream>,
}

/// One event: its number, its kind and its data.
pub(crate) type Seen = (String, String, Value);

impl Events {
    /// The next event that is no ping.
    pub(crate) fn next(&mut self) -> Seen {
        let (mut id, mut kind) = (String::new(), String::new());
        let began = std::time::Instant::now();
        loop {
            // Pings come for ever.
            assert!(began.elapsed() < Duration::from_secs(20), "only pings came");
            let mut line = String::new();
            let count = self.lines.read_line(&mut line).expect("an event within ten seconds");
            assert!(count > 0, "the stream ended");
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.to_owned();
            } else if let Some(text) = line.strip_prefix("event: ") {
                kind = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ")
                && kind != "ping"
            {
                return (id, kind, serde_json::from_str(text).unwrap());
            }
        }
    }

    /// The next event of this kind.
    pub(crate) fn next_of(&mut self, wanted: &str) -> Seen {
        loop {
            let seen = self.next();
            if seen.1 == wanted {
                return seen;
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.pods = None;
        let _gone = self.runtime.block_on(self.net.shutdown(true));
    }
}
