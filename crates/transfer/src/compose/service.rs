//! One service of a compose file, read: where it comes from, what it listens on, its environment.
//! Where next: `place.rs`, which says what each becomes.

use std::collections::BTreeMap;

use super::interpolate::{Variables, environment};
use super::known::{self, Known};
use crate::ledger::{Ledger, Verdict};
use crate::words;
use crate::yaml::Node;

/// A service as it is written.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) node: Node,
    /// Names that others reach it by.
    pub(super) hosts: Vec<String>,
    pub(super) image: Option<String>,
    pub(super) build: Option<Build>,
    pub(super) known: Option<&'static Known>,
    pub(super) ports: Vec<Port>,
    pub(super) env: Vec<Variable>,
    /// Services it waits for, on what condition, and the value's number.
    pub(super) waits: Vec<(String, String, usize)>,
    /// Profiles that it is only part of.
    pub(super) profiles: Vec<String>,
}

/// What is built from a folder.
pub(super) struct Build {
    pub(super) context: String,
    /// The Dockerfile in it, if it has another name.
    pub(super) file: Option<String>,
    pub(super) target: Option<String>,
    /// Values of `ARG`; those without one come from the shell that builds.
    pub(super) args: Vec<(String, Option<String>)>,
    /// All that tells two builds of one folder apart.
    pub(super) rest: String,
}

/// A port.
pub(super) struct Port {
    pub(super) inside: u16,
    pub(super) outside: Option<u16>,
    pub(super) udp: bool,
    pub(super) id: usize,
    /// Whether it was published; exposed otherwise.
    pub(super) published: bool,
}

/// A variable of the environment.
#[derive(Clone)]
pub(super) struct Variable {
    pub(super) name: String,
    /// None: it comes from the shell that starts Compose.
    pub(super) value: Option<String>,
    pub(super) id: usize,
    /// Whether it is known to be secret, whatever its name.
    pub(super) secret: bool,
}

/// What reading needs besides the service.
pub(super) struct Beside<'a> {
    pub(super) files: &'a BTreeMap<String, String>,
    pub(super) variables: &'a mut Variables,
    pub(super) last: usize,
}

pub(super) fn read(
    name: &str,
    node: &Node,
    beside: &mut Beside<'_>,
    ledger: &mut Ledger,
) -> Service {
    // What was exported from here says which module it is.
    let module = node.get("labels").and_then(|labels| labels.get("shelf.dev/use")?.text());
    let module = module.map(|module| module.replace('@', ":"));
    let (image, build) = match module {
        Some(module) => (Some(module), None),
        None => {
            let image = node.get("image").and_then(Node::text).map(str::to_owned);
            (image, node.get("build").map(build))
        }
    };
    let known = match build {
        None => image.as_deref().and_then(known::find),
        Some(_) => None,
    };
    let mut hosts = vec![name.to_owned()];
    for key in ["container_name", "hostname"] {
        hosts.extend(node.get(key).and_then(Node::text).map(str::to_owned));
    }
    for (_, network) in node.get("networks").into_iter().flat_map(Node::entries) {
        let aliases = network.get("aliases").map(Node::items).unwrap_or_default();
        hosts.extend(aliases.iter().filter_map(Node::text).map(str::to_owned));
    }
    let mut ports = Vec::new();
    for one in node.get("ports").map(Node::items).unwrap_or_default() {
        match port(one) {
            Some(port) => ports.push(port),
            None => ledger.say(
                one,
                &Verdict::not("this is no single port")
                    .next("say each that people need:  shelf url BLOCK PATH --port PORT"),
            ),
        }
    }
    for one in node.get("expose").map(Node::items).unwrap_or_default() {
        let number = one.text().and_then(|text| text.split('/').next()?.parse().ok());
        if let Some(inside) = number {
            let udp = one.text().is_some_and(|text| text.ends_with("/udp"));
            ports.push(Port { inside, outside: None, udp, id: one.id, published: false });
        }
    }
    let profiles = node.get("profiles").map(Node::items).unwrap_or_default();
    Service {
        env: variables(node, beside, ledger),
        waits: waits(node),
        profiles: profiles.iter().filter_map(Node::text).map(str::to_owned).collect(),
        name: name.to_owned(),
        node: node.clone(),
        hosts,
        image,
        build,
        known,
        ports,
    }
}

fn build(node: &Node) -> Build {
    let context = node.text().or_else(|| node.get("context")?.text()).unwrap_or(".");
    let mut rest = String::new();
    for (key, value) in node.entries().filter(|(key, _)| *key != "context") {
        for (path, leaf) in value.leaves() {
            rest.push_str(&format!("{key}.{path}={}\n", leaf.text().unwrap_or_default()));
        }
    }
    let context = context.trim_end_matches('/');
    let inside = context.strip_prefix("./").unwrap_or(context);
    let context = match inside {
        "" | "." => ".".to_owned(),
        path if path.starts_with(['.', '/']) || path.contains("://") => path.to_owned(),
        path => format!("./{path}"),
    };
    let one = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    let file = one("dockerfile").map(|file| file.trim_start_matches("./").to_owned());
    Build {
        context,
        file: file.filter(|file| file != "Dockerfile"),
        target: one("target"),
        args: node.get("args").map(args).unwrap_or_default(),
        rest,
    }
}

