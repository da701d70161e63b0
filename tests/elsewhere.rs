//! What a target needs around it: a second server that is reached as a cluster is, a registry, and
//! in front of its API somebody who allows no more than a Role does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::borrowed::Registry;
use crate::server::Server;

/// A second server, which knows nothing of the first, and a registry between them.
pub(crate) struct There {
    pub(crate) server: Server,
    pub(crate) registry: Registry,
    folder: TempDir,
}

impl There {
    /// Starts both and waits until they answer.
    pub(crate) fn start() -> Result<There> {
        let folder = tempfile::Builder::new().prefix("shelf-e2e-").tempdir_in("/var/tmp")?;
        let registry = Registry::start(&folder.path().join("registry"))?;
        let mut server = Server::beside()?;
        server.start()?;
        Ok(There { server, registry, folder })
    }

    /// Says to `here` that this is the target `name`.
    pub(crate) fn add(&self, here: &Server, name: &str, kubeconfig: &str) -> Result<()> {
        let registry = format!("127.0.0.1:{}/apps", self.registry.port);
        let address = format!("http://*.localhost:{}", self.server.http_port);
        let said = here.shelf(&[
            "target",
            "add",
            name,
            "--kubeconfig",
            kubeconfig,
            "--registry",
            &registry,
            "--address",
            &address,
        ]);
        ensure!(said.good()?.contains("apps can run there"));
        Ok(())
    }

    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends everything.
    pub(crate) fn end(self) {
        self.server.end();
    }
}

/// One rule of a Role: groups, resources, verbs.
type Rule = (Vec<String>, Vec<String>, Vec<String>);

/// An API server in front of another: it lets through what the rules of one Role in one namespace
/// allow, and what every login may ask; the rest is forbidden.
pub(crate) struct Guard {
    pub(crate) port: u16,
    namespace: String,
    rules: Vec<Rule>,
    socket: PathBuf,
    /// What was forbidden, and what was allowed to write: `verb group/resource namespace`.
    refused: Mutex<Vec<String>>,
    wrote: Mutex<Vec<String>>,
}

impl Guard {
    /// Listens until this process ends. `role` is YAML with a Role in it.
    pub(crate) fn start(there: &Server, namespace: &str, role: &str) -> Result<Arc<Guard>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let guard = Arc::new(Guard {
            port: listener.local_addr()?.port(),
            namespace: namespace.to_owned(),
            rules: rules(role)?,
            socket: there.run_dir().join("api.sock"),
            refused: Mutex::default(),
            wrote: Mutex::default(),
        });
        let own = guard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let guard = own.clone();
                std::thread::spawn(move || guard.serve(stream));
            }
        });
        Ok(guard)
    }

    /// A kubeconfig that leads here.
    pub(crate) fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: there\ncontexts:\n- name: there\n  context: {{cluster: there, user: ana}}\nclusters:\n- name: there\n  cluster: {{server: 'http://127.0.0.1:{}'}}\nusers:\n- name: ana\n  user: {{}}\n",
            self.port
        )
    }

    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn wrote(&self) -> Vec<String> {
        self.wrote.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One request of a connection, which ends with its answer.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte).ok()? == 0 || head.len() > 64 * 1024 {
                return None;
            }
            head.push(byte[0]);
        }
        let text = String::from_utf8(head).ok()?;
        let (first, rest) = text.split_once("\r\n")?;
        let mut words = first.split(' ');
        let (method, uri) = (words.next()?, words.next()?);
        if uri.contains("/selfsubjectaccessreviews") {
            return self.review(&mut stream, rest);
        }
        let asked = Asked::of(method, uri);
        if !self.allows(&asked) {
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).push(asked.to_string());
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                "message": format!("{asked} is forbidden"), "reason": "Forbidden", "code": 403});
            return answer(&mut stream, "403 Forbidden", &status);
        }
        if !["get", "list", "watch"].contains(&asked.verb) {
            self.wrote.lock().unwrap_or_else(PoisonError::into_inner).push(asked.to_string());
        }
        let upgrade = rest.to_ascii_lowercase().contains("\r\nupgrade:")
            || rest.to_ascii_lowercase().starts_with("upgrade:");
        let kept: Vec<&str> = rest
            .split("\r\n")
            .filter(|line| upgrade || !line.to_ascii_lowercase().starts_with("connection:"))
            .collect();
        let lead = if upgrade { "" } else { "connection: close\r\n" };
        let mut there = UnixStream::connect(&self.socket).ok()?;
        write!(there, "{first}\r\n{lead}{}", kept.join("\r\n")).ok()?;
        let (mut from, mut to) = (stream.try_clone().ok()?, there.try_clone().ok()?);
        std::thread::spawn(move || {
            let _ended = std::io::copy(&mut from, &mut to);
            let _closed = to.shutdown(std::net::Shutdown::Write);
        });
        let _ended = std::io::copy(&mut there, &mut stream);
        let _closed = stream.shutdown(std::net::Shutdown::Both);
        Some(())
    }

    /// Answers who asks what it may do, as the rules say.
    fn review(&self, stream: &mut TcpStream, head: &str) -> Option<()> {
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length:").nth(1)?.split("\r\n").next()?.trim();
        let mut body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut body).ok()?;
        let mut review: Value = serde_json::from_slice(&body).ok()?;
        let attributes = &review["spec"]["resourceAttributes"];
        let text = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
        let (verb, resource) = (text("verb"), text("resource"));
        let own = text("namespace") == self.namespace;
        let allowed = own && self.fits(&text("group"), &resource, &verb);
        review["status"] = json!({ "allowed": allowed });
        answer(stream, "201 Created", &review)
    }

    fn fits(&self, group: &str, resource: &str, verb: &str) -> bool {
        self.rules.iter().any(|(groups, resources, verbs)| {
            groups.iter().any(|one| one == group)
                && resources.iter().any(|one| one == resource)
                && verbs.iter().any(|one| one == verb)
        })
    }

    fn allows(&self, asked: &Asked) -> bool {
        // What there is to ask for at all, every login may know.
        if asked.resource.is_empty() {
            return asked.verb == "get";
        }
        asked.namespace == self.namespace && self.fits(&asked.group, &asked.resource, asked.verb)
    }
}

