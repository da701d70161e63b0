//! Resolves references: what is known becomes text, what is secret stays a reference, and a
//! secret in a plain place is a type error.

use std::collections::BTreeSet;

use super::{Node, names};
use crate::command;
use crate::diagnostic::Diagnostic;
use crate::graph::{Disk, Part, Piece, Process, Ready, Rung, Secret, Step, Value, Wire};
use crate::quantity::quantity;
use crate::secret::SecretValue;
use crate::shape;
use crate::source::Spanned;
use crate::template::{self, Reference, Template};

/// Everything the references of one block may name.
struct Scope<'a> {
    node: &'a Node<'a>,
    wires: &'a [&'a Wire],
}

/// What a reference stands for.
enum Meaning {
    Pieces(Vec<Piece>),
    /// A value of a wire that is not there: the variable is left out.
    Absent,
}

/// Resolves a block. Diagnostics go to `found`; the part is then incomplete and not used.
pub(super) fn part(
    node: &Node<'_>,
    level: usize,
    nodes: &[Node<'_>],
    wires: &[&Wire],
    found: &mut Vec<Diagnostic>,
) -> Part {
    let scope = Scope { node, wires };
    let shape = node.shape;
    let disks = shape.disks.iter().map(|disk| scope.disk(disk, found)).collect();
    let secrets = shape.secrets.iter().map(|one| secret(node, nodes, one, found)).collect();
    Part {
        name: node.name().to_owned(),
        from: node.from.clone(),
        level,
        user: shape.user.as_ref().map(|user| user.value),
        settings: node.settings.clone(),
        secrets,
        env: scope.env(&shape.env, found),
        disks,
        before: shape.before.iter().map(|step| scope.step(step, found)).collect(),
        processes: scope.processes(found),
        offers: node.offers.iter().filter(|offer| offer.service == node.name()).cloned().collect(),
        stop_within: shape.stop_within.as_ref().map_or(30, |seconds| seconds.value),
        data: node.module.map(|module| module.data.clone()).unwrap_or_default(),
        pauses: node.module.is_some_and(|module| module.pauses),
        extend: Vec::new(),
        patches: Vec::new(),
        assumes: Vec::new(),
        rung: Rung::AsIs,
        explained: Vec::new(),
    }
}

fn texts(words: &[Spanned<String>]) -> Vec<String> {
    words.iter().map(|word| word.value.clone()).collect()
}

/// A secret is kept with a disk: its own block's, by the disk's name, or another block's.
fn secret(
    node: &Node<'_>,
    nodes: &[Node<'_>],
    written: &shape::Secret,
    found: &mut Vec<Diagnostic>,
) -> Secret {
    let keep_with = written.keep_with.as_ref().and_then(|keep| {
        if node.shape.disks.iter().any(|disk| disk.name.value == keep.value) {
            return Some(node.name().to_owned());
        }
        let other = nodes.iter().find(|other| other.name() == keep.value);
        if other.is_some_and(|other| !other.shape.disks.is_empty()) {
            return Some(keep.value.clone());
        }
        let own = node.shape.disks.iter().map(|disk| disk.name.value.as_str());
        let others = nodes.iter().filter(|other| !other.shape.disks.is_empty()).map(Node::name);
        let message = format!("{} cannot be kept with \"{}\"", written.name.value, keep.value);
        found.push(
            Diagnostic::new("secret/keep-with", &keep.span, message)
                .side("a secret is kept with", "a disk of its block, or a block with a disk")
                .did_you_mean(&keep.value, own.chain(others)),
        );
        None
    });
    Secret {
        name: written.name.value.clone(),
        recipe: written.recipe.clone(),
        keep_with,
        show_after_go: written.show_after_go,
        at: written.at.clone(),
    }
}

impl Scope<'_> {
    fn processes(&self, found: &mut Vec<Diagnostic>) -> Vec<Process> {
        let shape = self.node.shape;
        let block = self.node.name();
        let check = shape.ready.as_ref().and_then(|ready| {
            command::split(&ready.value).map_err(|why| found.push(bad_command(ready, &why))).ok()
        });
        if !self.node.from.has_image() {
            return Vec::new();
        }
        if shape.run.is_empty() {
            let port = self.node.offers.first().and_then(|offer| offer.port);
            let ready = match (check, port) {
                (Some(command), _) => Ready::Command(command),
                (None, Some(_)) => Ready::Port,
                (None, None) => Ready::Started,
            };
            let copies = self.copies(block, None);
            return vec![Process {
                name: block.to_owned(),
                workload: block.to_owned(),
                command: None,
                port,
                paths: texts(self.node.paths(block, &[])),
                copies: copies.least,
                copies_at_most: (copies.most > copies.least).then_some(copies.most),
                ready,
                every: None,
                env: Vec::new(),
            }];
        }
        shape.run.iter().map(|process| self.process(process, found)).collect()
    }

    fn process(&self, written: &shape::Process, found: &mut Vec<Diagnostic>) -> Process {
        let port = written.port.as_ref().map(|port| port.value);
        let ready = match (&written.ready, port) {
            (Some(path), Some(_)) => Ready::Http(path.value.clone()),
            (Some(_), None) if self.node.unseen() => Ready::Started,
            (Some(path), None) => {
                let message = format!("{} has ready but no port", written.name.value);
                found.push(
                    Diagnostic::new("run/ready", &path.span, message).help("add", "port = 8080"),
                );
                Ready::Started
            }
            (None, Some(_)) => Ready::Port,
            (None, None) => Ready::Started,
        };
        let copies = self.copies(&written.name.value, written.copies.as_ref());
        Process {
            name: written.name.value.clone(),
            workload: names::workload(self.node.name(), &written.name.value),
            command: written.run.as_ref().map(|run| self.command(run, found)),
            port,
            paths: texts(self.node.paths(&written.name.value, &written.paths)),
            copies: copies.least,
            copies_at_most: (copies.most > copies.least).then_some(copies.most),
            ready,
            every: written.every.as_ref().map(|every| every.value.clone()),
            env: self.env(&written.env, found),
        }
    }

    fn copies(&self, process: &str, said: Option<&Spanned<shape::Copies>>) -> shape::Copies {
        let one = shape::Copies { least: 1, most: 1 };
        self.node.copies(process, said).map_or(one, |copies| copies.value)
    }

    fn step(&self, written: &shape::Before, found: &mut Vec<Diagnostic>) -> Step {
        Step {
            name: written.name.value.clone(),
            command: self.command(&written.run, found),
            env: self.env(&written.env, found),
        }
    }

    fn disk(&self, written: &shape::Disk, found: &mut Vec<Diagnostic>) -> Disk {
        let size =
            self.plain(&written.size, "a disk's size", found).map(|value| plain_text(&value));
        if let Some(size) = size.as_ref().filter(|size| quantity(size).is_none()) {
            let message = format!("disk {} cannot have this size", written.name.value);
            found.push(
                Diagnostic::new("disk/size", &written.size.span, message)
                    .side("found", size)
                    .help("such as", "size = \"10Gi\""),
            );
        }
        Disk {
            name: written.name.value.clone(),
            at: written.at.as_ref().map(|at| at.value.clone()),
            size: size.unwrap_or_default(),
            shared: written.shared,
            claimed: self.node.claims(written),
        }
    }

    fn command(&self, written: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Vec<Value> {
        // Words are split first: a value with a space in it stays one argument.
        let words = match command::split(&written.value) {
            Ok(words) => words,
            Err(why) => {
                found.push(bad_command(written, &why));
                return Vec::new();
            }
        };
        let word = |word| {
            self.plain(&Spanned::new(word, written.span.clone()), "an argument of a command", found)
        };
        words.into_iter().filter_map(word).collect()
    }

    /// A value that may be seen: a secret in it is refused.
    fn plain(
        &self,
        written: &Spanned<String>,
        place: &str,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Value> {
        let value = self.value(written, found)?;
        if !value.is_secret() {
            return Some(value);
        }
        found.push(
            Diagnostic::new("secret/plain", &written.span, format!("{place} cannot hold a secret"))
                .side("the value", &written.value)
                .side("a secret may go to", "env, or a file by at")
                .help("the program can read it from its environment", ""),
        );
        None
    }

    fn env(
        &self,
        variables: &[shape::Variable],
        found: &mut Vec<Diagnostic>,
    ) -> Vec<(String, Value)> {
        let one = |variable: &shape::Variable| {
            Some((variable.name.value.clone(), self.value(&variable.value, found)?))
        };
        variables.iter().filter_map(one).collect()
    }

    fn value(&self, written: &Spanned<String>, found: &mut Vec<Diagnostic>) -> Option<Value> {
        let template = match Template::parse(&written.value) {
            Ok(template) => template,
            Err(why) => {
                found.push(
                    Diagnostic::new("env/reference", &written.span, "cannot read this value")
                        .side("because", why),
                );
                return None;
            }
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut absent = false;
        for part in template.parts {
            let meaning = match part {
                template::Part::Text(text) => Ok(Meaning::Pieces(vec![Piece::Text(text)])),
                template::Part::Reference(reference) => self.reference(&reference, written),
            };
            match meaning {
                Ok(Meaning::Pieces(more)) => {
                    more.into_iter().for_each(|one| join(&mut pieces, one))
                }
                Ok(Meaning::Absent) => absent = true,
                Err(wrong) => {
                    found.push(wrong);
                    absent = true;
                }
            }
        }
        (!absent).then_some(Value(pieces))
    }

    fn reference(
        &self,
        reference: &Reference,
        written: &Spanned<String>,
    ) -> Result<Meaning, Diagnostic> {
        let text = |text: &str| Ok(Meaning::Pieces(vec![Piece::Text(text.to_owned())]));
        let setting = |name: &str| self.node.settings.iter().find(|(known, _)| known == name);
        match (reference.name.as_str(), reference.field.as_deref()) {
            ("url", None) => Ok(Meaning::Pieces(vec![Piece::Url])),
            ("secrets", Some(name)) => {
                let mut names = self.node.shape.secrets.iter().map(|one| one.name.value.as_str());
                if names.clone().any(|known| known == name) {
                    return Ok(Meaning::Pieces(vec![Piece::Secret(name.to_owned())]));
                }
                let known: Vec<String> = names.by_ref().map(|n| format!("secrets.{n}")).collect();
                Err(self.unknown(reference, written, &known))
            }
            ("settings", Some(name)) => match setting(name) {
                Some((_, value)) => text(value),
                None => {
                    let settings = self.node.settings.iter();
                    let known: Vec<String> =
                        settings.map(|(known, _)| format!("settings.{known}")).collect();
                    Err(self.unknown(reference, written, &known))
                }
            },
            (name, None) if setting(name).is_some() => {
                text(setting(name).map_or("", |(_, value)| value))
            }
            (socket, Some(field)) if self.need(socket).is_some() => {
                self.field(socket, field, reference, written)
            }
            _ => Err(self.unknown(reference, written, &self.known())),
        }
    }

    fn need(&self, socket: &str) -> Option<&shape::Need> {
        self.node.shape.needs.iter().find(|need| need.socket.value == socket)
    }

    fn field(
        &self,
        socket: &str,
        name: &str,
        reference: &Reference,
        written: &Spanned<String>,
    ) -> Result<Meaning, Diagnostic> {
        let wires: Vec<&&Wire> = self.wires.iter().filter(|wire| wire.socket == socket).collect();
        if name == "present" {
            let present = (!wires.is_empty()).to_string();
            return Ok(Meaning::Pieces(vec![Piece::Text(present)]));
        }
        let many = self.need(socket).is_some_and(|need| need.cardinality.takes_many());
        if many != reference.list {
            let message = format!("{reference} is not how {socket} is written");
            let how = if many {
                format!("{{{socket}.{name}, ...}}")
            } else {
                format!("{{{socket}.{name}}}")
            };
            return Err(Diagnostic::new("env/reference", &written.span, message).help("write", how));
        }
        let mut pieces = Vec::new();
        for wire in &wires {
            let Some(field) = wire.fields.iter().find(|field| field.name == name) else {
                let fields = wire.fields.iter();
                let known: Vec<String> =
                    fields.map(|field| format!("{socket}.{}", field.name)).collect();
                return Err(self.unknown(reference, written, &known));
            };
            if !pieces.is_empty() {
                pieces.push(Piece::Text(",".into()));
            }
            pieces.push(match plain_field(wire, &field.name, field.secret) {
                Some(text) => Piece::Text(text),
                None => Piece::Field(wire.binding.clone(), name.to_owned()),
            });
        }
        // Without a wire there is nothing to check the name against: it is left out.
        Ok(if wires.is_empty() { Meaning::Absent } else { Meaning::Pieces(pieces) })
    }

    fn known(&self) -> Vec<String> {
        let shape = self.node.shape;
        let fields = self.wires.iter().flat_map(|wire| {
            wire.fields.iter().map(|field| format!("{}.{}", wire.socket, field.name))
        });
        let present = shape.needs.iter().map(|need| format!("{}.present", need.socket.value));
        let secrets = shape.secrets.iter().map(|one| format!("secrets.{}", one.name.value));
        let settings = self.node.settings.iter().map(|(name, _)| format!("settings.{name}"));
        let all: BTreeSet<String> = fields.chain(present).chain(secrets).chain(settings).collect();
        all.into_iter().chain(["url".to_owned()]).collect()
    }

    fn unknown(
        &self,
        reference: &Reference,
        written: &Spanned<String>,
        known: &[String],
    ) -> Diagnostic {
        let name = match &reference.field {
            Some(field) => format!("{}.{field}", reference.name),
            None => reference.name.clone(),
        };
        let message = format!("{} knows no {reference}", self.node.name());
        let everything = if known.is_empty() { self.known() } else { known.to_vec() };
        Diagnostic::new("env/reference", &written.span, message)
            .did_you_mean(&name, everything.iter().map(String::as_str))
    }
}

/// The text of a wire's value that is known now and no secret.
fn plain_field(wire: &Wire, name: &str, secret: bool) -> Option<String> {
    let field = wire.fields.iter().find(|field| field.name == name)?;
    match &field.value {
        SecretValue::Plain(text) if !secret => Some(text.clone()),
        SecretValue::Derived(template) if !secret => {
            let fill = |part: &Reference| plain_field(wire, &part.name, false).map(Into::into);
            Template::parse(template).ok()?.fill(fill).ok()
        }
        _ => None,
    }
}

fn join(pieces: &mut Vec<Piece>, more: Piece) {
    match (pieces.last_mut(), more) {
        (Some(Piece::Text(text)), Piece::Text(next)) => text.push_str(&next),
        (_, more) => pieces.push(more),
    }
}

fn plain_text(value: &Value) -> String {
    let text =
        |piece: &Piece| if let Piece::Text(text) = piece { text.clone() } else { String::new() };
    value.0.iter().map(text).collect()
}

fn bad_command(written: &Spanned<String>, why: &str) -> Diagnostic {
    Diagnostic::new("run/command", &written.span, "cannot read this command")
        .side("because", why)
        .side("found", &written.value)
}
