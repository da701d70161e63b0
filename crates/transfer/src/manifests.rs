//! Kubernetes manifests become an app: each workload is told in the words of a compose service, on
//! the lines it is written, and takes the same way as one (`compose.rs`).
//!
//! So there is one set of rules for what a database, a wire or a secret is. What manifests say
//! beyond that is accounted for here. Values of Secrets are never written into the app file.

mod pod;

use std::collections::BTreeMap;

use composer::Catalogue;

use crate::compose::{Imported, Project, assemble};
use crate::ledger::{Ledger, Verdict};
use crate::yaml::{self, Node, Value};
use crate::{Error, Result};

/// Manifests, and what is known around them.
#[derive(Debug, Clone, Copy)]
pub struct Manifests<'a> {
    /// Names and texts of files.
    pub files: &'a [(String, String)],
    /// The app's name, if somebody chose one.
    pub app: Option<&'a str>,
    /// The folder's name, which an app has otherwise.
    pub folder: &'a str,
}

/// Kinds that become blocks.
const WORKLOADS: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Pod"];

/// Turns manifests into an app.
///
/// # Errors
/// A file is no YAML, has nothing that runs, or is beyond what is read of a foreign file.
pub fn manifests(asked: &Manifests<'_>, catalogue: &Catalogue) -> Result<Imported> {
    let mut ledger = Ledger::default();
    let mut last = 0;
    let mut objects = Vec::new();
    for (path, text) in asked.files {
        for document in yaml::read_on(path, text, &mut last)? {
            ledger.open(path, &document);
            match document.get("items") {
                Some(items)
                    if document
                        .get("kind")
                        .and_then(Node::text)
                        .is_some_and(|kind| kind.ends_with("List")) =>
                {
                    objects.extend(items.items().iter().cloned());
                }
                _ => objects.push(document),
            }
        }
    }
    let space = Objects { all: objects };
    let mut services = Vec::new();
    for object in &space.all {
        if WORKLOADS.contains(&kind(object)) {
            services.push(pod::service(object, &space, &mut ledger));
        }
    }
    if services.is_empty() {
        let path = asked.files.first().map_or("nothing", |(path, _)| path).to_owned();
        let why = format!("no {} is in it", WORKLOADS.join(", "));
        return Err(Error::Unfit { path, why });
    }
    space.say(&mut ledger);
    let texts = Node { id: 0, line: 0, value: Value::Map(space.texts()) };
    let project = Project::of(texts, services, last);
    let files = BTreeMap::new();
    let app = asked.app.unwrap_or(asked.folder);
    assemble(project, ledger, &files, app, &[], catalogue)
}

/// All objects that were given.
struct Objects {
    all: Vec<Node>,
}

impl Objects {
    fn of<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Node> {
        self.all.iter().filter(move |object| kind(object) == wanted)
    }

    fn named(&self, wanted: &str, name: &str) -> Option<&Node> {
        self.all.iter().find(|object| kind(object) == wanted && self::name(object) == name)
    }

    /// The Services that lead to pods with these labels.
    fn services_of(&self, labels: &Node) -> Vec<&Node> {
        let leads = |service: &&Node| {
            let Some(selector) = at(service, &["spec", "selector"]) else { return false };
            let mut pairs = selector.entries().peekable();
            pairs.peek().is_some()
                && pairs.all(|(key, value)| labels.get(key).and_then(Node::text) == value.text())
        };
        self.of("Service").filter(leads).collect()
    }

    /// Texts of ConfigMaps and Secrets, under the names that services have for them.
    fn texts(&self) -> Vec<(Node, Node)> {
        let table = |kind: &str| {
            let pairs = self.of(kind).flat_map(|object| {
                data(object).into_iter().map(|(key, text, _)| {
                    let content = made(0, vec![("content", scalar(0, &text))]);
                    (scalar(0, &text_name(name(object), &key)), content)
                })
            });
            Node { id: 0, line: 0, value: Value::Map(pairs.collect()) }
        };
        vec![(scalar(0, "configs"), table("ConfigMap")), (scalar(0, "secrets"), table("Secret"))]
    }

