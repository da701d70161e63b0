//! The app file: its blocks, as written. Where next: `app/block.rs`, then `check.rs`, which gives
//! them meaning.

mod block;
mod dockerfile;
mod image;
mod overlay;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Diagnostic;
use crate::read::{Entry, Reader};
use crate::shape::{Assumption, Copies, Shape, read};
use crate::source::{Span, Spanned};

pub use dockerfile::Dockerfile;
pub(crate) use dockerfile::Written;
pub use image::Opened;

/// An app, read from its `app.toml`.
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) name: Spanned<String>,
    /// The addresses it is reached at, the first being `{url}`; the target's own if empty.
    pub(crate) urls: Vec<Spanned<String>>,
    pub(crate) blocks: Vec<Block>,
    /// Texts of files that `extend` names, as given by [`App::give_file`].
    pub(crate) files: BTreeMap<String, String>,
    /// The file that says what is different on a target, if one was laid over.
    pub(crate) overlay: Option<String>,
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
    /// How its source is built.
    pub(crate) build: Written,
    /// What is different about processes that a module, or the app file below, says.
    pub(crate) tune: Vec<Tune>,
    pub(crate) extend: Vec<Extension>,
    pub(crate) patches: Vec<Patch>,
    /// What its image says of itself, as given by [`App::give_image`].
    pub(crate) opened: Option<Opened>,
    /// What an image takes for granted.
    pub(crate) assumes: Vec<Assumption>,
}

/// Where a block comes from, as written.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// `use = "postgres@15"`.
    Module(Spanned<String>),
    /// `source = "./web"`.
    Source(Spanned<String>),
    /// `image = "ghcr.io/org/web:1.4"`.
    Image(Spanned<String>),
    /// `module = "./db"`: a module in the app's folder.
    Local(Spanned<String>),
    /// `use = "external:postgres/1"`, with the facts it states.
    External {
        interface: Spanned<String>,
        from: Spanned<String>,
        facts: Vec<(Spanned<String>, Vec<Spanned<String>>)>,
    },
}

/// What an app says about a process that is described elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Tune {
    pub(crate) process: Spanned<String>,
    pub(crate) paths: Option<Vec<Spanned<String>>>,
    pub(crate) copies: Option<Spanned<Copies>>,
}

/// What an app adds at an extension point of a module.
#[derive(Debug, Clone)]
pub(crate) struct Extension {
    pub(crate) point: Spanned<String>,
    pub(crate) value: Added,
}

/// The forms in which something is added.
#[derive(Debug, Clone)]
pub(crate) enum Added {
    /// Names of files beside the app file, or one text.
    Words(Vec<Spanned<String>>),
    /// Keys with values.
    Keys(Vec<(Spanned<String>, Spanned<String>)>),
}

/// A change of a compiled object.
#[derive(Debug, Clone)]
pub(crate) struct Patch {
    /// `StatefulSet/db`.
    pub(crate) object: Spanned<String>,
    pub(crate) why: Spanned<String>,
    pub(crate) change: serde_json::Value,
}

impl App {
    /// Reads an app file. `path` is only used in messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let reader = Reader::new(path, text);
        let document = reader.document()?;
        let root = reader.root(&document);
        let (mut name, mut urls) = (None, Vec::new());
        let mut blocks = Vec::new();
        for entry in root.entries() {
            if entry.key.value == "app" {
                name = entry.string();
            } else if entry.key.value == "url" && !entry.is_table() {
                urls = read_urls(&entry);
            } else if entry.is_table() {
                blocks.extend(block::read(&entry));
            } else {
                let message = format!("an app has no key \"{}\"", entry.key.value);
                reader.refuse(
                    Diagnostic::new("file/unknown-key", &entry.key.span, message)
                        .did_you_mean(&entry.key.value, ["app", "url"])
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
        let app = |name| Self { name, urls, blocks, files: BTreeMap::new(), overlay: None };
        reader.finish(name.map(app))
    }

    /// Lays a target's file, such as `app.prod.toml`, over the app. It may change pins of `use`,
    /// `set`, `copies`, `wire` and `url`, never structure; anything else is refused.
    pub fn lay_over(self, path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        overlay::lay(self, path, text)
    }

    /// The names of its blocks, as written.
    pub fn block_names(&self) -> impl Iterator<Item = &str> {
        self.blocks.iter().map(|block| block.name.value.as_str())
    }

    /// The app's name, which is also its namespace.
    pub fn name(&self) -> &str {
        &self.name.value
    }

    /// The other apps that its wires reach, such as `billing` of `wire = { db = "billing/db" }`.
    /// Whoever asks the target gives each one to [`crate::Catalogue::add_app`].
    pub fn other_apps(&self) -> BTreeSet<&str> {
        let wires = self.blocks.iter().flat_map(|block| &block.wire);
        let ends = wires.flat_map(|(_, ends)| ends);
        ends.filter_map(|end| Some(end.value.split_once('/')?.0)).collect()
    }

    /// Folders of modules that lie in the app's own folder. Whoever reads files gives the text of
    /// each one's `module.toml` to [`crate::Catalogue::add_local`].
    pub fn local_modules(&self) -> Vec<&str> {
        let mut paths = Vec::new();
        for block in &self.blocks {
            if let Origin::Local(path) = &block.from {
                paths.push(path.value.as_str());
            }
        }
        paths
    }

    /// Blocks that use a module of a shelf, and what they say of it: `redis@7`, `team/redis`.
    pub fn used_modules(&self) -> Vec<(&str, &str)> {
        let mut all = Vec::new();
        for block in &self.blocks {
            if let Origin::Module(used) = &block.from {
                all.push((block.name.value.as_str(), used.value.as_str()));
            }
        }
        all
    }

    /// Files beside the app file that its extensions may name. Whoever reads files gives the text
    /// of each that is there to [`App::give_file`].
    pub fn named_files(&self) -> Vec<&str> {
        let extensions = self.blocks.iter().flat_map(|block| &block.extend);
        let words = extensions.filter_map(|one| match &one.value {
            Added::Words(words) => Some(words),
            Added::Keys(_) => None,
        });
        // A text of several lines is no name of a file.
        let names = words.flatten().map(|word| word.value.as_str());
        names.filter(|name| name.len() < 200 && !name.contains('\n') && inside(name)).collect()
    }

    /// Gives the text of a file that [`App::named_files`] listed.
    pub fn give_file(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }
}

/// Whether a path stays inside the app's folder.
pub(crate) fn inside(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && !path.split('/').any(|part| part == "..")
}

/// `url = "https://shop.example.org"`, or several, the first being `{url}`.
fn read_urls(entry: &Entry<'_>) -> Vec<Spanned<String>> {
    let mut urls = entry.strings();
    urls.retain(|url| match host(&url.value) {
        Some(_) => true,
        None => {
            entry.refuse(wrong_url(&url.value, &url.span));
            false
        }
    });
    urls
}

fn wrong_url(url: &str, span: &Span) -> Diagnostic {
    Diagnostic::new("app/url", span, format!("\"{url}\" is no address of an app"))
        .help("scheme and host, no path", "url = \"https://shop.example.org\"")
}

/// The host of an address that is scheme, host and perhaps a port.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (host, port) = rest.split_once(':').unwrap_or((rest, "1"));
    let label = |label: &str| {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty() && label.len() <= 63 && label.chars().all(good)
    };
    let fine = host.split('.').all(label) && port.parse::<u16>().is_ok_and(|port| port > 0);
    fine.then_some(host)
}
