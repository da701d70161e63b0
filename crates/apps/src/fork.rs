//! `fork`: a module becomes yours, as a copy in the app's folder that knows where it came from.
//!
//! The last rung: what is copied is never upgraded by anybody else. So the lower rungs are said
//! first, and as long as the copy could be told by a lower rung, that is said too. Where next:
//! `edit.rs`, which writes the line of the app file.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use composer::graph::From;
use composer::{App, Card, Edit};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use toml_edit::DocumentMut;

use crate::catalogues::{self, Taken};
use crate::edit::{self, EditReport};
use crate::published::{self, Files};
use crate::{Error, Result, load, stock};

/// Beside a copy's `module.toml`: what it is a copy of.
const ORIGIN: &str = "origin.toml";

/// A way to change the block that costs less than a fork.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lower {
    /// 1 to 3.
    pub rung: u8,
    /// `set`, `extend` or `patch`.
    pub how: String,
    /// The settings, points or objects that can be changed so.
    pub what: Vec<String>,
    /// The command, or what to write.
    pub command: String,
}

/// The result of [`fork`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForkReport {
    /// The block.
    pub block: String,
    /// Its module with the version that is copied.
    pub module: String,
    /// The folder, relative to the app file's.
    pub to: String,
    /// How many files are copied.
    pub files: usize,
    /// How many lines of text are in them.
    pub lines: usize,
    /// What could be done instead, the cheapest first.
    pub lower: Vec<Lower>,
    /// What is lost.
    pub price: String,
    /// What became of the app file.
    pub edit: EditReport,
}

/// What of a copy is its owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yours {
    /// The module it was copied from, with its version.
    pub origin: String,
    /// Files that were changed, added or taken away.
    pub files: Vec<String>,
    /// Lines that are not in the origin; nothing if its text is not here any more.
    pub lines: Option<usize>,
    /// The commands that give the same from a lower rung, if there are any; `BLOCK` stands for the
    /// block.
    pub same_as: Option<String>,
}

/// Makes the module of a block the app's own. With `dry_run`, only says what would be done.
///
/// # Errors
/// There is no such block or it uses no module of the shelf, the folder is there already or lies
/// elsewhere, or something cannot be written; then nothing was changed.
pub fn fork(
    dir: &Path,
    block: &str,
    to: Option<&str>,
    by: &str,
    dry_run: bool,
) -> Result<ForkReport> {
    let to = place(dir, to.unwrap_or(block))?;
    let (name, version) = module_of(dir, block)?;
    let module = format!("{name}@{version}");
    let origin = Original::find(dir, &name, &version)?;
    let files = origin.files()?;
    let folder = dir.join(&to);
    let wrong = |source| Error::Write { path: folder.clone(), source };
    let staged = tempfile::Builder::new().prefix(".shelf-fork-").tempdir_in(dir).map_err(wrong)?;
    let copy = staged.path().join("copy");
    published::write(&copy, &files).map_err(wrong)?;
    describe(&copy, &name, &version, &files).map_err(wrong)?;
    let edits = [Edit::Fork { block: block.to_owned(), to: to.clone() }];
    // The edit is judged with the copy in its place, which for a trial it only has meanwhile.
    fs::rename(&copy, &folder).map_err(wrong)?;
    let done = match dry_run {
        true => edit::try_edit(dir, &edits, None),
        false => edit::edit(dir, &edits, by, None),
    };
    if dry_run || done.is_err() {
        fs::remove_dir_all(&folder).map_err(wrong)?;
    }
    let count = |bytes: &[u8]| std::str::from_utf8(bytes).map_or(0, |text| text.lines().count());
    Ok(ForkReport {
        block: block.to_owned(),
        to,
        files: files.len(),
        lines: files.values().map(|(_, bytes)| count(bytes)).sum(),
        lower: lower(block, (&name, &version), &origin)?,
        price: format!(
            "{module} is not upgraded here any more: its security fixes, new versions and their \
             rehearsal on your data are yours to do"
        ),
        module,
        edit: done?,
    })
}

