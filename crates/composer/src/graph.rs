//! The checked app: every wire tied, every reference resolved, nothing left to refuse.
//!
//! This is what plans, canvases and the compiler read. Where next: `compile.rs`.

mod part;

use serde::Serialize;

use crate::secret::SecretValue;

pub(crate) use part::claim;
pub use part::{
    Assumption, Disk, Explained, Extension, From, Part, Patch, Piece, Process, Ready, Rung, Secret,
    Source, Standing, Step, Value,
};

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
    /// The field that names its login, if the login can be rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The slot its login is in.
    pub slot: Slot,
    /// The disk it mounts, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<Mount>,
}

/// One of the two places a wire's login can be in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// The first, where every wire begins.
    #[default]
    A,
    /// The second.
    B,
}

impl Slot {
    /// What a login of the second slot has behind its name.
    pub(crate) const SUFFIX: &'static str = "_b";

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
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
        match self.slot {
            Slot::A => self.plain_name(),
            Slot::B => format!("{}.b", self.plain_name()),
        }
    }

    /// The wire's name among objects, whatever slot its login is in.
    pub fn plain_name(&self) -> String {
        format!("{}-{}", self.consumer, self.binding)
    }

    /// Whether its login can be rotated.
    pub fn rotates(&self) -> bool {
        self.login.is_some()
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

    /// Says which assumptions hold on a target, beside those that the app alone shows.
    pub fn judge(&mut self, facts: &crate::Facts) {
        let wired = !self.wires.is_empty();
        let network = (wired && !facts.enforces_network_policy)
            .then(|| "this target does not enforce network policies".to_owned());
        let storage = (!facts.shared_storage)
            .then(|| "this target has no storage that every node reaches".to_owned());
        let mut facts = vec![("no-network-policy", network), ("no-shared-storage", storage)];
        facts.retain(|(name, _)| *name != "no-network-policy" || wired);
        for one in self.blocks.iter_mut().flat_map(|part| &mut part.assumes) {
            crate::check::settle(one, &facts);
        }
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
