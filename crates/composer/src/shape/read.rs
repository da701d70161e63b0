//! Reads the parts of a block from TOML. Forms that mean the same (a string or a table) end as
//! one value here, so nothing further down knows that there were two.

use super::{
    Before, Cardinality, Copies, Disk, Need, Point, PointKind, Process, Provide, Secret, Setting,
    Shape, Variable,
};
use crate::diagnostic::Diagnostic;
use crate::interface::InterfaceName;
use crate::read::{Entry, Table};
use crate::secret::Recipe;
use crate::source::Spanned;

/// The keys that [`shape`] reads.
pub(crate) const KEYS: [&str; 11] = [
    "needs",
    "provides",
    "settings",
    "secrets",
    "env",
    "disk",
    "before",
    "run",
    "user",
    "check",
    "stop-within",
];

/// Reads all parts of a block from its table.
pub(crate) fn shape(table: &Table<'_>) -> Shape {
    let check = table.table("check");
    if let Some(check) = check {
        check.only(&["ready"], "[check]");
    }
    // An image says itself what port it listens on.
    let of_image = table.entry("image").is_some();
    let process = |entry: &Entry<'_>| process(entry, of_image);
    Shape {
        needs: table.entries_of("needs").iter().filter_map(need).collect(),
        provides: table.entries_of("provides").iter().filter_map(provide).collect(),
        settings: table.entries_of("settings").iter().filter_map(setting).collect(),
        secrets: table.entries_of("secrets").iter().filter_map(secret).collect(),
        env: variables(table),
        disks: table.entries_of("disk").iter().filter_map(disk).collect(),
        before: table.entries_of("before").iter().filter_map(before).collect(),
        run: table.entries_of("run").iter().filter_map(process).collect(),
        user: table.integer("user"),
        ready: check.and_then(|check| check.string("ready")),
        stop_within: table.integer("stop-within"),
    }
}

fn need(entry: &Entry<'_>) -> Option<Need> {
    name(&entry.key, "a socket").map_err(|wrong| entry.refuse(wrong)).ok()?;
    let (mut limits, mut at) = (Vec::new(), None);
    let written = if entry.is_table() {
        let table = entry.table()?;
        for limit in table.entries() {
            match limit.key.value.as_str() {
                "type" => {}
                "at" => at = absolute(entry, limit.string()),
                _ => limits.push((limit.key.clone(), limit.strings())),
            }
        }
        required(entry, &table, "type", "needs = { db = { type = \"postgres/1\" } }")?
    } else {
        entry.string()?
    };
    let (text, cardinality) = match written.value.char_indices().last() {
        Some((at, '?')) => (&written.value[..at], Cardinality::Optional),
        Some((at, '*')) => (&written.value[..at], Cardinality::Any),
        Some((at, '+')) => (&written.value[..at], Cardinality::Some),
        _ => (written.value.as_str(), Cardinality::One),
    };
    let interface = interface(entry, text, &written)?;
    Some(Need { socket: entry.key.clone(), interface, cardinality, limits, at })
}

fn interface(
    entry: &Entry<'_>,
    text: &str,
    written: &Spanned<String>,
) -> Option<Spanned<InterfaceName>> {
    let Some(interface) = InterfaceName::parse(text) else {
        let message = format!("\"{}\" is no interface", written.value);
        entry.refuse(
            Diagnostic::new("interface/name", &written.span, message)
                .help("a name and its major", "\"postgres/1\""),
        );
        return None;
    };
    Some(Spanned::new(interface, written.span.clone()))
}

