//! The compiler: a checked graph becomes plain Kubernetes objects, the same bytes every time.
//!
//! Objects come in phases, each applied once the one before is ready: what everything needs, then
//! level by level the logins on providers, the steps before the start, and the workloads, and last
//! the front door. No generated value is in any object; those are listed as [`GeneratedSecret`].
//! Where next: `compile/template.rs` (a pod), `compile/workload.rs` (what runs it).

mod beyond;
mod disks;
mod environment;
mod extend;
mod jobs;
mod meta;
mod network;
pub(crate) mod patch;
mod rotate;
mod scale;
mod secrets;
mod template;
mod workload;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::graph::{Graph, Part};
use crate::names;
use crate::secret::GeneratedSecret;

pub use rotate::Turn;

/// The image of each block, by digest.
pub type Images = BTreeMap<String, String>;

/// What the compiler must know of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The host part of the app's address, such as `shop.localhost`.
    pub host: String,
    /// The app's address as a browser takes it, such as `http://shop.localhost:8080`.
    pub url: String,
    /// The class of disks; the target's default if absent.
    pub storage_class: Option<String>,
    /// Whether there is storage that every node reaches; if not, all users of a shared disk stay
    /// on one node.
    pub shared_storage: bool,
    /// The class of shared disks; the target's default if absent.
    pub shared_storage_class: Option<String>,
    /// Wires whose login is not in the first slot, or moves, by the wire's plain name (`web-db`).
    pub turns: BTreeMap<String, Turn>,
    /// Whether pods get a user namespace of their own.
    pub user_namespaces: bool,
    /// Whether the target measures load and makes more copies by it.
    pub scales_by_load: bool,
    /// Whether the target answers `https://` itself.
    pub serves_tls: bool,
    /// What leads requests from outside to the app.
    pub front: Front,
    /// Whether somebody else makes the app's namespace.
    pub namespace_given: bool,
    /// Whether the target enforces network policies; if not, that is stated as an assumption.
    pub enforces_network_policy: bool,
}

/// What leads requests from outside to an app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Front {
    /// Our own front door.
    #[default]
    Shelf,
    /// Whatever serves Ingresses of this class, or the target's default.
    Ingress(Option<String>),
    /// A Gateway: its namespace and name.
    Gateway(String, String),
}

/// Everything that an app becomes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compiled {
    /// The app, which is also its namespace.
    pub app: String,
    /// A short hash of everything below.
    pub release: String,
    /// The app's address, if a process has a path.
    pub url: Option<String>,
    /// Secrets to create if absent.
    pub secrets: Vec<GeneratedSecret>,
    /// Objects in the order in which they are applied.
    pub phases: Vec<Phase>,
    /// What is taken for granted, one line each.
    pub assumptions: Vec<String>,
}

/// Objects that are applied together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Phase {
    /// What they are for.
    pub kind: PhaseKind,
    /// The objects.
    pub objects: Vec<Value>,
}

/// What a phase is for, and so what to wait for after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// Namespace, settings, services: nothing to wait for.
    Base,
    /// Jobs that make logins on providers: wait until all are complete.
    Grants,
    /// Jobs that run before new copies: in order, each waits for the one before.
    Before,
    /// Workloads: wait until all copies are ready.
    Workloads,
    /// The front door: nothing to wait for.
    Front,
}

/// What every part of the compiler reads.
struct Input<'a> {
    graph: &'a Graph,
    images: &'a Images,
    facts: &'a Facts,
}

impl Input<'_> {
    /// The app's address.
    fn url(&self) -> &str {
        self.graph.urls.first().map_or(&self.facts.url, |url| url)
    }

    fn image(&self, block: &str) -> &str {
        self.images.get(block).map_or("", String::as_str)
    }
}

/// Compiles an app. `images` must hold every block of [`Graph::builds`], and, as `app/block`, each
/// provider in another app.
pub fn compile(graph: &Graph, images: &Images, facts: &Facts) -> Compiled {
    let turned = rotate::turned(graph, facts);
    let graph = turned.as_ref().unwrap_or(graph);
    let input = Input { graph, images, facts };
    let secrets = secrets::all(&input);
    let mut phases = vec![Phase { kind: PhaseKind::Base, objects: base(&input) }];
    let highest = graph.blocks.iter().map(|part| part.level).max().unwrap_or(0);
    for level in 0..=highest {
        let parts: Vec<&Part> = graph.blocks.iter().filter(|part| part.level == level).collect();
        let grants = parts.iter().flat_map(|part| jobs::grants(&input, part)).collect();
        let before = parts.iter().flat_map(|part| jobs::before(&input, part)).collect();
        let workloads = parts.iter().flat_map(|part| workload::all(&input, part)).collect();
        phases.push(Phase { kind: PhaseKind::Grants, objects: grants });
        phases.push(Phase { kind: PhaseKind::Before, objects: before });
        phases.push(Phase { kind: PhaseKind::Workloads, objects: workloads });
    }
    let revoked = graph.wires.iter().filter_map(|wire| jobs::revoke(&input, wire)).collect();
    phases.push(Phase { kind: PhaseKind::Grants, objects: revoked });
    phases.push(Phase { kind: PhaseKind::Front, objects: network::ingress(&input) });
    phases.retain(|phase| !phase.objects.is_empty());
    patch::all(&input, phases.iter_mut().flat_map(|phase| &mut phase.objects));
    let release = seal(&mut phases, &secrets);
    Compiled {
        app: graph.app.clone(),
        release,
        url: graph.has_url().then(|| input.url().to_owned()),
        secrets,
        phases,
        assumptions: assumptions(&input),
    }
}

