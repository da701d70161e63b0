//! What the publisher's linter refuses beyond what cannot be read: ways out that do not exist,
//! offers that cannot be kept. Where next: whoever has the folder looks at its files.

use super::Module;
use crate::catalogue::Catalogue;
use crate::diagnostic::Diagnostic;
use crate::interface::FieldKind;
use crate::shape::Provide;

/// Words of the language that are a way out by themselves.
const WAYS: [&str; 8] =
    ["copies", "url", "external", "backup", "restore", "patch", "fork", "secrets"];

/// What a module gives, and the programs that it gives it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The offer.
    pub offer: String,
    /// Its interface with the major.
    pub interface: String,
    /// Makes a login, in the image's `/module`.
    pub grant: Option<String>,
    /// Tries a wire, in the image's `/module`.
    pub probe: Option<String>,
}

impl Module {
    /// The offers of the module itself with their programs.
    pub fn programs(&self) -> Vec<Programs> {
        let one = |offer: &Provide| Programs {
            offer: offer.name.value.clone(),
            interface: offer.interface.value.to_string(),
            grant: offer.grant.clone(),
            probe: offer.probe.clone(),
        };
        self.shape.provides.iter().map(one).collect()
    }

    /// Where its own disks are mounted.
    pub fn mounts(&self) -> Vec<String> {
        let at = |disk: &crate::shape::Disk| disk.at.as_ref().map(|at| at.value.clone());
        self.shape.disks.iter().filter_map(at).collect()
    }
}

/// Lints a module against a shelf. Every assumption's way out must name a setting, an extension
/// point or a data command of the module, or a module or interface of the shelf; offers must have
/// the programs that their interface asks for, and a server must say when it is ready.
pub fn lint(module: &Module, catalogue: &Catalogue) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> =
        module.shape.provides.iter().flat_map(|offer| lacks(offer, catalogue)).collect();
    found.extend(never_ready(module));
    if module.summary.trim().is_empty() {
        found.push(without_place(
            "module/summary",
            format!("module {} does not say what it is", module.name),
            "summary = \"One sentence.\"",
        ));
    }
    for one in &module.assumes {
        let mut words = one
            .if_not
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_/".contains(c)))
            .filter(|word| !word.is_empty());
        if words.any(|word| is_way_out(module, catalogue, word)) {
            continue;
        }
        let settings = module.shape.settings.iter().map(|one| one.name.value.as_str());
        let points = module.extend.iter().map(|point| point.name.value.as_str());
        let known: Vec<&str> = settings.chain(points).chain(WAYS).collect();
        let message = format!("assumption \"{}\" has a way out that is none", one.name.value);
        found.push(
            Diagnostic::new("module/if-not", &one.name.span, message)
                .side("if not", &one.if_not)
                .help("name a module, an interface, or one of", known.join(", ")),
        );
    }
    found
}

fn without_place(code: &str, message: String, help: &str) -> Diagnostic {
    let (code, sides) = (code.to_owned(), Vec::new());
    Diagnostic { code, message, span: None, sides, help: Vec::new() }.help("write", help)
}

/// What an offer must have besides its words.
fn lacks(offer: &Provide, catalogue: &Catalogue) -> Vec<Diagnostic> {
    let (name, interface) = (&offer.name.value, offer.interface.value.to_string());
    let known = catalogue.interfaces().map(|one| one.name.as_str());
    let Some(wanted) = catalogue.interface(&interface) else {
        let message = format!("there is no interface {interface}");
        return vec![
            Diagnostic::new("interface/unknown", &offer.interface.span, message)
                .did_you_mean(&interface, known),
        ];
    };
    let mut found = Vec::new();
    // A password that nobody tells the server opens nothing, unless all share one of its own.
    let logins =
        wanted.fields.iter().any(|field| field.kind == FieldKind::Secret && !field.optional);
    if logins && offer.grant.is_none() {
        let message = format!("{name} gives {interface} and has no program that makes its logins");
        found.push(
            Diagnostic::new("module/grant", &offer.name.span, message)
                .help("grant, rotate and revoke; harmless to repeat", "grant = \"grant.sh\""),
        );
    }
    if wanted.before_start && offer.probe.is_none() && offer.port.is_some() {
        let message = format!("consumers wait for {interface}, and {name} has no probe");
        found.push(
            Diagnostic::new("module/probe", &offer.name.span, message)
                .help("tries a wire once with its own login", "probe = \"probe.sh\""),
        );
    }
    found
}

/// A server that does not say when it is ready is ready too early.
fn never_ready(module: &Module) -> Option<Diagnostic> {
    let shape = &module.shape;
    let says = shape.ready.is_some() || shape.run.iter().any(|one| one.ready.is_some());
    let probed = shape.provides.iter().any(|offer| offer.probe.is_some());
    if module.build.is_none() || says || probed || shape.provides.is_empty() {
        return None;
    }
    let message = format!("module {} does not say when it is ready", module.name);
    let help = "[check] ready = \"/module/ready.sh\"";
    Some(without_place("module/ready", message, help))
}

fn is_way_out(module: &Module, catalogue: &Catalogue, word: &str) -> bool {
    let shape = &module.shape;
    WAYS.contains(&word)
        || shape.settings.iter().any(|one| one.name.value == word)
        || module.extend.iter().any(|point| point.name.value == word)
        || module.data.iter().any(|(name, _)| name == word)
        || (catalogue.module(word).is_some() && word != module.name)
        || catalogue.interface(word).is_some()
}
