//! A block of a checked app: what it is made of, what it runs, and how far it is from the stock.

use serde::Serialize;

use super::Offer;
use crate::app::{Dockerfile, Opened};
use crate::secret::Recipe;

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
    /// Commands for its data, as its module names them: `backup`, `restore`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<(String, String)>,
    /// Whether its server stops while it says its data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pauses: bool,
    /// Files that the app adds to its module.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extend: Vec<Extension>,
    /// Changes of its compiled objects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// What it takes for granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumes: Vec<Assumption>,
    /// How far it is from the stock.
    pub rung: Rung,
    /// Where each of its values comes from.
    #[serde(skip)]
    pub explained: Vec<Explained>,
}

/// A value of a block and where it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    /// What it is, as the app file would name it: `set.size`, `env.PORT`, `run.web.copies`.
    pub name: String,
    /// The value; what is secret or not known yet stands in braces.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// Two values are the same whatever line says so: moving a line changes no app.
impl PartialEq for Explained {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.value == other.value
    }
}

impl Eq for Explained {}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Source {
    /// Nobody said it: what the language takes.
    Default,
    /// The module's own file.
    Module {
        /// Its name and version.
        module: String,
    },
    /// The app file.
    You {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// The file laid over the app for a target.
    Target {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// A wire delivers it.
    Wire {
        /// `consumer.socket`.
        wire: String,
    },
    /// It is generated once and kept.
    Generated,
    /// The compiler's own rule.
    Shelf,
}

impl std::fmt::Display for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::Module { module } => write!(out, "module {module}"),
            Self::You { file, line } => write!(out, "you, {file}:{line}"),
            Self::Target { file, line } => write!(out, "target, {file}:{line}"),
            Self::Wire { wire } => write!(out, "wire {wire}"),
            Self::Generated => out.write_str("generated once"),
            Self::Shelf => out.write_str("shelf"),
        }
    }
}

/// Files that an app adds at an extension point of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// The point's name.
    pub point: String,
    /// The folder they are in, or the one file they are.
    pub at: String,
    /// Whether `at` is a folder.
    pub folder: bool,
    /// Names and texts.
    pub files: Vec<(String, String)>,
}

/// A change of a compiled object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Patch {
    /// The object, such as `StatefulSet/db`.
    pub object: String,
    /// Why, as the app file says.
    pub why: String,
    /// The fields as they shall be.
    pub change: serde_json::Value,
    /// Whether it changes nothing any more, and so can go.
    pub idle: bool,
    /// What gives the same without a patch, if something does.
    pub lower: Option<String>,
}

/// A sentence a block takes for granted, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assumption {
    /// Its name.
    pub name: String,
    /// The sentence.
    pub says: String,
    /// The way out.
    pub if_not: String,
    /// The fact that shows whether it holds, if one does.
    pub when: Option<String>,
    /// Whether it holds.
    pub state: Standing,
    /// The fact that breaks it.
    pub because: Option<String>,
}

/// Whether an assumption holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It does.
    Holds,
    /// Nobody can tell by itself.
    Unknown,
    /// It does not.
    Broken,
}

/// How far a block is from the stock: the higher, the more of it is yours to keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// As it is on the shelf.
    AsIs,
    /// With other settings.
    Set,
    /// With additions at points its module declares.
    Extended,
    /// With changes of its compiled objects.
    Patched,
    /// Your own, whether written or copied from the shelf.
    Yours,
}

impl Rung {
    /// From 0 to 4.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What is still kept up for you.
    pub fn keeps(self) -> &'static str {
        match self {
            Self::AsIs | Self::Set => "rehearsed upgrades, backup, tested pairs",
            Self::Extended => "all; your addition is part of the rehearsal",
            Self::Patched => "a rehearsal is tried",
            Self::Yours => "nothing but the diff",
        }
    }

    /// What it costs you.
    pub fn price(self) -> &'static str {
        match self {
            Self::AsIs | Self::Set => "",
            Self::Extended => "checked against what the module keeps for itself",
            Self::Patched => "marked as patched; majors ask first; listed in each plan",
            Self::Yours => "you own its lines, watch for holes in it, and its upgrades",
        }
    }
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
    /// An image that somebody else built.
    Image {
        /// Its name, as the app file says it.
        name: String,
        /// What it says of itself; nothing as long as nobody has looked.
        #[serde(flatten)]
        opened: Opened,
    },
    /// A folder beside the app file.
    Source {
        /// The folder, relative to the app file's.
        path: String,
        /// How it is built.
        #[serde(flatten)]
        build: Dockerfile,
    },
}

impl From {
    /// Whether there is an image to run: a module may be only a disk.
    pub fn has_image(&self) -> bool {
        match self {
            Self::Module { build, .. } | Self::Local { build, .. } => build.is_some(),
            Self::External { .. } => false,
            Self::Source { .. } | Self::Image { .. } => true,
        }
    }

    /// Whether the app file itself says what it runs, needs and gives.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Source { .. } | Self::Image { .. })
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Module { name, version, .. } => write!(out, "{name} {version}"),
            Self::Local { path, .. } => write!(out, "{path} (yours)"),
            Self::External { interface, held_in } => write!(out, "external {interface}, {held_in}"),
            Self::Image { name, .. } => write!(out, "image {name}"),
            Self::Source { path, .. } => out.write_str(path),
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

impl std::fmt::Display for Value {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => out.write_str(text),
            Piece::Url => out.write_str("{url}"),
            Piece::Field(binding, field) => write!(out, "{{{binding}.{field}}}"),
            Piece::Secret(name) => write!(out, "{{secrets.{name}}}"),
        })
    }
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
