//! The app file: its blocks, as written. Where next: `check.rs`, which gives them meaning.

use crate::diagnostic::Diagnostic;
use crate::read::{Entry, Reader, Table};
use crate::shape::{Shape, read};
use crate::source::Spanned;

/// An app, read from its `app.toml`.
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) name: Spanned<String>,
    pub(crate) blocks: Vec<Block>,
}

/// A module, or your source, placed in an app.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) name: Spanned<String>,
    pub(crate) from: Origin,
    /// Socket, and the providers it is tied to.
    pub(crate) wire: Vec<(Spanned<String>, Vec<Spanned<String>>)>,
    /// Setting, its new value, and the name of the value's type.
    pub(crate) set: Vec<(Spanned<String>, Spanned<String>, &'static str)>,
    /// What the app file says itself; empty for a module, whose file says it.
    pub(crate) shape: Shape,
}

/// Where a block comes from, as written.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// `use = "postgres@15"`.
    Module(Spanned<String>),
    /// `source = "./web"`.
    Source(Spanned<String>),
}

const SHARED: [&str; 2] = ["wire", "set"];

impl App {
    /// Reads an app file. `path` is only used in messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let reader = Reader::new(path, text);
        let document = reader.document()?;
        let root = reader.root(&document);
        let mut name = None;
        let mut blocks = Vec::new();
        for entry in root.entries() {
            if entry.key.value == "app" {
                name = entry.string();
            } else if entry.is_table() {
                blocks.extend(block(&entry));
            } else {
                let message = format!("an app has no key \"{}\"", entry.key.value);
                reader.refuse(
                    Diagnostic::new("file/unknown-key", &entry.key.span, message)
                        .did_you_mean(&entry.key.value, ["app"])
                        .help("a block is a table", format!("[{}]", entry.key.value)),
                );
            }
        }
        if let Some(wrong) = name.as_ref().and_then(|name| read::name(name, "an app").err()) {
            reader.refuse(wrong);
        }
        if root.entry("app").is_none() {
            let span = reader.top();
            reader.refuse(
                Diagnostic::new("app/name", &span, "the app has no name")
                    .help("first line", "app = \"shop\""),
            );
        }
        reader.finish(name.map(|name| Self { name, blocks }))
    }

    /// The names of its blocks, as written.
    pub fn block_names(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(|block| block.name.value.as_str())
    }

    /// The app's name, which is also its namespace.
    pub fn name(&self) -> &str {
        &self.name.value
    }
}

fn block(entry: &Entry<'_>) -> Option<Block> {
    if let Err(wrong) = read::name(&entry.key, "a block") {
        entry.refuse(wrong);
    }
    let table = entry.table()?;
    let from = origin(entry, &table)?;
    let place = format!("block {}", entry.key.value);
    let shape = match from {
        Origin::Module(_) => {
            refuse_module_keys(&table, &place);
            Shape::default()
        }
        Origin::Source(_) => {
            let own = ["source"];
            let keys: Vec<&str> = own.iter().chain(&SHARED).chain(&read::KEYS).copied().collect();
            table.only(&keys, &place);
            read::shape(&table)
        }
    };
    let wire = table.entries_of("wire").iter().map(|e| (e.key.clone(), e.strings())).collect();
    let set = table
        .entries_of("set")
        .iter()
        .filter_map(|entry| entry.scalar().map(|(value, kind)| (entry.key.clone(), value, kind)))
        .collect();
    Some(Block { name: entry.key.clone(), from, wire, set, shape })
}

/// A key that a source block knows is not a slip in a module's block: it belongs elsewhere.
fn refuse_module_keys(table: &Table<'_>, place: &str) {
    let known = ["use", "wire", "set"];
    for entry in table.entries() {
        let key = entry.key.value.as_str();
        if known.contains(&key) {
            continue;
        }
        let mut wrong = Diagnostic::new(
            "file/unknown-key",
            &entry.key.span,
            format!("{place} has no key \"{key}\""),
        );
        wrong = if read::KEYS.contains(&key) {
            wrong
                .help("the module says this itself; a block that uses one takes use, wire, set", "")
        } else {
            wrong.did_you_mean(key, known)
        };
        entry.refuse(wrong);
    }
}

fn origin(entry: &Entry<'_>, table: &Table<'_>) -> Option<Origin> {
    match (table.entry("use"), table.entry("source")) {
        (Some(module), None) => module.string().map(Origin::Module),
        (None, Some(source)) => {
            let path = source.string()?;
            let fine = !path.value.starts_with('/') && !path.value.split('/').any(|p| p == "..");
            if !fine || path.value.is_empty() {
                let message = format!("source \"{}\" is not inside the app's folder", path.value);
                source.refuse(
                    Diagnostic::new("block/source", &path.span, message)
                        .help("such as", "source = \"./web\""),
                );
                return None;
            }
            Some(Origin::Source(path))
        }
        (Some(module), Some(_)) => {
            let message = format!("block {} has both use and source", entry.key.value);
            entry.refuse(
                Diagnostic::new("block/origin", &module.key.span, message).help("keep one", ""),
            );
            None
        }
        (None, None) => {
            // A misspelt `use` or `source` is the likelier cause, and it is named first.
            table.only(&known_keys(), &format!("block {}", entry.key.value));
            let slip = |one: &Entry<'_>| {
                crate::suggest::nearest(&one.key.value, &["use", "source"]).is_some()
            };
            if table.entries().iter().any(slip) {
                return None;
            }
            let message = format!("block {} comes from nowhere", entry.key.value);
            entry.refuse(
                Diagnostic::new("block/origin", &entry.key.span, message)
                    .help("from the shelf", "use = \"postgres@15\"")
                    .help("from your source", "source = \"./web\""),
            );
            None
        }
    }
}

fn known_keys() -> Vec<&'static str> {
    ["use", "source"].iter().chain(&SHARED).chain(&read::KEYS).copied().collect()
}
