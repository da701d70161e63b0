//! The checked app: every wire tied, every reference resolved, nothing left to refuse.
//!
//! This is what plans, canvases and the compiler read. Where next: `compile.rs`.

use serde::Serialize;

use crate::secret::{Recipe, SecretValue};

/// An app that passed every check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// The app's name.
    pub app: String,
    /// Its blocks in start order: by level, then as written.
    pub blocks: Vec<Part>,
    /// Its wires, by consumer as written.
    pub wires: Vec<Wire>,
    /// What is taken for granted, one line each.
    pub assumptions: Vec<String>,
    /// The addresses the app asks for, the first being `{url}`; the target's own if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// A block of a checked app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub from: From,
    /// How many `before-start` wires lie below it at most; level 0 starts first.
    pub level: usize,
    /// The user its processes run as, if the file says so.
    pub user: Option<i64>,
    /// Settings with the values they have.
    pub settings: Vec<(String, String)>,
    /// Generated values.
    pub secrets: Vec<Secret>,
    /// Environment of every process and step.
    pub env: Vec<(String, Value)>,
    /// Private disks.
    pub disks: Vec<Disk>,
    /// Steps before new copies start, in order.
    pub before: Vec<Step>,
    /// Processes; at least one, unless the block is only a disk.
    pub processes: Vec<Process>,
    /// Offers of the block itself, not those of its processes.
    pub offers: Vec<Offer>,
    /// Seconds a copy gets to end by itself.
    pub stop_within: i64,
}

/// Where a block comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// A module of the shelf.
    Module {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// The folder of its Dockerfile, relative to the module's folder; none if the module is
        /// only a disk.
        build: Option<String>,
    },
    /// A module in the app's own folder.
    Local {
        /// The folder, relative to the app file's.
        path: String,
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// The folder of its Dockerfile, relative to the module's folder; none if it is only a
        /// disk.
        build: Option<String>,
    },
    /// A service from outside; all its wires share one login.
    External {
        /// The interface it gives.
        interface: String,
        /// The Secret its login is in, or the claim it is.
        held_in: String,
    },
    /// A folder beside the app file.
    Source {
        /// The folder, relative to the app file's.
        path: String,
    },
}

impl From {
    /// Whether there is an image to run: a module may be only a disk.
    pub fn has_image(&self) -> bool {
        match self {
            Self::Module { build, .. } | Self::Local { build, .. } => build.is_some(),
            Self::External { .. } => false,
            Self::Source { .. } => true,
        }
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Module { name, version, .. } => write!(out, "{name} {version}"),
            Self::Local { path, .. } => write!(out, "{path} (yours)"),
            Self::External { interface, held_in } => write!(out, "external {interface}, {held_in}"),
            Self::Source { path } => out.write_str(path),
        }
    }
}

/// A generated value of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// How it is made.
    pub recipe: Recipe,
    /// The block whose disk it was born with, if it was.
    pub keep_with: Option<String>,
    /// Whether it is printed once, after the go that made it.
    pub show_after_go: bool,
    /// The file it is put into.
    pub at: Option<String>,
}

/// A value put together from pieces that are known at different times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Value(pub Vec<Piece>);

/// A piece of a [`Value`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// The app's address, known when the target is.
    Url,
    /// A secret field of a wire, by binding and field.
    Field(String, String),
    /// A generated value of this block.
    Secret(String),
}

impl Value {
    /// Whether a secret is part of it.
    pub fn is_secret(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Field(..) | Piece::Secret(_)))
    }
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Its name.
    pub name: String,
    /// Where it is mounted; a disk that is given to other blocks by wires has no place of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Its size as a Kubernetes quantity.
    pub size: String,
    /// Whether many copies may use it at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Whether it has a claim of its own, because it is shared or given to other blocks; a private
    /// disk belongs to the one copy of its block.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
}

impl Part {
    /// Its offers and those of its processes.
    pub fn all_offers(&self) -> Vec<Offer> {
        let own = self.offers.iter().cloned();
        let http = self.processes.iter().filter(|process| process.command.is_some());
        let http = http.filter_map(|process| {
            Some(Offer::http(&process.name, &process.workload, process.port?))
        });
        let mut all: Vec<Offer> = own.collect();
        for offer in http {
            if !all.contains(&offer) {
                all.push(offer);
            }
        }
        all
    }

    /// The claim of a disk that has one of its own.
    pub fn claim(&self, disk: &str) -> String {
        claim(&self.name, disk)
    }
}

pub(crate) fn claim(block: &str, disk: &str) -> String {
    format!("{block}-{disk}")
}

/// A step before the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The command, word by word.
    pub command: Vec<Value>,
    /// Environment of its own.
    pub env: Vec<(String, Value)>,
}

/// A process of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// The name of its workload and, if it has a port, of its service.
    pub workload: String,
    /// The command, word by word; the image's own if absent.
    pub command: Option<Vec<Value>>,
    /// The port it listens on.
    pub port: Option<i64>,
    /// Paths of the app's address that lead to it.
    pub paths: Vec<String>,
    /// How many copies, at least.
    pub copies: i64,
    /// How many copies at most, if as many run as the load asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies_at_most: Option<i64>,
    /// How to see that it is ready.
    pub ready: Ready,
    /// A schedule, for a process that runs and ends.
    pub every: Option<String>,
    /// Environment of its own.
    pub env: Vec<(String, Value)>,
}

