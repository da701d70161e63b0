//! A block on its own: its module, its settings, what it offers.

use super::{Node, external};
use crate::app::{Block, Origin};
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::graph::{From, Offer};
use crate::interface::{AttributeKind, FieldKind, Interface, InterfaceName};
use crate::module::Module;
use crate::quantity::quantity;
use crate::shape::{Process, Provide, Setting, Shape};
use crate::source::{Span, Spanned};
use crate::version;

/// Resolves where a block comes from and what it offers; `None` if that cannot be known.
pub(super) fn node<'a>(
    block: &'a Block,
    catalogue: &'a Catalogue,
    found: &mut Vec<Diagnostic>,
) -> Option<Node<'a>> {
    let name = &block.name.value;
    let (from, shape, assumes): (_, &Shape, &[_]) = match &block.from {
        Origin::Module(used) => {
            let module = module(used, catalogue).map_err(|wrong| found.push(wrong)).ok()?;
            let from = From::Module {
                name: module.name.clone(),
                version: module.version.clone(),
                build: module.build.clone(),
            };
            (from, &module.shape, &module.assumes)
        }
        Origin::Local(path) => {
            let module = local(path, catalogue).map_err(|wrong| found.push(wrong)).ok()?;
            let from = From::Local {
                path: path.value.clone(),
                name: module.name.clone(),
                version: module.version.clone(),
                build: module.build.clone(),
            };
            (from, &module.shape, &module.assumes)
        }
        Origin::External { interface, from, facts } => {
            return external::node(block, (interface, from, facts), catalogue, found);
        }
        Origin::Image(image) => {
            let opened = block.opened.clone().unwrap_or_default();
            unported(block, found);
            let from = From::Image { name: image.value.clone(), opened };
            (from, &block.shape, block.assumes.as_slice())
        }
        Origin::Source(path) => {
            let from = From::Source { path: path.value.clone(), build: block.build.plain() };
            (from, &block.shape, &[])
        }
    };
    let module = match &block.from {
        Origin::Module(used) => module(used, catalogue).ok(),
        Origin::Local(path) => catalogue.local(&path.value),
        _ => None,
    };
    let settings = settings(block, &from, &shape.settings, found);
    let mut offers: Vec<Offer> =
        shape.provides.iter().filter_map(|one| offer(name, shape, one, catalogue, found)).collect();
    offers.extend(shape.run.iter().filter_map(|process| http(name, process)));
    let node = Node { block, from, shape, assumes, settings, offers, module };
    unknown_processes(&node, found);
    Some(node)
}

fn module<'a>(used: &Spanned<String>, catalogue: &'a Catalogue) -> Result<&'a Module, Diagnostic> {
    if let Some(module) = catalogue.used(&used.value) {
        return Ok(module);
    }
    let (name, wanted) = match used.value.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (used.value.as_str(), None),
    };
    let Some(module) = catalogue.module(name) else {
        let known = catalogue.modules().map(|module| module.name.as_str());
        let message = format!("there is no module \"{name}\" on the shelf");
        let unknown = Diagnostic::new("module/unknown", &used.span, message);
        let Some((shelf, _)) = name.split_once('/') else {
            return Err(unknown.did_you_mean(name, known));
        };
        // Only a server knows catalogues; what it took once lies beside the app.
        return Err(unknown
            .help(format!("if {shelf} is a catalogue, its server has it"), "shelf plan")
            .help("those it knows", "shelf catalogue ls"));
    };
    let Some(wanted) = wanted else { return Ok(module) };
    let same = catalogue.modules().filter(|module| module.name == name);
    let versions: Vec<&str> = same.map(|module| module.version.as_str()).collect();
    let major = module.version.split('.').next().unwrap_or_default();
    Err(Diagnostic::new(
        "module/version",
        &used.span,
        format!("module {name} is not there in version {wanted}"),
    )
    .side_at("the app asks for", format!("{name} {wanted}"), &used.span)
    .side("the shelf has", format!("{name} {}", versions.join(", ")))
    .help("use what is there", format!("use = \"{name}@{major}\"")))
}

fn local<'a>(path: &Spanned<String>, catalogue: &'a Catalogue) -> Result<&'a Module, Diagnostic> {
    catalogue.local(&path.value).ok_or_else(|| {
        let message = format!("there is no module in {}", path.value);
        Diagnostic::new("module/unknown", &path.span, message)
            .side("looked for", format!("{}/module.toml", path.value))
            .help("to copy one from the shelf", "shelf fork")
    })
}