fn provide(entry: &Entry<'_>) -> Option<Provide> {
    name(&entry.key, "an offer").map_err(|wrong| entry.refuse(wrong)).ok()?;
    let table = entry.table()?;
    let written = required(entry, &table, "type", "type = \"http/1\"")?;
    let known = ["type", "port", "admin-port", "grant", "probe", "max"];
    let mut facts = Vec::new();
    for fact in table.entries() {
        if !known.contains(&fact.key.value.as_str()) {
            facts.push((fact.key.clone(), fact.strings()));
        }
    }
    Some(Provide {
        name: entry.key.clone(),
        interface: interface(entry, &written.value, &written)?,
        port: table.integer("port"),
        admin_port: table.integer("admin-port").map(|port| port.value),
        grant: table.string("grant").map(|program| program.value),
        probe: table.string("probe").map(|program| program.value),
        facts,
        max: table.integer("max").map(|max| max.value),
    })
}

fn setting(entry: &Entry<'_>) -> Option<Setting> {
    let table = entry.table()?;
    table.only(&["default", "help"], "a setting");
    let Some(default) = table.entry("default") else {
        let message = format!("setting \"{}\" has no default", entry.key.value);
        entry.refuse(Diagnostic::new("module/setting", &entry.key.span, message));
        return None;
    };
    let (default, kind) = default.scalar()?;
    let help = table.string("help").map(|text| text.value).unwrap_or_default();
    Some(Setting { name: entry.key.clone(), default: default.value, kind, help })
}

/// How a secret comes about: made here, or `given = true` by a person.
fn recipe(entry: &Entry<'_>, table: &Table<'_>) -> Option<Recipe> {
    if let Some(given) = table.entry("given") {
        let (value, kind) = given.scalar()?;
        if (value.value.as_str(), kind) == ("true", "truth value")
            && table.entry("generate").is_none()
        {
            return Some(Recipe::Given);
        }
        let message = format!("secret \"{}\" is either generated or given", entry.key.value);
        entry.refuse(
            Diagnostic::new("secret/recipe", &value.span, message)
                .help("made once", "generate = \"random:32\"")
                .help("from a person", "given = true"),
        );
        return None;
    }
    let written = required(entry, table, "generate", "generate = \"random:32\"")?;
    match Recipe::parse(&written.value) {
        Ok(recipe) => Some(recipe),
        Err(why) => {
            let message = format!("cannot generate \"{}\": {why}", written.value);
            entry.refuse(
                Diagnostic::new("secret/recipe", &written.span, message)
                    .help("letters and digits", "generate = \"random:32\"")
                    .help("bytes as base64url", "generate = \"base64url:32\""),
            );
            None
        }
    }
}

fn secret(entry: &Entry<'_>) -> Option<Secret> {
    let table = entry.table()?;
    table.only(&["generate", "given", "keep-with", "show", "at"], "a secret");
    let recipe = recipe(entry, &table)?;
    let show = table.string("show");
    if let Some(show) = show.as_ref().filter(|show| show.value != "after-go") {
        let message = format!("a secret cannot be shown \"{}\"", show.value);
        entry.refuse(
            Diagnostic::new("secret/show", &show.span, message)
                .did_you_mean(&show.value, ["after-go"]),
        );
    }
    Some(Secret {
        name: entry.key.clone(),
        recipe,
        keep_with: table.string("keep-with"),
        show_after_go: show.is_some(),
        at: absolute(entry, table.string("at")).map(|at| at.value),
    })
}

fn variables(table: &Table<'_>) -> Vec<Variable> {
    let read = |entry: &Entry<'_>| {
        let (value, _) = entry.scalar()?;
        let name = entry.key.clone();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.value.chars().all(good) || name.value.starts_with(|c: char| c.is_ascii_digit()) {
            let message = format!("\"{}\" cannot name an environment variable", name.value);
            entry.refuse(
                Diagnostic::new("env/name", &name.span, message)
                    .help("letters, digits and _, not a digit first", ""),
            );
        }
        Some(Variable { name, value })
    };
    table.entries_of("env").iter().filter_map(read).collect()
}

