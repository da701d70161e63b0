//! Wires as written: tied, untied, and kept as they are by edits that are about something else.

use toml_edit::Item;

use super::Edit;
use super::draft::{Draft, toml_string};
use super::judge::{Scene, refusal};
use super::layout::Layout;
use crate::diagnostic::Diagnostic;
use crate::graph::Wire;

type Step<T = ()> = Result<T, Vec<Diagnostic>>;

/// Whether a target such as `db` or `db.sql` is in this block.
pub(super) fn same_block(target: &str, block: &str) -> bool {
    target.split('.').next() == Some(block)
}

/// The targets that the file names for a socket; `None` if it names none.
pub(super) fn written(layout: &Layout, block: &str, socket: &str) -> Option<Vec<String>> {
    let value = layout.item(&[block, "wire", socket])?.as_value()?;
    let strings = |value: &toml_edit::Value| value.as_str().map(str::to_owned);
    Some(match value.as_array() {
        Some(array) => array.iter().filter_map(strings).collect(),
        None => strings(value).into_iter().collect(),
    })
}

/// The only socket of a block that fits what a provider gives.
pub(super) fn only_socket(block: &str, provider: &str, scene: &Scene<'_>) -> Step<String> {
    let Some(sketch) = scene.sketch() else {
        return Err(vec![
            refusal("wire/socket", format!("say which socket of {block}"))
                .help("such as", format!("shelf wire {block}.db {provider}")),
        ]);
    };
    let (Some(consumer), Some(given)) =
        (sketch.block(block), sketch.block(provider.split('.').next().unwrap_or_default()))
    else {
        let missing = if sketch.block(block).is_none() { block } else { provider };
        let known = sketch.blocks.iter().map(|one| one.name);
        return Err(vec![
            refusal("block/absent", format!("there is no block {missing}"))
                .did_you_mean(missing, known),
        ]);
    };
    let fits = |interface: &str| {
        let offers = given
            .offers
            .iter()
            .filter(|offer| provider.split_once('.').is_none_or(|(_, name)| name == offer.name));
        offers.into_iter().any(|offer| offer.interface == interface)
    };
    let sockets: Vec<&str> = consumer
        .shape
        .needs
        .iter()
        .filter(|need| fits(&need.interface.value.to_string()))
        .map(|need| need.socket.value.as_str())
        .collect();
    let free = |socket: &&str| {
        !sketch.wires.iter().any(|wire| wire.consumer == block && wire.socket == *socket)
    };
    let open: Vec<&str> = sockets.iter().copied().filter(free).collect();
    match (sockets.as_slice(), open.as_slice()) {
        ([one], _) | (_, [one]) => Ok((*one).to_owned()),
        ([], _) => {
            let needs: Vec<String> = consumer
                .shape
                .needs
                .iter()
                .map(|need| format!("{} {}", need.socket.value, need.interface.value))
                .collect();
            let gives: Vec<&str> = given.offers.iter().map(|one| one.interface.as_str()).collect();
            let list = |words: Vec<String>| {
                if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
            };
            let gives = list(gives.into_iter().map(str::to_owned).collect());
            Err(vec![
                refusal("wire/type", format!("no socket of {block} fits {provider}"))
                    .side(format!("{block} needs"), list(needs))
                    .side(format!("{} gives", given.name), gives),
            ])
        }
        (many, _) => {
            let mut wrong =
                refusal("wire/ambiguous", format!("{provider} fits several sockets of {block}"));
            for socket in many {
                wrong = wrong.help("say which", format!("shelf wire {block}.{socket} {provider}"));
            }
            Err(vec![wrong])
        }
    }
}

pub(super) fn wire(
    draft: &mut Draft,
    block: &str,
    socket: &str,
    provider: &str,
    scene: &Scene<'_>,
) -> Step {
    let layout = draft.layout()?;
    let path = [block, "wire", socket];
    let sketch = scene.sketch();
    let many = sketch.as_ref().is_some_and(|sketch| sketch.takes_many(block, socket));
    if !many {
        return draft.put(&path, &toml_string(provider));
    }
    let targets = match written(&layout, block, socket) {
        Some(targets) => targets,
        None => sketch.iter().flat_map(|sketch| sketch.providers(block, socket)).collect(),
    };
    if targets.iter().any(|target| target == provider) {
        return Ok(());
    }
    if layout.item(&path).is_some_and(Item::is_array) {
        return draft.put_element(&path, provider);
    }
    let all: Vec<String> =
        targets.iter().map(String::as_str).chain([provider]).map(toml_string).collect();
    draft.put(&path, &format!("[{}]", all.join(", ")))
}