/// A path must lead to a port; an image that nobody has looked at may have one.
fn unported(block: &Block, found: &mut Vec<Diagnostic>) {
    let Some(opened) = &block.opened else { return };
    for process in block.shape.run.iter().filter(|process| process.port.is_none()) {
        let Some(path) = process.paths.first() else { continue };
        let message = format!("{} has a path but no port", process.name.value);
        let ports: Vec<String> = opened.ports.iter().map(u16::to_string).collect();
        let ports = if ports.is_empty() { "nothing".to_owned() } else { ports.join(", ") };
        found.push(
            Diagnostic::new("run/path", &path.span, message)
                .side("the image says it listens on", ports)
                .help("add", "port = 8080"),
        );
    }
}

/// What an app says of a process must be about one that is there.
fn unknown_processes(node: &Node<'_>, found: &mut Vec<Diagnostic>) {
    let mut known: Vec<&str> =
        node.shape.run.iter().map(|process| process.name.value.as_str()).collect();
    if known.is_empty() && node.from.has_image() {
        known.push(node.name());
    }
    for tune in &node.block.tune {
        let process = &tune.process;
        if !known.contains(&process.value.as_str()) {
            let message = format!("{} has no process \"{}\"", node.name(), process.value);
            found.push(
                Diagnostic::new("run/process", &process.span, message)
                    .did_you_mean(&process.value, known.iter().copied()),
            );
        }
    }
}

/// The settings with the values that `set` gives them.
fn settings(
    block: &Block,
    from: &From,
    known: &[Setting],
    found: &mut Vec<Diagnostic>,
) -> Vec<(String, String)> {
    let mut values: Vec<(String, String)> =
        known.iter().map(|one| (one.name.value.clone(), one.default.clone())).collect();
    for (name, value, kind) in &block.set {
        let Some(index) = known.iter().position(|one| one.name.value == name.value) else {
            let names = known.iter().map(|one| one.name.value.as_str());
            let message = format!("{from} has no setting \"{}\"", name.value);
            found.push(
                Diagnostic::new("setting/unknown", &name.span, message)
                    .did_you_mean(&name.value, names),
            );
            continue;
        };
        let setting = &known[index];
        match wrong_value(setting, value, kind) {
            // The default stays, so that what uses the setting is not blamed as well.
            Some(wrong) => found.push(wrong),
            None => values[index].1.clone_from(&value.value),
        }
    }
    values
}

fn wrong_value(setting: &Setting, value: &Spanned<String>, kind: &str) -> Option<Diagnostic> {
    let name = &setting.name.value;
    let label = format!("{name} takes");
    let quoted = setting.kind == "string";
    let default = if quoted { format!("\"{}\"", setting.default) } else { setting.default.clone() };
    let wrong = |takes: &str| {
        Diagnostic::new("setting/value", &value.span, format!("{name} cannot be {}", value.value))
            .side(&label, takes)
            .side("found", format!("the {kind} \"{}\"", value.value))
            .help(setting.help.trim_end_matches('.'), format!("{name} = {default}"))
    };
    if value.value.contains('{') {
        return Some(
            Diagnostic::new("setting/reference", &value.span, "a setting takes no references")
                .side("found", &value.value)
                .help("settings are plain and may be seen; use env in a source block", ""),
        );
    }
    if kind != setting.kind {
        return Some(wrong(&format!("a {}", setting.kind)));
    }
    let sized = quantity(&setting.default).is_some();
    (sized && quantity(&value.value).is_none()).then(|| wrong("a size such as 512Mi or 10Gi"))
}

/// A process with a port gives `http/1` under its own name.
fn http(block: &str, process: &Process) -> Option<Offer> {
    let name = &process.name.value;
    Some(Offer::http(name, &super::names::workload(block, name), process.port.as_ref()?.value))
}

fn offer(
    block: &str,
    shape: &Shape,
    provide: &Provide,
    catalogue: &Catalogue,
    found: &mut Vec<Diagnostic>,
) -> Option<Offer> {
    let interface =
        interface(&provide.interface, catalogue).map_err(|wrong| found.push(wrong)).ok()?;
    let span = &provide.name.span;
    let place = format!("{block}.{}", provide.name.value);
    let port = provide.port.as_ref().map(|port| port.value);
    if port.is_none() && !interface.is_disk() {
        let message = format!("{place} gives {} but names no port", interface.name);
        found.push(Diagnostic::new("provide/port", span, message).help("add", "port = 5432"));
        return None;
    }
    found.extend(wrong_disk(shape, provide, interface));
    for (fact, words) in &provide.facts {
        found.extend(wrong_fact(&place, interface, fact, words));
    }
    for attribute in interface.attributes.iter().filter(|attribute| !attribute.optional) {
        if !provide.facts.iter().any(|(fact, _)| fact.value == attribute.name) {
            found.push(missing_fact(&place, interface, &attribute.name, span));
        }
    }
    for field in interface.fields.iter().filter(|field| !field.optional) {
        let given = provide.facts.iter().any(|(fact, _)| fact.value == field.name);
        if matches!(field.kind, FieldKind::Text | FieldKind::Pem) && !given {
            found.push(missing_fact(&place, interface, &field.name, span));
        }
    }
    let secret = interface.fields.iter().any(|one| one.kind == FieldKind::Secret && !one.optional);
    if secret && provide.grant.is_none() {
        let message = format!("{place} gives {} but has no grant", interface.name);
        found.push(
            Diagnostic::new("provide/grant", span, message)
                .help("a program that makes a login per wire", "grant = \"grant.sh\""),
        );
    }
    let join = |words: &[Spanned<String>]| {
        words.iter().map(|word| word.value.as_str()).collect::<Vec<_>>().join(",")
    };
    let facts = provide.facts.iter().map(|(name, words)| (name.value.clone(), join(words)));
    Some(Offer {
        name: provide.name.value.clone(),
        interface: interface.name.clone(),
        service: block.to_owned(),
        port,
        admin_port: provide.admin_port,
        grant: provide.grant.clone(),
        probe: provide.probe.clone(),
        facts: facts.collect(),
        max: provide.max,
    })
}

