//! Modules: things on the shelf, one `module.toml` each. Where next: `catalogue.rs`; what a shelf
//! shows of one, `card.rs`; what a module file may not say, `module/lint.rs`.

mod lint;

use crate::diagnostic::Diagnostic;
use crate::read::{Entry, Reader};
use crate::shape::{Assumption, Point, Shape, read};
use crate::source::Spanned;

pub use lint::{Programs, lint};

/// A module, read from its file.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, such as `postgres`.
    pub name: String,
    /// Upstream's version and our revision of it.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The folder of its Dockerfile, relative to the module's folder; none if it is only a disk.
    pub build: Option<String>,
    /// Other names that people look for.
    pub aliases: Vec<String>,
    /// The group it stands in on the shelf, such as `Databases`.
    pub group: String,
    /// The file of its picture, relative to the module's folder.
    pub icon: Option<String>,
    /// Commands for its data: `backup`, `restore`.
    pub data: Vec<(String, String)>,
    /// Whether its server stops while it says its data.
    pub pauses: bool,
    /// How the data of an older major becomes this one's.
    pub upgrade: Option<Upgrade>,
    pub(crate) shape: Shape,
    pub(crate) assumes: Vec<Assumption>,
    pub(crate) extend: Vec<Point>,
}

/// How the data of an older major becomes this one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The version it starts from, such as `13`.
    pub from: String,
    /// The command.
    pub run: String,
}

/// Facts that show by themselves whether an assumption holds; see `check/assumptions.rs`.
pub(crate) const FACTS: [&str; 4] =
    ["copies>1", "public", "no-shared-storage", "no-network-policy"];

const OWN: [&str; 10] = [
    "module", "version", "summary", "build", "data", "assumes", "extend", "aliases", "group",
    "icon",
];

impl Module {
    /// Reads a module file. `path` is only used in messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let reader = Reader::new(path, text);
        let document = reader.document()?;
        let root = reader.root(&document);
        let keys: Vec<&str> = OWN.iter().chain(&read::KEYS).copied().collect();
        root.only(&keys, "a module");
        let (Some(name), Some(version)) = (root.string("module"), root.string("version")) else {
            let span = reader.top();
            reader.refuse(
                Diagnostic::new("module/name", &span, "this file does not say its module")
                    .help("first lines", "module = \"name\"  version = \"1.0.0\""),
            );
            return reader.finish(None);
        };
        if let Err(wrong) = read::name(&name, "a module") {
            reader.refuse(wrong);
        }
        if crate::version::keeps(&version.value, ">=0").is_none() {
            let message = format!("\"{}\" is no version", version.value);
            reader.refuse(Diagnostic::new("module/version", &version.span, message));
        }
        let (data, pauses, upgrade) = read_data(&root);
        let assumes: Vec<Assumption> =
            root.entries_of("assumes").iter().filter_map(read_assumption).collect();
        if assumes.is_empty() {
            let message = format!("module {} states no assumption", name.value);
            reader.refuse(Diagnostic::new("module/assumes", &name.span, message).help(
                "say what must hold",
                "[assumes] single = { says = \"One server.\", if-not = \"…\" }",
            ));
        }
        let words = |key| root.entry(key).map(|entry: Entry<'_>| entry.strings());
        let text = |key| root.string(key).map(|text| text.value);
        let module = Self {
            name: name.value,
            version: version.value,
            summary: text("summary").unwrap_or_default(),
            build: text("build"),
            aliases: words("aliases").unwrap_or_default().into_iter().map(|w| w.value).collect(),
            group: text("group").unwrap_or_default(),
            icon: text("icon"),
            data,
            pauses,
            upgrade,
            shape: read::shape(&root),
            assumes,
            extend: root.entries_of("extend").iter().filter_map(read::point).collect(),
        };
        refuse_odd_disks(&root, &module);
        reader.finish(Some(module))
    }
}

/// A module without an image is only a disk; a disk that nobody mounts is given to others.
fn refuse_odd_disks(root: &crate::read::Table<'_>, module: &Module) {
    let given = |disk: &Spanned<String>| {
        module.shape.provides.iter().any(|offer| offer.name.value == disk.value)
    };
    for disk in module.shape.disks.iter().filter(|disk| disk.at.is_none()) {
        if !given(&disk.name) {
            let message = format!("disk {} is mounted nowhere", disk.name.value);
            root.refuse(
                Diagnostic::new("disk/path", &disk.name.span, message)
                    .help("where its block has it", "at = \"/var/lib/data\"")
                    .help("or an offer of its name", "type = \"files/1\""),
            );
        }
    }
    if module.build.is_some() {
        return;
    }
    let runs = ["run", "before", "env", "check", "secrets", "needs", "user", "extend"];
    if let Some(entry) = runs.iter().find_map(|key| root.entry(key)) {
        let message = format!("module {} has {} but no image", module.name, entry.key.value);
        root.refuse(
            Diagnostic::new("module/build", &entry.key.span, message)
                .help("a folder with a Dockerfile", "build = \".\""),
        );
    } else if module.shape.disks.is_empty() {
        let message = format!("module {} has neither an image nor a disk", module.name);
        root.refuse(
            Diagnostic::new("module/build", &root.place(), message)
                .help("a folder with a Dockerfile", "build = \".\""),
        );
    }
}

/// What `[data]` says: the commands, whether a backup stops the server, the way from an older major.
type Data = (Vec<(String, String)>, bool, Option<Upgrade>);

fn read_data(root: &crate::read::Table<'_>) -> Data {
    let Some(table) = root.table("data") else { return Default::default() };
    table.only(&["backup", "restore", "upgrade", "pauses"], "[data]");
    let commands = ["backup", "restore"];
    let own = commands.iter().filter_map(|key| Some(((*key).to_owned(), table.string(key)?.value)));
    let own: Vec<_> = own.collect();
    let pauses = table.truth("pauses").unwrap_or_default();
    let upgrade = table.table("upgrade").and_then(|upgrade| {
        upgrade.only(&["from", "run"], "an upgrade");
        let (from, run) = (upgrade.string("from")?.value, upgrade.string("run")?.value);
        Some(Upgrade { from, run })
    });
    (own, pauses, upgrade)
}

fn read_assumption(entry: &Entry<'_>) -> Option<Assumption> {
    let table = entry.table()?;
    table.only(&["says", "if-not", "when"], "an assumption");
    let (Some(says), Some(if_not)) = (table.string("says"), table.string("if-not")) else {
        let message = format!("assumption \"{}\" needs says and if-not", entry.key.value);
        entry.refuse(Diagnostic::new("module/assumes", &entry.key.span, message));
        return None;
    };
    let when = table.string("when");
    if let Some(when) = when.as_ref().filter(|when| !FACTS.contains(&when.value.as_str())) {
        let message = format!("\"{}\" is no fact that breaks an assumption", when.value);
        entry.refuse(
            Diagnostic::new("module/assumes", &when.span, message).did_you_mean(&when.value, FACTS),
        );
    }
    Some(Assumption {
        name: entry.key.clone(),
        says: says.value,
        if_not: if_not.value,
        when: when.map(|when| when.value),
    })
}