fn disk(entry: &Entry<'_>) -> Option<Disk> {
    name(&entry.key, "a disk").map_err(|wrong| entry.refuse(wrong)).ok()?;
    let table = entry.table()?;
    table.only(&["at", "size", "access"], "a disk");
    let shared = match table.string("access") {
        None => false,
        Some(access) => {
            if !["shared", "single"].contains(&access.value.as_str()) {
                let message = format!("a disk cannot be \"{}\"", access.value);
                entry.refuse(
                    Diagnostic::new("disk/access", &access.span, message)
                        .did_you_mean(&access.value, ["shared", "single"]),
                );
            }
            access.value == "shared"
        }
    };
    let at = match table.entry("at") {
        Some(at) => Some(absolute(entry, at.string())?),
        None => None,
    };
    let size = required(entry, &table, "size", "size = \"10Gi\"")?;
    Some(Disk { name: entry.key.clone(), at, size, shared })
}

fn before(entry: &Entry<'_>) -> Option<Before> {
    name(&entry.key, "a step").map_err(|wrong| entry.refuse(wrong)).ok()?;
    if !entry.is_table() {
        return Some(Before { name: entry.key.clone(), run: entry.string()?, env: Vec::new() });
    }
    let table = entry.table()?;
    table.only(&["run", "env"], "a step before the start");
    let run = required(entry, &table, "run", "run = \"bin/migrate\"")?;
    Some(Before { name: entry.key.clone(), run, env: variables(&table) })
}

fn process(entry: &Entry<'_>, of_image: bool) -> Option<Process> {
    name(&entry.key, "a process").map_err(|wrong| entry.refuse(wrong)).ok()?;
    let table = entry.table()?;
    table.only(&["run", "port", "path", "copies", "ready", "every", "env"], "a process");
    let process = Process {
        name: entry.key.clone(),
        run: table.string("run"),
        port: table.integer("port"),
        paths: table.entry("path").map(|path| path.strings()).unwrap_or_default(),
        copies: copies(&table),
        ready: table.string("ready"),
        every: table.string("every"),
        env: variables(&table),
    };
    refuse_odd_process(entry, &process, of_image);
    Some(process)
}

fn refuse_odd_process(entry: &Entry<'_>, process: &Process, of_image: bool) {
    let name = &process.name.value;
    if let Some(port) = process.port.as_ref().filter(|port| !(1..=65535).contains(&port.value)) {
        let message = format!("{} is no port", port.value);
        entry.refuse(Diagnostic::new("run/port", &port.span, message).help("from 1 to 65535", ""));
    }
    for path in &process.paths {
        refuse_odd_path(entry, path);
        if process.port.is_none() && !of_image {
            let message = format!("{name} has a path but no port");
            entry.refuse(
                Diagnostic::new("run/path", &path.span, message).help("add", "port = 8080"),
            );
        }
    }
    if let Some(ready) = process.ready.as_ref().filter(|ready| !ready.value.starts_with('/')) {
        let message = format!("ready of {name} must be an HTTP path");
        entry.refuse(
            Diagnostic::new("run/ready", &ready.span, message)
                .side("found", &ready.value)
                .help("such as", "ready = \"/healthz\""),
        );
    }
    let Some(every) = &process.every else { return };
    if every.value.split_whitespace().count() != 5 {
        let message = format!("\"{}\" is no schedule", every.value);
        entry.refuse(
            Diagnostic::new("run/every", &every.span, message)
                .help("minute hour day month weekday", "every = \"0 3 * * *\""),
        );
    }
    if process.port.is_some() || process.copies.is_some() || process.ready.is_some() {
        let message = format!("{name} runs on a schedule and cannot also serve");
        entry.refuse(
            Diagnostic::new("run/every", &every.span, message)
                .help("take away port, path, copies and ready, or every", ""),
        );
    }
}

/// Refuses a path that is none.
pub(crate) fn refuse_odd_path(entry: &Entry<'_>, path: &Spanned<String>) {
    if !path.value.starts_with('/') {
        let message = format!("path \"{}\" does not begin with /", path.value);
        let fix = format!("path = \"/{}\"", path.value);
        entry.refuse(Diagnostic::new("run/path", &path.span, message).help("write", fix));
    }
}

