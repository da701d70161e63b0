//! From a verb to a changed text. Where next: `blocks.rs` for whole blocks, `ties.rs` for wires.

use serde_json::Value;

use super::draft::{Draft, toml_string};
use super::judge::{Scene, judge, refusal};
use super::layout::Layout;
use super::{Edit, blocks, lines, ties, values};
use crate::app::App;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;

type Step<T = ()> = Result<T, Vec<Diagnostic>>;

/// The block an edit is about.
pub(super) fn block_of(edit: &Edit) -> Option<&str> {
    match edit {
        Edit::Add { block, .. }
        | Edit::Remove { block }
        | Edit::Rename { block, .. }
        | Edit::Wire { block, .. }
        | Edit::Unwire { block, .. }
        | Edit::Set { block, .. }
        | Edit::Unset { block, .. }
        | Edit::Need { block, .. }
        | Edit::Unneed { block, .. }
        | Edit::Copies { block, .. }
        | Edit::Url { block, .. }
        | Edit::Use { block, .. }
        | Edit::Fork { block, .. }
        | Edit::Extend { block, .. }
        | Edit::Env { block, .. }
        | Edit::Secret { block, .. }
        | Edit::Paste { block, .. } => Some(block),
        Edit::Restore { .. } => None,
    }
}

/// The edit with what may be left out filled in.
pub(super) fn completed(edit: &Edit, scene: &Scene<'_>) -> Step<Edit> {
    let mut edit = edit.clone();
    match &mut edit {
        // An image is named whole, also where a module has that name.
        Edit::Use { block, .. } if scene.runs_image(block) => {}
        Edit::Add { use_: Some(module), .. } | Edit::Use { module, .. } => {
            blocks::with_major(module, scene.catalogue);
        }
        Edit::Wire { block, socket, provider } if socket.is_empty() => {
            *socket = ties::only_socket(block, provider, scene)?;
        }
        Edit::Copies { block, process, .. } | Edit::Url { block, process, .. }
            if process.is_none() =>
        {
            *process = blocks::main_process(block, scene)?;
        }
        _ => {}
    }
    Ok(edit)
}

/// The text after the edit, not judged yet.
pub(super) fn apply(text: &str, edit: &Edit, scene: &Scene<'_>) -> Step<String> {
    let mut draft = Draft::new(text);
    let layout = draft.layout()?;
    let known: Vec<&str> = layout.blocks().collect();
    match (edit, block_of(edit)) {
        (Edit::Add { block, .. } | Edit::Paste { block, .. }, _)
            if known.contains(&block.as_str()) =>
        {
            let message = format!("there is a block {block} already");
            return Err(vec![
                refusal("block/exists", message).help("give the new one another name", ""),
            ]);
        }
        (Edit::Add { .. } | Edit::Paste { .. }, _) | (_, None) => {}
        (_, Some(block)) if known.contains(&block) => {}
        (_, Some(block)) => {
            let message = format!("there is no block {block}");
            return Err(vec![refusal("block/absent", message).did_you_mean(block, known)]);
        }
    }
    match edit {
        Edit::Add { block, use_, source, image, port } => {
            let from = [("use", use_), ("source", source), ("image", image)];
            blocks::add(&mut draft, block, &from, *port)?;
        }
        Edit::Remove { block } => blocks::remove(&mut draft, block)?,
        Edit::Rename { block, to } => blocks::rename(&mut draft, block, to)?,
        Edit::Wire { block, socket, provider } => {
            ties::wire(&mut draft, block, socket, provider, scene)?;
        }
        Edit::Unwire { block, socket, provider } => {
            ties::unwire(&mut draft, block, socket, provider.as_deref(), scene)?;
        }
        Edit::Paste { toml, at, .. } => draft.paste(toml, *at)?,
        Edit::Restore { pieces } => {
            let mut text = text.to_owned();
            for piece in pieces {
                text = lines::restore(&text, piece).ok_or_else(|| {
                    vec![
                        refusal("edit/stale", "the lines to put back have been changed since")
                            .help("change them by hand, or undo the later edit first", ""),
                    ]
                })?;
            }
            return Ok(text);
        }
        other => keys(&mut draft, other, scene)?,
    }
    Ok(draft.into_text())
}

