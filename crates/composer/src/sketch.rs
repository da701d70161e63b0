//! An app as it is drawn: everything that can be known of it while it is still being written.
//!
//! A graph exists only when nothing is wrong. Someone who draws has an app that lacks things most
//! of the time: blocks without their wires, sockets that nothing fits. The sketch is the part of
//! the graph that is sound, what the blocks say of themselves, and everything that is wrong.
//! Where next: `check.rs`, which finds all three; `card.rs` for what is on the shelf.

use serde::Serialize;

use crate::app::{self, App, Block, Dockerfile, Origin};
use crate::card::Opening;
use crate::catalogue::Catalogue;
use crate::check;
use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::shape::{Assumption, Cardinality, Need, Setting, Shape};

/// An app as far as it can be understood.
#[derive(Debug, Clone, Serialize)]
pub struct Sketch {
    /// The app's name.
    pub app: String,
    /// Its blocks, as written, also those that are wrong.
    pub blocks: Vec<Draft>,
    /// What of it is sound: blocks whose origin is known, wires that fit.
    pub graph: Graph,
    /// Everything that is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a block says of itself, whether the app file or its module says it.
#[derive(Debug, Clone, Serialize)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// The line of its table, from 1.
    pub line: usize,
    /// The module as written, such as `postgres@15`; absent if it has a source.
    pub module: Option<String>,
    /// The folder as written; absent if it uses a module.
    pub source: Option<String>,
    /// How that folder is built.
    pub build: Dockerfile,
    /// The image as written; absent if it comes from elsewhere.
    pub image: Option<String>,
    /// One sentence, if its module is known.
    pub summary: String,
    /// Its settings with what they mean.
    pub settings: Vec<Knob>,
    /// Its sockets.
    pub sockets: Vec<Socket>,
    /// Its processes that give http/1 under their own names.
    pub listening: Vec<String>,
    /// What it takes for granted.
    pub assumptions: Vec<Premise>,
    /// Where the app may add to it, with what it adds.
    pub extend: Vec<Added>,
}

/// An extension point of a block's module, and what the app adds there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The point.
    #[serde(flatten)]
    pub opening: Opening,
    /// What the app file says: a text, texts, or keys with values.
    pub value: Option<serde_json::Value>,
}

/// A setting: its value, where that comes from, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Knob {
    /// Its name.
    pub name: String,
    /// The value in force.
    pub value: String,
    /// The module's value.
    pub default: String,
    /// What it does.
    pub help: String,
    /// The name of its type: string, integer or boolean.
    pub kind: String,
    /// The line that sets it, if the app file does.
    pub line: Option<usize>,
    /// The target's file that sets it instead, such as `app.prod.toml`.
    pub over: Option<String>,
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// Its name.
    pub name: String,
    /// The interface with its major.
    pub interface: String,
    /// Limits on what the provider states, as written: `version >=14`.
    pub limits: Vec<String>,
    /// How many wires it takes: one, optional, many or some.
    pub cardinality: &'static str,
    /// Whether the app does not do without a wire here.
    pub needed: bool,
    /// The line where the app file says it, if it does.
    pub line: Option<usize>,
}

/// Something taken for granted, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Premise {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub says: String,
    /// What to do where it does not hold.
    pub if_not: String,
}

/// Understands an app as far as it can be understood.
///
/// ```
/// let text = "app = \"shop\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n";
/// let app = composer::App::parse("app.toml", text).unwrap();
/// let sketch = composer::sketch(&app, &composer::Catalogue::default());
/// assert_eq!(sketch.blocks[0].sockets[0].interface, "postgres/1");
/// assert!(!sketch.diagnostics.is_empty(), "no such interface is on this empty shelf");
/// ```
pub fn sketch(app: &App, catalogue: &Catalogue) -> Sketch {
    let (graph, diagnostics) = check::as_far_as_possible(app, catalogue);
    let blocks = app.blocks.iter().map(|block| draft(block, catalogue)).collect();
    Sketch { app: app.name().to_owned(), blocks, graph, diagnostics }
}

fn draft(block: &Block, catalogue: &Catalogue) -> Draft {
    let mut draft = Draft {
        name: block.name.value.clone(),
        line: block.name.span.line,
        module: None,
        source: None,
        build: Dockerfile::default(),
        image: None,
        summary: String::new(),
        settings: Vec::new(),
        sockets: Vec::new(),
        listening: Vec::new(),
        assumptions: Vec::new(),
        extend: Vec::new(),
    };
    let shape: Option<&Shape> = match &block.from {
        Origin::Module(used) => {
            draft.module = Some(used.value.clone());
            let module = catalogue.used(&used.value);
            if let Some(module) = module {
                draft.summary.clone_from(&module.summary);
                draft.assumptions = module.assumes.iter().map(premise).collect();
                draft.extend = openings(block, module);
            }
            module.map(|module| &module.shape)
        }
        Origin::Local(path) => {
            draft.module = Some(path.value.clone());
            let module = catalogue.local(&path.value);
            if let Some(module) = module {
                draft.summary.clone_from(&module.summary);
                draft.assumptions = module.assumes.iter().map(premise).collect();
                draft.extend = openings(block, module);
            }
            module.map(|module| &module.shape)
        }
        Origin::External { interface, .. } => {
            draft.module = Some(format!("external:{}", interface.value));
            let interface = catalogue.interface(&interface.value);
            draft.summary = interface.map(|one| one.summary.clone()).unwrap_or_default();
            None
        }
        Origin::Source(path) => {
            draft.source = Some(path.value.clone());
            draft.build = block.build.plain();
            Some(&block.shape)
        }
        Origin::Image(image) => {
            draft.image = Some(image.value.clone());
            draft.assumptions = block.assumes.iter().map(premise).collect();
            Some(&block.shape)
        }
    };
    let own = draft.source.is_some() || draft.image.is_some();
    if let Some(shape) = shape {
        draft.settings = shape.settings.iter().map(|setting| knob(block, setting)).collect();
        let listens = |process: &&crate::shape::Process| process.port.is_some();
        let listening = shape.run.iter().filter(listens);
        draft.listening = listening.map(|process| process.name.value.clone()).collect();
        draft.sockets = shape.needs.iter().map(|need| socket(need, own)).collect();
    }
    draft
}