/// Both forms of `args`: a list of `NAME=value`, and a table.
fn args(node: &Node) -> Vec<(String, Option<String>)> {
    let list = node.items().iter().filter_map(Node::text).map(|one| match one.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (one.to_owned(), None),
    });
    let map = node.entries().map(|(name, one)| (name.to_owned(), one.text().map(str::to_owned)));
    list.chain(map).collect()
}

fn port(node: &Node) -> Option<Port> {
    if node.is_map() {
        let number = |key: &str| node.get(key)?.text()?.parse().ok();
        let protocol = node.get("protocol").and_then(Node::text);
        return Some(Port {
            inside: number("target")?,
            outside: number("published"),
            udp: protocol == Some("udp"),
            id: node.get("target")?.id,
            published: true,
        });
    }
    let text = node.text()?;
    let (text, udp) = match text.split_once('/') {
        Some((text, protocol)) => (text, protocol == "udp"),
        None => (text, false),
    };
    let mut parts = text.rsplit(':');
    let inside = parts.next()?.parse().ok()?;
    let outside = parts.next().and_then(|one| one.parse().ok());
    Some(Port { inside, outside, udp, id: node.id, published: true })
}

fn waits(node: &Node) -> Vec<(String, String, usize)> {
    let Some(waits) = node.get("depends_on") else { return Vec::new() };
    let list = waits
        .items()
        .iter()
        .filter_map(|one| Some((one.text()?.to_owned(), "service_started".to_owned(), one.id)));
    let map = waits.entries().map(|(name, how)| {
        let condition = how.get("condition");
        let id = condition.map_or(how.id, |one| one.id);
        let condition = condition.and_then(Node::text).unwrap_or("service_started");
        (name.to_owned(), condition.to_owned(), id)
    });
    list.chain(map).collect()
}

/// What `env_file` and `environment` say; the latter wins, and of each the last.
fn variables(node: &Node, beside: &mut Beside<'_>, ledger: &mut Ledger) -> Vec<Variable> {
    let mut all: Vec<Variable> = Vec::new();
    let mut put = |one: Variable, ledger: &mut Ledger| {
        if let Some(at) = all.iter().position(|other| other.name == one.name) {
            let before = std::mem::replace(&mut all[at], one);
            let why = format!("{} is said again further on", before.name);
            ledger.say_of(before.id, Verdict::so_anyway(why));
        } else {
            all.push(one);
        }
    };
    let listed = node.get("env_file");
    let listed = listed.into_iter().flat_map(|list| match list.is_map() {
        true => std::slice::from_ref(list),
        false => list.items(),
    });
    for one in listed {
        let Some(file) = one.text().or_else(|| one.get("path")?.text()) else { continue };
        let Some(text) = beside.files.get(file) else {
            let why = format!("{file} was not found beside the compose file");
            ledger.say(
                one,
                &Verdict::not(why).next("set what it says:  shelf set BLOCK --env NAME=VALUE"),
            );
            continue;
        };
        ledger.say(one, &Verdict::so_anyway("its lines are in the environment"));
        for (line, name, value) in environment(text) {
            beside.last += 1;
            let id = beside.last;
            ledger.line(id, file, line, &name);
            let value = value.map(|value| beside.variables.fill(&value));
            put(Variable { name, value, id, secret: false }, ledger);
        }
    }
    let Some(own) = node.get("environment") else { return all };
    for (name, value) in own.entries() {
        if let Some(held) = value.get("secret") {
            let (value, id) = (held.text().filter(|text| !text.is_empty()), held.id);
            let (name, value) = (name.to_owned(), value.map(str::to_owned));
            put(Variable { name, value, id, secret: true }, ledger);
            continue;
        }
        let text = (!value.is_null()).then(|| value.text().unwrap_or_default().to_owned());
        put(Variable { name: name.to_owned(), value: text, id: value.id, secret: false }, ledger);
    }
    let list = match own.is_map() {
        true => &[][..],
        false => own.items(),
    };
    for one in list {
        let Some(text) = one.text() else { continue };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        put(Variable { name: name.to_owned(), value, id: one.id, secret: false }, ledger);
    }
    all
}

/// A command or an entrypoint as its words.
pub(super) fn command(node: &Node) -> Option<Vec<String>> {
    let words: Vec<String> = match node.is_list() {
        true => node.items().iter().filter_map(Node::text).map(str::to_owned).collect(),
        false => words::split(node.text()?),
    };
    (!words.is_empty()).then_some(words)
}

impl Service {
    /// The value of one of these variables.
    pub(super) fn value(&self, names: &[&str]) -> Option<&str> {
        let found = self.env.iter().find(|one| names.contains(&one.name.as_str()));
        found.and_then(|one| one.value.as_deref()).filter(|value| !value.is_empty())
    }

    /// Values of all of these variables.
    pub(super) fn values(&self, names: &[&str]) -> Vec<&str> {
        let named = self.env.iter().filter(|one| names.contains(&one.name.as_str()));
        named.filter_map(|one| one.value.as_deref()).filter(|value| !value.is_empty()).collect()
    }
}
