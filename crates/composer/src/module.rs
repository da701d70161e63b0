//! Modules: things on the shelf, one `module.toml` each. Where next: `catalogue.rs`.

use crate::diagnostic::Diagnostic;
use crate::read::{Entry, Reader};
use crate::shape::{Assumption, Shape, read};
use crate::source::Spanned;

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
    /// Commands for its data: `backup`, `restore`.
    pub data: Vec<(String, String)>,
    pub(crate) shape: Shape,
    pub(crate) assumes: Vec<Assumption>,
}

impl Module {
    /// Reads a module file. `path` is only used in messages.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let reader = Reader::new(path, text);
        let document = reader.document()?;
        let root = reader.root(&document);
        let own = ["module", "version", "summary", "build", "data", "assumes"];
        let keys: Vec<&str> = own.iter().chain(&read::KEYS).copied().collect();
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
        let data = root.entries_of("data").iter().filter_map(read_data).collect();
        let assumes: Vec<Assumption> =
            root.entries_of("assumes").iter().filter_map(read_assumption).collect();
        if assumes.is_empty() {
            let message = format!("module {} states no assumption", name.value);
            reader.refuse(Diagnostic::new("module/assumes", &name.span, message).help(
                "say what must hold",
                "[assumes] single = { says = \"One server.\", if-not = \"…\" }",
            ));
        }
        let module = Self {
            name: name.value,
            version: version.value,
            summary: root.string("summary").map(|text| text.value).unwrap_or_default(),
            build: root.string("build").map(|folder| folder.value),
            data,
            shape: read::shape(&root),
            assumes,
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
    let runs = ["run", "before", "env", "check", "secrets", "needs", "user"];
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

fn read_data(entry: &Entry<'_>) -> Option<(String, String)> {
    if !["backup", "restore"].contains(&entry.key.value.as_str()) {
        let message = format!("[data] has no key \"{}\"", entry.key.value);
        entry.refuse(
            Diagnostic::new("file/unknown-key", &entry.key.span, message)
                .did_you_mean(&entry.key.value, ["backup", "restore"]),
        );
        return None;
    }
    Some((entry.key.value.clone(), entry.string()?.value))
}

fn read_assumption(entry: &Entry<'_>) -> Option<Assumption> {
    let table = entry.table()?;
    table.only(&["says", "if-not"], "an assumption");
    let (Some(says), Some(if_not)) = (table.string("says"), table.string("if-not")) else {
        let message = format!("assumption \"{}\" needs says and if-not", entry.key.value);
        entry.refuse(Diagnostic::new("module/assumes", &entry.key.span, message));
        return None;
    };
    Some(Assumption { name: entry.key.value.clone(), says: says.value, if_not: if_not.value })
}