/// How to see that a process is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// It runs.
    Started,
    /// Its port takes a connection.
    Port,
    /// Its port answers this path with success.
    Http(String),
    /// This command, run inside, ends with 0.
    Command(Vec<String>),
}

/// Something a block gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// The interface with its major.
    pub interface: String,
    /// The service it is reached through.
    pub service: String,
    /// The port; a disk has none.
    pub port: Option<i64>,
    /// A port that only the grant program uses.
    pub admin_port: Option<i64>,
    /// Program in the image's `/module` folder that makes a login.
    pub grant: Option<String>,
    /// Program in the image's `/module` folder that tries a wire.
    pub probe: Option<String>,
    /// Attributes and fixed field values, several words joined with commas.
    pub facts: Vec<(String, String)>,
    /// How many wires it takes at most.
    pub max: Option<i64>,
}

impl Offer {
    /// What a process with a port gives.
    pub(crate) fn http(process: &str, workload: &str, port: i64) -> Self {
        Self {
            name: process.to_owned(),
            interface: "http/1".to_owned(),
            service: workload.to_owned(),
            port: Some(port),
            admin_port: None,
            grant: None,
            probe: None,
            facts: Vec::new(),
            max: None,
        }
    }

    /// Whether it is a folder, and not something to connect to.
    pub(crate) fn is_disk(&self) -> bool {
        self.port.is_none() && self.fact("access").is_some()
    }

    /// A fact by name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(fact, _)| fact == name).map(|(_, value)| value.as_str())
    }
}

/// A socket of one block tied to an offer of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wire {
    /// The block that needs.
    pub consumer: String,
    /// Its socket.
    pub socket: String,
    /// The name the values arrive under: the socket, or `socket-provider` if it takes many.
    pub binding: String,
    /// Whether the socket takes many wires.
    pub many: bool,
    /// The block that gives.
    pub provider: String,
    /// What is known of it if it is a block of another app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beyond: Option<Beyond>,
    /// What it gives.
    pub offer: Offer,
    /// The limits that were checked, as written.
    pub limits: Vec<String>,
    /// Whether the consumer waits for it.
    pub before_start: bool,
    /// What the probe runs.
    pub probe: Option<String>,
    /// The values it delivers.
    pub fields: Vec<WireField>,
    /// The disk it mounts, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<Mount>,
}

/// A provider in another app, as that app last came up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// The app, which is also its namespace.
    pub app: String,
    /// The user the provider's programs run as.
    pub user: Option<i64>,
    /// The names of its generated values, which its grant program reads.
    pub secrets: Vec<String>,
    /// The process that is reached.
    pub process: String,
    /// Whether that process has a path, and so takes anybody's connections.
    pub public: bool,
}

/// The disk of a provider in the copies of a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mount {
    /// Where it is mounted.
    pub at: String,
    /// The claim it is.
    pub claim: String,
    /// Whether many copies may use it at once.
    pub shared: bool,
}

impl Wire {
    /// The name of the Secret with its values.
    pub fn secret_name(&self) -> String {
        format!("{}-{}", self.consumer, self.binding)
    }

    /// The environment variable a field arrives in, such as `DB_URL`.
    pub fn variable(&self, field: &str) -> String {
        let upper = |text: &str| text.to_uppercase().replace('-', "_");
        format!("{}_{}", upper(&self.binding), upper(field))
    }

    /// The provider as the app file names it: `db`, or `billing/db`.
    pub fn provider_name(&self) -> String {
        match &self.beyond {
            Some(beyond) => format!("{}/{}", beyond.app, self.provider),
            None => self.provider.clone(),
        }
    }

    /// `consumer.socket`.
    pub fn end(&self) -> String {
        format!("{}.{}", self.consumer, self.socket)
    }
}

/// A value that a wire delivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WireField {
    /// Its name.
    pub name: String,
    /// Where the value comes from.
    pub value: SecretValue,
    /// Whether it must stay out of plain places.
    pub secret: bool,
    /// Whether it may be missing where it is copied from.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// An image that an app needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The block it is for.
    pub block: String,
    /// What it is made from.
    pub from: From,
}

impl Graph {
    /// The images this app needs, in start order.
    pub fn builds(&self) -> Vec<Build> {
        let build = |part: &Part| Build { block: part.name.clone(), from: part.from.clone() };
        self.blocks.iter().filter(|part| part.from.has_image()).map(build).collect()
    }

    /// The block of this name.
    pub fn block(&self, name: &str) -> Option<&Part> {
        self.blocks.iter().find(|part| part.name == name)
    }

    /// The wires that end at this block's sockets.
    pub fn wires_of<'a>(&'a self, consumer: &'a str) -> impl Iterator<Item = &'a Wire> {
        self.wires.iter().filter(move |wire| wire.consumer == consumer)
    }

    /// Whether some process has a path, so that the app has an address.
    pub fn has_url(&self) -> bool {
        self.blocks.iter().flat_map(|part| &part.processes).any(|one| !one.paths.is_empty())
    }
}