/// What an app becomes because of its wires, as [`compile`] makes it: Secrets, rules of the
/// network, logins. Whoever draws an app shows these, and has no use for the other objects.
pub fn compile_wires(
    graph: &Graph,
    images: &Images,
    facts: &Facts,
) -> (Vec<GeneratedSecret>, Vec<Value>) {
    let turned = rotate::turned(graph, facts);
    let graph = turned.as_ref().unwrap_or(graph);
    let input = Input { graph, images, facts };
    let grants = graph.blocks.iter().flat_map(|part| jobs::grants(&input, part));
    let mut objects: Vec<Value> = network::policies(&input).into_iter().chain(grants).collect();
    patch::all(&input, objects.iter_mut());
    (secrets::all(&input), objects)
}

/// The objects that a graph becomes somewhere: with images and facts of no real target.
pub(crate) fn trial(graph: &Graph) -> Vec<Value> {
    let nothing = format!("sha256:{}", "0".repeat(64));
    let image = |block: String| (block.clone(), format!("trial/{block}@{nothing}"));
    let images = graph.builds().into_iter().map(|build| image(build.block)).collect();
    let facts = Facts {
        host: "trial.localhost".to_owned(),
        url: "http://trial.localhost".to_owned(),
        shared_storage: true,
        ..Facts::default()
    };
    compile(graph, &images, &facts).phases.into_iter().flat_map(|phase| phase.objects).collect()
}

fn base(input: &Input<'_>) -> Vec<Value> {
    let labels = meta::app_labels(input);
    let mut objects = Vec::new();
    if !input.facts.namespace_given {
        objects.push(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": input.graph.app, "labels": labels },
        }));
    }
    objects.extend(input.graph.blocks.iter().filter_map(|part| workload::settings(input, part)));
    objects.extend(input.graph.blocks.iter().filter_map(|part| extend::config_map(input, part)));
    objects.extend(input.graph.blocks.iter().flat_map(|part| disks::claims(input, part)));
    objects.extend(input.graph.blocks.iter().flat_map(|part| network::services(input, part)));
    objects.extend(network::policies(input));
    objects
}

/// Writes each object's own hash and the release they make together onto the objects.
fn seal(phases: &mut [Phase], secrets: &[GeneratedSecret]) -> String {
    let mut all = String::new();
    for object in phases.iter_mut().flat_map(|phase| &mut phase.objects) {
        let hash = meta::short_hash(object);
        all.push_str(&hash);
        object["metadata"]["annotations"][meta::HASH] = hash.into();
    }
    // A Secret's list of keys is part of a release; its values are not.
    all.push_str(&serde_json::to_string(secrets).unwrap_or_default());
    let release = names::hash(all.as_bytes())[..10].to_owned();
    for object in phases.iter_mut().flat_map(|phase| &mut phase.objects) {
        object["metadata"]["labels"][meta::RELEASE] = release.clone().into();
    }
    release
}

fn assumptions(input: &Input<'_>) -> Vec<String> {
    let mut lines = input.graph.assumptions.clone();
    if !input.facts.enforces_network_policy && !input.graph.wires.is_empty() {
        lines.push(
            "network: each wire has a NetworkPolicy, but this target does not enforce them yet; \
             other pods can reach a provider's port.  if not: keep only apps you trust here"
                .to_owned(),
        );
    }
    let secure = input.graph.urls.iter().any(|url| url.starts_with("https://"));
    if secure && !input.facts.serves_tls {
        lines.push(
            "tls: this target answers plain HTTP; something in front of it must speak TLS.  \
             if not: write url with http://"
                .to_owned(),
        );
    }
    let ranges = input.graph.blocks.iter().flat_map(|part| &part.processes);
    if !input.facts.scales_by_load && ranges.clone().any(|one| one.copies_at_most.is_some()) {
        lines.push(
            "load: this target does not measure load, so the least number of copies runs.  \
             if not: set copies to a number"
                .to_owned(),
        );
    }
    lines
}
