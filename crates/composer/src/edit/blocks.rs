//! Whole blocks: added, removed, renamed, taken from another module.

use toml_edit::Item;

use super::draft::{Draft, toml_key, toml_string};
use super::judge::{Scene, refusal};
use super::layout::Layout;
use super::ties;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;

type Step<T = ()> = Result<T, Vec<Diagnostic>>;

/// Adds the major on the shelf to a module that is named without a version.
pub(super) fn with_major(module: &mut String, catalogue: &Catalogue) {
    if module.contains(['@', ':']) {
        return;
    }
    if let Some(known) = catalogue.module(module) {
        let major = known.version.split('.').next().unwrap_or_default();
        *module = format!("{module}@{major}");
    }
}

/// The process meant where none is named: the only one, or the one named like its block.
/// `None` if the block has no processes of its own in the file.
pub(super) fn main_process(block: &str, scene: &Scene<'_>) -> Step<Option<String>> {
    let Some(sketch) = scene.sketch() else { return Ok(None) };
    let Some(found) = sketch.block(block).filter(|found| found.is_source) else { return Ok(None) };
    let names: Vec<&str> = found.shape.run.iter().map(|one| one.name.value.as_str()).collect();
    match names.as_slice() {
        [] => Ok(Some(block.to_owned())),
        [one] => Ok(Some((*one).to_owned())),
        many if many.contains(&block) => Ok(Some(block.to_owned())),
        many => {
            let message = format!("{block} has several processes");
            let ends: Vec<String> = many.iter().map(|name| format!("{block}.{name}")).collect();
            Err(vec![refusal("edit/process", message).help("say which", ends.join(", "))])
        }
    }
}

pub(super) fn add(
    draft: &mut Draft,
    block: &str,
    from: &[(&str, &Option<String>)],
    port: Option<u16>,
) -> Step {
    let given = from.iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
    let [(key, value)] = given.collect::<Vec<_>>()[..] else {
        let message = format!("block {block} needs either a module, a source or an image");
        return Err(vec![
            refusal("block/origin", message)
                .help("from the shelf", "shelf add postgres")
                .help("from your source", "shelf add ./web")
                .help("from a registry", "shelf add --image ghcr.io/org/web:1.4"),
        ]);
    };
    let from = format!("{key} = {}", toml_string(value));
    let mut lines = vec![format!("[{}]", toml_key(block)), from];
    if let Some(port) = port {
        lines.push(format!("run    = {{ {} = {{ port = {port} }} }}", toml_key(block)));
    }
    draft.append(&lines);
    Ok(())
}

/// Takes the block and every wire written to it.
pub(super) fn remove(draft: &mut Draft, block: &str) -> Step {
    draft.take(&[block])?;
    for (consumer, socket, target) in written_wires(&draft.layout()?) {
        if ties::same_block(&target, block) {
            ties::take_written(draft, &consumer, &socket, Some(block))?;
        }
    }
    Ok(())
}

pub(super) fn rename(draft: &mut Draft, block: &str, to: &str) -> Step {
    let layout = draft.layout()?;
    if layout.blocks().any(|known| known == to) {
        let message = format!("there is a block {to} already");
        return Err(vec![refusal("block/exists", message).help("choose another name", "")]);
    }
    if to == "app" {
        return Err(vec![refusal("file/name", "a block cannot be called \"app\"")]);
    }
    // Every string that means this block: wires, and the disks that secrets are kept with.
    let mut places = Vec::new();
    let mut meant = |path: &[&str]| {
        let Some(Item::Value(value)) = layout.item(path) else { return };
        let items: Vec<&toml_edit::Value> = match value.as_array() {
            Some(array) => array.iter().collect(),
            None => vec![value],
        };
        for item in items {
            if let (Some(text), Some(span)) = (item.as_str(), item.span())
                && ties::same_block(text, block)
            {
                places.push((span, toml_string(&text.replacen(block, to, 1))));
            }
        }
    };
    for name in layout.blocks() {
        for socket in keys_of(&layout, &[name, "wire"]) {
            meant(&[name, "wire", &socket]);
        }
        for secret in keys_of(&layout, &[name, "secrets"]) {
            meant(&[name, "secrets", &secret, "keep-with"]);
        }
    }
    draft.replace(places);
    draft.rename(block, to)
}

pub(super) fn use_(draft: &mut Draft, block: &str, module: &str) -> Step {
    let layout = draft.layout()?;
    // What a registry has moves on by its tag, and stays what it is.
    if layout.item(&[block, "image"]).is_some() {
        return draft.put(&[block, "image"], &toml_string(module));
    }
    if layout.item(&[block, "source"]).is_some() {
        let message = format!("{block} is your own and uses no module");
        return Err(vec![
            refusal("block/origin", message)
                .help("put a module beside it", format!("shelf add {module}")),
        ]);
    }
    if layout.item(&[block, "module"]).is_some() {
        draft.exchange(&[block, "module"], "use", &toml_string(module))
    } else {
        draft.put(&[block, "use"], &toml_string(module))
    }
}

/// Takes the block's module from a folder instead of the shelf; all else it says stays.
pub(super) fn fork(draft: &mut Draft, block: &str, to: &str) -> Step {
    let layout = draft.layout()?;
    let used = layout.item(&[block, "use"]).and_then(Item::as_str);
    match used {
        Some(used) if !used.starts_with("external:") => {
            draft.exchange(&[block, "use"], "module", &toml_string(to))
        }
        _ if layout.item(&[block, "module"]).is_some() => {
            draft.put(&[block, "module"], &toml_string(to))
        }
        _ => {
            let message = format!("{block} uses no module of the shelf that could be yours");
            Err(vec![refusal("block/origin", message).help("what it is", "shelf graph")])
        }
    }
}

pub(super) fn must_be_source(draft: &Draft, block: &str, why: &str) -> Step {
    let layout = draft.layout()?;
    if ["source", "image"].iter().any(|key| layout.item(&[block, key]).is_some()) {
        return Ok(());
    }
    Err(vec![
        refusal("block/module", format!("{block} uses a module: {why}"))
            .help("what it needs and gives", format!("shelf show {block}")),
    ])
}

/// Consumer, socket and target of every wire that is written down.
fn written_wires(layout: &Layout) -> Vec<(String, String, String)> {
    let mut wires = Vec::new();
    for block in layout.blocks() {
        for socket in keys_of(layout, &[block, "wire"]) {
            for target in ties::written(layout, block, &socket).unwrap_or_default() {
                wires.push((block.to_owned(), socket.clone(), target));
            }
        }
    }
    wires
}

fn keys_of(layout: &Layout, path: &[&str]) -> Vec<String> {
    let table = layout.item(path).and_then(Item::as_table_like);
    table.map(|table| table.iter().map(|(key, _)| key.to_owned()).collect()).unwrap_or_default()
}