/// The folder as the app file names it: inside the app's, and not there yet.
fn place(dir: &Path, to: &str) -> Result<String> {
    let unfit = |message: String| Error::Unfit { code: "fork/folder", message };
    let parts: Option<Vec<&str>> = Path::new(to)
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
        return Err(unfit(format!("{to} is no folder inside the app's")));
    };
    let to = parts.join("/");
    if fs::symlink_metadata(dir.join(&to)).is_ok() {
        return Err(unfit(format!("{to} is there already; nothing was copied")));
    }
    if let Some(parent) = Path::new(&to).parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let path = dir.join(parent);
        fs::create_dir_all(&path).map_err(|source| Error::Write { path, source })?;
    }
    Ok(format!("./{to}"))
}

/// The module that a block takes from the shelf, and its version.
fn module_of(dir: &Path, block: &str) -> Result<(String, String)> {
    let text = load::text(dir)?;
    let mut app = App::parse("app.toml", &text).map_err(Error::Wrong)?;
    let shelf = load::beside(dir, &mut app)?;
    let sketch = composer::sketch(&app, &shelf);
    let unfit = |message: String| Error::Unfit { code: "fork/module", message };
    let Some(draft) = sketch.blocks.iter().find(|draft| draft.name == block) else {
        let known: Vec<&str> = app.block_names().collect();
        let message = format!("there is no block {block}; there are {}", known.join(", "));
        return Err(Error::Unfit { code: "block/absent", message });
    };
    if let Some(part) = sketch.graph.block(block) {
        return match &part.from {
            From::Module { name, version, .. } => Ok((name.clone(), version.clone())),
            From::Local { path, .. } => Err(unfit(format!("{block} is yours already, in {path}"))),
            other => Err(unfit(format!("{block} uses no module of the shelf, but {other}"))),
        };
    }
    // A block that lacks a wire is no part yet, and may be forked all the same.
    let used = draft.module.as_deref().unwrap_or_default();
    let found = match used.split_once('@') {
        Some((name, version)) => shelf.module_version(name, version),
        None => shelf.module(used),
    };
    let found = found.ok_or_else(|| unfit(format!("{block} uses no module of the shelf")))?;
    Ok((found.name.clone(), found.version.clone()))
}

/// Where the files of a module are that is copied.
enum Original {
    /// In this program.
    Stock(String),
    /// Where it was kept when it was fetched from its catalogue, after its signatures were looked at.
    Taken(Box<Taken>),
}

impl Original {
    fn find(dir: &Path, name: &str, version: &str) -> Result<Self> {
        if !name.contains('/') {
            return Ok(Self::Stock(stock::folder(name, version)));
        }
        let taken = catalogues::beside(dir)?.into_values();
        let mut taken = taken.filter(|one| one.name() == name && one.version == version);
        let here = taken.next().filter(|one| one.folder.is_dir());
        here.map(|one| Self::Taken(Box::new(one))).ok_or_else(|| Error::Data {
            code: "fork/catalogue",
            message: format!("{name} {version} is of a catalogue and was not fetched yet"),
            hint: Some("fetch it:  shelf plan".into()),
        })
    }

    fn files(&self) -> Result<Files> {
        match self {
            Self::Stock(folder) => {
                let files = stock::files(folder).into_iter();
                Ok(files
                    .map(|(path, bytes)| {
                        let runs = stock::runs(&path);
                        (path, (runs, bytes.to_vec()))
                    })
                    .collect())
            }
            Self::Taken(one) => published::files_of(&one.folder)
                .map_err(|source| Error::Read { path: one.folder.clone(), source }),
        }
    }
}