fn answer(stream: &mut TcpStream, status: &str, body: &Value) -> Option<()> {
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

/// A request as a Role sees it.
struct Asked {
    verb: &'static str,
    group: String,
    /// With its subresource: `pods/exec`.
    resource: String,
    namespace: String,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}/{} {}", self.verb, self.group, self.resource, self.namespace)
    }
}

impl Asked {
    fn of(method: &str, uri: &str) -> Asked {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let group = match parts.next() {
            Some("api") => {
                parts.next();
                String::new()
            }
            Some("apis") => {
                let group = parts.next().unwrap_or_default().to_owned();
                parts.next();
                group
            }
            _ => return Asked::plain(method),
        };
        let mut parts: Vec<&str> = parts.collect();
        let mut namespace = String::new();
        if parts.len() > 1 && parts[0] == "namespaces" {
            namespace = parts[1].to_owned();
            if parts.len() > 2 {
                parts.drain(..2);
            }
        }
        let Some(resource) = parts.first() else { return Asked::plain(method) };
        let mut resource = (*resource).to_owned();
        if let Some(part) = parts.get(2) {
            resource = format!("{resource}/{part}");
        }
        let named = parts.len() > 1;
        let watch = query.split('&').any(|one| one == "watch=true" || one == "watch=1");
        let verb = match (method, named) {
            ("GET", _) if watch => "watch",
            ("GET", true) => "get",
            ("GET", false) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", true) => "delete",
            ("DELETE", false) => "deletecollection",
            _ => "unknown",
        };
        Asked { verb, group, resource, namespace }
    }

    fn plain(method: &str) -> Asked {
        let verb = if method == "GET" { "get" } else { "unknown" };
        Asked { verb, group: String::new(), resource: String::new(), namespace: String::new() }
    }
}

/// The rules of the Role among the documents that `shelf target role` prints.
fn rules(text: &str) -> Result<Vec<Rule>> {
    let role = text.split("---").find(|part| part.contains("kind: Role\n")).context("a Role")?;
    let (mut rules, mut list): (Vec<Rule>, &str) = (Vec::new(), "");
    // Blocks of lists of plain words, which is all a rule is made of.
    for line in role.lines().skip_while(|line| !line.starts_with("rules:")).skip(1) {
        let words = line.trim_start().trim_start_matches("- ").trim();
        if let Some(key) = words.strip_suffix(':') {
            if key == "apiGroups" {
                rules.push(Rule::default());
            }
            list = key;
            continue;
        }
        let Some(rule) = rules.last_mut() else { continue };
        let word = words.trim_matches(['"', '\'']).to_owned();
        match list {
            "apiGroups" => rule.0.push(word),
            "resources" => rule.1.push(word),
            "verbs" => rule.2.push(word),
            _ => {}
        }
    }
    let whole = rules.iter().all(|(a, b, c)| !a.is_empty() && !b.is_empty() && !c.is_empty());
    ensure!(rules.len() > 5 && whole, "the rules of the Role were not read: {role}");
    Ok(rules)
}