/// The verbs that put or take one key of one block.
fn keys(draft: &mut Draft, edit: &Edit, scene: &Scene<'_>) -> Step {
    match edit {
        Edit::Set { block, setting, value } => {
            let sketch = scene.sketch();
            let kind = sketch.as_ref().and_then(|sketch| sketch.setting_kind(block, setting));
            draft.put(&[block, "set", setting], &values::scalar(value, kind)?)
        }
        Edit::Unset { block, setting } => draft.take(&[block, "set", setting]),
        Edit::Need { block, socket, interface, limits } => {
            blocks::must_be_source(draft, block, "its sockets are the module's own")?;
            let value = if limits.is_empty() {
                toml_string(interface)
            } else {
                let mut table = serde_json::Map::new();
                table.insert("type".into(), Value::String(interface.clone()));
                table.extend(limits.iter().map(|(name, limit)| (name.clone(), limit.clone())));
                values::toml(&Value::Object(table))?
            };
            draft.put(&[block, "needs", socket], &value)
        }
        Edit::Unneed { block, socket } => {
            draft.take(&[block, "needs", socket])?;
            draft.take(&[block, "wire", socket])
        }
        Edit::Copies { block, process, copies } => {
            let value = match copies.parse::<i64>() {
                Ok(number) => number.to_string(),
                Err(_) => toml_string(copies),
            };
            match process {
                Some(process) => draft.put(&[block, "run", process, "copies"], &value),
                None => draft.put(&[block, "copies"], &value),
            }
        }
        Edit::Url { block, process, path, port } => {
            let process = process.as_deref().unwrap_or(block);
            if let Some(port) = port {
                draft.put(&[block, "run", process, "port"], &port.to_string())?;
            }
            match path.as_slice() {
                [] => draft.take(&[block, "run", process, "path"]),
                [one] => draft.put(&[block, "run", process, "path"], &toml_string(one)),
                many => {
                    let many: Vec<String> = many.iter().map(|path| toml_string(path)).collect();
                    let many = format!("[{}]", many.join(", "));
                    draft.put(&[block, "run", process, "path"], &many)
                }
            }
        }
        Edit::Use { block, module } => blocks::use_(draft, block, module),
        Edit::Fork { block, to } => blocks::fork(draft, block, to),
        Edit::Extend { block, point, value } => extend(draft, block, point, value),
        Edit::Env { block, name, value: Some(value) } => {
            draft.put(&[block, "env", name], &toml_string(value))
        }
        Edit::Env { block, name, value: None } => draft.take(&[block, "env", name]),
        Edit::Secret { block, name, given: false } => draft.take(&[block, "secrets", name]),
        Edit::Secret { block, name, given: true } => {
            blocks::must_be_source(draft, block, "its secrets are the module's own")?;
            match draft.layout()?.item(&[block, "secrets", name]) {
                Some(_) => Ok(()),
                None => draft.put(&[block, "secrets", name], "{ given = true }"),
            }
        }
        _ => Ok(()),
    }
}

/// An object changes the keys it names; anything else is the point's whole value.
fn extend(draft: &mut Draft, block: &str, point: &str, value: &Value) -> Step {
    match value {
        Value::Null => draft.take(&[block, "extend", point]),
        Value::Object(members) => {
            for (key, value) in members {
                let path = [block, "extend", point, key];
                match value {
                    Value::Null => draft.take(&path)?,
                    value => draft.put(&path, &values::toml(value)?)?,
                }
            }
            Ok(())
        }
        value => draft.put(&[block, "extend", point], &values::toml(value)?),
    }
}

/// Edits that turn `new` back into `old`: the opposite verb where it restores every byte, else
/// the lines themselves.
pub(super) fn inverse(
    path: &str,
    old: &str,
    new: &str,
    edit: &Edit,
    catalogue: &Catalogue,
) -> Vec<Edit> {
    if old == new {
        return Vec::new();
    }
    let restores = |back: &Edit| {
        let changed = unjudged(path, new, back, catalogue);
        changed.is_ok_and(|(back, text)| {
            text == old && judge(path, new, old, &back, catalogue).is_ok()
        })
    };
    match opposite(old, edit).filter(restores) {
        Some(back) => vec![back],
        None => vec![Edit::Restore { pieces: lines::restoring(old, new) }],
    }
}

