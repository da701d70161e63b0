//! Where each value of a block comes from: nobody, the module, the app file, a target's file, a wire.

use super::Node;
use crate::app::App;
use crate::graph::{Explained, Part, Piece, Source, Value, Wire};
use crate::source::Span;

pub(super) fn of(app: &App, node: &Node<'_>, part: &Part, wires: &[&Wire]) -> Vec<Explained> {
    let mut all = Vec::new();
    let mut say = |name: String, value: String, source: Source| {
        all.push(Explained { name, value, source });
    };
    let written = |span: &Span| {
        let (file, line) = (span.file.clone(), span.line);
        match (&app.overlay, node.module) {
            (Some(overlay), _) if *overlay == file => Source::Target { file, line },
            // A module's file is read under the module's name, not the app's.
            (_, Some(module)) if file != app.name.span.file => {
                Source::Module { module: format!("{} {}", module.name, module.version) }
            }
            _ => Source::You { file, line },
        }
    };
    let build = &node.block.build;
    for (key, said) in [("dockerfile", &build.path), ("target", &build.target)] {
        if let Some(said) = said {
            say(key.to_owned(), said.value.clone(), written(&said.span));
        }
    }
    for (name, value) in &build.args {
        say(format!("args.{}", name.value), value.value.clone(), written(&name.span));
    }
    for (name, value) in &part.settings {
        let set = node.block.set.iter().find(|(set, _, _)| set.value == *name);
        let said = node.shape.settings.iter().find(|one| one.name.value == *name);
        let span = set.map(|(name, _, _)| &name.span).or(said.map(|one| &one.name.span));
        say(format!("set.{name}"), value.clone(), span.map_or(Source::Default, &written));
    }
    for process in &part.processes {
        let said = node.shape.run.iter().find(|one| one.name.value == process.name);
        let copies = node.copies(&process.name, said.and_then(|one| one.copies.as_ref()));
        let count = match process.copies_at_most {
            Some(most) => format!("{}..{most}", process.copies),
            None => process.copies.to_string(),
        };
        let source = copies.map_or(Source::Default, |copies| written(&copies.span));
        say(format!("run.{}.copies", process.name), count, source);
        let paths = node.paths(&process.name, said.map_or(&[], |one| &one.paths));
        if let Some(first) = paths.first() {
            let name = format!("run.{}.path", process.name);
            say(name, process.paths.join(", "), written(&first.span));
        }
        for (name, value) in &process.env {
            let said = said.and_then(|one| one.env.iter().find(|one| one.name.value == *name));
            let source = said.map_or(Source::Default, |one| written(&one.name.span));
            say(format!("run.{}.env.{name}", process.name), value.to_string(), source);
        }
    }
    for (name, value) in &part.env {
        let said = node.shape.env.iter().find(|one| one.name.value == *name);
        let added = node.block.extend.first().map(|one| &one.point.span);
        let span = said.map(|one| &one.name.span).or(added);
        let source = from_wire(value, wires).or_else(|| span.map(&written));
        say(format!("env.{name}"), value.to_string(), source.unwrap_or(Source::Default));
    }
    for secret in &part.secrets {
        say(format!("secrets.{}", secret.name), "{generated}".to_owned(), Source::Generated);
    }
    for wire in wires {
        let tied = node.block.wire.iter().find(|(socket, _)| socket.value == wire.socket);
        let source = tied.map_or(Source::Default, |(socket, _)| written(&socket.span));
        say(format!("wire.{}", wire.socket), wire.provider_name(), source);
    }
    all
}

/// The wire that a value is, if it is one whole.
fn from_wire(value: &Value, wires: &[&Wire]) -> Option<Source> {
    let [Piece::Field(binding, _)] = value.0.as_slice() else { return None };
    let wire = wires.iter().find(|wire| wire.binding == *binding)?;
    Some(Source::Wire { wire: wire.end() })
}