fn openings(block: &Block, module: &crate::Module) -> Vec<Added> {
    let value = |point: &str| {
        let found = block.extend.iter().find(|one| one.point.value == point)?;
        Some(match &found.value {
            app::Added::Words(words) if words.len() == 1 => words[0].value.as_str().into(),
            app::Added::Words(words) => words.iter().map(|word| word.value.as_str()).collect(),
            app::Added::Keys(pairs) => pairs
                .iter()
                .map(|(key, value)| (key.value.as_str(), value.value.as_str()))
                .collect(),
        })
    };
    let one = |point| {
        let opening = crate::card::opening(point);
        let value = value(&opening.point);
        Added { opening, value }
    };
    module.extend.iter().map(one).collect()
}

fn knob(block: &Block, setting: &Setting) -> Knob {
    let set = block.set.iter().find(|(name, _, _)| name.value == setting.name.value);
    let over = set.map(|(name, _, _)| &name.span).filter(|at| at.file != block.name.span.file);
    Knob {
        name: setting.name.value.clone(),
        value: set.map_or(&setting.default, |(_, value, _)| &value.value).clone(),
        default: setting.default.clone(),
        help: setting.help.clone(),
        kind: setting.kind.to_owned(),
        line: set.map(|(name, _, _)| name.span.line).filter(|_| over.is_none()),
        over: over.map(|at| at.file.clone()),
    }
}

/// A socket as it is declared; `own` says that the app file declares it.
pub(crate) fn socket(need: &Need, own: bool) -> Socket {
    let words = |(name, words): &(crate::source::Spanned<String>, Vec<_>)| {
        let words: Vec<&str> =
            words.iter().map(|word: &crate::source::Spanned<String>| word.value.as_str()).collect();
        format!("{} {}", name.value, words.join(", "))
    };
    Socket {
        name: need.socket.value.clone(),
        interface: need.interface.value.to_string(),
        limits: need.limits.iter().map(words).collect(),
        cardinality: match need.cardinality {
            Cardinality::One => "one",
            Cardinality::Optional => "optional",
            Cardinality::Any => "many",
            Cardinality::Some => "some",
        },
        needed: !need.cardinality.may_be_empty(),
        line: own.then_some(need.socket.span.line),
    }
}

pub(crate) fn premise(assumption: &Assumption) -> Premise {
    Premise {
        name: assumption.name.value.clone(),
        says: assumption.says.clone(),
        if_not: assumption.if_not.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Catalogue {
        let mut catalogue = Catalogue::default();
        let interface = "interface = \"http/1\"\n[fields]\nhost = \"host\"\n";
        catalogue.add_interface("http.toml", interface).unwrap();
        catalogue
    }

    fn parse(text: &str) -> App {
        App::parse("app.toml", text).unwrap()
    }

    const TEXT: &str = "app = \"shop\"\n\n[web]\nsource = \"./web\"\nneeds = { api = \"http/1\" }\n\
        run = { web = { port = 80 } }\n\n[db]\nuse = \"postgres@15\"\n";

    #[test]
    fn what_is_wrong_does_not_hide_the_rest() {
        let sketch = sketch(&parse(TEXT), &shelf());
        let names: Vec<&str> = sketch.blocks.iter().map(|block| block.name.as_str()).collect();
        assert_eq!(names, ["web", "db"], "also the block whose module is not on the shelf");
        assert_eq!((sketch.blocks[0].line, sketch.blocks[1].line), (3, 8));
        assert_eq!(sketch.blocks[1].module.as_deref(), Some("postgres@15"));
        assert_eq!(sketch.graph.blocks.len(), 1);
        let socket = &sketch.blocks[0].sockets[0];
        assert_eq!((socket.cardinality, socket.needed, socket.line), ("one", true, Some(5)));
        let codes: Vec<&str> = sketch.diagnostics.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(codes, ["module/unknown"], "a missing offer may be of the unknown module");
    }

    #[test]
    fn a_socket_without_a_wire_is_drawn_and_said() {
        let text = TEXT.split("\n[db]").next().unwrap();
        let sketch = sketch(&parse(text), &shelf());
        assert_eq!(sketch.graph.blocks.len(), 1);
        assert_eq!(sketch.diagnostics[0].code, "wire/missing");
        assert_eq!(crate::check(&parse(text), &shelf()).unwrap_err(), sketch.diagnostics);
    }

    #[test]
    fn an_empty_app_is_a_sketch() {
        let sketch = sketch(&parse("app = \"shop\"\n"), &shelf());
        assert!(sketch.blocks.is_empty());
    }
}
