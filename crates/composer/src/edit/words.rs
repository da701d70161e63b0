//! What an edit did, in a few words, and the command that does the same.

use serde_json::Value;

use super::Edit;

/// `web.db wired to db`, in the form that fits after "undone:" as well.
pub(super) fn summary(edit: &Edit) -> String {
    match edit {
        Edit::Add { block, use_: Some(module), .. } if module.split('@').next() == Some(block) => {
            format!("{module} added")
        }
        Edit::Add { block, use_, source, image, .. } => {
            let from = use_.as_deref().or(source.as_deref()).or(image.as_deref());
            let from = from.unwrap_or_default();
            format!("{block} added from {from}")
        }
        Edit::Remove { block } => format!("{block} removed"),
        Edit::Rename { block, to } => format!("{block} renamed to {to}"),
        Edit::Wire { block, socket, provider } => format!("{block}.{socket} wired to {provider}"),
        Edit::Unwire { block, socket, provider: Some(provider) } => {
            format!("{block}.{socket} unwired from {provider}")
        }
        Edit::Unwire { block, socket, .. } => format!("{block}.{socket} unwired"),
        Edit::Set { block, setting, value } => format!("{block}.{setting} set to {}", plain(value)),
        Edit::Unset { block, setting } => format!("{block}.{setting} back to its default"),
        Edit::Need { block, socket, interface, .. } => {
            format!("{block}.{socket} needs {interface}")
        }
        Edit::Unneed { block, socket } => format!("{block}.{socket} taken away"),
        Edit::Copies { block, process, copies } => {
            let end = end(block, process.as_deref());
            format!("{end}: {copies} {}", if copies == "1" { "copy" } else { "copies" })
        }
        Edit::Url { block, process, path, .. } if path.is_empty() => {
            format!("{} is private", end(block, process.as_deref()))
        }
        Edit::Url { block, process, path, .. } => {
            format!("{} lives at {}", end(block, process.as_deref()), path.join(", "))
        }
        Edit::Use { block, module } => format!("{block} uses {module}"),
        Edit::Fork { block, to } => format!("{block} is yours, in {to}"),
        Edit::Extend { block, point, value: Value::Null } => format!("{block}: {point} taken away"),
        Edit::Extend { block, point, .. } => format!("{block}: {point} extended"),
        Edit::Env { block, name, value: Some(_) } => format!("{block}: variable {name} set"),
        Edit::Env { block, name, value: None } => format!("{block}: variable {name} taken away"),
        Edit::Secret { block, name, given: true } => format!("{block}: secret {name} is given"),
        Edit::Secret { block, name, .. } => format!("{block}: secret {name} taken away"),
        Edit::Paste { block, .. } => format!("{block} put back"),
        Edit::Restore { pieces } => format!("{} put back", lines(pieces.len())),
    }
}

fn lines(count: usize) -> String {
    if count == 1 { "lines at 1 place".to_owned() } else { format!("lines at {count} places") }
}

/// The command a person would have typed.
pub(super) fn command(edit: &Edit) -> String {
    let words: Vec<String> = match edit {
        Edit::Add { block, image: Some(image), port, .. } => {
            let mut words = vec!["add".to_owned(), "--image".to_owned(), image.clone()];
            words.extend(["--as".to_owned(), block.clone()]);
            words.extend(port.iter().flat_map(|port| ["--port".to_owned(), port.to_string()]));
            words
        }
        Edit::Add { block, use_, source, port, .. } => {
            let from = use_.clone().or_else(|| source.clone()).unwrap_or_default();
            let named = from.split('@').next().and_then(|from| from.rsplit('/').next());
            let mut words = vec!["add".to_owned(), from.clone()];
            if named != Some(block) {
                words.extend(["--as".to_owned(), block.clone()]);
            }
            words.extend(port.iter().flat_map(|port| ["--port".to_owned(), port.to_string()]));
            words
        }
        Edit::Remove { block } => vec!["remove".into(), block.clone()],
        Edit::Rename { block, to } => vec!["rename".into(), block.clone(), to.clone()],
        Edit::Wire { block, socket, provider } => {
            vec!["wire".into(), format!("{block}.{socket}"), provider.clone()]
        }
        Edit::Unwire { block, socket, provider } => {
            let mut words = vec!["unwire".into(), format!("{block}.{socket}")];
            words.extend(provider.clone());
            words
        }
        Edit::Set { block, setting, value } => {
            vec!["set".into(), block.clone(), format!("{setting}={}", plain(value))]
        }
        Edit::Unset { block, setting } => vec!["unset".into(), block.clone(), setting.clone()],
        Edit::Need { block, socket, interface, limits } => {
            let mut words = vec!["need".into(), format!("{block}.{socket}"), interface.clone()];
            words.extend(limits.iter().map(|(name, limit)| format!("{name}={}", plain(limit))));
            words
        }
        Edit::Unneed { block, socket } => vec!["unneed".into(), format!("{block}.{socket}")],
        Edit::Copies { block, process, copies } => {
            vec!["copies".into(), end(block, process.as_deref()), copies.clone()]
        }
        Edit::Url { block, process, path, port } => {
            let mut words = vec!["url".to_owned(), end(block, process.as_deref())];
            words.extend(path.iter().cloned());
            words.extend(path.is_empty().then(|| "--private".to_owned()));
            words.extend(port.iter().flat_map(|port| ["--port".to_owned(), port.to_string()]));
            words
        }
        Edit::Use { block, module } => vec!["use".into(), block.clone(), module.clone()],
        Edit::Fork { block, to } if to.strip_prefix("./") == Some(block) => {
            vec!["fork".into(), block.clone()]
        }
        Edit::Fork { block, to } => {
            vec!["fork".into(), block.clone(), "--to".into(), to.clone()]
        }
        Edit::Extend { block, point, value } => extend(block, point, value),
        Edit::Env { block, name, value: Some(value) } => {
            vec!["set".into(), block.clone(), "--env".into(), format!("{name}={value}")]
        }
        Edit::Env { block, name, value: None } => {
            vec!["unset".into(), block.clone(), "--env".into(), name.clone()]
        }
        Edit::Secret { block, name, given } => {
            let verb = if *given { "set" } else { "unset" };
            vec![verb.into(), block.clone(), "--secret".into(), name.clone()]
        }
        Edit::Paste { .. } | Edit::Restore { .. } => vec!["undo".into()],
    };
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("shelf {}", words.join(" "))
}

fn extend(block: &str, point: &str, value: &Value) -> Vec<String> {
    let mut words = vec!["extend".to_owned(), block.to_owned(), point.to_owned()];
    match value {
        Value::Null => words.push("--remove".into()),
        Value::Object(members) => {
            words.extend(members.iter().map(|(key, value)| format!("{key}={}", plain(value))));
        }
        Value::Array(items) => words.extend(items.iter().map(plain)),
        other => words.push(plain(other)),
    }
    words
}

/// `web`, or `web.worker` for a process with another name.
fn end(block: &str, process: Option<&str>) -> String {
    match process {
        Some(process) if process != block => format!("{block}.{process}"),
        _ => block.to_owned(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
