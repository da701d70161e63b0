//! The commands that change the app file: each is one or two verbs of `apps::edit`, applied here,
//! without a server. Where next: `add.rs` and `init.rs` for how an app begins.

use std::collections::BTreeMap;
use std::process::ExitCode;

use apps::{Edit, EditReport};
use serde_json::{Map, Value, json};

use super::{Outcome, catalogue, say};
use crate::app;
use crate::arguments::edits::{
    Copies, Extend, Need, Remove, Rename, Set, Trial, Unneed, Unset, Unwire, Url, Use, Wire,
};
use crate::error::{Code, Failure};
use crate::settings::{Global, person};

/// Applies edits to the app meant, or says what they would do, and prints what changed.
pub(crate) fn perform(global: &Global, trial: Trial, edits: &[Edit]) -> Outcome {
    let folder = app::folder(global)?;
    let report = if trial.dry_run {
        apps::try_edit(&folder, edits, None)
    } else {
        apps::edit(&folder, edits, &person(), None)
    };
    print(global, trial.dry_run, &report.map_err(|error| app::failure(&error))?)
}

/// The changed lines with their numbers, what they create, and what is still missing.
pub(crate) fn print(global: &Global, dry_run: bool, report: &EditReport) -> Outcome {
    if global.json {
        let value = json!({"schema": "shelf/edit/1", "dry_run": dry_run, "result": report});
        say(&value.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if report.id.is_none() && !dry_run {
        say(&format!("nothing to do: {}", report.summary))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (first, last) = report.lines;
    let width = last.to_string().len();
    let changed = report.text.lines().enumerate().skip(first - 1).take(last + 1 - first);
    for (number, line) in changed.skip_while(|(_, line)| line.is_empty()) {
        say(&format!("{:>width$} | {line}", number + 1))?;
    }
    for line in &report.creates {
        say(&format!("+ wire {line}"))?;
    }
    for one in report.missing.iter().take(5) {
        say(&format!("! {}", one.message))?;
        for help in one.help.iter().take(2) {
            say(format!("  {}: {}", help.text, help.action).trim_end_matches(": "))?;
        }
    }
    match dry_run {
        true => say(&format!("would be done: {}   (nothing was written)", report.summary))?,
        false if report.command == "shelf undo" => {
            say(&format!("{}   (again: shelf redo)", report.summary))?;
        }
        false => say(&format!("{}   (undo: shelf undo)", report.summary))?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn remove(global: &Global, options: &Remove) -> Outcome {
    perform(global, options.trial, &[Edit::Remove { block: options.block.clone() }])
}

pub(crate) fn rename(global: &Global, options: &Rename) -> Outcome {
    let edit = Edit::Rename { block: options.block.clone(), to: options.to.clone() };
    perform(global, options.trial, &[edit])
}

/// Ties a socket. A source block without a fitting socket gets one: what its block gives is known.
pub(crate) fn wire(global: &Global, options: &Wire) -> Outcome {
    let (block, socket) = split(&options.end);
    let socket = socket.unwrap_or_default();
    let provider = options.provider.clone();
    let edit = Edit::Wire { block: block.clone(), socket: socket.clone(), provider };
    let folder = app::folder(global)?;
    let edits = match apps::try_edit(&folder, std::slice::from_ref(&edit), None) {
        Err(error) => match new_socket(&folder, &block, &socket, &options.provider, &error) {
            Some((need, socket)) => {
                let provider = options.provider.clone();
                vec![need, Edit::Wire { block, socket, provider }]
            }
            None => return Err(app::failure(&error)),
        },
        Ok(_) => vec![edit],
    };
    perform(global, options.trial, &edits)
}

/// The socket that a source block lacks for a wire to a provider with one offer.
fn new_socket(
    folder: &std::path::Path,
    block: &str,
    socket: &str,
    provider: &str,
    error: &apps::Error,
) -> Option<(Edit, String)> {
    let code = error.report().code;
    let lacks = if socket.is_empty() { code == "wire/type" } else { code == "wire/socket" };
    let model = apps::model(folder).ok()?.value;
    let blocks = model["blocks"].as_array()?;
    let named = |name: &str| blocks.iter().find(|one| one["name"] == name);
    let (provider, offer) = split(provider);
    let offers: Vec<&Value> = named(&provider)?["offers"]
        .as_array()?
        .iter()
        .filter(|one| offer.as_deref().is_none_or(|name| one["name"] == name))
        .collect();
    let [offer] = offers.as_slice() else { return None };
    if !lacks || !matches!(named(block)?["from"]["kind"].as_str(), Some("source" | "image")) {
        return None;
    }
    let socket = if socket.is_empty() { provider } else { socket.to_owned() };
    let need = Edit::Need {
        block: block.to_owned(),
        socket: socket.clone(),
        interface: offer["interface"].as_str()?.to_owned(),
        limits: BTreeMap::new(),
    };
    Some((need, socket))
}

pub(crate) fn unwire(global: &Global, options: &Unwire) -> Outcome {
    let (block, socket) = end(&options.end)?;
    let edit = Edit::Unwire { block, socket, provider: options.provider.clone() };
    perform(global, options.trial, &[edit])
}

pub(crate) fn need(global: &Global, options: &Need) -> Outcome {
    let (block, socket) = end(&options.end)?;
    let limits = pairs(&options.limits)?;
    let limits = limits.into_iter().map(|(name, limit)| (name, Value::String(limit))).collect();
    let interface = options.interface.clone();
    perform(global, options.trial, &[Edit::Need { block, socket, interface, limits }])
}

pub(crate) fn unneed(global: &Global, options: &Unneed) -> Outcome {
    let (block, socket) = end(&options.end)?;
    perform(global, options.trial, &[Edit::Unneed { block, socket }])
}

pub(crate) async fn set(global: &Global, options: &Set) -> Outcome {
    if let Some(name) = &options.secret {
        return super::secret::set(global, options, name).await;
    }
    let block = || options.block.clone();
    let settings = pairs(&options.settings)?.into_iter().map(|(setting, value)| Edit::Set {
        block: block(),
        setting,
        value: Value::String(value),
    });
    let env = pairs(&options.env)?.into_iter().map(|(name, value)| Edit::Env {
        block: block(),
        name,
        value: Some(value),
    });
    perform(global, options.trial, &settings.chain(env).collect::<Vec<Edit>>())
}

pub(crate) fn unset(global: &Global, options: &Unset) -> Outcome {
    let block = || options.block.clone();
    let settings = options.settings.iter();
    let settings = settings.map(|name| Edit::Unset { block: block(), setting: name.clone() });
    let env = options.env.iter();
    let env = env.map(|name| Edit::Env { block: block(), name: name.clone(), value: None });
    let secrets = options.secret.iter();
    let secrets =
        secrets.map(|name| Edit::Secret { block: block(), name: name.clone(), given: false });
    perform(global, options.trial, &settings.chain(env).chain(secrets).collect::<Vec<Edit>>())
}

pub(crate) fn copies(global: &Global, options: &Copies) -> Outcome {
    let (block, process) = split(&options.end);
    let copies = options.copies.clone();
    perform(global, options.trial, &[Edit::Copies { block, process, copies }])
}

pub(crate) async fn use_(global: &Global, options: &Use) -> Outcome {
    catalogue::take(global, Some(&options.module)).await?;
    let edit = Edit::Use { block: options.block.clone(), module: options.module.clone() };
    perform(global, options.trial, &[edit])
}

/// Sets where a process lives; without a block, the caller prints where the app does.
pub(crate) fn url(global: &Global, options: &Url, target: &str) -> Outcome {
    if options.paths.is_empty() && !options.private && options.port.is_none() {
        return Err(Failure::new(
            Code::Usage,
            "url/path",
            format!("which path leads to {target}?"),
        )
        .hint(format!("shelf url {target} /        or none:  shelf url {target} --private")));
    }
    let (block, process) = split(target);
    let edit = Edit::Url { block, process, path: options.paths.clone(), port: options.port };
    perform(global, options.trial, &[edit])
}

pub(crate) fn extend(global: &Global, options: &Extend) -> Outcome {
    let keys = options.values.iter().all(|value| value.contains('=')) && !options.values.is_empty();
    let value = match (options.remove, options.values.as_slice()) {
        (true, []) => Value::Null,
        (true, names) => {
            Value::Object(names.iter().map(|name| (name.clone(), Value::Null)).collect())
        }
        (false, _) if keys => {
            let pairs = pairs(&options.values)?.into_iter();
            Value::Object(
                pairs.map(|(name, value)| (name, Value::String(value))).collect::<Map<_, _>>(),
            )
        }
        (false, values) => json!(values),
    };
    let edit = Edit::Extend { block: options.block.clone(), point: options.point.clone(), value };
    perform(global, options.trial, &[edit])
}

/// `web.db` in two.
fn end(text: &str) -> Result<(String, String), Failure> {
    match split(text) {
        (block, Some(part)) => Ok((block, part)),
        (block, None) => {
            Err(Failure::new(Code::Usage, "edit/socket", format!("which socket of {block}?"))
                .hint(format!("write it as {block}.SOCKET; its sockets:  shelf show {block}")))
        }
    }
}

/// `web` or `web.db`.
pub(crate) fn split(text: &str) -> (String, Option<String>) {
    match text.split_once('.') {
        Some((block, part)) => (block.to_owned(), Some(part.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// `NAME=VALUE`, each in two.
pub(crate) fn pairs(texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::new(Code::Usage, "edit/pair", format!("\"{text}\" gives no value"))
            .hint("write NAME=VALUE")),
    };
    texts.iter().map(pair).collect()
}
