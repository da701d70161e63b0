//! A target's file, such as `app.prod.toml`, laid over the app: pins, settings, copies, wires and
//! addresses, never structure, so that what was tried elsewhere is what runs there.

use super::{App, Block, Origin, Tune, block};
use crate::diagnostic::Diagnostic;
use crate::read::{Entry, Reader};
use crate::shape::read;

const LEAD: &str = "a target's file may change use pins, set, copies, wire and url";

pub(super) fn lay(mut app: App, path: &str, text: &str) -> Result<App, Vec<Diagnostic>> {
    let reader = Reader::new(path, text);
    let document = reader.document()?;
    let root = reader.root(&document);
    for entry in root.entries() {
        match entry.key.value.as_str() {
            "app" => same_app(&entry, &app),
            "url" if !entry.is_table() => app.urls = super::read_urls(&entry),
            name => match app.blocks.iter_mut().find(|block| block.name.value == name) {
                Some(block) => lay_block(&entry, block),
                None => {
                    let message = format!("the app has no block \"{name}\"");
                    let known = app.blocks.iter().map(|block| block.name.value.as_str());
                    entry.refuse(
                        Diagnostic::new("overlay/structure", &entry.key.span, message)
                            .did_you_mean(name, known)
                            .help(LEAD, ""),
                    );
                }
            },
        }
    }
    app.overlay = Some(path.to_owned());
    reader.finish(Some(app))
}

fn same_app(entry: &Entry<'_>, app: &App) {
    let Some(name) = entry.string() else { return };
    if name.value != app.name.value {
        let message = format!("this file is for app \"{}\"", name.value);
        entry.refuse(
            Diagnostic::new("overlay/app", &name.span, message)
                .side_at("the app is", &app.name.value, &app.name.span)
                .help("take the line away", ""),
        );
    }
}

fn lay_block(entry: &Entry<'_>, below: &mut Block) {
    let Some(table) = entry.table() else { return };
    for key in table.entries() {
        match key.key.value.as_str() {
            "use" => pin(&key, below),
            "set" => {
                for new in block::settings(&table) {
                    below.set.retain(|old| old.0.value != new.0.value);
                    below.set.push(new);
                }
            }
            "wire" => {
                for new in block::wires(&table) {
                    below.wire.retain(|old| old.0.value != new.0.value);
                    below.wire.push(new);
                }
            }
            "run" => table.entries_of("run").iter().for_each(|one| copies(one, below)),
            other => {
                let message = format!("a target's file cannot change {other} of a block");
                key.refuse(
                    Diagnostic::new("overlay/structure", &key.key.span, message).help(LEAD, ""),
                );
            }
        }
    }
}

/// Another version of the same module.
fn pin(entry: &Entry<'_>, below: &mut Block) {
    let Some(new) = entry.string() else { return };
    let name = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    match &below.from {
        Origin::Module(old) if name(&old.value) == name(&new.value) => {
            below.from = Origin::Module(new);
        }
        Origin::Module(old) => entry.refuse(
            Diagnostic::new("overlay/structure", &new.span, "another module is another structure")
                .side_at("the app uses", &old.value, &old.span)
                .side("found", &new.value)
                .help("another version only", format!("use = \"{}@…\"", name(&old.value))),
        ),
        _ => entry.refuse(
            Diagnostic::new("overlay/structure", &new.span, "this block uses no module")
                .help(LEAD, ""),
        ),
    }
}

fn copies(entry: &Entry<'_>, below: &mut Block) {
    let Some(table) = entry.table() else { return };
    table.only(&["copies"], "a process in a target's file");
    let Some(copies) = read::copies(&table) else { return };
    let process = entry.key.clone();
    match below.tune.iter_mut().find(|tune| tune.process.value == process.value) {
        Some(tune) => tune.copies = Some(copies),
        None => below.tune.push(Tune { process, paths: None, copies: Some(copies) }),
    }
}