/// The completed edit and the text after it, judged.
pub(super) fn change(
    path: &str,
    text: &str,
    edit: &Edit,
    catalogue: &Catalogue,
) -> Step<(Edit, String)> {
    let (edit, new) = unjudged(path, text, edit, catalogue)?;
    judge(path, text, &new, &edit, catalogue)?;
    Ok((edit, new))
}

fn unjudged(path: &str, text: &str, edit: &Edit, catalogue: &Catalogue) -> Step<(Edit, String)> {
    let scene = Scene::new(path, text, catalogue);
    if let (Err(_), Err(wrong)) = (Layout::read(text), App::parse(path, text)) {
        return Err(wrong);
    }
    let edit = completed(edit, &scene)?;
    let new = apply(text, &edit, &scene)?;
    let new = ties::kept(path, new, &edit, &scene)?;
    Ok((edit, new))
}

/// The verb that means the opposite, with what was there before.
fn opposite(old: &str, edit: &Edit) -> Option<Edit> {
    let draft = Draft::new(old);
    let layout = draft.layout().ok()?;
    let string =
        |path: &[&str]| layout.item(path).and_then(|item| item.as_str()).map(str::to_owned);
    Some(match edit.clone() {
        Edit::Add { block, .. } => Edit::Remove { block },
        Edit::Remove { block } => {
            let piece = draft.cut_piece(&block)?;
            Edit::Paste { block, at: piece.start, toml: old[piece].to_owned() }
        }
        Edit::Rename { block, to } => Edit::Rename { block: to, to: block },
        Edit::Wire { block, socket, .. } => match string(&[&block, "wire", &socket]) {
            Some(provider) => Edit::Wire { block, socket, provider },
            None => return None,
        },
        Edit::Unwire { block, socket, provider } => {
            let provider = provider.or_else(|| string(&[&block, "wire", &socket]))?;
            Edit::Wire { block, socket, provider }
        }
        Edit::Set { block, setting, .. } | Edit::Unset { block, setting } => {
            match layout.item(&[&block, "set", &setting]).and_then(scalar) {
                Some(value) => Edit::Set { block, setting, value },
                None => Edit::Unset { block, setting },
            }
        }
        Edit::Env { block, name, .. } => {
            let value = string(&[&block, "env", &name]);
            Edit::Env { block, name, value }
        }
        Edit::Use { block, .. } | Edit::Fork { block, .. } => {
            if let Some(module) = string(&[&block, "use"]).or_else(|| string(&[&block, "image"])) {
                return Some(Edit::Use { block, module });
            }
            let to = string(&[&block, "module"])?;
            Edit::Fork { block, to }
        }
        Edit::Need { block, socket, .. } => Edit::Unneed { block, socket },
        Edit::Secret { block, name, given } => Edit::Secret { block, name, given: !given },
        Edit::Copies { block, process, .. } => {
            let path: Vec<&str> = match &process {
                Some(process) => vec![&block, "run", process, "copies"],
                None => vec![&block, "copies"],
            };
            let copies = layout.item(&path)?.as_value()?;
            let copies = copies.as_str().map_or_else(|| copies.to_string(), str::to_owned);
            Edit::Copies { block, process, copies: copies.trim().to_owned() }
        }
        Edit::Url { block, process, path, port: None } if !path.is_empty() => {
            let path = string(&[&block, "run", process.as_deref()?, "path"]);
            Edit::Url { block, process, path: path.into_iter().collect(), port: None }
        }
        Edit::Url { .. }
        | Edit::Unneed { .. }
        | Edit::Extend { .. }
        | Edit::Paste { .. }
        | Edit::Restore { .. } => return None,
    })
}

fn scalar(item: &toml_edit::Item) -> Option<Value> {
    let value = item.as_value()?;
    value
        .as_str()
        .map(Value::from)
        .or_else(|| value.as_integer().map(Value::from))
        .or_else(|| value.as_bool().map(Value::from))
}
