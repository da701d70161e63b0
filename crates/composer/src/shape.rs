//! What a block is made of, whether a module file or the app file says it: sockets, offers,
//! settings, secrets, environment, disks, steps before the start, and processes.
//!
//! These are the words as written, with their places; `check.rs` gives them meaning.
//! Where next: `shape/read.rs`.

pub(crate) mod read;

use crate::interface::InterfaceName;
use crate::source::Spanned;

/// Everything a block says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) needs: Vec<Need>,
    pub(crate) provides: Vec<Provide>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) env: Vec<Variable>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) before: Vec<Before>,
    pub(crate) run: Vec<Process>,
    pub(crate) user: Option<Spanned<i64>>,
    pub(crate) ready: Option<Spanned<String>>,
    pub(crate) stop_within: Option<Spanned<i64>>,
}

impl Shape {
    /// Of a block that says nothing.
    pub(crate) const NOTHING: Self = Self {
        needs: Vec::new(),
        provides: Vec::new(),
        settings: Vec::new(),
        secrets: Vec::new(),
        env: Vec::new(),
        disks: Vec::new(),
        before: Vec::new(),
        run: Vec::new(),
        user: None,
        ready: None,
        stop_within: None,
    };
}

/// A socket: an interface this block wants to be given.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub(crate) socket: Spanned<String>,
    pub(crate) interface: Spanned<InterfaceName>,
    pub(crate) cardinality: Cardinality,
    /// Attribute name, and the limit as a list of words (one word unless it was a list).
    pub(crate) limits: Vec<(Spanned<String>, Vec<Spanned<String>>)>,
    /// Where a disk is mounted.
    pub(crate) at: Option<Spanned<String>>,
}

/// How many wires a socket takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cardinality {
    One,
    Optional,
    Any,
    Some,
}

impl Cardinality {
    pub(crate) fn takes_many(self) -> bool {
        matches!(self, Self::Any | Self::Some)
    }

    pub(crate) fn may_be_empty(self) -> bool {
        matches!(self, Self::Any | Self::Optional)
    }
}

/// An offer: an interface this block gives.
#[derive(Debug, Clone)]
pub(crate) struct Provide {
    pub(crate) name: Spanned<String>,
    pub(crate) interface: Spanned<InterfaceName>,
    pub(crate) port: Option<Spanned<i64>>,
    /// A port of the provider that only its grant program uses.
    pub(crate) admin_port: Option<i64>,
    /// Program in the image's `/module` folder that makes a login.
    pub(crate) grant: Option<String>,
    /// Program in the image's `/module` folder that tries a wire.
    pub(crate) probe: Option<String>,
    /// Attributes and fixed field values, as words.
    pub(crate) facts: Vec<(Spanned<String>, Vec<Spanned<String>>)>,
    /// How many wires it takes at most.
    pub(crate) max: Option<i64>,
}

/// A setting with its default.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) name: Spanned<String>,
    pub(crate) default: String,
    pub(crate) kind: &'static str,
    pub(crate) help: String,
}

/// A value that is generated once.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) name: Spanned<String>,
    pub(crate) recipe: crate::secret::Recipe,
    pub(crate) keep_with: Option<Spanned<String>>,
    pub(crate) show_after_go: bool,
    pub(crate) at: Option<String>,
}

/// An environment variable with references in its value.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: Spanned<String>,
    pub(crate) value: Spanned<String>,
}

/// A disk: private to its block, or given to others by an offer of its name.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) name: Spanned<String>,
    /// Where it is mounted; a disk that is only given to others has no place of its own.
    pub(crate) at: Option<Spanned<String>>,
    pub(crate) size: Spanned<String>,
    /// Whether many copies may use it at once.
    pub(crate) shared: bool,
}

/// A step that runs once per release, before new copies start.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub(crate) name: Spanned<String>,
    pub(crate) run: Spanned<String>,
    pub(crate) env: Vec<Variable>,
}

/// One process of a block.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: Spanned<String>,
    pub(crate) run: Option<Spanned<String>>,
    pub(crate) port: Option<Spanned<i64>>,
    pub(crate) paths: Vec<Spanned<String>>,
    pub(crate) copies: Option<Spanned<Copies>>,
    pub(crate) ready: Option<Spanned<String>>,
    pub(crate) every: Option<Spanned<String>>,
    pub(crate) env: Vec<Variable>,
}

/// How many copies a process has: always so many, or as many as its load asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copies {
    pub(crate) least: i64,
    pub(crate) most: i64,
}

impl std::fmt::Display for Copies {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.least == self.most {
            true => write!(out, "{}", self.least),
            false => write!(out, "{}..{}", self.least, self.most),
        }
    }
}

/// A place where an app may add to a module.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) name: Spanned<String>,
    pub(crate) kind: PointKind,
    /// The file or folder it becomes; none for environment.
    pub(crate) at: Option<String>,
    pub(crate) deny: Vec<String>,
    /// How a key and its value are written, such as `{key} = {value}`.
    pub(crate) line: String,
    pub(crate) help: String,
}

/// What may be added at a [`Point`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PointKind {
    /// Files whose names match a pattern such as `*.sql`.
    Files(String),
    /// Keys with values, in one file.
    Keys,
    /// Environment of the module's processes.
    Env,
    /// One text.
    Text,
}

impl std::fmt::Display for PointKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files(pattern) => write!(out, "files:{pattern}"),
            Self::Keys => out.write_str("keys"),
            Self::Env => out.write_str("env"),
            Self::Text => out.write_str("text"),
        }
    }
}

/// A sentence a module takes for granted, and the way out.
#[derive(Debug, Clone)]
pub(crate) struct Assumption {
    pub(crate) name: Spanned<String>,
    pub(crate) says: String,
    pub(crate) if_not: String,
    /// The fact that shows whether it holds, one of a small closed list.
    pub(crate) when: Option<String>,
}