    /// Speaks for what objects say besides their pods.
    fn say(&self, ledger: &mut Ledger) {
        for object in &self.all {
            for key in ["apiVersion", "kind", "metadata", "status"] {
                if let Some(value) = object.get(key) {
                    ledger.say(
                        value,
                        &Verdict::so_anyway("objects and their names are made from the app"),
                    );
                }
            }
            let verdict = match kind(object) {
                "Service" => Verdict::so_anyway("a process with a port has a service"),
                "ConfigMap" | "Secret" => {
                    Verdict::so_anyway("blocks that use it have its values; others are left away")
                }
                "Ingress" => {
                    Verdict::so_anyway("paths of processes lead there from the app's address")
                }
                "PersistentVolumeClaim" => Verdict::so_anyway(
                    "a block has its own disk; what lies on this one does not come along",
                ),
                "Namespace" => Verdict::so_anyway("an app has a namespace of its name"),
                "NetworkPolicy" => Verdict::so_anyway("each wire has a policy of its own"),
                "PodDisruptionBudget" => Verdict::so_anyway("several copies have one"),
                "HorizontalPodAutoscaler" => Verdict::not("copies of this process are a number")
                    .next("as the load asks:  shelf copies BLOCK 2..8"),
                "Job" => Verdict::not("it runs once, and blocks run until they are stopped")
                    .next("give the block that needs it a step:  before = { NAME = \"command\" }"),
                "ServiceAccount" | "Role" | "RoleBinding" | "ClusterRole"
                | "ClusterRoleBinding" => {
                    Verdict::not("what runs in an app has no rights on the cluster")
                        .next("see whether the program asks the cluster anything")
                }
                kind if WORKLOADS.contains(&kind) => Verdict::not(
                    "a block has nothing of the kind",
                )
                .next(
                    "if it matters, patch the compiled object:  [BLOCK.patch.\"Deployment/BLOCK\"]",
                ),
                kind => Verdict::not(format!("nothing here is a {kind}"))
                    .next("keep it beside the app, with kubectl"),
            };
            ledger.say_of_rest(object, &verdict);
        }
    }
}

/// The name of one text of a ConfigMap or Secret.
fn text_name(object: &str, key: &str) -> String {
    format!("{object}-{key}")
}

/// Keys, texts and values of a ConfigMap or Secret.
fn data(object: &Node) -> Vec<(String, String, &Node)> {
    let mut all = Vec::new();
    let secret = kind(object) == "Secret";
    for (key, value) in object.get("data").into_iter().flat_map(Node::entries) {
        let text = value.text().unwrap_or_default();
        let text = if secret { decoded(text).unwrap_or_default() } else { text.to_owned() };
        all.push((key.to_owned(), text, value));
    }
    for (key, value) in object.get("stringData").into_iter().flat_map(Node::entries) {
        all.push((key.to_owned(), value.text().unwrap_or_default().to_owned(), value));
    }
    all
}

/// Base64 (RFC 4648 section 4) as text; none if it is no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace() && *c != b'=') {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    String::from_utf8(bytes).ok()
}

fn kind(object: &Node) -> &str {
    object.get("kind").and_then(Node::text).unwrap_or_default()
}

fn name(object: &Node) -> &str {
    at(object, &["metadata", "name"]).and_then(Node::text).unwrap_or_default()
}

/// The value at a path of keys.
fn at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

/// A word that is accounted for as the value of this number.
fn scalar(id: usize, text: &str) -> Node {
    Node { id, line: 0, value: Value::Scalar { text: text.to_owned(), plain: false } }
}

/// A map whose keys nobody wrote.
fn made(id: usize, pairs: Vec<(&str, Node)>) -> Node {
    let pairs = pairs.into_iter().map(|(key, value)| (scalar(0, key), value));
    Node { id, line: 0, value: Value::Map(pairs.collect()) }
}
