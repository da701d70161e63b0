//! From the text of a compose file to its services as they are meant: merge keys, variables, and
//! `extends` resolved. Where next: `service.rs`, which reads one service.

use std::collections::{BTreeMap, BTreeSet};

use super::Compose;
use super::interpolate::{Variables, environment};
use crate::ledger::{Ledger, Verdict};
use crate::yaml::{self, Node, Value};
use crate::{Error, Result};

/// How many services may extend one another in a row.
const MOST_EXTENDED: usize = 16;

/// A compose file as it is meant, or something else in its words.
pub(crate) struct Project {
    pub(super) root: Node,
    pub(super) services: Vec<(String, Node)>,
    pub(super) variables: Variables,
    /// The number that was given last to a value.
    pub(super) last: usize,
}

impl Project {
    /// Services from elsewhere; `root` has the tables that they name.
    pub(crate) fn of(root: Node, services: Vec<(String, Node)>, last: usize) -> Self {
        Self { root, services, variables: Variables::default(), last }
    }
}

/// Names of the files that a compose file speaks of: as far as they are beside it, whoever reads
/// files gives them to [`Compose::files`].
pub fn compose_files(path: &str, text: &str) -> Vec<String> {
    let mut names = BTreeSet::from([".env".to_owned()]);
    let Ok(documents) = yaml::read(path, text) else { return names.into_iter().collect() };
    let Some(root) = documents.into_iter().next() else { return names.into_iter().collect() };
    let root = merged(root, &mut Ledger::default());
    for (_, service) in services_of(&root) {
        let listed = service.get("env_file").map(Node::items).unwrap_or_default();
        let tables = service.get("env_file").filter(|node| node.is_map());
        for one in listed.iter().chain(tables) {
            names.extend(one.text().or_else(|| one.get("path")?.text()).map(str::to_owned));
        }
        let extended = service.get("extends").and_then(|one| one.get("file")?.text());
        names.extend(extended.map(str::to_owned));
        if let Some(build) = service.get("build") {
            let context = build.text().or_else(|| build.get("context")?.text()).unwrap_or(".");
            let file = build.get("dockerfile").and_then(Node::text).unwrap_or("Dockerfile");
            names.insert(format!("{}/{file}", context.trim_end_matches('/')));
        }
        for volume in service.get("volumes").map(Node::items).unwrap_or_default() {
            let source = match volume.text() {
                Some(short) => short.split(':').next(),
                None => volume.get("source").and_then(Node::text),
            };
            names.extend(source.filter(|one| one.starts_with('.')).map(str::to_owned));
        }
    }
    for kind in ["secrets", "configs"] {
        let Some(all) = root.get(kind) else { continue };
        names
            .extend(all.entries().filter_map(|(_, one)| Some(one.get("file")?.text()?.to_owned())));
    }
    names.retain(|name| !name.contains('$') && !name.contains('\0'));
    names.into_iter().collect()
}

/// The services of a file; one of the first format has nothing else at its top.
fn services_of(root: &Node) -> Vec<(String, Node)> {
    let old = || {
        let mut entries = root.entries();
        let all = entries.all(|(_, one)| one.get("image").or(one.get("build")).is_some());
        (all && root.is_map()).then_some(root)
    };
    let services = root.get("services").or_else(old);
    let entries = services.into_iter().flat_map(Node::entries);
    entries.map(|(name, node)| (name.to_owned(), node.clone())).collect()
}

pub(super) fn open(asked: &Compose<'_>, ledger: &mut Ledger) -> Result<Project> {
    let mut last = 0;
    let unfit = |why: &str| Error::Unfit { path: asked.path.to_owned(), why: why.to_owned() };
    let mut documents = yaml::read_on(asked.path, asked.text, &mut last)?.into_iter();
    let root = documents.next().ok_or_else(|| unfit("it is empty"))?;
    ledger.open(asked.path, &root);
    for more in documents {
        ledger.open(asked.path, &more);
        ledger.say(&more, &Verdict::not("Compose reads one document of a file, the first"));
    }
    let lines = asked.files.get(".env").map(|text| environment(text)).unwrap_or_default();
    let values = lines.iter().filter_map(|(_, name, value)| Some((name.clone(), value.clone()?)));
    let mut variables = Variables::new(values.collect());
    let root = filled(merged(root, ledger), &mut variables);
    let services = services_of(&root);
    if services.is_empty() {
        return Err(unfit("it has no services"));
    }
    let mut others = BTreeMap::new();
    for name in services.iter().filter_map(|(_, one)| one.get("extends")?.get("file")?.text()) {
        let Some(text) = asked.files.get(name).filter(|_| !others.contains_key(name)) else {
            continue;
        };
        let Some(other) = yaml::read_on(name, text, &mut last)?.into_iter().next() else {
            continue;
        };
        ledger.open(name, &other);
        let other = filled(merged(other, ledger), &mut variables);
        others.insert(name.to_owned(), services_of(&other));
    }
    let extended = services
        .iter()
        .map(|(name, node)| (name.clone(), extended(node, &services, &others, ledger, 0)))
        .collect();
    for (line, name, _) in lines {
        last += 1;
        ledger.line(last, ".env", line, &name);
        let verdict = match variables.used.contains(&name) {
            true => Verdict::so_anyway("its value stands where the compose file asks for it"),
            false => Verdict::not("the compose file does not ask for it").next("leave it away"),
        };
        ledger.say_of(last, verdict);
    }
    Ok(Project { root, services: extended, variables, last })
}