pub(super) fn unwire(
    draft: &mut Draft,
    block: &str,
    socket: &str,
    provider: Option<&str>,
    scene: &Scene<'_>,
) -> Step {
    let tied = match written(&draft.layout()?, block, socket) {
        Some(targets) => targets,
        None => scene.sketch().iter().flat_map(|sketch| sketch.providers(block, socket)).collect(),
    };
    let meant =
        |target: &String| provider.is_none_or(|one| target == one || same_block(target, one));
    if !tied.iter().any(meant) {
        let what = provider.map(|one| format!(" to {one}")).unwrap_or_default();
        let mut wrong = refusal("wire/absent", format!("{block}.{socket} is not wired{what}"));
        if !tied.is_empty() {
            wrong = wrong.side("it is wired to", tied.join(", "));
        }
        return Err(vec![wrong]);
    }
    take_written(draft, block, socket, provider)?;
    // Without a word in the file it would tie itself again.
    let after = Scene::new("app.toml", draft.text(), scene.catalogue);
    let again =
        after.sketch().is_some_and(|sketch| sketch.providers(block, socket).iter().any(meant));
    if again {
        let rest: Vec<String> =
            tied.iter().filter(|one| !meant(one)).map(|one| toml_string(one)).collect();
        draft.put(&[block, "wire", socket], &format!("[{}]", rest.join(", ")))?;
    }
    Ok(())
}

/// Takes what is written for a socket: all of it, or the targets in one block.
pub(super) fn take_written(
    draft: &mut Draft,
    block: &str,
    socket: &str,
    provider: Option<&str>,
) -> Step {
    let path = [block, "wire", socket];
    let layout = draft.layout()?;
    let Some(targets) = written(&layout, block, socket) else { return Ok(()) };
    let meant =
        |target: &&String| provider.is_none_or(|one| *target == one || same_block(target, one));
    if targets.iter().filter(meant).count() == targets.len() {
        return draft.take(&path);
    }
    for target in targets.iter().filter(meant) {
        draft.take_element(&path, target)?;
    }
    Ok(())
}

/// The text with the wires kept that the edit is not about. A socket without a word in the file
/// ties itself to what fits; when an edit changes what fits, the tie of before is written out.
pub(super) fn kept(path: &str, new: String, edit: &Edit, scene: &Scene<'_>) -> Step<String> {
    if matches!(edit, Edit::Restore { .. } | Edit::Paste { .. }) {
        return Ok(new);
    }
    let (Some(before), after) = (scene.sketch(), Scene::new(path, &new, scene.catalogue)) else {
        return Ok(new);
    };
    let Some(after) = after.sketch() else { return Ok(new) };
    let mut draft = Draft::new(&new);
    let mut done: Vec<(&str, &str)> = Vec::new();
    for wire in &before.wires {
        if done.contains(&(&wire.consumer, &wire.socket)) || about(edit, wire) {
            continue;
        }
        done.push((&wire.consumer, &wire.socket));
        let renamed = |name: &str| match edit {
            Edit::Rename { block, to } if block == name => to.clone(),
            _ => name.to_owned(),
        };
        let consumer = renamed(&wire.consumer);
        if !after.has_socket(&consumer, &wire.socket) {
            continue;
        }
        let gone =
            |target: &str| matches!(edit, Edit::Remove { block } if same_block(target, block));
        let wanted: Vec<String> = before
            .providers(&wire.consumer, &wire.socket)
            .into_iter()
            .filter(|target| !gone(target))
            .map(|target| match target.split_once('.') {
                Some((block, offer)) => format!("{}.{offer}", renamed(block)),
                None => renamed(&target),
            })
            .collect();
        let now = after.providers(&consumer, &wire.socket);
        if now == wanted {
            continue;
        }
        let end = [consumer.as_str(), "wire", wire.socket.as_str()];
        match wanted.as_slice() {
            // A module that no longer gives what was wanted is the checker's to refuse.
            [one] if after.fits(&consumer, &wire.socket, one) => {
                draft.put(&end, &toml_string(one))?;
            }
            [] => draft.put(&end, "[]")?,
            _ => {}
        }
    }
    Ok(draft.into_text())
}

/// Whether an edit names this wire's socket itself.
fn about(edit: &Edit, wire: &Wire) -> bool {
    match edit {
        Edit::Wire { block, socket, .. }
        | Edit::Unwire { block, socket, .. }
        | Edit::Need { block, socket, .. }
        | Edit::Unneed { block, socket } => *block == wire.consumer && *socket == wire.socket,
        _ => false,
    }
}
