//! One block of an app file. What it may say depends on where it comes from.

use super::{Added, Block, Extension, Origin, Patch, Tune, Written, dockerfile, inside};
use crate::diagnostic::Diagnostic;
use crate::read::{Entry, Table};
use crate::shape::{Shape, read};
use crate::source::Spanned;

/// What a block that comes from a module may say.
const OF_MODULES: [&str; 7] = ["use", "module", "wire", "set", "run", "extend", "patch"];
/// What a service from outside may say.
const OF_EXTERNALS: [&str; 3] = ["use", "from", "facts"];
/// What your source may say besides its parts.
const OF_SOURCES: [&str; 4] = ["source", "wire", "set", "patch"];
/// What a block that runs an image may say besides its parts.
const OF_IMAGES: [&str; 4] = ["image", "wire", "set", "patch"];

pub(super) fn read(entry: &Entry<'_>) -> Option<Block> {
    if let Err(wrong) = read::name(&entry.key, "a block") {
        entry.refuse(wrong);
    }
    let table = entry.table()?;
    let from = origin(entry, &table)?;
    let place = format!("block {}", entry.key.value);
    let (mut shape, mut tune, mut build) = (Shape::default(), Vec::new(), Written::default());
    match from {
        Origin::External { .. } => refuse_others(&table, &place, &OF_EXTERNALS),
        Origin::Module(_) | Origin::Local(_) => {
            refuse_others(&table, &place, &OF_MODULES);
            tune = tunes(&table);
        }
        Origin::Source(_) | Origin::Image(_) => {
            let image = matches!(from, Origin::Image(_));
            let own = if image { OF_IMAGES } else { OF_SOURCES };
            let mut keys: Vec<&str> = own.iter().chain(&read::KEYS).copied().collect();
            if !image {
                keys.extend(dockerfile::KEYS);
                build = dockerfile::read(&table);
            }
            table.only(&keys, &place);
            shape = read::shape(&table);
        }
    }
    Some(Block {
        name: entry.key.clone(),
        from,
        wire: wires(&table),
        set: settings(&table),
        shape,
        build,
        tune,
        extend: table.entries_of("extend").iter().filter_map(extension).collect(),
        patches: table.entries_of("patch").iter().filter_map(patch).collect(),
        opened: None,
        assumes: Vec::new(),
    })
}

/// What each socket is tied to.
pub(super) fn wires(table: &Table<'_>) -> Vec<(Spanned<String>, Vec<Spanned<String>>)> {
    table.entries_of("wire").iter().map(|e| (e.key.clone(), e.strings())).collect()
}

/// Settings with the values they get.
pub(super) fn settings(table: &Table<'_>) -> Vec<(Spanned<String>, Spanned<String>, &'static str)> {
    table
        .entries_of("set")
        .iter()
        .filter_map(|entry| entry.scalar().map(|(value, kind)| (entry.key.clone(), value, kind)))
        .collect()
}

/// Paths and copies of processes that are described elsewhere.
fn tunes(table: &Table<'_>) -> Vec<Tune> {
    let one = |entry: &Entry<'_>| {
        let own = entry.table()?;
        let known = ["path", "copies"];
        own.only(&known, "a process of a module");
        let paths = own.entry("path").map(|path| path.strings());
        for path in paths.iter().flatten() {
            read::refuse_odd_path(entry, path);
        }
        Some(Tune { process: entry.key.clone(), paths, copies: read::copies(&own) })
    };
    table.entries_of("run").iter().filter_map(one).collect()
}

fn extension(entry: &Entry<'_>) -> Option<Extension> {
    let value = if entry.is_table() {
        let pair = |entry: &Entry<'_>| Some((entry.key.clone(), entry.scalar()?.0));
        Added::Keys(entry.table()?.entries().iter().filter_map(pair).collect())
    } else {
        Added::Words(entry.strings())
    };
    Some(Extension { point: entry.key.clone(), value })
}

/// `[db.patch."StatefulSet/db"]`: a reason, and the fields as they shall be.
fn patch(entry: &Entry<'_>) -> Option<Patch> {
    let table = entry.table()?;
    let Some(why) = table.string("why").filter(|why| !why.value.trim().is_empty()) else {
        let message = format!("the patch of {} does not say why", entry.key.value);
        entry.refuse(
            Diagnostic::new("patch/why", &entry.key.span, message)
                .help("it is listed in every plan; such as", "why = \"until 15.2 is out\""),
        );
        return None;
    };
    let mut change = entry.json();
    if let Some(fields) = change.as_object_mut() {
        fields.remove("why");
        if fields.is_empty() {
            let message = format!("the patch of {} changes no field", entry.key.value);
            entry.refuse(Diagnostic::new("patch/empty", &entry.key.span, message));
        }
    }
    Some(Patch { object: entry.key.clone(), why, change })
}