/// An offer of a disk gives the disk of its own name, with the access that the disk has.
fn wrong_disk(shape: &Shape, provide: &Provide, interface: &Interface) -> Option<Diagnostic> {
    if !interface.is_disk() {
        return None;
    }
    let name = &provide.name;
    let Some(disk) = shape.disks.iter().find(|disk| disk.name.value == name.value) else {
        let message = format!("{} gives {} but no disk has its name", name.value, interface.name);
        return Some(
            Diagnostic::new("provide/disk", &name.span, message)
                .help("the disk it gives", format!("[disk.{}]", name.value)),
        );
    };
    let access = if disk.shared { "shared" } else { "single" };
    let (_, words) = provide.facts.iter().find(|(fact, _)| fact.value == "access")?;
    let word = words.first().filter(|word| word.value != access)?;
    let message = format!("{} is not {}", name.value, word.value);
    Some(
        Diagnostic::new("provide/disk", &word.span, message)
            .side_at("the offer says", &word.value, &word.span)
            .side_at("its disk is", access, &disk.name.span)
            .help("make them the same", format!("access = \"{access}\"")),
    )
}

fn missing_fact(place: &str, interface: &Interface, name: &str, span: &Span) -> Diagnostic {
    let message = format!("{place} does not say its {name}");
    Diagnostic::new("provide/fact", span, message)
        .side(format!("{} asks for", interface.name), name)
        .help("add", format!("{name} = \"…\""))
}

pub(super) fn wrong_fact(
    place: &str,
    interface: &Interface,
    fact: &Spanned<String>,
    words: &[Spanned<String>],
) -> Option<Diagnostic> {
    let attribute = interface.attributes.iter().find(|one| one.name == fact.value);
    let fixed = |kind: &FieldKind| {
        matches!(kind, FieldKind::Name | FieldKind::Label | FieldKind::Text | FieldKind::Pem)
    };
    let field = interface.field(&fact.value).filter(|field| fixed(&field.kind));
    if attribute.is_none() && field.is_none() {
        let attributes = interface.attributes.iter().map(|one| one.name.as_str());
        let fields = interface.fields.iter().filter(|field| fixed(&field.kind));
        let known = attributes.chain(fields.map(|field| field.name.as_str())).chain([
            "type",
            "port",
            "admin-port",
            "grant",
            "probe",
            "max",
        ]);
        let message = format!("{place} has no key \"{}\"", fact.value);
        return Some(
            Diagnostic::new("file/unknown-key", &fact.span, message)
                .did_you_mean(&fact.value, known),
        );
    }
    let version = attribute.is_some_and(|one| one.kind == AttributeKind::Version);
    let word = words.first()?;
    if version && version::keeps(&word.value, ">=0").is_none() {
        let message = format!("{place} has a {} that is no version", fact.value);
        return Some(
            Diagnostic::new("provide/fact", &word.span, message).side("found", &word.value),
        );
    }
    None
}

/// The interface of this name, or why there is none.
pub(super) fn interface<'a>(
    name: &Spanned<InterfaceName>,
    catalogue: &'a Catalogue,
) -> Result<&'a Interface, Diagnostic> {
    let full = name.value.to_string();
    if let Some(interface) = catalogue.interface(&full) {
        return Ok(interface);
    }
    let prefix = format!("{}/", name.value.name);
    let same: Vec<&str> = catalogue
        .interfaces()
        .map(|interface| interface.name.as_str())
        .filter(|known| known.starts_with(&prefix))
        .collect();
    let message = format!("there is no interface {full}");
    let wrong = Diagnostic::new("interface/unknown", &name.span, message);
    Err(if same.is_empty() {
        wrong.did_you_mean(&full, catalogue.interfaces().map(|known| known.name.as_str()))
    } else {
        wrong
            .side("the shelf has", same.join(", "))
            .help("another major is another interface; write", same[0])
    })
}