/// `copies = 2`, or `copies = "2..8"` for as many as the load asks for.
pub(crate) fn copies(table: &Table<'_>) -> Option<Spanned<Copies>> {
    let entry = table.entry("copies")?;
    let (written, kind) = entry.scalar()?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|n| (0..=1000).contains(n));
    let copies = match written.value.split_once("..") {
        Some((least, most)) => number(least).zip(number(most)).filter(|(l, m)| *l >= 1 && l < m),
        None if kind == "number" => number(&written.value).map(|n| (n, n)),
        None => None,
    };
    let Some((least, most)) = copies else {
        let message = format!("\"{}\" is no number of copies", written.value);
        entry.refuse(
            Diagnostic::new("run/copies", &written.span, message)
                .help("from 0 to 1000", "copies = 2")
                .help("or as the load asks for", "copies = \"2..8\""),
        );
        return None;
    };
    Some(Spanned::new(Copies { least, most }, written.span))
}

/// An extension point of a module.
pub(crate) fn point(entry: &Entry<'_>) -> Option<Point> {
    name(&entry.key, "an extension point").map_err(|wrong| entry.refuse(wrong)).ok()?;
    let table = entry.table()?;
    table.only(&["kind", "at", "deny", "line", "help"], "an extension point");
    let written = required(entry, &table, "kind", "kind = \"files:*.sql\"")?;
    let kind = match written.value.split_once(':') {
        Some(("files", pattern)) if !pattern.is_empty() => PointKind::Files(pattern.to_owned()),
        None if written.value == "keys" => PointKind::Keys,
        None if written.value == "env" => PointKind::Env,
        None if written.value == "text" => PointKind::Text,
        _ => {
            let message = format!("\"{}\" is no kind of extension", written.value);
            entry.refuse(
                Diagnostic::new("module/extend", &written.span, message)
                    .did_you_mean(&written.value, ["files:*.sql", "keys", "env", "text"]),
            );
            return None;
        }
    };
    let at = absolute(entry, table.string("at")).map(|at| at.value);
    if at.is_none() != (kind == PointKind::Env) {
        let message =
            format!("extension point \"{}\" must say at, unless its kind is env", entry.key.value);
        entry.refuse(Diagnostic::new("module/extend", &entry.key.span, message));
    }
    let line = table.string("line").map_or_else(|| "{key} = {value}".into(), |line| line.value);
    Some(Point {
        name: entry.key.clone(),
        kind,
        at,
        deny: table
            .entry("deny")
            .map(|deny| deny.strings())
            .unwrap_or_default()
            .into_iter()
            .map(|one| one.value)
            .collect(),
        line,
        help: table.string("help").map(|help| help.value).unwrap_or_default(),
    })
}

fn required(
    entry: &Entry<'_>,
    table: &Table<'_>,
    key: &str,
    example: &str,
) -> Option<Spanned<String>> {
    if table.entry(key).is_none() {
        let message = format!("\"{}\" has no {key}", entry.key.value);
        entry.refuse(
            Diagnostic::new("file/missing-key", &entry.key.span, message).help("such as", example),
        );
    }
    table.string(key)
}

fn absolute(entry: &Entry<'_>, path: Option<Spanned<String>>) -> Option<Spanned<String>> {
    let path = path?;
    let good = path.value.starts_with('/') && !path.value.split('/').any(|part| part == "..");
    if !good {
        let message = format!("\"{}\" must be an absolute path", path.value);
        entry.refuse(Diagnostic::new("file/path", &path.span, message));
    }
    good.then_some(path)
}

/// Refuses a name that cannot be part of an object's name (RFC 1123 label, at most 30 letters).
pub(crate) fn name(name: &Spanned<String>, what: &str) -> Result<(), Diagnostic> {
    let text = &name.value;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fine = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(good)
        && !text.ends_with('-')
        && text.len() <= 30;
    if fine {
        return Ok(());
    }
    let message = format!("\"{text}\" is no name for {what}");
    Err(Diagnostic::new("file/name", &name.span, message)
        .help("lower case letters, digits and -, a letter first, at most 30", ""))
}