/// Says beside the copy what it is a copy of.
fn describe(to: &Path, module: &str, version: &str, files: &Files) -> std::io::Result<()> {
    let mut text = format!(
        "# Written by shelf fork: what this folder is a copy of, so that it can be told what is \
         yours.\nmodule  = \"{module}\"\nversion = \"{version}\"\nat      = \"{}\"\n\n[files]\n",
        jiff::Timestamp::now()
    );
    for (path, (_, bytes)) in files {
        text.push_str(&format!(
            "{} = \"{}\"\n",
            toml_edit::Key::new(path).display_repr(),
            hash(bytes)
        ));
    }
    fs::write(to.join(ORIGIN), text)?;
    // Others of this machine read it, as they do what a person writes by hand.
    fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What could be done short of a fork.
fn lower(block: &str, (module, version): (&str, &str), origin: &Original) -> Result<Vec<Lower>> {
    let mut shelf = stock::catalogue()?;
    if let Original::Taken(one) = origin {
        let modules = BTreeMap::from([(one.name(), one.as_ref().clone())]);
        catalogues::give(&modules, &mut shelf)?;
    }
    let cards = composer::cards(&shelf);
    let card: Option<&Card> =
        cards.iter().find(|card| card.name == module && card.version == version);
    let Some(card) = card else { return Ok(Vec::new()) };
    let settings: Vec<String> = card.settings.iter().map(|one| one.name.clone()).collect();
    let points: Vec<String> = card.extend.iter().map(|one| one.point.clone()).collect();
    let rung = |rung, how: &str, what, command| Lower { rung, how: how.into(), what, command };
    let all = [
        rung(1, "set", settings, format!("shelf set {block} NAME=VALUE")),
        rung(2, "extend", points, format!("shelf extend {block} POINT …")),
        rung(
            3,
            "patch",
            vec!["any field of its objects".into()],
            format!("[{block}.patch.\"KIND/NAME\"] with a why, in app.toml"),
        ),
    ];
    Ok(all.into_iter().filter(|one| !one.what.is_empty()).collect())
}

#[derive(Deserialize)]
struct Origin {
    module: String,
    version: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

/// What of the module in `folder` is its owner's; nothing if it is no copy.
///
/// # Errors
/// The folder cannot be read, or what it says of its origin is no such thing.
pub fn yours(folder: &Path) -> Result<Option<Yours>> {
    let path = folder.join(ORIGIN);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path, source }),
    };
    let origin: Origin = toml_edit::de::from_str(&text)
        .map_err(|error| Error::Read { path, source: std::io::Error::other(error) })?;
    let mut now = BTreeMap::new();
    read(folder, "", &mut now).map_err(|source| Error::Read { path: folder.to_owned(), source })?;
    now.remove(ORIGIN);
    let known = stock::files(&stock::folder(&origin.module, &origin.version));
    let base: BTreeMap<&str, &[u8]> =
        known.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    // The shelf may have another text under the same version by now: that is not the origin.
    let same = |(path, wanted): (&String, &String)| {
        base.get(path.as_str()).is_some_and(|bytes| hash(bytes) == *wanted)
    };
    let there = !origin.files.is_empty() && origin.files.iter().all(same);
    let mut files: Vec<String> = now
        .iter()
        .filter(|(path, bytes)| origin.files.get(*path) != Some(&hash(bytes)))
        .map(|(path, _)| path.clone())
        .collect();
    files.extend(origin.files.keys().filter(|path| !now.contains_key(*path)).cloned());
    files.sort();
    let lines = there.then(|| files.iter().map(|path| own_lines(&base, &now, path)).sum());
    let module = format!("{}@{}", origin.module, origin.version);
    let same_as = there.then(|| same_as(&module, &files, &base, &now)).flatten();
    Ok(Some(Yours { origin: module, files, lines, same_as }))
}