/// `<<: *other` put in; a key of one's own wins.
fn merged(mut node: Node, ledger: &mut Ledger) -> Node {
    node.value = match node.value {
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| merged(item, ledger)).collect())
        }
        Value::Map(pairs) => {
            let mut own = Vec::new();
            let mut more = Vec::new();
            for (key, value) in pairs {
                let value = merged(value, ledger);
                match (key.text(), value.value) {
                    (Some("<<"), Value::Map(pairs)) => more.extend(pairs),
                    (Some("<<"), Value::List(items)) => {
                        more.extend(items.into_iter().flat_map(|item| match item.value {
                            Value::Map(pairs) => pairs,
                            _ => Vec::new(),
                        }));
                    }
                    (_, value_of) => own.push((key, Node { value: value_of, ..value })),
                }
            }
            let mut lines: BTreeMap<String, usize> = own
                .iter()
                .filter_map(|(key, _)| Some((key.text()?.to_owned(), key.line)))
                .collect();
            for (key, value) in more {
                let name = key.text().unwrap_or_default().to_owned();
                if let Some(line) = lines.get(&name) {
                    let why = format!("line {line} says it in its place");
                    ledger.say(&value, &Verdict::so_anyway(why));
                } else {
                    lines.insert(name, key.line);
                    own.push((key, value));
                }
            }
            Value::Map(own)
        }
        scalar => scalar,
    };
    node
}

fn filled(mut node: Node, variables: &mut Variables) -> Node {
    node.value = match node.value {
        Value::Scalar { text, plain } => {
            let filled = variables.fill(&text);
            // What was made from a variable is a text, even an empty one.
            Value::Scalar { plain: plain && filled == text, text: filled }
        }
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| filled(item, variables)).collect())
        }
        Value::Map(pairs) => Value::Map(
            pairs.into_iter().map(|(key, value)| (key, filled(value, variables))).collect(),
        ),
    };
    node
}

/// A service with what it extends put below it.
fn extended(
    node: &Node,
    services: &[(String, Node)],
    others: &BTreeMap<String, Vec<(String, Node)>>,
    ledger: &mut Ledger,
    deep: usize,
) -> Node {
    let Some(extends) = node.get("extends").filter(|_| deep < MOST_EXTENDED) else {
        return node.clone();
    };
    let file = extends.get("file").and_then(Node::text);
    let name = extends.text().or_else(|| extends.get("service")?.text()).unwrap_or_default();
    let list = match file {
        Some(file) => others.get(file).map_or(&[][..], Vec::as_slice),
        None => services,
    };
    let Some((_, base)) = list.iter().find(|(other, _)| other == name) else {
        let why = match file.filter(|file| !others.contains_key(*file)) {
            Some(file) => format!("{file} was not given"),
            None => format!("there is no service {name}"),
        };
        ledger.say(extends, &Verdict::not(why).next("put what it says into this service"));
        return node.clone();
    };
    ledger.say(extends, &Verdict::so_anyway("what it extends is in this block"));
    let mut base = extended(base, list, others, ledger, deep + 1);
    if let Value::Map(pairs) = &mut base.value {
        // Compose does not hand these down.
        let kept = ["extends", "depends_on", "links", "volumes_from"];
        pairs.retain(|(key, _)| !kept.contains(&key.text().unwrap_or_default()));
    }
    overlaid(base, node.clone(), ledger)
}

/// `own` over `base`: maps by key, lists one after the other, else one's own.
fn overlaid(base: Node, own: Node, ledger: &mut Ledger) -> Node {
    let Node { id, line, value } = own;
    let value = match (base.value, value) {
        (Value::Map(mut pairs), Value::Map(own)) => {
            for (key, value) in own {
                let name = key.text().unwrap_or_default().to_owned();
                match pairs.iter().position(|(other, _)| other.text() == Some(&name)) {
                    Some(at) if REPLACED.contains(&name.as_str()) => {
                        let why = format!("line {} says it in its place", value.line);
                        ledger.say(&pairs[at].1, &Verdict::so_anyway(why));
                        pairs[at].1 = value;
                    }
                    Some(at) => {
                        let (key, base) = pairs.remove(at);
                        pairs.insert(at, (key, overlaid(base, value, ledger)));
                    }
                    None => pairs.push((key, value)),
                }
            }
            Value::Map(pairs)
        }
        (Value::List(mut items), Value::List(own)) => {
            items.extend(own);
            Value::List(items)
        }
        (base, own) => {
            let base = Node { id: 0, line, value: base };
            match (assignments(&base), assignments(&Node { id, line, value: own.clone() })) {
                (Some(mut items), Some(own)) if !base.is_null() => {
                    items.extend(own);
                    Value::List(items)
                }
                _ => {
                    let why = format!("line {line} says it in its place");
                    ledger.say(&base, &Verdict::so_anyway(why));
                    own
                }
            }
        }
    };
    Node { id, line, value }
}

/// Keys whose value is replaced as a whole.
const REPLACED: [&str; 3] = ["command", "entrypoint", "healthcheck"];

/// A map of words as a list of `NAME=value`, which means the same.
fn assignments(node: &Node) -> Option<Vec<Node>> {
    match &node.value {
        Value::List(items) => Some(items.clone()),
        Value::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| {
                let name = key.text()?;
                let text = match value.text() {
                    Some(text) => format!("{name}={text}"),
                    None if value.is_null() => name.to_owned(),
                    None => return None,
                };
                Some(Node { value: Value::Scalar { text, plain: false }, ..value.clone() })
            })
            .collect(),
        Value::Scalar { .. } => None,
    }
}