/// A key that another kind of block knows is not a slip: it belongs elsewhere.
fn refuse_others(table: &Table<'_>, place: &str, known: &[&str]) {
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
            wrong.help(format!("the module says this itself; here: {}", known.join(", ")), "")
        } else {
            wrong.did_you_mean(key, known.iter().copied())
        };
        entry.refuse(wrong);
    }
}

fn origin(entry: &Entry<'_>, table: &Table<'_>) -> Option<Origin> {
    let known = ["use", "source", "module", "image"];
    let given: Vec<Entry<'_>> = known.iter().filter_map(|key| table.entry(key)).collect();
    match given.as_slice() {
        [one] if one.key.value == "use" => used(entry, table, one.string()?),
        [one] if one.key.value == "image" => image(one),
        [one] => {
            let path = one.string()?;
            if !inside(&path.value) {
                let key = &one.key.value;
                let message = format!("{key} \"{}\" is not inside the app's folder", path.value);
                one.refuse(
                    Diagnostic::new("block/source", &path.span, message)
                        .help("such as", format!("{key} = \"./{}\"", entry.key.value)),
                );
                return None;
            }
            Some(if one.key.value == "source" { Origin::Source(path) } else { Origin::Local(path) })
        }
        [first, second, ..] => {
            let (first, second) = (&first.key, &second.key);
            let name = &entry.key.value;
            let message = format!("block {name} has both {} and {}", first.value, second.value);
            entry
                .refuse(Diagnostic::new("block/origin", &first.span, message).help("keep one", ""));
            None
        }
        [] => {
            from_nowhere(entry, table);
            None
        }
    }
}

/// Registries and the store of images read a name whole; what is none at all is said here.
fn image(entry: &Entry<'_>) -> Option<Origin> {
    let image = entry.string()?;
    let name = image.value.split('@').next().unwrap_or_default();
    let good = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let last = name.rsplit('/').next().unwrap_or_default();
    let lower = name.len() - last.len() + last.find(':').unwrap_or(last.len());
    let path = name[..lower].split_once('/').map_or(&name[..lower], |(_, path)| path);
    let fine = !path.is_empty()
        && image.value.chars().all(good)
        && !path.contains(|c: char| c.is_ascii_uppercase())
        && !image.value.starts_with(['.', '/', '-']);
    if fine {
        return Some(Origin::Image(image));
    }
    entry.refuse(
        Diagnostic::new("block/image", &image.span, format!("\"{}\" names no image", image.value))
            .help("registry, name and tag", "image = \"ghcr.io/org/web:1.4\"")
            .help("a folder with your source", "source = \"./web\""),
    );
    None
}

fn used(entry: &Entry<'_>, table: &Table<'_>, used: Spanned<String>) -> Option<Origin> {
    let Some(interface) = used.value.strip_prefix("external:") else {
        return Some(Origin::Module(used));
    };
    let interface = Spanned::new(interface.to_owned(), used.span.clone());
    let Some(from) = table.string("from") else {
        let message = format!("block {} does not say where its login is", entry.key.value);
        entry.refuse(
            Diagnostic::new("block/external", &used.span, message)
                .help("a Secret with the interface's fields", "from = \"secret:prod-db\""),
        );
        return None;
    };
    let facts = table.entries_of("facts");
    let facts = facts.iter().map(|fact| (fact.key.clone(), fact.strings())).collect();
    Some(Origin::External { interface, from, facts })
}

fn from_nowhere(entry: &Entry<'_>, table: &Table<'_>) {
    // A misspelt `use` or `source` is the likelier cause, and it is named first.
    let mut known: Vec<&str> =
        OF_MODULES.iter().chain(&OF_SOURCES).chain(&OF_IMAGES).copied().collect();
    known.extend(read::KEYS);
    known.extend(dockerfile::KEYS);
    known.sort_unstable();
    known.dedup();
    table.only(&known, &format!("block {}", entry.key.value));
    let slip = |one: &Entry<'_>| {
        crate::suggest::nearest(&one.key.value, &["use", "source", "image"]).is_some()
    };
    if table.entries().iter().any(slip) {
        return;
    }
    let message = format!("block {} comes from nowhere", entry.key.value);
    entry.refuse(
        Diagnostic::new("block/origin", &entry.key.span, message)
            .help("from the shelf", "use = \"postgres@15\"")
            .help("from your source", "source = \"./web\"")
            .help("from a registry", "image = \"ghcr.io/org/web:1.4\""),
    );
}