fn read(folder: &Path, inside: &str, to: &mut BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() && name != ".git" {
            read(&entry.path(), &path, to)?;
        } else if kind.is_file() {
            to.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Lines of a file that the origin does not have.
fn own_lines(base: &BTreeMap<&str, &[u8]>, now: &BTreeMap<String, Vec<u8>>, path: &str) -> usize {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let new = now.get(path).map(|bytes| text(bytes)).unwrap_or_default();
    let old = base.get(path).map(|bytes| text(bytes)).unwrap_or_default();
    let Edit::Restore { pieces } = Edit::rewriting(&old, &new) else { return 0 };
    let own = |piece: &composer::Piece| {
        let same = piece.from.lines().zip(piece.to.lines()).take_while(|(a, b)| a == b).count();
        piece.to.lines().count() - same
    };
    pieces.iter().map(own).sum()
}

/// The commands of a lower rung that give what the copy gives: it differs in nothing, or only in
/// defaults of settings.
fn same_as(
    module: &str,
    files: &[String],
    base: &BTreeMap<&str, &[u8]>,
    now: &BTreeMap<String, Vec<u8>>,
) -> Option<String> {
    let back = format!("shelf use BLOCK {module}");
    match files {
        [] => return Some(back),
        [only] if only == "module.toml" => {}
        _ => return None,
    }
    let document = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<DocumentMut>().ok();
    let mut old = document(base.get("module.toml")?)?;
    let new = document(now.get("module.toml")?)?;
    let mut sets = Vec::new();
    for (name, setting) in new.get("settings")?.as_table_like()?.iter() {
        let value = setting.get("default")?.as_value()?;
        let plain = |value: &toml_edit::Value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string().trim().to_owned(),
        };
        let place = old.get_mut("settings")?.get_mut(name)?.get_mut("default")?.as_value_mut()?;
        if plain(place) != plain(value) {
            sets.push(format!("{name}={}", plain(value)));
            let (decor, mut value) = (place.decor().clone(), value.clone());
            *value.decor_mut() = decor;
            *place = value;
        }
    }
    let same = |one: &DocumentMut| -> Option<serde_json::Value> {
        toml_edit::de::from_document(one.clone()).ok()
    };
    if sets.is_empty() || same(&old)? != same(&new)? {
        return None;
    }
    Some(format!("{back}   and   shelf set BLOCK {}", sets.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "app = \"shop\"\n\n[db]   # the one\nuse = \"postgres@15\"   # and only\nset = { size = \"2Gi\" }\n";

    fn app() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("app.toml"), APP).unwrap();
        dir
    }

    #[test]
    fn a_fork_is_a_copy_that_checks_and_knows_what_is_yours() {
        let dir = app();
        let report = fork(dir.path(), "db", None, "ana", false).unwrap();
        assert_eq!((report.module.as_str(), report.to.as_str()), ("postgres@15.1.0", "./db"));
        assert_eq!(report.lower.iter().map(|one| one.rung).collect::<Vec<_>>(), [1, 2, 3]);
        let text = load::text(dir.path()).unwrap();
        assert_eq!(text, APP.replace("use = \"postgres@15\" ", "module = \"./db\" "));
        crate::check(dir.path()).map_err(|error| error.report().rendered).unwrap();
        let folder = dir.path().join("db");
        let mine = yours(&folder).unwrap().unwrap();
        assert_eq!((mine.files.len(), mine.lines), (0, Some(0)));
        assert_eq!(mine.same_as.as_deref(), Some("shelf use BLOCK postgres@15.1.0"));

        let file = folder.join("module.toml");
        let module = fs::read_to_string(&file).unwrap();
        fs::write(&file, module.replace("default = \"10Gi\"", "default = \"50Gi\"")).unwrap();
        let mine = yours(&folder).unwrap().unwrap();
        assert_eq!((mine.files, mine.lines), (vec!["module.toml".to_owned()], Some(1)));
        assert!(mine.same_as.unwrap().ends_with("shelf set BLOCK size=50Gi"));

        let ready = fs::read_to_string(folder.join("ready.sh")).unwrap();
        fs::write(folder.join("ready.sh"), format!("{ready}# one\n# two\n")).unwrap();
        fs::remove_file(folder.join("icon.svg")).unwrap();
        let mine = yours(&folder).unwrap().unwrap();
        assert_eq!((mine.files.len(), mine.lines, mine.same_as), (3, Some(3), None));

        crate::undo(dir.path(), "ana").unwrap();
        assert_eq!(load::text(dir.path()).unwrap(), APP);
        crate::redo(dir.path(), "ana").unwrap();
        assert!(load::text(dir.path()).unwrap().contains("module = \"./db\""));
        let back = Edit::Use { block: "db".into(), module: "postgres@15".into() };
        crate::edit(dir.path(), &[back], "ana", None).unwrap();
        assert_eq!(load::text(dir.path()).unwrap(), APP.replace("use = ", "use    = "));
    }

    #[test]
    fn what_cannot_be_forked_leaves_nothing() {
        let dir = app();
        fs::create_dir(dir.path().join("taken")).unwrap();
        for (block, to, code) in [
            ("nothing", None, "block/absent"),
            ("db", Some("../out"), "fork/folder"),
            ("db", Some("/out"), "fork/folder"),
            ("db", Some("taken"), "fork/folder"),
        ] {
            let error = fork(dir.path(), block, to, "ana", false).unwrap_err();
            assert_eq!(error.report().code, code);
        }
        fork(dir.path(), "db", Some("./parts/db"), "ana", true).unwrap();
        assert!(!dir.path().join("parts/db").exists());
        assert_eq!(load::text(dir.path()).unwrap(), APP);
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        fork(dir.path(), "db", None, "ana", false).unwrap();
        let again = fork(dir.path(), "db", Some("other"), "ana", false).unwrap_err();
        assert!(again.to_string().contains("yours already"), "{again}");
    }
}
